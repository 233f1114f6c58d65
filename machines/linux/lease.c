/*
 * lease.c - who holds what of whom across processes, and revocation.
 *
 * With every grant that is sent goes one end of a socket pair:
 *
 *      grantor                           receiver                 his receiver
 *      SENT  lease ------------------- lease  TAKEN
 *                 \--- (added later) ------------------------- lease  TAKEN
 *                                      SENT  lease ----------- lease
 *
 * The grantor says "revoked" by one byte.  A receiver says that nothing is left with
 * him by closing his end: after he has revoked his own grant of it, which takes
 * access away from every region and from whoever got it from him; when he
 * has let go of the memory; or by dying, since the kernel closes for the dead.  So
 * nobody has to be asked whether he lives, and nothing is left behind.
 *
 * Whoever passes a grant on makes a pair for each process above him too, and sends its
 * upper end up there (DESCENDANT): a grantor reaches every descendant itself, and it
 * does not matter who died between.  Each lease is of two processes only (and
 * their forks), so nobody can hide a revocation from anybody else.
 *
 * What is not enforced: a receiver that never looks at his lease keeps what he has
 * mapped, and a passer-on who tells nobody above him has passed on what he could
 * have copied as well.  The one who revokes learns of the first: BUSY.
 *
 * One thread per process watches, from the first share on.  Every TEND milliseconds
 * (only while there are shares), and at every call, it is seen whether anybody here but
 * the shares themselves still refers to an object; if not, they go.
 *
 * fork: the child keeps what was taken, with a watcher of its own; what was sent
 * and named stays the parent's.  A child has nobody to let go of what another thread
 * held, so whoever starts the watcher waits until it has begun, and from there on the
 * watcher allocates only with the lock held, which fork takes.
 *
 * Invariants
 *   F1  Every share holds one grant that nobody else closes, but for those whose peers
 *       were told; an object has no share when nothing else of this process refers
 *       to it (but for TEND).
 *   F2  A SENT or TAKEN share has a lease: with the last one it goes.
 *   F3  A lease of a TAKEN share is closed only after the grant was revoked, or after
 *       nothing refers to the object, or after the grantor closed his end.
 *
 * Lock: sharing.lock, taken before the core's and never in a signal handler.
 */
#include "sharing.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TEND 200                 /* milliseconds */
#define HEARD_MOST 256u          /* messages over one lease; then it is not listened to */

static struct sharing sharing = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = -1 };
static const struct sharer sharer;               /* at the end of this file */

/* ------------------------------------------------------------------ the lock */

static void open_condition(void)
{
        pthread_condattr_t attr;

        (void)pthread_condattr_init(&attr);
        (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&sharing.changed, &attr);
        (void)pthread_condattr_destroy(&attr);
}

struct sharing *quire_sharing_enter(struct quire_process *p)
{
        (void)pthread_mutex_lock(&sharing.lock);
        if (!sharing.process) {
                open_condition();
                sharing.process = p;
                STORE(&quire_sharer, &sharer);
        }
        return &sharing;
}

static void wake_watcher(struct sharing *s)
{
        uint64_t one = 1;

        s->changes++;
        if (s->running && !pthread_equal(s->thread, pthread_self()))
                (void)!write(s->wake, &one, sizeof(one));
}

void quire_sharing_leave(struct sharing *s)
{
        (void)pthread_mutex_unlock(&s->lock);
}

/* Wait for a change, with the lock let go meanwhile; false: the deadline is over. */
bool quire_sharing_wait(struct sharing *s, uint64_t deadline)
{
        struct timespec t = { .tv_sec = (time_t)(deadline / 1000),
                              .tv_nsec = (long)(deadline % 1000) * 1000000 };

        return pthread_cond_timedwait(&s->changed, &s->lock, &t) != ETIMEDOUT;
}

/* -------------------------------------------------------------------- shares */

/* Takes the grant.  Null: no memory, and the grant is still the caller's. */
struct share *quire_shared_open(struct sharing *s, enum share_kind kind, struct quire_grant *grant,
                               unsigned rights)
{
        struct share *h = calloc(1, sizeof(*h));
        struct quire_object_info info;

        if (!h)
                return NULL;
        quire_object_describe(grant, &info);
        h->number = ++s->shares;
        h->kind = kind;
        h->grant = grant;
        h->object = info.number;
        h->rights = rights;
        h->listener = -1;
        h->next = s->first;
        s->first = h;
        wake_watcher(s);
        return h;
}

struct share *quire_shared_find(struct sharing *s, uint64_t number)
{
        struct share *h = s->first;

        while (h && h->number != number)
                h = h->next;
        return h;
}

bool quire_lease_add(struct share *h, int fd)
{
        struct lease *l = calloc(1, sizeof(*l));

        if (!l)
                return false;
        l->fd = fd;
        l->next = h->lease;
        h->lease = l;
        return true;
}

static void remove_lease(struct share *h, struct lease *l)
{
        struct lease **link = &h->lease;

        while (*link != l)
                link = &(*link)->next;
        *link = l->next;
        (void)close(l->fd);
        free(l);
}

void quire_shared_close(struct sharing *s, struct share *h)
{
        struct share **link = &s->first;

        while (*link != h)
                link = &(*link)->next;
        *link = h->next;
        while (h->lease)
                remove_lease(h, h->lease);
        if (h->kind == SHARE_NAMED)
                quire_name_forget(h);
        if (h->grant)
                quire_grant_close(h->grant);
        free(h);
        wake_watcher(s);
        (void)pthread_cond_broadcast(&s->changed);
}

/* ---------------------------------------------------------------- revocation */

static void say_revoked(const struct lease *l)
{
        if (send(l->fd, "R", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN)
                (void)shutdown(l->fd, SHUT_RDWR);        /* stuffed: he is told nothing any more */
}

/* => the share's grant is revoked, and good for nothing any more */
void quire_shared_tell(struct sharing *s, struct share *h, uint64_t ticket)
{
        quire_grant_close(h->grant);
        h->grant = NULL;
        h->object = 0;
        h->ticket = ticket;
        for (struct lease *l = h->lease; l; l = l->next)
                say_revoked(l);
        wake_watcher(s);
}

/* Has the one at the other end of a lease revoked?  *gone: and never will. */
bool quire_lease_revoked(int fd, bool *gone)
{
        ssize_t n;
        char byte;

        *gone = false;
        for (unsigned tries = 0; tries < 4; tries++) {
                n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                if (n > 0)
                        return true;
                if (n < 0 && errno == EAGAIN)
                        return false;
                if (!n)
                        break;                           /* else an error, told but once */
        }
        *gone = true;
        return false;
}

/* How many of the shares are of this object. */
static uint64_t count_shares(const struct sharing *s, uint64_t object)
{
        uint64_t n = 0;

        for (const struct share *h = s->first; h; h = h->next)
                n += h->object == object;
        return n;
}

static void tend_share(struct sharing *s, struct share *h)
{
        struct quire_object_info info;

        if (!h->grant)
                return;                                  /* told */
        quire_object_describe(h->grant, &info);
        if (info.revoked && h->kind == SHARE_SENT)
                quire_shared_tell(s, h, 0);
        else if (info.revoked || (!info.regions && info.grants <= count_shares(s, h->object)))
                quire_shared_close(s, h);
}

/* What is revoked is told; what nobody here refers to goes. */
void quire_sharing_tend(struct sharing *s)
{
        struct share *h = s->first;

        while (h) {
                struct share *next = h->next;
                tend_share(s, h);
                h = next;
        }
}

/* ---------------------------------------------------------------- the watcher */

/* A lease that somebody below has made for us: => the message has one descriptor. */
static void add_descendant(struct share *h, int fd, bool writes)
{
        if (!quire_socket_is(fd, true) || !quire_lease_add(h, fd)) {
                quire_descriptor_shed(fd);
                return;
        }
        h->lease->settled = !writes;
        if (!h->grant)
                say_revoked(h->lease);
}

/* The one descriptor of a message over a lease, or -1; others are closed. */
static int only_descriptor(struct msghdr *m)
{
        struct parcel p = { .count = 0 };

        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
                for (size_t at = CMSG_LEN(0); c->cmsg_level == SOL_SOCKET &&
                     c->cmsg_type == SCM_RIGHTS && at + sizeof(int) <= c->cmsg_len;
                     at += sizeof(int))
                        memcpy(&p.fd[p.count++], (char *)c + at, sizeof(int));
        if (p.count == 1)
                return p.fd[0];
        quire_parcel_close(&p);
        return -1;
}

/* A peer says something over the lease of what we sent him, or has closed it. */
static void hear_below(struct sharing *s, struct share *h, struct lease *l)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
        struct lease_word word = { 0, 0 };
        struct iovec part = { &word, sizeof(word) };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(l->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        int fd;

        /* A reset is told once, and before what he said until then. */
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
                return;
        s->changes++;
        (void)pthread_cond_broadcast(&s->changed);
        if (n <= 0) {
                remove_lease(h, l);
                if (!h->lease)
                        quire_shared_close(s, h);                         /* F2 */
                return;
        }
        l->heard++;
        fd = only_descriptor(&m);
        if (n == sizeof(word) && word.what == LEASE_SETTLED)
                l->settled = true;
        if (n == sizeof(word) && word.what == LEASE_DESCENDANT && fd >= 0)
                add_descendant(h, fd, word.writes);
        else if (fd >= 0)
                quire_descriptor_shed(fd);
}

/* The one that we have it from revokes, or is gone. */
static void hear_above(struct sharing *s, struct share *h, struct lease *l)
{
        bool gone;

        if (quire_lease_revoked(l->fd, &gone)) {
                quire_grant_revoke(h->grant);
                quire_sharing_tend(s);           /* tells whoever has it from here, and goes */
        } else if (gone) {
                remove_lease(h, l);
                s->changes++;
                if (!h->lease)
                        quire_shared_close(s, h);                         /* F2 */
        }
}

struct watched {
        struct share *share;
        struct lease *lease;             /* null: the listener */
        struct guest *guest;
};

/* Everything to look at, from the second entry on; returns how many, 0: no memory. */
static nfds_t list_watched(const struct sharing *s, struct pollfd **fds, struct watched **who)
{
        size_t count = 1 + s->guests, n = 1;

        for (const struct share *h = s->first; h; h = h->next) {
                count += h->listener >= 0;
                for (const struct lease *l = h->lease; l; l = l->next)
                        count++;
        }
        *fds = calloc(count, sizeof(**fds));
        *who = calloc(count, sizeof(**who));
        if (!*fds || !*who)
                return 0;
        (*fds)[0] = (struct pollfd){ .fd = s->wake, .events = POLLIN };
        for (struct share *h = s->first; h; h = h->next) {
                if (h->listener >= 0) {
                        (*fds)[n] = (struct pollfd){ .fd = h->listener, .events = POLLIN };
                        (*who)[n++] = (struct watched){ h, NULL, NULL };
                }
                for (struct lease *l = h->lease; l; l = l->next) {
                        short events = l->heard < HEARD_MOST ? POLLIN : 0;
                        (*fds)[n] = (struct pollfd){ .fd = l->fd, .events = events };
                        (*who)[n++] = (struct watched){ h, l, NULL };
                }
        }
        for (unsigned i = 0; i < s->guests; i++) {
                (*fds)[n] = (struct pollfd){ .fd = s->guest[i].fd, .events = POLLIN };
                (*who)[n++] = (struct watched){ NULL, NULL, (struct guest *)&s->guest[i] };
        }
        return (nfds_t)n;
}

static void handle(struct sharing *s, const struct watched *w, short events)
{
        if (w->guest)
                quire_name_serve(s, w->guest);
        else if (!w->lease)
                quire_name_knock(s, w->share);
        else if (w->share->kind == SHARE_TAKEN)
                hear_above(s, w->share, w->lease);
        else if (w->lease->heard < HEARD_MOST)
                hear_below(s, w->share, w->lease);
        else if (events & (POLLHUP | POLLERR)) {         /* not listened to any more */
                remove_lease(w->share, w->lease);
                s->changes++;
                if (!w->share->lease)
                        quire_shared_close(s, w->share);
        }
}

/* Look once: waits, with the lock let go.  What has changed meanwhile is looked at
 * again, since nothing that is ready stops being so. */
static void look(struct sharing *s)
{
        struct pollfd *fds = NULL;
        struct watched *who = NULL;
        nfds_t count = list_watched(s, &fds, &who);
        uint64_t changes = s->changes, ignored;
        int timeout = s->first || s->guests ? TEND : -1;

        (void)pthread_mutex_unlock(&s->lock);
        (void)poll(fds, count, count ? timeout : TEND);
        (void)pthread_mutex_lock(&s->lock);
        if (count && fds[0].revents)
                (void)!read(s->wake, &ignored, sizeof(ignored));
        for (nfds_t i = 1; i < count && s->changes == changes; i++)
                if (fds[i].revents)
                        handle(s, &who[i], fds[i].revents);
        free(fds);
        free(who);
}

static void *watch(void *unused)
{
        struct sharing *s = &sharing;

        (void)unused;
        (void)quire_thread_begun(&s->begun);
        (void)pthread_mutex_lock(&s->lock);
        while (!s->stop) {
                look(s);
                for (unsigned i = s->guests; i-- > 0;)
                        if (!quire_deadline_left(s->guest[i].deadline))
                                quire_name_serve(s, &s->guest[i]);
                quire_sharing_tend(s);
        }
        (void)pthread_mutex_unlock(&s->lock);
        return NULL;
}

/* From here on somebody watches. */
enum quire_status quire_sharing_watch(struct sharing *s)
{
        sigset_t all, old;
        bool started;

        if (s->running)
                return QUIRE_OK;
        if (s->wake < 0)
                s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->wake < 0)
                return QUIRE_NO_SPACE;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        s->stop = false;
        s->begun = 0;
        started = !pthread_create(&s->thread, NULL, watch, NULL);
        quire_threads_await(&s->begun, started);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        s->running = started;
        return started ? QUIRE_OK : QUIRE_NO_MEMORY;
}

/* ------------------------------------------------------------- close and fork */

static void close_wake(struct sharing *s)
{
        if (s->wake >= 0)
                (void)close(s->wake);
        s->wake = -1;
}

static void close_sharing(struct quire_process *p)
{
        struct sharing *s = &sharing;
        bool running;

        (void)pthread_mutex_lock(&s->lock);
        if (s->process != p) {
                (void)pthread_mutex_unlock(&s->lock);
                return;
        }
        running = s->running;
        s->stop = true;
        wake_watcher(s);
        (void)pthread_mutex_unlock(&s->lock);
        if (running)
                (void)pthread_join(s->thread, NULL);
        while (s->guests)
                quire_guest_close(s, s->guest);
        while (s->first)
                quire_shared_close(s, s->first);
        close_wake(s);
        (void)pthread_cond_destroy(&s->changed);
        s->process = NULL;
        s->running = false;
}

static void prepare_fork(void)
{
        (void)pthread_mutex_lock(&sharing.lock);
}

static void continue_parent(void)
{
        (void)pthread_mutex_unlock(&sharing.lock);
}

static bool may_start_threads(void)
{
#if defined(__SANITIZE_THREAD__)
        return false;            /* the tool can not, in a child: the next call does */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
        return false;
#endif
#endif
        return true;
}

static void continue_child(void)
{
        struct sharing *s = &sharing;
        struct share *h = s->first, *next;
        bool taken = false;

        s->running = false;
        close_wake(s);
        if (s->process)
                open_condition();                /* whoever waited stayed behind */
        for (unsigned i = 0; i < s->guests; i++)
                (void)close(s->guest[i].fd);
        s->guests = 0;
        for (; h; h = next) {
                next = h->next;
                if (h->kind == SHARE_NAMED) {    /* the file in the directory is not ours */
                        free(h->entry);
                        h->entry = NULL;
                }
                taken = taken || h->kind == SHARE_TAKEN;
                if (h->kind != SHARE_TAKEN)
                        quire_shared_close(s, h);
        }
        if (taken && may_start_threads() && quire_sharing_watch(s) != QUIRE_OK)
                quire_linux_say(quire_linux_host(s->process->l),
                                "a forked child does not hear of revoked grants yet");
        (void)pthread_mutex_unlock(&s->lock);
}

static const struct sharer sharer = { close_sharing, prepare_fork, continue_parent,
                                      continue_child };
