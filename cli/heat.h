/*
 * heat.h - the picture of a run, between heat.c (the cells), heat_strip.c (the
 * strip below them) and heat_frame.c (title, axes, legend).
 */
#ifndef QUIRE_CLI_HEAT_H
#define QUIRE_CLI_HEAT_H
#include "canvas.h"
#include "facts.h"

enum {                          /* units of the canvas */
        QUIRE_HEAT_WIDTH = 960,
        QUIRE_HEAT_HEIGHT = 640,
        QUIRE_HEAT_LEFT = 96,   /* the plot's edges */
        QUIRE_HEAT_RIGHT = 932,
        QUIRE_HEAT_TOP = 84,
        QUIRE_HEAT_BOTTOM = 456,
        QUIRE_STRIP_TOP = 474,
        QUIRE_STRIP_BOTTOM = 550,
};

/* A part of the grid that is shown: rows of one band, lowest first. */
struct quire_heat_part {
        const struct quire_heat_band *band;
        unsigned row, rows;            /* in the grid */
        double top, height;            /* on the canvas */
};

struct quire_picture {
        const struct quire_facts *facts;
        struct quire_totals totals;
        const struct quire_stats_entry *entry;
        const struct quire_heat *heat;
        struct quire_canvas *canvas;
        unsigned columns;
        double seconds;                /* that the columns stand for */
        struct quire_heat_part part[QUIRE_HEAT_BANDS];
        unsigned parts;
        uint32_t greatest;             /* cell */
};

/* heat.c */
double quire_heat_x(const struct quire_picture *, unsigned column);
double quire_heat_snap(double units);      /* to whole pixels, so that nothing has seams */

/* heat_strip.c */
void quire_heat_draw_strip(struct quire_picture *);

/* heat_frame.c */
extern const struct quire_colour quire_heat_background, quire_heat_evicted;
void quire_heat_draw_rect(struct quire_picture *, const struct quire_rect *, struct quire_colour);
__attribute__((format(printf, 5, 6)))
void quire_heat_draw_text(struct quire_picture *, const struct quire_style *, double x, double y,
                          const char *format, ...);
extern const struct quire_style quire_heat_tick;           /* words beside an axis */
void quire_heat_draw_panels(struct quire_picture *);
void quire_heat_draw_frame(struct quire_picture *);

#endif
