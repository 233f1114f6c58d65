/*
 * remap.c - mremap.
 *
 * A managed region grows where it is, or moves with everything it has: no page
 * is copied or read back for that.  A program may also name a part of what it
 * mapped, which is cut out first, or several mappings at once, which the kernel
 * would have merged: those are copied.
 *
 * Signal context: yes.  Lock: the memory lock.
 */
#include "buffers.h"
#include "parts.h"
#include <errno.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct remap {
        uint64_t from, old, new, to;     /* bytes; to: with MREMAP_FIXED */
        int flags;
};

static int part_prot(const struct quire_part *part)
{
        if (!part->committed || !part->access)
                return PROT_NONE;
        return part->access & QUIRE_W ? PROT_READ | PROT_WRITE : PROT_READ;
}

static enum quire_status cut_at(uint64_t va)
{
        quire_linux_enter_masked(quire_agent.machine);
        enum quire_status st = quire_region_split(quire_agent.space, va);
        quire_linux_leave_masked(quire_agent.machine);
        return st;
}

static enum quire_status move_to(uint64_t from, uint64_t bytes, uint64_t *to)
{
        quire_linux_enter_masked(quire_agent.machine);
        enum quire_status st = quire_region_move(quire_agent.space, from, bytes, true, to);
        quire_linux_leave_masked(quire_agent.machine);
        return st;
}

/* An address in the arena where `bytes' are free just now; 0: none. */
static uint64_t find_room(uint64_t bytes)
{
        int64_t at = quire_range_map(0, bytes, PROT_NONE, 0);

        if (at < 0)
                return 0;
        if (quire_range_free((uint64_t)at, bytes))
                return 0;
        return (uint64_t)at;
}

/* Move by copying, to memory that is mapped at `to' already. */
static int copy_over(const struct remap *m, uint64_t to)
{
        char page[PAGE];
        uint64_t bytes = m->old < m->new ? m->old : m->new;

        for (uint64_t at = 0; at < bytes; at += PAGE) {
                if (!quire_user_get(page, m->from + at, PAGE))
                        continue;                /* nothing accessible there */
                if (!quire_user_put(to + at, page, PAGE))
                        return -ENOMEM;
        }
        return m->flags & MREMAP_DONTUNMAP ? 0 : quire_range_free(m->from, m->old);
}

static int64_t by_copy(const struct remap *m)
{
        int64_t to = quire_range_map(0, m->new, PROT_READ | PROT_WRITE, 0);
        int failed = to < 0 ? -ENOMEM : copy_over(m, (uint64_t)to);

        return failed ? failed : to;
}

/* To an address outside of the arena: it becomes the kernel's. */
static int64_t out_of_arena(const struct remap *m, const struct quire_part *part)
{
        long at = raw_mmap(m->to, m->new, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        int failed = raw_failed(at) ? -ENOMEM : copy_over(m, m->to);

        if (!failed)
                failed = (int)raw3(SYS_mprotect, m->to, m->new, (uint64_t)part_prot(part));
        return failed ? failed : (int64_t)m->to;
}

/* What the old place is to be after MREMAP_DONTUNMAP: mapped, and empty. */
static void map_again(const struct remap *m, const struct quire_part *part)
{
        struct quire_part fresh = { .va = m->from, .bytes = m->old, .kind = QUIRE_PART_PAGED };

        if (quire_part_reserve(QUIRE_PAGED, m->from, m->old)) {
                quire_mapped_add(m->old);
                (void)quire_part_protect(&fresh, part_prot(part));
        }
}

/* The range is a region of its own: move it to `to', or let it grow. */
static int64_t move_region(const struct remap *m, const struct quire_part *part, uint64_t to)
{
        struct quire_part tail = { .bytes = m->new - m->old, .kind = QUIRE_PART_PAGED };
        enum quire_status st = move_to(m->from, m->new, &to);
        int failed;

        if (st != QUIRE_OK)
                return quire_status_errno(st);
        if (tail.bytes) {
                tail.va = to + m->old;
                quire_mapped_add(tail.bytes);
                failed = quire_part_protect(&tail, part_prot(part));
                if (failed) {
                        (void)quire_part_release(&tail);
                        return failed;
                }
        }
        if (m->flags & MREMAP_DONTUNMAP)
                map_again(m, part);
        return (int64_t)to;
}

static int64_t grow_or_move(const struct remap *m, const struct quire_part *part)
{
        int64_t at = -ENOMEM;
        uint64_t to;

        if (part->va != part->base && cut_at(part->va) != QUIRE_OK)
                return -ENOMEM;
        if (m->from + m->old != part->base + part->region && cut_at(m->from + m->old) != QUIRE_OK)
                return -ENOMEM;
        if (m->flags & MREMAP_FIXED)
                return move_region(m, part, m->to);
        if (!(m->flags & MREMAP_DONTUNMAP))
                at = move_region(m, part, m->from);
        if (at > 0 || !(m->flags & MREMAP_MAYMOVE))
                return at > 0 ? at : -ENOMEM;
        to = find_room(m->new);
        return to ? move_region(m, part, to) : -ENOMEM;
}

static int64_t remap_paged(struct remap *m, const struct quire_part *part)
{
        const struct quire_span *arena = &quire_spans[QUIRE_SPAN_ARENA];
        bool whole = m->from + m->old <= part->base + part->region;
        bool heap = m->from - arena->va >= arena->bytes;
        int failed = 0;

        if (m->flags & MREMAP_FIXED) {
                if (m->to & (PAGE - 1) || (m->to < m->from + m->old && m->from < m->to + m->new))
                        return -EINVAL;
                failed = quire_range_free(m->to, m->new);
        }
        if (!failed && m->new < m->old) {
                failed = quire_range_free(m->from + m->new, m->old - m->new);
                m->old = m->new;
        }
        if (failed)
                return failed;
        if (m->new == m->old && !(m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
                return (int64_t)m->from;
        if (m->flags & MREMAP_FIXED && m->to - arena->va >= arena->bytes)
                return out_of_arena(m, part);
        if (whole && !heap)
                return grow_or_move(m, part);
        return m->flags & MREMAP_MAYMOVE && !(m->flags & MREMAP_FIXED) ? by_copy(m) : -EFAULT;
}

/* Memory of the kernel's, in the arena: the place it leaves is free again. */
static int64_t remap_plain(const struct remap *m, const struct quire_part *part)
{
        struct quire_part left = *part;
        long at;

        if (m->flags & MREMAP_FIXED)
                return -EINVAL;
        left.va = m->from;
        left.bytes = m->old;
        at = raw4(SYS_mremap, m->from, m->old, m->new, (uint64_t)m->flags);
        if (raw_failed(at))
                return at;
        if ((uint64_t)at == m->from) {
                left.va += m->new;
                left.bytes = m->old - m->new;
        }
        if (left.bytes && !(m->flags & MREMAP_DONTUNMAP))
                (void)quire_part_release(&left);
        return at;
}

/* The kernel's own, to a fixed address where managed memory may be. */
static int64_t remap_kernel(const struct remap *m)
{
        int failed = quire_range_free(m->to, m->new);

        if (!failed && !quire_part_reserve(QUIRE_PLAIN, m->to, m->new))
                failed = -ENOMEM;
        if (failed)
                return failed;
        return raw6(SYS_mremap, m->from, m->old, m->new, (uint64_t)m->flags, m->to, 0);
}

/* mremap(address, old size, new size, flags, new address) */
enum quire_outcome quire_memory_mremap(struct quire_thread *t, struct quire_call *c)
{
        struct remap m = {
                .from = c->args[0], .old = page_up(c->args[1]), .new = page_up(c->args[2]),
                .to = c->args[4], .flags = (int)c->args[3],
        };
        struct quire_part part;
        int64_t at;

        if (m.from & (PAGE - 1) || !m.new || !m.old || m.from + m.old < m.from ||
            (m.flags & MREMAP_FIXED && !(m.flags & MREMAP_MAYMOVE)))
                return QUIRE_CALL_PASS;
        if (!quire_memory_near(m.from, m.old) &&
            !(m.flags & MREMAP_FIXED && quire_memory_near(m.to, m.new)))
                return QUIRE_CALL_PASS;
        t->calls_memory++;
        quire_memory_lock();
        part = quire_part_at(m.from, m.from + m.old);
        switch (part.kind) {
        case QUIRE_PART_PAGED:
                at = remap_paged(&m, &part);
                break;
        case QUIRE_PART_PLAIN:
                at = remap_plain(&m, &part);
                break;
        case QUIRE_PART_KERNEL:
                at = m.flags & MREMAP_FIXED ? remap_kernel(&m) : -EFAULT;
                break;
        default:
                at = -EFAULT;
                break;
        }
        quire_memory_unlock();
        return quire_answer(c, at);
}
