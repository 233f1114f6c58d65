/*
 * pool.c - memory pools: how many bytes of regions there may be.
 *
 * A pool lives as long as somebody has a reference, or a region came from it, whose
 * bytes come back with its end.
 *
 * Lock: the face's.
 */
#include "inside.h"

COMMON_FUNCTIONS(IMemPool);

static int get_info(IMemPool *p, MemPoolInfo *info)
{
        struct pool *pool = (struct pool *)(void *)p;

        if (!info)
                return AEE_EBADPARM;
        if (!quire_brew_enter(&pool->thing))
                return AEE_EFAILED;
        *info = (MemPoolInfo){ .dwSize = pool->bytes, .dwUsed = pool->used,
                               .nFlags = (int)pool->flags };
        quire_brew_unlock();
        return AEE_SUCCESS;
}

static const functions pool_functions = {
        .AddRef = add_ref,
        .Release = release,
        .QueryInterface = query,
        .GetInfo = get_info,
};

static void end_pool(struct thing *t)
{
        (void)t;                     /* regions that are left give their bytes back to it */
}

static const struct kind pool_kind = { { AEEIID_IMemPool }, end_pool, sizeof(struct pool) };

/* Has the machine memory that processes share? */
static enum quire_status try_hosted(struct env *e)
{
        const struct quire_object_request object = { .bytes = quire_system_page(e->system),
                                                     .kind = QUIRE_ANONYMOUS,
                                                     .flags = QUIRE_HOSTED };
        struct quire_grant *grant;
        enum quire_status st = quire_object_open(e->system, &object, &grant);

        if (st == QUIRE_OK)
                quire_grant_close(grant);
        return st;
}

int quire_brew_pool_new(struct env *e, uint64 bytes, uint32 flags, IMemPool **out)
{
        enum quire_status st = QUIRE_OK;
        struct pool *pool;

        bytes &= ~(quire_system_page(e->system) - 1);
        if (!bytes || flags & ~(uint32)MEMPOOL_SHAREABLE)
                return AEE_EBADPARM;
        if (flags & MEMPOOL_SHAREABLE)
                st = try_hosted(e);
        if (st != QUIRE_OK)
                return quire_brew_result(st);
        pool = quire_brew_new(e, &pool_kind, &pool_functions);
        if (!pool)
                return AEE_ENOMEMORY;
        pool->bytes = bytes;
        pool->flags = flags;
        *out = (IMemPool *)(void *)pool;
        return AEE_SUCCESS;
}

struct pool *quire_brew_pool_of(IQI *p)
{
        return p && p->pvt == &pool_functions ? (struct pool *)(void *)p : NULL;
}

int quire_brew_pool_take(struct pool *pool, uint64 bytes)
{
        if (!pool)
                return AEE_SUCCESS;
        if (bytes > pool->bytes - pool->used)
                return AEE_ENOMEMORY;
        pool->used += bytes;
        quire_brew_hold(&pool->thing);
        return AEE_SUCCESS;
}

void quire_brew_pool_give(struct pool *pool, uint64 bytes)
{
        if (!pool)
                return;
        pool->used -= bytes;
        quire_brew_drop(&pool->thing);
}
