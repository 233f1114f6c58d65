/*
 * pagefile.c - files that hold pages: making them, growing them, reading and
 * writing them at once.
 *
 * A file is made without a name in a directory (or under a name that is removed
 * at once), or is the one the user named: then it is emptied, kept, and locked
 * so that no two processes write into one.  It is opened past the page cache
 * where the file system allows; else what was read is dropped from the cache,
 * so that the budget is not spent twice.
 *
 * Space is asked for ahead in large steps: a page that was promised a place then
 * does not find the disk full when it gets there, and a full disk is a status of
 * the one transfer that wanted to grow.
 *
 * Lock: `grow' guards the growing and the late opening; a transfer needs none.
 * Signal context: everything but the first opening.
 */
#include "internal.h"
#include "pagefile.h"
#include "sys.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define STEP_MOST ((uint64_t)64 << 20)
#define STEP_LEAST ((uint64_t)1 << 20)

/* ------------------------------------------------------------- transfers */

unsigned quire_io_vector(const struct quire_io *io, struct iovec *vector)
{
        unsigned n = 0;

        for (unsigned i = 0; i < io->count; i++) {
                char *page = io->page[i];
                if (n && (char *)vector[n - 1].iov_base + vector[n - 1].iov_len == page)
                        vector[n - 1].iov_len += PAGE;
                else
                        vector[n++] = (struct iovec){ page, PAGE };
        }
        return n;
}

/* Leave out the first `done' bytes; returns where the rest begins. */
static unsigned skip_bytes(struct iovec *vector, unsigned at, uint64_t done)
{
        while (done && done >= vector[at].iov_len)
                done -= vector[at++].iov_len;
        if (done) {
                vector[at].iov_base = (char *)vector[at].iov_base + done;
                vector[at].iov_len -= done;
        }
        return at;
}

/* Some file systems take the flag at open and refuse the transfer. */
static bool turn_to_cache(struct pagefile *f)
{
        if (!f->direct)
                return false;
        f->direct = false;
        long flags = sys_fcntl(f->fd, F_GETFL, 0);
        return flags >= 0 && !sys_fcntl(f->fd, F_SETFL, flags & ~O_DIRECT);
}

/* Move all of it but the first `done' bytes: 0, or a negative errno. */
long quire_io_finish(struct quire_linux *l, struct quire_io *io, bool write, uint64_t done)
{
        struct pagefile *f = &l->file[io->file];
        struct iovec vector[QUIRE_IO_MAX];
        unsigned n = quire_io_vector(io, vector), at = 0;
        uint64_t total = (uint64_t)io->count << PAGE_SHIFT;
        uint64_t step = done;

        while (done < total) {
                at = skip_bytes(vector, at, step);
                uint64_t from = (io->slot << PAGE_SHIFT) + done;
                long got;
                if (!write && f->direct)
                        got = quire_spin_read(l, f->fd, vector + at, n - at, from,
                                              done ? NULL : io);
                else
                        got = sys_call6(write ? SYS_pwritev : SYS_preadv, f->fd,
                                        sys_address(vector + at), n - at, (long)from, 0, 0);
                step = 0;
                if (got == -EINTR || got == -EAGAIN)
                        continue;
                if (got == -EINVAL && turn_to_cache(f))
                        continue;
                if (got <= 0)
                        return got ? got : -EIO;
                step = (uint64_t)got;
                done += step;
        }
        if (!write && !f->direct && !l->setup.buffered)
                (void)sys_call6(SYS_fadvise64, f->fd, (long)(io->slot << PAGE_SHIFT), (long)total,
                                POSIX_FADV_DONTNEED, 0, 0);
        return 0;
}

enum quire_status quire_io_status(long failed)
{
        if (!failed)
                return QUIRE_OK;
        return failed == -ENOSPC || failed == -EDQUOT || failed == -EFBIG ? QUIRE_NO_SPACE
                                                                          : QUIRE_IO_ERROR;
}

static struct pagefile *io_file(struct quire_linux *l, const struct quire_io *io)
{
        return io->file < LOAD(&l->files) ? &l->file[io->file] : NULL;
}

enum quire_status quire_linux_io_read(struct quire_host *h, struct quire_io *io)
{
        struct quire_linux *l = lodger_of(h);

        struct pagefile *f = io_file(l, io);

        quire_thread_waits();
        if (f && LOAD(&f->open))
                io->status = quire_io_status(quire_io_finish(l, io, false, 0));
        else
                io->status = QUIRE_IO_ERROR;
        return io->status;
}

/* --------------------------------------------------------------- opening */

/* DIRECTORY/quire- and sixteen digits, in a buffer that no stack has room for. */
static bool name_file(struct quire_linux *l, const char *directory, uint64_t salt)
{
        static const char tail[] = "/quire-";
        size_t n = strlen(directory), at = n;

        if (n + sizeof(tail) + 16 > sizeof(l->path))
                return false;
        memcpy(l->path, directory, n);
        memcpy(l->path + at, tail, sizeof(tail) - 1);
        at += sizeof(tail) - 1;
        for (unsigned shift = 64; shift; shift -= 4)
                l->path[at++] = "0123456789abcdef"[salt >> (shift - 4) & 15];
        l->path[at] = '\0';
        return true;
}

/* => at open, or grow held */
static int open_nameless(struct quire_linux *l, const char *directory, int flags)
{
        uint64_t salt;
        int fd = -EOPNOTSUPP;

        if (l->can & CAN_TMPFILE)
                fd = (int)sys_open(directory, flags | O_TMPFILE | O_EXCL, 0600);
        for (unsigned i = 0; fd < 0 && fd != -EACCES && fd != -ENOENT && i < 8; i++) {
                if (sys_call3(SYS_getrandom, sys_address(&salt), sizeof(salt), 0) < 0)
                        salt = quire_linux_clock(NULL);
                if (!name_file(l, directory, salt))
                        return -ENAMETOOLONG;
                fd = (int)sys_open(l->path, flags | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
                if (fd >= 0)
                        (void)sys_call3(SYS_unlink, sys_address(l->path), 0, 0);
                else if (fd == -EINVAL && flags & O_DIRECT)
                        break;
        }
        return fd;
}

static int open_named(const char *path, int flags)
{
        int fd = (int)sys_open(path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
        struct stat s;
        long failed;

        if (fd < 0)
                return fd;
        if (fstat(fd, &s) || !S_ISREG(s.st_mode))
                failed = -EINVAL;
        else if (!(failed = sys_call3(SYS_flock, fd, LOCK_EX | LOCK_NB, 0)))
                failed = sys_call3(SYS_ftruncate, fd, 0, 0);
        if (failed) {
                (void)sys_close(fd);
                return failed == -EINVAL ? -EISDIR : (int)failed;
        }
        return fd;
}

static int open_once(struct quire_linux *l, const char *path, bool directory, int flags)
{
        return directory ? open_nameless(l, path, flags) : open_named(path, flags);
}

/* Open pagefile number `n' at a path; a negative errno. */
static int open_file(struct quire_linux *l, unsigned n, const char *path, bool directory)
{
        struct pagefile *f = &l->file[n];
        bool direct = l->can & CAN_DIRECT && !l->setup.buffered;
        int flags = O_RDWR | O_CLOEXEC;
        int fd = open_once(l, path, directory, flags | (direct ? O_DIRECT : 0));

        if (fd == -EINVAL && direct) {
                direct = false;
                fd = open_once(l, path, directory, flags);
        }
        if (fd < 0)
                return fd;
        f->fd = quire_descriptor_raise(l, fd);
        f->direct = direct;
        f->writable = true;
        STORE(&f->open, true);
        if (n >= l->files)
                STORE(&l->files, n + 1);
        return 0;
}

/* --------------------------------------------------------------- growing */

bool quire_io_within_limit(uint64_t end)
{
        struct rlimit limit;

        if (sys_call6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, sys_address(&limit), 0, 0))
                return true;
        return limit.rlim_cur == RLIM_INFINITY || end <= limit.rlim_cur;
}

static long grow_locked(struct pagefile *f, uint64_t end)
{
        long failed = -EFBIG;

        if (!quire_io_within_limit(end))
                return failed;
        for (uint64_t step = STEP_MOST;; step /= 4) {
                uint64_t to = f->grown + step > end && step >= STEP_LEAST ? f->grown + step : end;
                if (!quire_io_within_limit(to))
                        to = end;
                do
                        failed = sys_call6(SYS_fallocate, f->fd, 0, (long)f->grown,
                                           (long)(to - f->grown), 0, 0);
                while (failed == -EINTR);
                if (!failed || failed == -EOPNOTSUPP || failed == -ENOSYS) {
                        /* Without the call a full disk shows when it is written. */
                        STORE(&f->grown, to);
                        return 0;
                }
                if (to == end)
                        return failed;
        }
}

/* See that the file has room for this transfer. */
enum quire_status quire_io_room(struct quire_linux *l, const struct quire_io *io)
{
        struct pagefile *f = io_file(l, io);
        uint64_t end = (io->slot + io->count) << PAGE_SHIFT;
        long failed = 0;

        if (!f || !f->writable)
                return QUIRE_IO_ERROR;
        if (end <= LOAD(&f->grown))
                return QUIRE_OK;
        quire_lock_take(&l->grow);
        if (!f->open)
                failed = open_file(l, io->file, l->directory, true);
        if (!failed && end > f->grown)
                failed = grow_locked(f, end);
        quire_lock_drop(&l->grow);
        return quire_io_status(failed);
}

static const char *default_directory(void)
{
        const char *tmp = getenv("TMPDIR");

        return tmp && *tmp ? tmp : "/tmp";
}

static void describe(char problem[256], const char *path, int failed)
{
        if (failed == -EISDIR)
                (void)snprintf(problem, 256, "pagefile %s: neither a directory nor a plain file",
                               path);
        else if (failed == -EAGAIN)
                (void)snprintf(problem, 256, "pagefile %s: in use by another process", path);
        else
                (void)snprintf(problem, 256, "pagefile %s: %s", path, strerror(-failed));
}

/* The first pagefile, as the options have it. */
bool quire_pagefiles_open(struct quire_linux *l, char problem[256])
{
        const char *path = l->setup.pagefile ? l->setup.pagefile : default_directory();
        struct stat s;
        bool directory = !stat(path, &s) && S_ISDIR(s.st_mode);
        int failed = open_file(l, 0, path, directory);

        if (failed) {
                describe(problem, path, failed);
                return false;
        }
        /* Later files (after a fork) are nameless, in the same directory. */
        (void)snprintf(l->directory, sizeof(l->directory), "%s", path);
        if (!directory) {
                char *slash = strrchr(l->directory, '/');
                if (!slash)
                        (void)snprintf(l->directory, sizeof(l->directory), ".");
                else if (slash != l->directory)
                        *slash = '\0';
                else
                        slash[1] = '\0';
        }
        return true;
}

/* A child of fork: what there is belongs to others too and is only read from
 * now on.  Returns the number of a file of its own, made when it is first
 * written, or -1 when there is no number left. */
int quire_pagefile_another(struct quire_linux *l)
{
        unsigned n = l->files;

        for (unsigned i = 0; i < n; i++)
                l->file[i].writable = false;
        /* One that was never written was never made: it will do. */
        if (n && !l->file[n - 1].open)
                n--;
        if (n == FILES)
                return -1;
        l->file[n] = (struct pagefile){ .fd = -1, .writable = true };
        STORE(&l->files, n + 1);
        l->grow = (struct quire_lock){ 0 };
        return (int)n;
}

void quire_pagefiles_close(struct quire_linux *l)
{
        for (unsigned i = 0; i < l->files; i++)
                if (l->file[i].open)
                        (void)sys_close(l->file[i].fd);
        l->files = 0;
}
