/*
 * fork.c - the program becomes two, or another one.
 *
 * fork is made in the handler: the child goes on in a copy of this very stack,
 * arms itself again (dispatch is not inherited), and returns from the handler
 * as its parent does.  Between prepare and parent or child nobody else is
 * inside the core, the memory lock or the report.
 *
 * exec replaces the program; the new one loads its own agent if its environment
 * still names it.  The strings are copied where they lie in managed memory.
 *
 * Signal context: yes.  Lock: takes the memory lock around fork.
 */
#include "agent.h"
#include "buffers.h"
#include "files.h"
#include "memory.h"
#include "report.h"
#include "threads.h"
#include <errno.h>
#include <sched.h>

static void become_child(struct quire_thread *t, const struct quire_birth *b, ucontext_t *uc)
{
        quire_agent.pid = raw_getpid();
        t->tid = raw_gettid();
        t->borrowed = false;
        quire_signals_forked();
        quire_buffers_forked(t);
        quire_block_forked(t);
        quire_threads_forked();
        quire_report_forked();
        quire_linux_fork_child(quire_agent.process);
        quire_files_refresh();
        quire_memory_forked();
        if (b->clear_handlers)
                quire_signals_clear_all(false);
        if (quire_block_arm(t))
                quire_agent_fail("a forked child could not be put under dispatch", NULL);
        if (b->stack)
                uc->uc_mcontext.gregs[REG_RSP] = (greg_t)b->stack;
}

enum quire_outcome quire_fork(struct quire_thread *t, struct quire_call *c, struct quire_birth *b)
{
        long pid;

        if (b->wide) {
                b->wide_args[QUIRE_CLONE3_STACK] = 0;
                b->wide_args[QUIRE_CLONE3_STACK_SIZE] = 0;
        }
        if (b->flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID))
                (void)quire_buffers_hold_on(t, b->child_tid, 4);
        if (b->flags & CLONE_PARENT_SETTID)
                (void)quire_buffers_hold(t, b->parent_tid, 4, QUIRE_W, NULL);
        quire_memory_lock();
        quire_report_fork_begins();
        quire_linux_fork_prepare(quire_agent.process);
        pid = quire_entry_clone(b->nr, b->arg[0], b->arg[1], b->arg[2], b->arg[3], b->arg[4]);
        if (pid == 0) {
                become_child(t, b, c->uc);
                return quire_answer(c, 0);
        }
        quire_linux_fork_parent(quire_agent.process, raw_failed(pid) ? -1 : (int)pid);
        quire_report_fork_ends();
        quire_memory_unlock();
        return quire_answer(c, pid);
}

/* execve(path, argv, envp), execveat(dir, path, argv, envp, flags) */
enum quire_outcome quire_fork_exec(struct quire_thread *t, struct quire_call *c)
{
        unsigned path = c->nr == SYS_execveat;

        quire_buffers_string(t, c, path);
        quire_buffers_strings(t, c, path + 1);
        quire_buffers_strings(t, c, path + 2);
        t->exec_pending = true;
        if (!t->borrowed)
                quire_report_end(QUIRE_END_EXEC, 0, NULL);
        return QUIRE_CALL_PASS;
}

/* The thread is back: there was no such program, or the like. */
void quire_fork_exec_failed(struct quire_thread *t)
{
        t->exec_pending = false;
        if (!t->borrowed)
                quire_report_goes_on();
}
