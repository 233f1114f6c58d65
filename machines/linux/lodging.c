/*
 * lodging.c - memory for records: the core's and the machine's own.
 *
 * One mapping without reserved swap is made at open and cut up from below.  A
 * record given back goes to the free list of its size class; nothing is
 * merged, since a system has few sizes and many records of each.
 *
 *   below a page   16 classes of 16 bytes apart, then four an octave; cut from
 *                  runs of 64 KiB
 *   from a page    powers of two of pages, page aligned; the part that nobody
 *                  asked for is never touched, so it costs addresses only.
 *                  From 64 KiB a block given back goes back to the kernel too.
 *
 * Every record is zeroed when it is given out.
 *
 * Lock: the core's, held by whoever calls (H1).  Signal context: yes; the only
 * system call is the one that gives a large block back.
 *
 * Invariants
 *   G1  first <= small <= small_end <= next <= first + bytes, or small == small_end.
 *   G2  A block of a free list is of its class's full size and its first word
 *       is the link; a large one is otherwise zero.
 */
#include "internal.h"
#include "sys.h"
#include <string.h>
#include <sys/mman.h>

#define MOST ((uint64_t)1 << 38)         /* of addresses */
#define SMALL_RUN ((uint64_t)65536)
#define RETURNED ((uint64_t)65536)       /* from this size free gives pages back */
#define LARGE_CLASS 32u                  /* class of one page; above it, powers of two */

/* The class of a record, and the size of its blocks. */
static unsigned size_class(size_t bytes, uint64_t *block)
{
        if (bytes <= 256) {
                unsigned step = bytes ? (unsigned)(bytes + 15) / 16 : 1;
                *block = step * 16u;
                return step - 1;
        }
        if (bytes < PAGE) {
                unsigned octave = 63u - (unsigned)__builtin_clzll(bytes - 1);
                uint64_t quarter = (uint64_t)1 << (octave - 2);
                uint64_t n = (bytes - 1 - ((uint64_t)1 << octave)) / quarter;
                *block = ((uint64_t)1 << octave) + (n + 1) * quarter;
                return 16 + (octave - 8) * 4 + (unsigned)n;
        }
        uint64_t pages = (bytes + PAGE - 1) >> PAGE_SHIFT;
        unsigned power = pages == 1 ? 0 : 64u - (unsigned)__builtin_clzll(pages - 1);
        *block = PAGE << power;
        return LARGE_CLASS + power;
}

bool quire_lodging_open(struct lodging *g, uint64_t most)
{
        for (uint64_t bytes = most < MOST ? most : MOST; bytes >= (uint64_t)1 << 24; bytes /= 2) {
                long got = sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (got < 0)
                        continue;
                *g = (struct lodging){ .first = (uint64_t)got, .bytes = bytes };
                (void)sys_madvise(g->first, g->bytes, MADV_DONTDUMP);
                g->small = g->small_end = g->next = g->first;
                return true;
        }
        return false;
}

void quire_lodging_close(struct lodging *g)
{
        if (g->bytes)
                (void)sys_munmap(g->first, g->bytes);
        g->bytes = 0;
}

static void *cut_fresh(struct lodging *g, uint64_t bytes)
{
        if (bytes > g->first + g->bytes - g->next)
                return NULL;
        void *got = (void *)(uintptr_t)g->next;
        g->next += bytes;
        return got;
}

static void *cut_small(struct lodging *g, uint64_t bytes)
{
        if (g->small_end - g->small < bytes) {
                void *run = cut_fresh(g, SMALL_RUN);
                if (!run)
                        return NULL;
                g->small = (uint64_t)(uintptr_t)run;
                g->small_end = g->small + SMALL_RUN;
        }
        void *got = (void *)(uintptr_t)g->small;
        g->small += bytes;
        return got;
}

void *quire_lodging_alloc(struct lodging *g, size_t bytes)
{
        uint64_t block;
        unsigned class;

        if (bytes > g->bytes)
                return NULL;
        class = size_class(bytes, &block);
        void *got = g->free[class];
        if (got) {
                memcpy(&g->free[class], got, sizeof(void *));
                memset(got, 0, block >= RETURNED ? sizeof(void *) : bytes);
        } else if (class < LARGE_CLASS) {
                got = cut_small(g, block);
        } else {
                got = cut_fresh(g, block);
        }
        if (got)
                g->resident += bytes;
        return got;
}

void quire_lodging_free(struct lodging *g, void *record, size_t bytes)
{
        uint64_t block;
        unsigned class = size_class(bytes, &block);

        if (!record)
                return;
        g->resident -= bytes;
        if (block >= RETURNED)
                (void)sys_madvise((uint64_t)(uintptr_t)record, block, MADV_DONTNEED);
        memcpy(record, &g->free[class], sizeof(void *));
        g->free[class] = record;
}
