/*
 * memory.c - mmap, munmap and mprotect of managed memory.
 *
 * Private anonymous memory that the program maps becomes a region of its own in
 * the arena: PROT_NONE is reserved, anything else committed.  What stays with
 * the kernel: files, shared and executable memory, stacks, huge pages, and
 * whatever is mapped at a fixed address outside of the arena.
 *
 * A range that the program names may run over managed memory and the kernel's;
 * it is handled part by part (parts.c), in order, and the first failure ends
 * it, as in the kernel.
 *
 * Signal context: yes.  Lock: the memory lock, one futex word, held around each
 * of these calls; its holder may touch memory of the program, so the fault path
 * must not take it, except where `changed' asks who holds it.
 */
#include "memory.h"
#include "buffers.h"
#include "machines/linux/bare.h"
#include "parts.h"
#include "report.h"
#include <errno.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define FIXED (MAP_FIXED | MAP_FIXED_NOREPLACE)
#define KERNELS (MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB | MAP_32BIT)

static uint32_t word;                    /* [a] 0 free, 1 held, 2 held and waited for */
static int owner;                        /* [a] thread that holds it */
static uint64_t told;                    /* [lock] mapped bytes when the report last heard */

void quire_memory_lock(void)
{
        uint32_t free = 0;

        if (!__atomic_compare_exchange_n(&word, &free, 1, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
                while (__atomic_exchange_n(&word, 2, __ATOMIC_ACQUIRE))
                        raw_futex_wait(&word, 2);
        STORE(&owner, quire_thread_here()->tid);
}

void quire_memory_unlock(void)
{
        uint64_t mapped = quire_memory_mapped();

        if (mapped != told)
                quire_report_mapped(mapped);
        told = mapped;
        STORE(&owner, 0);
        if (__atomic_exchange_n(&word, 0, __ATOMIC_RELEASE) == 2)
                raw_futex_wake(&word, 1);
        quire_report_poll();
}

void quire_memory_open(void)
{
        struct quire_machine *machine = quire_linux_machine(quire_agent.machine);
        struct quire_range zone = quire_linux_machine_ops.abilities(machine)->paged;

        quire_spans[QUIRE_SPAN_ARENA] = (struct quire_span){ zone.first, zone.pages * PAGE };
        quire_heap_open();
}

/* ------------------------------------------------------------------- mapping */

static bool is_managed_kind(int prot, int flags)
{
        return (flags & MAP_TYPE) == MAP_PRIVATE && flags & MAP_ANONYMOUS &&
               !(flags & KERNELS) && !(prot & PROT_EXEC);
}

/* Give a reserved range its access; released again when that fails. */
static int64_t open_range(uint64_t va, uint64_t bytes, int prot, int flags)
{
        struct quire_part part = { .va = va, .bytes = bytes, .kind = QUIRE_PART_PAGED };
        int failed = quire_part_protect(&part, prot);

        quire_mapped_add(bytes);
        if (failed) {
                (void)quire_part_release(&part);
                return failed;
        }
        if (flags & MAP_LOCKED)
                (void)quire_part_lock(&part);
        return (int64_t)va;
}

/* Wherever there is room; at `hint' if that is free. */
int64_t quire_range_map(uint64_t hint, uint64_t bytes, int prot, int flags)
{
        const struct quire_span *arena = &quire_spans[QUIRE_SPAN_ARENA];
        struct quire_request request = {
                .bytes = bytes, .kind = QUIRE_PAGED,
                .low = arena->va, .high = arena->va + arena->bytes,
        };
        uint64_t at = page_down(hint);
        enum quire_status st;

        if (at - arena->va < arena->bytes && bytes <= arena->va + arena->bytes - at &&
            quire_part_reserve(QUIRE_PAGED, at, bytes))
                return open_range(at, bytes, prot, flags);
        quire_linux_enter_masked(quire_agent.machine);
        st = quire_region_reserve(quire_agent.space, &request, &at);
        quire_linux_leave_masked(quire_agent.machine);
        if (st != QUIRE_OK)
                return st == QUIRE_NO_SPACE || st == QUIRE_INVALID ? -ENOSPC : -ENOMEM;
        return open_range(at, bytes, prot, flags);
}

/* Managed memory at a fixed address, in one part. */
static int map_part(const struct quire_part *part, int prot, int flags)
{
        struct quire_part fresh = *part;
        int failed = 0;

        switch (part->kind) {
        case QUIRE_PART_KERNEL:
                return raw_failed(raw_mmap(part->va, part->bytes, prot,
                                           (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED, -1, 0))
                               ? -ENOMEM : 0;
        case QUIRE_PART_BEYOND:
                return -ENOMEM;
        case QUIRE_PART_PLAIN:
                failed = quire_part_release(part);
                break;
        case QUIRE_PART_PAGED:
                /* Contents go, and with them the promise: then as if new. */
                quire_linux_enter_masked(quire_agent.machine);
                failed = quire_status_errno(quire_region_decommit(quire_agent.space, part->va,
                                                                  part->bytes));
                quire_linux_leave_masked(quire_agent.machine);
                fresh.committed = false;
                return failed ? failed : quire_part_protect(&fresh, prot);
        case QUIRE_PART_FREE:
                break;
        }
        if (failed || !quire_part_reserve(QUIRE_PAGED, part->va, part->bytes))
                return -ENOMEM;
        return open_range(part->va, part->bytes, prot, 0) < 0 ? -ENOMEM : 0;
}

/* Is anything mapped in the range?  (Of the kernel's parts it knows better.) */
static bool is_taken(uint64_t va, uint64_t end)
{
        while (va < end) {
                struct quire_part part = quire_part_at(va, end);
                if (part.kind == QUIRE_PART_PAGED || part.kind == QUIRE_PART_PLAIN)
                        return true;
                va += part.bytes;
        }
        return false;
}

static int64_t map_fixed(uint64_t va, uint64_t bytes, int prot, int flags)
{
        uint64_t end = va + bytes;
        int failed = 0;

        for (uint64_t at = va; at < end && !failed;) {
                struct quire_part part = quire_part_at(at, end);
                failed = map_part(&part, prot, flags);
                at += part.bytes;
        }
        return failed ? failed : (int64_t)va;
}

/* The kernel's memory over managed memory: everything in the range gives way. */
static int64_t map_over(const struct quire_call *c, uint64_t bytes)
{
        uint64_t va = c->args[0], end = va + bytes;
        int flags = ((int)c->args[3] & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;

        for (uint64_t at = va; at < end;) {
                struct quire_part part = quire_part_at(at, end);
                at += part.bytes;
                if (part.kind == QUIRE_PART_KERNEL || part.kind == QUIRE_PART_PLAIN)
                        continue;
                if (part.kind == QUIRE_PART_PAGED ? quire_range_to_plain(&part)
                    : part.kind == QUIRE_PART_BEYOND ||
                      !quire_part_reserve(QUIRE_PLAIN, part.va, part.bytes))
                        return -ENOMEM;
        }
        return raw_mmap(va, bytes, (int)c->args[2], flags, (int)c->args[4], c->args[5]);
}

static int64_t map_at(const struct quire_call *c, uint64_t bytes)
{
        uint64_t va = c->args[0];
        int prot = (int)c->args[2], flags = (int)c->args[3];

        if (va & (PAGE - 1))
                return -EINVAL;
        if (flags & MAP_FIXED_NOREPLACE && is_taken(va, va + bytes))
                return -EEXIST;
        return is_managed_kind(prot, flags) ? map_fixed(va, bytes, prot, flags)
                                            : map_over(c, bytes);
}

/* mmap(address, length, prot, flags, fd, offset) */
enum quire_outcome quire_memory_mmap(struct quire_thread *t, struct quire_call *c)
{
        uint64_t bytes = page_up(c->args[1]);
        int prot = (int)c->args[2], flags = (int)c->args[3];
        bool fixed = flags & FIXED;
        int64_t at;

        if (!c->args[1] || bytes < c->args[1] || bytes > (uint64_t)1 << 47)
                return QUIRE_CALL_PASS;
        if (fixed ? !quire_memory_near(c->args[0], bytes) : !is_managed_kind(prot, flags))
                return QUIRE_CALL_PASS;
        t->calls_memory++;
        quire_memory_lock();
        at = fixed ? map_at(c, bytes) : quire_range_map(c->args[0], bytes, prot, flags);
        quire_memory_unlock();
        if (at == -ENOSPC)
                return QUIRE_CALL_PASS;          /* more than the arena: unmanaged */
        return quire_answer(c, at);
}

/* munmap(address, length) */
enum quire_outcome quire_memory_munmap(struct quire_thread *t, struct quire_call *c)
{
        uint64_t va = c->args[0], bytes = page_up(c->args[1]);
        int failed;

        if (va & (PAGE - 1) || !bytes || va + bytes < va || !quire_memory_near(va, bytes))
                return QUIRE_CALL_PASS;
        t->calls_memory++;
        quire_report_shrinks();
        quire_memory_lock();
        failed = quire_range_free(va, bytes);
        quire_memory_unlock();
        return quire_answer(c, failed);
}

/* ---------------------------------------------------------------- protection */

static int protect_part(const struct quire_call *c, const struct quire_part *part)
{
        int prot = (int)c->args[2];
        bool key = c->nr == SYS_pkey_mprotect && (int)c->args[3] != -1;
        int failed = 0;

        switch (part->kind) {
        case QUIRE_PART_FREE:
        case QUIRE_PART_BEYOND:
                return -ENOMEM;
        case QUIRE_PART_PAGED:
                if (!(prot & PROT_EXEC) && !key)
                        return quire_part_protect(part, prot);
                failed = quire_part_to_kernel(part, prot);
                break;
        case QUIRE_PART_KERNEL:
        case QUIRE_PART_PLAIN:
                break;
        }
        return failed ? failed : (int)raw4(c->nr, part->va, part->bytes, c->args[2], c->args[3]);
}

/* mprotect(address, length, prot), pkey_mprotect(..., key) */
enum quire_outcome quire_memory_mprotect(struct quire_thread *t, struct quire_call *c)
{
        uint64_t va = c->args[0], bytes = page_up(c->args[1]), end = va + bytes;
        int failed = 0;

        if (va & (PAGE - 1) || !bytes || end < va || !quire_memory_near(va, bytes) ||
            (int)c->args[2] & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
                return QUIRE_CALL_PASS;
        t->calls_memory++;
        quire_memory_lock();
        while (va < end && !failed) {
                struct quire_part part = quire_part_at(va, end);
                failed = protect_part(c, &part);
                va += part.bytes;
        }
        quire_memory_unlock();
        return quire_answer(c, failed);
}

/* --------------------------------------------------------------- and elsewhere */

/* A fault was denied while another thread may have been changing this memory:
 * when it is done, is the access allowed? */
bool quire_memory_changed(uint64_t va, bool writes)
{
        struct quire_part part;

        if (LOAD(&owner) == quire_thread_here()->tid)
                return false;
        quire_memory_lock();
        part = quire_part_at(page_down(va), page_down(va) + PAGE);
        quire_memory_unlock();
        if (part.kind == QUIRE_PART_PLAIN)
                return true;             /* the next try is the kernel's to judge */
        return part.kind == QUIRE_PART_PAGED && part.committed &&
               part.access & (writes ? QUIRE_W : QUIRE_R);
}

/* What the program asked for about forked children. */
static void apply_marks(void)
{
        const struct quire_span *s = &quire_spans[QUIRE_SPAN_ARENA];
        uint64_t end = s->va + s->bytes;

        for (uint64_t va = s->va; va < end;) {
                struct quire_part part = quire_part_at(va, end);
                va += part.bytes;
                if (part.kind != QUIRE_PART_PAGED || !part.mark)
                        continue;
                if (part.mark & QUIRE_MARK_DONT_FORK)
                        (void)quire_part_release(&part);
                else if (part.mark & QUIRE_MARK_WIPE)
                        quire_part_discard(&part);
        }
}

void quire_memory_forked(void)
{
        STORE(&owner, quire_thread_here()->tid);
        if (quire_advice_marked())
                apply_marks();
        told = 0;                        /* the child's report starts empty */
        quire_memory_unlock();
}
