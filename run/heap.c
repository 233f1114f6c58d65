/*
 * heap.c - the program break.
 *
 * The kernel's break stays where it was when the agent came; from the next page
 * on the heap is one managed region, reserved as far as it may ever grow, and
 * the break commits and decommits at its end.
 *
 *     kernel's heap | first                 now                    end of span
 *                   | committed, managed ...|... reserved ........ |
 *
 * Lock: the memory lock.  Signal context: yes.
 */
#include "parts.h"
#include "report.h"
#include <sys/mman.h>

#define LARGEST ((uint64_t)64 << 30)
#define SMALLEST ((uint64_t)64 << 20)

static uint64_t first;         /* [I] lowest break that we answer for; 0: no heap */
static uint64_t now;           /* the break */

static uint64_t kernel_break(void)
{
        return (uint64_t)raw3(SYS_brk, 0, 0, 0);
}

/* Reserve what can be had after the kernel's break. */
void quire_heap_open(void)
{
        uint64_t at = page_up(kernel_break());

        for (uint64_t bytes = LARGEST; bytes >= SMALLEST; bytes /= 2) {
                if (!quire_part_reserve(QUIRE_PAGED, at, bytes))
                        continue;
                quire_spans[QUIRE_SPAN_HEAP] = (struct quire_span){ at, bytes };
                first = kernel_break();
                now = first;
                return;
        }
}

/* Past the break, where nothing is mapped?  *until: at most to where that, or
 * its contrary, ends. */
bool quire_heap_beyond(uint64_t va, uint64_t *until)
{
        uint64_t mapped_end = page_up(now);

        if (va >= mapped_end)
                return true;
        if (*until > mapped_end)
                *until = mapped_end;
        return false;
}

bool quire_memory_beyond(uint64_t va)
{
        const struct quire_span *span = &quire_spans[QUIRE_SPAN_HEAP];

        return va - span->va < span->bytes && va >= page_up(LOAD(&now));
}

/* brk(address): the new break, or the old one when it can not be. */
enum quire_outcome quire_memory_brk(struct quire_thread *t, struct quire_call *c)
{
        const struct quire_span *span = &quire_spans[QUIRE_SPAN_HEAP];
        uint64_t want = c->args[0], from, to;
        struct quire_part part;
        int failed = 0;

        if (!first)
                return QUIRE_CALL_PASS;
        t->calls_memory++;
        if (want >= first && want < LOAD(&now))
                quire_report_shrinks();
        quire_memory_lock();
        from = page_up(now);
        to = page_up(want);
        if (want < first || want - first > span->bytes - PAGE) {
                failed = 1;
        } else if (to > from) {
                part = (struct quire_part){ .va = from, .bytes = to - from };
                failed = quire_part_protect(&part, PROT_READ | PROT_WRITE);
                if (!failed)
                        quire_mapped_add(to - from);
        } else if (to < from) {
                part = (struct quire_part){ .va = to, .bytes = from - to,
                                            .kind = QUIRE_PART_PAGED };
                failed = quire_part_release(&part);
                if (!failed)
                        quire_mapped_sub(from - to);
        }
        if (!failed)
                STORE(&now, want);
        want = now;
        quire_memory_unlock();
        return quire_answer(c, (int64_t)want);
}
