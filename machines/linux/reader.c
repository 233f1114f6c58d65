/*
 * reader.c - threads that read files ahead of those who will want them.
 *
 *      look_ahead (core/fault.c) -> ahead (file.c) -> ring -> read -> quire_pager_filled()
 *
 * What waits in the ring for neighbouring pages of a file is read with one call: the
 * slower the disk, the more waits, and the larger the calls are.
 *
 * Lock: the reader's, never held while the core runs.  Signal context:
 * quire_reader_add().
 */
#include "owner.h"
#include "sys.h"
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define RING 128u
#define THREADS 4u

struct reader {                              /* in a mapping of its own */
        struct quire_lock lock;
        struct reading ring[RING];           /* [lock] */
        unsigned first, waiting;             /* [lock] readings in it */
        unsigned sleepers;                   /* [lock] */
        bool stop;                           /* [lock] */
        uint32_t turn;                       /* [a] futex: something was added */
        unsigned count;                      /* [I] of threads */
        pthread_t thread[THREADS];           /* [I] */
};

#define BYTES ((sizeof(struct reader) + PAGE - 1) & ~(PAGE - 1))

bool quire_reader_add(struct reader *r, const struct reading *reading)
{
        bool full, wake;

        quire_lock_take(&r->lock);
        full = r->waiting == RING;
        if (!full)
                r->ring[(r->first + r->waiting++) % RING] = *reading;
        wake = !full && r->sleepers;
        quire_lock_drop(&r->lock);
        if (wake) {
                __atomic_fetch_add(&r->turn, 1, __ATOMIC_RELEASE);
                (void)sys_futex_wake(&r->turn, 1);
        }
        return !full;
}

/* What one call can read. */
struct batch {
        struct file *file;
        struct quire_object *object;
        uint64_t offset, bytes;
        void *page[QUIRE_READING_MOST];
};

static bool joins(const struct batch *b, const struct reading *r)
{
        return !b->bytes || (r->object == b->object && r->offset == b->offset + b->bytes &&
                             b->bytes + r->bytes <= QUIRE_READING_MOST * PAGE);
}

/* => lock held */
static void take_batch(struct reader *r, struct batch *b)
{
        b->bytes = 0;
        while (r->waiting && joins(b, &r->ring[r->first])) {
                const struct reading *one = &r->ring[r->first];

                if (!b->bytes) {
                        b->file = one->file;
                        b->object = one->object;
                        b->offset = one->offset;
                }
                memcpy(b->page + (b->bytes >> PAGE_SHIFT), one->page,
                       (one->bytes >> PAGE_SHIFT) * sizeof(*one->page));
                b->bytes += one->bytes;
                r->first = (r->first + 1) % RING;
                r->waiting--;
        }
}

/* False: there is nothing, and there will be nothing. */
static bool await_batch(struct reader *r, struct batch *b)
{
        for (;;) {
                uint32_t turn;
                bool stop;

                quire_lock_take(&r->lock);
                take_batch(r, b);
                turn = LOAD(&r->turn);
                stop = r->stop;
                r->sleepers += !b->bytes && !stop;
                quire_lock_drop(&r->lock);
                if (b->bytes || stop)
                        return b->bytes;
                (void)sys_futex_wait(&r->turn, turn);
                quire_lock_take(&r->lock);
                r->sleepers--;
                quire_lock_drop(&r->lock);
        }
}

static void *read_batches(void *argument)
{
        struct reader *r = argument;
        struct batch b;

        quire_mask_enter();
        while (await_batch(r, &b)) {
                enum quire_status st = quire_file_read(b.file, b.offset, b.bytes, b.page);

                quire_pager_filled(b.object, b.offset, b.bytes, st);
        }
        return NULL;
}

bool quire_reader_open(struct quire_process *p)
{
        uint64_t all = ~(uint64_t)0, old = 0;
        struct reader *r;
        long at;

        quire_lock_take(&p->forks);          /* (files may be opened by several threads) */
        if (!p->reader) {
                at = sys_mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                              0);
                r = at > 0 ? (struct reader *)(uintptr_t)at : NULL;
                (void)sys_sigmask(0 /* SIG_BLOCK */, &all, &old);
                while (r && r->count < THREADS &&
                       !pthread_create(&r->thread[r->count], NULL, read_batches, r))
                        r->count++;
                (void)sys_sigmask(2 /* SIG_SETMASK */, &old, NULL);
                if (r && !r->count)
                        (void)sys_munmap((uint64_t)at, BYTES);
                else
                        p->reader = r;
        }
        quire_lock_drop(&p->forks);
        return p->reader;
}

void quire_reader_close(struct quire_process *p)
{
        struct reader *r = p->reader;

        if (!r)
                return;
        quire_lock_take(&r->lock);
        r->stop = true;
        quire_lock_drop(&r->lock);
        __atomic_fetch_add(&r->turn, 1, __ATOMIC_RELEASE);
        (void)sys_futex_wake(&r->turn, INT_MAX);
        for (unsigned i = 0; i < r->count; i++)
                (void)pthread_join(r->thread[i], NULL);
        quire_reader_lost(p);
}

void quire_reader_lost(struct quire_process *p)
{
        if (p->reader)
                (void)sys_munmap((uint64_t)(uintptr_t)p->reader, BYTES);
        p->reader = NULL;
}
