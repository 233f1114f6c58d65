/*
 * checkpoint.c - save only what changed since the last time.
 *
 *     checkpoint FILE [MIB [ROUNDS]]      32 MiB of state, 5 rounds, by default
 *
 * The state lies in a watched region.  After each round of changes the file is
 * brought up to date with the pages that were written meanwhile, and with no
 * others.  In the end the file is read back and compared.
 *
 * The state is larger than the budget, so pages of it may be absent when
 * pwrite() wants them, and a system call cannot fault the way that an
 * instruction can.  quire_region_hold() brings them in and keeps them there.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <quire/process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUDGET ((uint64_t)8 << 20)
enum { BATCH = 256 };

static uint64_t page;

static void need(bool good, const char *what)
{
        if (good)
                return;
        fprintf(stderr, "checkpoint: %s\n", what);
        exit(1);
}

static uint64_t open_state(struct quire_space *space, uint64_t bytes)
{
        struct quire_request request = { .bytes = bytes, .flags = QUIRE_WATCHED };
        uint64_t va;

        need(!quire_region_reserve(space, &request, &va), "reserve");
        need(!quire_region_commit(space, va, bytes, QUIRE_R | QUIRE_W), "commit");
        return va;
}

/* Write the pages at va into the file, at `offset'. */
static void save_pages(struct quire_space *space, int fd, uint64_t va, uint64_t bytes,
                       uint64_t offset)
{
        while (bytes) {
                uint64_t held;

                need(!quire_region_hold(space, va, bytes, QUIRE_R, &held), "hold");
                need(pwrite(fd, (void *)va, held, (off_t)offset) == (ssize_t)held, "write");
                quire_region_unhold(space, va, held);
                va += held;
                offset += held;
                bytes -= held;
        }
}

/* Bring the file up to date; returns how many pages that took. */
static uint64_t save(struct quire_space *space, int fd, uint64_t va, uint64_t bytes)
{
        uint64_t written[BATCH], count, total = 0, at = va;

        do {
                count = BATCH;
                /* Reset before the pages are read: what is written after this
                 * is marked again, and is saved the next time. */
                need(!quire_watch_get(space, at, va + bytes - at, true, written, &count), "watch");
                for (uint64_t i = 0, n; i < count; i += n) {
                        for (n = 1; i + n < count && written[i + n] == written[i] + n * page; n++)
                                ;
                        save_pages(space, fd, written[i], n * page, written[i] - va);
                }
                total += count;
                if (count)
                        at = written[count - 1] + page;
        } while (count == BATCH && at < va + bytes);
        return total;
}

/* Change some words; returns how many pages they lie in. */
static uint64_t change(uint64_t *state, uint64_t words, uint64_t round, unsigned char *touched)
{
        uint64_t per_page = page / sizeof(*state), pages = 0;

        memset(touched, 0, words / per_page);
        for (uint64_t i = 0; i < words / per_page / 16 + 1; i++) {
                uint64_t at = (i * i * 7919 + round * 104729) % words;

                state[at] += round + i;
                pages += !touched[at / per_page];
                touched[at / per_page] = 1;
        }
        return pages;
}

/* How many words of the file are not what the state is. */
static uint64_t compare(int fd, const uint64_t *state, uint64_t words)
{
        static uint64_t buffer[1 << 13];     /* ordinary memory: read() needs no hold here */
        uint64_t wrong = 0, n = sizeof(buffer) / sizeof(*buffer);

        for (uint64_t at = 0; at < words; at += n) {
                need(pread(fd, buffer, sizeof(buffer), (off_t)(at * sizeof(*state))) ==
                     (ssize_t)sizeof(buffer), "read");
                for (uint64_t i = 0; i < n; i++)
                        wrong += buffer[i] != state[at + i];
        }
        return wrong;
}

int main(int argc, char **argv)
{
        uint64_t bytes = (uint64_t)(argc > 2 ? atoi(argv[2]) : 32) << 20;
        uint64_t rounds = (uint64_t)(argc > 3 ? atoi(argv[3]) : 5);
        struct quire_process_options options = { .memory = BUDGET };
        struct quire_process *process;
        struct quire_space *space;
        unsigned char *touched;
        uint64_t va, wrong;
        int fd;

        need(argc > 1 && bytes, "usage: checkpoint FILE [MIB [ROUNDS]]");
        need(!quire_process_open(&options, &process), quire_process_problem());
        space = quire_process_space(process);
        page = quire_system_page(quire_process_system(process));
        touched = malloc(bytes / page);
        fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0666);
        need(touched && fd >= 0 && !ftruncate(fd, (off_t)bytes), argv[1]);

        va = open_state(space, bytes);
        for (uint64_t round = 1; round <= rounds; round++) {
                uint64_t changed = change((uint64_t *)va, bytes / 8, round, touched);
                uint64_t saved = save(space, fd, va, bytes);

                printf("round %" PRIu64 ": %" PRIu64 " of %" PRIu64 " pages changed, %" PRIu64
                       " saved\n", round, changed, bytes / page, saved);
        }
        wrong = compare(fd, (const uint64_t *)va, bytes / 8);
        printf("restored: %" PRIu64 " words differ\n", wrong);
        quire_process_close(process);
        free(touched);
        return close(fd) || wrong;
}
