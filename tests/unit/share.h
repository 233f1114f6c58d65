/*
 * share.h - what the tests of shared objects have in common: the machines that
 * each test runs on, and objects, views and accesses in a word each.
 */
#ifndef TESTS_UNIT_SHARE_H
#define TESTS_UNIT_SHARE_H
#include "stage.h"

enum { W = QUIRE_W, X = QUIRE_X };

/* Where the present test runs: test() of each list calls begin() first. */
extern const struct driver *on;
extern struct drive_options options;      /* of the next begin(); what is zero, the default */

/* One list of tests on the simulator and on the x86-64 tables, with frames that are
 * shared and without. */
void share_on_simulated(void (*all)(void));
/* And on this process, where it can be had: with one space, and real memory. */
void share_on_linux(void (*all)(void));
/* May frames be shown in more than one place?  Then nothing is ever there twice. */
bool frames_are_shared(void);

void begin(void);
void begin_with(struct drive_options);
void finish(void);

struct quire_grant *object(uint64_t pages, unsigned flags);
struct quire_grant *narrow(struct quire_grant *, unsigned rights);
struct quire_grant *snapshot(struct quire_grant *);
struct quire_space *clone_space(struct quire_space *);
enum quire_status try_map(struct quire_space *, struct quire_grant *, uint64_t first,
                          uint64_t pages, unsigned access, unsigned flags, uint64_t *va);
uint64_t map(struct quire_space *, struct quire_grant *, uint64_t first, uint64_t pages,
             unsigned access, unsigned flags);
struct quire_object_info info(struct quire_grant *);
void release(struct quire_space *, uint64_t va);
void evict(struct quire_space *, uint64_t va, uint64_t pages);
uint8_t byte_in(struct quire_space *, uint64_t va);
/* One page of the region, as quire_page_map says. */
uint8_t page_map_in(struct quire_space *, uint64_t va);

/* Any access, to a cloned space too, and of any mode: 0, or why not. */
unsigned touch_in(struct quire_space *, uint64_t va, unsigned access, void *buf, size_t n);
/* Eight bytes. */
unsigned put_word(struct quire_space *, uint64_t va, uint64_t word);
unsigned get_word(struct quire_space *, uint64_t va, uint64_t *word);
uint64_t word_in(struct quire_space *, uint64_t va);

#endif
