/*
 * calls.h - system calls that a line of the table can not describe.
 */
#ifndef QUIRE_RUN_CALLS_H
#define QUIRE_RUN_CALLS_H
#include "agent.h"

/* Their arguments reach further than one level, or depend on another. */
enum quire_outcome quire_calls_futex(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_futex_waitv(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_ioctl(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_setsockopt(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_seccomp(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_process_vm(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_messages(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_semctl(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_queue(struct quire_thread *, struct quire_call *);
/* They take a signal mask. */
enum quire_outcome quire_calls_masked(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_pselect(struct quire_thread *, struct quire_call *);
/* They give the kernel an address for good. */
enum quire_outcome quire_calls_lasting(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_arch_prctl(struct quire_thread *, struct quire_call *);
/* They would get in our way. */
enum quire_outcome quire_calls_prctl(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_refused(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_vmsplice(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_shmat(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_mlockall(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_munlockall(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_process_madvise(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_calls_policy(struct quire_thread *, struct quire_call *);
/* A call that the table does not know. */
enum quire_outcome quire_calls_unknown(struct quire_thread *, struct quire_call *);

#endif
