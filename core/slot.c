/*
 * slot.c - the places of pages in pagefiles, and their checksums.
 *
 * Each pagefile is described in chunks of 4096 slots, made as the file grows: a
 * bit a slot, and a checksum a slot that is compared at every read.  Slots are
 * handed out in runs, next fit, so that pages that leave together lie together.
 *
 * After a fork the child may still read what the parent frees: slots that were
 * taken then are marked kept, and stay taken, marked late, when they are freed.
 *
 * Does not decide: which page goes where (store.c).
 *
 * F1  a chunk's free count is the number of its clear bits.
 * F2  a file's used count is the sum of its chunks'.
 * F3  late slots are kept, and kept ones are used.
 *
 * Lock: the system's.
 */
#include "core.h"

/* Four lanes of multiply-and-fold: fast, and every bit matters. */
uint32_t quire_checksum(const void *page, size_t bytes)
{
        const uint64_t *w = page;
        uint64_t h[4] = { 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0x165667b19e3779f9u,
                          0x27d4eb2f165667c5u };

        for (size_t i = 0; i < bytes / 8; i += 4) {
                for (unsigned k = 0; k < 4; k++) {
                        uint64_t x = (h[k] ^ w[i + k]) * 0x9fb21c651e98df25u;

                        h[k] = x ^ x >> 32;
                }
        }
        h[0] = (h[0] ^ (h[1] << 1 | h[1] >> 63)) * 0x9fb21c651e98df25u;
        h[2] = (h[2] ^ (h[3] << 1 | h[3] >> 63)) * 0xc2b2ae3d27d4eb4fu;
        h[0] ^= h[2] ^ h[0] >> 29;
        return (uint32_t)(h[0] ^ h[0] >> 32);
}

static struct quire_slot_chunk *chunk_of(struct quire_file *f, uint64_t number)
{
        return f->chunk[number / QUIRE_CHUNK_SLOTS];
}

static bool bit_of(const uint64_t *bits, uint64_t number)
{
        uint64_t i = number % QUIRE_CHUNK_SLOTS;

        return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, uint64_t number, bool to)
{
        uint64_t i = number % QUIRE_CHUNK_SLOTS;
        uint64_t bit = (uint64_t)1 << (i % 64);

        bits[i / 64] = to ? bits[i / 64] | bit : bits[i / 64] & ~bit;
}

static bool widen_table(struct quire_system *sys, struct quire_file *f)
{
        uint64_t room = f->room ? f->room * 2 : 64;
        struct quire_slot_chunk **table = quire_alloc(sys, room * sizeof(*table));

        if (!table)
                return false;
        if (f->chunks)
                memcpy(table, f->chunk, f->chunks * sizeof(*table));
        if (f->room)
                quire_free(sys, f->chunk, f->room * sizeof(*table));
        f->chunk = table;
        f->room = room;
        return true;
}

/* One more chunk, if the file may grow. */
static bool grow_file(struct quire_system *sys, struct quire_file *f)
{
        struct quire_slot_chunk *c;

        if (f->chunks * QUIRE_CHUNK_SLOTS >= f->limit)
                return false;
        if (f->chunks == f->room && !widen_table(sys, f))
                return false;
        c = quire_alloc(sys, sizeof(*c));
        if (!c)
                return false;
        c->free = QUIRE_CHUNK_SLOTS;
        f->chunk[f->chunks++] = c;
        return true;
}

/* The first free slot of the chunk at or after number; the chunk's end: none. */
static uint64_t first_free(struct quire_file *f, uint64_t number)
{
        struct quire_slot_chunk *c = chunk_of(f, number);
        uint64_t end = (number / QUIRE_CHUNK_SLOTS + 1) * QUIRE_CHUNK_SLOTS;

        while (number < end) {
                uint64_t at = number % QUIRE_CHUNK_SLOTS;
                uint64_t clear = ~c->used[at / 64] >> (at % 64);

                if (clear)
                        return number + (unsigned)__builtin_ctzll(clear);
                number += 64 - at % 64;
        }
        return end;
}

static unsigned free_run(struct quire_file *f, uint64_t number, unsigned want)
{
        uint64_t end = (number / QUIRE_CHUNK_SLOTS + 1) * QUIRE_CHUNK_SLOTS;
        unsigned n = 0;

        end = quire_min(end, f->limit);
        while (n < want && number + n < end && !bit_of(chunk_of(f, number)->used, number + n))
                n++;
        return n;
}

/* The longest run in one chunk from number on, ending the search at `want'. */
static unsigned best_in_chunk(struct quire_file *f, uint64_t number, unsigned want,
                              uint64_t *first)
{
        uint64_t end = (number / QUIRE_CHUNK_SLOTS + 1) * QUIRE_CHUNK_SLOTS;
        unsigned best = 0;

        end = quire_min(end, f->limit);
        for (number = first_free(f, number); number < end && best < want;) {
                unsigned n = free_run(f, number, want);

                if (n > best) {
                        best = n;
                        *first = number;
                }
                number += n;
                number = number < end ? first_free(f, number) : end;
        }
        return best;
}

static unsigned take_from(struct quire_system *sys, struct quire_file *f, unsigned want,
                          uint64_t *first)
{
        uint64_t chunks = f->chunks, at = f->hint / QUIRE_CHUNK_SLOTS;
        unsigned best = 0;

        for (uint64_t i = 0; i <= chunks && best < want && chunks; i++, at++) {
                uint64_t found, from = (at % chunks) * QUIRE_CHUNK_SLOTS;
                unsigned n;

                if (!f->chunk[at % chunks]->free)
                        continue;
                n = best_in_chunk(f, i ? from : quire_max(from, f->hint), want, &found);
                if (n > best) {
                        best = n;
                        *first = found;
                }
        }
        if (best < want && grow_file(sys, f)) {
                *first = (f->chunks - 1) * QUIRE_CHUNK_SLOTS;
                best = free_run(f, *first, want);
        }
        return best;
}

/* The first file that has at least so many in a row; 0: none. */
static unsigned take_run(struct quire_system *sys, unsigned want, unsigned least, unsigned *file,
                         uint64_t *first)
{
        must_hold(sys);
        must(sys, want && want <= QUIRE_IO_MAX);
        for (unsigned i = 0; i < sys->file_count; i++) {
                struct quire_file *f = &sys->files[i];
                unsigned n;

                if (f->frozen || f->used >= f->limit)
                        continue;
                n = take_from(sys, f, want, first);
                if (n < least)
                        continue;
                must(sys, n <= want && *first + n <= f->chunks * QUIRE_CHUNK_SLOTS);
                must(sys, chunk_of(f, *first)->free >= n);                     /* F1 */
                for (unsigned k = 0; k < n; k++)
                        set_bit(chunk_of(f, *first)->used, *first + k, true);
                chunk_of(f, *first)->free -= n;
                f->used += n;
                f->hint = *first + n;
                if (f->hint >= f->chunks * QUIRE_CHUNK_SLOTS)
                        f->hint = 0;
                *file = i;
                return n;
        }
        return 0;
}

unsigned quire_slot_take(struct quire_system *sys, unsigned want, unsigned *file,
                         uint64_t *first)
{
        return take_run(sys, want, 1, file, first);
}

bool quire_slot_take_all(struct quire_system *sys, unsigned count, unsigned *file,
                         uint64_t *first)
{
        return take_run(sys, count, count, file, first) == count;
}

static void clear_slot(struct quire_file *f, uint64_t number)
{
        set_bit(chunk_of(f, number)->used, number, false);
        set_bit(chunk_of(f, number)->late, number, false);
        chunk_of(f, number)->free++;
        f->used--;
}

/* => taken */
void quire_slot_free(struct quire_system *sys, unsigned file, uint64_t number)
{
        struct quire_file *f = &sys->files[file];

        must_hold(sys);
        must(sys, file < sys->file_count && number < f->chunks * QUIRE_CHUNK_SLOTS);
        must(sys, bit_of(chunk_of(f, number)->used, number));
        must(sys, !bit_of(chunk_of(f, number)->late, number));
        if (f->frozen)
                return;
        if (bit_of(chunk_of(f, number)->kept, number))
                set_bit(chunk_of(f, number)->late, number, true);
        else
                clear_slot(f, number);
}

/* A slot that could not be written is never used again. */
void quire_slot_retire(struct quire_system *sys, unsigned file, uint64_t number)
{
        struct quire_file *f = &sys->files[file];

        must_hold(sys);
        must(sys, bit_of(chunk_of(f, number)->used, number));
        set_bit(chunk_of(f, number)->late, number, false);
}

/* The file takes no more than it has. */
void quire_slot_shut(struct quire_system *sys, unsigned file)
{
        must(sys, file < sys->file_count && !sys->files[file].frozen);
        sys->files[file].limit = sys->files[file].used;
}

uint32_t *quire_slot_sum(struct quire_system *sys, unsigned file, uint64_t number)
{
        must(sys, file < sys->file_count);
        must(sys, number < sys->files[file].chunks * QUIRE_CHUNK_SLOTS);
        return &chunk_of(&sys->files[file], number)->sum[number % QUIRE_CHUNK_SLOTS];
}

/* Slots that could hold pages, taken or not. */
uint64_t quire_slots_capacity(const struct quire_system *sys)
{
        uint64_t sum = 0;

        for (unsigned i = 0; i < sys->file_count; i++) {
                uint64_t more = sys->files[i].frozen ? 0 : sys->files[i].limit;

                sum = more > UINT64_MAX - sum ? UINT64_MAX : sum + more;
        }
        return sum;
}

/* INVALID: too many files. */
enum quire_status quire_pagefile_add(struct quire_system *sys, unsigned file, uint64_t bytes)
{
        struct quire_file *f;

        if (!sys || !sys->hops->io_read || bytes & (((uint64_t)1 << sys->shift) - 1))
                return QUIRE_INVALID;
        quire_enter(sys);
        if (sys->file_count == QUIRE_FILES) {
                quire_leave(sys);
                return QUIRE_INVALID;
        }
        f = &sys->files[sys->file_count];
        *f = (struct quire_file){ .host_file = file };
        f->limit = bytes ? bytes >> sys->shift : UINT64_MAX >> 16;
        sys->file_failures[sys->file_count++] = 0;
        sys->storage_full = false;
        quire_leave(sys);
        return QUIRE_OK;
}

/* A child that is about to be made may read every slot that is taken now. */
void quire_slots_keep(struct quire_system *sys)
{
        must_hold(sys);
        for (unsigned i = 0; sys->keep_late && i < sys->file_count; i++) {
                struct quire_file *f = &sys->files[i];

                for (uint64_t c = 0; c < f->chunks; c++)
                        memcpy(f->chunk[c]->kept, f->chunk[c]->used, sizeof(f->chunk[c]->kept));
        }
}

static void free_late(struct quire_file *f)
{
        for (uint64_t n = 0; n < f->chunks * QUIRE_CHUNK_SLOTS; n++) {
                set_bit(chunk_of(f, n)->kept, n, false);
                if (bit_of(chunk_of(f, n)->late, n))
                        clear_slot(f, n);
        }
}

void quire_pagefile_keep(struct quire_system *sys, bool keep)
{
        quire_enter(sys);
        sys->keep_late = keep;
        for (unsigned i = 0; !keep && i < sys->file_count; i++)
                free_late(&sys->files[i]);
        quire_leave(sys);
}

void quire_slots_close(struct quire_system *sys)
{
        for (unsigned i = 0; i < sys->file_count; i++) {
                struct quire_file *f = &sys->files[i];

                for (uint64_t c = 0; c < f->chunks; c++)
                        quire_free(sys, f->chunk[c], sizeof(*f->chunk[c]));
                if (f->room)
                        quire_free(sys, f->chunk, f->room * sizeof(*f->chunk));
        }
}

static unsigned bits_in(uint64_t w)
{
        unsigned n = 0;

        for (; w; w &= w - 1)
                n++;
        return n;
}

static uint64_t check_chunk(struct quire_system *sys, const struct quire_slot_chunk *c)
{
        uint64_t used = 0;

        for (unsigned i = 0; i < QUIRE_CHUNK_SLOTS / 64; i++) {
                used += bits_in(c->used[i]);
                must(sys, !(c->late[i] & ~c->kept[i]));                        /* F3 */
                must(sys, !(c->kept[i] & ~c->used[i]));                        /* F3 */
        }
        must(sys, c->free == QUIRE_CHUNK_SLOTS - used);                        /* F1 */
        return used;
}

void quire_slots_check(struct quire_system *sys)
{
        for (unsigned i = 0; i < sys->file_count; i++) {
                struct quire_file *f = &sys->files[i];
                uint64_t used = 0;

                for (uint64_t c = 0; c < f->chunks; c++)
                        used += check_chunk(sys, f->chunk[c]);
                must(sys, used == f->used);                                    /* F2 */
                must(sys, f->chunks <= f->room && f->hint <= f->chunks * QUIRE_CHUNK_SLOTS);
        }
}
