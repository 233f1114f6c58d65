/*
 * subject_calls.c - system calls that are given memory which is not resident,
 * or not there.
 */
#include "subject.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

static char *area;

static void *cold(size_t page)
{
        return subject_cold(area + page * PAGE, PAGE);
}

static int temporary(char name[64])
{
        strcpy(name, "/tmp/quire-subject-XXXXXX");
        return mkstemp(name);
}

static int error(long result)
{
        return result == -1 ? errno : 0;
}

/* -------------------------------------------------------------------- small */

static int run_files(void)
{
        char name[64];
        int fd = temporary(name);
        struct stat *st;
        char *path;

        area = subject_map(64 * PAGE);
        path = (char *)area + 5 * PAGE - 10;            /* over the edge of a page */
        strcpy(path, name);
        subject_cold(path, sizeof(name));
        st = cold(8);
        subject_say("stat %d size %d", error(stat(path, st)), (int)st->st_size);
        subject_say("write %d", (int)write(fd, subject_cold(path, 64), 20));
        subject_say("fstat %d size %d", error(fstat(fd, cold(9))),
                    (int)((struct stat *)(area + 9 * PAGE))->st_size);
        subject_say("pread %d same %d", (int)pread(fd, cold(10), 20, 0),
                    memcmp(area + 10 * PAGE, name, 20));
        struct statx *sx = cold(11);
        subject_say("statx %d size %d", error(statx(AT_FDCWD, subject_cold(path, 64), 0,
                                                    STATX_SIZE, sx)), (int)sx->stx_size);
        subject_say("access %d", error(access(subject_cold(path, 64), R_OK)));
        char *link = area + 12 * PAGE;
        strcpy(link, name);
        strcat(link, ".link");
        subject_say("symlink %d", error(symlink(subject_cold(path, 64), subject_cold(link, 64))));
        long n = readlink(subject_cold(link, 64), cold(13), 100);
        subject_say("readlink %d", n == (long)strlen(name) &&
                                           !memcmp(area + 13 * PAGE, name, (size_t)n));
        subject_say("unlink %d %d", error(unlink(subject_cold(link, 64))),
                    error(unlink(subject_cold(path, 64))));
        char *cwd = cold(14);
        subject_say("chdir %d getcwd %s", error(chdir("/usr/lib")), getcwd(cwd, 100));
        memset(area + 20 * PAGE, 'x', 2 * PAGE);
        subject_say("name too long %d", error(open(area + 20 * PAGE, O_RDONLY)));
        area[20 * PAGE + 4000] = 0;
        subject_say("not found %d", error(open(subject_cold(area + 20 * PAGE, PAGE), O_RDONLY)));
        DIR *d = opendir("/usr/lib");
        int entries = 0, again = 0;
        while (d && readdir(d))
                entries++;
        long got = 0;
        int dir = open("/usr/lib", O_RDONLY | O_DIRECTORY);
        while ((got = syscall(SYS_getdents64, dir, cold(15), 300)) > 0)
                for (long at = 0; at < got; again++)
                        at += ((struct dirent *)(area + 15 * PAGE + at))->d_reclen;
        subject_say("entries %d twice %d", entries, entries == again);
        return 0;
}

static int run_time(void)
{
        struct timespec *t;
        struct utsname *u;
        struct rusage *ru;
        struct rlimit *rl;

        area = subject_map(32 * PAGE);
        t = (void *)area;
        t->tv_nsec = 2000000;
        subject_say("nanosleep %d", error(nanosleep(cold(0), cold(1))));
        u = cold(2);
        subject_say("uname %d %s", error(uname(u)), u->sysname);
        ru = cold(3);
        subject_say("rusage %d %d", error(getrusage(RUSAGE_SELF, ru)), ru->ru_utime.tv_sec < 100);
        rl = cold(4);
        subject_say("rlimit %d %d", error(getrlimit(RLIMIT_NOFILE, rl)), rl->rlim_cur > 0);
        struct itimerval *it = cold(5);
        subject_say("itimer %d %d", error(setitimer(ITIMER_VIRTUAL, it, cold(6))),
                    error(getitimer(ITIMER_VIRTUAL, cold(7))));
        subject_say("raw time %d", syscall(SYS_clock_gettime, CLOCK_REALTIME, cold(8)) == 0 &&
                                           ((struct timespec *)(area + 8 * PAGE))->tv_sec > 0);
        subject_say("random %d", (int)getrandom(cold(9), 100, 0));
        int status, pid = fork();
        if (pid == 0)
                _exit(5);
        int *s = cold(10);
        subject_say("wait %d", wait4(pid, s, 0, cold(11)) == pid);
        status = *s;
        subject_say("status %d", WEXITSTATUS(status));
        return 0;
}

static int run_waiting(void)
{
        struct epoll_event *ev;
        struct pollfd *p;
        struct timeval *tv;
        fd_set *set;
        int ends[2];

        area = subject_map(32 * PAGE);
        int *pair = (int *)cold(0);
        subject_say("pipe %d", error(pipe(pair)));
        memcpy(ends, pair, sizeof(ends));
        ev = (void *)(area + PAGE);
        ev->events = EPOLLIN;
        ev->data.u64 = 77;
        int e = epoll_create1(0);
        subject_say("epoll_ctl %d", error(epoll_ctl(e, EPOLL_CTL_ADD, ends[0], cold(1))));
        subject_say("epoll_wait %d", epoll_wait(e, cold(2), 4, 1));
        subject_say("write %d", (int)write(ends[1], "abc", 3));
        subject_say("epoll_wait %d", epoll_wait(e, cold(2), 4, 1000));
        subject_say("data %d", (int)((struct epoll_event *)(area + 2 * PAGE))->data.u64);
        p = (void *)(area + 3 * PAGE);
        p->fd = ends[0];
        p->events = POLLIN;
        subject_say("poll %d", poll(cold(3), 1, 1000));
        subject_say("revents %d", p->revents);
        set = (void *)(area + 4 * PAGE);
        FD_SET(ends[0], set);
        tv = (void *)(area + 5 * PAGE);
        tv->tv_sec = 1;
        cold(4);
        int n = select(ends[0] + 1, set, NULL, NULL, cold(5));
        subject_say("select %d set %d", n, FD_ISSET(ends[0], set));
        int *bytes = cold(6);
        subject_say("ioctl %d", error(ioctl(ends[0], FIONREAD, bytes)));
        subject_say("bytes %d", *bytes);
        return 0;
}

static int run_sockets(void)
{
        struct iovec *iov;
        struct msghdr *m;
        int s[2], listener = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un *name;
        socklen_t *length;

        area = subject_map(64 * PAGE);
        socketpair(AF_UNIX, SOCK_STREAM, 0, s);
        iov = (void *)area;
        for (size_t i = 0; i < 4; i++) {
                iov[i].iov_base = area + (10 + i) * PAGE + 100;
                iov[i].iov_len = 3000;
                memset(iov[i].iov_base, (int)i + 1, 3000);
        }
        subject_cold(area + 10 * PAGE, 4 * PAGE);
        subject_say("writev %d", (int)writev(s[0], cold(0), 4));
        m = (void *)(area + PAGE);
        m->msg_iov = iov;
        m->msg_iovlen = 4;
        m->msg_control = area + 2 * PAGE;
        m->msg_controllen = CMSG_SPACE(sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &s[1], sizeof(int));
        subject_cold(area + 10 * PAGE, 4 * PAGE);
        cold(0);
        cold(2);
        subject_say("sendmsg %d", (int)sendmsg(s[0], cold(1), 0));
        subject_say("recv %d", (int)recv(s[1], cold(20), 4000, MSG_WAITALL));
        subject_say("readv %d", (int)readv(s[1], cold(0), 3));
        m->msg_controllen = 100;
        cold(0);
        cold(2);
        int got = (int)recvmsg(s[1], cold(1), 0);
        subject_say("recvmsg %d control %d bytes %d", got, (int)m->msg_controllen,
                    area[10 * PAGE + 100]);
        name = (void *)(area + 30 * PAGE);
        name->sun_family = AF_UNIX;
        strcpy(name->sun_path + 1, "quire-subject");
        subject_say("bind %d", error(bind(listener, cold(30), sizeof(sa_family_t))));
        length = (void *)(area + 31 * PAGE);
        *length = sizeof(*name);
        subject_say("name %d", error(getsockname(listener, cold(32), cold(31))));
        subject_say("length %d", *length > sizeof(sa_family_t));
        int *one = (int *)(area + 33 * PAGE);
        *one = 1;
        subject_say("setsockopt %d", error(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, cold(33),
                                                      sizeof(int))));
        *length = sizeof(int);
        subject_say("getsockopt %d", error(getsockopt(listener, SOL_SOCKET, SO_REUSEADDR, cold(34),
                                                      cold(31))));
        subject_say("option %d", *(int *)(area + 34 * PAGE));
        return 0;
}

/* ------------------------------------------------------------------ bad memory */

static int run_bad(void)
{
        int ends[2];
        char name[64];
        int fd = temporary(name);

        unlink(name);
        area = subject_map(16 * PAGE);
        memset(area, 1, 16 * PAGE);
        if (pipe(ends) || write(fd, area, 8 * PAGE) != 8 * (ssize_t)PAGE)
                return 1;
        mprotect(area + 8 * PAGE, PAGE, PROT_NONE);
        mprotect(area + 9 * PAGE, PAGE, PROT_READ);
        munmap(area + 12 * PAGE, 4 * PAGE);
        subject_say("write no access %d", error(write(ends[1], area + 8 * PAGE, 10)));
        subject_say("read into no access %d", error(pread(fd, area + 8 * PAGE, 10, 0)));
        subject_say("read into read only %d", error(pread(fd, area + 9 * PAGE, 10, 0)));
        subject_say("write unmapped %d", error(write(ends[1], area + 12 * PAGE, 10)));
        subject_say("into the edge %d", (int)pread(fd, area + 7 * PAGE, 2 * PAGE, 0));
        subject_say("stat bad path %d", error(access(area + 12 * PAGE, R_OK)));
        subject_say("stat bad result %d", error(fstat(fd, (void *)(area + 9 * PAGE))));
        subject_say("sigaction bad %d", error(syscall(SYS_rt_sigaction, 10, area + 12 * PAGE, NULL,
                                                      8)));
        subject_say("sigprocmask bad %d", error(syscall(SYS_rt_sigprocmask, 0, NULL,
                                                        area + 8 * PAGE, 8)));
        subject_say("null %d", error(syscall(SYS_write, ends[1], 0L, 10L)));
        subject_say("no such call %d", error(syscall(1000)));
        subject_say("nowhere %d", error(syscall(SYS_fstat, fd, (void *)0x7fffffffffffull)));
        return 0;
}

/* -------------------------------------------------------------------- large */

static int pipe_ends[2];

static void *drain(void *arg)
{
        size_t bytes = SUBJECT_LARGE, done = 0;
        char *to = arg;

        while (done < bytes) {
                ssize_t n = read(pipe_ends[0], to + done, bytes - done);
                if (n <= 0)
                        break;
                done += (size_t)n;
        }
        return (void *)done;
}

static int run_large(void)
{
        char *from = subject_map(SUBJECT_LARGE), *to = subject_map(SUBJECT_LARGE), name[64];
        struct iovec iov[3];
        int fd = temporary(name);
        pthread_t t;
        void *n;

        unlink(name);
        subject_fill(from, SUBJECT_LARGE, 1);
        subject_say("write %ld", (long)write(fd, from, SUBJECT_LARGE));
        subject_say("pread %ld", (long)pread(fd, to, SUBJECT_LARGE, 0));
        subject_say("same %d", subject_is(to, SUBJECT_LARGE, 1));
        subject_say("short at the end %ld", (long)pread(fd, to, SUBJECT_LARGE, 4096 * 1000));
        subject_say("past the end %ld", (long)pread(fd, to, SUBJECT_LARGE, SUBJECT_LARGE));
        for (size_t i = 0; i < 3; i++) {
                iov[i].iov_base = to + i * (SUBJECT_LARGE / 3);
                iov[i].iov_len = SUBJECT_LARGE / 3;
        }
        memset(to, 0, SUBJECT_LARGE);
        lseek(fd, 0, SEEK_SET);
        subject_say("readv %ld", (long)readv(fd, iov, 3));
        subject_say("same %d", subject_is(to, SUBJECT_LARGE, 1));
        subject_say("pwritev %ld", (long)pwritev(fd, iov, 3, 8192));
        memset(to, 0, SUBJECT_LARGE);
        subject_say("preadv %ld", (long)preadv(fd, iov, 3, 8192));
        subject_say("same %d", subject_is(to, SUBJECT_LARGE, 1));
        if (pipe(pipe_ends))
                return 1;
        memset(to, 0, SUBJECT_LARGE);
        pthread_create(&t, NULL, drain, to);
        subject_say("into a pipe %ld", (long)write(pipe_ends[1], from, SUBJECT_LARGE));
        pthread_join(t, &n);
        subject_say("out of it %ld same %d", (long)n, subject_is(to, SUBJECT_LARGE, 1));
        struct iovec local = { to, SUBJECT_LARGE / 64 }, remote = { from, SUBJECT_LARGE / 64 };
        memset(to, 0, SUBJECT_LARGE / 64);
        subject_say("process_vm_readv %ld",
                    (long)process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
        subject_say("same %d", subject_is(to, SUBJECT_LARGE / 64, 1));
        return 0;
}

/* More threads blocked in reads than buffers can be held for. */
static int ready[2];

static void *block(void *arg)
{
        char *buffer = subject_map(4 << 20);
        int *s = arg;
        char c = 1;

        subject_fill(buffer, 4 << 20, 1);
        if (write(ready[1], &c, 1) != 1)
                return NULL;
        return (void *)(uintptr_t)read(s[1], buffer, 4 << 20);
}

static int run_blocked(void)
{
        enum { BLOCKED = 24 };
        static int s[BLOCKED][2];
        pthread_t t[BLOCKED];
        uintptr_t sum = 0;
        char c[BLOCKED];

        if (pipe(ready))
                return 1;
        for (int i = 0; i < BLOCKED; i++) {
                socketpair(AF_UNIX, SOCK_STREAM, 0, s[i]);
                pthread_create(&t[i], NULL, block, s[i]);
        }
        for (int i = 0; i < BLOCKED; i++)
                if (read(ready[0], c, 1) != 1)
                        return 1;
        usleep(50000);
        /* The rest of the program goes on. */
        char *p = subject_map(SUBJECT_LARGE / 2);
        subject_fill(p, SUBJECT_LARGE / 2, 2);
        subject_say("goes on %d", subject_is(p, SUBJECT_LARGE / 2, 2));
        for (int i = 0; i < BLOCKED; i++)
                if (write(s[i][0], "hello", 5) != 5)
                        return 1;
        for (int i = 0; i < BLOCKED; i++) {
                void *r;
                pthread_join(t[i], &r);
                sum += (uintptr_t)r;
        }
        subject_say("read %d", (int)sum);
        return 0;
}

/* A program that shuts itself in knows nothing of what its memory is read with. */
static int run_shut_in(void)
{
        struct sock_filter words[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_yield, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog filter = { sizeof(words) / sizeof(words[0]), words };
        char *large = subject_map(SUBJECT_LARGE);

        for (unsigned way = 0; way < 2; way++) {
                int pid;

                subject_fill(large, SUBJECT_LARGE, 5 + way);
                pid = fork();
                if (!pid) {
                        long failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

                        if (!failed && !way)
                                failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
                        else if (!failed)
                                failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
                        _exit(failed || !subject_is(large, SUBJECT_LARGE, 5 + way));
                }
                subject_wait("shut in", pid);
        }
        return 0;
}

const struct subject_case subject_calls[] = {
        { "call-files", run_files },     { "call-time", run_time },
        { "call-waiting", run_waiting }, { "call-sockets", run_sockets },
        { "call-bad", run_bad },         { "call-large", run_large },
        { "call-blocked", run_blocked }, { "call-shut-in", run_shut_in },
        { NULL, NULL },
};
