/*
 * store.c - stores: rows of frames that views share.
 *
 * A store is a memfd, mapped once as a whole for the windows; a view is a
 * shared mapping of it, registered for missing and minor faults, where CONTINUE
 * shows the page that the file has at the view's own offset.  Hiding a view's
 * page drops the translation; the file keeps the contents.
 *
 * A frame's token holds the store's number and the page's, so no table is kept.
 *
 * Lock: L.  Signal context: yes.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#define NUMBER_SHIFT 40
#define PAGE_BITS (((quire_frame)1 << NUMBER_SHIFT) - 1)
#define PAGEMAP_PRESENT ((uint64_t)1 << 63)

struct quire_store {
        struct quire_linux *l;
        struct quire_store *next;
        uint64_t pages;
        uint64_t window;         /* the whole file, mapped */
        uint32_t number;
        int fd;
};

static struct quire_store *find_store(struct quire_linux *l, quire_frame f)
{
        uint32_t number = (uint32_t)((f & ~STORE_FRAME) >> NUMBER_SHIFT);
        struct quire_store *s = l->stores;

        while (s && s->number != number)
                s = s->next;
        return s;
}

enum quire_status quire_linux_store_open(struct quire_machine *m, uint64_t pages,
                                         struct quire_store **out)
{
        struct quire_linux *l = linux_of(m);
        struct quire_store *s;

        if (!(l->can & CAN_STORES))
                return QUIRE_UNSUPPORTED;
        if (pages > PAGE_BITS)
                return QUIRE_INVALID;
        s = quire_lodging_alloc(&l->lodging, sizeof(*s));
        if (!s)
                return QUIRE_NO_MEMORY;
        *s = (struct quire_store){ .l = l, .pages = pages, .number = l->store_number++ };
        s->fd = quire_descriptor_raise(
                l, (int)sys_call3(SYS_memfd_create, sys_address("quire"), MFD_CLOEXEC, 0));
        if (s->fd >= 0 && !sys_call3(SYS_ftruncate, s->fd, (long)(pages << PAGE_SHIFT), 0)) {
                long at = sys_mmap(0, pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_NORESERVE, s->fd, 0);
                if (at > 0) {
                        s->window = (uint64_t)at;
                        s->next = l->stores;
                        l->stores = s;
                        *out = s;
                        return QUIRE_OK;
                }
        }
        if (s->fd >= 0)
                (void)sys_close(s->fd);
        quire_lodging_free(&l->lodging, s, sizeof(*s));
        return QUIRE_NO_MEMORY;
}

void quire_linux_store_close(struct quire_machine *m, struct quire_store *s)
{
        struct quire_linux *l = linux_of(m);
        struct quire_store **link = &l->stores;

        while (*link != s)
                link = &(*link)->next;
        *link = s->next;
        (void)sys_munmap(s->window, s->pages << PAGE_SHIFT);
        (void)sys_close(s->fd);
        quire_lodging_free(&l->lodging, s, sizeof(*s));
}

/* The page is made by allocating it in the file: touching the window instead
 * would be a SIGBUS where there is no memory. */
enum quire_status quire_view_frame(struct quire_store *s, uint64_t index, quire_frame *out)
{
        if (index >= s->pages)
                return QUIRE_INVALID;
        if (sys_call6(SYS_fallocate, s->fd, FALLOC_FL_KEEP_SIZE, (long)(index << PAGE_SHIFT),
                      (long)PAGE, 0, 0))
                return QUIRE_NO_MEMORY;
        *out = STORE_FRAME | (quire_frame)s->number << NUMBER_SHIFT | index;
        return QUIRE_OK;
}

void quire_view_frame_free(struct quire_linux *l, quire_frame f)
{
        struct quire_store *s = find_store(l, f);

        if (s)
                (void)sys_call6(SYS_fallocate, s->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                                (long)((f & PAGE_BITS) << PAGE_SHIFT), (long)PAGE, 0, 0);
}

void *quire_view_window(struct quire_linux *l, quire_frame f)
{
        struct quire_store *s = find_store(l, f);

        return s ? (void *)(uintptr_t)(s->window + ((f & PAGE_BITS) << PAGE_SHIFT)) : NULL;
}

/* The mapping of a view: an address, or a negative errno. */
long quire_view_map(const struct chunk *c, int flags)
{
        if (c->index + c->pages > c->store->pages)
                return -EINVAL;
        return sys_mmap(c->first, c->pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE | flags, c->store->fd, c->index << PAGE_SHIFT);
}

long quire_view_watch(struct quire_linux *l, const struct chunk *c)
{
        unsigned modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR;

        if (l->can & CAN_WP)
                modes |= UFFDIO_REGISTER_MODE_WP;
        return quire_uffd_register(l->uffd, c->first, c->pages << PAGE_SHIFT, modes);
}

enum quire_status quire_view_enter(struct quire_linux *l, uint64_t va, uint64_t pages,
                                    unsigned access)
{
        for (uint64_t i = 0; i < pages; i++) {
                uint64_t at = va + (i << PAGE_SHIFT);
                if (quire_uffd_continue(l, at, !(access & QUIRE_W) && l->can & CAN_WP)) {
                        if (i)
                                (void)sys_madvise(va, i << PAGE_SHIFT, MADV_DONTNEED);
                        return QUIRE_NO_MEMORY;
                }
        }
        return QUIRE_OK;
}

/* Is every page of the range translated? */
bool quire_view_shown(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        uint64_t entry[QUIRE_RUN_MAX];
        long bytes = (long)(pages * sizeof(*entry));

        if (l->pagemap < 0)
                return true;
        if (sys_call6(SYS_pread64, l->pagemap, sys_address(entry), bytes,
                      (long)((va >> PAGE_SHIFT) * sizeof(*entry)), 0, 0) != bytes)
                return true;
        for (uint64_t i = 0; i < pages; i++)
                if (!(entry[i] & PAGEMAP_PRESENT))
                        return false;
        return true;
}
