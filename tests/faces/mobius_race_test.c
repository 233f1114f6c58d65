/*
 * mobius_race_test.c - the Mobius face under simulated threads, which change where the seed
 * says (rows C2, C7, C20, C23, C28).
 *
 * Simulated threads run on one thread of the process, so they have one current process.
 *
 * Arguments: names of tests; --driver NAME (the simulator, x86_64).
 */
#include "mobius_stage.h"
#include "host.h"

enum { SEEDS = 30, THREADS = 4, STEPS = 60 };

/* ------------------------------------------------- a handler whose area is freed */

struct slow {
        bool entered, goes_on;
        addr_t base_before, base_after;
};

static bool handle_slowly(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        struct slow *s = cookie;

        (void)start;
        (void)is_writing;
        s->base_before = node->base;
        s->entered = true;
        while (!s->goes_on)
                quire_sim_yield(mobius_driver->host(stage));
        s->base_after = node->base;                          /* the node is still memory */
        return true;
}

static uint8_t *slow_at;
static unsigned slow_answer;

static void touch_slow(void *unused)
{
        uint8_t byte;

        (void)unused;
        slow_answer = get(one, slow_at, &byte);
}

static void test_C20_a_node_lasts_while_its_handler_runs(void)
{
        struct quire_sim_thread *toucher;
        struct slow s = { 0 };
        struct quire_sim_host *host;

        act_open();
        host = mobius_driver->host(stage);
        CHECK(VmmReserveArea(1, 0x400000) != NULL);
        slow_at = VmmAllocCallback(1, 0x403000, USER_RW, handle_slowly, &s);
        REQUIRE(slow_at != NULL);
        toucher = quire_sim_thread_start(host, "toucher", touch_slow, NULL);
        REQUIRE(toucher != NULL);
        while (!s.entered)
                quire_sim_step(toucher);
        CHECK(VmmFree(slow_at));
        CHECK(VmmFree((void *)(addr_t)0x400000));            /* its neighbours join: it is gone */
        CHECK_EQ(check_nodes(one), 1);
        s.goes_on = true;
        quire_sim_run(host);
        CHECK_EQ(s.base_before, (addr_t)slow_at);
        CHECK_EQ(s.base_after, (addr_t)slow_at);
        CHECK_EQ(slow_answer, QUIRE_WHY_FREE);
        act_close();
}

/* ------------------------------------------------------ a page that is being read */

static void test_C28_a_normal_page_is_seen_being_read(void)
{
        struct quire_sim_thread *toucher;
        struct quire_space *space;

        act_open_with(&(struct drive_options){ .slow_io = true, .budget = 64 * PAGE_SIZE });
        space = mobius_driver->space(stage);
        slow_at = VmmAlloc(4, 0, USER_RW);
        REQUIRE(slow_at != NULL);
        for (unsigned i = 0; i < 4; i++)                     /* a write buffer's worth */
                CHECK_EQ(put(one, slow_at + i * PAGE_SIZE, 9), 0);
        CHECK(quire_region_advise(space, (addr_t)slow_at, 4 * PAGE_SIZE, QUIRE_WONT_NEED) ==
              QUIRE_OK);
        quire_system_freeze(mobius_driver->system(stage));   /* it is written */
        quire_system_thaw(mobius_driver->system(stage));
        CHECK_EQ(mobius_page_state(one, (addr_t)slow_at), MOBIUS_PAGE_PAGEDOUT);
        toucher = quire_sim_thread_start(mobius_driver->host(stage), "toucher", touch_slow, NULL);
        REQUIRE(toucher && quire_sim_step(toucher) == QUIRE_SIM_WAITS_IO);
        CHECK_EQ(mobius_page_state(one, (addr_t)slow_at), MOBIUS_PAGE_READINPROG);
        quire_sim_run(mobius_driver->host(stage));
        CHECK_EQ(slow_answer, 0);
        CHECK_EQ(mobius_page_state(one, (addr_t)slow_at), MOBIUS_PAGE_VALID_CLEAN);
        act_close();
}

/* --------------------------------------------------------- everything at once */

static unsigned handled;

static bool handle_and_alloc(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        uint8_t *window = mobius_page_window(node, start);

        (void)cookie;
        (void)is_writing;
        handled++;
        quire_sim_yield(mobius_driver->host(stage));
        if (!window)                                         /* freed meanwhile */
                return false;
        window[0] = (uint8_t)(start / PAGE_SIZE);
        if (handled % 3 == 0) {
                void *at = VmmAlloc(1, 0, USER_RW);

                CHECK(at == NULL || VmmFree(at));
        }
        return true;
}

static vm_desc_t *common;

/* An area of a thread's own, of any kind, used and freed. */
static void use_own(unsigned kind)
{
        uint8_t *at = kind == 0 ? VmmAlloc(3, 0, USER_RW) :
                      kind == 1 ? VmmAllocCallback(3, 0, USER_RW, handle_and_alloc, NULL) :
                      kind == 2 ? VmmMapSharedArea(common, 0, USER_RW) : VmmReserveArea(3, 0);
        uint8_t byte = 0;

        REQUIRE(at != NULL);
        if (kind == 0)
                CHECK(put(one, at, 1) == 0 && byte_of(one, at) == 1);
        else if (kind == 1)
                CHECK_EQ(byte_of(one, at + PAGE_SIZE), ((addr_t)at / PAGE_SIZE + 1) & 255);
        else if (kind == 2)
                CHECK_EQ(byte_of(one, at), 123);
        else
                CHECK_EQ(get(one, at, &byte), QUIRE_WHY_RESERVED);
        CHECK(VmmPageFault(one, (addr_t)at, false) == (kind != 3));
        CHECK(VmmFree(at + act_draw(3 * PAGE_SIZE)));
}

/* Areas that everybody uses and frees: nothing is sure but that nothing breaks. */
static void use_contested(void)
{
        addr_t at = 0x600000 + act_draw(4) * 0x4000;
        uint8_t byte;

        switch (act_draw(4)) {
        case 0:
                VmmAllocCallback(4, at, USER_RW, handle_and_alloc, NULL);
                break;
        case 1:
                VmmAlloc(4, at, USER_RW);
                break;
        case 2:
                VmmFree((void *)(at + act_draw(4 * PAGE_SIZE)));
                break;
        default:
                get(one, (void *)(at + act_draw(4 * PAGE_SIZE)), &byte);
        }
}

static void act_randomly(void *unused)
{
        (void)unused;
        for (unsigned i = 0; i < STEPS; i++) {
                if (act_draw(2))
                        use_own((unsigned)act_draw(4));
                else
                        use_contested();
        }
}

static void test_C2_C7_C23_threads_at_everything_at_once(void)
{
        for (unsigned n = 0; n < SEEDS; n++) {
                struct quire_sim_host *host;
                uint8_t *at;

                act_open_with(&(struct drive_options){ .seed = act_random() | 1,
                                                       .preempt_percent = 25, .slow_io = true,
                                                       .budget = 64 * PAGE_SIZE });
                host = mobius_driver->host(stage);
                at = VmmAlloc(3, 0, USER_RW);
                REQUIRE(at && put(one, at, 123) == 0);
                common = node_of(one, at)->u.desc;
                for (unsigned i = 0; i < THREADS; i++)
                        REQUIRE(quire_sim_thread_start(host, "actor", act_randomly, NULL));
                quire_sim_run(host);
                CHECK_EQ(common->nodes, 1);
                check_nodes(one);
                act_close();
        }
        CHECK(handled > 100);
}

int main(int argc, char **argv)
{
        act_begin(argc, argv);
        RUN(test_C20_a_node_lasts_while_its_handler_runs);
        RUN(test_C28_a_normal_page_is_seen_being_read);
        RUN(test_C2_C7_C23_threads_at_everything_at_once);
        return test_end();
}
