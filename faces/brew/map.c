/*
 * map.c - IMemMap: a region in a space.
 *
 * N1  a map holds its service, and so its memory, until it is unmapped.
 * N2  it is in its memory's list until then.
 *
 * Lock: the face's.
 */
#include "inside.h"

COMMON_FUNCTIONS(IMemMap);

static struct map *map_of(IMemMap *p)
{
        return (struct map *)(void *)p;
}

static uint32 access_now(const struct map *m)
{
        return m->perms & quire_brew_memory_access(m->service->memory);
}

static int get_info(IMemMap *p, MemMapInfo *info)
{
        struct map *m = map_of(p);

        if (!info)
                return AEE_EBADPARM;
        if (!quire_brew_enter(&m->thing))
                return AEE_EFAILED;
        *info = (MemMapInfo){ 0 };
        if (m->service)
                *info = (MemMapInfo){ .ulVAStart = m->va, .dwSize = m->bytes,
                                      .nPerms = (int)access_now(m) };
        quire_brew_unlock();
        return AEE_SUCCESS;
}

static void link_map(struct map *m, struct memory *memory)
{
        m->next = memory->maps;
        m->link = &memory->maps;
        if (m->next)
                m->next->link = &m->next;
        memory->maps = m;
}

static void unmap_now(struct map *m)
{
        struct service *s = m->service;
        enum quire_status st;

        if (!s)
                return;
        st = quire_region_release(m->thing.env->space, m->va, m->bytes);
        (void)st;                    /* who has released it natively, has released it */
        quire_brew_place_leave(m->seat);
        *m->link = m->next;
        if (m->next)
                m->next->link = m->link;
        m->service = NULL;
        quire_brew_drop(&s->thing);
}

static int unmap(IMemMap *p)
{
        struct map *m = map_of(p);
        int result;

        if (!quire_brew_enter(&m->thing))
                return AEE_EFAILED;
        result = m->service ? AEE_SUCCESS : AEE_EFAILED;
        unmap_now(m);
        quire_brew_unlock();
        return result;
}

static const functions map_functions = {
        .AddRef = add_ref,
        .Release = release,
        .QueryInterface = query,
        .GetInfo = get_info,
        .Unmap = unmap,
};

static void end_map(struct thing *t)
{
        unmap_now((struct map *)(void *)t);
}

static const struct kind map_kind = { { AEEIID_IMemMap }, end_map, sizeof(struct map) };

/* Through a grant that has no right that the group took away, so that the space can not
 * protect its way back to it. */
static enum quire_status map_service(struct map *m, struct env *e, struct service *s)
{
        struct quire_request request = {
                .bytes = m->bytes,
                .attributes = quire_brew_memory_attributes(s->memory),
                .access = m->perms,
        };
        enum quire_status st = quire_grant_narrow(s->grant, quire_brew_service_rights(s),
                                                  &request.grant);

        if (st != QUIRE_OK)
                return st;
        st = quire_brew_place_take(s->memory, e, &request, &m->va, &m->seat);
        quire_grant_close(request.grant);
        return st;
}

int quire_brew_map_new(struct env *e, struct service *s, uint32 perms, uint64 bytes,
                       IMemMap **out)
{
        uint64 page = quire_system_page(e->system);
        struct map *m = quire_brew_new(e, &map_kind, &map_functions);
        enum quire_status st;

        if (!m)
                return AEE_ENOMEMORY;
        m->bytes = (bytes + page - 1) & ~(page - 1);
        m->perms = perms;
        st = map_service(m, e, s);
        if (st != QUIRE_OK) {
                quire_brew_drop(&m->thing);
                return quire_brew_result(st);
        }
        quire_brew_hold(&s->thing);
        m->service = s;
        link_map(m, s->memory);
        *out = (IMemMap *)(void *)m;
        return AEE_SUCCESS;
}

enum quire_status quire_brew_maps_narrow(struct memory *memory, uint32 perms)
{
        enum quire_status worst = QUIRE_OK;

        for (struct map *m = memory->maps; m; m = m->next) {
                enum quire_status st;

                if (!(m->perms & ~perms))
                        continue;
                st = quire_region_protect(m->thing.env->space, m->va, m->bytes, m->perms & perms,
                                          NULL);
                if (st != QUIRE_OK)
                        worst = st;
        }
        return worst;
}
