/*
 * memory.c - simulated physical memory, in zones.
 *
 * One mapping that the kernel fills as it is touched, so that zones can be as
 * large as they may ever need to be.
 */
#include "parts.h"

#include <stdlib.h>
#include <sys/mman.h>

static uint64_t round_up(uint64_t pages)
{
        return (pages + QUIRE_X86_BLOCK - 1) / QUIRE_X86_BLOCK * QUIRE_X86_BLOCK;
}

static bool open_zone(struct quire_x86_zone *z, uint64_t first, uint64_t most)
{
        z->first = first;
        z->most = most;
        z->pages = round_up(most);
        z->bits = calloc(z->pages / 64, sizeof *z->bits);
        z->count = calloc(z->pages / QUIRE_X86_BLOCK, sizeof *z->count);
        return z->bits && z->count;
}

bool quire_x86_memory_open(struct quire_x86 *x)
{
        const struct quire_x86_options *o = &x->options;
        uint64_t tables = o->tables ? o->tables : 6 * (o->frames + o->plain) + 64;
        struct quire_x86_memory *m = &x->memory;
        void *window;

        if (!open_zone(&x->frames, QUIRE_X86_BLOCK, o->frames) ||
            !open_zone(&x->plain, x->frames.first + x->frames.pages, o->plain))
                return false;
        m->first = (x->plain.first + x->plain.pages) * QUIRE_X86_PAGE;
        m->pages = m->free = (uint32_t)tables;
        x->bytes = m->first + tables * QUIRE_X86_PAGE;
        m->used = calloc(tables, sizeof *m->used);
        x->frame = calloc(x->plain.first, sizeof *x->frame);
        window = mmap(NULL, x->bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (window != MAP_FAILED)
                m->window = window;
        for (uint64_t page = 1; x->frame && page < x->frames.first; page++)
                x->frame[page] = (struct quire_x86_frame){ .taken = true, .device = true };
        return m->used && x->frame && m->window;
}

void quire_x86_memory_close(struct quire_x86 *x)
{
        if (x->memory.window)
                munmap(x->memory.window, x->bytes);
        free(x->memory.used);
        free(x->frame);
        free(x->frames.bits);
        free(x->frames.count);
        free(x->plain.bits);
        free(x->plain.count);
}

uint8_t *quire_x86_contents(const struct quire_x86 *x, uint64_t page)
{
        return x->memory.window + page * QUIRE_X86_PAGE;
}

static uint64_t take_of_block(struct quire_x86_zone *z, uint64_t block)
{
        for (uint64_t w = block * 8;; w++)
                for (unsigned b = 0; ~z->bits[w] && b < 64; b++)
                        if (!(z->bits[w] >> b & 1)) {
                                z->bits[w] |= (uint64_t)1 << b;
                                z->count[block]++;
                                z->taken++;
                                z->hint = block;
                                return z->first + w * 64 + b;
                        }
}

/* Out of a block that is in use already, so that whole ones remain. */
uint64_t quire_x86_page_take(struct quire_x86_zone *z)
{
        uint64_t blocks = z->pages / QUIRE_X86_BLOCK, empty = blocks;

        if (z->taken >= z->most)
                return 0;
        for (uint64_t i = 0; i < blocks; i++) {
                uint64_t block = (z->hint + i) % blocks;

                if (!z->count[block] && empty == blocks)
                        empty = block;
                if (z->count[block] && z->count[block] < QUIRE_X86_BLOCK)
                        return take_of_block(z, block);
        }
        return take_of_block(z, empty);
}

uint64_t quire_x86_block_take(struct quire_x86_zone *z)
{
        if (z->taken + QUIRE_X86_BLOCK > z->most)
                return 0;
        for (uint64_t block = 0; block < z->pages / QUIRE_X86_BLOCK; block++)
                if (!z->count[block]) {
                        for (unsigned w = 0; w < 8; w++)
                                z->bits[block * 8 + w] = UINT64_MAX;
                        z->count[block] = QUIRE_X86_BLOCK;
                        z->taken += QUIRE_X86_BLOCK;
                        return z->first + block * QUIRE_X86_BLOCK;
                }
        return 0;
}

void quire_x86_page_give(struct quire_x86_zone *z, uint64_t page)
{
        uint64_t at = page - z->first;

        z->bits[at / 64] &= ~((uint64_t)1 << at % 64);
        z->count[at / QUIRE_X86_BLOCK]--;
        z->taken--;
}
