/*
 * torture_share_test.c - threads of this process over two shared objects, an anonymous
 * one with epochs and one of a pager, through several views and views that copy, in a
 * budget of an eighth of the data: they store, load, snapshot, map, revoke, flush and
 * evict at once, and every byte is accounted for.
 *
 * Every word has one writer, who knows what it contains.
 *
 * Arguments: torture.h.
 */
#include "../test.h"
#include "torture.h"
#include <pthread.h>

enum { PAGE = 4096, THREADS = 5, BUDGET = 1152, PAGES = BUDGET, OBJECTS = 2, VIEWS = 2,
       RW = QUIRE_R | QUIRE_W };

struct actor {
        pthread_t thread;
        unsigned number;
        uint64_t state;
        uint64_t word[OBJECTS][PAGES];       /* in the objects, at 8 * number */
        uint64_t copy[OBJECTS];              /* views of his own that copy */
        uint64_t own[OBJECTS][PAGES];
};

static struct actor actors[THREADS];
static struct quire_process *process;
static struct quire_space *space;
static struct quire_grant *grant[OBJECTS];
static uint64_t view[OBJECTS][VIEWS];
static uint8_t (*home)[PAGE];
static atomic_bool stop;
static atomic_uint_fast64_t uses, snapshots, revoked, flushes, fills, writes, epochs;

/* In signal context where faults are signals. */
static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        (void)context;
        (void)access;
        for (uint64_t i = 0; i < bytes / PAGE; i++)
                memcpy(page[i], home[offset / PAGE + i], PAGE);
        atomic_fetch_add(&fills, 1);
        return QUIRE_OK;
}

static enum quire_status write_home(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        (void)context;
        for (uint64_t i = 0; i < bytes / PAGE; i++)
                memcpy(home[offset / PAGE + i], page[i], PAGE);
        atomic_fetch_add(&writes, 1);
        return QUIRE_OK;
}

static const struct quire_pager pager = { .fill = fill, .write = write_home, .evicts = true };

static uint64_t draw(struct actor *a, uint64_t below)
{
        return test_random(&a->state) % below;
}

__attribute__((no_sanitize("address", "undefined")))
static uint64_t load(uint64_t va)
{
        return *(volatile uint64_t *)(uintptr_t)va;
}

__attribute__((no_sanitize("address", "undefined")))
static void store(uint64_t va, uint64_t word)
{
        *(volatile uint64_t *)(uintptr_t)va = word;
}

static void must_be(const struct actor *a, uint64_t va, uint64_t want, const char *what)
{
        uint64_t got = load(va);

        if (got == want)
                return;
        fprintf(stderr, "%s, thread %u: %#lx holds %#lx, must be %#lx\n", what, a->number,
                (unsigned long)va, (unsigned long)got, (unsigned long)want);
        abort();
}

static uint64_t map(struct quire_grant *g, unsigned access, unsigned flags)
{
        const struct quire_request q = { .bytes = (uint64_t)PAGES * PAGE, .grant = g,
                                         .access = access, .flags = flags };
        uint64_t va = 0;

        expect(quire_region_reserve(space, &q, &va), QUIRE_OK, "map");
        return va;
}

static void use_object(struct actor *a)
{
        uint64_t o = draw(a, OBJECTS), page = draw(a, PAGES);
        uint64_t va = view[o][draw(a, VIEWS)] + page * PAGE + 8 * a->number;

        if (draw(a, 2)) {
                must_be(a, va, a->word[o][page], "a view");
        } else {
                a->word[o][page] = test_random(&a->state) | 1;
                store(va, a->word[o][page]);
        }
        atomic_fetch_add(&uses, 1);
}

static void use_copy(struct actor *a)
{
        uint64_t o = draw(a, OBJECTS), page = draw(a, PAGES);
        uint64_t va = a->copy[o] + page * PAGE + 8 * a->number;

        if (draw(a, 4) == 0) {
                a->own[o][page] = test_random(&a->state) | 1;
                store(va, a->own[o][page]);
        } else {
                must_be(a, va, a->own[o][page] ? a->own[o][page] : a->word[o][page],
                        "a view that copies");
        }
        if (draw(a, 3000) == 0) {
                expect(quire_region_release(space, a->copy[o], 0), QUIRE_OK, "release");
                a->copy[o] = map(grant[o], RW, QUIRE_COPY);
                memset(a->own[o], 0, sizeof(a->own[o]));
        }
}

static void take_snapshot(struct actor *a)
{
        uint64_t o = draw(a, OBJECTS), va, was[40], page[40];
        struct quire_grant *g = NULL;

        expect(quire_object_clone(grant[o], &g), QUIRE_OK, "clone");
        for (unsigned i = 0; i < 40; i++) {
                page[i] = draw(a, PAGES);
                was[i] = a->word[o][page[i]];
        }
        for (unsigned i = 0; i < 40; i++) {
                a->word[o][page[i]] = test_random(&a->state) | 1;
                store(view[o][0] + page[i] * PAGE + 8 * a->number, a->word[o][page[i]]);
        }
        va = map(g, QUIRE_R, 0);
        for (unsigned i = 0; i < 40; i++)
                must_be(a, va + page[i] * PAGE + 8 * a->number, was[i], "a snapshot");
        quire_grant_close(g);
        expect(quire_region_release(space, va, 0), QUIRE_OK, "release");
        atomic_fetch_add(&snapshots, 1);
}

static void revoke_one(struct actor *a)
{
        uint64_t o = draw(a, OBJECTS), page = draw(a, PAGES), va;
        struct quire_info info;
        struct quire_grant *g;

        expect(quire_grant_narrow(grant[o], QUIRE_R, &g), QUIRE_OK, "narrow");
        va = map(g, QUIRE_R, 0);
        must_be(a, va + page * PAGE + 8 * a->number, a->word[o][page], "a narrow view");
        quire_grant_revoke(g);
        expect(quire_region_query(space, va, &info), QUIRE_OK, "query");
        if (!info.revoked)
                abort();
        quire_grant_close(g);
        expect(quire_region_release(space, va, 0), QUIRE_OK, "release");
        atomic_fetch_add(&revoked, 1);
}

static void ask_or_flush(struct actor *a, uint64_t first)
{
        struct quire_range out[64];
        uint64_t n = 64, bytes = (PAGES - first) * PAGE;

        if (draw(a, 2)) {
                expect(quire_object_flush(grant[1], first * PAGE, bytes), QUIRE_OK, "flush");
                atomic_fetch_add(&flushes, 1);
        } else {
                expect(quire_object_written(grant[0], first * PAGE, bytes, true, out, &n),
                       QUIRE_OK, "written");
                atomic_fetch_add(&epochs, n);
        }
}

static void *work(void *argument)
{
        struct actor *a = argument;

        while (!atomic_load(&stop)) {
                uint64_t what = draw(a, 1000), first = draw(a, PAGES);
                uint64_t n = 1 + draw(a, 64);

                n = first + n > PAGES ? PAGES - first : n;
                if (what < 600)
                        use_object(a);
                else if (what < 980)
                        use_copy(a);
                else if (what < 983)
                        take_snapshot(a);
                else if (what < 986)
                        revoke_one(a);
                else if (what < 989)
                        ask_or_flush(a, first);
                else
                        expect(quire_region_advise(space, view[what % 2][0] + first * PAGE,
                                                   n * PAGE, what % 3 ? QUIRE_WONT_NEED
                                                                      : QUIRE_WILL_NEED),
                               QUIRE_OK, "advise");
        }
        return NULL;
}

static bool open_all(const char *faults)
{
        const struct quire_process_options options = { .memory = (uint64_t)BUDGET * PAGE };
        struct quire_object_request q = { .bytes = (uint64_t)PAGES * PAGE,
                                          .flags = QUIRE_EPOCHS };

        home = calloc(PAGES, PAGE);
        REQUIRE(home);
        if (!torture_open(faults, options, &process))
                return false;
        space = quire_process_space(process);
        expect(quire_object_open(quire_process_system(process), &q, &grant[0]), QUIRE_OK, "open");
        q.flags = 0;
        q.kind = QUIRE_CALLBACK;
        q.pager = &pager;
        expect(quire_object_open(quire_process_system(process), &q, &grant[1]), QUIRE_OK, "open");
        for (unsigned o = 0; o < OBJECTS; o++)
                for (unsigned v = 0; v < VIEWS; v++)
                        view[o][v] = map(grant[o], RW, 0);
        return true;
}

static bool enough_happened(void)
{
        struct quire_counters c;

        quire_system_counters(quire_process_system(process), &c);
        return uses > 100 && snapshots && revoked && flushes && c.evicted && c.copied;
}

/* Whatever was stored is there, in every view and at home. */
static void look_at_all(void)
{
        for (unsigned n = 0; n < THREADS; n++)
                for (unsigned o = 0; o < OBJECTS; o++)
                        for (uint64_t i = 0; i < PAGES; i++) {
                                struct actor *a = &actors[n];
                                uint64_t at = i * PAGE + 8 * n;

                                must_be(a, view[o][i % VIEWS] + at, a->word[o][i], "at the end");
                                must_be(a, a->copy[o] + at, a->own[o][i] ? a->own[o][i]
                                                                          : a->word[o][i],
                                        "at the end, a copy");
                        }
}

static void close_all(const char *faults)
{
        struct quire_counters c;

        look_at_all();
        quire_system_audit(quire_process_system(process));
        for (unsigned o = 0; o < OBJECTS; o++) {
                for (unsigned v = 0; v < VIEWS; v++)
                        expect(quire_region_release(space, view[o][v], 0), QUIRE_OK, "release");
                for (unsigned n = 0; n < THREADS; n++)
                        expect(quire_region_release(space, actors[n].copy[o], 0), QUIRE_OK,
                               "release");
                quire_grant_close(grant[o]);
        }
        for (unsigned n = 0; n < THREADS; n++)
                for (uint64_t i = 0; i < PAGES; i++)
                        CHECK(!memcmp(home[i] + 8 * n, &actors[n].word[1][i], 8));
        quire_system_counters(quire_process_system(process), &c);
        CHECK(c.resident_peak <= BUDGET);
        CHECK_EQ(c.committed + c.resident + c.file_pages + c.locked + c.broken + c.io_errors, 0);
        printf("    uid %d, faults %s: %lu uses, %lu snapshots, %lu revoked, %lu flushes, "
               "%lu fills,\n    %lu writes home, %lu runs in epochs; %lu evicted, %lu copied\n",
               (int)getuid(), faults,
               (unsigned long)uses, (unsigned long)snapshots, (unsigned long)revoked,
               (unsigned long)flushes, (unsigned long)fills, (unsigned long)writes,
               (unsigned long)epochs, (unsigned long)c.evicted, (unsigned long)c.copied);
        quire_process_close(process);
        free(home);
}

static void run_phase(const char *faults, uint64_t milliseconds)
{
        if (!open_all(faults))
                return;
        for (unsigned n = 0; n < THREADS; n++) {
                actors[n] = (struct actor){ .number = n, .state = asked.seed * 31 + n };
                for (unsigned o = 0; o < OBJECTS; o++)
                        actors[n].copy[o] = map(grant[o], RW, QUIRE_COPY);
        }
        for (unsigned n = 0; n < THREADS; n++)
                REQUIRE(!pthread_create(&actors[n].thread, NULL, work, &actors[n]));
        usleep((useconds_t)(milliseconds * 1000));
        CHECK(BECOMES(enough_happened()));       /* (a busy computer left us little of the time) */
        atomic_store(&stop, true);
        for (unsigned n = 0; n < THREADS; n++)
                pthread_join(actors[n].thread, NULL);
        close_all(faults);
}

static void test_torture_of_what_is_shared(void)
{
        torture_phases(run_phase);
}

int main(int argc, char **argv)
{
        torture_begin(argc, argv, 8);
        RUN(test_torture_of_what_is_shared);
        return test_end();
}
