/*
 * policy_2q.c - replacement where only faults are seen: a 2Q with a cooling
 * segment and a ghost list.
 *
 *      first touch -> IN --------+                +--> evicted (ghost: its time)
 *                                v                |
 *      ghost hit  ->  HOT ---> COOL (hidden) -----+
 *                      ^          |
 *                      +----------+  faulted on: it is in use
 *
 * Pages enter IN.  To learn what is in use, the oldest pages of IN and HOT are
 * hidden while they keep their frames (COOL, a tenth of the budget); a page
 * that is faulted on there goes to HOT, the others leave.  A page that comes
 * back soon after it was evicted, within as many evictions as three quarters of
 * the budget have frames, was evicted too early and goes to HOT.  A scan passes
 * through IN and COOL and leaves HOT as it was.
 *
 * IN is small, so that HOT gets the frames.  But some that cool are HOT's whatever
 * IN has: what nobody uses any more must not stay for ever, while a loop that is
 * longer than the ghosts' memory goes round through what is left.
 *
 * Lock: the system's.
 */
#include "core.h"

#define COOL_BATCH 64u
#define IN_PART 20u              /* of the frames that IN keeps */
#define HOT_TURN 32u             /* one in so many that cool is HOT's */

static bool was_here_lately(const struct quire_system *sys, const struct quire_page *p)
{
        uint32_t ago = (uint32_t)sys->eviction_clock - p->evicted;

        return p->evicted && ago < sys->budget / 4 * 3;
}

static void insert_page(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
        quire_queue_push(sys, p, was_here_lately(sys, p) ? QUIRE_Q_HOT : QUIRE_Q_IN);
        p->evicted = 0;
}

static void touch_page(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
        if (p->queue == QUIRE_Q_COOL) {
                quire_queue_remove(sys, p);
                quire_queue_push(sys, p, QUIRE_Q_HOT);
        } else if (p->queue == QUIRE_Q_NONE) {
                quire_queue_push(sys, p, QUIRE_Q_HOT);
        }
}

static struct quire_page *oldest(struct quire_system *sys)
{
        struct quire_queue *in = &sys->queue[QUIRE_Q_IN], *hot = &sys->queue[QUIRE_Q_HOT];

        if (hot->count && (in->count * IN_PART <= sys->frames || ++sys->cooled % HOT_TURN == 0))
                return hot->first;
        return in->first;
}

/* Hide a batch of the oldest pages; false: nothing is left to cool. */
static bool cool_some(struct quire_system *sys, uint64_t want)
{
        struct quire_page *batch[COOL_BATCH], *order[COOL_BATCH], *p;
        unsigned n = 0, cooled = 0;

        while (n < want && n < COOL_BATCH && (p = oldest(sys))) {
                must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
                quire_queue_remove(sys, p);
                order[n] = p;
                batch[n++] = p;
        }
        quire_page_hide_all(sys, batch, n);
        for (unsigned i = 0; i < n; i++) {
                bool seen = quire_page_seen(order[i]);

                quire_queue_push(sys, order[i], seen ? QUIRE_Q_HOT : QUIRE_Q_COOL);
                cooled += !seen;
        }
        return cooled;
}

static unsigned pick_victims(struct quire_system *sys, struct quire_page **out, unsigned want)
{
        struct quire_queue *cool = &sys->queue[QUIRE_Q_COOL];
        uint64_t target = sys->frames / 10 + want;
        unsigned n = 0;

        while (cool->count < target && cool_some(sys, target - cool->count))
                ;
        for (; n < want && cool->first; n++) {
                out[n] = cool->first;
                must(sys, !out[n]->shown && !quire_page_wanted(out[n]));
                quire_queue_remove(sys, out[n]);
        }
        return n;
}

const struct quire_policy quire_policy_2q = { "2q", insert_page, touch_page, pick_victims };
