/*
 * thread_test.c - what only handler threads can get wrong: alarms on their way, and
 * threads that are stopped in system calls.
 */
#include "inline.h"
#include "test.h"
#include "quire/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define MEMORY ((uint64_t)2 << 20)

static struct quire_process *open_threads(void)
{
        struct quire_process_options o = { .memory = MEMORY, .faults = QUIRE_FAULTS_THREAD,
                                           .tier_percent = 255 };
        struct quire_process *p = NULL;

        REQUIRE(!quire_process_open(&o, &p));
        return p;
}

static uint64_t reserve(struct quire_process *p, uint64_t pages)
{
        struct quire_request r = { .bytes = pages * PG };
        uint64_t va = 0;

        REQUIRE(!quire_region_reserve(quire_process_space(p), &r, &va));
        REQUIRE(!quire_region_commit(quire_process_space(p), va, pages * PG, QUIRE_R | QUIRE_W));
        return va;
}

static volatile uint64_t *word_at(uint64_t va, uint64_t page)
{
        return (uint64_t *)(uintptr_t)(va + page * PG);
}

/*
 * An alarm on its way while its thread is called away: the page's bar is opened
 * meanwhile, the mark is gone with the verdict, and the alarm sounds all the same.
 *
 * The verdict is given while the thread waits in its fault; the callback, which runs
 * before the bar is raised, sends it the signal.
 */
struct calling {
        pthread_t thread;
        uint64_t va;                             /* of 64 pages; the 33rd is the guard's */
        atomic_int away, back;
        bool in_call;                            /* away, it waits in a system call */
};

static struct calling called;
static atomic_uint alarms;

static void stay_away(int sig)
{
        struct timespec moment = { .tv_nsec = 1000000 };

        (void)sig;
        atomic_store(&called.away, 1);
        while (!atomic_load(&called.back))
                if (called.in_call)
                        nanosleep(&moment, NULL);
}

static void count_alarm(int sig, siginfo_t *info, void *context)
{
        (void)sig;
        (void)info;
        (void)context;
        if (atomic_fetch_add(&alarms, 1) > 2)
                _exit(98);
}

static enum quire_verdict call_away(void *context, struct quire_space *s, uint64_t va,
                                    unsigned access, enum quire_reason why)
{
        (void)context;
        (void)s;
        (void)va;
        (void)access;
        if (why == QUIRE_WHY_GUARD && !atomic_load(&called.away)) {
                pthread_kill(called.thread, SIGUSR1);
                while (!atomic_load(&called.away))
                        sched_yield();
        }
        return QUIRE_DENY;
}

static void *touch_guarded(void *argument)
{
        *word_at(called.va, 32) = (uint64_t)(uintptr_t)argument;
        return NULL;
}

/* Is the page's mapping without access? */
static bool is_barred(uint64_t va)
{
        char line[256], wanted[64];
        bool found = false;
        FILE *maps = fopen("/proc/self/maps", "r");

        REQUIRE(maps);
        snprintf(wanted, sizeof(wanted), "%" PRIx64 "-%" PRIx64 " ", va, va + PG);
        while (!found && fgets(line, sizeof(line), maps))
                found = !strncmp(line, wanted, strlen(wanted)) && !strstr(line, " rw");
        fclose(maps);
        return found;
}

static void drop_it(struct quire_space *s)
{
        REQUIRE(!quire_region_discard(s, called.va + 32 * PG, PG));
}

static void show_and_drop_it(struct quire_space *s)
{
        REQUIRE(!quire_region_lock(s, called.va + 32 * PG, PG));
        REQUIRE(!quire_region_unlock(s, called.va + 32 * PG, PG));
        REQUIRE(!quire_region_discard(s, called.va + 32 * PG, PG));
}

/* A run of faults that leads there, and would bring the page in with others. */
static void come_near(struct quire_space *s)
{
        (void)s;
        for (uint64_t i = 0; i < 64; i++)
                if (i != 32)
                        *word_at(called.va, i) = i;
}

static void alarm_amid(void (*disturb)(struct quire_space *), bool in_call)
{
        struct sigaction act = { .sa_sigaction = count_alarm, .sa_flags = SA_SIGINFO };
        struct quire_process *p;

        REQUIRE(!sigaction(SIGSEGV, &act, NULL) && !sigaction(SIGBUS, &act, NULL));
        signal(SIGUSR1, stay_away);
        p = open_threads();
        called.va = reserve(p, 64);
        called.in_call = in_call;
        atomic_store(&called.away, 0);
        atomic_store(&called.back, 0);
        atomic_store(&alarms, 0);
        REQUIRE(!quire_region_guard(quire_process_space(p), called.va + 32 * PG, PG));
        quire_space_on_denied(quire_process_space(p), call_away, NULL);
        REQUIRE(!pthread_create(&called.thread, NULL, touch_guarded, (void *)7));
        while (!is_barred(called.va + 32 * PG))
                sched_yield();
        disturb(quire_process_space(p));
        atomic_store(&called.back, 1);
        pthread_join(called.thread, NULL);
        CHECK_EQ(atomic_load(&alarms), 1);
        CHECK_EQ(*word_at(called.va, 32), 7);
        CHECK_EQ(atomic_load(&alarms), 1);
        quire_process_close(p);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        signal(SIGUSR1, SIG_DFL);
}

static void test_L_an_alarm_is_owed_until_it_sounds(void)
{
        if (!can_inline())
                SKIP("the sanitizer keeps signals back until a system call");
        alarm_amid(drop_it, false);
        alarm_amid(show_and_drop_it, false);
        alarm_amid(come_near, false);
}

/* Not that call meets the bar, but the access, later. */
static void wait_long(struct quire_space *s)
{
        struct timespec moment = { .tv_nsec = 20000000 };

        (void)s;
        nanosleep(&moment, NULL);
}

static void test_L_an_alarm_outlasts_the_calls_of_a_handler(void)
{
        if (!can_inline())
                SKIP("the sanitizer keeps signals back until a system call");
        alarm_amid(wait_long, true);
        alarm_amid(drop_it, true);
}

/* Writes that a thread has begun itself arrive, though it is stopped in a system call
 * by a fault that waits for them. */
static void read_into_absent_pages(void)
{
        struct quire_process *p = open_threads();
        struct quire_space *s = quire_process_space(p);
        uint64_t pages = 8 * MEMORY / PG, run = 64, state = test_seed(), held;
        uint64_t va = reserve(p, pages);
        int fd = open("/dev/urandom", O_RDONLY);

        for (unsigned i = 0; i < 600; i++) {
                uint64_t at = va + test_random(&state) % (pages - run) * PG;
                if (!quire_region_hold(s, at, run * PG, QUIRE_W, &held))
                        quire_region_unhold(s, at, run * PG);
                at = va + test_random(&state) % (pages - run) * PG;
                ssize_t got = read(fd, (void *)(uintptr_t)at, run * PG);
                if (got < 0 && errno == EFAULT)
                        _exit(0);                /* not privileged: nobody waits */
                if (got <= 0)
                        _exit(1);
        }
}

static void test_L_writes_arrive_though_their_thread_is_stopped(void)
{
        int status = -1;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        if (!pid) {
                alarm(60);
                read_into_absent_pages();
                _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && !status);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_L_an_alarm_is_owed_until_it_sounds);
        RUN(test_L_an_alarm_outlasts_the_calls_of_a_handler);
        RUN(test_L_writes_arrive_though_their_thread_is_stopped);
        return test_end();
}
