/*
 * buffers.h - arguments of a system call that lie in managed memory.
 *
 * Each function prepares one argument, by its index in call->now: replaces it
 * by a copy, or holds the pages it names.  Memory that is not managed costs a
 * comparison or two.  What can not be read or held stays as it is: the kernel
 * then answers as it would have.
 */
#ifndef QUIRE_RUN_BUFFERS_H
#define QUIRE_RUN_BUFFERS_H
#include "agent.h"

/* Could any managed memory lie in this range? */
bool quire_buffers_managed(uint64_t va, uint64_t bytes);

/* Read by the kernel only: copied when small.  Written, or both: held. */
void quire_buffers_in(struct quire_thread *, struct quire_call *, unsigned arg, uint64_t bytes);
void quire_buffers_out(struct quire_thread *, struct quire_call *, unsigned arg, uint64_t bytes);
void quire_buffers_string(struct quire_thread *, struct quire_call *, unsigned arg);
/* An array of iovecs; access: what the kernel does to the buffers, as for memory
 * (QUIRE_R: it reads them). */
void quire_buffers_vector(struct quire_thread *, struct quire_call *, unsigned arg,
                          uint64_t count, unsigned access);
void quire_buffers_message(struct quire_thread *, struct quire_call *, unsigned arg,
                           unsigned access);
void quire_buffers_messages(struct quire_thread *, struct quire_call *, unsigned arg,
                            uint64_t count, unsigned access);
/* A null-terminated array of strings, copied as a whole. */
void quire_buffers_strings(struct quire_thread *, struct quire_call *, unsigned arg);

/* Hold [va, bytes) for the call; how many bytes are held, from va on (all of
 * them, where the memory is not managed).  When too much is held already: with
 * `busy', says so there and holds what it can; without, waits for others. */
uint64_t quire_buffers_hold(struct quire_thread *, uint64_t va, uint64_t bytes, unsigned access,
                            bool *busy);
/* Hold it until the thread ends.  False: not all of it can be held. */
bool quire_buffers_hold_on(struct quire_thread *, uint64_t va, uint64_t bytes);
/* The same for what handlers of ours touch of a thread's TLS, given its pointer: the
 * program may have put it into managed memory, and a fault there could not be resolved. */
bool quire_buffers_hold_tls(struct quire_thread *, uint64_t pointer);
/* Room for `bytes' in the thread's bounce area, or null. */
void *quire_buffers_room(struct quire_thread *, uint64_t bytes);
/* Drop everything that the thread's last call held. */
void quire_buffers_drop(struct quire_thread *);
/* The thread ends, or is not there in this child. */
void quire_buffers_end(struct quire_thread *);
void quire_buffers_forked(struct quire_thread *mine);
/* Drop what calls of other threads that are over still hold. */
void quire_buffers_relieve(struct quire_thread *);

#endif
