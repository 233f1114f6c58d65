/*
 * inside.h - what the files of this face know of each other.
 *
 *   environment                one process: a space, and the objects that work in it
 *     +- group --------------- its rights and its memories
 *     +- pool ---------------- its limit and what is used
 *     +- space                 (nothing of its own)
 *     +- service --+           a grant, and the rights it was made with
 *     +- map ------+---------- a service, and where it lies
 *                  |
 *                memory        one region: the object of the core, its group, its pool
 *                  +- range    addresses that are kept free for it
 *                       +- seat  ... in one environment
 *
 * A memory belongs to no environment and outlives the one that created it, as long as
 * services or maps refer to it.  The order of reading: thing.c, env.c, pool.c, place.c,
 * memory.c, group.c, region.c, space.c, map.c, and
 * linux.c, which speaks to other processes.
 *
 * Lock: one for all of the face, around every call (thing.c).  Every function declared
 * here is called with it held, save those that interfaces point to.
 */
#ifndef QUIRE_BREW_INSIDE_H
#define QUIRE_BREW_INSIDE_H
#include "brew.h"

enum { RIGHTS = MEMREGION_ACCESS_READ | MEMREGION_ACCESS_WRITE | MEMREGION_ACCESS_EXECUTE };

struct env;
struct thing;

/* What an object is, apart from its functions. */
struct kind {
        AEEIID iid[3];                       /* the interfaces it has; 0: no more */
        void (*die)(struct thing *);         /* let go of everything; once */
        size_t bytes;
};

/* The head of every object. */
struct thing {
        const void *pvt;                     /* first: see brew.h */
        const struct kind *kind;
        uint32 refs;                         /* 0: it is dead, and its memory goes */
        struct env *env;                     /* itself, of an environment */
        struct thing *next, **link;          /* in one of the environment's lists */
        bool dead;
};

struct env {
        struct thing thing;
        struct quire_system *system;
        struct quire_space *space;
        bool closed;
        struct thing *alive, *dead;          /* its objects */
        struct env *next, **link;            /* all that are not closed (env.c) */
};

struct pool {
        struct thing thing;
        uint64 bytes, used;
        uint32 flags;
};

struct group {
        struct thing thing;
        uint32 access;                       /* rights that nothing in it exceeds */
        struct memory *first, **last;        /* oldest first */
};

struct range;
struct seat;

struct memory {
        unsigned users;                      /* services and maps */
        struct quire_system *system;
        struct quire_grant *root;            /* all rights: what revoking takes back */
        struct group *group;                 /* holds it; null: another process's region */
        struct pool *pool;                   /* holds it, and has given .bytes; null: the system */
        struct memory *next, **link;         /* in its group */
        uint64 va, bytes;
        uint32 perms, flags;                 /* as created */
        bool hosted;
        struct range *ranges;
        struct map *maps;
};

struct service {
        struct thing thing;
        struct memory *memory;               /* null: dead */
        struct quire_grant *grant;
        uint32 perms;
};

struct map {
        struct thing thing;
        struct service *service;             /* holds it; null: unmapped */
        struct map *next, **link;            /* of its memory */
        struct seat *seat;                   /* where it sits; null: just anywhere */
        uint64 va, bytes;
        uint32 perms;
};

/* ---------------------------------------------------------------- thing.c */

void quire_brew_lock(void);
void quire_brew_unlock(void);
/* Take the lock for a call of an object; false, and it is not taken: its environment was
 * closed, or there is no object. */
bool quire_brew_enter(const struct thing *);

/* A zeroed object of the kind with one reference; null: no memory. */
void *quire_brew_new(struct env *, const struct kind *, const void *functions);
void quire_brew_hold(struct thing *);
uint32 quire_brew_drop(struct thing *);
/* Let all objects of the environment die. */
void quire_brew_die(struct env *);

/* AddRef, Release and QueryInterface, which take the lock. */
uint32 quire_brew_add_ref(void *);
uint32 quire_brew_release(void *);
int quire_brew_query(void *, AEEIID, void **);

/* The three for one interface, in its own words, named add_ref, release and query. */
#define COMMON_FUNCTIONS(iname)                                                          \
        static uint32 add_ref(iname *p)                                                  \
        {                                                                                \
                return quire_brew_add_ref(p);                                            \
        }                                                                                \
        static uint32 release(iname *p)                                                  \
        {                                                                                \
                return quire_brew_release(p);                                            \
        }                                                                                \
        static int query(iname *p, AEEIID iid, void **pp)                                \
        {                                                                                \
                return quire_brew_query(p, iid, pp);                                     \
        }                                                                                \
        typedef struct iname##Vtbl functions

int quire_brew_result(enum quire_status);

/* ------------------------------------------------------------------ env.c */

/* The environments that are open: (null) is before the first. */
struct env *quire_brew_next_env(const struct env *);

/* ----------------------------------------------------------------- pool.c */

int quire_brew_pool_new(struct env *, uint64 bytes, uint32 flags, IMemPool **);
/* The pool behind an interface; null: none of ours. */
struct pool *quire_brew_pool_of(IQI *);
/* ENOMEMORY: it has not as much left. */
int quire_brew_pool_take(struct pool *, uint64 bytes);
void quire_brew_pool_give(struct pool *, uint64 bytes);

/* ---------------------------------------------------------------- place.c */

/* Choose addresses for the memory, which env creates, and keep them free.  va: where;
 * 0: anywhere.  CONFLICT: it is not free there.  *out: where they are. */
QUIRE_CHECKED enum quire_status quire_brew_ranges_open(struct memory *, struct env *, uint64 va,
                                                       uint64 *out);
void quire_brew_ranges_close(struct memory *);
/* The new environment keeps what has to be kept in all.  CONFLICT: it can not. */
QUIRE_CHECKED enum quire_status quire_brew_places_enter(struct env *);
void quire_brew_places_leave(struct env *);
/* Reserve what the request says for the memory: at its seat, or where there is room.  *va:
 * where; *out: the seat that is now taken, or null.  CONFLICT: it has to be at the seat,
 * which is taken already. */
QUIRE_CHECKED enum quire_status quire_brew_place_take(struct memory *, struct env *,
                                                      struct quire_request *, uint64 *va,
                                                      struct seat **out);
/* What was reserved there is released. */
void quire_brew_place_leave(struct seat *);

/* --------------------------------------------------------------- memory.c */

/* What the creation of a region is told. */
struct plan {
        struct env *env;
        struct group *group;
        struct pool *pool;
        uint64 va, bytes;
        uint64 physical;
        bool fixed;                          /* .physical counts */
        uint32 perms, flags;
        struct quire_grant *received;        /* its object exists: another process's */
};
/* A grant that was received is the memory's, or stays the caller's where this fails. */
int quire_brew_memory_new(const struct plan *, struct memory **);
void quire_brew_memory_hold(struct memory *);
void quire_brew_memory_drop(struct memory *);
/* What its group allows. */
uint32 quire_brew_memory_access(const struct memory *);
unsigned quire_brew_memory_attributes(const struct memory *);

/* ---------------------------------------------------------------- group.c */

int quire_brew_group_new(struct env *, IMemGroup **);
/* Are these ulFlags known, and at most one of a kind? */
bool quire_brew_flags_valid(uint32 flags);

/* --------------------------------------------------------------- region.c */

/* An object of the memory for the environment, with rights derived from `from'. */
int quire_brew_service_new(struct env *, struct memory *, struct quire_grant *from,
                           uint32 perms, IMemRegion1 **);
/* The service behind an interface; null: none of ours. */
struct service *quire_brew_service_of(IMemRegion1 *);
/* What it allows now. */
uint32 quire_brew_service_rights(const struct service *);

/* ---------------------------------------------------------------- space.c */

int quire_brew_space_new(struct env *, IMemSpace **);

/* ------------------------------------------------------------------ map.c */

/* Map the first bytes of the service's region with these rights. */
int quire_brew_map_new(struct env *, struct service *, uint32 perms, uint64 bytes, IMemMap **);
/* Give the maps of the memory no more rights than these. */
QUIRE_CHECKED enum quire_status quire_brew_maps_narrow(struct memory *, uint32 perms);

#endif
