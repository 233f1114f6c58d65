/*
 * count.c - seeing: counters, latency histograms, events.
 *
 * Lock: the system's.
 */
#include "core.h"

void quire_note(struct quire_system *sys, enum quire_event_kind kind, uint64_t page,
                uint64_t count, uint64_t arg)
{
        struct quire_event e = { .va = page << sys->shift, .kind = kind,
                                 .count = (uint32_t)count, .arg = arg };

        must_hold(sys);
        must(sys, count <= UINT32_MAX);
        if (!sys->hops->event && !sys->event)
                return;
        e.time = sys->hops->clock(sys->host);
        if (sys->hops->event)
                sys->hops->event(sys->host, &e);
        if (sys->event)
                sys->event(sys->event_context, &e);
}

void quire_system_on_event(struct quire_system *sys, quire_event_fn fn, void *context)
{
        quire_enter(sys);
        sys->event = fn;
        sys->event_context = context;
        quire_leave(sys);
}

static void count_in(struct quire_counters *c, enum quire_event_kind kind)
{
        switch (kind) {
        case QUIRE_EV_ZERO:
                c->faults_zero++;
                break;
        case QUIRE_EV_TIER:
                c->faults_tier++;
                break;
        case QUIRE_EV_HARD:
                c->faults_hard++;
                break;
        default:
                c->faults_soft++;
                break;
        }
}

void quire_count_fault(struct quire_region *r, enum quire_event_kind kind, uint64_t page,
                       uint64_t count)
{
        must(r->space->system, kind && kind <= QUIRE_EV_HARD && count > 0);
        count_in(&r->counters, kind);
        count_in(&r->space->counters, kind);
        count_in(&r->space->system->counters, kind);
        quire_note(r->space->system, kind, page, count, 0);
}

static void count_frame(struct quire_counters *c, int64_t pages)
{
        c->resident += (uint64_t)pages;
        c->resident_peak = quire_max(c->resident_peak, c->resident);
}

/* A page got a frame (1) or lost it (-1). */
void quire_count_resident(struct quire_page *p, int64_t pages)
{
        struct quire_region *r = quire_page_region(p);

        must_hold(p->object->system);
        must(p->object->system, pages > 0 || p->object->resident >= (uint64_t)-pages);
        p->object->resident += (uint64_t)pages;
        count_frame(&p->object->system->counters, pages);
        if (r)
                quire_count_mapped(r, pages);
}

/* Pages in frames came to lie in a region that is their home (> 0), or lie there no
 * more. */
void quire_count_mapped(struct quire_region *r, int64_t pages)
{
        must(r->space->system, r->object && r->object->home == r->space);
        must(r->space->system, pages > 0 || r->counters.resident >= (uint64_t)-pages);
        count_frame(&r->space->counters, pages);
        count_frame(&r->counters, pages);
}

unsigned quire_latency_bucket(uint64_t ns)
{
        unsigned top, bucket;

        if (ns < 4)
                return (unsigned)ns;
        top = 63 - (unsigned)__builtin_clzll(ns);
        bucket = top * 4 + (unsigned)(ns >> (top - 2) & 3);
        return quire_min(bucket, QUIRE_BUCKETS - 1);
}

/* Upper edge of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
        unsigned top = bucket / 4;

        if (bucket < 8)
                return bucket < 4 ? bucket + 1 : 4;
        return ((uint64_t)1 << top) + ((uint64_t)(bucket % 4 + 1) << (top - 2));
}

uint64_t quire_latency_quantile(const uint64_t histogram[QUIRE_BUCKETS], unsigned per_mille)
{
        uint64_t total = 0, seen = 0, rank;
        unsigned last = 0;

        for (unsigned i = 0; i < QUIRE_BUCKETS; i++)
                total += histogram[i];
        if (!total)
                return 0;
        rank = total / 1000 * per_mille + total % 1000 * per_mille / 1000;
        for (unsigned i = 0; i < QUIRE_BUCKETS; i++) {
                if (!histogram[i])
                        continue;
                last = i;
                seen += histogram[i];
                if (seen > rank)
                        break;
        }
        return bucket_end(last);
}

void quire_system_counters(struct quire_system *sys, struct quire_counters *out)
{
        quire_enter(sys);
        *out = sys->counters;
        out->locked = sys->locked;
        out->tier_frames = sys->tier.blocks * sys->tier.block_frames;
        quire_leave(sys);
}

void quire_space_counters(struct quire_space *s, struct quire_counters *out)
{
        quire_enter(s->system);
        *out = s->counters;
        quire_leave(s->system);
}

enum quire_status quire_region_counters(struct quire_space *s, uint64_t va,
                                        struct quire_counters *out)
{
        struct quire_region *r;

        if (!s || !out)
                return QUIRE_INVALID;
        quire_enter(s->system);
        r = quire_region_find(s, va >> s->system->shift);
        if (r)
                *out = r->counters;
        quire_leave(s->system);
        return r ? QUIRE_OK : QUIRE_NOT_PRESENT;
}

void quire_system_latency(struct quire_system *sys, bool hard, uint64_t out[QUIRE_BUCKETS])
{
        quire_enter(sys);
        memcpy(out, sys->latency[hard], sizeof(sys->latency[hard]));
        quire_leave(sys);
}

const char *quire_status_name(enum quire_status st)
{
        static const char *const names[] = {
                "ok", "invalid argument", "out of memory", "no free range or slot",
                "the range is not free", "nothing there", "over a limit",
                "the protection forbids it", "input/output error", "contents lost",
                "not supported by this machine", "busy",
        };

        return (unsigned)st < sizeof(names) / sizeof(names[0]) ? names[st] : "unknown status";
}

const char *quire_reason_name(enum quire_reason why)
{
        static const char *const names[] = {
                "no reason", "the address is free", "the page is reserved, not committed",
                "the page's protection forbids it", "guard page", "the page's contents were lost",
                "the page could not be read", "no memory for the page, and no room to evict to",
                "the grant was revoked",
        };

        return (unsigned)why < sizeof(names) / sizeof(names[0]) ? names[why] : "unknown reason";
}
