/*
 * trace.c - the events of a run as a file that other programs read: CSV, or the
 * JSON that chrome://tracing and Perfetto open.
 *
 * The ring may still be written to by processes that outlived the first one,
 * and its oldest records may be overwritten: a record counts only when its
 * sequence is the one that its place must have.
 */
#include "facts.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
        [0] = "unknown",
        [QUIRE_EV_ZERO] = "zero",
        [QUIRE_EV_SOFT] = "soft",
        [QUIRE_EV_TIER] = "tier",
        [QUIRE_EV_HARD] = "hard",
        [QUIRE_EV_DENIED] = "denied",
        [QUIRE_EV_EVICT] = "evict",
        [QUIRE_EV_WRITE] = "write",
        [QUIRE_EV_IO_ERROR] = "io_error",
        [QUIRE_EV_BROKEN] = "broken",
};
#define KINDS (sizeof(names) / sizeof(*names))

/* The records that the ring holds: from .first, .count of them. */
struct ring {
        const struct quire_trace_record *records;
        uint64_t capacity, first, count, begun;
};

static struct ring ring_of(const struct quire_trace_header *h, uint64_t bytes)
{
        uint64_t most = bytes > QUIRE_TRACE_FIRST
                        ? (bytes - QUIRE_TRACE_FIRST) / sizeof(struct quire_trace_record) : 0;
        struct ring r = { .capacity = h->capacity < most ? h->capacity : most };

        r.records = (const struct quire_trace_record *)(const void *)
                    ((const char *)h + QUIRE_TRACE_FIRST);
        r.begun = __atomic_load_n(&h->next, __ATOMIC_ACQUIRE);
        r.count = r.begun < r.capacity ? r.begun : r.capacity;
        r.first = r.begun - r.count;
        return r;
}

/* Record n if it is whole. */
static const struct quire_trace_record *record_of(const struct ring *r, uint64_t n)
{
        const struct quire_trace_record *rec = &r->records[n % r->capacity];

        return __atomic_load_n(&rec->sequence, __ATOMIC_ACQUIRE) == n + 1 ? rec : NULL;
}

uint64_t quire_trace_count(const struct quire_trace_header *h, uint64_t bytes)
{
        return ring_of(h, bytes).begun;
}

static const char *kind_name(uint32_t kind)
{
        return kind < KINDS ? names[kind] : names[0];
}

static int64_t since(const struct quire_facts *f, uint64_t time)
{
        return (int64_t)(time - f->started);
}

static void write_csv(const struct quire_facts *f, const struct ring *r, FILE *out)
{
        fputs("time_ns,pid,event,address,pages,arg\n", out);
        for (uint64_t n = r->first; n < r->begun; n++) {
                const struct quire_trace_record *rec = record_of(r, n);

                if (rec)
                        fprintf(out, "%" PRId64 ",%" PRIu32 ",%s,0x%" PRIx64 ",%" PRIu32
                                ",%" PRIu64 "\n", since(f, rec->event.time), rec->pid,
                                kind_name(rec->event.kind), rec->event.va, rec->event.count,
                                rec->event.arg);
        }
}

/* Names of processes, and of the tracks that a viewer shows in each. */
static void write_names(const struct quire_facts *f, FILE *out)
{
        struct quire_totals t;
        const char *comma = "";

        quire_facts_total(f, &t);
        for (unsigned i = 0; i < t.processes; i++) {
                const struct quire_stats_entry *e = quire_facts_entry(f, t.order[i]);

                fprintf(out, "%s\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%" PRIu32
                        ",\"args\":{\"name\":", comma, e->pid);
                quire_json_string(out, quire_facts_field(e->comm, sizeof(e->comm)).s);
                fputs("}}", out);
                comma = ",";
                for (unsigned k = 1; k < KINDS; k++)
                        fprintf(out, ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%" PRIu32
                                ",\"tid\":%u,\"args\":{\"name\":\"%s\"}}", e->pid, k, names[k]);
        }
        if (!t.processes)
                fputs("\n{\"ph\":\"M\",\"name\":\"trace\",\"pid\":0,\"args\":{}}", out);
}

/* Pages by kind in one slice of time, of one process, as a counter track. */
struct slice {
        uint32_t pid;
        uint64_t begin;
        uint64_t pages[KINDS];
};
#define SLICE_NS UINT64_C(10000000)

static void write_slice(const struct quire_facts *f, const struct slice *s, FILE *out)
{
        fprintf(out, ",\n{\"ph\":\"C\",\"name\":\"pages in 10 ms\",\"pid\":%" PRIu32 ",\"ts\":%.3f,"
                "\"args\":{\"zero\":%" PRIu64 ",\"tier\":%" PRIu64 ",\"hard\":%" PRIu64 "}}",
                s->pid, (double)since(f, s->begin) / 1e3, s->pages[QUIRE_EV_ZERO],
                s->pages[QUIRE_EV_TIER], s->pages[QUIRE_EV_HARD]);
}

static void count_in_slice(const struct quire_facts *f, struct slice *s,
                           const struct quire_trace_record *rec, FILE *out)
{
        uint64_t begin = rec->event.time - rec->event.time % SLICE_NS;

        if (s->begin && s->begin != begin) {
                write_slice(f, s, out);
                memset(s->pages, 0, sizeof(s->pages));
                if (begin - s->begin > SLICE_NS) {        /* back to zero in between */
                        s->begin += SLICE_NS;
                        write_slice(f, s, out);
                }
        }
        s->pid = rec->pid;
        s->begin = begin;
        if (rec->event.kind < KINDS)
                s->pages[rec->event.kind] += rec->event.count;
}

static void write_json(const struct quire_facts *f, const struct ring *r, FILE *out)
{
        struct slice slices[64] = { { 0 } };

        fprintf(out, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"quire\":\"%s\""
                ",\"budget\":%" PRIu64 ",\"events\":%" PRIu64 ",\"overwritten\":%" PRIu64
                "},\n\"traceEvents\":[",
                QUIRE_VERSION, f->budget, r->begun, r->first);
        write_names(f, out);
        for (uint64_t n = r->first; n < r->begun; n++) {
                const struct quire_trace_record *rec = record_of(r, n);
                struct slice *s = slices;

                if (!rec)
                        continue;
                fprintf(out, ",\n{\"ph\":\"i\",\"s\":\"t\",\"name\":\"%s\",\"cat\":\"quire\","
                        "\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"ts\":%.3f,\"args\":{"
                        "\"address\":\"0x%" PRIx64 "\",\"pages\":%" PRIu32 ",\"arg\":%" PRIu64 "}}",
                        kind_name(rec->event.kind), rec->pid, rec->event.kind,
                        (double)since(f, rec->event.time) / 1e3, rec->event.va, rec->event.count,
                        rec->event.arg);
                while (s->pid && s->pid != rec->pid && s < slices + 63)
                        s++;
                if (!s->pid || s->pid == rec->pid)
                        count_in_slice(f, s, rec, out);
        }
        for (struct slice *s = slices; s < slices + 64 && s->pid; s++)
                write_slice(f, s, out);
        fputs("\n]}\n", out);
}

void quire_trace_write(const struct quire_facts *f, const struct quire_trace_header *h,
                       uint64_t bytes, bool json, FILE *out)
{
        struct ring r = ring_of(h, bytes);

        if (json)
                write_json(f, &r, out);
        else
                write_csv(f, &r, out);
}
