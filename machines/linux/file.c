/*
 * file.c - files as objects: a pager whose pages are those of a range of a file.
 *
 *      file     [offset ............................ offset + bytes)  more, not ours
 *      object   [page 0][page 1] ...               [the last page  ]
 *                                                        zeroes ^
 *
 * Two descriptors of our own: `plain', and `direct' past the page cache, where the
 * file system has that.  Direct transfers are of whole pages; the end of a file that
 * is no multiple of a page is written plainly.  What was read plainly is dropped
 * from the cache again, so that the budget is not spent twice.
 *
 * A file that is shorter than it was does not have the pages any more: to read
 * them is an error, and to write them would make it long again, so that its size
 * is looked at before.  (Who truncates between the two has a longer file.)
 *
 * In a child of fork everything is as in a private mapping: reading goes on, and
 * writing is refused, since what the child has is not what the parent has.
 *
 * Does not decide: when what is read or written (core/).
 *
 * Lock: none; a file is fixed once it is open, but for `direct'.  Signal context: all
 * but the opening: raw system calls, no allocation.
 */
#include "owner.h"
#include "pagefile.h"
#include "quire/file.h"
#include "sys.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct file {                    /* in a mapping of its own */
        uint64_t offset;         /* [I] bytes: where the range begins in the file */
        uint64_t bytes;          /* [I] of the range */
        int plain;               /* [I] */
        int direct;              /* [I] or -1 */
        bool refused;            /* [a] direct transfers were */
        bool buffered;           /* [I] leave the page cache alone */
        int owner;               /* [I] the process that may write */
        struct quire_linux *l;   /* [I] */
        struct reader *reader;   /* [I] of that process; or null */
};

/* -------------------------------------------------------------------- transfers */

/* One transfer between pages and the file: bytes [done, bytes) are left to do. */
struct transfer {
        struct file *file;
        uint64_t at;             /* in the file, of the first page */
        uint64_t bytes, done;
        void *const *page;
        bool write;
        bool ahead;              /* nobody waits for it */
};

/* Where the next `bytes' of it lie in memory. */
static unsigned fill_vector(const struct transfer *t, uint64_t bytes, struct iovec *vector)
{
        unsigned n = 0;

        for (uint64_t at = t->done, here; bytes; at += here, bytes -= here) {
                char *from = (char *)t->page[at >> PAGE_SHIFT] + (at & (PAGE - 1));
                here = PAGE - (at & (PAGE - 1));
                here = here < bytes ? here : bytes;
                if (n && (char *)vector[n - 1].iov_base + vector[n - 1].iov_len == from)
                        vector[n - 1].iov_len += here;
                else
                        vector[n++] = (struct iovec){ from, here };
        }
        return n;
}

/* May the rest go past the page cache?  *bytes: how much of it. */
static bool goes_direct(const struct transfer *t, uint64_t *bytes)
{
        struct file *f = t->file;

        *bytes = t->bytes - t->done;
        if (f->direct < 0 || LOAD(&f->refused) || t->done & (PAGE - 1))
                return false;
        if (!t->write)                       /* (the end of the file ends the transfer) */
                *bytes = (*bytes + PAGE - 1) & ~(PAGE - 1);
        else
                *bytes &= ~(PAGE - 1);
        return *bytes;
}

/* One call: bytes moved, 0 at the end of the file, or a negative errno. */
static long transfer_some(const struct transfer *t)
{
        struct iovec vector[QUIRE_READING_MOST];
        uint64_t bytes, at = t->at + t->done;
        bool direct = goes_direct(t, &bytes);
        int fd = direct ? t->file->direct : t->file->plain;
        unsigned n;
        long got;

        if (!direct)
                bytes = t->bytes - t->done;
        n = fill_vector(t, bytes, vector);
        if (direct && !t->write && !t->ahead)
                got = quire_spin_read(t->file->l, fd, vector, n, at, NULL);
        else
                got = sys_call6(t->write ? SYS_pwritev : SYS_preadv, fd, sys_address(vector), n,
                                (long)at, 0, 0);
        if (direct && got == -EINVAL) {
                STORE(&t->file->refused, true);      /* some refuse at the transfer only */
                return -EAGAIN;
        }
        if (!direct && !t->write && got > 0 && !t->file->buffered)
                (void)sys_call6(SYS_fadvise64, t->file->plain, (long)at, got,
                                POSIX_FADV_DONTNEED, 0, 0);
        return got;
}

/* All of it: 0, or a negative errno. */
static long transfer_all(struct transfer *t)
{
        while (t->done < t->bytes) {
                long got = transfer_some(t);

                if (got == -EINTR || got == -EAGAIN)
                        continue;
                if (got <= 0)
                        return got ? got : -ENODATA;
                t->done += (uint64_t)got;
        }
        return 0;
}

/* How much of the object's range [offset, offset + bytes) the file is to have. */
static uint64_t clip_to_file(const struct file *f, uint64_t offset, uint64_t bytes)
{
        return f->bytes - offset < bytes ? f->bytes - offset : bytes;
}

enum quire_status quire_file_read(struct file *f, uint64_t offset, uint64_t bytes, bool ahead,
                                  void *const page[])
{
        struct transfer t = { .file = f, .at = f->offset + offset, .page = page, .ahead = ahead,
                              .bytes = clip_to_file(f, offset, bytes) };

        if (transfer_all(&t))
                return QUIRE_IO_ERROR;
        /* (A direct read may have found more in the last page than is ours.) */
        for (uint64_t at = t.bytes, here; at < bytes; at += here) {
                here = PAGE - (at & (PAGE - 1));
                memset((char *)page[at >> PAGE_SHIFT] + (at & (PAGE - 1)), 0, here);
        }
        return QUIRE_OK;
}

static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        (void)access;
        quire_thread_waits();
        return quire_file_read(context, offset, bytes, false, page);
}

static enum quire_status read_ahead(void *context, struct quire_object *o, uint64_t offset,
                                    uint64_t bytes, void *const page[])
{
        struct file *f = context;
        struct reading r = { .file = f, .object = o, .offset = offset, .bytes = bytes };

        if (!f->reader || sys_getpid() != f->owner)
                return QUIRE_IO_ERROR;
        memcpy(r.page, page, (bytes >> PAGE_SHIFT) * sizeof(*page));
        return quire_reader_add(f->reader, &r) ? QUIRE_BUSY : QUIRE_IO_ERROR;
}

/* How much of the range the file has now; what it has not is not to be written. */
static uint64_t clip_to_size(const struct file *f, uint64_t at, uint64_t bytes)
{
        struct stat s;

        if (sys_call3(SYS_fstat, f->plain, sys_address(&s), 0) || (uint64_t)s.st_size <= at)
                return 0;
        return (uint64_t)s.st_size - at < bytes ? (uint64_t)s.st_size - at : bytes;
}

static enum quire_status write_home(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        struct file *f = context;
        uint64_t ours = clip_to_file(f, offset, bytes);
        struct transfer t = { .file = f, .at = f->offset + offset, .write = true,
                              .page = (void *const *)page };

        if (sys_getpid() != f->owner || !quire_io_within_limit(t.at + ours))
                return QUIRE_IO_ERROR;
        quire_thread_waits();
        t.bytes = clip_to_size(f, t.at, ours);
        return !transfer_all(&t) && t.bytes == ours ? QUIRE_OK : QUIRE_IO_ERROR;
}

static enum quire_status sync_file(void *context)
{
        struct file *f = context;
        long failed;

        quire_thread_waits();
        do
                failed = sys_call3(SYS_fdatasync, f->plain, 0, 0);
        while (failed == -EINTR);
        return failed ? QUIRE_IO_ERROR : QUIRE_OK;
}

static void close_file(void *context)
{
        struct file *f = context;

        if (f->plain >= 0)
                (void)sys_close(f->plain);
        if (f->direct >= 0)
                (void)sys_close(f->direct);
        (void)sys_munmap((uint64_t)(uintptr_t)f, PAGE);
}

static const struct quire_pager file_pager = {
        .fill = fill, .ahead = read_ahead, .write = write_home, .sync = sync_file,
        .closed = close_file, .evicts = true,
};
static const struct quire_pager file_reader = { .fill = fill, .ahead = read_ahead,
                                                .closed = close_file };

/* ---------------------------------------------------------------------- opening */

/* Another description of the same file, with flags of its own; or a negative errno. */
static int reopen(const struct quire_linux *l, int fd, int flags)
{
        char path[32];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return quire_descriptor_raise(l, (int)sys_open(path, flags | O_CLOEXEC | O_NOCTTY, 0));
}

/* Our own descriptors of the file: what they may do is what the given one may. */
static bool open_descriptors(const struct quire_linux *l, struct file *f, int fd, int mode)
{
        int access = mode & O_ACCMODE;

        f->plain = f->direct = -1;
        if (mode & O_DIRECT)
                f->plain = reopen(l, fd, access);
        if (f->plain < 0)
                f->plain = quire_descriptor_raise(l, (int)sys_fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (!f->buffered && l->can & CAN_DIRECT)
                f->direct = reopen(l, fd, access | O_DIRECT);
        return f->plain >= 0;
}

static enum quire_status check_range(int fd, const struct quire_file_options *o, uint64_t *bytes)
{
        struct stat s;

        if (fstat(fd, &s) || !S_ISREG(s.st_mode) || o->offset & (PAGE - 1) ||
            o->offset >= (uint64_t)s.st_size)
                return QUIRE_INVALID;
        *bytes = o->bytes ? o->bytes : (uint64_t)s.st_size - o->offset;
        return *bytes <= (uint64_t)s.st_size - o->offset ? QUIRE_OK : QUIRE_INVALID;
}

static enum quire_status open_object(struct quire_process *p, struct file *f, unsigned flags,
                                     struct quire_grant **out)
{
        const bool reads = flags & QUIRE_FILE_READ_ONLY;
        const struct quire_object_request q = {
                .bytes = (f->bytes + PAGE - 1) & ~(PAGE - 1), .kind = QUIRE_CALLBACK,
                .flags = (flags & QUIRE_FILE_SOLE ? QUIRE_SOLE : 0) |
                         (flags & QUIRE_FILE_EPOCHS ? QUIRE_EPOCHS : 0),
                .pager = reads ? &file_reader : &file_pager, .context = f,
        };
        struct quire_grant *all;
        enum quire_status st = quire_object_open(p->system, &q, &all);

        if (st != QUIRE_OK) {
                close_file(f);
                return st;
        }
        if (!reads) {
                *out = all;
                return QUIRE_OK;
        }
        st = quire_grant_narrow(all, QUIRE_R | QUIRE_X, out);
        quire_grant_close(all);
        return st;
}

enum quire_status quire_file_open(struct quire_process *p, int fd,
                                  const struct quire_file_options *given, struct quire_grant **out)
{
        struct quire_file_options o = given ? *given : (struct quire_file_options){ 0 };
        const unsigned all = QUIRE_FILE_READ_ONLY | QUIRE_FILE_SOLE | QUIRE_FILE_BUFFERED |
                             QUIRE_FILE_EPOCHS;
        int mode = (int)sys_fcntl(fd, F_GETFL, 0);
        struct file f;
        long at;

        if (!p || !out || o.flags & ~all || mode < 0 || (mode & O_ACCMODE) == O_WRONLY ||
            check_range(fd, &o, &o.bytes) != QUIRE_OK)
                return QUIRE_INVALID;
        if ((mode & O_ACCMODE) == O_RDONLY)
                o.flags |= QUIRE_FILE_READ_ONLY;
        if (mode & O_APPEND && !(o.flags & QUIRE_FILE_READ_ONLY))
                return QUIRE_INVALID;        /* it would not write where it is told to */
        f = (struct file){ .offset = o.offset, .bytes = o.bytes, .owner = sys_getpid(),
                           .l = p->l, .buffered = o.flags & QUIRE_FILE_BUFFERED };
        at = sys_mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at < 0)
                return QUIRE_NO_MEMORY;
        if (!open_descriptors(p->l, &f, fd, mode)) {
                (void)sys_munmap((uint64_t)at, PAGE);
                return QUIRE_NO_MEMORY;
        }
        if (quire_reader_open(p))            /* (without, nothing is read ahead) */
                f.reader = p->reader;
        memcpy((void *)(uintptr_t)at, &f, sizeof(f));
        return open_object(p, (struct file *)(uintptr_t)at, o.flags, out);
}

static enum quire_status path_status(int failed)
{
        switch (-failed) {
        case ENOENT:
        case ENOTDIR:
                return QUIRE_NOT_PRESENT;
        case EACCES:
        case EPERM:
        case EROFS:
        case ETXTBSY:
                return QUIRE_DENIED;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
                return QUIRE_NO_MEMORY;
        case EISDIR:
        case ENXIO:
                return QUIRE_INVALID;
        default:
                return QUIRE_IO_ERROR;
        }
}

enum quire_status quire_file_open_path(struct quire_process *p, const char *path,
                                       const struct quire_file_options *o,
                                       struct quire_grant **out)
{
        bool reads = o && o->flags & QUIRE_FILE_READ_ONLY;
        enum quire_status st;
        int fd;

        if (!p || !path || !out)
                return QUIRE_INVALID;
        fd = (int)sys_open(path, (reads ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           0);
        if (fd < 0)
                return path_status(fd);
        st = quire_file_open(p, fd, o, out);
        (void)sys_close(fd);
        return st;
}
