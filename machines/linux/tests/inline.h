/*
 * inline.h - can a test resolve faults inline, in signal handlers?
 */
#ifndef MACHINES_LINUX_TESTS_INLINE_H
#define MACHINES_LINUX_TESTS_INLINE_H
#include <stdbool.h>

static inline bool can_inline(void)
{
#if defined(__SANITIZE_THREAD__)
        return false;            /* the tool keeps signals back until a system call */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
        return false;
#endif
#endif
        return true;
}

#endif
