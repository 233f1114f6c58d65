/*
 * server.c - pagers served by threads, for user code that no signal handler may run.
 *
 *      fault -> fill: a job in the ring, BUSY        worker: the user's fill -> supply
 *      evict -> write: a job in the ring, and wait   worker: the user's write -> wake
 *
 * The ring is fixed, so that a fault allocates nothing; who finds it full waits for a
 * worker.  A worker fills a buffer of its own, which the core copies from: the
 * page's frame may be gone when a slow callback returns.
 *
 * The server has a grant of its own, to supply through, so that the object lasts until
 * the server is closed; what lasts longer than both is freed by the object's end.
 *
 * Lock: the server's, never held while user code or the core runs.  Signal context:
 * fill, write and closed.
 */
#include "owner.h"
#include "quire/file.h"
#include "sys.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#define RING 128u
#define WORKERS 64u

struct job {
        uint64_t offset, bytes;
        unsigned access;
        const void *const *page;         /* of a write; null: a fill */
        uint32_t *answer;                /* [a] of a write: 1 + enum quire_status */
};

struct worker {
        pthread_t thread;
        struct quire_server *server;
        uint8_t *buffer;                 /* QUIRE_IO_MAX pages */
};

struct quire_server {                    /* in a mapping of its own */
        const struct quire_pager *user;  /* [I] */
        void *context;                   /* [I] the user's */
        struct quire_pager pager;        /* [I] ours, for the core */
        struct quire_grant *grant;       /* [I] all rights */
        uint64_t bytes;                  /* [I] of the object */
        int owner;                       /* [I] the process that has the threads */
        unsigned count;                  /* [I] of workers */
        uint32_t begun;                  /* [a] of them */
        struct quire_lock lock;
        struct job ring[RING];           /* [lock] */
        unsigned first, waiting;         /* [lock] jobs in it */
        bool stop;                       /* [lock] */
        uint32_t refs;                   /* [a] the object's, and whoever is to close it */
        uint32_t added, removed;         /* [a] jobs so far: futexes */
        struct worker worker[WORKERS];   /* [I] */
};

#define BYTES ((sizeof(struct quire_server) + PAGE - 1) & ~(PAGE - 1))

/* ------------------------------------------------------------------------- the ring */

/* Put the job in; waits while the ring is full. */
static void add_job(struct quire_server *s, const struct job *j)
{
        for (;;) {
                uint32_t removed = LOAD(&s->removed);
                bool full;

                quire_lock_take(&s->lock);
                full = s->waiting == RING;
                if (!full)
                        s->ring[(s->first + s->waiting++) % RING] = *j;
                quire_lock_drop(&s->lock);
                if (!full)
                        break;
                (void)sys_futex_wait(&s->removed, removed);
        }
        __atomic_fetch_add(&s->added, 1, __ATOMIC_RELEASE);
        (void)sys_futex_wake(&s->added, 1);
}

/* False: there is none, and there will be none. */
static bool take_job(struct quire_server *s, struct job *j)
{
        for (;;) {
                uint32_t added = LOAD(&s->added);
                bool any, stop;

                quire_lock_take(&s->lock);
                any = s->waiting;
                stop = s->stop;
                if (any) {
                        *j = s->ring[s->first];
                        s->first = (s->first + 1) % RING;
                        s->waiting--;
                }
                quire_lock_drop(&s->lock);
                if (any) {
                        __atomic_fetch_add(&s->removed, 1, __ATOMIC_RELEASE);
                        (void)sys_futex_wake(&s->removed, 1);
                        return true;
                }
                if (stop)
                        return false;
                (void)sys_futex_wait(&s->added, added);
        }
}

/* -------------------------------------------------------------- for the core to call */

static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        struct quire_server *s = context;
        const struct job j = { .offset = offset, .bytes = bytes, .access = access };

        (void)page;
        if (sys_getpid() != s->owner)
                return QUIRE_IO_ERROR;
        quire_thread_waits();
        add_job(s, &j);
        return QUIRE_BUSY;
}

static enum quire_status write_home(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        struct quire_server *s = context;
        uint32_t answer = 0;
        const struct job j = { .offset = offset, .bytes = bytes, .page = page, .answer = &answer };

        if (sys_getpid() != s->owner)
                return QUIRE_IO_ERROR;
        quire_thread_waits();
        add_job(s, &j);
        while (!LOAD(&answer))
                (void)sys_futex_wait(&answer, 0);
        return (enum quire_status)(answer - 1);
}

static enum quire_status sync_pager(void *context)
{
        struct quire_server *s = context;

        return s->user->sync ? s->user->sync(s->context) : QUIRE_OK;
}

static void drop_server(struct quire_server *s)
{
        if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
                return;
        for (unsigned i = 0; i < WORKERS; i++)
                if (s->worker[i].buffer)
                        (void)sys_munmap((uint64_t)(uintptr_t)s->worker[i].buffer,
                                         QUIRE_IO_MAX * PAGE);
        (void)sys_munmap((uint64_t)(uintptr_t)s, BYTES);
}

static void end_pager(void *context)
{
        struct quire_server *s = context;

        if (s->user->closed)
                s->user->closed(s->context);
        drop_server(s);
}

/* ------------------------------------------------------------------------ the threads */

/* A run that fails fails page by page: the one that is wanted may be good. */
static void do_fill(const struct worker *w, const struct job *j)
{
        struct quire_server *s = w->server;
        void *page[QUIRE_IO_MAX];
        enum quire_status st;

        for (uint64_t i = 0; i < j->bytes >> PAGE_SHIFT; i++)
                page[i] = w->buffer + (i << PAGE_SHIFT);
        st = s->user->fill(s->context, j->offset, j->bytes, j->access, page);
        if (st == QUIRE_OK)
                st = quire_pager_supply(s->grant, j->offset, j->bytes, w->buffer, NULL);
        else if (st != QUIRE_BUSY && st != QUIRE_BROKEN && j->bytes > PAGE)
                for (uint64_t at = 0; at < j->bytes; at += PAGE)
                        do_fill(w, &(struct job){ j->offset + at, PAGE, j->access, NULL, NULL });
        else if (st != QUIRE_BUSY)
                st = quire_pager_fail(s->grant, j->offset, j->bytes,
                                      st == QUIRE_BROKEN ? st : QUIRE_IO_ERROR);
        (void)st;                        /* (no record for a broken page: it is asked again) */
}

static void do_write(struct quire_server *s, const struct job *j)
{
        enum quire_status st = s->user->write(s->context, j->offset, j->bytes, j->page);
        uint32_t *answer = j->answer;

        STORE(answer, 1 + (uint32_t)st);
        (void)sys_futex_wake(answer, 1);     /* it may be gone: then nobody is woken */
}

static void *serve(void *argument)
{
        const struct worker *w = argument;
        struct job j;

        (void)quire_thread_begun(&w->server->begun);
        while (take_job(w->server, &j)) {
                if (j.page)
                        do_write(w->server, &j);
                else
                        do_fill(w, &j);
        }
        return NULL;
}

static bool start_worker(struct quire_server *s, struct worker *w)
{
        long at = sys_mmap(0, QUIRE_IO_MAX * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at < 0)
                return false;
        w->buffer = (uint8_t *)(uintptr_t)at;
        w->server = s;
        return !pthread_create(&w->thread, NULL, serve, w);
}

/* Signals that somebody sends are for the program's own threads. */
static bool start_workers(struct quire_server *s, unsigned threads)
{
        const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
        sigset_t most, old;

        (void)sigfillset(&most);
        for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                (void)sigdelset(&most, own[i]);
        (void)pthread_sigmask(SIG_BLOCK, &most, &old);
        while (s->count < threads && start_worker(s, &s->worker[s->count]))
                s->count++;
        quire_threads_await(&s->begun, s->count);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        return s->count == threads;
}

static void stop_workers(struct quire_server *s)
{
        quire_lock_take(&s->lock);
        s->stop = true;
        quire_lock_drop(&s->lock);
        __atomic_fetch_add(&s->added, 1, __ATOMIC_RELEASE);
        (void)sys_futex_wake(&s->added, WORKERS);
        for (unsigned i = 0; i < s->count; i++)
                (void)pthread_join(s->worker[i].thread, NULL);
}

/* -------------------------------------------------------------------- open and close */

static enum quire_status open_served(struct quire_process *p, struct quire_server *s,
                                     const struct quire_object_request *asked,
                                     struct quire_grant **grant)
{
        struct quire_object_request q = *asked;
        enum quire_status st;

        s->pager = (struct quire_pager){ .fill = fill, .closed = end_pager,
                                         .write = s->user->write ? write_home : NULL,
                                         .sync = sync_pager, .most = s->user->most,
                                         .evicts = s->user->evicts };
        q.pager = &s->pager;
        q.context = s;
        st = quire_object_open(p->system, &q, &s->grant);
        if (st != QUIRE_OK)
                return st;
        s->refs++;
        st = quire_grant_narrow(s->grant, QUIRE_R | QUIRE_W | QUIRE_X, grant);
        if (st != QUIRE_OK)
                quire_grant_close(s->grant);
        return st;
}

enum quire_status quire_server_open(struct quire_process *p, const struct quire_object_request *q,
                                    unsigned threads, struct quire_grant **grant,
                                    struct quire_server **out)
{
        struct quire_server *s;
        enum quire_status st = QUIRE_NO_MEMORY;
        long at;

        if (!p || !q || !grant || !out || !threads || threads > WORKERS ||
            q->kind != QUIRE_CALLBACK || !q->pager || !q->pager->fill)
                return QUIRE_INVALID;
        at = sys_mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at < 0)
                return QUIRE_NO_MEMORY;
        s = (struct quire_server *)(uintptr_t)at;
        s->user = q->pager;
        s->context = q->context;
        s->bytes = q->bytes;
        s->owner = sys_getpid();
        s->refs = 1;
        if (start_workers(s, threads))
                st = open_served(p, s, q, grant);
        if (st == QUIRE_OK) {
                *out = s;
                return QUIRE_OK;
        }
        stop_workers(s);
        drop_server(s);
        return st;
}

enum quire_status quire_server_close(struct quire_server *s)
{
        enum quire_status st = QUIRE_OK;
        bool ours = sys_getpid() == s->owner;

        if (s->user->write && ours)
                st = quire_object_flush(s->grant, 0, s->bytes);
        quire_pager_died(s->grant);
        if (ours)
                stop_workers(s);             /* (they supply through the grant) */
        quire_grant_close(s->grant);
        drop_server(s);
        return st;
}
