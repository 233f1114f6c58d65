/*
 * producer.c - two processes, a producer and a consumer, over memory that one grants
 * to the other.
 *
 *     producer [MIB]                            64 MiB through a ring of 1 MiB, by default
 *
 * The producer opens the ring and sends it over a socket with the right to read; nothing
 * that the consumer does can write to it.  How far each of them is stands in a second
 * object, one page, which both may write:
 *
 *      ring    [ . . . taken ####### made . . . ]     producer RW, consumer R
 *      ends    { made, taken }                        both RW
 *
 * Rights with W are sent before rights without, and so the ends go first.
 *
 * The processes part before Quire is opened, so that each has its own.
 */
#include <inttypes.h>
#include <quire/share.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define RING ((uint64_t)1 << 20)
#define WORDS (RING / 8)

struct ends {
        atomic_uint_fast64_t made, taken;      /* words, since the beginning */
};

static struct quire_process *process;

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

static void *map(struct quire_grant *grant, uint64_t bytes, unsigned access)
{
        const struct quire_request request = { .bytes = bytes, .grant = grant, .access = access };
        uint64_t va;

        must(quire_region_reserve(quire_process_space(process), &request, &va), "map");
        return (void *)(uintptr_t)va;
}

static struct quire_grant *make(uint64_t bytes)
{
        const struct quire_object_request request = { .bytes = bytes, .flags = QUIRE_HOSTED };
        struct quire_grant *grant;

        must(quire_object_open(quire_process_system(process), &request, &grant), "object");
        return grant;
}

static uint64_t word(uint64_t n)
{
        return n * 0x9e3779b97f4a7c15u;
}

static void produce(int socket, uint64_t words)
{
        struct quire_grant *ring, *ends;
        uint64_t *data;
        struct ends *end;

        open_quire();
        ring = make(RING);
        ends = make(PAGE);
        must(quire_grant_send(process, socket, ends, QUIRE_R | QUIRE_W), "send the ends");
        must(quire_grant_send(process, socket, ring, QUIRE_R), "send the ring");
        data = map(ring, RING, QUIRE_R | QUIRE_W);
        end = map(ends, PAGE, QUIRE_R | QUIRE_W);
        for (uint64_t n = 0; n < words; n++) {
                while (n - atomic_load_explicit(&end->taken, memory_order_acquire) == WORDS)
                        sched_yield();
                data[n % WORDS] = word(n);
                atomic_store_explicit(&end->made, n + 1, memory_order_release);
        }
}

/* Returns how many words were wrong. */
static uint64_t consume(int socket, uint64_t words)
{
        struct quire_grant *ring, *ends, *wider;
        const uint64_t *data;
        struct ends *end;
        uint64_t wrong = 0;

        open_quire();
        must(quire_grant_receive(process, socket, QUIRE_PATIENCE, &ends), "receive the ends");
        must(quire_grant_receive(process, socket, QUIRE_PATIENCE, &ring), "receive the ring");
        printf("consumer  may %s the ring\n",
               quire_grant_narrow(ring, QUIRE_W, &wider) == QUIRE_DENIED ? "not write" : "write");
        data = map(ring, RING, QUIRE_R);
        end = map(ends, PAGE, QUIRE_R | QUIRE_W);
        for (uint64_t n = 0; n < words; n++) {
                while (atomic_load_explicit(&end->made, memory_order_acquire) == n)
                        sched_yield();
                wrong += data[n % WORDS] != word(n);
                atomic_store_explicit(&end->taken, n + 1, memory_order_release);
        }
        return wrong;
}

int main(int argc, char **argv)
{
        uint64_t words = (argc > 1 ? strtoull(argv[1], NULL, 10) : 64) << 17;
        int sockets[2], status;
        pid_t child;

        if (!words || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
                return fprintf(stderr, "usage: producer [MIB]\n"), 2;
        child = fork();
        if (!child) {
                uint64_t wrong = consume(sockets[1], words);

                printf("consumed  %" PRIu64 " MiB, %" PRIu64 " words wrong\n", words >> 17, wrong);
                fflush(stdout);
                quire_process_close(process);
                _exit(wrong != 0);
        }
        produce(sockets[0], words);
        if (waitpid(child, &status, 0) != child || status)
                return fprintf(stderr, "the consumer failed\n"), 1;
        quire_process_close(process);
        return 0;
}
