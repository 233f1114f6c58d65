/*
 * fanout.c - one data set, many workers, and the memory that it really costs.
 *
 *     fanout [MIB [WORKERS]]                    100 MiB for 20 workers, by default
 *
 * Each worker is a process that maps the whole set copy-on-write: it reads all of it and
 * changes every hundredth page as it likes, which nobody else sees.  The set is in memory
 * once; a worker costs the pages that it changed.
 *
 *      data set     [ 0 1 2 3 4 5 ... ]
 *      worker 1     [ 0 1 2 X 4 5 ... ]         X: its own, all else the set's
 *      worker 2     [ Y 1 2 3 4 5 ... ]
 */
#include <inttypes.h>
#include <quire/share.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define EVERY 100u                   /* page that a worker changes */
#define MOST 64u

static struct quire_process *process;
static uint64_t pages;

static void must(enum quire_status st, const char *what)
{
        if (st == QUIRE_OK)
                return;
        fprintf(stderr, "%s: %s (%s)\n", what, quire_status_name(st), quire_process_problem());
        exit(1);
}

static void open_quire(void)
{
        const struct quire_process_options options = { .memory = 16u << 20 };

        must(quire_process_open(&options, &process), "open");
}

static uint64_t *map(struct quire_grant *grant, unsigned flags)
{
        const struct quire_request request = { .bytes = pages * PAGE, .grant = grant,
                                               .flags = flags, .access = QUIRE_R | QUIRE_W };
        uint64_t va;

        must(quire_region_reserve(quire_process_space(process), &request, &va), "map");
        return (uint64_t *)(uintptr_t)va;
}

/* KiB of its own that the kernel counts for this process at the address. */
static uint64_t own_kib(uint64_t va)
{
        FILE *file = fopen("/proc/self/smaps", "r");
        uint64_t first, end, kib, sum = 0;
        bool inside = false;
        char line[512];

        while (file && fgets(line, sizeof(line), file)) {
                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &first, &end) == 2)
                        inside = first >= va && end <= va + pages * PAGE;
                else if (inside && sscanf(line, "Anonymous: %" SCNu64 " kB", &kib) == 1)
                        sum += kib;
        }
        if (file)
                fclose(file);
        return sum;
}

/* What a worker has to tell. */
struct result {
        uint64_t sum, kib;
};

static struct result work(int socket, uint64_t number)
{
        struct result result = { 0 };
        struct quire_grant *grant;
        uint64_t *data;

        open_quire();
        must(quire_grant_receive(process, socket, QUIRE_PATIENCE, &grant), "receive");
        data = map(grant, QUIRE_COPY);
        for (uint64_t i = number % EVERY; i < pages; i += EVERY)
                data[i * PAGE / 8] = 0;
        for (uint64_t i = 0; i < pages; i++)
                result.sum += data[i * PAGE / 8];
        result.kib = own_kib((uint64_t)(uintptr_t)data);
        return result;
}

/* What the worker must find: all but the pages that it changed. */
static uint64_t expected(uint64_t number)
{
        uint64_t sum = 0;

        for (uint64_t i = 0; i < pages; i++)
                sum += i % EVERY == number % EVERY ? 0 : i + 1;
        return sum;
}

int main(int argc, char **argv)
{
        uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
        uint64_t workers = argc > 2 ? strtoull(argv[2], NULL, 10) : 20, kib = 0, wrong = 0;
        struct quire_object_request request = { .flags = QUIRE_HOSTED };
        struct quire_grant *grant;
        int end[MOST][2];
        uint64_t *data;

        if (!mib || !workers || workers > MOST)
                return fprintf(stderr, "usage: fanout [MIB [WORKERS]]\n"), 2;
        pages = (mib << 20) / PAGE;
        for (uint64_t i = 0; i < workers; i++) {         /* before Quire is opened here */
                if (socketpair(AF_UNIX, SOCK_STREAM, 0, end[i]))
                        return perror("socketpair"), 1;
                if (fork())
                        continue;
                struct result result = work(end[i][1], i);
                if (write(end[i][1], &result, sizeof(result)) != sizeof(result))
                        _exit(1);
                quire_process_close(process);
                _exit(0);
        }
        open_quire();
        request.bytes = pages * PAGE;
        must(quire_object_open(quire_process_system(process), &request, &grant), "object");
        data = map(grant, 0);
        for (uint64_t i = 0; i < pages; i++)
                data[i * PAGE / 8] = i + 1;
        for (uint64_t i = 0; i < workers; i++)
                must(quire_grant_send(process, end[i][0], grant, QUIRE_R), "send");
        for (uint64_t i = 0; i < workers; i++) {
                struct result result = { 0 };

                if (recv(end[i][0], &result, sizeof(result), MSG_WAITALL) != sizeof(result))
                        return fprintf(stderr, "a worker failed\n"), 1;
                kib += result.kib;
                wrong += result.sum != expected(i);
        }
        while (wait(NULL) > 0)
                ;
        for (uint64_t i = 0; i < pages; i++)
                wrong += data[i * PAGE / 8] != i + 1;
        printf("data set  %" PRIu64 " MiB, once\n", mib);
        printf("workers   %" PRIu64 ", with %.1f MiB of their own together\n", workers,
               (double)kib / 1024);
        printf("in all    %.1f MiB; copies would have taken %" PRIu64 " MiB\n",
               (double)mib + (double)kib / 1024, mib * (workers + 1));
        printf("wrong     %" PRIu64 "\n", wrong);
        quire_grant_close(grant);
        quire_process_close(process);
        return wrong != 0;
}
