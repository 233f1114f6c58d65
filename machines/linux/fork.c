/*
 * fork.c - a process that duplicates itself.
 *
 * Left alone a child would read zeroes wherever a page was not resident: its
 * mappings are copies, its userfaultfd is not.  So, around the fork:
 *
 *   prepare  nothing is in transit, and the core's lock is held.  From here on
 *            the parent keeps every slot of its pagefiles that the child may
 *            still read.
 *   parent   goes on.  Pages that it shares with the child can not move; they
 *            leave by copy (enter.c).  A pipe whose writing end every child and
 *            grandchild holds (and exec closes) tells when none is left that
 *            could read old slots: looked at now and then, when slots are
 *            written.
 *   child    its own userfaultfd, inline, over the same ranges; everything that
 *            is shown is write-protected, since the copies of its page-table
 *            entries forgot that some were: the core grants again what it is
 *            asked for.  Of paged objects that are shared it makes copies, while
 *            the parent waits, which hid what it shows of them but for pages that
 *            are held or locked: another thread's system call may be using those.
 *            The child hides them, too, before it maps its copies.  What is
 *            delegated (HOSTED) parent and child go on sharing, like any shared
 *            mapping.  The pagefiles of before are only read; its own is made with
 *            its first write.
 *
 * A linked program gets this through pthread_atfork; the agent calls it itself.
 * vfork and posix_spawn share the parent's memory and need none of it.  A child
 * that can not be made whole stops at once: it must not see zeroes.
 *
 * Locks: the sharer's (owner.h), `forks' and the core's, all held by the forking thread
 * from prepare to parent or child.
 */
#include "owner.h"
#include "sys.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

/* ------------------------------------------------------- who still reads us */

static void close_end(int *fd)
{
        int old = LOAD(fd);

        STORE(fd, -1);
        if (old >= 0)
                (void)sys_close(old);
}

/* A writing end for the child to hold: of the pipe there is, or a new one. */
static void open_witness(struct quire_process *p)
{
        char path[32];
        int ends[2];

        if (p->l->children >= 0) {
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->l->children);
                p->witness = (int)sys_open(path, O_WRONLY | O_CLOEXEC, 0);
        } else if (!sys_call3(SYS_pipe2, sys_address(ends), O_CLOEXEC, 0)) {
                STORE(&p->l->children, quire_descriptor_raise(p->l, ends[0]));
                p->witness = quire_descriptor_raise(p->l, ends[1]);
        }
        /* Without /proc, or without a descriptor left, nobody will tell. */
        if (p->witness < 0)
                p->unwitnessed = true;
}

static bool readers_gone(const struct quire_process *p)
{
        struct pollfd fd = { .fd = p->l->children };

        return fd.fd >= 0 && sys_call3(SYS_poll, sys_address(&fd), 1, 0) == 1 &&
               fd.revents & POLLHUP;
}

/* => forks is held.  What was kept for children that are gone is free. */
static void forget_children(struct quire_process *p)
{
        if (!readers_gone(p))
                return;
        close_end(&p->l->children);
        if (!p->unwitnessed)
                quire_pagefile_keep(p->system, false);
}

/* Called by the machine before transfers, with no lock held: free what was kept
 * for children that are gone.  Whoever forks just now holds the lock and waits
 * for transfers, this one among them; so nobody waits for the lock here. */
static void look_at_children(struct quire_linux *l)
{
        struct quire_process *p = LOAD(&quire_process_current);

        if (!p || p->l != l || LOAD(&p->l->children) < 0 || !quire_lock_try(&p->forks))
                return;
        forget_children(p);
        quire_lock_drop(&p->forks);
}

/* ----------------------------------------------------------------- forking */

/* For a child that has something to copy. */
static void open_copied(struct quire_process *p)
{
        if (quire_stores_paged(p->l) &&
            sys_call3(SYS_pipe2, sys_address(p->copied), O_CLOEXEC, 0))
                quire_linux_stop(p->l, "no descriptors are left to fork with");
}

/* The child has copied what it shares with us, or is gone.  Nobody can change it
 * meanwhile: it is hidden, and to see it takes the core's lock.  (But pages that are held
 * or locked: of what is written to those just now the child may have a part, as it would
 * where memory is shared.) */
static void await_copied(struct quire_process *p)
{
        char byte;

        close_end(&p->copied[1]);
        while (p->copied[0] >= 0 && sys_read(p->copied[0], &byte, 1) == -EINTR)
                ;
        close_end(&p->copied[0]);
}

void quire_linux_fork_prepare(struct quire_process *p)
{
        quire_lock_take(&p->forks);
        forget_children(p);              /* or one child after the other would keep them */
        quire_pagefile_keep(p->system, true);
        quire_system_freeze(p->system);
        quire_stores_settle(p->l);
        open_witness(p);
        open_copied(p);
}

void quire_linux_fork_parent(struct quire_process *p, int pid)
{
        (void)pid;               /* a fork that failed left nobody at the pipe */
        await_copied(p);
        close_end(&p->witness);
        quire_system_thaw(p->system);
        quire_lock_drop(&p->forks);
        look_at_children(p->l);
}

/* The parent's witness is ours to hold for as long as we may read what the
 * parent keeps, that is until we end or exec; its pipe is none of ours. */
static void hold_witness(struct quire_process *p)
{
        if (p->l->witnesses < WITNESSES && p->witness >= 0)
                p->l->witness[p->l->witnesses++] = p->witness;
        p->witness = -1;
        close_end(&p->l->children);
        p->unwitnessed = false;
}

void quire_linux_fork_child(struct quire_process *p)
{
        struct quire_linux *l = p->l;
        int file;

        close_end(&p->copied[0]);
        if (!quire_linux_see_memory(l))
                quire_linux_stop(l, "a forked child can not see its memory");
        quire_threads_lost(l);
        quire_system_hide_views(p->system);
        if (!quire_stores_renew(l))
                quire_linux_stop(l, "no memory for a forked child's copy of what was shared");
        close_end(&p->copied[1]);
        if (!quire_arena_protect(l))
                quire_linux_stop(l, "a forked child can not watch over its memory");
        quire_ring_forget(l);
        quire_spin_close(l);
        hold_witness(p);
        quire_system_forked(p->system);
        file = quire_pagefile_another(l);
        quire_system_thaw(p->system);
        quire_reader_lost(p);
        quire_lock_drop(&p->forks);
        if (file < 0 || quire_pagefile_add(p->system, (unsigned)file, p->pagefile_size))
                quire_linux_say(quire_linux_host(l),
                                "forked too deep: this process has no pagefile of its own");
}

/* ------------------------------------------------------------ linked programs */

static struct quire_process *forking(void)
{
        struct quire_process *p = LOAD(&quire_process_current);

        return p && p->at_fork ? p : NULL;
}

static void at_prepare(void)
{
        const struct sharer *s = LOAD(&quire_sharer);
        struct quire_process *p = forking();
        uint64_t all = ~(uint64_t)0, old = 0;

        if (!p)
                return;
        (void)sys_sigmask(0 /* SIG_BLOCK */, &all, &old);
        if (s)
                s->prepare();
        quire_linux_fork_prepare(p);
        p->sharer = s;
        p->mask = old;
}

static void at_parent(void)
{
        struct quire_process *p = forking();
        const struct sharer *s;
        uint64_t mask;

        if (!p)
                return;
        s = p->sharer;
        mask = p->mask;
        quire_linux_fork_parent(p, 0);
        if (s)
                s->parent();
        (void)sys_sigmask(2 /* SIG_SETMASK */, &mask, NULL);
}

static void at_child(void)
{
        struct quire_process *p = forking();
        const struct sharer *s;
        uint64_t mask;

        if (!p)
                return;
        s = p->sharer;
        mask = p->mask;
        quire_linux_fork_child(p);
        if (s)
                s->child();
        (void)sys_sigmask(2 /* SIG_SETMASK */, &mask, NULL);
}

static void install_at_fork(void)
{
        (void)pthread_atfork(at_prepare, at_parent, at_child);
}

void quire_fork_open(struct quire_process *p)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        p->l->idle = look_at_children;
        if (p->at_fork)
                (void)pthread_once(&once, install_at_fork);
}

void quire_fork_close(struct quire_process *p)
{
        close_end(&p->witness);
}
