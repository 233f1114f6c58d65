/*
 * table.c - what each system call of x86-64 does with its arguments.
 *
 * A row names the arguments that are addresses: what the kernel does with the
 * memory there, and how large it is (a number of bytes, or that many times
 * another argument).  Where that can not be said in a row, a function does what
 * the row can not; the row's addresses are prepared after it.
 *
 * A call without a row is prepared by quire_calls_unknown.  A row without
 * anything in it is a call that takes no address.
 *
 * Signal context: yes.  Lock: none; the table is constant.
 */
#include "agent.h"
#include "buffers.h"
#include "calls.h"
#include "chunk.h"
#include "files.h"
#include "memory.h"
#include <errno.h>
#include <linux/futex.h>

enum kind { END, IN, OUT, STRING, LENGTH, SETS };

struct address {
        uint8_t kind;
        uint8_t arg;
        uint8_t times;           /* argument that multiplies; FIXED: once */
        uint16_t bytes;
};
#define FIXED 15u
#define ADDRESSES 5u

struct row {
        bool known;
        quire_call_fn call;
        struct address address[ADDRESSES];
};

/* In the order: which argument, how many bytes, times which argument. */
#define I(arg, bytes) { IN, arg, FIXED, bytes }
#define IX(arg, bytes, times) { IN, arg, times, bytes }
#define O(arg, bytes) { OUT, arg, FIXED, bytes }
#define OX(arg, bytes, times) { OUT, arg, times, bytes }
#define S(arg) { STRING, arg, FIXED, 0 }
#define L(arg, length) { LENGTH, arg, length, 0 }      /* *length bytes, both written */
#define F(arg) { SETS, arg, 0, 0 }                     /* sets of descriptors below arg 0 */
#define NOTHING { .known = true }
#define ARGS(...) { .known = true, .address = { __VA_ARGS__ } }
#define CALL(function) { .known = true, .call = (function) }
#define BOTH(function, ...) { .known = true, .call = (function), .address = { __VA_ARGS__ } }

#define STAT 144
#define TIME 16
#define TWICE 32
#define SIGNAL 128
#define RUSAGE 144
#define TIMEX 208

/* Newer than the headers this may be built with. */
enum {
        NR_process_mrelease = 448, NR_futex_waitv = 449, NR_home_node = 450, NR_cachestat = 451,
        NR_fchmodat2 = 452, NR_shadow_stack = 453, NR_futex_wake = 454, NR_futex_wait = 455,
        NR_mseal = 462, ROWS,
};

static const struct row rows[ROWS] = {
        /* memory */
        [SYS_mmap] = CALL(quire_memory_mmap),
        [SYS_mprotect] = CALL(quire_memory_mprotect),
        [SYS_pkey_mprotect] = CALL(quire_memory_mprotect),
        [SYS_munmap] = CALL(quire_memory_munmap),
        [SYS_brk] = CALL(quire_memory_brk),
        [SYS_mremap] = CALL(quire_memory_mremap),
        [SYS_msync] = CALL(quire_memory_msync),
        [SYS_mincore] = CALL(quire_memory_mincore),
        [SYS_madvise] = CALL(quire_memory_madvise),
        [SYS_mlock] = CALL(quire_memory_mlock),
        [SYS_mlock2] = CALL(quire_memory_mlock),
        [SYS_munlock] = CALL(quire_memory_munlock),
        [SYS_mlockall] = CALL(quire_calls_mlockall),
        [SYS_munlockall] = CALL(quire_calls_munlockall),
        [SYS_shmat] = CALL(quire_calls_shmat),
        [SYS_shmdt] = NOTHING,
        [SYS_mbind] = CALL(quire_calls_policy),
        [NR_mseal] = CALL(quire_calls_policy),
        [SYS_remap_file_pages] = NOTHING,
        [SYS_pkey_alloc] = NOTHING,
        [SYS_pkey_free] = NOTHING,
        [SYS_membarrier] = NOTHING,
        [SYS_process_madvise] = CALL(quire_calls_process_madvise),
        [SYS_userfaultfd] = NOTHING,
        [SYS_memfd_create] = ARGS(S(0)),
        [NR_shadow_stack] = NOTHING,

        /* signals */
        [SYS_rt_sigaction] = CALL(quire_signals_action),
        [SYS_rt_sigprocmask] = CALL(quire_signals_mask),
        [SYS_rt_sigreturn] = CALL(quire_deliver_return),
        [SYS_rt_sigpending] = CALL(quire_signals_pending),
        [SYS_sigaltstack] = CALL(quire_signals_altstack),
        [SYS_rt_sigtimedwait] = ARGS(I(0, 8), O(1, SIGNAL), I(2, TIME)),
        [SYS_rt_sigqueueinfo] = ARGS(I(2, SIGNAL)),
        [SYS_rt_tgsigqueueinfo] = ARGS(I(3, SIGNAL)),
        [SYS_pidfd_send_signal] = ARGS(I(2, SIGNAL)),
        [SYS_rt_sigsuspend] = CALL(quire_calls_masked),
        [SYS_signalfd] = CALL(quire_calls_masked),
        [SYS_signalfd4] = CALL(quire_calls_masked),
        [SYS_kill] = NOTHING,
        [SYS_tkill] = NOTHING,
        [SYS_tgkill] = NOTHING,
        [SYS_pause] = NOTHING,
        [SYS_alarm] = NOTHING,
        [SYS_restart_syscall] = NOTHING,

        /* threads and processes */
        [SYS_clone] = CALL(quire_threads_clone),
        [SYS_clone3] = CALL(quire_threads_clone3),
        [SYS_fork] = CALL(quire_threads_fork),
        [SYS_vfork] = CALL(quire_threads_vfork),
        [SYS_execve] = CALL(quire_fork_exec),
        [SYS_execveat] = CALL(quire_fork_exec),
        [SYS_exit] = CALL(quire_threads_exit),
        [SYS_exit_group] = CALL(quire_threads_exit_group),
        [SYS_wait4] = ARGS(O(1, 4), O(3, RUSAGE)),
        [SYS_waitid] = ARGS(O(2, SIGNAL), O(4, RUSAGE)),
        [SYS_futex] = CALL(quire_calls_futex),
        [NR_futex_waitv] = CALL(quire_calls_futex_waitv),
        [NR_futex_wake] = ARGS(O(0, 4)),
        [NR_futex_wait] = ARGS(O(0, 4), I(4, TIME)),
        [SYS_set_tid_address] = CALL(quire_calls_lasting),
        [SYS_set_robust_list] = CALL(quire_calls_lasting),
        [SYS_get_robust_list] = ARGS(O(1, 8), O(2, 8)),
        [SYS_rseq] = CALL(quire_calls_lasting),
        [SYS_arch_prctl] = CALL(quire_calls_arch_prctl),
        [SYS_prctl] = CALL(quire_calls_prctl),
        [SYS_seccomp] = CALL(quire_calls_seccomp),
        [SYS_process_vm_readv] = CALL(quire_calls_process_vm),
        [SYS_process_vm_writev] = CALL(quire_calls_process_vm),
        [SYS_getpid] = NOTHING,
        [SYS_gettid] = NOTHING,
        [SYS_getppid] = NOTHING,
        [SYS_getpgrp] = NOTHING,
        [SYS_getpgid] = NOTHING,
        [SYS_setpgid] = NOTHING,
        [SYS_getsid] = NOTHING,
        [SYS_setsid] = NOTHING,
        [SYS_getpriority] = NOTHING,
        [SYS_setpriority] = NOTHING,
        [SYS_personality] = NOTHING,
        [SYS_unshare] = NOTHING,
        [SYS_setns] = NOTHING,
        [SYS_kcmp] = NOTHING,
        [SYS_pidfd_open] = NOTHING,
        [SYS_pidfd_getfd] = NOTHING,
        [NR_process_mrelease] = NOTHING,
        [SYS_ioprio_set] = NOTHING,
        [SYS_ioprio_get] = NOTHING,
        [SYS_getcpu] = ARGS(O(0, 4), O(1, 4)),
        [SYS_getrusage] = ARGS(O(1, RUSAGE)),
        [SYS_getrlimit] = ARGS(O(1, 16)),
        [SYS_setrlimit] = ARGS(I(1, 16)),
        [SYS_prlimit64] = ARGS(I(2, 16), O(3, 16)),
        [SYS_sched_yield] = NOTHING,
        [SYS_sched_setparam] = ARGS(I(1, 4)),
        [SYS_sched_getparam] = ARGS(O(1, 4)),
        [SYS_sched_setscheduler] = ARGS(I(2, 4)),
        [SYS_sched_getscheduler] = NOTHING,
        [SYS_sched_get_priority_max] = NOTHING,
        [SYS_sched_get_priority_min] = NOTHING,
        [SYS_sched_rr_get_interval] = ARGS(O(1, TIME)),
        [SYS_sched_setaffinity] = ARGS(IX(2, 1, 1)),
        [SYS_sched_getaffinity] = ARGS(OX(2, 1, 1)),
        [SYS_sched_setattr] = ARGS(I(1, 64)),
        [SYS_sched_getattr] = ARGS(OX(1, 1, 2)),
        [SYS_capget] = ARGS(O(0, 8), O(1, 24)),
        [SYS_capset] = ARGS(O(0, 8), I(1, 24)),

        /* users */
        [SYS_getuid] = NOTHING,
        [SYS_geteuid] = NOTHING,
        [SYS_getgid] = NOTHING,
        [SYS_getegid] = NOTHING,
        [SYS_setuid] = NOTHING,
        [SYS_setgid] = NOTHING,
        [SYS_setreuid] = NOTHING,
        [SYS_setregid] = NOTHING,
        [SYS_setresuid] = NOTHING,
        [SYS_setresgid] = NOTHING,
        [SYS_setfsuid] = NOTHING,
        [SYS_setfsgid] = NOTHING,
        [SYS_getresuid] = ARGS(O(0, 4), O(1, 4), O(2, 4)),
        [SYS_getresgid] = ARGS(O(0, 4), O(1, 4), O(2, 4)),
        [SYS_getgroups] = ARGS(OX(1, 4, 0)),
        [SYS_setgroups] = ARGS(IX(1, 4, 0)),

        /* transfers */
        [SYS_read] = CALL(quire_chunk_transfer),
        [SYS_write] = CALL(quire_chunk_transfer),
        [SYS_pread64] = CALL(quire_chunk_transfer),
        [SYS_pwrite64] = CALL(quire_chunk_transfer),
        [SYS_readv] = CALL(quire_chunk_transfer),
        [SYS_writev] = CALL(quire_chunk_transfer),
        [SYS_preadv] = CALL(quire_chunk_transfer),
        [SYS_pwritev] = CALL(quire_chunk_transfer),
        [SYS_preadv2] = CALL(quire_chunk_transfer),
        [SYS_pwritev2] = CALL(quire_chunk_transfer),
        [SYS_sendto] = CALL(quire_chunk_transfer),
        [SYS_recvfrom] = CALL(quire_chunk_transfer),
        [SYS_sendmsg] = CALL(quire_chunk_transfer),
        [SYS_recvmsg] = CALL(quire_chunk_transfer),
        [SYS_getrandom] = CALL(quire_chunk_transfer),
        [SYS_sendmmsg] = CALL(quire_calls_messages),
        [SYS_recvmmsg] = CALL(quire_calls_messages),
        [SYS_vmsplice] = CALL(quire_calls_vmsplice),
        [SYS_sendfile] = ARGS(O(2, 8)),
        [SYS_splice] = ARGS(O(1, 8), O(3, 8)),
        [SYS_tee] = NOTHING,
        [SYS_copy_file_range] = ARGS(O(1, 8), O(3, 8)),
        [SYS_io_setup] = CALL(quire_calls_refused),
        [SYS_io_uring_setup] = CALL(quire_calls_refused),

        /* descriptors */
        [SYS_close] = CALL(quire_files_one),
        [SYS_close_range] = CALL(quire_files_close_range),
        [SYS_dup] = CALL(quire_files_dup),
        [SYS_dup2] = CALL(quire_files_dup),
        [SYS_dup3] = CALL(quire_files_dup),
        [SYS_fcntl] = CALL(quire_files_fcntl),
        [SYS_ioctl] = CALL(quire_calls_ioctl),
        [SYS_lseek] = CALL(quire_files_one),
        [SYS_fsync] = NOTHING,
        [SYS_fdatasync] = NOTHING,
        [SYS_ftruncate] = NOTHING,
        [SYS_fallocate] = NOTHING,
        [SYS_fadvise64] = NOTHING,
        [SYS_readahead] = NOTHING,
        [SYS_sync_file_range] = NOTHING,
        [SYS_sync] = NOTHING,
        [SYS_syncfs] = NOTHING,
        [SYS_flock] = NOTHING,
        [SYS_fchdir] = NOTHING,
        [SYS_fchmod] = NOTHING,
        [SYS_fchown] = NOTHING,
        [SYS_umask] = NOTHING,
        [SYS_pipe] = ARGS(O(0, 8)),
        [SYS_pipe2] = ARGS(O(0, 8)),
        [SYS_eventfd] = NOTHING,
        [SYS_eventfd2] = NOTHING,
        [SYS_epoll_create] = NOTHING,
        [SYS_epoll_create1] = NOTHING,
        [SYS_epoll_ctl] = ARGS(I(3, 12)),
        [SYS_epoll_wait] = ARGS(OX(1, 12, 2)),
        [SYS_epoll_pwait] = BOTH(quire_calls_masked, OX(1, 12, 2)),
        [SYS_epoll_pwait2] = BOTH(quire_calls_masked, OX(1, 12, 2), I(3, TIME)),
        [SYS_poll] = ARGS(OX(0, 8, 1)),
        [SYS_ppoll] = BOTH(quire_calls_masked, OX(0, 8, 1), O(2, TIME)),
        [SYS_select] = ARGS(F(1), F(2), F(3), O(4, TIME)),
        [SYS_pselect6] = BOTH(quire_calls_pselect, F(1), F(2), F(3), O(4, TIME)),
        [SYS_inotify_init] = NOTHING,
        [SYS_inotify_init1] = NOTHING,
        [SYS_inotify_add_watch] = ARGS(S(1)),
        [SYS_inotify_rm_watch] = NOTHING,
        [SYS_fanotify_init] = NOTHING,
        [SYS_fanotify_mark] = ARGS(S(4)),
        [SYS_perf_event_open] = ARGS(O(0, 136)),

        /* files by name */
        [SYS_open] = ARGS(S(0)),
        [SYS_openat] = ARGS(S(1)),
        [SYS_openat2] = ARGS(S(1), IX(2, 1, 3)),
        [SYS_creat] = ARGS(S(0)),
        [SYS_stat] = ARGS(S(0), O(1, STAT)),
        [SYS_lstat] = ARGS(S(0), O(1, STAT)),
        [SYS_fstat] = BOTH(quire_files_one, O(1, STAT)),
        [SYS_newfstatat] = BOTH(quire_files_one, S(1), O(2, STAT)),
        [SYS_statx] = BOTH(quire_files_one, S(1), O(4, 256)),
        [SYS_statfs] = ARGS(S(0), O(1, 120)),
        [SYS_fstatfs] = ARGS(O(1, 120)),
        [SYS_ustat] = ARGS(O(1, 32)),
        [NR_cachestat] = ARGS(I(1, 16), O(2, 40)),
        [SYS_access] = ARGS(S(0)),
        [SYS_faccessat] = ARGS(S(1)),
        [SYS_faccessat2] = ARGS(S(1)),
        [SYS_truncate] = ARGS(S(0)),
        [SYS_getdents] = ARGS(OX(1, 1, 2)),
        [SYS_getdents64] = ARGS(OX(1, 1, 2)),
        [SYS_getcwd] = ARGS(OX(0, 1, 1)),
        [SYS_chdir] = ARGS(S(0)),
        [SYS_chroot] = ARGS(S(0)),
        [SYS_rename] = ARGS(S(0), S(1)),
        [SYS_renameat] = ARGS(S(1), S(3)),
        [SYS_renameat2] = ARGS(S(1), S(3)),
        [SYS_mkdir] = ARGS(S(0)),
        [SYS_mkdirat] = ARGS(S(1)),
        [SYS_rmdir] = ARGS(S(0)),
        [SYS_link] = ARGS(S(0), S(1)),
        [SYS_linkat] = ARGS(S(1), S(3)),
        [SYS_symlink] = ARGS(S(0), S(1)),
        [SYS_symlinkat] = ARGS(S(0), S(2)),
        [SYS_unlink] = ARGS(S(0)),
        [SYS_unlinkat] = ARGS(S(1)),
        [SYS_readlink] = ARGS(S(0), OX(1, 1, 2)),
        [SYS_readlinkat] = ARGS(S(1), OX(2, 1, 3)),
        [SYS_chmod] = ARGS(S(0)),
        [SYS_fchmodat] = ARGS(S(1)),
        [NR_fchmodat2] = ARGS(S(1)),
        [SYS_chown] = ARGS(S(0)),
        [SYS_lchown] = ARGS(S(0)),
        [SYS_fchownat] = ARGS(S(1)),
        [SYS_mknod] = ARGS(S(0)),
        [SYS_mknodat] = ARGS(S(1)),
        [SYS_utime] = ARGS(S(0), I(1, 16)),
        [SYS_utimes] = ARGS(S(0), I(1, TWICE)),
        [SYS_futimesat] = ARGS(S(1), I(2, TWICE)),
        [SYS_utimensat] = ARGS(S(1), I(2, TWICE)),
        [SYS_setxattr] = ARGS(S(0), S(1), IX(2, 1, 3)),
        [SYS_lsetxattr] = ARGS(S(0), S(1), IX(2, 1, 3)),
        [SYS_fsetxattr] = ARGS(S(1), IX(2, 1, 3)),
        [SYS_getxattr] = ARGS(S(0), S(1), OX(2, 1, 3)),
        [SYS_lgetxattr] = ARGS(S(0), S(1), OX(2, 1, 3)),
        [SYS_fgetxattr] = ARGS(S(1), OX(2, 1, 3)),
        [SYS_listxattr] = ARGS(S(0), OX(1, 1, 2)),
        [SYS_llistxattr] = ARGS(S(0), OX(1, 1, 2)),
        [SYS_flistxattr] = ARGS(OX(1, 1, 2)),
        [SYS_removexattr] = ARGS(S(0), S(1)),
        [SYS_lremovexattr] = ARGS(S(0), S(1)),
        [SYS_fremovexattr] = ARGS(S(1)),
        [SYS_name_to_handle_at] = ARGS(S(1), O(2, 256), O(3, 8)),
        [SYS_open_by_handle_at] = ARGS(O(1, 256)),
        [SYS_mount] = ARGS(S(0), S(1), S(2), O(4, 4096)),
        [SYS_umount2] = ARGS(S(0)),
        [SYS_pivot_root] = ARGS(S(0), S(1)),
        [SYS_open_tree] = ARGS(S(1)),
        [SYS_move_mount] = ARGS(S(1), S(3)),
        [SYS_acct] = ARGS(S(0)),
        [SYS_swapon] = ARGS(S(0)),
        [SYS_swapoff] = ARGS(S(0)),

        /* sockets */
        [SYS_socket] = NOTHING,
        [SYS_shutdown] = NOTHING,
        [SYS_listen] = NOTHING,
        [SYS_connect] = ARGS(IX(1, 1, 2)),
        [SYS_bind] = ARGS(IX(1, 1, 2)),
        [SYS_accept] = ARGS(L(1, 2)),
        [SYS_accept4] = ARGS(L(1, 2)),
        [SYS_getsockname] = ARGS(L(1, 2)),
        [SYS_getpeername] = ARGS(L(1, 2)),
        [SYS_getsockopt] = ARGS(L(3, 4)),
        [SYS_setsockopt] = CALL(quire_calls_setsockopt),
        [SYS_socketpair] = ARGS(O(3, 8)),

        /* time */
        [SYS_time] = ARGS(O(0, 8)),
        [SYS_times] = ARGS(O(0, 32)),
        [SYS_gettimeofday] = ARGS(O(0, TIME), O(1, 8)),
        [SYS_settimeofday] = ARGS(I(0, TIME), I(1, 8)),
        [SYS_clock_gettime] = ARGS(O(1, TIME)),
        [SYS_clock_getres] = ARGS(O(1, TIME)),
        [SYS_clock_settime] = ARGS(I(1, TIME)),
        [SYS_clock_nanosleep] = ARGS(I(2, TIME), O(3, TIME)),
        [SYS_nanosleep] = ARGS(I(0, TIME), O(1, TIME)),
        [SYS_getitimer] = ARGS(O(1, TWICE)),
        [SYS_setitimer] = ARGS(I(1, TWICE), O(2, TWICE)),
        [SYS_timer_create] = ARGS(I(1, 64), O(2, 4)),
        [SYS_timer_settime] = ARGS(I(2, TWICE), O(3, TWICE)),
        [SYS_timer_gettime] = ARGS(O(1, TWICE)),
        [SYS_timer_getoverrun] = NOTHING,
        [SYS_timer_delete] = NOTHING,
        [SYS_timerfd_create] = NOTHING,
        [SYS_timerfd_settime] = ARGS(I(2, TWICE), O(3, TWICE)),
        [SYS_timerfd_gettime] = ARGS(O(1, TWICE)),
        [SYS_adjtimex] = ARGS(O(0, TIMEX)),
        [SYS_clock_adjtime] = ARGS(O(1, TIMEX)),

        /* older and newer ways between processes */
        [SYS_shmget] = NOTHING,
        [SYS_shmctl] = ARGS(O(2, 112)),
        [SYS_semget] = NOTHING,
        [SYS_semop] = ARGS(IX(1, 6, 2)),
        [SYS_semtimedop] = ARGS(IX(1, 6, 2), I(3, TIME)),
        [SYS_semctl] = CALL(quire_calls_semctl),
        [SYS_msgget] = NOTHING,
        [SYS_msgsnd] = CALL(quire_calls_queue),
        [SYS_msgrcv] = CALL(quire_calls_queue),
        [SYS_msgctl] = ARGS(O(2, 120)),
        [SYS_mq_open] = ARGS(S(0), I(3, 64)),
        [SYS_mq_unlink] = ARGS(S(0)),
        [SYS_mq_timedsend] = ARGS(IX(1, 1, 2), I(4, TIME)),
        [SYS_mq_timedreceive] = ARGS(OX(1, 1, 2), O(3, 4), I(4, TIME)),
        [SYS_mq_notify] = ARGS(I(1, 64)),
        [SYS_mq_getsetattr] = ARGS(I(1, 64), O(2, 64)),
        [SYS_add_key] = ARGS(S(0), S(1), IX(2, 1, 3)),
        [SYS_request_key] = ARGS(S(0), S(1), S(2)),

        /* the machine */
        [SYS_uname] = ARGS(O(0, 390)),
        [SYS_sysinfo] = ARGS(O(0, 112)),
        [SYS_syslog] = ARGS(OX(1, 1, 2)),
        [SYS_sethostname] = ARGS(IX(0, 1, 1)),
        [SYS_setdomainname] = ARGS(IX(0, 1, 1)),
        [SYS_vhangup] = NOTHING,
        [SYS_reboot] = NOTHING,
        [SYS_iopl] = NOTHING,
        [SYS_ioperm] = NOTHING,
};

static void prepare(struct quire_thread *t, struct quire_call *c, const struct address *a)
{
        uint64_t bytes = a->times == FIXED ? a->bytes : a->bytes * c->args[a->times];
        uint32_t length;

        switch (a->kind) {
        case IN:
                quire_buffers_in(t, c, a->arg, bytes);
                break;
        case OUT:
                quire_buffers_out(t, c, a->arg, bytes);
                break;
        case STRING:
                quire_buffers_string(t, c, a->arg);
                break;
        case LENGTH:
                quire_buffers_out(t, c, a->times, 4);
                if (c->args[a->times] && quire_user_get(&length, c->args[a->times], 4))
                        quire_buffers_out(t, c, a->arg, length);
                break;
        case SETS:
                quire_buffers_out(t, c, a->arg, ((uint32_t)c->args[0] + 63u) / 64 * 8);
                break;
        default:
                break;
        }
}

enum quire_outcome quire_table_call(struct quire_thread *t, struct quire_call *c)
{
        const struct row *row = &rows[c->nr >= 0 && c->nr < ROWS ? c->nr : SYS_uselib];
        enum quire_outcome outcome = QUIRE_CALL_PASS;

        if (!row->known)
                return quire_calls_unknown(t, c);
        if (row->call)
                outcome = row->call(t, c);
        if (outcome == QUIRE_CALL_PASS)
                for (unsigned i = 0; i < ADDRESSES && row->address[i].kind; i++)
                        prepare(t, c, &row->address[i]);
        return outcome;
}
