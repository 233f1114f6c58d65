/*
 * baseline_uffd.c - a pager as most userfaultfd programs have it, to measure
 * against: a private anonymous region, one handler thread that polls, reads one
 * message, reads one page from a file and copies it in, and first-in first-out
 * eviction, one page at a time.
 *
 * It is correct, and as good as this design is: write protection keeps clean
 * pages from being written out, a first touch that writes maps the page
 * writable at once, and a victim is protected before it is written.
 *
 *      fault -> poll, read -> (full: evict the oldest) -> pread -> UFFDIO_COPY
 *      evict -> dirty: WRITEPROTECT, pwrite -> MADV_DONTNEED
 *
 *   P1  queue[] holds every resident page once, oldest first; at most `budget'.
 *   P2  A page that is not dirty is write-protected.
 *
 * Everything but the two atomics belongs to the handler thread, which
 * runs until its process ends.
 */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct pager {
        struct pager_options options;
        uint8_t *base;
        uint8_t *buffer;                /* one page, for the file */
        bool *dirty;                    /* of each page */
        uint32_t *queue;
        uint64_t head, resident;
        int uffd, file;
        pthread_t thread;
        _Atomic uint64_t misses;
        _Atomic int cpu;                /* where the handler ran last */
};

/* Whatever goes wrong in the handler leaves the faulting thread stopped, and
 * the contest waits for an answer in vain; better to end here. */
static _Noreturn void give_up(const char *what)
{
        fprintf(stderr, "bench: the plain pager: %s: %s\n", what, strerror(errno));
        abort();
}

static uint64_t page_address(const struct pager *pager, uint64_t page)
{
        return (uint64_t)(uintptr_t)pager->base + page * BENCH_PAGE;
}

static void write_protect(struct pager *pager, uint64_t page, bool on)
{
        struct uffdio_writeprotect wp = {
                .range = {.start = page_address(pager, page), .len = BENCH_PAGE},
                .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
        };
        if (ioctl(pager->uffd, UFFDIO_WRITEPROTECT, &wp) != 0)
                give_up("UFFDIO_WRITEPROTECT");
}

static void evict_oldest(struct pager *pager)
{
        uint64_t page = pager->queue[pager->head];
        uint8_t *at = pager->base + page * BENCH_PAGE;
        pager->head = (pager->head + 1) % pager->options.budget;
        pager->resident--;
        if (pager->dirty[page]) {
                write_protect(pager, page, true);
                memcpy(pager->buffer, at, BENCH_PAGE);
                if (pwrite(pager->file, pager->buffer, BENCH_PAGE, (off_t)(page * BENCH_PAGE)) !=
                    BENCH_PAGE)
                        give_up("pwrite");
                pager->dirty[page] = false;
        }
        if (madvise(at, BENCH_PAGE, MADV_DONTNEED) != 0)
                give_up("madvise");
}

static void bring_in(struct pager *pager, uint64_t page, bool writes)
{
        if (pager->resident == pager->options.budget)
                evict_oldest(pager);
        if (pread(pager->file, pager->buffer, BENCH_PAGE, (off_t)(page * BENCH_PAGE)) !=
            BENCH_PAGE)
                give_up("pread");
        pager->queue[(pager->head + pager->resident++) % pager->options.budget] = (uint32_t)page;
        pager->dirty[page] = writes;
        atomic_fetch_add_explicit(&pager->misses, 1, memory_order_relaxed);
        atomic_store_explicit(&pager->cpu, sched_getcpu(), memory_order_relaxed);
        struct uffdio_copy copy = {
                .dst = page_address(pager, page),
                .src = (uint64_t)(uintptr_t)pager->buffer,
                .len = BENCH_PAGE,
                .mode = writes ? 0 : UFFDIO_COPY_MODE_WP,
        };
        if (ioctl(pager->uffd, UFFDIO_COPY, &copy) != 0 && errno != EEXIST)
                give_up("UFFDIO_COPY");
}

static void *handle_faults(void *argument)
{
        struct pager *pager = argument;
        for (;;) {
                struct uffd_msg message;
                struct pollfd wait = {.fd = pager->uffd, .events = POLLIN};
                if (poll(&wait, 1, -1) < 0 && errno != EINTR)
                        give_up("poll");
                if (read(pager->uffd, &message, sizeof message) != (ssize_t)sizeof message)
                        continue;
                uint64_t page = (message.arg.pagefault.address - page_address(pager, 0)) /
                                BENCH_PAGE;
                uint64_t flags = message.arg.pagefault.flags;
                if (flags & UFFD_PAGEFAULT_FLAG_WP) {
                        pager->dirty[page] = true;
                        write_protect(pager, page, false);
                } else {
                        bring_in(pager, page, flags & UFFD_PAGEFAULT_FLAG_WRITE);
                }
        }
}

static bool register_region(struct pager *pager)
{
        struct uffdio_api api = {.api = UFFD_API,
                                 .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP};
        struct uffdio_register all = {
                .range = {.start = page_address(pager, 0),
                          .len = pager->options.pages * BENCH_PAGE},
                .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
        };
        int flags = O_CLOEXEC | O_NONBLOCK;
        pager->uffd = (int)syscall(SYS_userfaultfd, flags);
        if (pager->uffd < 0)
                pager->uffd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
        return pager->uffd >= 0 && ioctl(pager->uffd, UFFDIO_API, &api) == 0 &&
               ioctl(pager->uffd, UFFDIO_REGISTER, &all) == 0;
}

/* A file of pages as quire_bench_page_fill makes them, in pieces of 1 MiB. */
static bool fill_file(int fd, uint64_t pages, enum grain grain)
{
        size_t piece = MIB;
        uint8_t *buffer;
        bool ok = posix_memalign((void **)&buffer, BENCH_PAGE, piece) == 0;
        for (uint64_t page = 0; ok && page < pages; page += piece / BENCH_PAGE) {
                for (size_t i = 0; i < piece / BENCH_PAGE; i++)
                        quire_bench_page_fill(buffer + i * BENCH_PAGE, page + i, grain);
                ok = pwrite(fd, buffer, piece, (off_t)(page * BENCH_PAGE)) == (ssize_t)piece;
        }
        free(buffer);
        return ok && fsync(fd) == 0;
}

int quire_bench_data_file(const char *directory, uint64_t pages, enum grain grain, bool buffered)
{
        char path[320];
        static unsigned serial;
        snprintf(path, sizeof path, "%s/data-%d-%u", directory, (int)getpid(), serial++);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | (buffered ? 0 : O_DIRECT),
                      0600);
        if (fd < 0)
                return -errno;
        unlink(path);
        if (!fill_file(fd, pages, grain)) {
                int error = errno;
                close(fd);
                return -error;
        }
        return fd;
}

static bool allocate_tables(struct pager *pager)
{
        uint64_t bytes = pager->options.pages * BENCH_PAGE;
        pager->dirty = calloc(pager->options.pages, sizeof *pager->dirty);
        pager->queue = calloc(pager->options.budget, sizeof *pager->queue);
        pager->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return pager->dirty && pager->queue && pager->base != MAP_FAILED &&
               posix_memalign((void **)&pager->buffer, BENCH_PAGE, BENCH_PAGE) == 0;
}

struct pager *quire_bench_pager_open(const struct pager_options *options, char *why, size_t room)
{
        struct pager *pager = calloc(1, sizeof *pager);
        if (!pager)
                abort();
        pager->options = *options;
        pager->file = quire_bench_data_file(options->directory, options->pages, options->grain,
                                            options->buffered);
        if (pager->file < 0) {
                snprintf(why, room, "data file: %s", strerror(-pager->file));
                return NULL;
        }
        if (!allocate_tables(pager) || !register_region(pager)) {
                snprintf(why, room, "userfaultfd: %s", strerror(errno));
                return NULL;
        }
        if (pthread_create(&pager->thread, NULL, handle_faults, pager) != 0)
                abort();
        return pager;
}

uint8_t *quire_bench_pager_base(const struct pager *pager)
{
        return pager->base;
}

uint64_t quire_bench_pager_misses(const struct pager *pager)
{
        return atomic_load_explicit(&pager->misses, memory_order_relaxed);
}

int quire_bench_pager_cpu(const struct pager *pager)
{
        return atomic_load_explicit(&pager->cpu, memory_order_relaxed);
}

void quire_bench_pager_pin(struct pager *pager, int cpu)
{
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET((unsigned)cpu, &one);
        (void)pthread_setaffinity_np(pager->thread, sizeof one, &one);
}
