/*
 * play.h - scenes of sharing in which every call of the host, the machine and the
 * pagers is made to fail, one after the other.
 *
 * A scene makes its calls in DO(), which makes one again where something was made to fail,
 * a few times, having checked that nothing changed; and ends where it fails each time.
 * Every page's first word has a shadow; at the end, when nothing fails any more, all of
 * them are compared, and everything is closed.
 */
#ifndef TESTS_OOM_PLAY_H
#define TESTS_OOM_PLAY_H
#include "../../core/core.h"
#include "../conform/driver.h"
#include "../test.h"
#include "host.h"

enum { RW = QUIRE_R | QUIRE_W, GRANTS = 16, VIEWS = 24, SPACES = 4, OBJECTS = 12, MOST = 80,
       TRIES = 6 };
#define PAGE ((uint64_t)4096)

/* What a region shows: the words of its object, or its own where it copied them. */
struct view {
        struct quire_space *space;
        uint64_t va, first, pages;           /* pages 0: not there */
        uint64_t *object;
        uint64_t own[MOST];                  /* of a view that copies: not 0, where it did */
        bool copy, mine;                     /* private memory, object is its alone */
        bool denied, guarded;                /* no access just now; one alarm is to come */
};

struct play {
        const struct driver *driver;
        struct drive *drive;
        struct quire_system *sys;
        struct quire_sim_host *host;
        struct quire_space *space[SPACES];   /* the first is the drive's; null: none */
        struct quire_grant *grant[GRANTS];   /* null: none */
        struct view view[VIEWS];
        uint64_t words[OBJECTS][MOST];       /* of objects */
        uint64_t home[MOST];                 /* what the pager has */
        unsigned objects, closed;
        uint64_t word;                       /* stored last */
        uint64_t fails, fails_times;         /* the pager's nth call fails, so many times */
        uint64_t calls, failed;              /* of pagers; those that failed */
        bool failing_writes;                 /* of its writes, not its fills */
        uint64_t seen;                       /* failures before the present call */
        bool hurt;                           /* writes to pagefiles fail */
        struct quire_counters before;
};

void play_open(struct play *, const struct driver *, const struct drive_options *);
/* Nothing fails any more: compare everything, and close. */
void play_close(struct play *);
uint64_t play_failed(const struct play *);

void play_note(struct play *);
/* May it have failed?  Then nothing changed, and it is to be tried again. */
bool play_excuses(struct play *, enum quire_status);
#define DO(p, call)                                                                     \
        do {                                                                            \
                enum quire_status st_ = QUIRE_OK;                                       \
                for (unsigned t_ = 0; t_ < TRIES; t_++) {                               \
                        play_note(p);                                                   \
                        st_ = (call);                                                   \
                        if (!play_excuses((p), st_))                                    \
                                break;                                                  \
                }                                                                       \
                if (st_ != QUIRE_OK)                                                    \
                        return;                                                         \
        } while (0)

/* The words of a new object; zeroes. */
uint64_t *play_words(struct play *);
enum quire_status play_object(struct play *, uint64_t pages, unsigned flags, unsigned grant);
enum quire_status play_pager(struct play *, uint64_t pages, bool evicts, unsigned grant);
/* Map through the grant, as view v, and private memory. */
enum quire_status play_map(struct play *, unsigned v, unsigned space, unsigned grant,
                           struct view, unsigned access);
enum quire_status play_private(struct play *, unsigned v, unsigned space, uint64_t pages,
                               unsigned flags);
enum quire_status play_clone_space(struct play *, unsigned from, unsigned to);
/* A part of a view goes, which leaves the rest to it and perhaps to view `rest'. */
enum quire_status play_release(struct play *, unsigned v, uint64_t at, uint64_t pages,
                               unsigned rest);
/* Stores of new words, and loads; one that is denied because something failed is let
 * pass. */
void play_put(struct play *, unsigned v, uint64_t at, uint64_t pages);
void play_get(struct play *, unsigned v, uint64_t at, uint64_t pages);
void play_evict(struct play *, unsigned v);

struct share_scene {
        const char *name;
        void (*play)(struct play *);
        bool slow_io;
};
extern const struct share_scene share_scenes[];     /* ends with a null name */

#endif
