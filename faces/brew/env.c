/*
 * env.c - environments: one process each, over a space of a system.
 *
 * E1  every environment that is not closed is in the list.
 * E2  there is at most one that is not closed over a space.
 *
 * Lock: the face's.
 */
#include "inside.h"

static struct env *open_envs;

COMMON_FUNCTIONS(IEnv);

static struct env *env_of(IEnv *p)
{
        return (struct env *)(void *)p;
}

struct env *quire_brew_next_env(const struct env *e)
{
        return e ? e->next : open_envs;
}

/* The process is gone; the record stays for those who still have references. */
static void close_env(struct thing *t)
{
        struct env *e = (struct env *)(void *)t;

        if (e->closed)
                return;
        t->refs++;                   /* its record stays until this is done */
        quire_brew_die(e);
        quire_brew_places_leave(e);
        t->refs--;
        e->closed = true;
        *e->link = e->next;
        if (e->next)
                e->next->link = e->link;
}

static int create_instance(IEnv *p, AEECLSID clsid, void **pp)
{
        struct env *e = env_of(p);
        int result = AEE_ECLASSNOTSUPPORT;

        if (!pp)
                return AEE_EBADPARM;
        *pp = NULL;
        if (!quire_brew_enter(&e->thing))
                return AEE_EFAILED;
        if (clsid == AEECLSID_MemGroup) {
                IMemGroup *group = NULL;

                result = quire_brew_group_new(e, &group);
                *pp = group;
        } else if (clsid == AEECLSID_MemSpace) {
                IMemSpace *space = NULL;

                result = quire_brew_space_new(e, &space);
                *pp = space;
        }
        quire_brew_unlock();
        return result;
}

static int create_pool(IEnv *p, uint64 bytes, uint32 flags, IMemPool **pp)
{
        struct env *e = env_of(p);
        int result;

        if (!pp)
                return AEE_EBADPARM;
        *pp = NULL;
        if (!quire_brew_enter(&e->thing))
                return AEE_EFAILED;
        result = quire_brew_pool_new(e, bytes, flags, pp);
        quire_brew_unlock();
        return result;
}

static const functions env_functions = {
        .AddRef = add_ref,
        .Release = release,
        .QueryInterface = query,
        .CreateInstance = create_instance,
        .CreatePool = create_pool,
};
static const struct kind env_kind = { { AEEIID_IEnv }, close_env, sizeof(struct env) };

static bool is_open(const struct quire_space *space)
{
        for (const struct env *e = open_envs; e; e = e->next)
                if (e->space == space)
                        return true;
        return false;
}

static int open_env(struct quire_system *system, struct quire_space *space, IEnv **out)
{
        struct env *e = is_open(space) ? NULL : quire_brew_new(NULL, &env_kind, &env_functions);
        enum quire_status st;

        if (!e)
                return is_open(space) ? AEE_EITEMBUSY : AEE_ENOMEMORY;
        e->system = system;
        e->space = space;
        e->next = open_envs;
        e->link = &open_envs;
        if (e->next)
                e->next->link = &e->next;
        open_envs = e;
        st = quire_brew_places_enter(e);
        if (st == QUIRE_OK)
                *out = (IEnv *)(void *)e;
        else
                quire_brew_drop(&e->thing);
        return quire_brew_result(st);
}

int quire_brew_open(struct quire_system *system, struct quire_space *space, IEnv **out)
{
        int result;

        if (!out)
                return AEE_EBADPARM;
        *out = NULL;
        if (!system || !space)
                return AEE_EBADPARM;
        quire_brew_lock();
        result = open_env(system, space, out);
        quire_brew_unlock();
        return result;
}

void quire_brew_close(IEnv *p)
{
        struct env *e = env_of(p);

        if (!e)
                return;
        quire_brew_lock();
        close_env(&e->thing);
        quire_brew_drop(&e->thing);
        quire_brew_unlock();
}

int quire_brew_pass(IMemRegion1 *p, IEnv *to, IMemRegion1 **out)
{
        struct service *s = quire_brew_service_of(p);
        struct env *e = env_of(to);
        int result;

        if (!out)
                return AEE_EBADPARM;
        *out = NULL;
        if (!s || !e)
                return AEE_EBADPARM;
        if (!quire_brew_enter(&s->thing))
                return AEE_EFAILED;
        if (e->closed)
                result = AEE_EFAILED;
        else if (e->system != s->memory->system)
                result = AEE_EUNSUPPORTED;
        else
                result = quire_brew_service_new(e, s->memory, s->grant, s->perms, out);
        quire_brew_unlock();
        return result;
}
