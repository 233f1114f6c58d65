/*
 * share.h - grants that other processes receive, and names for them.
 *
 * A grant of an object opened with QUIRE_HOSTED is sent over a connected
 * AF_UNIX socket (stream or seqpacket) that the two processes have anyway.
 * Whoever receives it has a grant of his own of the same memory, with the rights that
 * were sent, which can only narrow from there.  docs/sharing.md is the tour.
 *
 * What the kernel enforces, against a receiver that does as it likes, also as
 * root: what is sent without QUIRE_W is a descriptor that is open for reading, of
 * memory that nobody can map writable or write to any more (F_SEAL_FUTURE_WRITE);
 * those who could write by then go on.  And nobody can make the memory shorter.
 * What it does not: whoever can read can execute, and QUIRE_W and QUIRE_X imply
 * QUIRE_R, as in most hardware.
 *
 * Order.  The seal is of the memory, not of the descriptor.  So rights with W are
 * given before rights without: after the first grant without W that left for another
 * process, one with W is DENIED, for good.
 *
 * Patience.  No call waits for a peer for longer than QUIRE_PATIENCE milliseconds,
 * or than it was told to.
 *
 * Any thread may call these, none of them in a signal handler.  Why a call was
 * refused is quire_process_problem().
 */
#ifndef QUIRE_SHARE_H
#define QUIRE_SHARE_H
#include "process.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUIRE_PATIENCE 2000u          /* milliseconds */
#define QUIRE_CHAIN_MOST 16u          /* processes that a grant passes through, one after
                                       * the other */
#define QUIRE_NAME_MOST 255u          /* bytes of a name */

/*
 * Send a grant derived from this one, with the rights given: it is revoked with
 * this one.  The sender may close his own right away.
 * UNSUPPORTED: the object is not HOSTED; DENIED: rights that the grant lacks, or W
 * after a grant without W was given; NOT_PRESENT: it was revoked, or nobody is at
 * the other end; INVALID: no rights, no such socket; BUSY: the peer reads nothing;
 * LIMIT: more than QUIRE_CHAIN_MOST processes in a row, or too many descriptors on
 * their way; NO_SPACE: this process has no descriptor left; NO_MEMORY.
 */
QUIRE_CHECKED enum quire_status quire_grant_send(struct quire_process *, int socket,
                                                 struct quire_grant *, unsigned rights);

/*
 * Receive what quire_grant_send() sent; everything about it is checked, and
 * whatever descriptors came otherwise are closed.  All of it must arrive within the
 * milliseconds given.  The grant wants its close.
 * BUSY: nothing has arrived; NOT_PRESENT: the peer has closed his end, or the grant
 * was revoked on its way.  After these the socket is good for more.  After others a
 * stream is not, since nobody knows where the next message begins:
 * INVALID: not a message of ours, or other descriptors than it says; IO_ERROR: it
 * stops in the middle; UNSUPPORTED: of another version; DENIED: a descriptor
 * that does not give what the message says, or memory that could shrink; LIMIT:
 * larger than 16 TiB, or over the commit limit; NO_SPACE: this process has no
 * descriptor left; NO_MEMORY.
 */
QUIRE_CHECKED enum quire_status quire_grant_receive(struct quire_process *, int socket,
                                                    unsigned milliseconds,
                                                    struct quire_grant **out);

/*
 * quire_grant_revoke(), and wait until no process holds any more what was sent of
 * this grant or one derived from it, or the milliseconds are over: then BUSY, and it is
 * revoked all the same, here and in every process that has not confirmed as soon
 * as it runs.  A process confirms when it has taken all access from itself, or by
 * dying.  (quire_grant_revoke() alone tells the others, too, and does not wait.)
 */
QUIRE_CHECKED enum quire_status quire_share_revoke(struct quire_process *,
                                                   struct quire_grant *,
                                                   unsigned milliseconds);

/*
 * Names, which any process of the same user may open, and no other's.  A name lives
 * as long as a process holds the object through it: the one that published it and
 * those that opened it, each until it has closed its grants and released its regions, or
 * has died.  (A child of fork that holds the memory does not hold the name.)
 * 1 to QUIRE_NAME_MOST bytes, all of them but zero.
 *
 * publish: CONFLICT: the name is taken.  open: NOT_PRESENT: it is not; DENIED:
 * rights that it was not published with, or W of a name published without.  All: DENIED:
 * the directory of names is not ours alone; BUSY: it is locked, or no holder answers;
 * and as quire_grant_send.
 *
 * Since everybody who may open a name may open it with all the rights it was
 * published with, only a name published without W is sealed against
 * writing; opening another without W leaves it to those who ask for W later.
 */
QUIRE_CHECKED enum quire_status quire_name_publish(struct quire_process *, const char *name,
                                                   struct quire_grant *, unsigned rights);
QUIRE_CHECKED enum quire_status quire_name_open(struct quire_process *, const char *name,
                                                unsigned rights, struct quire_grant **out);
/* Nobody can open it any more; those who have keep what they have. */
QUIRE_CHECKED enum quire_status quire_name_withdraw(struct quire_process *, const char *name);

#ifdef __cplusplus
}
#endif
#endif
