/*
 * sim_test.c - the simulator's own tools: its clock and threads, transfers and
 * their failures, failures on request, claims, and what it counts.
 */
#include "claim.h"
#include "court.h"

/* What the tests do about a fault. */
static enum quire_verdict (*on_fault)(struct court *, uint64_t va, uint64_t ticket);

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        (void)access;
        return on_fault(owner, va, ticket);
}

static void open_unlocked(struct court *c, const struct quire_sim_host_options *host)
{
        court_open(c, host, (struct quire_sim_options){ 0 });
        c->ho->unlock(c->h);
        quire_sim_on_stop(c->host, NULL, NULL);
}

/* Everything goes, and the referee agrees that nothing is left. */
static void close_clean(struct court *c)
{
        c->ho->lock(c->h);
        c->mo->release(c->space, COURT_VA, 16);
        c->mo->space_close(c->space);
        c->ho->unlock(c->h);
        quire_sim_close(c->sim);
        quire_sim_host_close(c->host);
}

/* ------------------------------------------------------------------ transfers */

static uint8_t pages[4][4096];

static struct quire_io io_of(uint64_t slot, unsigned count)
{
        struct quire_io io = { .slot = slot, .count = count };

        for (unsigned i = 0; i < count; i++)
                io.page[i] = pages[i];
        return io;
}

static enum quire_status write_pages(struct court *c, uint64_t slot, unsigned count, int fill)
{
        struct quire_io io = io_of(slot, count);

        memset(pages, fill, sizeof pages);
        c->ho->io_start(c->h, &io);
        CHECK(c->ho->io_poll(c->h, true) == &io);
        return io.status;
}

/* The pages as they are after the read. */
static enum quire_status read_pages(struct court *c, uint64_t slot, unsigned count)
{
        struct quire_io io = io_of(slot, count);

        memset(pages, 0x77, sizeof pages);
        return c->ho->io_read(c->h, &io);
}

static bool is_filled(unsigned page, int fill, unsigned from, unsigned to)
{
        for (unsigned i = from; i < to; i++)
                if (pages[page][i] != fill)
                        return false;
        return true;
}

static void transfers_move_pages(void)
{
        struct court c;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        CHECK(!c.ho->io_poll(c.h, true));
        CHECK(write_pages(&c, 5, 3, 0x11) == QUIRE_OK);
        CHECK(write_pages(&c, 6, 1, 0x22) == QUIRE_OK);
        CHECK(read_pages(&c, 5, 3) == QUIRE_OK);
        CHECK(is_filled(0, 0x11, 0, 4096) && is_filled(1, 0x22, 0, 4096) &&
              is_filled(2, 0x11, 0, 4096));
        CHECK_EQ(quire_sim_file_slots(c.host, 0), 8);
        CHECK(quire_sim_file_flip(c.host, 0, 7, 9) && !quire_sim_file_flip(c.host, 0, 8, 0));
        CHECK(read_pages(&c, 7, 1) == QUIRE_OK && pages[0][1] == (0x11 ^ 2));
        close_clean(&c);
}

static void transfers_fail_as_requested(void)
{
        struct court c;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        CHECK(write_pages(&c, 0, 2, 1) == QUIRE_OK);
        quire_sim_fail(c.host, QUIRE_SIM_WRITE, 2, 1);
        CHECK(write_pages(&c, 2, 1, 2) == QUIRE_OK);
        CHECK(write_pages(&c, 0, 2, 3) == QUIRE_IO_ERROR);
        CHECK(write_pages(&c, 0, 2, 4) == QUIRE_OK);
        quire_sim_fail_how(c.host, QUIRE_SIM_IO_TORN);
        quire_sim_fail(c.host, QUIRE_SIM_WRITE, 1, 1);
        CHECK(write_pages(&c, 0, 2, 5) == QUIRE_IO_ERROR);
        CHECK(read_pages(&c, 0, 2) == QUIRE_OK);
        CHECK(is_filled(0, 5, 0, 4096) && is_filled(1, 5, 0, 2048) &&
              !is_filled(1, 5, 2048, 4096));
        quire_sim_fail_how(c.host, QUIRE_SIM_IO_LIE);
        quire_sim_fail(c.host, QUIRE_SIM_WRITE, 1, 1);
        CHECK(write_pages(&c, 0, 1, 6) == QUIRE_OK);
        CHECK(read_pages(&c, 0, 1) == QUIRE_OK && !is_filled(0, 6, 0, 4096));
        quire_sim_fail_how(c.host, QUIRE_SIM_IO_FULL);
        quire_sim_fail(c.host, QUIRE_SIM_WRITE, 1, 1);
        CHECK(write_pages(&c, 2, 1, 7) == QUIRE_NO_SPACE);
        CHECK(read_pages(&c, 2, 1) == QUIRE_OK && is_filled(0, 2, 0, 4096));
        quire_sim_fail_how(c.host, QUIRE_SIM_IO_FLIP);
        quire_sim_fail(c.host, QUIRE_SIM_READ, 1, 1);
        CHECK(read_pages(&c, 2, 1) == QUIRE_OK && !is_filled(0, 2, 0, 4096));
        CHECK(read_pages(&c, 2, 1) == QUIRE_OK && is_filled(0, 2, 0, 4096));
        quire_sim_fail_how(c.host, QUIRE_SIM_IO_ERROR);
        quire_sim_fail(c.host, QUIRE_SIM_READ, 1, QUIRE_SIM_FOREVER);
        CHECK(read_pages(&c, 2, 1) == QUIRE_IO_ERROR && read_pages(&c, 2, 1) == QUIRE_IO_ERROR);
        quire_sim_fail(c.host, QUIRE_SIM_READ, 0, 0);
        CHECK(read_pages(&c, 2, 1) == QUIRE_OK);
        CHECK_EQ(quire_sim_failed(c.host, QUIRE_SIM_READ), 3);
        close_clean(&c);
}

static void a_file_is_full(void)
{
        struct court c;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        quire_sim_file_limit(c.host, 0, 4);
        CHECK(write_pages(&c, 2, 2, 1) == QUIRE_OK);
        CHECK(write_pages(&c, 3, 2, 2) == QUIRE_NO_SPACE);
        CHECK(read_pages(&c, 2, 2) == QUIRE_OK && is_filled(1, 1, 0, 4096));
        close_clean(&c);
}

/* Slow writes finish later, and for some seed in another order. */
static void slow_writes_finish_out_of_order(void)
{
        bool reordered = false;
        struct court c;

        for (uint64_t seed = 1; seed < 20; seed++) {
                struct quire_io io[4];
                uint64_t began;

                open_unlocked(&c, &(struct quire_sim_host_options){ .seed = seed,
                                                                    .slow_io = true });
                for (unsigned i = 0; i < 4; i++) {
                        io[i] = io_of(i, 1);
                        io[i].page[0] = pages[i];
                        c.ho->io_start(c.h, &io[i]);
                }
                began = quire_sim_now(c.host);
                CHECK(!c.ho->io_poll(c.h, false));
                CHECK_EQ(quire_sim_transfers(c.host), 4);
                for (unsigned i = 0; i < 4; i++) {
                        struct quire_io *done = c.ho->io_poll(c.h, true);

                        CHECK(done && done->status == QUIRE_OK);
                        reordered |= done != &io[i];
                }
                CHECK(quire_sim_now(c.host) - began >= 49000);
                CHECK(!c.ho->io_poll(c.h, true));
                close_clean(&c);
        }
        CHECK(reordered);
}

/* -------------------------------------------------------------------- records */

static void records_are_zeroed_and_aligned(void)
{
        struct court c;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        c.ho->lock(c.h);
        for (size_t bytes = 1; bytes < 20000; bytes = bytes * 3 / 2 + 1) {
                uint8_t *p = c.ho->alloc(c.h, bytes);
                bool zero = true;

                REQUIRE(p);
                CHECK(!((uintptr_t)p & (bytes >= 4096 ? 4095 : 15)));
                for (size_t i = 0; i < bytes; i++)
                        zero &= !p[i];
                CHECK(zero);
                memset(p, 0xff, bytes);
                CHECK_EQ(quire_sim_records(c.host), bytes);
                c.ho->free(c.h, p, bytes);
        }
        quire_sim_fail(c.host, QUIRE_SIM_ALLOC, 2, 1);
        void *first = c.ho->alloc(c.h, 8);

        CHECK(first && !c.ho->alloc(c.h, 8));
        c.ho->free(c.h, first, 8);
        CHECK_EQ(quire_sim_records(c.host), 0);
        c.ho->unlock(c.h);
        close_clean(&c);
}

static void pages_are_compressed(void)
{
        static uint8_t packed[4096], back[4096];
        struct court c;
        size_t bytes;

        open_unlocked(&c, &(struct quire_sim_host_options){ .seed = 3 });
        memset(pages[0], 9, 4096);
        bytes = c.ho->compress(c.h, pages[0], packed, 3000);
        CHECK(bytes && bytes < 200);
        CHECK(c.ho->expand(c.h, packed, bytes, back) && !memcmp(back, pages[0], 4096));
        CHECK(!c.ho->expand(c.h, packed, bytes / 2, back));
        for (unsigned i = 0; i < 4096; i++)
                pages[0][i] = (uint8_t)quire_sim_random(c.host);
        CHECK(!c.ho->compress(c.h, pages[0], packed, 3000));
        close_clean(&c);
        open_unlocked(&c, &(struct quire_sim_host_options){ .no_compress = true });
        CHECK(!c.ho->compress && !c.ho->expand);
        close_clean(&c);
}

/* -------------------------------------------------------------------- threads */

static char diary[64];

struct visitor {
        struct court *c;
        char name;
        unsigned times;
};

static void visit(void *argument)
{
        struct visitor *v = argument;

        while (v->times--) {
                strncat(diary, &v->name, 1);
                v->c->ho->pause(v->c->h);
        }
}

static void threads_take_turns(void)
{
        struct court c;
        struct visitor a = { &c, 'a', 3 }, b = { &c, 'b', 2 };

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        diary[0] = '\0';
        REQUIRE(quire_sim_thread_start(c.host, "a", visit, &a));
        REQUIRE(quire_sim_thread_start(c.host, "b", visit, &b));
        CHECK(!strcmp(diary, ""));
        quire_sim_run(c.host);
        CHECK(!strcmp(diary, "ababa"));
        close_clean(&c);
}

/* The same seed gives the same order, and some seeds another one. */
static void the_seed_decides(void)
{
        char first[64] = "", orders[8][64];
        bool differ = false;

        for (unsigned i = 0; i < 16; i++) {
                struct court c;
                struct visitor a = { &c, 'a', 5 }, b = { &c, 'b', 5 };

                open_unlocked(&c, &(struct quire_sim_host_options){ .seed = 1 + i % 8 });
                diary[0] = '\0';
                REQUIRE(quire_sim_thread_start(c.host, "a", visit, &a));
                REQUIRE(quire_sim_thread_start(c.host, "b", visit, &b));
                quire_sim_run(c.host);
                CHECK(strlen(diary) == 10);
                if (i < 8)
                        strcpy(orders[i], diary);
                else
                        CHECK(!strcmp(orders[i - 8], diary));
                if (!i)
                        strcpy(first, diary);
                differ |= strcmp(first, diary) != 0;
                close_clean(&c);
        }
        CHECK(differ);
}

static void a_thread_is_stepped(void)
{
        struct court c;
        struct visitor a = { &c, 'a', 2 }, b = { &c, 'b', 1 };
        struct quire_sim_thread *ta, *tb;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        diary[0] = '\0';
        ta = quire_sim_thread_start(c.host, "a", visit, &a);
        tb = quire_sim_thread_start(c.host, "b", visit, &b);
        REQUIRE(ta && tb);
        CHECK(quire_sim_step(ta) == QUIRE_SIM_READY && !strcmp(diary, "a"));
        CHECK(quire_sim_step(ta) == QUIRE_SIM_READY && !strcmp(diary, "aa"));
        CHECK(quire_sim_step(ta) == QUIRE_SIM_ENDED);
        CHECK(quire_sim_step(tb) == QUIRE_SIM_READY && !strcmp(diary, "aab"));
        CHECK(quire_sim_step(tb) == QUIRE_SIM_ENDED);
        quire_sim_thread_forget(tb);
        close_clean(&c);
}

static void read_slowly(void *argument)
{
        struct court *c = argument;

        CHECK(read_pages(c, 1, 1) == QUIRE_OK);
}

/* While one reads, others run; when nobody can, time jumps. */
static void a_slow_read_lets_others_run(void)
{
        struct court c;
        struct visitor v = { &c, 'v', 1 };
        struct quire_sim_thread *reader, *other;
        uint64_t began;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        CHECK(write_pages(&c, 1, 1, 1) == QUIRE_OK);
        quire_sim_slow_io(c.host, true);
        diary[0] = '\0';
        reader = quire_sim_thread_start(c.host, "reader", read_slowly, &c);
        other = quire_sim_thread_start(c.host, "other", visit, &v);
        REQUIRE(reader && other);
        CHECK(quire_sim_step(reader) == QUIRE_SIM_WAITS_IO);
        CHECK(quire_sim_step(reader) == QUIRE_SIM_WAITS_IO);
        CHECK(quire_sim_step(other) == QUIRE_SIM_READY && !strcmp(diary, "v"));
        began = quire_sim_now(c.host);
        quire_sim_run(c.host);
        CHECK(quire_sim_thread_state(reader) == QUIRE_SIM_ENDED);
        CHECK(quire_sim_now(c.host) - began >= 40000);
        close_clean(&c);
}

static uint64_t pending;

static enum quire_verdict leave_pending(struct court *c, uint64_t va, uint64_t ticket)
{
        (void)c;
        (void)va;
        pending = ticket;
        return QUIRE_PENDING;
}

struct toucher {
        struct court *c;
        enum quire_status answer;
};

static void touch(void *argument)
{
        struct toucher *t = argument;
        uint8_t byte;

        t->answer = quire_sim_access(t->c->sim, t->c->space, COURT_VA, QUIRE_R, &byte, 1);
}

static void a_verdict_wakes_its_thread(void)
{
        struct court c;
        struct toucher t = { &c, QUIRE_OK };
        struct quire_sim_thread *thread;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        on_fault = leave_pending;
        thread = quire_sim_thread_start(c.host, "toucher", touch, &t);
        REQUIRE(thread);
        CHECK(quire_sim_step(thread) == QUIRE_SIM_WAITS_VERDICT);
        CHECK(quire_sim_step(thread) == QUIRE_SIM_WAITS_VERDICT);
        c.ho->lock(c.h);
        c.mo->resume(c.m, pending, QUIRE_DENY);
        c.ho->unlock(c.h);
        CHECK(quire_sim_step(thread) == QUIRE_SIM_ENDED);
        CHECK(t.answer == QUIRE_DENIED);
        close_clean(&c);
}

static unsigned waits;

static void count_wait(void *context, enum quire_sim_state state)
{
        (void)context;
        waits += state == QUIRE_SIM_WAITS_IO;
}

static void a_hook_hears_of_waits(void)
{
        struct court c;

        open_unlocked(&c, &(struct quire_sim_host_options){ .slow_io = true });
        waits = 0;
        quire_sim_on_wait(c.host, count_wait, NULL);
        CHECK(write_pages(&c, 1, 1, 1) == QUIRE_OK && read_pages(&c, 1, 1) == QUIRE_OK);
        CHECK_EQ(waits, 2);
        close_clean(&c);
}

/* ------------------------------------------------------------------- machine */

static enum quire_verdict resume_for_nothing(struct court *c, uint64_t va, uint64_t ticket)
{
        (void)c;
        (void)va;
        (void)ticket;
        return QUIRE_RESUME;
}

static void an_access_without_progress_is_a_livelock(void)
{
        struct court c;
        uint8_t byte;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        on_fault = resume_for_nothing;
        CHECK(quire_sim_access(c.sim, c.space, COURT_VA, QUIRE_R, &byte, 1) == QUIRE_BUSY);
        CHECK(quire_sim_access(c.sim, c.space, 64, QUIRE_R, &byte, 1) == QUIRE_NOT_PRESENT);
        close_clean(&c);
}

static void frames_are_limited(void)
{
        struct court c;
        quire_frame frame[5];

        court_open(&c, &(struct quire_sim_host_options){ 0 },
                   (struct quire_sim_options){ .frames = 4 });
        for (unsigned i = 0; i < 5; i++)
                CHECK((c.mo->frame_alloc(c.m, NULL, 0, QUIRE_ZEROED, &frame[i]) == QUIRE_OK) ==
                      (i < 4));
        c.mo->frame_free(c.m, frame[1]);
        CHECK(c.mo->frame_alloc(c.m, NULL, 0, QUIRE_ZEROED, &frame[1]) == QUIRE_OK);
        for (unsigned i = 0; i < 4; i++)
                c.mo->frame_free(c.m, frame[i]);
        CHECK_EQ(quire_sim_count(c.sim).frames_peak, 4);
        c.ho->unlock(c.h);
        close_clean(&c);
}

static void abilities_are_chosen(void)
{
        struct court c;

        court_open(&c, &(struct quire_sim_host_options){ .page_shift = 16 },
                   (struct quire_sim_options){ .no_plain = true, .no_harvest = true,
                                               .no_execute = true, .no_write_protect = true,
                                               .plain = { 1 << 20, 7 } });
        CHECK(!c.mo->delegate && !c.mo->delegate_watch && !c.mo->harvest);
        CHECK(c.mo->abilities(c.m)->page_shift == 16 && !c.mo->abilities(c.m)->executes);
        CHECK(!c.mo->abilities(c.m)->notes_referenced && c.mo->abilities(c.m)->plain.pages == 7);
        CHECK(!c.mo->abilities(c.m)->write_protects);
        c.ho->unlock(c.h);
        close_clean(&c);
}

/* An access that crosses pages is one access for each page. */
static enum quire_verdict show_page(struct court *c, uint64_t va, uint64_t ticket)
{
        quire_frame frame;

        (void)ticket;
        c->ho->lock(c->h);
        frame = court_frame(c);
        CHECK(c->mo->enter(c->space, va & ~(uint64_t)4095, 1, &frame, QUIRE_R | QUIRE_W) ==
              QUIRE_OK);
        c->ho->unlock(c->h);
        return QUIRE_RESUME;
}

static void an_access_crosses_pages(void)
{
        static uint8_t out[3 * 4096], in[3 * 4096];
        struct court c;

        open_unlocked(&c, &(struct quire_sim_host_options){ 0 });
        on_fault = show_page;
        for (unsigned i = 0; i < sizeof out; i++)
                out[i] = (uint8_t)(i * 7);
        CHECK(quire_sim_access(c.sim, c.space, COURT_VA + 100, QUIRE_W, out, sizeof out) ==
              QUIRE_OK);
        CHECK_EQ(quire_sim_count(c.sim).faults, 4);
        CHECK(quire_sim_access(c.sim, c.space, COURT_VA + 100, QUIRE_R, in, sizeof in) ==
              QUIRE_OK && !memcmp(in, out, sizeof in));
        CHECK_EQ(quire_sim_count(c.sim).faults, 4);
        CHECK(quire_sim_allows(c.sim, c.space, COURT_VA + 8192, QUIRE_W) &&
              !quire_sim_allows(c.sim, c.space, COURT_VA + 8192, QUIRE_X) &&
              !quire_sim_allows(c.sim, c.space, COURT_VA + 4 * 4096, QUIRE_R));
        court_forget(&c);
}

/* --------------------------------------------------------------------- claims */

/* Against an array: add, remove and set at random; neighbours that are alike
 * are joined, so protecting back leaves one claim. */
static void claims_are_a_partition(void)
{
        enum { PAGES = 200 };
        struct quire_claims claims = { 0 };
        int page[PAGES];                      /* access; negative: unclaimed */
        uint64_t state = 9;

        for (unsigned i = 0; i < PAGES; i++)
                page[i] = -1;
        for (unsigned step = 0; step < 4000; step++) {
                unsigned first = (unsigned)(test_random(&state) % PAGES);
                unsigned count = 1 + (unsigned)(test_random(&state) % (PAGES - first));
                struct quire_claim like = { .first = first, .pages = count,
                                            .kind = QUIRE_CLAIM_DELEGATED };
                int access = (int)(test_random(&state) % 3);
                bool all = true, none = true;

                for (unsigned i = first; i < first + count; i++) {
                        all &= page[i] >= 0;
                        none &= page[i] < 0;
                }
                CHECK(all == quire_claim_covers(&claims, first, count, QUIRE_CLAIM_DELEGATED));
                if (none) {
                        CHECK(quire_claim_add(&claims, &like));
                        access = 0;
                } else {
                        CHECK(quire_claim_cut(&claims, first, count));
                        if (access)
                                quire_claim_set(&claims, first, count, access, -1);
                        else
                                quire_claim_remove(&claims, first, count);
                }
                for (unsigned i = first; i < first + count; i++)
                        if (none || page[i] >= 0)
                                page[i] = none ? 0 : access ? access : -1;
                for (unsigned i = 0; i < PAGES; i++) {
                        const struct quire_claim *c = quire_claim_at(&claims, i);

                        CHECK((c ? c->access : -1) == page[i]);
                }
        }
        quire_claims_close(&claims);
}

static void alike_claims_are_joined(void)
{
        struct quire_claims claims = { 0 };
        const struct quire_claim like = { .first = 100, .pages = 1000,
                                          .kind = QUIRE_CLAIM_DELEGATED };

        CHECK(quire_claim_add(&claims, &like));
        for (unsigned i = 0; i < 1000; i += 2) {
                CHECK(quire_claim_cut(&claims, 100 + i, 1));
                quire_claim_set(&claims, 100 + i, 1, QUIRE_R, -1);
        }
        CHECK(quire_claim_at(&claims, 500)->pages == 1);
        for (unsigned i = 0; i < 1000; i += 2) {
                CHECK(quire_claim_cut(&claims, 100 + i, 1));
                quire_claim_set(&claims, 100 + i, 1, 0, -1);
        }
        CHECK(quire_claim_at(&claims, 500)->pages == 1000);
        quire_claims_close(&claims);
}

/* The window of a frame before it is entered, while it is shown, and after it was taken. */
static void look_through_windows(bool no_share, void *window[3])
{
        quire_frame frame;
        struct court c;

        court_open(&c, &(struct quire_sim_host_options){ 0 },
                   (struct quire_sim_options){ .no_share = no_share });
        quire_sim_on_stop(c.host, NULL, NULL);
        frame = court_frame(&c);
        window[0] = c.mo->frame_window(c.m, frame);
        REQUIRE(c.mo->enter(c.space, COURT_VA, 1, &frame, QUIRE_R) == QUIRE_OK);
        window[1] = c.mo->frame_window(c.m, frame);
        REQUIRE(c.mo->take(c.space, COURT_VA, 1, &frame) == QUIRE_OK);
        window[2] = c.mo->frame_window(c.m, frame);
        c.mo->frame_free(c.m, frame);
        c.ho->unlock(c.h);
        close_clean(&c);
}

static void windows_stay_where_frames_are_shared(void)
{
        void *window[3];

        look_through_windows(false, window);
        CHECK(window[0] && window[0] == window[1] && window[0] == window[2]);
        look_through_windows(true, window);
        CHECK(window[0] && !window[1] && window[2]);
}

/* Devices and what delegated views touch are nobody's frames. */
static void what_is_not_the_cores_is_not_counted(void)
{
        struct quire_view of_store = { NULL, 1, false };
        struct quire_range o;
        uint64_t word = 7;
        quire_frame frame;
        struct court c;

        court_open(&c, &(struct quire_sim_host_options){ 0 },
                   (struct quire_sim_options){ .frames = 1, .physical = { COURT_DEVICE, 4 } });
        quire_sim_on_stop(c.host, NULL, NULL);
        CHECK(!quire_sim_physical(c.sim, COURT_DEVICE - 1) &&
              !quire_sim_physical(c.sim, COURT_DEVICE + 4 * 4096));
        for (uint64_t i = 0; i < 4; i++)
                CHECK(c.mo->frame_physical(c.m, COURT_DEVICE + i * 4096, &frame) == QUIRE_OK);
        CHECK(c.mo->enter(c.space, COURT_VA, 1, &frame, QUIRE_R | QUIRE_W) == QUIRE_OK);
        REQUIRE(c.mo->store_open(c.m, 8, &of_store.store) == QUIRE_OK);
        REQUIRE(c.mo->delegate(c.space, 2 * COURT_VA, 4, &of_store, &o) == QUIRE_OK);
        REQUIRE(c.mo->delegate_protect(c.space, 2 * COURT_VA, 4, QUIRE_R | QUIRE_W) == QUIRE_OK);
        c.ho->unlock(c.h);
        CHECK(quire_sim_access(c.sim, c.space, COURT_VA + 8, QUIRE_W, &word, 8) == QUIRE_OK);
        CHECK_EQ(((uint64_t *)quire_sim_physical(c.sim, COURT_DEVICE + 3 * 4096))[1], 7);
        for (uint64_t i = 0; i < 4; i++)
                CHECK(quire_sim_access(c.sim, c.space, 2 * COURT_VA + i * 4096, QUIRE_W, &word,
                                       8) == QUIRE_OK);
        CHECK_EQ(quire_sim_count(c.sim).frames_peak, 0);
        /* The core asks for one: now it is his. */
        c.ho->lock(c.h);
        CHECK(c.mo->frame_alloc(c.m, of_store.store, 2, QUIRE_ZEROED, &frame) == QUIRE_OK);
        CHECK_EQ(*(uint64_t *)c.mo->frame_window(c.m, frame), 7);
        CHECK_EQ(quire_sim_count(c.sim).frames, 1);
        c.mo->delegate_release(c.space, 2 * COURT_VA, 4);
        c.mo->store_close(c.m, of_store.store);
        c.ho->unlock(c.h);
        close_clean(&c);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(transfers_move_pages);
        RUN(transfers_fail_as_requested);
        RUN(a_file_is_full);
        RUN(slow_writes_finish_out_of_order);
        RUN(records_are_zeroed_and_aligned);
        RUN(pages_are_compressed);
        RUN(threads_take_turns);
        RUN(the_seed_decides);
        RUN(a_thread_is_stepped);
        RUN(a_slow_read_lets_others_run);
        RUN(a_verdict_wakes_its_thread);
        RUN(a_hook_hears_of_waits);
        RUN(an_access_without_progress_is_a_livelock);
        RUN(frames_are_limited);
        RUN(abilities_are_chosen);
        RUN(windows_stay_where_frames_are_shared);
        RUN(what_is_not_the_cores_is_not_counted);
        RUN(an_access_crosses_pages);
        RUN(claims_are_a_partition);
        RUN(alike_claims_are_joined);
        return test_end();
}
