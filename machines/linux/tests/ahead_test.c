/*
 * ahead_test.c - files that are read in sequence: long runs are moved to where they are
 * read, if nobody can write there meanwhile, and come from the disk by way of a huge page.
 *
 * The calls of userfaultfd go through here (the linker's --wrap): they are counted,
 * and the moment between moving and protecting is made long.
 */
#include "disk_file.h"
#include "inline.h"
#include "owner.h"
#include "quire/file.h"
#include "sys.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define MB ((uint64_t)1 << 20)

static struct quire_process *process;
static struct quire_space *space;

/* ------------------------------------------------------------- in between the calls */

static atomic_uint_fast64_t base, end;           /* of the view */
static atomic_uint_fast64_t latest;              /* where pages were moved in it of late */
static atomic_uint moved;                        /* pages moved there to be protected */
static atomic_bool tarry;

long __real_quire_uffd_move(struct quire_linux *, uint64_t, uint64_t, uint64_t, uint64_t *);
long __wrap_quire_uffd_move(struct quire_linux *, uint64_t, uint64_t, uint64_t, uint64_t *);
long __real_quire_uffd_protect(struct quire_linux *, uint64_t, uint64_t, bool);
long __wrap_quire_uffd_protect(struct quire_linux *, uint64_t, uint64_t, bool);

static bool in_view(uint64_t va)
{
        return va >= base && va < end;
}

long __wrap_quire_uffd_move(struct quire_linux *l, uint64_t to, uint64_t from, uint64_t pages,
                            uint64_t *done)
{
        long failed = __real_quire_uffd_move(l, to, from, pages, done);

        if (in_view(to))
                latest = to;
        return failed;
}

long __wrap_quire_uffd_protect(struct quire_linux *l, uint64_t va, uint64_t pages, bool wp)
{
        if (wp && in_view(va) && va == latest)
                moved += (unsigned)pages;
        if (wp && tarry && in_view(va))
                for (unsigned i = 0; i < 10; i++)
                        (void)sys_call3(SYS_sched_yield, 0, 0, 0);
        return __real_quire_uffd_protect(l, va, pages, wp);
}

/* ---------------------------------------------------------------------------- stage */

static char path[64];

/* A view of a new file of so many bytes, which can only be read. */
static volatile uint8_t *view_of_file(uint64_t bytes)
{
        const struct quire_file_options o = { .flags = QUIRE_FILE_SOLE | QUIRE_FILE_READ_ONLY };
        struct quire_request q = { .bytes = (bytes + PG - 1) & ~(PG - 1), .access = QUIRE_R };
        uint64_t va = 0;
        int fd = disk_file(path, bytes);

        REQUIRE(quire_file_open(process, fd, &o, &q.grant) == QUIRE_OK);
        CHECK(!close(fd));
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        quire_grant_close(q.grant);
        end = va + q.bytes;
        base = va;
        latest = 0;
        moved = 0;
        return (volatile uint8_t *)(uintptr_t)va;
}

static void end_view(volatile uint8_t *view)
{
        CHECK(quire_region_release(space, (uint64_t)(uintptr_t)view, 0) == QUIRE_OK);
        CHECK(!unlink(path));
        base = end = 0;
}

static void stage_open(uint64_t memory, enum quire_faults faults)
{
        const struct quire_process_options o = { .memory = memory, .faults = faults };

        if (quire_process_open(&o, &process)) {
                fprintf(stderr, "%s\n", quire_process_problem());
                REQUIRE(false);
        }
        space = quire_process_space(process);
}

static void stage_close(void)
{
        quire_system_audit(quire_process_system(process));
        quire_process_close(process);
}

/* One byte of each page from one to another that is not as the file has it. */
static uint64_t count_wrong(volatile uint8_t *view, uint64_t from, uint64_t to)
{
        uint64_t wrong = 0;

        for (uint64_t at = from; at < to; at += PG)
                wrong += view[at + at / PG % PG] != byte_of(at + at / PG % PG, 0);
        return wrong;
}

static bool is_alone(void)
{
        return quire_alone(process->l);
}

/* --------------------------------------------------------------------------- alone */

static void *wait_for_byte(void *argument)
{
        const int *fd = argument;
        char byte;

        CHECK_EQ(read(*fd, &byte, 1), 1);
        return NULL;
}

static void test_alone_is_who_has_no_other_thread(void)
{
        pthread_t thread;
        int ends[2];

        if (!can_inline())
                SKIP("the tool has a thread of its own");
        stage_open(8 * MB, QUIRE_FAULTS_INLINE);
        REQUIRE(!pipe(ends));
        CHECK(BECOMES(is_alone()));
        REQUIRE(!pthread_create(&thread, NULL, wait_for_byte, &ends[0]));
        CHECK(!is_alone());
        CHECK_EQ(write(ends[1], "x", 1), 1);
        REQUIRE(!pthread_join(thread, NULL));
        CHECK(BECOMES(is_alone()));                /* (the kernel lets go of it later) */
        CHECK(!close(ends[0]) && !close(ends[1]));
        end_view(view_of_file(PG));              /* and with it our readers began */
        CHECK(BECOMES(is_alone()));
        stage_close();
}

static void test_alone_is_nobody_beside_handler_threads(void)
{
        stage_open(8 * MB, QUIRE_FAULTS_THREAD);
        CHECK(!is_alone());
        stage_close();
}

static void test_alone_is_a_child_of_fork(void)
{
        int status = 0;
        pid_t child;

        if (!can_inline())
                SKIP("faults of a child are resolved inline");
        stage_open(8 * MB, QUIRE_FAULTS_INLINE);
        end_view(view_of_file(PG));
        child = fork();
        REQUIRE(child >= 0);
        if (!child)
                _exit(!is_alone());
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK_EQ(status, 0);
        CHECK(BECOMES(is_alone()));
        stage_close();
}

/* -------------------------------------------------------------------------- moving */

static void test_runs_that_are_read_move_and_refuse_writes(void)
{
        enum { BYTES = 24 << 20 };
        volatile uint8_t *view;
        uint64_t written = 0;

        if (!can_inline())
                SKIP("needs faults inline");
        stage_open(8 * MB, QUIRE_FAULTS_INLINE);
        if (!(process->l->can & CAN_MOVE) || !(process->l->can & CAN_WP))
                SKIP("this kernel does not move or not protect");
        view = view_of_file(BYTES);
        CHECK(BECOMES(is_alone()));
        CHECK_EQ(count_wrong(view, 0, BYTES), 0);        /* until pages are reused for long */
        CHECK_EQ(count_wrong(view, 0, BYTES / 2), 0);
        moved = 0;
        CHECK_EQ(count_wrong(view, BYTES / 2, BYTES), 0);
        CHECK(moved > BYTES / 2 / PG / 2);
        for (uint64_t at = BYTES / 2; at < BYTES; at += PG) {
                CHECK_EQ(view[at], byte_of(at, 0));
                if (at / PG % 5 == 0)
                        written += !signal_of(view + at, true);
        }
        CHECK_EQ(written, 0);
        CHECK_EQ(count_wrong(view, 0, BYTES), 0);
        end_view(view);
        stage_close();
}

/* What may be written somewhere is never moved to be protected then: its writes are to
 * be noticed. */
static void test_what_may_be_written_does_not_move_to_be_protected(void)
{
        struct quire_request q = { .bytes = 16 * MB, .kind = QUIRE_PAGED };
        uint64_t va, wrong = 0;

        if (!can_inline())
                SKIP("needs faults inline");
        stage_open(8 * MB, QUIRE_FAULTS_INLINE);
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK &&
                quire_region_commit(space, va, q.bytes, QUIRE_R | QUIRE_W) == QUIRE_OK);
        for (uint64_t at = va; at < va + q.bytes; at += 8)
                *(volatile uint64_t *)(uintptr_t)at = at * 0x9e3779b97f4a7c15u;
        end = va + q.bytes;
        base = va;
        moved = 0;
        for (uint64_t at = va; at < va + q.bytes; at += PG)
                wrong += *(volatile uint64_t *)(uintptr_t)at != at * 0x9e3779b97f4a7c15u;
        CHECK_EQ(wrong, 0);
        CHECK_EQ(moved, 0);
        base = end = 0;
        CHECK(quire_region_release(space, va, 0) == QUIRE_OK);
        stage_close();
}

struct writer {
        volatile uint8_t *view;
        uint64_t bytes, tried, written;
        atomic_bool stop;
};

static void *write_on(void *argument)
{
        struct writer *w = argument;
        uint64_t state = 1;

        for (; !w->stop; w->tried++) {
                uint64_t at = (latest ? latest - base : 0) + test_random(&state) % (64 * PG);

                w->written += !signal_of(w->view + at % w->bytes, true);
        }
        return NULL;
}

static void test_no_write_slips_in_beside_another_thread(void)
{
        struct writer w = { .bytes = 24 * MB };
        pthread_t thread;

        stage_open(8 * MB, can_inline() ? QUIRE_FAULTS_INLINE : QUIRE_FAULTS_THREAD);
        w.view = view_of_file(w.bytes);
        tarry = true;
        REQUIRE(!pthread_create(&thread, NULL, write_on, &w));
        for (unsigned round = 0; round < 8; round++)
                CHECK_EQ(count_wrong(w.view, 0, w.bytes), 0);
        w.stop = true;
        REQUIRE(!pthread_join(thread, NULL));
        tarry = false;
        CHECK(w.tried > 0);
        CHECK_EQ(w.written, 0);
        CHECK_EQ(count_wrong(w.view, 0, w.bytes), 0);
        end_view(w.view);
        stage_close();
}

/* -------------------------------------------------------------------- the huge page */

static bool has_bounced(void)
{
        return LOAD(&process->bounce) != 0;
}

static void test_long_reads_go_by_way_of_a_huge_page(void)
{
        enum { BYTES = (40 << 20) + 1234 };
        struct quire_counters c;
        volatile uint8_t *view;
        int status = 0;
        pid_t child;

        stage_open(48 * MB, can_inline() ? QUIRE_FAULTS_INLINE : QUIRE_FAULTS_THREAD);
        view = view_of_file(BYTES);
        CHECK_EQ(count_wrong(view, 0, BYTES / 2), 0);
        CHECK(BECOMES(has_bounced()));             /* or it was refused, and all is read still */
        child = can_inline() ? fork() : -1;
        if (!child) {                            /* which has none, and reads on */
                uint64_t wrong = count_wrong(view, 0, BYTES - PG);
                _exit(wrong || process->bounce);
        }
        CHECK_EQ(count_wrong(view, 0, BYTES - PG), 0);
        for (uint64_t at = BYTES & ~(PG - 1); at < BYTES; at++)
                CHECK_EQ(view[at], byte_of(at, 0));
        CHECK_EQ(view[BYTES], 0);
        CHECK(child < 0 || (waitpid(child, &status, 0) == child && !status));
        quire_system_counters(quire_process_system(process), &c);
        CHECK(!c.broken && !c.io_errors);
        /* with the huge page, it is no more than was given */
        if (process->bounce > 1)
                CHECK(quire_budget_set(quire_process_system(process), 5 * MB / 2) ==
                      QUIRE_NO_MEMORY);
        end_view(view);
        stage_close();
}

static void test_a_small_budget_has_no_huge_page(void)
{
        stage_open(16 * MB, can_inline() ? QUIRE_FAULTS_INLINE : QUIRE_FAULTS_THREAD);
        volatile uint8_t *view = view_of_file(20 * MB);
        CHECK_EQ(count_wrong(view, 0, 20 * MB), 0);
        CHECK(!has_bounced());
        end_view(view);
        stage_close();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        catch_denied();
        RUN(test_alone_is_who_has_no_other_thread);
        RUN(test_alone_is_nobody_beside_handler_threads);
        RUN(test_alone_is_a_child_of_fork);
        RUN(test_runs_that_are_read_move_and_refuse_writes);
        RUN(test_what_may_be_written_does_not_move_to_be_protected);
        RUN(test_no_write_slips_in_beside_another_thread);
        RUN(test_long_reads_go_by_way_of_a_huge_page);
        RUN(test_a_small_budget_has_no_huge_page);
        return test_end();
}
