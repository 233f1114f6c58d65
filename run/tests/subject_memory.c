/*
 * subject_memory.c - mmap and its family.
 */
#include "subject.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static int error(long result)
{
        return result == -1 ? errno : 0;
}

static int map_error(void *p)
{
        return p == MAP_FAILED ? errno : 0;
}

/* Is there memory at all?  By a call that only asks. */
static int mapped(const void *p)
{
        unsigned char v;

        return mincore((void *)(uintptr_t)p, PAGE, &v) == 0;
}

static int temporary(size_t bytes)
{
        char name[] = "/tmp/quire-subject-XXXXXX";
        int fd = mkstemp(name);
        char page[PAGE];

        unlink(name);
        for (size_t i = 0; i < bytes / PAGE; i++) {
                memset(page, (int)i + 1, PAGE);
                if (write(fd, page, PAGE) != (ssize_t)PAGE)
                        _exit(97);
        }
        return fd;
}

static int run_map(void)
{
        char *p = subject_map(16 * PAGE);

        subject_say("zero %d", p[0] == 0 && p[16 * PAGE - 1] == 0);
        subject_fill(p, 16 * PAGE, 1);
        subject_say("unmap middle %d", error(munmap(p + 4 * PAGE, 2 * PAGE)));
        subject_say("mapped %d %d %d %d", mapped(p + 3 * PAGE), mapped(p + 4 * PAGE),
                    mapped(p + 5 * PAGE), mapped(p + 6 * PAGE));
        subject_say("rest %d", subject_is(p, 4 * PAGE, 1));
        subject_say("unmap nothing %d", error(munmap(p + 4 * PAGE, 2 * PAGE)));
        subject_say("unmap all %d", error(munmap(p, 16 * PAGE)));
        subject_say("length 0 %d", map_error(mmap(NULL, 0, RW, ANON, -1, 0)));
        subject_say("unaligned %d", error(munmap(p + 1, PAGE)));
        subject_say("too much %d", map_error(mmap(NULL, (size_t)1 << 62, RW, ANON, -1, 0)));
        p = mmap(NULL, (size_t)1 << 36, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
        subject_say("64 GiB without access %d", map_error(p));
        subject_say("a page of it %d", error(mprotect(p + ((size_t)1 << 35), PAGE, RW)));
        p[(size_t)1 << 35] = 5;
        subject_say("unmapped %d", error(munmap(p, (size_t)1 << 36)));
        p = mmap(NULL, (size_t)1 << 33, RW, ANON | MAP_NORESERVE, -1, 0);
        subject_say("8 GiB, sparse %d", map_error(p));
        for (size_t i = 0; i < 64; i++)
                p[i << 27] = (char)i;
        int sum = 0;
        for (size_t i = 0; i < 64; i++)
                sum += p[i << 27];
        subject_say("sum %d", sum);
        return 0;
}

static int run_fixed(void)
{
        char *p = subject_map(16 * PAGE), *q;
        int fd = temporary(4 * PAGE);

        subject_fill(p, 16 * PAGE, 2);
        q = mmap(p + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
        subject_say("fixed %d zero %d next %d", q == p + 2 * PAGE, q[0] == 0 && q[PAGE] == 0,
                    subject_is(p, 2 * PAGE, 2));
        q = mmap(p + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
        subject_say("no replace %d", map_error(q));
        munmap(p + 8 * PAGE, 2 * PAGE);
        q = mmap(p + 8 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
        subject_say("into a hole %d", q == p + 8 * PAGE);
        q = mmap(p + 4 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, (off_t)PAGE);
        subject_say("file over it %d bytes %d %d", q == p + 4 * PAGE, q[0], q[PAGE]);
        q[0] = 99;
        subject_say("written %d", p[4 * PAGE]);
        subject_say("protect across %d", error(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ)));
        subject_say("read across %d %d", p[3 * PAGE], p[5 * PAGE]);
        q = mmap(p + 3 * PAGE, 3 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
        subject_say("anonymous again %d zero %d", q == p + 3 * PAGE, !q[0] && !q[2 * PAGE]);
        memset(q, 5, 3 * PAGE);
        subject_say("unmap across %d", error(munmap(p, 16 * PAGE)));
        subject_say("mapped %d %d", mapped(p), mapped(p + 5 * PAGE));
        q = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
        subject_say("shared file %d", q[3 * PAGE]);
        return 0;
}

static int run_protect(void)
{
        char *p = subject_map(64 * PAGE);
        int sum = 0;

        for (size_t i = 0; i < 64; i++)
                p[i * PAGE] = (char)i;
        for (size_t i = 0; i < 64; i += 2)
                sum += error(mprotect(p + i * PAGE, PAGE, i % 4 ? PROT_NONE : PROT_READ));
        subject_say("errors %d", sum);
        subject_say("back %d", error(mprotect(p, 64 * PAGE, RW)));
        for (size_t i = 0; i < 64; i++)
                sum += p[i * PAGE];
        subject_say("sum %d", sum);
        munmap(p + 10 * PAGE, PAGE);
        subject_say("with a hole %d", error(mprotect(p, 64 * PAGE, PROT_READ)));
        subject_say("unaligned %d", error(mprotect(p + 1, PAGE, RW)));
        subject_say("nonsense %d", error(mprotect(p, PAGE, 0x1000)));
        return 0;
}

static int run_remap(void)
{
        char *p = subject_map(8 * PAGE), *q, *r;

        subject_fill(p, 8 * PAGE, 3);
        q = mremap(p, 8 * PAGE, 2048 * PAGE, MREMAP_MAYMOVE);
        subject_say("grown %d same %d zero %d", map_error(q), subject_is(q, 8 * PAGE, 3),
                    q[8 * PAGE] == 0 && q[2047 * PAGE] == 0);
        subject_fill(q, 2048 * PAGE, 4);
        r = mremap(q, 2048 * PAGE, 1024 * PAGE, 0);
        subject_say("shrunk in place %d same %d tail %d", r == q, subject_is(r, 1024 * PAGE, 4),
                    mapped(q + 1024 * PAGE));
        char *to = subject_map(4096 * PAGE);
        r = mremap(q, 1024 * PAGE, 1024 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 64 * PAGE);
        subject_say("moved %d same %d left %d", r == to + 64 * PAGE, subject_is(r, 1024 * PAGE, 4),
                    mapped(q));
        /* A part of a mapping. */
        q = mremap(r + 16 * PAGE, 16 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
        subject_say("part grown %d first same %d hole %d", map_error(q),
                    memcmp(r, r, 16 * PAGE) == 0 && q[64 * PAGE - 1] == 0, mapped(r + 16 * PAGE));
        q = mremap(r, PAGE, 2 * PAGE, 0);
        subject_say("no room to grow %d", map_error(q));
        q = mremap(r + 40 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
        subject_say("moved, not unmapped %d zero %d", map_error(q), r[40 * PAGE] == 0);
        p = subject_map(PAGE);
        for (size_t n = 1; n <= 4096; n *= 2) {
                p[n * PAGE - 1] = (char)n;
                p = mremap(p, n * PAGE, 2 * n * PAGE, MREMAP_MAYMOVE);
        }
        int sum = 0;
        for (size_t n = 1; n <= 4096; n *= 2)
                sum += p[n * PAGE - 1] == (char)n;
        subject_say("doubled, kept %d of 13", sum);
        return 0;
}

static int run_advice(void)
{
        char *p = subject_map(32 * PAGE);
        unsigned char v[32];

        subject_fill(p, 32 * PAGE, 5);
        subject_say("dontneed %d", error(madvise(p + 8 * PAGE, 8 * PAGE, MADV_DONTNEED)));
        int zero = 0;
        for (size_t i = 0; i < 8 * PAGE; i++)
                zero += p[8 * PAGE + i] == 0;
        subject_say("zero %d rest %d", zero == (int)(8 * PAGE), subject_is(p, 8 * PAGE, 5));
        subject_say("willneed %d", error(madvise(p, 32 * PAGE, MADV_WILLNEED)));
        subject_say("sequential %d", error(madvise(p, 32 * PAGE, MADV_SEQUENTIAL)));
        subject_say("hugepage %d", error(madvise(p, 32 * PAGE, MADV_HUGEPAGE)));
        subject_say("nonsense %d", error(madvise(p, 32 * PAGE, 12345)));
        subject_cold(p, 32 * PAGE);
        subject_say("still there %d", subject_is(p, 8 * PAGE, 5));
        subject_say("msync %d", error(msync(p, 32 * PAGE, MS_SYNC)));
        subject_say("mlock %d", error(mlock(p + 16 * PAGE, 4 * PAGE)));
        subject_say("mincore %d", error(mincore(p + 16 * PAGE, 4 * PAGE, v)));
        subject_say("locked are in core %d", (v[0] & 1) && (v[3] & 1));
        subject_say("munlock %d", error(munlock(p + 16 * PAGE, 4 * PAGE)));
        munmap(p + 4 * PAGE, PAGE);
        subject_say("holes: madvise %d", error(madvise(p, 32 * PAGE, MADV_DONTNEED)));
        subject_say("holes: mincore %d", error(mincore(p, 32 * PAGE, v)));
        subject_say("holes: msync %d", error(msync(p, 32 * PAGE, MS_ASYNC)));
        return 0;
}

static int run_break(void)
{
        char *first = sbrk(0), *p;

        p = sbrk(100 * (intptr_t)PAGE);
        subject_say("grown from %d", p == first);
        subject_fill((void *)(((uintptr_t)p + 15) & ~(uintptr_t)15), 99 * PAGE, 6);
        subject_say("same %d", subject_is((void *)(((uintptr_t)p + 15) & ~(uintptr_t)15),
                                          99 * PAGE, 6));
        p = sbrk(-50 * (intptr_t)PAGE);
        subject_say("shrunk %d", (char *)sbrk(0) == first + 50 * PAGE);
        p = sbrk(50 * (intptr_t)PAGE);
        subject_say("zero again %d", p[PAGE] == 0 && p[49 * PAGE] == 0);
        subject_say("nonsense %d", brk((void *)PAGE) == -1);
        subject_say("far too much %d", sbrk((intptr_t)1 << 46) == (void *)-1);
        char *large = malloc(300000);
        memset(large, 1, 300000);
        large = realloc(large, 30000000);
        subject_say("realloc %d", large[299999]);
        memset(large, 2, 30000000);
        free(large);
        return 0;
}

/* Code that a program makes as it runs: mov eax, imm; ret. */
static int run_code(void)
{
        unsigned char code[] = { 0xb8, 0, 0, 0, 0, 0xc3 };
        char *p = subject_map(64 * PAGE);
        int sum = 0;

        subject_fill(p, 64 * PAGE, 7);
        for (int i = 0; i < 8; i++) {
                code[1] = (unsigned char)(i + 1);
                memcpy(p + (size_t)(16 + i) * PAGE, code, sizeof(code));
        }
        subject_say("executable %d", error(mprotect(p + 16 * PAGE, 8 * PAGE,
                                                    PROT_READ | PROT_EXEC)));
        for (int i = 0; i < 8; i++) {
                int (*f)(void);
                void *at = p + (size_t)(16 + i) * PAGE;
                memcpy(&f, &at, sizeof(f));
                sum += f();
        }
        subject_say("sum %d before %d", sum, subject_is(p, 16 * PAGE, 7));
        subject_say("writable %d", error(mprotect(p + 16 * PAGE, 8 * PAGE, RW)));
        p[16 * PAGE + 1] = 55;
        subject_say("again %d", error(mprotect(p + 16 * PAGE, 8 * PAGE, PROT_READ | PROT_EXEC)));
        int (*f)(void);
        void *at = p + 16 * PAGE;
        memcpy(&f, &at, sizeof(f));
        subject_say("changed %d", f());
        subject_say("unmap %d", error(munmap(p, 64 * PAGE)));
        subject_say("mapped %d", mapped(p + 16 * PAGE));
        return 0;
}

/* More than the budget, and every byte of it again. */
static int run_large(void)
{
        char *p = subject_map(2 * SUBJECT_LARGE);
        int good = 0;

        for (uint64_t round = 0; round < 3; round++) {
                subject_fill(p, 2 * SUBJECT_LARGE, round);
                good += subject_is(p, 2 * SUBJECT_LARGE, round);
        }
        subject_say("good %d", good);
        return 0;
}

const struct subject_case subject_memory[] = {
        { "memory-map", run_map },       { "memory-fixed", run_fixed },
        { "memory-protect", run_protect }, { "memory-remap", run_remap },
        { "memory-advice", run_advice }, { "memory-break", run_break },
        { "memory-code", run_code },     { "memory-large", run_large },
        { NULL, NULL },
};
