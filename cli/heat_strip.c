/*
 * heat_strip.c - below the heat map, the same over all addresses: pages touched
 * and come back, one upon the other, and evicted as a line; each column a slice
 * of time, all on one linear scale.
 */
#include "heat.h"
#include <math.h>

/* What each column holds, in units of the canvas above the strip's bottom. */
struct strip {
        double zero[QUIRE_HEAT_COLUMNS];
        double touched[QUIRE_HEAT_COLUMNS];
        double both[QUIRE_HEAT_COLUMNS];       /* touched and come back */
        double evicted[QUIRE_HEAT_COLUMNS];
};

static double column_sum(const struct quire_heat *h, enum quire_heat_plane plane, unsigned c)
{
        double sum = 0;

        for (unsigned r = 0; r < QUIRE_HEAT_ROWS; r++)
                sum += h->cell[plane][r][c];
        return sum;
}

/* Returns the pages that the strip's whole height stands for. */
static double fill(const struct quire_picture *p, struct strip *s)
{
        const double height = QUIRE_STRIP_BOTTOM - QUIRE_STRIP_TOP;
        double most = 1;

        for (unsigned c = 0; c < p->columns; c++) {
                s->zero[c] = 0;
                s->touched[c] = column_sum(p->heat, QUIRE_HEAT_TOUCHED, c);
                s->both[c] = s->touched[c] + column_sum(p->heat, QUIRE_HEAT_RETURNED, c);
                s->evicted[c] = column_sum(p->heat, QUIRE_HEAT_EVICTED, c);
                most = fmax(most, fmax(s->both[c], s->evicted[c]));
        }
        most *= 1.06;
        for (unsigned c = 0; c < p->columns; c++) {
                s->touched[c] *= height / most;
                s->both[c] *= height / most;
                s->evicted[c] *= height / most;
        }
        return most;
}

static void draw_area(struct quire_picture *p, const double *from, const double *to,
                      struct quire_colour colour)
{
        struct quire_rect rects[QUIRE_HEAT_COLUMNS];
        size_t n = 0;

        for (unsigned c = 0; c < p->columns; c++) {
                double x = quire_heat_x(p, c), w = quire_heat_x(p, c + 1) - x;
                double top = quire_heat_snap(QUIRE_STRIP_BOTTOM - to[c]);
                double bottom = quire_heat_snap(QUIRE_STRIP_BOTTOM - from[c]);

                if (bottom > top)
                        rects[n++] = (struct quire_rect){ (float)x, (float)top, (float)w,
                                                          (float)(bottom - top) };
        }
        p->canvas->rects(p->canvas, rects, n, colour);
}

static void draw_outline(struct quire_picture *p, const double *height,
                         struct quire_colour colour)
{
        struct quire_rect rects[2 * QUIRE_HEAT_COLUMNS];
        double before = QUIRE_STRIP_BOTTOM;
        size_t n = 0;

        for (unsigned c = 0; c < p->columns; c++) {
                double x = quire_heat_x(p, c), w = quire_heat_x(p, c + 1) - x;
                double top = quire_heat_snap(QUIRE_STRIP_BOTTOM - height[c]);
                double high = fmin(top, before), low = fmax(top, before);

                if (low > high)
                        rects[n++] = (struct quire_rect){ (float)x, (float)high, 0.5f,
                                                          (float)(low - high) };
                if (height[c] > 0)
                        rects[n++] = (struct quire_rect){ (float)x, (float)top, (float)w, 0.5f };
                before = top;
        }
        p->canvas->rects(p->canvas, rects, n, colour);
}

void quire_heat_draw_strip(struct quire_picture *p)
{
        struct strip s;
        double per_second = fill(p, &s) * p->columns / p->seconds;

        draw_area(p, s.zero, s.touched, quire_palette(QUIRE_RAMP_COOL, 0.55));
        draw_area(p, s.touched, s.both, quire_palette(QUIRE_RAMP_WARM, 0.62));
        draw_outline(p, s.evicted, quire_heat_evicted);
        quire_heat_draw_text(p, &quire_heat_tick, QUIRE_HEAT_LEFT - 9, QUIRE_STRIP_TOP + 9,
                             "%s/s", quire_text_size((uint64_t)per_second * p->facts->page).s);
        quire_heat_draw_text(p, &quire_heat_tick, QUIRE_HEAT_LEFT - 9, QUIRE_STRIP_BOTTOM, "0");
}
