/*
 * watch.h - look at the managed processes from outside while they run (watch.c).
 */
#ifndef QUIRE_CLI_WATCH_H
#define QUIRE_CLI_WATCH_H
#include "facts.h"

struct quire_watch {
        struct quire_facts *facts;       /* .stats is read, .seen and .samples written */
};

/* One look; returns the nanoseconds until the next. */
uint64_t quire_watch_look(void *watch);
/* The first process has ended: which others have not? */
void quire_watch_end(struct quire_watch *);
/* The figures of one smaps_rollup; false: it has none. */
bool quire_watch_parse(FILE *smaps, struct quire_seen *now);

#endif
