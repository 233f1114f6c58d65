/*
 * picture_test.c - the heat map as an image that libpng reads back: its size,
 * and that the colours are where the synthetic run has its pages.
 */
#include "heat.h"
#include "synthetic.h"
#include "test.h"
#include <png.h>

struct decoded {
        png_image image;
        png_bytep pixels;
};

static struct decoded draw_and_decode(const struct quire_facts *f)
{
        struct decoded d = { .image = { .version = PNG_IMAGE_VERSION } };
        FILE *file = tmpfile();

        REQUIRE(file);
        CHECK_EQ(quire_heat_png(f, file), 0);
        rewind(file);
        REQUIRE(png_image_begin_read_from_stdio(&d.image, file));
        d.image.format = PNG_FORMAT_RGB;
        d.pixels = malloc(PNG_IMAGE_SIZE(d.image));
        REQUIRE(d.pixels);
        CHECK(png_image_finish_read(&d.image, NULL, d.pixels, 0, NULL));
        fclose(file);
        return d;
}

static void discard(struct decoded *d)
{
        png_image_free(&d->image);
        free(d->pixels);
}

/* Of the pixels of the plot: how many are rather blue, and rather red. */
static void count_colours(const struct decoded *d, double from, double to, unsigned *blue,
                          unsigned *red)
{
        unsigned left = (unsigned)(from * QUIRE_PIXELS), right = (unsigned)(to * QUIRE_PIXELS);

        *blue = *red = 0;
        for (unsigned y = QUIRE_HEAT_TOP * QUIRE_PIXELS; y < QUIRE_HEAT_BOTTOM * QUIRE_PIXELS; y++)
                for (unsigned x = left; x < right; x++) {
                        const png_byte *p = d->pixels + 3 * (y * d->image.width + x);

                        *blue += p[2] > p[0] + 60 && p[1] > p[0] + 20;
                        *red += p[0] > p[1] + 60 && p[0] > 100;
                }
}

static void test_D13_heat_map_is_a_png(void)
{
        struct quire_facts *f = synthetic_open(1);
        struct decoded d = draw_and_decode(f);

        CHECK_EQ(d.image.width, QUIRE_HEAT_WIDTH * QUIRE_PIXELS);
        CHECK_EQ(d.image.height, QUIRE_HEAT_HEIGHT * QUIRE_PIXELS);
        discard(&d);
        synthetic_close(f);
}

/* The synthetic run touches its memory first, and comes back to it later. */
static void test_D13_heat_map_colours(void)
{
        const double middle = (QUIRE_HEAT_LEFT + QUIRE_HEAT_RIGHT) / 2.0;
        struct quire_facts *f = synthetic_open(1);
        struct decoded d = draw_and_decode(f);
        unsigned blue[2], red[2];

        count_colours(&d, QUIRE_HEAT_LEFT, middle, &blue[0], &red[0]);
        count_colours(&d, middle, QUIRE_HEAT_RIGHT, &blue[1], &red[1]);
        CHECK(blue[0] > 1000);
        CHECK_EQ(blue[1], 0);
        CHECK(red[1] > 4 * red[0]);
        discard(&d);
        synthetic_close(f);
}

static void test_D13_heat_map_of_nothing(void)
{
        struct quire_facts *f = synthetic_open(1);
        struct decoded d;
        unsigned blue, red;

        memset(&synthetic_entry(f, 0)->heat, 0, sizeof(struct quire_heat));
        d = draw_and_decode(f);
        count_colours(&d, QUIRE_HEAT_LEFT, QUIRE_HEAT_RIGHT, &blue, &red);
        CHECK_EQ(blue + red, 0);
        discard(&d);
        synthetic_close(f);
}

/* One cell: it is seen, however lonely. */
static void test_D13_heat_map_of_one_page(void)
{
        struct quire_facts *f = synthetic_open(1);
        struct quire_heat *h = &synthetic_entry(f, 0)->heat;
        struct decoded d;
        unsigned blue, red;

        memset(h, 0, sizeof(*h));
        h->column_ns = 1000000000;
        h->columns_used = 1;
        h->band[0] = (struct quire_heat_band){ .row_bytes = 4096, .rows = 128, .used = 1 };
        h->cell[QUIRE_HEAT_TOUCHED][0][0] = 1;
        d = draw_and_decode(f);
        count_colours(&d, QUIRE_HEAT_LEFT, QUIRE_HEAT_RIGHT, &blue, &red);
        CHECK(blue > 100);
        CHECK_EQ(red, 0);
        discard(&d);
        synthetic_close(f);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_D13_heat_map_is_a_png);
        RUN(test_D13_heat_map_colours);
        RUN(test_D13_heat_map_of_nothing);
        RUN(test_D13_heat_map_of_one_page);
        return test_end();
}
