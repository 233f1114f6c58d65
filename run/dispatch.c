/*
 * dispatch.c - a system call's way in, on to the kernel, and back.
 *
 * It decides nothing about any call: table.c does.  See agent.h for the walk.
 *
 * Signal context: this is the SIGSYS handler.  Lock: none; a thread's call is
 * touched by that thread alone, save `running' and the holds (buffers.c).
 *
 *   D1  A thread has one call.  It is running from the moment its registers
 *       are set for the code page until the code page has given the program
 *       its registers back, or until it was settled.
 *   D2  The program, its handlers included, never runs with the instruction
 *       pointer of a frame inside our code: settle comes first.
 */
#include "agent.h"
#include "buffers.h"
#include "report.h"
#include <errno.h>

#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif
#define ARCH_X86_64 0xC000003Eu

static uint64_t reg(const ucontext_t *uc, int which)
{
        return (uint64_t)uc->uc_mcontext.gregs[which];
}

static void set_reg(ucontext_t *uc, int which, uint64_t value)
{
        uc->uc_mcontext.gregs[which] = (greg_t)value;
}

static void set_arguments(ucontext_t *uc, const uint64_t arg[6])
{
        set_reg(uc, REG_RDI, arg[0]);
        set_reg(uc, REG_RSI, arg[1]);
        set_reg(uc, REG_RDX, arg[2]);
        set_reg(uc, REG_R10, arg[3]);
        set_reg(uc, REG_R8, arg[4]);
        set_reg(uc, REG_R9, arg[5]);
}

/* Let the thread make the call on its way out of the handler. */
static void send_to_kernel(struct quire_thread *t, ucontext_t *uc, const char *code)
{
        struct quire_call *c = &t->call;

        set_arguments(uc, c->now);
        set_reg(uc, REG_RAX, (uint64_t)c->nr);
        set_reg(uc, REG_RIP, quire_code_at(t, code));
        STORE(&c->running, 1);
}

/* The call is over: as the kernel leaves the registers. */
static void finish(struct quire_call *c, ucontext_t *uc, int64_t value)
{
        set_arguments(uc, c->args);
        set_reg(uc, REG_RAX, (uint64_t)value);
        set_reg(uc, REG_RIP, c->ret);
        set_reg(uc, REG_RCX, c->ret);
        STORE(&c->running, 0);
}

/* As if the program had not come to it yet. */
static void back_out(struct quire_call *c, ucontext_t *uc)
{
        finish(c, uc, c->nr);
        set_reg(uc, REG_RIP, c->ret - 2);
}

static void act_on(struct quire_thread *t, ucontext_t *uc, enum quire_outcome outcome)
{
        struct quire_call *c = &t->call;

        switch (outcome) {
        case QUIRE_CALL_ANSWER:
                finish(c, uc, c->value);
                break;
        case QUIRE_CALL_PASS:
                send_to_kernel(t, uc, quire_code_call);
                break;
        case QUIRE_CALL_PASS_ON:
                send_to_kernel(t, uc, quire_code_call_on);
                break;
        case QUIRE_CALL_LEAVE:
                break;
        }
}

/* The thread was stopped by a signal inside our code, or outside of it, where
 * there is nothing to do: bring it to where the program believes it to be. */
void quire_dispatch_settle(struct quire_thread *t, ucontext_t *uc)
{
        uint64_t rip = reg(uc, REG_RIP);
        struct quire_call *c = &t->call;

        if (!quire_block_owns(rip) && (rip < raw_address(quire_entry_after) ||
                                       rip > raw_address(quire_entry_after_end)))
                return;
        c->uc = uc;
        if (rip == quire_code_at(t, quire_code_call) ||
            (rip == quire_code_at(t, quire_code_call_on) && !c->progress)) {
                back_out(c, uc);
                return;
        }
        if (rip >= quire_code_at(t, quire_code_called) &&
            rip < quire_code_at(t, quire_code_call_end)) {
                finish(c, uc, (int64_t)reg(uc, REG_RAX));
                return;
        }
        if (rip == quire_code_at(t, quire_code_call_on))
                c->result = (uint64_t)-EINTR;
        else if (rip == quire_code_at(t, quire_code_called_on))
                c->result = reg(uc, REG_RAX);
        c->last = true;
        act_on(t, uc, c->after(t, c));
}

/* Drop what the last call left behind. */
static void forget_last(struct quire_thread *t)
{
        if (t->exec_pending)
                quire_fork_exec_failed(t);
        if (t->holds || t->scratch.bytes)
                quire_buffers_drop(t);
}

static void dispatch(struct quire_thread *t, ucontext_t *uc, int64_t nr)
{
        struct quire_call *c = &t->call;

        c->uc = uc;
        if (nr == QUIRE_NR_AFTER && reg(uc, REG_RIP) == raw_address(quire_entry_after_end)) {
                act_on(t, uc, c->after(t, c));
                return;
        }
        forget_last(t);
        quire_report_poll();       /* here too: handler threads take no faults of ours */
        t->calls++;
        t->bounced = 0;
        c->nr = nr;
        c->ret = reg(uc, REG_RIP);
        c->args[0] = c->now[0] = reg(uc, REG_RDI);
        c->args[1] = c->now[1] = reg(uc, REG_RSI);
        c->args[2] = c->now[2] = reg(uc, REG_RDX);
        c->args[3] = c->now[3] = reg(uc, REG_R10);
        c->args[4] = c->now[4] = reg(uc, REG_R8);
        c->args[5] = c->now[5] = reg(uc, REG_R9);
        c->progress = 0;
        c->last = false;
        act_on(t, uc, quire_table_call(t, c));
}

/* A SIGSYS that is the program's: a trap of its seccomp filter, or sent. */
static void from_elsewhere(struct quire_thread *t, ucontext_t *uc, int sig, const siginfo_t *info)
{
        quire_dispatch_settle(t, uc);
        if (info->si_code > 0)
                quire_deliver_fault(t, uc, sig, info);
        else
                quire_deliver_sent(t, uc, sig, info);
}

/* The SIGSYS handler. */
void quire_dispatch_signal(int sig, siginfo_t *info, void *context)
{
        struct quire_thread *t = quire_thread_here();
        ucontext_t *uc = context;
        int before = errno;

        t->selector = QUIRE_ALLOW;
        if (info->si_code == SYS_USER_DISPATCH && info->si_arch == ARCH_X86_64)
                dispatch(t, uc, (int64_t)reg(uc, REG_RAX));
        else if (info->si_code == SYS_USER_DISPATCH)
                set_reg(uc, REG_RAX, (uint64_t)-ENOSYS);      /* 32-bit calls: CAVEATS.md */
        else
                from_elsewhere(t, uc, sig, info);
        if (t->kept_pending & ~t->kept_blocked)
                quire_deliver_pending(t, uc);
        errno = before;
        t->selector = QUIRE_BLOCK;
}
