/*
 * elsewhere.h - addresses where nothing is, and nothing comes unasked.
 */
#ifndef MACHINES_LINUX_TESTS_ELSEWHERE_H
#define MACHINES_LINUX_TESTS_ELSEWHERE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* So many pages below the arenas, as far as may be (a sanitizer may not let us go so far)
 * from where the kernel puts what others map meanwhile; not where it was the last time.
 * 0: no address space. */
static inline uint64_t find_elsewhere(uint64_t pages)
{
        static uint64_t turn;
        uint64_t bytes = pages * 4096;
        char *high = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at = high;

        if (high == MAP_FAILED || munmap(high, bytes))
                return 0;
        for (unsigned tries = 0; tries < 5 * 16; tries++) {
                char *want = high - ((uint64_t)4 << 40 >> tries / 16) - (++turn << 30);

                at = mmap(want, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (at == MAP_FAILED || munmap(at, bytes))
                        return 0;
                if (at == want)
                        break;
        }
        return (uint64_t)(uintptr_t)at;
}

#endif
