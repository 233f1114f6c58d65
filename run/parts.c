/*
 * parts.c - ranges of the program's addresses, part by part.
 *
 * Managed memory lies in two spans: the arena, where mmap's answers come from,
 * and the heap, where the break moves.  Everything else is the kernel's.  In
 * the arena, what the program mapped over managed memory at a fixed address, or
 * made executable, is the kernel's too; there the core keeps a plain region,
 * so that nobody else is given the place.
 *
 * Lock: the memory lock, held by every caller of what changes something.
 * Signal context: yes.
 */
#include "parts.h"
#include "buffers.h"
#include <errno.h>
#include <sys/mman.h>

#define BATCH 64u                        /* pages looked at, at once */

struct quire_span quire_spans[QUIRE_SPANS];
static uint64_t mapped;                  /* [a] bytes */

uint64_t quire_memory_mapped(void)
{
        return LOAD(&mapped);
}

void quire_mapped_add(uint64_t bytes)
{
        __atomic_add_fetch(&mapped, bytes, __ATOMIC_RELAXED);
}

void quire_mapped_sub(uint64_t bytes)
{
        __atomic_sub_fetch(&mapped, bytes, __ATOMIC_RELAXED);
}

unsigned quire_prot_access(int prot)
{
        unsigned access = 0;

        if (prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
                access |= QUIRE_R;
        if (prot & PROT_WRITE)
                access |= QUIRE_W;
        return access;
}

int quire_status_errno(enum quire_status st)
{
        switch (st) {
        case QUIRE_OK:
                return 0;
        case QUIRE_INVALID:
                return -EINVAL;
        case QUIRE_CONFLICT:
                return -EEXIST;
        case QUIRE_DENIED:
                return -EACCES;
        case QUIRE_BUSY:
                return -EAGAIN;
        case QUIRE_IO_ERROR:
        case QUIRE_BROKEN:
                return -EIO;
        default:
                return -ENOMEM;
        }
}

static void enter(void)
{
        quire_linux_enter_masked(quire_agent.machine);
}

static void leave(void)
{
        quire_linux_leave_masked(quire_agent.machine);
}

/* Which span holds va?  *until: where that, or the gap between spans, ends. */
static int span_of(uint64_t va, uint64_t *until)
{
        int found = -1;

        for (int i = 0; i < QUIRE_SPANS; i++) {
                const struct quire_span *s = &quire_spans[i];
                uint64_t next = va < s->va ? s->va : s->va + s->bytes;
                if (!s->bytes || va >= s->va + s->bytes)
                        continue;
                if (va >= s->va)
                        found = i;
                if (next < *until)
                        *until = next;
        }
        return found;
}

struct quire_part quire_part_at(uint64_t va, uint64_t end)
{
        struct quire_part part = { .va = va, .kind = QUIRE_PART_KERNEL };
        struct quire_info info;
        int span = span_of(va, &end);

        part.bytes = end - va;
        if (span < 0)
                return part;
        if (span == QUIRE_SPAN_HEAP && quire_heap_beyond(va, &end)) {
                part.kind = QUIRE_PART_BEYOND;
                part.bytes = end - va;
                return part;
        }
        enter();
        enum quire_status st = quire_region_query(quire_agent.space, va, &info);
        leave();
        if (st != QUIRE_OK)
                return part;
        if (info.run_first + info.run_bytes < end)
                end = info.run_first + info.run_bytes;
        part.bytes = end - va;
        part.base = info.base;
        part.region = info.bytes;
        part.committed = info.committed;
        part.access = info.access;
        part.mark = info.mark;
        part.kind = !info.reserved ? QUIRE_PART_FREE
                    : info.kind == QUIRE_PAGED ? QUIRE_PART_PAGED : QUIRE_PART_PLAIN;
        return part;
}

bool quire_part_reserve(enum quire_region_kind kind, uint64_t va, uint64_t bytes)
{
        struct quire_request request = {
                .bytes = bytes, .va = va, .kind = kind, .flags = QUIRE_EXACT,
        };
        uint64_t at;

        enter();
        enum quire_status st = quire_region_reserve(quire_agent.space, &request, &at);
        leave();
        return st == QUIRE_OK;
}

/* Give a part back to nobody; the heap's stays reserved for the break. */
int quire_part_release(const struct quire_part *part)
{
        bool heap = part->va - quire_spans[QUIRE_SPAN_HEAP].va < quire_spans[QUIRE_SPAN_HEAP].bytes;
        enum quire_status st;

        enter();
        if (heap && part->kind == QUIRE_PART_PAGED)
                st = quire_region_decommit(quire_agent.space, part->va, part->bytes);
        else
                st = quire_region_release(quire_agent.space, part->va, part->bytes);
        leave();
        if (st == QUIRE_OK && part->kind == QUIRE_PART_PAGED && !heap)
                quire_mapped_sub(part->bytes);
        return quire_status_errno(st);
}

int quire_part_protect(const struct quire_part *part, int prot)
{
        unsigned access = quire_prot_access(prot);
        enum quire_status st = QUIRE_OK;

        enter();
        if (access)
                st = quire_region_commit(quire_agent.space, part->va, part->bytes, access);
        else if (part->committed)
                st = quire_region_protect(quire_agent.space, part->va, part->bytes, 0, NULL);
        leave();
        return quire_status_errno(st);
}

void quire_part_discard(const struct quire_part *part)
{
        if (!part->committed)
                return;
        enter();
        /* Refused only where nothing is committed, which was asked. */
        (void)!quire_region_discard(quire_agent.space, part->va, part->bytes);
        leave();
}

/* Copy what has contents; the rest of the new mapping is zero already. */
static bool copy_out(const struct quire_part *part, uint64_t to)
{
        uint8_t state[BATCH];

        for (uint64_t at = 0; at < part->bytes; at += BATCH * PAGE) {
                uint64_t n = (part->bytes - at) / PAGE < BATCH ? (part->bytes - at) / PAGE : BATCH;
                enter();
                enum quire_status st = quire_page_map(quire_agent.space, part->va + at, n * PAGE,
                                                      state);
                leave();
                for (uint64_t i = 0; i < n; i++) {
                        uint64_t off = at + i * PAGE;
                        if (st == QUIRE_OK && (state[i] & 15) == QUIRE_PAGE_NONE)
                                continue;
                        if (!quire_user_get(raw_pointer(to + off), part->va + off, PAGE))
                                return false;
                }
        }
        return true;
}

/* For code that a program makes as it runs: such pages are not paged.  Other
 * threads that come by meanwhile wait (quire_memory_changed). */
int quire_part_to_kernel(const struct quire_part *part, int prot)
{
        struct quire_part whole = *part;
        long temporary = raw_mmap(0, part->bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int failed = 0;

        if (raw_failed(temporary))
                return -ENOMEM;
        if (part->committed && !(part->access & QUIRE_R))
                failed = quire_part_protect(part, PROT_READ);
        if (!failed && part->committed && !copy_out(part, (uint64_t)temporary))
                failed = -ENOMEM;
        if (!failed)
                failed = quire_range_to_plain(&whole);
        if (failed) {
                (void)raw3(SYS_munmap, (uint64_t)temporary, part->bytes, 0);
                return failed;
        }
        long at = raw6(SYS_mremap, (uint64_t)temporary, part->bytes, part->bytes,
                       MREMAP_MAYMOVE | MREMAP_FIXED, part->va, 0);
        if (raw_failed(at))
                quire_agent_fail("the kernel would not exchange a mapping", NULL);
        return (int)raw3(SYS_mprotect, part->va, part->bytes, (uint64_t)prot);
}

/* Let a managed part become a plain one, without contents. */
int quire_range_to_plain(const struct quire_part *part)
{
        enum quire_status st;

        enter();
        st = quire_region_release(quire_agent.space, part->va, part->bytes);
        leave();
        if (st != QUIRE_OK)
                return quire_status_errno(st);
        quire_mapped_sub(part->bytes);
        return quire_part_reserve(QUIRE_PLAIN, part->va, part->bytes) ? 0 : -ENOMEM;
}

int quire_range_free(uint64_t va, uint64_t bytes)
{
        uint64_t end = va + bytes;
        int failed = 0;

        while (va < end && !failed) {
                struct quire_part part = quire_part_at(va, end);
                switch (part.kind) {
                case QUIRE_PART_KERNEL:
                        failed = (int)raw3(SYS_munmap, part.va, part.bytes, 0);
                        break;
                case QUIRE_PART_PAGED:
                case QUIRE_PART_PLAIN:
                        failed = quire_part_release(&part);
                        break;
                case QUIRE_PART_FREE:
                case QUIRE_PART_BEYOND:
                        break;
                }
                va += part.bytes;
        }
        return failed;
}
