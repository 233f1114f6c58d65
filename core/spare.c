/*
 * spare.c - slots that can be spared: what is in a frame, or in the tier, and has not
 * changed since, keeps its slot in a pagefile, which saves a write when it leaves.  When
 * the pagefiles are full, somebody else needs the slot more.
 *
 * Nothing lists such slots: they are looked for in the queues, a few pages at a time and on
 * from where the last look ended.  Clean pages in a policy's queue could also go as they
 * are; of those that are held, and of those in the tier, nobody but this finds the slot.
 *
 * Does not decide: when slots are short (store.c), and when nothing else helps (reclaim.c).
 *
 * Lock: the system's.
 */
#include "core.h"

#define LOOKED_AT 256u             /* pages of a queue, at a time */

/* A slot that holds what a frame or the tier holds too is given up. */
static bool free_copy(struct quire_system *sys, struct quire_page *p)
{
        struct quire_slot *s = &p->slot;

        must_hold(sys);
        must(sys, !s->copied || s->kind == QUIRE_SLOT_TIER);
        if (s->copied && !s->buffer && !sys->files[s->copy_file].frozen) {
                quire_slot_free(sys, s->copy_file, s->copy_number);
                s->copied = false;
                sys->counters.file_pages--;
                return true;
        }
        if (p->where != QUIRE_AT_FRAME || s->kind != QUIRE_SLOT_FILE ||
            sys->files[s->file].frozen)
                return false;
        must(sys, !s->buffer && !(p->flags & QUIRE_PAGE_IS_DIRTY));            /* P3 */
        quire_store_free(sys, p);
        p->flags |= QUIRE_PAGE_IS_DIRTY;
        return true;
}

/* A few pages on in the queue, a buffer's worth at most.  Its .look is null at the end. */
static unsigned look_on(struct quire_system *sys, struct quire_queue *q)
{
        struct quire_page *p = q->look ? q->look : q->first;
        unsigned freed = 0;

        for (unsigned n = 0; p && n < LOOKED_AT && freed < sys->buffer_pages; n++) {
                freed += free_copy(sys, p);
                p = p->next;
        }
        q->look = p;
        return freed;
}

/* Some slots, for a buffer that wants them: looks at so many pages of each queue, and the
 * next time at the next ones.  False: none among those. */
bool quire_spares_free(struct quire_system *sys)
{
        unsigned freed = 0;

        for (unsigned id = QUIRE_Q_IN; id < QUIRE_QUEUES && freed < sys->buffer_pages; id++)
                freed += look_on(sys, &sys->queue[id]);
        return freed;
}

/* Before somebody is denied: from the first page of each queue to the last, as it is when it
 * is reached, with the lock dropped now and then.  (Others look on meanwhile, and may
 * begin again, so it is not for ever.)  False: there are none. */
bool quire_spares_find(struct quire_system *sys)
{
        unsigned freed = 0;

        must_hold(sys);
        for (unsigned id = QUIRE_Q_IN; id < QUIRE_QUEUES && !freed; id++) {
                struct quire_queue *q = &sys->queue[id];
                uint64_t times = q->count / LOOKED_AT + 1;

                q->look = NULL;
                while (sys->counters.file_pages && !freed && times--) {
                        freed = look_on(sys, q);
                        if (!q->look)
                                break;
                        quire_unlock(sys);
                        quire_lock(sys);
                }
        }
        return freed;
}
