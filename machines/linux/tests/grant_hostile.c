/*
 * grant_hostile.c - peers that do not keep to the rules: they send what nobody should
 * believe, stop in the middle, flood.  Each case names the status that it gets, and
 * after each no descriptor is left.
 */
#include "grant_parts.h"
#include "grant_peer.h"
#include "sharing.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define BYTES (PAGES * PG)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* --------------------------------------------------- who sends what is not to be believed */

struct rig {
        int out, in;             /* he writes, we read */
        int memory;              /* for reading and writing; made anew for each case */
        int lease[2];
        unsigned before;
        int type;
};

static void begin(struct rig *r, int type)
{
        int end[2];

        r->before = count_descriptors();
        r->type = type;
        REQUIRE(!socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, end));
        r->out = end[0];
        r->in = end[1];
        r->memory = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        REQUIRE(r->memory >= 0 && !ftruncate(r->memory, (off_t)BYTES));
        REQUIRE(!fcntl(r->memory, F_ADD_SEALS, SEALS));
        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->lease));
}

/* Nothing is left, at once or when a late closer has run. */
static void finish(struct rig *r)
{
        if (r->out >= 0)
                (void)close(r->out);
        (void)close(r->in);
        (void)close(r->memory);
        (void)close(r->lease[0]);
        (void)close(r->lease[1]);
        CHECK(BECOMES(count_descriptors() <= r->before));
}

static struct message good(void)
{
        struct message m;

        quire_message_begin(&m, MESSAGE_GRANT);
        m.rights = RW;
        m.bytes = BYTES;
        m.leases = 1;
        return m;
}

static int delays = -1;          /* /proc/.../schedstat of the main thread */

/* Nanoseconds in which it would have run and did not get to. */
static uint64_t time_denied(void)
{
        unsigned long long denied;
        char text[96] = "";

        if (pread(delays, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%*u %llu", &denied) != 1)
                return 0;                /* the kernel does not say */
        return denied;
}

/* Milliseconds, without those: the machine may be busy with other things. */
static int64_t own_time(void)
{
        uint64_t denied, now;

        do {                             /* both of one moment */
                denied = time_denied();
                now = quire_deadline(0);
        } while (denied != time_denied());
        return (int64_t)now - (int64_t)(denied / 1000000);
}

static enum quire_status receive(struct rig *r, unsigned milliseconds)
{
        struct quire_grant *g = NULL;
        int64_t start = own_time();
        enum quire_status st = quire_grant_receive(process, r->in, milliseconds, &g);

        CHECK(own_time() - start <= milliseconds + 1000);
        if (st == QUIRE_OK)
                quire_grant_close(g);
        return st;
}

/* One message with these descriptors, and what it gets. */
static void expect(int type, const struct message *m, const int *fds, unsigned count,
                   struct rig *r, enum quire_status want, int line)
{
        enum quire_status st;

        CHECK(pass_descriptor(r->out, m, sizeof(*m), fds, count) == sizeof(*m));
        st = receive(r, 300);
        if (st != want)
                fprintf(stderr, "%s:%d: failed: %d, not %d (type %d)\n", __FILE__, line, (int)st,
                        (int)want, type);
        CHECK(st == want);
        finish(r);
}

static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
#define EACH_TYPE(t) for (const int *t = types; t < types + 2; t++)

static void with_field(int type, void (*change)(struct message *), enum quire_status want, int line)
{
        struct message m = good();
        struct rig r;

        begin(&r, type);
        change(&m);
        expect(type, &m, (int[]){ r.memory, r.lease[1] }, 2, &r, want, line);
}

static void no_change(struct message *m) { (void)m; }
static void other_magic(struct message *m) { m->magic[5] = 'x'; }
static void other_version(struct message *m) { m->version = 2; }
static void no_kind(struct message *m) { m->kind = 0; }
static void refused(struct message *m) { m->kind = MESSAGE_REFUSED; }
static void asks(struct message *m) { m->kind = MESSAGE_ASK; }
static void no_rights(struct message *m) { m->rights = 0; }
static void odd_rights(struct message *m) { m->rights = 0x80000001; }
static void less_rights(struct message *m) { m->rights = QUIRE_R; }
static void a_status(struct message *m) { m->status = 1; }
static void no_bytes(struct message *m) { m->bytes = 0; }
static void odd_bytes(struct message *m) { m->bytes = BYTES + 1; }
static void more_bytes(struct message *m) { m->bytes = BYTES + PG; }
static void less_bytes(struct message *m) { m->bytes = PG; }
static void vast(struct message *m) { m->bytes = (uint64_t)1 << 60; }
static void no_leases(struct message *m) { m->leases = 0; }
static void two_leases(struct message *m) { m->leases = 2; }
static void many_leases(struct message *m) { m->leases = UINT32_MAX; }
static void a_length(struct message *m) { m->length = 3; }
static void not_zero(struct message *m) { m->zero = 1; }

static void test_hostile_fields(void)
{
        EACH_TYPE(t) {
                with_field(*t, no_change, QUIRE_OK, __LINE__);
                with_field(*t, other_magic, QUIRE_INVALID, __LINE__);
                with_field(*t, other_version, QUIRE_UNSUPPORTED, __LINE__);
                with_field(*t, no_kind, QUIRE_INVALID, __LINE__);
                with_field(*t, refused, QUIRE_INVALID, __LINE__);
                with_field(*t, asks, QUIRE_INVALID, __LINE__);
                with_field(*t, no_rights, QUIRE_INVALID, __LINE__);
                with_field(*t, odd_rights, QUIRE_INVALID, __LINE__);
                with_field(*t, less_rights, QUIRE_DENIED, __LINE__);
                with_field(*t, a_status, QUIRE_INVALID, __LINE__);
                with_field(*t, no_bytes, QUIRE_INVALID, __LINE__);
                with_field(*t, odd_bytes, QUIRE_INVALID, __LINE__);
                with_field(*t, more_bytes, QUIRE_INVALID, __LINE__);
                with_field(*t, less_bytes, QUIRE_INVALID, __LINE__);
                with_field(*t, vast, QUIRE_LIMIT, __LINE__);
                with_field(*t, no_leases, QUIRE_INVALID, __LINE__);
                with_field(*t, two_leases, QUIRE_INVALID, __LINE__);
                with_field(*t, many_leases, QUIRE_INVALID, __LINE__);
                with_field(*t, a_length, QUIRE_INVALID, __LINE__);
                with_field(*t, not_zero, QUIRE_INVALID, __LINE__);
        }
}

/* The first descriptor is not the memory that was promised. */
static void with_memory(int fd, unsigned rights, enum quire_status want, int line)
{
        EACH_TYPE(t) {
                struct message m = good();
                struct rig r;

                begin(&r, *t);
                m.rights = rights;
                expect(*t, &m, (int[]){ fd, r.lease[1] }, 2, &r, want, line);
        }
        (void)close(fd);
}

static int make_memory(unsigned flags, int seals)
{
        int fd = memfd_create("hostile", MFD_CLOEXEC | flags);

        REQUIRE(fd >= 0 && !ftruncate(fd, (off_t)(flags & MFD_HUGETLB ? 2u << 20 : BYTES)));
        if (seals)
                REQUIRE(!fcntl(fd, F_ADD_SEALS, seals));
        return fd;
}

/* Memory as it should be, but for how it is open. */
static int open_otherwise(int flags)
{
        int fd = make_memory(MFD_ALLOW_SEALING, SEALS);
        char path[40];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        int other = open(path, flags | O_CLOEXEC);
        (void)close(fd);
        REQUIRE(other >= 0);
        return other;
}

static int make_pipe(void)
{
        int end[2];

        REQUIRE(!pipe2(end, O_CLOEXEC));
        (void)close(end[1]);
        return end[0];
}

static void test_hostile_descriptors(void)
{
        const unsigned sealing = MFD_ALLOW_SEALING;
        int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        int shm = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        CHECK(file < 0 || !ftruncate(file, (off_t)BYTES));
        CHECK(shm < 0 || !ftruncate(shm, (off_t)BYTES));
        with_memory(open("/dev/null", O_RDWR | O_CLOEXEC), RW, QUIRE_INVALID, __LINE__);
        with_memory(open("/dev/zero", O_RDWR | O_CLOEXEC), RW, QUIRE_INVALID, __LINE__);
        with_memory(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), RW, QUIRE_INVALID, __LINE__);
        with_memory(make_pipe(), RW, QUIRE_INVALID, __LINE__);
        with_memory(eventfd(0, EFD_CLOEXEC), RW, QUIRE_INVALID, __LINE__);
        with_memory(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), RW, QUIRE_INVALID, __LINE__);
        if (file >= 0)
                with_memory(file, RW, QUIRE_INVALID, __LINE__);
        if (shm >= 0)
                with_memory(shm, RW, QUIRE_DENIED, __LINE__);
        with_memory(open_otherwise(O_PATH), RW, QUIRE_INVALID, __LINE__);
        with_memory(open_otherwise(O_WRONLY), RW, QUIRE_DENIED, __LINE__);
        with_memory(open_otherwise(O_WRONLY), QUIRE_R, QUIRE_DENIED, __LINE__);
        with_memory(open_otherwise(O_RDONLY), RW, QUIRE_DENIED, __LINE__);
        with_memory(open_otherwise(O_RDONLY), QUIRE_R, QUIRE_OK, __LINE__);
        with_memory(make_memory(sealing, SEALS), QUIRE_X, QUIRE_DENIED, __LINE__);
        with_memory(make_memory(sealing, SEALS | F_SEAL_FUTURE_WRITE), RW, QUIRE_DENIED, __LINE__);
        with_memory(make_memory(sealing, SEALS | F_SEAL_WRITE), RW, QUIRE_DENIED, __LINE__);
        with_memory(make_memory(sealing, 0), RW, QUIRE_DENIED, __LINE__);        /* could shrink */
        with_memory(make_memory(sealing, F_SEAL_GROW), RW, QUIRE_DENIED, __LINE__);
        with_memory(make_memory(0, 0), RW, QUIRE_DENIED, __LINE__);
        int huge = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | sealing);
        if (huge >= 0) {
                (void)fcntl(huge, F_ADD_SEALS, SEALS);
                with_memory(huge, RW, QUIRE_INVALID, __LINE__);
        }
}

/* Leases that are none. */
static void with_lease(int fd, enum quire_status want, int line)
{
        EACH_TYPE(t) {
                struct message m = good();
                struct rig r;

                begin(&r, *t);
                expect(*t, &m, (int[]){ r.memory, fd }, 2, &r, want, line);
        }
        (void)close(fd);
}

static void test_hostile_leases(void)
{
        int end[2];

        with_lease(make_pipe(), QUIRE_INVALID, __LINE__);
        with_lease(open("/dev/null", O_RDWR | O_CLOEXEC), QUIRE_INVALID, __LINE__);
        with_lease(make_memory(MFD_ALLOW_SEALING, SEALS), QUIRE_INVALID, __LINE__);
        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end));
        with_lease(end[0], QUIRE_INVALID, __LINE__);
        (void)close(end[1]);
        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
        CHECK(send(end[1], "R", 1, 0) == 1);
        with_lease(end[0], QUIRE_NOT_PRESENT, __LINE__);         /* revoked on its way */
        (void)close(end[1]);
        with_lease(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), QUIRE_OK, __LINE__);
}

static void test_hostile_numbers_of_descriptors(void)
{
        static const unsigned counts[] = { 0, 1, 3, 16, 17, 18, 40, 60 };

        EACH_TYPE(t)
                for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
                        struct message m = good();
                        struct rig r;
                        int fds[64];

                        begin(&r, *t);
                        for (unsigned k = 0; k < counts[i]; k++)
                                fds[k] = k ? r.lease[1] : r.memory;
                        expect(*t, &m, fds, counts[i], &r, QUIRE_INVALID, __LINE__);
                }
}

static void test_hostile_pieces(void)
{
        struct message m = good();
        struct rig r;

        EACH_TYPE(t)
                for (unsigned cut = 0; cut < sizeof(m); cut += 7) {
                        bool packets = *t == SOCK_SEQPACKET;
                        int fds[2];

                        begin(&r, *t);                   /* stops in the middle */
                        fds[0] = r.memory;
                        fds[1] = r.lease[1];
                        if (cut)
                                CHECK(pass_descriptor(r.out, &m, cut, fds, 2) == (int)cut);
                        CHECK_EQ(receive(&r, 30), !cut ? QUIRE_BUSY :
                                                  packets ? QUIRE_INVALID : QUIRE_IO_ERROR);
                        finish(&r);
                        begin(&r, *t);                   /* goes away in the middle */
                        fds[0] = r.memory;
                        fds[1] = r.lease[1];
                        if (cut)
                                CHECK(pass_descriptor(r.out, &m, cut, fds, 2) == (int)cut);
                        (void)close(r.out);
                        r.out = -1;
                        CHECK_EQ(receive(&r, 1000), !cut ? QUIRE_NOT_PRESENT :
                                                    packets ? QUIRE_INVALID : QUIRE_IO_ERROR);
                        finish(&r);
                }
        EACH_TYPE(t) {                   /* closes, with something unread: what he sent counts */
                begin(&r, *t);
                CHECK(send(r.in, "x", 1, 0) == 1);
                CHECK(pass_descriptor(r.out, &m, sizeof(m), (int[]){ r.memory, r.lease[1] }, 2) ==
                      sizeof(m));
                (void)close(r.out);
                r.out = -1;
                CHECK_EQ(receive(&r, 1000), QUIRE_OK);
                CHECK_EQ(receive(&r, 1000), QUIRE_NOT_PRESENT);
                finish(&r);
        }
        begin(&r, SOCK_STREAM);                          /* descriptors one by one */
        CHECK(pass_descriptor(r.out, &m, 10, &r.memory, 1) == 10);
        CHECK(pass_descriptor(r.out, (char *)&m + 10, sizeof(m) - 10, &r.lease[1], 1) > 0);
        CHECK_EQ(receive(&r, 100), QUIRE_OK);
        finish(&r);
}

#define DRIPS (sizeof(struct message) - 1)

struct dripping {
        int out, enough;         /* a socket; a pipe that is closed at the other end */
        atomic_uint drops;
};

static void *drip(void *argument)
{
        const struct message m = good();
        struct dripping *d = argument;
        struct pollfd p = { .fd = d->enough };

        do
                (void)!send(d->out, (const char *)&m + d->drops++, 1, MSG_NOSIGNAL);
        while (d->drops < DRIPS && !poll(&p, 1, 200));
        return NULL;
}

/* A byte now and then, for longer than we are willing to wait.  (A thread's: a fork between
 * begin and finish would leave a pipe, by which it is known when the child is gone.) */
static void test_hostile_drip(void)
{
        struct dripping d = { 0 };
        pthread_t thread;
        struct rig r;
        int end[2];

        begin(&r, SOCK_STREAM);
        REQUIRE(!pipe2(end, O_CLOEXEC));
        d.out = r.out;
        d.enough = end[0];
        REQUIRE(!pthread_create(&thread, NULL, drip, &d));
        CHECK(BECOMES(d.drops > 0));
        uint64_t start = quire_deadline(0);
        CHECK_EQ(receive(&r, 250), QUIRE_IO_ERROR);
        CHECK(quire_deadline(0) - start >= 200);
        CHECK(d.drops < DRIPS);                          /* he would have gone on for seconds */
        (void)close(end[1]);
        (void)pthread_join(thread, NULL);
        (void)close(end[0]);
        finish(&r);
}

static void test_hostile_flood(void)
{
        EACH_TYPE(t) {
                struct message m = good();
                struct rig r;
                unsigned sent = 0, got = 0;

                begin(&r, *t);
                (void)fcntl(r.out, F_SETFL, O_NONBLOCK);
                while (sent < 2000 && pass_descriptor(r.out, &m, sizeof(m),
                                                      (int[]){ r.memory, r.lease[1] }, 2) > 0)
                        sent++;
                while (receive(&r, 0) == QUIRE_OK)
                        got++;
                CHECK_EQ(got, sent);
                finish(&r);
        }
}

/* Whatever comes: some status, and nothing left. */
static void test_hostile_noise(void)
{
        uint64_t state = test_seed();

        for (unsigned i = 0; i < 1500; i++) {
                union { struct message m; unsigned char byte[sizeof(struct message)]; } u;
                unsigned count = (unsigned)(test_random(&state) % 5);
                int fds[8], type = types[test_random(&state) & 1];
                struct rig rig;

                begin(&rig, type);
                u.m = good();
                for (uint64_t n = test_random(&state) % 4; n; n--) {
                        uint64_t r = test_random(&state);
                        u.byte[r % sizeof(u)] = (unsigned char)(r >> 32);
                }
                for (unsigned k = 0; k < count; k++)
                        fds[k] = test_random(&state) & 1 ? rig.memory : rig.lease[1];
                size_t bytes = test_random(&state) & 7 ? sizeof(u)
                                                       : 1 + test_random(&state) % sizeof(u);
                (void)pass_descriptor(rig.out, &u, bytes, fds, count);
                (void)receive(&rig, 1);
                finish(&rig);
        }
}

/* This process may open no more. */
static void test_no_descriptor_left(void)
{
        struct message m = good();
        struct rlimit old, few;
        struct rig r;

        REQUIRE(!getrlimit(RLIMIT_NOFILE, &old));
        EACH_TYPE(t) {
                enum quire_status st = QUIRE_NO_SPACE;
                for (unsigned room = 0; room < 8 && st == QUIRE_NO_SPACE; room++) {
                        begin(&r, *t);
                        int lowest = dup(0);
                        (void)close(lowest);
                        CHECK(pass_descriptor(r.out, &m, sizeof(m), (int[]){ r.memory, r.lease[1] },
                                              2) > 0);
                        few = (struct rlimit){ (rlim_t)lowest + room, old.rlim_max };
                        REQUIRE(!setrlimit(RLIMIT_NOFILE, &few));
                        st = receive(&r, 100);
                        REQUIRE(!setrlimit(RLIMIT_NOFILE, &old));
                        CHECK(room > 1 || st == QUIRE_NO_SPACE);
                        finish(&r);
                }
                CHECK_EQ(st, QUIRE_OK);
        }
        new_object(0);
        begin(&r, SOCK_STREAM);
        int lowest = dup(0);
        (void)close(lowest);
        for (unsigned room = 0; room < 8; room++) {
                few = (struct rlimit){ (rlim_t)lowest + room, old.rlim_max };
                REQUIRE(!setrlimit(RLIMIT_NOFILE, &few));
                enum quire_status st = quire_grant_send(process, r.out, holding[0].grant, RW);
                REQUIRE(!setrlimit(RLIMIT_NOFILE, &old));
                CHECK(st == QUIRE_OK || st == QUIRE_NO_SPACE);
        }
        finish(&r);                                      /* and what nobody received */
        drop(NULL, 0);
}

/* He was sent a grant, and makes as much noise over his lease as he can. */
static void test_hostile_lease_holder(void)
{
        uint32_t word[4] = { 0 };
        int end[2], fds[64], null = open("/dev/null", O_RDWR | O_CLOEXEC);
        unsigned before, sent = 0;

        new_object(0);
        before = count_descriptors();
        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
        CHECK_EQ(quire_grant_send(process, end[0], holding[0].grant, RW), QUIRE_OK);
        CHECK_EQ(take_raw(end[1], fds, 64), 2);
        for (unsigned i = 0; i < 3000; i++) {
                int pair[2] = { -1, -1 };
                (void)!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
                word[0] = i % 4;
                word[1] = i % 3;
                (void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
                sent += pass_descriptor(fds[1], word, i % 17 ? 8 : 1 + i % 9,
                                        (int[]){ i % 5 ? pair[0] : null, null }, i % 3) > 0;
                (void)close(pair[0]);
                (void)close(pair[1]);
                if (i % 100 == 0)
                        (void)usleep(2000);
        }
        CHECK(sent > 50);
        CHECK(count_descriptors() < before + 300);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, 50).status, QUIRE_BUSY);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)close(null);
        (void)close(end[0]);
        (void)close(end[1]);
        CHECK(BECOMES(count_descriptors() < before));
        drop(NULL, 0);
}

/* He passes on what he was sent, says so, and is gone before he has heard of a revocation
 * and before what he said is heard: it counts all the same. */
static void test_last_words(void)
{
        struct lease_word word = { LEASE_DESCENDANT, 1 };
        int end[2], pair[2], fds[64];
        char byte = 0;

        new_object(0);
        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
        CHECK_EQ(quire_grant_send(process, end[0], holding[0].grant, RW), QUIRE_OK);
        CHECK_EQ(take_raw(end[1], fds, 64), 2);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, 1).status, QUIRE_BUSY);
        struct sharing *s = quire_sharing_enter(process);        /* nobody listens meanwhile */
        CHECK(pass_descriptor(fds[1], &word, sizeof(word), &pair[0], 1) == sizeof(word));
        (void)close(fds[1]);
        quire_sharing_leave(s);
        (void)close(pair[0]);
        CHECK(recv(pair[1], &byte, 1, 0) == 1 && byte == 'R');
        (void)close(pair[1]);
        (void)close(fds[0]);
        (void)close(end[0]);
        (void)close(end[1]);
        drop(NULL, 0);
}

/* The socket of a name, to which everybody of this user may connect. */
static bool entry_address(struct sockaddr_un *a)
{
        char path[90];
        struct dirent *e;
        bool found = false;

        (void)snprintf(path, sizeof(path), "%s/quire", getenv("XDG_RUNTIME_DIR"));
        DIR *d = opendir(path);
        a->sun_family = AF_UNIX;
        while (d && !found && (e = readdir(d))) {
                (void)snprintf(a->sun_path, sizeof(a->sun_path), "%.40s/%.60s", path, e->d_name);
                found = e->d_name[0] != '.';
        }
        if (d)
                (void)closedir(d);
        return found;
}

static void test_hostile_guests(void)
{
        struct sockaddr_un a = { 0 };
        char junk[1000];
        int fd[100];

        new_object(0);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "besieged").status, QUIRE_OK);
        REQUIRE(entry_address(&a));
        memset(junk, 'Q', sizeof(junk));
        for (unsigned i = 0; i < 100; i++) {
                fd[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                if (!connect(fd[i], (struct sockaddr *)&a, sizeof(a)) && i % 3)
                        (void)send(fd[i], junk, i % 3 == 1 ? 10 * i : sizeof(junk), MSG_NOSIGNAL);
                if (i % 2) {
                        (void)close(fd[i]);
                        fd[i] = -1;
                }
        }
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "besieged").status, QUIRE_CONFLICT);
        /* whoever says nothing is sent away in time */
        CHECK(BECOMES(tell_name(NULL, OP_OPEN, 1, RW, "besieged").status == QUIRE_OK));
        for (unsigned i = 0; i < 100; i++)
                if (fd[i] >= 0)
                        (void)close(fd[i]);
        drop(NULL, 1);
        CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "besieged").status, QUIRE_OK);
        drop(NULL, 0);
}

/* A holder that sends whoever comes away, and does not die of it. */
enum manners { REFUSES_UNHEARD, REFUSES_AT_ONCE, SAYS_NOTHING };

static pid_t hold_instead(const struct sockaddr_un *a, enum manners how)
{
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct message m;

        quire_message_begin(&m, MESSAGE_REFUSED);
        m.status = QUIRE_BUSY;
        (void)unlink(a->sun_path);
        REQUIRE(!bind(listener, (const struct sockaddr *)a, sizeof(*a)) && !listen(listener, 8));
        pid_t pid = fork();
        while (!pid) {
                struct pollfd p = { .fd = accept(listener, NULL, NULL), .events = POLLIN };
                if (p.fd < 0)
                        _exit(1);
                if (how == REFUSES_UNHEARD)
                        (void)poll(&p, 1, -1);
                if (how != SAYS_NOTHING)
                        (void)!send(p.fd, &m, sizeof(m), MSG_NOSIGNAL);
                (void)close(p.fd);
        }
        (void)close(listener);
        return pid;
}

static void test_who_sends_guests_away_lives(void)
{
        struct sockaddr_un a = { 0 };
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "rude").status, QUIRE_OK);
        REQUIRE(entry_address(&a));
        peer_kill(&p, SIGKILL);
        for (enum manners how = REFUSES_UNHEARD; how <= SAYS_NOTHING; how++) {
                pid_t pid = hold_instead(&a, how);
                for (unsigned i = 0; i < 20; i++) {
                        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "rude").status, QUIRE_CONFLICT);
                        CHECK(how == SAYS_NOTHING ||
                              tell_name(NULL, OP_OPEN, 1, RW, "rude").status == QUIRE_BUSY);
                }
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
        }
        /* now he is dead */
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "rude").status, QUIRE_OK);
        CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "rude").status, QUIRE_OK);
        drop(NULL, 0);
}

/* Nobody reads what we send. */
static void test_peer_that_does_not_read(void)
{
        int end[2];
        enum quire_status st = QUIRE_OK;

        new_object(0);
        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end));
        int64_t start = own_time();
        for (unsigned i = 0; i < 5000 && st == QUIRE_OK; i++)
                st = quire_grant_send(process, end[0], holding[0].grant, RW);
        CHECK(st == QUIRE_BUSY || st == QUIRE_LIMIT);
        CHECK(own_time() - start < 20000);
        (void)close(end[0]);
        (void)close(end[1]);
        drop(NULL, 0);
}

static unsigned at_rest;         /* count_shared() when nothing is shared */

/* The first share opens a descriptor that stays, the watcher's: no test counts that. */
void hostile_begin(void)
{
        at_rest = count_shared();
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, NULL, 1).status, QUIRE_OK);
        drop(NULL, 1);
        drop(NULL, 0);
        CHECK(settles(at_rest));
}

void hostile_tests(void)
{
        CHECK(settles(at_rest));                 /* nothing of before closes meanwhile */
        delays = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
        RUN(test_hostile_fields);
        RUN(test_hostile_descriptors);
        RUN(test_hostile_leases);
        RUN(test_hostile_numbers_of_descriptors);
        RUN(test_hostile_pieces);
        RUN(test_hostile_drip);
        RUN(test_hostile_flood);
        RUN(test_hostile_noise);
        RUN(test_no_descriptor_left);
        RUN(test_hostile_lease_holder);
        RUN(test_last_words);
        RUN(test_hostile_guests);
        RUN(test_who_sends_guests_away_lives);
        RUN(test_peer_that_does_not_read);
        if (delays >= 0)
                (void)close(delays);
}
