/*
 * bits.h - a bit map with a summary, for finding a set bit at once in maps of
 * millions.
 *
 * word[i] holds bits 64i..64i+63; bit i of sum[] says that word[i] is not
 * zero.  The caller's lock guards both.
 */
#ifndef QUIRE_LINUX_BITS_H
#define QUIRE_LINUX_BITS_H
#include <stdbool.h>
#include <stdint.h>

#define BITS_NONE UINT32_MAX

struct bits {
        uint64_t *word;
        uint64_t *sum;
        uint32_t count;          /* of bits; a multiple of 64 */
};

static inline bool bits_test(const struct bits *b, uint32_t i)
{
        return b->word[i / 64] >> (i % 64) & 1;
}

static inline void bits_set(struct bits *b, uint32_t i)
{
        b->word[i / 64] |= 1ull << (i % 64);
        b->sum[i / 4096] |= 1ull << (i / 64 % 64);
}

static inline void bits_clear(struct bits *b, uint32_t i)
{
        b->word[i / 64] &= ~(1ull << (i % 64));
        if (!b->word[i / 64])
                b->sum[i / 4096] &= ~(1ull << (i / 64 % 64));
}

/* The first set bit at or after `from', or BITS_NONE. */
static inline uint32_t bits_next(const struct bits *b, uint32_t from)
{
        if (from >= b->count)
                return BITS_NONE;
        uint64_t rest = b->word[from / 64] >> (from % 64);
        if (rest)
                return from + (uint32_t)__builtin_ctzll(rest);
        uint32_t words = b->count / 64;
        uint32_t w = from / 64 + 1;
        while (w < words) {
                uint64_t sums = b->sum[w / 64] >> (w % 64);
                if (sums) {
                        w += (uint32_t)__builtin_ctzll(sums);
                        return w * 64 + (uint32_t)__builtin_ctzll(b->word[w]);
                }
                w = (w / 64 + 1) * 64;
        }
        return BITS_NONE;
}

/* How many bits from `from' on are set, at most `most'. */
static inline uint32_t bits_run(const struct bits *b, uint32_t from, uint32_t most)
{
        uint32_t n = 0;

        while (n < most && from + n < b->count) {
                uint32_t at = (from + n) % 64;
                uint64_t clear = ~(b->word[(from + n) / 64] >> at);
                uint32_t here = clear ? (uint32_t)__builtin_ctzll(clear) : 64;
                if (here > 64 - at)
                        here = 64 - at;
                n += here;
                if (here < 64 - at)
                        break;
        }
        return n < most ? n : most;
}

#endif
