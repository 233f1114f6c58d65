/*
 * plain.c - delegated ranges: memory that the host kernel manages, at the cost
 * of its own calls.
 *
 * Changing the access of a part of a mapping makes the kernel split it, which
 * costs as much again as the change.  So the free part of the plain zone carries
 * a mark of its own (it is left out of core dumps), and delegating a range takes
 * the mark off: that makes the range a mapping by itself, and the changes of its
 * access that follow are changes of a whole one.  Ranges given back keep their
 * boundaries for a while, since the same range is often asked for next; they are
 * inaccessible and empty meanwhile like the rest of the zone.
 *
 * A delegated view is a mapping of its store's file, of its own wherever it lies;
 * its first touches are the file's.  Discarding it takes nothing from the store:
 * of a view that copies it throws the copies away, otherwise nothing.
 *
 * Lock: L.  Signal context: yes.
 *
 * Invariant
 *   D1  Everything in the plain zone that is not delegated is inaccessible, and has
 *       no pages but what a stray thread touched while it was given back; those go
 *       before the range is delegated again (chunks of other kinds apart).
 */
#include "internal.h"
#include "sys.h"
#include <errno.h>
#include <sys/mman.h>

#define FEW 4u                   /* pages that may as well be visited twice */

static bool meets(const struct quire_range *r, uint64_t va, uint64_t pages)
{
        return va < r->first + (r->pages << PAGE_SHIFT) && r->first < va + (pages << PAGE_SHIFT);
}

static void mark_free(const struct quire_range *r)
{
        (void)sys_madvise(r->first, r->pages << PAGE_SHIFT, MADV_DONTDUMP);
}

/* Take the range out of those kept.  True: its boundaries are still there. */
static bool recall(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        for (unsigned i = 0; i < l->kept_count;) {
                struct quire_range r = l->kept[i];
                if (!meets(&r, va, pages)) {
                        i++;
                        continue;
                }
                l->kept[i] = l->kept[--l->kept_count];
                if (r.first == va && r.pages == pages)
                        return true;
                mark_free(&r);
        }
        return false;
}

static void keep(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        if (l->kept_count == KEPT) {
                mark_free(&l->kept[l->kept_turn % KEPT]);
                l->kept[l->kept_turn++ % KEPT] = (struct quire_range){ va, pages };
        } else {
                l->kept[l->kept_count++] = (struct quire_range){ va, pages };
        }
}

/* How much from va on lies in one piece; *in_zone: there the zone's own mapping stands. */
static uint64_t piece_at(const struct quire_linux *l, uint64_t va, uint64_t pages, bool *in_zone)
{
        uint64_t here = quire_piece_pages(l, va, pages);

        *in_zone = !quire_row_pages(l, va, &here) && quire_zone_kind(l, va) == CHUNK_PLAIN;
        return here;
}

/* => nobody can touch the range */
static void discard_strays(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        for (uint64_t here; pages; pages -= here, va += here << PAGE_SHIFT) {
                bool in_zone;

                here = piece_at(l, va, pages, &in_zone);
                if (in_zone && here > FEW)
                        (void)sys_madvise(va, here << PAGE_SHIFT, MADV_DONTNEED);
        }
}

enum quire_status quire_linux_delegate(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                       const struct quire_view *view,
                                       struct quire_range *obstacle)
{
        struct quire_linux *l = s->l;
        struct chunk want = { .first = va, .pages = pages, .kind = CHUNK_PLAIN };
        enum quire_status st;

        if (view) {
                if (!quire_view_holds(view->store, view->first, pages))
                        return QUIRE_INVALID;
                want.store = view->store;
                want.index = view->first;
                want.copies = view->copies;
        }
        st = quire_chunk_claim(l, &want, obstacle);
        if (st == QUIRE_OK)
                discard_strays(l, va, pages);
        /* Without the boundaries it works as well, only slower. */
        if (st == QUIRE_OK && quire_zone_kind(l, va) == CHUNK_PLAIN && !recall(l, va, pages) &&
            !view)
                (void)sys_madvise(va, quire_piece_pages(l, va, pages) << PAGE_SHIFT, MADV_DODUMP);
        return st;
}

enum quire_status quire_linux_delegate_protect(struct quire_mspace *s, uint64_t va,
                                               uint64_t pages, unsigned access)
{
        int prot = (access & QUIRE_R ? PROT_READ : 0) | (access & QUIRE_W ? PROT_WRITE : 0) |
                   (access & QUIRE_X ? PROT_EXEC : 0);
        long failed = sys_mprotect(va, pages << PAGE_SHIFT, prot);

        (void)s;
        /* A view of a store that this process may only read. */
        if (failed == -EACCES || failed == -EPERM)
                return QUIRE_DENIED;
        return failed ? QUIRE_NO_MEMORY : QUIRE_OK;
}

void quire_linux_delegate_discard(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        (void)s;
        (void)sys_madvise(va, pages << PAGE_SHIFT, MADV_DONTNEED);
}

/*
 * Back to what the zone is where nothing is delegated.  Taking access away first
 * would visit every page of a larger range twice; discarding first leaves what a
 * stray thread touches meanwhile (D1).  In a process with too many mappings the
 * kernel may refuse to split one: the range then reads as zeroes until it is
 * delegated again, where it should fault.
 */
static void give_back(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        uint64_t bytes = pages << PAGE_SHIFT;

        if (LOAD(&l->watching))
                quire_uffd_unregister(l->watch, va, bytes);
        if (pages > FEW)
                (void)sys_madvise(va, bytes, MADV_DONTNEED);
        (void)sys_mprotect(va, bytes, PROT_NONE);
        if (pages <= FEW)
                (void)sys_madvise(va, bytes, MADV_DONTNEED);
        keep(l, va, pages);
}

void quire_linux_delegate_release(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        struct quire_linux *l = s->l;

        for (uint64_t here; pages; pages -= here, va += here << PAGE_SHIFT) {
                bool in_zone;

                here = piece_at(l, va, pages, &in_zone);
                if (in_zone)
                        give_back(l, va, here);
                else
                        quire_chunk_surrender(l, va, here);
        }
}
