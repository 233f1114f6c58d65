/*
 * grant_attack.c - who was given a grant and wants more than that.
 *
 * A program (this one, run again as `PROGRAM hostile') receives a grant as it comes, without
 * Quire, and tries to get more of it than was given: with the descriptor as it came, and
 * opened again in two ways; as the user of the tests, also where that is root, and as another.
 */
#include "grant_parts.h"
#include "grant_peer.h"
#include "message.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define BYTES (PAGES * PG)

struct prey {
        int fd;
        char *shown;             /* a mapping for reading */
        char junk[64];
};

static bool took(void *address)
{
        return address != MAP_FAILED;
}

static bool map_writable(struct prey *p)
{
        return took(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0));
}

static bool make_writable(struct prey *p)
{
        return !mprotect(p->shown, PG, PROT_READ | PROT_WRITE);
}

static bool double_writable(struct prey *p)
{
        char *twin = mremap(p->shown, 0, PG, MREMAP_MAYMOVE);

        return took(twin) && !mprotect(twin, PG, PROT_READ | PROT_WRITE);
}

static bool write_to(struct prey *p)
{
        return write(p->fd, p->junk, sizeof(p->junk)) > 0;
}

static bool write_at(struct prey *p)
{
        return pwrite(p->fd, p->junk, sizeof(p->junk), 0) > 0;
}

static bool cut(struct prey *p)
{
        return !ftruncate(p->fd, 0);
}

static bool lengthen(struct prey *p)
{
        return !ftruncate(p->fd, (off_t)(BYTES * 2));
}

static bool punch(struct prey *p)
{
        return !fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)PG);
}

static bool zero_range(struct prey *p)
{
        return !fallocate(p->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, (off_t)PG);
}

static bool grow(struct prey *p)
{
        return !fallocate(p->fd, 0, 0, (off_t)(BYTES * 2));
}

static bool remove_pages(struct prey *p)
{
        return !madvise(p->shown, PG, MADV_REMOVE);
}

static bool seal(struct prey *p)
{
        return !fcntl(p->fd, F_ADD_SEALS, F_SEAL_WRITE);
}

static bool send_file(struct prey *p)
{
        int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        return lseek(p->fd, 0, SEEK_SET) == 0 && sendfile(p->fd, from, NULL, 64) > 0;
}

static bool splice_in(struct prey *p)
{
        int end[2];

        return !pipe2(end, O_CLOEXEC) && write(end[1], p->junk, 64) == 64 &&
               splice(end[0], NULL, p->fd, NULL, 64, 0) > 0;
}

static bool copy_range(struct prey *p)
{
        int from = memfd_create("junk", MFD_CLOEXEC);
        loff_t zero = 0, to = 0;

        return write(from, p->junk, 64) == 64 &&
               copy_file_range(from, &zero, p->fd, &to, 64, 0) > 0;
}

static bool through_mem(struct prey *p)
{
        int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

        return mem >= 0 && pwrite(mem, p->junk, 64, (off_t)(uintptr_t)p->shown) > 0;
}

static bool through_vm(struct prey *p)
{
        struct iovec from = { p->junk, 64 }, to = { p->shown, 64 };

        return process_vm_writev(getpid(), &from, 1, &to, 1, 0) > 0;
}

static bool read_into(struct prey *p)
{
        int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        return read(zero, p->shown, 64) > 0;
}

static bool through_faults(struct prey *p)
{
        int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1);
        struct uffdio_api api = { .api = UFFD_API };
        struct uffdio_register r = { .range = { (uintptr_t)p->shown, BYTES },
                                     .mode = UFFDIO_REGISTER_MODE_MISSING };

        return fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &r);
}

static bool (*const attack[])(struct prey *) = {
        map_writable, make_writable, double_writable, write_to, write_at, cut, lengthen, punch,
        zero_range, grow, remove_pages, seal, send_file, splice_in, copy_range, through_mem,
        through_vm, read_into, through_faults,
};
#define ATTACKS (sizeof(attack) / sizeof(attack[0]))

/* What succeeded, as bits. */
static uint64_t attack_all(int fd)
{
        struct prey p = { .fd = fd };
        uint64_t done = 0;

        memset(p.junk, 0x66, sizeof(p.junk));
        p.shown = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
        if (!took(p.shown))
                return UINT64_MAX;
        for (unsigned i = 0; i < ATTACKS; i++)
                if (attack[i](&p))
                        done |= (uint64_t)1 << i;
        return done;
}

int take_raw(int socket, int *fds, unsigned room)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))];
        struct message m;
        struct iovec part = { &m, sizeof(m) };
        struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                            .msg_controllen = sizeof(control) };
        struct cmsghdr *c;
        size_t n;

        if (recvmsg(socket, &h, MSG_CMSG_CLOEXEC) <= 0 || !(c = CMSG_FIRSTHDR(&h)))
                return -1;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), (n < room ? n : room) * sizeof(int));
        return (int)n;
}

/* fd 3: where the grant comes from, and the answer goes: what succeeded as this user
 * and as another, with the descriptor as it came and opened again in two ways. */
int hostile_main(void)
{
        uint64_t done[3] = { 0, 0, 0 };
        char path[40];
        int fds[64];

        if (getenv("HOSTILE_USER") && (setgid(65534) || setuid(65534)))
                return 2;
        if (take_raw(3, fds, 64) < 2)
                return 1;
        done[0] = attack_all(fds[0]);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
        int again = open(path, O_RDWR | O_CLOEXEC);
        if (again >= 0)
                done[1] = attack_all(again);
        (void)fchmod(fds[0], 0777);
        again = open(path, O_RDWR | O_CLOEXEC);
        if (again >= 0)
                done[2] = attack_all(again);
        (void)!write(3, done, sizeof(done));
        (void)pause();
        return 0;
}

static pid_t start_hostile(int *socket, bool other_user)
{
        int end[2];
        pid_t pid;

        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end));
        pid = fork();
        if (!pid) {
                if (other_user)
                        (void)setenv("HOSTILE_USER", "1", 1);
                if (dup2(end[1], 3) == 3 && !fcntl(3, F_SETFD, 0))
                        execl("/proc/self/exe", "hostile", "hostile", (char *)NULL);
                _exit(9);
        }
        (void)close(end[1]);
        *socket = end[0];
        return pid;
}

static void attack_as(bool other_user, unsigned rights, uint64_t allowed)
{
        uint64_t done[3];
        int socket;

        new_object(0);
        pid_t pid = start_hostile(&socket, other_user);
        CHECK_EQ(quire_grant_send(process, socket, holding[0].grant, rights), QUIRE_OK);
        CHECK(recv(socket, done, sizeof(done), MSG_WAITALL) == sizeof(done));
        for (unsigned i = 0; i < 3; i++)
                CHECK_EQ(done[i] & ~allowed, 0);
        if (!(rights & QUIRE_W))
                for (unsigned i = 0; i < BYTES / PG; i++)
                        CHECK(holds_byte(NULL, 0, i, 16 + i));
        CHECK_EQ(tell(NULL, OP_WRITE, 0, 3, 3).status, QUIRE_OK);
        CHECK_EQ(tell(NULL, OP_NARROW, 0, RW, 0).status, QUIRE_OK);       /* slot RW of ours */
        CHECK_EQ(tell(NULL, OP_MAP, RW, RW, 0).status, QUIRE_OK);         /* our own go on */
        CHECK_EQ(tell(NULL, OP_WRITE, RW, 4, 3).status, QUIRE_OK);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, 50).status, QUIRE_BUSY);     /* he will not */
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)close(socket);
        drop(NULL, RW);
        drop(NULL, 0);
}

static void test_A12_receiver_cannot_widen(void)
{
        for (unsigned rights = 1; rights < 8; rights++)
                if (!(rights & QUIRE_W)) {
                        attack_as(false, rights, 0);
                        if (!geteuid())
                                attack_as(true, rights, 0);
                }
}

/* With W he may write, and even forbid more W to others; but not shorten or lengthen. */
static void test_receiver_cannot_shrink(void)
{
        uint64_t sizes = 0;

        for (unsigned i = 0; i < ATTACKS; i++)
                if (attack[i] == cut || attack[i] == lengthen || attack[i] == grow ||
                    attack[i] == seal)
                        sizes |= (uint64_t)1 << i;
        attack_as(false, RW, ~sizes);
        if (!geteuid())
                attack_as(true, RW, ~sizes);
}

void attack_tests(void)
{
        RUN(test_A12_receiver_cannot_widen);
        RUN(test_receiver_cannot_shrink);
}
