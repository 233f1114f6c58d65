/*
 * shared_test.c - objects in this process: real views, real faults, and what a forked
 * child has of them.
 */
#include "test.h"
#include "quire/process.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define MEMORY ((uint64_t)2 << 20)
#define PAGES 1500u                  /* three times the memory */

static struct quire_process *process;
static struct quire_space *space;

static void begin(enum quire_faults faults)
{
        const struct quire_process_options o = { .memory = MEMORY, .faults = faults };

        REQUIRE(quire_process_open(&o, &process) == QUIRE_OK);
        space = quire_process_space(process);
}

static struct quire_grant *object(uint64_t pages, unsigned flags)
{
        const struct quire_object_request q = { .bytes = pages * PG, .flags = flags };
        struct quire_grant *g = NULL;

        REQUIRE(quire_object_open(quire_process_system(process), &q, &g) == QUIRE_OK);
        return g;
}

static volatile uint64_t *map(struct quire_grant *g, uint64_t pages, unsigned access,
                              unsigned flags)
{
        const struct quire_request q = { .bytes = pages * PG, .grant = g, .access = access,
                                         .flags = flags };
        uint64_t va = 0;

        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        return (volatile uint64_t *)(uintptr_t)va;
}

/* What word 0 of page i holds, as of a time. */
static uint64_t word(uint64_t i, uint64_t time)
{
        uint64_t state = i * 1000003 + time;

        return test_random(&state);
}

static void write_all(volatile uint64_t *at, uint64_t time)
{
        for (uint64_t i = 0; i < PAGES; i++)
                for (unsigned k = 0; k < 512; k += 64)
                        at[i * 512 + k] = word(i, time + k);
}

static uint64_t wrong(const volatile uint64_t *at, uint64_t time)
{
        uint64_t n = 0;

        for (uint64_t i = 0; i < PAGES; i++)
                for (unsigned k = 0; k < 512; k += 64)
                        n += at[i * 512 + k] != word(i, time + k);
        return n;
}

static void try_views(enum quire_faults faults)
{
        struct quire_grant *g;
        volatile uint64_t *a, *b, *c;

        begin(faults);
        g = object(PAGES, 0);
        a = map(g, PAGES, QUIRE_R | QUIRE_W, 0);
        b = map(g, PAGES, QUIRE_R, 0);
        write_all(a, 1);
        CHECK_EQ(wrong(b, 1), 0);
        c = map(g, PAGES, QUIRE_R | QUIRE_W, QUIRE_COPY);
        CHECK_EQ(wrong(c, 1), 0);
        write_all(c, 2);
        CHECK_EQ(wrong(b, 1), 0);
        CHECK_EQ(wrong(c, 2), 0);
        write_all(a, 3);
        CHECK_EQ(wrong(b, 3), 0);
        CHECK_EQ(wrong(c, 2), 0);
        quire_system_audit(quire_process_system(process));
        quire_grant_close(g);
        quire_process_close(process);
}

static void test_B58_B40_views_of_more_than_memory_holds(void)
{
        try_views(QUIRE_FAULTS_INLINE);
        try_views(QUIRE_FAULTS_THREAD);
}

static void test_D6_a_clone_in_a_process(void)
{
        struct quire_grant *g, *copy;
        volatile uint64_t *a, *b;

        begin(QUIRE_FAULTS_INLINE);
        g = object(PAGES, 0);
        a = map(g, PAGES, QUIRE_R | QUIRE_W, 0);
        write_all(a, 1);
        REQUIRE(quire_object_clone(g, &copy) == QUIRE_OK);
        b = map(copy, PAGES, QUIRE_R | QUIRE_W, 0);
        write_all(a, 2);
        CHECK_EQ(wrong(b, 1), 0);
        write_all(b, 3);
        CHECK_EQ(wrong(a, 2), 0);
        CHECK_EQ(wrong(b, 3), 0);
        quire_system_audit(quire_process_system(process));
        quire_grant_close(g);
        quire_grant_close(copy);
        quire_process_close(process);
}

static volatile uint64_t *shared_view;
static atomic_bool stop;

static void *write_on(void *unused)
{
        (void)unused;
        for (uint64_t n = 0; !stop; n++)
                shared_view[n % PAGES * 512 + 8] = n;
        return NULL;
}

/* A child has what was there when it was made; neither sees what the other does then. */
static void try_fork(enum quire_faults faults, bool busy)
{
        struct quire_grant *g, *hosted;
        volatile uint64_t *a, *b, *c, *h;
        pthread_t writer;
        int status = -1;

        begin(faults);
        g = object(PAGES, 0);
        hosted = object(4, QUIRE_HOSTED);
        a = map(g, PAGES, QUIRE_R | QUIRE_W, 0);
        b = map(g, PAGES, QUIRE_R, 0);
        h = map(hosted, 4, QUIRE_R | QUIRE_W, 0);
        write_all(a, 1);
        c = map(g, PAGES, QUIRE_R | QUIRE_W, QUIRE_COPY);
        for (uint64_t i = 0; i < PAGES; i += 3)
                c[i * 512] = i;
        h[0] = 1;
        shared_view = a;
        stop = false;
        if (busy)
                REQUIRE(!pthread_create(&writer, NULL, write_on, NULL));
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (!child) {
                uint64_t bad = wrong(a, 1) + wrong(b, 1);

                for (uint64_t i = 0; i < PAGES; i++)
                        bad += c[i * 512] != (i % 3 ? word(i, 1) : i);
                write_all(a, 5);
                bad += wrong(b, 5);
                h[1] = 2;
                quire_system_audit(quire_process_system(process));
                _exit(bad != 0);
        }
        if (!busy) {
                write_all(a, 7);
                CHECK_EQ(wrong(b, 7), 0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        stop = true;
        if (busy)
                pthread_join(writer, NULL);
        else
                CHECK_EQ(wrong(b, 7), 0);
        for (uint64_t i = 0; i < PAGES; i += 3)
                CHECK_EQ(c[i * 512], i);
        CHECK_EQ(h[1], 2);
        quire_system_audit(quire_process_system(process));
        quire_grant_close(g);
        quire_grant_close(hosted);
        quire_process_close(process);
}

static void test_a_forked_child_has_copies_of_shared_objects(void)
{
        try_fork(QUIRE_FAULTS_INLINE, false);
        try_fork(QUIRE_FAULTS_INLINE, true);
        try_fork(QUIRE_FAULTS_THREAD, false);
        try_fork(QUIRE_FAULTS_THREAD, true);
}

/* Faults that reading, or writing, all pages in a row takes, with none read or evicted. */
static uint64_t faults_of(volatile uint64_t *at, uint64_t pages, bool write)
{
        struct quire_system *sys = quire_process_system(process);
        struct quire_counters before, after;

        quire_system_counters(sys, &before);
        for (uint64_t i = 0; i < pages; i++) {
                if (write)
                        at[i * 512] = word(i, 1);
                CHECK_EQ(at[i * 512], word(i, 1));
        }
        quire_system_counters(sys, &after);
        CHECK_EQ(after.faults_hard + after.evicted, before.faults_hard + before.evicted);
        return after.faults_soft - before.faults_soft;
}

/* What a fork hides is seen again sixteen pages at a time, by parent and child. */
static void try_runs(enum quire_faults faults)
{
        enum { FEW = 128, FAULTS = FEW / 16 };
        volatile uint64_t *a, *b;
        struct quire_grant *g;
        int status = -1;
        pid_t child;

        begin(faults);
        g = object(FEW, 0);
        a = map(g, FEW, QUIRE_R | QUIRE_W, 0);
        b = map(g, FEW, QUIRE_R, 0);
        for (uint64_t i = 0; i < FEW; i++)
                a[i * 512] = word(i, 1);
        CHECK_EQ(faults_of(b, FEW, false), FAULTS);
        child = fork();
        REQUIRE(child >= 0);
        if (!child) {
                bool bad = faults_of(b, FEW, false) != FAULTS || faults_of(a, FEW, true) != FAULTS;

                _exit(bad || quire_test_state.bad);
        }
        CHECK_EQ(faults_of(a, FEW, true), FAULTS);
        CHECK_EQ(faults_of(b, FEW, false), FAULTS);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        quire_system_audit(quire_process_system(process));
        quire_grant_close(g);
        quire_process_close(process);
}

static void test_what_a_fork_hid_is_seen_again_in_runs(void)
{
        try_runs(QUIRE_FAULTS_INLINE);
        try_runs(QUIRE_FAULTS_THREAD);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B58_B40_views_of_more_than_memory_holds);
        RUN(test_D6_a_clone_in_a_process);
        RUN(test_a_forked_child_has_copies_of_shared_objects);
        RUN(test_what_a_fork_hid_is_seen_again_in_runs);
        return test_end();
}
