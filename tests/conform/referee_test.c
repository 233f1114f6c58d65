/*
 * referee_test.c - the simulator stops whoever breaks a rule of machine.h or
 * host.h.
 */
#include "court.h"

/* What the core does wrong in a fault. */
static enum {
        WAIT_FOR_EVER, KEEP_THE_LOCK, RESUME_UNLOCKED, RESUME_TWICE, RESUME_AND_RETURN,
} wrong_in_fault;

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        struct court *c = owner;

        (void)va;
        (void)access;
        if (wrong_in_fault == WAIT_FOR_EVER)
                return QUIRE_PENDING;
        if (wrong_in_fault != RESUME_UNLOCKED)
                c->ho->lock(c->h);
        if (wrong_in_fault == KEEP_THE_LOCK)
                return QUIRE_RESUME;
        c->mo->resume(c->m, ticket, QUIRE_RESUME);
        if (wrong_in_fault == RESUME_TWICE)
                c->mo->resume(c->m, ticket, QUIRE_RESUME);
        c->ho->unlock(c->h);
        return QUIRE_RESUME;
}

static void need_ok(enum quire_status st)
{
        REQUIRE(st == QUIRE_OK);
}

static void expect_nothing(enum quire_status st)
{
        fprintf(stderr, "    answered %d\n", (int)st);
}

/* ------------------------------------------------------------- machine rules */

/* Four pages of a store, at VIEW_VA. */
#define VIEW_VA (16 * COURT_VA)
static enum quire_status view_store(struct court *c, struct quire_store *store, uint64_t first,
                                    bool copies)
{
        struct quire_range o;

        return c->mo->reserve(c->space, VIEW_VA, 4, &(struct quire_view){ store, first, copies },
                              &o);
}

static void enter_over_shown(struct court *c)
{
        quire_frame a = court_frame(c), b = court_frame(c);

        need_ok(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_R));
        expect_nothing(c->mo->enter(c->space, COURT_VA, 1, &b, QUIRE_R));
}

static void enter_one_frame_at_two_places(struct court *c)
{
        quire_frame a = court_frame(c);

        need_ok(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_R));
        expect_nothing(c->mo->enter(c->space, COURT_VA + 4096, 1, &a, QUIRE_R));
}

static void enter_one_frame_twice_in_a_run(struct court *c)
{
        quire_frame a[2] = { court_frame(c) };

        a[1] = a[0];
        expect_nothing(c->mo->enter(c->space, COURT_VA, 2, a, QUIRE_R));
}

static void enter_outside(struct court *c)
{
        quire_frame a[2] = { court_frame(c), court_frame(c) };

        expect_nothing(c->mo->enter(c->space, COURT_VA + 15 * 4096, 2, a, QUIRE_R));
}

static void enter_without_read(struct court *c)
{
        quire_frame a = court_frame(c);

        expect_nothing(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_W));
}

static void enter_too_many(struct court *c)
{
        static quire_frame many[65];
        struct quire_range o;

        need_ok(c->mo->reserve(c->space, COURT_VA + 16 * 4096, 64, NULL, &o));
        expect_nothing(c->mo->enter(c->space, COURT_VA, 65, many, QUIRE_R));
}

static void enter_another_page_of_the_store(struct court *c)
{
        struct quire_store *store;
        quire_frame a;

        need_ok(c->mo->store_open(c->m, 8, &store));
        need_ok(view_store(c, store, 2, false));
        need_ok(c->mo->frame_alloc(c->m, store, 3, QUIRE_ZEROED, &a));
        need_ok(c->mo->enter(c->space, VIEW_VA + 4096, 1, &a, QUIRE_R));
        expect_nothing(c->mo->enter(c->space, VIEW_VA, 1, &a, QUIRE_R));
}

static void enter_a_freed_frame(struct court *c)
{
        quire_frame a = court_frame(c), b;

        c->mo->frame_free(c->m, a);
        b = court_frame(c);                    /* the same place, another frame */
        CHECK(a != b);
        expect_nothing(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_R));
}

static void free_twice(struct court *c)
{
        quire_frame a = court_frame(c);

        c->mo->frame_free(c->m, a);
        c->mo->frame_free(c->m, a);
}

static void free_an_entered_frame(struct court *c)
{
        quire_frame a = court_frame(c);

        need_ok(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_R));
        c->mo->frame_free(c->m, a);
}

static void look_at_a_freed_frame(struct court *c)
{
        quire_frame a = court_frame(c);

        c->mo->frame_free(c->m, a);
        CHECK(c->mo->frame_window(c->m, a));
}

static void take_another_frame(struct court *c)
{
        quire_frame a = court_frame(c), b = court_frame(c);

        need_ok(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_R));
        expect_nothing(c->mo->take(c->space, COURT_VA, 1, &b));
}

static void take_without_the_lock(struct court *c)
{
        quire_frame a = court_frame(c);

        need_ok(c->mo->enter(c->space, COURT_VA, 1, &a, QUIRE_R));
        c->ho->unlock(c->h);
        expect_nothing(c->mo->take(c->space, COURT_VA, 1, &a));
}

static void reserve_twice(struct court *c)
{
        struct quire_range o;

        expect_nothing(c->mo->reserve(c->space, COURT_VA - 4096, 2, NULL, &o));
}

static void release_too_much(struct court *c)
{
        c->mo->release(c->space, COURT_VA, 17);
}

static void drop_at_an_odd_address(struct court *c)
{
        c->mo->drop(c->space, COURT_VA + 1, 1);
}

static void protect_nothing(struct court *c)
{
        c->mo->protect(c->space, COURT_VA, 0, QUIRE_R);
}

static void reserve_beyond_the_end(struct court *c)
{
        struct quire_range o;

        expect_nothing(c->mo->reserve(c->space, ((uint64_t)1 << 47) - 4096, 2, NULL, &o));
}

static void close_a_viewed_store(struct court *c)
{
        struct quire_store *store;

        need_ok(c->mo->store_open(c->m, 8, &store));
        need_ok(view_store(c, store, 2, false));
        c->mo->store_close(c->m, store);
}

static void view_beyond_the_store(struct court *c)
{
        struct quire_store *store;

        need_ok(c->mo->store_open(c->m, 8, &store));
        expect_nothing(view_store(c, store, 5, false));
}

static void enter_privately_in_a_view(struct court *c)
{
        struct quire_store *store;
        quire_frame a = court_frame(c);

        need_ok(c->mo->store_open(c->m, 8, &store));
        need_ok(view_store(c, store, 2, true));
        need_ok(c->mo->enter(c->space, VIEW_VA, 1, &a, QUIRE_R | QUIRE_W));
        c->mo->release(c->space, VIEW_VA, 4);
        need_ok(view_store(c, store, 2, false));
        expect_nothing(c->mo->enter(c->space, VIEW_VA, 1, &a, QUIRE_R));
}

static quire_frame copying_view(struct court *c)
{
        struct quire_store *store;
        quire_frame a;

        need_ok(c->mo->store_open(c->m, 8, &store));
        need_ok(view_store(c, store, 2, true));
        need_ok(c->mo->frame_alloc(c->m, store, 2, QUIRE_ZEROED, &a));
        return a;
}

static void enter_writably_in_a_copying_view(struct court *c)
{
        quire_frame a = copying_view(c);

        expect_nothing(c->mo->enter(c->space, VIEW_VA, 1, &a, QUIRE_R | QUIRE_W));
}

static void protect_writably_in_a_copying_view(struct court *c)
{
        quire_frame a = copying_view(c);

        need_ok(c->mo->enter(c->space, VIEW_VA, 1, &a, QUIRE_R));
        c->mo->protect(c->space, VIEW_VA, 4, QUIRE_R | QUIRE_W);
}

static void delegate_view(struct court *c)
{
        struct quire_store *store;
        struct quire_range o;

        need_ok(c->mo->store_open(c->m, 8, &store));
        need_ok(c->mo->delegate(c->space, VIEW_VA, 4, &(struct quire_view){ store, 2, false },
                                &o));
}

static void discard_a_view(struct court *c)
{
        delegate_view(c);
        c->mo->delegate_discard(c->space, VIEW_VA, 1);
}

static void watch_a_view(struct court *c)
{
        delegate_view(c);
        expect_nothing(c->mo->delegate_watch(c->space, VIEW_VA, 1));
}

static void free_a_physical_frame(struct court *c)
{
        quire_frame a;

        need_ok(c->mo->frame_physical(c->m, COURT_DEVICE, &a));
        c->mo->frame_free(c->m, a);
}

static void ask_for_half_a_physical_frame(struct court *c)
{
        quire_frame a;

        expect_nothing(c->mo->frame_physical(c->m, COURT_DEVICE + 8, &a));
}

static void discard_what_is_reserved(struct court *c)
{
        c->mo->delegate_discard(c->space, COURT_VA, 1);
}

static void resume_nobody(struct court *c)
{
        c->mo->resume(c->m, 77, QUIRE_RESUME);
}

static void fault_with_the_lock(struct court *c)
{
        uint8_t byte;

        expect_nothing(quire_sim_access(c->sim, c->space, COURT_VA, QUIRE_R, &byte, 1));
}

static void fault(struct court *c)
{
        c->ho->unlock(c->h);
        fault_with_the_lock(c);
}

static void fault_keeps_the_lock(struct court *c)
{
        wrong_in_fault = KEEP_THE_LOCK;
        fault(c);
}

static void resume_unlocked(struct court *c)
{
        wrong_in_fault = RESUME_UNLOCKED;
        fault(c);
}

static void resume_twice(struct court *c)
{
        wrong_in_fault = RESUME_TWICE;
        fault(c);
}

static void resume_and_return(struct court *c)
{
        wrong_in_fault = RESUME_AND_RETURN;
        fault(c);
}

static void wait_for_ever(struct court *c)
{
        wrong_in_fault = WAIT_FOR_EVER;
        fault(c);
}

static void leave_frames(struct court *c)
{
        court_frame(c);
        c->mo->release(c->space, COURT_VA, 16);
        c->mo->space_close(c->space);
        c->ho->unlock(c->h);
        quire_sim_close(c->sim);
}

static void leave_a_space(struct court *c)
{
        c->ho->unlock(c->h);
        quire_sim_close(c->sim);
}

static void the_machines_rules(void)
{
        static const struct crime crimes[] = {
                { "where something is shown", enter_over_shown },
                { "private frame that is entered", enter_one_frame_at_two_places },
                { "one private frame twice", enter_one_frame_twice_in_a_run },
                { "not all of them reserved", enter_outside },
                { "enter with access", enter_without_read },
                { "pages in one call", enter_too_many },
                { "not the view's own page", enter_another_page_of_the_store },
                { "which there is not (freed?)", enter_a_freed_frame },
                { "which there is not (freed?)", free_twice },
                { "frame that is entered", free_an_entered_frame },
                { "which there is not (freed?)", look_at_a_freed_frame },
                { "not shown there", take_another_frame },
                { "M4: take without", take_without_the_lock },
                { "where the core has a range", reserve_twice },
                { "not all of them reserved", release_too_much },
                { "M1: drop", drop_at_an_odd_address },
                { "M1: protect", protect_nothing },
                { "M1: reserve", reserve_beyond_the_end },
                { "that is viewed", close_a_viewed_store },
                { "beyond the end of its store", view_beyond_the_store },
                { "view that does not copy", enter_privately_in_a_view },
                { "enter with W of a store's own", enter_writably_in_a_copying_view },
                { "protect with W of a store's own", protect_writably_in_a_copying_view },
                { "discard of a view", discard_a_view },
                { "watch of a view", watch_a_view },
                { "free of a physical address", free_a_physical_frame },
                { "M1: frame_physical", ask_for_half_a_physical_frame },
                { "not all of them delegated", discard_what_is_reserved },
                { "M5: resume of ticket 77", resume_nobody },
                { "M4: resume without", resume_unlocked },
                { "M5: a second verdict", resume_twice },
                { "was not left PENDING", resume_and_return },
                { "faults with the lock held", fault_with_the_lock },
                { "returns with the lock held", fault_keeps_the_lock },
                { "deadlock", wait_for_ever },
                { "frames were not given back", leave_frames },
                { "was not closed", leave_a_space },
                { NULL, NULL },
        };

        court_try(crimes);
}

/* ---------------------------------------------------------------- host rules */

static void lock_twice(struct court *c)
{
        c->ho->lock(c->h);
}

static void unlock_twice(struct court *c)
{
        c->ho->unlock(c->h);
        c->ho->unlock(c->h);
}

static void alloc_without_the_lock(struct court *c)
{
        c->ho->unlock(c->h);
        CHECK(c->ho->alloc(c->h, 8));
}

static void free_as_another_size(struct court *c)
{
        void *p = c->ho->alloc(c->h, 40);

        c->ho->free(c->h, p, 48);
}

static void free_a_record_twice(struct court *c)
{
        void *p = c->ho->alloc(c->h, 40);

        c->ho->alloc(c->h, 4096);
        c->ho->free(c->h, (uint8_t *)p + 16, 24);
}

static void write_behind_a_record(struct court *c)
{
        volatile uint8_t *p = c->ho->alloc(c->h, 40);

        p[40] ^= 1;
        c->ho->free(c->h, (void *)(uintptr_t)p, 40);
}

static void pause_with_the_lock(struct court *c)
{
        c->ho->pause(c->h);
}

static void read_with_the_lock(struct court *c)
{
        static uint8_t page[4096];
        struct quire_io io = { .count = 1, .page = { page } };

        expect_nothing(c->ho->io_read(c->h, &io));
}

static void read_what_was_never_written(struct court *c)
{
        static uint8_t page[4096];
        struct quire_io io = { .slot = 3, .count = 1, .page = { page } };

        c->ho->unlock(c->h);
        expect_nothing(c->ho->io_read(c->h, &io));
}

static struct quire_io begin_write(struct court *c, uint8_t *page, struct quire_io *io)
{
        *io = (struct quire_io){ .slot = 3, .count = 1, .page = { page } };
        c->ho->unlock(c->h);
        c->ho->io_start(c->h, io);
        return *io;
}

static void read_what_is_being_written(struct court *c)
{
        static uint8_t page[4096];
        static struct quire_io io, again;

        begin_write(c, page, &io);
        CHECK(c->ho->io_poll(c->h, true) == &io);
        c->ho->io_start(c->h, &io);
        again = io;
        expect_nothing(c->ho->io_read(c->h, &again));
}

static void write_one_slot_twice(struct court *c)
{
        static uint8_t page[4096];
        static struct quire_io io, again;

        again = begin_write(c, page, &io);
        c->ho->io_start(c->h, &again);
}

static void change_what_is_being_written(struct court *c)
{
        static uint8_t page[4096];
        static struct quire_io io;

        begin_write(c, page, &io);
        page[4095] ^= 1;
        CHECK(!c->ho->io_poll(c->h, true));
}

static void write_too_many_pages(struct court *c)
{
        static struct quire_io io = { .count = QUIRE_IO_MAX + 1 };

        c->ho->unlock(c->h);
        c->ho->io_start(c->h, &io);
}

static void leave_a_record(struct court *c)
{
        CHECK(c->ho->alloc(c->h, 24));
        c->ho->unlock(c->h);
        quire_sim_host_close(c->host);
}

static void leave_a_transfer(struct court *c)
{
        static uint8_t page[4096];
        static struct quire_io io;

        begin_write(c, page, &io);
        quire_sim_host_close(c->host);
}

static void leave_the_lock(struct court *c)
{
        quire_sim_host_close(c->host);
}

static void idle(void *argument)
{
        (void)argument;
}

static void leave_a_thread(struct court *c)
{
        REQUIRE(quire_sim_thread_start(c->host, "idle", idle, NULL));
        c->ho->unlock(c->h);
        quire_sim_host_close(c->host);
}

static void the_hosts_rules(void)
{
        static const struct crime crimes[] = {
                { "H3: the lock is taken", lock_twice },
                { "H3: unlock without", unlock_twice },
                { "H1: alloc without", alloc_without_the_lock },
                { "is freed as one of 48", free_as_another_size },
                { "free of what is no record", free_a_record_twice },
                { "overwritten behind its end", write_behind_a_record },
                { "H2: pause", pause_with_the_lock },
                { "H2: io_read", read_with_the_lock },
                { "was never written", read_what_was_never_written },
                { "while it is being written", read_what_is_being_written },
                { "written twice at a time", write_one_slot_twice },
                { "changed while it was being", change_what_is_being_written },
                { "io_start of 33 pages", write_too_many_pages },
                { "24 bytes of records were not freed", leave_a_record },
                { "transfers are under way at the end", leave_a_transfer },
                { "the lock is held at the end", leave_the_lock },
                { "thread idle has not ended", leave_a_thread },
                { NULL, NULL },
        };

        court_try(crimes);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(the_machines_rules);
        RUN(the_hosts_rules);
        return test_end();
}
