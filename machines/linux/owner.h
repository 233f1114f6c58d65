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
        const struct sharer *sharer;         /* whom prepare told */
        struct reader *reader;               /* reader.c: [a] null until the first file */
        uint64_t bounce;                     /* reader.c: [a] its huge page, NO_BOUNCE, or 0 */
};

/* lease.c, once anything is shared: it comes with programs that share only. */
struct sharer {
        void (*close)(struct quire_process *);
        void (*prepare)(void);
        void (*parent)(void);
        void (*child)(void);
};
extern const struct sharer *quire_sharer;    /* [a] or null */

/* The process that is open, or null. */
extern struct quire_process *quire_process_current;
void quire_problem_say(const char *why);     /* what quire_process_problem() says next */
void quire_fork_open(struct quire_process *);
void quire_fork_close(struct quire_process *);

/* reader.c: threads that read files ahead of those who will want them. */
struct file;
struct reading {
        struct file *file;
        struct quire_object *object;         /* to be told: quire_pager_filled() */
        uint64_t offset, bytes;
        void *page[QUIRE_IO_MAX];
};
#define QUIRE_READING_MOST (4 * QUIRE_IO_MAX)        /* pages that are read with one call */
bool quire_reader_open(struct quire_process *);
/* False: too much waits already.  Any context. */
bool quire_reader_add(struct reader *, const struct reading *);
/* What was added is done. */
void quire_reader_close(struct quire_process *);
/* In a child of fork, once the system goes on. */
void quire_reader_lost(struct quire_process *);

/* file.c: the object's range into pages, at most QUIRE_READING_MOST of them; ahead: nobody
 * waits for them yet. */
enum quire_status quire_file_read(struct file *, uint64_t offset, uint64_t bytes, bool ahead,
                                  void *const page[]);

#endif
