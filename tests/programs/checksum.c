/*
 * checksum.c - a program with threads that writes and checks at once, to be run
 * under `quire run'.  It knows nothing of Quire.
 *
 * usage: checksum MEGABYTES ROUNDS THREADS SEED
 *
 * Two halves of memory.  In each round half of the threads fill one, block by
 * block, while the others read back what the round before left in the other,
 * and besides change single words here and there and put them right again.
 * Then the halves change roles.  The blocks are a mix of few big allocations and
 * many small ones.  Standard output depends on nothing but the arguments; a
 * word that reads otherwise than it was written ends the program with status 1.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_WORDS = 8192, CHUNK_WORDS = 96 };

struct half {
        uint64_t **block;             /* every other one is a row of chunks, chained by word 0 */
        size_t blocks;
};
static struct half half[2];
static size_t threads, rounds;
static uint64_t seed;
static pthread_barrier_t barrier;
static uint64_t *sums;                /* of each thread, of the present round */

static uint64_t draw(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

static uint64_t stream_of(size_t round, size_t index)
{
        return seed ^ (uint64_t)round << 40 ^ (uint64_t)index << 8;
}

static void *get(size_t bytes)
{
        void *p = malloc(bytes);

        if (!p) {
                fprintf(stderr, "checksum: out of memory\n");
                exit(3);
        }
        return p;
}

/* Word w of a block: in the row itself, or in the chunk that holds it. */
static void make_block(struct half *h, size_t index)
{
        uint64_t *first = NULL, **link = &first;

        if (index % 2 == 0) {
                h->block[index] = get(BLOCK_WORDS * sizeof(uint64_t));
                return;
        }
        for (size_t w = 0; w < BLOCK_WORDS; w += CHUNK_WORDS) {
                uint64_t *chunk = get((CHUNK_WORDS + 1) * sizeof(uint64_t));

                chunk[0] = 0;
                *link = chunk;
                link = (uint64_t **)(void *)chunk;
        }
        h->block[index] = first;
}

/* Write the block (the same words come from the same state), or check and sum it. */
static uint64_t pass(struct half *h, size_t index, uint64_t state, int writes)
{
        uint64_t sum = 0, *p = h->block[index];
        size_t chunked = index % 2, left = chunked ? CHUNK_WORDS : BLOCK_WORDS, i = chunked;

        for (size_t w = 0; w < BLOCK_WORDS; w++, i++, left--) {
                uint64_t value = draw(&state);

                if (!left) {
                        p = *(uint64_t **)(void *)p;
                        i = 1;
                        left = CHUNK_WORDS;
                }
                if (writes) {
                        p[i] = value;
                } else if (p[i] != value) {
                        fprintf(stderr, "checksum: block %zu, word %zu: %#llx instead of %#llx\n",
                                index, w, (unsigned long long)p[i], (unsigned long long)value);
                        exit(1);
                }
                sum = (sum << 5 | sum >> 59) ^ value;
        }
        return sum;
}

/* Change words of the thread's own blocks in any order, and put them right. */
static void stir(struct half *h, size_t self, size_t of, uint64_t state)
{
        for (int n = 0; n < 2000; n++) {
                size_t index = draw(&state) % h->blocks;
                uint64_t *word, old;

                index -= index % of;
                index += self;
                if (index >= h->blocks)
                        continue;
                word = h->block[index] + 1 + draw(&state) % (CHUNK_WORDS - 1);
                old = *word;
                *word = ~old;
                *word = ~*word;
        }
}

static void *work(void *argument)
{
        size_t self = (size_t)(uintptr_t)argument, half_of = threads / 2, mine = self % half_of;
        int writes = self < half_of;

        for (size_t round = 0; round < rounds; round++) {
                struct half *h = &half[writes ? round % 2 : (round + 1) % 2];
                uint64_t sum = 0;

                if (!writes && round > 0)
                        stir(h, mine, half_of, stream_of(round, mine));
                for (size_t i = mine; i < h->blocks && (writes || round > 0); i += half_of)
                        sum += pass(h, i, stream_of(writes ? round : round - 1, i), writes);
                sums[self] = sum;
                pthread_barrier_wait(&barrier);
                if (self == 0) {
                        uint64_t all[2] = { 0, 0 };

                        for (size_t t = 0; t < threads; t++)
                                all[t >= half_of] += sums[t];
                        printf("round %zu: wrote %016llx, read %016llx\n", round,
                               (unsigned long long)all[0], (unsigned long long)all[1]);
                }
                pthread_barrier_wait(&barrier);
        }
        return NULL;
}

int main(int argc, char **argv)
{
        pthread_t *thread;

        if (argc != 5 || (threads = strtoul(argv[3], NULL, 10)) < 2 || threads % 2) {
                fprintf(stderr, "usage: checksum MEGABYTES ROUNDS THREADS(even) SEED\n");
                return 2;
        }
        rounds = strtoul(argv[2], NULL, 10);
        seed = strtoull(argv[4], NULL, 10);
        for (int i = 0; i < 2; i++) {
                half[i].blocks = strtoul(argv[1], NULL, 10) * 8;      /* of 64 KiB, in each half */
                half[i].block = get(half[i].blocks * sizeof *half[i].block);
                for (size_t b = 0; b < half[i].blocks; b++)
                        make_block(&half[i], b);
        }
        sums = get(threads * sizeof *sums);
        thread = get(threads * sizeof *thread);
        pthread_barrier_init(&barrier, NULL, (unsigned)threads);
        for (size_t t = 0; t < threads; t++)
                if (pthread_create(&thread[t], NULL, work, (void *)(uintptr_t)t))
                        return 3;
        for (size_t t = 0; t < threads; t++)
                pthread_join(thread[t], NULL);
        return 0;
}
