/*
 * sealed.c - what a descriptor of shared memory lets its holder do.
 *
 * Hosted memory is a memfd.  A descriptor that is open for reading is no
 * bound by itself: whoever has it, and may, opens it again through /proc/self/fd
 * for writing.  What the kernel does not take back are seals:
 *
 *   SHRINK, GROW    before the first descriptor leaves.  No peer can cut memory
 *                   away under another (SIGBUS) or add to it.
 *   FUTURE_WRITE    before the first one without W leaves.  No write, no writable
 *                   mapping, no hole punched, through any descriptor, by anybody, from
 *                   then on; mappings that exist go on writing.  And SEAL, so that
 *                   nobody adds seals of his own.
 *
 * Since the second is for good and for all, W can not be given after it.  Another
 * way was looked for: descriptors opened on a read-only mount of a file
 * system of our own hold as well and can be mixed in any order, but only
 * the privileged can mount; and a mapping reaches another process by fork alone.
 *
 * Execution is nobody's to forbid: memory that can be mapped for reading can be mapped
 * for executing, also under MFD_NOEXEC_SEAL, which is about exec.  And what can
 * be written can be read.
 *
 * Lock: none.  A seal is set once and never goes.
 */
#include "message.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#define READ_SEALS (SIZE_SEALS | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
#define WRITE_GONE (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)
#define TMPFS 0x01021994

static int open_again(int fd, int flags)
{
        char path[40];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return open(path, flags | O_CLOEXEC);
}

/* Seals are set through a descriptor that is open for writing; if we have none, and the
 * memory is ours, there is one to be had. */
static void add_seals(int fd, int seals)
{
        int other;

        if (!fcntl(fd, F_ADD_SEALS, seals) || errno != EPERM || fchmod(fd, 0600))
                return;
        other = open_again(fd, O_RDWR);
        if (other < 0)
                return;
        (void)fcntl(other, F_ADD_SEALS, seals);
        (void)close(other);
        (void)fchmod(fd, 0444);
}

/*
 * Make the memory such that a descriptor with these rights may leave.  DENIED:
 * somebody has sealed it so that it can not be (W after a grant without W).
 */
enum quire_status quire_memory_seal(int fd, unsigned rights)
{
        int want = rights & QUIRE_W ? SIZE_SEALS : READ_SEALS;
        int seals = fcntl(fd, F_GET_SEALS);

        if (seals < 0)
                return QUIRE_UNSUPPORTED;
        if (rights & QUIRE_W && seals & WRITE_GONE)
                return QUIRE_DENIED;
        if (seals & F_SEAL_WRITE)
                want &= ~F_SEAL_FUTURE_WRITE;            /* the same, for everybody */
        (void)fchmod(fd, 0444);                          /* not to be opened for writing */
        if ((seals & want) == want)
                return QUIRE_OK;
        add_seals(fd, want);
        seals = fcntl(fd, F_GET_SEALS);
        return seals >= 0 && (seals & want) == want ? QUIRE_OK : QUIRE_DENIED;
}

/* A descriptor with no more than these rights, to be given away and closed. */
enum quire_status quire_memory_offer(int fd, unsigned rights, int *out)
{
        int made;

        if (rights & QUIRE_W) {
                if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
                        return QUIRE_DENIED;
                made = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        } else {
                made = open_again(fd, O_RDONLY);
                if (made < 0 && errno == EACCES && !fchmod(fd, 0444))
                        made = open_again(fd, O_RDONLY);
        }
        if (made < 0)
                return errno == EMFILE || errno == ENFILE ? QUIRE_NO_SPACE :
                       errno == ENOMEM                    ? QUIRE_NO_MEMORY :
                       errno == EACCES                    ? QUIRE_DENIED : QUIRE_UNSUPPORTED;
        *out = made;
        return QUIRE_OK;
}

/*
 * Is a descriptor that arrived what was said?  INVALID: not memory of the kind, or of
 * another size; DENIED: it gives other rights, or could shrink.  Whether it is
 * memory is asked first, since no other file can make this call wait.
 */
enum quire_status quire_memory_accept(int fd, uint64_t bytes, unsigned rights)
{
        int seals = fcntl(fd, F_GET_SEALS), mode = fcntl(fd, F_GETFL);
        struct statfs fs;
        struct stat st;

        if (seals < 0 || mode < 0 || fstatfs(fd, &fs) || fs.f_type != TMPFS || fstat(fd, &st) ||
            !S_ISREG(st.st_mode))
                return QUIRE_INVALID;                    /* huge pages: touching may be a SIGBUS */
        if ((seals & SIZE_SEALS) != SIZE_SEALS)
                return QUIRE_DENIED;
        if (st.st_size < 0 || (uint64_t)st.st_size != bytes)
                return QUIRE_INVALID;
        if ((mode & O_ACCMODE) != (rights & QUIRE_W ? O_RDWR : O_RDONLY))
                return QUIRE_DENIED;
        return rights & QUIRE_W && seals & WRITE_GONE ? QUIRE_DENIED : QUIRE_OK;
}
