/*
 * mobius_stage.c - see mobius_stage.h.
 */
#include "mobius_stage.h"

enum { PROCESSES = 8 };

process_t *one, *two;
const struct driver *mobius_driver = &driver_sim;

static process_t *processes[PROCESSES];
static unsigned count;
static uint64_t seed;

static bool no_share;

void act_begin(int argc, char **argv)
{
        if (argc > 1 && !strcmp(argv[argc - 1], "--no-share")) {
                no_share = true;
                argc--;
        }
        for (int i = 1; i + 1 < argc; i++) {
                if (strcmp(argv[i], "--driver"))
                        continue;
                mobius_driver = NULL;
                for (unsigned k = 0; drivers[k]; k++)
                        if (!strcmp(argv[i + 1], drivers[k]->name) && drivers[k]->simulated)
                                mobius_driver = drivers[k];
                REQUIRE(mobius_driver != NULL);
                argc = i;              /* it comes last */
        }
        test_begin(argc, argv);
        seed = test_seed();
}

uint64_t act_random(void)
{
        return test_random(&seed);
}

size_t act_draw(size_t below)
{
        return act_random() % below;
}

static process_t *open_process(struct quire_space *s, bool idle)
{
        struct quire_sim_host *h = mobius_driver->host(stage);

        REQUIRE(count < PROCESSES);
        processes[count] = mobius_process_open(&(struct mobius_options){
                .system = sys, .space = s, .idle = idle,
                .host_ops = quire_sim_host_ops(h), .host = quire_sim_host_handle(h),
        });
        REQUIRE(processes[count] != NULL);
        return processes[count++];
}

process_t *act_process(bool idle)
{
        return open_process(stage_space(&mobius_layout), idle);
}

void act_open_with(const struct drive_options *given)
{
        struct drive_options o = *given;

        o.layout = &mobius_layout;
        o.audit = true;
        o.no_share = no_share;
        stage_open_with(mobius_driver, &o);
        count = 0;
        one = open_process(space, false);
        two = act_process(false);
        mobius_process_enter(one);
}

void act_open(void)
{
        act_open_with(&(struct drive_options){ 0 });
}

void act_close(void)
{
        while (count) {
                count--;
                check_nodes(processes[count]);
                CHECK(mobius_process_close(processes[count]));
        }
        CHECK(mobius_process_current() == NULL);
        CHECK_EQ(committed(), 0);
        stage_close();
}

unsigned get_as(process_t *p, const void *at, unsigned access, uint8_t *byte)
{
        enum quire_reason why = 0;
        enum drive_answer a = mobius_driver->access(stage, p->space, (addr_t)at, access, byte, 1,
                                                    &why);

        CHECK(a != DRIVE_STUCK);
        return a == DRIVE_OK ? 0 : why ? why : QUIRE_WHY_FREE;
}

unsigned get(process_t *p, const void *at, uint8_t *byte)
{
        return get_as(p, at, QUIRE_R, byte);
}

unsigned put(process_t *p, void *at, uint8_t byte)
{
        return get_as(p, at, QUIRE_W, &byte);
}

uint8_t byte_of(process_t *p, const void *at)
{
        uint8_t byte = 0xee;

        CHECK_EQ(get(p, at, &byte), 0);
        return byte;
}

void *page_at(void *base, size_t page)
{
        return (uint8_t *)base + page * PAGE_SIZE;
}

vm_node_t *node_of(process_t *p, const void *at)
{
        return VmmLookupNode(0, p->vmm_top, at);
}

struct quire_info info_in(process_t *p, const void *at)
{
        struct quire_info i = { 0 };

        CHECK(quire_region_query(p->space, (addr_t)at, &i) == QUIRE_OK);
        return i;
}

uint64_t committed(void)
{
        return counters().committed;
}

/* ------------------------------------------------------------------ the partition */

struct walk {
        process_t *process;
        addr_t next;                   /* where the next node has to begin */
        bool after_empty;
        unsigned nodes, deepest;
};

/* Reserved in the core, if in more than one piece. */
static void check_reserved(const struct walk *w, const vm_node_t *n)
{
        addr_t end = n->base + n->num_pages * PAGE_SIZE;

        CHECK(n->flags & VM_MEM_RESERVED);
        for (addr_t at = n->base; at < end;) {
                struct quire_info i = info_in(w->process, (void *)at);

                CHECK(i.reserved && !i.committed && !i.mapped);
                at = i.base + i.bytes;
        }
}

/* What the core has there: nothing, where the node is empty. */
static void check_core(const struct walk *w, const vm_node_t *n)
{
        struct quire_info i = info_in(w->process, (void *)n->base);

        CHECK_EQ(i.reserved, !VMM_NODE_IS_EMPTY(n));
        if (VMM_NODE_IS_EMPTY(n)) {
                CHECK(i.base <= n->base && i.base + i.bytes >= n->base + n->num_pages * PAGE_SIZE);
                CHECK_EQ(n->u.empty_pages, n->num_pages);
        } else if (n->u.desc) {
                CHECK_EQ(i.base, n->base);
                CHECK_EQ(i.bytes, n->num_pages * PAGE_SIZE);
                CHECK(i.mapped);
        } else {
                check_reserved(w, n);
        }
}

/* In order.  Returns the height of the subtree. */
static unsigned check_subtree(struct walk *w, const vm_node_t *n, unsigned depth)
{
        unsigned low, high;

        if (!n)
                return 0;
        low = check_subtree(w, n->left, depth + 1);
        CHECK_EQ(n->base, w->next);                                        /* N1 */
        CHECK(n->num_pages > 0);
        CHECK(!(n->flags & ~(uint32_t)VM_MEM_NODE_MASK));
        CHECK(!(w->after_empty && VMM_NODE_IS_EMPTY(n)));                  /* N2 */
        check_core(w, n);                                                  /* N3 */
        w->next = n->base + n->num_pages * PAGE_SIZE;
        w->after_empty = VMM_NODE_IS_EMPTY(n);
        w->nodes++;
        if (depth > w->deepest)
                w->deepest = depth;
        high = check_subtree(w, n->right, depth + 1);
        CHECK(low <= high + 1 && high <= low + 1);                         /* T3 */
        return 1 + (low > high ? low : high);
}

unsigned check_nodes(process_t *p)
{
        struct walk w = { .process = p, .next = p->first };

        check_subtree(&w, p->vmm_top, 0);
        CHECK_EQ(w.next, p->end);
        return w.nodes;
}

/* --------------------------------------------------------------------------- files */

static bool fake_read(file_handle_t *handle, uint64_t offset, void *out, size_t bytes)
{
        struct fake_file *f = (struct fake_file *)handle;

        f->reads++;
        if (f->during)
                f->during(f);
        if (f->fails_to_read)
                return false;
        memcpy(out, f->contents + offset, bytes);
        return true;
}

static bool fake_write(file_handle_t *handle, uint64_t offset, const void *in, size_t bytes)
{
        struct fake_file *f = (struct fake_file *)handle;

        f->writes++;
        if (f->during)
                f->during(f);
        if (f->fails_to_write)
                return false;
        memcpy(f->contents + offset, in, bytes);
        return true;
}

static void fake_closed(file_handle_t *handle)
{
        ((struct fake_file *)handle)->closes++;
}

void fake_open(struct fake_file *f, size_t bytes, bool writes)
{
        memset(f, 0, sizeof *f);
        f->contents = malloc(bytes);
        REQUIRE(f->contents != NULL);
        for (size_t i = 0; i < bytes; i++)
                f->contents[i] = (uint8_t)(i / PAGE_SIZE + 1);
        f->handle.read = fake_read;
        f->handle.write = writes ? fake_write : NULL;
        f->handle.closed = fake_closed;
        f->handle.bytes = bytes;
        f->handle.references = 1;
}

void fake_done(struct fake_file *f)
{
        CHECK_EQ(f->closes, 0);
        mobius_file_close(&f->handle);
        CHECK_EQ(f->closes, 1);
        free(f->contents);
}
