/*
 * x86.c - the x86-64 machine inside a test: open, close, and accesses through
 * the processors' TLBs.
 */
#include "access.h"
#include "parts.h"

#include <stdlib.h>

static const struct quire_abilities *read_abilities(struct quire_machine *m)
{
        return &((struct quire_x86 *)(void *)m)->abilities;
}

static void resume(struct quire_machine *m, uint64_t ticket, enum quire_verdict verdict)
{
        struct quire_x86 *x = (struct quire_x86 *)(void *)m;

        quire_sim_need_lock(x->host, "resume");
        quire_sim_resume(x->host, ticket, verdict);
}

static const struct quire_machine_ops all_ops = {
        .abilities = read_abilities,
        .frame_alloc = quire_x86_frame_alloc,
        .frame_free = quire_x86_frame_free,
        .frame_window = quire_x86_frame_window,
        .store_open = quire_x86_store_open,
        .store_close = quire_x86_store_close,
        .space_open = quire_x86_space_open,
        .space_close = quire_x86_space_close,
        .reserve = quire_x86_reserve,
        .release = quire_x86_release,
        .enter = quire_x86_enter,
        .protect = quire_x86_protect,
        .take = quire_x86_take,
        .drop = quire_x86_drop,
        .resume = resume,
        .delegate = quire_x86_delegate,
        .delegate_protect = quire_x86_delegate_protect,
        .delegate_discard = quire_x86_delegate_discard,
        .delegate_release = quire_x86_delegate_release,
        .delegate_watch = quire_x86_delegate_watch,
        .harvest = quire_x86_harvest,
        .frame_physical = quire_x86_frame_physical,
};

static void choose_ops(struct quire_x86 *x)
{
        x->ops = all_ops;
        if (x->options.no_plain) {
                x->ops.delegate = NULL;
                x->ops.delegate_protect = NULL;
                x->ops.delegate_discard = NULL;
                x->ops.delegate_release = NULL;
                x->ops.delegate_watch = NULL;
        }
        if (x->options.no_plain && x->options.no_harvest)
                x->ops.harvest = NULL;
}

struct quire_x86 *quire_x86_open(const struct quire_x86_options *options)
{
        struct quire_x86 *x = calloc(1, sizeof *x);
        struct quire_x86_options *o;

        if (!x)
                return NULL;
        o = &x->options;
        *o = *options;
        x->host = o->host;
        o->frames = o->frames ? o->frames : 16384;
        o->plain = o->plain ? o->plain : 16384;
        o->processors = o->processors ? o->processors : 2;
        x->abilities = (struct quire_abilities){
                .page_shift = 12,
                .notes_referenced = !o->no_harvest,
                .executes = true,
                .write_protects = true,
                .shares_frames = !o->no_share,
                .delegates_views = false,
                .va_end = QUIRE_X86_VA_END,
        };
        choose_ops(x);
        if (!x->host || o->processors > QUIRE_X86_PROCESSORS || !quire_x86_memory_open(x)) {
                quire_x86_memory_close(x);
                free(x);
                return NULL;
        }
        return x;
}

void quire_x86_close(struct quire_x86 *x)
{
        if (!quire_sim_forgiven(x->host)) {
                if (x->spaces || x->stores)
                        quire_sim_stop(x->host, "a space or a store was not closed");
                if (x->counts.frames)
                        quire_sim_stop(x->host, "%llu frames were not given back",
                                       (unsigned long long)x->counts.frames);
                if (x->memory.free != x->memory.pages || x->plain.taken)
                        quire_sim_stop(x->host, "tables or plain memory are left");
        }
        quire_x86_memory_close(x);
        free(x);
}

const struct quire_machine_ops *quire_x86_ops(struct quire_x86 *x)
{
        return &x->ops;
}

struct quire_machine *quire_x86_handle(struct quire_x86 *x)
{
        return (struct quire_machine *)(void *)x;
}

struct quire_mspace *quire_x86_space(struct quire_x86 *x, const void *owner)
{
        struct quire_mspace *space = x->spaces;

        while (space && space->owner != owner)
                space = space->next;
        return space;
}

const struct quire_x86_table *quire_x86_table(const struct quire_mspace *space)
{
        return &space->table;
}

bool quire_x86_obstacle(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        return quire_claim_obstacle(&space->claims, va, pages);
}

void quire_x86_obstacle_remove(struct quire_mspace *space, uint64_t va, uint64_t pages)
{
        quire_claim_clear(&space->claims, va, pages);
}

void quire_x86_forget(struct quire_x86 *x, unsigned forget)
{
        x->options.forget = forget;
}

struct quire_x86_counts quire_x86_count(const struct quire_x86 *x)
{
        struct quire_x86_counts c = x->counts;

        for (unsigned i = 0; i < x->options.processors; i++) {
                c.hits += x->tlb[i].hits;
                c.walks += x->tlb[i].walks;
                c.invalidations += x->tlb[i].invalidations;
        }
        c.tables = x->memory.pages - x->memory.free;
        c.tables_peak = x->memory.fresh;
        return c;
}

/* ------------------------------------------------------------------- accesses */

static uint8_t *translate(struct quire_mspace *space, uint64_t va, unsigned access)
{
        struct quire_x86 *x = space->x86;
        struct quire_tlb *tlb = &x->tlb[quire_sim_self(x->host) % x->options.processors];
        unsigned kind = access & ~(unsigned)QUIRE_KERNEL;
        bool user = !(access & QUIRE_KERNEL);
        uint64_t physical;

        if (quire_tlb_access(tlb, &space->table, va, kind, user, &physical) ||
            (quire_x86_plain_resolve(space, va, access) &&
             quire_tlb_access(tlb, &space->table, va, kind, user, &physical)))
                return x->memory.window + physical;
        return NULL;
}

static bool is_claimed(struct quire_mspace *space, uint64_t va)
{
        const struct quire_claim *c = quire_claim_at(&space->claims, va >> 12);

        return c && c->kind != QUIRE_CLAIM_OBSTACLE;
}

enum quire_status quire_x86_access(struct quire_x86 *x, struct quire_mspace *space, uint64_t va,
                                   unsigned access, void *buf, size_t n)
{
        const struct quire_sim_port port = {
                .host = x->host, .space = space, .owner = space->owner, .page_shift = 12,
                .translate = translate, .claimed = is_claimed, .faults = &x->counts.faults,
        };

        return quire_sim_port_access(&port, va, access, buf, n);
}
