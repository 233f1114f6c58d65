/*
 * watch.c - which pages of a delegated range were written.
 *
 * The kernel notes it: a second userfaultfd with asynchronous write protection
 * is registered on the range, PAGEMAP_SCAN finds pages whose protection a write
 * has lifted and puts it back in the same call.  Pages that do not exist yet are
 * not armed (that would build page tables for all of the range): one that comes
 * into being by a write is present and unprotected, which reads as written; one
 * that comes by a read shows the kernel's page of zeroes, which is left out.
 *
 * Kernels without it (before 6.7) say UNSUPPORTED; soft-dirty bits would do,
 * but resetting them is for the whole process at once.
 *
 * In a child of fork the registration is gone: the first harvest makes it anew
 * and reports every page that exists, which errs to the safe side.
 *
 * Lock: L.  Signal context: yes.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <string.h>

#define REGIONS 32u
#ifndef PAGE_IS_PFNZERO
#define PAGE_IS_PFNZERO 32u
#endif

static long register_range(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        return quire_uffd_register(l->watch, va, pages << PAGE_SHIFT, UFFDIO_REGISTER_MODE_WP);
}

/* Protect what was written, and say what it was: bits may be null. */
static long scan(struct quire_linux *l, uint64_t va, uint64_t pages, uint8_t *bits)
{
        struct page_region region[REGIONS];
        struct pm_scan_arg a = {
                .size = sizeof(a), .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
                .start = va, .end = va + (pages << PAGE_SHIFT),
                .vec = (uint64_t)(uintptr_t)region, .vec_len = REGIONS,
                .category_inverted = PAGE_IS_PFNZERO,
                .category_mask = PAGE_IS_WRITTEN | PAGE_IS_PFNZERO,
                .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                .return_mask = PAGE_IS_WRITTEN,
        };

        while (a.start < a.end) {
                long got = sys_ioctl(l->pagemap, PAGEMAP_SCAN, &a);
                if (got < 0)
                        return got;
                for (long i = 0; bits && i < got; i++)
                        memset(bits + ((region[i].start - va) >> PAGE_SHIFT), QUIRE_MODIFIED,
                               (region[i].end - region[i].start) >> PAGE_SHIFT);
                a.start = a.walk_end;
        }
        return 0;
}

enum quire_status quire_linux_delegate_watch(struct quire_mspace *s, uint64_t va,
                                             uint64_t pages)
{
        struct quire_linux *l = s->l;

        if (l->watch < 0 || l->pagemap < 0)
                return QUIRE_UNSUPPORTED;
        STORE(&l->watching, true);
        if (register_range(l, va, pages) || scan(l, va, pages, NULL))
                return QUIRE_NO_MEMORY;
        return QUIRE_OK;
}

enum quire_status quire_linux_harvest(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                      uint8_t *bits)
{
        struct quire_linux *l = s->l;
        long failed;

        if (l->watch < 0 || l->pagemap < 0)
                return QUIRE_UNSUPPORTED;
        memset(bits, 0, pages);
        failed = scan(l, va, pages, bits);
        if (failed == -EPERM && !register_range(l, va, pages))
                failed = scan(l, va, pages, bits);
        return failed ? QUIRE_UNSUPPORTED : QUIRE_OK;
}

/* Does this kernel scan page maps? */
bool quire_watch_probe(int pagemap)
{
        struct pm_scan_arg a = { .size = sizeof(a), .return_mask = PAGE_IS_PRESENT,
                                 .category_mask = PAGE_IS_PRESENT };

        a.start = a.end = (uint64_t)(uintptr_t)&a & ~(PAGE - 1);
        return sys_ioctl(pagemap, PAGEMAP_SCAN, &a) >= 0;
}
