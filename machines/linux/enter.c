/*
 * enter.c - translations: showing frames, hiding them, narrowing and widening.
 *
 * A page is shown in one of three ways:
 *
 *   zero   a frame that has no page yet: COPY from a row of zeroes, so that its
 *          page comes into being at the address itself;
 *   move   a writable frame's page moves there from its slot (nothing is
 *          copied, the slot becomes empty);
 *   copy   a read-only frame's contents are copied with the write protection
 *          on, since MOVE drops it and no call does both; the slot is stale.
 *          A long run moves all the same, and is protected then, where nobody
 *          can write in between (alone.c) and who does is denied anyway, so
 *          that not even then anything would be lost.  That pays while frames
 *          that are freed leave pages for those that are needed; else the page
 *          that a copy leaves in its slot is the next frame's.
 *
 * MOVE must interrupt every processor that runs a thread of ours, COPY none:
 * with a second busy thread one MOVE costs 6-10 us, a COPY 1.1 us; alone MOVE
 * costs 0.8 us and spares the page's later release.  So single pages go the way
 * that was cheaper of late, as measured, and long runs always move.
 *
 * Hiding keeps contents: pages MOVE to empty slots.  The kernel refuses (EBUSY)
 * to move a page that a forked process shares or a device has pinned, and old
 * kernels can not move at all, nor any kernel into or out of a view that copies:
 * then the range is write-protected, copied to slots and dropped.  Store frames
 * have their contents in the file (store.c); a run may have both.
 *
 * Where the userfaultfd can not write-protect, the mapping does it: what is
 * shown read-only lies in a read-only mapping of its own, from which nothing
 * moves.  That costs mappings, and their number is limited; showing one page
 * more read-only than the kernel has mappings for is NO_MEMORY.
 *
 * Lock: L.  Signal context: yes; no allocation, no waiting.
 *
 * Invariant
 *   E1  At return every frame named is SHOWN (enter) or HELD (take), or none
 *       has changed.  A page hidden and shown again on the way may have lost
 *       its write permission, which the core gives again when asked (M2).
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define MOVE_RUN 8u              /* from here on one interruption pays */
#define REPEAT 64u               /* single pages between two looks at the dearer way */
#define DEAREST 60000u           /* ticks beyond which a sample says nothing but "preempted" */

/* ------------------------------------------------------------------ costs */

static uint32_t ticks(void)
{
        return (uint32_t)__builtin_ia32_rdtsc();
}

static void note_cost(uint32_t *average, uint32_t began)
{
        uint32_t sample = ticks() - began;

        if (sample > DEAREST)
                sample = DEAREST;
        *average = *average ? *average - *average / 8 + sample / 8 : sample;
}

static bool move_pays(struct quire_linux *l, uint64_t pages)
{
        struct costs *c = &l->costs;

        if (!(l->can & CAN_MOVE))
                return false;
        if (pages >= MOVE_RUN || !c->move)
                return true;
        bool cheaper = c->move <= c->copy + c->copy / 2;
        if (++c->since < REPEAT)
                return cheaper && c->copy;
        c->since = 0;
        return !cheaper;
}

/* ---------------------------------------------------------------- showing */

struct run {
        uint64_t va;
        const quire_frame *frames;
        uint64_t pages;
        bool writable;
        bool refuses;            /* not writable, and not only to notice writes */
        bool moves;              /* pages can be moved there */
};

static void mark_shown(struct pool *p, const struct run *r, uint64_t from, uint64_t to)
{
        for (uint64_t i = from; i < to; i++)
                frame_set(p, r->frames[i], FRAME_SHOWN, 0);
}

static long copy_in(struct quire_linux *l, uint64_t to, uint64_t from, uint64_t pages,
                    bool writable, uint64_t *done)
{
        return quire_uffd_copy(l, to, from, pages, !writable && l->can & CAN_WP, done);
}

/* Without write protection by page: by mapping. */
static long map_access(struct quire_linux *l, uint64_t va, uint64_t pages, bool writable)
{
        if (l->can & CAN_WP)
                return 0;
        return sys_mprotect(va, pages << PAGE_SHIFT, PROT_READ | (writable ? PROT_WRITE : 0));
}

/* Frames without a page.  One page may come from a stale slot instead. */
static long show_zero(struct quire_linux *l, const struct run *r, uint64_t *done)
{
        struct pool *p = &l->pool;
        uint32_t began;
        long failed;

        if (r->pages == 1 && r->writable && r->moves && p->stales && move_pays(l, 1)) {
                uint32_t slot = quire_pool_reuse(p);
                memset((void *)(uintptr_t)slot_va(p, slot), 0, PAGE);
                began = ticks();
                if (!quire_uffd_move(l, r->va, slot_va(p, slot), 1, done)) {
                        note_cost(&l->costs.move, began);
                        quire_pool_emptied(p, slot);
                        mark_shown(p, r, 0, 1);
                        return 0;
                }
                quire_pool_staled(l, slot);
        }
        began = ticks();
        failed = copy_in(l, r->va, l->zeroes, r->pages, r->writable, done);
        if (r->pages == 1 && !failed)
                note_cost(&l->costs.copy, began);
        mark_shown(p, r, 0, *done);
        return failed;
}

static bool run_moves(struct quire_linux *l, const struct run *r)
{
        if (!r->moves)
                return false;
        if (r->writable)
                return move_pays(l, r->pages);
        return r->refuses && r->pages >= MOVE_RUN && !l->pool.lean &&
               l->can & CAN_MOVE && l->can & CAN_WP && quire_alone(l);
}

/* Frames that lie in consecutive slots. */
static long show_held(struct quire_linux *l, const struct run *r, uint64_t *done)
{
        struct pool *p = &l->pool;
        uint32_t slot = frame_slot(p, r->frames[0]);
        uint32_t began = ticks();
        uint64_t more = 0;
        long failed;

        *done = 0;
        if (run_moves(l, r)) {
                failed = quire_uffd_move(l, r->va, slot_va(p, slot), r->pages, done);
                if (*done && !r->writable && quire_uffd_protect(l, r->va, *done, true))
                        quire_linux_stop(l, "pages shown can not be protected");
                if (r->pages == 1 && !failed)
                        note_cost(&l->costs.move, began);
                for (uint64_t i = 0; i < *done; i++)
                        quire_pool_emptied(p, slot + (uint32_t)i);
                mark_shown(p, r, 0, *done);
                if (!failed)
                        return 0;
                began = ticks();
        }
        failed = copy_in(l, r->va + (*done << PAGE_SHIFT), slot_va(p, slot + (uint32_t)*done),
                         r->pages - *done, r->writable, &more);
        if (r->pages == 1 && !failed)
                note_cost(&l->costs.copy, began);
        mark_shown(p, r, *done, *done + more);
        for (uint64_t i = *done; i < *done + more; i++)
                quire_pool_staled(l, slot + (uint32_t)i);
        *done += more;
        return failed;
}

/* How many of the frames from the first on are of a store. */
static uint64_t stored(const quire_frame *frames, uint64_t pages)
{
        uint64_t n = 0;

        while (n < pages && frames[n] & STORE_FRAME)
                n++;
        return n;
}

/* How many frames from the first on can be shown with one call. */
static uint64_t alike(const struct pool *p, const quire_frame *frames, uint64_t pages)
{
        enum frame_state state = frame_state(p, frames[0]);
        uint64_t n = 1;

        while (n < pages && !(frames[n] & STORE_FRAME) && frame_state(p, frames[n]) == state &&
               (state == FRAME_LAZY ||
                frame_slot(p, frames[n]) == frame_slot(p, frames[n - 1]) + 1))
                n++;
        return n;
}

/* What can be shown with one call, of *r; all of it or none, save what *done says. */
static long show_some(struct quire_linux *l, const struct chunk *view, struct run *r,
                      uint64_t *done)
{
        uint64_t n = stored(r->frames, r->pages);
        long failed;

        *done = 0;
        if (n) {
                failed = quire_view_enter(l, view, r->va, n, r->writable);
                *done = failed ? 0 : n;
                return failed;
        }
        r->pages = alike(&l->pool, r->frames, r->pages);
        return frame_state(&l->pool, r->frames[0]) == FRAME_LAZY ? show_zero(l, r, done)
                                                                 : show_held(l, r, done);
}

enum quire_status quire_linux_enter(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                    const quire_frame *frames, unsigned access)
{
        struct quire_linux *l = s->l;
        struct chunk view;
        bool in_view = quire_view_find(l, va, &view);
        uint64_t at = 0;

        if (pages > 1 && quire_bars_alarm(l, va, pages))
                return QUIRE_NO_MEMORY;          /* page by page, then, as they are wanted */
        quire_bars_lift(l, va, pages);
        if (map_access(l, va, pages, access & QUIRE_W))
                return QUIRE_NO_MEMORY;
        while (at < pages) {
                struct run r = { va + (at << PAGE_SHIFT), frames + at, pages - at,
                                 access & QUIRE_W, access & QUIRE_REFUSES_W, !in_view };
                uint64_t done;
                long failed = show_some(l, &view, &r, &done);

                at += done;
                if (failed) {
                        if (at && quire_linux_take(s, va, at, frames))
                                quire_linux_stop(l, "pages shown can not be taken back");
                        return QUIRE_NO_MEMORY;
                }
        }
        return QUIRE_OK;
}

/* ----------------------------------------------------------------- hiding */

static void mark_held(struct pool *p, const quire_frame *frames, uint32_t slot, uint64_t n)
{
        for (uint64_t i = 0; i < n; i++)
                frame_set(p, frames[i], FRAME_HELD, slot + (uint32_t)i);
}

static long bar_writers(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        return l->can & CAN_WP ? quire_uffd_protect(l, va, pages, true)
                               : map_access(l, va, pages, false);
}

/* Is every page of the range shown?  Copying from a hole would fault into
 * ourselves.  (Not of a view: there it would be the file's page that counts.) */
static bool all_present(const struct quire_linux *l, uint64_t va, uint64_t pages)
{
        unsigned char there[QUIRE_RUN_MAX];

        if (!quire_maps_there(l, va, pages, there))
                return false;
        for (uint64_t i = 0; i < pages; i++)
                if (!there[i])
                        return false;
        return true;
}

/* Nothing is shown there any more, and anything may be again. */
static void hide_pages(struct quire_linux *l, uint64_t va, uint64_t pages, bool in_view)
{
        if (in_view)
                quire_view_hide(l, va, pages);
        else
                (void)sys_madvise(va, pages << PAGE_SHIFT, MADV_DONTNEED);
        /* Joins mappings; where it can not, the next page shown sets it right. */
        (void)map_access(l, va, pages, true);
}

/* Copy pages out to claimed slots and drop them.  0, or nothing changed.
 * => in a view: all of them are shown */
static long hide_by_copy(struct quire_linux *l, uint64_t va, uint64_t pages, uint32_t slot,
                         bool in_view)
{
        uint64_t done;
        long failed;

        if (!in_view && !all_present(l, va, pages))
                return -ENOENT;
        failed = bar_writers(l, va, pages);
        if (failed)
                return failed;
        failed = quire_uffd_copy(l, slot_va(&l->pool, slot), va, pages, false, &done);
        if (failed)
                (void)sys_madvise(slot_va(&l->pool, slot), pages << PAGE_SHIFT, MADV_DONTNEED);
        else
                hide_pages(l, va, pages, in_view);
        /* What was protected stays so: the core grants it again when asked. */
        return failed;
}

/* Put pages back where they were; they come back read-only, so that no write
 * goes unnoticed. */
static void show_again(struct quire_linux *l, uint64_t va, uint32_t slot, uint64_t pages)
{
        uint64_t done;

        if (!pages)
                return;
        if (map_access(l, va, pages, false) ||
            copy_in(l, va, slot_va(&l->pool, slot), pages, false, &done))
                quire_linux_stop(l, "a page taken can not be shown again");
        for (uint64_t i = 0; i < pages; i++)
                quire_pool_staled(l, slot + (uint32_t)i);
}

/* Hide a run into consecutive slots that are claimed. */
static long hide_run(struct quire_linux *l, uint64_t va, uint64_t pages,
                     const quire_frame *frames, uint32_t slot, bool in_view)
{
        uint64_t done = 0;
        long failed = -EBUSY;

        if (l->can & CAN_MOVE && !in_view)
                failed = quire_uffd_move(l, slot_va(&l->pool, slot), va, pages, &done);
        /* (EINVAL: read-only mappings among it, see map_access.) */
        if (failed == -EBUSY || (failed == -EINVAL && !(l->can & CAN_WP)))
                failed = hide_by_copy(l, va + (done << PAGE_SHIFT), pages - done,
                                      slot + (uint32_t)done, in_view);
        if (failed) {
                show_again(l, va, slot, done);
                for (uint64_t i = done; i < pages; i++)
                        quire_pool_emptied(&l->pool, slot + (uint32_t)i);
                return failed;
        }
        mark_held(&l->pool, frames, slot, pages);
        return 0;
}

/* The runs before page `at', back to where they were. */
static void untake(struct quire_linux *l, uint64_t va, uint64_t at, const quire_frame *frames)
{
        while (at--) {
                if (frames[at] & STORE_FRAME)
                        continue;
                show_again(l, va + (at << PAGE_SHIFT), frame_slot(&l->pool, frames[at]), 1);
                frame_set(&l->pool, frames[at], FRAME_SHOWN, 0);
        }
}

/* Private frames, between those of the store that stay for now. */
static long take_private(struct quire_linux *l, uint64_t va, uint64_t pages,
                         const quire_frame *frames, bool in_view)
{
        uint64_t at = 0;

        for (;;) {
                uint64_t n = 0;
                uint32_t got, slot;
                long failed = -ENOMEM;

                at += stored(frames + at, pages - at);
                while (at + n < pages && !(frames[at + n] & STORE_FRAME))
                        n++;
                if (!n)
                        return 0;
                slot = quire_pool_claim(&l->pool, (uint32_t)n, &got);
                if (slot != NO_SLOT)
                        failed = hide_run(l, va + (at << PAGE_SHIFT), got, frames + at, slot,
                                          in_view);
                if (failed) {
                        untake(l, va, at, frames);
                        return failed;
                }
                at += got;
        }
}

enum quire_status quire_linux_take(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                   const quire_frame *frames)
{
        struct quire_linux *l = s->l;
        struct chunk view;
        bool in_view = quire_view_find(l, va, &view);
        long failed;

        quire_bars_lift(l, va, pages);
        if (in_view && !quire_view_shown(l, va, pages, frames))
                return QUIRE_NOT_PRESENT;
        failed = take_private(l, va, pages, frames, in_view);
        if (failed)
                return failed == -ENOENT ? QUIRE_NOT_PRESENT : QUIRE_NO_MEMORY;
        /* What can not fail comes last: the file keeps its contents. */
        for (uint64_t at = 0, n; at < pages; at += n ? n : 1) {
                n = stored(frames + at, pages - at);
                if (n)
                        hide_pages(l, va + (at << PAGE_SHIFT), n, true);
        }
        return QUIRE_OK;
}

void quire_linux_drop(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        struct quire_linux *l = s->l;

        quire_bars_lift(l, va, pages);
        while (pages) {
                uint64_t here = pages;
                struct chunk view;
                bool in_view = l->stores && quire_row_pages(l, va, &here) &&
                               quire_view_find(l, va, &view);

                hide_pages(l, va, here, in_view);
                va += here << PAGE_SHIFT;
                pages -= here;
        }
}

void quire_linux_protect(struct quire_mspace *s, uint64_t va, uint64_t pages, unsigned access)
{
        struct quire_linux *l = s->l;
        bool writable = access & QUIRE_W;
        struct chunk view;
        bool in_view = quire_view_find(l, va, &view);

        quire_bars_lift(l, va, pages);
        if (!(l->can & CAN_WP)) {
                if (map_access(l, va, pages, writable) && !writable)
                        quire_linux_stop(l, "no mapping is left to protect a page with "
                                         "(vm.max_map_count)");
        } else if (in_view) {
                quire_view_protect(l, &view, va, pages, writable);
        } else {
                (void)quire_uffd_protect(l, va, pages, !writable);
        }
        if (in_view && pages == 1 && quire_fault_is_at(va))
                quire_view_repair(l, &view, va, writable);
}
