/*
 * group.c - groups: regions begin in one, and what it allows, it allows for all of them.
 *
 * G1  rights of a group only narrow; nothing in it exceeds them (save maps, while SetAccess
 *     could not narrow them and says so).
 * G2  a group lives as long as somebody has a reference or it has a region.
 *
 * Lock: the face's.
 */
#include "inside.h"

COMMON_FUNCTIONS(IMemGroup);

static struct group *group_of(IMemGroup *p)
{
        return (struct group *)(void *)p;
}

/* ---------------------------------------------------------------- creating */

static bool both(uint32 flags, uint32 pair)
{
        return (flags & pair) == pair;
}

bool quire_brew_flags_valid(uint32 flags)
{
        const uint32 known = MEMREGION_CACHE_WRITETHRU | MEMREGION_VIRTUAL_EXCL |
                             MEMREGION_VIRTUAL_COMMON | MEMREGION_SHARE_EXCL |
                             MEMREGION_SHARE_COMMON | MEMREGION_PERMS(RIGHTS);

        if (flags & ~known || (flags >> 16 && !(flags & MEMREGION_PERMS(0))))
                return false;
        return !both(flags, MEMREGION_VIRTUAL_EXCL | MEMREGION_VIRTUAL_COMMON) &&
               !both(flags, MEMREGION_SHARE_EXCL | MEMREGION_SHARE_COMMON);
}

/* Where the memory comes from and how much of it: units are checked here, once. */
static int plan_memory(struct plan *p, const PhysMemInfo *info, IQI *pool)
{
        uint64 page = quire_system_page(p->env->system);

        p->pool = quire_brew_pool_of(pool);
        if ((pool && !p->pool) || !info || info->nFlags & ~(uint32)PHYSMEM_FIXED)
                return AEE_EBADPARM;
        if (p->pool && p->pool->thing.env != p->env)
                return AEE_EPRIVLEVEL;
        p->fixed = info->nFlags & PHYSMEM_FIXED;
        p->physical = info->ulPhysStart;
        p->bytes = (info->dwSize + page - 1) & ~(page - 1);
        if (!p->bytes || (p->va | p->physical) & (page - 1))     /* 0: none, or far too much */
                return AEE_EBADPARM;
        return p->fixed && pool ? AEE_EBADPARM : AEE_SUCCESS;
}

static int plan_rights(struct plan *p, uint32 flags)
{
        if (!quire_brew_flags_valid(flags))
                return AEE_EBADPARM;
        p->flags = flags & 0xffff;
        p->perms = flags & MEMREGION_PERMS(0) ? flags >> 16 & RIGHTS : p->group->access;
        if (!p->group->access || p->perms & ~p->group->access)
                return AEE_EPRIVLEVEL;
        return AEE_SUCCESS;
}

static int create(const struct plan *p, IMemRegion1 **out)
{
        struct memory *m;
        int result = quire_brew_memory_new(p, &m);

        if (result != AEE_SUCCESS)
                return result;
        result = quire_brew_service_new(p->env, m, m->root, p->perms, out);
        quire_brew_memory_drop(m);                       /* the service holds it */
        return result;
}

static int create_region(IMemGroup *group, IQI *pool, uint64 va, const PhysMemInfo *info,
                         uint32 flags, IMemRegion1 **out)
{
        struct plan p = { .group = group_of(group), .va = va };
        int result;

        if (!out)
                return AEE_EBADPARM;
        *out = NULL;
        if (!quire_brew_enter(&p.group->thing))
                return AEE_EFAILED;
        p.env = p.group->thing.env;
        result = plan_memory(&p, info, pool);
        if (result == AEE_SUCCESS)
                result = plan_rights(&p, flags);
        if (result == AEE_SUCCESS)
                result = create(&p, out);
        quire_brew_unlock();
        return result;
}

/* ----------------------------------------------------------------- looking */

static int list_regions(IMemGroup *p, MemRegionInfo *out, uint32 most, uint32 *count)
{
        struct group *g = group_of(p);
        uint32 n = 0;

        if (!count || (most && !out))
                return AEE_EBADPARM;
        if (!quire_brew_enter(&g->thing))
                return AEE_EFAILED;
        for (const struct memory *m = g->first; m; m = m->next, n++)
                if (n < most)
                        out[n] = (MemRegionInfo){ .ulVAStart = m->va, .dwSize = m->bytes,
                                                  .nPerms = (int)(m->perms & g->access),
                                                  .nFlags = (int)m->flags };
        *count = n;
        quire_brew_unlock();
        return AEE_SUCCESS;
}

/* --------------------------------------------------------------- narrowing */

/* All of them, also after one that could not be. */
static enum quire_status narrow_maps(struct group *g)
{
        enum quire_status worst = QUIRE_OK;

        for (struct memory *m = g->first; m; m = m->next) {
                enum quire_status st = quire_brew_maps_narrow(m, g->access);

                if (st != QUIRE_OK)
                        worst = st;
        }
        return worst;
}

static int set_access(IMemGroup *p, uint32 perms)
{
        struct group *g = group_of(p);
        int result = AEE_EPRIVLEVEL;

        if (perms & ~(uint32)RIGHTS)
                return AEE_EBADPARM;
        if (!quire_brew_enter(&g->thing))
                return AEE_EFAILED;
        if (!(perms & ~g->access)) {
                g->access = perms;
                result = quire_brew_result(narrow_maps(g));
        }
        quire_brew_unlock();
        return result;
}

static int revoke(IMemGroup *p)
{
        struct group *g = group_of(p);

        if (!quire_brew_enter(&g->thing))
                return AEE_EFAILED;
        g->access = 0;
        for (struct memory *m = g->first; m; m = m->next)
                quire_grant_revoke(m->root);
        quire_brew_unlock();
        return AEE_SUCCESS;
}

static const functions group_functions = {
        .AddRef = add_ref,
        .Release = release,
        .QueryInterface = query,
        .CreateRegion = create_region,
        .ListRegions = list_regions,
        .SetAccess = set_access,
        .Revoke = revoke,
};

static void end_group(struct thing *t)
{
        (void)t;                     /* regions that are left keep it */
}

static const struct kind group_kind = { { AEEIID_IMemGroup }, end_group, sizeof(struct group) };

int quire_brew_group_new(struct env *e, IMemGroup **out)
{
        struct group *g = quire_brew_new(e, &group_kind, &group_functions);

        if (!g)
                return AEE_ENOMEMORY;
        g->access = RIGHTS;
        g->last = &g->first;
        *out = (IMemGroup *)(void *)g;
        return AEE_SUCCESS;
}
