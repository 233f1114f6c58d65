/*
 * place.c - where things are written: the pagefile, the pictures and reports,
 * and the files that the agent and the command share while the program runs.
 *
 * Everything is tried before the program starts, so that a run of an hour does
 * not end in "no such directory".  What a try leaves behind is taken away.
 */
#include "place.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* A directory with less room than this is as good as full. */
#define ROOM_LEAST (UINT64_C(1) << 20)
#define SHARED_PREFIX "quire-run-"

static uint64_t room_of(const char *directory)
{
        struct statvfs fs;

        return statvfs(directory, &fs) < 0 ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool in_memory(const char *directory)
{
        struct statfs fs;

        return statfs(directory, &fs) == 0
               && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* ------------------------------------------------------------- the pagefile */

/* Write one page and take it back; 0 or errno. */
static int try_write(int fd)
{
        struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
        static const char page[4096] = { 1 };
        ssize_t wrote;
        int error;

        sigaction(SIGXFSZ, &ignore, &before);      /* a file size limit is an answer too */
        wrote = pwrite(fd, page, sizeof(page), 0);
        error = wrote == (ssize_t)sizeof(page) ? 0 : wrote < 0 ? errno : ENOSPC;
        if (!error && fdatasync(fd) < 0)
                error = errno;                     /* some say "full" only here */
        sigaction(SIGXFSZ, &before, NULL);
        return error;
}

static int open_unlinked(const char *directory)
{
        char path[4200];
        int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
                return fd;
        snprintf(path, sizeof(path), "%s/quire-XXXXXX", directory);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
                unlink(path);
        return fd;
}

static int refuse_room(const char *directory, int error)
{
        if (error == ENOSPC || error == EDQUOT)
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "no space for a pagefile in %s (%s free); name another directory with "
                        "--pagefile", directory, quire_text_size(room_of(directory)).s);
        return quire_cli_complain(QUIRE_EXIT_BAD, "can not write a pagefile in %s: %s; name "
                        "another directory with --pagefile", directory, strerror(error));
}

static int check_directory(const char *given, struct quire_place *out)
{
        int fd, error;

        if (!realpath(given, out->path))
                return quire_cli_complain(QUIRE_EXIT_BAD, "--pagefile %s: %s", given,
                                          strerror(errno));
        memcpy(out->directory, out->path, sizeof(out->directory));
        fd = open_unlinked(out->path);
        if (fd < 0)
                return refuse_room(out->path, errno);
        error = room_of(out->path) < ROOM_LEAST ? ENOSPC : try_write(fd);
        close(fd);
        return error ? refuse_room(out->path, error) : 0;
}

/* A file of its own: new, or empty already.  Quire would empty it. */
static int check_file(const char *given, struct quire_place *out)
{
        const char *slash = strrchr(given, '/'), *name = slash ? slash + 1 : given;
        char parent[4096];
        struct stat st;
        int fd, error;

        snprintf(parent, sizeof(parent), "%.*s", slash == given ? 1 : (int)(slash - given),
                 slash ? given : "");
        if (!realpath(slash ? parent : ".", out->directory))
                return quire_cli_complain(QUIRE_EXIT_BAD, "--pagefile %s: %s: %s", given,
                                          slash ? parent : ".", strerror(errno));
        if ((size_t)snprintf(out->path, sizeof(out->path), "%s/%s", out->directory, name)
            >= sizeof(out->path))
                return quire_cli_complain(QUIRE_EXIT_BAD, "--pagefile %s: %s", given,
                                          strerror(ENAMETOOLONG));
        if (stat(out->path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > 0))
                return quire_cli_complain(QUIRE_EXIT_BAD, S_ISREG(st.st_mode)
                        ? "--pagefile %s exists and is not empty, and a pagefile would overwrite "
                          "it; remove it, or name a directory"
                        : "--pagefile %s is neither a file nor a directory", given);
        out->made = access(out->path, F_OK) < 0;
        fd = open(out->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return quire_cli_complain(QUIRE_EXIT_BAD, "--pagefile %s: %s", given,
                                          strerror(errno));
        error = room_of(out->directory) < ROOM_LEAST ? ENOSPC : try_write(fd);
        if (ftruncate(fd, 0) < 0 && !error)
                error = errno;
        close(fd);
        if (error && out->made)
                unlink(out->path);
        out->ours = !error;
        return error ? refuse_room(out->directory, error) : 0;
}

/* Not the memory that is to be spared, if there is a choice. */
static const char *default_directory(void)
{
        const char *given = getenv("TMPDIR");

        if (given && *given)
                return given;
        return in_memory("/tmp") && !in_memory("/var/tmp") && access("/var/tmp", W_OK) == 0
               ? "/var/tmp" : "/tmp";
}

int quire_place_pagefile(const char *given, struct quire_place *out)
{
        const char *path = given ? given : default_directory();
        size_t length = strlen(path);
        struct stat st;
        int status;

        memset(out, 0, sizeof(*out));
        if (length >= sizeof(out->path))
                return quire_cli_complain(QUIRE_EXIT_BAD, "--pagefile: %s",
                                          strerror(ENAMETOOLONG));
        if ((stat(path, &st) == 0 && S_ISDIR(st.st_mode)) || path[length - 1] == '/' || !given)
                status = check_directory(path, out);
        else
                status = check_file(path, out);
        out->room = room_of(out->directory);
        out->in_memory = in_memory(out->directory);
        return status;
}

void quire_place_leave(const struct quire_place *place)
{
        if (!place->ours)
                return;
        if (place->made)
                unlink(place->path);
        else if (truncate(place->path, 0) < 0)
                return;              /* its owner made it read-only: let it be */
}

/* ------------------------------------------------------------------ outputs */

/* Is the path one of the descriptors that the program has too? */
static int same_as_standard(const struct stat *st)
{
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
                struct stat other;

                if (fstat(fd, &other) == 0 && other.st_dev == st->st_dev
                    && other.st_ino == st->st_ino)
                        return fd;
        }
        return -1;
}

int quire_output_open(const char *option, const char *path, struct quire_output *out)
{
        struct stat st;
        int fd, standard;

        memset(out, 0, sizeof(*out));
        out->path = path;
        out->made = access(path, F_OK) < 0;
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd < 0 || fstat(fd, &st) < 0)
                return quire_cli_complain(QUIRE_EXIT_BAD, "%s %s: %s", option, path,
                                          strerror(errno));
        out->regular = S_ISREG(st.st_mode);
        standard = out->made ? -1 : same_as_standard(&st);
        if (standard >= 0) {         /* keep its place in the file, truncate nothing */
                close(fd);
                fd = fcntl(standard, F_DUPFD_CLOEXEC, 3);
                out->regular = false;
        }
        out->file = fd < 0 ? NULL : fdopen(fd, "w");
        if (!out->file)
                return quire_cli_complain(QUIRE_EXIT_FAILED, "%s %s: %s", option, path,
                                          strerror(errno));
        return 0;
}

FILE *quire_output_begin(struct quire_output *out)
{
        /* A truncation that fails leaves an old tail; the writes will tell. */
        if (out->regular && ftruncate(fileno(out->file), 0) == 0)
                out->made = false;
        return out->file;
}

int quire_output_close(struct quire_output *out)
{
        int error = 0;

        if (!out->file)
                return 0;
        errno = 0;
        if (ferror(out->file))
                error = EIO;
        if (fclose(out->file) != 0 && !error)
                error = errno;
        out->file = NULL;
        if (out->made)               /* nothing was ever written to it */
                unlink(out->path);
        return error ? quire_cli_complain(QUIRE_EXIT_FAILED, "writing %s: %s", out->path,
                                          strerror(error)) : 0;
}

/* ------------------------------------------------------------- shared files */

/* Files of a command that was killed: whoever uses one holds its lock.  A young
 * one may be about to be locked. */
static void sweep(const char *directory)
{
        DIR *list = opendir(directory);
        time_t now = time(NULL);
        struct dirent *entry;
        struct stat st;

        while (list && (entry = readdir(list))) {
                int fd;

                if (strncmp(entry->d_name, SHARED_PREFIX, strlen(SHARED_PREFIX)) != 0
                    || fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0
                    || !S_ISREG(st.st_mode) || st.st_uid != geteuid()
                    || now - st.st_mtime < 10)
                        continue;
                fd = openat(dirfd(list), entry->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        continue;
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        unlinkat(dirfd(list), entry->d_name, 0);
                close(fd);
        }
        if (list)
                closedir(list);
}

static bool shared_try(struct quire_shared *s, const char *directory, const char *name,
                       uint64_t bytes)
{
        int wrote = snprintf(s->path, sizeof(s->path), "%s/" SHARED_PREFIX "%s-XXXXXX", directory,
                             name);

        if (!*directory || wrote < 0 || (size_t)wrote >= sizeof(s->path))
                return false;
        s->fd = mkostemp(s->path, O_CLOEXEC);
        if (s->fd < 0)
                return false;
        s->at = MAP_FAILED;
        flock(s->fd, LOCK_EX | LOCK_NB);      /* until we are gone: see sweep() */
        if (ftruncate(s->fd, (off_t)bytes) == 0)
                s->at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
        if (s->at == MAP_FAILED) {
                int error = errno;

                unlink(s->path);
                close(s->fd);
                errno = error;
                return false;
        }
        s->bytes = bytes;
        return true;
}

int quire_shared_open(struct quire_shared *s, const char *name, uint64_t bytes,
                      const char *last_resort)
{
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        const char *places[] = { runtime && *runtime == '/' ? runtime : "", "/dev/shm",
                                 last_resort };

        memset(s, 0, sizeof(*s));
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
                if (*places[i])
                        sweep(places[i]);
                /* A sparse file that outgrows its file system kills the writer. */
                if (*places[i] && room_of(places[i]) > bytes + ROOM_LEAST
                    && shared_try(s, places[i], name, bytes))
                        return 0;
        }
        memset(s, 0, sizeof(*s));
        return quire_cli_complain(QUIRE_EXIT_FAILED,
                "no room for the %s file (%s) in $XDG_RUNTIME_DIR, /dev/shm or %s", name,
                quire_text_size(bytes).s, last_resort);
}

void quire_shared_close(struct quire_shared *s)
{
        if (!s->at)
                return;
        unlink(s->path);
        munmap(s->at, s->bytes);
        close(s->fd);
        memset(s, 0, sizeof(*s));
}
