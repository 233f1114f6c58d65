/*
 * layout.h - where things lie in a thread's block, as numbers that entry.S and
 * C share.  thread.h checks them against the structures.
 *
 *     offset 0                   code: a copy of the page in entry.S
 *     QUIRE_BLOCK_RECORD         struct quire_thread
 *     QUIRE_BLOCK_GUARD          a page without access
 *     QUIRE_BLOCK_STACK .. end   the stack that the thread's signals arrive on
 */
#ifndef QUIRE_RUN_LAYOUT_H
#define QUIRE_RUN_LAYOUT_H

#define QUIRE_BLOCK_BYTES  0x40000
#define QUIRE_BLOCK_RECORD 0x1000
#define QUIRE_BLOCK_GUARD  0x11000
#define QUIRE_BLOCK_STACK  0x12000

/* In the record: what the code page reads and writes. */
#define QUIRE_CALL_SAVED   0      /* six registers that the call must give back */
#define QUIRE_CALL_RETURN  48     /* where the program goes on */
#define QUIRE_CALL_RESULT  56
#define QUIRE_CALL_AFTER   64     /* quire_entry_after, an address in the agent */
#define QUIRE_CALL_RUNNING 72

/* The number of the system call by which the code page enters the agent again. */
#define QUIRE_NR_AFTER 0x51524541

#endif
