/*
 * memory.c - one region: the object of the core behind it, whom it belongs to, and how
 * long it lives.
 *
 * M1  it lives as long as a service or a map refers to it (users).
 * M2  from its beginning to its end it is in its group's list, and its bytes are taken
 *     from its pool.
 * M3  the root grant has all rights and never leaves this face.
 *
 * Lock: the face's.
 */
#include "inside.h"

#include <stdlib.h>

_Static_assert(MEMREGION_ACCESS_READ == QUIRE_R && MEMREGION_ACCESS_WRITE == QUIRE_W &&
               MEMREGION_ACCESS_EXECUTE == QUIRE_X, "rights are the same numbers");

static void join_group(struct memory *m, struct group *g)
{
        m->group = g;
        if (!g)
                return;
        quire_brew_hold(&g->thing);
        m->link = g->last;
        *g->last = m;
        g->last = &m->next;
}

static void leave_group(struct memory *m)
{
        struct group *g = m->group;

        if (!g)
                return;
        *m->link = m->next;
        if (m->next)
                m->next->link = m->link;
        else
                g->last = m->link;
        quire_brew_drop(&g->thing);
}

static enum quire_status open_object(struct memory *m, const struct plan *p)
{
        const struct quire_object_request request = {
                .bytes = p->bytes,
                .kind = p->fixed ? QUIRE_PHYSICAL : QUIRE_ANONYMOUS,
                .flags = p->fixed ? 0 : m->hosted ? QUIRE_HOSTED : QUIRE_ON_TOUCH,
                .physical = p->physical,
        };

        return quire_object_open(m->system, &request, &m->root);
}

/* Give back what it has, apart from its record. */
static void end(struct memory *m)
{
        quire_brew_ranges_close(m);
        if (m->root)
                quire_grant_close(m->root);
        quire_brew_pool_give(m->pool, m->bytes);
        leave_group(m);
}

/* Its object, with the bytes of its pool. */
static int begin(struct memory *m, const struct plan *p)
{
        int result = quire_brew_pool_take(p->pool, p->bytes);
        enum quire_status st;

        if (result != AEE_SUCCESS)
                return result;
        m->pool = p->pool;
        join_group(m, p->group);
        st = open_object(m, p);
        if (p->fixed && st == QUIRE_NOT_PRESENT)
                return AEE_EBADPARM;                     /* no such physical memory */
        return quire_brew_result(st);
}

/* Its addresses.  Of another process's region only those that are the same everywhere
 * matter here. */
static int settle(struct memory *m, const struct plan *p)
{
        m->va = p->va;
        if (p->received && !(p->flags & MEMREGION_VIRTUAL_COMMON))
                return AEE_SUCCESS;
        return quire_brew_result(quire_brew_ranges_open(m, p->env, p->va, &m->va));
}

int quire_brew_memory_new(const struct plan *p, struct memory **out)
{
        struct memory *m = calloc(1, sizeof(*m));
        int result = AEE_SUCCESS;

        if (!m)
                return AEE_ENOMEMORY;
        m->users = 1;
        m->system = p->env->system;
        m->bytes = p->bytes;
        m->perms = p->perms;
        m->flags = p->flags;
        m->hosted = p->received || (p->pool && p->pool->flags & MEMPOOL_SHAREABLE);
        if (!p->received)
                result = begin(m, p);
        if (result == AEE_SUCCESS)
                result = settle(m, p);
        if (result == AEE_SUCCESS && p->received)
                m->root = p->received;
        if (result == AEE_SUCCESS)
                *out = m;
        else
                quire_brew_memory_drop(m);
        return result;
}

void quire_brew_memory_hold(struct memory *m)
{
        m->users++;
}

void quire_brew_memory_drop(struct memory *m)
{
        if (--m->users)
                return;
        end(m);
        free(m);
}

uint32 quire_brew_memory_access(const struct memory *m)
{
        return m->group ? m->group->access : RIGHTS;
}

unsigned quire_brew_memory_attributes(const struct memory *m)
{
        switch (m->flags & MEMREGION_CACHE_WRITETHRU) {
        case MEMREGION_CACHE_NONE:
                return QUIRE_CACHE_NONE;
        case MEMREGION_CACHE_WRITETHRU:
                return QUIRE_CACHE_THROUGH;
        default:
                return 0;                                /* write-back */
        }
}
