/*
 * raw.h - the kernel without the C library between, for code that runs inside
 * signal handlers of a foreign program.  Every function returns a result or a
 * negative errno and leaves errno alone.
 */
#ifndef QUIRE_RUN_RAW_H
#define QUIRE_RUN_RAW_H
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long raw6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
        long result;
        register uint64_t r10 __asm__("r10") = d;
        register uint64_t r8 __asm__("r8") = e;
        register uint64_t r9 __asm__("r9") = f;

        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        return result;
}

static inline long raw4(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
        return raw6(nr, a, b, c, d, 0, 0);
}

static inline long raw3(long nr, uint64_t a, uint64_t b, uint64_t c)
{
        return raw6(nr, a, b, c, 0, 0, 0);
}

static inline uint64_t raw_address(const void *p)
{
        return (uint64_t)(uintptr_t)p;
}

static inline void *raw_pointer(uint64_t va)
{
        return (void *)(uintptr_t)va;
}

/* Descriptors and other C ints, as the kernel reads them from a register. */
static inline uint64_t raw_int(int i)
{
        return (uint64_t)(int64_t)i;
}

static inline int raw_failed(long result)
{
        return result < 0 && result > -4096;
}

static inline long raw_mmap(uint64_t va, uint64_t bytes, int prot, int flags, int fd, uint64_t at)
{
        return raw6(SYS_mmap, va, bytes, (uint64_t)prot, (uint64_t)flags, raw_int(fd), at);
}

static inline int raw_getpid(void)
{
        return (int)raw3(SYS_getpid, 0, 0, 0);
}

static inline int raw_gettid(void)
{
        return (int)raw3(SYS_gettid, 0, 0, 0);
}

static inline void raw_futex_wait(uint32_t *word, uint32_t expected)
{
        (void)raw6(SYS_futex, raw_address(word), 128 /* private wait */, expected, 0, 0, 0);
}

static inline void raw_futex_wake(uint32_t *word, int count)
{
        (void)raw6(SYS_futex, raw_address(word), 128 | 1, (uint64_t)count, 0, 0, 0);
}

/* struct sigaction as the kernel has it. */
struct raw_action {
        uint64_t handler;
        uint64_t flags;
        uint64_t restorer;
        uint64_t mask;
};

static inline long raw_sigaction(int sig, const struct raw_action *act, struct raw_action *old)
{
        return raw4(SYS_rt_sigaction, raw_int(sig), raw_address(act), raw_address(old), 8);
}

static inline long raw_sigmask(int how, const uint64_t *set, uint64_t *old)
{
        return raw4(SYS_rt_sigprocmask, raw_int(how), raw_address(set), raw_address(old), 8);
}

static inline uint64_t raw_signal_bit(int sig)
{
        return (uint64_t)1 << (sig - 1);
}

#endif
