/*
 * palette.c - two ramps of colours for the heat map, even to the eye.
 *
 * A ramp is a path through OKLCH (lightness, chroma, hue), in which equal steps
 * look equal: lightness rises in a straight line, so that the order of two
 * colours is seen at once, also in grey and by whoever sees few colours.
 */
#include "canvas.h"
#include <math.h>

struct knot {
        double at, chroma, hue;       /* hue in degrees */
};

/* From a dark violet through red and orange to a light yellow. */
static const struct knot warm[] = {
        { 0.00, 0.140, 300 }, { 0.30, 0.200, 350 }, { 0.55, 0.205, 392 }, { 0.78, 0.170, 424 },
        { 1.00, 0.110, 465 },
};
/* From a deep blue through teal to a light mint. */
static const struct knot cool[] = {
        { 0.00, 0.080, 262 }, { 0.50, 0.105, 222 }, { 1.00, 0.120, 172 },
};

static const struct {
        const struct knot *knots;
        double dark, light;
} ramps[] = {
        [QUIRE_RAMP_WARM] = { warm, 0.36, 0.96 },
        [QUIRE_RAMP_COOL] = { cool, 0.33, 0.88 },
};

static double gamma_encode(double linear)
{
        return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

/* Linear sRGB of an OKLCH colour; false: no screen shows it. */
static bool to_linear(double lightness, double chroma, double hue, double rgb[3])
{
        double a = chroma * cos(hue * M_PI / 180), b = chroma * sin(hue * M_PI / 180);
        double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
        double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
        double s = lightness - 0.0894841775 * a - 1.2914855480 * b;

        l = l * l * l;
        m = m * m * m;
        s = s * s * s;
        rgb[0] = +4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
        rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
        rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
        for (int i = 0; i < 3; i++)
                if (rgb[i] < -0.0001 || rgb[i] > 1.0001)
                        return false;
        return true;
}

static uint8_t to_byte(double linear)
{
        double value = gamma_encode(linear < 0 ? 0 : linear > 1 ? 1 : linear);

        return (uint8_t)(value * 255 + 0.5);
}

struct quire_colour quire_palette(enum quire_ramp ramp, double at)
{
        const struct knot *k = ramps[ramp].knots;
        double part, chroma, hue, rgb[3];
        double lightness;

        at = at < 0 ? 0 : at > 1 ? 1 : at;
        while (k[1].at < at)
                k++;
        part = (at - k->at) / (k[1].at - k->at);
        chroma = k->chroma + part * (k[1].chroma - k->chroma);
        hue = k->hue + part * (k[1].hue - k->hue);
        lightness = ramps[ramp].dark + at * (ramps[ramp].light - ramps[ramp].dark);
        while (!to_linear(lightness, chroma, hue, rgb) && chroma > 0.001)
                chroma *= 0.97;      /* paler, but as light and of the same hue */
        return (struct quire_colour){ to_byte(rgb[0]), to_byte(rgb[1]), to_byte(rgb[2]), 255 };
}
