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

/* ---------------------------------------------------------------- what is held at a fork */

#define PATTERN UINT64_C(0x5a5a5a5a5a5a5a5a)

/* Of the view that copies: pages that the kernel writes to, and one that it reads. */
enum { HELD = 24, INTO = 0, AT_TIMES = 3, FROM = 5, LOCKED = 9, OF_OBJECT = 7 };

static struct {
        volatile uint64_t *object, *copy;    /* two views */
        int file, sink;
        atomic_uint calls, held, failed;
} kernel;

/* One call that writes to a page, and one that reads another. */
static void call_kernel(volatile uint64_t *into, volatile uint64_t *from)
{
        bool ok = pread(kernel.file, (void *)into, PG, 0) == (ssize_t)PG &&
                  pwrite(kernel.sink, (const void *)from, PG, 0) == (ssize_t)PG;

        kernel.calls++;
        kernel.failed += !ok;
}

static void *call_on(void *unused)
{
        (void)unused;
        while (!stop) {
                call_kernel(kernel.copy + INTO * 512, kernel.copy + FROM * 512);
                call_kernel(kernel.object + OF_OBJECT * 512, kernel.object + OF_OBJECT * 512);
        }
        return NULL;
}

static void hold(volatile uint64_t *at, uint64_t pages, unsigned access)
{
        uint64_t held = 0;

        REQUIRE(quire_region_hold(space, (uint64_t)(uintptr_t)at, pages * PG, access, &held) ==
                QUIRE_OK);
        REQUIRE(held == pages * PG);
}

static void unhold(volatile uint64_t *at, uint64_t pages)
{
        quire_region_unhold(space, (uint64_t)(uintptr_t)at, pages * PG);
}

static bool has_pattern(const volatile uint64_t *page)
{
        bool same = true;

        for (uint64_t k = 0; k < 512; k++)
                same &= page[k] == PATTERN;
        return same;
}

/* Who holds a page for one call. */
static void hold_and_call(volatile uint64_t *page)
{
        hold(page, 1, QUIRE_W);
        page[511] = 0;
        call_kernel(page, page);
        kernel.failed += !has_pattern(page);
        unhold(page, 1);
        kernel.held++;
}

static void *hold_on(void *unused)
{
        (void)unused;
        while (!stop)
                hold_and_call(kernel.copy + AT_TIMES * 512);
        return NULL;
}

/* The view that copies, as it was: others than the kernel's have what was written, to
 * every second one. */
static bool view_is(uint64_t time)
{
        bool same = has_pattern(kernel.copy + INTO * 512);

        for (uint64_t i = 1; i < HELD; i++)
                same &= i == AT_TIMES || i == OF_OBJECT ||
                        kernel.copy[i * 512 + 8] == word(i, i % 2 ? 1 : time);
        return same && has_pattern(kernel.object + OF_OBJECT * 512);
}

/* (Page 1 is held.) */
static bool is_inherited(uint64_t i)
{
        return i % 2 && i != 1 && i != FROM && i != LOCKED;
}

/* What the child has, and that the kernel sees what it holds. */
static int see_held(void)
{
        volatile uint64_t *a = kernel.object, *c = kernel.copy;
        bool same = view_is(2);

        quire_system_audit(quire_process_system(process));
        for (uint64_t i = 2; i < HELD; i += 2)
                c[i * 512 + 8] = word(i, 3);
        for (uint64_t i = 1; i < HELD; i++) {
                same &= i == OF_OBJECT || a[i * 512 + 8] == word(i, 1);
                a[i * 512 + 16] = i == OF_OBJECT ? PATTERN : word(i, 4);
        }
        same &= view_is(3);
        for (uint64_t i = 1; i < HELD; i++)          /* what was held or locked is its own */
                same &= i == AT_TIMES || i == OF_OBJECT ||
                        c[i * 512 + 16] == (is_inherited(i) ? word(i, 4) : 0);
        kernel.failed = 0;
        hold_and_call(c + INTO * 512);
        hold_and_call(c + FROM * 512);
        hold_and_call(c + LOCKED * 512);
        hold_and_call(a + OF_OBJECT * 512);
        quire_system_audit(quire_process_system(process));
        return !same || kernel.failed;
}

static void fork_once(void)
{
        int status = -1;
        pid_t child = fork();

        REQUIRE(child >= 0);
        if (!child) {
                alarm(60);
                _exit(see_held());
        }
        call_kernel(kernel.copy + INTO * 512, kernel.copy + FROM * 512);
        REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static void open_kernel(struct quire_grant *g)
{
        uint64_t page[512];

        kernel.object = map(g, HELD, QUIRE_R | QUIRE_W, 0);
        kernel.copy = map(g, HELD, QUIRE_R | QUIRE_W, QUIRE_COPY);
        kernel.file = memfd_create("file", MFD_CLOEXEC);
        kernel.sink = memfd_create("sink", MFD_CLOEXEC);
        kernel.calls = kernel.held = kernel.failed = 0;
        for (uint64_t k = 0; k < 512; k++)
                page[k] = PATTERN;
        REQUIRE(pwrite(kernel.file, page, PG, 0) == (ssize_t)PG);
        for (uint64_t i = 0; i < HELD; i++)
                kernel.object[i * 512 + 8] = word(i, 1);
        for (uint64_t i = 0; i < HELD; i += 2)
                kernel.copy[i * 512 + 8] = word(i, 2);
}

/* Pages that somebody holds are shown, and his, while the process is duplicated; the child
 * has what was in them. */
static void try_held(enum quire_faults faults)
{
        struct quire_grant *g;
        pthread_t caller, holder;

        begin(faults);
        g = object(HELD, 0);
        open_kernel(g);
        hold(kernel.copy, 3, QUIRE_W);
        hold(kernel.copy + FROM * 512, 1, QUIRE_R);
        hold(kernel.object + OF_OBJECT * 512, 1, QUIRE_W);
        REQUIRE(quire_region_lock(space, (uint64_t)(uintptr_t)(kernel.copy + LOCKED * 512), PG) ==
                QUIRE_OK);
        call_kernel(kernel.copy + INTO * 512, kernel.copy + FROM * 512);
        call_kernel(kernel.object + OF_OBJECT * 512, kernel.copy + FROM * 512);
        stop = false;
        REQUIRE(!pthread_create(&caller, NULL, call_on, NULL));
        REQUIRE(!pthread_create(&holder, NULL, hold_on, NULL));
        for (unsigned i = 0; i < 20 || kernel.held < 20; i++)
                fork_once();
        stop = true;
        pthread_join(caller, NULL);
        pthread_join(holder, NULL);
        CHECK(view_is(2));
        CHECK_EQ(kernel.failed, 0);
        unhold(kernel.copy, 3);
        unhold(kernel.copy + FROM * 512, 1);
        unhold(kernel.object + OF_OBJECT * 512, 1);
        quire_system_audit(quire_process_system(process));
        quire_grant_close(g);
        quire_process_close(process);
        close(kernel.file);
        close(kernel.sink);
}

static void test_what_is_held_stays_at_a_fork(void)
{
        try_held(QUIRE_FAULTS_INLINE);
        try_held(QUIRE_FAULTS_THREAD);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B58_B40_views_of_more_than_memory_holds);
        RUN(test_D6_a_clone_in_a_process);
        RUN(test_a_forked_child_has_copies_of_shared_objects);
        RUN(test_what_a_fork_hid_is_seen_again_in_runs);
        RUN(test_what_is_held_stays_at_a_fork);
        return test_end();
}
