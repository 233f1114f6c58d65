/*
 * region.c - IMemRegion1: a reference to a region, with rights.
 *
 * R1  the rights of an object are those of its grant, and narrower than those of the
 *     object it came from.
 * R2  its grant is derived from the memory's root, so that revoking reaches it.
 *
 * Lock: the face's.
 */
#include "inside.h"

COMMON_FUNCTIONS(IMemRegion1);

uint32 quire_brew_service_rights(const struct service *s)
{
        return s->perms & quire_brew_memory_access(s->memory);
}

static int get_info(IMemRegion1 *p, MemRegionInfo *info)
{
        struct service *s = quire_brew_service_of(p);

        if (!info)
                return AEE_EBADPARM;
        if (!quire_brew_enter(&s->thing))
                return AEE_EFAILED;
        *info = (MemRegionInfo){ .ulVAStart = s->memory->va, .dwSize = s->memory->bytes,
                                 .nPerms = (int)quire_brew_service_rights(s),
                                 .nFlags = (int)s->memory->flags };
        quire_brew_unlock();
        return AEE_SUCCESS;
}

static int grant_access(IMemRegion1 *p, uint32 perms, IMemRegion1 **out)
{
        struct service *s = quire_brew_service_of(p);
        int result = AEE_EPRIVLEVEL;

        if (!out)
                return AEE_EBADPARM;
        *out = NULL;
        if (perms & ~(uint32)RIGHTS)
                return AEE_EBADPARM;
        if (!quire_brew_enter(&s->thing))
                return AEE_EFAILED;
        if (!(perms & ~quire_brew_service_rights(s)))
                result = quire_brew_service_new(s->thing.env, s->memory, s->grant, perms, out);
        quire_brew_unlock();
        return result;
}

static const functions service_functions = {
        .AddRef = add_ref,
        .Release = release,
        .QueryInterface = query,
        .GetInfo = get_info,
        .GrantAccess = grant_access,
};

static void end_service(struct thing *t)
{
        struct service *s = (struct service *)(void *)t;
        struct memory *m = s->memory;

        s->memory = NULL;
        quire_grant_close(s->grant);
        quire_brew_memory_drop(m);
}

static const struct kind service_kind = { { AEEIID_IMemRegion, AEEIID_IMemRegion1 },
                                          end_service, sizeof(struct service) };

struct service *quire_brew_service_of(IMemRegion1 *p)
{
        return p && p->pvt == &service_functions ? (struct service *)(void *)p : NULL;
}

int quire_brew_service_new(struct env *e, struct memory *m, struct quire_grant *from,
                           uint32 perms, IMemRegion1 **out)
{
        struct quire_grant *grant;
        enum quire_status st = quire_grant_narrow(from, perms, &grant);
        struct service *s;

        if (st != QUIRE_OK)
                return quire_brew_result(st);
        s = quire_brew_new(e, &service_kind, &service_functions);
        if (!s) {
                quire_grant_close(grant);
                return AEE_ENOMEMORY;
        }
        quire_brew_memory_hold(m);
        s->memory = m;
        s->grant = grant;
        s->perms = perms;
        *out = (IMemRegion1 *)(void *)s;
        return AEE_SUCCESS;
}
