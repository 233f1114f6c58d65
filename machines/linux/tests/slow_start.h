/*
 * slow_start.h - threads that are slow to start, when a test says so: has whoever starts
 * them waited?
 */
#ifndef MACHINES_LINUX_TESTS_SLOW_START_H
#define MACHINES_LINUX_TESTS_SLOW_START_H
#include "test.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct start {
        void *(*run)(void *);
        void *argument;
};
static bool starts_slowly;
static atomic_uint starting, threads;        /* so many have not begun; were started */

static void *start_slowly(void *argument)
{
        struct start s = *(struct start *)argument;

        free(argument);
        (void)usleep(300000);
        (void)atomic_fetch_sub(&starting, 1);
        return s.run(s.argument);
}

/* In the place of the C library's (or the sanitizer's), which it calls. */
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict argument)
{
        union {
                void *symbol;
                int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
        } real = { .symbol = dlsym(RTLD_NEXT, "pthread_create") };
        struct start *s;

        if (!starts_slowly)
                return real.create(thread, attributes, run, argument);
        s = malloc(sizeof(*s));
        REQUIRE(s);
        *s = (struct start){ run, argument };
        (void)atomic_fetch_add(&threads, 1);
        (void)atomic_fetch_add(&starting, 1);
        return real.create(thread, attributes, start_slowly, s);
}

#endif
