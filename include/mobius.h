/*
 * mobius.h - the virtual memory interface of the Mobius operating system (Vmm*),
 * on Quire.
 *
 * What is named VmmX, VM_X, vm_x or VMM_X, and process_t, module_t, proc_idle,
 * is as Mobius published it, unless its comment says otherwise.  What is named
 * mobius_x is not of Mobius: it stands where the original had a kernel around it.
 * docs/mobius.md is for those who port.
 *
 * For every function here:
 *
 *   Units      Addresses are bytes and multiples of PAGE_SIZE where a comment does
 *              not say "any"; else it is EINVALID.  Sizes are pages.
 *   Process    Calls act on the calling thread's current process
 *              (mobius_process_enter), in place of the one that made the call.
 *   Errors     A call that fails returns NULL or false, changes nothing, and
 *              mobius_error() of the same thread says why.  Every call sets it; success
 *              is MOBIUS_OK.  (The original asserted.)
 *   Threads    Any thread may call anything, also from a VMM_CALLBACK; but not from
 *              handlers of asynchronous signals.  Pointers to nodes and areas are good until
 *              somebody frees them, as in the original.
 */
#ifndef MOBIUS_H
#define MOBIUS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <quire/quire.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uintptr_t addr_t;
typedef unsigned handle_t;                    /* 0: none */

/* ------------------------------------------------------------------- constants */

#define VM_AREA_NORMAL   1
#define VM_AREA_MAP      2
#define VM_AREA_FILE     3
#define VM_AREA_IMAGE    4
#define VM_AREA_CALLBACK 5

#define VM_MEM_KERNEL     0x00000000          /* access from kernel mode only */
#define VM_MEM_USER       0x00000003          /* from user mode and kernel mode */
#define VM_MEM_PL_MASK    0x00000003          /* not 0: user memory */
#define VM_MEM_READ       0x00000004          /* always granted: x86 can not withhold it */
#define VM_MEM_WRITE      0x00000008
#define VM_MEM_ZERO       0x00000010          /* zero before use (all memory is, here) */
#define VM_MEM_CACHE_WT   0x00000020
#define VM_MEM_CACHE_NONE 0x00000040          /* stronger than CACHE_WT */
#define VM_MEM_LITERAL    0x00000080          /* address 0 is an address, not "choose" */
#define VM_MEM_RESERVED   0x00000100          /* address space only (nodes only) */

/* Flags that a node has, as opposed to an area. */
#define VM_MEM_NODE_MASK (VM_MEM_PL_MASK | VM_MEM_READ | VM_MEM_WRITE | VM_MEM_CACHE_WT | \
                          VM_MEM_CACHE_NONE | VM_MEM_RESERVED)

#define VMM_NODE_IS_EMPTY(n) ((n)->flags == 0)

#ifndef PAGE_SIZE
#define PAGE_SIZE 4096
#endif
#define PAGE_ALIGN(addr) ((addr) & -(addr_t)PAGE_SIZE)
#define PAGE_ALIGN_UP(addr) (((addr) + PAGE_SIZE - 1) & -(addr_t)PAGE_SIZE)

/* ------------------------------------------------------------------ structures */

typedef struct vm_node_t vm_node_t;
typedef struct vm_desc_t vm_desc_t;
typedef struct process_t process_t;
typedef struct module_t module_t;
typedef struct file_handle_t file_handle_t;

/*
 * Called for a page of a CALLBACK area that is missing: once for each time that
 * it is missing, however many threads wait for it.  `start' is the page's address in
 * `node'; of an area that several nodes show, in one of them.
 *
 * True: the page has what mobius_page_window() or mobius_page_fill() put there, else
 * zeroes.  False: the access is denied, and reaches the program as an access
 * violation; the next access asks again.
 *
 * Runs in the thread that made the access: in signal context where faults are
 * signals.  It may call Vmm* functions, but not free the area that it fills, nor
 * touch the page that it is asked for other than through its window.
 */
typedef bool (*VMM_CALLBACK)(void *cookie, vm_node_t *node, addr_t start, bool is_writing);

/* An area of memory, possibly shared between more than one process.  To be read,
 * not written.  It lives as long as a node shows it, a handle refers to it, or
 * VmmOpenSharedArea() was not given back. */
struct vm_desc_t {
        unsigned type;                        /* VM_AREA_x */
        uint32_t flags;                       /* as the area was allocated with them */
        size_t num_pages;
        size_t nodes;                         /* how many show it, in all processes */
        const wchar_t *name;                  /* the last that VmmShare gave it, or null */
        union {
                addr_t phys_map;              /* MAP */
                file_handle_t *file;          /* FILE */
                module_t *mod;                /* IMAGE */
                struct {
                        VMM_CALLBACK handler;
                        void *cookie;
                } callback;                   /* CALLBACK */
        } dest;
};

/*
 * A place in one process: of an area, reserved, or empty.  The nodes of a process are a
 * tree by base and partition its address space: no gap, no overlap.  To be read, not written.
 */
struct vm_node_t {
        vm_node_t *left, *right;
        addr_t base;
        uint32_t flags;                       /* within VM_MEM_NODE_MASK; 0: empty */
        size_t num_pages;
        union {
                vm_desc_t *desc;              /* null: reserved */
                size_t empty_pages;           /* empty: num_pages, as in the original */
        } u;
};

struct process_t {
        vm_node_t *vmm_top;                   /* the root of its nodes */
        struct quire_space *space;
        struct quire_system *system;
        addr_t first, kernel, end;            /* user memory, kernel memory, the end of it */
};

/* The kernel's process: the open one that has mobius_options.idle; else null.  (In
 * Mobius the structure itself: write proc_idle for its &proc_idle.) */
extern process_t *proc_idle;

/* ------------------------------------------------------------- memory, as Mobius */

/*
 * Create any type of area in the current process.
 *
 * start 0 without VM_MEM_LITERAL: an address is chosen, below 2 GB for user memory
 * ((flags & 3) != 0), above for kernel memory.  Else exactly there, in an empty or in a
 * reserved node, which is split; beyond one node, or in another, EEXIST.
 *
 *   NORMAL     dest1, dest2 are ignored; charged in full (else ELIMIT)
 *   MAP        dest1: physical address.  ENOTIMPL where the machine has none
 *   FILE       dest1: file_handle_t *, from its beginning; beyond its end EINVALID
 *   IMAGE      dest1: module_t *.  pages 0: as many as the image has.  start 0: the image's
 *              preferred base if it is free, else any, and it is relocated
 *   CALLBACK   dest1: VMM_CALLBACK; dest2: its cookie
 *
 * With VM_MEM_RESERVED no area is made, whatever the type: as VmmReserveArea.
 * A mapping at address 0 is also a NULL: there mobius_error() tells success.
 */
void *VmmMap(size_t pages, addr_t start, void *dest1, void *dest2, unsigned type,
             uint32_t flags);
void *VmmAlloc(size_t pages, addr_t start, uint32_t flags);
void *VmmAllocCallback(size_t pages, addr_t start, uint32_t flags, VMM_CALLBACK handler,
                       void *cookie);
/* VM_MEM_ZERO is dropped.  Areas of one handle are one area, and show the same pages; the first
 * says how many pages there are.  Writes reach the file with mobius_area_flush() or
 * when the last node is freed. */
void *VmmMapFile(file_handle_t *file, addr_t start, size_t pages, uint32_t flags);
/* Keep a range from being chosen.  Only Vmm calls that name it find room there. */
void *VmmReserveArea(size_t pages, addr_t start);

/* Free the area or reservation that `ptr', any address in it, lies in; it becomes empty.
 * False: it is empty (EINVALID), or a file could not be written (EIO): it stays. */
bool VmmFree(void *ptr);
/* As VmmFree, by node, of whatever process.  The area survives while it is shared. */
void VmmFreeNode(vm_node_t *node);

/* The node in the subtree below `parent' (process_t.vmm_top: all) that ptr, any address, lies
 * in; or null.  `level' is how deep parent lies (0: the top): a search that is
 * deeper than VMM_TREE_DEPTH finds nothing, since no tree is. */
vm_node_t *VmmLookupNode(int level, vm_node_t *parent, const void *ptr);
#define VMM_TREE_DEPTH 64

/* Bring the page at any address `start' in, as an access would, with the rights of
 * the kernel.  False: empty, reserved, no such right, or it can not be had. */
bool VmmPageFault(process_t *proc, addr_t start, bool is_writing);

/* Give the area that `base', any address in it, lies in a name, 1 to 255 bytes of UTF-8, by
 * which processes of the same system find it, and others (mobius_names).  The name goes with
 * the area.  EINVALID: no
 * area there; EEXIST: the name is taken. */
vm_desc_t *VmmShare(void *base, const wchar_t *name);
/* The area of that name; give it back with mobius_area_close().  ENOTFOUND. */
vm_desc_t *VmmOpenSharedArea(const wchar_t *name);
/* Show the whole area in the current process, too. */
void *VmmMapSharedArea(vm_desc_t *desc, addr_t start, uint32_t flags);

/* ------------------------------------------------ memory, from user mode (handles) */

/*
 * What a program in user mode called by the same names: areas and files are
 * handles of the current process, and kernel memory is out of reach (EACCESS).
 * EHANDLE: no such handle.
 */
void *VmmUserAlloc(size_t pages, addr_t start, uint32_t flags);
bool VmmUserFree(void *ptr);
void *VmmUserMapSharedArea(handle_t area, addr_t start, uint32_t flags);
void *VmmUserMapFile(handle_t file, addr_t start, size_t pages, uint32_t flags);
void *VmmUserReserveArea(size_t pages, addr_t start);
handle_t VmmUserShare(void *base, const wchar_t *name);
handle_t VmmUserOpenSharedArea(const wchar_t *name);

/* The current process gets a handle for an area or a file, or closes one. */
handle_t mobius_handle_area(vm_desc_t *);
handle_t mobius_handle_file(file_handle_t *);
bool mobius_handle_close(handle_t);

/* The system calls of the first six.  Arguments in their order; what they return.
 * The name of VmmShare is a pointer that the caller of this can read.  ENOTIMPL: no such
 * number. */
enum {
        MOBIUS_SYS_ALLOC = 0x500,
        MOBIUS_SYS_FREE,
        MOBIUS_SYS_MAP_SHARED_AREA,
        MOBIUS_SYS_MAP_FILE,
        MOBIUS_SYS_RESERVE_AREA,
        MOBIUS_SYS_SHARE,
};
uintptr_t mobius_system_call(unsigned number, const uintptr_t argument[4]);

/* -------------------------------------------------------------- areas and pages */

/* Give back what VmmOpenSharedArea() returned. */
void mobius_area_close(vm_desc_t *);
/* Write the modified pages of the FILE area that ptr lies in.  EIO: some stay modified. */
bool mobius_area_flush(void *ptr);

/* Inside a VMM_CALLBACK, for the page that it was asked for: where its contents are
 * written, PAGE_SIZE bytes, zeroes at first, good until the handler returns.  Null
 * elsewhere. */
void *mobius_page_window(vm_node_t *node, addr_t page);
/* Contents for a page of a CALLBACK area.  In its handler, the page that it was asked for;
 * other pages, also elsewhere, are taken while they are missing and frames are free (else
 * EBUSY, and nothing changed). */
bool mobius_page_fill(vm_node_t *node, addr_t page, const void *contents);

/* What a page is, as Mobius would keep it in the page's table entry. */
enum mobius_page_state {
        MOBIUS_PAGE_NONE,             /* empty or reserved */
        MOBIUS_PAGE_PAGEDOUT,         /* not in memory: never touched, or stored */
        MOBIUS_PAGE_READINPROG,
        MOBIUS_PAGE_WRITEINPROG,      /* to its file */
        MOBIUS_PAGE_READFAILED,       /* the last try did; of what has no pager of the face's
                                       * (NORMAL, files with open): VmmPageFault's, or lost */
        MOBIUS_PAGE_WRITEFAILED,      /* to its file; nothing is lost */
        MOBIUS_PAGE_VALID_CLEAN,
        MOBIUS_PAGE_VALID_DIRTY,
};
enum mobius_page_state mobius_page_state(process_t *, addr_t any);

/* --------------------------------------------------------------- files and images */

/*
 * A file, as the face uses it.  read and write move `bytes', at most a page, and
 * say whether all of them were; they are called as a VMM_CALLBACK is.  With open, they are
 * not used: it opens an object of the first `bytes' of the file by other means.
 * The maker counts as one reference.
 */
struct file_handle_t {
        bool (*read)(file_handle_t *, uint64_t offset, void *, size_t bytes);
        bool (*write)(file_handle_t *, uint64_t offset, const void *, size_t bytes);  /* or null */
        enum quire_status (*open)(file_handle_t *, uint64_t bytes, struct quire_grant **);  /* " */
        void (*closed)(file_handle_t *);      /* the last reference went; or null */
        uint64_t bytes;                       /* its size */
        unsigned references;                  /* 1, made by the maker */
        vm_desc_t *area;                      /* the face's; null at first */
};
void mobius_file_close(file_handle_t *);

/* A PE image (i386 or x86-64), whole and as in its file, that outlives the area.  The rest
 * is filled in by VmmMap. */
struct module_t {
        const void *image;
        size_t image_bytes;
        addr_t base;                          /* where the area's first node lies */
        size_t length;                        /* bytes */
        addr_t entry;                         /* address; 0: none */
        size_t sizeof_headers;
};

/* ------------------------------------------------------------------- processes */

struct mobius_options {
        struct quire_system *system;
        struct quire_space *space;            /* of it, with pages of 4096 bytes */
        const struct quire_host_ops *host_ops;    /* for the face's records: alloc, free, lock, */
        struct quire_host *host;                  /* unlock and pause of host.h are used */
        addr_t first, kernel, end;            /* 0, 0, 0: 0, 2 GB, 4 GB */
        bool idle;                            /* it is proc_idle, too */
        const struct mobius_names *names;     /* beyond the system; or null */
        void *names_context;
};

/* Names that reach further than the system, as VmmShare and VmmOpenSharedArea use them: those of
 * the system are asked first.  A process that has them makes its NORMAL areas of the machine's
 * own memory (QUIRE_HOSTED), which other processes can have; areas of other types stay
 * the system's.  What the functions answer is what the calls note as error. */
struct mobius_names {
        enum quire_status (*publish)(void *context, const char *name, struct quire_grant *);
        enum quire_status (*open)(void *context, const char *name, struct quire_grant **out);
};

/* User memory from 0 to 2 GB, kernel memory from 2 to 4 GB, address 0 included. */
extern const struct quire_layout mobius_layout;

/* EINVALID, ENOMEM. */
process_t *mobius_process_open(const struct mobius_options *);
/* On Linux, over the space of an open process: kernel memory from 2 GB to the end of it. */
struct quire_process;
process_t *mobius_process_here(struct quire_process *);
/* The same, and names are those that all processes of this user see.  NORMAL areas are
 * not paged then. */
process_t *mobius_process_shared(struct quire_process *);
/* A file by its descriptor, which stays the caller's; `writes' if it may be written.  It is
 * quire_file_open()'s (quire/file.h). */
file_handle_t *mobius_file_of(struct quire_process *, int descriptor, bool writes);

/* Frees every node and handle; no thread accesses them any more.  False: a file could
 * not be written, and its modified pages are lost. */
bool mobius_process_close(process_t *);
/* The calling thread's; null at first. */
process_t *mobius_process_current(void);
/* Change it.  Returns the one before. */
process_t *mobius_process_enter(process_t *);

/* ---------------------------------------------------------------------- errors */

enum {
        MOBIUS_OK,
        MOBIUS_EINVALID,
        MOBIUS_ENOMEM,                /* no memory for records */
        MOBIUS_ENOSPACE,              /* no range of addresses is free */
        MOBIUS_EEXIST,                /* the range, or the name, is taken */
        MOBIUS_ENOTFOUND,
        MOBIUS_ELIMIT,                /* more than can be stored */
        MOBIUS_EACCESS,
        MOBIUS_EIO,
        MOBIUS_EBROKEN,               /* contents were lost */
        MOBIUS_ENOTIMPL,              /* not on this machine */
        MOBIUS_EBUSY,
        MOBIUS_EHANDLE,
};
/* Of the calling thread's last call. */
int mobius_error(void);
const char *mobius_error_name(int error);

#ifdef __cplusplus
}
#endif
#endif
