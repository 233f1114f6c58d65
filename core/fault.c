/*
 * fault.c - the walk of one access that the machine could not satisfy.
 *
 *      region?  committed?  guard?  access?        else DENY, with the reason
 *      page:  NONE    zeroes into a frame, with its neighbours if a run shows
 *             SLOT    contents into a frame, without the lock if they are read
 *             COMING  somebody reads it: wait
 *             FRAME   show it, or more of it: RESUME
 *             LOST    DENY
 *
 * Every step that may have dropped the lock starts again at the top, so nothing
 * learned before is trusted after.  Pages brought in ahead are hidden until the
 * page that was asked for is shown, and are then shown with it, in one call.
 *
 * Runs in signal handlers: touches no paged memory, waits only in the host's
 * calls, allocates records from lodging that never waits (host.h, H1).
 *
 * Does not decide: who is evicted (reclaim.c), how long runs get (stream below).
 *
 * Lock: the system's.
 */
#include "core.h"

#define MOST_AHEAD 32u

/* One access on its way. */
struct walk {
        struct quire_space *space;
        struct quire_region *region;
        struct quire_page *page;
        uint64_t va;                       /* page number */
        uint64_t index;                    /* in the object */
        struct quire_piece piece;          /* the run of attributes around it */
        unsigned access;
        uint64_t ticket;
        unsigned most;                     /* pages to bring in with it, itself included */
        bool alone;                        /* a run could not be read: try just this page */
        enum quire_event_kind kind;        /* what it took so far */
        uint64_t brought;                  /* pages, with those ahead */
        enum quire_reason why;             /* of STEP_DENY */
};

enum step { STEP_AGAIN, STEP_DONE, STEP_DENY, STEP_PEND };

static struct quire_stream *stream_at(struct quire_region *r, uint64_t index)
{
        for (unsigned i = 0; i < QUIRE_STREAMS; i++)
                if (r->stream[i].window && r->stream[i].expected == index)
                        return &r->stream[i];
        return NULL;
}

/* How many pages to bring in for a fault here: 1, and twice as many each time
 * that the fault is where the last one led to. */
static unsigned plan_ahead(const struct walk *w)
{
        struct quire_stream *s = stream_at(w->region, w->index);
        uint64_t rest = w->piece.first + w->piece.count - w->index;
        uint64_t n = s ? s->window : 1;

        if (w->region->pattern == QUIRE_READ_SEQUENTIAL)
                n = MOST_AHEAD;
        if (w->region->pattern == QUIRE_READ_RANDOM || w->alone)
                n = 1;
        return (unsigned)quire_min(n, quire_min(rest, w->space->system->budget / 16));
}

/* A stream to forget: faults that lead nowhere weaken those that once did. */
static struct quire_stream *weakest_stream(struct quire_region *r)
{
        struct quire_stream *s = &r->stream[0];

        for (unsigned i = 0; i < QUIRE_STREAMS; i++) {
                s = &r->stream[r->turn++ % QUIRE_STREAMS];
                if (s->window <= 2)
                        break;
                s->window /= 2;
        }
        return s;
}

/* The fault at index brought in count pages. */
static void note_stream(struct quire_region *r, uint64_t index, uint64_t count)
{
        struct quire_stream *s = stream_at(r, index);

        must_hold(r->space->system);
        must(r->space->system, count > 0);
        if (!s) {
                s = weakest_stream(r);
                s->window = 1;
        }
        s->window = quire_min(MOST_AHEAD, s->window * 2);
        s->expected = index + count;
}

static unsigned get_frames(struct quire_system *sys, unsigned want, enum quire_fill fill,
                           quire_frame *out)
{
        unsigned n = 0;

        must(sys, want && want <= MOST_AHEAD);
        while (n < want && quire_frame_get(sys, fill, &out[n]) == QUIRE_OK)
                n++;
        return n;
}

/* No frame: reclaim, which may drop the lock and free the record. */
static enum step make_room(struct walk *w)
{
        must_hold(w->space->system);
        w->page = NULL;
        w->why = QUIRE_WHY_NO_MEMORY;
        return quire_reclaim(w->space->system) == QUIRE_OK ? STEP_AGAIN : STEP_DENY;
}

/* The page has contents in a frame now, hidden. */
static void settle_page(struct quire_system *sys, struct quire_page *p, quire_frame f,
                        bool dirty, bool ahead)
{
        must_hold(sys);
        must(sys, p->queue == QUIRE_Q_NONE && !quire_page_wanted(p));
        must(sys, f != QUIRE_NO_FRAME && p->where != QUIRE_AT_FRAME);
        must(sys, !dirty || p->slot.kind == QUIRE_SLOT_NONE);                  /* P3 */
        p->frame = f;
        p->where = QUIRE_AT_FRAME;
        p->shown = 0;
        p->flags &= QUIRE_PAGE_IS_WRITTEN | QUIRE_PAGE_IS_DENSE;
        if (dirty)
                p->flags |= QUIRE_PAGE_IS_DIRTY;
        if (p->evicted && (uint32_t)sys->eviction_clock - p->evicted < 2 * sys->budget)
                p->flags |= QUIRE_PAGE_IS_BACK;
        if (ahead)
                p->flags |= QUIRE_PAGE_IS_AHEAD;
        quire_count_resident(p, 1);
        sys->policy->insert(sys, p);
}

/* Does the next page want just what this one wants? */
static struct quire_page *neighbour(struct walk *w, unsigned i, enum quire_where where)
{
        struct quire_page *p = quire_radix_find(&w->region->object->pages, w->index + i);

        return p && p->where == where ? p : NULL;
}

/* First touch: zero frames for the page and for a run that shows. */
static enum step fill_zeroes(struct walk *w)
{
        struct quire_system *sys = w->space->system;
        quire_frame frames[MOST_AHEAD];
        unsigned got = get_frames(sys, w->most, QUIRE_ZEROED, frames), n = 0;
        bool watched = w->region->watched;

        must(sys, w->page->where == QUIRE_AT_NONE && w->most <= MOST_AHEAD);
        while (n < got) {
                struct quire_page *p = quire_radix_find(&w->region->object->pages,
                                                        w->index + n);
                bool dirty = w->piece.attr & QUIRE_W && !watched;

                if (p && p->where != QUIRE_AT_NONE)
                        break;
                p = quire_object_page(w->region->object, w->index + n);
                if (!p)
                        break;
                settle_page(sys, p, frames[n], dirty, n > 0);
                n++;
        }
        for (unsigned i = n; i < got; i++)
                quire_frame_put(sys, frames[i]);
        w->brought = n;
        if (!n)
                return make_room(w);
        w->kind = QUIRE_EV_ZERO;
        return STEP_AGAIN;
}

/* Contents that need no transfer: a fill, the tier, a write buffer.  They come
 * back dirty, since the memory that held them is given up, save where a
 * pagefile holds them, too. */
static enum step expand(struct walk *w)
{
        struct quire_system *sys = w->space->system;
        quire_frame frames[MOST_AHEAD];
        unsigned got = get_frames(sys, w->most, QUIRE_ANY_FILL, frames), n = 0;

        must(sys, w->page->where == QUIRE_AT_SLOT && w->most <= MOST_AHEAD);
        while (n < got) {
                struct quire_page *p = neighbour(w, n, QUIRE_AT_SLOT);
                enum quire_status st;
                bool clean;

                if (!p)
                        break;
                st = quire_store_get(sys, p, sys->mops->frame_window(sys->machine, frames[n]));
                if (st == QUIRE_NOT_PRESENT)
                        break;
                clean = st == QUIRE_OK && p->slot.copied && !p->slot.buffer;
                if (clean)
                        quire_store_uncopy(sys, p);
                else
                        quire_store_free(sys, p);
                if (st == QUIRE_BROKEN) {
                        p->where = QUIRE_AT_LOST;
                        sys->counters.broken++;
                        break;
                }
                settle_page(sys, p, frames[n], !clean, n > 0);
                n++;
        }
        for (unsigned i = n; i < got; i++)
                quire_frame_put(sys, frames[i]);
        w->brought = n;
        if (!got)
                return make_room(w);
        if (n)
                w->kind = QUIRE_EV_TIER;
        return STEP_AGAIN;
}

/* Pages after this one that lie in the slots after this one's. */
static unsigned cluster(struct walk *w, struct quire_page **out)
{
        const struct quire_slot *s = &w->page->slot;
        unsigned n = 1;

        must(w->space->system, s->kind == QUIRE_SLOT_FILE && !s->buffer);
        out[0] = w->page;
        for (; n < w->most && n < QUIRE_IO_MAX; n++) {
                struct quire_page *p = neighbour(w, n, QUIRE_AT_SLOT);

                if (!p || p->slot.kind != QUIRE_SLOT_FILE || p->slot.buffer ||
                    p->slot.file != s->file || p->slot.number != s->number + n)
                        break;
                out[n] = p;
        }
        return n;
}

/* One page arrived, or did not. */
static void arrive(struct quire_system *sys, struct quire_page *p, enum quire_status st,
                   bool ahead)
{
        const void *contents = sys->mops->frame_window(sys->machine, p->frame);
        quire_frame frame = p->frame;

        must_hold(sys);
        must(sys, p->where == QUIRE_AT_COMING && sys->transit > 0);
        must(sys, contents && p->slot.kind == QUIRE_SLOT_FILE && !p->slot.buffer);
        sys->transit--;
        if (st == QUIRE_OK && quire_checksum(contents, (size_t)1 << sys->shift) !=
                              *quire_slot_sum(sys, p->slot.file, p->slot.number))
                st = QUIRE_BROKEN;
        if (st == QUIRE_OK) {
                sys->counters.pages_in++;
                settle_page(sys, p, frame, false, ahead);
        } else {
                p->frame = QUIRE_NO_FRAME;
                quire_frame_put(sys, frame);
                p->where = QUIRE_AT_SLOT;
        }
        if (st == QUIRE_BROKEN) {
                quire_store_free(sys, p);
                p->where = QUIRE_AT_LOST;
                sys->counters.broken++;
                quire_note(sys, QUIRE_EV_BROKEN, quire_page_va(p), 1, 0);
                quire_say(sys, "a page came back from the pagefile damaged (its checksum "
                               "differs): it is lost, and every access to it will say so");
        }
        quire_wake(sys, p);
}

/* Read from a pagefile, with the lock dropped. */
static enum step read_in(struct walk *w)
{
        struct quire_system *sys = w->space->system;
        struct quire_page *pages[QUIRE_IO_MAX];
        quire_frame frames[QUIRE_IO_MAX];
        struct quire_io io = { .slot = w->page->slot.number };
        enum quire_status st;

        io.count = get_frames(sys, cluster(w, pages), QUIRE_ANY_FILL, frames);
        if (!io.count)
                return make_room(w);
        io.file = sys->files[w->page->slot.file].host_file;
        sys->tier.missed += !(w->page->flags & QUIRE_PAGE_IS_DENSE);
        for (unsigned i = 0; i < io.count; i++) {
                pages[i]->where = QUIRE_AT_COMING;
                pages[i]->frame = frames[i];
                io.page[i] = sys->mops->frame_window(sys->machine, frames[i]);
                must(sys, io.page[i] && pages[i]->queue == QUIRE_Q_NONE);
        }
        sys->transit += io.count;
        quire_unlock(sys);
        st = sys->hops->io_read(sys->host, &io);
        quire_lock(sys);
        if (st != QUIRE_OK) {
                sys->counters.io_errors++;
                quire_note(sys, QUIRE_EV_IO_ERROR, w->va, io.count, 0);
        }
        for (unsigned i = 0; i < io.count; i++)
                arrive(sys, pages[i], st, i > 0);
        w->kind = QUIRE_EV_HARD;
        w->brought = io.count;
        w->page = NULL;
        w->alone = st != QUIRE_OK;
        w->why = QUIRE_WHY_IO_ERROR;
        return st == QUIRE_OK || io.count > 1 ? STEP_AGAIN : STEP_DENY;
}

/* A write is coming: the slot's copy will not do any more. */
static void make_dirty(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME);
        if (p->flags & QUIRE_PAGE_IS_DIRTY)
                return;
        quire_store_free(sys, p);
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_DENSE;
        p->flags |= QUIRE_PAGE_IS_DIRTY;
}

static void make_writable(struct walk *w)
{
        make_dirty(w->space->system, w->page);
        if (w->region->watched)
                w->page->flags |= QUIRE_PAGE_IS_WRITTEN;
}

/* The page and those brought in with it that can be shown alike. */
static unsigned showable(struct walk *w, unsigned access, struct quire_page **out)
{
        uint64_t rest = w->piece.first + w->piece.count - w->index;
        unsigned n = 1;

        must(w->space->system, access & QUIRE_R && w->index >= w->piece.first && rest);
        out[0] = w->page;
        for (; n < rest && n < QUIRE_RUN_MAX; n++) {
                struct quire_page *p = neighbour(w, n, QUIRE_AT_FRAME);

                if (!p || p->shown || !(p->flags & QUIRE_PAGE_IS_AHEAD) ||
                    p->queue == QUIRE_Q_COOL)
                        break;
                if (w->access == QUIRE_W && !w->region->watched)
                        make_dirty(w->space->system, p);   /* a run of writes goes on */
                if (quire_page_best_access(w->region, p, w->piece.attr) != access)
                        break;
                out[n] = p;
        }
        return n;
}

static enum step show_run(struct walk *w)
{
        struct quire_system *sys = w->space->system;
        struct quire_page *run[QUIRE_RUN_MAX];
        unsigned access = quire_page_best_access(w->region, w->page, w->piece.attr);
        unsigned n = showable(w, access, run);

        if (quire_page_show(run, n, access) != QUIRE_OK &&
            (n == 1 || quire_page_show(run, n = 1, access) != QUIRE_OK))
                return make_room(w);
        for (unsigned i = 1; i < n; i++)
                run[i]->flags &= (uint8_t)~QUIRE_PAGE_IS_AHEAD;
        sys->counters.prefetched += n - 1;
        return STEP_DONE;
}

/* In a frame: show it, or show more of it, or again what was shown lazily. */
static enum step show_page(struct walk *w)
{
        struct quire_system *sys = w->space->system;
        struct quire_page *p = w->page;
        unsigned best;

        must(sys, p->where == QUIRE_AT_FRAME && quire_attr_access(w->piece.attr) & w->access);
        if (w->access == QUIRE_W)
                make_writable(w);
        else if (!sys->can->write_protects && w->piece.attr & QUIRE_W)
                make_writable(w);
        if (!w->kind) {
                w->kind = QUIRE_EV_SOFT;
                if (!quire_page_wanted(p))
                        sys->policy->touch(sys, p);
        } else if (p->queue == QUIRE_Q_COOL) {       /* cooled while a reclaim made room */
                sys->policy->touch(sys, p);
        }
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_AHEAD;
        if (!p->shown)
                return show_run(w);
        best = quire_page_best_access(w->region, p, w->piece.attr);
        must(sys, best & QUIRE_R);
        sys->mops->protect(w->space->mspace, w->va << sys->shift, 1, best);
        p->shown = (uint8_t)best;
        return STEP_DONE;
}

static enum step wait_for_page(struct walk *w)
{
        struct quire_system *sys = w->space->system;

        if (w->ticket && w->ticket != QUIRE_NO_ALARM)
                return quire_wait_for(sys, w->page, w->ticket) ? STEP_PEND : STEP_DONE;
        quire_wait_settled(sys);
        return STEP_AGAIN;
}

static enum step take_step(struct walk *w)
{
        switch (w->page->where) {
        case QUIRE_AT_NONE:
                return fill_zeroes(w);
        case QUIRE_AT_FRAME:
                return show_page(w);
        case QUIRE_AT_COMING:
                return wait_for_page(w);
        case QUIRE_AT_SLOT:
                if (w->page->slot.kind == QUIRE_SLOT_FILE && !w->page->slot.buffer)
                        return read_in(w);
                return expand(w);
        default:
                w->why = QUIRE_WHY_BROKEN;
                return STEP_DENY;
        }
}

/* One shot: the mark goes, the access is told.  Pieces of memory for the change
 * may be missing; then the mark stays and tells once more. */
static void clear_guard(struct walk *w)
{
        struct quire_system *sys = w->space->system;
        struct quire_spare_runs spare;

        if (quire_ranges_plan(sys, &spare) != QUIRE_OK)
                return;
        quire_ranges_apply(sys, &w->region->ranges, w->index, 1, QUIRE_ATTR_GUARD, 0, &spare);
        quire_ranges_unplan(sys, &spare);
}

/* What the region says of the access; 0: go on. */
static enum quire_reason judge(struct walk *w)
{
        uint32_t attr;

        w->region = quire_region_find(w->space, w->va);
        if (!w->region || w->region->kind == QUIRE_FOREIGN)
                return QUIRE_WHY_FREE;
        w->index = quire_region_index(w->region, w->va);
        must(w->space->system, w->index - w->region->object_first < w->region->count);
        w->piece = quire_ranges_at(&w->region->ranges, w->index);
        attr = w->piece.attr;
        if (!(attr & QUIRE_ATTR_COMMITTED))
                return QUIRE_WHY_RESERVED;
        if (attr & QUIRE_ATTR_GUARD) {
                if (w->ticket != QUIRE_NO_ALARM)
                        clear_guard(w);
                return QUIRE_WHY_GUARD;
        }
        if (w->access == QUIRE_X && !w->space->system->can->executes)
                return QUIRE_WHY_PROTECTED;
        return quire_attr_access(attr) & w->access ? 0 : QUIRE_WHY_PROTECTED;
}

static struct quire_outcome deny(enum quire_reason why)
{
        return (struct quire_outcome){ .verdict = QUIRE_DENY, .reason = why };
}

static void count_done(struct walk *w)
{
        if (w->brought || w->kind != QUIRE_EV_HARD)
                note_stream(w->region, w->index, w->brought ? w->brought : 1);
        quire_count_fault(w->region, w->kind, w->va, w->brought ? w->brought : 1);
}

struct quire_outcome quire_resolve(struct quire_space *s, uint64_t page, unsigned access,
                                   uint64_t ticket)
{
        struct walk w = { .space = s, .va = page, .access = access, .ticket = ticket };

        for (;;) {
                enum quire_reason why = judge(&w);
                enum step step;

                if (why)
                        return deny(why);
                if (w.region->kind == QUIRE_PLAIN)     /* allowed just meanwhile */
                        return (struct quire_outcome){ .verdict = QUIRE_RESUME };
                w.page = quire_object_page(w.region->object, w.index);
                if (!w.page) {
                        if (quire_reclaim(s->system) != QUIRE_OK)
                                return deny(QUIRE_WHY_NO_MEMORY);
                        continue;
                }
                w.most = plan_ahead(&w);
                step = take_step(&w);
                if (step == STEP_AGAIN)
                        continue;
                if (step == STEP_DENY)
                        return deny(w.why);
                if (step == STEP_DONE && w.page->where == QUIRE_AT_FRAME)
                        count_done(&w);
                return (struct quire_outcome){ step == STEP_PEND ? QUIRE_PENDING : QUIRE_RESUME,
                                               0, w.kind };
        }
}

/* False: too many wait already; the access simply runs again. */
bool quire_wait_for(struct quire_system *sys, struct quire_page *p, uint64_t ticket)
{
        must_hold(sys);
        must(sys, ticket && p->where == QUIRE_AT_COMING);
        for (unsigned i = 0; i < QUIRE_WAITERS; i++) {
                if (sys->waiters[i].page)
                        continue;
                sys->waiters[i] = (struct quire_waiter){ ticket, p };
                sys->waiting++;
                return true;
        }
        return false;
}

void quire_wake(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where != QUIRE_AT_COMING);
        for (unsigned i = 0; sys->waiting && i < QUIRE_WAITERS; i++) {
                if (sys->waiters[i].page != p)
                        continue;
                sys->waiters[i].page = NULL;
                sys->waiting--;
                sys->mops->resume(sys->machine, sys->waiters[i].ticket, QUIRE_RESUME);
        }
}

static void record_latency(struct quire_system *sys, uint64_t from, enum quire_event_kind kind)
{
        uint64_t ns = sys->hops->clock(sys->host) - from;
        unsigned bucket = quire_latency_bucket(ns);

        sys->latency[0][bucket]++;
        sys->latency[1][bucket] += kind == QUIRE_EV_HARD;
        sys->counters.stall_ns += ns;
}

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        struct quire_space *s = owner;
        struct quire_system *sys = s->system;
        uint64_t from = sys->hops->clock(sys->host);
        struct quire_outcome got;
        quire_denied_fn denied;
        void *context;

        quire_enter(sys);
        got = quire_resolve(s, va >> sys->shift, access, ticket);
        if (got.verdict == QUIRE_RESUME && got.kind)
                record_latency(sys, from, got.kind);
        if (got.verdict == QUIRE_DENY) {
                sys->counters.denied++;
                s->counters.denied++;
                quire_note(sys, QUIRE_EV_DENIED, va >> sys->shift, 1, got.reason);
        }
        denied = s->denied;
        context = s->denied_context;
        quire_leave(sys);
        if (got.verdict == QUIRE_DENY && denied)
                return denied(context, s, va, access, got.reason);
        return got.verdict;
}
