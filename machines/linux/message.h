/*
 * message.h - one message with descriptors over a Unix socket (message.c), and the
 * descriptors of memory that may go with it (sealed.c).  Nothing here knows of
 * grants or of the core.
 */
#ifndef QUIRE_LINUX_MESSAGE_H
#define QUIRE_LINUX_MESSAGE_H
#include "quire/share.h"

#define MESSAGE_VERSION 1u
#define MESSAGE_DESCRIPTORS (QUIRE_CHAIN_MOST + 1)      /* the memory, and the leases */

enum message_kind { MESSAGE_GRANT = 1, MESSAGE_REFUSED, MESSAGE_ASK };

/* What goes over the socket, in this machine's own byte order. */
struct message {
        char magic[8];
        uint32_t version;
        uint32_t kind;               /* enum message_kind */
        uint32_t rights;
        uint32_t status;             /* REFUSED: enum quire_status; otherwise 0 */
        uint64_t bytes;              /* GRANT: of the object */
        uint32_t leases;             /* GRANT: descriptors after the memory's */
        uint32_t length;             /* ASK: bytes of the name that follows */
        uint64_t zero;
};

/* The descriptors of one message; whoever has it closes them. */
struct parcel {
        int fd[MESSAGE_DESCRIPTORS];
        unsigned count;
};

/* --- message.c */
uint64_t quire_deadline(unsigned milliseconds);
int quire_deadline_left(uint64_t deadline);             /* milliseconds */
bool quire_socket_wait(int socket, short events, uint64_t deadline);
bool quire_socket_is(int fd, bool packets);
void quire_message_begin(struct message *, enum message_kind);
QUIRE_CHECKED enum quire_status quire_message_send(int socket, const void *, size_t bytes,
                                                   const struct parcel *, uint64_t deadline);
QUIRE_CHECKED enum quire_status quire_message_receive(int socket, struct message *,
                                                      struct parcel *, uint64_t deadline);
void quire_parcel_close(struct parcel *);
void quire_descriptor_shed(int fd);

/* --- sealed.c */
QUIRE_CHECKED enum quire_status quire_memory_seal(int fd, unsigned rights);
QUIRE_CHECKED enum quire_status quire_memory_offer(int fd, unsigned rights, int *out);
QUIRE_CHECKED enum quire_status quire_memory_accept(int fd, uint64_t bytes, unsigned rights);

#endif
