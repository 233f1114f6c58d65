/*
 * heat.c - the picture of a run: where in memory pages were asked for, and when.
 *
 * Time runs to the right, addresses upward.  A cell is blue where pages were
 * touched for the first time and of the warm colours where pages came back;
 * the lighter, the more (a logarithm).
 *
 * It shows one process: the one in which the most happened.  What the grid says
 * of itself is clipped to the grid (see facts.h).
 */
#include "heat.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CAPTION  20             /* room above a band for its name */
#define ADDRESS_END (UINT64_C(1) << 57)
#define LEVELS   48u            /* steps of a ramp */

/* ------------------------------------------------------------------ looking */

static uint64_t activity(const struct quire_heat *h)
{
        uint64_t sum = 0;

        for (unsigned p = 0; p < QUIRE_HEAT_PLANES; p++)
                for (unsigned r = 0; r < QUIRE_HEAT_ROWS; r++)
                        for (unsigned c = 0; c < QUIRE_HEAT_COLUMNS; c++)
                                sum += h->cell[p][r][c];
        return sum;
}

static const struct quire_stats_entry *busiest(const struct quire_facts *f)
{
        const struct quire_stats_entry *best = NULL;
        uint64_t most = 0;

        for (unsigned i = 0; i < QUIRE_STATS_ENTRIES; i++) {
                const struct quire_stats_entry *e = quire_facts_entry(f, i);
                uint64_t sum = e ? activity(&e->heat) : 0;

                if (e && (!best || sum > most)) {
                        best = e;
                        most = sum;
                }
        }
        return best;
}

static bool row_is_hit(const struct quire_heat *h, unsigned row)
{
        for (unsigned p = 0; p < QUIRE_HEAT_PLANES; p++)
                for (unsigned c = 0; c < QUIRE_HEAT_COLUMNS; c++)
                        if (h->cell[p][row][c])
                                return true;
        return false;
}

/* The rows of a band from the lowest to the highest that was hit. */
static void look_at_band(struct quire_picture *p, const struct quire_heat_band *band)
{
        unsigned first, last, end = QUIRE_HEAT_ROWS;

        if (!band->rows || band->row >= end || !band->row_bytes
            || band->row_bytes > ADDRESS_END / QUIRE_HEAT_ROWS || band->first > ADDRESS_END)
                return;
        if (band->rows < end - band->row)
                end = band->row + band->rows;
        for (first = band->row; first < end && !row_is_hit(p->heat, first); first++)
                ;
        for (last = end; last > first && !row_is_hit(p->heat, last - 1); last--)
                ;
        if (first < last)
                p->part[p->parts++] = (struct quire_heat_part){ .band = band, .row = first,
                                                     .rows = last - first };
}

static void look(struct quire_picture *p)
{
        const struct quire_heat *h = p->heat;
        uint64_t lived = quire_facts_end(p->facts, p->entry) - p->entry->start;
        uint64_t used = h->column_ns ? (lived + h->column_ns - 1) / h->column_ns : 1;

        p->columns = h->columns_used > used ? h->columns_used : used > QUIRE_HEAT_COLUMNS
                     ? QUIRE_HEAT_COLUMNS : (unsigned)used;
        if (!p->columns)
                p->columns = 1;
        if (p->columns > QUIRE_HEAT_COLUMNS)
                p->columns = QUIRE_HEAT_COLUMNS;
        p->seconds = (double)(h->column_ns ? h->column_ns : 1) * p->columns / 1e9;
        for (unsigned b = 0; b < QUIRE_HEAT_BANDS; b++)
                look_at_band(p, &h->band[b]);
        if (p->parts == 2 && p->part[0].band->first > p->part[1].band->first) {
                struct quire_heat_part swap = p->part[0];

                p->part[0] = p->part[1];
                p->part[1] = swap;
        }
        p->greatest = 1;
        for (unsigned plane = QUIRE_HEAT_TOUCHED; plane <= QUIRE_HEAT_RETURNED; plane++)
                for (unsigned r = 0; r < QUIRE_HEAT_ROWS; r++)
                        for (unsigned c = 0; c < p->columns; c++)
                                if (h->cell[plane][r][c] > p->greatest)
                                        p->greatest = h->cell[plane][r][c];
}

/* Heights by rows, but none so low that it can not be read; lowest last. */
static void place_parts(struct quire_picture *p)
{
        double room = QUIRE_HEAT_BOTTOM - QUIRE_HEAT_TOP - CAPTION * p->parts, least = 44;
        double bottom = QUIRE_HEAT_BOTTOM;
        unsigned rows = 0;

        for (unsigned i = 0; i < p->parts; i++)
                rows += p->part[i].rows;
        for (unsigned i = 0; i < p->parts; i++) {
                double height = room * p->part[i].rows / rows;

                if (p->parts == 2)
                        height = fmin(fmax(height, least), room - least);
                p->part[i].height = floor(height);
                p->part[i].top = bottom - p->part[i].height;
                bottom = p->part[i].top - CAPTION;
        }
}

/* ------------------------------------------------------------------- drawing */

double quire_heat_snap(double units)
{
        return round(units * QUIRE_PIXELS) / QUIRE_PIXELS;
}

double quire_heat_x(const struct quire_picture *p, unsigned column)
{
        const double width = QUIRE_HEAT_RIGHT - QUIRE_HEAT_LEFT;

        return quire_heat_snap(QUIRE_HEAT_LEFT + width * column / p->columns);
}

static double y_of(const struct quire_heat_part *part, unsigned rows_up)
{
        return quire_heat_snap(part->top + part->height - part->height * rows_up / part->rows);
}

/* 0: nothing; otherwise 1 + ramp * LEVELS + level. */
static unsigned shade_of(const struct quire_picture *p, unsigned row, unsigned column)
{
        uint32_t back = p->heat->cell[QUIRE_HEAT_RETURNED][row][column];
        uint32_t n = back ? back : p->heat->cell[QUIRE_HEAT_TOUCHED][row][column];
        enum quire_ramp ramp = back ? QUIRE_RAMP_WARM : QUIRE_RAMP_COOL;
        double at;

        if (!n)
                return 0;
        at = p->greatest > 1 ? fmin(log(n) / log(p->greatest), 1) : 1;
        return 1 + ramp * LEVELS + (unsigned)(at * (LEVELS - 1) + 0.5);
}

/* The cells of one shade; neighbours in a row are one rectangle. */
static size_t collect(const struct quire_picture *p, const struct quire_heat_part *part,
                      unsigned shade, const uint8_t (*shades)[QUIRE_HEAT_COLUMNS],
                      struct quire_rect *out)
{
        size_t n = 0;

        for (unsigned r = 0; r < part->rows; r++) {
                for (unsigned c = 0; c < p->columns; c++) {
                        unsigned first = c;
                        double x, y = y_of(part, r + 1);

                        if (shades[part->row + r][c] != shade)
                                continue;
                        while (c + 1 < p->columns && shades[part->row + r][c + 1] == shade)
                                c++;
                        x = quire_heat_x(p, first);
                        out[n++] = (struct quire_rect){ (float)x, (float)y,
                                                        (float)(quire_heat_x(p, c + 1) - x),
                                                        (float)(y_of(part, r) - y) };
                }
        }
        return n;
}

static bool draw_cells(struct quire_picture *p)
{
        struct quire_rect *rects = calloc((size_t)QUIRE_HEAT_ROWS * QUIRE_HEAT_COLUMNS,
                                          sizeof(*rects));
        uint8_t (*shades)[QUIRE_HEAT_COLUMNS] = calloc(QUIRE_HEAT_ROWS, sizeof(*shades));
        bool good = rects && shades;

        for (unsigned r = 0; good && r < QUIRE_HEAT_ROWS; r++)
                for (unsigned c = 0; c < p->columns; c++)
                        shades[r][c] = (uint8_t)shade_of(p, r, c);
        for (unsigned shade = 1; good && shade <= 2 * LEVELS; shade++) {
                enum quire_ramp ramp = (shade - 1) / LEVELS;
                struct quire_colour colour =
                        quire_palette(ramp, ((shade - 1) % LEVELS) / (double)(LEVELS - 1));

                for (unsigned i = 0; i < p->parts; i++) {
                        size_t n = collect(p, &p->part[i], shade,
                                           (const uint8_t (*)[QUIRE_HEAT_COLUMNS])shades, rects);

                        p->canvas->rects(p->canvas, rects, n, colour);
                }
        }
        free(rects);
        free(shades);
        return good;
}

static bool draw(struct quire_picture *p)
{
        bool good;

        look(p);
        place_parts(p);
        quire_heat_draw_panels(p);
        good = draw_cells(p);
        quire_heat_draw_strip(p);
        quire_heat_draw_frame(p);
        return good;
}

static int render(const struct quire_facts *f, struct quire_canvas *canvas)
{
        struct quire_picture p = { .facts = f, .entry = busiest(f), .canvas = canvas };
        bool good = p.entry;

        if (!canvas)
                return quire_cli_complain(QUIRE_EXIT_FAILED, "no memory for the heat map");
        quire_facts_total(f, &p.totals);
        if (p.entry) {
                p.heat = &p.entry->heat;
                good = draw(&p);
        }
        good = canvas->finish(canvas) && good;
        if (!p.entry)
                return quire_cli_complain(QUIRE_EXIT_FAILED,
                                          "no heat map: no process was managed");
        return good ? 0 : quire_cli_complain(QUIRE_EXIT_FAILED, "the heat map is incomplete");
}

int quire_heat_png(const struct quire_facts *f, FILE *file)
{
        return render(f, quire_canvas_png(file, QUIRE_HEAT_WIDTH, QUIRE_HEAT_HEIGHT,
                                          quire_heat_background));
}

int quire_heat_svg(const struct quire_facts *f, FILE *file)
{
        char title[160];

        quire_facts_command(f->argv, title, sizeof(title));
        return render(f, quire_canvas_svg(file, QUIRE_HEAT_WIDTH, QUIRE_HEAT_HEIGHT,
                                          quire_heat_background, title));
}
