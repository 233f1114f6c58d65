/*
 * system.c - a system: one machine, one host, one budget; opening and closing
 * it, its lock, and the core's few words with the host.
 *
 * Lock: makes it.
 */
#include "core.h"

#define LEAST_PAGES 64u

_Noreturn void quire_stop(struct quire_system *sys, const char *what, const char *file, int line)
{
        sys->hops->stop(sys->host, what, file, line);
        __builtin_trap();
}

void *quire_alloc(struct quire_system *sys, size_t bytes)
{
        void *p;

        must_hold(sys);
        must(sys, bytes > 0);
        p = sys->hops->alloc(sys->host, bytes);
        sys->refused += !p;
        return p;
}

void quire_free(struct quire_system *sys, void *p, size_t bytes)
{
        must_hold(sys);
        must(sys, p != NULL && bytes > 0);
        sys->hops->free(sys->host, p, bytes);
}

void quire_lock(struct quire_system *sys)
{
        sys->hops->lock(sys->host);
        must(sys, !sys->held);
        sys->held = true;
}

void quire_unlock(struct quire_system *sys)
{
        must_hold(sys);
        sys->held = false;
        sys->hops->unlock(sys->host);
}

void quire_enter(struct quire_system *sys)
{
        quire_lock(sys);
        if (sys->audit)
                quire_check(sys);
}

/* Pagers of objects that are gone hear of it, with no lock held. */
static void tell_pagers(struct quire_system *sys)
{
        struct quire_object *o;

        while ((o = sys->done)) {
                const struct quire_pager *pager = o->pager;
                void *context = o->context;

                sys->done = o->next;
                quire_free(sys, o, sizeof(*o));
                quire_unlock(sys);
                pager->closed(context);
                quire_lock(sys);
        }
}

void quire_leave(struct quire_system *sys)
{
        tell_pagers(sys);
        if (sys->audit)
                quire_check(sys);
        quire_unlock(sys);
}

void quire_say(struct quire_system *sys, const char *line)
{
        if (sys->hops->say)
                sys->hops->say(sys->host, line);
}

uint64_t quire_budget_least(uint64_t page_size)
{
        return LEAST_PAGES * page_size;
}

uint64_t quire_system_page(const struct quire_system *sys)
{
        return (uint64_t)1 << sys->shift;
}

static bool config_valid(const struct quire_config *c)
{
        const struct quire_abilities *can;

        if (!c || !c->machine_ops || !c->machine || !c->host_ops || !c->host)
                return false;
        can = c->machine_ops->abilities(c->machine);
        return c->budget >= quire_budget_least((uint64_t)1 << can->page_shift) &&
               c->tier_percent <= 80 && quire_policy_named(c->policy);
}

static void set_up(struct quire_system *sys, const struct quire_config *c)
{
        sys->mops = c->machine_ops;
        sys->machine = c->machine;
        sys->hops = c->host_ops;
        sys->host = c->host;
        sys->can = c->machine_ops->abilities(c->machine);
        sys->shift = sys->can->page_shift;
        sys->budget = c->budget >> sys->shift;
        sys->commit_limit = c->commit_limit >> sys->shift;
        sys->policy = quire_policy_named(c->policy);
        sys->held = true;
        must(sys, sys->shift >= 12 && sys->shift <= 16);
        must(sys, sys->mops->enter && sys->mops->take && sys->mops->drop && sys->mops->protect);
        must(sys, sys->mops->delegate || !sys->can->delegates_views);
        must(sys, sys->mops->frame_alloc && sys->mops->frame_free && sys->mops->frame_window);
        must(sys, sys->mops->reserve && sys->mops->release && sys->mops->resume);
        must(sys, sys->hops->stop && sys->hops->pause && sys->hops->clock);
        must(sys, !sys->hops->compress == !sys->hops->expand);
}

enum quire_status quire_system_open(const struct quire_config *c, struct quire_system **out)
{
        struct quire_system *sys = NULL;
        enum quire_status st;

        if (!out || !config_valid(c))
                return QUIRE_INVALID;
        c->host_ops->lock(c->host);
        sys = c->host_ops->alloc(c->host, sizeof(*sys));
        if (sys)
                set_up(sys, c);
        st = sys ? quire_store_open(sys) : QUIRE_NO_MEMORY;
        if (st == QUIRE_OK) {
                st = quire_tier_open(sys, c->tier_percent);
                if (st != QUIRE_OK)
                        quire_store_close(sys);
        }
        if (st == QUIRE_OK) {
                sys->audit = c->audit;
                *out = sys;
                quire_unlock(sys);
                return QUIRE_OK;
        }
        if (sys)
                quire_free(sys, sys, sizeof(*sys));
        c->host_ops->unlock(c->host);
        return st;
}

void quire_system_close(struct quire_system *sys)
{
        const struct quire_host_ops *hops = sys->hops;
        struct quire_host *host = sys->host;

        quire_enter(sys);
        must(sys, !sys->spaces);
        quire_grants_close(sys);
        tell_pagers(sys);
        must(sys, !sys->all && !sys->names && !sys->late);
        must(sys, !sys->frames && !sys->transit && !sys->locked);
        must(sys, !sys->counters.committed && !sys->counters.reserved);
        quire_store_close(sys);
        quire_tier_close(sys);
        quire_slots_close(sys);
        must(sys, !sys->taken);
        quire_free(sys, sys, sizeof(*sys));
        hops->unlock(host);
}

/* Reclaim until what is taken fits the new budget. */
static enum quire_status shrink(struct quire_system *sys, uint64_t pages)
{
        must_hold(sys);
        for (quire_hold_back(sys); sys->taken > pages; quire_hold_back(sys)) {
                if (sys->queue[QUIRE_Q_IN].count + sys->queue[QUIRE_Q_HOT].count +
                    sys->queue[QUIRE_Q_COOL].count == 0 &&
                    !quire_store_spill(sys, QUIRE_IO_MAX) && !quire_store_settle(sys, true) &&
                    !quire_spares_find(sys))
                        return QUIRE_NO_MEMORY;
                if (quire_reclaim(sys) != QUIRE_OK && !quire_store_spill(sys, QUIRE_IO_MAX))
                        return QUIRE_NO_MEMORY;
                quire_store_settle(sys, sys->going != 0);
        }
        return QUIRE_OK;
}

/* Would what is locked, promised and set aside still find room? */
static bool budget_suffices(const struct quire_system *sys, uint64_t pages)
{
        uint64_t frames = quire_frames_at(sys, pages);

        return frames >= LEAST_PAGES / 2 && sys->locked <= frames / 2 &&
               (pages >= sys->budget ||
                sys->counters.committed <= quire_charge_limit_at(sys, pages));
}

/* All pages (0: as many as there are), and so many more of them beside (drops and retakes
 * the lock). */
static enum quire_status divide_budget(struct quire_system *sys, uint64_t all, uint64_t more)
{
        uint64_t budget, beside, total, pages;

        must_hold(sys);
        do {                                         /* as others do it meanwhile, too */
                budget = sys->budget;
                beside = sys->beside;
                total = all ? all : budget + beside;
                pages = total - quire_min(total, beside + more);
                if (!pages || !budget_suffices(sys, pages) || shrink(sys, pages) != QUIRE_OK)
                        return QUIRE_NO_MEMORY;
        } while (budget != sys->budget || beside != sys->beside);
        must(sys, sys->taken <= pages);                                        /* Y2 */
        sys->budget = pages;
        sys->beside = beside + more;
        quire_tier_resize(sys);
        return QUIRE_OK;
}

enum quire_status quire_budget_set(struct quire_system *sys, uint64_t bytes)
{
        enum quire_status st;

        if (!sys || bytes < quire_budget_least(quire_system_page(sys)))
                return QUIRE_INVALID;
        quire_enter(sys);
        st = divide_budget(sys, bytes >> sys->shift, 0);
        quire_leave(sys);
        return st;
}

enum quire_status quire_budget_charge(struct quire_system *sys, uint64_t bytes)
{
        enum quire_status st;

        if (!sys || !bytes || bytes & (quire_system_page(sys) - 1) || bytes > UINT64_MAX / 2)
                return QUIRE_INVALID;
        quire_enter(sys);
        st = divide_budget(sys, 0, bytes >> sys->shift);
        quire_leave(sys);
        return st;
}

void quire_budget_refund(struct quire_system *sys, uint64_t bytes)
{
        quire_enter(sys);
        must(sys, bytes >> sys->shift <= sys->beside);
        sys->beside -= bytes >> sys->shift;
        sys->budget += bytes >> sys->shift;
        quire_tier_resize(sys);
        quire_leave(sys);
}
