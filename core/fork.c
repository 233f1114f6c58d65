/*
 * fork.c - what a duplicated process needs: a moment without transfers, and a
 * child that reads the parent's pagefiles without writing them.
 *
 * A freeze is bounded work, however hard the program pages meanwhile: what is
 * under way ends, and nothing else begins.  Whoever would begin something waits,
 * and is never who the freeze waits for.  Therefore two steps: first nothing more
 * goes to user code that must give it back (lent pages, pages written home), while
 * pagefiles are still read and written, since that code may touch paged memory;
 * when it has nothing left, what remains is in the host's hands, and nothing begins
 * at all.  (Pages that a pager fills when asked are late, and no freeze waits for
 * those.)
 *
 * Lock: the system's, held from freeze to thaw.
 */
#include "core.h"

/* What is shown in views is hidden, all of it or what is not wanted: a machine whose stores
 * both processes would have may give one of them stores of its own, with contents of one
 * moment. */
static void hide_views(struct quire_system *sys, bool all)
{
        for (struct quire_object *o = sys->all; o; o = o->next)
                if ((o->store && !(o->flags & QUIRE_HOSTED)) || o->parent)
                        quire_object_hide(o, all);
}

void quire_hold_back(struct quire_system *sys)
{
        must_hold(sys);
        while (sys->freezing == QUIRE_FREEZE_ALL)
                quire_wait_settled(sys);
}

static void let_settle(struct quire_system *sys)
{
        must(sys, sys->freezing && !sys->frozen);
        if (!quire_store_settle(sys, true))
                quire_wait_settled(sys);
}

void quire_system_freeze(struct quire_system *sys)
{
        quire_enter(sys);
        while (sys->freezing)                        /* another thread's */
                quire_wait_settled(sys);
        sys->freezing = QUIRE_FREEZE_PAGERS;
        while (quire_store_send_home(sys) || sys->lent)
                let_settle(sys);
        sys->freezing = QUIRE_FREEZE_ALL;
        while (sys->transit || sys->going)
                let_settle(sys);
        must(sys, !sys->frozen && !sys->transit && !sys->going && !sys->lent);
        hide_views(sys, false);              /* who holds a page can not fault */
        quire_slots_keep(sys);
        sys->frozen = true;
}

/* In the child, where nobody is left that holds them, those as well. */
void quire_system_hide_views(struct quire_system *sys)
{
        must(sys, sys->frozen);
        hide_views(sys, true);
}

/* Holds and waiters of threads that this process does not have. */
static void forget_threads(struct quire_system *sys)
{
        struct quire_page *p = sys->queue[QUIRE_Q_HELD].first, *after;

        for (; p; p = after) {
                after = p->next;
                p->holds = 0;
                p->writes = false;
                quire_unkeep(sys, p);
        }
        must(sys, sys->queue[QUIRE_Q_HELD].count == sys->locked);
        for (unsigned i = 0; i < QUIRE_WAITERS; i++)
                sys->waiters[i].page = NULL;
        sys->waiting = 0;
}

/* Slots that a buffer was given are in a file that is the parent's now. */
static void leave_files(struct quire_system *sys)
{
        for (unsigned i = 0; i < sys->file_count; i++)
                sys->files[i].frozen = true;
        for (unsigned i = 0; i < sys->buffer_count; i++) {
                struct quire_buffer *b = &sys->buffers[i];

                must(sys, b->state != QUIRE_BUF_FULL && b->state != QUIRE_BUF_GOING);
                if (b->state == QUIRE_BUF_OPEN)
                        b->state = b->live ? QUIRE_BUF_STUCK : QUIRE_BUF_FREE;
        }
        sys->storage_full = false;
        sys->keep_late = false;
}

/* What happened so far happened to the parent, and is counted there. */
static void forget_events(struct quire_system *sys)
{
        const struct quire_counters was = sys->counters;

        sys->counters = (struct quire_counters){
                .reserved = was.reserved, .committed = was.committed, .resident = was.resident,
                .resident_peak = was.resident, .locked = was.locked,
                .tier_pages = was.tier_pages, .tier_frames = was.tier_frames,
                .file_pages = was.file_pages, .file_pages_peak = was.file_pages,
        };
        memset(sys->latency, 0, sizeof(sys->latency));
}

void quire_system_forked(struct quire_system *sys)
{
        must(sys, sys->frozen);
        quire_pagers_forked(sys);
        forget_threads(sys);
        leave_files(sys);
        forget_events(sys);
}

void quire_system_thaw(struct quire_system *sys)
{
        must(sys, sys->frozen);
        sys->frozen = false;
        sys->freezing = QUIRE_FREEZE_NOT;
        quire_leave(sys);
}
