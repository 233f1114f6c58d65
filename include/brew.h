/*
 * brew.h - BREW's memory regions on Quire: IMemGroup, IMemRegion1, IMemSpace,
 * IMemMap, and memory pools.
 *
 * Names, order of parameters and values are those that are published for Brew MP
 * (OS Services, memory management).  docs/brew.md tells how to port, and what was
 * decided where the publication is silent:
 *
 *   Addresses  and sizes are 64 bits wide (uint64) where Brew MP has uint32.
 *   Size       of a new region: dwSize of PhysMemInfo, since the published
 *              CreateRegion names none.
 *   Rights     of a new region: all that its group allows, or MEMREGION_PERMS() in
 *              ulFlags.  MEMREGION_ACCESS_WRITE and EXECUTE include reading, as they
 *              do on the processors that there are.
 *   Sharing    flags that are not given: placed anywhere, mapped by any number of
 *              processes.
 *   Pools      are this interface's own (IMemPool, IEnv_CreatePool); null is the
 *              system itself.
 *   Interface numbers other than IQI's are this header's own.
 *
 * Objects begin with a pointer to their functions.  IMemRegion1_GetInfo(p, &info)
 * and its like call them, from C and from C++.  An object that a call gives is a
 * reference, to be given back with Release.
 *
 * An *environment* (IEnv) is one process: quire_brew_open() makes it over a space,
 * and its objects work in that space only.  The single way to give another
 * environment a region is quire_brew_pass(), or between processes of Linux
 * quire_brew_send().
 *
 * Functions answer AEE_SUCCESS or another number of below, and then changed
 * nothing but *pp, which is null; of an environment that was closed all answer
 * AEE_EFAILED, save AddRef, Release and QueryInterface.  Any thread may call any,
 * but not from a handler of signals or of denied accesses.
 */
#ifndef QUIRE_BREW_H
#define QUIRE_BREW_H
#include "quire/quire.h"

#ifdef __cplusplus
extern "C" {
#endif

#if !defined(AEESTDDEF_H)
typedef uint32_t uint32;
typedef uint64_t uint64;
#endif
#if !defined(AEEIID)
typedef uint32 AEEIID;
#endif
typedef uint32 AEECLSID;
typedef int AEEResult;

/* ---------------------------------------------------------------- results */

#if !defined(AEESTDERR_H)
#define AEE_SUCCESS 0
#define AEE_EFAILED 1              /* storage failed, or the environment was closed */
#define AEE_ENOMEMORY 2            /* no memory, no addresses, or the pool is used up */
#define AEE_ECLASSNOTSUPPORT 3     /* no such interface or class */
#define AEE_EBADPARM 14            /* an argument makes no sense */
#define AEE_EUNSUPPORTED 20        /* not on this machine, or not with such a region */
#define AEE_EPRIVLEVEL 21          /* rights that the object lacks, or that were taken back */
#define AEE_EITEMBUSY 32           /* the addresses, or the region, are in use by another */
#endif

/* ------------------------------------------------------------------ flags */

/* Rights: a bit set. */
#define MEMREGION_ACCESS_READ 0x1
#define MEMREGION_ACCESS_WRITE 0x2
#define MEMREGION_ACCESS_EXECUTE 0x4

/* ulFlags.  One of each kind, or none; two of a kind: EBADPARM. */
#define MEMREGION_CACHE_NONE 0x1           /* when stores reach memory: at once */
#define MEMREGION_CACHE_WRITEBACK 0x2      /* ... when the cache needs room; also the default */
#define MEMREGION_CACHE_WRITETHRU 0x3      /* ... at once, and the cache keeps them */
#define MEMREGION_VIRTUAL_EXCL 0x100       /* its addresses are nobody else's: each process that
                                            * maps it has a range that no other one uses */
#define MEMREGION_VIRTUAL_COMMON 0x200     /* the same addresses in every process that maps it */
#define MEMREGION_SHARE_EXCL 0x1000        /* one process at a time maps it */
#define MEMREGION_SHARE_COMMON 0x2000      /* any number of processes; also the default */
/* This header's own: the rights that the region begins with. */
#define MEMREGION_PERMS(ulPerms) ((uint32)(ulPerms) << 16 | 0x80000u)

/* ------------------------------------------------------------- structures */

typedef struct PhysMemInfo {
        uint64 dwSize;             /* bytes, rounded up to pages */
        uint64 ulPhysStart;        /* with PHYSMEM_FIXED: the machine's physical address */
        uint32 nFlags;             /* PHYSMEM_FIXED, or 0: any memory */
} PhysMemInfo;
#define PHYSMEM_FIXED 1            /* of no pool; EUNSUPPORTED where the machine has no such */

typedef struct MemRegionInfo {
        uint64 ulVAStart;          /* where its creator has it */
        uint64 dwSize;             /* bytes */
        int nPerms;                /* MEMREGION_ACCESS_...: what the object allows now */
        int nFlags;                /* as given at creation, without MEMREGION_PERMS */
} MemRegionInfo;

typedef struct MemMapInfo {
        uint64 ulVAStart, dwSize;  /* dwSize 0: unmapped */
        int nPerms;                /* what its process may do there now */
} MemMapInfo;

typedef struct MemPoolInfo {
        uint64 dwSize, dwUsed;     /* bytes: at most, and of the regions that there are */
        int nFlags;
} MemPoolInfo;
#define MEMPOOL_SHAREABLE 1        /* its regions can be sent to other processes of Linux, and
                                    * are not paged.  EUNSUPPORTED where the machine can not */

/* ------------------------------------------------------------- interfaces */

#define AEEIID_IQI 0x01000001u
#define AEEIID_IEnv 0x01517201u
#define AEEIID_IMemPool 0x01517202u
#define AEEIID_IMemGroup 0x01517203u
#define AEEIID_IMemRegion 0x01517204u
#define AEEIID_IMemRegion1 0x01517205u
#define AEEIID_IMemSpace 0x01517206u
#define AEEIID_IMemMap 0x01517207u
#define AEECLSID_MemGroup 0x01517301u
#define AEECLSID_MemSpace 0x01517302u

/* AddRef and Release answer the count of references.  QueryInterface: another reference
 * to the same object; ECLASSNOTSUPPORT and *pp null: it has no such interface. */
#define INHERIT_IQI(iname)                                                               \
        uint32 (*AddRef)(iname *);                                                       \
        uint32 (*Release)(iname *);                                                      \
        int (*QueryInterface)(iname *, AEEIID, void **)
#define INHERIT_IMemRegion(iname)                                                        \
        INHERIT_IQI(iname);                                                              \
        int (*GetInfo)(iname *, MemRegionInfo *)

#define QUIRE_BREW_INTERFACE(iname)                                                      \
        typedef struct iname iname;                                                      \
        struct iname {                                                                   \
                const void *pvt;   /* its functions: see AEEGETPVTBL */                  \
        }
#define AEEGETPVTBL(p, iname) ((const struct iname##Vtbl *)(p)->pvt)

QUIRE_BREW_INTERFACE(IQI);
QUIRE_BREW_INTERFACE(IEnv);
QUIRE_BREW_INTERFACE(IMemPool);
QUIRE_BREW_INTERFACE(IMemGroup);
QUIRE_BREW_INTERFACE(IMemRegion);
QUIRE_BREW_INTERFACE(IMemRegion1);
QUIRE_BREW_INTERFACE(IMemSpace);
QUIRE_BREW_INTERFACE(IMemMap);

struct IQIVtbl {
        INHERIT_IQI(IQI);
};

/* One process. */
struct IEnvVtbl {
        INHERIT_IQI(IEnv);
        /* AEECLSID_MemGroup: a new group without regions.  AEECLSID_MemSpace: the space
         * of the environment.  ECLASSNOTSUPPORT: others. */
        int (*CreateInstance)(IEnv *, AEECLSID, void **);
        /* A pool of dwSize bytes, rounded down to pages. */
        int (*CreatePool)(IEnv *, uint64 dwSize, uint32 ulFlags, IMemPool **);
};

/*
 * What regions are made of: a quota.  A region takes its size from it when it is
 * created and gives it back when nothing refers to it.  It is not a reserve: pages are
 * charged to the system when they are touched (those of a shareable pool when the
 * region is created), so that the pools of one system promise no more than it has if
 * their sizes together do not.
 */
struct IMemPoolVtbl {
        INHERIT_IQI(IMemPool);
        int (*GetInfo)(IMemPool *, MemPoolInfo *);
};

/* Regions, and what is allowed with all of them.  A region has one group for life. */
struct IMemGroupVtbl {
        INHERIT_IQI(IMemGroup);
        /* A new region that reads as zeroes, and an object of it.
         *   piqiPool    where it comes from; null: the system
         *   ulVirtAddr  where it lies, a multiple of the page; 0: anywhere.  The range is kept
         *               free in the creator's space, with MEMREGION_VIRTUAL_... in all
         *   physInfo    its size, and perhaps its memory
         * EPRIVLEVEL: MEMREGION_PERMS beyond the group's rights, or it was revoked;
         * EITEMBUSY: the addresses are not free; ENOMEMORY. */
        int (*CreateRegion)(IMemGroup *, IQI *piqiPool, uint64 ulVirtAddr,
                            const PhysMemInfo *physInfo, uint32 ulFlags,
                            IMemRegion1 **ppiMemRegion);
        /* The regions that there are, oldest first, nMax of them at most; *pnRegions: how
         * many there are.  nPerms: what the group and the creation allow. */
        int (*ListRegions)(IMemGroup *, MemRegionInfo *, uint32 nMax, uint32 *pnRegions);
        /* Rights for all regions of the group, those that are mapped included, from now
         * on (save in other processes of Linux, which only Revoke reaches).  They can only
         * narrow: EPRIVLEVEL.  ENOMEMORY: all but maps that are there have the new rights;
         * the call can be repeated. */
        int (*SetAccess)(IMemGroup *, uint32 ulPerms);
        /* Take everything back, also from other processes as far as the machine can:
         * accesses fault, nothing can be mapped, granted or created any more. */
        int (*Revoke)(IMemGroup *);
};

/* A reference to a region, with rights. */
struct IMemRegionVtbl {
        INHERIT_IMemRegion(IMemRegion);
};
struct IMemRegion1Vtbl {
        INHERIT_IMemRegion(IMemRegion1);
        /* Another object of the same region with these rights.  EPRIVLEVEL: rights that
         * this one lacks. */
        int (*GrantAccess)(IMemRegion1 *, uint32 ulPerms, IMemRegion1 **ppiMemRegion1);
};

struct IMemSpaceVtbl {
        INHERIT_IQI(IMemSpace);
        /* Map the first ulMapSize bytes (rounded up to pages; 0: all) of the region
         * into the space.  Its creator gets it at ulVAStart, save for a second map at the same
         * time, and others where there is room, unless MEMREGION_VIRTUAL_... says
         * otherwise.  The map holds a reference to the object.  pulMapStart and
         * pulMappedSize may be null.
         * EPRIVLEVEL: rights beyond the object's, or an object of another environment;
         * EITEMBUSY: MEMREGION_SHARE_EXCL and another process maps it; or VIRTUAL and its
         * addresses in this space are in use, perhaps by a map of it. */
        int (*MapRegion)(IMemSpace *, IMemRegion1 *, uint32 ulPerms, uint64 ulMapSize,
                         IMemMap **ppiMemMap, uint64 *pulMapStart, uint64 *pulMappedSize);
};

/* A region in a space.  The last Release unmaps it, if Unmap did not. */
struct IMemMapVtbl {
        INHERIT_IQI(IMemMap);
        int (*GetInfo)(IMemMap *, MemMapInfo *);
        int (*Unmap)(IMemMap *);             /* EFAILED: it was unmapped before */
};

/* ------------------------------------------------- environments, and sharing */

/* An environment over a space of the system.  EITEMBUSY: regions with
 * MEMREGION_VIRTUAL_... have addresses that are not free in this space. */
int quire_brew_open(struct quire_system *, struct quire_space *, IEnv **);

/* The process ends: its maps go, and what its objects referred to.  The objects
 * themselves stay until they are released.  Gives the reference back.  To be called
 * before the space is closed. */
void quire_brew_close(IEnv *);

/* Give the region to another environment of the same system, as an object of that
 * one's with the same rights.  EUNSUPPORTED: another system. */
int quire_brew_pass(IMemRegion1 *, IEnv *to, IMemRegion1 **);

/*
 * Between processes of Linux: over a connected AF_UNIX socket, stream or seqpacket, to
 * a process that receives.  The region is of a shareable pool and neither
 * MEMREGION_SHARE_EXCL nor MEMREGION_VIRTUAL_EXCL, to which processes with a Quire each
 * can not hold one another.  The one who receives has an object with the rights of the one
 * that was sent, of a region of no group and no pool of his; quire/share.h says what
 * the kernel enforces, and why rights with WRITE are to be sent before rights without.
 *
 * send: EUNSUPPORTED: another kind of region; EPRIVLEVEL: no rights are left, or WRITE
 * after an object without; EITEMBUSY: the peer does not read.
 * receive: EITEMBUSY: nothing has arrived, or the addresses of a MEMREGION_VIRTUAL_COMMON
 * region are not free here; EPRIVLEVEL: it does not give the rights it claims.
 * Both: EFAILED: the peer is gone, or what arrives makes no sense; ENOMEMORY;
 * EBADPARM: no such socket.
 */
struct quire_process;
int quire_brew_send(struct quire_process *, IMemRegion1 *, int socket);
int quire_brew_receive(struct quire_process *, IEnv *, int socket, uint32 milliseconds,
                       IMemRegion1 **);

/* ------------------------------------------------------------ to call them */

static inline uint32 IQI_AddRef(IQI *p)
{
        return AEEGETPVTBL(p, IQI)->AddRef(p);
}
static inline uint32 IQI_Release(IQI *p)
{
        return AEEGETPVTBL(p, IQI)->Release(p);
}
static inline int IQI_QueryInterface(IQI *p, AEEIID iid, void **pp)
{
        return AEEGETPVTBL(p, IQI)->QueryInterface(p, iid, pp);
}

#define QUIRE_BREW_CALLS(iname)                                                          \
        static inline uint32 iname##_AddRef(iname *p)                                    \
        {                                                                                \
                return AEEGETPVTBL(p, iname)->AddRef(p);                                 \
        }                                                                                \
        static inline uint32 iname##_Release(iname *p)                                   \
        {                                                                                \
                return AEEGETPVTBL(p, iname)->Release(p);                                \
        }                                                                                \
        static inline int iname##_QueryInterface(iname *p, AEEIID iid, void **pp)        \
        {                                                                                \
                return AEEGETPVTBL(p, iname)->QueryInterface(p, iid, pp);                \
        }                                                                                \
        typedef struct iname##Vtbl iname##Vtbl

QUIRE_BREW_CALLS(IEnv);
QUIRE_BREW_CALLS(IMemPool);
QUIRE_BREW_CALLS(IMemGroup);
QUIRE_BREW_CALLS(IMemRegion);
QUIRE_BREW_CALLS(IMemRegion1);
QUIRE_BREW_CALLS(IMemSpace);
QUIRE_BREW_CALLS(IMemMap);

static inline int IEnv_CreateInstance(IEnv *p, AEECLSID clsid, void **pp)
{
        return AEEGETPVTBL(p, IEnv)->CreateInstance(p, clsid, pp);
}
static inline int IEnv_CreatePool(IEnv *p, uint64 dwSize, uint32 ulFlags, IMemPool **pp)
{
        return AEEGETPVTBL(p, IEnv)->CreatePool(p, dwSize, ulFlags, pp);
}
static inline int IMemPool_GetInfo(IMemPool *p, MemPoolInfo *info)
{
        return AEEGETPVTBL(p, IMemPool)->GetInfo(p, info);
}
static inline int IMemGroup_CreateRegion(IMemGroup *p, IQI *piqiPool, uint64 ulVirtAddr,
                                         const PhysMemInfo *physInfo, uint32 ulFlags,
                                         IMemRegion1 **pp)
{
        return AEEGETPVTBL(p, IMemGroup)->CreateRegion(p, piqiPool, ulVirtAddr, physInfo,
                                                       ulFlags, pp);
}
static inline int IMemGroup_ListRegions(IMemGroup *p, MemRegionInfo *infos, uint32 nMax,
                                        uint32 *pnRegions)
{
        return AEEGETPVTBL(p, IMemGroup)->ListRegions(p, infos, nMax, pnRegions);
}
static inline int IMemGroup_SetAccess(IMemGroup *p, uint32 ulPerms)
{
        return AEEGETPVTBL(p, IMemGroup)->SetAccess(p, ulPerms);
}
static inline int IMemGroup_Revoke(IMemGroup *p)
{
        return AEEGETPVTBL(p, IMemGroup)->Revoke(p);
}
static inline int IMemRegion_GetInfo(IMemRegion *p, MemRegionInfo *info)
{
        return AEEGETPVTBL(p, IMemRegion)->GetInfo(p, info);
}
static inline int IMemRegion1_GetInfo(IMemRegion1 *p, MemRegionInfo *info)
{
        return AEEGETPVTBL(p, IMemRegion1)->GetInfo(p, info);
}
static inline int IMemRegion1_GrantAccess(IMemRegion1 *p, uint32 ulPerms, IMemRegion1 **pp)
{
        return AEEGETPVTBL(p, IMemRegion1)->GrantAccess(p, ulPerms, pp);
}
static inline int IMemSpace_MapRegion(IMemSpace *p, IMemRegion1 *region, uint32 ulPerms,
                                      uint64 ulMapSize, IMemMap **pp, uint64 *pulMapStart,
                                      uint64 *pulMappedSize)
{
        return AEEGETPVTBL(p, IMemSpace)->MapRegion(p, region, ulPerms, ulMapSize, pp,
                                                    pulMapStart, pulMappedSize);
}
static inline int IMemMap_GetInfo(IMemMap *p, MemMapInfo *info)
{
        return AEEGETPVTBL(p, IMemMap)->GetInfo(p, info);
}
static inline int IMemMap_Unmap(IMemMap *p)
{
        return AEEGETPVTBL(p, IMemMap)->Unmap(p);
}

#ifdef __cplusplus
}
#endif
#endif
