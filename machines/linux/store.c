/*
 * store.c - stores: rows of frames that views share.
 *
 * A store is a memfd, mapped once as a whole for the windows.  Views of it:
 *
 *   shared   a shared mapping, registered for missing and minor faults, where
 *            CONTINUE shows the page that the file has at the view's own offset.
 *            Hiding a page drops the translation; the file keeps the contents.
 *   copying  a private mapping, registered likewise.  CONTINUE shows the file's
 *            page always write-protected: without, the kernel would make a copy
 *            by itself and tell nobody.  COPY makes a private page instead, which
 *            leaves by copy, too: MOVE knows no mappings of files.
 *   plain    a mapping of either kind that is not registered (plain.c).
 *
 * A store that came from elsewhere may be read-only, or its file sealed against
 * new writable mappings (F_SEAL_FUTURE_WRITE).  The window, mapped before the seal,
 * stays writable, and a mapping of no length duplicates it: so the views of whoever
 * sealed the file may still have W.
 *
 * A frame's token holds the store's number and the page's, so no table is kept.
 *
 * In a file's mapping the kernel keeps the write protection of a page that is
 * dropped, as a mark without a page, which the page map shows as if it were
 * swapped.  So marks are taken off what is hidden (V1), and put only on what is shown.
 *
 * The kernel may lose what a view shows of its file, and the fault that follows
 * finds the core thinking that it is shown: when it takes the page away from a file
 * (to swap), and for all of it in a child of fork, which starts with empty views.
 * quire_view_repair() shows such a page again.
 *
 * A child of fork has copies of the stores whose frames the core keeps, since both
 * processes would give them back at their own times; stores that are delegated stay
 * one memory.
 *
 * Lock: L.  Signal context: yes.
 *
 * Invariant
 *   V1  In a registered view, an address that shows nothing has neither a page nor
 *       a mark (where there is a page map to tell).
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define NUMBER_SHIFT 40
#define PAGE_BITS (((quire_frame)1 << NUMBER_SHIFT) - 1)

struct quire_store {
        struct quire_linux *l;
        struct quire_store *next;
        uint64_t pages;
        uint64_t window;         /* the whole file, mapped */
        uint32_t number;
        int fd;
        bool writable;           /* the window is */
        bool paged;              /* the core asked for frames of it: nobody else's memory */
};

static struct quire_store *find_store(struct quire_linux *l, quire_frame f)
{
        uint32_t number = (uint32_t)((f & ~STORE_FRAME) >> NUMBER_SHIFT);
        struct quire_store *s = l->stores;

        while (s && s->number != number)
                s = s->next;
        return s;
}

/* ----------------------------------------------------------- open and close */

/* A store of the file.  => its window is mapped */
static enum quire_status add_store(struct quire_linux *l, const struct quire_store *like,
                                   struct quire_store **out)
{
        struct quire_store *s = quire_lodging_alloc(&l->lodging, sizeof(*s));

        if (!s)
                return QUIRE_NO_MEMORY;
        *s = *like;
        s->l = l;
        s->number = l->store_number++;
        s->next = l->stores;
        STORE(&l->stores, s);
        *out = s;
        return QUIRE_OK;
}

/* False: there is no room for it. */
static bool map_window(struct quire_store *s)
{
        uint64_t bytes = s->pages << PAGE_SHIFT;
        long at = -EACCES;

        if (s->writable)
                at = sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->fd,
                              0);
        s->writable = at > 0;
        if (at == -EACCES || at == -EPERM)
                at = sys_mmap(0, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, s->fd, 0);
        s->window = at > 0 ? (uint64_t)at : 0;
        return s->window;
}

/* Of the given size for good. */
static int new_file(const struct quire_linux *l, uint64_t pages)
{
        int fd = quire_descriptor_raise(
                l, (int)sys_call3(SYS_memfd_create, sys_address("quire"),
                                  MFD_CLOEXEC | MFD_ALLOW_SEALING, 0));

        if (fd >= 0 && (sys_call3(SYS_ftruncate, fd, (long)(pages << PAGE_SHIFT), 0) ||
                        sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))) {
                (void)sys_close(fd);
                return -ENOMEM;
        }
        return fd;
}

enum quire_status quire_linux_store_open(struct quire_machine *m, uint64_t pages,
                                         struct quire_store **out)
{
        struct quire_linux *l = linux_of(m);
        struct quire_store s = { .pages = pages, .writable = true };

        if (!(l->can & CAN_STORES))
                return QUIRE_UNSUPPORTED;
        if (pages > PAGE_BITS)
                return QUIRE_INVALID;
        s.fd = new_file(l, pages);
        if (s.fd < 0)
                return QUIRE_NO_MEMORY;
        if (map_window(&s) && add_store(l, &s, out) == QUIRE_OK)
                return QUIRE_OK;
        if (s.window)
                (void)sys_munmap(s.window, pages << PAGE_SHIFT);
        (void)sys_close(s.fd);
        return QUIRE_NO_MEMORY;
}

/* Is this memory of so many pages?  *writable: it may be written through fd. */
static bool is_memory(int fd, uint64_t pages, bool *writable)
{
        long mode = sys_fcntl(fd, F_GETFL, 0), seals = sys_fcntl(fd, F_GET_SEALS, 0);
        struct statfs fs;
        struct stat st;

        /* The seals first: a size that can not shrink is looked at after that. */
        if (mode < 0 || seals < 0 || (mode & O_ACCMODE) == O_WRONLY ||
            sys_call3(SYS_fstatfs, fd, sys_address(&fs), 0) || fs.f_type != TMPFS_MAGIC ||
            sys_call3(SYS_fstat, fd, sys_address(&st), 0) ||
            (uint64_t)st.st_size >> PAGE_SHIFT < pages)
                return false;
        *writable = (mode & O_ACCMODE) == O_RDWR && !(seals & F_SEAL_WRITE);
        return true;
}

enum quire_status quire_linux_store_adopt(struct quire_linux *l, int fd, uint64_t pages,
                                          struct quire_store **out)
{
        struct quire_store s = { .pages = pages };
        enum quire_status st = QUIRE_NO_MEMORY;

        if (!(l->can & CAN_STORES))
                return QUIRE_UNSUPPORTED;
        if (!pages || pages > PAGE_BITS || !is_memory(fd, pages, &s.writable))
                return QUIRE_INVALID;
        s.fd = fd;
        quire_lock_take(&l->core);
        if (map_window(&s)) {
                st = add_store(l, &s, out);
                if (st != QUIRE_OK)
                        (void)sys_munmap(s.window, pages << PAGE_SHIFT);
        }
        if (st == QUIRE_OK)
                (*out)->fd = quire_descriptor_raise(l, fd);
        quire_lock_drop(&l->core);
        return st;
}

int quire_linux_store_fd(const struct quire_store *s)
{
        return s->fd;
}

uint64_t quire_linux_store_pages(const struct quire_store *s)
{
        return s->pages;
}

void quire_linux_store_close(struct quire_machine *m, struct quire_store *s)
{
        struct quire_linux *l = linux_of(m);
        struct quire_store **link = &l->stores;

        while (*link != s)
                link = &(*link)->next;
        if (l->ready.store == s)
                l->ready = (struct store_run){ 0 };
        if (l->gone.store == s)
                l->gone = (struct store_run){ 0 };
        STORE(link, s->next);
        (void)sys_munmap(s->window, s->pages << PAGE_SHIFT);
        (void)sys_close(s->fd);
        quire_lodging_free(&l->lodging, s, sizeof(*s));
}

void quire_stores_close(struct quire_linux *l)
{
        while (l->stores)
                quire_linux_store_close(quire_linux_machine(l), l->stores);
}

/* As quire_linux_descriptors. */
unsigned quire_store_descriptors(struct quire_linux *l, int *out, unsigned room)
{
        unsigned n = 0;

        if (!LOAD(&l->stores))
                return 0;
        quire_lock_take(&l->core);
        for (const struct quire_store *s = l->stores; s && n < room; s = s->next)
                out[n++] = s->fd;
        quire_lock_drop(&l->core);
        return n;
}

/* ------------------------------------------------------------------- frames */

/*
 * Allocating and freeing pages of a file costs less for a run of them.  Two runs are
 * kept: `ready' was allocated before it was asked for, as the core said it
 * would be, and `gone' is to be freed.  Neither has a page that the core knows of, nor
 * do they overlap; together they are no longer than STORE_RUN.
 */

static bool is_in(const struct store_run *r, const struct quire_store *s, uint64_t index)
{
        return r->store == s && index - r->first < r->pages;
}

static void free_run(struct store_run *r)
{
        if (r->pages)
                (void)sys_call6(SYS_fallocate, r->store->fd,
                                FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                                (long)(r->first << PAGE_SHIFT), (long)(r->pages << PAGE_SHIFT), 0,
                                0);
        *r = (struct store_run){ 0 };
}

/* Nothing but what the core knows of is in the files. */
void quire_stores_settle(struct quire_linux *l)
{
        free_run(&l->ready);
        free_run(&l->gone);
}

/* The pages are made by allocating them in the file: touching the window instead
 * would be a SIGBUS where there is no memory. */
static bool allocate(struct quire_linux *l, const struct quire_store *s, uint64_t index,
                     uint64_t pages)
{
        if (is_in(&l->gone, s, index))
                free_run(&l->gone);
        return !sys_call6(SYS_fallocate, s->fd, FALLOC_FL_KEEP_SIZE, (long)(index << PAGE_SHIFT),
                          (long)(pages << PAGE_SHIFT), 0, 0);
}

void quire_linux_frame_prepare(struct quire_machine *m, struct quire_store *s, uint64_t index,
                               uint64_t pages)
{
        struct quire_linux *l = linux_of(m);

        if (pages > STORE_RUN)
                pages = STORE_RUN;
        if (index >= s->pages || pages > s->pages - index || is_in(&l->ready, s, index))
                return;
        free_run(&l->ready);
        free_run(&l->gone);
        if (allocate(l, s, index, pages))
                l->ready = (struct store_run){ s, index, pages };
}

enum quire_status quire_view_frame(struct quire_store *s, uint64_t index, quire_frame *out)
{
        struct store_run *ready = &s->l->ready;

        if (index >= s->pages)
                return QUIRE_INVALID;
        if (is_in(ready, s, index) && index != ready->first)
                free_run(ready);                     /* (as was not said) */
        if (is_in(ready, s, index)) {
                ready->first++;
                ready->pages--;
        } else if (!allocate(s->l, s, index, 1)) {
                return QUIRE_NO_MEMORY;
        }
        s->paged = true;
        *out = STORE_FRAME | (quire_frame)s->number << NUMBER_SHIFT | index;
        return QUIRE_OK;
}

void quire_view_frame_free(struct quire_linux *l, quire_frame f)
{
        struct quire_store *s = find_store(l, f);
        uint64_t index = f & PAGE_BITS;
        struct store_run *r = &l->gone;

        if (!s)
                return;
        if (r->store == s && index == r->first + r->pages) {
                r->pages++;
        } else if (r->store == s && index + 1 == r->first) {
                r->first--;
                r->pages++;
        } else {
                free_run(r);
                *r = (struct store_run){ s, index, 1 };
        }
        if (r->pages + l->ready.pages >= STORE_RUN)
                free_run(r);
}

void *quire_view_window(struct quire_linux *l, quire_frame f)
{
        struct quire_store *s = find_store(l, f);

        return s ? (void *)(uintptr_t)(s->window + ((f & PAGE_BITS) << PAGE_SHIFT)) : NULL;
}

/* ------------------------------------------------------------ a child of fork */

bool quire_stores_paged(const struct quire_linux *l)
{
        const struct quire_store *s = l->stores;

        while (s && !s->paged)
                s = s->next;
        return s;
}

/* What the file has, into another one, which has nothing.  False: no room. */
static bool copy_file(const struct quire_store *from, int to)
{
        long at = 0, end;

        while ((at = sys_call3(SYS_lseek, from->fd, at, SEEK_DATA)) >= 0) {
                end = sys_call3(SYS_lseek, from->fd, at, SEEK_HOLE);
                while (at < end) {
                        long n = sys_call6(SYS_pwrite64, to, (long)from->window + at, end - at,
                                           at, 0, 0);
                        if (n <= 0)
                                return false;
                        at += n;
                }
        }
        return at == -ENXIO;
}

/* Each process's core keeps its stores' frames, and gives them back as it likes: in a
 * child, files of its own with what was in them.  => nothing is shown of them, and the
 * parent waits.  False: no memory. */
bool quire_stores_renew(struct quire_linux *l)
{
        for (struct quire_store *s = l->stores; s; s = s->next) {
                struct quire_store old = *s;

                if (!s->paged)
                        continue;
                s->fd = new_file(l, s->pages);
                if (s->fd < 0 || !map_window(s) || !copy_file(&old, s->fd) ||
                    !quire_arena_renew(l, s))
                        return false;
                (void)sys_munmap(old.window, old.pages << PAGE_SHIFT);
                (void)sys_close(old.fd);
        }
        return true;
}

/* -------------------------------------------------------------------- views */

bool quire_view_holds(const struct quire_store *s, uint64_t index, uint64_t pages)
{
        return index < s->pages && pages <= s->pages - index;
}

/* Which private frames are shown only the page map tells; and between showing a page of
 * the file and protecting it the kernel would let somebody write a copy. */
bool quire_view_can_copy(const struct quire_linux *l)
{
        return l->pagemap >= 0 && (!(l->can & CAN_WP) || quire_uffd_continues_protected(l));
}

bool quire_view_find(const struct quire_linux *l, uint64_t va, struct chunk *out)
{
        return l->stores && quire_chunk_find(l, va, out) && out->store;
}

/* The mapping of a view, without access for now: an address, or a negative errno. */
long quire_view_map(const struct chunk *c, int flags)
{
        return sys_mmap(c->first, c->pages << PAGE_SHIFT, PROT_NONE,
                        (c->copies ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE | flags,
                        c->store->fd, c->index << PAGE_SHIFT);
}

/* Over a mapping that the seal left without the right to W, one that has it.  (The
 * mapping comes first, so that a seal put in between is seen.) */
static long map_past_seal(const struct chunk *c)
{
        const struct quire_store *s = c->store;
        uint64_t bytes = c->pages << PAGE_SHIFT;
        long at;

        if (c->copies || !s->writable || !(sys_fcntl(s->fd, F_GET_SEALS, 0) & F_SEAL_FUTURE_WRITE))
                return 0;
        at = sys_call6(SYS_mremap, (long)(s->window + (c->index << PAGE_SHIFT)), 0, (long)bytes,
                       MREMAP_MAYMOVE | MREMAP_FIXED, (long)c->first, 0);
        if (at < 0)
                return at;
        return sys_mprotect(c->first, bytes, PROT_NONE);
}

/* The access that its kind of range has from the start. */
long quire_view_open(const struct chunk *c)
{
        long failed = map_past_seal(c);

        if (failed || c->kind == CHUNK_PLAIN)
                return failed;
        return sys_mprotect(c->first, c->pages << PAGE_SHIFT, PROT_READ | PROT_WRITE);
}

long quire_view_watch(struct quire_linux *l, const struct chunk *c)
{
        unsigned modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR;

        if (l->can & CAN_WP)
                modes |= UFFDIO_REGISTER_MODE_WP;
        return quire_uffd_register(l->uffd, c->first, c->pages << PAGE_SHIFT, modes);
}

static bool is_protected(const struct quire_linux *l, const struct chunk *view, bool writable)
{
        return l->can & CAN_WP && (!writable || view->copies);
}

/* The file's own pages.  0, or nothing changed. */
long quire_view_enter(struct quire_linux *l, const struct chunk *view, uint64_t va,
                      uint64_t pages, bool writable)
{
        uint64_t done;
        long failed = quire_uffd_continue(l, va, pages, is_protected(l, view, writable), &done);

        if (failed && done)
                quire_view_hide(l, va, done);
        return failed;
}

/* Drop the translations, and the marks that they leave. */
void quire_view_hide(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        (void)sys_madvise(va, pages << PAGE_SHIFT, MADV_DONTNEED);
        if (l->can & CAN_WP)
                (void)quire_uffd_protect(l, va, pages, false);
}

/* ------------------------------------------------------------- the page map */

bool quire_view_shown(struct quire_linux *l, uint64_t va, uint64_t pages,
                      const quire_frame *frames)
{
        uint64_t entry[QUIRE_RUN_MAX];

        if (!quire_maps_pages(l, va, pages, entry))
                return true;
        for (uint64_t i = 0; i < pages; i++) {
                bool lost = l->views_lost && frames[i] & STORE_FRAME;
                if (!(entry[i] & (MAP_PRESENT | MAP_SWAPPED)) && !lost)
                        return false;
        }
        return true;
}

/* Is what lies there to be protected, or unprotected?  Never a hole (V1), and a page
 * of the file in a view that copies stays protected. */
static bool is_subject(const struct chunk *view, uint64_t entry, bool writable)
{
        return entry & (MAP_PRESENT | MAP_SWAPPED) &&
               !(writable && view->copies && entry & MAP_OF_FILE);
}

static void protect_part(struct quire_linux *l, const struct chunk *view, uint64_t va,
                         uint64_t pages, bool writable)
{
        uint64_t entry[QUIRE_RUN_MAX], n;

        if (!quire_maps_pages(l, va, pages, entry)) {
                (void)quire_uffd_protect(l, va, pages, !writable);
                return;
        }
        for (uint64_t i = 0; i < pages; i += n) {
                bool subject = is_subject(view, entry[i], writable);
                for (n = 1; i + n < pages && is_subject(view, entry[i + n], writable) == subject;)
                        n++;
                if (subject)
                        (void)quire_uffd_protect(l, va + (i << PAGE_SHIFT), n, !writable);
        }
}

void quire_view_protect(struct quire_linux *l, const struct chunk *view, uint64_t va,
                        uint64_t pages, bool writable)
{
        for (uint64_t n; pages; pages -= n, va += n << PAGE_SHIFT) {
                n = pages < QUIRE_RUN_MAX ? pages : QUIRE_RUN_MAX;
                protect_part(l, view, va, n, writable);
        }
}

/* => the core takes the page for shown, and this thread resolves a fault of it */
void quire_view_repair(struct quire_linux *l, const struct chunk *view, uint64_t va,
                       bool writable)
{
        uint64_t entry, done;

        if (quire_maps_pages(l, va, 1, &entry) && !(entry & MAP_PRESENT))
                (void)quire_uffd_continue(l, va & ~(PAGE - 1), 1, is_protected(l, view, writable),
                                          &done);
}
