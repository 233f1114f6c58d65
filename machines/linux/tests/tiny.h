/*
 * tiny.h - the smallest core that can drive the Linux machine: one paged range,
 * a fixed number of frames, first in first out, and an array for a disk.  It is
 * quire_fault() for the tests of the machine alone.
 */
#ifndef LINUX_TESTS_TINY_H
#define LINUX_TESTS_TINY_H
#include "bare.h"

#define TINY_PAGE ((uint64_t)4096)

struct tiny_options {
        uint64_t pages;              /* of the range */
        uint32_t frames;             /* how many may be resident */
        enum quire_faults faults;
        bool read_only_first;        /* show pages read-only until they are written */
        bool disk;                   /* evicted contents go to the pagefile, not to memory */
        bool away;                   /* not in the arena */
};

struct tiny;
/* Null, with a line on stderr, when the machine can not be opened. */
struct tiny *tiny_open(const struct tiny_options *);
void tiny_close(struct tiny *);

char *tiny_base(const struct tiny *);
struct quire_linux *tiny_linux(const struct tiny *);
struct quire_mspace *tiny_space(const struct tiny *);

/* Accesses to this page are denied from now on, or allowed again. */
void tiny_deny(struct tiny *, uint64_t page, bool deny);
/* The next fault of this page stays pending until tiny_release(). */
void tiny_hold_back(struct tiny *, uint64_t page);
void tiny_release(struct tiny *, enum quire_verdict);
bool tiny_held_back(const struct tiny *);

/* As find_elsewhere() says; there is always some. */
uint64_t tiny_elsewhere(uint64_t pages);

/* Evict everything. */
void tiny_evict_all(struct tiny *);
uint64_t tiny_faults(const struct tiny *);

#endif
