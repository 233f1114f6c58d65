/*
 * spin_test.c - reads whose end is looked for: the same answers as preadv, whoever else
 * reads, whatever signals come, however long it takes.
 */
#include "test.h"
#include "disk_file.h"
#include "internal.h"
#include "no_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { FILE_PAGES = 64, THREADS = 2 * SEATS + 1, READS = 400 };

static struct quire_linux *machine;
static char path[64];
static int file;                     /* read-only, past the page cache where that works */

static void open_machine(const char *disable)
{
        const struct quire_linux_setup setup = { .memory = 4 << 20, .no_pagefile = true };
        char problem[256];
        int fd = disk_file(path, FILE_PAGES * PAGE - 512);

        REQUIRE(!fsync(fd));       /* (what is still to be written cannot begin at once) */
        close(fd);
        file = open(path, O_RDONLY | O_DIRECT);
        if (file < 0)
                file = open(path, O_RDONLY);
        REQUIRE(file >= 0);
        setenv("QUIRE_DISABLE", disable, 1);
        if (quire_linux_open(&setup, &machine, problem))
                fprintf(stderr, "%s\n", problem);
        unsetenv("QUIRE_DISABLE");
        REQUIRE(machine);
}

static void close_machine(void)
{
        quire_linux_close(machine);
        machine = NULL;
        close(file);
        unlink(path);
}

static unsigned open_seats(void)
{
        unsigned n = 0;

        for (unsigned i = 0; i < SEATS; i++)
                n += quire_spin_descriptor(machine, i) >= 0;
        return n;
}

static bool spins(void)
{
        return machine->can & CAN_SPIN;
}

/* Pages [first, first + n) of the file into scattered buffers; returns what was read. */
static long read_pages(unsigned char *buffer, unsigned first, unsigned n)
{
        struct iovec vector[8];

        for (unsigned i = 0; i < n; i++)
                vector[i] = (struct iovec){ buffer + (n - 1 - i) * PAGE, PAGE };
        return quire_spin_read(machine, file, vector, n, first * PAGE, NULL);
}

static bool is_right(const unsigned char *buffer, unsigned first, unsigned n, uint64_t bytes)
{
        for (uint64_t at = 0; at < bytes; at++)
                if (buffer[(n - 1 - at / PAGE) * PAGE + at % PAGE] !=
                    byte_of(first * PAGE + at, 0))
                        return false;
        return true;
}

static atomic_uint wrong, ticks;
static uint64_t seed;

static void on_tick(int sig)
{
        (void)sig;
        atomic_fetch_add(&ticks, 1);
}

static void *read_at_random(void *argument)
{
        uint64_t random = seed + (uint64_t)(uintptr_t)argument;
        unsigned char *buffer = aligned_alloc(PAGE, 8 * PAGE);

        for (unsigned i = 0; i < READS; i++) {
                unsigned n = 1 + test_random(&random) % 8;
                unsigned first = (unsigned)(test_random(&random) % FILE_PAGES);
                uint64_t end = FILE_PAGES * PAGE - 512;
                uint64_t bytes = first * PAGE + n * PAGE > end ? end - first * PAGE : n * PAGE;

                if (read_pages(buffer, first, n) != (long)bytes ||
                    !is_right(buffer, first, n, bytes))
                        atomic_fetch_add(&wrong, 1);
        }
        free(buffer);
        return NULL;
}

/* With more threads than seats, and signals that come all the time. */
static void read_by_many(const char *disable)
{
        const struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { 0 };
        pthread_t thread[THREADS];

        seed = test_seed();
        open_machine(disable);
        signal(SIGALRM, on_tick);
        setitimer(ITIMER_REAL, &often, NULL);
        for (unsigned i = 0; i < THREADS; i++)
                REQUIRE(!pthread_create(&thread[i], NULL, read_at_random,
                                        (void *)(uintptr_t)(i + 1)));
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(thread[i], NULL);
        setitimer(ITIMER_REAL, &never, NULL);
        CHECK_EQ(atomic_load(&wrong), 0);
        CHECK(atomic_load(&ticks) > 0);
        CHECK(!open_seats() == !spins());
        for (unsigned i = 0; i < SEATS; i++)
                CHECK(!machine->spin.seat[i].taken);
        close_machine();
}

static void test_L_who_looks_for_the_end_reads_what_is_there(void)
{
        read_by_many("");
        read_by_many("spin");
        read_by_many("io-uring");
}

static void count_call(const struct quire_io *io)
{
        ++*(unsigned *)io->context;
}

/* There is time for something else in between, unless the thread sleeps at once. */
static void meanwhile(const char *disable)
{
        unsigned char *page = aligned_alloc(PAGE, PAGE);
        const struct iovec vector = { page, PAGE };
        unsigned calls = 0;
        const struct quire_io io = { .meanwhile = count_call, .context = &calls };

        open_machine(disable);
        CHECK_EQ(quire_spin_read(machine, file, &vector, 1, 7 * PAGE, &io), PAGE);
        CHECK(is_right(page, 7, 1, PAGE));
        CHECK_EQ(calls, spins());
        close_machine();
        free(page);
}

static void test_L_meanwhile_something_else_is_done(void)
{
        meanwhile("");
        meanwhile("spin");
}

static void test_L_what_cannot_be_read_answers_as_preadv_does(void)
{
        unsigned char *buffer = aligned_alloc(PAGE, PAGE);
        struct iovec vector = { buffer, PAGE };

        open_machine("");
        CHECK_EQ(quire_spin_read(machine, file, &vector, 1, FILE_PAGES * PAGE, NULL), 0);
        CHECK_EQ(quire_spin_read(machine, -1, &vector, 1, 0, NULL), -EBADF);
        int writes = open(path, O_WRONLY);
        CHECK_EQ(quire_spin_read(machine, writes, &vector, 1, 0, NULL), -EBADF);
        close(writes);
        vector.iov_base = NULL;
        CHECK_EQ(quire_spin_read(machine, file, &vector, 1, 0, NULL), -EFAULT);
        vector.iov_base = buffer;
        CHECK_EQ(quire_spin_read(machine, file, &vector, 1, 0, NULL), PAGE);
        CHECK(is_right(buffer, 0, 1, PAGE));
        close_machine();
        free(buffer);
}

/* Who has no patience sleeps, and so do the next. */
static void test_L_what_takes_too_long_is_slept_for(void)
{
        unsigned char *page = aligned_alloc(PAGE, PAGE);
        struct statfs where;
        uint32_t rest;

        open_machine("");
        REQUIRE(!fstatfs(file, &where));
        if (!spins() || where.f_type == TMPFS_MAGIC) {
                close_machine();
                free(page);
                SKIP(where.f_type == TMPFS_MAGIC ? "the file lies in memory" : "no io_uring here");
        }
        machine->spin.most = 0;
        /* (One that was called away may find the page there when it looks first.) */
        CHECK(BECOMES(read_pages(page, 5, 1) == PAGE && machine->spin.rest > 0));
        CHECK(is_right(page, 5, 1, PAGE));
        CHECK_EQ(open_seats(), 1);
        rest = machine->spin.rest;
        for (uint32_t i = 0; i < rest; i++)
                CHECK_EQ(read_pages(page, i % 8, 1), PAGE);
        CHECK_EQ(machine->spin.rest, 0);
        close_machine();
        free(page);
}

/* A child of fork has seats of its own, and takes none of the parent's completions. */
static void test_L_a_child_of_fork_reads_by_itself(void)
{
        unsigned char *page = aligned_alloc(PAGE, PAGE);
        int status = 1;
        pid_t pid;

        open_machine("");
        CHECK_EQ(read_pages(page, 3, 1), PAGE);
        fflush(stdout);
        pid = fork();
        if (!pid) {
                bool good = true;

                quire_spin_close(machine);
                for (unsigned i = 0; i < SEATS; i++)
                        good = good && quire_spin_descriptor(machine, i) < 0;
                for (unsigned i = 0; i < 50; i++)
                        good = good && read_pages(page, i, 1) == PAGE && is_right(page, i, 1, PAGE);
                _exit(good && !open_seats() == !spins() ? 0 : 1);
        }
        for (unsigned i = 0; i < 50; i++)
                CHECK(read_pages(page, i, 1) == PAGE && is_right(page, i, 1, PAGE));
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        close_machine();
        free(page);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_L_who_looks_for_the_end_reads_what_is_there);
        RUN(test_L_meanwhile_something_else_is_done);
        RUN(test_L_what_cannot_be_read_answers_as_preadv_does);
        RUN(test_L_what_takes_too_long_is_slept_for);
        RUN(test_L_a_child_of_fork_reads_by_itself);
        return test_end();
}
