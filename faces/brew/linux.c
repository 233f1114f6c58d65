/*
 * linux.c - regions that other processes of Linux receive, over a Unix socket.
 *
 * What travels is a grant (quire/share.h), which is the right, and behind it a letter
 * that says what else an object tells: addresses, flags.  A letter is believed as far
 * as it can be checked, and gives nothing by itself.
 *
 * Lock: the face's, but not while a peer is waited for.
 */
#include "inside.h"
#include "quire/share.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

enum { LETTER_MARK = 0x57455242, LETTER_VERSION = 1 };

struct letter {
        uint32 mark, version;
        uint64 va, bytes;
        uint32 perms, flags;
};

/* ------------------------------------------------------------------ sockets */

static int64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False: not before the time, or not ever. */
static bool wait_for(int socket, short events, int64_t until)
{
        struct pollfd p = { .fd = socket, .events = events };
        int n;

        do {
                int64_t left = until - now();

                n = poll(&p, 1, left > 0 ? (int)left : 0);
        } while (n < 0 && errno == EINTR);
        return n > 0 && p.revents & events;
}

/* All of it, or false. */
static bool transfer(int socket, void *bytes, size_t n, bool sending, int64_t until)
{
        while (n) {
                ssize_t done = sending ? send(socket, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                                       : recv(socket, bytes, n, MSG_DONTWAIT);

                if (done > 0) {
                        bytes = (char *)bytes + done;
                        n -= (size_t)done;
                } else if (!done || (errno != EAGAIN && errno != EINTR) ||
                           !wait_for(socket, sending ? POLLOUT : POLLIN, until)) {
                        return false;
                }
        }
        return true;
}

static int result_of(enum quire_status st)
{
        switch (st) {
        case QUIRE_NOT_PRESENT:                  /* nobody is there */
        case QUIRE_INVALID:                      /* garbage */
                return AEE_EFAILED;
        default:
                return quire_brew_result(st);
        }
}

static bool is_socket(int socket)
{
        int domain = 0;
        socklen_t n = sizeof(domain);

        return !getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &n) && domain == AF_UNIX;
}

/* ------------------------------------------------------------------- sending */

/* What is to be sent, and a grant for it with the rights that are left. */
static int write_letter(const struct service *s, struct letter *l, struct quire_grant **grant)
{
        const struct memory *m = s->memory;
        uint32 rights = quire_brew_service_rights(s);

        if (!m->hosted || m->flags & (MEMREGION_SHARE_EXCL | MEMREGION_VIRTUAL_EXCL))
                return AEE_EUNSUPPORTED;
        if (!rights)
                return AEE_EPRIVLEVEL;
        *l = (struct letter){ LETTER_MARK, LETTER_VERSION, m->va, m->bytes, rights, m->flags };
        return quire_brew_result(quire_grant_narrow(s->grant, rights, grant));
}

int quire_brew_send(struct quire_process *process, IMemRegion1 *p, int socket)
{
        struct service *s = quire_brew_service_of(p);
        struct quire_grant *grant = NULL;
        enum quire_status st;
        struct letter l;
        int result;

        if (!process || !s || !is_socket(socket))
                return AEE_EBADPARM;
        if (!quire_brew_enter(&s->thing))
                return AEE_EFAILED;
        result = write_letter(s, &l, &grant);
        quire_brew_unlock();
        if (result != AEE_SUCCESS)
                return result;
        st = quire_grant_send(process, socket, grant, l.perms);
        if (st == QUIRE_OK && !transfer(socket, &l, sizeof(l), true, now() + QUIRE_PATIENCE))
                st = QUIRE_NOT_PRESENT;
        quire_grant_close(grant);
        return result_of(st);
}

/* ----------------------------------------------------------------- receiving */

static bool letter_valid(const struct letter *l, struct quire_grant *grant, uint64 page)
{
        struct quire_object_info is;

        quire_object_describe(grant, &is);
        return l->mark == LETTER_MARK && l->version == LETTER_VERSION && is.flags & QUIRE_HOSTED &&
               l->bytes == is.bytes && !(l->va & (page - 1)) && !(l->flags >> 16) &&
               !(l->flags & (MEMREGION_SHARE_EXCL | MEMREGION_VIRTUAL_EXCL)) &&
               quire_brew_flags_valid(l->flags) && l->perms && !(l->perms & ~is.rights);
}

/* => the face's lock */
static int take_in(struct env *e, const struct letter *l, struct quire_grant *grant,
                   IMemRegion1 **out)
{
        const struct plan plan = { .env = e, .va = l->va, .bytes = l->bytes, .perms = l->perms,
                                   .flags = l->flags, .received = grant };
        struct memory *m;
        int result = AEE_EFAILED;

        if (letter_valid(l, grant, quire_system_page(e->system)))
                result = quire_brew_memory_new(&plan, &m);
        if (result != AEE_SUCCESS) {
                quire_grant_close(grant);
                return result;
        }
        result = quire_brew_service_new(e, m, m->root, l->perms, out);
        quire_brew_memory_drop(m);                       /* the service holds it */
        return result;
}

int quire_brew_receive(struct quire_process *process, IEnv *to, int socket, uint32 milliseconds,
                       IMemRegion1 **out)
{
        struct env *e = (struct env *)(void *)to;
        int64_t until = now() + milliseconds;
        struct quire_grant *grant;
        enum quire_status st;
        struct letter l;
        int result;

        if (!out)
                return AEE_EBADPARM;
        *out = NULL;
        if (!process || !e || !is_socket(socket))
                return AEE_EBADPARM;
        st = quire_grant_receive(process, socket, milliseconds, &grant);
        if (st != QUIRE_OK)
                return result_of(st);
        if (!transfer(socket, &l, sizeof(l), false, until) || !quire_brew_enter(&e->thing)) {
                quire_grant_close(grant);
                return AEE_EFAILED;
        }
        result = take_in(e, &l, grant, out);
        quire_brew_unlock();
        return result;
}
