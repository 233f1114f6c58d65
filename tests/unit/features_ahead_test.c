/*
 * features_ahead_test.c - pagers that are asked for more than was touched: in runs, ahead, by
 * what an earlier start noted; and whose flushes last.
 */
#include "share.h"

/* Pages full of a byte each, and what the pager of them was asked. */
struct scroll {
        uint8_t page[64];
        unsigned filled, calls, wrote, synced, closed;
        enum quire_status answer, write_answer, sync_answer;
        uint64_t bad;                        /* plus one: a page that is not there just now */
        struct lent {                        /* what it was asked for ahead, in this order */
                struct quire_object *object;
                uint64_t offset, bytes;
                void *page[QUIRE_IO_MAX];
        } lent[64];
        unsigned lents;
        bool lazy;                           /* it does not read ahead just now */
};

static enum quire_status scroll_fill(void *context, uint64_t offset, uint64_t bytes,
                                     unsigned access, void *const page[])
{
        struct scroll *b = context;

        (void)access;
        b->calls++;
        b->filled += (unsigned)(bytes / PAGE);
        if (b->bad && b->bad - 1 - offset / PAGE < bytes / PAGE)
                return QUIRE_IO_ERROR;
        for (uint64_t i = 0; b->answer == QUIRE_OK && i < bytes / PAGE; i++)
                memset(page[i], b->page[offset / PAGE + i], PAGE);
        return b->answer;
}

static enum quire_status scroll_write(void *context, uint64_t offset, uint64_t bytes,
                                      const void *const page[])
{
        struct scroll *b = context;

        b->wrote += (unsigned)(bytes / PAGE);
        for (uint64_t i = 0; b->write_answer == QUIRE_OK && i < bytes / PAGE; i++)
                b->page[offset / PAGE + i] = *(const uint8_t *)page[i];
        return b->write_answer;
}

static void scroll_closed(void *context)
{
        ((struct scroll *)context)->closed++;
}

static enum quire_status scroll_sync(void *context)
{
        struct scroll *b = context;

        b->synced++;
        return b->sync_answer;
}

static enum quire_status scroll_ahead(void *context, struct quire_object *o, uint64_t offset,
                                      uint64_t bytes, void *const page[])
{
        struct scroll *b = context;
        struct lent *l = &b->lent[b->lents];

        if (b->lazy || b->lents == 64)
                return QUIRE_IO_ERROR;
        *l = (struct lent){ .object = o, .offset = offset, .bytes = bytes };
        memcpy(l->page, page, bytes / PAGE * sizeof(*page));
        b->lents++;
        return QUIRE_BUSY;
}

/* What was asked for ahead is there now, or not. */
static void scroll_filled(struct scroll *b, enum quire_status st)
{
        for (unsigned i = 0; i < b->lents; i++) {
                const struct lent *l = &b->lent[i];

                for (uint64_t k = 0; k < l->bytes / PAGE; k++)
                        memset(l->page[k], b->page[l->offset / PAGE + k], PAGE);
                quire_pager_filled(l->object, l->offset, l->bytes, st);
        }
        b->lents = 0;
}

/* They are there when this returns. */
static enum quire_status scroll_ahead_now(void *context, struct quire_object *o, uint64_t offset,
                                          uint64_t bytes, void *const page[])
{
        enum quire_status st = scroll_ahead(context, o, offset, bytes, page);

        scroll_filled(context, QUIRE_OK);
        return st;
}

static const struct quire_pager ahead_pager = { .fill = scroll_fill, .ahead = scroll_ahead,
                                                .write = scroll_write, .closed = scroll_closed,
                                                .most = 8, .evicts = true };
static const struct quire_pager eager_pager = { .fill = scroll_fill, .ahead = scroll_ahead_now,
                                                .closed = scroll_closed };
static const struct quire_pager plain_pager = { .fill = scroll_fill, .write = scroll_write,
                                               .closed = scroll_closed };
static const struct quire_pager lasting_pager = { .fill = scroll_fill, .write = scroll_write,
                                               .sync = scroll_sync, .closed = scroll_closed,
                                               .most = 4, .evicts = true };

static struct quire_grant *open_scroll(struct scroll *b, const struct quire_pager *pager,
                                     unsigned flags)
{
        const struct quire_object_request q = { .bytes = 64 * PAGE, .kind = QUIRE_CALLBACK,
                                                .pager = pager, .context = b, .flags = flags };
        struct quire_grant *g = NULL;

        *b = (struct scroll){ .answer = QUIRE_OK };
        for (unsigned i = 0; i < 64; i++)
                b->page[i] = (uint8_t)(i + 1);
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        return g;
}

static void test_D4_a_run_of_faults_reads_ahead(void)
{
        struct quire_grant *g;
        struct scroll b;
        uint64_t va;
        uint8_t byte;

        begin();
        g = open_scroll(&b, &plain_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        for (uint64_t i = 0; i < 32; i++)
                CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1));
        CHECK(b.calls <= 7);
        release(space, va);
        quire_grant_close(g);
        g = open_scroll(&b, &plain_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        b.bad = 1 + 20;
        for (uint64_t i = 0; i < 40; i++)            /* one page fails, not those before it */
                CHECK_EQ(load(va + i * PAGE, &byte), i == 20 ? QUIRE_WHY_IO_ERROR : 0);
        b.bad = 0;
        CHECK_EQ(byte_at(va + 20 * PAGE), 21);
        release(space, va);
        quire_grant_close(g);
        finish();
}

static void test_D4_pages_are_filled_while_others_are_used(void)
{
        struct quire_grant *g;
        struct scroll b;
        uint64_t va;
        unsigned asked;

        begin();
        g = open_scroll(&b, &ahead_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        CHECK(quire_region_advise(space, va, PAGE, QUIRE_SEQUENTIAL) == QUIRE_OK);
        CHECK_EQ(byte_at(va), 1);
        CHECK_EQ(b.filled, 8);
        CHECK(b.lents > 1 && b.lent[0].offset == 8 * PAGE && b.lent[1].offset == 16 * PAGE);
        quire_system_audit(sys);
        scroll_filled(&b, QUIRE_OK);
        quire_system_audit(sys);
        for (uint64_t i = 0; i < 64; i++) {
                CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1));
                scroll_filled(&b, QUIRE_OK);
        }
        CHECK_EQ(b.filled, 8);                       /* all others came of themselves */
        CHECK_EQ(store(va + 9 * PAGE, 99), 0);
        release(space, va);
        quire_grant_close(g);
        CHECK_EQ(b.page[9], 99);

        g = open_scroll(&b, &ahead_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        CHECK(quire_region_advise(space, va, PAGE, QUIRE_SEQUENTIAL) == QUIRE_OK);
        CHECK_EQ(byte_at(va), 1);
        scroll_filled(&b, QUIRE_IO_ERROR);             /* it does not matter */
        quire_system_audit(sys);
        asked = b.filled;
        b.lazy = true;
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1));
        CHECK_EQ(b.filled, asked + 56);
        b.lazy = false;
        CHECK(quire_region_advise(space, va, 64 * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
        CHECK_EQ(byte_at(va), 1);
        CHECK(b.lents > 0);
        release(space, va);
        quire_grant_close(g);
        CHECK_EQ(b.closed, 0);                       /* not while it writes to our frames */
        scroll_filled(&b, QUIRE_OK);
        CHECK_EQ(b.closed, 1);
        finish();
}

static uint64_t faults(void)
{
        const struct quire_counters c = counters();

        return c.faults_zero + c.faults_soft + c.faults_tier + c.faults_hard;
}

/* Nearly all frames are taken by what can not go: reading ahead makes room in the others, and
 * the page that was wanted goes, too.  The access gets it all the same. */
static void try_ahead_with_few_frames(const char *policy, uint64_t left)
{
        struct drive_options o = { .budget = 96 << 12, .pagefile_bytes = 1 << 12,
                                   .commit_limit = 96 << 12 };
        uint64_t va, own, pages, before;
        struct quire_grant *g;
        struct scroll b;

        o.policy = policy;
        begin_with(o);
        pages = quire_frames_at(sys, sys->budget) - left;
        own = region(pages);
        for (uint64_t i = 0; i < pages; i++)
                CHECK_EQ(store(own + i * PAGE, 0x50), 0);
        g = open_scroll(&b, &eager_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        CHECK(quire_region_advise(space, va, 64 * PAGE, QUIRE_SEQUENTIAL) == QUIRE_OK);
        before = faults();
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1));
        CHECK(b.calls < 64 || left < 8);                   /* others came ahead */
        CHECK(faults() - before <= 64);                    /* one each is enough */
        release(space, va);
        release(space, own);
        quire_grant_close(g);
        finish();
}

static void test_D4_what_is_wanted_stays_while_others_come(void)
{
        static const char *const policies[] = { "2q", "clock", "lru" };

        for (unsigned i = 0; i < 3; i++)
                for (uint64_t left = 1; left <= 8; left++)
                        try_ahead_with_few_frames(policies[i], left);
}

/* More is asked for than there is room to note: the first is there, and that is said. */
static void test_D1_a_record_that_is_full_says_so(void)
{
        struct quire_range runs[4];
        struct quire_grant *g;
        struct scroll b;
        uint64_t va, n;

        begin();
        g = open_scroll(&b, &plain_pager, 0);
        va = map(space, g, 0, 64, R, 0);
        CHECK(quire_object_record(g, runs, 1, &n) == QUIRE_OK);
        CHECK_EQ(byte_at(va + 40 * PAGE), 41);
        CHECK_EQ(byte_at(va + 41 * PAGE), 42);             /* (the same run) */
        CHECK(quire_object_record(g, NULL, 0, &n) == QUIRE_OK);
        CHECK_EQ(n, 1);
        CHECK(quire_object_record(g, runs, 1, &n) == QUIRE_OK);
        CHECK_EQ(byte_at(va + 10 * PAGE), 11);
        CHECK_EQ(byte_at(va + 20 * PAGE), 21);
        CHECK(quire_object_record(g, NULL, 0, &n) == QUIRE_LIMIT);
        CHECK(n == 1 && runs[0].first == 10 * PAGE);
        CHECK(quire_object_record(g, runs, 4, &n) == QUIRE_OK);
        CHECK(quire_object_record(g, NULL, 0, &n) == QUIRE_OK);
        CHECK_EQ(n, 0);
        release(space, va);
        quire_grant_close(g);
        finish();
}

static void record_and_prefetch(const struct quire_pager *pager)
{
        struct quire_range runs[4];
        struct quire_grant *g;
        struct scroll b;
        uint64_t va, n, did;

        begin();
        g = open_scroll(&b, pager, 0);
        CHECK(quire_object_record(g, runs, 4, &n) == QUIRE_OK);
        CHECK(quire_object_record(g, runs + 1, 3, &n) == QUIRE_BUSY);
        va = map(space, g, 0, 64, R, 0);
        CHECK_EQ(byte_at(va + 30 * PAGE), 31);
        CHECK_EQ(byte_at(va + 7 * PAGE), 8);
        CHECK_EQ(byte_at(va + 31 * PAGE), 32);
        CHECK_EQ(byte_at(va + 50 * PAGE), 51);
        release(space, va);
        CHECK(quire_object_record(g, NULL, 0, &n) == QUIRE_OK);
        CHECK(n >= 3 && runs[0].first == 30 * PAGE && runs[1].first == 7 * PAGE);
        quire_grant_close(g);
        g = open_scroll(&b, pager, 0);
        va = map(space, g, 0, 64, R, 0);
        for (uint64_t i = 0; i < n; i++) {
                CHECK(quire_object_prefetch(g, runs[i].first, runs[i].pages * PAGE, &did) ==
                      QUIRE_OK);
                CHECK_EQ(did, runs[i].pages * PAGE);
        }
        scroll_filled(&b, QUIRE_OK);
        n = b.filled;
        CHECK_EQ(byte_at(va + 30 * PAGE), 31);
        CHECK_EQ(byte_at(va + 7 * PAGE), 8);
        CHECK_EQ(byte_at(va + 50 * PAGE), 51);
        CHECK_EQ(b.filled, n);
        CHECK(quire_object_prefetch(g, 60 * PAGE, 8 * PAGE, &did) == QUIRE_INVALID);
        b.answer = QUIRE_IO_ERROR;
        if (!pager->ahead)
                CHECK(quire_object_prefetch(g, 60 * PAGE, PAGE, &did) == QUIRE_IO_ERROR);
        quire_pager_died(g);
        CHECK(quire_object_prefetch(g, 60 * PAGE, PAGE, &did) == QUIRE_IO_ERROR);
        quire_system_audit(sys);
        release(space, va);
        quire_grant_close(g);
        finish();
}

static void test_D1_what_was_asked_for_can_be_prefetched(void)
{
        record_and_prefetch(&plain_pager);
        record_and_prefetch(&ahead_pager);
}

static void test_D4_a_flush_is_durable(void)
{
        struct quire_grant *g;
        struct scroll b;
        uint64_t va;

        begin();
        g = open_scroll(&b, &lasting_pager, 0);
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
        finish();
}

static void all(void)
{
        RUN(test_D4_a_run_of_faults_reads_ahead);
        RUN(test_D4_pages_are_filled_while_others_are_used);
        RUN(test_D4_what_is_wanted_stays_while_others_come);
        RUN(test_D1_a_record_that_is_full_says_so);
        RUN(test_D1_what_was_asked_for_can_be_prefetched);
        RUN(test_D4_a_flush_is_durable);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(all);
        return test_end();
}
