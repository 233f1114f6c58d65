/*
 * heat_frame.c - title, axes and legend of the heat map.
 */
#include "heat.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>

#define DIM    { 146, 155, 176, 255 }
#define BRIGHT { 236, 239, 246, 255 }

const struct quire_colour quire_heat_background = { 13, 16, 24, 255 };
const struct quire_colour quire_heat_evicted = { 226, 232, 246, 230 };
static const struct quire_colour panel = { 22, 27, 39, 255 };
static const struct quire_colour line = { 255, 255, 255, 20 };
static const struct quire_colour dim = DIM;

const struct quire_style quire_heat_tick = { 11.5, false, QUIRE_RIGHT, DIM };
static const struct quire_style time_tick = { 11.5, false, QUIRE_MIDDLE, DIM };
static const struct quire_style small_tick = { 10.5, false, QUIRE_MIDDLE, DIM };
static const struct quire_style name_style = { 11, false, QUIRE_LEFT, DIM };
static const struct quire_style key_style = { 12, false, QUIRE_LEFT, BRIGHT };
static const struct quire_style title_style = { 21, true, QUIRE_LEFT, BRIGHT };
static const struct quire_style subtitle = { 12.5, false, QUIRE_LEFT, DIM };
static const struct quire_style subtitle_right = { 12.5, false, QUIRE_RIGHT, DIM };

/* ------------------------------------------------------------------ drawing */

void quire_heat_draw_rect(struct quire_picture *p, const struct quire_rect *r,
                          struct quire_colour colour)
{
        p->canvas->rects(p->canvas, r, 1, colour);
}

void quire_heat_draw_text(struct quire_picture *p, const struct quire_style *style, double x,
                          double y, const char *format, ...)
{
        char text[512];
        va_list list;

        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        p->canvas->text(p->canvas, x, y, style, text);
}

static void draw_box(struct quire_picture *p, double x, double y, double w, double h,
                     struct quire_colour colour)
{
        struct quire_rect r = { (float)x, (float)y, (float)w, (float)h };

        quire_heat_draw_rect(p, &r, colour);
}

/* Hair lines, half a unit wide, centred. */
static void draw_across(struct quire_picture *p, double x, double y, double w,
                        struct quire_colour colour)
{
        draw_box(p, x, quire_heat_snap(y - 0.25), w, 0.5, colour);
}

static void draw_down(struct quire_picture *p, double x, double y, double h,
                      struct quire_colour colour)
{
        draw_box(p, quire_heat_snap(x - 0.25), y, 0.5, h, colour);
}

void quire_heat_draw_panels(struct quire_picture *p)
{
        const double width = QUIRE_HEAT_RIGHT - QUIRE_HEAT_LEFT;

        for (unsigned i = 0; i < p->parts; i++)
                draw_box(p, QUIRE_HEAT_LEFT, p->part[i].top, width, p->part[i].height, panel);
        draw_box(p, QUIRE_HEAT_LEFT, QUIRE_STRIP_TOP, width, QUIRE_STRIP_BOTTOM - QUIRE_STRIP_TOP,
                 panel);
        if (p->parts)
                return;
        draw_box(p, QUIRE_HEAT_LEFT, QUIRE_HEAT_TOP, width, QUIRE_HEAT_BOTTOM - QUIRE_HEAT_TOP,
                 panel);
        quire_heat_draw_text(p, &time_tick, QUIRE_HEAT_LEFT + width / 2,
                             (QUIRE_HEAT_TOP + QUIRE_HEAT_BOTTOM) / 2.0,
                             "no managed page was touched");
}

/* --------------------------------------------------------------------- axes */

/* The time between two ticks: 1, 2 or 5 times a power of ten, or what clocks
 * are divided in. */
static double time_step(double seconds)
{
        static const double clock[] = { 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600 };
        double step = seconds / 9, unit = 1;

        if (step > 5 && step <= 3600)
                for (size_t i = 0; i < sizeof(clock) / sizeof(*clock); i++)
                        if (step <= clock[i])
                                return clock[i];
        if (step > 3600)
                unit = 3600;
        step /= unit;
        unit *= pow(10, floor(log10(step)));
        step = seconds / 9 / unit;
        return unit * (step <= 1 ? 1 : step <= 2 ? 2 : step <= 5 ? 5 : 10);
}

static void draw_time_axis(struct quire_picture *p)
{
        static const struct {
                double least, size;
                int places;
                const char *name;
        } units[] = {
                { 3599, 3600, 0, "h" }, { 59, 60, 0, "min" }, { 0.99, 1, 0, "s" },
                { 0.099, 1, 1, "s" }, { 0.99e-3, 1e-3, 0, "ms" }, { 0.99e-6, 1e-6, 0, "us" },
                { 0, 1e-9, 0, "ns" },
        }, *unit = units;
        double step = time_step(p->seconds), width = QUIRE_HEAT_RIGHT - QUIRE_HEAT_LEFT;

        while (step < unit->least)
                unit++;
        for (unsigned i = 0; i * step <= p->seconds * 1.0001; i++) {
                double x = QUIRE_HEAT_LEFT + width * i * step / p->seconds;
                bool edge = QUIRE_HEAT_RIGHT - x < 14;

                for (unsigned k = 0; k < p->parts; k++)
                        draw_down(p, x, p->part[k].top, p->part[k].height, line);
                draw_down(p, x, QUIRE_STRIP_TOP, QUIRE_STRIP_BOTTOM - QUIRE_STRIP_TOP, line);
                draw_down(p, x, QUIRE_STRIP_BOTTOM, 4, dim);
                if (i)
                        quire_heat_draw_text(p, edge ? &quire_heat_tick : &time_tick,
                                             edge ? QUIRE_HEAT_RIGHT : x, QUIRE_STRIP_BOTTOM + 17,
                                             "%.*f %s", unit->places, i * step / unit->size,
                                             unit->name);
                else
                        quire_heat_draw_text(p, &time_tick, x, QUIRE_STRIP_BOTTOM + 17, "0");
        }
}

/* Sizes at the left, counted from the lowest address; the name and that address
 * above. */
static void draw_address_axis(struct quire_picture *p, const struct quire_heat_part *part)
{
        const struct quire_heat_band *band = part->band;
        uint64_t span = (uint64_t)part->rows * band->row_bytes, step = 4096;
        uint64_t first = band->first + (uint64_t)(part->row - band->row) * band->row_bytes;
        double bottom = part->top + part->height, ticks = fmax(part->height / 44, 1);

        while ((double)span / (double)step > ticks && step <= span)
                step *= 2;
        for (uint64_t at = 0; at <= span; at += step) {
                double y = bottom - part->height * (double)at / (double)span;

                if (at)
                        draw_across(p, QUIRE_HEAT_LEFT, y, QUIRE_HEAT_RIGHT - QUIRE_HEAT_LEFT,
                                    line);
                draw_across(p, QUIRE_HEAT_LEFT - 4, y, 4, dim);
                quire_heat_draw_text(p, &quire_heat_tick, QUIRE_HEAT_LEFT - 9,
                                     fmin(y + 4, bottom), "%s",
                                     at ? quire_text_size_exact(at).s : "0");
        }
        quire_heat_draw_text(p, &name_style, QUIRE_HEAT_LEFT, part->top - 6, "%s from 0x%llx",
                             quire_facts_field(band->name, sizeof(band->name)).s,
                             (unsigned long long)first);
}

/* -------------------------------------------------------- title and legend */

static void draw_ramp(struct quire_picture *p, double x, double y, enum quire_ramp ramp)
{
        const double width = 150, most = log(p->greatest > 1 ? p->greatest : 2);

        for (unsigned i = 0; i < width; i++)
                draw_box(p, x + i, y, 1, 11, quire_palette(ramp, i / (width - 1)));
        for (uint64_t n = 1; n <= p->greatest; n *= 10) {
                double at = x + width * log((double)n) / most;

                draw_down(p, at, y + 11, 4, dim);
                quire_heat_draw_text(p, &small_tick, at, y + 26, "%s",
                                     n < 10000 ? quire_text_count(n).s : quire_text_short(n).s);
        }
}

static void draw_legend(struct quire_picture *p)
{
        const struct quire_heat_part *largest = &p->part[0];
        const double y = 590, warm = QUIRE_HEAT_LEFT + 270, evicted = QUIRE_HEAT_LEFT + 532;

        if (p->parts == 2 && p->part[1].rows > p->part[0].rows)
                largest = &p->part[1];
        quire_heat_draw_text(p, &key_style, QUIRE_HEAT_LEFT, y + 9.5, "first touched");
        draw_ramp(p, QUIRE_HEAT_LEFT + 84, y, QUIRE_RAMP_COOL);
        quire_heat_draw_text(p, &key_style, warm, y + 9.5, "came back");
        draw_ramp(p, warm + 68, y, QUIRE_RAMP_WARM);
        draw_box(p, evicted, y + 5, 18, 1, quire_heat_evicted);
        quire_heat_draw_text(p, &key_style, evicted + 26, y + 9.5, "evicted");
        if (!p->parts)
                return;
        quire_heat_draw_text(p, &quire_heat_tick, QUIRE_HEAT_RIGHT, y + 9.5, "pages in each cell");
        quire_heat_draw_text(p, &quire_heat_tick, QUIRE_HEAT_RIGHT, y + 26, "of %s \xc3\x97 %s",
                             quire_text_size_exact(largest->band->row_bytes).s,
                             quire_text_time((uint64_t)(p->seconds * 1e9 / p->columns)).s);
}

/* Left and right under the title; the left one gives way where both are long. */
static void draw_subtitle(struct quire_picture *p)
{
        const struct quire_counters *c = &p->entry->counters;
        uint64_t lived = quire_facts_end(p->facts, p->entry) - p->entry->start;
        char left[192], right[128], threads[32] = "";

        if (p->entry->threads_peak > 1)
                snprintf(threads, sizeof(threads), " in %u threads",
                         (unsigned)p->entry->threads_peak);
        snprintf(left, sizeof(left), "%.16s pages touched  \xc2\xb7  %.16s came back  \xc2\xb7  "
                 "%.16s evicted  \xc2\xb7  ran %.16s, stalled %.16s%s",
                 quire_text_short(c->faults_zero).s,
                 quire_text_short(c->faults_tier + c->faults_hard).s,
                 quire_text_short(c->evicted).s, quire_text_time(lived).s,
                 quire_text_time(c->stall_ns).s, threads);
        if (p->totals.processes > 1)
                snprintf(right, sizeof(right), "%.16s (%u), one of %u processes",
                         quire_facts_field(p->entry->comm, sizeof(p->entry->comm)).s,
                         (unsigned)p->entry->pid, p->totals.processes);
        else
                snprintf(right, sizeof(right), "quire %s", QUIRE_VERSION);
        quire_heat_draw_text(p, &subtitle_right, QUIRE_HEAT_RIGHT, 69, "%s", right);
        if (quire_font_width(left, subtitle.size) + quire_font_width(right, subtitle.size) + 24
            > QUIRE_HEAT_RIGHT - QUIRE_HEAT_LEFT)
                *strrchr(left, ',') = 0;
        quire_heat_draw_text(p, &subtitle, QUIRE_HEAT_LEFT, 69, "%s", left);
}

static void draw_title(struct quire_picture *p)
{
        const struct quire_facts *f = p->facts;
        struct quire_style budget = title_style;
        char command[52];

        quire_facts_command(f->argv, command, sizeof(command));
        quire_heat_draw_text(p, &title_style, QUIRE_HEAT_LEFT, 44, "%s", command);
        budget.anchor = QUIRE_RIGHT;
        budget.colour = quire_palette(QUIRE_RAMP_WARM, 0.82);
        quire_heat_draw_text(p, &budget, QUIRE_HEAT_RIGHT, 44, "%s in %s",
                             quire_text_size(p->entry->mapped_peak).s,
                             quire_text_size_exact(f->budget).s);
        draw_subtitle(p);
}

void quire_heat_draw_frame(struct quire_picture *p)
{
        draw_title(p);
        draw_time_axis(p);
        for (unsigned i = 0; i < p->parts; i++)
                draw_address_axis(p, &p->part[i]);
        draw_legend(p);
}
