/*
 * report_json.c - the report of a run, for programs: one JSON object.
 *
 * The keys are documented in quire(1) and stay.  Sizes are in bytes, times in
 * nanoseconds, shares between 0 and 1; what is not known is null.
 */
#include "facts.h"
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

/* An object or array being written: knows whether a comma is due. */
struct json {
        FILE *out;
        unsigned depth;
        bool first;
};

void quire_json_string(FILE *out, const char *text)
{
        fputc('"', out);
        while (*text) {
                unsigned length = quire_utf8_length(text);

                if (*text == '"' || *text == '\\')
                        fprintf(out, "\\%c", *text);
                else if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        fprintf(out, "\\u%04x", *text);
                else if (!length)
                        fputs("\\ufffd", out);
                else
                        fwrite(text, 1, length, out);
                text += length ? length : 1;
        }
        fputc('"', out);
}

static void key(struct json *j, const char *name)
{
        fprintf(j->out, "%s\n%*s", j->first ? "" : ",", (int)j->depth * 2, "");
        j->first = false;
        if (name) {
                quire_json_string(j->out, name);
                fputs(": ", j->out);
        }
}

static void begin(struct json *j, const char *name, char bracket)
{
        if (j->depth)
                key(j, name);
        fputc(bracket, j->out);
        j->depth++;
        j->first = true;
}

static void end(struct json *j, char bracket)
{
        j->depth--;
        if (!j->first)
                fprintf(j->out, "\n%*s", (int)j->depth * 2, "");
        fputc(bracket, j->out);
        j->first = false;
}

static void text(struct json *j, const char *name, const char *value)
{
        key(j, name);
        if (value)
                quire_json_string(j->out, value);
        else
                fputs("null", j->out);
}

static void number(struct json *j, const char *name, uint64_t value)
{
        key(j, name);
        fprintf(j->out, "%" PRIu64, value);
}

static void number_or_null(struct json *j, const char *name, bool known, uint64_t value)
{
        if (known)
                number(j, name, value);
        else
                text(j, name, NULL);
}

/* part / whole, to six places; null where there is no whole. */
static void share(struct json *j, const char *name, uint64_t part, uint64_t whole)
{
        if (!whole) {
                text(j, name, NULL);
                return;
        }
        key(j, name);
        fprintf(j->out, "%.6f", (double)part / (double)whole);
}

static void write_latency(struct json *j, const char *name, const uint64_t histogram[QUIRE_BUCKETS])
{
        static const struct {
                const char *name;
                unsigned per_mille;
        } points[] = { { "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "p99_9", 999 },
                       { "max", 1000 } };
        uint64_t count = quire_facts_samples(histogram);

        begin(j, name, '{');
        number(j, "count", count);
        for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++)
                number_or_null(j, points[i].name, count,
                               quire_latency_quantile(histogram, points[i].per_mille));
        end(j, '}');
}

static void write_faults(struct json *j, const struct quire_counters *c)
{
        begin(j, "faults", '{');
        number(j, "zero", c->faults_zero);
        number(j, "soft", c->faults_soft);
        number(j, "tier", c->faults_tier);
        number(j, "hard", c->faults_hard);
        number(j, "denied", c->denied);
        end(j, '}');
}

static void write_paging(struct json *j, const struct quire_counters *c, uint64_t page)
{
        begin(j, "paging", '{');
        number(j, "bytes_in", c->pages_in * page);
        number(j, "bytes_out", c->pages_out * page);
        number(j, "pages_in", c->pages_in);
        number(j, "pages_out", c->pages_out);
        number(j, "evicted", c->evicted);
        number(j, "clean_evicted", c->clean_evicted);
        number(j, "prefetched", c->prefetched);
        number(j, "pagefile_peak", c->file_pages_peak * page);
        number(j, "io_errors", c->io_errors);
        number(j, "broken", c->broken);
        end(j, '}');
}

static void write_share(struct json *j, const struct quire_stats_share *s)
{
        number(j, "managed", s->managed);
        number(j, "unmanaged", s->unmanaged);
        number(j, "overhead", s->overhead);
        share(j, "managed_share", s->managed, s->managed + s->unmanaged);
}

static void write_seen(struct json *j, const char *name, const struct quire_seen *s)
{
        begin(j, name, '{');
        number(j, "anonymous_peak", s->anonymous_peak);
        number(j, "resident_peak", s->resident_peak);
        number(j, "swap_peak", s->swap_peak);
        end(j, '}');
}

static const char *end_name(uint32_t kind)
{
        static const char *const names[] = {
                [QUIRE_END_UNKNOWN] = "unknown", [QUIRE_END_EXIT] = "exit",
                [QUIRE_END_EXEC] = "exec",       [QUIRE_END_SIGNAL] = "signal",
                [QUIRE_END_QUIRE] = "quire",
        };

        return kind < sizeof(names) / sizeof(*names) ? names[kind] : "unknown";
}

static void write_process(struct json *j, const struct quire_facts *f, unsigned i)
{
        const struct quire_stats_entry *e = quire_facts_entry(f, i);
        bool ended = e->state == QUIRE_STATS_DONE && e->end_kind != QUIRE_END_UNKNOWN;

        begin(j, NULL, '{');
        number(j, "pid", e->pid);
        number(j, "parent", e->parent_pid);
        text(j, "name", quire_facts_field(e->comm, sizeof(e->comm)).s);
        text(j, "program", quire_facts_field(e->program, sizeof(e->program)).s);
        number(j, "start_ns", e->start > f->started ? e->start - f->started : 0);
        number(j, "lived_ns", quire_facts_end(f, e) - e->start);
        text(j, "end", ended ? end_name(e->end_kind) : f->seen[i].alive ? "running" : "unknown");
        number_or_null(j, "end_value", ended && e->end_value >= 0, (uint64_t)e->end_value);
        text(j, "cause", *e->cause ? quire_facts_field(e->cause, sizeof(e->cause)).s : NULL);
        text(j, "engine", quire_facts_field(e->abilities, sizeof(e->abilities)).s);
        begin(j, "memory", '{');
        number(j, "virtual_peak", e->mapped_peak);
        number(j, "resident_peak", e->counters.resident_peak * f->page);
        write_share(j, &e->peak);
        end(j, '}');
        write_faults(j, &e->counters);
        number(j, "stall_ns", e->counters.stall_ns);
        write_paging(j, &e->counters, f->page);
        write_seen(j, "kernel", &f->seen[i]);
        number(j, "threads_peak", e->threads_peak);
        number(j, "forks", e->forks);
        begin(j, "system_calls", '{');
        number(j, "seen", e->calls);
        number(j, "memory", e->calls_memory);
        number(j, "held", e->calls_held);
        number(j, "held_bytes", e->held_pages * f->page);
        end(j, '}');
        end(j, '}');
}

static void write_run(struct json *j, const struct quire_facts *f, const struct quire_totals *t)
{
        bool killed = WIFSIGNALED(f->wait_status);
        const struct quire_stats_entry *e = quire_facts_entry(f, t->largest);

        text(j, "version", QUIRE_VERSION);
        number(j, "format", 1);
        begin(j, "command", '[');
        for (char **word = f->argv; *word; word++)
                text(j, NULL, *word);
        end(j, ']');
        number(j, "pid", f->leader);
        number_or_null(j, "status", !killed, (uint64_t)WEXITSTATUS(f->wait_status));
        number_or_null(j, "signal", killed, (uint64_t)WTERMSIG(f->wait_status));
        number(j, "run_ns", f->ended - f->started);
        number(j, "user_ns", f->user_ns);
        number(j, "system_ns", f->system_ns);
        number(j, "budget", f->budget);
        text(j, "policy", f->policy);
        text(j, "faults_mode", f->faults);
        text(j, "engine", e ? quire_facts_field(e->abilities, sizeof(e->abilities)).s : NULL);
        text(j, "pagefile", f->pagefile);
        number_or_null(j, "pagefile_size", f->pagefile_size, f->pagefile_size);
        key(j, "pagefile_in_memory");
        fputs(f->pagefile_in_memory ? "true" : "false", j->out);
        number(j, "page", f->page);
}

static void write_kernel(struct json *j, const struct quire_facts *f)
{
        begin(j, "kernel", '{');
        number(j, "samples", f->samples);
        number_or_null(j, "anonymous_peak", f->samples, f->seen_together.anonymous_peak);
        number_or_null(j, "resident_peak", f->samples, f->seen_together.resident_peak);
        number_or_null(j, "swap_peak", f->samples, f->seen_together.swap_peak);
        number(j, "max_rss", f->max_rss);
        end(j, '}');
}

void quire_report_json(const struct quire_facts *f, FILE *out)
{
        struct json j = { .out = out };
        struct quire_totals t;

        quire_facts_total(f, &t);
        begin(&j, NULL, '{');
        write_run(&j, f, &t);
        begin(&j, "memory", '{');
        number(&j, "virtual_peak", t.mapped_peak);
        number(&j, "resident_peak", t.sum.resident_peak * f->page);
        write_share(&j, &t.share);
        end(&j, '}');
        write_kernel(&j, f);
        write_faults(&j, &t.sum);
        number(&j, "stall_ns", t.sum.stall_ns);
        share(&j, "stall_share", t.sum.stall_ns, t.lived_ns);
        begin(&j, "latency_ns", '{');
        write_latency(&j, "all", t.latency_all);
        write_latency(&j, "hard", t.latency_hard);
        end(&j, '}');
        write_paging(&j, &t.sum, f->page);
        begin(&j, "tier", '{');
        number(&j, "memory_peak", t.tier_frames * f->page);
        number(&j, "contents", t.tier_pages * f->page);
        share(&j, "ratio", t.tier_pages, t.tier_frames);
        end(&j, '}');
        begin(&j, "processes", '[');
        for (unsigned i = 0; i < t.processes; i++)
                write_process(&j, f, t.order[i]);
        end(&j, ']');
        number(&j, "processes_not_listed", t.unlisted);
        end(&j, '}');
        fputc('\n', out);
}
