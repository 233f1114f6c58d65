/*
 * policy_lru.c - least recently used, for comparison: exact to the distance
 * between two reclaims, and at the cost of looking at every page at each, so
 * for the simulator only.
 *
 * The queue HOT is in order of use, least recent first.
 *
 * Lock: the system's.
 */
#include "core.h"

static void insert_page(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
        quire_queue_push(sys, p, QUIRE_Q_HOT);
}

static void touch_page(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
        if (p->queue == QUIRE_Q_HOT)
                quire_queue_remove(sys, p);
        if (p->queue == QUIRE_Q_NONE)
                quire_queue_push(sys, p, QUIRE_Q_HOT);
}

static unsigned pick_victims(struct quire_system *sys, struct quire_page **out, unsigned want)
{
        struct quire_queue *q = &sys->queue[QUIRE_Q_HOT];
        struct quire_page *p = q->first, *after;
        unsigned n = 0;

        for (uint64_t left = q->count; left; left--, p = after) {
                after = p->next;
                if (!quire_policy_used(sys, p))
                        continue;
                quire_queue_remove(sys, p);
                quire_queue_push(sys, p, QUIRE_Q_HOT);
        }
        for (; n < want && q->first; n++) {
                out[n] = q->first;
                quire_queue_remove(sys, out[n]);
        }
        return n;
}

const struct quire_policy quire_policy_lru = { "lru", insert_page, touch_page, pick_victims };
