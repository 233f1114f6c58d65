/*
 * sim.c - the simulated machine: open, close, and what an access sees.
 */
#include "access.h"
#include "parts.h"

#include <stdlib.h>
#include <string.h>

static const struct quire_abilities *read_abilities(struct quire_machine *m)
{
        return &((struct quire_sim *)(void *)m)->abilities;
}

static void resume(struct quire_machine *m, uint64_t ticket, enum quire_verdict verdict)
{
        struct quire_sim *s = (struct quire_sim *)(void *)m;

        quire_sim_need_lock(s->host, "resume");
        quire_sim_resume(s->host, ticket, verdict);
}

static const struct quire_machine_ops all_ops = {
        .abilities = read_abilities,
        .frame_alloc = quire_sim_frame_alloc,
        .frame_free = quire_sim_frame_free,
        .frame_window = quire_sim_frame_window,
        .store_open = quire_sim_store_open,
        .store_close = quire_sim_store_close,
        .space_open = quire_sim_space_open,
        .space_close = quire_sim_space_close,
        .reserve = quire_sim_reserve,
        .release = quire_sim_release,
        .enter = quire_sim_enter,
        .protect = quire_sim_protect,
        .take = quire_sim_take,
        .drop = quire_sim_drop,
        .resume = resume,
        .delegate = quire_sim_delegate,
        .delegate_protect = quire_sim_delegate_protect,
        .delegate_discard = quire_sim_delegate_discard,
        .delegate_release = quire_sim_delegate_release,
        .delegate_watch = quire_sim_delegate_watch,
        .harvest = quire_sim_harvest,
        .frame_physical = quire_sim_frame_physical,
};

static void choose_ops(struct quire_sim *s)
{
        const struct quire_sim_options *o = &s->options;

        s->ops = all_ops;
        if (o->no_plain) {
                s->ops.delegate = NULL;
                s->ops.delegate_protect = NULL;
                s->ops.delegate_discard = NULL;
                s->ops.delegate_release = NULL;
        }
        if (o->no_plain || o->no_watch)
                s->ops.delegate_watch = NULL;
        if (o->no_harvest && !s->ops.delegate_watch)
                s->ops.harvest = NULL;
        if (!o->physical.pages)
                s->ops.frame_physical = NULL;
}

struct quire_sim *quire_sim_open(const struct quire_sim_options *options)
{
        struct quire_sim *s = calloc(1, sizeof *s);

        if (!s)
                return NULL;
        s->options = *options;
        s->host = options->host;
        s->shift = options->page_shift ? options->page_shift : 12;
        s->page = (size_t)1 << s->shift;
        s->abilities = (struct quire_abilities){
                .page_shift = s->shift,
                .notes_referenced = !options->no_harvest,
                .executes = !options->no_execute,
                .write_protects = !options->no_write_protect,
                .shares_frames = !options->no_share,
                .delegates_views = !options->no_plain,
                .va_end = options->va_end ? options->va_end : (uint64_t)1 << 47,
                .paged = options->paged,
                .plain = options->plain,
        };
        if (options->physical.pages)
                s->physical = calloc(options->physical.pages, s->page);
        if (!s->host || s->shift < 12 || s->shift > 16 ||
            options->physical.first & (s->page - 1) || !s->physical != !options->physical.pages) {
                free(s->physical);
                free(s);
                return NULL;
        }
        choose_ops(s);
        return s;
}

void quire_sim_close(struct quire_sim *s)
{
        bool forgiven = quire_sim_forgiven(s->host);

        if (!forgiven && (s->spaces || s->stores))
                quire_sim_stop(s->host, "a space or a store was not closed");
        while (forgiven && s->spaces) {
                struct quire_mspace *space = s->spaces;

                s->spaces = space->next;
                for (uint64_t i = 0; quire_sim_map_next(&space->shown, &i, UINT64_MAX); i++)
                        quire_sim_map_clear(&space->shown, i);
                quire_claims_close(&space->claims);
                free(space);
        }
        while (forgiven && s->stores) {
                struct quire_store *store = s->stores;

                s->stores = store->next;
                for (uint64_t i = 0; quire_sim_map_next(&store->frames, &i, UINT64_MAX); i++)
                        quire_sim_map_clear(&store->frames, i);
                free(store);
        }
        quire_sim_frames_close(s);
        free(s);
}

const struct quire_machine_ops *quire_sim_ops(struct quire_sim *s)
{
        return &s->ops;
}

struct quire_machine *quire_sim_handle(struct quire_sim *s)
{
        return (struct quire_machine *)(void *)s;
}

struct quire_sim_counts quire_sim_count(const struct quire_sim *s)
{
        return s->counts;
}

/* ------------------------------------------------------- what an access sees */

static unsigned effective(const struct quire_sim *s, unsigned access)
{
        return s->options.no_execute && access & QUIRE_X
               ? (access & ~(unsigned)QUIRE_X) | QUIRE_R : access;
}

static bool is_permitted(unsigned allowed, unsigned access)
{
        if (allowed & QUIRE_KERNEL && !(access & QUIRE_KERNEL))
                return false;
        if (allowed & QUIRE_W)
                allowed |= QUIRE_R;
        return allowed & access & (QUIRE_R | QUIRE_W | QUIRE_X);
}

static struct quire_sim_page *find_allowed(struct quire_mspace *space, uint64_t page,
                                           unsigned access)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, page);
        struct quire_sim_page *p = quire_sim_map_find(&space->shown, page);

        if (!p || !c)
                return NULL;
        if (c->kind != QUIRE_CLAIM_DELEGATED)
                return is_permitted(p->access, access) ? p : NULL;
        if (access & QUIRE_W && c->copies && ((struct quire_sim_frame *)p->thing)->store)
                return NULL;               /* a page of its own is due: touch_plain */
        return is_permitted(c->access, access) ? p : NULL;
}

/* First touch of a plain page; in a view that copies, also the first write. */
static struct quire_sim_page *touch_plain(struct quire_mspace *space, uint64_t page,
                                          unsigned access)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, page);
        struct quire_sim_page *p = quire_sim_map_find(&space->shown, page);
        struct quire_sim_frame *f, *from = NULL;

        if (!c || c->kind != QUIRE_CLAIM_DELEGATED || !is_permitted(c->access, access) ||
            (p && !((struct quire_sim_frame *)p->thing)->store))
                return NULL;
        if (c->store)
                from = quire_sim_frame_touch(c->store, c->store_first + page - c->first);
        if (from && !(c->copies && access & QUIRE_W)) {
                f = from;
        } else {
                f = quire_sim_frame_plain(space->sim);
                if (from)
                        memcpy(f->contents, from->contents, space->sim->page);
        }
        if (p)
                quire_sim_hide(space, page, 1);
        p = quire_sim_map_set(&space->shown, page, f);
        if (!p)
                quire_sim_stop(space->sim->host, "the simulator itself has no memory for a page");
        f->shown++;
        return p;
}

/* Does the machine make a fault up?  Not in plain memory. */
static bool is_spurious(struct quire_mspace *space, uint64_t page)
{
        struct quire_sim *s = space->sim;

        return s->options.spurious_percent &&
               quire_claim_at(&space->claims, page)->kind != QUIRE_CLAIM_DELEGATED &&
               quire_sim_random(s->host) % 100 < s->options.spurious_percent;
}

static uint8_t *translate(struct quire_mspace *space, uint64_t va, unsigned access)
{
        struct quire_sim *s = space->sim;
        uint64_t page = va >> s->shift;
        struct quire_sim_page *p;

        access = effective(s, access);
        p = find_allowed(space, page, access);
        if (!p)
                p = touch_plain(space, page, access);
        if (!p)
                return NULL;
        if (is_spurious(space, page)) {
                s->counts.spurious++;
                return NULL;
        }
        p->noted |= QUIRE_REFERENCED | (access & QUIRE_W ? QUIRE_MODIFIED : 0);
        return ((struct quire_sim_frame *)p->thing)->contents + (va & (s->page - 1));
}

static bool is_claimed(struct quire_mspace *space, uint64_t va)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> space->sim->shift);

        return c && c->kind != QUIRE_CLAIM_OBSTACLE;
}

enum quire_status quire_sim_access(struct quire_sim *s, struct quire_mspace *space, uint64_t va,
                                   unsigned access, void *buf, size_t n)
{
        const struct quire_sim_port port = {
                .host = s->host, .space = space, .owner = space->owner, .page_shift = s->shift,
                .translate = translate, .claimed = is_claimed, .faults = &s->counts.faults,
        };

        return quire_sim_port_access(&port, va, access, buf, n);
}

bool quire_sim_allows(struct quire_sim *s, struct quire_mspace *space, uint64_t va,
                      unsigned access)
{
        return find_allowed(space, va >> s->shift, effective(s, access)) != NULL;
}

unsigned quire_sim_attributes(struct quire_sim *s, const struct quire_mspace *space, uint64_t va)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> s->shift);
        const struct quire_sim_page *p = quire_sim_map_find(&space->shown, va >> s->shift);

        if (!p || !c)
                return 0;
        return (c->kind == QUIRE_CLAIM_DELEGATED ? c->access : p->access) & QUIRE_ATTRIBUTES;
}
