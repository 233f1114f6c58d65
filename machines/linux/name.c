/*
 * name.c - names of grants that other processes of the same user may open.
 *
 * A name is a directory entry, but holds no memory: each holder has a listening
 * socket of its own there, and sends the grant to whoever connects and asks
 * (lease.c's thread does it).  So there is nobody to serve names but those who hold
 * the memory, and whether one still lives is what the kernel says to connect.
 *
 *   $XDG_RUNTIME_DIR/quire/          or /run/user/UID/quire, or /dev/shm/quire-UID
 *           5d0c...-a1f3...          a hash of the name, and a number of no meaning
 *
 * The directory is ours, mode 0700, and no link, or it is not used.  In /dev/shm
 * anybody may have made something of that name before us, so there are several to
 * choose from: the first that is ours, else the first that nobody has made.
 * The peer's user is asked of the kernel as well, on both sides.
 *
 * Whoever changes the directory holds a lock of it (flock), which its death or its
 * close lets go of; nobody waits for longer than QUIRE_PATIENCE.  Entries of the dead
 * are removed by whoever comes across them, and the directory by whoever empties it.
 *
 * Invariants
 *   N1  Of two entries of one name both belong to holders of one object, or to the dead.
 *   N2  Who opens a name becomes its holder only while the entry is there through which he
 *       came: a name that was withdrawn does not come back.
 *   N3  A holder gives away no rights that he did not get.
 *   N4  A holder answers a guest before he closes on him, also when he sends him away; and a
 *       guest takes nobody for dead but whom the kernel does: not the slow, nor the silent.
 *
 * Lock: sharing.lock for shares and guests.  It may be waited for with the directory's
 * held, and never the other way round.
 */
#include "sharing.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ENTRY 52                 /* 32 digits, a stroke, 16 digits, and the end */
#define HASHED 33                /* of those, what the name decides */
#define CHOICES 8u               /* directories in /dev/shm */
#define HOLDERS 32u              /* that are asked for one name */
#define SWEPT 64u                /* entries of other names that are looked at where names change */
#define SWEPT_IN_PASSING 8u      /* and by who opens one */
#define ANSWER 300u              /* milliseconds for a holder to say that he is one */
#define TRIES 4u                 /* for one who ends the conversation without a word */

struct request {
        struct message message;
        char name[QUIRE_NAME_MOST + 1];
};

/* ------------------------------------------------------------- the directory */

static bool private_directory(int fd)
{
        struct stat st;

        return !fstat(fd, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
               !(st.st_mode & 077);
}

static int open_directory_at(int base, const char *path)
{
        return openat(base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Open `name' in the directory, which is made if `make'.  -1: errno; ENOTUNIQ: it is there
 * and is not ours alone. */
static int open_own(int base, const char *name, bool make)
{
        int fd;

        do {
                if (make && mkdirat(base, name, 0700) && errno != EEXIST)
                        return -1;
                fd = open_directory_at(base, name);
        } while (make && fd < 0 && errno == ENOENT);     /* somebody has just removed it */
        if (fd >= 0 && !private_directory(fd)) {
                (void)close(fd);
                fd = -1;
                errno = ENOTUNIQ;
        } else if (fd < 0 && (errno == ELOOP || errno == ENOTDIR || errno == EACCES)) {
                errno = ENOTUNIQ;
        }
        return fd;
}

/* The directory of this user's run time, if there is one. */
static int open_runtime(void)
{
        const char *told = secure_getenv("XDG_RUNTIME_DIR");
        char path[40];
        int fd = told && *told == '/' ? open_directory_at(AT_FDCWD, told) : -1;

        if (fd >= 0 && private_directory(fd))
                return fd;
        if (fd >= 0)
                (void)close(fd);
        (void)snprintf(path, sizeof(path), "/run/user/%u", (unsigned)geteuid());
        fd = open_directory_at(AT_FDCWD, path);
        if (fd >= 0 && !private_directory(fd)) {
                (void)close(fd);
                fd = -1;
        }
        return fd;
}

/* Where it lies and is called; open_names() opens it. */
struct place {
        int base;
        char name[32];
};

static void choose_shm(struct place *at, unsigned choice)
{
        unsigned user = geteuid();

        if (choice)
                (void)snprintf(at->name, sizeof(at->name), "quire-%u.%u", user, choice);
        else
                (void)snprintf(at->name, sizeof(at->name), "quire-%u", user);
}

/* Without a directory of the user's: the first in /dev/shm that is ours, or could be. */
static int open_shm(struct place *at, bool make)
{
        int fd;

        for (unsigned pass = 0; pass <= make; pass++)
                for (unsigned i = 0; i < CHOICES; i++) {
                        choose_shm(at, i);
                        fd = open_own(at->base, at->name, pass);
                        if (fd >= 0)
                                return fd;
                        if (errno != ENOENT && errno != ENOTUNIQ)
                                return -1;
                }
        return -1;
}

static int open_place(struct place *at, bool make)
{
        at->base = open_runtime();
        if (at->base >= 0) {
                (void)snprintf(at->name, sizeof(at->name), "quire");
                return open_own(at->base, at->name, make);
        }
        at->base = open_directory_at(AT_FDCWD, "/dev/shm");
        return at->base < 0 ? -1 : open_shm(at, make);
}

static bool lock_directory(int fd, uint64_t deadline)
{
        const struct timespec pause = { .tv_nsec = 2000000 };

        while (flock(fd, LOCK_EX | LOCK_NB)) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return false;
                if (!quire_deadline_left(deadline))
                        return false;
                (void)nanosleep(&pause, NULL);
        }
        return true;
}

static DIR *list_entries(int directory)
{
        int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = again < 0 ? NULL : fdopendir(again);

        if (!d && again >= 0)
                (void)close(again);
        return d;
}

static bool is_empty(int directory)
{
        DIR *d = list_entries(directory);
        bool empty = d;
        struct dirent *e;

        while (empty && (e = readdir(d)))
                empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
        if (d)
                (void)closedir(d);
        return empty;
}

static void close_names(struct place *at, int fd)
{
        if (fd >= 0)
                (void)close(fd);
        if (at->base >= 0)
                (void)close(at->base);
        at->base = -1;
}

/* => the directory is locked.  Unlock it, and remove it if it is empty: now, or after somebody
 * has removed the last entry who did not wait for the lock. */
static void leave_names(struct place *at, int fd)
{
        bool left = true;

        do {
                if (!unlinkat(at->base, at->name, AT_REMOVEDIR) ||
                    (errno != ENOTEMPTY && errno != EEXIST))
                        left = false;
                (void)flock(fd, LOCK_UN);        /* a child of fork may have the same file */
        } while (left && is_empty(fd) && !flock(fd, LOCK_EX | LOCK_NB));
        close_names(at, fd);
}

static enum quire_status open_status(void)
{
        if (errno == ENOENT)
                return QUIRE_NOT_PRESENT;
        return errno == ENOTUNIQ ? QUIRE_DENIED :
               errno == EMFILE || errno == ENFILE ? QUIRE_NO_SPACE : QUIRE_UNSUPPORTED;
}

static const char nobody[] = "nobody holds that name";

/* The directory, locked; it is left by leave_names().  NOT_PRESENT: there is none. */
static enum quire_status enter_names(struct place *at, bool make, int *out)
{
        uint64_t deadline = quire_deadline(QUIRE_PATIENCE);
        enum quire_status st;
        struct stat info;

        for (;;) {
                int fd = open_place(at, make);
                if (fd < 0) {
                        st = open_status();
                        close_names(at, -1);
                        bool absent = st == QUIRE_NOT_PRESENT && !make;
                        return quire_share_refuse(st, absent ? nobody :
                                                  "no directory for names that is ours alone");
                }
                bool locked = lock_directory(fd, deadline);
                if (locked && !fstat(fd, &info) && info.st_nlink) {
                        *out = fd;
                        return QUIRE_OK;
                }
                close_names(at, fd);
                if (!locked)
                        return quire_share_refuse(QUIRE_BUSY, "the directory of names is locked");
        }                                        /* somebody has just removed it: again */
}

/* ------------------------------------------------------------------- entries */

/* Two of FNV-1a's hashes, from different beginnings. */
static void hash_name(const char *name, char out[HASHED + 1])
{
        uint64_t a = 0xcbf29ce484222325u, b = 0x9e3779b97f4a7c15u;

        for (const char *c = name; *c; c++) {
                a = (a ^ (unsigned char)*c) * 0x100000001b3u;
                b = (b ^ (unsigned char)*c) * 0x100000001b3u;
                b ^= b >> 29;
        }
        (void)snprintf(out, HASHED + 1, "%016llx%016llx-", (unsigned long long)a,
                       (unsigned long long)b);
}

static bool set_address(struct sockaddr_un *a, int directory, const char *entry)
{
        memset(a, 0, sizeof(*a));
        a->sun_family = AF_UNIX;
        return snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/%s", directory,
                        entry) < (int)sizeof(a->sun_path);
}

static bool same_user(int fd)
{
        struct ucred peer;
        socklen_t size = sizeof(peer);

        return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.uid == geteuid();
}

/* => the directory is locked.  Does anybody listen there?  If so, a connection to him, or -1:
 * he can not be reached just now.  An entry of the dead is removed.  Only two answers mean
 * that nobody does: refused, since whoever makes an entry listens before he lets go of the
 * directory; and that there is no such entry any more. */
static bool connect_entry(int directory, const char *entry, int *fd)
{
        struct sockaddr_un a;
        int error;

        *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (*fd < 0 || !set_address(&a, directory, entry))
                error = EAGAIN;
        else
                error = connect(*fd, (struct sockaddr *)&a, sizeof(a)) ? errno : 0;
        if (!error && same_user(*fd))
                return true;
        if (*fd >= 0)
                (void)close(*fd);
        *fd = -1;
        if (error == ECONNREFUSED)               /* nobody ever listens there again */
                (void)unlinkat(directory, entry, 0);
        return error != ECONNREFUSED && error != ENOENT;
}

/* => the directory is locked.  An entry of the name that we listen at. */
static enum quire_status make_entry(int directory, const char *name, int *listener, char **entry)
{
        char hash[HASHED + 1], path[ENTRY];
        struct sockaddr_un a;
        uint64_t number;
        int fd;

        hash_name(name, hash);
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return QUIRE_UNSUPPORTED;
        (void)snprintf(path, sizeof(path), "%s%016llx", hash, (unsigned long long)number);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return QUIRE_NO_SPACE;
        *entry = strdup(path);
        if (*entry && set_address(&a, directory, path) &&
            !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 64)) {
                *listener = fd;
                return QUIRE_OK;
        }
        (void)close(fd);
        (void)unlinkat(directory, path, 0);
        free(*entry);
        return QUIRE_UNSUPPORTED;
}

/* What one pass over the directory found: holders of one name. */
struct found {
        int fd[HOLDERS];                 /* a connection, or -1: he has too many just now */
        char entry[HOLDERS][ENTRY];
        unsigned count;
};

static void forget_found(struct found *f)
{
        while (f->count)
                if (f->fd[--f->count] >= 0)
                        (void)close(f->fd[f->count]);
}

static void look_at_entry(int directory, const char *entry, const char *hash, struct found *f)
{
        bool ours = !strncmp(entry, hash, HASHED);
        int fd;

        if (connect_entry(directory, entry, &fd) && ours && f->count < HOLDERS) {
                memcpy(f->entry[f->count], entry, ENTRY - 2);            /* its end, too */
                f->fd[f->count++] = fd;
        } else if (fd >= 0) {
                (void)close(fd);
        }
}

/* => the directory is locked.  Find the holders of a name; remove the dead, and those of
 * some other names. */
static void search_names(int directory, const char *name, unsigned sweep, struct found *f)
{
        DIR *d = list_entries(directory);
        char hash[HASHED + 1];
        unsigned others = 0;
        struct dirent *e;

        f->count = 0;
        hash_name(name, hash);
        while (d && (e = readdir(d)))
                if (strlen(e->d_name) == ENTRY - 3 &&
                    (!strncmp(e->d_name, hash, HASHED) || others++ < sweep))
                        look_at_entry(directory, e->d_name, hash, f);
        if (d)
                (void)closedir(d);
}

/* ---------------------------------------------------------- asking, as a guest */

static enum quire_status ask(int fd, const char *name, unsigned rights)
{
        struct request r;
        size_t length = strlen(name);

        quire_message_begin(&r.message, MESSAGE_ASK);
        r.message.rights = rights;
        r.message.length = (uint32_t)length;
        memcpy(r.name, name, length);
        return quire_message_send(fd, &r, sizeof(r.message) + length, NULL,
                                  quire_deadline(ANSWER));
}

/* Ask, and hear the answer.  Who has too many guests answers before he is asked, and closes:
 * the question may find nobody, and the answer is there all the same.
 * BUSY: none in time; NOT_PRESENT: none, and there will be none. */
static enum quire_status converse(int fd, const char *name, unsigned rights, unsigned patience,
                                  struct message *m, struct parcel *parcel)
{
        enum quire_status st = fd < 0 ? QUIRE_BUSY : ask(fd, name, rights);

        if (st == QUIRE_OK || st == QUIRE_NOT_PRESENT)
                st = quire_message_receive(fd, m, parcel, quire_deadline(patience));
        return st;
}

/* => the directory is locked.  Does he hold that name?  He does unless he says that he does
 * not, or is dead; and he is dead not when he is silent, but when the kernel says so. */
static bool holds(int directory, const char *entry, int *fd, const char *name)
{
        struct message m;
        struct parcel parcel;

        for (unsigned tries = 0; tries < TRIES; tries++) {
                enum quire_status st = converse(*fd, name, 0, ANSWER, &m, &parcel);
                if (st == QUIRE_OK) {
                        quire_parcel_close(&parcel);
                        return m.kind != MESSAGE_REFUSED || m.status != QUIRE_NOT_PRESENT;
                }
                if (st != QUIRE_NOT_PRESENT)
                        return true;
                (void)close(*fd);
                if (!connect_entry(directory, entry, fd))
                        return false;
        }
        return true;
}

/* The grant from one holder. */
static enum quire_status fetch(struct quire_process *p, int fd, const char *name, unsigned rights,
                               struct quire_grant **out)
{
        struct message m;
        struct parcel parcel;
        enum quire_status st = converse(fd, name, rights, QUIRE_PATIENCE, &m, &parcel);

        if (st != QUIRE_OK)
                return st;
        if (m.kind == MESSAGE_REFUSED)
                return (enum quire_status)m.status;
        if (m.rights != rights) {
                quire_parcel_close(&parcel);
                return QUIRE_DENIED;
        }
        return quire_grant_take(p, &m, &parcel, out);
}

/* --------------------------------------------------------- serving, as a holder */

static void refuse_guest(int fd, enum quire_status why)
{
        struct message m;

        quire_message_begin(&m, MESSAGE_REFUSED);
        m.status = why;
        (void)!quire_message_send(fd, &m, sizeof(m), NULL, quire_deadline(0));
}

/* Somebody is at the door. => the sharing's lock is held */
void quire_name_knock(struct sharing *s, struct share *h)
{
        int fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return;
        if (s->guests == GUESTS || !same_user(fd)) {
                refuse_guest(fd, QUIRE_BUSY);
                (void)close(fd);
                return;
        }
        s->guest[s->guests++] = (struct guest){ fd, h->number, quire_deadline(QUIRE_PATIENCE) };
        s->changes++;
}

void quire_guest_close(struct sharing *s, struct guest *g)
{
        (void)close(g->fd);
        *g = s->guest[--s->guests];
        s->changes++;
}

/* Answers as quire_name_open(). */
static enum quire_status give_guest(struct sharing *s, struct share *h, int fd, unsigned rights)
{
        struct quire_object_info info;
        struct delivery d;
        enum quire_status st;

        if (rights & ~h->rights)
                return QUIRE_DENIED;                                             /* N3 */
        st = quire_grant_shareable(h->grant, rights, &info);
        if (st == QUIRE_OK && rights & QUIRE_W)
                st = quire_memory_seal(quire_grant_memory(h->grant), rights);
        if (st != QUIRE_OK)
                return st;
        st = quire_delivery_plan(s, h->grant, rights, &d);
        if (st == QUIRE_OK)
                st = quire_delivery_send(fd, &d, quire_deadline(0));
        quire_delivery_end(s, &d, st);
        return st;
}

static bool well_formed(const struct request *r, ssize_t n)
{
        struct message m;

        quire_message_begin(&m, MESSAGE_ASK);
        m.rights = r->message.rights;
        m.length = r->message.length;
        return n > (ssize_t)sizeof(m) && !memcmp(&m, &r->message, sizeof(m)) && m.rights <= 7 &&
               m.length == (size_t)n - sizeof(m) && m.length <= QUIRE_NAME_MOST;
}

/* A guest has said what he wants, or has gone, or his time is over.  Nobody who lives sends
 * a guest away without an answer.  => the sharing's lock is held */
void quire_name_serve(struct sharing *s, struct guest *g)
{
        struct request r;
        ssize_t n = recv(g->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_TRUNC);
        enum quire_status st = QUIRE_INVALID;
        struct share *h;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                if (!quire_deadline_left(g->deadline)) {
                        refuse_guest(g->fd, QUIRE_BUSY);
                        quire_guest_close(s, g);
                }
                return;
        }
        quire_sharing_tend(s);
        h = quire_shared_find(s, g->share);
        if (n <= (ssize_t)sizeof(r) && well_formed(&r, n)) {
                if (!h || strlen(h->name) != r.message.length ||
                    memcmp(h->name, r.name, r.message.length))
                        st = QUIRE_NOT_PRESENT;
                else
                        st = r.message.rights ? give_guest(s, h, g->fd, r.message.rights)
                                              : QUIRE_CONFLICT;
        }
        if (st != QUIRE_OK && n > 0)
                refuse_guest(g->fd, st);
        quire_guest_close(s, g);
}

/* The share goes: its entry, too, which is nobody else's and so needs no lock; the
 * directory goes with the last one, if nobody has it locked, who removes it otherwise. */
void quire_name_forget(struct share *h)
{
        struct place at;
        int fd;

        if (h->listener >= 0)
                (void)close(h->listener);
        fd = h->entry ? open_place(&at, false) : -1;
        if (fd >= 0 && !unlinkat(fd, h->entry, 0) && !flock(fd, LOCK_EX | LOCK_NB))
                leave_names(&at, fd);
        else if (h->entry)
                close_names(&at, fd);
        free(h->entry);
        free(h->name);
}

/* ------------------------------------------------------------- the public calls */

static enum quire_status check_name(const struct quire_process *p, const char *name)
{
        size_t length = p && name ? strnlen(name, QUIRE_NAME_MOST + 1) : 0;

        return quire_share_refuse(length && length <= QUIRE_NAME_MOST ? QUIRE_OK : QUIRE_INVALID,
                                  "a name has 1 to 255 bytes");
}

/* => the lock is held.  A share that is served under the name; takes the listener and
 * the entry. */
static enum quire_status open_named(struct sharing *s, const char *name, struct quire_grant *grant,
                                    unsigned rights, int listener, char *entry)
{
        struct quire_grant *derived = NULL;
        char *copy = strdup(name);
        enum quire_status st = copy ? quire_sharing_watch(s) : QUIRE_NO_MEMORY;
        struct share *h = NULL;

        if (st == QUIRE_OK)
                st = quire_grant_narrow(grant, rights, &derived);
        if (st == QUIRE_OK)
                h = quire_shared_open(s, SHARE_NAMED, derived, rights);
        if (h) {
                h->listener = listener;
                h->name = copy;
                h->entry = entry;
                return QUIRE_OK;
        }
        if (derived)
                quire_grant_close(derived);
        free(copy);
        free(entry);
        (void)close(listener);
        return st == QUIRE_OK ? QUIRE_NO_MEMORY : st;
}

/* => the directory is locked.  Listen under the name. */
static enum quire_status hold_name(struct quire_process *p, int directory, const char *name,
                                   struct quire_grant *grant, unsigned rights)
{
        struct sharing *s;
        int listener;
        char *entry;
        char path[ENTRY];
        enum quire_status st = make_entry(directory, name, &listener, &entry);

        if (st != QUIRE_OK)
                return quire_share_refuse(st, "no socket can be made in the directory of names");
        (void)snprintf(path, sizeof(path), "%s", entry);
        s = quire_sharing_enter(p);
        st = open_named(s, name, grant, rights, listener, entry);
        quire_sharing_leave(s);
        if (st != QUIRE_OK)
                (void)unlinkat(directory, path, 0);
        return st;
}

static void tend(struct quire_process *p)
{
        struct sharing *s = quire_sharing_enter(p);

        quire_sharing_tend(s);
        quire_sharing_leave(s);
}

enum quire_status quire_name_publish(struct quire_process *p, const char *name,
                                     struct quire_grant *grant, unsigned rights)
{
        struct quire_object_info info;
        struct found found;
        struct place at;
        bool taken = false;
        int directory;
        enum quire_status st = check_name(p, name);

        if (st == QUIRE_OK)
                st = quire_grant_shareable(grant, rights, &info);
        if (st != QUIRE_OK)
                return st;
        tend(p);
        st = enter_names(&at, true, &directory);
        if (st != QUIRE_OK)
                return st;
        search_names(directory, name, SWEPT, &found);
        for (unsigned i = 0; i < found.count && !taken; i++)
                taken = holds(directory, found.entry[i], &found.fd[i], name);
        forget_found(&found);
        st = taken ? quire_share_refuse(QUIRE_CONFLICT, "the name is taken")
                   : quire_share_refuse(quire_memory_seal(quire_grant_memory(grant), rights),
                                        "W can not be given after a grant without W");
        if (st == QUIRE_OK)
                st = hold_name(p, directory, name, grant, rights);
        leave_names(&at, directory);
        return st;
}

/* => we have the grant through that entry.  Become a holder, if the name is still there;
 * if not, or if it can not be, the grant is good all the same. */
static void join(struct quire_process *p, const char *name, const char *entry,
                 struct quire_grant *grant, unsigned rights)
{
        struct place at;
        struct stat st;
        int directory;

        if (enter_names(&at, false, &directory) != QUIRE_OK)
                return;
        if (!fstatat(directory, entry, &st, AT_SYMLINK_NOFOLLOW))
                (void)!hold_name(p, directory, name, grant, rights);             /* N2 */
        leave_names(&at, directory);
}

enum quire_status quire_name_open(struct quire_process *p, const char *name, unsigned rights,
                                  struct quire_grant **out)
{
        enum quire_status st = check_name(p, name), best = QUIRE_NOT_PRESENT;
        struct found found;
        struct place at;
        int directory;

        if (st == QUIRE_OK && (!out || !rights || rights > (QUIRE_R | QUIRE_W | QUIRE_X)))
                st = quire_share_refuse(QUIRE_INVALID, "no rights or unknown ones");
        if (st != QUIRE_OK)
                return st;
        tend(p);
        st = enter_names(&at, false, &directory);
        if (st != QUIRE_OK)
                return st;
        search_names(directory, name, SWEPT_IN_PASSING, &found);
        leave_names(&at, directory);
        for (unsigned i = 0; i < found.count; i++) {
                st = fetch(p, found.fd[i], name, rights, out);
                if (st == QUIRE_OK) {
                        join(p, name, found.entry[i], *out, rights);
                        forget_found(&found);
                        return QUIRE_OK;
                }
                if (st != QUIRE_NOT_PRESENT && best != QUIRE_DENIED)
                        best = st;
        }
        forget_found(&found);
        return quire_share_refuse(best, best == QUIRE_NOT_PRESENT ? nobody
                                                                  : "no holder gave the grant");
}

/* => the directory is locked.  Remove all entries of the name; returns how many. */
static unsigned remove_entries(int directory, const char *name)
{
        struct found found;
        unsigned removed = 0, before;

        do {
                before = removed;
                search_names(directory, name, SWEPT, &found);
                for (unsigned i = 0; i < found.count; i++)
                        removed += !unlinkat(directory, found.entry[i], 0);
                forget_found(&found);
        } while (removed > before);
        return removed;
}

enum quire_status quire_name_withdraw(struct quire_process *p, const char *name)
{
        enum quire_status st = check_name(p, name);
        struct share *h, *next;
        struct sharing *s;
        struct place at;
        int directory;

        if (st == QUIRE_OK) {
                tend(p);
                st = enter_names(&at, false, &directory);
        }
        if (st != QUIRE_OK)
                return st;
        if (!remove_entries(directory, name))
                st = quire_share_refuse(QUIRE_NOT_PRESENT, "nobody holds that name");
        leave_names(&at, directory);
        s = quire_sharing_enter(p);
        for (h = s->first; h; h = next) {
                next = h->next;
                if (h->kind == SHARE_NAMED && !strcmp(h->name, name))
                        quire_shared_close(s, h);
        }
        quire_sharing_leave(s);
        return st;
}
