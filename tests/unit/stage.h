/*
 * stage.h - one open drive on the simulator and a few calls on it, for tests
 * that say what the native interface does in a few lines each.
 *
 * Pages are counted, not bytes; regions are named by their first address.  The
 * functions require success where they do not return a status.
 */
#ifndef TESTS_UNIT_STAGE_H
#define TESTS_UNIT_STAGE_H
#include "../../core/core.h"
#include "../conform/driver.h"
#include "../test.h"
#include "host.h"
#include "sim.h"

enum { R = QUIRE_R, RW = QUIRE_R | QUIRE_W, RX = QUIRE_R | QUIRE_X, RWX = 7 };
#define KB ((uint64_t)1 << 10)
#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)
#define TB ((uint64_t)1 << 40)
#define PAGE ((uint64_t)1 << stage_shift)

extern struct drive *stage;
extern struct quire_space *space;             /* the first */
extern struct quire_system *sys;
extern unsigned stage_shift;

/* What is zero takes the default: a budget of 256 pages, one unlimited pagefile. */
void stage_open(const struct drive_options *);
void stage_open_with(const struct driver *, const struct drive_options *);
void stage_close(void);
struct quire_space *stage_space(const struct quire_layout *);

enum quire_status try_reserve(struct quire_space *, uint64_t va, uint64_t bytes, unsigned flags,
                              uint64_t *out);
uint64_t reserve_in(struct quire_space *, uint64_t pages, unsigned flags);
uint64_t reserve(uint64_t pages);
/* Reserved and committed to be read and written. */
uint64_t region(uint64_t pages);
uint64_t region_in(struct quire_space *, uint64_t pages);

enum quire_status commit(uint64_t va, uint64_t pages, unsigned access);
enum quire_status protect(uint64_t va, uint64_t pages, unsigned access);

/* One byte.  0: done; else why it was denied. */
unsigned load(uint64_t va, uint8_t *byte);
unsigned store(uint64_t va, uint8_t byte);
unsigned fetch(uint64_t va);
unsigned load_in(struct quire_space *, uint64_t va, uint8_t *byte);
unsigned store_in(struct quire_space *, uint64_t va, uint8_t byte);
/* The byte at va, which can be read. */
uint8_t byte_at(uint64_t va);

/* A page full of numbers that depend on `what', and which nobody compresses; or,
 * with SOFT added to it, to a quarter. */
#define SOFT ((uint64_t)1 << 60)
/* Or to so many sixteenths. */
#define SOFT_TO(sixteenths) (SOFT | (uint64_t)(sixteenths) << 56)
unsigned fill(uint64_t va, uint64_t what);
/* Does it hold just these numbers? */
bool holds(uint64_t va, uint64_t what);
bool is_zero(uint64_t va);
struct quire_counters counters(void);
/* The state of one page (enum quire_page_state), and its flags << 4. */
uint8_t state_of(uint64_t va);
struct quire_info info_of(uint64_t va);

#endif
