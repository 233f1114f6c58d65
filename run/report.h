/*
 * report.h - what the agent tells the report (stats.h has its layout).  Every
 * function does nothing when no report is kept.
 */
#ifndef QUIRE_RUN_REPORT_H
#define QUIRE_RUN_REPORT_H
#include "agent.h"

void quire_report_open(const char *path, const char *trace);
/* The core's event hook. */
void quire_report_event(void *context, const struct quire_event *);
/* Refresh what the events asked for.  The end of a handler of ours. */
void quire_report_poll(void);
/* The mechanisms in use, in words. */
void quire_report_abilities(const char *words);
/* This process ends, or so it seems.  The first cause counts. */
void quire_report_end(enum quire_stats_end, int value, const char *cause);
/* It did not, after all. */
void quire_report_goes_on(void);
void quire_report_threads(unsigned now);
void quire_report_thread_ends(const struct quire_thread *);
/* Memory is about to be given back. */
void quire_report_shrinks(void);
/* The amount of mapped managed memory changed; a call about memory is over. */
void quire_report_mapped(uint64_t bytes);
void quire_report_fork_begins(void);
void quire_report_fork_ends(void);
void quire_report_forked(void);
/* Descriptors that the report keeps open; returns how many. */
unsigned quire_report_descriptors(int *out, unsigned room);

/* --- heat.c */
void quire_heat_open(struct quire_heat *, uint64_t now);
void quire_heat_count(struct quire_heat *, const struct quire_event *);

/* --- share.c */
/* Around opening Quire: what it adds to the mappings is its own. */
void quire_share_before(void);
void quire_share_after(void);
/* A descriptor to measure with, or -1. */
int quire_share_open(void);
void quire_share_close(int fd);
bool quire_share_measure(int fd, const struct quire_counters *, struct quire_stats_share *);

#endif
