/*
 * ways.h - the ways in which the calls of a scene fail: for each, the scene is played with
 * the first, second, ... Nth call failing, until it plays to its end without reaching
 * the Nth.
 *
 * Arguments of a program: names of scenes (all), --driver NAME, --every N (only each Nth call
 * is made to fail, beginning where the seed says; a quicker look).
 */
#ifndef TESTS_OOM_WAYS_H
#define TESTS_OOM_WAYS_H
#include "../conform/driver.h"
#include "host.h"

/* A pager's fills and writes, beside the points of the simulated host. */
enum { WAY_FILL = QUIRE_SIM_POINTS, WAY_WRITE };

struct way {
        const char *name;
        unsigned point;
        uint64_t times;
        enum quire_sim_io_failure how;
};

/* What is played just now. */
struct playing {
        const struct driver *driver;
        bool no_share;                   /* the program's: frames are not shared */
        const char *scene;
        const struct way *way;
        uint64_t nth;
};
extern struct playing playing;

/* test_begin, and the arguments. */
void ways_begin(int argc, char **argv);
/* The next simulated driver that is wanted is .driver; false: there are no more. */
bool ways_next_driver(void);
/* A test of the scene, if it is wanted: in every way, with those of pagers or without.  play:
 * opens, plays and closes it; false: the nth call was not reached. */
void ways_play(const char *scene, bool pagers, bool (*play)(void));

#endif
