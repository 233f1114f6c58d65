/*
 * reader.c - threads that read files ahead of those who will want them.
 *
 *      look_ahead (core/fault.c) -> ahead (file.c) -> ring -> read -> quire_pager_filled()
 *
 * What waits in the ring for neighbouring pages of a file is read with one call.  While
 * one is under way a small one waits for company: so the slower the disk, the larger
 * the calls are.
 *
 * Frames lie all over the machine's memory, and a disk takes 2.3 times as long to fill
 * them as to fill memory in one piece (3.4 us and 1.5 us a page, O_DIRECT, virtio).  So long
 * reads go to a huge page, a part of it for each thread, and are copied from there,
 * which costs 0.4 us a page on a processor that has nothing else to do.  The huge page
 * counts in the budget, and is made only where that is not small.
 *
 * Lock: the reader's, never held while the core runs; forks (owner.h) for the huge page.
 * Signal context: quire_reader_add().
 */
#include "owner.h"
#include "sys.h"
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define RING 128u
#define THREADS 4u
#define ENOUGH 64u               /* pages that are read although others are just being read */
#define LONG 16u                 /* pages from which on the huge page pays */
#define HUGE ((uint64_t)1 << 21)
#define BUDGETS 24u              /* so many times the huge page the budget must be */
#define NO_BOUNCE ((uint64_t)1)  /* it could not be had */
#define MADV_COLLAPSE_ 25        /* Linux 6.1 */

_Static_assert(THREADS * QUIRE_READING_MOST * PAGE == HUGE, "a part for each thread");

struct reader {                              /* in a mapping of its own */
        struct quire_lock lock;
        struct reading ring[RING];           /* [lock] */
        unsigned first, waiting;             /* [lock] readings in it */
        unsigned pages;                      /* [lock] of those */
        unsigned busy;                       /* [lock] threads that read */
        unsigned sleepers;                   /* [lock] */
        bool stop;                           /* [lock] */
        uint32_t turn;                       /* [a] futex: something was added */
        struct quire_process *process;       /* [I] */
        uint32_t begun;                      /* [a] threads that have a number */
        unsigned count;                      /* [I] of threads */
        pthread_t thread[THREADS];           /* [I] */
};

#define BYTES ((sizeof(struct reader) + PAGE - 1) & ~(PAGE - 1))

bool quire_reader_add(struct reader *r, const struct reading *reading)
{
        bool full, wake;

        quire_lock_take(&r->lock);
        full = r->waiting == RING;
        if (!full) {
                r->ring[(r->first + r->waiting++) % RING] = *reading;
                r->pages += (unsigned)(reading->bytes >> PAGE_SHIFT);
        }
        wake = !full && r->sleepers && (!r->busy || r->pages >= ENOUGH);
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
        if (r->busy && r->pages < ENOUGH)
                return;
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
                r->pages -= (unsigned)(one->bytes >> PAGE_SHIFT);
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
                r->busy += b->bytes != 0;
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

/* A huge page that is one, charged to the budget; or NO_BOUNCE. */
static uint64_t make_bounce(struct quire_process *p)
{
        long at = sys_mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        uint64_t first = (uint64_t)at, huge = (first + HUGE - 1) & ~(HUGE - 1);

        if (at < 0)
                return NO_BOUNCE;
        if (huge > first)
                (void)sys_munmap(first, huge - first);
        (void)sys_munmap(huge + HUGE, first + HUGE - huge);
        if (quire_budget_charge(p->system, HUGE) == QUIRE_OK) {
                (void)sys_madvise(huge, HUGE, MADV_HUGEPAGE);
                (void)sys_madvise(huge, HUGE, MADV_DONTFORK);    /* or it would be cut up */
                *(volatile char *)(uintptr_t)huge = 0;
                if (!sys_madvise(huge, HUGE, MADV_COLLAPSE_))
                        return huge;
                quire_budget_refund(p->system, HUGE);
        }
        (void)sys_munmap(huge, HUGE);
        return NO_BOUNCE;
}

/* The number'th thread's part of it, or null. */
static char *bounce_part(struct quire_process *p, unsigned number)
{
        uint64_t huge = LOAD(&p->bounce);

        if (!huge && p->l->setup.memory >= BUDGETS * HUGE && quire_lock_try(&p->forks)) {
                if (!p->bounce)
                        STORE(&p->bounce, make_bounce(p));
                huge = p->bounce;
                quire_lock_drop(&p->forks);
        }
        return huge > NO_BOUNCE ? (char *)(uintptr_t)huge + number * (QUIRE_READING_MOST * PAGE)
                                : NULL;
}

static enum quire_status read_batch(struct reader *r, const struct batch *b, unsigned number)
{
        unsigned pages = (unsigned)(b->bytes >> PAGE_SHIFT);
        char *part = pages >= LONG ? bounce_part(r->process, number) : NULL;
        void *there[QUIRE_READING_MOST];
        enum quire_status st;

        if (!part)
                return quire_file_read(b->file, b->offset, b->bytes, true, b->page);
        for (unsigned i = 0; i < pages; i++)
                there[i] = part + i * PAGE;
        st = quire_file_read(b->file, b->offset, b->bytes, true, there);
        for (unsigned i = 0; st == QUIRE_OK && i < pages; i++)
                memcpy(b->page[i], there[i], PAGE);
        return st;
}

static void *read_batches(void *argument)
{
        struct reader *r = argument;
        unsigned number = quire_thread_begun(&r->begun);
        struct batch b;

        quire_mask_enter();
        quire_alone_count(r->process->l, true);
        while (await_batch(r, &b)) {
                quire_pager_filled(b.object, b.offset, b.bytes, read_batch(r, &b, number));
                quire_lock_take(&r->lock);
                r->busy--;
                quire_lock_drop(&r->lock);
        }
        quire_alone_count(r->process->l, false);
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
                if (r)
                        r->process = p;
                (void)sys_sigmask(0 /* SIG_BLOCK */, &all, &old);
                while (r && r->count < THREADS &&
                       !pthread_create(&r->thread[r->count], NULL, read_batches, r))
                        r->count++;
                if (r)
                        quire_threads_await(&r->begun, r->count);
                (void)sys_sigmask(2 /* SIG_SETMASK */, &old, NULL);
                if (r && !r->count)
                        (void)sys_munmap((uint64_t)at, BYTES);
                else
                        p->reader = r;
        }
        quire_lock_drop(&p->forks);
        return p->reader;
}

static void forget_reader(struct quire_process *p)
{
        if (p->reader)
                (void)sys_munmap((uint64_t)(uintptr_t)p->reader, BYTES);
        p->reader = NULL;
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
        forget_reader(p);
        if (p->bounce > NO_BOUNCE)
                (void)sys_munmap(p->bounce, HUGE);
        p->bounce = 0;
}

void quire_reader_lost(struct quire_process *p)
{
        forget_reader(p);
        if (p->bounce > NO_BOUNCE)           /* the parent's, and not mapped here */
                quire_budget_refund(p->system, HUGE);
        p->bounce = 0;
}
