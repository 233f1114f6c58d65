/*
 * sharing.h - what a process has given to others, taken from others and named: as
 * lease.c, grant.c and name.c share it.
 *
 * A *share* is one grant that crossed, or may cross, to another process.  A *lease*
 * is one end of a socket pair whose other end a peer holds for as long as he
 * has the memory: see lease.c.
 */
#ifndef QUIRE_LINUX_SHARING_H
#define QUIRE_LINUX_SHARING_H
#include "message.h"
#include "owner.h"
#include <pthread.h>

enum share_kind {
        SHARE_SENT,              /* to a peer: leases are his, and those of whom he gave it */
        SHARE_TAKEN,             /* from a peer: leases are of everybody who may revoke it */
        SHARE_NAMED,             /* to whoever asks */
};

struct lease {
        struct lease *next;
        int fd;
        unsigned heard;          /* SENT: messages that came over it */
        bool settled;            /* SENT: the peer has mapped what he will map */
};

/* All fields: the sharing's lock. */
struct share {
        struct share *next;
        uint64_t number;                     /* never another's */
        enum share_kind kind;
        struct quire_grant *grant;           /* our own: SENT and NAMED derived from the
                                              * caller's, TAKEN the first of its object; null:
                                              * it was revoked, and the peers were told */
        uint64_t object;                     /* its number */
        unsigned rights;
        uint64_t ticket;                     /* SENT: who waits for them to confirm; 0: nobody */
        struct lease *lease;
        int listener;                        /* NAMED: or -1 */
        char *name, *entry;                  /* NAMED: the name; its file in the directory */
};

/* A process that has come for a name. */
#define GUESTS 32
struct guest {
        int fd;
        uint64_t share;                      /* its number */
        uint64_t deadline;
};

struct sharing {
        pthread_mutex_t lock;
        pthread_cond_t changed;              /* a lease or a share went, or settled */
        struct quire_process *process;       /* null: nothing was ever shared */
        struct share *first;
        uint64_t shares;                     /* so far */
        uint64_t changes;                    /* of the lists, and of who is waited for */
        uint64_t tickets;
        struct guest guest[GUESTS];
        unsigned guests;
        pthread_t thread;
        bool running, stop;
        uint32_t begun;                      /* [a] the thread is about to take the lock */
        int wake;                            /* eventfd */
};

/* --- lease.c */
struct sharing *quire_sharing_enter(struct quire_process *);
void quire_sharing_leave(struct sharing *);
bool quire_sharing_wait(struct sharing *, uint64_t deadline);
QUIRE_CHECKED enum quire_status quire_sharing_watch(struct sharing *);
struct share *quire_shared_open(struct sharing *, enum share_kind, struct quire_grant *,
                               unsigned rights);
struct share *quire_shared_find(struct sharing *, uint64_t number);
void quire_shared_close(struct sharing *, struct share *);
bool quire_lease_add(struct share *, int fd);
bool quire_lease_revoked(int fd, bool *gone);
void quire_sharing_tend(struct sharing *);
void quire_shared_tell(struct sharing *, struct share *, uint64_t ticket);

/* The two words that go up a lease. */
struct lease_word {
        uint32_t what;
        uint32_t writes;         /* DESCENDANT: whether he has W */
};
enum { LEASE_SETTLED = 1, LEASE_DESCENDANT };

/* --- grant.c: a grant on its way */
struct delivery {
        struct message message;
        struct parcel parcel;
        uint64_t share;
};
QUIRE_CHECKED enum quire_status quire_delivery_plan(struct sharing *, struct quire_grant *,
                                                    unsigned rights, struct delivery *);
QUIRE_CHECKED enum quire_status quire_delivery_send(int socket, struct delivery *,
                                                    uint64_t deadline);
void quire_delivery_end(struct sharing *, struct delivery *, enum quire_status);
QUIRE_CHECKED enum quire_status quire_grant_shareable(struct quire_grant *, unsigned rights,
                                                      struct quire_object_info *);
int quire_grant_memory(struct quire_grant *);
QUIRE_CHECKED enum quire_status quire_grant_take(struct quire_process *, const struct message *,
                                                 struct parcel *, struct quire_grant **);
enum quire_status quire_share_refuse(enum quire_status, const char *why);

/* --- name.c, called by the watcher with the lock held */
void quire_name_knock(struct sharing *, struct share *);
void quire_name_serve(struct sharing *, struct guest *);
void quire_guest_close(struct sharing *, struct guest *);
void quire_name_forget(struct share *);

#endif
