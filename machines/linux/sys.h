/*
 * sys.h - system calls without the C library between.
 *
 * The machine runs inside signal handlers and inside programs whose mmap,
 * madvise, read or close may be interposed (by the agent of `quire run` among
 * others), so it enters the kernel itself.  Every function returns what the
 * kernel returns: a result, or a negative errno.  errno is never touched.
 */
#ifndef QUIRE_LINUX_SYS_H
#define QUIRE_LINUX_SYS_H
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
        long ret;
        register long r10 __asm__("r10") = d;
        register long r8 __asm__("r8") = e;
        register long r9 __asm__("r9") = f;

        __asm__ volatile("syscall"
                         : "=a"(ret)
                         : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        return ret;
}
#else
#error "x86-64 only: this file enters its kernel, faults.c reads its registers"
#endif

static inline long sys_call3(long nr, long a, long b, long c)
{
        return sys_call6(nr, a, b, c, 0, 0, 0);
}

static inline long sys_address(const void *p)
{
        return (long)(uintptr_t)p;
}

static inline long sys_mmap(uint64_t va, uint64_t bytes, int prot, int flags, int fd, uint64_t at)
{
        return sys_call6(SYS_mmap, (long)va, (long)bytes, prot, flags, fd, (long)at);
}

static inline long sys_munmap(uint64_t va, uint64_t bytes)
{
        return sys_call3(SYS_munmap, (long)va, (long)bytes, 0);
}

static inline long sys_mprotect(uint64_t va, uint64_t bytes, int prot)
{
        return sys_call3(SYS_mprotect, (long)va, (long)bytes, prot);
}

static inline long sys_madvise(uint64_t va, uint64_t bytes, int advice)
{
        return sys_call3(SYS_madvise, (long)va, (long)bytes, advice);
}

static inline long sys_ioctl(int fd, unsigned long request, void *arg)
{
        return sys_call3(SYS_ioctl, fd, (long)request, sys_address(arg));
}

static inline long sys_open(const char *path, int flags, unsigned mode)
{
        return sys_call6(SYS_openat, -100 /* AT_FDCWD */, sys_address(path), flags, (long)mode,
                         0, 0);
}

static inline long sys_read(int fd, void *buffer, size_t bytes)
{
        return sys_call3(SYS_read, fd, sys_address(buffer), (long)bytes);
}

static inline long sys_write(int fd, const void *buffer, size_t bytes)
{
        return sys_call3(SYS_write, fd, sys_address(buffer), (long)bytes);
}

static inline long sys_close(int fd)
{
        return sys_call3(SYS_close, fd, 0, 0);
}

static inline long sys_fcntl(int fd, int command, long arg)
{
        return sys_call3(SYS_fcntl, fd, command, arg);
}

/* FUTEX_PRIVATE operations: 128 is FUTEX_PRIVATE_FLAG, 0 wait, 1 wake. */
static inline long sys_futex_wait(uint32_t *word, uint32_t expected)
{
        return sys_call6(SYS_futex, sys_address(word), 128, (long)expected, 0, 0, 0);
}

static inline long sys_futex_wake(uint32_t *word, int count)
{
        return sys_call6(SYS_futex, sys_address(word), 128 | 1, count, 0, 0, 0);
}

/* The kernel's signal set is 64 bits wide, whatever the C library's is. */
static inline long sys_sigmask(int how, const uint64_t *set, uint64_t *old)
{
        return sys_call6(SYS_rt_sigprocmask, how, sys_address(set), sys_address(old), 8, 0, 0);
}

static inline int sys_gettid(void)
{
        return (int)sys_call3(SYS_gettid, 0, 0, 0);
}

static inline int sys_getpid(void)
{
        return (int)sys_call3(SYS_getpid, 0, 0, 0);
}

#endif
