/*
 * machine_test.c - the Linux machine alone, under the smallest core there is
 * (tiny.c), with each ability and without it.
 *
 * Every test of paging runs once for each row of `variants': what QUIRE_DISABLE
 * names is gone, and what stands in for it must give the same results.
 */
#include "inline.h"
#include "test.h"
#include "internal.h"
#include "tiny.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define M (&quire_linux_machine_ops)
#define H (&quire_linux_host_ops)
#define KEY 0x9e3779b97f4a7c15ull

struct variant {
        const char *disable;
        enum quire_faults faults;
};

static const struct variant variants[] = {
        { "", QUIRE_FAULTS_INLINE },
        { "move", QUIRE_FAULTS_INLINE },
        { "write-protect", QUIRE_FAULTS_INLINE },
        { "move,write-protect", QUIRE_FAULTS_INLINE },
        { "large-arena", QUIRE_FAULTS_INLINE },
        { "", QUIRE_FAULTS_THREAD },
        { "privileged-faults", QUIRE_FAULTS_THREAD },
        { "move", QUIRE_FAULTS_THREAD },
        { "inline-faults", QUIRE_FAULTS_AUTO },
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static const struct variant *variant;

static void each_variant(void (*function)(void))
{
        for (unsigned i = 0; i < VARIANTS; i++) {
                variant = &variants[i];
                if (variant->faults == QUIRE_FAULTS_INLINE && !can_inline())
                        continue;
                setenv("QUIRE_DISABLE", variant->disable, 1);
                unsigned before = quire_test_state.bad;
                function();
                if (quire_test_state.bad != before)
                        fprintf(stderr, "    without \"%s\", faults %d\n", variant->disable,
                                (int)variant->faults);
        }
        unsetenv("QUIRE_DISABLE");
}

static struct tiny *open_tiny(struct tiny_options o)
{
        struct tiny *t;

        o.faults = variant->faults;
        t = tiny_open(&o);
        REQUIRE(t);
        return t;
}

static uint64_t *word_of(const struct tiny *t, uint64_t page, uint64_t word)
{
        return (uint64_t *)(void *)(tiny_base(t) + page * TINY_PAGE) + word;
}

/* ------------------------------------------------------------------ paging */

static void write_and_read(struct tiny_options o)
{
        struct tiny *t = open_tiny(o);

        for (uint64_t i = 0; i < o.pages; i++) {
                CHECK_EQ(*word_of(t, i, 5), 0);
                *word_of(t, i, 0) = i * KEY;
                *word_of(t, i, 511) = ~i;
        }
        for (uint64_t i = 0; i < o.pages; i++) {
                CHECK_EQ(*word_of(t, i, 0), i * KEY);
                CHECK_EQ(*word_of(t, i, 511), ~i);
                CHECK_EQ(*word_of(t, i, 5), 0);
        }
        tiny_evict_all(t);
        for (uint64_t i = o.pages; i-- > 0;)
                CHECK_EQ(*word_of(t, i, 0), i * KEY);
        tiny_close(t);
}

static void paging(void)
{
        write_and_read((struct tiny_options){ .pages = 512, .frames = 128 });
        write_and_read((struct tiny_options){ .pages = 512, .frames = 128,
                                              .read_only_first = true });
        write_and_read((struct tiny_options){ .pages = 300, .frames = 96, .disk = true });
        /* At an address that the arena does not cover. */
        write_and_read((struct tiny_options){ .pages = 200, .frames = 64, .away = true });
}

static void test_L_paging_in_every_variant(void)
{
        each_variant(paging);
}

#define HAMMERS 4
#define ROUNDS 6000

static void *hammer(void *argument)
{
        struct tiny *t = argument;
        uint64_t state = (uint64_t)(uintptr_t)&state;

        for (unsigned i = 0; i < ROUNDS; i++) {
                uint64_t page = test_random(&state) % 256;
                __atomic_fetch_add(word_of(t, page, page % 512), 1, __ATOMIC_RELAXED);
        }
        return NULL;
}

static void hammering(void)
{
        struct tiny *t = open_tiny((struct tiny_options){ .pages = 256, .frames = 64,
                                                          .read_only_first = true });
        pthread_t thread[HAMMERS];
        uint64_t sum = 0;

        for (unsigned i = 0; i < HAMMERS; i++)
                REQUIRE(!pthread_create(&thread[i], NULL, hammer, t));
        for (unsigned i = 0; i < HAMMERS; i++)
                pthread_join(thread[i], NULL);
        for (uint64_t i = 0; i < 256; i++)
                sum += *word_of(t, i, i % 512);
        CHECK_EQ(sum, HAMMERS * ROUNDS);
        tiny_close(t);
}

static void test_L_increments_of_four_threads_are_all_there(void)
{
        each_variant(hammering);
}

static uint64_t count_present(uint64_t va, uint64_t pages)
{
        unsigned char in[512];
        uint64_t n = 0;

        for (uint64_t at = 0; at < pages; at += sizeof(in)) {
                uint64_t some = pages - at < sizeof(in) ? pages - at : sizeof(in);
                void *from = (void *)(uintptr_t)(va + at * TINY_PAGE);
                REQUIRE(!mincore(from, some * TINY_PAGE, in));
                for (uint64_t i = 0; i < some; i++)
                        n += in[i] & 1;
        }
        return n;
}

/* Pages that exist in the range and the pool, as the kernel counts them. */
static void residency(void)
{
        struct tiny *t = open_tiny((struct tiny_options){ .pages = 4096, .frames = 512 });
        struct quire_linux *l = tiny_linux(t);
        uint64_t most = 0;

        for (uint64_t i = 0; i < 4096; i++) {
                *word_of(t, i * 7 % 4096, 1) = i;
                if (i % 64 != 63)
                        continue;
                H->lock(quire_linux_host(l));
                uint64_t now = count_present((uint64_t)(uintptr_t)tiny_base(t), 4096) +
                               count_present(l->pool.base, l->pool.ready);
                H->unlock(quire_linux_host(l));
                most = now > most ? now : most;
        }
        CHECK(most >= 400);
        CHECK(most <= 512 + quire_linux_slack(l));
        tiny_close(t);
}

static void test_L_residency_stays_within_frames_and_slack(void)
{
        each_variant(residency);
}

/* ----------------------------------------------------------------- verdicts */

static void *touch_later(void *argument)
{
        struct tiny *t = argument;

        *word_of(t, 3, 0) += 7;
        return NULL;
}

static void pending(void)
{
        struct tiny *t = open_tiny((struct tiny_options){ .pages = 64, .frames = 64 });
        pthread_t thread;

        tiny_hold_back(t, 3);
        REQUIRE(!pthread_create(&thread, NULL, touch_later, t));
        while (!tiny_held_back(t))
                sched_yield();
        tiny_release(t, QUIRE_RESUME);
        pthread_join(thread, NULL);
        CHECK_EQ(*word_of(t, 3, 0), 7);
        tiny_close(t);
}

static void test_L_a_pending_fault_waits_for_its_verdict(void)
{
        each_variant(pending);
}

/* In a child: the access must end it, or reach its handler, as without Quire. */
enum how { HOW_DEFAULT, HOW_IGNORED, HOW_BLOCKED, HOW_HANDLED };

static volatile uint64_t met_va;
static volatile int met_code;

static void meet(int sig, siginfo_t *info, void *context)
{
        (void)context;
        met_va = (uint64_t)(uintptr_t)info->si_addr;
        met_code = info->si_code;
        _exit(sig == SIGSEGV && met_code == SEGV_ACCERR ? 42 : 43);
}

static void set_up_how(enum how how)
{
        struct sigaction act = { .sa_handler = SIG_DFL };
        sigset_t set;

        if (how == HOW_IGNORED)
                act.sa_handler = SIG_IGN;
        if (how == HOW_HANDLED) {
                act.sa_sigaction = meet;
                act.sa_flags = SA_SIGINFO;
        }
        sigaction(SIGSEGV, &act, NULL);
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        if (how == HOW_BLOCKED)
                sigprocmask(SIG_BLOCK, &set, NULL);
}

static int deny_child(enum how how, bool late)
{
        struct tiny *t;
        pthread_t thread;

        signal(SIGABRT, SIG_DFL);
        set_up_how(how);
        t = open_tiny((struct tiny_options){ .pages = 64, .frames = 64 });
        if (late) {
                tiny_hold_back(t, 3);
                if (pthread_create(&thread, NULL, touch_later, t))
                        return 1;
                while (!tiny_held_back(t))
                        sched_yield();
                tiny_release(t, QUIRE_DENY);
                pthread_join(thread, NULL);
                return 2;
        }
        tiny_deny(t, 3, true);
        *word_of(t, 3, 0) = 1;
        return 2;
}

static int status_of(enum how how, bool late)
{
        int status = 0;
        pid_t pid;

        fflush(stdout);
        fflush(stderr);
        pid = fork();
        if (!pid) {
                alarm(20);
                _exit(deny_child(how, late));
        }
        waitpid(pid, &status, 0);
        return status;
}

static bool killed_by(int status, int sig)
{
        return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

static void denial(void)
{
        CHECK(killed_by(status_of(HOW_DEFAULT, false), SIGSEGV));
        CHECK(killed_by(status_of(HOW_IGNORED, false), SIGSEGV));
        CHECK(killed_by(status_of(HOW_BLOCKED, false), SIGSEGV));
        CHECK_EQ(WEXITSTATUS(status_of(HOW_HANDLED, false)), 42);
        CHECK(killed_by(status_of(HOW_DEFAULT, true), SIGSEGV));
        CHECK_EQ(WEXITSTATUS(status_of(HOW_HANDLED, true)), 42);
}

static void test_L_a_denied_access_ends_as_without_quire(void)
{
        each_variant(denial);
}

/* With handler threads and privilege, system calls are faults like any other. */
static void test_L_system_calls_touch_absent_and_denied_pages(void)
{
        static const struct variant threads = { "", QUIRE_FAULTS_THREAD };
        char bytes[2 * TINY_PAGE];
        struct tiny *t;
        int pipes[2];

        if (geteuid())
                SKIP("wants a privileged userfaultfd");
        variant = &threads;
        t = open_tiny((struct tiny_options){ .pages = 64, .frames = 64 });
        memset(tiny_base(t), 'x', 2 * TINY_PAGE);
        tiny_evict_all(t);
        REQUIRE(!pipe(pipes));
        CHECK_EQ(write(pipes[1], tiny_base(t), 2 * TINY_PAGE), 2 * TINY_PAGE);
        tiny_evict_all(t);
        CHECK_EQ(read(pipes[0], bytes, sizeof(bytes)), sizeof(bytes));
        CHECK(bytes[0] == 'x' && bytes[sizeof(bytes) - 1] == 'x');
        CHECK_EQ(write(pipes[1], bytes, 100), 100);
        CHECK_EQ(read(pipes[0], tiny_base(t) + 5 * TINY_PAGE, 100), 100);
        CHECK(tiny_base(t)[5 * TINY_PAGE + 99] == 'x');
        tiny_deny(t, 9, true);
        errno = 0;
        CHECK_EQ(write(pipes[1], tiny_base(t) + 9 * TINY_PAGE, 10), -1);
        CHECK_EQ(errno, EFAULT);
        /* The page opens again as soon as it is allowed. */
        tiny_deny(t, 9, false);
        CHECK_EQ(*word_of(t, 9, 0), 0);
        CHECK_EQ(write(pipes[1], tiny_base(t) + 9 * TINY_PAGE, 10), 10);
        close(pipes[0]);
        close(pipes[1]);
        tiny_close(t);
}

/* ------------------------------------------------------------- translations */

struct rig {
        struct tiny *t;
        struct quire_machine *m;
        struct quire_mspace *s;
        uint64_t va;             /* beside the tiny core's own range */
};

static struct rig open_rig(void)
{
        struct rig r = { .t = open_tiny((struct tiny_options){ .pages = 64, .frames = 512 }) };

        r.m = quire_linux_machine(tiny_linux(r.t));
        r.s = tiny_space(r.t);
        r.va = (uint64_t)(uintptr_t)tiny_base(r.t) + 1024 * TINY_PAGE;
        REQUIRE(!M->reserve(r.s, r.va, 1024, NULL, NULL));
        return r;
}

static void close_rig(struct rig *r)
{
        M->release(r->s, r->va, 1024);
        tiny_close(r->t);
}

static void fill_frames(struct rig *r, quire_frame *frames, uint64_t n, uint64_t key)
{
        for (uint64_t i = 0; i < n; i++) {
                REQUIRE(!M->frame_alloc(r->m, NULL, 0, QUIRE_ANY_FILL, &frames[i]));
                uint64_t *w = M->frame_window(r->m, frames[i]);
                REQUIRE(w);
                memset(w, 0, TINY_PAGE);
                w[0] = key + i;
        }
}

static void runs(void)
{
        struct rig r = open_rig();
        quire_frame frames[QUIRE_RUN_MAX];
        volatile uint64_t *at = (uint64_t *)(uintptr_t)r.va;

        for (uint64_t n = 1; n <= QUIRE_RUN_MAX; n = n * 3 + 1) {
                fill_frames(&r, frames, n, n * 100);
                for (unsigned access = QUIRE_R; access <= (QUIRE_R | QUIRE_W); access += QUIRE_W) {
                        REQUIRE(!M->enter(r.s, r.va, n, frames, access));
                        for (uint64_t i = 0; i < n; i++) {
                                CHECK_EQ(at[i * 512], n * 100 + i);
                                CHECK(!M->frame_window(r.m, frames[i]));
                        }
                        REQUIRE(!M->take(r.s, r.va, n, frames));
                }
                for (uint64_t i = 0; i < n; i++) {
                        uint64_t *w = M->frame_window(r.m, frames[i]);
                        CHECK(w && w[0] == n * 100 + i && !w[511]);
                        M->frame_free(r.m, frames[i]);
                }
        }
        close_rig(&r);
}

static void test_L_runs_of_frames_enter_and_leave(void)
{
        each_variant(runs);
}

/* Neighbours that were mapped and used apart are two mappings to the kernel. */
static void across(void)
{
        struct rig r = open_rig();
        uint64_t first = tiny_elsewhere(16);
        volatile uint64_t *at = (uint64_t *)(uintptr_t)first;
        quire_frame frames[16];

        REQUIRE(!M->reserve(r.s, first, 8, NULL, NULL));
        REQUIRE(!M->reserve(r.s, first + 8 * TINY_PAGE, 8, NULL, NULL));
        fill_frames(&r, frames, 16, 200);
        REQUIRE(!M->enter(r.s, first + 9 * TINY_PAGE, 1, frames + 9, QUIRE_R | QUIRE_W));
        REQUIRE(!M->enter(r.s, first + TINY_PAGE, 1, frames + 1, QUIRE_R | QUIRE_W));
        REQUIRE(!M->take(r.s, first + TINY_PAGE, 1, frames + 1));
        REQUIRE(!M->take(r.s, first + 9 * TINY_PAGE, 1, frames + 9));
        for (unsigned access = QUIRE_R; access <= (QUIRE_R | QUIRE_W); access += QUIRE_W) {
                REQUIRE(!M->enter(r.s, first, 16, frames, access));
                M->protect(r.s, first, 16, QUIRE_R);
                for (unsigned i = 0; i < 16; i++)
                        CHECK_EQ(at[i * 512], 200 + i);
                REQUIRE(!M->take(r.s, first, 16, frames));
        }
        for (unsigned i = 0; i < 16; i++)
                M->frame_free(r.m, frames[i]);
        M->release(r.s, first, 16);
        close_rig(&r);
}

static void test_L_runs_cross_mappings(void)
{
        each_variant(across);
}

/* M3: a hole in the middle, and nothing has changed. */
static void holes(void)
{
        struct rig r = open_rig();
        quire_frame frames[5];
        volatile uint64_t *at = (uint64_t *)(uintptr_t)r.va;

        fill_frames(&r, frames, 5, 50);
        REQUIRE(!M->enter(r.s, r.va, 2, frames, QUIRE_R | QUIRE_W));
        REQUIRE(!M->enter(r.s, r.va + 3 * TINY_PAGE, 2, frames + 3, QUIRE_R | QUIRE_W));
        CHECK_EQ(M->take(r.s, r.va, 5, frames), QUIRE_NOT_PRESENT);
        CHECK_EQ(at[0], 50);
        CHECK_EQ(at[512], 51);
        CHECK_EQ(at[3 * 512], 53);
        CHECK(!M->frame_window(r.m, frames[0]) && !M->frame_window(r.m, frames[4]));
        /* Something is shown where the third would go: none of it goes. */
        uint64_t *w = M->frame_window(r.m, frames[2]);
        CHECK(w && w[0] == 52);
        REQUIRE(!M->take(r.s, r.va, 2, frames));
        CHECK(M->enter(r.s, r.va + TINY_PAGE, 3, frames, QUIRE_R | QUIRE_W));
        w = M->frame_window(r.m, frames[0]);
        CHECK(w && w[0] == 50);
        CHECK_EQ(at[3 * 512], 53);
        REQUIRE(!M->enter(r.s, r.va, 3, frames, QUIRE_R | QUIRE_W));
        for (uint64_t i = 0; i < 5; i++)
                CHECK_EQ(at[i * 512], 50 + i);
        M->drop(r.s, r.va, 5);
        for (uint64_t i = 0; i < 5; i++)
                M->frame_free(r.m, frames[i]);
        close_rig(&r);
}

static void test_L_a_call_that_fails_changes_nothing(void)
{
        each_variant(holes);
}

/* Zeroes are zeroes, whatever page was lying about. */
static void zeroes(void)
{
        struct rig r = open_rig();
        quire_frame frames[16];
        volatile uint64_t *at = (uint64_t *)(uintptr_t)r.va;

        for (unsigned round = 0; round < 8; round++) {
                fill_frames(&r, frames, 16, 1);
                for (unsigned i = 0; i < 16; i++)
                        M->frame_free(r.m, frames[i]);
                for (unsigned i = 0; i < 16; i++) {
                        REQUIRE(!M->frame_alloc(r.m, NULL, 0, QUIRE_ZEROED, &frames[i]));
                        if (i % 3 == 0)
                                CHECK_EQ(*(uint64_t *)M->frame_window(r.m, frames[i]), 0);
                        REQUIRE(!M->enter(r.s, r.va + i * TINY_PAGE, 1, &frames[i],
                                          i % 2 ? QUIRE_R : QUIRE_R | QUIRE_W));
                        CHECK_EQ(at[i * 512], 0);
                }
                M->drop(r.s, r.va, 16);
                for (unsigned i = 0; i < 16; i++)
                        M->frame_free(r.m, frames[i]);
        }
        close_rig(&r);
}

static void test_L_zeroed_frames_read_as_zeroes(void)
{
        each_variant(zeroes);
}

/* ------------------------------------------------------------------- ranges */

/* Two pages of somebody's, alone in the middle of 16. */
static void check_obstacle(struct rig *r)
{
        struct quire_range obstacle = { 0, 0 };
        char *map = (char *)(uintptr_t)tiny_elsewhere(16);
        uint64_t first = (uint64_t)(uintptr_t)map;
        const struct quire_linux *l = tiny_linux(r->t);

        REQUIRE(mmap(map + 7 * TINY_PAGE, 2 * TINY_PAGE, PROT_READ,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
        CHECK_EQ(M->reserve(r->s, first, 16, NULL, &obstacle), QUIRE_CONFLICT);
        CHECK_EQ(obstacle.first, first + 7 * TINY_PAGE);
        CHECK_EQ(obstacle.pages, 2);
        CHECK_EQ(M->delegate(r->s, first, 16, NULL, &obstacle), QUIRE_CONFLICT);
        CHECK_EQ(obstacle.first, first + 7 * TINY_PAGE);
        CHECK(!quire_linux_owns(l, first));
        REQUIRE(!M->reserve(r->s, first, 7, NULL, &obstacle));
        REQUIRE(!M->reserve(r->s, first + 9 * TINY_PAGE, 7, NULL, &obstacle));
        CHECK(quire_linux_owns(l, first + 6 * TINY_PAGE + 5));
        CHECK(!quire_linux_owns(l, first + 7 * TINY_PAGE));
        CHECK(quire_linux_owns(l, first + 9 * TINY_PAGE));
        M->release(r->s, first + 2 * TINY_PAGE, 3);
        CHECK(quire_linux_owns(l, first + TINY_PAGE));
        CHECK(!quire_linux_owns(l, first + 2 * TINY_PAGE));
        CHECK(quire_linux_owns(l, first + 5 * TINY_PAGE));
        CHECK_EQ(map[7 * TINY_PAGE], 0);
        M->release(r->s, first, 2);
        M->release(r->s, first + 5 * TINY_PAGE, 2);
        M->release(r->s, first + 9 * TINY_PAGE, 7);
        CHECK(!quire_linux_owns(l, first));
        munmap(map + 7 * TINY_PAGE, 2 * TINY_PAGE);
}

static void test_L_obstacles_are_named(void)
{
        static const struct variant ways[] = { { "", QUIRE_FAULTS_THREAD },
                                               { "map-query", QUIRE_FAULTS_THREAD } };

        for (unsigned i = 0; i < 2; i++) {
                setenv("QUIRE_DISABLE", ways[i].disable, 1);
                variant = &ways[i];
                struct rig r = open_rig();
                check_obstacle(&r);
                close_rig(&r);
        }
        unsetenv("QUIRE_DISABLE");
}

/* Ranges of many sizes come and go at addresses of their own. */
static void test_L_chunks_join_and_part(void)
{
        static const struct variant threads = { "", QUIRE_FAULTS_THREAD };
        uint64_t state = test_seed();
        unsigned char claimed[256] = { 0 };
        struct rig r;

        variant = &threads;
        r = open_rig();
        uint64_t first = tiny_elsewhere(256);
        for (unsigned i = 0; i < 2000; i++) {
                uint64_t at = test_random(&state) % 256, n = 1 + test_random(&state) % 8;
                n = at + n > 256 ? 256 - at : n;
                unsigned busy = 0;
                for (uint64_t k = at; k < at + n; k++)
                        busy += claimed[k];
                if (busy == n) {
                        M->release(r.s, first + at * TINY_PAGE, n);
                } else if (!busy) {
                        CHECK(!M->reserve(r.s, first + at * TINY_PAGE, n, NULL, NULL));
                } else {
                        struct quire_range obstacle;
                        CHECK_EQ(M->reserve(r.s, first + at * TINY_PAGE, n, NULL, &obstacle),
                                 QUIRE_CONFLICT);
                        continue;
                }
                memset(claimed + at, !busy, n);
                for (uint64_t k = 0; k < 256; k++)
                        CHECK_EQ(quire_linux_owns(tiny_linux(r.t), first + k * TINY_PAGE),
                                 claimed[k]);
        }
        for (uint64_t k = 0; k < 256; k++)
                if (claimed[k])
                        M->release(r.s, first + k * TINY_PAGE, 1);
        close_rig(&r);
}

/* A plain range: zeroes without a fault of ours, access, watching. */
static void check_plain(struct rig *r, uint64_t va)
{
        volatile uint64_t *at = (uint64_t *)(uintptr_t)va;
        uint64_t faults = tiny_faults(r->t);
        uint8_t bits[32];

        REQUIRE(!M->delegate(r->s, va, 32, NULL, NULL));
        REQUIRE(!M->delegate_protect(r->s, va, 32, QUIRE_R | QUIRE_W));
        for (unsigned i = 0; i < 32; i++)
                CHECK_EQ(at[i * 512], 0);
        at[3 * 512] = 3;
        if (!M->delegate_watch(r->s, va, 32)) {
                CHECK_EQ(M->harvest(r->s, va, 32, bits), QUIRE_OK);
                CHECK(!bits[3] && !bits[4]);
                at[3 * 512] = 4;
                at[20 * 512] = 5;
                CHECK_EQ(M->harvest(r->s, va, 32, bits), QUIRE_OK);
                for (unsigned i = 0; i < 32; i++)
                        CHECK_EQ(bits[i], i == 3 || i == 20 ? QUIRE_MODIFIED : 0);
                CHECK_EQ(M->harvest(r->s, va, 32, bits), QUIRE_OK);
                CHECK(!bits[3] && !bits[20]);
        }
        at[5 * 512] = 9;
        M->delegate_discard(r->s, va + 5 * TINY_PAGE, 1);
        CHECK_EQ(at[5 * 512], 0);
        CHECK(at[3 * 512] != 0);
        M->delegate_release(r->s, va, 32);
        REQUIRE(!M->delegate(r->s, va, 32, NULL, NULL));
        REQUIRE(!M->delegate_protect(r->s, va, 32, QUIRE_R));
        for (unsigned i = 0; i < 32; i++)
                CHECK_EQ(at[i * 512], 0);
        M->delegate_release(r->s, va, 32);
        CHECK_EQ(tiny_faults(r->t), faults);
}

static void test_L_plain_ranges_cost_no_fault(void)
{
        static const char *const without[] = { "", "pagemap-scan", "async-write-protect" };

        for (unsigned i = 0; i < 3; i++) {
                static const struct variant threads = { "", QUIRE_FAULTS_THREAD };
                struct rig r;

                setenv("QUIRE_DISABLE", without[i], 1);
                variant = &threads;
                r = open_rig();
                uint64_t plain = M->abilities(r.m)->plain.first;
                check_plain(&r, plain);
                check_plain(&r, plain + 64 * TINY_PAGE);
                check_plain(&r, tiny_elsewhere(32));
                /* Against the grain: a plain range in the arena and back. */
                check_plain(&r, r.va + 2048 * TINY_PAGE);
                close_rig(&r);
        }
        unsetenv("QUIRE_DISABLE");
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_L_paging_in_every_variant);
        RUN(test_L_increments_of_four_threads_are_all_there);
        RUN(test_L_residency_stays_within_frames_and_slack);
        RUN(test_L_a_pending_fault_waits_for_its_verdict);
        RUN(test_L_a_denied_access_ends_as_without_quire);
        RUN(test_L_system_calls_touch_absent_and_denied_pages);
        RUN(test_L_runs_of_frames_enter_and_leave);
        RUN(test_L_runs_cross_mappings);
        RUN(test_L_a_call_that_fails_changes_nothing);
        RUN(test_L_zeroed_frames_read_as_zeroes);
        RUN(test_L_obstacles_are_named);
        RUN(test_L_chunks_join_and_part);
        RUN(test_L_plain_ranges_cost_no_fault);
        return test_end();
}
