/*
 * policy_clock.c - CLOCK: a ring of pages, and a hand that gives each page that
 * was used since it last passed another round.
 *
 * Use is what the processor noted (harvest); on a machine that notes nothing
 * only faults count, and this is close to first in, first out: prefer 2Q there.
 *
 * The ring is the queue HOT: its head is where the hand stands.
 *
 * Lock: the system's.
 */
#include "core.h"

static void insert_page(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
        quire_queue_push(sys, p, QUIRE_Q_HOT);
        p->refs = 0;
}

static void touch_page(struct quire_system *sys, struct quire_page *p)
{
        must(sys, p->where == QUIRE_AT_FRAME && !quire_page_wanted(p));
        if (p->queue == QUIRE_Q_NONE)
                quire_queue_push(sys, p, QUIRE_Q_HOT);
        p->refs = 1;
}

static unsigned pick_victims(struct quire_system *sys, struct quire_page **out, unsigned want)
{
        struct quire_queue *ring = &sys->queue[QUIRE_Q_HOT];
        uint64_t steps = ring->count * 2;
        unsigned n = 0;

        for (; n < want && ring->first && steps; steps--) {
                struct quire_page *p = ring->first;
                bool used = quire_policy_used(sys, p) || p->refs;

                quire_queue_remove(sys, p);
                p->refs = 0;
                if (used)
                        quire_queue_push(sys, p, QUIRE_Q_HOT);
                else
                        out[n++] = p;
        }
        return n;
}

const struct quire_policy quire_policy_clock = { "clock", insert_page, touch_page, pick_victims };
