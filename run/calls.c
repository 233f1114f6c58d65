/*
 * calls.c - system calls that a line of the table can not describe: because
 * their arguments reach further than one level, because they hand the kernel a
 * signal mask or an address for good, or because they would get in our way.
 *
 * Signal context: yes.  Lock: none.
 */
#include "calls.h"
#include "buffers.h"
#include "memory.h"
#include <errno.h>
#include <linux/futex.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004
#define UNKNOWN_BYTES (4 * PAGE)     /* what an address in an unknown call may mean */

static void hold_word(struct quire_thread *t, uint64_t va)
{
        (void)quire_buffers_hold(t, va, 4, QUIRE_W, NULL);
}

/* ------------------------------------------------------- further than one level */

/* futex(word, op, value, timeout or value2, word2, value3): a word is where it
 * is, so it is held, for as long as the thread sleeps on it. */
enum quire_outcome quire_calls_futex(struct quire_thread *t, struct quire_call *c)
{
        switch ((int)c->args[1] & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
        case FUTEX_WAIT_BITSET:
        case FUTEX_LOCK_PI:
        case FUTEX_LOCK_PI2:
                hold_word(t, c->args[0]);
                quire_buffers_in(t, c, 3, sizeof(struct timespec));
                break;
        case FUTEX_WAIT_REQUEUE_PI:
                hold_word(t, c->args[0]);
                hold_word(t, c->args[4]);
                quire_buffers_in(t, c, 3, sizeof(struct timespec));
                break;
        case FUTEX_REQUEUE:
        case FUTEX_CMP_REQUEUE:
        case FUTEX_CMP_REQUEUE_PI:
        case FUTEX_WAKE_OP:
                hold_word(t, c->args[0]);
                hold_word(t, c->args[4]);
                break;
        case FUTEX_WAKE:
        case FUTEX_WAKE_BITSET:
                if (!(c->args[1] & FUTEX_PRIVATE_FLAG))
                        hold_word(t, c->args[0]);
                break;
        default:
                hold_word(t, c->args[0]);
                break;
        }
        return QUIRE_CALL_PASS;
}

/* futex_waitv(waiters, count, flags, timeout, clock) */
enum quire_outcome quire_calls_futex_waitv(struct quire_thread *t, struct quire_call *c)
{
        struct {
                uint64_t value, address;
                uint32_t flags, spare;
        } one;

        for (uint64_t i = 0; i < (uint32_t)c->args[1] && i < 128; i++)
                if (quire_user_get(&one, c->args[0] + i * sizeof(one), sizeof(one)))
                        hold_word(t, one.address);
        quire_buffers_in(t, c, 0, (uint32_t)c->args[1] * sizeof(one));
        quire_buffers_in(t, c, 3, sizeof(struct timespec));
        return QUIRE_CALL_PASS;
}

/* ioctl(fd, request, argument): the request says how large its argument is, if
 * it is of the newer kind.  Pointers inside are followed where they are known. */
enum quire_outcome quire_calls_ioctl(struct quire_thread *t, struct quire_call *c)
{
        uint64_t bytes = _IOC_SIZE((uint32_t)c->args[1]);
        struct ifconf conf;

        if (!quire_buffers_managed(c->args[2], 1) && (uint32_t)c->args[1] != SIOCGIFCONF)
                return QUIRE_CALL_PASS;
        if ((uint32_t)c->args[1] == SIOCGIFCONF &&
            quire_user_get(&conf, c->args[2], sizeof(conf)) && conf.ifc_buf)
                (void)quire_buffers_hold(t, raw_address(conf.ifc_buf), (uint32_t)conf.ifc_len,
                                         QUIRE_W, NULL);
        quire_buffers_out(t, c, 2, bytes < PAGE ? PAGE : bytes);
        return QUIRE_CALL_PASS;
}

/* struct sock_fprog: a count and a pointer to that many words. */
static void hold_filter(struct quire_thread *t, uint64_t at)
{
        struct {
                uint16_t count;
                uint64_t filter;
        } program;

        (void)quire_buffers_hold(t, at, sizeof(program), QUIRE_R, NULL);
        if (at && quire_user_get(&program, at, sizeof(program)))
                (void)quire_buffers_hold(t, program.filter, program.count * 8u, QUIRE_R, NULL);
}

/* setsockopt(fd, level, option, value, length) */
enum quire_outcome quire_calls_setsockopt(struct quire_thread *t, struct quire_call *c)
{
        int option = (int)c->args[2];

        if ((int)c->args[1] == SOL_SOCKET) {
                /* Buffers would have to stay after the call is over. */
                if (option == SO_ZEROCOPY)
                        return quire_answer(c, -EOPNOTSUPP);
                if (option == SO_ATTACH_FILTER || option == SO_ATTACH_REUSEPORT_CBPF)
                        hold_filter(t, c->args[3]);
        }
        quire_buffers_in(t, c, 3, (uint32_t)c->args[4]);
        return QUIRE_CALL_PASS;
}

/* seccomp(operation, flags, argument) */
enum quire_outcome quire_calls_seccomp(struct quire_thread *t, struct quire_call *c)
{
        quire_linux_spin_never(quire_agent.machine);
        if (c->args[0] == 1 /* SECCOMP_SET_MODE_FILTER */)
                hold_filter(t, c->args[2]);
        else
                quire_buffers_out(t, c, 2, 64);
        return QUIRE_CALL_PASS;
}

/* process_vm_readv, _writev(pid, local, count, remote, count, flags) */
enum quire_outcome quire_calls_process_vm(struct quire_thread *t, struct quire_call *c)
{
        bool reads = c->nr == SYS_process_vm_readv;
        unsigned both = QUIRE_W;

        if ((int)c->args[0] == quire_agent.pid)
                quire_buffers_vector(t, c, 3, c->args[4], reads ? QUIRE_R : both);
        quire_buffers_in(t, c, 3, c->args[4] * sizeof(struct iovec));
        quire_buffers_vector(t, c, 1, c->args[2], reads ? both : QUIRE_R);
        return QUIRE_CALL_PASS;
}

/* recvmmsg(fd, messages, count, flags, timeout), sendmmsg(fd, messages, count, flags) */
enum quire_outcome quire_calls_messages(struct quire_thread *t, struct quire_call *c)
{
        bool reads = c->nr == SYS_recvmmsg;

        quire_buffers_messages(t, c, 1, (uint32_t)c->args[2],
                               reads ? QUIRE_W : QUIRE_R);
        if (reads)
                quire_buffers_out(t, c, 4, sizeof(struct timespec));
        return QUIRE_CALL_PASS;
}

/* semctl(set, number, command, argument): a value or an address. */
enum quire_outcome quire_calls_semctl(struct quire_thread *t, struct quire_call *c)
{
        quire_buffers_out(t, c, 3, UNKNOWN_BYTES);
        return QUIRE_CALL_PASS;
}

/* msgsnd, msgrcv(queue, message, length, ...): a long comes first in a message. */
enum quire_outcome quire_calls_queue(struct quire_thread *t, struct quire_call *c)
{
        if (c->nr == SYS_msgsnd)
                quire_buffers_in(t, c, 1, c->args[2] + sizeof(long));
        else
                quire_buffers_out(t, c, 1, c->args[2] + sizeof(long));
        return QUIRE_CALL_PASS;
}

/* ------------------------------------------------------------------- masks */

/* Which argument of the call is a mask. */
static unsigned mask_argument(int64_t nr)
{
        switch (nr) {
        case SYS_rt_sigsuspend:
                return 0;
        case SYS_signalfd:
        case SYS_signalfd4:
                return 1;
        case SYS_ppoll:
                return 3;
        default:
                return 4;        /* epoll_pwait, epoll_pwait2 */
        }
}

enum quire_outcome quire_calls_masked(struct quire_thread *t, struct quire_call *c)
{
        (void)quire_signals_filter(t, c, mask_argument(c->nr));
        return QUIRE_CALL_PASS;
}

/* pselect6(count, in, out, except, timeout, { mask, size }) */
enum quire_outcome quire_calls_pselect(struct quire_thread *t, struct quire_call *c)
{
        struct {
                uint64_t mask, size;
        } given, *copy;
        uint64_t keep = c->now[5];

        if (!c->args[5] || !quire_user_get(&given, c->args[5], sizeof(given)))
                return QUIRE_CALL_PASS;
        c->now[5] = given.mask;
        if (!quire_signals_filter(t, c, 5)) {
                c->now[5] = keep;
                return QUIRE_CALL_PASS;
        }
        copy = quire_buffers_room(t, sizeof(*copy));
        if (copy) {
                copy->mask = c->now[5];
                copy->size = given.size;
                keep = raw_address(copy);
        }
        c->now[5] = keep;
        return QUIRE_CALL_PASS;
}

/* ----------------------------------------------------------- addresses for good */

/* set_tid_address(word), set_robust_list(head, size), rseq(area, size, ...) */
enum quire_outcome quire_calls_lasting(struct quire_thread *t, struct quire_call *c)
{
        (void)quire_buffers_hold_on(t, c->args[0], c->nr == SYS_set_tid_address ? 4 : 64);
        return QUIRE_CALL_PASS;
}

/* arch_prctl(code, address) */
enum quire_outcome quire_calls_arch_prctl(struct quire_thread *t, struct quire_call *c)
{
        if (c->args[0] == ARCH_SET_FS)
                (void)quire_buffers_hold_tls(t, c->args[1]);
        else if (c->args[0] == ARCH_GET_FS || c->args[0] == ARCH_GET_GS)
                quire_buffers_out(t, c, 1, 8);
        return QUIRE_CALL_PASS;
}

/* ---------------------------------------------------------------- in our way */

enum quire_outcome quire_calls_prctl(struct quire_thread *t, struct quire_call *c)
{
        switch ((int)c->args[0]) {
        case PR_SET_SYSCALL_USER_DISPATCH:
                return quire_answer(c, -EINVAL);
        case PR_SET_NAME:
                quire_buffers_string(t, c, 1);
                break;
        case PR_SET_SECCOMP:
                quire_linux_spin_never(quire_agent.machine);
                hold_filter(t, c->args[2]);
                break;
        case PR_SET_MM:
                return quire_answer(c, -EPERM);
        case PR_GET_NAME:
        case PR_GET_PDEATHSIG:
        case PR_GET_TSC:
        case PR_GET_UNALIGN:
        case PR_GET_CHILD_SUBREAPER:
        case PR_GET_TID_ADDRESS:
                quire_buffers_out(t, c, 1, 64);
                break;
        default:
                for (unsigned i = 1; i < 5; i++)
                        quire_buffers_out(t, c, i, 64);
                break;
        }
        return QUIRE_CALL_PASS;
}

/* The kernel would read or write memory at a time that nobody announces. */
enum quire_outcome quire_calls_refused(struct quire_thread *t, struct quire_call *c)
{
        (void)t;
        return quire_answer(c, -ENOSYS);
}

static bool vector_managed(uint64_t at, uint64_t count)
{
        struct iovec piece;

        for (uint64_t i = 0; i < count && i < 1024; i++)
                if (quire_user_get(&piece, at + i * sizeof(piece), sizeof(piece)) &&
                    quire_buffers_managed(raw_address(piece.iov_base), piece.iov_len))
                        return true;
        return false;
}

/* vmsplice(fd, vector, count, flags) lends pages; ours are copied instead. */
enum quire_outcome quire_calls_vmsplice(struct quire_thread *t, struct quire_call *c)
{
        if (vector_managed(c->args[1], c->args[2])) {
                c->nr = SYS_writev;
                quire_buffers_vector(t, c, 1, c->args[2], QUIRE_R);
        }
        return QUIRE_CALL_PASS;
}

/* process_madvise(pidfd, vector, count, advice, flags): of another process. */
enum quire_outcome quire_calls_process_madvise(struct quire_thread *t, struct quire_call *c)
{
        if (vector_managed(c->args[1], c->args[2]))
                return quire_answer(c, -EINVAL);
        quire_buffers_in(t, c, 1, c->args[2] * sizeof(struct iovec));
        return QUIRE_CALL_PASS;
}

/* shmat(id, address, flags): not over managed memory. */
enum quire_outcome quire_calls_shmat(struct quire_thread *t, struct quire_call *c)
{
        (void)t;
        if (c->args[1] && quire_memory_near(c->args[1], 1))
                return quire_answer(c, -EINVAL);
        return QUIRE_CALL_PASS;
}

/* All of it resident is what Quire is not for. */
enum quire_outcome quire_calls_mlockall(struct quire_thread *t, struct quire_call *c)
{
        (void)t;
        return quire_answer(c, -ENOMEM);
}

enum quire_outcome quire_calls_munlockall(struct quire_thread *t, struct quire_call *c)
{
        (void)t;
        return quire_answer(c, 0);
}

/* mbind(address, length, ...): managed memory lies where Quire has it. */
enum quire_outcome quire_calls_policy(struct quire_thread *t, struct quire_call *c)
{
        if (quire_buffers_managed(c->args[0], c->args[1]))
                return quire_answer(c, 0);
        quire_buffers_in(t, c, 3, 128);
        return QUIRE_CALL_PASS;
}

enum quire_outcome quire_calls_unknown(struct quire_thread *t, struct quire_call *c)
{
        for (unsigned i = 0; i < 6; i++)
                quire_buffers_out(t, c, i, UNKNOWN_BYTES);
        return QUIRE_CALL_PASS;
}
