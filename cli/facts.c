/*
 * facts.c - the figures of all processes of a run, added up.
 *
 * Peaks of several processes did not happen at one time, so they are never
 * added: a total's peak is the greatest of one process.  Events are added.
 */
#include "facts.h"
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

const struct quire_stats_entry *quire_facts_entry(const struct quire_facts *f, unsigned i)
{
        const char *base = (const char *)f->stats;
        const struct quire_stats_entry *e;

        if (!f->stats || i >= QUIRE_STATS_ENTRIES)
                return NULL;
        e = (const struct quire_stats_entry *)(const void *)
            (base + QUIRE_STATS_FIRST + (uint64_t)i * QUIRE_STATS_STRIDE);
        return (e->state == QUIRE_STATS_LIVE || e->state == QUIRE_STATS_DONE) && e->pid ? e : NULL;
}

uint64_t quire_facts_end(const struct quire_facts *f, const struct quire_stats_entry *e)
{
        uint64_t end = e->end ? e->end : f->ended;

        return end < e->start ? e->start : end;
}

uint64_t quire_facts_samples(const uint64_t histogram[QUIRE_BUCKETS])
{
        uint64_t sum = 0;

        for (unsigned b = 0; b < QUIRE_BUCKETS; b++)
                sum += histogram[b];
        return sum;
}

static void greatest(uint64_t *kept, uint64_t value)
{
        if (value > *kept)
                *kept = value;
}

static void add_counters(struct quire_counters *sum, const struct quire_counters *c)
{
        greatest(&sum->resident_peak, c->resident_peak);
        greatest(&sum->file_pages_peak, c->file_pages_peak);
        greatest(&sum->committed, c->committed);
        sum->faults_zero += c->faults_zero;
        sum->faults_soft += c->faults_soft;
        sum->faults_tier += c->faults_tier;
        sum->faults_hard += c->faults_hard;
        sum->denied += c->denied;
        sum->pages_in += c->pages_in;
        sum->pages_out += c->pages_out;
        sum->evicted += c->evicted;
        sum->clean_evicted += c->clean_evicted;
        sum->prefetched += c->prefetched;
        sum->io_errors += c->io_errors;
        sum->broken += c->broken;
        sum->stall_ns += c->stall_ns;
}

static void add_latency(struct quire_totals *t, const uint64_t *all, const uint64_t *hard)
{
        for (unsigned b = 0; b < QUIRE_BUCKETS; b++) {
                t->latency_all[b] += all[b];
                t->latency_hard[b] += hard[b];
        }
}

static void add_rest(struct quire_totals *t, const struct quire_stats_header *h)
{
        struct quire_counters c = h->rest.counters;

        c.resident_peak = h->rest.resident_peak;
        add_counters(&t->sum, &c);
        add_latency(t, h->rest.latency_all, h->rest.latency_hard);
        greatest(&t->mapped_peak, h->rest.mapped_peak);
        t->unlisted = (uint64_t)h->rest.processes + h->lost;
}

static uint64_t weight(const struct quire_stats_entry *e)
{
        return e->peak.managed + e->peak.unmanaged;
}

static void add_entry(const struct quire_facts *f, unsigned i, const struct quire_stats_entry *e,
                      struct quire_totals *t)
{
        const struct quire_stats_entry *largest = quire_facts_entry(f, t->largest);
        uint64_t frames = f->seen[i].tier_frames_peak, pages = f->seen[i].tier_pages_then;
        unsigned at = t->processes++;

        for (; at && quire_facts_entry(f, t->order[at - 1])->start > e->start; at--)
                t->order[at] = t->order[at - 1];
        t->order[at] = i;
        if (!largest || t->processes == 1 || weight(e) > weight(largest))
                t->largest = i;
        add_counters(&t->sum, &e->counters);
        add_latency(t, e->latency_all, e->latency_hard);
        greatest(&t->mapped_peak, e->mapped_peak);
        t->lived_ns += quire_facts_end(f, e) - e->start;
        if (e->counters.tier_frames > frames) {
                frames = e->counters.tier_frames;
                pages = e->counters.tier_pages;
        }
        if (frames > t->tier_frames) {
                t->tier_frames = frames;
                t->tier_pages = pages;
        }
        t->running += e->state == QUIRE_STATS_LIVE && f->seen[i].alive;
        if (e->end_kind == QUIRE_END_QUIRE && !t->ended_by_quire)
                t->ended_by_quire = e;
}

void quire_facts_total(const struct quire_facts *f, struct quire_totals *t)
{
        const struct quire_stats_entry *largest;

        memset(t, 0, sizeof(*t));
        if (!f->stats)
                return;
        for (unsigned i = 0; i < QUIRE_STATS_ENTRIES; i++) {
                const struct quire_stats_entry *e = quire_facts_entry(f, i);

                if (e)
                        add_entry(f, i, e, t);
        }
        add_rest(t, f->stats);
        largest = quire_facts_entry(f, t->largest);
        if (largest)
                t->share = largest->peak;
}

/* What a terminal or a picture could stumble over becomes a question mark. */
static void tame(char *text)
{
        while (*text) {
                unsigned length = quire_utf8_length(text);

                if (isspace((unsigned char)*text))
                        *text = ' ';
                else if (!length || iscntrl((unsigned char)*text))
                        *text = '?';
                text += length ? length : 1;
        }
}

void quire_facts_command(char **argv, char *out, size_t room)
{
        size_t used = 0;

        for (unsigned i = 0; argv[i] && used < room; i++) {
                const char *word = *argv[i] ? argv[i] : "''", *slash = strrchr(word, '/');

                if (i == 0 && slash && slash[1])
                        word = slash + 1;
                used += (size_t)snprintf(out + used, room - used, "%s%s", i ? " " : "", word);
        }
        if (used >= room)
                memcpy(out + room - 4, "...", 4);
        tame(out);
}

struct quire_field quire_facts_field(const char *field, size_t room)
{
        struct quire_field text;

        snprintf(text.s, sizeof(text.s), "%.*s", (int)room, field);
        tame(text.s);
        return text;
}

struct quire_text quire_facts_outcome(const struct quire_facts *f)
{
        struct quire_text text;
        const char *name;

        if (!WIFSIGNALED(f->wait_status)) {
                snprintf(text.s, sizeof(text.s), "status %d", WEXITSTATUS(f->wait_status));
                return text;
        }
        name = sigabbrev_np(WTERMSIG(f->wait_status));
        if (name)
                snprintf(text.s, sizeof(text.s), "killed by SIG%s", name);
        else
                snprintf(text.s, sizeof(text.s), "killed by signal %d", WTERMSIG(f->wait_status));
        return text;
}
