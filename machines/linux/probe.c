/*
 * probe.c - which abilities there are, under which names, and what stands in for
 * those that are not.
 *
 * The list here is the only one: open() takes its bits from it, `quire probe'
 * its lines, QUIRE_DISABLE its names.
 */
#include "probe.h"
#include "internal.h"
#include "sys.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

struct entry {
        const char *name;
        unsigned bit;
        const char *with, *without, *enable;
};

static const struct entry entries[] = {
        { "userfaultfd", CAN_UFFD,
          "paged memory by userfaultfd",
          "none: paged memory can not be had",
          "a kernel with CONFIG_USERFAULTFD; in a container, a seccomp profile that allows it" },
        { "privileged-faults", CAN_PRIVILEGED,
          "with handler threads, system calls may touch absent pages",
          "pages are held for system calls",
          "root, or access to /dev/userfaultfd, or sysctl vm.unprivileged_userfaultfd=1" },
        { "inline-faults", CAN_INLINE,
          "SIGBUS in the faulting thread",
          "handler threads",
          "Linux 4.14" },
        { "thread-faults", CAN_THREAD,
          "handler threads, verdicts by thread",
          "inline faults only",
          "Linux 4.14" },
        { "move", CAN_MOVE,
          "UFFDIO_MOVE: pages change address, nothing is copied",
          "write-protect, copy and drop",
          "Linux 6.8" },
        { "write-protect", CAN_WP,
          "userfaultfd write protection",
          "mprotect, a mapping for each run of read-only pages",
          "Linux 5.7" },
        { "shared-stores", CAN_STORES,
          "memfd and minor faults",
          "no shared objects",
          "Linux 5.19" },
        { "async-write-protect", CAN_WP_ASYNC,
          "the kernel notes writes to plain regions",
          "plain regions can not be watched",
          "Linux 6.7" },
        { "pagemap-scan", CAN_PAGEMAP_SCAN,
          "PAGEMAP_SCAN finds written pages",
          "plain regions can not be watched",
          "Linux 6.7" },
        { "map-query", CAN_MAP_QUERY,
          "obstacles by PROCMAP_QUERY",
          "obstacles by reading /proc/self/maps",
          "Linux 6.11" },
        { "io-uring", CAN_URING,
          "pagefile writes overlap through io_uring",
          "pwritev, one write at a time",
          "sysctl kernel.io_uring_disabled=0; in a container, a seccomp profile that allows it" },
        { "spin", CAN_SPIN,
          "who waits for a page looks for it before it sleeps",
          "who waits for a page sleeps",
          "io-uring" },
        { "direct-io", CAN_DIRECT,
          "the pagefile is opened past the page cache",
          "the page cache, dropped after each read",
          "a pagefile directory on a disk file system" },
        { "nameless-file", CAN_TMPFILE,
          "O_TMPFILE",
          "a file that is unlinked at once",
          "a file system with O_TMPFILE" },
        { "large-arena", CAN_LARGE_ARENA,
          "1 TiB of addresses each for paged and plain memory",
          "64 MiB each, further ranges mapped one by one",
          "no ulimit -v, no strict overcommit" },
        { "syscall-dispatch", CAN_DISPATCH,
          "syscall user dispatch",
          "calls are seen by interposing",
          "Linux 5.11 on x86-64" },
};
#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

/* QUIRE_DISABLE, read once at open: never in a fault. */
unsigned quire_linux_disabled(void)
{
        const char *list = getenv("QUIRE_DISABLE");
        unsigned off = 0;

        while (list && *list) {
                size_t n = strcspn(list, ", ");
                for (unsigned i = 0; i < ENTRIES; i++)
                        if (strlen(entries[i].name) == n && !strncmp(entries[i].name, list, n))
                                off |= entries[i].bit;
                list += n + (list[n] ? 1 : 0);
        }
        return off;
}

static bool probe_scan(void)
{
        int fd = (int)sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
        bool scans = fd >= 0 && quire_watch_probe(fd);

        if (fd >= 0)
                (void)sys_close(fd);
        return scans;
}

unsigned quire_linux_survey(unsigned allowed)
{
        unsigned can = quire_uffd_probe(allowed);

        if (allowed & CAN_PAGEMAP_SCAN && probe_scan())
                can |= CAN_PAGEMAP_SCAN;
        if (allowed & CAN_MAP_QUERY && quire_maps_probe())
                can |= CAN_MAP_QUERY;
        if (allowed & CAN_URING && quire_ring_probe())
                can |= CAN_URING | (allowed & CAN_SPIN);
        return can | (allowed & (CAN_DIRECT | CAN_TMPFILE | CAN_LARGE_ARENA));
}

/* Can a file here be opened with these flags? */
static bool probe_file(int flags)
{
        const char *tmp = getenv("TMPDIR");
        int fd = (int)sys_open(tmp && *tmp ? tmp : "/tmp", O_TMPFILE | O_RDWR | flags, 0600);

        if (fd >= 0)
                (void)sys_close(fd);
        return fd >= 0;
}

/* Not part of the survey: switching it off is how the kernel is asked, which a
 * process that uses it must not do. */
static bool probe_dispatch(void)
{
        return !prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);
}

unsigned quire_process_probe(struct quire_ability *out, unsigned room)
{
        unsigned allowed = CAN_ALL & ~quire_linux_disabled();
        unsigned can = quire_linux_survey(allowed);

        if (!probe_file(O_DIRECT))
                can &= ~(unsigned)CAN_DIRECT;
        if (!probe_file(0))
                can &= ~(unsigned)CAN_TMPFILE;
        if (allowed & CAN_DISPATCH && probe_dispatch())
                can |= CAN_DISPATCH;
        for (unsigned i = 0; i < ENTRIES && i < room; i++) {
                const struct entry *e = &entries[i];
                out[i] = (struct quire_ability){ .name = e->name, .present = can & e->bit };
                (void)snprintf(out[i].how, sizeof(out[i].how), "%s",
                               can & e->bit ? e->with : e->without);
                if (!(can & e->bit))
                        (void)snprintf(out[i].enable, sizeof(out[i].enable), "%s", e->enable);
        }
        return ENTRIES;
}
