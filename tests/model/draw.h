/*
 * draw.h - where a random test's choices come from: a seed, or a fuzzer's
 * bytes.
 *
 * A seeded source is started anew at every step (draw_step), so that the
 * choices of a step depend on the seed and the number of the step alone: a
 * failing run can be shortened by leaving steps out.  A source of bytes gives
 * zeroes when it is empty.
 */
#ifndef TESTS_MODEL_DRAW_H
#define TESTS_MODEL_DRAW_H
#include <stddef.h>
#include <stdint.h>

struct draw {
        uint64_t seed, state;
        const uint8_t *bytes;        /* null: seeded */
        size_t left;
};

static inline uint64_t draw_mix(uint64_t x)
{
        x += 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

static inline void draw_step(struct draw *d, uint64_t step)
{
        d->state = draw_mix(d->seed ^ draw_mix(step));
}

static inline uint8_t draw_byte(struct draw *d)
{
        if (!d->left)
                return 0;
        d->left--;
        return *d->bytes++;
}

/* A number below `below', which is not zero. */
static inline uint64_t draw_below(struct draw *d, uint64_t below)
{
        uint64_t x = 0;

        if (!d->bytes) {
                d->state += 0x9e3779b97f4a7c15u;
                return draw_mix(d->state) % below;
        }
        for (uint64_t reach = 1; reach && reach < below; reach <<= 8)
                x = x << 8 | draw_byte(d);
        return x % below;
}

/* True in so many of a hundred cases. */
static inline int draw_percent(struct draw *d, unsigned percent)
{
        return draw_below(d, 100) < percent;
}

#endif
