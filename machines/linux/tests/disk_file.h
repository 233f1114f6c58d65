/*
 * disk_file.h - a file on a disk whose bytes are known, and accesses that may be denied.
 *
 * Of one thread: signals are caught for whoever asked last.
 */
#ifndef MACHINES_LINUX_TESTS_DISK_FILE_H
#define MACHINES_LINUX_TESTS_DISK_FILE_H
#include "test.h"
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The byte there, as it is at first (version 0), and after it was changed so often. */
static inline uint8_t byte_of(uint64_t at, unsigned version)
{
        return (uint8_t)((at * 0x9e3779b97f4a7c15u >> 40) + version * 13 + (at >> 12));
}

/* A new file of so many bytes; where it is, is written to path. */
static inline int disk_file(char path[64], uint64_t bytes)
{
        uint8_t *contents = malloc(bytes);
        int fd;

        REQUIRE(contents);
        for (uint64_t i = 0; i < bytes; i++)
                contents[i] = byte_of(i, 0);
        (void)snprintf(path, 64, "/tmp/quire-file-test-XXXXXX");
        fd = mkstemp(path);
        REQUIRE(fd >= 0);
        for (uint64_t at = 0; at < bytes;) {
                ssize_t n = pwrite(fd, contents + at, bytes - at, (off_t)at);
                REQUIRE(n > 0);
                at += (uint64_t)n;
        }
        free(contents);
        return fd;
}

static sigjmp_buf denied_back;
static volatile int denied_by;

static inline void on_denied(int sig)
{
        denied_by = sig;
        siglongjmp(denied_back, 1);
}

/* From now on denied accesses come back to signal_of(). */
static inline void catch_denied(void)
{
        struct sigaction heard = { .sa_handler = on_denied };

        (void)sigaction(SIGBUS, &heard, NULL);
        (void)sigaction(SIGSEGV, &heard, NULL);
}

/* What reading (writing) there raises; 0: nothing.  (Others may read there meanwhile: that is
 * what such an access is made for, and no race of the test's.) */
__attribute__((noinline, unused, no_sanitize("thread")))
static int signal_of(volatile uint8_t *at, bool write)
{
        denied_by = 0;
        if (!sigsetjmp(denied_back, 1)) {
                if (write)
                        *at = 1;
                else
                        (void)*at;
        }
        return denied_by;
}

#endif
