/*
 * pager.c - objects whose contents come from user code: asking for pages, taking
 * what is supplied, and writing back what was modified.
 *
 *      absent --ask--> COMING ----------------- filled --> FRAME, clean
 *                         |  later: in Q_LATE   supplied -^
 *                         +-- failed --> absent (whoever waits is told) or LOST
 *
 * The pager has the contents of a page that has no record, and of one that is
 * clean.  A page that was modified is owed to it until it took it (store.c): at a
 * flush, when the object goes, or, if it wants that, instead of the pagefile.
 *
 * No lock is held while user code runs; a page that it was asked for is nobody
 * else's to ask for meanwhile.  The object is held.
 *
 * Does not decide: what is evicted (reclaim.c).
 *
 * Lock: the system's.
 */
#include "core.h"

/* .slot.bytes of a page that a pager was asked for. */
enum { WANTED = 1,              /* somebody touched it */
       LENT };                  /* the pager may write to its frame until it is filled */

/* ---------------------------------------------------------------------- asking */

/* Pages from the index on that nobody has, COMING into frames; returns how many. */
static unsigned begin_coming(struct quire_object *o, uint64_t index, unsigned count,
                             struct quire_page **pages, void **window)
{
        struct quire_system *sys = o->system;
        unsigned n = 0;

        must(sys, o->pager && count <= QUIRE_IO_MAX);

        sys->asks++;
        quire_frames_prepare(o, index, count);
        for (; n < count && index + n < o->count; n++) {
                struct quire_page *p = quire_radix_find(&o->pages, index + n);
                quire_frame frame;

                if (quire_page_has(p) || (n && p && p->flags & QUIRE_PAGE_IS_FAILED))
                        break;
                p = quire_object_page(o, index + n);
                if (!p || quire_frame_get(o, index + n, QUIRE_ANY_FILL, &frame) != QUIRE_OK) {
                        if (p && !p->flags)
                                quire_page_free(p);
                        break;
                }
                p->where = QUIRE_AT_COMING;
                p->frame = frame;
                p->slot.number = sys->asks;
                pages[n] = p;
                window[n] = sys->mops->frame_window(sys->machine, frame);
                must(sys, window[n] && p->queue == QUIRE_Q_NONE);
        }
        return n;
}

/* One page that was asked for: its contents are in its frame, or will not come
 * (NOT_PRESENT: this time; nobody is told).
 * => counted neither in transit nor late any more */
static void end_coming(struct quire_page *p, enum quire_status st, bool ahead)
{
        struct quire_system *sys = p->object->system;
        quire_frame frame = p->frame;
        unsigned waited = p->slot.bytes == WANTED;

        must(sys, p->where == QUIRE_AT_COMING && p->queue == QUIRE_Q_NONE);
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_NONE };
        if (st == QUIRE_OK) {
                sys->counters.pages_in++;
                quire_page_settle(p, frame, false, ahead);
                quire_wake(sys, p);
                return;
        }
        p->frame = QUIRE_NO_FRAME;
        quire_frame_put(sys, frame);
        p->where = st == QUIRE_BROKEN ? QUIRE_AT_LOST : QUIRE_AT_NONE;
        waited += quire_wake(sys, p);
        if (st == QUIRE_BROKEN) {
                sys->counters.broken++;
        } else if (waited && st == QUIRE_IO_ERROR) {
                p->flags |= QUIRE_PAGE_IS_FAILED;
                p->slot.number = waited;
        } else if (!p->flags) {
                quire_page_free(p);
        }
}

/* Pages that the pager keeps us waiting for. */
static void be_late(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        must(sys, count && count <= QUIRE_IO_MAX);
        for (unsigned i = 0; i < count; i++) {
                if (pages[i]->where != QUIRE_AT_COMING || pages[i]->queue == QUIRE_Q_LATE)
                        continue;
                pages[i]->slot.file = 1;             /* its frame is the pager's to write to */
                quire_queue_push(sys, pages[i], QUIRE_Q_LATE);
                sys->late++;
        }
}

static void end_late(struct quire_page *p, enum quire_status st)
{
        struct quire_object *o = p->object;
        struct quire_system *sys = o->system;

        must(sys, p->queue == QUIRE_Q_LATE && sys->late > 0);
        quire_queue_remove(sys, p);
        sys->late--;
        end_coming(p, st, false);
        quire_object_drop(o);                /* as held since it was asked for */
}

/*
 * Ask the pager for *count pages from the index on (drops and retakes the lock);
 * *count: how many it was asked for, one at least.  BUSY: it will supply them;
 * NO_MEMORY: no frame, nothing was asked.
 *
 * Each page is late while its pager is asked, so that it may supply from another
 * thread before it answers.
 */
enum quire_status quire_pager_ask(struct quire_object *o, uint64_t index, unsigned *count,
                                  unsigned access)
{
        struct quire_system *sys = o->system;
        unsigned most = o->pager->most ? quire_min(o->pager->most, QUIRE_IO_MAX) : QUIRE_IO_MAX;
        struct quire_page *pages[QUIRE_IO_MAX];
        void *window[QUIRE_IO_MAX];
        enum quire_status st;
        uint64_t asked;
        unsigned n;

        must_hold(sys);
        n = *count = begin_coming(o, index, quire_min(*count, most), pages, window);
        if (!n)
                return QUIRE_NO_MEMORY;
        asked = sys->asks;
        pages[0]->slot.bytes = WANTED;
        quire_record_note(o, index, n);
        o->refs += n + 1;
        be_late(sys, pages, n);
        quire_unlock(sys);
        st = o->pager->fill(o->context, index << sys->shift, (uint64_t)n << sys->shift, access,
                            window);
        quire_lock(sys);
        if (st == QUIRE_BUSY && (o->dead || !o->grants))
                st = QUIRE_IO_ERROR;                 /* nobody will supply them */
        if (st != QUIRE_OK && st != QUIRE_BUSY && st != QUIRE_BROKEN)
                st = QUIRE_IO_ERROR;
        if (st == QUIRE_IO_ERROR)
                sys->counters.io_errors++;
        for (unsigned i = 0; i < n; i++) {
                struct quire_page *p = quire_radix_find(&o->pages, index + i);

                if (!p || p->queue != QUIRE_Q_LATE || p->slot.number != asked)
                        continue;                    /* supplied meanwhile */
                p->slot.file = 0;
                if (st == QUIRE_BUSY)
                        continue;
                p->slot.bytes = 0;                   /* who wants it sees the answer */
                end_late(p, st == QUIRE_IO_ERROR && n > 1 ? QUIRE_NOT_PRESENT : st);
                if (st == QUIRE_OK && i)
                        p->flags |= QUIRE_PAGE_IS_AHEAD;
        }
        quire_object_drop(o);
        return st == QUIRE_BROKEN ? QUIRE_OK : st;         /* the pages say so themselves */
}

/* Frames for pages that may be wanted soon; gives up rather than wait. */
static unsigned begin_ahead(struct quire_object *o, uint64_t index, unsigned count,
                            struct quire_page **pages, void **window, enum quire_ahead how)
{
        unsigned n = begin_coming(o, index, count, pages, window);

        if (n || how == QUIRE_AHEAD_FREE || quire_page_has(quire_radix_find(&o->pages, index)) ||
            quire_reclaim(o->system) != QUIRE_OK)
                return n;
        return begin_coming(o, index, count, pages, window);
}

static void lend(struct quire_object *o, struct quire_page **pages, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                pages[i]->slot.bytes = LENT;
        o->system->lent += n;
        o->refs += n;
        be_late(o->system, pages, n);
}

/* Have the pager read so many pages from the index on, as far as frames can be had and
 * nobody has them (drops and retakes the lock); returns where that ends. */
uint64_t quire_pager_ask_ahead(struct quire_object *o, uint64_t index, uint64_t count,
                               enum quire_ahead how)
{
        struct quire_system *sys = o->system;
        unsigned most = o->pager->most ? quire_min(o->pager->most, QUIRE_IO_MAX) : QUIRE_IO_MAX;
        struct quire_page *pages[QUIRE_IO_MAX];
        void *window[QUIRE_IO_MAX];
        uint64_t end = index + quire_min(count, o->count - index);

        must_hold(sys);
        must(sys, o->pager->ahead && index <= o->count);
        o->refs++;
        while (index < end && !o->dead && !sys->freezing) {
                unsigned want = (unsigned)quire_min(end - index, most);
                unsigned n = begin_ahead(o, index, want, pages, window, how);
                uint64_t at = index << sys->shift, bytes = (uint64_t)n << sys->shift;

                if (!n && !quire_page_has(quire_radix_find(&o->pages, index)))
                        break;
                index += n ? n : 1;
                if (!n)
                        continue;
                quire_record_note(o, index - n, n);
                lend(o, pages, n);
                quire_unlock(sys);
                if (o->pager->ahead(o->context, o, at, bytes, window) != QUIRE_BUSY) {
                        quire_pager_filled(o, at, bytes, QUIRE_IO_ERROR);
                        index -= n;
                        end = index;
                }
                quire_lock(sys);
        }
        quire_object_drop(o);
        return index;
}

void quire_pager_filled(struct quire_object *o, uint64_t offset, uint64_t bytes,
                        enum quire_status st)
{
        struct quire_system *sys = o->system;
        uint64_t first = offset >> sys->shift, count = bytes >> sys->shift;

        quire_enter(sys);
        o->refs++;
        for (uint64_t i = 0; i < count; i++) {
                struct quire_page *p = quire_radix_find(&o->pages, first + i);

                must(sys, p && p->queue == QUIRE_Q_LATE && p->slot.bytes == LENT);
                sys->lent--;
                end_late(p, st == QUIRE_OK ? QUIRE_OK : QUIRE_NOT_PRESENT);
                if (st == QUIRE_OK)
                        p->flags |= QUIRE_PAGE_IS_AHEAD;
        }
        quire_object_drop(o);
        quire_leave(sys);
}

/* -------------------------------------------------------------------- supplying */

/* The range as pages of the object; INVALID.  *count 0: an empty range is none. */
static enum quire_status range_of(const struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                  uint64_t *first, uint64_t *count)
{
        unsigned shift = g->system->shift;

        if (!bytes || (offset | bytes) & (((uint64_t)1 << shift) - 1))
                return QUIRE_INVALID;
        *first = offset >> shift;
        *count = bytes >> shift;
        return *first >= g->object->count || *count > g->object->count - *first ? QUIRE_INVALID
                                                                                : QUIRE_OK;
}

/* One page of what is supplied; false: not needed, or there is no frame for it. */
static bool take_one(struct quire_object *o, uint64_t index, const void *contents)
{
        struct quire_system *sys = o->system;
        struct quire_page *p = quire_radix_find(&o->pages, index), *fresh;
        void *window;

        must_hold(sys);
        must(sys, o->pager && index < o->count);
        if (quire_page_has(p) && (p->queue != QUIRE_Q_LATE || p->slot.bytes == LENT))
                return false;
        if (!quire_page_has(p)) {
                if (!begin_coming(o, index, 1, &fresh, &window))
                        return false;
                memcpy(window, contents, (size_t)1 << sys->shift);
                end_coming(fresh, QUIRE_OK, true);
                return true;
        }
        memcpy(sys->mops->frame_window(sys->machine, p->frame), contents,
               (size_t)1 << sys->shift);
        end_late(p, QUIRE_OK);
        return true;
}

enum quire_status quire_pager_supply(struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                     const void *contents, uint64_t *taken)
{
        uint64_t first, count, n = 0;
        enum quire_status st;

        if (!g || !contents || !g->object->pager)
                return QUIRE_INVALID;
        st = range_of(g, offset, bytes, &first, &count);
        if (st != QUIRE_OK)
                return st;
        quire_enter(g->system);
        for (uint64_t i = 0; i < count; i++)
                n += take_one(g->object, first + i,
                              (const uint8_t *)contents + (i << g->system->shift));
        quire_leave(g->system);
        if (taken)
                *taken = n << g->system->shift;
        return QUIRE_OK;
}

/* A record for every page of the range.  False: no memory, and there are no more. */
static bool plan_break(struct quire_object *o, uint64_t first, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++) {
                if (quire_object_page(o, first + i))
                        continue;
                while (i--) {
                        struct quire_page *p = quire_radix_find(&o->pages, first + i);

                        if (!quire_page_has(p) && !p->flags)
                                quire_page_free(p);
                }
                return false;
        }
        return true;
}

/* Whoever waits for the page is told; if nobody has it, it is broken from now on.
 * => it has a record, if it is to be broken */
static void fail_page(struct quire_page *p, enum quire_status why)
{
        if (p && p->queue == QUIRE_Q_LATE) {
                if (p->slot.bytes != LENT)
                        end_late(p, why);
        } else if (why == QUIRE_BROKEN && !quire_page_has(p)) {
                p->where = QUIRE_AT_LOST;
                p->object->system->counters.broken++;
        }
}

enum quire_status quire_pager_fail(struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                   enum quire_status why)
{
        uint64_t first, count;
        enum quire_status st;

        if (!g || !g->object->pager || (why != QUIRE_IO_ERROR && why != QUIRE_BROKEN))
                return QUIRE_INVALID;
        st = range_of(g, offset, bytes, &first, &count);
        if (st != QUIRE_OK)
                return st;
        quire_enter(g->system);
        if (why == QUIRE_BROKEN && !plan_break(g->object, first, count))
                st = QUIRE_NO_MEMORY;
        for (uint64_t i = 0; st == QUIRE_OK && i < count; i++)
                fail_page(quire_radix_find(&g->object->pages, first + i), why);
        quire_leave(g->system);
        return st;
}

/* Late pages of one object, save those that its pager is just filling, or of all; who
 * waits for them is told.  (Those that are lent will be filled.) */
static void fail_late(struct quire_system *sys, const struct quire_object *o)
{
        struct quire_page *p = sys->queue[QUIRE_Q_LATE].first, *after;

        for (; p; p = after) {
                after = p->next;
                if (p->slot.bytes != LENT && (!o || (p->object == o && !p->slot.file)))
                        end_late(p, QUIRE_IO_ERROR);
        }
}

/* Nobody has a grant to supply with any more. */
void quire_pager_abandoned(struct quire_object *o)
{
        must(o->system, !o->grants);
        if (o->pager)
                fail_late(o->system, o);
}

void quire_pager_died(struct quire_grant *g)
{
        quire_enter(g->system);
        if (g->object->pager) {
                g->object->dead = true;
                fail_late(g->system, g->object);
        }
        quire_leave(g->system);
}

/* What pagers are asked for is supplied to the process that asked. */
void quire_pagers_forked(struct quire_system *sys)
{
        must(sys, !sys->lent);
        fail_late(sys, NULL);
}

/* ------------------------------------------------------------------ writing back */

/* A page's contents are in a frame; waits and reclaims (drops and retakes the lock), so
 * the page is looked up again.  Null: they can not be had. */
static struct quire_page *bring(struct quire_object *o, uint64_t index)
{
        for (;;) {
                struct quire_page *p = quire_object_own(o, index);

                if (!p || p->where == QUIRE_AT_FRAME)
                        return p;
                if (quire_page_bring(p) != QUIRE_OK)
                        return NULL;
        }
}

/* Who holds pages of an object that is flushed: he goes on, or they go. */
enum holders { HOLDERS_STAY, HOLDERS_GO };

/* The contents of a page in a frame, which nobody changes unseen, unless he writes all the
 * while.  Null: it is held, and can only be read where it is shown. */
static const void *still_contents(struct quire_page *p, enum holders holders)
{
        struct quire_system *sys = p->object->system;
        const void *contents;

        must(sys, p->where == QUIRE_AT_FRAME && p->flags & QUIRE_PAGE_IS_OWED);    /* P7 */
        p->writes = p->writes && holders == HOLDERS_STAY;
        if (!p->writes)
                quire_page_narrow(sys, &p, 1);
        contents = sys->mops->frame_window(sys->machine, p->frame);
        if (contents || (p->holds && holders == HOLDERS_STAY))
                return contents;
        quire_page_hide_for_good(sys, &p, 1);
        return sys->mops->frame_window(sys->machine, p->frame);
}

/* Copy a page that is owed to a buffer.  BUSY: no buffer just now; LIMIT: it is held, and can
 * only be read where it is shown. */
static enum quire_status write_page(struct quire_object *o, uint64_t index, enum holders holders)
{
        struct quire_system *sys = o->system;
        struct quire_page *p = bring(o, index);
        const void *contents;

        if (!p)                                      /* or it went home meanwhile */
                return quire_object_own(o, index) ? QUIRE_IO_ERROR : QUIRE_OK;
        if (!(p->flags & QUIRE_PAGE_IS_OWED) || p->slot.kind == QUIRE_SLOT_HOME)
                return QUIRE_OK;                     /* meanwhile */
        must(sys, p->where == QUIRE_AT_FRAME && p->object == o);
        contents = still_contents(p, holders);
        if (!contents)
                return QUIRE_LIMIT;
        must(sys, p->writes || !(p->shown & QUIRE_W));
        if (!(p->flags & QUIRE_PAGE_IS_DIRTY))
                quire_store_free(sys, p);            /* a slot's copy: the frame is enough */
        p->flags |= QUIRE_PAGE_IS_DIRTY;
        if (!quire_store_put_home(sys, p, contents))
                return QUIRE_BUSY;
        if (p->writes)
                quire_store_free(sys, p);            /* as it was now; it is owed again at once */
        else
                p->flags &= (uint8_t)~QUIRE_PAGE_IS_DIRTY;
        return QUIRE_OK;
}

/* The next page in [first, end) that is owed; false: none. */
static bool next_owed(const struct quire_object *o, uint64_t first, uint64_t end, uint64_t *index)
{
        struct quire_page *p = quire_radix_next(&o->pages, first);

        while (p && p->index < end && !(p->flags & QUIRE_PAGE_IS_OWED))
                p = quire_radix_next(&o->pages, p->index + 1);
        if (p)
                *index = p->index;
        return p && p->index < end;
}

/* Until something may have become of a buffer (drops and retakes the lock).  False: all
 * are stuck with what finds no room in the pagefiles. */
static bool wait_for_buffer(struct quire_system *sys)
{
        uint64_t settled = sys->settled;

        if (sys->freezing) {
                quire_wait_settled(sys);
                return true;
        }
        quire_store_flush(sys);
        if (quire_store_settle(sys, true) || sys->settled != settled)
                return true;                         /* (a pager has taken its own at once) */
        if (!sys->going)
                return false;
        quire_wait_settled(sys);
        return true;
}

/* Write what is owed in the range, and wait for it.  BUSY: all but what is held.
 * => the caller holds the object */
static enum quire_status flush(struct quire_object *o, uint64_t first, uint64_t end,
                               enum holders holders)
{
        struct quire_system *sys = o->system;
        uint64_t failures = o->failures, at = first, emptied = UINT64_MAX;
        enum quire_status st = QUIRE_OK;
        bool held = false;

        must_hold(sys);
        must(sys, o->pager && o->pager->write && o->refs > 0);
        while (next_owed(o, at, end, &at)) {
                enum quire_status did = write_page(o, at, holders);

                if (did == QUIRE_BUSY && wait_for_buffer(sys))
                        continue;
                if (did == QUIRE_BUSY && emptied != at && quire_stuck_empty(sys)) {
                        emptied = at;                /* once: others may fill it again */
                        continue;
                }
                if (did == QUIRE_LIMIT)
                        held = true;
                else if (did != QUIRE_OK)
                        st = QUIRE_IO_ERROR;
                at++;
        }
        while (quire_store_owes(sys, o)) {
                quire_store_flush(sys);
                if (!quire_store_settle(sys, true))
                        quire_wait_settled(sys);
        }
        if (o->failures != failures || st != QUIRE_OK)
                return QUIRE_IO_ERROR;
        return held ? QUIRE_BUSY : QUIRE_OK;
}

/* What was written is to last (drops and retakes the lock).  => the caller has a grant */
static enum quire_status make_durable(struct quire_object *o)
{
        struct quire_system *sys = o->system;
        enum quire_status st;

        if (!o->pager->sync || o->dead)
                return QUIRE_OK;
        quire_unlock(sys);
        st = o->pager->sync(o->context);
        quire_lock(sys);
        if (st != QUIRE_OK)
                sys->counters.io_errors++;
        return st == QUIRE_OK ? QUIRE_OK : QUIRE_IO_ERROR;
}

enum quire_status quire_object_flush(struct quire_grant *g, uint64_t offset, uint64_t bytes)
{
        uint64_t first, count;
        enum quire_status st;

        if (!g || !g->object->pager || !g->object->pager->write)
                return QUIRE_INVALID;
        st = range_of(g, offset, bytes, &first, &count);
        if (st != QUIRE_OK)
                return st;
        quire_enter(g->system);
        if (!quire_grant_valid(g))
                st = QUIRE_NOT_PRESENT;
        else if (!(g->rights & QUIRE_W))
                st = QUIRE_DENIED;
        else
                st = flush(g->object, first, first + count, HOLDERS_STAY);
        if (st == QUIRE_OK)
                st = make_durable(g->object);
        quire_leave(g->system);
        return st;
}

/* Regions, grants and children that may still see its pages. */
static uint64_t users_of(const struct quire_object *o)
{
        uint64_t users = o->regions + o->grants;

        for (const struct quire_object *c = o->child; c; c = c->sibling)
                users++;
        return users;
}

/* True: something was written. */
static bool flush_whole(struct quire_object *o)
{
        struct quire_system *sys = o->system;
        uint64_t index;

        if (!o->pager || !o->pager->write ||
            !(next_owed(o, 0, UINT64_MAX, &index) || quire_store_owes(sys, o)))
                return false;
        if (flush(o, 0, UINT64_MAX, HOLDERS_GO) == QUIRE_OK)
                return true;
        sys->counters.broken++;
        quire_note(sys, QUIRE_EV_BROKEN, 0, 1, o->number);
        quire_say(sys, "an object goes whose modified pages its pager did not take: "
                       "they are lost (flush it first, and see the answer)");
        return false;
}

/* The last region or grant is about to go, and with it perhaps those that the object
 * inherits from: what is owed is written (drops and retakes the lock).  What can not
 * be is lost with the object, and that is said.  True: look at everything again. */
bool quire_object_flush_last(struct quire_object *o)
{
        bool again = false;

        must_hold(o->system);
        o->refs++;
        while (o) {
                struct quire_object *parent = NULL;

                if (users_of(o) <= 1) {
                        again |= flush_whole(o);
                        parent = o->parent;
                }
                if (parent)
                        parent->refs++;
                quire_object_drop(o);
                o = parent;
        }
        return again;
}

/* ---------------------------------------------------------------- what changed */

/* Collect runs of pages of the range that have the flag. */
static uint64_t collect_runs(struct quire_object *o, uint64_t first, uint64_t end, uint8_t flag,
                             struct quire_range *out, uint64_t limit)
{
        struct quire_page *p = quire_radix_next(&o->pages, first);
        uint64_t n = 0;

        must_hold(o->system);
        must(o->system, limit > 0 && first < end);
        for (; p && p->index < end; p = quire_radix_next(&o->pages, p->index + 1)) {
                if (!(p->flags & flag))
                        continue;
                if (n && out[n - 1].first + out[n - 1].pages == p->index) {
                        out[n - 1].pages++;
                        continue;
                }
                if (n == limit)
                        break;
                out[n++] = (struct quire_range){ p->index, 1 };
        }
        return n;
}

/* A new epoch for the pages of a run; those that are held to be written are written in
 * it from the beginning. */
static void reset_run(struct quire_object *o, const struct quire_range *run)
{
        struct quire_page *batch[QUIRE_RUN_MAX], *p;
        uint64_t at = run->first, end = run->first + run->pages;

        must(o->system, o->flags & QUIRE_EPOCHS && run->pages > 0);
        while (at < end) {
                unsigned n = 0;

                while (n < QUIRE_RUN_MAX && (p = quire_radix_next(&o->pages, at)) &&
                       p->index < end) {
                        at = p->index + 1;
                        if (!p->writes)
                                batch[n++] = p;
                }
                quire_page_narrow(o->system, batch, n);
                for (unsigned i = 0; i < n; i++) {
                        batch[i]->flags &= (uint8_t)~QUIRE_PAGE_IS_WRITTEN;
                        if (batch[i]->where == QUIRE_AT_NONE && !batch[i]->flags)
                                quire_page_free(batch[i]);
                }
        }
}

static enum quire_status list_changes(struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                      uint8_t flag, bool reset, struct quire_range *out,
                                      uint64_t *count)
{
        uint64_t first, pages;
        enum quire_status st = range_of(g, offset, bytes, &first, &pages);

        if (st != QUIRE_OK)
                return st;
        quire_enter(g->system);
        *count = collect_runs(g->object, first, first + pages, flag, out, *count);
        for (uint64_t i = 0; i < *count; i++) {
                if (reset)
                        reset_run(g->object, &out[i]);
                out[i].first <<= g->system->shift;
        }
        quire_leave(g->system);
        return QUIRE_OK;
}

enum quire_status quire_object_dirty(struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                     struct quire_range *out, uint64_t *count)
{
        if (!g || !out || !count || !*count || !g->object->pager)
                return QUIRE_INVALID;
        return list_changes(g, offset, bytes, QUIRE_PAGE_IS_OWED, false, out, count);
}

enum quire_status quire_object_written(struct quire_grant *g, uint64_t offset, uint64_t bytes,
                                       bool reset, struct quire_range *out, uint64_t *count)
{
        if (!g || !out || !count || !*count || !(g->object->flags & QUIRE_EPOCHS))
                return QUIRE_INVALID;
        return list_changes(g, offset, bytes, QUIRE_PAGE_IS_WRITTEN, reset, out, count);
}
