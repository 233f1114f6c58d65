/*
 * uffd.h - userfaultfd and pagemap as the newest kernels have them.
 *
 * Debian 12's headers are of 6.1: they lack UFFDIO_MOVE (6.8), asynchronous
 * write-protection and PAGEMAP_SCAN (6.7), PROCMAP_QUERY (6.11).  Whatever a
 * header already defines is left alone; whether the running kernel has it is
 * probed, never assumed.
 */
#ifndef QUIRE_LINUX_UFFD_H
#define QUIRE_LINUX_UFFD_H
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1u << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1u << 15)
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1u << 16)
#endif

#ifndef UFFDIO_MOVE
struct uffdio_move {
        uint64_t dst;
        uint64_t src;
        uint64_t len;
        uint64_t mode;
        int64_t move;
};
#define UFFDIO_MOVE_MODE_DONTWAKE 1u
#define UFFDIO_MOVE _IOWR(0xAA, 0x05, struct uffdio_move)
#endif

#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((uint64_t)1 << 1)
#endif

#ifndef PAGEMAP_SCAN
struct page_region {
        uint64_t start;
        uint64_t end;
        uint64_t categories;
};
struct pm_scan_arg {
        uint64_t size;
        uint64_t flags;
        uint64_t start;
        uint64_t end;
        uint64_t walk_end;
        uint64_t vec;
        uint64_t vec_len;
        uint64_t max_pages;
        uint64_t category_inverted;
        uint64_t category_mask;
        uint64_t category_anyof_mask;
        uint64_t return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PM_SCAN_WP_MATCHING 1u
#define PM_SCAN_CHECK_WPASYNC 2u
#define PAGE_IS_WPALLOWED 1u
#define PAGE_IS_WRITTEN 2u
#define PAGE_IS_PRESENT 8u
#define PAGE_IS_SWAPPED 16u
#endif

#ifndef PROCMAP_QUERY
struct procmap_query {
        uint64_t size;
        uint64_t query_flags;
        uint64_t query_addr;
        uint64_t vma_start;
        uint64_t vma_end;
        uint64_t vma_flags;
        uint64_t vma_page_size;
        uint64_t vma_offset;
        uint64_t inode;
        uint32_t dev_major;
        uint32_t dev_minor;
        uint32_t vma_name_size;
        uint32_t build_id_size;
        uint64_t vma_name_addr;
        uint64_t build_id_addr;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
#define PROCMAP_QUERY_COVERING_OR_NEXT_VMA 0x10u
#endif

#endif
