/*
 * units_test.c - sizes, times and counts from and for people; the words that are
 * like another; the letters and colours of pictures; smaps_rollup.
 */
#include "canvas.h"
#include "cli.h"
#include "test.h"
#include "watch.h"
#include <math.h>

static uint64_t size_of(const char *text)
{
        uint64_t bytes = 0;

        return quire_size_parse(text, &bytes) ? bytes : UINT64_MAX;
}

static void test_sizes_are_read(void)
{
        static const struct {
                const char *text;
                uint64_t bytes;
        } cases[] = {
                { "0", 0 }, { "67108864", 67108864 }, { "67108864B", 67108864 },
                { "64M", 64 << 20 }, { "64m", 64 << 20 }, { "64MiB", 64 << 20 },
                { "64MB", 64000000 }, { "64kB", 64000 }, { "1K", 1024 }, { "1k", 1024 },
                { "1.5G", UINT64_C(3) << 29 }, { "0.5m", 1 << 19 }, { "2g", UINT64_C(2) << 30 },
                { "2.25T", UINT64_C(9) << 38 }, { "1t", UINT64_C(1) << 40 },
                { "0.001K", 1 }, { "16777215T", UINT64_C(16777215) << 40 },
        };
        static const char *const bad[] = {
                "", "M", "-1M", "+1M", " 1M", "1M ", "1 M", "1.5", "1.5B", "1.", ".5G", "1.G", "1x",
                "1Mi", "1MiBs", "0x10", "1e3", "1,5G", "18446744073709551616", "16777216T",
                "99999999999T", "64MM",
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
                if (!CHECK_EQ(size_of(cases[i].text), cases[i].bytes))
                        fprintf(stderr, "    %s\n", cases[i].text);
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
                if (!CHECK_EQ(size_of(bad[i]), UINT64_MAX))
                        fprintf(stderr, "    '%s'\n", bad[i]);
}

static void same(struct quire_text text, const char *wanted)
{
        if (!CHECK(!strcmp(text.s, wanted)))
                fprintf(stderr, "    '%s', not '%s'\n", text.s, wanted);
}

static void test_sizes_are_shown(void)
{
        same(quire_text_size(0), "0 B");
        same(quire_text_size(1023), "1023 B");
        same(quire_text_size(1024), "1.00 KiB");
        same(quire_text_size(64 << 20), "64.0 MiB");
        same(quire_text_size((UINT64_C(1) << 30) - 1), "1.00 GiB");
        same(quire_text_size(UINT64_MAX), "16.0 EiB");
        same(quire_text_size_exact(0), "0 bytes");
        same(quire_text_size_exact(4097), "4097 bytes");
        same(quire_text_size_exact(256 << 10), "256 KiB");
        same(quire_text_size_exact(UINT64_C(3) << 29), "1536 MiB");
        same(quire_text_size_exact(100000001), "95.4 MiB");
}

static void test_times_are_shown(void)
{
        same(quire_text_time(0), "0 ns");
        same(quire_text_time(999), "999 ns");
        same(quire_text_time(3100), "3.10 us");
        same(quire_text_time(999600), "1.00 ms");
        same(quire_text_time(12400000000), "12.4 s");
        same(quire_text_time(119400000000), "119 s");
        same(quire_text_time(125000000000), "2 min 05 s");
        same(quire_text_time(3720000000000), "1 h 02 min");
}

static void test_counts_are_shown(void)
{
        same(quire_text_count(0), "0");
        same(quire_text_count(999), "999");
        same(quire_text_count(1000), "1,000");
        same(quire_text_count(UINT64_MAX), "18,446,744,073,709,551,615");
        same(quire_text_short(9999), "9,999");
        same(quire_text_short(10000), "10.0 k");
        same(quire_text_short(1234567), "1.23 M");
        same(quire_text_short(UINT64_MAX), "18.4 E");
        same(quire_text_percent(0), "0 %");
        same(quire_text_percent(0.0123), "1.23 %");
        same(quire_text_percent(0.995), "99.5 %");
        same(quire_text_percent(0.9999), "99.9 %");
        same(quire_text_percent(1), "100 %");
        same(quire_text_percent(2.5), "250 %");
}

static void test_near_words(void)
{
        static const char *const words[] = { "--memory", "--pagefile", "--policy", "run", NULL };

        CHECK(!strcmp(quire_word_nearest("--memroy", words), "--memory"));
        CHECK(!strcmp(quire_word_nearest("--page-file", words), "--pagefile"));
        CHECK(!strcmp(quire_word_nearest("rnu", words), "run"));
        CHECK(!quire_word_nearest("--verbose", words));
        CHECK(!quire_word_nearest("ls", words));
}

static void test_utf8(void)
{
        CHECK_EQ(quire_utf8_length("a"), 1);
        CHECK_EQ(quire_utf8_length("\xc3\xa9"), 2);
        CHECK_EQ(quire_utf8_length("\xe2\x82\xac"), 3);
        CHECK_EQ(quire_utf8_length("\xf0\x9f\x98\x80"), 4);
        CHECK_EQ(quire_utf8_length("\xff"), 0);
        CHECK_EQ(quire_utf8_length("\xc3"), 0);              /* cut off */
        CHECK_EQ(quire_utf8_length("\xc0\x80"), 0);          /* longer than need be */
        CHECK_EQ(quire_utf8_length("\xed\xa0\x80"), 0);      /* half of a pair */
        CHECK_EQ(quire_utf8_length("\xf4\x90\x80\x80"), 0);  /* past the last */
}

/* Every letter has strokes inside the em, ends where it says, and is its own. */
static void test_letters(void)
{
        struct quire_stroke_point points[QUIRE_GLYPH_POINTS], other[QUIRE_GLYPH_POINTS];
        double advance, unknown;
        size_t box = quire_font_glyph(0x4e2d, other, &unknown);

        for (uint32_t c = '!'; c < 127; c++) {
                size_t n = quire_font_glyph(c, points, &advance);

                CHECK(n >= 2 && n < QUIRE_GLYPH_POINTS && points[0].begins);
                CHECK(n != box || memcmp(points, other, n * sizeof(*points)) != 0);
                for (size_t i = 0; i < n; i++)
                        CHECK(points[i].x >= 0 && points[i].x < (float)advance
                              && points[i].y >= -6 && points[i].y <= 24);
        }
        CHECK(quire_font_width("ii", 10) < quire_font_width("mm", 10));
        CHECK(fabs(quire_font_width("111", 10) - quire_font_width("808", 10)) < 1e-9);
        CHECK(quire_font_width("", 10) < 1e-9);
}

static double lightness(struct quire_colour c)
{
        return 0.2126 * pow(c.r / 255.0, 2.2) + 0.7152 * pow(c.g / 255.0, 2.2)
               + 0.0722 * pow(c.b / 255.0, 2.2);
}

static void test_palettes_rise(void)
{
        for (int ramp = QUIRE_RAMP_WARM; ramp <= QUIRE_RAMP_COOL; ramp++)
                for (int i = 1; i <= 32; i++)
                        CHECK(lightness(quire_palette((enum quire_ramp)ramp, i / 32.0))
                              > lightness(quire_palette((enum quire_ramp)ramp, (i - 1) / 32.0)));
}

static void test_smaps_are_read(void)
{
        static char text[] =
                "55d0c0a00000-7ffd1 ---p 00000000 00:00 0                    [rollup]\n"
                "Rss:               84000 kB\n"
                "Pss:               83000 kB\n"
                "Pss_Anon:          70000 kB\n"
                "Anonymous:         72704 kB\n"
                "Swap:                 12 kB\n"
                "SwapPss:               9 kB\n";
        FILE *file = fmemopen(text, strlen(text), "r");
        struct quire_seen seen;

        REQUIRE(file);
        CHECK(quire_watch_parse(file, &seen));
        CHECK_EQ(seen.resident_peak, 84000u * 1024);
        CHECK_EQ(seen.anonymous_peak, 72704u * 1024);
        CHECK_EQ(seen.swap_peak, 12u * 1024);
        CHECK(!quire_watch_parse(file, &seen));              /* at its end */
        fclose(file);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_sizes_are_read);
        RUN(test_sizes_are_shown);
        RUN(test_times_are_shown);
        RUN(test_counts_are_shown);
        RUN(test_near_words);
        RUN(test_utf8);
        RUN(test_letters);
        RUN(test_palettes_rise);
        RUN(test_smaps_are_read);
        return test_end();
}
