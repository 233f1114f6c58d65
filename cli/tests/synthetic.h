/*
 * synthetic.h - a run that never happened, for the tests of what shows runs.
 */
#ifndef QUIRE_TESTS_SYNTHETIC_H
#define QUIRE_TESTS_SYNTHETIC_H
#include "facts.h"

/* A report file in memory with this many processes (0..3), and the facts around
 * it.  The numbers depend on nothing.  Never freed twice: use synthetic_close(). */
struct quire_facts *synthetic_open(unsigned processes);
void synthetic_close(struct quire_facts *);
/* To be changed by a test before it is shown. */
struct quire_stats_entry *synthetic_entry(struct quire_facts *, unsigned i);

#endif
