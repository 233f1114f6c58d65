/*
 * referee.c - claimed ranges as the core asks for them, checked against the
 * rules of machine.h.  Shared by the machines that live inside a test.
 */
#include "claim.h"

void quire_sim_need_lock(struct quire_sim_host *h, const char *what)
{
        if (!quire_sim_locked(h))
                quire_sim_stop(h, "M4: %s without the core's lock", what);
}

void quire_sim_check_access(struct quire_sim_host *h, unsigned access, const char *what)
{
        if (!(access & QUIRE_R) ||
            access & ~(unsigned)(QUIRE_R | QUIRE_W | QUIRE_X | QUIRE_ATTRIBUTES))
                quire_sim_stop(h, "%s with access %u", what, access);
}

/* The access that is shown: these machines have no use for what is said beside it. */
unsigned quire_sim_enter_access(struct quire_sim_host *h, unsigned access)
{
        unsigned shown = access & ~(unsigned)QUIRE_REFUSES_W;

        if (access & QUIRE_REFUSES_W && access & QUIRE_W)
                quire_sim_stop(h, "enter with W where W is refused");
        quire_sim_check_access(h, shown, "enter");
        return shown;
}

void quire_sim_check_run(struct quire_sim_host *h, uint64_t pages, const char *what)
{
        if (pages > QUIRE_RUN_MAX)
                quire_sim_stop(h, "%s of %llu pages in one call", what,
                               (unsigned long long)pages);
}

static uint64_t check_range(const struct quire_claims *c, uint64_t va, uint64_t pages,
                            const char *what)
{
        uint64_t end = c->va_end >> c->shift, first = va >> c->shift;

        quire_sim_need_lock(c->host, what);
        if (!pages || va != first << c->shift || first >= end || pages > end - first)
                quire_sim_stop(c->host, "M1: %s of %llu pages at %llx", what,
                               (unsigned long long)pages, (unsigned long long)va);
        return first;
}

uint64_t quire_claim_range(const struct quire_claims *c, uint64_t va, uint64_t pages,
                           enum quire_claim_kind kind, const char *what)
{
        uint64_t first = check_range(c, va, pages, what);

        if (!quire_claim_covers(c, first, pages, kind))
                quire_sim_stop(c->host, "%s of %llu pages at %llx, not all of them %s", what,
                               (unsigned long long)pages, (unsigned long long)va,
                               kind == QUIRE_CLAIM_RESERVED ? "reserved" : "delegated");
        return first;
}

static enum quire_status check_vacant(const struct quire_claims *c, uint64_t first,
                                      uint64_t pages, struct quire_range *obstacle,
                                      const char *what)
{
        const struct quire_claim *t = quire_claim_from(c, first);

        if (!t || t->first >= first + pages)
                return QUIRE_OK;
        if (t->kind != QUIRE_CLAIM_OBSTACLE)
                quire_sim_stop(c->host, "%s at %llx, where the core has a range", what,
                               (unsigned long long)first << c->shift);
        obstacle->first = t->first << c->shift;
        obstacle->pages = t->pages;
        return QUIRE_CONFLICT;
}

struct quire_claim quire_claim_view(struct quire_sim_host *h, enum quire_claim_kind kind,
                                    const struct quire_view *view, uint64_t store_pages,
                                    uint64_t pages)
{
        struct quire_claim claim = { .kind = (uint8_t)kind };

        if (!view)
                return claim;
        if (view->first >= store_pages || pages > store_pages - view->first)
                quire_sim_stop(h, "%s of a view beyond the end of its store",
                               kind == QUIRE_CLAIM_RESERVED ? "reserve" : "delegate");
        claim.store = view->store;
        claim.store_first = view->first;
        claim.copies = view->copies;
        return claim;
}

void quire_claim_check_frame(struct quire_sim_host *h, const struct quire_claim *c, uint64_t page,
                             const struct quire_store *store, uint64_t index, unsigned shift)
{
        unsigned long long va = (unsigned long long)page << shift;

        if (store && (store != c->store || index != c->store_first + page - c->first))
                quire_sim_stop(h, "enter at %llx of a store frame that is not the view's own page",
                               va);
        if (!store && c->store && !c->copies)
                quire_sim_stop(h, "enter at %llx of a private frame in a view that does not copy",
                               va);
}

void quire_claim_check_write(struct quire_sim_host *h, const struct quire_claim *c,
                             const struct quire_store *store, unsigned access, const char *what)
{
        if (access & QUIRE_W && store && c->copies && c->store == store)
                quire_sim_stop(h, "%s with W of a store's own page in a view that copies", what);
}

enum quire_status quire_claim_new(struct quire_claims *c, uint64_t va, uint64_t pages,
                                  const struct quire_claim *like, struct quire_range *obstacle)
{
        const char *what = like->kind == QUIRE_CLAIM_RESERVED ? "reserve" : "delegate";
        struct quire_claim claim = *like;
        enum quire_status st;

        claim.first = check_range(c, va, pages, what);
        claim.pages = pages;
        st = check_vacant(c, claim.first, pages, obstacle, what);
        if (st != QUIRE_OK)
                return st;
        if (quire_sim_fails(c->host, QUIRE_SIM_TABLE) || !quire_claim_add(c, &claim))
                return QUIRE_NO_MEMORY;
        return QUIRE_OK;
}

void quire_claim_end(struct quire_claims *c, uint64_t first, uint64_t pages)
{
        if (!quire_claim_cut(c, first, pages))
                quire_sim_stop(c->host, "the simulator itself has no memory for a claim");
        quire_claim_remove(c, first, pages);
}

bool quire_claim_obstacle(struct quire_claims *c, uint64_t va, uint64_t pages)
{
        const struct quire_claim claim = { .kind = QUIRE_CLAIM_OBSTACLE, .first = va >> c->shift,
                                           .pages = pages };
        const struct quire_claim *next = quire_claim_from(c, claim.first);

        if (next && next->first < claim.first + pages)
                return false;
        return quire_claim_add(c, &claim);
}

void quire_claim_clear(struct quire_claims *c, uint64_t va, uint64_t pages)
{
        if (!quire_claim_covers(c, va >> c->shift, pages, QUIRE_CLAIM_OBSTACLE))
                quire_sim_stop(c->host, "an obstacle is cleared where there is none");
        quire_claim_end(c, va >> c->shift, pages);
}
