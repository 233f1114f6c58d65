/*
 * owner.h - the one process that is open, as process.c and fork.c share it.
 */
#ifndef QUIRE_LINUX_OWNER_H
#define QUIRE_LINUX_OWNER_H
#include "internal.h"

struct quire_process {
        struct quire_linux *l;               /* [I] */
        struct quire_system *system;         /* [I] */
        struct quire_space *space;           /* [I] */
        uint64_t pagefile_size;              /* [I] */
        /* fork.c: children that may still read our pagefiles hold the other end
         * of a pipe. */
        struct quire_lock forks;             /* guards the four below */
        int witness;                         /* writing end, from prepare on; or -1 */
        int copied[2];                       /* a pipe whose writing end the child closes when it
                                              * has what it copies of the parent; or -1 */
        bool unwitnessed;                    /* a child holds no end: keep slots for good */
        bool at_fork;                        /* [I] fork is ours to prepare for */
        uint64_t mask;                       /* what prepare blocked */
};

/* The process that is open, or null. */
extern struct quire_process *quire_process_current;
void quire_fork_open(struct quire_process *);
void quire_fork_close(struct quire_process *);

#endif
