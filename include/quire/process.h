/*
 * process.h - Quire in this Linux process, with real memory and real faults.
 *
 * One call opens the machine, the host, the system and a space that covers
 * the process; quire.h does the rest.  There is at most one at a time.
 */
#ifndef QUIRE_PROCESS_H
#define QUIRE_PROCESS_H
#include "quire.h"

#ifdef __cplusplus
extern "C" {
#endif

enum quire_faults {
        QUIRE_FAULTS_AUTO,       /* inline where possible */
        QUIRE_FAULTS_INLINE,     /* in the faulting thread, from SIGBUS */
        QUIRE_FAULTS_THREAD,     /* by handler threads; when privileged, system calls may
                                  * touch absent pages too */
};

struct quire_process_options {
        uint64_t memory;            /* bytes resident at most */
        const char *pagefile;       /* a directory (an unlinked file is made in it), a path (the
                                     * file is made, or emptied, and kept); null: $TMPDIR or /tmp */
        uint64_t pagefile_size;     /* most bytes it grows to; 0: as the disk allows */
        uint64_t commit_limit;      /* 0: unlimited, or where pagefile_size is given, what the
                                     * pagefile and the frames of memory hold together */
        const char *policy;         /* null: "2q" */
        enum quire_faults faults;
        bool buffered;              /* let the kernel cache the pagefile too; default: O_DIRECT */
        unsigned tier_percent;      /* of memory, compressed, at most; 0: 75; 255: none */
        bool audit;
};

struct quire_process;

/*
 * INVALID: options; the reason is quire_process_problem().  UNSUPPORTED: this
 * kernel or container forbids what every engine needs.  IO_ERROR: the pagefile.
 * Installs a SIGBUS handler (faults inline) and a SIGSEGV handler (plain
 * regions) that chain to whoever was there before; blocks nothing.
 */
QUIRE_CHECKED enum quire_status quire_process_open(const struct quire_process_options *,
                                                   struct quire_process **out);
/* Releases everything, regions included. */
void quire_process_close(struct quire_process *);

struct quire_space *quire_process_space(struct quire_process *);
struct quire_system *quire_process_system(struct quire_process *);

/* One line that says why the last open in this thread failed, and what to do. */
const char *quire_process_problem(void);

/*
 * What this machine offers, for `quire probe` and for tests.  The environment
 * variable QUIRE_DISABLE, a list separated by commas of the names below, makes
 * open and probe act as if the kernel lacked them.
 */
struct quire_ability {
        const char *name;         /* "userfaultfd", "privileged-faults", "inline-faults", "move",
                                   * "write-protect", "pagemap-scan", "async-write-protect",
                                   * "io-uring", "direct-io", "syscall-dispatch" ... */
        bool present;             /* usable now, by this user */
        char how[160];            /* the mechanism in use, or the fallback */
        char enable[160];         /* how to get it where it is missing */
};
/* Fills at most `room' entries; returns how many there are. */
unsigned quire_process_probe(struct quire_ability *out, unsigned room);

#ifdef __cplusplus
}
#endif
#endif
