/*
 * facts.h - what is known about a run when it is over, for those who show it:
 * the report as text (report.c) and as JSON (report_json.c), the heat map
 * (heat.c), the trace (trace.c).
 *
 * The agent's figures come from a file that the programs could write to: no
 * number in it is trusted to be in range (facts.c clips what indexes anything).
 */
#ifndef QUIRE_CLI_FACTS_H
#define QUIRE_CLI_FACTS_H
#include "cli.h"
#include "run/stats.h"

/* What the kernel said of one process while it ran. */
struct quire_seen {
        uint64_t anonymous_peak, resident_peak, swap_peak;
        uint64_t tier_frames_peak, tier_pages_then;   /* from the agent's figures */
        bool alive;                          /* when the first process had ended */
};

struct quire_facts {
        char **argv;
        const char *policy, *faults, *pagefile;
        uint64_t budget, pagefile_size, pagefile_room;
        bool pagefile_in_memory;
        uint64_t page;                       /* bytes */
        const struct quire_stats_header *stats;
        uint64_t started, ended;             /* CLOCK_MONOTONIC */
        uint32_t leader;                     /* pid */
        int wait_status;
        uint64_t max_rss;                    /* the kernel's, of the leader and its children */
        uint64_t user_ns, system_ns;
        uint64_t samples;
        struct quire_seen seen[QUIRE_STATS_ENTRIES];
        struct quire_seen seen_together;     /* all processes at one time */
        uint64_t trace_events, trace_kept;
};

/* The figures of all processes together. */
struct quire_totals {
        unsigned processes;                  /* with an entry */
        unsigned order[QUIRE_STATS_ENTRIES]; /* their entries, by start */
        unsigned largest;                    /* entry with the most memory at its peak */
        uint64_t unlisted;                   /* processes that had to make room, or found none */
        struct quire_counters sum;           /* events: sums; pages now and peaks: the greatest */
        uint64_t latency_all[QUIRE_BUCKETS], latency_hard[QUIRE_BUCKETS];
        uint64_t mapped_peak;                /* the greatest of one process */
        struct quire_stats_share share;      /* of the largest */
        uint64_t lived_ns;                   /* lifetimes added up */
        uint64_t tier_frames, tier_pages;    /* at the peak of the one with the most */
        unsigned running;                    /* outlived the first one */
        const struct quire_stats_entry *ended_by_quire;    /* or null */
};

/* Entry i, or null where no process ever was. */
const struct quire_stats_entry *quire_facts_entry(const struct quire_facts *, unsigned i);
void quire_facts_total(const struct quire_facts *, struct quire_totals *out);
uint64_t quire_facts_end(const struct quire_facts *, const struct quire_stats_entry *);

/* "python3 build.py --all", at most `room' bytes, cut with "..." . */
void quire_facts_command(char **argv, char *out, size_t room);
/* A field of the shared file as a text: ends, and holds no control characters. */
struct quire_field {
        char s[256];
};
struct quire_field quire_facts_field(const char *field, size_t room);
/* "status 0", "killed by SIGTERM", of the whole run. */
struct quire_text quire_facts_outcome(const struct quire_facts *);
uint64_t quire_facts_samples(const uint64_t histogram[QUIRE_BUCKETS]);

/* RENDERERS: write to the file; errors are found when it is closed. */
void quire_report_text(const struct quire_facts *, FILE *);
void quire_report_json(const struct quire_facts *, FILE *);
void quire_json_string(FILE *, const char *);

/* 0, or FAILED, said. */
int quire_heat_png(const struct quire_facts *, FILE *);
int quire_heat_svg(const struct quire_facts *, FILE *);

/* The events of the ring as CSV or, with json, for a trace viewer. */
void quire_trace_write(const struct quire_facts *, const struct quire_trace_header *,
                       uint64_t bytes, bool json, FILE *);
uint64_t quire_trace_count(const struct quire_trace_header *, uint64_t bytes);

#endif
