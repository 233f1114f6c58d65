/*
 * features_pager_test.c - objects whose pages user code supplies and takes back: in any
 * order, late, failing, dying (D4); what reaches home, and when (B60, B61); which
 * pages were written, by epochs (D3).
 */
#include "book.h"
#include <pthread.h>

/* ---------------------------------------------------------------- supplied and taken */

static void try_pager(const struct quire_pager *pager, unsigned flags)
{
        struct quire_range runs[8];
        struct book b;
        struct quire_grant *g;
        uint64_t va, n = 8, taken;
        uint8_t byte;

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
        evict(space, va, 64);
        CHECK_EQ(byte_at(va + 7 * PAGE), 0x80);
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
        CHECK_EQ(page_map_in(space, va + 41 * PAGE) & 15, QUIRE_PAGE_BROKEN);
        CHECK(supply(g, &b, 50, 2, &taken) == QUIRE_OK);
        CHECK_EQ(taken, 2 * PAGE);
        CHECK(supply(g, &b, 49, 4, &taken) == QUIRE_OK);   /* twice: they keep what they have */
        CHECK_EQ(taken, 2 * PAGE);
        n = b.filled;
        CHECK_EQ(byte_at(va + 51 * PAGE), 52);
        CHECK_EQ(byte_at(va + 49 * PAGE), 50);
        CHECK_EQ(b.filled, n);
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
        try_pager(&book_pager, QUIRE_EPOCHS);
}

/* What is to go home when it leaves memory needs a way there. */
static void test_D4_a_pager_that_evicts_must_write(void)
{
        struct quire_pager p = home_pager;
        struct quire_object_request q = { .bytes = BOOK_PAGES * PAGE, .kind = QUIRE_CALLBACK,
                                          .pager = &p };
        struct quire_grant *g = NULL;

        begin();
        p.write = NULL;
        CHECK(quire_object_open(sys, &q, &g) == QUIRE_INVALID);
        CHECK(!g);
        p.fill = NULL;
        p.evicts = false;
        CHECK(quire_object_open(sys, &q, &g) == QUIRE_INVALID);
        CHECK(!g);
        p.fill = home_pager.fill;
        p.closed = NULL;
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);       /* nor evicts, nor writes */
        quire_grant_close(g);
        finish();
}

static void test_D4_a_file_larger_than_memory(void)
{
        struct drive_options o = options;
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        o.budget = on->simulated ? quire_budget_least(4096) : o.budget;
        begin_with(o);
        g = open_book(&b, &home_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        for (unsigned round = 0; round < 4; round++) {
                for (uint64_t i = 0; i < 64; i++) {
                        CHECK_EQ(byte_at(va + i * PAGE), (uint8_t)(i + 1 + round));
                        CHECK_EQ(store(va + i * PAGE, (uint8_t)(i + 2 + round)), 0);
                }
                if (!on->simulated)
                        evict(space, va, 64);
        }
        CHECK(b.wrote > 64 || !on->simulated);
        quire_grant_close(g);
        release(space, va);
        CHECK(b.wrote >= 64);
        for (unsigned i = 0; i < 64; i++)
                CHECK_EQ(b.page[i], (uint8_t)(i + 5));
        CHECK_EQ(counters().file_pages_peak, 0);           /* the pager has them, no pagefile */
        finish();
}

/* A pager that supplies what it is asked for before it answers, whatever it then says. */
static void test_D4_supplied_before_the_answer(void)
{
        static const enum quire_status answers[] = { QUIRE_BUSY, QUIRE_OK, QUIRE_BROKEN };
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        begin();
        g = open_book(&b, &book_pager, 0);
        b.supply = g;
        va = map(space, g, 0, 64, RW, 0);
        for (unsigned k = 0; k < 3; k++) {
                b.answer = answers[k];
                for (uint64_t i = 10 * k; i < 10 * k + 9; i += 2) {
                        CHECK_EQ(byte_at(va + i * PAGE), i + 1);
                        CHECK_EQ(store(va + i * PAGE + 1, 9), 0);
                }
        }
        b.supply = NULL;
        quire_grant_close(g);
        release(space, va);
        finish();
}

/* ------------------------------------------------------------------------- what is late */

enum { WAITERS = 6 };

struct waiter {
        struct quire_sim_thread *thread;
        struct quire_space *in;
        uint64_t va;
        unsigned access, why;
        uint8_t byte;
};

static void wait_for(void *argument)
{
        struct waiter *w = argument;

        w->why = touch_in(w->in, w->va, w->access, &w->byte, 1);
}

static void start(struct waiter *w, uint64_t va, unsigned access)
{
        *w = (struct waiter){ .in = space, .va = va, .access = access, .why = 99, .byte = 0x77 };
        w->thread = quire_sim_thread_start(on->host(stage), "waiter", wait_for, w);
        REQUIRE(w->thread);
        CHECK_EQ(quire_sim_step(w->thread), QUIRE_SIM_WAITS_VERDICT);
        CHECK(!quire_sim_locked(on->host(stage)));
}

static bool waits(const struct waiter *w)
{
        return quire_sim_thread_state(w->thread) == QUIRE_SIM_WAITS_VERDICT;
}

/* It can go on, and does to its end. */
static unsigned end(struct waiter *w)
{
        for (unsigned i = 0; i < 100; i++)
                if (quire_sim_step(w->thread) == QUIRE_SIM_ENDED)
                        return w->why;
        CHECK(false && "it goes on");
        return 98;
}

/* Threads wait for pages that come in another order, one by one and in runs; nobody
 * else is kept waiting, and no lock is held. */
static void test_D4_late_out_of_order_and_in_runs(void)
{
        static const unsigned order[] = { 3, 0, 4, 1, 2, 5 };
        struct waiter w[WAITERS];
        struct quire_grant *g;
        struct book b;
        uint64_t va, other, taken;

        begin();
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        other = region(4);
        CHECK_EQ(byte_at(va + 60 * PAGE), 61);
        b.answer = QUIRE_BUSY;
        for (unsigned i = 0; i < WAITERS; i++)
                start(&w[i], va + 2 * i * PAGE, i % 2 ? W : R);
        CHECK_EQ(page_map_in(space, va) & 15, QUIRE_PAGE_COMING);
        CHECK_EQ(store(other, 1), 0);                      /* we go on meanwhile ... */
        CHECK_EQ(byte_at(va + 60 * PAGE), 61);             /* ... even in the same object */
        b.answer = QUIRE_OK;
        CHECK_EQ(byte_at(va + 40 * PAGE), 41);
        for (unsigned k = 0; k < 4; k++) {
                unsigned i = order[k];

                CHECK(supply(g, &b, 2 * i, 1, &taken) == QUIRE_OK);
                CHECK_EQ(taken, PAGE);
                CHECK_EQ(end(&w[i]), 0);
                if (i % 2 == 0)
                        CHECK_EQ(w[i].byte, 2 * i + 1);
                for (unsigned j = k + 1; j < WAITERS; j++)
                        CHECK(waits(&w[order[j]]));
        }
        CHECK(supply(g, &b, 3, 10, &taken) == QUIRE_OK);   /* the rest, with what nobody asked */
        CHECK_EQ(taken, 8 * PAGE);
        CHECK_EQ(end(&w[2]), 0);
        CHECK_EQ(end(&w[5]), 0);
        CHECK_EQ(w[2].byte, 5);
        CHECK_EQ(byte_at(va + 2 * PAGE), 0x77);            /* it was stored there */
        release(space, va);
        release(space, other);
        quire_grant_close(g);
        finish();
}

/* Of a run that was asked for, some come, some twice, some fail and some are left. */
static void test_D4_late_and_partial(void)
{
        struct waiter w[3];
        struct quire_grant *g;
        struct book b;
        uint64_t va, first;

        begin();
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        for (first = 0; first < 16; first++)               /* a stream, so that runs get long */
                CHECK_EQ(byte_at(va + first * PAGE), first + 1);
        while (page_map_in(space, va + first * PAGE) & 15)
                first++;
        b.answer = QUIRE_BUSY;
        start(&w[0], va + first * PAGE, R);
        CHECK(b.asked_pages >= 4 && b.asked_first == first);
        start(&w[1], va + (first + 1) * PAGE, R);
        start(&w[2], va + (first + 3) * PAGE, R);
        CHECK_EQ(b.asked_first, first);                    /* nobody asks again */
        CHECK(supply(g, &b, first + 1, 1, NULL) == QUIRE_OK);
        CHECK_EQ(end(&w[1]), 0);
        CHECK(waits(&w[0]) && waits(&w[2]));
        CHECK(supply(g, &b, first, 2, NULL) == QUIRE_OK);
        CHECK_EQ(end(&w[0]), 0);
        CHECK(quire_pager_fail(g, (first + 2) * PAGE, 2 * PAGE, QUIRE_IO_ERROR) == QUIRE_OK);
        CHECK_EQ(end(&w[2]), QUIRE_WHY_IO_ERROR);
        b.answer = QUIRE_OK;
        CHECK_EQ(byte_at(va + (first + 2) * PAGE), first + 3);
        CHECK_EQ(byte_at(va + (first + 3) * PAGE), first + 4);
        b.answer = QUIRE_BUSY;
        if (b.asked_pages > 4)
                CHECK(quire_pager_fail(g, 0, 64 * PAGE, QUIRE_IO_ERROR) == QUIRE_OK);
        release(space, va);
        quire_grant_close(g);
        finish();
}

/* However many wait for a page, each is told that it failed; the next one asks again. */
static void test_D4_a_late_page_fails_for_all(void)
{
        static const enum quire_status whys[] = { QUIRE_IO_ERROR, QUIRE_BROKEN };
        static const enum quire_reason reasons[] = { QUIRE_WHY_IO_ERROR, QUIRE_WHY_BROKEN };
        struct waiter w[WAITERS];
        struct quire_grant *g;
        struct book b;
        uint64_t va;

        for (unsigned k = 0; k < 2; k++) {
                begin();
                g = open_book(&b, &book_pager, 0);
                va = map(space, g, 0, 64, RW, 0);
                b.answer = QUIRE_BUSY;
                for (unsigned i = 0; i < WAITERS; i++)
                        start(&w[i], va + 9 * PAGE, i % 2 ? W : R);
                CHECK_EQ(b.asks, 1);
                CHECK(quire_pager_fail(g, 9 * PAGE, PAGE, whys[k]) == QUIRE_OK);
                for (unsigned i = 0; i < WAITERS; i++)
                        CHECK_EQ(end(&w[i]), reasons[k]);
                CHECK_EQ(b.asks, 1);
                b.answer = QUIRE_OK;
                CHECK_EQ(load(va + 9 * PAGE, &w[0].byte), k ? QUIRE_WHY_BROKEN : 0);
                CHECK_EQ(b.asks, k ? 1 : 2);
                release(space, va);
                quire_grant_close(g);
                stage_close();
        }
}

/* Somebody who can not fault, and wants the page kept. */
static void hold_it(void *argument)
{
        struct waiter *w = argument;
        uint64_t held = 0;

        w->why = (unsigned)(w->access == W ? quire_region_hold(w->in, w->va, PAGE, W, &held)
                                           : quire_region_lock(w->in, w->va, PAGE));
}

static void start_to_hold(struct waiter *w, uint64_t va, unsigned access)
{
        *w = (struct waiter){ .in = space, .va = va, .access = access, .why = 99 };
        w->thread = quire_sim_thread_start(on->host(stage), "holder", hold_it, w);
        REQUIRE(w->thread);
        CHECK_EQ(quire_sim_step(w->thread), QUIRE_SIM_READY);
        CHECK_EQ(w->why, 99);
}

/* Holds and locks among them: whoever of them asked, each is told once. */
static void test_D4_a_late_page_fails_for_who_holds_it(void)
{
        for (unsigned asker = 0; asker < 3; asker++) {
                struct waiter w[WAITERS];
                struct quire_grant *g;
                struct book b;
                uint64_t va;

                begin();
                g = open_book(&b, &book_pager, 0);
                va = map(space, g, 0, 64, RW, 0);
                b.answer = QUIRE_BUSY;
                for (unsigned i = 0; i < WAITERS; i++) {
                        if ((i + asker) % 3)
                                start_to_hold(&w[i], va + 9 * PAGE, (i + asker) % 3 == 1 ? R : W);
                        else
                                start(&w[i], va + 9 * PAGE, R);
                        (void)quire_sim_step(w[0].thread);
                }
                CHECK_EQ(b.asks, 1);
                CHECK(quire_pager_fail(g, 9 * PAGE, PAGE, QUIRE_IO_ERROR) == QUIRE_OK);
                for (unsigned i = 0; i < WAITERS; i++)
                        CHECK_EQ(end(&w[i]), (i + asker) % 3 ? (unsigned)QUIRE_IO_ERROR
                                                             : (unsigned)QUIRE_WHY_IO_ERROR);
                CHECK_EQ(b.asks, 1);
                CHECK_EQ(sys->waiting, 0);
                b.answer = QUIRE_OK;
                CHECK(quire_region_lock(space, va + 9 * PAGE, PAGE) == QUIRE_OK);
                CHECK_EQ(b.asks, 2);
                CHECK_EQ(byte_at(va + 9 * PAGE), 10);
                release(space, va);
                quire_grant_close(g);
                finish();
        }
}

static struct quire_grant *hasty;

/* It fails before it has answered that it would be late, and while others wait. */
static enum quire_status fail_first(void *context, uint64_t offset, uint64_t bytes,
                                    unsigned access, void *const page[])
{
        (void)access;
        (void)page;
        ++*(unsigned *)context;
        quire_sim_yield(on->host(stage));
        CHECK(quire_pager_fail(hasty, offset, bytes, QUIRE_IO_ERROR) == QUIRE_OK);
        return QUIRE_BUSY;
}

static void test_D4_a_late_page_fails_before_the_answer(void)
{
        static const struct quire_pager pager = { .fill = fail_first };
        unsigned asks = 0;
        const struct quire_object_request q = { .bytes = 4 * PAGE, .kind = QUIRE_CALLBACK,
                                                .pager = &pager, .context = &asks };
        struct waiter w[2];
        uint64_t va;

        begin();
        REQUIRE(quire_object_open(sys, &q, &hasty) == QUIRE_OK);
        va = map(space, hasty, 0, 4, R, 0);
        start_to_hold(&w[0], va, R);                 /* it asks */
        start(&w[1], va, R);
        CHECK_EQ(end(&w[0]), (unsigned)QUIRE_IO_ERROR);
        CHECK_EQ(end(&w[1]), (unsigned)QUIRE_WHY_IO_ERROR);
        CHECK_EQ(asks, 1);
        release(space, va);
        quire_grant_close(hasty);
        finish();
}

static void test_D4_a_pager_dies(void)
{
        struct waiter w[WAITERS];
        struct quire_grant *g;
        struct book b;
        uint64_t va, asks;

        begin();
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(store(va + 50 * PAGE, 1), 0);
        b.answer = QUIRE_BUSY;
        for (unsigned i = 0; i < WAITERS; i++)
                start(&w[i], va + i / 2 * 10 * PAGE, R);
        asks = b.asks;
        quire_pager_died(g);
        CHECK(info(g).broken);
        for (unsigned i = 0; i < WAITERS; i++)
                CHECK_EQ(end(&w[i]), QUIRE_WHY_IO_ERROR);
        b.answer = QUIRE_OK;
        CHECK_EQ(load(va + 30 * PAGE, &w[0].byte), QUIRE_WHY_IO_ERROR);
        CHECK_EQ(byte_at(va + 50 * PAGE), 1);              /* what is here, is */
        evict(space, va, 64);
        CHECK_EQ(byte_at(va + 50 * PAGE), 1);
        CHECK(quire_object_flush(g, 0, 64 * PAGE) == QUIRE_IO_ERROR);
        CHECK_EQ(byte_at(va + 50 * PAGE), 1);
        CHECK_EQ(b.asks, asks);
        CHECK_EQ(b.wrote, 0);
        release(space, va);
        quire_grant_close(g);
        stage_close();
}

/* Who could supply is gone, the region is, or the right: nobody waits for ever. */
static void test_D4_nobody_waits_for_ever(void)
{
        struct waiter w[2];
        struct quire_grant *g, *r;
        struct book b;
        uint64_t va;

        begin();
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        b.answer = QUIRE_BUSY;
        start(&w[0], va, R);
        start(&w[1], va + 9 * PAGE, W);
        quire_grant_close(g);                              /* nobody can supply any more */
        CHECK_EQ(end(&w[0]), QUIRE_WHY_IO_ERROR);
        CHECK_EQ(end(&w[1]), QUIRE_WHY_IO_ERROR);
        CHECK_EQ(load(va + PAGE, &w[0].byte), QUIRE_WHY_IO_ERROR);
        release(space, va);
        CHECK_EQ(b.closed, 1);
        g = open_book(&b, &book_pager, 0);
        r = narrow(g, R);
        va = map(space, r, 0, 64, R, 0);
        b.answer = QUIRE_BUSY;
        start(&w[0], va, R);
        quire_grant_revoke(r);
        CHECK(supply(g, &b, 0, 1, NULL) == QUIRE_OK);
        CHECK_EQ(end(&w[0]), QUIRE_WHY_REVOKED);
        release(space, va);
        va = map(space, g, 0, 64, R, 0);
        start(&w[0], va + 5 * PAGE, R);
        release(space, va);
        CHECK(supply(g, &b, 5, 1, NULL) == QUIRE_OK);
        CHECK_EQ(end(&w[0]), QUIRE_WHY_FREE);
        quire_grant_close(r);
        quire_grant_close(g);
        CHECK_EQ(b.closed, 1);
        finish();
}

/* A view that copies waits for the page that it would copy, a clone for what it inherits. */
static void test_D4_late_for_views_that_copy_and_clones(void)
{
        struct waiter w[3];
        struct quire_grant *g, *k;
        struct book b;
        uint64_t a, c, d;

        begin();
        g = open_book(&b, &book_pager, 0);
        a = map(space, g, 0, 64, RW, 0);
        c = map(space, g, 0, 64, RW, QUIRE_COPY);
        k = snapshot(g);
        d = map(space, k, 0, 64, RW, 0);
        b.answer = QUIRE_BUSY;
        start(&w[0], c + 3 * PAGE, W);
        start(&w[1], a + 3 * PAGE, R);
        start(&w[2], d + 3 * PAGE, R);
        CHECK_EQ(b.asks, 1);
        CHECK(supply(g, &b, 3, 1, NULL) == QUIRE_OK);
        for (unsigned i = 0; i < 3; i++)
                CHECK_EQ(end(&w[i]), 0);
        CHECK(w[1].byte == 4 && w[2].byte == 4);
        b.answer = QUIRE_OK;
        CHECK_EQ(byte_at(a + 3 * PAGE), 4);
        CHECK_EQ(byte_at(c + 3 * PAGE), 0x77);
        CHECK_EQ(store(a + 4 * PAGE, 0x55), 0);
        CHECK_EQ(byte_at(d + 4 * PAGE), 5);                /* as it was */
        CHECK_EQ(byte_at(c + 4 * PAGE), 0x55);
        CHECK(quire_pager_supply(k, 0, PAGE, &b, NULL) == QUIRE_INVALID);
        release(space, a);
        release(space, c);
        release(space, d);
        quire_grant_close(g);
        CHECK_EQ(b.page[4], 5);                            /* the clone still refers to it */
        quire_grant_close(k);
        CHECK_EQ(b.page[4], 0x55);
        CHECK_EQ(b.closed, 1);
        finish();
}

/* -------------------------------------------------------------- threads of this process */

static void *supply_later(void *argument)
{
        struct waiter *w = argument;

        w->why = on->access(stage, space, w->va, R, &w->byte, 1, NULL) != DRIVE_OK;
        return NULL;
}

static void test_D4_late_in_real_threads(void)
{
        struct waiter w[WAITERS];
        pthread_t thread[WAITERS];
        struct quire_grant *g;
        struct book b;
        uint64_t va, mine;

        begin();
        g = open_book(&b, &book_pager, 0);
        va = map(space, g, 0, 64, RW, 0);
        mine = region(8);
        b.answer = QUIRE_BUSY;
        for (unsigned i = 0; i < WAITERS; i++) {
                w[i] = (struct waiter){ .va = va + i / 2 * 8 * PAGE, .why = 99 };
                REQUIRE(!pthread_create(&thread[i], NULL, supply_later, &w[i]));
        }
        for (unsigned i = 0; i < WAITERS; i += 2)
                while ((page_map_in(space, w[i].va) & 15) != QUIRE_PAGE_COMING)
                        usleep(100);
        for (uint64_t i = 0; i < 8; i++)
                CHECK_EQ(store(mine + i * PAGE, 1), 0);
        for (unsigned i = WAITERS; i; i -= 2)
                CHECK(supply(g, &b, (i - 1) / 2 * 8, 1, NULL) == QUIRE_OK);
        for (unsigned i = 0; i < WAITERS; i++) {
                pthread_join(thread[i], NULL);
                CHECK_EQ(w[i].why, 0);
                CHECK_EQ(w[i].byte, i / 2 * 8 + 1);
        }
        for (unsigned i = 0; i < WAITERS; i++) {
                w[i].va = va + 33 * PAGE;
                REQUIRE(!pthread_create(&thread[i], NULL, supply_later, &w[i]));
        }
        while ((page_map_in(space, w[0].va) & 15) != QUIRE_PAGE_COMING)
                usleep(100);
        usleep(20000);
        quire_pager_died(g);
        for (unsigned i = 0; i < WAITERS; i++) {
                pthread_join(thread[i], NULL);
                CHECK_EQ(w[i].why, 1);
        }
        release(space, mine);
        release(space, va);
        quire_grant_close(g);
        finish();
}

/* ---------------------------------------------------------------------- what reaches home */

static void test_B60_home_at_the_last_unmap(void)
{
        static const struct quire_pager *const pagers[] = { &book_pager, &home_pager };
        struct quire_grant *g, *r;
        struct book b;
        uint64_t a, c, d;

        for (unsigned k = 0; k < 2; k++) {
                begin();
                g = open_book(&b, pagers[k], 0);
                r = narrow(g, R);
                a = map(space, g, 0, 64, RW, 0);
                c = map(space, r, 0, 64, RW, QUIRE_COPY);
                for (uint64_t i = 0; i < 64; i += 3) {
                        CHECK_EQ(store(a + i * PAGE, (uint8_t)(i + 100)), 0);
                        CHECK_EQ(store(c + i * PAGE, 255), 0);   /* never home */
                }
                evict(space, a, 30);
                quire_grant_close(g);
                release(space, a);
                quire_grant_close(r);
                CHECK_EQ(b.closed, 0);
                CHECK_EQ(byte_at(c + PAGE), 2);
                CHECK(quire_region_split(space, c + 32 * PAGE) == QUIRE_OK);
                release(space, c);
                CHECK_EQ(byte_at(c + 33 * PAGE), 255);
                d = c + 32 * PAGE;
                release(space, d);
                CHECK_EQ(b.closed, 1);
                for (uint64_t i = 0; i < 64; i++)
                        CHECK_EQ(b.page[i], i % 3 ? i + 1 : i + 100);
                CHECK_EQ(counters().committed + counters().resident, 0);
                finish();
        }
}

static void test_B61_flush_forces_the_update(void)
{
        struct quire_range runs[4];
        struct quire_grant *g, *r, *x;
        struct book b;
        uint64_t a, n = 1;

        begin();
        g = open_book(&b, &book_pager, 0);
        r = narrow(g, R);
        a = map(space, g, 0, 64, RW, 0);
        for (uint64_t i = 0; i < 64; i += 4)
                CHECK_EQ(store(a + i * PAGE, 200), 0);
        CHECK_EQ(counters().committed, 16);                /* each has to lie somewhere */
        CHECK(quire_object_flush(r, 0, 64 * PAGE) == QUIRE_DENIED);
        CHECK(quire_object_flush(g, PAGE / 2, PAGE) == QUIRE_INVALID);
        CHECK(quire_object_flush(g, 0, 65 * PAGE) == QUIRE_INVALID);
        evict(space, a + 8 * PAGE, 8);
        CHECK(quire_object_flush(g, 8 * PAGE, 16 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.wrote, 4);
        CHECK_EQ(counters().committed, 12);
        for (uint64_t i = 0; i < 64; i++)
                CHECK_EQ(b.page[i], i >= 8 && i < 24 && i % 4 == 0 ? 200 : i + 1);
        CHECK(quire_object_dirty(g, 0, 64 * PAGE, runs, &n) == QUIRE_OK);
        CHECK(n == 1 && runs[0].first == 0);
        n = 1;
        CHECK(quire_object_dirty(g, 8 * PAGE, 56 * PAGE, runs, &n) == QUIRE_OK);
        CHECK(n == 1 && runs[0].first == 24 * PAGE);       /* resumable */
        CHECK(quire_object_flush(g, 8 * PAGE, 16 * PAGE) == QUIRE_OK);
        CHECK_EQ(b.wrote, 4);
        CHECK_EQ(store(a + 8 * PAGE, 201), 0);               /* modified again, owed again */
        CHECK(quire_object_flush(g, 8 * PAGE, PAGE) == QUIRE_OK);
        CHECK_EQ(b.page[8], 201);
        x = narrow(g, RW);
        quire_grant_revoke(x);
        CHECK(quire_object_flush(x, 0, PAGE) == QUIRE_NOT_PRESENT);
        quire_grant_close(x);
        quire_grant_close(r);
        release(space, a);
        quire_grant_close(g);
        g = open_book(&b, &read_only_pager, 0);
        CHECK(quire_object_flush(g, 0, PAGE) == QUIRE_INVALID);
        a = map(space, g, 0, 64, RW, 0);
        CHECK_EQ(store(a, 9), 0);
        evict(space, a, 64);
        CHECK_EQ(byte_at(a), 9);                           /* its home is the pagefile */
        release(space, a);
        quire_grant_close(g);
        finish();
}

/* A home that takes nothing for a while: nothing is lost, and it all arrives. */
static void test_B61_a_home_that_fails_loses_nothing(void)
{
        struct quire_grant *g;
        struct book b;
        uint64_t a;

        begin();
        g = open_book(&b, &home_pager, 0);
        a = map(space, g, 0, 64, RW, 0);
        for (unsigned round = 0; round < 6; round++) {
                b.write_answer = round % 3 == 2 ? QUIRE_OK : round % 3 ? QUIRE_NO_SPACE
                                                                        : QUIRE_IO_ERROR;
                for (uint64_t i = round; i < 64; i += 2)
                        CHECK_EQ(store(a + i * PAGE, (uint8_t)(100 + round)), 0);
                evict(space, a, 64);
                CHECK(quire_object_flush(g, 0, 64 * PAGE) ==
                      (b.write_answer == QUIRE_OK ? QUIRE_OK : QUIRE_IO_ERROR));
                for (uint64_t i = round; i < 64; i += 2)
                        CHECK_EQ(byte_at(a + i * PAGE), 100 + round);
                quire_system_audit(sys);
                for (uint64_t i = round; b.write_answer == QUIRE_OK && i < 64; i += 2)
                        CHECK_EQ(b.page[i], 100 + round);
        }
        release(space, a);
        quire_grant_close(g);
        finish();
}

/* -------------------------------------------------------------------------- main */

static void on_one_space(void)
{
        RUN(test_D4_a_pager_supplies_and_takes);
        RUN(test_D4_a_pager_that_evicts_must_write);
        RUN(test_D4_a_file_larger_than_memory);
        RUN(test_D4_supplied_before_the_answer);
        RUN(test_B60_home_at_the_last_unmap);
        RUN(test_B61_flush_forces_the_update);
        RUN(test_B61_a_home_that_fails_loses_nothing);
}

static void on_simulated(void)
{
        on_one_space();
        RUN(test_D4_late_out_of_order_and_in_runs);
        RUN(test_D4_late_and_partial);
        RUN(test_D4_a_late_page_fails_for_all);
        RUN(test_D4_a_late_page_fails_for_who_holds_it);
        RUN(test_D4_a_late_page_fails_before_the_answer);
        RUN(test_D4_a_pager_dies);
        RUN(test_D4_nobody_waits_for_ever);
        RUN(test_D4_late_for_views_that_copy_and_clones);
}

static void on_linux(void)
{
        on_one_space();
        RUN(test_D4_late_in_real_threads);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(on_simulated);
        share_on_linux(on_linux);
        return test_end();
}
