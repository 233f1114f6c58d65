/*
 * files.c - descriptors that are Quire's: the userfaultfd, pagefiles, the ring,
 * the report.  To the program they are not open.
 *
 * They lie high, out of the way of programs that expect the lowest free number
 * or close everything they know.  Reading or writing one by a guessed number is
 * not prevented.
 *
 * Signal context: yes.  Lock: none; which they are is asked anew each time,
 * since they come and go with forks.
 */
#include "files.h"
#include "buffers.h"
#include "report.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

#define MOST 48u
#define HIGHEST 1024u      /* a table that reaches further costs the kernel memory */
#define ROOM 32u           /* numbers kept between the floor and the limit */

/* Ours, ascending. */
struct list {
        int fd[MOST];
        unsigned count;
};

int quire_files_floor(void)
{
        struct rlimit limit = { HIGHEST, HIGHEST };
        uint64_t most;

        (void)raw4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, raw_address(&limit));
        most = limit.rlim_cur < HIGHEST ? limit.rlim_cur : HIGHEST;
        return most > 2 * ROOM ? (int)(most - ROOM) : 3;
}

int quire_files_raise(int fd)
{
        long high;

        if (fd < 0)
                return fd;
        high = raw3(SYS_fcntl, raw_int(fd), F_DUPFD_CLOEXEC, raw_int(quire_files_floor()));
        if (raw_failed(high))
                return fd;
        (void)raw3(SYS_close, raw_int(fd), 0, 0);
        return (int)high;
}

static void gather(struct list *ours)
{
        int all[MOST];
        unsigned n = quire_linux_descriptors(quire_agent.machine, all, MOST);

        if (n > MOST)
                n = MOST;
        n += quire_report_descriptors(all + n, MOST - n);
        ours->count = 0;
        for (unsigned i = 0; i < n; i++) {
                unsigned at = ours->count++;
                while (at && ours->fd[at - 1] > all[i]) {
                        ours->fd[at] = ours->fd[at - 1];
                        at--;
                }
                ours->fd[at] = all[i];
        }
}

static int lowest;         /* of ours, when last seen: what lies below is the program's */

void quire_files_refresh(void)
{
        struct list ours;

        gather(&ours);
        lowest = ours.count ? ours.fd[0] : INT_MAX;
}

static bool is_ours(uint64_t fd)
{
        struct list ours;

        if ((int)fd < lowest)
                return false;
        gather(&ours);
        for (unsigned i = 0; i < ours.count; i++)
                if ((uint32_t)ours.fd[i] == (uint32_t)fd)
                        return true;
        return false;
}

/* close(fd), and calls that only look at a descriptor. */
enum quire_outcome quire_files_one(struct quire_thread *t, struct quire_call *c)
{
        (void)t;
        return is_ours(c->args[0]) ? quire_answer(c, -EBADF) : QUIRE_CALL_PASS;
}

/* close_range(first, last, flags): around ours. */
enum quire_outcome quire_files_close_range(struct quire_thread *t, struct quire_call *c)
{
        uint32_t first = (uint32_t)c->args[0], last = (uint32_t)c->args[1];
        uint64_t flags = (uint32_t)c->args[2];
        struct list ours;
        long failed = 0;

        (void)t;
        if (first > last)
                return QUIRE_CALL_PASS;
        gather(&ours);
        for (unsigned i = 0; i <= ours.count && !failed; i++) {
                uint32_t stop = i < ours.count ? (uint32_t)ours.fd[i] : UINT32_MAX;
                if (i < ours.count && stop < first)
                        continue;
                if (stop > last || i == ours.count) {
                        failed = raw3(SYS_close_range, first, last, flags);
                        break;
                }
                if (stop > first)
                        failed = raw3(SYS_close_range, first, stop - 1, flags);
                if (stop == last)
                        break;
                first = stop + 1;
        }
        return quire_answer(c, failed);
}

/* dup(fd), dup2(fd, to), dup3(fd, to, flags) */
enum quire_outcome quire_files_dup(struct quire_thread *t, struct quire_call *c)
{
        (void)t;
        if (is_ours(c->args[0]) || (c->nr != SYS_dup && is_ours(c->args[1])))
                return quire_answer(c, -EBADF);
        return QUIRE_CALL_PASS;
}

/* fcntl(fd, command, argument) */
enum quire_outcome quire_files_fcntl(struct quire_thread *t, struct quire_call *c)
{
        if (is_ours(c->args[0]))
                return quire_answer(c, -EBADF);
        switch ((int)c->args[1]) {
        case F_GETLK:
        case F_SETLK:
        case F_SETLKW:
        case F_OFD_GETLK:
        case F_OFD_SETLK:
        case F_OFD_SETLKW:
                quire_buffers_out(t, c, 2, sizeof(struct flock));
                break;
        case F_GETOWN_EX:
        case F_SETOWN_EX:
        case F_GET_RW_HINT:
        case F_SET_RW_HINT:
        case F_GET_FILE_RW_HINT:
        case F_SET_FILE_RW_HINT:
                quire_buffers_out(t, c, 2, 8);
                break;
        default:
                break;
        }
        return QUIRE_CALL_PASS;
}
