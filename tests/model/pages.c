/*
 * pages.c - what quire.h promises of the pages of a region: what becomes of them, who
 * keeps them, which were written, and what an access finds.
 *
 * Does not know: see model.c.
 */
#include "model.h"

/* Whatever can be written or executed can be read. */
static unsigned allowed(const struct model_page *p)
{
        return p->access ? p->access | QUIRE_R : 0;
}

void model_let_go(struct model_system *s, struct model_page *p)
{
        s->locked -= p->locked || p->holds;
        p->locked = p->writes = false;
        p->holds = 0;
}

/* ------------------------------------------------------- what pages are like */

/* May it be done?  What quire.h promises, operation by operation. */
static enum quire_status check_change(const struct model *m, enum model_op op, struct model_span s,
                                      unsigned value)
{
        uint64_t more = 0;
        enum quire_status st = QUIRE_OK;

        if (s.region->grant && (op == MODEL_DECOMMIT || op == MODEL_DISCARD))
                return QUIRE_UNSUPPORTED;
        MODEL_EACH(st, s, p)
                more += !p->committed;
        if (s.region->kind == QUIRE_PLAIN && (op == MODEL_GUARD || op == MODEL_LOCK))
                return QUIRE_UNSUPPORTED;
        if (more && (op == MODEL_PROTECT || op == MODEL_GUARD || op == MODEL_LOCK))
                return QUIRE_NOT_PRESENT;
        if (op == MODEL_WATCH_RESET && !s.region->watched)
                return QUIRE_INVALID;
        if (s.region->grant && (op == MODEL_COMMIT || op == MODEL_PROTECT)) {
                if (!model_grant_valid(s.region->grant))
                        return QUIRE_NOT_PRESENT;
                if (value & ~model_rights(s.region))
                        return QUIRE_DENIED;
        }
        if (op == MODEL_COMMIT && more && !model_fits(m->system, more))
                return QUIRE_LIMIT;
        return QUIRE_OK;
}

/* Page by page, as an access would: the first guard mark alarms, and is gone. */
static enum quire_status check_lock(const struct model *m, struct model_span s)
{
        uint64_t more = 0;

        for (uint64_t i = 0; i < s.count; i++) {
                struct model_page *p = &s.page[i], *kept = model_kept(m, p);

                more += !kept->locked && !kept->holds;
                if (s.count > m->system->lock_limit ||
                    m->system->locked + more > m->system->lock_limit)
                        return QUIRE_LIMIT;
                if (model_revoked(s.region))
                        return QUIRE_DENIED;
                if (p->guard || !p->access) {
                        p->guard = false;
                        return QUIRE_DENIED;
                }
        }
        return QUIRE_OK;
}

/* Locked or held: what cannot be evicted.  Plain memory needs neither. */
static void set_wanted(struct model *m, struct model_page *at, bool locked, int holds)
{
        struct model_page *p = at->region ? model_kept(m, at) : at;

        if (!at->region || model_region(m, at)->kind == QUIRE_PLAIN || p->holds + holds < 0)
                return;
        if (locked || holds > 0)
                model_own(m, at);
        m->system->locked -= p->locked || p->holds;
        p->locked = locked;
        p->holds = (uint16_t)(p->holds + holds);
        p->writes = p->writes && p->holds;
        m->system->locked += p->locked || p->holds;
}

static void change_page(struct model *m, enum model_op op, struct model_page *p, unsigned value)
{
        if (op == MODEL_COMMIT)
                m->system->committed += !p->committed;
        if (op == MODEL_COMMIT || op == MODEL_PROTECT) {
                p->committed = true;
                p->guard = false;
                p->access = (uint8_t)value;
        } else if (op == MODEL_DECOMMIT) {
                model_forget(m, p);
        } else if (op == MODEL_GUARD) {
                p->guard = true;
        } else if (op == MODEL_DISCARD) {
                p->content = (struct model_content){ 0 };
        } else if (op == MODEL_MARK) {
                p->mark = (uint8_t)value;
        } else if (op == MODEL_LOCK || op == MODEL_UNLOCK) {
                set_wanted(m, p, op == MODEL_LOCK, 0);
        } else {
                p->written = p->writes;
        }
}

enum quire_status model_change(struct model *m, enum model_op op, uint64_t va, uint64_t bytes,
                               unsigned value)
{
        struct model_span s;
        enum quire_status st = model_find(m, va, bytes, &s);
        bool all_locked = true;

        if ((op == MODEL_COMMIT || op == MODEL_PROTECT) && value > 7)
                return QUIRE_INVALID;
        if (st == QUIRE_OK)
                st = check_change(m, op, s, value);
        if (st == QUIRE_OK && op == MODEL_LOCK)
                st = check_lock(m, s);
        MODEL_EACH(st, s, p) {
                all_locked = all_locked && model_kept(m, p)->locked;
                change_page(m, op, p, value);
        }
        return op == MODEL_UNLOCK && st == QUIRE_OK && !all_locked ? QUIRE_NOT_PRESENT : st;
}

/* ------------------------------------------------ holding, watching, accesses */

uint64_t model_holdable(const struct model *m, uint64_t va, uint64_t pages, unsigned access)
{
        for (uint64_t n = 0; n < pages; n++) {
                const struct model_page *p = model_page(m, va + (n << m->shift));

                if (!p || !p->committed || p->guard || model_revoked(model_region(m, p)) ||
                    (access & ~allowed(p)))
                        return n;
        }
        return pages;
}

/* => so many may be held.  A guard mark just behind them alarms, and is gone. */
void model_hold(struct model *m, uint64_t va, uint64_t pages, unsigned access, bool more)
{
        struct model_page *p = model_page(m, va);

        for (uint64_t i = 0; i < pages; i++, p++) {
                set_wanted(m, p, model_kept(m, p)->locked, 1);
                model_kept(m, p)->writes |= model_kept(m, p)->holds && access & QUIRE_W;
                model_note(m, p, access);
        }
        p = more ? model_page(m, va + (pages << m->shift)) : NULL;
        if (!p || !p->region || model_revoked(model_region(m, p)))
                return;
        if (model_kept(m, p)->locked || model_kept(m, p)->holds ||
            m->system->locked < m->system->lock_limit)
                p->guard = false;
}

void model_unhold(struct model *m, uint64_t va, uint64_t pages)
{
        for (struct model_page *p = model_page(m, va), *end = p + pages; p < end; p++)
                set_wanted(m, p, p->region && model_kept(m, p)->locked, -1);
}

enum quire_status model_watch_get(struct model *m, uint64_t va, uint64_t bytes, bool reset,
                                  uint64_t *out, uint64_t *count)
{
        struct model_span s;
        enum quire_status st = model_find(m, va, bytes, &s);
        uint64_t n = 0;

        if (st != QUIRE_OK)
                return st;
        if (!s.region->watched)
                return QUIRE_INVALID;
        for (uint64_t i = 0; i < s.count && n < *count; i++) {
                if (!s.page[i].written)
                        continue;
                out[n++] = va + (i << m->shift);
                s.page[i].written = !reset || s.page[i].writes;
        }
        *count = n;
        return QUIRE_OK;
}

unsigned model_access(struct model *m, uint64_t va, unsigned access)
{
        struct model_page *p = model_page(m, va);

        if (!p || !p->region)
                return QUIRE_WHY_FREE;
        if (model_revoked(model_region(m, p)))
                return QUIRE_WHY_REVOKED;
        if (!p->committed)
                return QUIRE_WHY_RESERVED;
        if (p->guard) {
                p->guard = false;
                return QUIRE_WHY_GUARD;
        }
        if (access & ~allowed(p))
                return QUIRE_WHY_PROTECTED;
        model_note(m, p, access);
        return 0;
}
