/*
 * alone.c - is the calling thread the only one of the program?
 *
 * While it is, nobody writes to memory between two system calls of ours, and what
 * takes two calls need not be one (enter.c).
 *
 * The kernel counts the threads of the process in the links of /proc/self/task.  Those
 * of ours that read files ahead do not touch the program's memory, and are taken off;
 * each says of itself that it runs, so that never more are taken off than there are.
 * Every other thread counts as the program's: handlers, watchers, and the kernel's
 * workers for an io_uring of the program, which write to its buffers.
 *
 * Not seen: a process that was made with this memory, but not as a thread (clone with
 * CLONE_VM alone).  A child of vfork is such a one, and its parent sleeps meanwhile.
 *
 * Lock: none.  Signal context: quire_alone().
 */
#include "internal.h"
#include "sys.h"
#include <fcntl.h>
#include <sys/stat.h>

#define LINKS 2u                         /* of the folder itself */

/* Also in a child of fork, where nobody else runs. */
void quire_alone_open(struct quire_linux *l)
{
        quire_alone_close(l);
        STORE(&l->ours, 0);
        l->tasks = quire_descriptor_raise(
                l, (int)sys_open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
}

void quire_alone_close(struct quire_linux *l)
{
        if (l->tasks >= 0)
                (void)sys_close(l->tasks);
        l->tasks = -1;
}

/* A thread of ours runs from now on, or does not any more: called by itself. */
void quire_alone_count(struct quire_linux *l, bool runs)
{
        (void)__atomic_fetch_add(&l->ours, runs ? 1u : -1u, __ATOMIC_ACQ_REL);
}

/* => called by a thread of the program, which no signal interrupts */
bool quire_alone(const struct quire_linux *l)
{
        struct stat s;

        return l->inlined && l->tasks >= 0 &&
               !sys_call3(SYS_fstat, l->tasks, sys_address(&s), 0) &&
               s.st_nlink == LINKS + 1 + LOAD(&l->ours);
}
