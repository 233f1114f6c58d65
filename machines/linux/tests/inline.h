/*
 * inline.h - does ThreadSanitizer watch a test, and so, can it resolve faults inline, in
 * signal handlers?
 */
#ifndef MACHINES_LINUX_TESTS_INLINE_H
#define MACHINES_LINUX_TESTS_INLINE_H
#include <stdbool.h>

static inline bool is_thread_sanitized(void)
{
#if defined(__SANITIZE_THREAD__)
        return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
        return true;
#endif
#endif
        return false;
}

static inline bool can_inline(void)
{
        return !is_thread_sanitized();   /* it keeps signals back until a system call */
}

#endif
