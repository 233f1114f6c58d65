/*
 * internal.h - what the files of the Linux machine share.
 *
 *   process.c        opens everything; with fork.c the only file that calls the
 *                    core otherwise than by quire_fault()
 *   machine.c        the operations in two tables, open and close
 *   arena.c          where ranges lie: arena, plain zone, chunks
 *   plain.c          delegated ranges
 *   pool.c           frames, and the slots that hold their contents
 *   enter.c          translations: enter, protect, take, drop
 *   alone.c          is nobody there who could write meanwhile?
 *   store.c          stores and their views
 *   watch.c          written pages of delegated ranges
 *   descriptor.c     userfaultfd: opening, probing, the ioctls
 *   faults.c         a fault's way to the core and back, inline
 *   thread.c bar.c   the same by handler threads, and how they deny
 *   signal.c         our signal handlers, and whose place they took
 *   lodging.c lock.c maps.c     records, the lock, obstacles and page maps
 *   host.c pagefile.c           the host: time, words, compression, transfers at once
 *   ring.c spin.c    transfers that overlap; reads whose end is looked for
 *   probe.c fork.c
 *   message.c sealed.c lease.c grant.c name.c     other processes: sharing.h
 *
 * Locks.  L: the core's lock (host_ops.lock), which the core holds around every
 * machine call.  [L] needs it; [I] is fixed from open on; [a] is atomic.  All
 * locks are of one kind, which blocks the thread's signals while it is held: a
 * signal handler that touches paged memory enters the core, and must not find
 * its own thread inside.
 */
#ifndef QUIRE_LINUX_INTERNAL_H
#define QUIRE_LINUX_INTERNAL_H
#include "bare.h"
#include "pool.h"
#include <linux/io_uring.h>

struct iovec;

#define PAGE_SHIFT 12
#define PAGE ((uint64_t)1 << PAGE_SHIFT)
#define VA_END 0x7ffffffff000ull
#define STORE_FRAME ((quire_frame)1 << 63)

#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

/* What there is to work with: bits of quire_linux.can, named in probe.c. */
enum {
        CAN_UFFD = 1 << 0,
        CAN_PRIVILEGED = 1 << 1,     /* system calls may touch absent pages */
        CAN_INLINE = 1 << 2,
        CAN_THREAD = 1 << 3,
        CAN_MOVE = 1 << 4,
        CAN_WP = 1 << 5,
        CAN_STORES = 1 << 6,
        CAN_WP_ASYNC = 1 << 7,
        CAN_PAGEMAP_SCAN = 1 << 8,
        CAN_MAP_QUERY = 1 << 9,
        CAN_URING = 1 << 10,
        CAN_DIRECT = 1 << 11,
        CAN_TMPFILE = 1 << 12,
        CAN_LARGE_ARENA = 1 << 13,
        CAN_DISPATCH = 1 << 14,
        CAN_SPIN = 1 << 15,
        CAN_ALL = (1 << 16) - 1,
};

/* --- lock.c */
struct quire_lock {
        uint32_t word;               /* [a] 0 free, 1 held, 2 held and waited for */
        bool blocked;                /* [held] taking it blocked signals */
        uint64_t mask;               /* [held] the mask to put back */
};
void quire_lock_take(struct quire_lock *);
bool quire_lock_try(struct quire_lock *);     /* false: somebody has it */
void quire_lock_drop(struct quire_lock *);
void quire_mask_enter(void);
void quire_mask_leave(void);
uint32_t quire_thread_begun(uint32_t *begun);       /* how many had before */
void quire_threads_await(const uint32_t *begun, uint32_t count);

/* --- lodging.c */
#define LODGING_CLASSES 64
struct lodging {
        uint64_t first, bytes;       /* [I] the mapping */
        uint64_t small, small_end;   /* [L] the run that small records are cut from */
        uint64_t next;               /* [L] first byte never given out */
        uint64_t resident;           /* [L] bytes in use */
        void *free[LODGING_CLASSES]; /* [L] */
};
bool quire_lodging_open(struct lodging *, uint64_t most);
void quire_lodging_close(struct lodging *);
void *quire_lodging_alloc(struct lodging *, size_t bytes);
void quire_lodging_free(struct lodging *, void *, size_t bytes);

/* --- arena.c: a mapping outside the zones, or one that differs from its zone */
enum chunk_kind { CHUNK_NONE, CHUNK_PAGED, CHUNK_PLAIN };
struct chunk {
        uint64_t first;              /* byte address */
        uint64_t pages;
        enum chunk_kind kind;
        struct quire_store *store;   /* of a view; else null */
        uint64_t index;              /* of a view: its first page in the store */
        bool copies;                 /* of a view */
};
struct chunks {
        uint32_t sequence;           /* [a] odd while the rows change */
        uint32_t room;               /* [L] */
        uint32_t count;              /* [L] to write, [a] to read under the sequence */
        struct chunk *row;           /* the same; ascending, disjoint */
};

struct quire_mspace {
        struct quire_linux *l;       /* [I] */
        void *owner;                 /* [a] null: not open */
};

/* --- faults.c: a thread stopped by a fault */
struct ticket {
        uint32_t verdict;            /* [a] 0: none yet; else 1 + enum quire_verdict */
        bool late;                   /* one of thread.c's, which takes its late verdict */
        bool woken;                  /* [threads.lock] another's answer woke its thread */
        int tid;                     /* of the thread, where it is not this one */
        uint64_t va;
        bool write;
        struct ticket *next;
};

/* --- bar.c */
#define BARS 64
/* What a stopped thread is stopped in. */
struct spot {
        enum { AT_NOTHING, AT_ACCESS, AT_CALL, AT_ANY } where;
        uint64_t sp, pc;
};
struct bar {
        struct quire_signal_out out; /* what to raise where it is met */
        int tid;                     /* who is to meet it */
        bool shut;                   /* the mapping has lost the access */
        struct spot at;
        uint64_t born;
        uint64_t ran;                /* how often its thread had run by then */
        uint64_t start;              /* of an alarm: when its thread began */
};

/* --- thread.c */
#define HANDLERS 4
struct threads {
        unsigned running;                    /* [I] handler threads */
        uint32_t begun;                      /* [a] of them */
        unsigned long handle[HANDLERS];      /* [I] pthread_t */
        uint64_t stack[HANDLERS];            /* [I] */
        uint32_t stop;                       /* [a] */
        int wake;                            /* [I] eventfd that ends the poll */
        struct quire_lock reader;            /* held by who leads */
        struct quire_lock lock;              /* guards the lists of tickets */
        struct ticket *ticket;               /* [I] */
        struct ticket *free, *hand;          /* [lock] */
        uint32_t bars, calls;                /* [L], [a] to read */
        struct bar bar[BARS];                /* [L] */
};

/* --- pagefile.c */
#define FILES 16
struct pagefile {
        int fd;                      /* [grow] fixed once it is open */
        bool open;                   /* [a] */
        bool direct;
        bool writable;               /* false: an earlier process's, for reading */
        uint64_t grown;              /* [a] bytes that are there or promised */
};

/* --- spin.c */
#define SEATS 4u
struct seat {
        bool taken;                  /* [a] what follows is the taker's */
        bool tried;
        int fd;                      /* [a] to read; 0: none */
        uint64_t ring, entries;      /* the mappings; 0: none */
        uint64_t ring_bytes;
        struct io_uring_params params;
};
struct spin {
        struct seat seat[SEATS];
        uint64_t most;               /* [I] ns that a read is looked for */
        uint32_t rest;               /* [a] reads that are to sleep */
        bool never;                  /* [a] all of them are */
};

#define WITNESSES 16
#define KEPT 32

struct costs {                       /* [L] see enter.c */
        uint32_t move, copy;         /* ticks a page of late; 0: not known yet */
        uint32_t since;
};

#define STORE_RUN 32u
struct store_run {                   /* pages of a store */
        struct quire_store *store;
        uint64_t first, pages;
};

struct quire_linux {
        unsigned can;                        /* [I] */
        bool inlined;                        /* [I] but for fork: faults stop in the thread */
        bool signals;                        /* [I] our handlers are installed */
        int uffd;                            /* -1: none */
        int watch;                           /* userfaultfd of the write watch, or -1 */
        int pagemap;                         /* /proc/self/pagemap, or -1 */
        int tasks;                           /* /proc/self/task, or -1 */
        uint32_t ours;                       /* [a] see alone.c */
        uint64_t arena, arena_bytes;         /* [I] */
        uint64_t plain, plain_bytes;         /* [I] */
        struct quire_range kept[KEPT];       /* [L] see plain.c */
        unsigned kept_count, kept_turn;      /* [L] */
        bool watching;                       /* [a] a delegated range was ever watched */
        uint64_t zeroes;                     /* [I] QUIRE_RUN_MAX pages that read as zeroes */
        struct quire_abilities abilities;    /* [I] */
        struct quire_linux_setup setup;      /* [I] */
        struct quire_linux_hooks hooks;      /* [I] */
        struct quire_mspace space;
        struct quire_lock core;              /* L itself */
        struct lodging lodging;
        struct pool pool;
        struct chunks chunks;
        struct costs costs;
        struct threads threads;
        struct quire_store *stores;          /* [L] */
        struct store_run ready, gone;        /* [L] see store.c */
        uint32_t store_number;               /* [L] */
        bool views_lost;                     /* [L] see store.c: a child of fork */
        void *compressor;                    /* [compressing] */
        bool compressing;                    /* [a] */
        char directory[4096];                /* [I] where later pagefiles are made */
        char path[4096];                     /* [grow] the name of one */
        struct pagefile file[FILES];
        unsigned files;                      /* [a] */
        struct quire_lock grow;              /* pagefiles that grow or open */
        struct ring *ring;                   /* [I] */
        struct spin spin;
        int children;                        /* [a] owner.h: reading end, or -1 */
        int witness[WITNESSES];              /* [I] ends of pipes, held for ancestors: fork.c */
        unsigned witnesses;                  /* [I] */
        void (*idle)(struct quire_linux *);  /* [I] fork.c: called now and then, no lock held */
};

static inline struct quire_linux *linux_of(struct quire_machine *m)
{
        return (struct quire_linux *)m;
}

static inline struct quire_linux *lodger_of(struct quire_host *h)
{
        return (struct quire_linux *)h;
}

/* --- machine.c */
bool quire_linux_see_memory(struct quire_linux *);     /* in a child: descriptors of its own */

/* --- descriptor.c: a long is 0 or a negative errno */
int quire_descriptor_raise(const struct quire_linux *, int fd);
unsigned quire_uffd_probe(unsigned allowed);
int quire_uffd_open(struct quire_linux *, bool inlined);
int quire_uffd_open_async(struct quire_linux *);
long quire_uffd_register(int fd, uint64_t va, uint64_t bytes, unsigned modes);
void quire_uffd_unregister(int fd, uint64_t va, uint64_t bytes);
long quire_uffd_watch_over(struct quire_linux *, uint64_t va, uint64_t bytes);
long quire_uffd_copy(struct quire_linux *, uint64_t to, uint64_t from, uint64_t pages, bool wp,
                     uint64_t *done);
long quire_uffd_move(struct quire_linux *, uint64_t to, uint64_t from, uint64_t pages,
                     uint64_t *done);
long quire_uffd_protect(struct quire_linux *, uint64_t va, uint64_t pages, bool wp);
long quire_uffd_continue(struct quire_linux *, uint64_t va, uint64_t pages, bool wp,
                         uint64_t *done);
bool quire_uffd_continues_protected(const struct quire_linux *);
void quire_uffd_wake(struct quire_linux *, uint64_t va);

/* --- arena.c */
enum quire_status quire_arena_open(struct quire_linux *);
bool quire_arena_adopt(struct quire_linux *);
bool quire_arena_renew(struct quire_linux *, const struct quire_store *);
bool quire_arena_protect(struct quire_linux *);
uint64_t quire_address_share(uint64_t memory);
void quire_arena_close(struct quire_linux *);
uint64_t quire_piece_pages(const struct quire_linux *, uint64_t va, uint64_t pages);
enum chunk_kind quire_zone_kind(const struct quire_linux *, uint64_t va);
enum quire_status quire_chunk_claim(struct quire_linux *, const struct chunk *,
                                    struct quire_range *obstacle);
void quire_chunk_surrender(struct quire_linux *, uint64_t va, uint64_t pages);
bool quire_row_pages(const struct quire_linux *, uint64_t va, uint64_t *pages);
bool quire_chunk_find(const struct quire_linux *, uint64_t va, struct chunk *out);
bool quire_arena_paged(const struct quire_linux *, uint64_t va);
bool quire_arena_plain(const struct quire_linux *, uint64_t va);
enum quire_status quire_linux_space_open(struct quire_machine *, void *, struct quire_mspace **);
void quire_linux_space_close(struct quire_mspace *);
enum quire_status quire_linux_reserve(struct quire_mspace *, uint64_t, uint64_t,
                                      const struct quire_view *, struct quire_range *);
void quire_linux_release(struct quire_mspace *, uint64_t, uint64_t);

/* --- plain.c */
enum quire_status quire_linux_delegate(struct quire_mspace *, uint64_t, uint64_t,
                                       const struct quire_view *, struct quire_range *);
enum quire_status quire_linux_delegate_protect(struct quire_mspace *, uint64_t, uint64_t,
                                               unsigned);
void quire_linux_delegate_discard(struct quire_mspace *, uint64_t, uint64_t);
void quire_linux_delegate_release(struct quire_mspace *, uint64_t, uint64_t);

/* --- pool.c (and pool.h) */
enum quire_status quire_linux_frame_alloc(struct quire_machine *, struct quire_store *, uint64_t,
                                          enum quire_fill, quire_frame *);
void quire_linux_frame_free(struct quire_machine *, quire_frame);
void *quire_linux_frame_window(struct quire_machine *, quire_frame);

/* --- alone.c */
void quire_alone_open(struct quire_linux *);
void quire_alone_close(struct quire_linux *);
void quire_alone_count(struct quire_linux *, bool runs);
bool quire_alone(const struct quire_linux *);

/* --- enter.c */
enum quire_status quire_linux_enter(struct quire_mspace *, uint64_t, uint64_t,
                                    const quire_frame *, unsigned);
void quire_linux_protect(struct quire_mspace *, uint64_t, uint64_t, unsigned);
enum quire_status quire_linux_take(struct quire_mspace *, uint64_t, uint64_t,
                                   const quire_frame *);
void quire_linux_drop(struct quire_mspace *, uint64_t, uint64_t);

/* --- store.c */
enum quire_status quire_linux_store_open(struct quire_machine *, uint64_t, struct quire_store **);
void quire_linux_store_close(struct quire_machine *, struct quire_store *);
void quire_linux_frame_prepare(struct quire_machine *, struct quire_store *, uint64_t, uint64_t);
void quire_stores_settle(struct quire_linux *);
enum quire_status quire_view_frame(struct quire_store *, uint64_t index, quire_frame *);
void quire_view_frame_free(struct quire_linux *, quire_frame);
void *quire_view_window(struct quire_linux *, quire_frame);
bool quire_view_holds(const struct quire_store *, uint64_t index, uint64_t pages);
bool quire_stores_paged(const struct quire_linux *);
bool quire_stores_renew(struct quire_linux *);
void quire_stores_close(struct quire_linux *);
unsigned quire_store_descriptors(struct quire_linux *, int *out, unsigned room);
long quire_view_map(const struct chunk *, int flags);
long quire_view_open(const struct chunk *);
long quire_view_watch(struct quire_linux *, const struct chunk *);
bool quire_view_can_copy(const struct quire_linux *);
bool quire_view_find(const struct quire_linux *, uint64_t va, struct chunk *out);
long quire_view_enter(struct quire_linux *, const struct chunk *, uint64_t va, uint64_t pages,
                      bool writable);
void quire_view_protect(struct quire_linux *, const struct chunk *, uint64_t va, uint64_t pages,
                        bool writable);
void quire_view_repair(struct quire_linux *, const struct chunk *, uint64_t va, bool writable);
void quire_view_hide(struct quire_linux *, uint64_t va, uint64_t pages);
bool quire_view_shown(struct quire_linux *, uint64_t va, uint64_t pages,
                      const quire_frame *frames);

/* --- watch.c */
enum quire_status quire_linux_delegate_watch(struct quire_mspace *, uint64_t, uint64_t);
enum quire_status quire_linux_harvest(struct quire_mspace *, uint64_t, uint64_t, uint8_t *);
bool quire_watch_probe(int pagemap);

/* --- faults.c */
void quire_denied_note(uint64_t va, unsigned why);
void quire_denied_describe(uint64_t va, struct quire_signal_out *);
void quire_fault_begin(uint64_t va);
void quire_fault_end(void);
bool quire_fault_is_at(uint64_t va);
enum quire_verdict quire_ticket_wait(struct ticket *);
void quire_linux_resume(struct quire_machine *, uint64_t ticket, enum quire_verdict);

/* --- thread.c */
bool quire_threads_open(struct quire_linux *);
void quire_threads_close(struct quire_linux *);
void quire_threads_lost(struct quire_linux *);
void quire_thread_waits(void);
void quire_thread_verdict(struct quire_linux *, struct ticket *, enum quire_verdict);

/* --- bar.c */
void quire_bars_lift(struct quire_linux *, uint64_t va, uint64_t pages);
void quire_bars_forget(struct quire_linux *, uint64_t va, uint64_t pages);
bool quire_bars_alarm(const struct quire_linux *, uint64_t va, uint64_t pages);
void quire_bars_expire(struct quire_linux *);
void quire_bar_lift(struct quire_linux *, uint64_t va);
void quire_bar_yield(struct quire_linux *, int tid, uint64_t va);
bool quire_bar_met(struct quire_linux *, uint64_t va, const struct spot *,
                   struct quire_signal_out *);
struct bar quire_bar_plan(const struct ticket *);
bool quire_bar_raise(struct quire_linux *, const struct ticket *, struct bar);
bool quire_bar_owed(struct quire_linux *, const struct ticket *, bool *call);
void quire_bar_await(struct quire_linux *, int tid, uint64_t va, uint64_t ran);
uint64_t quire_task_runs(int tid);

/* --- signal.c */
bool quire_signals_install(struct quire_linux *);
void quire_signals_remove(void);

/* --- maps.c */
#define MAP_PRESENT ((uint64_t)1 << 63)       /* bits of an entry of the page map */
#define MAP_SWAPPED ((uint64_t)1 << 62)
#define MAP_OF_FILE ((uint64_t)1 << 61)
bool quire_maps_pages(const struct quire_linux *, uint64_t va, uint64_t pages, uint64_t *entry);
bool quire_maps_there(const struct quire_linux *, uint64_t va, uint64_t pages,
                      unsigned char *there);
void quire_maps_obstacle(struct quire_linux *, uint64_t, uint64_t, struct quire_range *);
bool quire_maps_probe(void);

/* --- host.c */
void *quire_linux_alloc(struct quire_host *, size_t);
void quire_linux_free(struct quire_host *, void *, size_t);
void quire_linux_lock(struct quire_host *);
void quire_linux_unlock(struct quire_host *);
uint64_t quire_linux_clock(struct quire_host *);
void quire_linux_pause(struct quire_host *);
void quire_linux_say(struct quire_host *, const char *);
void quire_linux_stop_at(struct quire_host *, const char *, const char *, int);
_Noreturn void quire_linux_stop(struct quire_linux *, const char *what);
void quire_linux_event(struct quire_host *, const struct quire_event *);
size_t quire_linux_compress(struct quire_host *, const void *, void *, size_t);
bool quire_linux_expand(struct quire_host *, const void *, size_t, void *);
bool quire_compressor_open(struct quire_linux *);

/* --- pagefile.c */
bool quire_pagefiles_open(struct quire_linux *, char problem[256]);
int quire_pagefile_another(struct quire_linux *);
void quire_pagefiles_close(struct quire_linux *);
enum quire_status quire_linux_io_read(struct quire_host *, struct quire_io *);

/* --- spin.c */
long quire_spin_read(struct quire_linux *, int fd, const struct iovec *, unsigned n, uint64_t at,
                     const struct quire_io *);
void quire_spin_open(struct quire_linux *);
int quire_spin_descriptor(const struct quire_linux *, unsigned i);
void quire_spin_close(struct quire_linux *);

/* --- ring.c */
bool quire_ring_open(struct quire_linux *);
void quire_ring_close(struct quire_linux *);
void quire_ring_forget(struct quire_linux *);
int quire_ring_descriptor(const struct quire_linux *);
bool quire_ring_probe(void);
void quire_linux_io_start(struct quire_host *, struct quire_io *);
struct quire_io *quire_linux_io_poll(struct quire_host *, bool wait);

#endif
