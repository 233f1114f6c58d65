/*
 * grant.c - grants sent to other processes, and received from them.
 *
 * Sending: a grant is derived from the caller's for this one peer (SENT), the memory
 * is sealed as the rights want it (sealed.c), and its descriptor goes with one lease
 * for us and one for each process that we have it from (lease.c).  Receiving: the
 * memory becomes a store, the store an object, whose first grant (TAKEN) nobody but
 * us ever sees; the caller has one derived from it with the rights that came.
 *
 * A delivery is planned and ended with the lock held and sent without it, since
 * the peer may let us wait.
 *
 * Does not decide: what a message looks like (message.c); when shares go (lease.c).
 *
 * Invariants
 *   J1  No descriptor leaves with rights that the grant lacks, or unsealed (but under a
 *       name, for those who could have asked for W: share.h).
 *   J2  No grant is made of a descriptor that does not give just what was said.
 *
 * Lock: sharing.lock.
 */
#include "sharing.h"
#include "share_core.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST ((uint64_t)1 << 44)                 /* bytes of an object that we receive */
#define SETTLE 1000u                             /* milliseconds */

static const char wrong_socket[] = "not a Unix socket of kind stream or seqpacket";

enum quire_status quire_share_refuse(enum quire_status st, const char *why)
{
        if (st != QUIRE_OK)
                quire_problem_say(why);
        return st;
}

/* ------------------------------------------------------------------- sending */

/* May a grant with these rights be made of it for another process? */
enum quire_status quire_grant_shareable(struct quire_grant *grant, unsigned rights,
                                        struct quire_object_info *info)
{
        if (!grant || !rights || rights > (QUIRE_R | QUIRE_W | QUIRE_X))
                return quire_share_refuse(QUIRE_INVALID, "no grant, no rights or unknown ones");
        quire_object_describe(grant, info);
        if (info->revoked)
                return quire_share_refuse(QUIRE_NOT_PRESENT, "the grant was revoked");
        if (rights & ~info->rights)
                return quire_share_refuse(QUIRE_DENIED, "rights that the grant lacks");
        if (!(info->flags & QUIRE_HOSTED) || quire_grant_memory(grant) < 0)
                return quire_share_refuse(QUIRE_UNSUPPORTED, "only objects that were opened with "
                                          "QUIRE_HOSTED can be given to other processes");
        return QUIRE_OK;
}

/* The descriptor of its object's memory. */
int quire_grant_memory(struct quire_grant *grant)
{
        struct quire_store *store = quire_grant_store(grant);

        return store ? quire_linux_store_fd(store) : -1;
}

static bool writers_settled(const struct sharing *s, uint64_t object)
{
        for (const struct share *h = s->first; h; h = h->next)
                if (h->object == object && h->kind == SHARE_SENT && h->rights & QUIRE_W)
                        for (const struct lease *l = h->lease; l; l = l->next)
                                if (!l->settled)
                                        return false;
        return true;
}

/* Seal the memory for a grant without W; peers with W that have not mapped it yet
 * get a moment to do it. */
static enum quire_status seal_memory(struct sharing *s, struct quire_grant *grant,
                                     unsigned rights, uint64_t object)
{
        uint64_t deadline = quire_deadline(SETTLE);

        if (!(rights & QUIRE_W))
                while (!writers_settled(s, object) && quire_sharing_wait(s, deadline))
                        quire_sharing_tend(s);
        return quire_share_refuse(quire_memory_seal(quire_grant_memory(grant), rights),
                                  "W can not be given after a grant without W");
}

/* One lease: our end, and the peer's into the parcel. */
static enum quire_status make_lease(struct delivery *d, int *ours)
{
        int end[2];

        if (d->parcel.count == MESSAGE_DESCRIPTORS)
                return quire_share_refuse(QUIRE_LIMIT, "too many processes in a row");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end))
                return quire_share_refuse(QUIRE_NO_SPACE, "no descriptor is left");
        *ours = end[0];
        d->parcel.fd[d->parcel.count++] = end[1];
        d->message.leases++;
        return QUIRE_OK;
}

/* A lease of the peer's with somebody above us: the other end goes up there. */
static enum quire_status lease_above(struct delivery *d, const struct lease *above)
{
        struct lease_word word = { LEASE_DESCENDANT, d->message.rights & QUIRE_W };
        struct parcel up = { .count = 1 };
        bool gone;
        enum quire_status st;

        if (quire_lease_revoked(above->fd, &gone))
                return quire_share_refuse(QUIRE_NOT_PRESENT, "the grant was revoked");
        if (gone)
                return QUIRE_OK;
        st = make_lease(d, &up.fd[0]);
        if (st != QUIRE_OK)
                return st;
        st = quire_message_send(above->fd, &word, sizeof(word), &up, quire_deadline(0));
        (void)close(up.fd[0]);
        return st == QUIRE_NOT_PRESENT ? QUIRE_OK : st;  /* he has just gone */
}

static enum quire_status make_leases(struct sharing *s, struct share *h, struct delivery *d)
{
        enum quire_status st = QUIRE_OK;
        int ours;

        for (struct share *t = s->first; t; t = t->next)
                for (struct lease *l = t->lease; l && st == QUIRE_OK; l = l->next)
                        if (t->kind == SHARE_TAKEN && t->object == h->object)
                                st = lease_above(d, l);
        if (st == QUIRE_OK)
                st = make_lease(d, &ours);
        if (st != QUIRE_OK)
                return st;
        if (quire_lease_add(h, ours)) {
                h->lease->settled = !(d->message.rights & QUIRE_W);
                return QUIRE_OK;
        }
        (void)close(ours);
        return QUIRE_NO_MEMORY;
}

/* => the lock is held, the memory is sealed.  Whatever this answers, the delivery is ended
 * by quire_delivery_end(). */
enum quire_status quire_delivery_plan(struct sharing *s, struct quire_grant *grant,
                                      unsigned rights, struct delivery *d)
{
        struct quire_grant *derived;
        struct quire_object_info info;
        struct share *h;
        enum quire_status st;

        d->parcel.count = 0;
        d->share = 0;
        quire_message_begin(&d->message, MESSAGE_GRANT);
        quire_object_describe(grant, &info);
        d->message.rights = rights;
        d->message.bytes = info.bytes;
        st = quire_memory_offer(quire_grant_memory(grant), rights, &d->parcel.fd[0]);
        if (st != QUIRE_OK)
                return quire_share_refuse(st, "the memory can not be opened again (is /proc there, "
                                          "and a descriptor left?)");
        d->parcel.count = 1;
        st = quire_grant_narrow(grant, rights, &derived);
        if (st != QUIRE_OK)
                return st;
        h = quire_shared_open(s, SHARE_SENT, derived, rights);
        if (!h) {
                quire_grant_close(derived);
                return QUIRE_NO_MEMORY;
        }
        d->share = h->number;
        st = make_leases(s, h, d);
        return st == QUIRE_OK ? quire_sharing_watch(s) : st;
}

enum quire_status quire_delivery_send(int socket, struct delivery *d, uint64_t deadline)
{
        return quire_share_refuse(quire_message_send(socket, &d->message, sizeof(d->message),
                                                     &d->parcel, deadline),
                                  "the peer does not take the grant");
}

void quire_delivery_end(struct sharing *s, struct delivery *d, enum quire_status st)
{
        struct share *h = st != QUIRE_OK && d->share ? quire_shared_find(s, d->share) : NULL;

        if (h)
                quire_shared_close(s, h);
        quire_parcel_close(&d->parcel);
}

enum quire_status quire_grant_send(struct quire_process *p, int socket,
                                   struct quire_grant *grant, unsigned rights)
{
        struct quire_object_info info;
        struct delivery d = { .share = 0 };
        struct sharing *s;
        enum quire_status st = quire_grant_shareable(grant, rights, &info);

        if (st != QUIRE_OK)
                return st;
        if (!p || !quire_socket_is(socket, false))
                return quire_share_refuse(QUIRE_INVALID, wrong_socket);
        s = quire_sharing_enter(p);
        quire_sharing_tend(s);
        st = seal_memory(s, grant, rights, info.number);
        if (st == QUIRE_OK)
                st = quire_delivery_plan(s, grant, rights, &d);
        quire_sharing_leave(s);
        if (st == QUIRE_OK)
                st = quire_delivery_send(socket, &d, quire_deadline(QUIRE_PATIENCE));
        s = quire_sharing_enter(p);
        quire_delivery_end(s, &d, st);
        quire_sharing_leave(s);
        return st;
}

/* ----------------------------------------------------------------- receiving */

/* An object on the memory, whose store takes the descriptor over when this is OK. */
static enum quire_status open_object(struct quire_process *p, int fd, uint64_t bytes,
                                     struct quire_grant **out)
{
        struct quire_object_request r = { .bytes = bytes, .kind = QUIRE_ANONYMOUS,
                                          .flags = QUIRE_HOSTED };
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        enum quire_status st;

        if (own < 0)
                return QUIRE_NO_SPACE;
        st = quire_linux_store_adopt(p->l, own, bytes >> PAGE_SHIFT, &r.store);
        if (st != QUIRE_OK) {
                (void)close(own);
                return st;
        }
        st = quire_object_open(p->system, &r, out);
        if (st != QUIRE_OK) {
                quire_lock_take(&p->l->core);
                quire_linux_store_close(quire_linux_machine(p->l), r.store);
                quire_lock_drop(&p->l->core);
        }
        return st;
}

static enum quire_status check_parcel(const struct message *m, const struct parcel *parcel)
{
        bool gone;

        if (m->bytes % PAGE || m->bytes > MOST)
                return m->bytes % PAGE ? QUIRE_INVALID : QUIRE_LIMIT;
        for (unsigned i = 1; i < parcel->count; i++)
                if (!quire_socket_is(parcel->fd[i], true))
                        return QUIRE_INVALID;
        for (unsigned i = 1; i < parcel->count; i++)
                if (quire_lease_revoked(parcel->fd[i], &gone))
                        return QUIRE_NOT_PRESENT;
        return quire_memory_accept(parcel->fd[0], m->bytes, m->rights);
}

/* The leases become the share's, and everybody above hears that we have mapped it. */
static bool take_leases(struct share *h, struct parcel *parcel)
{
        struct lease_word word = { LEASE_SETTLED, 0 };

        while (parcel->count > 1) {
                if (!quire_lease_add(h, parcel->fd[parcel->count - 1]))
                        return false;
                parcel->count--;
                (void)send(h->lease->fd, &word, sizeof(word), MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        return true;
}

/* => the lock is held, `first' is of the object.  Takes it. */
static enum quire_status open_taken(struct sharing *s, struct quire_grant *first, unsigned rights,
                                    struct parcel *parcel, struct quire_grant **out)
{
        enum quire_status st = quire_sharing_watch(s);
        struct quire_grant *derived = NULL;
        struct share *h;

        if (st == QUIRE_OK)
                st = quire_grant_narrow(first, rights, &derived);
        h = st == QUIRE_OK ? quire_shared_open(s, SHARE_TAKEN, first, rights) : NULL;
        if (!h) {
                if (derived)
                        quire_grant_close(derived);
                quire_grant_close(first);
                return st == QUIRE_OK ? QUIRE_NO_MEMORY : st;
        }
        if (!take_leases(h, parcel)) {
                quire_shared_close(s, h);
                quire_grant_close(derived);
                return QUIRE_NO_MEMORY;
        }
        *out = derived;
        return QUIRE_OK;
}

/* What came in a message becomes a grant; descriptors that are left are closed. */
enum quire_status quire_grant_take(struct quire_process *p, const struct message *m,
                                   struct parcel *parcel, struct quire_grant **out)
{
        struct quire_grant *first;
        struct sharing *s;
        enum quire_status st = m->kind == MESSAGE_GRANT ? check_parcel(m, parcel) : QUIRE_INVALID;

        (void)quire_share_refuse(st, "what arrived is not what the message says, or was revoked");
        if (st == QUIRE_OK)
                st = open_object(p, parcel->fd[0], m->bytes, &first);
        if (st == QUIRE_OK) {
                s = quire_sharing_enter(p);
                st = open_taken(s, first, m->rights, parcel, out);
                quire_sharing_leave(s);
        }
        quire_parcel_close(parcel);
        return st;
}

enum quire_status quire_grant_receive(struct quire_process *p, int socket, unsigned milliseconds,
                                      struct quire_grant **out)
{
        struct message m;
        struct parcel parcel;
        enum quire_status st;

        if (!p || !out || !quire_socket_is(socket, false))
                return quire_share_refuse(QUIRE_INVALID, wrong_socket);
        st = quire_message_receive(socket, &m, &parcel, quire_deadline(milliseconds));
        if (st != QUIRE_OK)
                return quire_share_refuse(st, "no message of a grant arrived");
        return quire_grant_take(p, &m, &parcel, out);
}

/* ---------------------------------------------------------------- revocation */

static bool unconfirmed(const struct sharing *s, uint64_t ticket)
{
        for (const struct share *h = s->first; h; h = h->next)
                if (h->ticket == ticket)
                        return true;
        return false;
}

enum quire_status quire_share_revoke(struct quire_process *p, struct quire_grant *grant,
                                     unsigned milliseconds)
{
        uint64_t deadline = quire_deadline(milliseconds), ticket;
        struct quire_object_info info;
        struct sharing *s;
        bool waiting;

        if (!p || !grant)
                return QUIRE_INVALID;
        s = quire_sharing_enter(p);
        ticket = ++s->tickets;
        quire_sharing_tend(s);                   /* what others revoked is not ours to wait for */
        quire_grant_revoke(grant);
        for (struct share *h = s->first; h; h = h->next) {
                if (h->kind != SHARE_SENT || !h->grant)
                        continue;
                quire_object_describe(h->grant, &info);
                if (info.revoked)
                        quire_shared_tell(s, h, ticket);
        }
        quire_sharing_tend(s);
        while ((waiting = unconfirmed(s, ticket)) && quire_sharing_wait(s, deadline))
                ;
        quire_sharing_leave(s);
        return waiting ? quire_share_refuse(QUIRE_BUSY, "a process has not confirmed") : QUIRE_OK;
}
