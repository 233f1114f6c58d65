/*
 * canvas_png.c - a picture as pixels, written by libpng.
 *
 * Edges are soft: a pixel takes as much of a colour as the shape covers of it.
 */
#include "canvas.h"
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#define EM 28.0

struct image {
        struct quire_canvas canvas;
        FILE *file;
        int width, height;
        uint8_t *pixels;              /* r, g, b */
};

static void blend(struct image *im, int x, int y, struct quire_colour c, double cover)
{
        uint8_t *p = im->pixels + 3 * ((size_t)y * (size_t)im->width + (size_t)x);
        double a = cover * c.a / 255;

        p[0] = (uint8_t)(p[0] + (c.r - p[0]) * a + 0.5);
        p[1] = (uint8_t)(p[1] + (c.g - p[1]) * a + 0.5);
        p[2] = (uint8_t)(p[2] + (c.b - p[2]) * a + 0.5);
}

/* How much of the pixel from i to i + 1 lies between a and b. */
static double covered(int i, double a, double b)
{
        double from = a > i ? a : i, to = b < i + 1 ? b : i + 1;

        return to > from ? to - from : 0;
}

static int clamp(double value, int most)
{
        return value < 0 ? 0 : value > most ? most : (int)value;
}

static void draw_rects(struct quire_canvas *canvas, const struct quire_rect *r, size_t n,
                       struct quire_colour colour)
{
        struct image *im = (struct image *)canvas;

        for (; n; n--, r++) {
                double x0 = r->x * QUIRE_PIXELS, x1 = (r->x + r->w) * QUIRE_PIXELS;
                double y0 = r->y * QUIRE_PIXELS, y1 = (r->y + r->h) * QUIRE_PIXELS;

                for (int y = clamp(floor(y0), im->height); y < clamp(ceil(y1), im->height); y++)
                        for (int x = clamp(floor(x0), im->width);
                             x < clamp(ceil(x1), im->width); x++)
                                blend(im, x, y, colour,
                                      covered(x, x0, x1) * covered(y, y0, y1));
        }
}

static double distance(double px, double py, const struct quire_stroke_point *a,
                       const struct quire_stroke_point *b)
{
        double dx = b->x - a->x, dy = b->y - a->y, length = dx * dx + dy * dy;
        double t = length > 0 ? ((px - a->x) * dx + (py - a->y) * dy) / length : 0;

        t = t < 0 ? 0 : t > 1 ? 1 : t;
        return hypot(px - a->x - t * dx, py - a->y - t * dy);
}

/* One letter with its origin at pixel (left, base); scale: pixels a font unit. */
static void draw_glyph(struct image *im, double left, double base, double scale, double pen,
                       struct quire_colour colour, const struct quire_stroke_point *points,
                       size_t count)
{
        double right = 0;

        for (size_t i = 0; i < count; i++)
                right = points[i].x > right ? points[i].x : right;
        for (int y = clamp(base - 26 * scale, im->height);
             y < clamp(base + 10 * scale, im->height); y++) {
                for (int x = clamp(left - 3 * scale, im->width);
                     x < clamp(left + (right + 4) * scale, im->width); x++) {
                        double px = (x + 0.5 - left) / scale, py = (base - y - 0.5) / scale;
                        double near = 1e9, cover;

                        for (size_t i = 1; i < count; i++) {
                                if (points[i].begins)
                                        continue;
                                near = fmin(near, distance(px, py, &points[i - 1], &points[i]));
                        }
                        cover = (pen - near) * scale + 0.5;
                        if (cover > 0)
                                blend(im, x, y, colour, cover > 1 ? 1 : cover);
                }
        }
}

static void draw_text(struct quire_canvas *canvas, double x, double y,
                      const struct quire_style *style, const char *text)
{
        struct image *im = (struct image *)canvas;
        struct quire_stroke_point points[QUIRE_GLYPH_POINTS];
        double scale = style->size * QUIRE_PIXELS / EM, pen = style->bold ? 1.75 : 1.2;
        double width = quire_font_width(text, style->size), advance;
        double left = x - (style->anchor == QUIRE_MIDDLE ? width / 2
                           : style->anchor == QUIRE_RIGHT ? width : 0);

        left *= QUIRE_PIXELS;
        while (*text) {
                size_t count = quire_font_glyph(quire_font_next(&text), points, &advance);

                draw_glyph(im, left, y * QUIRE_PIXELS, scale, pen, style->colour, points, count);
                left += advance * scale;
        }
}

static bool write_png(struct image *im)
{
        png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
        png_infop info = png ? png_create_info_struct(png) : NULL;

        if (!info || setjmp(png_jmpbuf(png))) {
                png_destroy_write_struct(&png, &info);
                return false;
        }
        png_init_io(png, im->file);
        png_set_IHDR(png, info, (png_uint_32)im->width, (png_uint_32)im->height, 8,
                     PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                     PNG_FILTER_TYPE_DEFAULT);
        png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
        png_write_info(png, info);
        for (int y = 0; y < im->height; y++)
                png_write_row(png, im->pixels + (size_t)y * (size_t)im->width * 3);
        png_write_end(png, NULL);
        png_destroy_write_struct(&png, &info);
        return true;
}

static bool finish(struct quire_canvas *canvas)
{
        struct image *im = (struct image *)canvas;
        bool good = write_png(im);

        free(im->pixels);
        free(im);
        return good;
}

struct quire_canvas *quire_canvas_png(FILE *file, double width, double height,
                                      struct quire_colour background)
{
        struct image *im = calloc(1, sizeof(*im));

        if (!im)
                return NULL;
        im->canvas = (struct quire_canvas){ width, height, draw_rects, draw_text, finish };
        im->file = file;
        im->width = (int)(width * QUIRE_PIXELS);
        im->height = (int)(height * QUIRE_PIXELS);
        im->pixels = calloc((size_t)im->width * (size_t)im->height, 3);
        if (!im->pixels) {
                free(im);
                return NULL;
        }
        draw_rects(&im->canvas, &(struct quire_rect){ 0, 0, (float)width, (float)height }, 1,
                   background);
        return &im->canvas;
}
