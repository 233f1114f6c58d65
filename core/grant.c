/*
 * grant.c - objects as others see them: grants with rights that only narrow, names,
 * revocation.
 *
 *      object <-- grant (all rights) <-- grant <-- grant
 *                   ^ region              ^ region
 *
 * A grant lasts as long as a handle, a grant derived from it or a region mapped
 * through it; so whoever is revoked is found by walking up, and nobody keeps a
 * list of what was derived.
 *
 * Does not decide: what a region may do with what was granted (region.c).
 *
 * K1  a grant's rights are among its parent's, and of the same object.
 * K2  a region's access is among its grant's rights (W also where it copies).
 * K3  a region whose grant is not valid shows nothing.
 *
 * Lock: the system's.
 */
#include "region.h"

bool quire_grant_valid(const struct quire_grant *g)
{
        for (; g; g = g->parent)
                if (g->revoked)
                        return false;
        return true;
}

/* With one handle.  Null: no memory. */
struct quire_grant *quire_grant_new(struct quire_object *o, unsigned rights,
                                    struct quire_grant *parent)
{
        struct quire_grant *g = quire_alloc(o->system, sizeof(*g));

        must_hold(o->system);
        must(o->system, !parent || (parent->object == o && !(rights & ~parent->rights)));  /* K1 */
        if (!g)
                return NULL;
        *g = (struct quire_grant){ .system = o->system, .object = o, .parent = parent,
                                   .handles = 1, .refs = 1, .rights = rights };
        g->next = o->granted;
        if (g->next)
                g->next->prev = g;
        o->granted = g;
        o->refs++;
        o->grants++;
        if (parent)
                parent->refs++;
        return g;
}

void quire_grant_ref(struct quire_grant *g)
{
        must(g->system, g->refs > 0 && g->refs < UINT64_MAX);
        g->refs++;
}

static void unlink_grant(struct quire_grant *g)
{
        if (g->next)
                g->next->prev = g->prev;
        if (g->prev)
                g->prev->next = g->next;
        else
                g->object->granted = g->next;
}

void quire_grant_unref(struct quire_grant *g)
{
        while (g) {
                struct quire_grant *parent = g->parent;

                must_hold(g->system);
                must(g->system, g->refs > 0);
                if (--g->refs)
                        return;
                must(g->system, !g->handles);
                unlink_grant(g);
                quire_object_drop(g->object);
                quire_free(g->system, g, sizeof(*g));
                g = parent;
        }
}

struct quire_store *quire_grant_store(const struct quire_grant *g)
{
        return g->object->flags & QUIRE_HOSTED ? g->object->store : NULL;
}

/* ---------------------------------------------------------------------- opening */

static void forget_names(struct quire_system *sys, const struct quire_grant *g)
{
        struct quire_name **link = &sys->names;

        while (*link) {
                struct quire_name *n = *link;

                if (n->grant != g) {
                        link = &n->next;
                        continue;
                }
                *link = n->next;
                quire_free(sys, n, sizeof(*n));
        }
}

/* Nobody has a handle on the grant any more. */
static void give_up(struct quire_grant *g)
{
        must(g->system, g->object->grants > 0);
        must(g->system, g->refs > 0 && g->handles <= 1);
        g->handles = 0;
        g->object->grants--;
        if (!g->object->grants)
                quire_pager_abandoned(g->object);
        quire_copy_prune(g->object, 0, UINT64_MAX);
        forget_names(g->system, g);
}

static bool request_valid(const struct quire_system *sys, const struct quire_object_request *q)
{
        const unsigned flags = QUIRE_ON_TOUCH | QUIRE_HOSTED | QUIRE_EPOCHS | QUIRE_SOLE;
        uint64_t mask = ((uint64_t)1 << sys->shift) - 1;

        if (!q->bytes || (q->bytes | q->physical) & mask || q->physical + q->bytes < q->physical)
                return false;
        if (q->flags & ~flags || q->kind > QUIRE_PHYSICAL)
                return false;
        if ((q->kind == QUIRE_CALLBACK) != (q->pager && q->pager->fill))
                return false;
        if (q->pager && q->pager->evicts && !q->pager->write)
                return false;
        if (q->kind != QUIRE_ANONYMOUS && q->flags & (QUIRE_ON_TOUCH | QUIRE_HOSTED))
                return false;
        if (q->kind == QUIRE_PHYSICAL && q->flags)
                return false;
        if (q->flags & QUIRE_HOSTED && q->flags & ~(unsigned)QUIRE_HOSTED)
                return false;
        return !q->store || q->flags & QUIRE_HOSTED;
}

static enum quire_status check_physical(struct quire_system *sys,
                                        const struct quire_object_request *q)
{
        quire_frame frame;

        if (!sys->mops->frame_physical)
                return QUIRE_UNSUPPORTED;
        if (sys->mops->frame_physical(sys->machine, q->physical, &frame) != QUIRE_OK ||
            sys->mops->frame_physical(sys->machine, q->physical + q->bytes -
                                      ((uint64_t)1 << sys->shift), &frame) != QUIRE_OK)
                return QUIRE_NOT_PRESENT;
        return QUIRE_OK;
}

static bool wants_store(const struct quire_system *sys, const struct quire_object_request *q)
{
        if (q->flags & QUIRE_HOSTED)
                return true;
        return !sys->can->shares_frames && !(q->flags & QUIRE_SOLE) && q->kind != QUIRE_PHYSICAL;
}

static enum quire_status set_up(struct quire_object *o, const struct quire_object_request *q)
{
        struct quire_system *sys = o->system;
        enum quire_status st = QUIRE_OK;

        must_hold(sys);
        must(sys, !o->pages.pages && !o->charged && !o->store && !o->pager);
        o->kind = (uint8_t)q->kind;
        o->flags = (uint8_t)q->flags;
        o->physical = q->physical;
        if (q->kind == QUIRE_ANONYMOUS && !(q->flags & QUIRE_ON_TOUCH) &&
            !quire_object_charge(o, o->count))
                return QUIRE_LIMIT;
        if (q->store)
                o->store = q->store;
        else if (wants_store(sys, q))
                st = sys->mops->store_open(sys->machine, o->count, &o->store);
        if (st == QUIRE_OK) {                /* from here on it will be closed */
                o->pager = q->pager;
                o->context = q->context;
        }
        return st;
}

static enum quire_status open_object(struct quire_system *sys,
                                     const struct quire_object_request *q,
                                     struct quire_grant **out)
{
        struct quire_object *o = quire_object_new(sys, q->bytes >> sys->shift);
        enum quire_status st;

        if (!o)
                return QUIRE_NO_MEMORY;
        *out = quire_grant_new(o, QUIRE_ATTR_ACCESS, NULL);
        st = *out ? set_up(o, q) : QUIRE_NO_MEMORY;
        if (*out && st != QUIRE_OK) {
                give_up(*out);
                quire_grant_unref(*out);
        }
        quire_object_drop(o);                /* the grant refers to it */
        return st;
}

enum quire_status quire_object_open(struct quire_system *sys,
                                    const struct quire_object_request *q,
                                    struct quire_grant **out)
{
        struct quire_grant *g = NULL;
        enum quire_status st = QUIRE_OK;

        if (!sys || !q || !out || !request_valid(sys, q))
                return QUIRE_INVALID;
        quire_enter(sys);
        if (q->kind == QUIRE_PHYSICAL)
                st = check_physical(sys, q);
        if (q->flags & QUIRE_HOSTED && !sys->can->delegates_views)
                st = QUIRE_UNSUPPORTED;
        if (st == QUIRE_OK)
                st = open_object(sys, q, &g);
        quire_leave(sys);
        if (st == QUIRE_OK)
                *out = g;
        return st;
}

/* An object that has what the other has now.  Null: *st says why. */
static struct quire_object *copy_object(struct quire_object *o, enum quire_status *st)
{
        struct quire_system *sys = o->system;
        struct quire_object *copy = quire_object_new(sys, o->count);

        *st = QUIRE_NO_MEMORY;
        if (!copy)
                return NULL;
        copy->flags = o->flags & QUIRE_EPOCHS;
        *st = quire_object_charge(copy, copy->count) ? QUIRE_OK : QUIRE_LIMIT;
        if (*st == QUIRE_OK && !sys->can->shares_frames)
                *st = sys->mops->store_open(sys->machine, copy->count, &copy->store);
        if (*st == QUIRE_OK)
                *st = quire_object_snapshot(o, copy);
        if (*st == QUIRE_OK) {
                must(sys, copy->parent && copy->charged == copy->count);       /* G1 */
                must(sys, !copy->home && !copy->pager);
                return copy;
        }
        quire_object_drop(copy);
        return NULL;
}

static enum quire_status may_clone(const struct quire_grant *g)
{
        if (!quire_grant_valid(g))
                return QUIRE_NOT_PRESENT;
        if (!(g->rights & QUIRE_R))
                return QUIRE_DENIED;
        if (g->object->kind == QUIRE_PHYSICAL || g->object->flags & QUIRE_HOSTED)
                return QUIRE_UNSUPPORTED;
        return QUIRE_OK;
}

/* BUSY: no frame for what must be copied at once. */
static enum quire_status clone(struct quire_grant *g, struct quire_grant **out)
{
        struct quire_object *copy;
        enum quire_status st;

        while (!quire_object_settled(g->object, 0, g->object->count))
                quire_wait_settled(g->system);
        st = may_clone(g);
        if (st != QUIRE_OK)
                return st;
        copy = copy_object(g->object, &st);
        if (!copy)
                return st;
        must(g->system, copy->count == g->object->count);
        *out = quire_grant_new(copy, QUIRE_ATTR_ACCESS, NULL);
        quire_object_drop(copy);
        return *out ? QUIRE_OK : QUIRE_NO_MEMORY;
}

enum quire_status quire_object_clone(struct quire_grant *g, struct quire_grant **out)
{
        enum quire_status st;

        if (!g || !out)
                return QUIRE_INVALID;
        quire_enter(g->system);
        do
                st = clone(g, out);
        while (st == QUIRE_BUSY && (st = quire_reclaim(g->system)) == QUIRE_OK);
        quire_leave(g->system);
        return st;
}

void quire_object_describe(struct quire_grant *g, struct quire_object_info *out)
{
        const struct quire_object *o = g->object;

        quire_enter(g->system);
        *out = (struct quire_object_info){
                .number = o->number, .bytes = o->count << g->system->shift, .kind = o->kind,
                .flags = o->flags, .rights = g->rights, .regions = o->regions,
                .grants = o->grants, .charged = o->charged, .resident = o->resident,
                .revoked = !quire_grant_valid(g), .broken = o->dead,
        };
        quire_leave(g->system);
}

/* ------------------------------------------------------------- narrowing, closing */

enum quire_status quire_grant_narrow(struct quire_grant *g, unsigned rights,
                                     struct quire_grant **out)
{
        enum quire_status st = QUIRE_OK;

        if (!g || !out || rights & ~(unsigned)QUIRE_ATTR_ACCESS)
                return QUIRE_INVALID;
        quire_enter(g->system);
        if (!quire_grant_valid(g))
                st = QUIRE_NOT_PRESENT;
        else if (rights & ~g->rights)
                st = QUIRE_DENIED;
        else if (!(*out = quire_grant_new(g->object, rights, g)))
                st = QUIRE_NO_MEMORY;
        quire_leave(g->system);
        return st;
}

void quire_grant_hold(struct quire_grant *g)
{
        quire_enter(g->system);
        must(g->system, g->handles > 0);
        g->handles++;
        g->refs++;
        quire_leave(g->system);
}

static void close_handle(struct quire_grant *g)
{
        must(g->system, g->handles > 0 && g->refs >= g->handles);
        while (g->handles == 1 && quire_object_flush_last(g->object))
                ;
        if (!--g->handles)
                give_up(g);
        quire_grant_unref(g);
}

void quire_grant_close(struct quire_grant *g)
{
        struct quire_system *sys = g->system;

        quire_enter(sys);
        close_handle(g);
        quire_leave(sys);
}

/* A grant with a handle, of whatever object; null: there is none. */
static struct quire_grant *any_handle(struct quire_system *sys)
{
        for (struct quire_object *o = sys->all; o; o = o->next)
                for (struct quire_grant *g = o->granted; g; g = g->next)
                        if (g->handles)
                                return g;
        return NULL;
}

/* => no region is left (drops and retakes the lock) */
void quire_grants_close(struct quire_system *sys)
{
        struct quire_grant *g;

        must_hold(sys);
        while ((g = any_handle(sys)))
                close_handle(g);
}

/* --------------------------------------------------------------------- revoking */

static void revoke_in(struct quire_space *s)
{
        struct quire_system *sys = s->system;

        for (struct quire_node *n = quire_tree_first(&s->regions); n; n = quire_tree_next(n)) {
                struct quire_region *r = quire_region_of(n);

                if (!r->grant || r->revoked || quire_grant_valid(r->grant))
                        continue;
                must(sys, r->grant->refs > 0 && r->space == s);
                r->revoked = true;
                quire_region_apply_revoke(r);
                must(sys, r->rights == (r->rights & (r->grant->rights | (r->copy ? QUIRE_W : 0))));
        }
}

void quire_grant_revoke(struct quire_grant *g)
{
        quire_enter(g->system);
        if (!g->revoked) {
                g->revoked = true;
                for (struct quire_space *s = g->system->spaces; s; s = s->next)
                        revoke_in(s);
        }
        quire_leave(g->system);
}

/* ------------------------------------------------------------------------- names */

/* Bytes of a name; 0: it is not one. */
static size_t name_length(const char *text)
{
        size_t n = 0;

        while (n < sizeof(((struct quire_name *)0)->text) && text[n])
                n++;
        return n < sizeof(((struct quire_name *)0)->text) ? n : 0;
}

static struct quire_name **find_name(struct quire_system *sys, const char *text)
{
        struct quire_name **link = &sys->names;
        size_t n = name_length(text);

        must_hold(sys);
        must(sys, n > 0);

        while (*link && (memcmp((*link)->text, text, n) || (*link)->text[n]))
                link = &(*link)->next;
        return link;
}

enum quire_status quire_name_set(struct quire_system *sys, const char *text,
                                 struct quire_grant *g)
{
        enum quire_status st = QUIRE_OK;
        struct quire_name *n;

        if (!sys || !text || !g || g->system != sys || !name_length(text))
                return QUIRE_INVALID;
        quire_enter(sys);
        n = quire_alloc(sys, sizeof(*n));
        if (!n)
                st = QUIRE_NO_MEMORY;
        else if (*find_name(sys, text))
                st = QUIRE_CONFLICT;
        else if (!quire_grant_valid(g))
                st = QUIRE_NOT_PRESENT;
        if (st == QUIRE_OK) {
                *n = (struct quire_name){ .next = sys->names, .grant = g };
                memcpy(n->text, text, name_length(text));
                sys->names = n;
        } else if (n) {
                quire_free(sys, n, sizeof(*n));
        }
        quire_leave(sys);
        return st;
}

enum quire_status quire_name_find(struct quire_system *sys, const char *text, unsigned rights,
                                  struct quire_grant **out)
{
        enum quire_status st = QUIRE_OK;
        struct quire_name *n;

        if (!sys || !text || !out || !name_length(text) || rights & ~(unsigned)QUIRE_ATTR_ACCESS)
                return QUIRE_INVALID;
        quire_enter(sys);
        n = *find_name(sys, text);
        if (!n || !quire_grant_valid(n->grant))
                st = QUIRE_NOT_PRESENT;
        else if (rights & ~n->grant->rights)
                st = QUIRE_DENIED;
        else if (!(*out = quire_grant_new(n->grant->object, rights, n->grant)))
                st = QUIRE_NO_MEMORY;
        quire_leave(sys);
        return st;
}

enum quire_status quire_name_remove(struct quire_system *sys, const char *text)
{
        enum quire_status st = QUIRE_NOT_PRESENT;
        struct quire_name **link, *n;

        if (!sys || !text || !name_length(text))
                return QUIRE_INVALID;
        quire_enter(sys);
        link = find_name(sys, text);
        n = *link;
        if (n) {
                *link = n->next;
                quire_free(sys, n, sizeof(*n));
                st = QUIRE_OK;
        }
        quire_leave(sys);
        return st;
}
