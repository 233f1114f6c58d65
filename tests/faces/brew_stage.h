/*
 * brew_stage.h - a system on a simulated machine with two environments of BREW's memory
 * regions, for tests that say what the interface does in a few lines each.
 *
 * Sizes are pages.  Functions require success where they do not return a result.
 */
#ifndef TESTS_FACES_BREW_STAGE_H
#define TESTS_FACES_BREW_STAGE_H
#include "../unit/stage.h"
#include "brew.h"

enum { RIGHTS = 7, A = 0, B = 1 };

extern struct quire_space *spaces[2];
extern IEnv *env[2];                   /* A's and B's */
extern IMemSpace *mem[2];
extern IMemGroup *group;               /* A's */

/* On the simulator, or another driver.  What is zero takes the default. */
void scene_open(const struct driver *, const struct drive_options *);
void scene_close(void);
/* Run a test on every simulated machine that this build has. */
void on_machines(void (*)(void));
extern const struct driver *machine;   /* the one in use */

IMemGroup *new_group(IEnv *);
IMemPool *new_pool(IEnv *, uint64_t pages, uint32 flags);
MemPoolInfo pool_info(IMemPool *);
int try_create(IMemGroup *, IMemPool *, uint64_t va, uint64_t pages, uint32 flags,
               IMemRegion1 **);
IMemRegion1 *create(uint64_t pages, uint32 flags);
IMemRegion1 *create_in(IMemGroup *, IMemPool *, uint64_t pages, uint32 flags);
IMemRegion1 *granted(IMemRegion1 *, uint32 perms);
IMemRegion1 *passed(IMemRegion1 *, unsigned to);
MemRegionInfo info(IMemRegion1 *);

int try_map(unsigned who, IMemRegion1 *, uint32 perms, IMemMap **, uint64_t *va);
/* The whole of it; *va: where. */
IMemMap *map(unsigned who, IMemRegion1 *, uint32 perms, uint64_t *va);
/* One byte; 0: done; else why it was denied. */
unsigned get(unsigned who, uint64_t va, uint8_t *byte);
unsigned put(unsigned who, uint64_t va, uint8_t byte);
unsigned run_at(unsigned who, uint64_t va);
/* The byte at va, which can be read. */
uint8_t byte_of(unsigned who, uint64_t va);

/* Release, which must leave this count. */
#define GONE(iname, p, left) CHECK_EQ(iname##_Release(p), (left))
/* A call that answers this, and leaves *pp null where it is not success. */
#define ANSWERS(call, result, pp)                                                        \
        (CHECK_EQ((call), (result)), CHECK(((result) == AEE_SUCCESS) == ((pp) != NULL)))

#endif
