/*
 * features_share_test.c - the features of sharing, each test named after the feature that it
 * asserts: objects and their views, copy-on-write, snapshots, grants, pagers.
 *
 * Each runs on the simulator with frames that are shared and without, and on the
 * x86-64 tables.
 */
#include "stage.h"

static const struct driver *on;
static struct drive_options options;

static void begin(void)
{
        stage_open_with(on, &options);
}

static struct quire_grant *object(uint64_t pages, unsigned flags)
{
        const struct quire_object_request q = { .bytes = pages * PAGE, .flags = flags };
        struct quire_grant *g = NULL;

        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        return g;
}

static enum quire_status try_map(struct quire_space *s, struct quire_grant *g, uint64_t first,
                                 uint64_t pages, unsigned access, unsigned flags, uint64_t *va)
{
        const struct quire_request q = { .bytes = pages * PAGE, .grant = g, .offset = first * PAGE,
                                         .access = access, .flags = flags };

        return quire_region_reserve(s, &q, va);
}

static uint64_t map(struct quire_space *s, struct quire_grant *g, uint64_t first, uint64_t pages,
                    unsigned access, unsigned flags)
{
        uint64_t va = 0;

        REQUIRE(try_map(s, g, first, pages, access, flags, &va) == QUIRE_OK);
        return va;
}

static struct quire_object_info info(struct quire_grant *g)
{
        struct quire_object_info i;

        quire_object_describe(g, &i);
        return i;
}

static void release(struct quire_space *s, uint64_t va)
{
        CHECK(quire_region_release(s, va, 0) == QUIRE_OK);
}

static uint8_t byte_in(struct quire_space *s, uint64_t va)
{
        uint8_t byte = 0xee;

        CHECK_EQ(load_in(s, va, &byte), 0);
        return byte;
}

/* ------------------------------------------------------------------ shared pages */

static void test_B58_views_share_frames(void)
{
        struct quire_grant *g;
        struct quire_space *other;
        uint64_t a, b, c;

        begin();
        g = object(8, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 8, RW, 0);
        b = map(space, g, 2, 4, RW, 0);
        c = map(other, g, 0, 8, R, 0);
        CHECK_EQ(store(a + 3 * PAGE, 7), 0);
        CHECK_EQ(byte_at(b + PAGE), 7);
        CHECK_EQ(byte_in(other, c + 3 * PAGE), 7);
        CHECK_EQ(store(b + PAGE + 1, 8), 0);
        CHECK_EQ(byte_in(other, c + 3 * PAGE + 1), 8);
        CHECK_EQ(store_in(other, c, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(info(g).resident, 1);
        CHECK_EQ(info(g).regions, 3);
        release(space, a);
        CHECK_EQ(byte_at(b + PAGE), 7);
        quire_grant_close(g);
        CHECK_EQ(byte_in(other, c + 3 * PAGE), 7);
        release(space, b);
        release(other, c);
        CHECK_EQ(counters().committed, 0);
        stage_close();
}

static void test_B18_eviction_takes_a_shared_page_from_all(void)
{
        struct quire_grant *g;
        struct quire_space *other;
        uint64_t a, c;

        begin();
        g = object(64, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 64, RW, 0);
        c = map(other, g, 0, 64, R, 0);
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(fill(a + i * PAGE, i), 0);
        for (uint64_t i = 0; i < 64; i++)
                byte_in(other, c + i * PAGE);
        CHECK(quire_region_advise(space, a, 64 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        CHECK_EQ(info(g).resident, 0);
        byte_in(other, c + 5 * PAGE);
        CHECK_EQ(info(g).resident, 1);
        for (uint64_t i = 0; i < 64; i++)
                CHECK(holds(a + i * PAGE, i));
        release(space, a);
        release(other, c);
        quire_grant_close(g);
        stage_close();
}

/* ----------------------------------------------------------------- copy-on-write */

static void test_B40_copy_on_write(void)
{
        struct quire_grant *g;
        struct quire_space *other;
        uint64_t a, c, before;
        uint8_t map_of[4];

        begin();
        g = object(4, 0);
        other = stage_space(&quire_layout_64);
        a = map(space, g, 0, 4, RW, 0);
        CHECK_EQ(fill(a, 1), 0);
        CHECK_EQ(fill(a + PAGE, 2), 0);
        c = map(other, g, 0, 4, RW, QUIRE_COPY);
        before = counters().resident;
        byte_in(other, c);
        CHECK_EQ(counters().resident, before);
        CHECK_EQ(store_in(other, c + 9, 0x55), 0);
        CHECK_EQ(counters().resident, before + 1);
        CHECK_EQ(byte_in(other, c + 9), 0x55);
        CHECK(holds(a, 1));
        CHECK_EQ(store(a + PAGE, 0x66), 0);
        CHECK_EQ(byte_in(other, c + PAGE), 0x66);          /* not copied yet: still the same */
        CHECK(quire_page_map(other, c, 4 * PAGE, map_of) == QUIRE_OK);
        CHECK_EQ(map_of[0] >> 4 & QUIRE_PAGE_COPIED, QUIRE_PAGE_COPIED);
        CHECK_EQ(map_of[1] >> 4 & QUIRE_PAGE_COPIED, 0);
        CHECK_EQ(store_in(other, c + 3 * PAGE, 1), 0);       /* never touched by anybody */
        CHECK(is_zero(a + 3 * PAGE));
        release(other, c);
        release(space, a);
        quire_grant_close(g);
        stage_close();
}

static void test_D6_clones_in_a_tree(void)
{
        struct quire_grant *g[4];
        uint64_t va[4];

        for (unsigned order = 0; order < 24; order++) {
                unsigned left[4] = { 0, 1, 2, 3 }, n = 4, o = order;

                begin();
                g[0] = object(8, 0);
                va[0] = map(space, g[0], 0, 8, RW, 0);
                for (uint64_t i = 0; i < 8; i++)
                        CHECK_EQ(fill(va[0] + i * PAGE, i), 0);
                REQUIRE(quire_object_clone(g[0], &g[1]) == QUIRE_OK);
                va[1] = map(space, g[1], 0, 8, RW, 0);
                CHECK_EQ(fill(va[1], 100), 0);
                REQUIRE(quire_object_clone(g[1], &g[2]) == QUIRE_OK);
                va[2] = map(space, g[2], 0, 8, RW, 0);
                REQUIRE(quire_object_clone(g[0], &g[3]) == QUIRE_OK);
                va[3] = map(space, g[3], 0, 8, RW, 0);
                CHECK_EQ(fill(va[0] + PAGE, 200), 0);
                CHECK_EQ(fill(va[1] + 2 * PAGE, 300), 0);
                CHECK_EQ(fill(va[2] + 3 * PAGE, 400), 0);
                CHECK_EQ(fill(va[3] + 4 * PAGE, 500), 0);
                quire_system_audit(sys);
                while (n) {
                        unsigned k = o % n;

                        for (unsigned j = 0; j < n; j++) {
                                unsigned w = left[j];

                                for (uint64_t i = 0; i < 8; i++) {
                                        uint64_t want = i;

                                        if (i == 0 && (w == 1 || w == 2))
                                                want = 100;
                                        if (i == 1 && w == 0)
                                                want = 200;
                                        if (i == 2 && w == 1)
                                                want = 300;
                                        if (i == 3 && w == 2)
                                                want = 400;
                                        if (i == 4 && w == 3)
                                                want = 500;
                                        CHECK(holds(va[w] + i * PAGE, want));
                                }
                        }
                        if (!options.no_share)
                                CHECK_EQ(counters().resident, n == 4 ? 13 : counters().resident);
                        quire_grant_close(g[left[k]]);
                        release(space, va[left[k]]);
                        quire_system_audit(sys);
                        o /= n;
                        for (unsigned j = k; j + 1 < n; j++)
                                left[j] = left[j + 1];
                        n--;
                        if (n == 1 && !options.no_share)
                                CHECK_EQ(counters().resident, 8);
                }
                CHECK_EQ(counters().resident, 0);
                stage_close();
        }
}

static void test_space_clone(void)
{
        struct quire_space *copy = NULL, *second = NULL;
        struct quire_grant *g;
        uint64_t a, b;

        begin();
        a = region(16);
        g = object(4, 0);
        b = map(space, g, 0, 4, RW, 0);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(store(a + i * PAGE, (uint8_t)(10 + i)), 0);
        CHECK_EQ(store(b, 1), 0);
        REQUIRE(quire_space_clone(space, &copy) == QUIRE_OK);
        quire_system_audit(sys);
        CHECK_EQ(byte_in(copy, a + PAGE), 11);
        CHECK_EQ(store(a + PAGE, 99), 0);
        CHECK_EQ(byte_in(copy, a + PAGE), 11);
        CHECK_EQ(store_in(copy, a + 2 * PAGE, 98), 0);
        CHECK_EQ(byte_at(a + 2 * PAGE), 12);
        CHECK_EQ(store_in(copy, a + 9 * PAGE, 97), 0);
        CHECK(is_zero(a + 9 * PAGE));
        CHECK_EQ(store(b, 2), 0);
        CHECK_EQ(byte_in(copy, b), 2);
        REQUIRE(quire_space_clone(copy, &second) == QUIRE_OK);
        quire_system_audit(sys);
        CHECK_EQ(byte_in(second, a + 2 * PAGE), 98);
        CHECK_EQ(byte_in(second, a + PAGE), 11);
        CHECK_EQ(store_in(second, a + 3 * PAGE, 96), 0);
        CHECK_EQ(byte_in(copy, a + 3 * PAGE), 13);
        CHECK(quire_region_decommit(copy, a, 4 * PAGE) == QUIRE_OK);
        CHECK(quire_region_commit(copy, a, 4 * PAGE, RW) == QUIRE_OK);
        CHECK_EQ(byte_in(copy, a + 2 * PAGE), 0);
        CHECK_EQ(byte_in(copy, a + PAGE), 0);
        CHECK_EQ(byte_in(second, a + 2 * PAGE), 98);
        quire_system_audit(sys);
        CHECK(quire_region_release(space, a + 4 * PAGE, 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(byte_in(copy, a + 4 * PAGE), 14);
        CHECK_EQ(byte_in(second, a + 5 * PAGE), 15);
        quire_system_audit(sys);
        CHECK(quire_region_release(space, a, 4 * PAGE) == QUIRE_OK);
        quire_system_audit(sys);
        CHECK_EQ(byte_in(second, a + 3 * PAGE), 96);
        CHECK_EQ(byte_in(second, a), 10);
        CHECK_EQ(byte_in(second, a + 6 * PAGE), 16);
        quire_space_close(copy);
        CHECK_EQ(byte_in(second, a + 6 * PAGE), 16);
        CHECK_EQ(byte_in(second, a + PAGE), 11);
        CHECK_EQ(byte_at(a + 7 * PAGE), 17);
        quire_space_close(second);
        quire_grant_close(g);
        stage_close();
}

/* ------------------------------------------------------------------------ grants */

static void test_D12_revoking_reaches_all(void)
{
        struct quire_grant *g, *rw, *r, *name;
        uint64_t a, b, c, d;

        begin();
        g = object(4, 0);
        REQUIRE(quire_grant_narrow(g, RW, &rw) == QUIRE_OK);
        REQUIRE(quire_grant_narrow(rw, R, &r) == QUIRE_OK);
        CHECK(quire_grant_narrow(r, RW, &name) == QUIRE_DENIED);
        CHECK(try_map(space, r, 0, 4, RW, 0, &a) == QUIRE_DENIED);
        a = map(space, g, 0, 4, RW, 0);
        b = map(space, rw, 0, 4, RW, 0);
        c = map(space, r, 0, 4, R, 0);
        d = map(space, r, 0, 4, RW, QUIRE_COPY);
        CHECK(quire_region_protect(space, c, PAGE, RW, NULL) == QUIRE_DENIED);
        CHECK_EQ(store(b, 5), 0);
        CHECK_EQ(store(d + PAGE, 6), 0);
        CHECK_EQ(byte_at(c), 5);
        quire_grant_close(r);
        quire_grant_revoke(rw);
        CHECK_EQ(byte_at(a), 5);
        CHECK_EQ(load(b, &(uint8_t){ 0 }), QUIRE_WHY_REVOKED);
        CHECK_EQ(load(c, &(uint8_t){ 0 }), QUIRE_WHY_REVOKED);
        CHECK_EQ(load(d + PAGE, &(uint8_t){ 0 }), QUIRE_WHY_REVOKED);
        CHECK(try_map(space, rw, 0, 4, R, 0, &d) == QUIRE_NOT_PRESENT);
        quire_system_audit(sys);
        CHECK(quire_name_set(sys, "one", g) == QUIRE_OK);
        CHECK(quire_name_set(sys, "one", g) == QUIRE_CONFLICT);
        CHECK(quire_name_find(sys, "two", R, &name) == QUIRE_NOT_PRESENT);
        CHECK(quire_name_find(sys, "one", R, &name) == QUIRE_OK);
        quire_grant_close(name);
        quire_grant_close(rw);
        quire_grant_close(g);
        CHECK(quire_name_find(sys, "one", R, &name) == QUIRE_NOT_PRESENT);
        stage_close();
}

/* ------------------------------------------------------------------------ pagers */

struct book {
        uint8_t page[64];
        unsigned filled, calls, wrote, synced, closed;
        enum quire_status answer, write_answer, sync_answer;
        uint64_t bad;                        /* plus one: a page that is not there just now */
};

static enum quire_status book_fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                                   void *const page[])
{
        struct book *b = context;

        (void)access;
        b->calls++;
        b->filled += (unsigned)(bytes / PAGE);
        if (b->bad && b->bad - 1 - offset / PAGE < bytes / PAGE)
                return QUIRE_IO_ERROR;
        for (uint64_t i = 0; b->answer == QUIRE_OK && i < bytes / PAGE; i++)
                memset(page[i], b->page[offset / PAGE + i], PAGE);
        return b->answer;
}

static enum quire_status book_write(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        struct book *b = context;

        b->wrote += (unsigned)(bytes / PAGE);
        for (uint64_t i = 0; b->write_answer == QUIRE_OK && i < bytes / PAGE; i++)
                b->page[offset / PAGE + i] = *(const uint8_t *)page[i];
        return b->write_answer;
}

static void book_closed(void *context)
{
        ((struct book *)context)->closed++;
}

static enum quire_status book_sync(void *context)
{
        struct book *b = context;

        b->synced++;
        return b->sync_answer;
}

static const struct quire_pager book_pager = { .fill = book_fill, .write = book_write,
                                               .closed = book_closed };
static const struct quire_pager home_pager = { .fill = book_fill, .write = book_write,
                                               .sync = book_sync, .closed = book_closed,
                                               .most = 4, .evicts = true };

static struct quire_grant *open_book(struct book *b, const struct quire_pager *pager,
                                     unsigned flags)
{
        const struct quire_object_request q = { .bytes = 64 * PAGE, .kind = QUIRE_CALLBACK,
                                                .pager = pager, .context = b, .flags = flags };
        struct quire_grant *g = NULL;

        *b = (struct book){ .answer = QUIRE_OK };
        for (unsigned i = 0; i < 64; i++)
                b->page[i] = (uint8_t)(i + 1);
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        return g;
}

static void try_pager(const struct quire_pager *pager, unsigned flags)
{
        struct quire_range runs[8];
        struct book b;
        struct quire_grant *g;
        uint64_t va, n = 8, taken;
        uint8_t contents[2 * 65536], byte;

        begin();
        g = open_book(&b, pager, flags);
        va = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(byte_at(va + 5 * PAGE), 6);
        CHECK_EQ(b.filled, 1);
        CHECK_EQ(byte_at(va + 5 * PAGE + 1), 6);
        CHECK_EQ(b.filled, 1);
        CHECK_EQ(store(va + 7 * PAGE, 0x80), 0);
        CHECK_EQ(store(va + 8 * PAGE, 0x81), 0);
        CHECK_EQ(store(va + 20 * PAGE, 0x82), 0);
        CHECK(quire_object_dirty(g, 0, 64 * PAGE, runs, &n) == QUIRE_OK);
        CHECK_EQ(n, 2);
        CHECK(runs[0].first == 7 * PAGE && runs[0].pages == 2);
        CHECK(runs[1].first == 20 * PAGE && runs[1].pages == 1);
        CHECK(quire_region_advise(space, va, 64 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        CHECK_EQ(byte_at(va + 7 * PAGE), 0x80);
        quire_system_audit(sys);
        b.write_answer = QUIRE_IO_ERROR;
        CHECK_EQ(store(va + 21 * PAGE, 0x83), 0);
        CHECK(quire_object_flush(g, 21 * PAGE, PAGE) == QUIRE_IO_ERROR);
        CHECK_EQ(byte_at(va + 21 * PAGE), 0x83);
        b.write_answer = QUIRE_OK;
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_OK);
        CHECK(b.page[7] == 0x80 && b.page[8] == 0x81 && b.page[20] == 0x82 && b.page[21] == 0x83);
        n = 8;
        CHECK(quire_object_dirty(g, 0, 64 * PAGE, runs, &n) == QUIRE_OK);
        CHECK_EQ(n, 0);
        b.answer = QUIRE_IO_ERROR;
        CHECK_EQ(load(va + 40 * PAGE, &byte), QUIRE_WHY_IO_ERROR);
        b.answer = QUIRE_OK;
        CHECK_EQ(byte_at(va + 40 * PAGE), 41);
        b.answer = QUIRE_BROKEN;
        CHECK_EQ(load(va + 41 * PAGE, &byte), QUIRE_WHY_BROKEN);
        b.answer = QUIRE_OK;
        CHECK_EQ(load(va + 41 * PAGE, &byte), QUIRE_WHY_BROKEN);
        memset(contents, 0x44, sizeof(contents));
        CHECK(quire_pager_supply(g, 50 * PAGE, 2 * PAGE, contents, &taken) == QUIRE_OK);
        CHECK_EQ(taken, 2 * PAGE);
        CHECK(quire_pager_supply(g, 50 * PAGE, 2 * PAGE, contents, &taken) == QUIRE_OK);
        CHECK_EQ(taken, 0);
        CHECK_EQ(byte_at(va + 51 * PAGE), 0x44);
        CHECK(quire_pager_fail(g, 60 * PAGE, PAGE, QUIRE_BROKEN) == QUIRE_OK);
        CHECK_EQ(load(va + 60 * PAGE, &byte), QUIRE_WHY_BROKEN);
        CHECK_EQ(store(va + 7 * PAGE, 0x90), 0);
        quire_system_audit(sys);
        quire_grant_close(g);
        CHECK_EQ(b.closed, 0);
        release(space, va);
        CHECK_EQ(b.closed, 1);
        CHECK_EQ(b.page[7], 0x90);
        stage_close();
}

static void test_D4_a_pager_supplies_and_takes(void)
{
        try_pager(&book_pager, 0);
        try_pager(&home_pager, 0);
        try_pager(&book_pager, QUIRE_SOLE);
        try_pager(&home_pager, QUIRE_SOLE);
}

static void test_D4_a_run_of_faults_reads_ahead(void)
{
        struct quire_grant *g;
        struct book b;
        uint64_t va;
        uint8_t byte;

        begin();
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        for (uint64_t i = 0; i < 32; i++)
                CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1));
        CHECK(b.calls <= 7);
        release(space, va);
        quire_grant_close(g);
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        b.bad = 1 + 20;
        for (uint64_t i = 0; i < 40; i++)            /* one page fails, not those before it */
                CHECK_EQ(load(va + i * PAGE, &byte), i == 20 ? QUIRE_WHY_IO_ERROR : 0);
        b.bad = 0;
        CHECK_EQ(byte_at(va + 20 * PAGE), 21);
        release(space, va);
        quire_grant_close(g);
        stage_close();
}

static void test_D4_a_flush_is_durable(void)
{
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        begin();
        g = open_book(&b, &home_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(store(va, 9), 0);
        b.write_answer = QUIRE_IO_ERROR;
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_IO_ERROR);
        CHECK_EQ(b.synced, 0);
        b.write_answer = QUIRE_OK;
        b.sync_answer = QUIRE_IO_ERROR;
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_IO_ERROR);
        b.sync_answer = QUIRE_OK;
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.synced, 2);
        release(space, va);
        quire_grant_close(g);
        stage_close();
}

static void test_D4_a_file_larger_than_memory(void)
{
        struct quire_grant *g;
        struct book b;
        uint64_t va;
        struct drive_options was = options;

        options.budget = quire_budget_least(4096);
        begin();
        g = open_book(&b, &home_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        for (unsigned round = 0; round < 4; round++)
                for (uint64_t i = 0; i < 64; i++) {
                        CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1 + round));
                        CHECK_EQ(store(va + i * PAGE, (uint8_t)(i + 2 + round)), 0);
                }
        CHECK(b.wrote > 64);
        quire_grant_close(g);
        release(space, va);
        for (unsigned i = 0; i < 64; i++)
                CHECK_EQ(b.page[i], (uint8_t)(i + 5));
        stage_close();
        options = was;
}

/* -------------------------------------------------------------------------- main */

static void run_all(const struct driver *driver, bool no_share)
{
        on = driver;
        options = (struct drive_options){ .no_share = no_share, .audit = true };
        printf("on %s%s\n", driver->name, no_share ? ", frames not shared" : "");
        RUN(test_B58_views_share_frames);
        RUN(test_B18_eviction_takes_a_shared_page_from_all);
        RUN(test_B40_copy_on_write);
        RUN(test_D6_clones_in_a_tree);
        RUN(test_space_clone);
        RUN(test_D12_revoking_reaches_all);
        RUN(test_D4_a_pager_supplies_and_takes);
        RUN(test_D4_a_run_of_faults_reads_ahead);
        RUN(test_D4_a_flush_is_durable);
        RUN(test_D4_a_file_larger_than_memory);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        run_all(&driver_sim, false);
        run_all(&driver_sim, true);
        run_all(&driver_x86_64, false);
        run_all(&driver_x86_64, true);
        return test_end();
}
