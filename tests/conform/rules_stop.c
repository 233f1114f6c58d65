/*
 * rules_stop.c - threads stopped by a fault, and their verdicts (M5).
 *
 * A test waits for a thread by pausing until what it waits for has happened;
 * nothing depends on how long that takes.
 */
#include "rules.h"

struct reader {
        struct fake *f;
        unsigned page;
        unsigned access;
        enum rig_answer answer;
        uint64_t word;
        atomic_bool done;
};

static void read_or_write(void *argument)
{
        struct reader *r = argument;

        r->answer = r->f->rig->kind->access(r->f->rig, r->f->mspace,
                                            fake_va(r->f, r->page) + 8, r->access, &r->word,
                                            sizeof r->word);
        r->done = true;
}

/* Until the reader has faulted; it may not have come to its end without. */
static void wait_for_tickets(struct fake *f, unsigned count, const struct reader *r)
{
        while (f->tickets < count && !r->done)
                f->rig->host_ops->pause(f->rig->host);
        REQUIRE(f->tickets >= count);
}

static void resume(struct fake *f, unsigned ticket, enum quire_verdict verdict)
{
        f->rig->ops->resume(f->rig->machine, f->ticket[ticket], verdict);
}

/* The thread waits; the page is entered, taken, and entered with other
 * contents; only then comes the verdict.  It must see the last contents. */
static void entering_does_not_wake_M5(void)
{
        struct fake f = { 0 };
        struct rig rig;

        rule_open(&rig);
        fake_open(&f, &rig, 4, NULL);
        for (unsigned round = 1; round <= 30; round++) {
                struct reader r = { .f = &f, .page = 2, .access = QUIRE_R };
                struct rig_thread *t;

                f.mode = FAKE_PEND;
                f.tickets = 0;
                t = rig.kind->start(&rig, read_or_write, &r);
                wait_for_tickets(&f, 1, &r);
                fake_lock(&rig);
                for (unsigned word = round; word <= round + 1; word++) {
                        REQUIRE(fake_frame(&f, 2) != QUIRE_NO_FRAME);
                        ((uint64_t *)fake_window(&f, 2))[1] = word;
                        CHECK(fake_enter(&f, 2, 1, QUIRE_R) == QUIRE_OK);
                        if (word == round)
                                CHECK(fake_take(&f, 2, 1) == QUIRE_OK);
                }
                CHECK(!r.done);
                resume(&f, 0, QUIRE_RESUME);
                f.mode = FAKE_RESOLVE;
                fake_unlock(&rig);
                rig.kind->join(&rig, t);
                CHECK(r.done && r.answer == RIG_OK);
                CHECK_EQ(r.word, round + 1);
                fake_lock(&rig);
                CHECK(fake_take(&f, 2, 1) == QUIRE_OK);
                fake_unlock(&rig);
        }
        fake_close(&f);
        rule_close(&rig);
}

/* RESUME with nothing entered: the access faults again. */
static void resume_without_a_page_faults_again_M5(void)
{
        struct fake f = { 0 };
        struct reader r = { .f = &f, .page = 1, .access = QUIRE_W, .word = 5 };
        struct rig_thread *t;
        struct rig rig;

        rule_open(&rig);
        fake_open(&f, &rig, 4, NULL);
        f.mode = FAKE_PEND;
        t = rig.kind->start(&rig, read_or_write, &r);
        for (unsigned round = 0; round < 5; round++) {
                wait_for_tickets(&f, round + 1, &r);
                fake_lock(&rig);
                CHECK(!r.done && f.last_access == QUIRE_W);
                if (round == 4)
                        f.mode = FAKE_RESOLVE;
                resume(&f, round, QUIRE_RESUME);
                fake_unlock(&rig);
        }
        rig.kind->join(&rig, t);
        CHECK(r.answer == RIG_OK);
        fake_lock(&rig);
        CHECK(fake_take(&f, 1, 1) == QUIRE_OK);
        CHECK_EQ(fake_peek(&f, 1, 8), 5);
        fake_unlock(&rig);
        fake_close(&f);
        rule_close(&rig);
}

static void a_pending_access_is_denied_M5(void)
{
        struct fake f = { 0 };
        struct rig rig;

        rule_open(&rig);
        fake_open(&f, &rig, 4, NULL);
        for (unsigned round = 0; round < 10; round++) {
                struct reader r = { .f = &f, .page = round % 4,
                                    .access = round % 2 ? QUIRE_W : QUIRE_R };
                struct rig_thread *t;

                f.mode = FAKE_PEND;
                f.tickets = 0;
                t = rig.kind->start(&rig, read_or_write, &r);
                wait_for_tickets(&f, 1, &r);
                fake_lock(&rig);
                f.mode = FAKE_RESOLVE;
                resume(&f, 0, QUIRE_DENY);
                fake_unlock(&rig);
                rig.kind->join(&rig, t);
                CHECK(r.answer == RIG_DENIED);
        }
        fake_close(&f);
        rule_close(&rig);
}

enum { CROWD = 4 };

/* Several threads wait for one page, which is then entered for reading; the
 * verdicts come in the opposite order.  deny: of which threads, a bit set. */
static void give_verdicts(struct fake *f, struct reader *r, struct rig_thread **t,
                          unsigned deny)
{
        struct rig *rig = f->rig;

        f->mode = FAKE_PEND;
        f->tickets = 0;
        for (unsigned i = 0; i < CROWD; i++) {
                t[i] = rig->kind->start(rig, read_or_write, &r[i]);
                wait_for_tickets(f, i + 1, &r[i]);
        }
        fake_lock(rig);
        REQUIRE(fake_frame(f, 1) != QUIRE_NO_FRAME);
        f->page[1].allowed = QUIRE_R;
        CHECK(fake_enter(f, 1, 1, QUIRE_R) == QUIRE_OK);
        f->mode = FAKE_RESOLVE;
        for (unsigned i = CROWD; i-- > 0;)
                resume(f, i, deny >> i & 1 ? QUIRE_DENY : QUIRE_RESUME);
        fake_unlock(rig);
        for (unsigned i = 0; i < CROWD; i++) {
                rig->kind->join(rig, t[i]);
                CHECK(r[i].answer == (deny >> i & 1 ? RIG_DENIED : RIG_OK));
        }
        fake_lock(rig);
        CHECK(fake_take(f, 1, 1) == QUIRE_OK);
        fake_unlock(rig);
}

/* Readers may go on, writers are denied. */
static void a_crowd_gets_its_verdicts_M5(void)
{
        struct fake f = { 0 };
        struct rig rig;

        rule_open(&rig);
        if (!rule_protects(&rig)) {
                rule_close(&rig);
                SKIP("this machine cannot refuse writes alone");
        }
        fake_open(&f, &rig, 4, NULL);
        for (unsigned deny = 0; deny < 1u << CROWD; deny++) {
                struct reader r[CROWD];
                struct rig_thread *t[CROWD];

                for (unsigned i = 0; i < CROWD; i++)
                        r[i] = (struct reader){ .f = &f, .page = 1,
                                                .access = deny >> i & 1 ? QUIRE_W : QUIRE_R };
                give_verdicts(&f, r, t, deny);
        }
        fake_close(&f);
        rule_close(&rig);
}

/* A verdict is a thread's own, even where the page would let it go on. */
static void each_has_its_own_verdict_M5(void)
{
        struct fake f = { 0 };
        struct rig rig;

        if (rule_kind->wakes_pages)
                SKIP("a verdict wakes all who wait for the page");
        rule_open(&rig);
        fake_open(&f, &rig, 4, NULL);
        for (unsigned deny = 0; deny < 1u << CROWD; deny++) {
                struct reader r[CROWD];
                struct rig_thread *t[CROWD];

                for (unsigned i = 0; i < CROWD; i++)
                        r[i] = (struct reader){ .f = &f, .page = 1, .access = QUIRE_R };
                give_verdicts(&f, r, t, deny);
        }
        fake_close(&f);
        rule_close(&rig);
}

/* The verdict may come before quire_fault() has said PENDING. */
static void an_early_verdict_is_kept_M5(void)
{
        struct fake f = { 0 };
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 64, NULL);
        f.mode = FAKE_EARLY;
        for (unsigned page = 0; page < 64; page++) {
                f.page[page].allowed = page % 4 == 3 ? 0 : QUIRE_R | QUIRE_W;
                CHECK(fake_store(&f, page, 0, page) == (page % 4 == 3 ? RIG_DENIED : RIG_OK));
        }
        for (unsigned page = 0; page < 64; page++)
                CHECK(page % 4 == 3 ||
                      (fake_load(&f, page, 0, &word) == RIG_OK && word == page));
        fake_close(&f);
        rule_close(&rig);
}

/* While one thread waits, others run, fault and are resolved. */
static void others_run_meanwhile_M5(void)
{
        struct fake f = { 0 };
        struct reader r = { .f = &f, .page = 0, .access = QUIRE_R };
        struct rig_thread *t;
        struct rig rig;
        uint64_t word = 0;

        rule_open(&rig);
        fake_open(&f, &rig, 64, NULL);
        f.mode = FAKE_PEND;
        t = rig.kind->start(&rig, read_or_write, &r);
        wait_for_tickets(&f, 1, &r);
        f.mode = FAKE_RESOLVE;
        for (unsigned page = 1; page < 64; page++)
                CHECK(fake_store(&f, page, 0, page) == RIG_OK);
        for (unsigned page = 1; page < 64; page++)
                CHECK(fake_load(&f, page, 0, &word) == RIG_OK && word == page);
        CHECK(!r.done);
        fake_lock(&rig);
        resume(&f, 0, QUIRE_RESUME);
        fake_unlock(&rig);
        rig.kind->join(&rig, t);
        CHECK(r.answer == RIG_OK && r.word == 0);
        fake_close(&f);
        rule_close(&rig);
}

const struct rule rules_stop[] = {
        { "entering_does_not_wake_M5", entering_does_not_wake_M5 },
        { "resume_without_a_page_faults_again_M5", resume_without_a_page_faults_again_M5 },
        { "a_pending_access_is_denied_M5", a_pending_access_is_denied_M5 },
        { "a_crowd_gets_its_verdicts_M5", a_crowd_gets_its_verdicts_M5 },
        { "each_has_its_own_verdict_M5", each_has_its_own_verdict_M5 },
        { "an_early_verdict_is_kept_M5", an_early_verdict_is_kept_M5 },
        { "others_run_meanwhile_M5", others_run_meanwhile_M5 },
        { NULL, NULL },
};
