/*
 * file.h - files as objects, and pagers that ordinary code serves.
 *
 * A file's object is mapped, shared, copied-on-write, cloned and granted as any
 * other (quire.h): its pages come from the file when they are touched, take
 * their place in the budget of the process, and go home to the file when they must
 * leave memory, at a flush, and with the last region or grant.
 */
#ifndef QUIRE_FILE_H
#define QUIRE_FILE_H
#include "process.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {                                        /* flags of a file's object */
        QUIRE_FILE_READ_ONLY = 1,             /* the grant lacks W, whatever the descriptor may;
                                               * a view with QUIRE_COPY can be written */
        QUIRE_FILE_SOLE = 2,                  /* QUIRE_SOLE: one region at a time, none that
                                               * copies; faults cost about half as much */
        QUIRE_FILE_BUFFERED = 4,              /* let the kernel cache the file, too: its cache is
                                               * not in the budget.  Otherwise O_DIRECT
                                               * is used where the file system has it */
        QUIRE_FILE_EPOCHS = 8,                /* QUIRE_EPOCHS */
};

struct quire_file_options {
        uint64_t offset;         /* where the object begins in the file; whole pages */
        uint64_t bytes;          /* of the file; 0: to its end as it is now */
        unsigned flags;
};

/*
 * A range of a regular file as an object.  The object has whole pages; what of them
 * lies beyond the range reads as zeroes and is never written, and no write makes the
 * file longer.  The grant has W if the descriptor may write, R and X always.
 *
 * The file may be changed by others meanwhile: who touches a page that is not in
 * memory sees what the file has then.  Who touches a page that the file does not have
 * any more, because it was truncated, or that the disk does not give, is denied
 * (QUIRE_WHY_IO_ERROR: SIGBUS, if nobody hears of it); the next access asks again.
 *
 * quire_object_flush() writes what was modified, and returns when it is on the disk.
 * A child of fork sees what there was; what it modifies stays its own and
 * never reaches the file (its flush is IO_ERROR).
 *
 * The descriptor is duplicated: the caller closes its own when he likes.  Options may
 * be null.  INVALID: no regular file, a range that is not inside it or empty, a
 * descriptor for writing only, or one that appends; NOT_PRESENT, DENIED: the path
 * does not lead to a file, or not to one that may be read; NO_MEMORY; IO_ERROR.
 */
QUIRE_CHECKED enum quire_status quire_file_open(struct quire_process *, int fd,
                                                const struct quire_file_options *,
                                                struct quire_grant **out);
/* The same, of a path: for reading and writing, unless READ_ONLY. */
QUIRE_CHECKED enum quire_status quire_file_open_path(struct quire_process *, const char *path,
                                                     const struct quire_file_options *,
                                                     struct quire_grant **out);

/*
 * A working set: which pages of a CALLBACK object (a file's, or any pager's) a run of a
 * program needed, in which order, in a small file; and bringing them in while another
 * run begins.
 *
 * The set is a hint: one that is of another object, too old or damaged does no harm but to
 * the time that it takes.  A grant given to open is held until close.
 */
struct quire_record;
struct quire_replay;

/* Note what is asked for from now on.  BUSY: somebody does already. */
QUIRE_CHECKED enum quire_status quire_record_open(struct quire_process *, struct quire_grant *,
                                                  struct quire_record **out);
/* Write the set to the path, in place of what was there; null: forget it.  The record is closed
 * in any case.  LIMIT: it was written, but has only the first 65,536 runs of pages;
 * IO_ERROR: it could not be written, and what was there is there still. */
enum quire_status quire_record_close(struct quire_record *, const char *path);

/* Bring in what the set at the path names, by a thread, in its order, as far as frames are
 * free; what the program touches meanwhile comes first.  NOT_PRESENT: there is no such
 * file; INVALID: it is not a working set, or of an object of another size. */
QUIRE_CHECKED enum quire_status quire_replay_open(struct quire_process *, struct quire_grant *,
                                                  const char *path, struct quire_replay **out);
/* End it; `finish': not before everything has been asked for.  Returns the bytes that it
 * brought in or found there. */
uint64_t quire_replay_close(struct quire_replay *, bool finish);

/*
 * A server: threads that call the functions of a pager in ordinary context.
 *
 * fill and write of a served pager may allocate, lock and wait, and take as long as they
 * like; whoever needs the page waits.  They may touch any memory but that of
 * the object itself, or of one that waits for this one.  page[] is where to put the
 * contents (fill), or where they are (write), for the time of the call.  Several threads
 * call at once.  fill may answer QUIRE_BUSY, too, and supply later.
 *
 * In a child of fork there are no threads: pages that are not in memory
 * are denied there (IO_ERROR), and none is written.
 */
struct quire_server;

/* As quire_object_open() of a CALLBACK object, served by so many threads (1..64). */
QUIRE_CHECKED enum quire_status quire_server_open(struct quire_process *,
                                                  const struct quire_object_request *,
                                                  unsigned threads, struct quire_grant **grant,
                                                  struct quire_server **out);
/*
 * Flush the object, and end the threads, when they have done what they were asked for.
 * What still shows the object goes on with the pages that are in memory or in a pagefile;
 * other accesses are denied (IO_ERROR).  The answer is the flush's.  Every server is closed
 * before its process; not from one of its own threads.
 */
enum quire_status quire_server_close(struct quire_server *);

#ifdef __cplusplus
}
#endif
#endif
