/*
 * file_test.c - files as objects, in this process: real faults, real files.
 *
 * Each test runs with faults resolved inline and by handler threads, with and without
 * O_DIRECT, as an object with a store and as a sole one where that makes sense.
 */
#include "disk_file.h"
#include "inline.h"
#include "quire/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define MEMORY ((uint64_t)2 << 20)
#define R QUIRE_R
#define RW (QUIRE_R | QUIRE_W)

struct variant {
        const char *disable;
        enum quire_faults faults;
        unsigned flags;
};

static const struct variant variants[] = {
        { "", QUIRE_FAULTS_INLINE, 0 },
        { "", QUIRE_FAULTS_INLINE, QUIRE_FILE_SOLE },
        { "direct-io", QUIRE_FAULTS_INLINE, 0 },
        { "move", QUIRE_FAULTS_INLINE, QUIRE_FILE_SOLE },
        { "io-uring", QUIRE_FAULTS_INLINE, QUIRE_FILE_BUFFERED },
        { "", QUIRE_FAULTS_THREAD, 0 },
        { "direct-io", QUIRE_FAULTS_THREAD, QUIRE_FILE_SOLE },
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static const struct variant *v;
static struct quire_process *process;
static struct quire_system *sys;
static struct quire_space *space;

static void open_process(void)
{
        const struct quire_process_options o = { .memory = MEMORY, .faults = v->faults };

        setenv("QUIRE_DISABLE", v->disable, 1);
        if (quire_process_open(&o, &process)) {
                fprintf(stderr, "%s\n", quire_process_problem());
                REQUIRE(false);
        }
        unsetenv("QUIRE_DISABLE");
        sys = quire_process_system(process);
        space = quire_process_space(process);
}

static bool can_run(const struct variant *which)
{
        return which->faults != QUIRE_FAULTS_INLINE || can_inline();
}

static void in_variant(void (*function)(void))
{
        unsigned before = quire_test_state.bad;

        open_process();
        function();
        quire_system_audit(sys);
        quire_process_close(process);
        if (quire_test_state.bad != before)
                fprintf(stderr, "    without \"%s\", faults %d, flags %u\n", v->disable,
                        (int)v->faults, v->flags);
}

static void each_variant(void (*function)(void))
{
        for (v = variants; v < variants + VARIANTS; v++)
                if (can_run(v))
                        in_variant(function);
}

/* What takes its time. */
static void first_variant(void (*function)(void))
{
        for (v = variants; !can_run(v); v++)
                ;
        in_variant(function);
}

/* ------------------------------------------------------------------------ files */

static char path[64];

static int new_file(uint64_t bytes)
{
        return disk_file(path, bytes);
}

static void end_file(int fd)
{
        CHECK(!close(fd));
        CHECK(!unlink(path));
}

static uint8_t byte_in_file(int fd, uint64_t at)
{
        uint8_t byte = 0;

        CHECK_EQ(pread(fd, &byte, 1, (off_t)at), 1);
        return byte;
}

static uint64_t size_of(int fd)
{
        struct stat s;

        REQUIRE(!fstat(fd, &s));
        return (uint64_t)s.st_size;
}

static struct quire_grant *open_with(int fd, unsigned flags)
{
        const struct quire_file_options o = { .flags = flags };
        struct quire_grant *g = NULL;

        REQUIRE(quire_file_open(process, fd, &o, &g) == QUIRE_OK);
        return g;
}

static struct quire_grant *open_file(int fd)
{
        return open_with(fd, v->flags);
}

static enum quire_status try_map(struct quire_grant *g, unsigned access, unsigned flags,
                                 uint64_t *va)
{
        struct quire_object_info i;
        struct quire_request q = { .grant = g, .access = access, .flags = flags };

        quire_object_describe(g, &i);
        q.bytes = i.bytes;
        return quire_region_reserve(space, &q, va);
}

static volatile uint8_t *map(struct quire_grant *g, unsigned access, unsigned flags)
{
        uint64_t va = 0;

        REQUIRE(try_map(g, access, flags, &va) == QUIRE_OK);
        return (volatile uint8_t *)(uintptr_t)va;
}

static void unmap(volatile uint8_t *at)
{
        CHECK(quire_region_release(space, (uint64_t)(uintptr_t)at, 0) == QUIRE_OK);
}

static struct quire_counters counters(void)
{
        struct quire_counters c;

        quire_system_counters(sys, &c);
        return c;
}

/* ------------------------------------------------------------------------- tests */

#define ODD (40 * PG + 1234)

static void update_at_the_last_unmap(void)
{
        int fd = new_file(ODD);
        struct quire_grant *g = open_file(fd);
        volatile uint8_t *a = map(g, RW, 0);
        struct quire_object_info i;

        quire_object_describe(g, &i);
        CHECK_EQ(i.bytes, 41 * PG);
        CHECK_EQ(i.rights, RW | QUIRE_X);
        for (uint64_t k = 0; k < ODD; k += 97)
                CHECK_EQ(a[k], byte_of(k, 0));
        for (uint64_t k = ODD; k < 41 * PG; k++)
                CHECK_EQ(a[k], 0);               /* beyond the end */
        for (uint64_t k = 0; k < 41 * PG; k += 3 * PG)
                a[k] = byte_of(k, 1);
        a[ODD - 1] = 77;
        a[ODD] = 78;                             /* goes nowhere */
        quire_grant_close(g);
        unmap(a);
        CHECK_EQ(size_of(fd), ODD);
        for (uint64_t k = 0; k < ODD - 1; k++)
                CHECK_EQ(byte_in_file(fd, k), byte_of(k, k % (3 * PG) ? 0 : 1));
        CHECK_EQ(byte_in_file(fd, ODD - 1), 77);
        CHECK_EQ(counters().broken, 0);
        end_file(fd);
}

static void test_B60_the_file_is_updated_with_the_last_unmap(void)
{
        each_variant(update_at_the_last_unmap);
}

/* The child flushes and is killed. */
static void flush_and_die(void)
{
        int fd = new_file(8 * PG), status;
        pid_t pid = fork();

        if (!pid) {
                open_process();
                struct quire_grant *g = open_file(fd);
                volatile uint8_t *a = map(g, RW, 0);
                a[5] = 200;
                a[3 * PG + 1] = 201;
                bool ok = quire_object_flush(g, 0, 8 * PG) == QUIRE_OK;
                a[6] = 202;                      /* not flushed */
                if (ok)
                        (void)raise(SIGKILL);
                _exit(1);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK_EQ(byte_in_file(fd, 5), 200);
        CHECK_EQ(byte_in_file(fd, 6), byte_of(6, 0));
        CHECK_EQ(byte_in_file(fd, 3 * PG + 1), 201);
        end_file(fd);
}

static void test_B61_a_flush_lasts(void)
{
        for (v = variants; v < variants + VARIANTS; v++)
                if (v->faults != QUIRE_FAULTS_INLINE || can_inline())
                        flush_and_die();
}

static void look_at_dirty_pages(void)
{
        int fd = new_file(16 * PG);
        struct quire_grant *g = open_file(fd);
        volatile uint8_t *a = map(g, RW, 0);
        struct quire_range runs[4];
        uint64_t n = 4;

        a[2 * PG] = a[3 * PG] = a[9 * PG] = 1;
        CHECK(quire_object_dirty(g, 0, 16 * PG, runs, &n) == QUIRE_OK);
        CHECK_EQ(n, 2);
        CHECK(runs[0].first == 2 * PG && runs[0].pages == 2);
        CHECK(runs[1].first == 9 * PG && runs[1].pages == 1);
        CHECK(quire_object_flush(g, 2 * PG, 2 * PG) == QUIRE_OK);
        n = 4;
        CHECK(quire_object_dirty(g, 0, 16 * PG, runs, &n) == QUIRE_OK);
        CHECK_EQ(n, 1);
        CHECK_EQ(byte_in_file(fd, 3 * PG), 1);
        CHECK_EQ(byte_in_file(fd, 9 * PG), byte_of(9 * PG, 0));
        a[2 * PG] = 2;                           /* heard of again */
        CHECK(quire_object_flush(g, 0, 16 * PG) == QUIRE_OK);
        CHECK_EQ(byte_in_file(fd, 2 * PG), 2);
        quire_grant_close(g);
        unmap(a);
        end_file(fd);
}

static void test_B61_a_flush_is_of_a_range(void)
{
        each_variant(look_at_dirty_pages);
}

static void read_what_was_truncated(void)
{
        int fd = new_file(32 * PG);
        struct quire_grant *g = open_file(fd);
        volatile uint8_t *a = map(g, RW, 0);

        CHECK_EQ(a[0], byte_of(0, 0));
        a[30 * PG] = 9;                          /* modified, and then cut off */
        REQUIRE(!ftruncate(fd, (off_t)(10 * PG + 100)));
        for (uint64_t i = 1; i < 10; i++)
                CHECK_EQ(a[i * PG + 5], byte_of(i * PG + 5, 0));
        CHECK_EQ(signal_of(a + 10 * PG + 5, false), SIGBUS);
        CHECK_EQ(signal_of(a + 20 * PG, false), SIGBUS);
        CHECK_EQ(signal_of(a + 21 * PG, true), SIGBUS);
        CHECK_EQ(a[30 * PG], 9);
        CHECK(quire_object_flush(g, 0, 32 * PG) == QUIRE_IO_ERROR);
        CHECK_EQ(size_of(fd), 10 * PG + 100);    /* nor made longer again */
        CHECK_EQ(a[30 * PG], 9);                 /* nor forgotten */
        REQUIRE(!ftruncate(fd, (off_t)(32 * PG)));
        CHECK_EQ(a[20 * PG], 0);                 /* as the file has it now */
        CHECK(quire_object_flush(g, 0, 32 * PG) == QUIRE_OK);
        CHECK_EQ(byte_in_file(fd, 30 * PG), 9);
        quire_grant_close(g);
        unmap(a);
        end_file(fd);
}

static void test_D4_truncation_is_an_error_of_the_access(void)
{
        each_variant(read_what_was_truncated);
}

struct heard {
        atomic_uint_fast64_t va;
        atomic_uint reason;
        int fd;
};

static enum quire_verdict hear(void *context, struct quire_space *s, uint64_t va, unsigned access,
                               enum quire_reason reason)
{
        struct heard *h = context;

        (void)s;
        (void)access;
        h->va = va;
        h->reason = reason;
        return ftruncate(h->fd, (off_t)(4 * PG)) ? QUIRE_DENY : QUIRE_RESUME;
}

static void hear_of_truncation(void)
{
        int fd = new_file(4 * PG);
        struct quire_grant *g = open_file(fd);
        volatile uint8_t *a = map(g, R, 0);
        struct heard h = { .fd = fd };

        REQUIRE(!ftruncate(fd, 0));
        quire_space_on_denied(space, hear, &h);
        CHECK_EQ(a[2 * PG + 8], 0);
        CHECK_EQ(h.va & ~(PG - 1), (uint64_t)(uintptr_t)a + 2 * PG);
        CHECK_EQ(h.reason, QUIRE_WHY_IO_ERROR);
        quire_space_on_denied(space, NULL, NULL);
        quire_grant_close(g);
        unmap(a);
        end_file(fd);
}

static void test_D4_the_accessor_may_mend_the_file(void)
{
        each_variant(hear_of_truncation);
}

/* Every page is read, some are written, in an order that nobody guesses, and in order. */
static void page_a_large_file(void)
{
        uint64_t pages = 4 * MEMORY / PG, state = test_seed();
        int fd = new_file(pages * PG);
        struct quire_grant *g = open_file(fd);
        volatile uint8_t *a = map(g, RW, 0);
        uint8_t *version = calloc(pages, 1);
        struct quire_counters c;

        REQUIRE(version);
        for (uint64_t i = 0; i < pages; i++)
                CHECK_EQ(a[i * PG + i % PG], byte_of(i * PG + i % PG, 0));
        for (unsigned i = 0; i < 2000; i++) {
                uint64_t p = test_random(&state) % pages;
                CHECK_EQ(a[p * PG], version[p] ? byte_of(p, version[p]) : byte_of(p * PG, 0));
                if (test_random(&state) % 2)
                        a[p * PG] = byte_of(p, ++version[p]);
        }
        for (uint64_t i = pages; i-- > 0;)
                CHECK_EQ(a[i * PG], version[i] ? byte_of(i, version[i]) : byte_of(i * PG, 0));
        c = counters();
        CHECK(c.resident_peak <= MEMORY / PG);
        CHECK(c.pages_out && !c.broken && !c.io_errors && !c.file_pages_peak);
        quire_grant_close(g);
        unmap(a);
        for (uint64_t i = 0; i < pages; i++)
                CHECK_EQ(byte_in_file(fd, i * PG),
                         version[i] ? byte_of(i, version[i]) : byte_of(i * PG, 0));
        free(version);
        end_file(fd);
}

static void test_C5_a_file_larger_than_the_budget(void)
{
        each_variant(page_a_large_file);
}

static void look_through_two_views(void)
{
        int fd = new_file(8 * PG);
        struct quire_grant *g = open_file(fd), *less;
        volatile uint8_t *a = map(g, RW, 0), *b;
        uint64_t va;

        if (v->flags & QUIRE_FILE_SOLE) {
                CHECK(try_map(g, R, 0, &va) == QUIRE_BUSY);
                CHECK(try_map(g, RW, QUIRE_COPY, &va) == QUIRE_INVALID);
        } else {
                REQUIRE(quire_grant_narrow(g, R, &less) == QUIRE_OK);
                b = map(less, R, 0);
                a[3 * PG] = 55;
                CHECK_EQ(b[3 * PG], 55);
                CHECK(try_map(less, RW, 0, &va) == QUIRE_DENIED);
                CHECK(quire_object_flush(less, 0, 8 * PG) == QUIRE_DENIED);
                unmap(b);
                quire_grant_close(less);
        }
        quire_grant_close(g);
        unmap(a);
        end_file(fd);
}

static void test_B58_views_of_a_file_are_coherent(void)
{
        each_variant(look_through_two_views);
}

static void copy_on_write(void)
{
        int fd = new_file(8 * PG);
        struct quire_grant *g = open_with(fd, v->flags & ~(unsigned)QUIRE_FILE_SOLE);
        volatile uint8_t *a = map(g, RW, 0), *c = map(g, RW, QUIRE_COPY);

        CHECK_EQ(c[PG], byte_of(PG, 0));
        c[PG] = 99;
        c[7 * PG] = 98;
        a[2 * PG] = 97;
        CHECK_EQ(a[PG], byte_of(PG, 0));
        CHECK_EQ(c[2 * PG], 97);
        CHECK(quire_object_flush(g, 0, 8 * PG) == QUIRE_OK);
        CHECK_EQ(c[PG], 99);
        unmap(a);
        quire_grant_close(g);
        CHECK_EQ(c[7 * PG], 98);
        unmap(c);
        CHECK_EQ(byte_in_file(fd, PG), byte_of(PG, 0));
        CHECK_EQ(byte_in_file(fd, 7 * PG), byte_of(7 * PG, 0));
        CHECK_EQ(byte_in_file(fd, 2 * PG), 97);
        end_file(fd);
}

static void test_B40_a_view_that_copies_never_reaches_the_file(void)
{
        each_variant(copy_on_write);
}

static void read_only(void)
{
        int fd = new_file(4 * PG), reader = open(path, O_RDONLY | O_CLOEXEC);
        struct quire_grant *g;
        struct quire_object_info i;
        volatile uint8_t *a;
        uint64_t va;

        REQUIRE(reader >= 0);
        g = open_file(reader);
        CHECK(!close(reader));                   /* ours is our own */
        quire_object_describe(g, &i);
        CHECK_EQ(i.rights, QUIRE_R | QUIRE_X);
        CHECK(try_map(g, RW, 0, &va) == QUIRE_DENIED);
        a = map(g, R, 0);
        CHECK_EQ(a[PG], byte_of(PG, 0));
        CHECK_EQ(signal_of(a + PG, true), SIGSEGV);
        CHECK(quire_object_flush(g, 0, PG) == QUIRE_INVALID);
        if (!(v->flags & QUIRE_FILE_SOLE)) {
                volatile uint8_t *c = map(g, RW, QUIRE_COPY);
                c[PG] = 1;
                CHECK_EQ(a[PG], byte_of(PG, 0));
                unmap(c);
        }
        quire_grant_close(g);
        unmap(a);
        end_file(fd);
}

static void test_C5_a_descriptor_for_reading(void)
{
        each_variant(read_only);
}

static void open_a_range(void)
{
        const struct quire_file_options inside = { .offset = 2 * PG, .bytes = 3 * PG + 10,
                                                   .flags = v->flags };
        int fd = new_file(16 * PG);
        struct quire_grant *g = NULL;
        struct quire_object_info i;
        volatile uint8_t *a;

        REQUIRE(quire_file_open_path(process, path, &inside, &g) == QUIRE_OK);
        quire_object_describe(g, &i);
        CHECK_EQ(i.bytes, 4 * PG);
        a = map(g, RW, 0);
        CHECK_EQ(a[0], byte_of(2 * PG, 0));
        CHECK_EQ(a[3 * PG + 9], byte_of(5 * PG + 9, 0));
        CHECK_EQ(a[3 * PG + 10], 0);
        a[3 * PG + 9] = 1;
        a[3 * PG + 10] = 2;
        unmap(a);
        quire_grant_close(g);
        CHECK_EQ(byte_in_file(fd, 5 * PG + 9), 1);
        CHECK_EQ(byte_in_file(fd, 5 * PG + 10), byte_of(5 * PG + 10, 0));
        end_file(fd);
}

static void test_C5_a_range_of_a_file(void)
{
        each_variant(open_a_range);
}

static void refuse(void)
{
        int fd = new_file(4 * PG), other;
        struct quire_file_options o = { .offset = 4 * PG };
        struct quire_grant *g;

        CHECK(quire_file_open(process, -1, NULL, &g) == QUIRE_INVALID);
        CHECK(quire_file_open(process, fd, &o, &g) == QUIRE_INVALID);
        o = (struct quire_file_options){ .offset = 1 };
        CHECK(quire_file_open(process, fd, &o, &g) == QUIRE_INVALID);
        o = (struct quire_file_options){ .bytes = 4 * PG + 1 };
        CHECK(quire_file_open(process, fd, &o, &g) == QUIRE_INVALID);
        o = (struct quire_file_options){ .flags = 64 };
        CHECK(quire_file_open(process, fd, &o, &g) == QUIRE_INVALID);
        other = open(path, O_WRONLY | O_CLOEXEC);
        CHECK(quire_file_open(process, other, NULL, &g) == QUIRE_INVALID);
        CHECK(!close(other));
        other = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
        CHECK(quire_file_open(process, other, NULL, &g) == QUIRE_INVALID);
        CHECK(!close(other));
        other = open("/dev/null", O_RDWR | O_CLOEXEC);
        CHECK(quire_file_open(process, other, NULL, &g) == QUIRE_INVALID);
        CHECK(!close(other));
        CHECK(quire_file_open_path(process, "/tmp", NULL, &g) == QUIRE_INVALID);
        CHECK(quire_file_open_path(process, "/nowhere/at/all", NULL, &g) == QUIRE_NOT_PRESENT);
        end_file(fd);
}

static void test_C5_what_is_no_file_is_refused(void)
{
        each_variant(refuse);
}

/* What a child modifies stays there, and what the parent has reaches the file. */
static void fork_amid(void)
{
        int fd = new_file(64 * PG), status;
        struct quire_grant *g = open_file(fd);
        volatile uint8_t *a = map(g, RW, 0);
        pid_t pid;

        a[0] = 11;
        pid = fork();
        if (!pid) {
                bool ok = a[0] == 11 && a[40 * PG] == byte_of(40 * PG, 0);
                a[PG] = 12;
                ok = ok && quire_object_flush(g, 0, 64 * PG) == QUIRE_IO_ERROR && a[PG] == 12;
                _exit(ok ? 0 : 1);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
        CHECK_EQ(byte_in_file(fd, PG), byte_of(PG, 0));
        CHECK_EQ(a[PG], byte_of(PG, 0));
        CHECK(quire_object_flush(g, 0, 64 * PG) == QUIRE_OK);
        CHECK_EQ(byte_in_file(fd, 0), 11);
        quire_grant_close(g);
        unmap(a);
        end_file(fd);
}

static void test_B60_a_child_of_fork_leaves_the_file_alone(void)
{
        each_variant(fork_amid);
}

/* The same pages in the same order, as a program that starts. */
static void start_program(struct quire_grant *g)
{
        volatile uint8_t *a = map(g, R, 0);
        uint64_t state = 12345;

        for (unsigned i = 0; i < 300; i++) {
                uint64_t at = test_random(&state) % (4 * MEMORY / PG) * PG;
                CHECK_EQ(a[at], byte_of(at, 0));
        }
        unmap(a);
}

static void start_twice(void)
{
        int fd = new_file(4 * MEMORY);
        struct quire_grant *g = open_file(fd), *other;
        struct quire_record *record, *second;
        struct quire_replay *replay;
        uint64_t first, before;
        char set[96];

        (void)snprintf(set, sizeof(set), "%s.set", path);
        REQUIRE(quire_record_open(process, g, &record) == QUIRE_OK);
        CHECK(quire_record_open(process, g, &second) == QUIRE_BUSY);
        before = counters().faults_hard;
        start_program(g);
        first = counters().faults_hard - before;
        CHECK(first > 200);
        CHECK(quire_record_close(record, set) == QUIRE_OK);
        quire_grant_close(g);

        g = open_file(fd);
        REQUIRE(quire_replay_open(process, g, set, &replay) == QUIRE_OK);
        CHECK(quire_replay_close(replay, true) >= first * PG);
        CHECK(BECOMES(counters().pages_in >= 2 * first));        /* what is on its way, too */
        before = counters().faults_hard;
        start_program(g);
        CHECK((counters().faults_hard - before) * 20 < first);
        quire_grant_close(g);

        g = open_file(fd);                       /* at the same time */
        REQUIRE(quire_replay_open(process, g, set, &replay) == QUIRE_OK);
        start_program(g);
        (void)quire_replay_close(replay, false);
        REQUIRE(!truncate(set, 60));
        CHECK(quire_replay_open(process, g, set, &replay) == QUIRE_INVALID);
        CHECK(!unlink(set));
        CHECK(quire_replay_open(process, g, set, &replay) == QUIRE_NOT_PRESENT);
        quire_grant_close(g);
        end_file(fd);
        fd = new_file(PG);
        other = open_file(fd);
        CHECK(quire_replay_open(process, other, path, &replay) == QUIRE_INVALID);
        quire_grant_close(other);
        end_file(fd);
}

static enum quire_status fill_nothing(void *context, uint64_t offset, uint64_t bytes,
                                      unsigned access, void *const page[])
{
        (void)context;
        (void)offset;
        (void)access;
        for (uint64_t i = 0; i < bytes / PG; i++)
                memset(page[i], 1, PG);
        return QUIRE_OK;
}

/* More runs than a set has: it has the first, and that is said. */
static void touch_too_much(void)
{
        static const struct quire_pager pager = { .fill = fill_nothing };
        enum { RUNS = 65536 };
        const struct quire_object_request q = { .bytes = 2 * (RUNS + 8) * PG,
                                                .kind = QUIRE_CALLBACK, .pager = &pager };
        struct quire_grant *g = NULL;
        struct quire_record *record;
        struct stat info;
        volatile uint8_t *a;
        unsigned sum = 0;
        char set[96];

        (void)snprintf(set, sizeof(set), "%s.set", path);
        REQUIRE(quire_object_open(quire_process_system(process), &q, &g) == QUIRE_OK);
        REQUIRE(quire_record_open(process, g, &record) == QUIRE_OK);
        a = map(g, R, 0);
        REQUIRE(quire_region_advise(quire_process_space(process), (uintptr_t)a, q.bytes,
                                    QUIRE_RANDOM) == QUIRE_OK);
        for (uint64_t i = RUNS + 1; i-- > 0;)
                sum += a[2 * i * PG];
        CHECK_EQ(sum, RUNS + 1);
        CHECK(quire_record_close(record, set) == QUIRE_LIMIT);
        CHECK(!stat(set, &info) && info.st_size == 32 + RUNS * 16);
        CHECK(!unlink(set));
        unmap(a);
        quire_grant_close(g);
}

static void test_D1_a_set_that_is_full_says_so(void)
{
        first_variant(touch_too_much);
}

static void test_D1_a_second_start_finds_its_pages(void)
{
        each_variant(start_twice);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        catch_denied();
        RUN(test_B60_the_file_is_updated_with_the_last_unmap);
        RUN(test_B61_a_flush_lasts);
        RUN(test_B61_a_flush_is_of_a_range);
        RUN(test_D4_truncation_is_an_error_of_the_access);
        RUN(test_D4_the_accessor_may_mend_the_file);
        RUN(test_C5_a_file_larger_than_the_budget);
        RUN(test_B58_views_of_a_file_are_coherent);
        RUN(test_B40_a_view_that_copies_never_reaches_the_file);
        RUN(test_C5_a_descriptor_for_reading);
        RUN(test_C5_a_range_of_a_file);
        RUN(test_C5_what_is_no_file_is_refused);
        RUN(test_B60_a_child_of_fork_leaves_the_file_alone);
        RUN(test_D1_a_second_start_finds_its_pages);
        RUN(test_D1_a_set_that_is_full_says_so);
        return test_end();
}
