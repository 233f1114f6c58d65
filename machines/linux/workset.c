/*
 * workset.c - working sets in files: the pages that a run of a program needed, so that
 * the next one has them before it asks.
 *
 *      magic | bytes of the object | runs | sum of the runs | first, pages | first, pages | ...
 *
 * The file is written under another name and renamed, so that there is always a whole
 * one.  What is read is checked before anything is done with it: it is somebody's file.
 *
 * Does not decide: how much is read at a time (core/record.c).
 *
 * Lock: none.  Signal context: nothing.
 */
#include "owner.h"
#include "quire/file.h"
#include "sys.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM 65536u                  /* runs of one set, at most */
#define PAUSE_US 200u
#define PATIENCE 5000u               /* pauses without progress: nobody reads ahead */

static const char magic[8] = "QUIREWS1";

struct head {
        char magic[8];
        uint64_t bytes, runs, sum;
};

struct quire_record {
        struct quire_grant *grant;
        struct quire_range *runs;
};

struct quire_replay {
        struct quire_grant *grant;
        struct quire_range *runs;
        uint64_t count;
        uint64_t done;               /* [a] bytes */
        bool stop;                   /* [a] */
        pthread_t thread;
        uint32_t begun;              /* [a] of threads: one */
};

static uint64_t sum_of(const struct quire_range *runs, uint64_t count)
{
        const uint8_t *byte = (const uint8_t *)runs;
        uint64_t sum = 0xcbf29ce484222325u;

        for (uint64_t i = 0; i < count * sizeof(*runs); i++)
                sum = (sum ^ byte[i]) * 0x100000001b3u;
        return sum;
}

static uint64_t object_bytes(struct quire_grant *g)
{
        struct quire_object_info i;

        quire_object_describe(g, &i);
        return i.bytes;
}

static struct quire_range *map_runs(void)
{
        long at = sys_mmap(0, ROOM * sizeof(struct quire_range), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return at > 0 ? (struct quire_range *)(uintptr_t)at : NULL;
}

static void unmap_runs(struct quire_range *runs)
{
        if (runs)
                (void)sys_munmap((uint64_t)(uintptr_t)runs, ROOM * sizeof(*runs));
}

/* ---------------------------------------------------------------------- recording */

enum quire_status quire_record_open(struct quire_process *p, struct quire_grant *g,
                                    struct quire_record **out)
{
        struct quire_record *r;
        enum quire_status st = QUIRE_NO_MEMORY;
        uint64_t count;

        if (!p || !g || !out)
                return QUIRE_INVALID;
        r = calloc(1, sizeof(*r));
        if (!r)
                return QUIRE_NO_MEMORY;
        r->grant = g;
        r->runs = map_runs();
        if (r->runs)
                st = quire_object_record(g, r->runs, ROOM, &count);
        if (st == QUIRE_OK) {
                quire_grant_hold(g);
                *out = r;
                return QUIRE_OK;
        }
        unmap_runs(r->runs);
        free(r);
        return st;
}

enum way { FROM_FILE, TO_FILE };

/* All the bytes, or false. */
static bool carry_all(int fd, enum way way, const void *memory, size_t bytes)
{
        char *at = (char *)(uintptr_t)memory;

        while (bytes) {
                ssize_t n = way == TO_FILE ? write(fd, at, bytes) : read(fd, at, bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                at += n;
                bytes -= (size_t)n;
        }
        return true;
}

static enum quire_status write_set(const char *path, const struct head *head,
                                   const struct quire_range *runs)
{
        char other[4096];
        bool ok;
        int fd;

        if (snprintf(other, sizeof(other), "%s.XXXXXX", path) >= (int)sizeof(other))
                return QUIRE_INVALID;
        fd = mkostemp(other, O_CLOEXEC);
        if (fd < 0)
                return QUIRE_IO_ERROR;
        ok = carry_all(fd, TO_FILE, head, sizeof(*head)) &&
             carry_all(fd, TO_FILE, runs, head->runs * sizeof(*runs));
        ok = !close(fd) && ok && !rename(other, path);
        if (!ok)
                (void)unlink(other);
        return ok ? QUIRE_OK : QUIRE_IO_ERROR;
}

enum quire_status quire_record_close(struct quire_record *r, const char *path)
{
        struct head head = { .bytes = object_bytes(r->grant) };
        enum quire_status noted = quire_object_record(r->grant, NULL, 0, &head.runs);
        enum quire_status st = QUIRE_OK;

        memcpy(head.magic, magic, sizeof(magic));
        head.sum = sum_of(r->runs, head.runs);
        if (path)
                st = write_set(path, &head, r->runs);
        quire_grant_close(r->grant);
        unmap_runs(r->runs);
        free(r);
        return st == QUIRE_OK ? noted : st;          /* OK, or LIMIT */
}

/* ----------------------------------------------------------------------- replaying */

static bool runs_valid(const struct head *head, const struct quire_range *runs)
{
        for (uint64_t i = 0; i < head->runs; i++)
                if (!runs[i].pages || runs[i].first & (PAGE - 1) || runs[i].first >= head->bytes ||
                    runs[i].pages > (head->bytes - runs[i].first) >> PAGE_SHIFT)
                        return false;
        return sum_of(runs, head->runs) == head->sum;
}

static enum quire_status read_set(const char *path, uint64_t bytes, struct quire_replay *r)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct head head;
        bool ok;

        if (fd < 0)
                return errno == ENOENT ? QUIRE_NOT_PRESENT : QUIRE_IO_ERROR;
        ok = carry_all(fd, FROM_FILE, &head, sizeof(head)) &&
             !memcmp(head.magic, magic, sizeof(magic)) && head.bytes == bytes &&
             head.runs <= ROOM &&
             carry_all(fd, FROM_FILE, r->runs, head.runs * sizeof(*r->runs)) &&
             runs_valid(&head, r->runs);
        (void)close(fd);
        r->count = head.runs;
        return ok ? QUIRE_OK : QUIRE_INVALID;
}

/* One run; false: there is no use in going on. */
static bool bring_run(struct quire_replay *r, struct quire_range run)
{
        uint64_t bytes = run.pages << PAGE_SHIFT, did;

        for (unsigned idle = 0; bytes && idle < PATIENCE && !LOAD(&r->stop);) {
                enum quire_status st = quire_object_prefetch(r->grant, run.first, bytes, &did);

                run.first += did;
                bytes -= did;
                __atomic_fetch_add(&r->done, did, __ATOMIC_RELAXED);
                if (st == QUIRE_IO_ERROR)
                        return true;                 /* the next run may be good */
                if (st != QUIRE_OK && st != QUIRE_BUSY)
                        return false;
                idle = did ? 0 : idle + 1;
                if (bytes)
                        (void)usleep(PAUSE_US);
        }
        return !bytes;
}

static void *bring_all(void *argument)
{
        struct quire_replay *r = argument;

        (void)quire_thread_begun(&r->begun);
        for (uint64_t i = 0; i < r->count; i++)
                if (!bring_run(r, r->runs[i]))
                        break;
        return NULL;
}

static bool start(struct quire_replay *r)
{
        uint64_t all = ~(uint64_t)0, old = 0;
        bool ok;

        (void)sys_sigmask(0 /* SIG_BLOCK */, &all, &old);
        ok = !pthread_create(&r->thread, NULL, bring_all, r);
        quire_threads_await(&r->begun, ok);
        (void)sys_sigmask(2 /* SIG_SETMASK */, &old, NULL);
        return ok;
}

enum quire_status quire_replay_open(struct quire_process *p, struct quire_grant *g,
                                    const char *path, struct quire_replay **out)
{
        struct quire_replay *r;
        enum quire_status st = QUIRE_NO_MEMORY;

        if (!p || !g || !path || !out)
                return QUIRE_INVALID;
        r = calloc(1, sizeof(*r));
        if (!r)
                return QUIRE_NO_MEMORY;
        r->grant = g;
        r->runs = map_runs();
        if (r->runs)
                st = read_set(path, object_bytes(g), r);
        if (st == QUIRE_OK) {
                quire_grant_hold(g);
                if (start(r)) {
                        *out = r;
                        return QUIRE_OK;
                }
                quire_grant_close(g);
                st = QUIRE_NO_MEMORY;
        }
        unmap_runs(r->runs);
        free(r);
        return st;
}

uint64_t quire_replay_close(struct quire_replay *r, bool finish)
{
        uint64_t done;

        if (!finish)
                STORE(&r->stop, true);
        (void)pthread_join(r->thread, NULL);
        done = r->done;
        quire_grant_close(r->grant);
        unmap_runs(r->runs);
        free(r);
        return done;
}
