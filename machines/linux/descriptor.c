/*
 * descriptor.c - userfaultfd: opening one, learning what it can do, and its
 * ioctls with their partial results made whole.
 *
 * No ioctl here wakes a stopped thread (M5): a thread woken by the arrival of
 * a page, before the core has given its verdict, runs on without one.
 *
 * A verb returns 0 or a negative errno; copy, move and continue say how many
 * pages they managed before that, for the caller to undo.  EAGAIN means that
 * the kernel was changing mappings elsewhere and got nowhere or part of the
 * way: that is tried again here.
 *
 * Lock: none of its own.  Signal context: yes.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <fcntl.h>

#define ALWAYS 0u
#define STUCK 100u

/* Move a descriptor of ours out of the program's way. */
int quire_descriptor_raise(const struct quire_linux *l, int fd)
{
        if (fd < 0 || !l->hooks.fd_floor || fd >= l->hooks.fd_floor)
                return fd;
        long high = sys_fcntl(fd, F_DUPFD_CLOEXEC, l->hooks.fd_floor);
        if (high < 0)
                return fd;
        (void)sys_close(fd);
        return (int)high;
}

static int new_by_device(void)
{
        int device = (int)sys_open("/dev/userfaultfd", O_RDWR | O_CLOEXEC, 0);

        if (device < 0)
                return device;
        int fd = (int)sys_call3(SYS_ioctl, device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
        (void)sys_close(device);
        return fd;
}

/* privileged: only one that also sees the kernel's own accesses will do. */
static int new_descriptor(bool privileged)
{
        long flags = O_CLOEXEC | O_NONBLOCK;
        int fd = privileged ? -EPERM
                            : (int)sys_call3(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY, 0, 0);

        if (fd < 0)
                fd = (int)sys_call3(SYS_userfaultfd, flags, 0, 0);
        if (fd < 0)
                fd = new_by_device();
        return fd;
}

/* The features the kernel has, or 0 when it has no userfaultfd for us. */
static uint64_t kernel_features(bool privileged)
{
        struct uffdio_api api = { .api = UFFD_API };
        int fd = new_descriptor(privileged);

        if (fd < 0)
                return 0;
        long failed = sys_ioctl(fd, UFFDIO_API, &api);
        (void)sys_close(fd);
        return failed ? 0 : api.features | (uint64_t)1 << 63;
}

/* What of `allowed' this kernel offers this user, as far as userfaultfd goes. */
unsigned quire_uffd_probe(unsigned allowed)
{
        static const struct {
                uint64_t feature;
                unsigned can;
        } table[] = {
                { UFFD_FEATURE_SIGBUS, CAN_INLINE },
                { UFFD_FEATURE_THREAD_ID, CAN_THREAD },
                { UFFD_FEATURE_MOVE, CAN_MOVE },
                { UFFD_FEATURE_PAGEFAULT_FLAG_WP, CAN_WP },
                { UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM, CAN_STORES },
                { UFFD_FEATURE_WP_ASYNC, CAN_WP_ASYNC },
        };
        uint64_t features = allowed & CAN_UFFD ? kernel_features(false) : 0;
        unsigned can = 0;

        if (!features)
                return 0;
        can = CAN_UFFD;
        for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
                if ((features & table[i].feature) == table[i].feature)
                        can |= table[i].can;
        if (kernel_features(true))
                can |= CAN_PRIVILEGED;
        return can & allowed;
}

/* Shake hands over exactly the features that this way of working needs. */
int quire_uffd_open(struct quire_linux *l, bool inlined)
{
        struct uffdio_api api = { .api = UFFD_API };
        int fd = new_descriptor(!inlined && l->can & CAN_PRIVILEGED);

        if (fd < 0)
                return fd;
        api.features = inlined ? UFFD_FEATURE_SIGBUS : UFFD_FEATURE_THREAD_ID;
        if (l->can & CAN_WP)
                api.features |= UFFD_FEATURE_PAGEFAULT_FLAG_WP;
        if (l->can & CAN_MOVE)
                api.features |= UFFD_FEATURE_MOVE;
        if (l->can & CAN_STORES)
                api.features |= UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
                                UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
        if (!inlined)
                api.features |= UFFD_FEATURE_EXACT_ADDRESS;
        api.features &= kernel_features(false);
        long failed = sys_ioctl(fd, UFFDIO_API, &api);
        if (failed) {
                (void)sys_close(fd);
                return (int)failed;
        }
        return quire_descriptor_raise(l, fd);
}

/* The second descriptor, for noting writes in delegated ranges. */
int quire_uffd_open_async(struct quire_linux *l)
{
        struct uffdio_api api = { .api = UFFD_API };
        int fd = new_descriptor(false);

        if (fd < 0)
                return fd;
        api.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
        long failed = sys_ioctl(fd, UFFDIO_API, &api);
        if (failed) {
                (void)sys_close(fd);
                return (int)failed;
        }
        return quire_descriptor_raise(l, fd);
}

long quire_uffd_register(int fd, uint64_t va, uint64_t bytes, unsigned modes)
{
        struct uffdio_register r = { .range = { va, bytes }, .mode = modes };

        return sys_ioctl(fd, UFFDIO_REGISTER, &r);
}

void quire_uffd_unregister(int fd, uint64_t va, uint64_t bytes)
{
        struct uffdio_range r = { va, bytes };

        (void)sys_ioctl(fd, UFFDIO_UNREGISTER, &r);
}

/* Registering in the modes that paged memory wants. */
long quire_uffd_watch_over(struct quire_linux *l, uint64_t va, uint64_t bytes)
{
        return quire_uffd_register(l->uffd, va, bytes,
                                   UFFDIO_REGISTER_MODE_MISSING |
                                   (l->can & CAN_WP ? UFFDIO_REGISTER_MODE_WP : ALWAYS));
}

/*
 * One ioctl acts inside one mapping only, and neighbours that look alike may be
 * two: mapped at different times, or split and never joined.  A run that the
 * kernel refuses as such goes on page by page.
 */
static bool crosses_mappings(long failed, uint64_t *piece)
{
        if ((failed != -ENOENT && failed != -EINVAL) || *piece == 1)
                return false;
        *piece = 1;
        return true;
}

long quire_uffd_copy(struct quire_linux *l, uint64_t to, uint64_t from, uint64_t pages, bool wp,
                     uint64_t *done)
{
        uint64_t piece = pages;

        *done = 0;
        while (*done < pages) {
                uint64_t n = pages - *done < piece ? pages - *done : piece;
                struct uffdio_copy c = {
                        .dst = to + (*done << PAGE_SHIFT),
                        .src = from + (*done << PAGE_SHIFT),
                        .len = n << PAGE_SHIFT,
                        .mode = UFFDIO_COPY_MODE_DONTWAKE | (wp ? UFFDIO_COPY_MODE_WP : ALWAYS),
                };
                long failed = sys_ioctl(l->uffd, UFFDIO_COPY, &c);
                if (c.copy > 0)
                        *done += (uint64_t)c.copy >> PAGE_SHIFT;
                if (failed && failed != -EAGAIN && !crosses_mappings(failed, &piece))
                        return failed;
        }
        return 0;
}

/*
 * Linux 6.18 may move pages and not say so.  Where a page has to be tried again (another
 * processor has just used it, or the kernel is moving it elsewhere), the EAGAIN of that
 * stays with what is moved after it: it is not counted, met again at its destination, and
 * answered with EEXIST.  Nobody else moves anything there, so pages that are at
 * their destination and at their source no more have been moved.  How many, from the
 * first on?
 */
static uint64_t moved_unsaid(const struct quire_linux *l, const struct uffdio_move *m)
{
        uint64_t pages = m->len >> PAGE_SHIFT, n = 0;
        unsigned char there[QUIRE_RUN_MAX], here[QUIRE_RUN_MAX];

        if (!quire_maps_there(l, m->dst, pages, there) || !quire_maps_there(l, m->src, pages, here))
                return 0;
        while (n < pages && there[n] && !here[n])
                n++;
        return n;
}

/* => pages <= QUIRE_RUN_MAX, none of them shown at the destination */
long quire_uffd_move(struct quire_linux *l, uint64_t to, uint64_t from, uint64_t pages,
                     uint64_t *done)
{
        uint64_t piece = pages;
        unsigned stuck = 0;

        *done = 0;
        while (*done < pages) {
                uint64_t n = pages - *done < piece ? pages - *done : piece;
                struct uffdio_move m = {
                        .dst = to + (*done << PAGE_SHIFT),
                        .src = from + (*done << PAGE_SHIFT),
                        .len = n << PAGE_SHIFT,
                        .mode = UFFDIO_MOVE_MODE_DONTWAKE,
                };
                long failed = sys_ioctl(l->uffd, UFFDIO_MOVE, &m);
                uint64_t moved = m.move > 0 ? (uint64_t)m.move >> PAGE_SHIFT : 0;
                if (failed == -EEXIST || failed == -ENOENT)
                        moved = moved_unsaid(l, &m);
                *done += moved;
                if (moved)
                        stuck = 0;
                if (!failed || moved || crosses_mappings(failed, &piece))
                        continue;
                /* A page the kernel itself is busy with answers EAGAIN for a
                 * moment, one that is pinned or shared EBUSY for good. */
                if (failed != -EAGAIN || ++stuck > STUCK)
                        return failed == -EAGAIN ? -EBUSY : failed;
        }
        return 0;
}

/* Protect what is shown against writing, or allow it; holes stay as they are. */
long quire_uffd_protect(struct quire_linux *l, uint64_t va, uint64_t pages, bool wp)
{
        struct uffdio_writeprotect w = {
                .range = { va, pages << PAGE_SHIFT },
                .mode = wp ? UFFDIO_WRITEPROTECT_MODE_WP : UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
        };
        long failed;

        do
                failed = sys_ioctl(l->uffd, UFFDIO_WRITEPROTECT, &w);
        while (failed == -EAGAIN);
        return failed;
}

/* Show the pages that the store of a view already has there.  Kernels before
 * 6.4 can not protect them in the same call: then a write may slip in between,
 * and is in the store like any other. */
long quire_uffd_continue(struct quire_linux *l, uint64_t va, uint64_t pages, bool wp,
                         uint64_t *done)
{
        uint64_t piece = pages;
        bool late = false;               /* protect afterwards */

        *done = 0;
        while (*done < pages) {
                uint64_t at = va + (*done << PAGE_SHIFT);
                uint64_t n = pages - *done < piece ? pages - *done : piece;
                struct uffdio_continue c = {
                        .range = { at, n << PAGE_SHIFT },
                        .mode = UFFDIO_CONTINUE_MODE_DONTWAKE |
                                (wp && !late ? UFFDIO_CONTINUE_MODE_WP : ALWAYS),
                };
                long failed = sys_ioctl(l->uffd, UFFDIO_CONTINUE, &c);

                if (c.mapped > 0) {
                        *done += (uint64_t)c.mapped >> PAGE_SHIFT;
                        if (late)
                                (void)quire_uffd_protect(l, at, (uint64_t)c.mapped >> PAGE_SHIFT,
                                                         true);
                }
                if (!failed || failed == -EAGAIN || crosses_mappings(failed, &piece))
                        continue;
                if (failed != -EINVAL || !wp || late)
                        return failed;
                late = true;
        }
        return 0;
}

/* Does it do so in the same call?  Asked with a page that nothing is registered for, which
 * is refused for that reason only where the mode is known. */
bool quire_uffd_continues_protected(const struct quire_linux *l)
{
        struct uffdio_continue c = {
                .range = { l->zeroes, PAGE },
                .mode = UFFDIO_CONTINUE_MODE_DONTWAKE | UFFDIO_CONTINUE_MODE_WP,
        };

        return sys_ioctl(l->uffd, UFFDIO_CONTINUE, &c) != -EINVAL;
}

void quire_uffd_wake(struct quire_linux *l, uint64_t va)
{
        struct uffdio_range r = { va & ~(PAGE - 1), PAGE };

        (void)sys_ioctl(l->uffd, UFFDIO_WAKE, &r);
}
