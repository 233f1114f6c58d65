/*
 * kernel.h - what the kernel's headers of 6.1 do not know yet: UFFDIO_MOVE
 * (6.8).  Numbers from the kernel's published interface.
 */
#ifndef QUIRE_BENCH_KERNEL_H
#define QUIRE_BENCH_KERNEL_H
#include <linux/userfaultfd.h>

#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
#endif

#ifndef UFFDIO_MOVE
struct uffdio_move {
        __u64 dst, src, len;
        __u64 mode;
        __s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#endif
