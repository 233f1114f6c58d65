/*
 * entry.S - the instructions that C can not say.
 *
 * The first page is a template: every thread's block begins with a copy of it,
 * followed by the thread's record, so that the code finds the record relative
 * to itself and needs no register, no stack and no thread-local storage.  All
 * system calls made by such a page pass the dispatcher (the range that is
 * allowed is that of all blocks); those made anywhere else by the program
 * arrive as SIGSYS.
 *
 *   quire_code_call      makes the program's call, with its arguments perhaps
 *                        replaced, and goes back to the program with every
 *                        register as the kernel would have left it
 *   quire_code_call_on   makes it, and enters the agent once more
 *   quire_code_restore   the restorer of all our signal frames
 *   quire_code_return    leave for the frame at rdi
 *   quire_code_exit      end the thread (status edi) and let go of its block,
 *                        by clearing the byte at rsi, without touching a stack
 */
#include "layout.h"

#define RECORD (quire_code_begin + QUIRE_BLOCK_RECORD)
#define HIDDEN(name) .globl name; .hidden name; name

        .section .text.quire_code, "ax", @progbits
        .balign 4096
HIDDEN(quire_code_begin):
HIDDEN(quire_code_call):
        syscall
HIDDEN(quire_code_called):
        mov     RECORD + QUIRE_CALL_SAVED(%rip), %rdi
        mov     RECORD + QUIRE_CALL_SAVED + 8(%rip), %rsi
        mov     RECORD + QUIRE_CALL_SAVED + 16(%rip), %rdx
        mov     RECORD + QUIRE_CALL_SAVED + 24(%rip), %r10
        mov     RECORD + QUIRE_CALL_SAVED + 32(%rip), %r8
        mov     RECORD + QUIRE_CALL_SAVED + 40(%rip), %r9
        movl    $0, RECORD + QUIRE_CALL_RUNNING(%rip)
        mov     RECORD + QUIRE_CALL_RETURN(%rip), %rcx
        jmp     *%rcx
HIDDEN(quire_code_call_end):

HIDDEN(quire_code_call_on):
        syscall
HIDDEN(quire_code_called_on):
        mov     %rax, RECORD + QUIRE_CALL_RESULT(%rip)
HIDDEN(quire_code_stored_on):
        mov     $QUIRE_NR_AFTER, %eax
        jmp     *RECORD + QUIRE_CALL_AFTER(%rip)
HIDDEN(quire_code_call_on_end):

HIDDEN(quire_code_restore):
        mov     $15, %eax               /* rt_sigreturn */
        syscall

HIDDEN(quire_code_return):
        mov     %rdi, %rsp
        mov     $15, %eax
        syscall

HIDDEN(quire_code_exit):
        movb    $0, (%rsi)
        mov     $60, %eax               /* exit */
        syscall
        hlt
HIDDEN(quire_code_end):
        .balign 4096

        .text
/* Not in a block, so the dispatcher sees this call whatever it is. */
HIDDEN(quire_entry_after):
        syscall
HIDDEN(quire_entry_after_end):
        hlt

/*
 * long quire_entry_clone(long nr, long a, long b, long c, long d, long e)
 * A system call that may return twice.  A child that was given a stack returns
 * to the address that lies on top of it.
 */
        .type quire_entry_clone, @function
HIDDEN(quire_entry_clone):
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        syscall
        ret
        .size quire_entry_clone, . - quire_entry_clone

/*
 * int quire_entry_copy(void *to, const void *from, size_t bytes)
 * Copies memory of the program; 0, or -1 when some of it can not be accessed:
 * the fault handlers go on at quire_entry_copy_failed then.
 */
        .type quire_entry_copy, @function
HIDDEN(quire_entry_copy):
        mov     %rdx, %rcx
        rep movsb
        xor     %eax, %eax
        ret
HIDDEN(quire_entry_copy_failed):
        mov     $-1, %eax
        ret
        .size quire_entry_copy, . - quire_entry_copy

        .section .note.GNU-stack, "", @progbits
