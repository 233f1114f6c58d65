/*
 * subject.c - the program that is run plain and under the agent: picks a case
 * by name.  `--list' names them all.
 */
#include "subject.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static const struct subject_case *const groups[] = {
        subject_signals, subject_faults, subject_threads, subject_processes, subject_memory,
        subject_calls,
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

void subject_say(const char *format, ...)
{
        char line[512];
        va_list args;

        va_start(args, format);
        int n = vsnprintf(line, sizeof(line) - 1, format, args);
        va_end(args);
        line[n] = '\n';
        if (write(1, line, (size_t)n + 1) < 0)
                _exit(99);
}

void *subject_map(size_t bytes)
{
        void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED) {
                subject_say("mmap failed");
                _exit(98);
        }
        return p;
}

void *subject_cold(void *p, size_t bytes)
{
        uintptr_t first = (uintptr_t)p & ~(uintptr_t)4095;
        uintptr_t end = ((uintptr_t)p + bytes + 4095) & ~(uintptr_t)4095;

        (void)madvise((void *)first, end - first, MADV_PAGEOUT);
        return p;
}

static uint64_t mix(uint64_t z)
{
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

void subject_fill(void *p, size_t bytes, uint64_t seed)
{
        uint64_t *word = p;

        for (size_t i = 0; i < bytes / 8; i++)
                word[i] = mix(seed + i);
}

bool subject_is(const void *p, size_t bytes, uint64_t seed)
{
        const uint64_t *word = p;

        for (size_t i = 0; i < bytes / 8; i++)
                if (word[i] != mix(seed + i))
                        return false;
        return true;
}

void subject_wait(const char *what, int pid)
{
        int status;

        if (waitpid(pid, &status, 0) != pid)
                subject_say("%s: no such child", what);
        else if (WIFEXITED(status))
                subject_say("%s: exit %d", what, WEXITSTATUS(status));
        else
                subject_say("%s: signal %d", what, WTERMSIG(status));
}

int main(int argc, char **argv)
{
        for (size_t g = 0; g < GROUPS; g++)
                for (const struct subject_case *c = groups[g]; c->name; c++) {
                        if (argc > 1 && !strcmp(argv[1], "--list"))
                                printf("%s\n", c->name);
                        else if (argc > 1 && !strcmp(argv[1], c->name))
                                return c->run();
                }
        return 0;
}
