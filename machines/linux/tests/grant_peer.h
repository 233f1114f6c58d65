/*
 * grant_peer.h - processes that share memory with a test, and do what it tells them.
 *
 * peer_start() runs this very program again, as `PROGRAM peer', with a
 * socket over which it is told one thing at a time (peer_do()).  It keeps grants and
 * where they are mapped in slots.
 */
#ifndef QUIRE_LINUX_GRANT_PEER_H
#define QUIRE_LINUX_GRANT_PEER_H
#include "quire/share.h"
#include "test.h"
#include <sys/types.h>

#define PG ((uint64_t)4096)
#define LONG 60000u              /* milliseconds in which everybody answers who lives */
#define SLOTS 64

enum op {
        OP_RECEIVE,       /* slot, from fd; the value is its rights */
        OP_SEND,          /* slot, rights, to fd */
        OP_MAP,           /* slot, access */
        OP_UNMAP,
        OP_CLOSE,         /* the grant; the mapping stays */
        OP_NARROW,        /* slot, rights, other slot */
        OP_READ,          /* slot, page; the value is its first byte; DENIED: it faults */
        OP_WRITE,         /* slot, page, byte */
        OP_REVOKE,        /* slot, milliseconds */
        OP_OPEN,          /* name into slot, rights */
        OP_PUBLISH,       /* slot as name, rights */
        OP_WITHDRAW,      /* name */
        OP_FORK,          /* a child that is told what to do over fd; the value is its pid */
        OP_COUNT,         /* the value is how many descriptors are open */
        OP_STORE, OP_VERIFY, OP_AUDIT,   /* slot, number: as here_more() says, and so: */
        OP_MAKE, OP_FILE, OP_COPY, OP_PLACE, OP_LOOK, OP_TOUCH, OP_OWN, OP_RACE, OP_SUM,
        OP_QUIT,
};
struct order {
        enum op op;
        unsigned slot, rights, other;
        uint64_t number;
        char name[QUIRE_NAME_MOST + 1];
};
struct answer {
        enum quire_status status;
        uint64_t value;
        enum op op;
};
struct peer {
        pid_t pid;
        int control;
};

/* Grants and mappings of this process, by slot. */
struct holding {
        struct quire_grant *grant;
        uint64_t va, bytes;
};
extern struct holding holding[SLOTS];
extern struct quire_process *process;

extern enum quire_faults here_faults;        /* how here_open() has them resolved */

/* What a program's peers do beside this; or null. */
extern struct answer (*here_more)(const struct order *);

void here_open(void);
void here_close(void);
struct answer here_do(const struct order *, int fd);

void peer_start(struct peer *);
/* Another user's; with root's powers all the same, if `mighty'.  => we are root */
void peer_start_as(struct peer *, uid_t, bool mighty);
void peer_fork(struct peer *, struct peer *child);
struct answer peer_do(struct peer *, const struct order *, int fd);
void peer_kill(struct peer *, int sig);
void peer_stop(struct peer *);
int peer_main(void);

/* From one (null: this process) to another: slot to slot. */
struct answer hand_over(struct peer *from, unsigned slot, unsigned rights, struct peer *to,
                        unsigned other);
struct answer peer_hear(struct peer *);  /* what the answer to an order is */
/* What one of them (null: this process) does; a name whose holder did not get to answer in
 * time is opened again. */
struct answer tell(struct peer *, enum op, unsigned slot, unsigned rights, uint64_t number);
struct answer tell_name(struct peer *, enum op, unsigned slot, unsigned rights, const char *name);
/* Read or write (value < 256) one byte; false: the access was denied. */
bool access_byte(uint64_t va, uint64_t write, uint64_t *value);
bool store_word(uint64_t va, uint64_t value);
bool load_word(uint64_t va, uint64_t *value);
bool holds_byte(struct peer *, unsigned slot, unsigned page, unsigned byte);
unsigned count_descriptors(void);
unsigned count_shared(void);             /* descriptors of sockets and of memory */
bool settles(unsigned descriptors);      /* count_shared() comes down to it */

/* How often a memory file of this number is open or mapped, in a process or anywhere on
 * the machine. */
unsigned seek_memory_in(pid_t, ino_t);
unsigned seek_memory(ino_t);
struct stat;
bool own_memory(struct stat *);          /* the one object of PAGES pages that this process has */

/* A new object of PAGES pages in a slot of this process, mapped, page i beginning
 * with 16 + i; and what is in a slot goes. */
#define PAGES 4u
#define RW (QUIRE_R | QUIRE_W)
void new_object(unsigned slot);
void drop(struct peer *, unsigned slot);
/* Every access that the rights allow to what new_object(0) made works, and no other. */
void check_mapping(struct peer *, unsigned slot, unsigned rights);

int pass_descriptor(int socket, const void *bytes, size_t count, const int *fds, unsigned number);

#endif
