/*
 * canvas.h - a surface that takes rectangles and words: canvas_png.c makes
 * pixels of them, canvas_svg.c keeps them as they are.
 *
 * Coordinates are units of the picture, y downward; an image has QUIRE_PIXELS
 * pixels a unit each way.
 */
#ifndef QUIRE_CLI_CANVAS_H
#define QUIRE_CLI_CANVAS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define QUIRE_PIXELS 2

struct quire_colour {
        uint8_t r, g, b, a;
};

struct quire_rect {
        float x, y, w, h;
};

enum quire_anchor { QUIRE_LEFT, QUIRE_MIDDLE, QUIRE_RIGHT };

struct quire_style {
        double size;                /* of the letters, in units */
        bool bold;
        enum quire_anchor anchor;
        struct quire_colour colour;
};

struct quire_canvas {
        double width, height;
        void (*rects)(struct quire_canvas *, const struct quire_rect *, size_t n,
                      struct quire_colour);
        /* y: the baseline */
        void (*text)(struct quire_canvas *, double x, double y, const struct quire_style *,
                     const char *);
        /* Write it out, and free the canvas; false: it could not be written. */
        bool (*finish)(struct quire_canvas *);
};

/* null: no memory */
struct quire_canvas *quire_canvas_png(FILE *, double width, double height,
                                      struct quire_colour background);
struct quire_canvas *quire_canvas_svg(FILE *, double width, double height,
                                      struct quire_colour background, const char *title);

/* FONT (font.c): letters as strokes, in units of 1/28 of the size. */
struct quire_stroke_point {
        float x, y;                 /* y upward from the baseline */
        bool begins;                /* a new stroke */
};
#define QUIRE_GLYPH_POINTS 256u
/* The points of one letter, flattened; *advance: to the next letter. */
size_t quire_font_glyph(uint32_t letter, struct quire_stroke_point out[QUIRE_GLYPH_POINTS],
                        double *advance);
double quire_font_width(const char *text, double size);
/* The next letter of a UTF-8 text; *text moves on. */
uint32_t quire_font_next(const char **text);

/* PALETTE (palette.c): colours whose lightness rises evenly. */
enum quire_ramp { QUIRE_RAMP_WARM, QUIRE_RAMP_COOL };
struct quire_colour quire_palette(enum quire_ramp, double at /* 0..1 */);

#endif
