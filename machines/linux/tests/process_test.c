/*
 * process_test.c - Quire in this process: real faults, real signals, fork.
 *
 * Tests of paging run once for each way of resolving faults and for each
 * ability that can be missing (QUIRE_DISABLE).  What ends a program runs in a
 * child, whose status is looked at.
 */
#include "inline.h"
#include "test.h"
#include "quire/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define KEY 0x9e3779b97f4a7c15ull
#define MEMORY ((uint64_t)2 << 20)

struct variant {
        const char *disable;
        enum quire_faults faults;
        unsigned tier;
};

static const struct variant variants[] = {
        { "", QUIRE_FAULTS_INLINE, 255 },
        { "", QUIRE_FAULTS_INLINE, 0 },
        { "move", QUIRE_FAULTS_INLINE, 255 },
        { "write-protect", QUIRE_FAULTS_INLINE, 30 },
        { "move,write-protect", QUIRE_FAULTS_INLINE, 255 },
        { "io-uring,direct-io", QUIRE_FAULTS_INLINE, 255 },
        { "large-arena", QUIRE_FAULTS_INLINE, 255 },
        { "", QUIRE_FAULTS_THREAD, 255 },
        { "move,privileged-faults", QUIRE_FAULTS_THREAD, 30 },
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static struct quire_process *open_variant(const struct variant *v)
{
        struct quire_process_options o = { .memory = MEMORY, .faults = v->faults,
                                           .tier_percent = v->tier };
        struct quire_process *p = NULL;

        setenv("QUIRE_DISABLE", v->disable, 1);
        if (quire_process_open(&o, &p)) {
                fprintf(stderr, "%s\n", quire_process_problem());
                REQUIRE(p != NULL);
        }
        unsetenv("QUIRE_DISABLE");
        return p;
}

static void each_variant(void (*function)(struct quire_process *))
{
        for (unsigned i = 0; i < VARIANTS; i++) {
                if (variants[i].faults == QUIRE_FAULTS_INLINE && !can_inline())
                        continue;
                unsigned before = quire_test_state.bad;
                struct quire_process *p = open_variant(&variants[i]);
                function(p);
                quire_system_audit(quire_process_system(p));
                quire_process_close(p);
                if (quire_test_state.bad != before)
                        fprintf(stderr, "    without \"%s\", faults %d, tier %u\n",
                                variants[i].disable, (int)variants[i].faults, variants[i].tier);
        }
}

static struct quire_process *open_plainly(void)
{
        static const struct variant inlined = { "", QUIRE_FAULTS_INLINE, 0 };
        static const struct variant threads = { "", QUIRE_FAULTS_THREAD, 0 };

        return open_variant(can_inline() ? &inlined : &threads);
}

static uint64_t reserve(struct quire_process *p, uint64_t pages, enum quire_region_kind kind,
                        unsigned access)
{
        struct quire_request r = { .bytes = pages * PG, .kind = kind };
        uint64_t va = 0;

        REQUIRE(!quire_region_reserve(quire_process_space(p), &r, &va));
        if (access)
                REQUIRE(!quire_region_commit(quire_process_space(p), va, pages * PG, access));
        return va;
}

static volatile uint64_t *word_at(uint64_t va, uint64_t page, uint64_t word)
{
        return (uint64_t *)(uintptr_t)(va + page * PG) + word;
}

/* Contents that no compressor makes smaller. */
static void write_page(uint64_t va, uint64_t page, uint64_t version)
{
        uint64_t state = page * KEY + version;

        for (unsigned w = 0; w < 512; w++)
                *word_at(va, page, w) = test_random(&state);
}

static bool page_is(uint64_t va, uint64_t page, uint64_t version)
{
        uint64_t state = page * KEY + version;

        for (unsigned w = 0; w < 512; w++)
                if (*word_at(va, page, w) != test_random(&state))
                        return false;
        return true;
}

/* ------------------------------------------------------------------ paging */

static void page_data(struct quire_process *p)
{
        uint64_t pages = 8 * MEMORY / PG, state = test_seed();
        uint64_t va = reserve(p, pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        struct quire_counters c;
        uint8_t *version = calloc(pages, 1);

        REQUIRE(version);
        for (uint64_t i = 0; i < pages; i++)
                write_page(va, i, 0);
        for (uint64_t i = 0; i < pages; i++)
                CHECK(page_is(va, i, 0));
        for (unsigned i = 0; i < 1000; i++) {
                uint64_t page = test_random(&state) % pages;
                CHECK(page_is(va, page, version[page]));
                if (test_random(&state) % 2)
                        write_page(va, page, ++version[page]);
        }
        for (uint64_t i = pages; i-- > 0;)
                CHECK(page_is(va, i, version[i]));
        quire_system_counters(quire_process_system(p), &c);
        CHECK(c.resident_peak <= MEMORY / PG);
        CHECK(c.faults_hard > 0 && c.pages_out > 0 && !c.broken && !c.io_errors);
        free(version);
        REQUIRE(!quire_region_release(quire_process_space(p), va, 0));
}

static void test_B17_eight_times_the_memory_in_every_variant(void)
{
        each_variant(page_data);
}

#define ROUNDS 2000

struct adder {
        uint64_t va, pages, seed;
};

static void *add_everywhere(void *argument)
{
        struct adder *a = argument;
        uint64_t state = a->seed;

        for (unsigned i = 0; i < ROUNDS; i++) {
                uint64_t page = test_random(&state) % a->pages;
                __atomic_fetch_add(word_at(a->va, page, page % 512), 1, __ATOMIC_RELAXED);
        }
        return NULL;
}

static void add_from_threads(struct quire_process *p)
{
        uint64_t pages = 3 * MEMORY / PG, sum = 0;
        uint64_t va = reserve(p, pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        struct adder a[4];
        pthread_t thread[4];

        for (unsigned i = 0; i < 4; i++) {
                a[i] = (struct adder){ va, pages, test_seed() + i };
                REQUIRE(!pthread_create(&thread[i], NULL, add_everywhere, &a[i]));
        }
        for (unsigned i = 0; i < 4; i++)
                pthread_join(thread[i], NULL);
        for (uint64_t i = 0; i < pages; i++)
                sum += *word_at(va, i, i % 512);
        CHECK_EQ(sum, 4 * ROUNDS);
}

static void test_L_no_increment_is_lost(void)
{
        each_variant(add_from_threads);
}

static uint64_t count_maps(void)
{
        char buffer[4096];
        uint64_t lines = 0;
        ssize_t got;
        int fd = open("/proc/self/maps", O_RDONLY);

        REQUIRE(fd >= 0);
        while ((got = read(fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t i = 0; i < got; i++)
                        lines += buffer[i] == '\n';
        close(fd);
        return lines;
}

static void test_B35_a_million_protections_make_no_mapping(void)
{
        uint64_t pages = 1000000, before;
        struct quire_process *p = open_plainly();
        struct quire_space *s = quire_process_space(p);
        uint64_t va = reserve(p, pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);

        *word_at(va, 0, 0) = *word_at(va, 1, 0) = 1;
        before = count_maps();
        for (uint64_t i = 0; i < pages; i += 2)
                REQUIRE(!quire_region_protect(s, va + i * PG, PG, i % 4 ? QUIRE_R : 0, NULL));
        REQUIRE(!quire_region_guard(s, va + PG, PG));
        CHECK_EQ(count_maps(), before);
        /* (The last one that may still be written.) */
        *word_at(va, 3, 0) = 1;
        CHECK_EQ(*word_at(va, 2, 0), 0);
        CHECK_EQ(count_maps(), before);
        quire_process_close(p);
}

/* ----------------------------------------------------- signals and handlers */

static volatile sig_atomic_t seen_sig, seen_code, seen_blocked, seen_count;
static volatile uint64_t seen_va;
static uint64_t mend_va;         /* what the handler makes accessible again */
static struct quire_space *mend_space;

static void see(int sig, siginfo_t *info, void *context)
{
        sigset_t now;

        (void)context;
        seen_sig = sig;
        seen_code = info->si_code;
        seen_va = (uint64_t)(uintptr_t)info->si_addr;
        seen_count++;
        sigprocmask(SIG_BLOCK, NULL, &now);
        seen_blocked = sigismember(&now, SIGUSR1) + 2 * sigismember(&now, sig) +
                       4 * sigismember(&now, SIGUSR2);
        if (info->si_code <= 0)
                return;
        if (mend_space && quire_region_protect(mend_space, mend_va, PG, QUIRE_R | QUIRE_W, NULL))
                _exit(99);
        if (!mend_space)
                mprotect((void *)(uintptr_t)(seen_va & ~(PG - 1)), PG, PROT_READ | PROT_WRITE);
}

static void handle_with(void (*handler)(int, siginfo_t *, void *), int flags)
{
        struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

        sigemptyset(&act.sa_mask);
        sigaddset(&act.sa_mask, SIGUSR1);
        REQUIRE(!sigaction(SIGSEGV, &act, NULL));
        REQUIRE(!sigaction(SIGBUS, &act, NULL));
}

static void reset_handlers(void)
{
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        mend_space = NULL;
        seen_sig = seen_code = seen_count = 0;
}

/* What the previous handler sees of a denied access, and that it may mend it. */
static void deny_and_mend(struct quire_process *p, enum quire_region_kind kind)
{
        uint64_t va = reserve(p, 4, kind, QUIRE_R | QUIRE_W);

        mend_space = quire_process_space(p);
        mend_va = va + PG;
        *word_at(va, 1, 0) = 5;
        REQUIRE(!quire_region_protect(mend_space, va, 4 * PG, QUIRE_R, NULL));
        CHECK_EQ(*word_at(va, 1, 0), 5);
        seen_count = 0;
        *word_at(va, 1, 2) = 6;
        CHECK_EQ(seen_count, 1);
        CHECK_EQ(seen_sig, SIGSEGV);
        CHECK_EQ(seen_code, SEGV_ACCERR);
        CHECK_EQ(seen_va, va + PG + 16);
        CHECK_EQ(seen_blocked, 3);
        CHECK_EQ(*word_at(va, 1, 2), 6);
}

static void test_L_a_denied_access_reaches_the_previous_handler(void)
{
        struct quire_process *p;

        handle_with(see, 0);
        p = open_plainly();
        deny_and_mend(p, QUIRE_PAGED);
        deny_and_mend(p, QUIRE_PLAIN);
        quire_process_close(p);
        struct sigaction now;
        CHECK(!sigaction(SIGSEGV, NULL, &now) && now.sa_sigaction == see);
        CHECK(!sigaction(SIGBUS, NULL, &now) && now.sa_sigaction == see);
        reset_handlers();
}

static void test_B35_a_guard_alarms_once(void)
{
        struct quire_process *p;
        struct quire_space *s;
        uint64_t va;

        handle_with(see, 0);
        p = open_plainly();
        s = quire_process_space(p);
        va = reserve(p, 4, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        mend_space = s;
        mend_va = va;            /* (it has nothing to mend) */
        *word_at(va, 2, 0) = 7;
        REQUIRE(!quire_region_guard(s, va + 2 * PG, PG));
        CHECK_EQ(*word_at(va, 2, 0), 7);
        CHECK_EQ(seen_count, 1);
        CHECK_EQ(*word_at(va, 2, 0), 7);
        CHECK_EQ(seen_count, 1);
        quire_process_close(p);
        reset_handlers();
}

static void test_L_foreign_faults_reach_the_previous_handler(void)
{
        char path[] = "/tmp/quire-test-XXXXXX", *file, *anonymous;
        struct quire_process *p;
        int fd = mkstemp(path);

        REQUIRE(fd >= 0 && !unlink(path) && !ftruncate(fd, 2 * 4096));
        file = mmap(NULL, 2 * PG, PROT_READ, MAP_SHARED, fd, 0);
        anonymous = mmap(NULL, PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        handle_with(see, (int)SA_RESETHAND);
        p = open_plainly();
        *(volatile char *)(anonymous + 5) = 1;
        CHECK_EQ(seen_sig, SIGSEGV);
        CHECK_EQ(seen_va, (uintptr_t)anonymous + 5);
        CHECK_EQ(seen_blocked, 3);
        CHECK_EQ(anonymous[5], 1);
        /* It asked to be there once. */
        quire_process_close(p);
        struct sigaction now;
        CHECK(!sigaction(SIGSEGV, NULL, &now) && now.sa_handler == SIG_DFL);
        reset_handlers();
        handle_with(see, 0);
        p = open_plainly();
        CHECK(!raise(SIGSEGV));
        CHECK(seen_sig == SIGSEGV && seen_code <= 0);
        CHECK(!ftruncate(fd, 4096));
        quire_process_close(p);
        reset_handlers();
        close(fd);
        munmap(file, 2 * PG);
        munmap(anonymous, PG);
}

/* ------------------------------------------------ what ends a program (child) */

static int status_of(void (*function)(void *), void *argument)
{
        int status = 0;
        pid_t pid;

        fflush(stdout);
        fflush(stderr);
        pid = fork();
        if (!pid) {
                alarm(60);
                function(argument);
                _exit(0);
        }
        waitpid(pid, &status, 0);
        return status;
}

static bool killed_by(int status, int sig)
{
        return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

static void touch_truncated(void *argument)
{
        char path[] = "/tmp/quire-test-XXXXXX";
        int fd = mkstemp(path);
        volatile char *file;

        (void)argument;
        unlink(path);
        (void)open_plainly();
        file = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
        _exit(file[0]);
}

__attribute__((no_sanitize("undefined")))
static void touch_null(void *argument)
{
        if (argument)
                signal(SIGSEGV, SIG_IGN);
        (void)open_plainly();
        *(volatile char *)argument = 1;
}

static void touch_released(void *argument)
{
        struct quire_process *p = open_plainly();
        uint64_t va = reserve(p, 2, QUIRE_PAGED, QUIRE_R | QUIRE_W);

        *word_at(va, 0, 0) = 1;
        if (quire_region_release(quire_process_space(p), va, 0))
                _exit(3);
        *word_at(va, 0, 0) = (uint64_t)(uintptr_t)argument;
}

static void touch_reserved_plain(void *argument)
{
        struct quire_process *p = open_plainly();

        *word_at(reserve(p, 2, QUIRE_PLAIN, 0), 0, 0) = (uint64_t)(uintptr_t)argument;
}

static void send_signal(void *argument)
{
        (void)open_plainly();
        kill(getpid(), *(int *)argument);
}

static void test_L_what_would_end_a_program_ends_it(void)
{
        int segv = SIGSEGV, bus = SIGBUS;
        static char somewhere;

        CHECK(killed_by(status_of(touch_truncated, NULL), SIGBUS));
        CHECK(killed_by(status_of(touch_null, NULL), SIGSEGV));
        CHECK(killed_by(status_of(touch_released, NULL), SIGSEGV));
        CHECK(killed_by(status_of(touch_reserved_plain, NULL), SIGSEGV));
        CHECK(killed_by(status_of(send_signal, &segv), SIGSEGV));
        CHECK(killed_by(status_of(send_signal, &bus), SIGBUS));
        CHECK_EQ(status_of(touch_null, &somewhere), 0);
}

/* As if another thread had committed the page while the verdict is on its way. */
static enum quire_verdict commit_meanwhile(void *heard, struct quire_space *s, uint64_t va,
                                           unsigned access, enum quire_reason why)
{
        (void)access;
        (void)why;
        __atomic_add_fetch((unsigned *)heard, 1, __ATOMIC_RELAXED);
        return quire_region_commit(s, va & ~(PG - 1), PG, QUIRE_R | QUIRE_W) ? QUIRE_RESUME
                                                                             : QUIRE_DENY;
}

static void touch_what_is_committed_meanwhile(void *argument)
{
        static const struct variant threads = { "", QUIRE_FAULTS_THREAD, 0 };
        struct quire_process *p = open_variant(&threads);
        uint64_t va = reserve(p, 1, QUIRE_PAGED, 0);
        unsigned heard = 0;

        (void)argument;
        quire_space_on_denied(quire_process_space(p), commit_meanwhile, &heard);
        *word_at(va, 0, 0) = 7;
        if (*word_at(va, 0, 0) != 7 || __atomic_load_n(&heard, __ATOMIC_RELAXED) != 1)
                _exit(1);
}

/* A handler thread's verdict may be older than the access that it would meet. */
static void test_L_a_late_verdict_denies_nothing(void)
{
        CHECK_EQ(status_of(touch_what_is_committed_meanwhile, NULL), 0);
}

/* --------------------------------------------- handlers that touch paged memory */

enum { TICKS = 1500 };
static uint64_t tick_va, tick_pages, ticks;

/* Once: where a handler takes longer than the time between two, nothing else would run. */
static void arm_tick(void)
{
        const struct itimerval soon = { .it_value = { 0, 150 } };

        setitimer(ITIMER_REAL, &soon, NULL);
}

static void tick(int sig)
{
        (void)sig;
        (*word_at(tick_va, ticks++ * 7 % tick_pages, 3))++;
        if (ticks < TICKS)
                arm_tick();
}

static void tick_through_calls(struct quire_process *p)
{
        struct quire_space *s = quire_process_space(p);
        uint64_t sum = 0, va = reserve(p, 64, QUIRE_PAGED, 0);

        ticks = 0;
        tick_pages = 2 * MEMORY / PG;
        tick_va = reserve(p, tick_pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        signal(SIGALRM, tick);
        arm_tick();
        while (__atomic_load_n(&ticks, __ATOMIC_RELAXED) < TICKS) {
                REQUIRE(!quire_region_commit(s, va, 64 * PG, QUIRE_R | QUIRE_W));
                *word_at(va, 5, 0) = 1;
                REQUIRE(!quire_region_decommit(s, va, 64 * PG));
        }
        signal(SIGALRM, SIG_DFL);
        for (uint64_t i = 0; i < tick_pages; i++)
                sum += *word_at(tick_va, i, 3);
        CHECK_EQ(sum, ticks);
}

static void test_L_handlers_of_the_program_touch_paged_memory(void)
{
        if (!can_inline())
                SKIP("the sanitizer keeps signals back until a system call of its own kind");
        each_variant(tick_through_calls);
}

/* --------------------------------------------------------------------- fork */

static bool all_are(uint64_t va, uint64_t pages, uint64_t version)
{
        for (uint64_t i = 0; i < pages; i++)
                if (!page_is(va, i, version))
                        return false;
        return true;
}

static int fork_and(int (*child)(uint64_t va, uint64_t pages), uint64_t va, uint64_t pages)
{
        pid_t pid;

        fflush(stdout);
        fflush(stderr);
        pid = fork();
        if (!pid) {
                alarm(100);
                _exit(child(va, pages));
        }
        return pid;
}

static int exit_status(int pid)
{
        int status = 0;

        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int read_back(uint64_t va, uint64_t pages)
{
        return !all_are(va, pages, 1);
}

static int write_and_fork(uint64_t va, uint64_t pages)
{
        if (!all_are(va, pages, 1))
                return 1;
        for (uint64_t i = 0; i < pages; i += 2)
                write_page(va, i, 2);
        for (uint64_t i = 1; i < pages; i += 2)
                write_page(va, i, 1);
        for (uint64_t i = 0; i < pages; i++)
                if (!page_is(va, i, i % 2 ? 1 : 2))
                        return 2;
        for (uint64_t i = 0; i < pages; i += 2)
                write_page(va, i, 1);
        int pid = fork_and(read_back, va, pages);
        for (uint64_t i = 0; i < pages; i++)
                write_page(va, i, 3);
        if (exit_status(pid))
                return 3;
        return all_are(va, pages, 3) ? 0 : 4;
}

static void fork_and_write(struct quire_process *p)
{
        uint64_t pages = 2 * MEMORY / PG;
        uint64_t va = reserve(p, pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        int pid;

        for (uint64_t i = 0; i < pages; i++)
                write_page(va, i, 1);
        pid = fork_and(write_and_fork, va, pages);
        for (uint64_t i = 0; i < pages; i++)
                write_page(va, i, 9);
        CHECK(all_are(va, pages, 9));
        CHECK_EQ(exit_status(pid), 0);
        CHECK(all_are(va, pages, 9));
}

static void test_L_a_forked_child_sees_memory_as_it_was(void)
{
        each_variant(fork_and_write);
}

/* Slots kept for children come back when those are gone, also by exec. */
static void test_L_slots_kept_for_children_are_given_back(void)
{
        struct quire_process_options o = { .memory = MEMORY, .tier_percent = 255,
                                           .pagefile_size = 4 * MEMORY,
                                           .commit_limit = 64 * MEMORY,
                                           .faults = can_inline() ? QUIRE_FAULTS_INLINE
                                                                  : QUIRE_FAULTS_THREAD };
        uint64_t pages = 3 * MEMORY / PG;
        struct quire_process *p;

        REQUIRE(!quire_process_open(&o, &p));
        uint64_t va = reserve(p, pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        for (uint64_t version = 1; version < 8; version++) {
                for (uint64_t i = 0; i < pages; i++)
                        write_page(va, i, version);
                pid_t pid = fork();
                if (!pid) {
                        if (version % 2)
                                execl("/bin/true", "true", (char *)NULL);
                        _exit(0);
                }
                CHECK_EQ(exit_status(pid), 0);
        }
        CHECK(all_are(va, pages, 7));
        quire_process_close(p);
}

static void *fork_often(void *argument)
{
        (void)argument;
        for (unsigned i = 0; i < 8; i++) {
                pid_t pid = fork();
                if (!pid)
                        _exit(0);
                CHECK_EQ(exit_status(pid), 0);
        }
        return NULL;
}

static void fork_amid_faults(struct quire_process *p)
{
        uint64_t pages = 3 * MEMORY / PG, sum = 0;
        uint64_t va = reserve(p, pages, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        struct adder a[3];
        pthread_t thread[3], forker;

        for (unsigned i = 0; i < 3; i++) {
                a[i] = (struct adder){ va, pages, test_seed() + i };
                REQUIRE(!pthread_create(&thread[i], NULL, add_everywhere, &a[i]));
        }
        REQUIRE(!pthread_create(&forker, NULL, fork_often, NULL));
        for (unsigned i = 0; i < 3; i++)
                pthread_join(thread[i], NULL);
        pthread_join(forker, NULL);
        for (uint64_t i = 0; i < pages; i++)
                sum += *word_at(va, i, i % 512);
        CHECK_EQ(sum, 3 * ROUNDS);
}

static void test_L_fork_amid_the_faults_of_others(void)
{
        each_variant(fork_amid_faults);
}

/* ------------------------------------------------------------------ opening */

static bool refused(struct quire_process_options o, enum quire_status st, const char *word)
{
        struct quire_process *p;

        if (!CHECK_EQ(quire_process_open(&o, &p), st))
                return false;
        return CHECK(strstr(quire_process_problem(), word));
}

static void test_L_bad_options_get_one_clear_line(void)
{
        struct quire_process *p, *other;
        struct quire_process_options good = { .memory = MEMORY };

        refused((struct quire_process_options){ .memory = 4096 }, QUIRE_INVALID, "the least is");
        refused((struct quire_process_options){ .memory = MEMORY + 1 }, QUIRE_INVALID, "multiples");
        refused((struct quire_process_options){ .memory = MEMORY, .policy = "best" }, QUIRE_INVALID,
                "policy");
        refused((struct quire_process_options){ .memory = MEMORY, .tier_percent = 90 },
                QUIRE_INVALID, "80 percent");
        refused((struct quire_process_options){ .memory = MEMORY, .pagefile = "/nowhere/x" },
                QUIRE_IO_ERROR, "/nowhere/x");
        setenv("QUIRE_DISABLE", "userfaultfd", 1);
        refused(good, QUIRE_UNSUPPORTED, "userfaultfd");
        setenv("QUIRE_DISABLE", "inline-faults", 1);
        refused((struct quire_process_options){ .memory = MEMORY, .faults = QUIRE_FAULTS_INLINE },
                QUIRE_UNSUPPORTED, "inline");
        unsetenv("QUIRE_DISABLE");
        REQUIRE(!quire_process_open(&good, &p));
        CHECK_EQ(quire_process_open(&good, &other), QUIRE_BUSY);
        quire_process_close(p);
        REQUIRE(!quire_process_open(&good, &p));
        quire_process_close(p);
}

static void open_in_little(void *argument)
{
        struct rlimit limit = { (rlim_t)1 << 30, (rlim_t)1 << 30 };
        struct quire_process *p;

        (void)argument;
        setrlimit(RLIMIT_AS, &limit);
        p = open_plainly();
        uint64_t va = reserve(p, 8 * MEMORY / PG, QUIRE_PAGED, QUIRE_R | QUIRE_W);
        for (uint64_t i = 0; i < 8 * MEMORY / PG; i++)
                write_page(va, i, 0);
        for (uint64_t i = 0; i < 8 * MEMORY / PG; i++)
                if (!page_is(va, i, 0))
                        _exit(1);
        /* There is address space left for the program itself. */
        void *own = malloc((size_t)256 << 20);
        _exit(!own);
}

/* An eighth of ulimit -v for each thing that wants much. */
static void test_L_a_limit_on_addresses_is_shared(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        CHECK_EQ(status_of(open_in_little, NULL), 0);
#else
        (void)open_in_little;
        SKIP("a sanitizer wants all addresses");
#endif
}

static void test_L_probe_lists_abilities_and_obeys_disable(void)
{
        struct quire_ability all[64];
        unsigned n = quire_process_probe(all, 64), found = 0;

        REQUIRE(n > 8 && n <= 64);
        CHECK_EQ(quire_process_probe(all, 2), n);
        for (unsigned i = 0; i < n; i++) {
                setenv("QUIRE_DISABLE", all[i].name, 1);
                struct quire_ability again[64];
                REQUIRE(quire_process_probe(again, 64) == n);
                CHECK(!again[i].present && again[i].how[0] && again[i].enable[0]);
                CHECK(all[i].present ? !all[i].enable[0] : all[i].enable[0]);
                found += !strcmp(all[i].name, "move") || !strcmp(all[i].name, "io-uring");
        }
        CHECK_EQ(found, 2);
        unsetenv("QUIRE_DISABLE");
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_B17_eight_times_the_memory_in_every_variant);
        RUN(test_L_no_increment_is_lost);
        RUN(test_B35_a_million_protections_make_no_mapping);
        RUN(test_L_a_denied_access_reaches_the_previous_handler);
        RUN(test_B35_a_guard_alarms_once);
        RUN(test_L_foreign_faults_reach_the_previous_handler);
        RUN(test_L_what_would_end_a_program_ends_it);
        RUN(test_L_a_late_verdict_denies_nothing);
        RUN(test_L_handlers_of_the_program_touch_paged_memory);
        RUN(test_L_a_forked_child_sees_memory_as_it_was);
        RUN(test_L_slots_kept_for_children_are_given_back);
        RUN(test_L_fork_amid_the_faults_of_others);
        RUN(test_L_bad_options_get_one_clear_line);
        RUN(test_L_a_limit_on_addresses_is_shared);
        RUN(test_L_probe_lists_abilities_and_obeys_disable);
        return test_end();
}
