/*
 * heat.c - the grid of the heat map: pages touched, returned and evicted, by
 * time and address.
 *
 * Two bands of rows: the heap, and the arena where mmap's answers lie.  When an
 * address lies past the last row of its band, the band's rows come to stand for
 * twice as much and are added up in pairs; so do the columns when time runs
 * past the last.
 *
 * Lock: the core's, which is held around its events.  Signal context: yes.
 */
#include "report.h"
#include "memory.h"
#include <string.h>

#define FIRST_ROW_BYTES ((uint64_t)64 << 10)
#define FIRST_COLUMN_NS 4000000u
#define HEAP_ROWS 64u

static void set_band(struct quire_heat_band *b, const char *name, uint64_t first, uint32_t row,
                     uint32_t rows)
{
        size_t n = strlen(name);

        b->first = first;
        b->row_bytes = FIRST_ROW_BYTES;
        b->row = row;
        b->rows = rows;
        memcpy(b->name, name, n < sizeof(b->name) ? n : sizeof(b->name) - 1);
}

void quire_heat_open(struct quire_heat *h, uint64_t now)
{
        const struct quire_span *heap = &quire_spans[QUIRE_SPAN_HEAP];
        const struct quire_span *arena = &quire_spans[QUIRE_SPAN_ARENA];

        h->start = now;
        h->column_ns = FIRST_COLUMN_NS;
        set_band(&h->band[0], "heap", heap->va, 0, HEAP_ROWS);
        set_band(&h->band[1], "mmap", arena->va, HEAP_ROWS, QUIRE_HEAT_ROWS - HEAP_ROWS);
}

static void fold_columns(struct quire_heat *h)
{
        for (unsigned p = 0; p < QUIRE_HEAT_PLANES; p++)
                for (unsigned r = 0; r < QUIRE_HEAT_ROWS; r++) {
                        uint32_t *cell = h->cell[p][r];
                        for (unsigned c = 0; c < QUIRE_HEAT_COLUMNS / 2; c++)
                                cell[c] = cell[2 * c] + cell[2 * c + 1];
                        memset(cell + QUIRE_HEAT_COLUMNS / 2, 0,
                               QUIRE_HEAT_COLUMNS / 2 * sizeof(*cell));
                }
        h->columns_used = (h->columns_used + 1) / 2;
        h->column_ns *= 2;
}

static void fold_rows(struct quire_heat *h, struct quire_heat_band *b)
{
        for (unsigned p = 0; p < QUIRE_HEAT_PLANES; p++) {
                uint32_t(*row)[QUIRE_HEAT_COLUMNS] = &h->cell[p][b->row];
                for (unsigned r = 0; r < b->rows / 2; r++)
                        for (unsigned c = 0; c < QUIRE_HEAT_COLUMNS; c++)
                                row[r][c] = row[2 * r][c] + row[2 * r + 1][c];
                memset(row[b->rows / 2], 0, b->rows / 2 * sizeof(row[0]));
        }
        b->used = (b->used + 1) / 2;
        b->row_bytes *= 2;
}

static struct quire_heat_band *band_of(struct quire_heat *h, uint64_t va)
{
        for (unsigned i = 0; i < QUIRE_HEAT_BANDS; i++)
                if (va - quire_spans[i == 0 ? QUIRE_SPAN_HEAP : QUIRE_SPAN_ARENA].va <
                    quire_spans[i == 0 ? QUIRE_SPAN_HEAP : QUIRE_SPAN_ARENA].bytes)
                        return &h->band[i];
        return NULL;
}

static int plane_of(uint32_t kind)
{
        switch (kind) {
        case QUIRE_EV_ZERO:
                return QUIRE_HEAT_TOUCHED;
        case QUIRE_EV_TIER:
        case QUIRE_EV_HARD:
                return QUIRE_HEAT_RETURNED;
        case QUIRE_EV_EVICT:
                return QUIRE_HEAT_EVICTED;
        default:
                return -1;
        }
}

void quire_heat_count(struct quire_heat *h, const struct quire_event *e)
{
        struct quire_heat_band *b = band_of(h, e->va);
        uint64_t since = e->time > h->start ? e->time - h->start : 0;
        int plane = plane_of(e->kind);
        uint64_t row;

        if (!b || plane < 0)
                return;
        while (since / h->column_ns >= QUIRE_HEAT_COLUMNS)
                fold_columns(h);
        while ((row = (e->va - b->first) / b->row_bytes) >= b->rows)
                fold_rows(h, b);
        uint32_t column = (uint32_t)(since / h->column_ns);
        h->cell[plane][b->row + row][column] += e->count;
        if (row >= b->used)
                b->used = (uint32_t)row + 1;
        if (column >= h->columns_used)
                h->columns_used = column + 1;
}
