/*
 * reclaim.c - making frames free: asking the policy for victims, in batches,
 * and putting their contents away.
 *
 * Evicting holds the lock throughout and waits for nothing: contents go to the
 * store (store.c), which copies or compresses them.  What waits, when the store
 * has no room just now, is reclaim, with the lock dropped; so whoever calls it
 * looks at everything again afterwards.
 *
 * Threads that wait for a page to arrive are kept here, too.
 *
 * Does not decide: who goes (policies), where to (store.c).
 *
 * Q1  a queue's count is the number of its pages, each naming that queue.
 * Q2  a queue's .look is null, or one of its pages.
 *
 * Lock: the system's.
 */
#include "core.h"

#define BATCH 32u

void quire_queue_push(struct quire_system *sys, struct quire_page *p, enum quire_queue_id id)
{
        struct quire_queue *q = &sys->queue[id];

        must_hold(sys);
        must(sys, id != QUIRE_Q_NONE && id < QUIRE_QUEUES);
        must(sys, p->queue == QUIRE_Q_NONE && !p->next && !p->prev);
        p->queue = (uint8_t)id;
        p->next = NULL;
        p->prev = q->last;
        if (q->last)
                q->last->next = p;
        else
                q->first = p;
        q->last = p;
        q->count++;
}

void quire_queue_remove(struct quire_system *sys, struct quire_page *p)
{
        struct quire_queue *q = &sys->queue[p->queue];

        must_hold(sys);
        must(sys, p->queue != QUIRE_Q_NONE && q->count > 0);
        must(sys, (p->prev || q->first == p) && (p->next || q->last == p));
        if (p->prev)
                p->prev->next = p->next;
        else
                q->first = p->next;
        if (p->next)
                p->next->prev = p->prev;
        else
                q->last = p->prev;
        if (q->look == p)
                q->look = p->next;
        q->count--;
        p->next = p->prev = NULL;
        p->queue = QUIRE_Q_NONE;
}

static bool was_referenced(struct quire_system *sys, struct quire_space *s, uint64_t va)
{
        uint8_t bits = 0;

        return sys->mops->harvest(s->mspace, va << sys->shift, 1, &bits) == QUIRE_OK &&
               bits & QUIRE_REFERENCED;
}

/* Did the processor note a use since the last time, wherever the page is shown? */
bool quire_policy_used(struct quire_system *sys, struct quire_page *p)
{
        bool used = false;

        if (!sys->can->notes_referenced || !sys->mops->harvest)
                return false;
        if (p->shown)
                used = was_referenced(sys, p->object->home, quire_page_va(p));
        for (const struct quire_sight *s = p->sights; s; s = s->next)
                used |= was_referenced(sys, s->space, s->va);
        return used;
}

const char *const quire_policy_names[] = { "2q", "clock", "lru", NULL };

static bool same_name(const char *a, const char *b)
{
        while (*a && *a == *b)
                a++, b++;
        return *a == *b;
}

const struct quire_policy *quire_policy_named(const char *name)
{
        static const struct quire_policy *const all[] = { &quire_policy_2q, &quire_policy_clock,
                                                          &quire_policy_lru };

        for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                if (!name || same_name(name, all[i]->name))
                        return all[i];
        return NULL;
}

/* Contents are where .slot says; the frame is free. */
static void leave_frame(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_seen(p));
        must(sys, p->slot.kind == QUIRE_SLOT_TIER || p->queue == QUIRE_Q_NONE);
        quire_frame_put(sys, p->frame);
        quire_count_resident(p, -1);
        p->frame = QUIRE_NO_FRAME;
        p->evicted = (uint32_t)++sys->eviction_clock;
        p->flags &= QUIRE_PAGE_IS_WRITTEN | QUIRE_PAGE_IS_DENSE | QUIRE_PAGE_IS_OWED;
        p->where = p->slot.kind == QUIRE_SLOT_NONE ? QUIRE_AT_NONE : QUIRE_AT_SLOT;
        sys->counters.evicted++;
        quire_note(sys, QUIRE_EV_EVICT, quire_page_va(p), 1, p->slot.kind);
        if (p->where == QUIRE_AT_NONE && !(p->flags & QUIRE_PAGE_IS_WRITTEN))
                quire_page_free(p);
}

/* => FRAME, hidden, in no queue */
static bool put_away(struct quire_system *sys, struct quire_page *p)
{
        must(sys, !quire_page_wanted(p));
        if (!(p->flags & QUIRE_PAGE_IS_DIRTY)) {
                sys->counters.clean_evicted++;
                if (p->slot.kind == QUIRE_SLOT_FILE && p->flags & QUIRE_PAGE_IS_BACK)
                        quire_store_copy(sys, p, sys->mops->frame_window(sys->machine, p->frame));
        } else if (!quire_store_put(sys, p, sys->mops->frame_window(sys->machine, p->frame))) {
                return false;
        }
        leave_frame(sys, p);
        return true;
}

/* May the page's contents be dropped where it is shown?  Its slot, or its pager, has them. */
static bool is_copy(const struct quire_page *p)
{
        return p->shown && !(p->flags & QUIRE_PAGE_IS_DIRTY);
}

/* A clean page that is shown need not be taken: its contents are in its slot.
 * They are gone from the frame then, so that no copy can be kept in the tier.
 * Neighbours go in one call.  => sorted */
static void drop_clean(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        for (unsigned i = 0, n; i < count; i += n) {
                struct quire_page *p = pages[i];

                n = 1;
                if (!is_copy(p))
                        continue;
                while (i + n < count && is_copy(pages[i + n]) &&
                       pages[i + n]->object == p->object && pages[i + n]->index == p->index + n)
                        n++;
                sys->mops->drop(p->object->home->mspace, quire_page_va(p) << sys->shift, n);
                for (unsigned k = i; k < i + n; k++) {
                        pages[k]->shown = 0;
                        pages[k]->flags &= (uint8_t)~QUIRE_PAGE_IS_BACK;
                }
        }
}

/* => FRAME, in no queue, not wanted.  Those that could not go are stuck. */
static unsigned evict(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        unsigned gone = 0;

        must_hold(sys);
        for (unsigned i = 0; i < count; i++)
                must(sys, pages[i]->where == QUIRE_AT_FRAME && pages[i]->queue == QUIRE_Q_NONE);
        quire_page_sort(pages, count);
        drop_clean(sys, pages, count);
        quire_page_hide_all(sys, pages, count);
        for (unsigned i = 0; i < count; i++) {
                if (!pages[i]->shown && put_away(sys, pages[i]))
                        gone++;
                else
                        quire_queue_push(sys, pages[i], QUIRE_Q_STUCK);
        }
        return gone;
}

/* The policy has them again. */
static void unstick(struct quire_system *sys)
{
        struct quire_page *p;

        must_hold(sys);
        while ((p = sys->queue[QUIRE_Q_STUCK].first)) {
                quire_queue_remove(sys, p);
                sys->policy->insert(sys, p);
        }
}

/* As evict(), and those that could not go are back in a queue of the policy's. */
unsigned quire_evict(struct quire_system *sys, struct quire_page **pages, unsigned count)
{
        unsigned gone = evict(sys, pages, count);

        unstick(sys);
        return gone;
}

/* Others have pages in transit that may free something when they arrive, or a
 * transfer that they are just handing to the host or taking from it, or took in
 * one of ours while the lock was dropped; or a freeze lets nothing begin. */
static enum quire_status wait_for_others(struct quire_system *sys, uint64_t settled)
{
        if (sys->settled != settled)
                return QUIRE_OK;
        if (!sys->transit && !sys->going && !sys->freezing)
                return QUIRE_NO_MEMORY;
        quire_wait_settled(sys);
        return QUIRE_OK;
}

/* How many frames are made free at once. */
static unsigned batch_of(const struct quire_system *sys)
{
        return (unsigned)quire_max(1, quire_min(BATCH, sys->budget / 16));
}

enum quire_status quire_reclaim(struct quire_system *sys)
{
        struct quire_page *victims[BATCH];
        unsigned want = batch_of(sys);
        uint64_t settled = sys->settled;
        bool tried = false, spilled = false, moved = false;
        unsigned n, gone;

        must_hold(sys);
        must(sys, want <= BATCH);
        if (sys->freezing == QUIRE_FREEZE_ALL) {
                quire_hold_back(sys);
                return QUIRE_OK;
        }
        quire_tier_tune(sys);
        do {                     /* where the store has no room, some may need none */
                n = sys->policy->victims(sys, victims, want);
                must(sys, n <= want);
                gone = evict(sys, victims, n);
                tried |= n > 0;
        } while (!gone && n && !sys->going);
        unstick(sys);
        if (sys->going > sys->buffer_count / 2 || !gone)
                moved = quire_store_settle(sys, false);
        else
                quire_store_push(sys);
        if (gone || moved || sys->settled != settled)
                return QUIRE_OK;
        if (!tried)                            /* nothing but the tier is left to shrink */
                spilled = quire_store_spill(sys, BATCH);
        quire_store_flush(sys);                /* buffers of a few pages are in others' way */
        if ((tried || sys->going) && quire_store_settle(sys, true))
                return QUIRE_OK;
        if (spilled || quire_tier_compact(sys) || wait_for_others(sys, settled) == QUIRE_OK)
                return QUIRE_OK;
        return quire_spares_find(sys) || quire_pager_offer(sys) ? QUIRE_OK : QUIRE_NO_MEMORY;
}

/* The same, until so many frames can be had at once: one page may need another's
 * contents, and must not go and come for ever in the one frame there is. */
enum quire_status quire_reclaim_frames(struct quire_system *sys, uint64_t frames)
{
        enum quire_status st;

        must(sys, frames > 0 && frames <= 2);
        do
                st = quire_reclaim(sys);
        while (st == QUIRE_OK && sys->taken + sys->headroom + frames > sys->budget);
        return st;
}

/* So many frames are being filled: unless there are as many for those who come next, make
 * some free, and not fewer than else, since what leaves together comes back together.
 * Nothing is waited for. */
static void free_ahead(struct quire_system *sys, unsigned frames)
{
        struct quire_page *victims[BATCH];
        unsigned n;

        must_hold(sys);
        if (sys->freezing || sys->taken + sys->headroom + frames < sys->budget)
                return;
        n = sys->policy->victims(sys, victims, batch_of(sys));
        (void)quire_evict(sys, victims, n);
        if (sys->going > sys->buffer_count / 2)
                (void)quire_store_settle(sys, false);
        else
                quire_store_push(sys);
}

void quire_reclaim_ahead(const struct quire_io *io)
{
        struct quire_system *sys = io->context;

        quire_lock(sys);
        must(sys, io->count && sys->transit >= io->count);
        free_ahead(sys, io->count);
        quire_unlock(sys);
}

/* BUSY for a moment: let pages in transit arrive. */
void quire_wait_settled(struct quire_system *sys)
{
        quire_unlock(sys);
        sys->hops->pause(sys->host);
        quire_lock(sys);
}

/* ------------------------------------------------------- threads that wait for a page */

static bool add_waiter(struct quire_system *sys, struct quire_page *p, uint64_t ticket,
                       uint64_t turn)
{
        must_hold(sys);
        must(sys, !ticket != !turn && p->where == QUIRE_AT_COMING);
        for (unsigned i = 0; i < QUIRE_WAITERS; i++) {
                if (sys->waiters[i].page)
                        continue;
                sys->waiters[i] = (struct quire_waiter){ ticket, turn, p };
                sys->waiting++;
                if (p->queue == QUIRE_Q_LATE && p->slot.bytes == 1 && !p->slot.file)
                        p->slot.bytes = 0;           /* whoever asked for it is among these */
                return true;
        }
        return false;
}

/* False: too many wait already; the access simply runs again. */
bool quire_wait_for(struct quire_system *sys, struct quire_page *p, uint64_t ticket)
{
        return add_waiter(sys, p, ticket, 0);
}

/* The waiter that has the turn, if the page that it waits for did not end yet. */
static struct quire_waiter *waiter_of(struct quire_system *sys, uint64_t turn)
{
        for (unsigned i = 0; turn && i < QUIRE_WAITERS; i++)
                if (sys->waiters[i].page && sys->waiters[i].turn == turn)
                        return &sys->waiters[i];
        return NULL;
}

/* Whoever can not be resumed waits for a page, and looks again by himself; but when it
 * fails he is one of those who are told.  Returns his turn: the one he has, if it is of
 * this page, else a new one; 0: too many wait already. */
uint64_t quire_wait_along(struct quire_system *sys, struct quire_page *p, uint64_t turn)
{
        const struct quire_waiter *has = waiter_of(sys, turn);

        must(sys, p->queue == QUIRE_Q_LATE);         /* what else comes needs nobody */
        if (has && has->page == p)
                return turn;
        quire_wait_no_more(sys, turn);
        return add_waiter(sys, p, 0, ++sys->turns) ? sys->turns : 0;
}

void quire_wait_no_more(struct quire_system *sys, uint64_t turn)
{
        struct quire_waiter *has = waiter_of(sys, turn);

        must_hold(sys);
        if (!has)
                return;
        must(sys, sys->waiting > 0 && !has->ticket);
        has->page = NULL;
        sys->waiting--;
}

unsigned quire_wake(struct quire_system *sys, struct quire_page *p)
{
        unsigned woken = 0;

        must(sys, p->where != QUIRE_AT_COMING);
        for (unsigned i = 0; sys->waiting && i < QUIRE_WAITERS; i++) {
                if (sys->waiters[i].page != p)
                        continue;
                sys->waiters[i].page = NULL;
                sys->waiting--;
                woken++;
                if (sys->waiters[i].ticket)
                        sys->mops->resume(sys->machine, sys->waiters[i].ticket, QUIRE_RESUME);
        }
        return woken;
}
