/*
 * memory.h - which memory is managed, and the calls about it.
 */
#ifndef QUIRE_RUN_MEMORY_H
#define QUIRE_RUN_MEMORY_H
#include "agent.h"

/* Where managed memory can lie: the arena, and the heap that brk moves in. */
enum { QUIRE_SPAN_ARENA, QUIRE_SPAN_HEAP, QUIRE_SPANS };
extern struct quire_span quire_spans[QUIRE_SPANS];

/* Could any of the range be managed?  A comparison or two. */
static inline bool quire_memory_near(uint64_t va, uint64_t bytes)
{
        for (unsigned i = 0; i < QUIRE_SPANS; i++) {
                uint64_t into = va - quire_spans[i].va;
                if (into < quire_spans[i].bytes || 0 - into < bytes)
                        return true;
        }
        return false;
}

/* Before the program is under dispatch.  Where there is no room for a heap, the
 * break stays the kernel's. */
void quire_memory_open(void);

/* The lock of this process's map of managed memory.  Waits. */
void quire_memory_lock(void);
void quire_memory_unlock(void);
/* In a forked child, instead of unlock. */
void quire_memory_forked(void);

/* A denied access: was the memory just being exchanged for the kernel's?  It is
 * done then, and the access is worth trying again. */
bool quire_memory_changed(uint64_t va, bool writes);

/* Past the break, where a plain process has nothing mapped. */
bool quire_memory_beyond(uint64_t va);

/* Bytes that the program has mapped in managed memory. */
uint64_t quire_memory_mapped(void);

enum quire_outcome quire_memory_mmap(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_munmap(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_mprotect(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_mremap(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_brk(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_madvise(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_mincore(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_msync(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_mlock(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_memory_munlock(struct quire_thread *, struct quire_call *);

#endif
