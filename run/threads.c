/*
 * threads.c - threads begin and end.
 *
 * A new thread is not under dispatch and has no signal stack.  So the call that
 * makes it is made here, in the handler, with all signals blocked, and gives
 * the thread the stack in its own block: there it arms itself, and enters the
 * program by returning from a copy of the signal frame that brought its maker
 * here, with the stack pointer that the program chose and zero as the result.
 *
 * The child of a vfork, or of a posix_spawn, is such a thread too, but of a
 * process of its own; its maker sleeps in the call until it is gone, and then
 * takes its block back.
 *
 * Signal context: yes.  Lock: none; the count is atomic.
 */
#include "threads.h"
#include "agent.h"
#include "buffers.h"
#include "memory.h"
#include "report.h"
#include <errno.h>
#include <sched.h>
#include <string.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif
#define CLONE3_LEAST 64u

static uint32_t threads = 1;             /* [a] of the program, in this process */

unsigned quire_threads_count(void)
{
        return LOAD(&threads);
}

void quire_threads_forked(void)
{
        STORE(&threads, 1);
}

/* ---------------------------------------------------------------- the child */

/* Where a new thread begins: on its block's stack, every signal blocked. */
static _Noreturn void begin_thread(void)
{
        struct quire_thread *t = quire_thread_here();
        void (*leave)(uint64_t) = (void (*)(uint64_t))quire_code_at(t, quire_code_return);

        t->tid = raw_gettid();
        if (t->clear_handlers)
                quire_signals_clear_all(t->borrowed);
        if (quire_block_arm(t))
                quire_agent_fail("a new thread could not be put under dispatch", NULL);
        t->selector = QUIRE_BLOCK;
        leave(t->child);
        __builtin_unreachable();
}

/* Put a copy of the maker's frame on the child's stack, and below it the address
 * that the child returns to.  The child's first stack pointer. */
static uint64_t build_frame(struct quire_thread *child, const ucontext_t *uc, uint64_t stack)
{
        const void *state = uc->uc_mcontext.fpregs;
        uint64_t bytes = state ? quire_deliver_state_bytes(state) : 0;
        uint64_t state_at = (quire_block_top(child) - bytes - 64) & ~(uint64_t)63;
        uint64_t uc_at = (state_at - sizeof(ucontext_t)) & ~(uint64_t)15;
        uint64_t base = quire_block_top(child) - QUIRE_BLOCK_BYTES + QUIRE_BLOCK_STACK;
        ucontext_t *copy = raw_pointer(uc_at);
        uint64_t entry = (uint64_t)(uintptr_t)begin_thread;

        memcpy(copy, uc, offsetof(ucontext_t, uc_sigmask) + sizeof(uint64_t));
        if (state)
                memcpy(raw_pointer(state_at), state, bytes);
        copy->uc_mcontext.fpregs = state ? raw_pointer(state_at) : NULL;
        copy->uc_stack = (stack_t){
                .ss_sp = raw_pointer(base), .ss_size = quire_block_top(child) - base,
        };
        copy->uc_mcontext.gregs[REG_RAX] = 0;
        copy->uc_mcontext.gregs[REG_RCX] = uc->uc_mcontext.gregs[REG_RIP];
        if (stack)
                copy->uc_mcontext.gregs[REG_RSP] = (greg_t)stack;
        child->child = uc_at;
        uint64_t sp = (uc_at - 64) & ~(uint64_t)15;
        memcpy(raw_pointer(sp), &entry, sizeof(entry));
        return sp;
}

/* ---------------------------------------------------------------- the maker */

/* What the kernel writes to while the thread lives must stay resident, and what our
 * handlers need.  False: there is no room for that. */
static bool hold_for_child(struct quire_thread *t, struct quire_thread *child,
                           const struct quire_birth *b)
{
        if (b->flags & (CLONE_PARENT_SETTID | CLONE_PIDFD) && !b->wide)
                (void)quire_buffers_hold(t, b->parent_tid, 4, QUIRE_W, NULL);
        if (b->flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID))
                (void)quire_buffers_hold_on(child, b->child_tid, 4);
        return !(b->flags & CLONE_SETTLS) || quire_buffers_hold_tls(child, b->tls);
}

static struct quire_thread *new_record(struct quire_thread *t, const struct quire_birth *b)
{
        struct quire_thread *child = quire_block_take();

        if (!child)
                return NULL;
        child->kept_blocked = t->kept_blocked;
        child->borrowed = !(b->flags & CLONE_SIGHAND);
        child->clear_handlers = b->clear_handlers;
        if (b->flags & CLONE_VFORK)
                child->altstack = t->altstack;
        return child;
}

static void give_up(struct quire_thread *child)
{
        quire_buffers_end(child);
        quire_block_give(child);
}

static enum quire_outcome start_thread(struct quire_thread *t, struct quire_call *c,
                                       struct quire_birth *b)
{
        struct quire_thread *child = new_record(t, b);
        bool counted = b->flags & CLONE_THREAD;
        long tid;

        if (!child)
                return quire_answer(c, -EAGAIN);
        if (!hold_for_child(t, child, b)) {
                give_up(child);
                return quire_answer(c, -EAGAIN);
        }
        quire_birth_stack(b, child, build_frame(child, c->uc, b->stack));
        if (counted)
                quire_report_threads(__atomic_add_fetch(&threads, 1, __ATOMIC_ACQ_REL));
        tid = quire_entry_clone(b->nr, b->arg[0], b->arg[1], b->arg[2], b->arg[3], b->arg[4]);
        if (raw_failed(tid) && counted)
                __atomic_sub_fetch(&threads, 1, __ATOMIC_ACQ_REL);
        if (raw_failed(tid) || b->flags & CLONE_VFORK)
                give_up(child);
        return quire_answer(c, tid);
}

/* The child's stack, for the kernel: the one in its block. */
void quire_birth_stack(struct quire_birth *b, const struct quire_thread *child, uint64_t sp)
{
        uint64_t base = quire_block_top(child) - QUIRE_BLOCK_BYTES + QUIRE_BLOCK_STACK;

        if (b->wide) {
                b->wide_args[QUIRE_CLONE3_STACK] = base;
                b->wide_args[QUIRE_CLONE3_STACK_SIZE] = sp - base;
        } else {
                b->arg[1] = sp;
        }
}

static enum quire_outcome give_birth(struct quire_thread *t, struct quire_call *c,
                                     struct quire_birth *b)
{
        return b->flags & CLONE_VM ? start_thread(t, c, b) : quire_fork(t, c, b);
}

/* clone(flags, stack, parent_tid, child_tid, tls) */
enum quire_outcome quire_threads_clone(struct quire_thread *t, struct quire_call *c)
{
        struct quire_birth b = {
                .nr = SYS_clone,
                .arg = { c->args[0], 0, c->args[2], c->args[3], c->args[4] },
                .flags = c->args[0] & 0xffffffffu, .stack = c->args[1],
                .parent_tid = c->args[2], .child_tid = c->args[3], .tls = c->args[4],
        };

        return give_birth(t, c, &b);
}

enum quire_outcome quire_threads_fork(struct quire_thread *t, struct quire_call *c)
{
        struct quire_birth b = { .nr = SYS_clone, .arg = { SIGCHLD }, .flags = SIGCHLD };

        return give_birth(t, c, &b);
}

enum quire_outcome quire_threads_vfork(struct quire_thread *t, struct quire_call *c)
{
        uint64_t flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
        struct quire_birth b = { .nr = SYS_clone, .arg = { flags }, .flags = flags };

        return give_birth(t, c, &b);
}

/* clone3(args, size) */
enum quire_outcome quire_threads_clone3(struct quire_thread *t, struct quire_call *c)
{
        struct quire_birth b = { .nr = SYS_clone3, .wide = true };
        uint64_t size = c->args[1];
        uint64_t *w = b.wide_args;

        if (size < CLONE3_LEAST)
                return quire_answer(c, -EINVAL);
        if (size > sizeof(b.wide_args))
                return quire_answer(c, -E2BIG);
        if (!quire_user_get(w, c->args[0], size))
                return quire_answer(c, -EFAULT);
        b.flags = w[QUIRE_CLONE3_FLAGS];
        b.stack = w[QUIRE_CLONE3_STACK] + w[QUIRE_CLONE3_STACK_SIZE];
        b.parent_tid = w[QUIRE_CLONE3_PARENT_TID];
        b.child_tid = w[QUIRE_CLONE3_CHILD_TID];
        b.tls = w[QUIRE_CLONE3_TLS];
        b.arg[0] = raw_address(w);
        b.arg[1] = size;
        if (b.flags & CLONE_PARENT_SETTID)
                (void)quire_buffers_hold(t, b.parent_tid, 4, QUIRE_W, NULL);
        if (b.flags & CLONE_PIDFD)
                (void)quire_buffers_hold(t, w[QUIRE_CLONE3_PIDFD], 4, QUIRE_W, NULL);
        if (w[QUIRE_CLONE3_SET_TID] && w[QUIRE_CLONE3_SET_TID_SIZE] <= 32)
                (void)quire_buffers_hold(t, w[QUIRE_CLONE3_SET_TID],
                                         4 * w[QUIRE_CLONE3_SET_TID_SIZE], QUIRE_R, NULL);
        if (b.flags & CLONE_CLEAR_SIGHAND) {
                /* It would clear our three; the child clears the others itself. */
                w[QUIRE_CLONE3_FLAGS] &= ~CLONE_CLEAR_SIGHAND;
                b.clear_handlers = true;
        }
        return give_birth(t, c, &b);
}

/* ---------------------------------------------------------------- the end */

enum quire_outcome quire_threads_exit(struct quire_thread *t, struct quire_call *c)
{
        static uint8_t nobody;
        void (*leave)(uint64_t, uint8_t *) =
                (void (*)(uint64_t, uint8_t *))quire_code_at(t, quire_code_exit);
        uint8_t *busy = t->borrowed ? &nobody : quire_block_busy(t);

        if (!t->borrowed) {
                quire_report_thread_ends(t);
                /* Threads of our own must not keep the process alive. */
                if (!__atomic_sub_fetch(&threads, 1, __ATOMIC_ACQ_REL))
                        return quire_threads_exit_group(t, c);
                quire_buffers_end(t);
        }
        leave(c->args[0], busy);
        __builtin_unreachable();
}

enum quire_outcome quire_threads_exit_group(struct quire_thread *t, struct quire_call *c)
{
        if (!t->borrowed)
                quire_report_end(QUIRE_END_EXIT, (int)(c->args[0] & 0xff), NULL);
        (void)raw3(SYS_exit_group, c->args[0], 0, 0);
        __builtin_unreachable();
}
