/*
 * subject_threads.c - threads: many, short, cancelled, on stacks of their own.
 */
#include "subject.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define THREADS 8

static atomic_int bad, done;
static __thread int mine = 5;

/* --------------------------------------------------------------- sharing */

static char *shared;

static void *work(void *arg)
{
        uintptr_t i = (uintptr_t)arg;
        size_t part = SUBJECT_LARGE / THREADS;
        char *p = shared + i * part;

        mine += (int)i;
        for (uint64_t round = 0; round < 2; round++) {
                subject_fill(p, part, i + round * 100);
                char *own = malloc(100000);
                memset(own, (int)i, 100000);
                if (!subject_is(p, part, i + round * 100) || own[77777] != (char)i)
                        bad++;
                free(own);
        }
        return (void *)(uintptr_t)mine;
}

static int run_work(void)
{
        pthread_t t[THREADS];
        uintptr_t sum = 0;

        shared = subject_map(SUBJECT_LARGE);
        for (uintptr_t i = 0; i < THREADS; i++)
                pthread_create(&t[i], NULL, work, (void *)i);
        for (int i = 0; i < THREADS; i++) {
                void *r;
                pthread_join(t[i], &r);
                sum += (uintptr_t)r;
        }
        subject_say("sum %d bad %d mine %d", (int)sum, bad, mine);
        return 0;
}

static void *brief(void *arg)
{
        done++;
        return arg;
}

static int run_many(void)
{
        pthread_attr_t detached;

        for (int i = 0; i < 500; i++) {
                pthread_t t;
                if (pthread_create(&t, NULL, brief, NULL) || pthread_join(t, NULL))
                        bad++;
        }
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        for (int i = 0; i < 200; i++) {
                pthread_t t;
                if (pthread_create(&t, &detached, brief, NULL))
                        bad++;
        }
        while (done < 700)
                usleep(1000);
        subject_say("done %d bad %d", done, bad);
        return 0;
}

/* ---------------------------------------------------------------- waiting */

struct meeting {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        int value;
        sem_t sem;
        pthread_barrier_t barrier;
};

static void *meet(void *arg)
{
        struct meeting *m = arg;

        for (int i = 0; i < 300; i++) {
                pthread_mutex_lock(&m->lock);
                m->value++;
                pthread_cond_broadcast(&m->changed);
                pthread_mutex_unlock(&m->lock);
        }
        pthread_barrier_wait(&m->barrier);
        sem_post(&m->sem);
        return NULL;
}

static int run_meeting(void)
{
        /* Locks in pages that go away as often as can be. */
        struct meeting *m = subject_map(sizeof(*m));
        struct timespec soon;
        pthread_t t[4];

        pthread_mutex_init(&m->lock, NULL);
        pthread_cond_init(&m->changed, NULL);
        sem_init(&m->sem, 0, 0);
        pthread_barrier_init(&m->barrier, NULL, 5);
        for (int i = 0; i < 4; i++)
                pthread_create(&t[i], NULL, meet, m);
        pthread_mutex_lock(&m->lock);
        while (m->value < 1200) {
                subject_cold(m, sizeof(*m));
                pthread_cond_wait(&m->changed, &m->lock);
        }
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 5000000;
        if (soon.tv_nsec >= 1000000000) {
                soon.tv_sec++;
                soon.tv_nsec -= 1000000000;
        }
        subject_cold(m, sizeof(*m));
        int r = pthread_cond_timedwait(&m->changed, &m->lock, &soon);
        subject_say("value %d timed out %d", m->value, r == ETIMEDOUT);
        pthread_mutex_unlock(&m->lock);
        pthread_barrier_wait(&m->barrier);
        for (int i = 0; i < 4; i++)
                sem_wait(&m->sem);
        for (int i = 0; i < 4; i++)
                pthread_join(t[i], NULL);
        subject_say("met");
        return 0;
}

/* ------------------------------------------------------------- cancellation */

static int pipe_ends[2];

static void cleaned(void *arg)
{
        subject_say("cleaned up after %s", (const char *)arg);
        done++;
}

static void *blocked_read(void *arg)
{
        char c[100];

        pthread_cleanup_push(cleaned, "read");
        done++;
        if (read(pipe_ends[0], c, sizeof(c)) >= 0)
                bad++;
        pthread_cleanup_pop(0);
        return arg;
}

static void *blocked_sleep(void *arg)
{
        pthread_cleanup_push(cleaned, "sleep");
        done++;
        sleep(30);
        pthread_cleanup_pop(0);
        return arg;
}

static void *spinning(void *arg)
{
        int old;

        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
        done++;
        for (;;)
                ;
        return arg;
}

static int run_cancel(void)
{
        void *(*const body[])(void *) = { blocked_read, blocked_sleep, spinning };

        if (pipe(pipe_ends))
                return 1;
        for (int i = 0; i < 3; i++) {
                pthread_t t;
                void *r;
                done = 0;
                pthread_create(&t, NULL, body[i], NULL);
                while (!done)
                        usleep(1000);
                usleep(20000);
                pthread_cancel(t);
                pthread_join(t, &r);
                subject_say("cancelled %d", r == PTHREAD_CANCELED);
        }
        return 0;
}

/* --------------------------------------------------------------- own stacks */

static void *on_heap(void *arg)
{
        char fill[20000];
        struct timespec t = { 0, 1000000 };

        memset(fill, 7, sizeof(fill));
        subject_cold(arg, 256 << 10);
        nanosleep(&t, NULL);
        errno = 0;
        if (read(-1, fill, 1) != -1 || errno != EBADF)
                bad++;
        return fill[12345] == 7 ? arg : NULL;
}

/* Threads, one after the other, whose stacks lie in managed memory. */
static int run_on_stacks(void *(*body)(void *stack))
{
        size_t size = 256 << 10;

        for (int i = 0; i < 10; i++) {
                pthread_attr_t attr;
                pthread_t t;
                void *r, *stack = subject_map(size);

                pthread_attr_init(&attr);
                pthread_attr_setstack(&attr, stack, size);
                if (pthread_create(&t, &attr, body, stack) || pthread_join(t, &r) || r != stack)
                        bad++;
        }
        subject_say("bad %d", bad);
        return 0;
}

static int run_heap_stack(void)
{
        return run_on_stacks(on_heap);
}

/* Thread-local storage of the libraries lies below what the program has of it. */
static __thread char wide[64 << 10];

static void *on_wide(void *stack)
{
        char *cold = subject_map(4096);

        wide[5] = 1;
        *cold = 1;
        subject_cold(stack, 256 << 10);
        subject_cold(cold, 4096);
        return *cold == wide[5] ? stack : NULL;
}

static int run_wide_tls(void)
{
        return run_on_stacks(on_wide);
}

static ucontext_t back, there;
static volatile int ticks;

static void tick(int sig)
{
        (void)sig;
        ticks++;
}

static void coroutine(void)
{
        char fill[8192];

        for (int i = 0; i < 50; i++) {
                memset(fill, i, sizeof(fill));
                subject_cold(fill, sizeof(fill));
                raise(SIGUSR1);
                if (fill[4000] != (char)i)
                        bad++;
                swapcontext(&there, &back);
        }
}

static int run_coroutine(void)
{
        size_t size = 65536;

        signal(SIGUSR1, tick);
        getcontext(&there);
        there.uc_stack.ss_sp = malloc(size);
        there.uc_stack.ss_size = size;
        there.uc_link = &back;
        makecontext(&there, coroutine, 0);
        for (int i = 0; i < 50; i++) {
                swapcontext(&back, &there);
                subject_cold(there.uc_stack.ss_sp, size);
        }
        subject_say("ticks %d bad %d", ticks, bad);
        return 0;
}

/* -------------------------------------------------------------------- ending */

static void *outlives(void *arg)
{
        usleep(50000);
        subject_say("after the main thread");
        return arg;
}

static int run_main_exits(void)
{
        pthread_t t;

        pthread_create(&t, NULL, outlives, NULL);
        pthread_exit(NULL);
}

static void *ends_all(void *arg)
{
        (void)arg;
        usleep(10000);
        exit(23);
}

static int run_thread_exits(void)
{
        pthread_t t;

        pthread_create(&t, NULL, ends_all, NULL);
        return pause();
}

static void *signalled(void *arg)
{
        while (!ticks)
                usleep(1000);
        return arg;
}

static int run_thread_signal(void)
{
        pthread_t t;

        signal(SIGUSR1, tick);
        pthread_create(&t, NULL, signalled, NULL);
        pthread_kill(t, SIGUSR1);
        pthread_join(t, NULL);
        subject_say("ticks %d", ticks);
        return 0;
}

/* The C library lets every thread change its user, by a signal to each. */
static int run_users(void)
{
        pthread_t t;

        pthread_create(&t, NULL, signalled, NULL);
        int r = setuid(getuid());
        ticks = 1;
        pthread_join(t, NULL);
        subject_say("setuid %d", r);
        return 0;
}

/* A fork in the midst of threads that allocate and write. */
static void *busy(void *arg)
{
        while (!done) {
                char *p = malloc(50000);
                memset(p, 1, 50000);
                free(p);
        }
        return arg;
}

static int run_fork_among(void)
{
        pthread_t t[3];
        char *p = subject_map(SUBJECT_LARGE);

        subject_fill(p, SUBJECT_LARGE, 9);
        for (int i = 0; i < 3; i++)
                pthread_create(&t[i], NULL, busy, NULL);
        for (int i = 0; i < 5; i++) {
                pid_t pid = fork();
                if (pid == 0)
                        _exit(subject_is(p, SUBJECT_LARGE, 9) ? 0 : 1);
                subject_wait("child", pid);
        }
        done = 1;
        for (int i = 0; i < 3; i++)
                pthread_join(t[i], NULL);
        subject_say("same %d", subject_is(p, SUBJECT_LARGE, 9));
        return 0;
}

const struct subject_case subject_threads[] = {
        { "thread-work", run_work },             { "thread-many", run_many },
        { "thread-meeting", run_meeting },       { "thread-cancel", run_cancel },
        { "thread-heap-stack", run_heap_stack }, { "thread-coroutine", run_coroutine },
        { "thread-wide-tls", run_wide_tls },
        { "thread-main-exits", run_main_exits }, { "thread-exits", run_thread_exits },
        { "thread-signal", run_thread_signal },  { "thread-fork", run_fork_among },
        { "thread-users", run_users },
        { NULL, NULL },
};
