/*
 * mobius_test.c - the Mobius face on a simulated machine: nodes, areas and flags (rows C1 to
 * C4, C8 to C22, C25).
 *
 * Arguments: names of tests; --driver NAME (the simulator, x86_64).
 */
#include "mobius_stage.h"
#include "sim.h"
#ifdef HAVE_X86
#include "x86_64.h"
#endif

/* ----------------------------------------------------------------- areas and nodes */

static void test_C1_one_area_has_many_nodes_and_goes_with_the_last(void)
{
        void *at[3];
        vm_desc_t *desc;
        uint64_t before;

        act_open();
        before = committed();
        at[0] = VmmAlloc(4, 0, USER_RW);
        desc = node_of(one, at[0])->u.desc;
        CHECK_EQ(desc->nodes, 1);
        CHECK_EQ(desc->num_pages, 4);
        at[1] = VmmMapSharedArea(desc, 0, USER_RW);
        mobius_process_enter(two);
        at[2] = VmmMapSharedArea(desc, 0, USER_RW);
        REQUIRE(at[0] && at[1] && at[2]);
        CHECK_EQ(desc->nodes, 3);
        CHECK(node_of(one, at[1])->u.desc == desc && node_of(two, at[2])->u.desc == desc);
        CHECK_EQ(put(one, at[0], 7), 0);
        CHECK_EQ(byte_of(one, at[1]), 7);
        CHECK_EQ(byte_of(two, at[2]), 7);

        CHECK(VmmFree(at[2]));
        mobius_process_enter(one);
        CHECK(VmmFree(at[0]));
        CHECK_EQ(desc->nodes, 1);
        CHECK_EQ(byte_of(one, at[1]), 7);
        CHECK_EQ(committed(), before + 4);
        CHECK(VmmFree(at[1]));
        CHECK_EQ(committed(), before);
        act_close();
}

/* One random call of a process. */
static void random_step(process_t *p)
{
        addr_t at = (addr_t)(1 + act_draw(64)) * PAGE_SIZE + (act_draw(2) ? HALF : 0);
        size_t pages = 1 + act_draw(8);
        uint32_t flags = act_draw(2) ? USER_RW : KERNEL_RW;

        mobius_process_enter(p);
        switch (act_draw(6)) {
        case 0:
                VmmAlloc(pages, at, flags);
                break;
        case 1:
                CHECK(VmmAlloc(pages, 0, flags) != NULL);
                break;
        case 2:
                VmmReserveArea(pages, at);
                break;
        case 3:
                CHECK(VmmReserveArea(pages, 0) != NULL);
                break;
        default:
                VmmFree((uint8_t *)at + act_draw(PAGE_SIZE));
        }
}

static void test_C2_nodes_partition_the_space(void)
{
        unsigned most = 0;

        act_open();
        CHECK_EQ(check_nodes(one), 1);
        for (unsigned i = 0; i < 800; i++) {
                unsigned n;

                random_step(i % 3 ? one : two);
                n = check_nodes(i % 3 ? one : two);
                most = n > most ? n : most;
        }
        CHECK(most > 20);
        act_close();
}

static void test_C3_normal_areas_are_memory_of_their_own(void)
{
        void *a, *b;
        vm_node_t *n;

        act_open();
        a = VmmMap(3, 0, (void *)1, (void *)2, VM_AREA_NORMAL, USER_RW);
        b = VmmMap(3, 0x500000, NULL, NULL, VM_AREA_NORMAL, USER_RW);
        REQUIRE(a && b);
        n = node_of(one, a);
        CHECK_EQ(n->u.desc->type, VM_AREA_NORMAL);
        CHECK_EQ(n->num_pages, 3);
        CHECK_EQ(n->base, (addr_t)a);
        for (unsigned i = 0; i < 3; i++) {
                CHECK_EQ(byte_of(one, page_at(a, i)), 0);
                CHECK_EQ(put(one, page_at(a, i), (uint8_t)(i + 1)), 0);
        }
        for (unsigned i = 0; i < 3; i++) {
                CHECK_EQ(byte_of(one, page_at(a, i)), i + 1);
                CHECK_EQ(byte_of(one, page_at(b, i)), 0);
        }
        CHECK_EQ(put(one, page_at(a, 3), 1), QUIRE_WHY_FREE);
        CHECK_EQ(put(two, a, 1), QUIRE_WHY_FREE);
        act_close();
}

/* Where this machine has a device's memory, and that memory. */
#define DEVICE ((addr_t)0x8000)
static uint8_t *device_byte(addr_t physical)
{
        struct quire_sim *sim = mobius_driver->sim(stage);

#ifdef HAVE_X86
        if (!sim)
                return quire_x86_physical(mobius_driver->x86(stage), physical);
#endif
        return quire_sim_physical(sim, physical);
}

static void test_C4_map_shows_given_physical_addresses(void)
{
        void *a, *b;

        act_open();
        a = VmmMap(2, 0, (void *)DEVICE, NULL, VM_AREA_MAP, KERNEL_RW | VM_MEM_CACHE_NONE);
        b = VmmMap(1, 0, (void *)(DEVICE + PAGE_SIZE), NULL, VM_AREA_MAP, USER_RW);
        REQUIRE(a && b);
        CHECK_EQ(node_of(one, a)->u.desc->type, VM_AREA_MAP);
        CHECK_EQ(node_of(one, a)->u.desc->dest.phys_map, DEVICE);
        *device_byte(DEVICE) = 5;
        *device_byte(DEVICE + PAGE_SIZE) = 6;
        CHECK_EQ(get_as(one, a, QUIRE_R | QUIRE_KERNEL, &(uint8_t){ 0 }), 0);
        CHECK_EQ(byte_of(one, b), 6);
        CHECK_EQ(put(one, b, 9), 0);
        CHECK_EQ(*device_byte(DEVICE + PAGE_SIZE), 9);          /* the same frame */
        CHECK_EQ(committed(), 0);                               /* and not ours */
        CHECK(VmmMap(1, 0, (void *)(DEVICE + 1), NULL, VM_AREA_MAP, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        act_close();
}

/* ---------------------------------------------------------------------------- flags */

static void test_C8_kernel_memory_is_out_of_reach_for_user_mode(void)
{
        uint8_t byte = 1;
        void *k, *u;

        act_open();
        k = VmmAlloc(1, 0, KERNEL_RW);
        u = VmmAlloc(1, 0, USER_RW);
        REQUIRE(k && u);
        CHECK_EQ(get(one, k, &byte), QUIRE_WHY_PROTECTED);
        CHECK_EQ(put(one, k, byte), QUIRE_WHY_PROTECTED);
        CHECK_EQ(get_as(one, k, QUIRE_W | QUIRE_KERNEL, &byte), 0);
        CHECK_EQ(get_as(one, k, QUIRE_R | QUIRE_KERNEL, &byte), 0);
        CHECK_EQ(put(one, u, byte), 0);
        CHECK_EQ(get_as(one, u, QUIRE_R | QUIRE_KERNEL, &byte), 0);
        CHECK_EQ(node_of(one, k)->flags & VM_MEM_PL_MASK, VM_MEM_KERNEL);
        CHECK_EQ(node_of(one, u)->flags & VM_MEM_PL_MASK, VM_MEM_USER);
        CHECK_EQ(info_in(one, k).attributes, QUIRE_KERNEL);
        CHECK_EQ(info_in(one, u).attributes, 0);
        act_close();
}

static void test_C9_write_wants_its_flag_and_read_is_always_there(void)
{
        static const uint32_t flags[] = { USER, USER | READ, USER | WRITE, USER_RW };

        act_open();
        for (unsigned i = 0; i < 4; i++) {
                bool writes = flags[i] & VM_MEM_WRITE;
                void *at = VmmAlloc(1, 0, flags[i]);

                REQUIRE(at != NULL);
                CHECK_EQ(byte_of(one, at), 0);
                CHECK_EQ(put(one, at, 1), writes ? 0 : QUIRE_WHY_PROTECTED);
                CHECK_EQ(node_of(one, at)->flags, flags[i] | VM_MEM_READ);
        }
        act_close();
}

static void test_C10_zero_means_zeroes_also_in_used_frames(void)
{
        enum { PAGES = 128 };
        unsigned wrong = 0;

        act_open();
        for (unsigned round = 0; round < 3; round++) {
                uint8_t *at = VmmAlloc(PAGES, 0, USER_RW | VM_MEM_ZERO);

                REQUIRE(at != NULL);
                for (unsigned i = 0; i < PAGES; i++) {
                        wrong += byte_of(one, page_at(at, i)) != 0;
                        wrong += byte_of(one, (uint8_t *)page_at(at, i) + 4095) != 0;
                        CHECK_EQ(put(one, page_at(at, i), 0xaa), 0);
                        CHECK_EQ(put(one, (uint8_t *)page_at(at, i) + 4095, 0xaa), 0);
                }
                CHECK(VmmFree(at));
        }
        CHECK_EQ(wrong, 0);
        act_close();
}

static void test_C11_cache_flags_reach_the_machine(void)
{
        static const struct {
                uint32_t flags;
                unsigned attributes;
        } cases[] = { { 0, 0 }, { VM_MEM_CACHE_WT, QUIRE_CACHE_THROUGH },
                      { VM_MEM_CACHE_NONE, QUIRE_CACHE_NONE },
                      { VM_MEM_CACHE_WT | VM_MEM_CACHE_NONE, QUIRE_CACHE_NONE } };

        act_open();
        for (unsigned i = 0; i < 4; i++) {
                void *at = VmmAlloc(1, 0, USER_RW | cases[i].flags);
                struct quire_sim *sim = mobius_driver->sim(stage);
                unsigned shown = 0;

                REQUIRE(at != NULL);
                CHECK_EQ(put(one, at, 1), 0);
                CHECK_EQ(node_of(one, at)->flags, USER_RW | cases[i].flags);
                CHECK_EQ(info_in(one, at).attributes, cases[i].attributes);
                if (sim)
                        shown = quire_sim_attributes(sim, quire_sim_space(sim, one->space),
                                                     (addr_t)at);
#ifdef HAVE_X86
                else
                        shown = quire_x86_attributes(
                                quire_x86_space(mobius_driver->x86(stage), one->space), (addr_t)at);
#endif
                CHECK_EQ(shown, cases[i].attributes);
        }
        act_close();
}

static void test_C12_literal_makes_address_0_an_address(void)
{
        act_open();
        CHECK(VmmAlloc(1, 0, USER_RW) != NULL);              /* chosen: never 0 */
        CHECK(node_of(one, NULL) && VMM_NODE_IS_EMPTY(node_of(one, NULL)));
        CHECK(VmmMap(1, 0, (void *)DEVICE, NULL, VM_AREA_MAP, USER_RW | VM_MEM_LITERAL) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_OK);
        CHECK_EQ(node_of(one, NULL)->flags, USER_RW);
        *device_byte(DEVICE) = 3;
        CHECK_EQ(byte_of(one, NULL), 3);
        CHECK(VmmMap(1, 0, (void *)DEVICE, NULL, VM_AREA_MAP, USER_RW | VM_MEM_LITERAL) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmFree(NULL));
        CHECK(VMM_NODE_IS_EMPTY(node_of(one, NULL)));
        act_close();
}

static void test_C13_a_reserved_node_is_split_by_a_later_alloc(void)
{
        uint8_t byte = 0;
        uint8_t *r, *a;

        act_open();
        r = VmmMap(16, 0, NULL, NULL, VM_AREA_NORMAL, VM_MEM_RESERVED | USER);
        REQUIRE(r != NULL);
        CHECK_EQ(node_of(one, r)->flags, VM_MEM_RESERVED | USER);
        CHECK(node_of(one, r)->u.desc == NULL);
        CHECK_EQ(get(one, r, &byte), QUIRE_WHY_RESERVED);
        CHECK_EQ(check_nodes(one), 3);
        a = VmmAlloc(4, (addr_t)r + 6 * PAGE_SIZE, USER_RW);
        CHECK(a == r + 6 * PAGE_SIZE);
        CHECK_EQ(check_nodes(one), 5);
        CHECK_EQ(node_of(one, r)->num_pages, 6);
        CHECK_EQ(node_of(one, page_at(r, 10))->num_pages, 6);
        CHECK(node_of(one, page_at(r, 10))->flags & VM_MEM_RESERVED);
        CHECK_EQ(put(one, a, 1), 0);
        CHECK_EQ(put(one, page_at(r, 5), 1), QUIRE_WHY_RESERVED);
        CHECK_EQ(put(one, page_at(r, 10), 1), QUIRE_WHY_RESERVED);

        CHECK(VmmAlloc(7, (addr_t)r, USER_RW) == NULL);      /* more than one node */
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmReserveArea(1, (addr_t)r) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK_EQ(check_nodes(one), 5);
        CHECK(VmmFree(a));
        CHECK(VMM_NODE_IS_EMPTY(node_of(one, a)));
        CHECK(node_of(one, r)->flags & VM_MEM_RESERVED);
        act_close();
}

static void test_C14_nodes_have_the_flags_of_the_mask_and_areas_all(void)
{
        uint32_t asked = USER_RW | VM_MEM_ZERO | VM_MEM_LITERAL | VM_MEM_CACHE_WT;
        vm_desc_t *desc;
        void *a, *b;

        CHECK_EQ(VM_MEM_NODE_MASK, 0x16f);
        act_open();
        a = VmmAlloc(1, 16 * PAGE_SIZE, asked);
        REQUIRE(a != NULL);
        desc = node_of(one, a)->u.desc;
        CHECK_EQ(desc->flags, asked);
        CHECK_EQ(node_of(one, a)->flags, asked & VM_MEM_NODE_MASK);
        b = VmmMapSharedArea(desc, 0, USER | READ | VM_MEM_ZERO);
        CHECK_EQ(node_of(one, b)->flags, USER | READ);
        CHECK_EQ(desc->flags, asked);
        CHECK_EQ(put(one, b, 1), QUIRE_WHY_PROTECTED);
        CHECK(VmmAlloc(1, 0, USER_RW | 0x200) == NULL);      /* no such flag */
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        act_close();
}

static void test_C15_macros(void)
{
        static const addr_t edges[] = { 0, 1, 4095, 4096, 4097, HALF - 1, HALF, 0xfffff000u,
                                        0xfffff001u, UINTPTR_MAX - 4095, UINTPTR_MAX - 4096 };
        vm_node_t n = { .flags = 0 };

        CHECK_EQ(PAGE_SIZE, 4096);
        CHECK(VMM_NODE_IS_EMPTY(&n));
        for (unsigned bit = 0; bit < 32; bit++) {
                n.flags = (uint32_t)1 << bit;
                CHECK(!VMM_NODE_IS_EMPTY(&n));
        }
        for (unsigned i = 0; i < 2000; i++) {
                addr_t a = i < 11 ? edges[i] : act_random() >> act_draw(64);
                addr_t down = PAGE_ALIGN(a), up = PAGE_ALIGN_UP(a);

                CHECK(down % PAGE_SIZE == 0 && down <= a && a - down < PAGE_SIZE);
                CHECK(up % PAGE_SIZE == 0);
                if (a <= UINTPTR_MAX - 4095)
                        CHECK(up >= a && up - a < PAGE_SIZE);
                else
                        CHECK_EQ(up, 0);                     /* over the top */
                CHECK_EQ(up == down, a % PAGE_SIZE == 0);
        }
}

/* ----------------------------------------------------------------------------- calls */

static bool resolve_nothing(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        (void)cookie;
        (void)node;
        (void)start;
        (void)is_writing;
        return true;
}

static void test_C16_start_0_chooses_below_2_GB_for_users_and_above_for_the_kernel(void)
{
        struct fake_file file;
        uint8_t *at[40];

        act_open();
        fake_open(&file, 4 * PAGE_SIZE, true);
        for (unsigned i = 0; i < 40; i++) {
                unsigned type = i % 4 == 3 ? VM_AREA_CALLBACK : i % 4 + 1;
                void *dest = type == VM_AREA_MAP ? (void *)DEVICE :
                             type == VM_AREA_FILE ? (void *)&file.handle :
                             (void *)(uintptr_t)resolve_nothing;
                bool user = i / 4 % 2;

                at[i] = VmmMap(1 + i % 2, 0, dest, NULL, type, user ? USER_RW : KERNEL_RW);
                REQUIRE(at[i] != NULL);
                CHECK_EQ((addr_t)at[i] % PAGE_SIZE, 0);
                CHECK(user ? (addr_t)at[i] + 2 * PAGE_SIZE <= HALF : (addr_t)at[i] >= HALF);
                CHECK_EQ(node_of(one, at[i])->u.desc->type, type);
        }
        for (unsigned i = 0; i < 40; i++)
                CHECK(VmmFree(at[i]));
        fake_done(&file);
        act_close();
}

static void test_C16_what_makes_no_sense_is_refused_and_changes_nothing(void)
{
        static const struct {
                size_t pages;
                addr_t start;
                uintptr_t dest1;
                unsigned type;
                uint32_t flags;
                int error;
        } bad[] = {
                { 0, 0, 0, VM_AREA_NORMAL, USER_RW, MOBIUS_EINVALID },
                { 1, 1, 0, VM_AREA_NORMAL, USER_RW, MOBIUS_EINVALID },
                { 1, 0, 0, 0, USER_RW, MOBIUS_EINVALID },
                { 1, 0, 0, 6, USER_RW, MOBIUS_EINVALID },
                { 1, 0, 0, VM_AREA_NORMAL, USER_RW | 0x8000, MOBIUS_EINVALID },
                { SIZE_MAX / PAGE_SIZE + 1, 0, 0, VM_AREA_NORMAL, USER_RW, MOBIUS_EINVALID },
                { 2, 2 * HALF - PAGE_SIZE, 0, VM_AREA_NORMAL, USER_RW, MOBIUS_EINVALID },
                { 1, 2 * HALF, 0, VM_AREA_NORMAL, USER_RW, MOBIUS_EINVALID },
                { HALF / PAGE_SIZE, 0, 0, VM_AREA_NORMAL, VM_MEM_RESERVED | USER, MOBIUS_ENOSPACE },
                { 1, 0, (uintptr_t)1 << 40, VM_AREA_MAP, USER_RW, MOBIUS_ENOTFOUND },
                { 1, 0, 0, VM_AREA_FILE, USER_RW, MOBIUS_EINVALID },
                { 1, 0, 0, VM_AREA_IMAGE, USER_RW, MOBIUS_EINVALID },
                { 1, 0, 0, VM_AREA_CALLBACK, USER_RW, MOBIUS_EINVALID },
        };

        act_open();
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                CHECK(VmmMap(bad[i].pages, bad[i].start, (void *)bad[i].dest1, NULL, bad[i].type,
                             bad[i].flags) == NULL);
                CHECK_EQ(mobius_error(), bad[i].error);
                CHECK_EQ(check_nodes(one), 1);
        }
        mobius_process_enter(NULL);
        CHECK(VmmAlloc(1, 0, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        CHECK(!strcmp(mobius_error_name(MOBIUS_EINVALID), "EINVALID"));
        act_close();
}

static void test_C17_alloc_where_told_and_no_more_than_can_be_stored(void)
{
        uint8_t *at;

        act_open_with(&(struct drive_options){ .commit_limit = 64 * 4096 });
        at = VmmAlloc(8, 0x40000, USER_RW);
        CHECK_EQ((addr_t)at, 0x40000);
        CHECK_EQ(committed(), 8);
        CHECK(VmmAlloc(1, 0x40000 + 7 * PAGE_SIZE, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmAlloc(57, 0, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_ELIMIT);
        CHECK_EQ(check_nodes(one), 3);
        CHECK(VmmAlloc(56, 0, USER_RW) != NULL);
        CHECK_EQ(mobius_error(), MOBIUS_OK);
        act_close();
}

static void test_C19_free_takes_any_pointer_in_the_area(void)
{
        act_open();
        for (size_t offset = 0; offset < 3 * PAGE_SIZE; offset += 1365) {
                uint8_t *at = VmmAlloc(3, 0, USER_RW);

                REQUIRE(at != NULL);
                CHECK(VmmFree(at + offset));
                CHECK(VMM_NODE_IS_EMPTY(node_of(one, at)));
                CHECK(!VmmFree(at + offset));
                CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
                CHECK_EQ(put(one, at, 1), QUIRE_WHY_FREE);
        }
        CHECK(!VmmFree((void *)(2 * HALF)));                 /* beyond the end */
        CHECK_EQ(check_nodes(one), 1);
        act_close();
}

static void test_C20_free_node_leaves_the_area_while_it_is_shared(void)
{
        vm_node_t *a, *b;
        vm_desc_t *desc;
        void *other;

        act_open();
        a = node_of(one, VmmAlloc(2, 0, USER_RW));
        desc = a->u.desc;
        mobius_process_enter(two);
        other = VmmMapSharedArea(desc, 0, USER_RW);
        REQUIRE(other != NULL);
        b = node_of(two, other);
        CHECK_EQ(put(two, other, 4), 0);
        VmmFreeNode(a);                                      /* of a process that is not current */
        CHECK_EQ(mobius_error(), MOBIUS_OK);
        CHECK_EQ(check_nodes(one), 1);
        CHECK_EQ(desc->nodes, 1);
        CHECK_EQ(byte_of(two, other), 4);
        VmmFreeNode(b);
        CHECK_EQ(committed(), 0);
        VmmFreeNode(NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        act_close();
}

static void test_C21_page_fault_resolves_without_an_access(void)
{
        process_t *idle;
        uint8_t *a, *k, *r;

        act_open();
        idle = act_process(true);
        CHECK(proc_idle == idle);
        a = VmmAlloc(2, 0, USER | READ);
        r = VmmReserveArea(1, 0);
        mobius_process_enter(idle);
        k = VmmAlloc(2, 0, KERNEL_RW);
        mobius_process_enter(one);
        REQUIRE(a && k && r);

        CHECK_EQ(mobius_page_state(one, (addr_t)a), MOBIUS_PAGE_PAGEDOUT);
        CHECK(VmmPageFault(one, (addr_t)a + 77, false));
        CHECK_EQ(mobius_page_state(one, (addr_t)a), MOBIUS_PAGE_VALID_CLEAN);
        CHECK_EQ(mobius_page_state(one, (addr_t)a + PAGE_SIZE), MOBIUS_PAGE_PAGEDOUT);
        CHECK(!VmmPageFault(one, (addr_t)a, true));
        CHECK_EQ(mobius_error(), MOBIUS_EACCESS);
        CHECK(VmmPageFault(proc_idle, (addr_t)k + PAGE_SIZE, true));
        CHECK_EQ(mobius_page_state(proc_idle, (addr_t)k + PAGE_SIZE), MOBIUS_PAGE_VALID_DIRTY);

        CHECK(!VmmPageFault(one, (addr_t)k, false));         /* empty there */
        CHECK_EQ(mobius_error(), MOBIUS_ENOTFOUND);
        CHECK(!VmmPageFault(one, (addr_t)r, false));
        CHECK(!VmmPageFault(one, 2 * HALF, false));
        CHECK_EQ(mobius_page_state(one, (addr_t)r), MOBIUS_PAGE_NONE);
        act_close();
        CHECK(proc_idle == NULL);
}

/* The node that a linear scan finds. */
static vm_node_t *scan(vm_node_t *n, addr_t at)
{
        vm_node_t *found;

        if (!n)
                return NULL;
        if (at >= n->base && at < n->base + n->num_pages * PAGE_SIZE)
                return n;
        found = scan(n->left, at);
        return found ? found : scan(n->right, at);
}

static unsigned depth_of(const vm_node_t *n)
{
        unsigned l = n ? depth_of(n->left) : 0, r = n ? depth_of(n->right) : 0;

        return n ? 1 + (l > r ? l : r) : 0;
}

static void test_C22_lookup_agrees_with_a_scan_and_the_tree_is_balanced(void)
{
        unsigned nodes;

        act_open();
        for (unsigned i = 0; i < 600; i++)                   /* ascending: the worst for a tree */
                CHECK(VmmReserveArea(1, (addr_t)(1 + 2 * i) * PAGE_SIZE) != NULL);
        nodes = check_nodes(one);
        CHECK_EQ(nodes, 1201);
        CHECK(depth_of(one->vmm_top) <= 14);                 /* 1.44 log2(1202) */
        for (unsigned i = 0; i < 3000; i++) {
                addr_t at = act_random() % (i % 2 ? 1300 * PAGE_SIZE : 2 * HALF);

                CHECK(node_of(one, (void *)at) == scan(one->vmm_top, at));
        }
        CHECK(node_of(one, (void *)(2 * HALF)) == NULL);
        CHECK(VmmLookupNode(0, NULL, NULL) == NULL);
        CHECK(VmmLookupNode(VMM_TREE_DEPTH - 1, one->vmm_top, (void *)one->vmm_top->base) ==
              one->vmm_top);
        CHECK(VmmLookupNode(VMM_TREE_DEPTH, one->vmm_top, (void *)one->vmm_top->base) == NULL);
        CHECK(VmmLookupNode(0, one->vmm_top->left, (void *)one->vmm_top->base) == NULL);
        act_close();
}

static void test_C25_reserved_areas_keep_others_out(void)
{
        uint8_t *r, *far;

        act_open();
        r = VmmReserveArea(4, 0);
        REQUIRE(r != NULL);
        CHECK((addr_t)r + 4 * PAGE_SIZE <= HALF);
        far = VmmReserveArea(4, HALF + 0x10000);
        CHECK_EQ((addr_t)far, HALF + 0x10000);
        CHECK_EQ(node_of(one, far)->flags, VM_MEM_RESERVED);
        CHECK_EQ(committed(), 0);
        for (unsigned i = 0; i < 64; i++) {
                uint8_t *at = VmmAlloc(1, 0, i % 2 ? USER_RW : KERNEL_RW);

                REQUIRE(at != NULL);
                CHECK(at < r || at >= r + 4 * PAGE_SIZE);
                CHECK(at < far || at >= far + 4 * PAGE_SIZE);
        }
        CHECK(VmmFree(r + 5000));
        CHECK(VMM_NODE_IS_EMPTY(node_of(one, r)));
        act_close();
}

int main(int argc, char **argv)
{
        act_begin(argc, argv);
        RUN(test_C1_one_area_has_many_nodes_and_goes_with_the_last);
        RUN(test_C2_nodes_partition_the_space);
        RUN(test_C3_normal_areas_are_memory_of_their_own);
        RUN(test_C4_map_shows_given_physical_addresses);
        RUN(test_C8_kernel_memory_is_out_of_reach_for_user_mode);
        RUN(test_C9_write_wants_its_flag_and_read_is_always_there);
        RUN(test_C10_zero_means_zeroes_also_in_used_frames);
        RUN(test_C11_cache_flags_reach_the_machine);
        RUN(test_C12_literal_makes_address_0_an_address);
        RUN(test_C13_a_reserved_node_is_split_by_a_later_alloc);
        RUN(test_C14_nodes_have_the_flags_of_the_mask_and_areas_all);
        RUN(test_C15_macros);
        RUN(test_C16_start_0_chooses_below_2_GB_for_users_and_above_for_the_kernel);
        RUN(test_C16_what_makes_no_sense_is_refused_and_changes_nothing);
        RUN(test_C17_alloc_where_told_and_no_more_than_can_be_stored);
        RUN(test_C19_free_takes_any_pointer_in_the_area);
        RUN(test_C20_free_node_leaves_the_area_while_it_is_shared);
        RUN(test_C21_page_fault_resolves_without_an_access);
        RUN(test_C22_lookup_agrees_with_a_scan_and_the_tree_is_balanced);
        RUN(test_C25_reserved_areas_keep_others_out);
        return test_end();
}
