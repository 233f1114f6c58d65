/*
 * message.c - one message with descriptors, to and from a peer that may be hostile.
 *
 * A message is a record of fixed size and up to MESSAGE_DESCRIPTORS descriptors.
 * All waiting is done here, in poll, against one deadline for the whole
 * message: a peer that sends a byte a second gains nothing.  On a stream the
 * record may come in pieces, each with descriptors; on a seqpacket it comes
 * whole or is refused.
 *
 * Does not decide: what the rights mean, and which memory is good (sealed.c).
 *
 * Invariants
 *   E1  Whatever receive answers, a descriptor that arrived is in the parcel or closed.
 *   E2  A parcel that receive fills has 1 + leases descriptors.
 *   E3  Not more of a stream is read than the one record.
 *
 * Lock: none; two threads that use one socket take turns by themselves.
 */
#include "internal.h"
#include "message.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

static const char magic[8] = { 'Q', 'u', 'i', 'r', 'e', '\r', '\n', 0 };

/* Room for more descriptors than are ever meant, so that one too many is seen
 * to be; and for what a socket of the caller's may have been told to add. */
#define CONTROL (CMSG_SPACE((MESSAGE_DESCRIPTORS + 1) * sizeof(int)) + 512)

/* ------------------------------------------------------------------ waiting */

static uint64_t now(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t quire_deadline(unsigned milliseconds)
{
        return now() + milliseconds;
}

int quire_deadline_left(uint64_t deadline)
{
        uint64_t at = now(), left = deadline > at ? deadline - at : 0;

        return left > 1000000 ? 1000000 : (int)left;
}

/* False: the deadline is over first. */
bool quire_socket_wait(int socket, short events, uint64_t deadline)
{
        struct pollfd p = { .fd = socket, .events = events };

        for (;;) {
                int left = quire_deadline_left(deadline);
                int n = poll(&p, 1, left);
                if (n > 0 || (n < 0 && errno != EINTR))
                        return true;
                if (!n && !left)
                        return false;
        }
}

bool quire_socket_is(int fd, bool packets)
{
        int domain = 0, type = 0;
        socklen_t size = sizeof(int);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) || domain != AF_UNIX)
                return false;
        size = sizeof(int);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size))
                return false;
        return type == SOCK_SEQPACKET || (type == SOCK_STREAM && !packets);
}

/* -------------------------------------------------------------- descriptors */

struct late {
        int fd;
        uint32_t begun;              /* [a] */
};

/* => it is there until the thread has begun */
static void *close_late(void *argument)
{
        struct late *late = argument;
        int fd = late->fd;

        (void)quire_thread_begun(&late->begun);
        (void)close(fd);
        return NULL;
}

/*
 * Close a descriptor that a stranger sent.  Closing may wait for a file system,
 * and a stranger can make file systems that never answer; memory and Unix
 * sockets are safe to close, anything else is left to a thread that may wait.
 */
void quire_descriptor_shed(int fd)
{
        struct late late = { .fd = fd };
        pthread_attr_t attr;
        pthread_t thread;
        bool gone = false;

        if (fcntl(fd, F_GET_SEALS) >= 0 || quire_socket_is(fd, false)) {
                (void)close(fd);
                return;
        }
        if (!pthread_attr_init(&attr)) {
                (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
                gone = !pthread_create(&thread, &attr, close_late, &late);
                quire_threads_await(&late.begun, gone);
                (void)pthread_attr_destroy(&attr);
        }
        if (!gone)
                (void)close(fd);
}

void quire_parcel_close(struct parcel *p)
{
        while (p->count)
                quire_descriptor_shed(p->fd[--p->count]);
}

/* Take descriptors in; false: more than there may be (E1). */
static bool take_descriptors(struct parcel *p, const struct cmsghdr *c)
{
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        bool fit = true;

        for (size_t i = 0; i < count; i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                if (c->cmsg_type == SCM_RIGHTS && p->count < MESSAGE_DESCRIPTORS) {
                        p->fd[p->count++] = fd;
                } else {
                        quire_descriptor_shed(fd);
                        fit = c->cmsg_type != SCM_RIGHTS && fit;
                }
        }
        return fit;
}

static bool take_control(struct parcel *p, struct msghdr *m)
{
        bool fit = true;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
                if (c->cmsg_level == SOL_SOCKET &&
                    (c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_PIDFD))
                        fit = take_descriptors(p, c) && fit;
        return fit;
}

/* ------------------------------------------------------------------ sending */

void quire_message_begin(struct message *m, enum message_kind kind)
{
        memset(m, 0, sizeof(*m));
        memcpy(m->magic, magic, sizeof(magic));
        m->version = MESSAGE_VERSION;
        m->kind = kind;
}

static enum quire_status send_status(int error)
{
        switch (error) {
        case EPIPE:
        case ECONNRESET:
        case ENOTCONN:
        case ECONNREFUSED:
                return QUIRE_NOT_PRESENT;
        case ETOOMANYREFS:
                return QUIRE_LIMIT;
        case ENOMEM:
                return QUIRE_NO_MEMORY;
        case EBADF:
        case ENOTSOCK:
                return QUIRE_INVALID;
        default:
                return QUIRE_IO_ERROR;
        }
}

enum quire_status quire_message_send(int socket, const void *record, size_t bytes,
                                     const struct parcel *p, uint64_t deadline)
{
        char control[CMSG_SPACE(MESSAGE_DESCRIPTORS * sizeof(int))] = { 0 };
        struct iovec part = { (void *)(uintptr_t)record, bytes };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

        if (p && p->count) {
                m.msg_control = control;
                m.msg_controllen = CMSG_SPACE(p->count * sizeof(int));
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(p->count * sizeof(int));
                memcpy(CMSG_DATA(c), p->fd, p->count * sizeof(int));
        }
        for (;;) {
                ssize_t n = sendmsg(socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n >= 0)
                        return (size_t)n == bytes ? QUIRE_OK : QUIRE_IO_ERROR;
                if (errno == EINTR)
                        continue;
                if (errno != EAGAIN && errno != ENOBUFS)
                        return send_status(errno);
                if (!quire_deadline_left(deadline) ||
                    !quire_socket_wait(socket, POLLOUT, deadline))
                        return QUIRE_BUSY;
        }
}

/* ---------------------------------------------------------------- receiving */

static enum quire_status receive_status(int error, bool begun)
{
        if (error == EBADF || error == ENOTSOCK)
                return QUIRE_INVALID;
        if (error == ENOMEM)
                return QUIRE_NO_MEMORY;
        return begun || (error != ECONNRESET && error != ENOTCONN) ? QUIRE_IO_ERROR
                                                                   : QUIRE_NOT_PRESENT;
}

/* That the peer has closed with something unread is told once, and before what he sent until
 * then: then it is asked for again. */
static ssize_t receive_what_is_there(int socket, struct msghdr *m, size_t room)
{
        ssize_t n = recvmsg(socket, m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0 && errno == ECONNRESET) {
                m->msg_controllen = room;
                n = recvmsg(socket, m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        }
        return n;
}

/* One piece of the record: how many bytes came is added to *have. */
static enum quire_status receive_piece(int socket, struct message *out, size_t *have,
                                       struct parcel *p)
{
        _Alignas(struct cmsghdr) char control[CONTROL];
        struct iovec part = { (char *)out + *have, sizeof(*out) - *have };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = sizeof(control) };
        ssize_t n = receive_what_is_there(socket, &m, sizeof(control));
        bool fit;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return QUIRE_BUSY;
        if (n < 0)
                return receive_status(errno, *have > 0);
        fit = take_control(p, &m);
        if (!n)
                return *have || p->count ? QUIRE_IO_ERROR : QUIRE_NOT_PRESENT;
        *have += (size_t)n;
        if (!fit || m.msg_flags & MSG_TRUNC)
                return QUIRE_INVALID;
        if (m.msg_flags & MSG_CTRUNC)        /* too many for them to fit, or for us to hold */
                return p->count < MESSAGE_DESCRIPTORS ? QUIRE_NO_SPACE : QUIRE_INVALID;
        return memcmp(out->magic, magic, *have < sizeof(magic) ? *have : sizeof(magic))
                       ? QUIRE_INVALID : QUIRE_OK;
}

static enum quire_status check_message(const struct message *m, const struct parcel *p)
{
        if (m->version != MESSAGE_VERSION)
                return QUIRE_UNSUPPORTED;
        if (m->zero || m->length || (m->status && m->kind != MESSAGE_REFUSED))
                return QUIRE_INVALID;
        if (m->kind == MESSAGE_REFUSED)
                return p->count || !m->status || m->status > QUIRE_BUSY ? QUIRE_INVALID : QUIRE_OK;
        if (m->kind != MESSAGE_GRANT || !m->rights || m->rights > 7 || !m->bytes ||
            !m->leases || m->leases > QUIRE_CHAIN_MOST || p->count != m->leases + 1)
                return QUIRE_INVALID;
        return QUIRE_OK;
}

static enum quire_status receive_record(int socket, struct message *out, struct parcel *p,
                                        uint64_t deadline)
{
        size_t have = 0;

        for (;;) {
                enum quire_status st = receive_piece(socket, out, &have, p);
                if (st != QUIRE_OK && st != QUIRE_BUSY)
                        return st;
                if (have == sizeof(*out))
                        return check_message(out, p);
                if (have && quire_socket_is(socket, true))
                        return QUIRE_INVALID;            /* a record too short */
                if (!quire_deadline_left(deadline) || !quire_socket_wait(socket, POLLIN, deadline))
                        return have ? QUIRE_IO_ERROR : QUIRE_BUSY;
        }
}

enum quire_status quire_message_receive(int socket, struct message *out, struct parcel *p,
                                        uint64_t deadline)
{
        enum quire_status st;

        memset(out, 0, sizeof(*out));
        p->count = 0;
        st = receive_record(socket, out, p, deadline);
        if (st != QUIRE_OK)
                quire_parcel_close(p);
        return st;
}
