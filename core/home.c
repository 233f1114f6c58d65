/*
 * home.c - write buffers whose pages go home: handing them to their pager, and again
 * what it refused.
 *
 * What a pager refuses and no pagefile has room for is stuck in its buffer (store.c).
 * It is handed over once more before anybody is told that there is no room, since
 * nobody else may ever touch those pages: a full disk is a full disk for a while.  And
 * who flushes other pages gets its buffer, where frames can be had for what is in it.
 *
 * Such a buffer has gaps, where pages were wanted meanwhile.  The pager may have
 * newer contents of those, so it is handed the runs between them.
 *
 * H1  io.page[i] is null for a gap of a buffer that is handed over again, else where
 *     the page lies.
 *
 * Does not decide: which pages go (reclaim.c, pager.c), what becomes of a buffer after
 * its pager's answer (store.c).
 *
 * Lock: the system's, dropped while a pager writes.
 */
#include "core.h"

static enum quire_status write_run(struct quire_system *sys, struct quire_buffer *b,
                                   unsigned first, unsigned count)
{
        const struct quire_object *o = b->object;
        enum quire_status st;

        must_hold(sys);
        must(sys, count && b->io.slot + first + count <= o->count);
        if (o->dead || !o->pager->write)
                return QUIRE_IO_ERROR;
        quire_unlock(sys);
        st = o->pager->write(o->context, (b->io.slot + first) << sys->shift,
                             (uint64_t)count << sys->shift,
                             (const void *const *)b->io.page + first);
        quire_lock(sys);
        sys->counters.pages_out += st == QUIRE_OK ? count : 0;
        return st;
}

/* Hand a buffer to its pager (drops and retakes the lock); the answer is in .io.status. */
void quire_pager_write(struct quire_system *sys, struct quire_buffer *b)
{
        must(sys, b->object->pager && b->io.count && b->state == QUIRE_BUF_GOING);
        b->io.status = QUIRE_OK;
        for (unsigned i = 0, n; i < b->io.count && b->io.status == QUIRE_OK; i += n + 1) {
                for (n = 0; i + n < b->io.count && b->io.page[i + n]; n++)     /* H1 */
                        ;
                if (n)
                        b->io.status = write_run(sys, b, i, n);
        }
}

/* The first page that is stuck in the buffer; the buffer's end: none is. */
static unsigned first_live(const struct quire_buffer *b)
{
        unsigned i = 0;

        while (i < b->io.count && !b->page[i])
                i++;
        return i;
}

/* May the buffer be handed over again: do all of its pages wait for one pager that takes
 * what is evicted, each where it lies, and is no other buffer on its way there? */
static bool is_home(struct quire_system *sys, const struct quire_buffer *b)
{
        unsigned first = first_live(b);
        const struct quire_page *lead = b->page[first];
        const struct quire_object *o = lead->object;

        must(sys, b->live && first < b->io.count);                             /* B2 */
        if (!o->pager || !o->pager->evicts || o->dead || lead->index < first ||
            quire_store_owes(sys, o))
                return false;
        for (unsigned i = first; i < b->io.count; i++) {
                const struct quire_page *p = b->page[i];

                if (p && (p->object != o || p->index - lead->index != i - first ||
                          !(p->flags & QUIRE_PAGE_IS_OWED) || p->slot.kind != QUIRE_SLOT_FILE))
                        return false;
        }
        return true;
}

/* The buffer is as it was when its pager refused it, but for the gaps. */
static void hand_over(struct quire_system *sys, struct quire_buffer *b)
{
        unsigned first = first_live(b), count = first;

        must(sys, b->state == QUIRE_BUF_STUCK && !b->object);
        b->object = b->page[first]->object;
        b->object->refs++;
        b->io.slot = b->page[first]->index - first;
        for (unsigned i = 0; i < b->io.count; i++) {
                if (!b->page[i]) {
                        b->io.page[i] = NULL;                                  /* H1 */
                        continue;
                }
                must(sys, sys->counters.file_pages > 0);
                sys->counters.file_pages--;
                b->page[i]->slot.kind = QUIRE_SLOT_HOME;
                count = i + 1;
        }
        b->io.count = b->room = count;
        b->state = QUIRE_BUF_FULL;
        sys->going++;
}

/* What is stuck is handed to its pagers once more (drops and retakes the lock).  True: there
 * is a buffer now. */
bool quire_pager_offer(struct quire_system *sys)
{
        bool any = false;

        must_hold(sys);
        for (unsigned i = 0; i < sys->buffer_count && !sys->freezing; i++) {
                struct quire_buffer *b = &sys->buffers[i];

                if (b->state != QUIRE_BUF_STUCK || !b->live || !is_home(sys, b))
                        continue;
                hand_over(sys, b);
                quire_store_push(sys);
                any |= b->state != QUIRE_BUF_STUCK;
        }
        return any;
}

/* The stuck buffer that holds least; null: there is none. */
static struct quire_buffer *least_stuck(struct quire_system *sys)
{
        struct quire_buffer *least = NULL;

        for (unsigned i = 0; i < sys->buffer_count; i++) {
                struct quire_buffer *b = &sys->buffers[i];

                if (b->state == QUIRE_BUF_STUCK && (!least || b->live < least->live))
                        least = b;
        }
        return least;
}

/* All buffers are stuck, perhaps with what another pager refused: one is made free by
 * bringing what it holds back to frames (drops and retakes the lock).  False: there are none. */
bool quire_stuck_empty(struct quire_system *sys)
{
        struct quire_buffer *b = least_stuck(sys);

        must_hold(sys);
        while (b && b->state == QUIRE_BUF_STUCK && b->live) {
                unsigned first = first_live(b);

                must(sys, first < b->io.count);                                /* B2 */
                if (quire_page_bring(b->page[first]) != QUIRE_OK)
                        return false;
        }
        return true;
}
