/*
 * report.c - the report of a run, for a person: at most 80 columns, plain text.
 *
 * Every line is a name, one figure, and what the figure means.
 */
#include "facts.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define WIDTH 80
#define PROCESSES_SHOWN 12u

__attribute__((format(printf, 4, 5)))
static void row(FILE *out, const char *name, const char *figure, const char *format, ...)
{
        char text[512];
        va_list list;

        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        fprintf(out, "  %-13s %11s   %s\n", name, figure, text);
}

/* Words after the figure's column, broken at spaces. */
static void paragraph(FILE *out, const char *name, const char *text)
{
        const size_t indent = 18, room = WIDTH - indent;

        fprintf(out, "  %-*s", (int)indent - 2, name);
        while (*text) {
                size_t length = strlen(text), cut = length;

                if (length > room) {
                        for (cut = room; cut && text[cut] != ' '; cut--)
                                ;
                        if (!cut)
                                cut = room;
                }
                fprintf(out, "%.*s\n", (int)cut, text);
                text += cut;
                text += strspn(text, " ");
                if (*text)
                        fprintf(out, "%*s", (int)indent, "");
        }
}

static void write_memory(const struct quire_facts *f, const struct quire_totals *t, FILE *out)
{
        bool several = t->processes + t->unlisted > 1;
        const char *peak = several ? "peak of the largest process" : "at the peak";
        uint64_t anonymous = t->share.managed + t->share.unmanaged;
        double times = (double)t->mapped_peak / (double)(f->budget ? f->budget : 1);

        row(out, "budget", quire_text_size(f->budget).s, "policy %s%s", f->policy,
            several ? "; each process has its own" : "");
        row(out, "memory", quire_text_size(t->mapped_peak).s, "%s, %.*f times the budget", peak,
            times < 10 ? 1 : 0, times);
        row(out, "resident", quire_text_size(t->sum.resident_peak * f->page).s, "%s", peak);
        if (anonymous)
                row(out, "managed",
                    quire_text_percent((double)t->share.managed / (double)anonymous).s,
                    "of %s of anonymous memory, at its peak", quire_text_size(anonymous).s);
        if (f->samples)
                row(out, "kernel saw", quire_text_size(f->seen_together.anonymous_peak).s,
                    "of anonymous memory, %s (%s samples)",
                    several ? "all together" : "resident", quire_text_count(f->samples).s);
}

static void write_faults(const struct quire_totals *t, FILE *out)
{
        const struct quire_counters *c = &t->sum;
        uint64_t all = c->faults_zero + c->faults_soft + c->faults_tier + c->faults_hard;

        fprintf(out, "\n");
        row(out, "faults", quire_text_count(all).s, "%s stalled, %s of the run time",
            quire_text_time(c->stall_ns).s,
            quire_text_percent((double)c->stall_ns / (double)(t->lived_ns ? t->lived_ns : 1)).s);
        row(out, "  first touch", quire_text_count(c->faults_zero).s, "filled with zeroes");
        row(out, "  soft", quire_text_count(c->faults_soft).s, "present but hidden or read-only");
        row(out, "  compressed", quire_text_count(c->faults_tier).s,
            "came back from compressed memory");
        row(out, "  hard", quire_text_count(c->faults_hard).s, "read from the pagefile");
        if (c->denied)
                row(out, "  denied", quire_text_count(c->denied).s, "passed to the program");
}

static void write_latency_row(const char *name, const uint64_t histogram[QUIRE_BUCKETS],
                              FILE *out)
{
        static const unsigned per_mille[] = { 500, 900, 990, 999, 1000 };

        if (!quire_facts_samples(histogram))
                return;
        fprintf(out, "  %-13s", name);
        for (size_t i = 0; i < sizeof(per_mille) / sizeof(*per_mille); i++)
                fprintf(out, " %11s",
                        quire_text_time(quire_latency_quantile(histogram, per_mille[i])).s);
        fprintf(out, "\n");
}

static void write_latency(const struct quire_totals *t, FILE *out)
{
        if (!quire_facts_samples(t->latency_all))
                return;
        fprintf(out, "\n  %-13s %11s %11s %11s %11s %11s\n", "latency", "p50", "p90", "p99",
                "p99.9", "max");
        write_latency_row("  all faults", t->latency_all, out);
        write_latency_row("  hard faults", t->latency_hard, out);
}

static void write_paging(const struct quire_facts *f, const struct quire_totals *t, FILE *out)
{
        const struct quire_counters *c = &t->sum;

        fprintf(out, "\n");
        row(out, "pagefile", quire_text_size(c->file_pages_peak * f->page).s,
            "in use at the peak%s", t->processes > 1 ? ", by the largest" : "");
        row(out, "  out", quire_text_size(c->pages_out * f->page).s, "written, %s pages",
            quire_text_count(c->pages_out).s);
        row(out, "  in", quire_text_size(c->pages_in * f->page).s, "read, %s pages",
            quire_text_count(c->pages_in).s);
        if (c->prefetched)
                row(out, "  ahead", quire_text_size(c->prefetched * f->page).s,
                    "of pages brought in ahead of a fault");
        if (t->tier_frames)
                row(out, "compressed", quire_text_size(t->tier_frames * f->page).s,
                    "held %s at the peak (%.1f to 1)", quire_text_size(t->tier_pages * f->page).s,
                    (double)t->tier_pages / (double)t->tier_frames);
        if (c->io_errors)
                row(out, "I/O errors", quire_text_count(c->io_errors).s, "%s pages lost",
                    quire_text_count(c->broken).s);
}

static void write_process(const struct quire_facts *f, const struct quire_stats_entry *e,
                          FILE *out)
{
        const struct quire_counters *c = &e->counters;

        fprintf(out, "  %-15s %8" PRIu32 " %10s %10s %11s %9s %9s\n",
                quire_facts_field(e->comm, sizeof(e->comm)).s, e->pid,
                quire_text_size(e->mapped_peak).s, quire_text_size(c->resident_peak * f->page).s,
                quire_text_short(c->faults_zero + c->faults_soft + c->faults_tier
                                 + c->faults_hard).s,
                quire_text_short(c->faults_hard).s, quire_text_time(c->stall_ns).s);
}

/* The largest first; of equals the one that began first. */
static void sort_by_memory(const struct quire_facts *f, const struct quire_totals *t,
                           unsigned *order)
{
        for (unsigned i = 0; i < t->processes; i++) {
                const struct quire_stats_entry *e = quire_facts_entry(f, t->order[i]);
                unsigned at = i;

                for (; at && quire_facts_entry(f, order[at - 1])->mapped_peak < e->mapped_peak;
                     at--)
                        order[at] = order[at - 1];
                order[at] = t->order[i];
        }
}

static void write_processes(const struct quire_facts *f, const struct quire_totals *t, FILE *out)
{
        unsigned order[QUIRE_STATS_ENTRIES], shown = t->processes;

        if (t->processes + t->unlisted < 2)
                return;
        if (shown > PROCESSES_SHOWN)
                shown = PROCESSES_SHOWN;
        sort_by_memory(f, t, order);
        fprintf(out, "\n  %-15s %8s %10s %10s %11s %9s %9s\n", "process", "pid", "memory",
                "resident", "faults", "hard", "stalled");
        for (unsigned i = 0; i < shown; i++)
                write_process(f, quire_facts_entry(f, order[i]), out);
        if (t->processes + t->unlisted > shown)
                fprintf(out, "  and %s more\n",
                        quire_text_count(t->processes + t->unlisted - shown).s);
}

static void write_notes(const struct quire_facts *f, const struct quire_totals *t, FILE *out)
{
        const struct quire_stats_entry *e = quire_facts_entry(f, t->largest);
        char text[640];

        if (e && *e->abilities) {
                fprintf(out, "\n");
                paragraph(out, "engine", quire_facts_field(e->abilities, sizeof(e->abilities)).s);
        }
        if (t->ended_by_quire) {
                e = t->ended_by_quire;
                snprintf(text, sizeof(text), "Quire ended %s (%" PRIu32 "): %s",
                         quire_facts_field(e->comm, sizeof(e->comm)).s, e->pid,
                         quire_facts_field(e->cause, sizeof(e->cause)).s);
                paragraph(out, "note", text);
        }
        if (t->running) {
                snprintf(text, sizeof(text), "%u %s still running; the figures are of the moment "
                         "when the first one ended", t->running,
                         t->running == 1 ? "process is" : "processes are");
                paragraph(out, "note", text);
        }
        if (f->pagefile_in_memory) {
                snprintf(text, sizeof(text), "%s is a tmpfs: what is paged out stays in memory; "
                         "name a directory on a disk with --pagefile", f->pagefile);
                paragraph(out, "note", text);
        }
}

void quire_report_text(const struct quire_facts *f, FILE *out)
{
        struct quire_totals t;
        char command[WIDTH - 32];

        quire_facts_total(f, &t);
        quire_facts_command(f->argv, command, sizeof(command));
        fprintf(out, "\nquire: %s: %s after %s\n\n", command, quire_facts_outcome(f).s,
                quire_text_time(f->ended - f->started).s);
        if (!t.processes && !t.unlisted) {
                paragraph(out, "note", "no process was managed: the agent did not start, so "
                          "the program ran as if without Quire");
                return;
        }
        write_memory(f, &t, out);
        write_faults(&t, out);
        write_latency(&t, out);
        write_paging(f, &t, out);
        write_processes(f, &t, out);
        write_notes(f, &t, out);
}
