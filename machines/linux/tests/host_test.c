/*
 * host_test.c - the host of the Linux machine: records, the lock, pagefiles,
 * compression.
 */
#include "test.h"
#include "internal.h"
#include "no_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define H (&quire_linux_host_ops)

static struct quire_linux *open_linux(const char *disable, const char *pagefile, bool buffered)
{
        struct quire_linux_setup setup = { .memory = 4 << 20, .pagefile = pagefile,
                                           .buffered = buffered };
        struct quire_linux *l = NULL;
        char problem[256];

        setenv("QUIRE_DISABLE", disable, 1);
        if (quire_linux_open(&setup, &l, problem)) {
                fprintf(stderr, "%s\n", problem);
                l = NULL;
        }
        unsetenv("QUIRE_DISABLE");
        return l;
}

/* ------------------------------------------------------------------ records */

static void test_L_records_are_zeroed_aligned_and_apart(void)
{
        static const size_t sizes[] = { 1, 16, 17, 100, 256, 257, 300, 1000, 4095, 4096, 4097,
                                        20000, 65536, 70000, 1000000 };
        enum { N = sizeof(sizes) / sizeof(sizes[0]), EACH = 20 };
        static unsigned char *got[N][EACH];
        struct lodging g;

        REQUIRE(quire_lodging_open(&g, UINT64_MAX));
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i < N; i++)
                        for (unsigned k = 0; k < EACH; k++) {
                                unsigned char *p = quire_lodging_alloc(&g, sizes[i]);
                                REQUIRE(p);
                                CHECK_EQ((uintptr_t)p % (sizes[i] < 4096 ? 16 : 4096), 0);
                                for (size_t b = 0; b < sizes[i]; b++)
                                        if (p[b])
                                                REQUIRE(p[b] == 0);     /* records are zeroed */
                                memset(p, (int)(1 + i * EACH + k), sizes[i]);
                                got[i][k] = p;
                        }
                for (unsigned i = 0; i < N; i++)
                        for (unsigned k = 0; k < EACH; k++) {
                                unsigned char *p = got[i][k];
                                unsigned char mark = (unsigned char)(1 + i * EACH + k);
                                CHECK(p[0] == mark && p[sizes[i] - 1] == mark);
                                quire_lodging_free(&g, p, sizes[i]);
                        }
                CHECK_EQ(g.resident, 0);
        }
        CHECK(!quire_lodging_alloc(&g, (size_t)1 << 50));
        quire_lodging_close(&g);
}

/* --------------------------------------------------------------------- lock */

static struct quire_lock counted;
static uint64_t count;
static volatile sig_atomic_t inside, met_inside, alarms;

static void on_alarm(int sig)
{
        (void)sig;
        alarms++;
        met_inside += inside;
}

static void *add(void *argument)
{
        for (unsigned i = 0; i < 50000; i++) {
                quire_lock_take(&counted);
                count++;
                quire_lock_drop(&counted);
        }
        return argument;
}

static void test_L_one_thread_at_a_time_holds_the_lock(void)
{
        pthread_t thread[4];

        for (unsigned i = 0; i < 4; i++)
                REQUIRE(!pthread_create(&thread[i], NULL, add, NULL));
        for (unsigned i = 0; i < 4; i++)
                pthread_join(thread[i], NULL);
        CHECK_EQ(count, 200000);
        quire_lock_take(&counted);
        CHECK(!quire_lock_try(&counted));
        quire_lock_drop(&counted);
        CHECK(quire_lock_try(&counted));
        quire_lock_drop(&counted);
}

static void test_L_no_signal_interrupts_who_holds_the_lock(void)
{
        struct itimerval every = { { 0, 200 }, { 0, 200 } }, never = { 0 };
        struct quire_lock inner = { 0 };
        sigset_t now;

        signal(SIGALRM, on_alarm);
        setitimer(ITIMER_REAL, &every, NULL);
        while (alarms < 200) {
                quire_lock_take(&counted);
                inside = 1;
                quire_lock_take(&inner);
                for (volatile unsigned i = 0; i < 200; i++)
                        continue;
                quire_lock_drop(&inner);
                inside = 0;
                quire_lock_drop(&counted);
        }
        setitimer(ITIMER_REAL, &never, NULL);
        CHECK_EQ(met_inside, 0);
        sigprocmask(SIG_BLOCK, NULL, &now);
        CHECK(!sigismember(&now, SIGALRM));
        signal(SIGALRM, SIG_DFL);
}

/* ---------------------------------------------------------------- pagefiles */

#define RUNS 40u

struct pages {
        struct quire_io io[RUNS];
        unsigned char *memory;
};

static void set_up_io(struct pages *p, struct quire_linux *l)
{
        uint64_t slot = 0;

        p->memory = quire_linux_alloc(quire_linux_host(l), RUNS * QUIRE_IO_MAX * PAGE);
        REQUIRE(p->memory);
        for (unsigned i = 0; i < RUNS; i++) {
                struct quire_io *io = &p->io[i];
                *io = (struct quire_io){ .slot = slot, .count = 1 + i % QUIRE_IO_MAX };
                for (unsigned k = 0; k < io->count; k++) {
                        /* Neighbours in the file, now near and now far in memory. */
                        unsigned at = i * QUIRE_IO_MAX + (i % 2 ? k : QUIRE_IO_MAX - 1 - k);
                        io->page[k] = p->memory + at * PAGE;
                        memset(io->page[k], (int)(slot + k + 1), PAGE);
                }
                slot += io->count + i % 3;
        }
}

static unsigned poll_all(struct quire_linux *l, enum quire_status expected)
{
        struct quire_io *io;
        unsigned n = 0;

        while ((io = H->io_poll(quire_linux_host(l), true))) {
                CHECK_EQ(io->status, expected);
                n++;
        }
        return n;
}

static void round_trip(const char *disable, const char *pagefile, bool buffered)
{
        struct quire_linux *l = open_linux(disable, pagefile, buffered);
        struct pages p;

        REQUIRE(l);
        set_up_io(&p, l);
        CHECK(!H->io_poll(quire_linux_host(l), false));
        for (unsigned i = 0; i < RUNS; i++)
                H->io_start(quire_linux_host(l), &p.io[i]);
        CHECK_EQ(poll_all(l, QUIRE_OK), RUNS);
        memset(p.memory, 0, RUNS * QUIRE_IO_MAX * PAGE);
        for (unsigned i = RUNS; i-- > 0;) {
                CHECK_EQ(H->io_read(quire_linux_host(l), &p.io[i]), QUIRE_OK);
                for (unsigned k = 0; k < p.io[i].count; k++) {
                        unsigned char *page = p.io[i].page[k];
                        unsigned char mark = (unsigned char)(p.io[i].slot + k + 1);
                        CHECK(page[0] == mark && page[PAGE - 1] == mark);
                }
        }
        quire_linux_close(l);
}

static void test_L_what_was_written_is_read_back(void)
{
        round_trip("", NULL, false);
        round_trip("", NULL, true);
        round_trip("io-uring", NULL, false);
        round_trip("direct-io", NULL, false);
        round_trip("io-uring,direct-io,nameless-file", NULL, false);
        round_trip("", "/dev/shm", false);
        round_trip("nameless-file", "/dev/shm", false);
}

struct many {
        struct quire_linux *l;
        struct pages *p;
        unsigned first;
        unsigned polled;
};

static void *start_and_poll(void *argument)
{
        struct many *m = argument;

        for (unsigned i = m->first; i < RUNS; i += 4) {
                H->io_start(quire_linux_host(m->l), &m->p->io[i]);
                if (i % 3 == 0 && H->io_poll(quire_linux_host(m->l), true))
                        m->polled++;
        }
        while (H->io_poll(quire_linux_host(m->l), true))
                m->polled++;
        return NULL;
}

/* Every transfer comes back once, and nobody sleeps on for one that did. */
static void test_L_four_threads_write_and_wait(void)
{
        for (unsigned round = 0; round < 20; round++) {
                struct quire_linux *l = open_linux(round % 2 ? "io-uring" : "", NULL, false);
                struct pages p;
                struct many m[4];
                pthread_t thread[4];
                unsigned polled = 0;

                REQUIRE(l);
                set_up_io(&p, l);
                for (unsigned i = 0; i < 4; i++) {
                        m[i] = (struct many){ l, &p, i, 0 };
                        REQUIRE(!pthread_create(&thread[i], NULL, start_and_poll, &m[i]));
                }
                for (unsigned i = 0; i < 4; i++) {
                        pthread_join(thread[i], NULL);
                        polled += m[i].polled;
                }
                CHECK_EQ(polled, RUNS);
                for (unsigned i = 0; i < RUNS; i++)
                        CHECK_EQ(p.io[i].status, QUIRE_OK);
                quire_linux_close(l);
        }
}

/* Run in a child, whose limits and files are its own; its status counts. */
static bool in_child(bool (*function)(void))
{
        int status = 1;
        pid_t pid;

        fflush(stdout);
        fflush(stderr);
        pid = fork();
        if (!pid) {
                alarm(60);
                _exit(!function());
        }
        waitpid(pid, &status, 0);
        return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool meet_limit(void)
{
        struct rlimit limit = { 64 * PAGE, 64 * PAGE };
        struct quire_linux *l;
        struct pages p;
        struct quire_io *io;
        unsigned full = 0, good = 0;

        setrlimit(RLIMIT_FSIZE, &limit);
        l = open_linux("", NULL, false);
        if (!l)
                return false;
        set_up_io(&p, l);
        for (unsigned i = 0; i < RUNS; i++)
                H->io_start(quire_linux_host(l), &p.io[i]);
        while ((io = H->io_poll(quire_linux_host(l), true))) {
                bool fits = io->slot + io->count <= 64;
                full += io->status == QUIRE_NO_SPACE && !fits;
                good += io->status == QUIRE_OK && fits;
        }
        quire_linux_close(l);
        return full && good && full + good == RUNS;
}

static void test_B15_a_file_that_can_not_grow_says_so(void)
{
        CHECK(in_child(meet_limit));
}

static char named[256];

/* Made for its owner alone, emptied, kept, and nobody else's meanwhile. */
static void test_B15_a_named_pagefile_is_made_locked_and_kept(void)
{
        struct quire_linux_setup setup = { .memory = 4 << 20, .pagefile = named };
        struct quire_linux *l, *other;
        char problem[256];
        struct stat s;
        int fd;

        snprintf(named, sizeof(named), "/tmp/quire-test-%d", (int)getpid());
        l = open_linux("", named, false);
        REQUIRE(l);
        CHECK(!stat(named, &s));
        CHECK_EQ(s.st_mode & 0777, 0600);
        fd = open(named, O_RDWR);
        CHECK(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK);
        CHECK_EQ(quire_linux_open(&setup, &other, problem), QUIRE_IO_ERROR);
        CHECK(strstr(problem, "in use") && strstr(problem, named));
        quire_linux_close(l);
        CHECK(!stat(named, &s));
        CHECK_EQ(pwrite(fd, "x", 1, 70000), 1);
        close(fd);
        l = open_linux("", named, false);
        REQUIRE(l);
        CHECK(!stat(named, &s) && !s.st_size);
        quire_linux_close(l);
        unlink(named);
        REQUIRE(!symlink("/tmp/quire-test-elsewhere", named));
        CHECK_EQ(quire_linux_open(&setup, &other, problem), QUIRE_IO_ERROR);
        CHECK(stat("/tmp/quire-test-elsewhere", &s));
        unlink(named);
        setup.pagefile = "/dev/null";
        CHECK_EQ(quire_linux_open(&setup, &other, problem), QUIRE_IO_ERROR);
        setup.pagefile = "/nowhere/at/all";
        CHECK_EQ(quire_linux_open(&setup, &other, problem), QUIRE_IO_ERROR);
        CHECK(strstr(problem, "/nowhere/at/all"));
}

/* -------------------------------------------------------------- compression */

static void test_L_compression_gives_back_the_page(void)
{
        struct quire_linux *l = open_linux("", NULL, false);
        unsigned char page[PAGE], out[PAGE], back[PAGE];
        uint64_t state = test_seed();
        size_t got;

        REQUIRE(l);
        for (unsigned round = 0; round < 200; round++) {
                unsigned noisy = (unsigned)(test_random(&state) % PAGE);
                memset(page, (int)round, PAGE);
                for (unsigned i = 0; i < noisy; i++)
                        page[i] = (unsigned char)test_random(&state);
                got = H->compress(quire_linux_host(l), page, out, PAGE - 1);
                if (!got) {
                        CHECK(noisy > PAGE * 3 / 4);
                        continue;
                }
                CHECK(got < PAGE);
                CHECK(H->expand(quire_linux_host(l), out, got, back));
                CHECK(!memcmp(page, back, PAGE));
                CHECK(!H->expand(quire_linux_host(l), out, got - 1, back));
        }
        memset(page, 0, PAGE);
        CHECK(!H->compress(quire_linux_host(l), page, out, 4));
        quire_linux_close(l);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_L_records_are_zeroed_aligned_and_apart);
        RUN(test_L_one_thread_at_a_time_holds_the_lock);
        RUN(test_L_no_signal_interrupts_who_holds_the_lock);
        RUN(test_L_what_was_written_is_read_back);
        RUN(test_L_four_threads_write_and_wait);
        RUN(test_B15_a_file_that_can_not_grow_says_so);
        RUN(test_B15_a_named_pagefile_is_made_locked_and_kept);
        RUN(test_L_compression_gives_back_the_page);
        return test_end();
}
