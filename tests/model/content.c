/*
 * content.c - what the pages of a random run are filled with: zeroes, one word
 * over and over, words that compress well, to some eighths, or hardly.
 */
#include "model.h"
#include "draw.h"
#include <string.h>

void model_bytes(const struct model *m, const struct model_content *c, uint8_t *out)
{
        uint64_t words = ((uint64_t)1 << m->shift) / 8, fill = c->fill;

        for (uint64_t i = 0; i < words; i++) {
                uint64_t word = fill;

                if (fill && (fill & 3) == 1)
                        word = fill + (i >> 5);                     /* compresses well */
                else if ((fill & 3) == 3 || ((fill & 3) == 2 && i % 8 < (fill >> 2 & 7)))
                        word = draw_mix(fill + i);
                memcpy(out + i * 8, &word, 8);
        }
        for (unsigned i = 0; i < c->writes; i++)
                out[c->at[i]] = c->value[i];
}
