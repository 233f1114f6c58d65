/*
 * mobius_pager_test.c - the Mobius face on a simulated machine: contents that come from handlers
 * and files, and the states of a page (rows C5, C7, C18, C24, C28).
 *
 * Arguments: names of tests; --driver NAME (the simulator, x86_64).
 */
#include "mobius_stage.h"
#include "host.h"

/* ---------------------------------------------------------------------------- handlers */

enum how { FILLS_WINDOW, FILLS_BY_CALL, FILLS_NOTHING, REFUSES };

/* What a handler was asked, and what it does. */
struct handling {
        enum how how;
        unsigned calls, asked[64];
        vm_node_t *node;
        addr_t start;
        bool is_writing, window_was_zero;
};

static void set_page(uint8_t *page, uint8_t byte)
{
        for (unsigned i = 0; i < PAGE_SIZE; i++)
                page[i] = byte;
}

static bool handle_page(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        struct handling *h = cookie;
        size_t page = (start - node->base) / PAGE_SIZE;
        uint8_t *window = mobius_page_window(node, start);
        uint8_t contents[PAGE_SIZE];

        h->calls++;
        h->asked[page % 64]++;
        h->node = node;
        h->start = start;
        h->is_writing = is_writing;
        mobius_page_state(NULL, 0);                          /* an error of its own: OK */
        CHECK(mobius_process_current() == (node == node_of(one, (void *)start) ? one : two));
        CHECK(window != NULL);
        CHECK(mobius_page_window(node, start + PAGE_SIZE) == NULL);
        CHECK_EQ(mobius_page_state(node == node_of(one, (void *)start) ? one : two, start),
                 MOBIUS_PAGE_READINPROG);
        h->window_was_zero = window && !window[0] && !memcmp(window, window + 1, PAGE_SIZE - 1);
        set_page(contents, (uint8_t)(page + 100));
        if (h->how == FILLS_WINDOW)
                memcpy(window, contents, PAGE_SIZE);
        else if (h->how == FILLS_BY_CALL)
                CHECK(mobius_page_fill(node, start, contents));
        return h->how != REFUSES;
}

static void test_C7_the_handler_is_called_once_for_each_missing_page(void)
{
        struct handling h = { .how = FILLS_WINDOW };
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(16, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        CHECK_EQ(h.calls, 0);
        for (unsigned round = 0; round < 2; round++) {
                for (unsigned i = 0; i < 16; i++)    /* nobody may read this run ahead */
                        CHECK_EQ(byte_of(one, page_at(at, i)), i + 100);
                CHECK_EQ(h.calls, 16);
        }
        for (unsigned i = 0; i < 16; i++)
                CHECK_EQ(h.asked[i], 1);
        CHECK(h.node == node_of(one, at));
        CHECK(h.window_was_zero);
        act_close();
}

static void test_C7_the_handler_gets_the_page_and_whether_it_is_written(void)
{
        struct handling h = { .how = FILLS_BY_CALL };
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(8, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        CHECK(!VmmFree(NULL));
        CHECK_EQ(byte_of(one, at + 3 * PAGE_SIZE + 1234), 103);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);           /* of the call before, still */
        CHECK_EQ(h.start, (addr_t)at + 3 * PAGE_SIZE);
        CHECK(!h.is_writing);
        CHECK_EQ(put(one, at + 5 * PAGE_SIZE + 4095, 7), 0);
        CHECK_EQ(h.start, (addr_t)at + 5 * PAGE_SIZE);
        CHECK(h.is_writing);
        CHECK_EQ(byte_of(one, at + 5 * PAGE_SIZE), 105);
        CHECK_EQ(byte_of(one, at + 5 * PAGE_SIZE + 4095), 7);
        CHECK_EQ(put(one, at + 3 * PAGE_SIZE, 8), 0);        /* it is there: not missing */
        CHECK_EQ(h.calls, 2);
        h.how = FILLS_NOTHING;
        CHECK_EQ(byte_of(one, at), 0);
        CHECK_EQ(h.calls, 3);
        act_close();
}

static void test_C7_false_reaches_the_program_and_the_next_access_asks_again(void)
{
        struct handling h = { .how = REFUSES };
        uint8_t byte = 0;
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(2, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        CHECK_EQ(get(one, at, &byte), QUIRE_WHY_IO_ERROR);
        CHECK_EQ(h.calls, 1);
        CHECK_EQ(mobius_page_state(one, (addr_t)at), MOBIUS_PAGE_READFAILED);
        CHECK(!VmmPageFault(one, (addr_t)at, true));
        CHECK_EQ(mobius_error(), MOBIUS_EIO);
        CHECK_EQ(h.calls, 2);
        h.how = FILLS_WINDOW;
        CHECK_EQ(get(one, at, &byte), 0);
        CHECK_EQ(byte, 100);
        CHECK_EQ(h.calls, 3);
        CHECK(VmmPageFault(one, (addr_t)at + PAGE_SIZE, false));
        CHECK_EQ(h.asked[1], 1);
        act_close();
}

static void test_C7_modified_pages_are_kept_and_others_asked_for_again(void)
{
        struct handling h = { .how = FILLS_WINDOW };
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(2, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        CHECK_EQ(byte_of(one, at), 100);
        CHECK_EQ(put(one, at + PAGE_SIZE, 1), 0);
        CHECK_EQ(quire_region_advise(one->space, (addr_t)at, 2 * PAGE_SIZE, QUIRE_WONT_NEED),
                 QUIRE_OK);
        CHECK_EQ(mobius_page_state(one, (addr_t)at), MOBIUS_PAGE_PAGEDOUT);
        CHECK_EQ(mobius_page_state(one, (addr_t)at + PAGE_SIZE), MOBIUS_PAGE_PAGEDOUT);
        CHECK_EQ(byte_of(one, at), 100);
        CHECK_EQ(byte_of(one, at + PAGE_SIZE), 1);
        CHECK_EQ(h.asked[0], 2);
        CHECK_EQ(h.asked[1], 1);
        act_close();
}

/* Supplies the page after the one that it was asked for, and changes the nodes. */
static bool handle_with_more(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        uint8_t contents[PAGE_SIZE];
        addr_t *mapped = cookie;

        (void)is_writing;
        set_page(contents, 77);
        CHECK(mobius_page_fill(node, start + PAGE_SIZE, contents));
        set_page(contents, 76);
        CHECK(mobius_page_fill(node, start, contents));
        *mapped = (addr_t)VmmAlloc(1, 0, USER_RW);
        return *mapped != 0;
}

static void test_C18_a_handler_may_call_the_face_and_supply_other_pages(void)
{
        addr_t mapped = 0;
        uint8_t contents[PAGE_SIZE];
        vm_node_t *node;
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(4, 0x300000, USER_RW, handle_with_more, &mapped);
        CHECK_EQ((addr_t)at, 0x300000);
        node = node_of(one, at);
        CHECK_EQ(node->u.desc->type, VM_AREA_CALLBACK);
        CHECK(node->u.desc->dest.callback.handler == handle_with_more);
        CHECK(node->u.desc->dest.callback.cookie == &mapped);
        CHECK_EQ(byte_of(one, at), 76);
        CHECK(mapped && node_of(one, (void *)mapped)->u.desc);
        mapped = 0;
        CHECK_EQ(byte_of(one, at + PAGE_SIZE), 77);
        CHECK_EQ(mapped, 0);                                 /* nobody asked for it */
        set_page(contents, 78);
        CHECK(mobius_page_fill(node, (addr_t)at + 3 * PAGE_SIZE, contents));
        CHECK_EQ(byte_of(one, at + 3 * PAGE_SIZE), 78);
        CHECK(!mobius_page_fill(node, (addr_t)at + 3 * PAGE_SIZE, contents));
        CHECK_EQ(mobius_error(), MOBIUS_EBUSY);              /* it has contents */
        CHECK(!mobius_page_fill(node, (addr_t)at + 4 * PAGE_SIZE, contents));
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        CHECK(mobius_page_window(node, (addr_t)at) == NULL);
        act_close();
}

static void test_C18_a_callback_area_is_shared_as_others_are(void)
{
        struct handling h = { .how = FILLS_WINDOW };
        bool told_of_one;
        uint8_t *a, *b;

        act_open();
        a = VmmAllocCallback(2, 0, USER_RW, handle_page, &h);
        REQUIRE(a != NULL);
        mobius_process_enter(two);
        b = VmmMapSharedArea(node_of(one, a)->u.desc, 0x440000, USER_RW);
        REQUIRE(b != NULL);
        CHECK_EQ(byte_of(two, b + PAGE_SIZE), 101);
        CHECK_EQ(byte_of(one, a + PAGE_SIZE), 101);
        CHECK_EQ(h.calls, 1);
        told_of_one = h.node == node_of(one, a);
        CHECK(told_of_one || h.node == node_of(two, b));
        VmmFreeNode(h.node);                                 /* the other one shows it still */
        CHECK_EQ(told_of_one ? byte_of(two, b) : byte_of(one, a), 100);
        CHECK_EQ(h.calls, 2);
        act_close();
}

/* ------------------------------------------------------------------------------- files */

static void test_C5_a_file_is_memory(void)
{
        enum { BYTES = 5 * PAGE_SIZE + 100 };
        struct fake_file file;
        uint8_t *at;

        act_open();
        fake_open(&file, BYTES, true);
        at = VmmMap(6, 0, &file.handle, NULL, VM_AREA_FILE, USER_RW);
        REQUIRE(at != NULL);
        CHECK_EQ(node_of(one, at)->u.desc->type, VM_AREA_FILE);
        CHECK(node_of(one, at)->u.desc->dest.file == &file.handle);
        for (unsigned i = 0; i < 6; i++)
                CHECK_EQ(byte_of(one, page_at(at, i)), i + 1);
        CHECK_EQ(byte_of(one, at + BYTES - 1), 6);
        CHECK_EQ(byte_of(one, at + BYTES), 0);               /* beyond the end: zeroes */
        CHECK_EQ(put(one, at + 2 * PAGE_SIZE + 7, 99), 0);
        CHECK_EQ(put(one, at + BYTES, 98), 0);
        CHECK_EQ(file.contents[2 * PAGE_SIZE + 7], 3);       /* not yet */
        CHECK(mobius_area_flush(at));
        CHECK_EQ(file.contents[2 * PAGE_SIZE + 7], 99);
        CHECK_EQ(put(one, at + PAGE_SIZE, 97), 0);
        CHECK(VmmFree(at + 4));
        CHECK_EQ(file.contents[PAGE_SIZE], 97);
        fake_done(&file);
        act_close();
}

static void test_C24_map_file_drops_zero_and_shares_what_the_handle_has(void)
{
        struct fake_file file;
        uint8_t *a, *b;

        act_open();
        fake_open(&file, 4 * PAGE_SIZE, true);
        a = VmmMapFile(&file.handle, 0x500000, 3, USER_RW | VM_MEM_ZERO);
        CHECK_EQ((addr_t)a, 0x500000);
        CHECK_EQ(node_of(one, a)->u.desc->flags, USER_RW);
        CHECK_EQ(byte_of(one, a), 1);
        mobius_process_enter(two);
        b = VmmMapFile(&file.handle, 0, 2, USER_RW);
        REQUIRE(b != NULL);
        CHECK(node_of(two, b)->u.desc == node_of(one, a)->u.desc);
        CHECK_EQ(node_of(two, b)->num_pages, 2);
        CHECK_EQ(put(two, b + PAGE_SIZE, 55), 0);
        CHECK_EQ(byte_of(one, a + PAGE_SIZE), 55);
        CHECK(VmmMapFile(&file.handle, 0, 4, USER_RW) == NULL);      /* more than the first */
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        VmmFreeNode(node_of(one, a));
        CHECK_EQ(file.contents[PAGE_SIZE], 2);               /* not the last node */
        CHECK(VmmFree(b));
        CHECK_EQ(file.contents[PAGE_SIZE], 55);
        b = VmmMapFile(&file.handle, 0, 4, USER_RW);
        CHECK(b && byte_of(two, b + PAGE_SIZE) == 55 && byte_of(two, b + 3 * PAGE_SIZE) == 4);
        CHECK(VmmMapFile(&file.handle, 0, 5, USER_RW) == NULL);      /* beyond the end */
        CHECK(VmmFree(b));
        fake_done(&file);
        act_close();
}

static void test_C24_a_file_that_may_not_be_written(void)
{
        struct fake_file file;
        uint8_t *at;

        act_open();
        fake_open(&file, 2 * PAGE_SIZE, false);
        CHECK(VmmMapFile(&file.handle, 0, 2, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK_EQ(check_nodes(one), 1);
        at = VmmMapFile(&file.handle, 0, 2, USER | READ);
        CHECK(at && byte_of(one, at) == 1);
        CHECK_EQ(put(one, at, 1), QUIRE_WHY_PROTECTED);
        CHECK(VmmFree(at));
        fake_done(&file);
        act_close();
}

/* ------------------------------------------------------------------------------ states */

static addr_t watched;
static enum mobius_page_state seen_during;

static void see(struct fake_file *f)
{
        (void)f;
        seen_during = mobius_page_state(one, watched);
}

static enum mobius_page_state state_now(void)
{
        return mobius_page_state(one, watched);
}

static void evict(void)
{
        CHECK_EQ(quire_region_advise(one->space, watched, PAGE_SIZE, QUIRE_WONT_NEED), QUIRE_OK);
}

/* A file of one page, mapped at `watched'. */
static void open_watched(struct fake_file *file)
{
        act_open();
        fake_open(file, PAGE_SIZE, true);
        file->during = see;
        watched = (addr_t)VmmMapFile(&file->handle, 0, 1, USER_RW);
        REQUIRE(watched != 0);
        CHECK_EQ(state_now(), MOBIUS_PAGE_PAGEDOUT);
}

static void close_watched(struct fake_file *file)
{
        CHECK(VmmFree((void *)watched));
        CHECK_EQ(state_now(), MOBIUS_PAGE_NONE);
        fake_done(file);
        act_close();
}

static void test_C28_reading(void)
{
        struct fake_file file;
        uint8_t byte = 0;

        open_watched(&file);
        file.fails_to_read = true;
        CHECK_EQ(get(one, (void *)watched, &byte), QUIRE_WHY_IO_ERROR);
        CHECK_EQ(seen_during, MOBIUS_PAGE_READINPROG);       /* PAGEDOUT -> READINPROG */
        CHECK_EQ(state_now(), MOBIUS_PAGE_READFAILED);       /* -> READFAILED */
        seen_during = MOBIUS_PAGE_NONE;
        CHECK(!VmmPageFault(one, watched, false));
        CHECK_EQ(seen_during, MOBIUS_PAGE_READINPROG);       /* READFAILED -> READINPROG */
        CHECK_EQ(state_now(), MOBIUS_PAGE_READFAILED);
        file.fails_to_read = false;
        CHECK_EQ(byte_of(one, (void *)watched), 1);
        CHECK_EQ(state_now(), MOBIUS_PAGE_VALID_CLEAN);      /* READINPROG -> VALID_CLEAN */
        evict();
        CHECK_EQ(state_now(), MOBIUS_PAGE_PAGEDOUT);         /* VALID_CLEAN -> PAGEDOUT */
        CHECK_EQ(put(one, (void *)watched, 2), 0);
        CHECK_EQ(state_now(), MOBIUS_PAGE_VALID_DIRTY);      /* READINPROG -> VALID_DIRTY */
        close_watched(&file);
}

static void test_C28_writing(void)
{
        struct fake_file file;

        open_watched(&file);
        CHECK_EQ(byte_of(one, (void *)watched), 1);
        CHECK_EQ(put(one, (void *)watched, 2), 0);
        CHECK_EQ(state_now(), MOBIUS_PAGE_VALID_DIRTY);      /* VALID_CLEAN -> VALID_DIRTY */
        file.fails_to_write = true;
        CHECK(!mobius_area_flush((void *)watched));
        CHECK_EQ(mobius_error(), MOBIUS_EIO);
        CHECK_EQ(seen_during, MOBIUS_PAGE_WRITEINPROG);      /* VALID_DIRTY -> WRITEINPROG */
        CHECK_EQ(state_now(), MOBIUS_PAGE_WRITEFAILED);      /* -> WRITEFAILED */
        CHECK_EQ(byte_of(one, (void *)watched), 2);          /* nothing is lost */
        CHECK(!VmmFree((void *)watched));                    /* and it stays */
        CHECK_EQ(mobius_error(), MOBIUS_EIO);
        CHECK_EQ(byte_of(one, (void *)watched), 2);
        file.fails_to_write = false;
        seen_during = MOBIUS_PAGE_NONE;
        CHECK(mobius_area_flush((void *)watched));
        CHECK_EQ(seen_during, MOBIUS_PAGE_WRITEINPROG);      /* WRITEFAILED -> WRITEINPROG */
        CHECK_EQ(state_now(), MOBIUS_PAGE_VALID_CLEAN);      /* -> VALID_CLEAN */
        CHECK_EQ(file.contents[0], 2);
        close_watched(&file);
}

static void test_C28_evicted_while_it_is_not_home(void)
{
        struct fake_file file;

        open_watched(&file);
        CHECK_EQ(put(one, (void *)watched, 2), 0);
        evict();
        CHECK_EQ(state_now(), MOBIUS_PAGE_PAGEDOUT);         /* VALID_DIRTY -> PAGEDOUT */
        CHECK_EQ(file.contents[0], 1);                       /* to the pagefile */
        CHECK_EQ(byte_of(one, (void *)watched), 2);
        CHECK(state_now() == MOBIUS_PAGE_VALID_DIRTY);
        file.fails_to_write = true;
        CHECK(!mobius_area_flush((void *)watched));
        evict();
        CHECK_EQ(state_now(), MOBIUS_PAGE_WRITEFAILED);      /* wherever its contents lie */
        file.fails_to_write = false;
        CHECK(mobius_area_flush((void *)watched));
        CHECK_EQ(file.contents[0], 2);
        close_watched(&file);
}

/* A page of a NORMAL area, at `watched', whose contents lie in the pagefile. */
static struct quire_sim_host *open_paged(void)
{
        enum { FRAMES = 64, OTHERS = 256 };
        addr_t others;

        act_open_with(&(struct drive_options){ .budget = FRAMES * PAGE_SIZE });
        watched = (addr_t)VmmAlloc(1, 0, USER_RW);
        others = (addr_t)VmmAlloc(OTHERS, 0x4000000, USER_RW);
        REQUIRE(watched && others);
        CHECK_EQ(state_now(), MOBIUS_PAGE_PAGEDOUT);
        CHECK_EQ(fill(watched, 1), 0);
        CHECK_EQ(state_now(), MOBIUS_PAGE_VALID_DIRTY);
        for (unsigned i = 0; i < OTHERS; i++)
                CHECK_EQ(fill(others + i * PAGE_SIZE, i + 2), 0);
        CHECK_EQ(state_now(), MOBIUS_PAGE_PAGEDOUT);         /* VALID_DIRTY -> PAGEDOUT */
        return mobius_driver->host(stage);
}

static void test_C28_normal_areas_and_a_pagefile_that_fails(void)
{
        struct quire_sim_host *host = open_paged();
        uint8_t byte = 0;

        quire_sim_fail(host, QUIRE_SIM_READ, 1, QUIRE_SIM_FOREVER);
        CHECK(!VmmPageFault(one, watched, false));
        CHECK_EQ(mobius_error(), MOBIUS_EIO);
        CHECK_EQ(state_now(), MOBIUS_PAGE_READFAILED);
        CHECK_EQ(get(one, (void *)watched, &byte), QUIRE_WHY_IO_ERROR);
        quire_sim_fail(host, QUIRE_SIM_READ, 1, 0);
        CHECK(VmmPageFault(one, watched, false));
        CHECK_EQ(state_now(), MOBIUS_PAGE_VALID_CLEAN);
        CHECK(holds(watched, 1));
        act_close();
}

int main(int argc, char **argv)
{
        act_begin(argc, argv);
        RUN(test_C5_a_file_is_memory);
        RUN(test_C7_the_handler_is_called_once_for_each_missing_page);
        RUN(test_C7_the_handler_gets_the_page_and_whether_it_is_written);
        RUN(test_C7_false_reaches_the_program_and_the_next_access_asks_again);
        RUN(test_C7_modified_pages_are_kept_and_others_asked_for_again);
        RUN(test_C18_a_handler_may_call_the_face_and_supply_other_pages);
        RUN(test_C18_a_callback_area_is_shared_as_others_are);
        RUN(test_C24_map_file_drops_zero_and_shares_what_the_handle_has);
        RUN(test_C24_a_file_that_may_not_be_written);
        RUN(test_C28_reading);
        RUN(test_C28_writing);
        RUN(test_C28_evicted_while_it_is_not_home);
        RUN(test_C28_normal_areas_and_a_pagefile_that_fails);
        return test_end();
}
