/*
 * pattern.c - which page comes next, what is on it, and the clock.
 *
 * Zipf draws are by rejection-inversion (Hoermann and Derflinger 1996) with an
 * exponent of 0.99: no table, so nothing of the budget goes to the benchmark.
 * The ranks are scattered over the pages by a permutation, so that popular
 * pages are not neighbours.
 */
#include "bench.h"
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPONENT 0.99

uint64_t quire_bench_clock(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double quire_bench_clock_cost(void)
{
        double best = 1e9;
        for (int i = 0; i < 20; i++) {
                uint64_t start = quire_bench_clock(), end = start;
                for (int k = 0; k < 1000; k++)
                        end = quire_bench_clock();
                double each = (double)(end - start) / 1000;
                if (each < best)
                        best = each;
        }
        return best;
}

static uint64_t next_random(uint64_t *seed)
{
        uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return x ^ x >> 31;
}

uint32_t quire_bench_shuffled(uint32_t index, uint64_t pages)
{
        /* Odd factors and shifted sums are invertible modulo a power of two. */
        uint32_t mask = (uint32_t)pages - 1;
        unsigned half = (unsigned)__builtin_ctzll(pages) / 2;
        for (int i = 0; i < 3; i++) {
                index = (index * UINT32_C(0x9e3779b1) + 0x7f4a7c15u) & mask;
                index ^= index >> half;
        }
        return index;
}

/* The integral of x^-s, and its inverse. */
static double integral(double x)
{
        return (pow(x, 1 - EXPONENT) - 1) / (1 - EXPONENT);
}

static double inverse(double x)
{
        return pow(1 + x * (1 - EXPONENT), 1 / (1 - EXPONENT));
}

void quire_bench_walk_open(struct walk *walk, int pattern, uint64_t pages, uint64_t seed)
{
        memset(walk, 0, sizeof *walk);
        walk->pattern = pattern;
        walk->pages = pages;
        walk->seed = seed;
        walk->first = integral(1.5) - 1;
        walk->last = integral((double)pages + 0.5);
        walk->accept = 2 - inverse(integral(2.5) - pow(2, -EXPONENT));
}

static uint32_t draw_rank(struct walk *walk)
{
        for (;;) {
                double unit = (double)(next_random(&walk->seed) >> 11) * 0x1p-53;
                double u = walk->last + unit * (walk->first - walk->last);
                double x = inverse(u);
                double rank = floor(x + 0.5);
                if (rank < 1)
                        rank = 1;
                if (rank > (double)walk->pages)
                        rank = (double)walk->pages;
                if (rank - x <= walk->accept || u >= integral(rank + 0.5) - pow(rank, -EXPONENT))
                        return (uint32_t)rank - 1;
        }
}

void quire_bench_walk_next(struct walk *walk, uint32_t *out, unsigned count)
{
        for (unsigned i = 0; i < count; i++) {
                if (walk->pattern == PATTERN_SEQUENTIAL)
                        out[i] = (uint32_t)(walk->cursor++ % walk->pages);
                else if (walk->pattern == PATTERN_ZIPF)
                        out[i] = quire_bench_shuffled(draw_rank(walk), walk->pages);
                else
                        out[i] = (uint32_t)(next_random(&walk->seed) % walk->pages);
        }
}

uint64_t quire_bench_page_tag(uint64_t index)
{
        return next_random(&index) | 1;
}

void quire_bench_page_fill(void *page, uint64_t index, enum grain grain)
{
        uint64_t *word = page, seed = index;
        unsigned words = BENCH_PAGE / sizeof *word;
        unsigned noise = grain == GRAIN_HALF ? words / 2 : words;
        for (unsigned i = 0; i < noise; i++)
                word[i] = next_random(&seed);
        memset(word + noise, 0, (words - noise) * sizeof *word);
        word[0] = quire_bench_page_tag(index);
        word[1] = 0;
}

#define PIECE 128u              /* pages */

/* The median over pieces short enough that most of them are not preempted, however
 * busy the machine. */
double quire_bench_touch(uint8_t *base, uint64_t pages, bool shuffled, bool write)
{
        double took[BENCH_ROUNDS];
        unsigned pieces = (unsigned)(pages / PIECE);
        for (uint32_t piece = 0; piece < pieces && piece < BENCH_ROUNDS; piece++) {
                usleep(200);
                uint64_t start = quire_bench_clock();
                for (uint32_t i = piece * PIECE; i < (piece + 1) * PIECE; i++) {
                        uint64_t page = shuffled ? quire_bench_shuffled(i, pages) : i;
                        volatile uint8_t *at = base + page * BENCH_PAGE + 64;
                        if (write)
                                *at = (uint8_t)(i | 1);
                        else
                                (void)*at;
                }
                took[piece] = (double)(quire_bench_clock() - start) / PIECE;
        }
        return quire_bench_median(took, pieces < BENCH_ROUNDS ? pieces : BENCH_ROUNDS);
}
