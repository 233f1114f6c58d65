/*
 * fault.c - the walk of one access that the machine could not satisfy.
 *
 *      region?  committed?  guard?  access?        else DENY, with the reason
 *      page:  NONE    zeroes into a frame, or what its pager has, with its
 *                     neighbours if a run shows
 *             SLOT    contents into a frame, without the lock if they are read
 *             COMING  somebody reads it: wait
 *             FRAME   show it, or more of it: RESUME
 *             FIXED   likewise
 *             LOST    DENY
 *
 * The page is that of the region's object, or what it inherits (copy.c); then a
 * write, or a machine that can not show it there, wants a copy first.
 *
 * Every step that may have dropped the lock starts again at the top, so nothing
 * learned before is trusted after.  Pages brought in ahead are hidden until the
 * page that was asked for is shown, and are then shown with it, in one call.
 *
 * Runs in signal handlers: touches no paged memory, waits only in the host's
 * calls, allocates records from lodging that never waits (host.h, H1).
 *
 * Does not decide: who is evicted (reclaim.c), what is a run of faults
 * (stream.c).
 *
 * Lock: the system's.
 */
#include "core.h"

#define MOST_REFUSALS 3u
#define MOST_AROUND 16u          /* pages that are there, shown with one fault */
#define DEEPEST 4096u            /* pages that a pager is asked for beyond those */

/* One access on its way. */
struct walk {
        struct quire_system *system;
        struct quire_space *space;
        struct quire_region *region;
        struct quire_object *object;       /* who has the contents, or would have them */
        struct quire_page *page;           /* their record there, or null */
        uint64_t va;                       /* page number */
        uint64_t index;                    /* in the objects */
        struct quire_piece piece;          /* the run of attributes around it */
        unsigned access;
        bool own;                          /* the page must be the region's own */
        bool kernel;                       /* the access was made with that privilege */
        uint64_t ticket;
        uint64_t turn;                     /* 0, or as one who waits here for a late page */
        unsigned most;                     /* pages to bring in with it, itself included */
        bool alone;                        /* a run could not be read, or there is no room for
                                            * one: try just this page */
        enum quire_event_kind kind;        /* what it took so far */
        uint64_t brought;                  /* pages, with those ahead */
        uint64_t shown;                    /* likewise */
        bool looked;                       /* it was shown, and went while others were asked for */
        enum quire_reason why;             /* of STEP_DENY */
        uint64_t refused;                  /* records that there was no memory for, up to now */
        unsigned refusals;                 /* steps that this made room for, in vain */
};

enum step { STEP_AGAIN, STEP_DONE, STEP_DENY, STEP_PEND };

/* How many pages to bring in for a fault here: 1, and twice as many each time
 * that the fault is where the last one led to. */
static unsigned plan_ahead(const struct walk *w)
{
        struct quire_stream *s = quire_stream_at(w->region, w->index);
        uint64_t rest = w->piece.first + w->piece.count - w->index;
        uint64_t n = s ? s->window : 1;

        must(w->system, rest > 0 && w->index >= w->piece.first);
        if (w->region->pattern == QUIRE_READ_SEQUENTIAL)
                n = QUIRE_MOST_AHEAD;
        if (w->region->pattern == QUIRE_READ_RANDOM || w->alone)
                n = 1;
        return (unsigned)quire_min(n, quire_min(rest, w->system->budget / 16));
}

/* Frames for pages of the walk's object, from its index on, that have none. */
static unsigned get_frames(struct walk *w, unsigned want, enum quire_fill fill, quire_frame *out)
{
        unsigned n = 0;

        must(w->system, want && want <= QUIRE_MOST_AHEAD);
        quire_frames_prepare(w->object, w->index, want);
        for (; n < want; n++) {
                const struct quire_page *p = quire_radix_find(&w->object->pages, w->index + n);

                if ((p && p->frame != QUIRE_NO_FRAME) ||
                    quire_frame_get(w->object, w->index + n, fill, &out[n]) != QUIRE_OK)
                        break;
        }
        return n;
}

/* Evicting makes records free, too, but not for ever: a page that comes back each time and
 * can not be shown would go in circles. */
static bool wants_records(struct walk *w)
{
        if (w->system->refused == w->refused)
                return false;
        w->refused = w->system->refused;
        return ++w->refusals > MOST_REFUSALS;
}

/* No frame, or no record: reclaim, which may drop the lock and free the record. */
static enum step make_room(struct walk *w)
{
        must_hold(w->system);
        w->page = NULL;
        w->why = QUIRE_WHY_NO_MEMORY;
        if (wants_records(w))
                return STEP_DENY;
        return quire_reclaim(w->system) == QUIRE_OK ? STEP_AGAIN : STEP_DENY;
}

/* The same where a page is copied, which must be in a frame itself. */
static enum step make_room_to_copy(struct walk *w)
{
        must_hold(w->system);
        w->page = NULL;
        w->alone = true;                     /* neighbours must not take the frames */
        w->why = QUIRE_WHY_NO_MEMORY;
        if (wants_records(w))
                return STEP_DENY;
        return quire_reclaim_frames(w->system, 2) == QUIRE_OK ? STEP_AGAIN : STEP_DENY;
}

/* Does the next page want just what this one wants? */
static struct quire_page *neighbour(struct walk *w, unsigned i, enum quire_where where)
{
        struct quire_page *p = quire_radix_find(&w->object->pages, w->index + i);

        return p && p->where == where ? p : NULL;
}

/* A page of zeroes, which nobody in the object's line has; false: no record. */
static bool settle_zeroes(struct walk *w, uint64_t index, quire_frame frame, bool ahead)
{
        struct quire_object *o = w->object;
        struct quire_page *p = quire_object_page(o, index);
        bool charged = o->flags & QUIRE_ON_TOUCH;
        bool dirty = o == w->region->object && w->piece.attr & QUIRE_W && !w->region->watched &&
                     !o->snapshot && !(o->flags & QUIRE_EPOCHS);

        if (!p || (charged && !quire_object_charge(o, 1)))
                return false;
        must(o->system, p->where == QUIRE_AT_NONE && !o->pager);
        if (!dirty && !quire_object_zeroes(o))     /* evicted, it must not inherit */
                p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILL };
        quire_page_settle(p, frame, dirty, ahead);
        return true;
}

/* First touch: zero frames for the page and for a run that shows (not for pages that
 * a region would copy before they are written there). */
static enum step fill_zeroes(struct walk *w)
{
        struct quire_system *sys = w->system;
        bool copies = w->region->copy && w->object == w->region->object;
        quire_frame frames[QUIRE_MOST_AHEAD];
        unsigned want = 1, got, n = 0;

        must(sys, w->most <= QUIRE_MOST_AHEAD);
        while (!copies && want < w->most &&
               !quire_page_has(quire_source_of(w->region->object, w->index + want).page))
                want++;
        got = get_frames(w, want, QUIRE_ZEROED, frames);
        while (n < got && settle_zeroes(w, w->index + n, frames[n], n > 0))
                n++;
        for (unsigned i = n; i < got; i++)
                quire_frame_put(sys, frames[i]);
        w->brought = n;
        if (got && !n && w->object->flags & QUIRE_ON_TOUCH) {
                w->why = QUIRE_WHY_NO_MEMORY;
                return STEP_DENY;
        }
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
        struct quire_system *sys = w->system;
        quire_frame frames[QUIRE_MOST_AHEAD];
        unsigned want = 1, got, n = 0;

        must(sys, w->page->where == QUIRE_AT_SLOT && w->most <= QUIRE_MOST_AHEAD);
        while (want < w->most && neighbour(w, want, QUIRE_AT_SLOT))
                want++;
        got = get_frames(w, want, QUIRE_ANY_FILL, frames);
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
                quire_page_settle(p, frames[n], !clean, n > 0);
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

        must(w->system, s->kind == QUIRE_SLOT_FILE && !s->buffer);
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
                quire_page_settle(p, frame, false, ahead);
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
        struct quire_system *sys = w->system;
        struct quire_page *pages[QUIRE_IO_MAX];
        quire_frame frames[QUIRE_IO_MAX];
        struct quire_io io = { .slot = w->page->slot.number, .context = sys };
        struct quire_object *o = w->object;
        enum quire_status st;

        must(sys, w->page->where == QUIRE_AT_SLOT && w->page->object == o);
        if (sys->freezing == QUIRE_FREEZE_ALL) {
                quire_hold_back(sys);
                return STEP_AGAIN;
        }
        io.count = get_frames(w, cluster(w, pages), QUIRE_ANY_FILL, frames);
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
        if (w->ticket)                       /* (what is only advised makes no room) */
                io.meanwhile = quire_reclaim_ahead;
        o->refs++;
        quire_unlock(sys);
        st = sys->hops->io_read(sys->host, &io);
        quire_lock(sys);
        if (st != QUIRE_OK) {
                sys->counters.io_errors++;
                quire_note(sys, QUIRE_EV_IO_ERROR, w->va, io.count, 0);
        }
        for (unsigned i = 0; i < io.count; i++)
                arrive(sys, pages[i], st, i > 0);
        quire_object_drop(o);
        w->kind = QUIRE_EV_HARD;
        w->brought = io.count;
        w->page = NULL;
        w->alone |= st != QUIRE_OK;
        w->why = QUIRE_WHY_IO_ERROR;
        return st == QUIRE_OK || io.count > 1 ? STEP_AGAIN : STEP_DENY;
}

/* Contents from the object's pager, with the lock dropped.  A run that it could not
 * fill may have failed for the sake of a page that nobody wants yet. */
static enum step ask(struct walk *w)
{
        struct quire_object *o = w->object;
        unsigned asked = 1;
        enum quire_status st;

        must(w->system, o->pager && !quire_page_has(w->page) && w->index < o->count);
        if (w->page && w->page->flags & QUIRE_PAGE_IS_FAILED) {
                must(w->system, w->page->slot.number > 0);
                if (!--w->page->slot.number)
                        w->page->flags &= (uint8_t)~QUIRE_PAGE_IS_FAILED;
                if (!w->page->flags)
                        quire_page_free(w->page);
                st = QUIRE_IO_ERROR;
        } else if (o->dead) {
                st = QUIRE_IO_ERROR;
        } else {
                asked = w->most;
                st = quire_pager_ask(o, w->index, &asked, w->access);
        }
        w->page = NULL;
        w->why = QUIRE_WHY_IO_ERROR;
        switch (st) {
        case QUIRE_OK:
                w->kind = QUIRE_EV_HARD;
                w->brought = asked;
                return STEP_AGAIN;
        case QUIRE_BUSY:
                return STEP_AGAIN;
        case QUIRE_NO_MEMORY:
                return make_room(w);
        default:
                w->alone = asked > 1;
                return w->alone ? STEP_AGAIN : STEP_DENY;
        }
}

/* A page of the machine's, as long as anybody looks at it. */
static enum step fix(struct walk *w)
{
        struct quire_object *o = w->object;
        struct quire_system *sys = o->system;
        struct quire_page *p = quire_object_page(o, w->index);

        must(sys, o->kind == QUIRE_PHYSICAL && sys->mops->frame_physical);
        if (!p)
                return make_room(w);
        if (sys->mops->frame_physical(sys->machine, o->physical + (w->index << sys->shift),
                                      &p->frame) != QUIRE_OK) {
                quire_page_free(p);
                w->why = QUIRE_WHY_IO_ERROR;
                return STEP_DENY;
        }
        p->where = QUIRE_AT_FIXED;
        return STEP_AGAIN;
}

/* The object that the region was made for: the one whose store it views. */
static struct quire_object *viewed(const struct walk *w)
{
        return w->region->grant ? w->region->grant->object : w->region->object;
}

/* Nobody in the line has contents there. */
static enum step begin(struct walk *w)
{
        struct quire_object *own = w->region->object;

        if (w->object->pager)
                return ask(w);
        if (w->object->kind == QUIRE_PHYSICAL)
                return fix(w);
        if (w->object != own && (w->own || w->access == QUIRE_W))
                w->object = own;
        else if (w->object != own && w->object->home)
                w->object = viewed(w);               /* it could not be shown here from there */
        if (w->access == QUIRE_W && !quire_object_free_to_change(w->object, w->index) &&
            quire_copy_push(w->object, w->index, NULL) != QUIRE_OK)
                return make_room(w);
        return fill_zeroes(w);
}

/* Can the machine show the page in the region? */
static bool showable_there(const struct walk *w)
{
        return w->system->can->shares_frames || w->object == viewed(w) ||
               w->page->where == QUIRE_AT_FIXED;
}

/* Who gets a copy of an inherited page that is only to be read: the object that is viewed,
 * if it inherits the page itself. */
static struct quire_object *nearest_viewed(const struct walk *w)
{
        struct quire_object *o = w->region->object;

        while (o != viewed(w) && o != w->object)
                o = o->parent;
        return o == w->object ? w->region->object : o;
}

/* It is inherited: a copy, if one is wanted.  AGAIN: there is one now. */
static enum step copy_up(struct walk *w)
{
        struct quire_object *to = w->own || w->access == QUIRE_W ? w->region->object
                                                                  : nearest_viewed(w);

        must(w->system, to != w->object && !quire_object_own(to, w->index));
        if (quire_copy_page(w->page, to) != QUIRE_OK)
                return make_room_to_copy(w);
        return STEP_AGAIN;
}

/* False: no storage, or no memory. */
static bool make_writable(struct walk *w)
{
        struct quire_page *p = w->page;

        must(w->system, p->object == w->region->object);
        must(w->system, quire_object_free_to_change(p->object, p->index));     /* C1 */
        if (p->where == QUIRE_AT_FIXED)
                return true;
        if (!quire_page_make_dirty(p))
                return false;
        if (w->region->watched || p->object->flags & QUIRE_EPOCHS)
                p->flags |= QUIRE_PAGE_IS_WRITTEN;
        return true;
}

/* Is it to be shown with the page before it: brought in with that, or, in reach of one
 * fault, there anyway and not yet shown here?  Not what the policy put aside to see who
 * still wants it.  A write takes along what was written before, so that nothing counts as
 * modified, and no copy is given up, that nobody wrote to. */
static bool goes_along(const struct walk *w, const struct quire_page *p, unsigned n)
{
        if (!p || p->queue == QUIRE_Q_COOL || quire_page_shown_at(p, w->region, w->va + n))
                return false;
        if (p->flags & QUIRE_PAGE_IS_AHEAD)
                return true;
        return n < MOST_AROUND && (w->access != QUIRE_W || p->flags & QUIRE_PAGE_IS_DIRTY);
}

/* The page and those after it that can be shown alike. */
static unsigned showable(struct walk *w, unsigned access, struct quire_page **out)
{
        uint64_t rest = w->piece.first + w->piece.count - w->index;
        bool own = w->object == w->region->object;
        unsigned n = 1;

        must(w->system, access & QUIRE_R && w->index >= w->piece.first && rest);
        out[0] = w->page;
        for (; n < rest && n < QUIRE_RUN_MAX; n++) {
                struct quire_page *p = neighbour(w, n, QUIRE_AT_FRAME);

                if (!goes_along(w, p, n))
                        break;
                if (!own && quire_source_of(w->region->object, w->index + n).page != p)
                        break;
                if (w->access == QUIRE_W && own && !w->region->watched &&
                    !(p->object->flags & QUIRE_EPOCHS) && !p->object->pager &&
                    !p->object->snapshot)
                        (void)quire_page_make_dirty(p);      /* a run of writes goes on */
                if (quire_page_best_access(w->region, p, w->piece.attr) != access)
                        break;
                out[n] = p;
        }
        return n;
}

static enum step show_run(struct walk *w)
{
        struct quire_system *sys = w->system;
        struct quire_page *run[QUIRE_RUN_MAX];
        unsigned access = quire_page_best_access(w->region, w->page, w->piece.attr);
        unsigned n = showable(w, access, run);

        if (!(quire_attr_access(w->piece.attr) & QUIRE_W))
                access |= QUIRE_REFUSES_W;
        if (quire_page_show(w->region, w->va, run, n, access) != QUIRE_OK &&
            (n == 1 || quire_page_show(w->region, w->va, run, n = 1, access) != QUIRE_OK))
                return make_room(w);
        for (unsigned i = 1; i < n; i++)
                run[i]->flags &= (uint8_t)~QUIRE_PAGE_IS_AHEAD;
        sys->counters.prefetched += n - 1;
        w->shown = n;
        return STEP_DONE;
}

static void note_use(struct walk *w)
{
        struct quire_system *sys = w->system;
        struct quire_page *p = w->page;

        if (p->where == QUIRE_AT_FRAME && !w->kind && !quire_page_wanted(p))
                sys->policy->touch(sys, p);
        else if (p->queue == QUIRE_Q_COOL)          /* cooled while a reclaim made room */
                sys->policy->touch(sys, p);
        if (!w->kind)
                w->kind = QUIRE_EV_SOFT;
        p->flags &= (uint8_t)~QUIRE_PAGE_IS_AHEAD;
}

/* In a frame: show it, or show more of it, or again what was shown lazily. */
static enum step show_page(struct walk *w)
{
        struct quire_system *sys = w->system;
        struct quire_page *p = w->page;
        bool write = w->access == QUIRE_W || (!sys->can->write_protects && w->piece.attr & QUIRE_W);
        unsigned best;

        must(sys, quire_attr_access(w->piece.attr) & w->access);
        if (p->object != w->region->object)
                write = false;                       /* inherited, and only read */
        if (write && !quire_object_free_to_change(p->object, p->index)) {
                if (quire_copy_push(p->object, p->index, p) != QUIRE_OK)
                        return make_room_to_copy(w);
                return STEP_AGAIN;                   /* hidden, perhaps */
        }
        if (write && !make_writable(w)) {
                w->why = QUIRE_WHY_NO_MEMORY;
                return STEP_DENY;
        }
        note_use(w);
        if (!quire_page_shown_at(p, w->region, w->va))
                return show_run(w);
        best = quire_page_best_access(w->region, p, w->piece.attr);
        must(sys, best & QUIRE_R);
        sys->mops->protect(w->space->mspace, w->va << sys->shift, 1, best | w->region->attributes);
        quire_page_note_shown(p, w->region, w->va, best);
        return STEP_DONE;
}

static enum step wait_for_page(struct walk *w)
{
        struct quire_system *sys = w->system;

        must(sys, w->page->where == QUIRE_AT_COMING);
        if (w->ticket && w->ticket != QUIRE_NO_ALARM)
                return quire_wait_for(sys, w->page, w->ticket) ? STEP_PEND : STEP_DONE;
        if (w->page->queue == QUIRE_Q_LATE)
                w->turn = quire_wait_along(sys, w->page, w->turn);
        quire_wait_settled(sys);
        return STEP_AGAIN;
}

static enum step take_step(struct walk *w)
{
        struct quire_object *own = w->region->object;

        switch (w->page ? w->page->where : QUIRE_AT_NONE) {
        case QUIRE_AT_NONE:
                return begin(w);
        case QUIRE_AT_FRAME:
        case QUIRE_AT_FIXED:
                if (w->object != own &&
                    (w->own || w->access == QUIRE_W || !showable_there(w)))
                        return copy_up(w);
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
        struct quire_system *sys = w->system;
        struct quire_spare_runs spare;

        must(sys, w->piece.attr & QUIRE_ATTR_GUARD);
        if (quire_ranges_plan(sys, &spare) != QUIRE_OK)
                return;
        quire_ranges_apply(sys, &w->region->ranges, w->index, 1, QUIRE_ATTR_GUARD, 0, &spare);
        quire_ranges_unplan(sys, &spare);
}

/* What the region says of the access; 0: go on. */
static enum quire_reason judge(struct walk *w)
{
        uint32_t attr;

        must_hold(w->system);
        w->region = quire_region_find(w->space, w->va);
        if (!w->region || w->region->kind == QUIRE_FOREIGN)
                return QUIRE_WHY_FREE;
        if (w->region->revoked)
                return QUIRE_WHY_REVOKED;
        w->index = quire_region_index(w->region, w->va);
        must(w->system, w->index - w->region->object_first < w->region->count);
        w->piece = quire_ranges_at(&w->region->ranges, w->index);
        attr = w->piece.attr;
        if (!(attr & QUIRE_ATTR_COMMITTED))
                return QUIRE_WHY_RESERVED;
        if (attr & QUIRE_ATTR_GUARD) {
                if (w->ticket != QUIRE_NO_ALARM)
                        clear_guard(w);
                return QUIRE_WHY_GUARD;
        }
        if (w->access == QUIRE_X && !w->system->can->executes)
                return QUIRE_WHY_PROTECTED;
        if (w->region->attributes & QUIRE_KERNEL && !w->kernel)
                return QUIRE_WHY_PROTECTED;
        return quire_attr_access(attr) & w->access ? 0 : QUIRE_WHY_PROTECTED;
}

static struct quire_outcome deny(enum quire_reason why)
{
        return (struct quire_outcome){ .verdict = QUIRE_DENY, .reason = why };
}

/* Beyond a run of faults that has proved itself the pager fills pages while others are
 * used: more of them each time.  True: they were asked for (drops and retakes the lock). */
static bool look_ahead(struct walk *w, uint64_t next)
{
        const struct quire_region *r = w->region;
        struct quire_object *o = w->object;
        uint64_t end = w->piece.first + w->piece.count, from, to;
        struct quire_stream *s = quire_stream_at(w->region, next);

        if (!o->pager || !o->pager->ahead || o->dead || r->pattern == QUIRE_READ_RANDOM || !s ||
            (s->window < QUIRE_MOST_AHEAD && r->pattern != QUIRE_READ_SEQUENTIAL))
                return false;
        s->depth = (uint32_t)quire_min(quire_max(2 * s->depth, 2 * QUIRE_MOST_AHEAD),
                                       quire_min(DEEPEST, w->system->budget / 8));
        from = s->asked > next && s->asked - next <= DEEPEST ? s->asked : next;
        to = quire_min(next + s->depth, end);
        if (to <= from || (to < end && to - from < quire_min(QUIRE_MOST_AHEAD, s->depth)))
                return false;
        s->asked = to;
        (void)quire_pager_ask_ahead(o, from, to - from, QUIRE_AHEAD_RECLAIM);
        return true;
}

/* May the access go on, although others were asked for since the page was shown? */
static bool is_still_shown(struct walk *w)
{
        const struct quire_page *p = NULL;

        must_hold(w->system);
        w->region = quire_region_find(w->space, w->va);
        if (w->region && w->region->object) {
                w->index = quire_region_index(w->region, w->va);
                p = quire_source_of(w->region->object, w->index).page;
        }
        return p && quire_page_shown_at(p, w->region, w->va) & w->access;
}

static void count_done(struct walk *w, uint64_t there)
{
        if (w->brought || w->kind != QUIRE_EV_HARD)
                quire_stream_note(w->region, w->index, there);
        quire_count_fault(w->region, w->kind, w->va, w->brought ? w->brought : 1);
}

static struct quire_outcome walk_on(struct walk *w)
{
        must_hold(w->system);
        for (;;) {
                enum quire_reason why = judge(w);
                struct quire_source from;
                enum step step;

                if (why)
                        return deny(why);
                if (w->region->kind == QUIRE_PLAIN)    /* allowed just meanwhile */
                        return (struct quire_outcome){ .verdict = QUIRE_RESUME };
                from = quire_source_of(w->region->object, w->index);
                w->object = from.object;
                w->page = from.page;
                w->most = plan_ahead(w);
                step = take_step(w);
                if (step == STEP_AGAIN)
                        continue;
                if (step == STEP_DENY)
                        return deny(w->why);
                if (step == STEP_DONE && w->page->where == QUIRE_AT_FRAME && !w->looked) {
                        uint64_t there = quire_max(quire_max(w->brought, w->shown), 1);

                        count_done(w, there);
                        w->looked = w->ticket && w->ticket != QUIRE_NO_ALARM &&
                                    look_ahead(w, w->index + there) && !is_still_shown(w);
                        w->alone |= w->looked;
                        if (w->looked)
                                continue;
                }
                return (struct quire_outcome){ step == STEP_PEND ? QUIRE_PENDING : QUIRE_RESUME,
                                               0, w->kind };
        }
}

struct quire_outcome quire_resolve(struct quire_space *s, uint64_t page, unsigned access,
                                   uint64_t ticket)
{
        struct walk w = { .system = s->system, .space = s, .va = page, .ticket = ticket,
                          .access = access & QUIRE_ATTR_ACCESS, .own = access & QUIRE_OWN,
                          .kernel = access & QUIRE_KERNEL || !ticket || ticket == QUIRE_NO_ALARM,
                          .refused = s->system->refused };
        struct quire_outcome got = walk_on(&w);

        quire_wait_no_more(w.system, w.turn);
        return got;
}

enum quire_status quire_page_bring(struct quire_page *p)
{
        struct walk w = { .system = p->object->system, .object = p->object, .page = p,
                          .index = p->index, .va = quire_page_va(p), .most = 1 };
        enum step step;

        switch (p->where) {
        case QUIRE_AT_FRAME:
                return QUIRE_OK;
        case QUIRE_AT_COMING:
                quire_wait_settled(w.system);
                return QUIRE_OK;
        case QUIRE_AT_SLOT:
                step = p->slot.kind == QUIRE_SLOT_FILE && !p->slot.buffer ? read_in(&w)
                                                                          : expand(&w);
                return step == STEP_DENY ? QUIRE_IO_ERROR : QUIRE_OK;
        default:
                return QUIRE_BROKEN;
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
