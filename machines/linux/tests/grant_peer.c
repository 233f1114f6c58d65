/*
 * grant_peer.c - see grant_peer.h.
 */
#include "grant_peer.h"
#include "message.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct holding holding[SLOTS];
struct quire_process *process;
enum quire_faults here_faults;
struct answer (*here_more)(const struct order *);

/* ------------------------------------------------------------ this process */

static sigjmp_buf out_of_fault;
static volatile sig_atomic_t expecting;

static void on_fault(int sig)
{
        if (expecting)
                siglongjmp(out_of_fault, 1);
        (void)signal(sig, SIG_DFL);
}

void here_open(void)
{
        const struct quire_process_options o = { .memory = (uint64_t)4 << 20,
                                                 .tier_percent = 255, .faults = here_faults };
        struct sigaction a = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

        (void)sigaction(SIGSEGV, &a, NULL);
        (void)sigaction(SIGBUS, &a, NULL);
        if (quire_process_open(&o, &process)) {
                fprintf(stderr, "%s\n", quire_process_problem());
                exit(3);
        }
}

bool access_byte(uint64_t va, uint64_t write, uint64_t *value)
{
        volatile unsigned char *p = (volatile unsigned char *)(uintptr_t)va;

        if (sigsetjmp(out_of_fault, 1)) {
                expecting = 0;
                return false;
        }
        expecting = 1;
        if (write < 256)
                *p = (unsigned char)write;
        *value = *p;
        expecting = 0;
        return true;
}

bool store_word(uint64_t va, uint64_t value)
{
        if (sigsetjmp(out_of_fault, 1)) {
                expecting = 0;
                return false;
        }
        expecting = 1;
        __atomic_store_n((uint64_t *)(uintptr_t)va, value, __ATOMIC_RELEASE);
        expecting = 0;
        return true;
}

bool load_word(uint64_t va, uint64_t *value)
{
        if (sigsetjmp(out_of_fault, 1)) {
                expecting = 0;
                return false;
        }
        expecting = 1;
        *value = __atomic_load_n((uint64_t *)(uintptr_t)va, __ATOMIC_ACQUIRE);
        expecting = 0;
        return true;
}

static enum quire_status map_grant(struct holding *h, unsigned access)
{
        struct quire_object_info info;
        struct quire_request r = { .kind = QUIRE_PLAIN, .grant = h->grant, .access = access };

        if (!h->grant)
                return QUIRE_INVALID;
        quire_object_describe(h->grant, &info);
        r.bytes = info.bytes;
        h->bytes = info.bytes;
        return quire_region_reserve(quire_process_space(process), &r, &h->va);
}

static enum quire_status unmap_grant(struct holding *h)
{
        uint64_t va = h->va;

        h->va = 0;
        return va ? quire_region_release(quire_process_space(process), va, 0) : QUIRE_INVALID;
}

static enum quire_status close_grant(struct holding *h)
{
        struct quire_grant *g = h->grant;

        h->grant = NULL;
        if (g)
                quire_grant_close(g);
        return g ? QUIRE_OK : QUIRE_INVALID;
}

unsigned count_descriptors(void)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (d && readdir(d))
                n++;
        if (d)
                (void)closedir(d);
        return n - 3;                    /* two dots, and the one that looks */
}

static struct answer access_page(struct holding *h, uint64_t page, uint64_t write)
{
        struct answer a = { .status = QUIRE_INVALID };

        if (h->va && page < h->bytes / PG)
                a.status = access_byte(h->va + page * PG, write, &a.value) ? QUIRE_OK
                                                                           : QUIRE_DENIED;
        return a;
}

static enum quire_status rights_of(struct holding *h, enum quire_status st, uint64_t *value)
{
        struct quire_object_info info;

        if (st == QUIRE_OK) {
                quire_object_describe(h->grant, &info);
                *value = info.rights;
        }
        return st;
}

struct answer here_do(const struct order *o, int fd)
{
        struct holding *h = &holding[o->slot % SLOTS], *other = &holding[o->other % SLOTS];
        struct answer a = { .status = QUIRE_OK };

        switch (o->op) {
        case OP_RECEIVE:
                a.status = quire_grant_receive(process, fd, LONG, &h->grant);
                a.status = rights_of(h, a.status, &a.value);
                break;
        case OP_SEND:
                a.status = h->grant ? quire_grant_send(process, fd, h->grant, o->rights)
                                    : QUIRE_INVALID;
                break;
        case OP_MAP:
                a.status = map_grant(h, o->rights);
                break;
        case OP_UNMAP:
                a.status = unmap_grant(h);
                break;
        case OP_CLOSE:
                a.status = close_grant(h);
                break;
        case OP_NARROW:
                a.status = quire_grant_narrow(h->grant, o->rights, &other->grant);
                break;
        case OP_READ:
                return access_page(h, o->number, 256);
        case OP_WRITE:
                return access_page(h, o->number, o->other);
        case OP_REVOKE:
                a.status = h->grant ? quire_share_revoke(process, h->grant, (unsigned)o->number)
                                    : QUIRE_INVALID;
                break;
        case OP_OPEN:
                a.status = quire_name_open(process, o->name, o->rights, &h->grant);
                a.status = rights_of(h, a.status, &a.value);
                break;
        case OP_PUBLISH:
                a.status = quire_name_publish(process, o->name, h->grant, o->rights);
                break;
        case OP_WITHDRAW:
                a.status = quire_name_withdraw(process, o->name);
                break;
        case OP_COUNT:
                a.value = count_descriptors();
                break;
        default:
                if (here_more)
                        return here_more(o);
                a.status = QUIRE_UNSUPPORTED;
        }
        return a;
}

unsigned count_shared(void)
{
        char path[64], target[64];
        unsigned n = 0;

        for (int fd = 0; fd < 1000; fd++) {
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                ssize_t length = readlink(path, target, sizeof(target) - 1);
                n += length > 7 &&
                     (!strncmp(target, "socket:", 7) || !strncmp(target, "/memfd:", 7));
        }
        return n;
}

bool settles(unsigned descriptors)
{
        return BECOMES(count_shared() <= descriptors);
}

/* --------------------------------------------------------------- the machine */

unsigned seek_memory_in(pid_t pid, ino_t inode)
{
        char path[512], target[64], line[512];
        unsigned found = 0;
        struct dirent *f;
        struct stat st;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        DIR *d = opendir(path);
        while (d && (f = readdir(d))) {
                (void)snprintf(path, sizeof(path), "/proc/%d/fd/%.20s", (int)pid, f->d_name);
                ssize_t n = readlink(path, target, sizeof(target) - 1);
                if (n > 0 && !strncmp(target, "/memfd:quire", 12) && !stat(path, &st))
                        found += st.st_ino == inode;
        }
        if (d)
                (void)closedir(d);
        (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
        FILE *maps = fopen(path, "re");
        (void)snprintf(target, sizeof(target), " %llu ", (unsigned long long)inode);
        while (maps && fgets(line, sizeof(line), maps))
                found += strstr(line, "/memfd:quire") && strstr(line, target);
        if (maps)
                (void)fclose(maps);
        return found;
}

unsigned seek_memory(ino_t inode)
{
        DIR *processes = opendir("/proc");
        unsigned found = 0;
        struct dirent *e;

        while (processes && (e = readdir(processes)))
                if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
                        found += seek_memory_in((pid_t)atoi(e->d_name), inode);
        if (processes)
                (void)closedir(processes);
        return found;
}

bool own_memory(struct stat *st)
{
        char path[64], target[64];

        for (int fd = 0; fd < 1000; fd++) {
                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                ssize_t n = readlink(path, target, sizeof(target) - 1);
                if (n > 0 && !strncmp(target, "/memfd:quire", 12) && !fstat(fd, st) &&
                    st->st_size == PAGES * PG)
                        return true;
        }
        return false;
}

/* Everything; regions go by themselves. */
void here_close(void)
{
        for (unsigned i = 0; i < SLOTS; i++)
                (void)close_grant(&holding[i]);
        quire_process_close(process);
}

/* ------------------------------------------------------------------ the peer */

int pass_descriptor(int socket, const void *bytes, size_t count, const int *fds, unsigned number)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
        struct iovec part = { (void *)(uintptr_t)bytes, count };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

        if (number) {
                m.msg_control = control;
                m.msg_controllen = CMSG_SPACE(number * sizeof(int));
                struct cmsghdr *c = CMSG_FIRSTHDR(&m);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(number * sizeof(int));
                memcpy(CMSG_DATA(c), fds, number * sizeof(int));
        }
        return (int)sendmsg(socket, &m, MSG_NOSIGNAL);
}

static bool take_order(int control, struct order *o, int *fd)
{
        _Alignas(struct cmsghdr) char buffer[CMSG_SPACE(sizeof(int))];
        struct iovec part = { o, sizeof(*o) };
        struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = buffer,
                            .msg_controllen = sizeof(buffer) };
        ssize_t n;

        do
                n = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        *fd = -1;
        struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
        if (c && c->cmsg_type == SCM_RIGHTS)
                memcpy(fd, CMSG_DATA(c), sizeof(int));
        return n == sizeof(*o);
}

/* The child takes its orders from fd. */
static struct answer duplicate(int *control, int *fd)
{
        struct answer a = { .status = QUIRE_OK };
        pid_t pid = fork();

        if (!pid) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)close(*control);
                *control = *fd;
                *fd = -1;
        }
        a.value = (uint64_t)pid;
        return a;
}

int peer_main(void)
{
        const char *user = getenv("PEER_USER");
        int control = 3, fd;
        struct order o;
        struct answer a;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGCHLD, SIG_IGN);
        if (getenv("PEER_MIGHTY"))
                (void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
        if (user && (setgid((gid_t)atoi(user)) || setuid((uid_t)atoi(user))))
                return 2;
        here_open();
        while (take_order(control, &o, &fd)) {
                if (o.op == OP_QUIT)
                        break;
                a = o.op == OP_FORK ? duplicate(&control, &fd) : here_do(&o, fd);
                if (fd >= 0)
                        (void)close(fd);
                a.op = o.op;
                if (o.op == OP_FORK && !a.value)
                        continue;                /* the child: nobody waits for its answer */
                (void)!send(control, &a, sizeof(a), MSG_NOSIGNAL);
        }
        here_close();
        return 0;
}

/* ------------------------------------------------------------- the conductor */

void peer_start(struct peer *p)
{
        int end[2];

        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
        p->control = end[0];
        p->pid = fork();
        if (!p->pid) {
                if (dup2(end[1], 3) < 0 || fcntl(3, F_SETFD, 0))
                        _exit(9);
                execl("/proc/self/exe", "peer", "peer", (char *)NULL);
                _exit(9);
        }
        (void)close(end[1]);
}

void peer_start_as(struct peer *p, uid_t user, bool mighty)
{
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", (unsigned)user);
        (void)setenv("PEER_USER", number, 1);
        if (mighty)
                (void)setenv("PEER_MIGHTY", "1", 1);
        peer_start(p);
        (void)unsetenv("PEER_USER");
        (void)unsetenv("PEER_MIGHTY");
}

struct answer peer_do(struct peer *p, const struct order *o, int fd)
{
        if (!CHECK(pass_descriptor(p->control, o, sizeof(*o), &fd, fd >= 0) == sizeof(*o)))
                return (struct answer){ .status = QUIRE_UNSUPPORTED };
        return peer_hear(p);
}

struct answer peer_hear(struct peer *p)
{
        struct timeval limit = { .tv_sec = 2 * LONG / 1000 };    /* it may be waiting itself */
        struct answer a = { .status = QUIRE_UNSUPPORTED };
        ssize_t n;

        (void)setsockopt(p->control, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        do
                n = recv(p->control, &a, sizeof(a), 0);
        while (n < 0 && errno == EINTR);
        if (!CHECK(n == sizeof(a))) {
                fprintf(stderr, "    %zd, %s\n", n, strerror(errno));
                a.status = QUIRE_BROKEN;
        }
        return a;
}

void peer_fork(struct peer *p, struct peer *child)
{
        struct order o = { .op = OP_FORK };
        int end[2];

        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
        child->pid = (pid_t)peer_do(p, &o, end[1]).value;
        child->control = end[0];
        (void)close(end[1]);
}

void peer_kill(struct peer *p, int sig)
{
        (void)kill(p->pid, sig);
        if (sig == SIGSTOP)
                (void)waitpid(p->pid, NULL, WUNTRACED);
        if (sig != SIGKILL)
                return;
        (void)waitpid(p->pid, NULL, 0);
        (void)close(p->control);
        p->control = -1;
}

void peer_stop(struct peer *p)
{
        struct order o = { .op = OP_QUIT };
        int status = -1;

        (void)pass_descriptor(p->control, &o, sizeof(o), NULL, 0);
        if (waitpid(p->pid, &status, 0) == p->pid)
                CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
        (void)close(p->control);
        p->control = -1;
}

struct answer tell(struct peer *p, enum op op, unsigned slot, unsigned rights, uint64_t number)
{
        struct order o = { .op = op, .slot = slot, .rights = rights, .other = rights,
                           .number = number };

        return p ? peer_do(p, &o, -1) : here_do(&o, -1);
}

struct answer tell_name(struct peer *p, enum op op, unsigned slot, unsigned rights,
                        const char *name)
{
        struct order o = { .op = op, .slot = slot, .rights = rights };
        uint64_t begun = 0, asked;
        struct answer a;

        (void)snprintf(o.name, sizeof(o.name), "%s", name);
        do {
                asked = quire_deadline(0);
                a = p ? peer_do(p, &o, -1) : here_do(&o, -1);
        } while (op == OP_OPEN && a.status == QUIRE_BUSY &&
                 quire_deadline(0) - asked >= QUIRE_PATIENCE && test_wait_more(&begun));
        return a;
}

struct answer hand_over(struct peer *from, unsigned slot, unsigned rights, struct peer *to,
                        unsigned other)
{
        struct order send = { .op = OP_SEND, .slot = slot, .rights = rights };
        struct order receive = { .op = OP_RECEIVE, .slot = other };
        struct answer a;
        int end[2];

        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end));
        a = from ? peer_do(from, &send, end[0]) : here_do(&send, end[0]);
        if (a.status == QUIRE_OK)
                a = to ? peer_do(to, &receive, end[1]) : here_do(&receive, end[1]);
        (void)close(end[0]);
        (void)close(end[1]);
        return a;
}

bool holds_byte(struct peer *p, unsigned slot, unsigned page, unsigned byte)
{
        struct answer a = tell(p, OP_READ, slot, 0, page);

        return a.status == QUIRE_OK && a.value == byte;
}

void new_object(unsigned slot)
{
        struct quire_object_request r = { .bytes = PAGES * PG, .kind = QUIRE_ANONYMOUS,
                                          .flags = QUIRE_HOSTED };

        REQUIRE(!quire_object_open(quire_process_system(process), &r, &holding[slot].grant));
        REQUIRE(!tell(NULL, OP_MAP, slot, RW, 0).status);
        for (unsigned i = 0; i < PAGES; i++)
                REQUIRE(!tell(NULL, OP_WRITE, slot, 16 + i, i).status);
}

void drop(struct peer *p, unsigned slot)
{
        (void)tell(p, OP_UNMAP, slot, 0, 0);
        (void)tell(p, OP_CLOSE, slot, 0, 0);
}

void check_mapping(struct peer *p, unsigned slot, unsigned rights)
{
        for (unsigned access = 1; access < 8; access++) {
                bool allowed = !(access & ~rights);
                enum quire_status st = tell(p, OP_MAP, slot, access, 0).status;
                CHECK_EQ(st, allowed ? QUIRE_OK : QUIRE_DENIED);
                if (st != QUIRE_OK)
                        continue;
                CHECK(holds_byte(p, slot, 1, 17));
                CHECK_EQ(tell(p, OP_WRITE, slot, 99, 2).status,
                         access & QUIRE_W ? QUIRE_OK : QUIRE_DENIED);
                CHECK(holds_byte(NULL, 0, 2, access & QUIRE_W ? 99 : 18));
                CHECK(!tell(NULL, OP_WRITE, 0, 18, 2).status);
                CHECK(holds_byte(p, slot, 2, 18));
                CHECK(!tell(p, OP_UNMAP, slot, 0, 0).status);
        }
}
