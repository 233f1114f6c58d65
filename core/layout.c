/*
 * layout.c - address-space layouts, as data: what lies where, and where a
 * reservation that names no place is put.
 *
 * Does not decide: placement itself (space.c).
 *
 * L1  arenas ascend and do not overlap.
 * L2  at least one may be allocated from.
 *
 * The figures are those of the published interfaces: 32-bit Windows with its
 * 64 KB null partition, the 3 GB switch, Windows 95's arenas, and 64-bit
 * Windows of 8 TB and of 128 TB.
 *
 * Lock: none; all is constant.
 */
#include "core.h"

#define KB(n) ((uint64_t)(n) << 10)
#define MB(n) ((uint64_t)(n) << 20)
#define GB(n) ((uint64_t)(n) << 30)
#define TB(n) ((uint64_t)(n) << 40)

static const struct quire_arena arenas_64[] = {
        { "null", 0, KB(64), false, true, false },
        { "user", KB(64), TB(128) - KB(128), true, false, false },
        { "top", TB(128) - KB(64), KB(64), false, true, false },
};
static const struct quire_arena arenas_8t[] = {
        { "null", 0, KB(64), false, true, false },
        { "user", KB(64), TB(8) - KB(128), true, false, false },
        { "top", TB(8) - KB(64), KB(64), false, true, false },
};
static const struct quire_arena arenas_2_2[] = {
        { "null", 0, KB(64), false, true, false },
        { "user", KB(64), GB(2) - KB(128), true, false, false },
        { "off limits", GB(2) - KB(64), KB(64), false, true, false },
        { "system", GB(2), GB(2), false, false, true },
};
static const struct quire_arena arenas_3gb[] = {
        { "null", 0, KB(64), false, true, false },
        { "user", KB(64), GB(3) - KB(128), true, false, false },
        { "off limits", GB(3) - KB(64), KB(64), false, true, false },
        { "system", GB(3), GB(1), false, false, true },
};
static const struct quire_arena arenas_below_2g[] = {
        { "null", 0, KB(64), false, true, false },
        { "user", KB(64), GB(2) - KB(128), true, false, false },
        { "off limits", GB(2) - KB(64), KB(64), false, true, false },
};
static const struct quire_arena arenas_win9x[] = {
        { "null", 0, KB(64), false, true, false },
        { "dos", KB(64), MB(4) - KB(64), false, false, false },
        { "user", MB(4), GB(2) - MB(4), true, false, false },
        { "shared", GB(2), GB(1), false, false, true },
        { "system", GB(3), GB(1), false, false, true },
};

#define LAYOUT(symbol, title)                                                            \
        const struct quire_layout quire_layout_##symbol = {                              \
                title, arenas_##symbol, sizeof(arenas_##symbol) / sizeof(arenas_##symbol[0]) }

LAYOUT(64, "64-bit");
LAYOUT(8t, "64-bit, 8 TB");
LAYOUT(2_2, "2 GB user, 2 GB system");
LAYOUT(3gb, "3 GB user, 1 GB system");
LAYOUT(below_2g, "64-bit, below 2 GB");
LAYOUT(win9x, "Windows 95");

/* L1, L2, and no sum that overflows. */
bool quire_layout_valid(const struct quire_layout *l)
{
        uint64_t at = 0;
        bool allocates = false;

        for (unsigned i = 0; l && i < l->count; i++) {
                const struct quire_arena *a = &l->arenas[i];

                if (a->first < at || !a->bytes || a->first + a->bytes < a->first)
                        return false;
                at = a->first + a->bytes;
                allocates |= a->allocate && !a->refuse;
        }
        return allocates;
}

/* May no reservation hold any byte of this range? */
bool quire_layout_refuses(const struct quire_layout *l, uint64_t first, uint64_t bytes)
{
        for (unsigned i = 0; i < l->count; i++) {
                const struct quire_arena *a = &l->arenas[i];

                if (a->refuse && first < a->first + a->bytes && a->first < first + bytes)
                        return true;
        }
        return false;
}
