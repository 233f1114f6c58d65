/*
 * space.c - IMemSpace: who may map what into the space of an environment.
 *
 * Lock: the face's.
 */
#include "inside.h"

COMMON_FUNCTIONS(IMemSpace);

/* MEMREGION_SHARE_EXCL: does another process map it? */
static bool is_elsewhere(const struct memory *m, const struct env *e)
{
        if (m->flags & MEMREGION_SHARE_EXCL)
                for (const struct map *map = m->maps; map; map = map->next)
                        if (map->thing.env != e)
                                return true;
        return false;
}

static int may_map(const struct env *e, const struct service *s, uint32 perms, uint64 bytes)
{
        if (s->thing.env != e)
                return AEE_EPRIVLEVEL;
        if (perms & ~(uint32)RIGHTS || bytes > s->memory->bytes)
                return AEE_EBADPARM;
        if (perms & ~quire_brew_service_rights(s))
                return AEE_EPRIVLEVEL;
        return is_elsewhere(s->memory, e) ? AEE_EITEMBUSY : AEE_SUCCESS;
}

static int map_region(IMemSpace *p, IMemRegion1 *region, uint32 perms, uint64 bytes,
                      IMemMap **out, uint64 *start, uint64 *mapped)
{
        struct thing *space = (struct thing *)(void *)p;
        struct service *s = quire_brew_service_of(region);
        int result;

        if (!out)
                return AEE_EBADPARM;
        *out = NULL;
        if (!s)
                return AEE_EBADPARM;
        if (!quire_brew_enter(space))
                return AEE_EFAILED;
        result = may_map(space->env, s, perms, bytes);
        if (result == AEE_SUCCESS)
                result = quire_brew_map_new(space->env, s, perms, bytes ? bytes : s->memory->bytes,
                                            out);
        if (result == AEE_SUCCESS) {
                const struct map *m = (const struct map *)(const void *)*out;

                if (start)
                        *start = m->va;
                if (mapped)
                        *mapped = m->bytes;
        }
        quire_brew_unlock();
        return result;
}

static const functions space_functions = {
        .AddRef = add_ref,
        .Release = release,
        .QueryInterface = query,
        .MapRegion = map_region,
};

static void end_space(struct thing *t)
{
        (void)t;                     /* maps are objects of their own */
}

static const struct kind space_kind = { { AEEIID_IMemSpace }, end_space, sizeof(struct thing) };

int quire_brew_space_new(struct env *e, IMemSpace **out)
{
        struct thing *space = quire_brew_new(e, &space_kind, &space_functions);

        *out = (IMemSpace *)(void *)space;
        return space ? AEE_SUCCESS : AEE_ENOMEMORY;
}
