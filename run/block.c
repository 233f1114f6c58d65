/*
 * block.c - one block of memory for each thread: its code page, its record and
 * the stack that its signals arrive on.
 *
 * All blocks lie in one reservation, aligned to their size: a handler finds its
 * record by its stack pointer, and one range is all that the dispatcher needs to
 * know of our code.  A block that a thread has let go of serves the next.
 *
 * Signal context: yes.  Lock: none; busy[] is claimed by compare-and-swap, and
 * given up by the last instruction that needs the block (quire_code_exit).
 *
 *   B1  A block whose busy byte is 1 belongs to one thread (or to the one that
 *       is about to start it).
 *   B2  made[i] is set before busy[i] is first given up, and never cleared.
 */
#include "agent.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

#define SETXID 33                      /* the C library's own signal */
#define BLOCKS_MOST 32768u
#define BLOCKS_LEAST 64u

static uint64_t base;                  /* [I] */
static uint32_t blocks;                /* [I] */
static uint32_t highest;               /* [a] one above the highest ever taken */
static uint8_t busy[BLOCKS_MOST];      /* [a] */
static uint8_t made[BLOCKS_MOST];      /* by the owner */

_Static_assert(QUIRE_BLOCK_STACK == QUIRE_BLOCK_GUARD + 4096, "one guard page");

bool quire_block_open(void)
{
        for (blocks = BLOCKS_MOST; blocks >= BLOCKS_LEAST; blocks /= 2) {
                uint64_t bytes = (uint64_t)(blocks + 1) * QUIRE_BLOCK_BYTES;
                long at = raw_mmap(0, bytes, PROT_NONE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (raw_failed(at))
                        continue;
                base = ((uint64_t)at + QUIRE_BLOCK_BYTES - 1) & ~(uint64_t)(QUIRE_BLOCK_BYTES - 1);
                return true;
        }
        return false;
}

static uint64_t block_address(uint32_t index)
{
        return base + (uint64_t)index * QUIRE_BLOCK_BYTES;
}

static bool protect(uint64_t va, uint64_t bytes, int prot)
{
        return !raw3(SYS_mprotect, va, bytes, (uint64_t)prot);
}

/* Give a block's parts their access and copy the code. */
static bool make_block(uint32_t index)
{
        uint64_t at = block_address(index);
        uint64_t code = (uint64_t)(quire_code_end - quire_code_begin);

        if (made[index])
                return true;
        if (!protect(at, QUIRE_BLOCK_GUARD, PROT_READ | PROT_WRITE) ||
            !protect(at + QUIRE_BLOCK_STACK, QUIRE_BLOCK_BYTES - QUIRE_BLOCK_STACK,
                     PROT_READ | PROT_WRITE))
                return false;
        memcpy(raw_pointer(at), quire_code_begin, code);
        if (!protect(at, QUIRE_BLOCK_RECORD, PROT_READ | PROT_EXEC))
                return false;
        made[index] = 1;
        return true;
}

static struct quire_thread *record_of(uint32_t index)
{
        return raw_pointer(block_address(index) + QUIRE_BLOCK_RECORD);
}

static bool claim(uint32_t index)
{
        uint8_t free = 0;

        return !LOAD(&busy[index]) &&
               __atomic_compare_exchange_n(&busy[index], &free, 1, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
}

/* A block with an empty record, or null: there are no more. */
struct quire_thread *quire_block_take(void)
{
        struct quire_thread *t;
        uint32_t i = 0;

        while (i < blocks && !claim(i))
                i++;
        if (i == blocks)
                return NULL;
        if (!make_block(i)) {
                STORE(&busy[i], 0);
                return NULL;
        }
        uint32_t seen = LOAD(&highest);
        while (seen <= i && !__atomic_compare_exchange_n(&highest, &seen, i + 1, false,
                                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
                ;
        t = record_of(i);
        memset(t, 0, offsetof(struct quire_thread, hold));
        t->index = i;
        t->call.entry_after = raw_address(quire_entry_after);
        t->altstack.ss_flags = SS_DISABLE;
        return t;
}

uint8_t *quire_block_busy(const struct quire_thread *t)
{
        return &busy[t->index];
}

void quire_block_give(struct quire_thread *t)
{
        STORE(&busy[t->index], 0);
}

/* In a forked child: the other threads are not there any more. */
void quire_block_forked(struct quire_thread *mine)
{
        for (uint32_t i = 0; i < highest; i++)
                busy[i] = i == mine->index;
}

uint64_t quire_block_top(const struct quire_thread *t)
{
        return block_address(t->index) + QUIRE_BLOCK_BYTES;
}

bool quire_block_owns(uint64_t va)
{
        return va - base < (uint64_t)blocks * QUIRE_BLOCK_BYTES;
}

uint32_t quire_block_count(void)
{
        return LOAD(&highest);
}

struct quire_thread *quire_block_at(uint32_t index)
{
        return LOAD(&busy[index]) ? record_of(index) : NULL;
}

/* The restorer is the same for the whole process: that of the first block. */
uint64_t quire_block_restorer(void)
{
        return base + (uint64_t)(quire_code_restore - quire_code_begin);
}

static stack_t stack_of(const struct quire_thread *t)
{
        return (stack_t){
                .ss_sp = raw_pointer(block_address(t->index) + QUIRE_BLOCK_STACK),
                .ss_size = QUIRE_BLOCK_BYTES - QUIRE_BLOCK_STACK,
        };
}

/* From here on the calling thread's system calls are dispatched while its
 * selector says so, and its signals arrive on its block's stack.  A negative
 * errno: this kernel does not have it. */
int quire_block_arm(struct quire_thread *t)
{
        stack_t stack = stack_of(t);
        long failed = raw3(SYS_sigaltstack, raw_address(&stack), 0, 0);

        /* A child that was begun on this very stack is told that it can not
         * have it now; its first return from a signal frame gives it. */
        if (failed && failed != -EPERM)
                return (int)failed;
        return (int)raw6(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, base,
                         (uint64_t)blocks * QUIRE_BLOCK_BYTES, raw_address(&t->selector), 0);
}

/* A thread of Quire's own, which makes its system calls itself.  The C library
 * knows it and may signal it (to change the user of all threads): that arrives
 * on a stack of ours like any other signal, and what the handler's frame gives
 * back as the signal stack has to be this one. */
void quire_block_helper(void)
{
        struct quire_thread *t = quire_block_take();
        uint64_t setxid = raw_signal_bit(SETXID);

        if (!t)
                return;
        t->helper = t->borrowed = true;
        t->altstack = stack_of(t);
        (void)raw3(SYS_sigaltstack, raw_address(&t->altstack), 0, 0);
        (void)raw_sigmask(SIG_UNBLOCK, &setxid, NULL);
}

/* What the blocks take at most, for share.c. */
uint64_t quire_block_bytes(void)
{
        return (uint64_t)LOAD(&highest) * QUIRE_BLOCK_BYTES;
}
