/*
 * thing.c - what every object of this face has: its references, its interfaces, its
 * environment; and the lock.
 *
 * An object dies once: with its last reference, or with its environment, whichever
 * comes first.  It then lets go of everything but its own record, which stays while
 * somebody has a reference.
 *
 * T1  an object is in its environment's list `alive' or, when it has died, `dead'.
 * T2  an environment's record stays while an object is in one of its lists.
 *
 * Lock: this is the lock.  It is held across fork().
 */
#include "inside.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void survive_fork(void)
{
        (void)pthread_atfork(quire_brew_lock, quire_brew_unlock, quire_brew_unlock);
}

void quire_brew_lock(void)
{
        pthread_mutex_lock(&mutex);
}

void quire_brew_unlock(void)
{
        pthread_mutex_unlock(&mutex);
}

bool quire_brew_enter(const struct thing *t)
{
        if (!t)
                return false;
        quire_brew_lock();
        if (!t->env->closed)
                return true;
        quire_brew_unlock();
        return false;
}

/* ---------------------------------------------------------------- lifetime */

static void link_thing(struct thing *t, struct thing **list)
{
        t->next = *list;
        t->link = list;
        if (t->next)
                t->next->link = &t->next;
        *list = t;
}

static void unlink_thing(struct thing *t)
{
        *t->link = t->next;
        if (t->next)
                t->next->link = t->link;
}

void *quire_brew_new(struct env *e, const struct kind *kind, const void *functions)
{
        struct thing *t = calloc(1, kind->bytes);

        pthread_once(&once, survive_fork);
        if (!t)
                return NULL;
        *t = (struct thing){ .pvt = functions, .kind = kind, .refs = 1, .env = e };
        if (e)
                link_thing(t, &e->alive);
        else
                t->env = (struct env *)(void *)t;        /* the environment itself */
        return t;
}

static void die(struct thing *t)
{
        if (t->dead)
                return;
        t->dead = true;
        if (t != &t->env->thing) {
                unlink_thing(t);
                link_thing(t, &t->env->dead);
        }
        t->kind->die(t);
}

void quire_brew_die(struct env *e)
{
        while (e->alive)
                die(e->alive);
}

/* T2: the record of an environment without objects and references. */
static void forget_env(struct env *e)
{
        if (!e->thing.refs && !e->alive && !e->dead)
                free(e);
}

void quire_brew_hold(struct thing *t)
{
        t->refs++;
}

uint32 quire_brew_drop(struct thing *t)
{
        struct env *e = t->env;

        if (--t->refs)
                return t->refs;
        die(t);
        if (t != &e->thing) {
                unlink_thing(t);
                free(t);
        }
        forget_env(e);
        return 0;
}

/* ------------------------------------------------------------- interfaces */

uint32 quire_brew_add_ref(void *p)
{
        struct thing *t = p;
        uint32 refs;

        quire_brew_lock();
        quire_brew_hold(t);
        refs = t->refs;
        quire_brew_unlock();
        return refs;
}

uint32 quire_brew_release(void *p)
{
        uint32 refs;

        quire_brew_lock();
        refs = quire_brew_drop(p);
        quire_brew_unlock();
        return refs;
}

static bool has_interface(const struct thing *t, AEEIID iid)
{
        if (iid == AEEIID_IQI)
                return true;
        for (unsigned i = 0; i < sizeof(t->kind->iid) / sizeof(t->kind->iid[0]); i++)
                if (iid && t->kind->iid[i] == iid)
                        return true;
        return false;
}

int quire_brew_query(void *p, AEEIID iid, void **pp)
{
        if (!pp)
                return AEE_EBADPARM;
        *pp = has_interface(p, iid) ? p : NULL;
        if (!*pp)
                return AEE_ECLASSNOTSUPPORT;
        quire_brew_add_ref(p);
        return AEE_SUCCESS;
}

/* The words of the core in those of the face. */
int quire_brew_result(enum quire_status st)
{
        static const int result[] = {
                [QUIRE_OK] = AEE_SUCCESS,
                [QUIRE_INVALID] = AEE_EBADPARM,
                [QUIRE_NO_MEMORY] = AEE_ENOMEMORY,
                [QUIRE_NO_SPACE] = AEE_ENOMEMORY,
                [QUIRE_CONFLICT] = AEE_EITEMBUSY,
                [QUIRE_NOT_PRESENT] = AEE_EPRIVLEVEL,      /* a grant that was revoked */
                [QUIRE_LIMIT] = AEE_ENOMEMORY,
                [QUIRE_DENIED] = AEE_EPRIVLEVEL,
                [QUIRE_IO_ERROR] = AEE_EFAILED,
                [QUIRE_BROKEN] = AEE_EFAILED,
                [QUIRE_UNSUPPORTED] = AEE_EUNSUPPORTED,
                [QUIRE_BUSY] = AEE_EITEMBUSY,
        };

        return result[st];
}
