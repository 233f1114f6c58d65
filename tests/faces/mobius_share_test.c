/*
 * mobius_share_test.c - the Mobius face on a simulated machine: what is shared, by
 * pointer, name, handle and system call (rows C23, C26, C27), and every allocation failing.
 *
 * Arguments: names of tests; --driver NAME (the simulator, x86_64).
 */
#include "mobius_stage.h"
#include "host.h"

static void test_C23_a_shared_area_shows_the_same_frames_in_another_process(void)
{
        uint8_t *a, *b, *c;
        vm_desc_t *desc;
        uint64_t resident;

        act_open();
        a = VmmAlloc(8, 0, USER_RW);
        REQUIRE(a != NULL);
        desc = node_of(one, a)->u.desc;
        for (unsigned i = 0; i < 8; i++)
                CHECK_EQ(put(one, page_at(a, i), (uint8_t)(i + 10)), 0);
        resident = counters().resident;
        mobius_process_enter(two);
        b = VmmMapSharedArea(desc, 0x700000, USER_RW);
        c = VmmMapSharedArea(desc, 0, USER | READ);
        CHECK_EQ((addr_t)b, 0x700000);
        REQUIRE(b && c);
        for (unsigned i = 0; i < 8; i++) {
                CHECK_EQ(byte_of(two, page_at(b, i)), i + 10);
                CHECK_EQ(byte_of(two, page_at(c, i)), i + 10);
                CHECK_EQ(put(two, page_at(b, i), (uint8_t)(i + 50)), 0);
                CHECK_EQ(byte_of(one, page_at(a, i)), i + 50);
        }
        CHECK_EQ(counters().resident, resident);             /* not one frame more */
        CHECK_EQ(put(two, c, 1), QUIRE_WHY_PROTECTED);
        CHECK(VmmMapSharedArea(desc, 0x700000, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmMapSharedArea(NULL, 0, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        CHECK(VmmMapSharedArea(desc, 0, USER_RW | VM_MEM_RESERVED) == NULL);
        CHECK_EQ(desc->nodes, 3);
        act_close();
}

static void test_C26_a_name_finds_the_same_frames(void)
{
        static const wchar_t wide[] = { 'm', 0xfc, 0x2603, 0x1f5ff, 0 };
        wchar_t longest[257];
        uint8_t *a, *b;
        vm_desc_t *desc, *found;

        act_open();
        a = VmmAlloc(2, 0, USER_RW);
        desc = VmmShare(a + 5000, wide);
        REQUIRE(desc != NULL);
        CHECK(desc == node_of(one, a)->u.desc);
        CHECK(desc->name && !memcmp(desc->name, wide, sizeof wide));
        CHECK_EQ(put(one, a, 33), 0);

        mobius_process_enter(two);
        found = VmmOpenSharedArea(wide);
        CHECK(found == desc);
        b = VmmMapSharedArea(found, 0, USER_RW);
        mobius_area_close(found);
        REQUIRE(b != NULL);
        CHECK_EQ(byte_of(two, b), 33);
        CHECK_EQ(put(two, b, 34), 0);
        CHECK_EQ(byte_of(one, a), 34);

        CHECK(VmmShare((void *)0x1234000, L"nothing") == NULL);      /* a bad base */
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        CHECK(VmmShare(VmmReserveArea(1, 0), L"reserved") == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        CHECK(VmmShare(VmmAlloc(1, 0, USER_RW), wide) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmOpenSharedArea(L"no such") == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_ENOTFOUND);
        for (unsigned i = 0; i < 256; i++)
                longest[i] = 'x';
        longest[256] = 0;
        CHECK(VmmShare(b, longest) == NULL && VmmShare(b, L"") == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        longest[255] = 0;
        CHECK(VmmShare(b, longest) == desc);

        CHECK(VmmFree(b));
        mobius_process_enter(one);
        CHECK(VmmFree(a));
        CHECK(VmmOpenSharedArea(wide) == NULL);              /* the name went with the area */
        CHECK_EQ(mobius_error(), MOBIUS_ENOTFOUND);
        act_close();
}

static void test_C26_an_area_made_elsewhere_is_found_by_name(void)
{
        const struct quire_object_request q = { .bytes = 3 * PAGE_SIZE, .kind = QUIRE_ANONYMOUS };
        struct quire_grant *grant, *reader;
        vm_desc_t *desc;
        uint8_t *at;

        act_open();
        CHECK_EQ(quire_object_open(sys, &q, &grant), QUIRE_OK);
        CHECK_EQ(quire_grant_narrow(grant, QUIRE_R, &reader), QUIRE_OK);
        CHECK_EQ(quire_name_set(sys, "elsewhere", reader), QUIRE_OK);
        desc = VmmOpenSharedArea(L"elsewhere");
        REQUIRE(desc != NULL);
        CHECK_EQ(desc->num_pages, 3);
        CHECK(VmmMapSharedArea(desc, 0, USER_RW) == NULL);   /* no more rights than the name has */
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        at = VmmMapSharedArea(desc, 0, USER | READ);
        CHECK(at && byte_of(one, at) == 0);
        mobius_area_close(desc);
        CHECK(VmmFree(at));
        quire_grant_close(reader);
        quire_grant_close(grant);
        act_close();
}

/* ------------------------------------------------------------------- from user mode */

static void test_C27_the_six_system_calls(void)
{
        struct fake_file file;
        uint8_t *a, *b, *f, *r;
        handle_t area, fh;

        act_open();
        fake_open(&file, 2 * PAGE_SIZE, true);
        a = (uint8_t *)mobius_system_call(0x500, (uintptr_t[4]){ 2, 0, USER_RW });
        REQUIRE(a != NULL);
        CHECK_EQ(put(one, a, 9), 0);
        area = (handle_t)mobius_system_call(0x505, (uintptr_t[4]){ (uintptr_t)a,
                                                                  (uintptr_t)L"by handle" });
        CHECK(area != 0);
        b = (uint8_t *)mobius_system_call(0x502, (uintptr_t[4]){ area, 0, USER_RW });
        CHECK(b && b != a && byte_of(one, b) == 9);
        fh = mobius_handle_file(&file.handle);
        f = (uint8_t *)mobius_system_call(0x503, (uintptr_t[4]){ fh, 0, 2, USER_RW });
        CHECK(f && byte_of(one, f + PAGE_SIZE) == 2);
        r = (uint8_t *)mobius_system_call(0x504, (uintptr_t[4]){ 3, 0x900000 });
        CHECK_EQ((addr_t)r, 0x900000);
        CHECK_EQ(mobius_system_call(0x501, (uintptr_t[4]){ (uintptr_t)b + 100 }), 1);
        CHECK(VMM_NODE_IS_EMPTY(node_of(one, b)));
        CHECK_EQ(mobius_system_call(0x501, (uintptr_t[4]){ (uintptr_t)b }), 0);
        CHECK_EQ(mobius_system_call(0x506, (uintptr_t[4]){ 0 }), 0);
        CHECK_EQ(mobius_error(), MOBIUS_ENOTIMPL);
        CHECK_EQ(mobius_system_call(0x4ff, (uintptr_t[4]){ 0 }), 0);
        CHECK_EQ(mobius_error(), MOBIUS_ENOTIMPL);

        CHECK_EQ(mobius_system_call(0x502, (uintptr_t[4]){ fh, 0, USER_RW }), 0);
        CHECK_EQ(mobius_error(), MOBIUS_EHANDLE);            /* the wrong kind */
        CHECK_EQ(mobius_system_call(0x503, (uintptr_t[4]){ 999, 0, 1, USER_RW }), 0);
        CHECK_EQ(mobius_error(), MOBIUS_EHANDLE);
        CHECK(VmmFree(f));
        CHECK(mobius_handle_close(fh));
        CHECK(!mobius_handle_close(fh));
        CHECK_EQ(mobius_error(), MOBIUS_EHANDLE);
        fake_done(&file);
        act_close();
}

static void test_C27_handles_keep_areas_and_belong_to_a_process(void)
{
        handle_t h;
        uint8_t *a, *b;

        act_open();
        a = VmmAlloc(1, 0, USER_RW);
        h = VmmUserShare(a, L"kept");
        CHECK_EQ(put(one, a, 21), 0);
        CHECK(VmmUserFree(a));
        b = VmmUserMapSharedArea(h, 0, USER_RW);             /* no node had it any more */
        CHECK(b && byte_of(one, b) == 21);
        mobius_process_enter(two);
        CHECK(VmmUserMapSharedArea(h, 0, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EHANDLE);
        h = VmmUserOpenSharedArea(L"kept");
        b = VmmUserMapSharedArea(h, 0, USER_RW);
        CHECK(b && byte_of(two, b) == 21);
        for (unsigned i = 0; i < 40; i++)            /* there is room for 16 at first */
                CHECK(VmmUserOpenSharedArea(L"kept") != 0);
        act_close();
}

static void test_C27_user_mode_does_not_reach_kernel_memory(void)
{
        handle_t h;
        void *k;

        act_open();
        k = VmmAlloc(1, 0, KERNEL_RW);
        h = mobius_handle_area(node_of(one, k)->u.desc);
        CHECK(VmmUserAlloc(1, 0, KERNEL_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(VmmUserAlloc(1, HALF, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(VmmUserAlloc(2, HALF - PAGE_SIZE, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(VmmUserReserveArea(1, HALF) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(VmmUserMapSharedArea(h, 0, KERNEL_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(!VmmUserFree(k));
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK_EQ(VmmUserShare(k, L"kernel"), 0);
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(node_of(one, k)->u.desc != NULL);
        act_close();
}

/* ---------------------------------------------------------------------- no memory */

/* Calls to make, each of which may fail once, which changes nothing. */
static struct fake_file scene_file;
static handle_t scene_handle;

static void *alloc_three(void)
{
        return VmmAlloc(3, 0x100000, USER_RW);
}

static void *reserve_nine(void)
{
        return VmmReserveArea(9, 0x200000);
}

static void *alloc_in_the_reserved(void)
{
        return VmmAlloc(3, 0x203000, USER_RW);
}

static void *alloc_anywhere(void)
{
        return VmmAlloc(2, 0, KERNEL_RW);
}

static bool handle_nothing(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        (void)cookie;
        (void)node;
        (void)start;
        return !is_writing;
}

static void *alloc_callback(void)
{
        return VmmAllocCallback(2, 0x300000, USER_RW, handle_nothing, NULL);
}

static void *map_file(void)
{
        return VmmMapFile(&scene_file.handle, 0x400000, 2, USER_RW);
}

static void *map_file_again(void)
{
        return VmmMapFile(&scene_file.handle, 0x500000, 1, USER | READ);
}

static void *share(void)
{
        return VmmShare((void *)0x203000, L"all");
}

static void *open_by_handle(void)
{
        scene_handle = VmmUserOpenSharedArea(L"all");
        return (void *)(uintptr_t)scene_handle;
}

static void *map_by_handle(void)
{
        return VmmUserMapSharedArea(scene_handle, 0, USER_RW);
}

static void do_each_of(void *(*const calls[])(void), unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                process_t *p = mobius_process_current();
                unsigned before = check_nodes(p);
                uint64_t charge = committed();

                if (calls[i]())
                        continue;
                CHECK_EQ(mobius_error(), MOBIUS_ENOMEM);
                CHECK_EQ(check_nodes(p), before);
                CHECK_EQ(committed(), charge);
                CHECK(calls[i]() != NULL);
        }
}

static void do_everything(void)
{
        static void *(*const first[])(void) = {
                alloc_three, reserve_nine, alloc_in_the_reserved, alloc_anywhere, alloc_callback,
                map_file, map_file_again, share,
        };
        static void *(*const second[])(void) = { open_by_handle, map_by_handle };
        static const addr_t frees[] = { 0x100000, 0x203000, 0x200000, 0x206000, 0x300000, 0x400000,
                                        0x500000 };

        do_each_of(first, sizeof(first) / sizeof(first[0]));
        mobius_process_enter(two);
        do_each_of(second, sizeof(second) / sizeof(second[0]));
        mobius_process_enter(one);
        for (unsigned i = 0; i < sizeof(frees) / sizeof(frees[0]); i++)
                CHECK(VmmFree((void *)frees[i]) || VmmFree((void *)frees[i]));
        check_nodes(one);
}

/* The nth call of the host or the machine fails, for every n.  How many there are. */
static uint64_t fail_each(enum quire_sim_point point)
{
        uint64_t n = 0, failed;

        do {
                struct quire_sim_host *host;

                act_open();
                fake_open(&scene_file, 2 * PAGE_SIZE, true);
                host = mobius_driver->host(stage);
                quire_sim_fail(host, point, ++n, 1);
                do_everything();
                failed = quire_sim_failed(host, point);
                quire_sim_fail(host, point, 1, 0);
                fake_done(&scene_file);
                act_close();
        } while (failed);
        return n - 1;
}

static void test_C16_any_allocation_may_fail(void)
{
        CHECK(fail_each(QUIRE_SIM_ALLOC) > 50);
        CHECK(fail_each(QUIRE_SIM_TABLE) > 5);
}

int main(int argc, char **argv)
{
        act_begin(argc, argv);
        RUN(test_C16_any_allocation_may_fail);
        RUN(test_C23_a_shared_area_shows_the_same_frames_in_another_process);
        RUN(test_C26_a_name_finds_the_same_frames);
        RUN(test_C26_an_area_made_elsewhere_is_found_by_name);
        RUN(test_C27_the_six_system_calls);
        RUN(test_C27_handles_keep_areas_and_belong_to_a_process);
        RUN(test_C27_user_mode_does_not_reach_kernel_memory);
        return test_end();
}
