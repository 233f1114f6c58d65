/*
 * sim.c - the simulated machine: open, close, and what an access sees.
 */
#include "access.h"
#include "parts.h"

#include <stdlib.h>

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
                .va_end = options->va_end ? options->va_end : (uint64_t)1 << 47,
                .paged = options->paged,
                .plain = options->plain,
        };
        if (!s->host || s->shift < 12 || s->shift > 16) {
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
        return s->options.no_execute && access == QUIRE_X ? QUIRE_R : access;
}

static struct quire_sim_page *find_allowed(struct quire_mspace *space, uint64_t page,
                                           unsigned access)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, page);
        struct quire_sim_page *p = quire_sim_map_find(&space->shown, page);
        unsigned allowed;

        if (!p || !c)
                return NULL;
        allowed = c->kind == QUIRE_CLAIM_DELEGATED ? c->access : p->access;
        if (allowed & QUIRE_W)
                allowed |= QUIRE_R;
        return allowed & access ? p : NULL;
}

/* First touch of a plain page. */
static struct quire_sim_page *touch_plain(struct quire_mspace *space, uint64_t page,
                                          unsigned access)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, page);
        struct quire_sim_page *p;
        struct quire_sim_frame *f;

        if (!c || c->kind != QUIRE_CLAIM_DELEGATED || !(c->access & access) ||
            quire_sim_map_find(&space->shown, page))
                return NULL;
        f = quire_sim_frame_plain(space->sim);
        p = quire_sim_map_set(&space->shown, page, f);
        if (!p)
                quire_sim_stop(space->sim->host, "the simulator itself has no memory for a page");
        f->shown = 1;
        return p;
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
        if (s->options.spurious_percent && ((struct quire_sim_frame *)p->thing)->kind !=
            QUIRE_SIM_PLAIN && quire_sim_random(s->host) % 100 < s->options.spurious_percent) {
                s->counts.spurious++;
                return NULL;
        }
        p->noted |= QUIRE_REFERENCED | (access == QUIRE_W ? QUIRE_MODIFIED : 0);
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
