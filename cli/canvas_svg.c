/*
 * canvas_svg.c - a picture as SVG.  Rectangles of one colour are one path.
 */
#include "canvas.h"
#include "cli.h"
#include <stdlib.h>
#include <string.h>

struct drawing {
        struct quire_canvas canvas;
        FILE *file;
};

static FILE *file_of(struct quire_canvas *canvas)
{
        return ((struct drawing *)canvas)->file;
}

static void write_escaped(FILE *file, const char *text)
{
        while (*text) {
                unsigned length = quire_utf8_length(text);

                if (*text == '<')
                        fputs("&lt;", file);
                else if (*text == '&')
                        fputs("&amp;", file);
                else if (*text == '"')
                        fputs("&quot;", file);
                else if (!length || (unsigned char)*text < 0x20 || *text == 0x7f)
                        fputc('?', file);
                else
                        fwrite(text, 1, length, file);
                text += length ? length : 1;
        }
}

static void write_fill(FILE *file, struct quire_colour c)
{
        fprintf(file, " fill=\"#%02x%02x%02x\"", c.r, c.g, c.b);
        if (c.a != 255)
                fprintf(file, " fill-opacity=\"%.3g\"", c.a / 255.0);
}

static void draw_rects(struct quire_canvas *canvas, const struct quire_rect *r, size_t n,
                       struct quire_colour colour)
{
        FILE *file = file_of(canvas);

        if (!n)
                return;
        fputs("<path", file);
        write_fill(file, colour);
        fputs(" d=\"", file);
        for (; n; n--, r++)
                fprintf(file, "M%.7g %.7gh%.7gv%.7gh%.7gz", (double)r->x, (double)r->y,
                        (double)r->w, (double)r->h, -(double)r->w);
        fputs("\"/>\n", file);
}

static void draw_text(struct quire_canvas *canvas, double x, double y,
                      const struct quire_style *style, const char *text)
{
        static const char *const anchors[] = { "start", "middle", "end" };
        FILE *file = file_of(canvas);

        fprintf(file, "<text x=\"%.7g\" y=\"%.7g\" font-size=\"%.4g\" text-anchor=\"%s\"%s", x, y,
                style->size, anchors[style->anchor], style->bold ? " font-weight=\"600\"" : "");
        write_fill(file, style->colour);
        fputc('>', file);
        write_escaped(file, text);
        fputs("</text>\n", file);
}

static bool finish(struct quire_canvas *canvas)
{
        FILE *file = file_of(canvas);

        fputs("</g>\n</svg>\n", file);
        free(canvas);
        return !ferror(file);
}

struct quire_canvas *quire_canvas_svg(FILE *file, double width, double height,
                                      struct quire_colour background, const char *title)
{
        struct drawing *d = calloc(1, sizeof(*d));
        struct quire_rect all = { 0, 0, (float)width, (float)height };

        if (!d)
                return NULL;
        d->canvas = (struct quire_canvas){ width, height, draw_rects, draw_text, finish };
        d->file = file;
        fprintf(file, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" width=\"%g\" "
                "height=\"%g\" role=\"img\">\n<title>", width, height, width, height);
        write_escaped(file, title);
        fputs("</title>\n<g shape-rendering=\"crispEdges\" font-family=\"Inter, 'Helvetica Neue', "
              "Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n", file);
        draw_rects(&d->canvas, &all, 1, background);
        return &d->canvas;
}
