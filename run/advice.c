/*
 * advice.c - madvise, mincore, msync, mlock: what the program says and asks
 * about memory without changing its map.
 *
 * Signal context: yes.  Lock: the memory lock.
 */
#include "buffers.h"
#include "parts.h"
#include "report.h"
#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define MADV_DONTNEED_LOCKED_NR 24
#define BATCH 256u

static bool marked;            /* a page was ever marked for forks */

bool quire_advice_marked(void)
{
        return marked;
}

/* A call over the parts of a range. */
typedef int (*part_fn)(const struct quire_call *, const struct quire_part *);

static int on_paged_range(struct quire_thread *t, const struct quire_call *c, part_fn each)
{
        uint64_t va = c->args[0], end = va + page_up(c->args[1]);
        int failed = 0, hole = 0;

        t->calls_memory++;
        quire_memory_lock();
        while (va < end && !failed) {
                struct quire_part part = quire_part_at(va, end);
                if (part.kind == QUIRE_PART_PAGED)
                        failed = each(c, &part);
                else if (part.kind == QUIRE_PART_KERNEL || part.kind == QUIRE_PART_PLAIN)
                        failed = (int)raw4(c->nr, part.va, part.bytes, c->args[2], c->args[3]);
                else
                        hole = -ENOMEM;
                va += part.bytes;
        }
        quire_memory_unlock();
        return failed ? failed : hole;
}

/* Is it the kernel's alone, or nonsense that it may judge? */
static bool is_kernels(const struct quire_call *c)
{
        uint64_t bytes = page_up(c->args[1]);

        return c->args[0] & (PAGE - 1) || !bytes || c->args[0] + bytes < c->args[0] ||
               !quire_memory_near(c->args[0], bytes);
}

/* ------------------------------------------------------------------ madvise */

static int set_mark(const struct quire_part *part, uint8_t clear, uint8_t set)
{
        uint8_t mark = (uint8_t)((part->mark & ~clear) | set);

        marked = marked || set;
        quire_linux_enter_masked(quire_agent.machine);
        enum quire_status st = quire_region_mark(quire_agent.space, part->va, part->bytes, mark);
        quire_linux_leave_masked(quire_agent.machine);
        return quire_status_errno(st);
}

static int advise(const struct quire_part *part, enum quire_advice advice)
{
        quire_linux_enter_masked(quire_agent.machine);
        /* Advice is never an error to the program. */
        (void)!quire_region_advise(quire_agent.space, part->va, part->bytes, advice);
        quire_linux_leave_masked(quire_agent.machine);
        return 0;
}

static int advise_part(const struct quire_call *c, const struct quire_part *part)
{
        switch ((int)c->args[2]) {
        case MADV_DONTNEED:
        case MADV_FREE:
        case MADV_DONTNEED_LOCKED_NR:
                quire_part_discard(part);
                return 0;
        case MADV_NORMAL:
                return advise(part, QUIRE_NORMAL);
        case MADV_RANDOM:
                return advise(part, QUIRE_RANDOM);
        case MADV_SEQUENTIAL:
                return advise(part, QUIRE_SEQUENTIAL);
        case MADV_WILLNEED:
        case MADV_POPULATE_READ:
        case MADV_POPULATE_WRITE:
                return advise(part, QUIRE_WILL_NEED);
        case MADV_COLD:
        case MADV_PAGEOUT:
                return advise(part, QUIRE_WONT_NEED);
        case MADV_DONTFORK:
                return set_mark(part, 0, QUIRE_MARK_DONT_FORK);
        case MADV_DOFORK:
                return set_mark(part, QUIRE_MARK_DONT_FORK, 0);
        case MADV_WIPEONFORK:
                return set_mark(part, 0, QUIRE_MARK_WIPE);
        case MADV_KEEPONFORK:
                return set_mark(part, QUIRE_MARK_WIPE, 0);
        case MADV_HUGEPAGE:
        case MADV_NOHUGEPAGE:
        case MADV_MERGEABLE:
        case MADV_UNMERGEABLE:
        case MADV_DONTDUMP:
        case MADV_DODUMP:
        case MADV_COLLAPSE:
                return 0;
        default:
                return -EINVAL;
        }
}

/* madvise(address, length, advice) */
enum quire_outcome quire_memory_madvise(struct quire_thread *t, struct quire_call *c)
{
        if (is_kernels(c))
                return QUIRE_CALL_PASS;
        if ((int)c->args[2] == MADV_DONTNEED || (int)c->args[2] == MADV_FREE)
                quire_report_shrinks();
        return quire_answer(c, on_paged_range(t, c, advise_part));
}

/* ------------------------------------------------------------- the small ones */

static int nothing_to_do(const struct quire_call *c, const struct quire_part *part)
{
        (void)c;
        (void)part;
        return 0;
}

/* msync(address, length, flags): there is no file to write to. */
enum quire_outcome quire_memory_msync(struct quire_thread *t, struct quire_call *c)
{
        if (is_kernels(c))
                return QUIRE_CALL_PASS;
        return quire_answer(c, on_paged_range(t, c, nothing_to_do));
}

/* A page that lies in the pagefile is one that lies in swap: not resident. */
static int core_of_part(const struct quire_call *c, const struct quire_part *part)
{
        uint8_t state[BATCH];

        for (uint64_t at = 0; at < part->bytes; at += BATCH * PAGE) {
                uint64_t n = (part->bytes - at) / PAGE;
                if (n > BATCH)
                        n = BATCH;
                quire_linux_enter_masked(quire_agent.machine);
                enum quire_status st = quire_page_map(quire_agent.space, part->va + at, n * PAGE,
                                                      state);
                quire_linux_leave_masked(quire_agent.machine);
                for (uint64_t i = 0; i < n; i++)
                        state[i] = st == QUIRE_OK && (state[i] & 15) == QUIRE_PAGE_PRESENT;
                if (!quire_user_put(c->args[2] + (part->va + at - c->args[0]) / PAGE, state, n))
                        return -EFAULT;
        }
        return 0;
}

/* mincore(address, length, vector) */
enum quire_outcome quire_memory_mincore(struct quire_thread *t, struct quire_call *c)
{
        uint64_t va = c->args[0], end = va + page_up(c->args[1]);
        int failed = 0;

        if (is_kernels(c)) {
                quire_buffers_out(t, c, 2, page_up(c->args[1]) / PAGE);
                return QUIRE_CALL_PASS;
        }
        t->calls_memory++;
        quire_memory_lock();
        while (va < end && !failed) {
                struct quire_part part = quire_part_at(va, end);
                uint64_t to = c->args[2] + (va - c->args[0]) / PAGE;
                if (part.kind == QUIRE_PART_PAGED)
                        failed = core_of_part(c, &part);
                else if (part.kind == QUIRE_PART_KERNEL || part.kind == QUIRE_PART_PLAIN)
                        failed = (int)raw3(SYS_mincore, part.va, part.bytes, to);
                else
                        failed = -ENOMEM;
                va += part.bytes;
        }
        quire_memory_unlock();
        return quire_answer(c, failed);
}

/* ------------------------------------------------------------------- locking */

int quire_part_lock(const struct quire_part *part)
{
        enum quire_status st;

        quire_linux_enter_masked(quire_agent.machine);
        st = quire_region_lock(quire_agent.space, part->va, part->bytes);
        quire_linux_leave_masked(quire_agent.machine);
        return st == QUIRE_OK ? 0 : -ENOMEM;
}

static int lock_part(const struct quire_call *c, const struct quire_part *part)
{
        (void)c;
        return part->committed && part->access ? quire_part_lock(part) : -ENOMEM;
}

static int unlock_part(const struct quire_call *c, const struct quire_part *part)
{
        (void)c;
        quire_linux_enter_masked(quire_agent.machine);
        /* What was not locked needs no unlocking. */
        (void)!quire_region_unlock(quire_agent.space, part->va, part->bytes);
        quire_linux_leave_masked(quire_agent.machine);
        return 0;
}

/* mlock(address, length): rounds outward, as the kernel does. */
static enum quire_outcome lock_range(struct quire_thread *t, struct quire_call *c, part_fn each)
{
        uint64_t first = page_down(c->args[0]), end = page_up(c->args[0] + c->args[1]);
        struct quire_call rounded = *c;

        if (end <= first || !quire_memory_near(first, end - first))
                return QUIRE_CALL_PASS;
        rounded.args[0] = first;
        rounded.args[1] = end - first;
        return quire_answer(c, on_paged_range(t, &rounded, each));
}

enum quire_outcome quire_memory_mlock(struct quire_thread *t, struct quire_call *c)
{
        return lock_range(t, c, lock_part);
}

enum quire_outcome quire_memory_munlock(struct quire_thread *t, struct quire_call *c)
{
        return lock_range(t, c, unlock_part);
}
