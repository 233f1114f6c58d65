/*
 * font.c - a small typeface for pictures, drawn with one pen.
 *
 * A letter is a text of strokes with blanks between.  A stroke is a list of
 * points, two digits of base 36 each (x, y); a point after a dot is off the
 * curve, and two of those in a row have a point of the curve half-way between;
 * `@' before a stroke closes it.  Baseline y = 6, low letters reach K (20), tall
 * ones Q (26), descenders 0.
 */
#include "canvas.h"
#include <string.h>

#define BASELINE 6
#define EM       28.0
#define GAP      5.2          /* between letters */
#define STEPS    6            /* straight pieces of a curve */

static const char *const glyphs[128] = {
        [' '] = "",
        ['!'] = "0Q0D 0606",
        ['"'] = "0Q0L 5Q5L",
        ['#'] = "4Q26 CQA6 0KEK 0CEC",
        ['$'] = "DM.BQ7Q.1Q1L.1G7G.EGEB.E676.260A 7T73",
        ['%'] = "@.0G.7G.7Q.0Q @.A6.H6.HG.AG FQ26",
        ['&'] = "F63K.1Q6Q.AQAM.AI5G.0E0B.0656.C6FE",
        ['\''] = "0Q0L",
        ['('] = "4S.0M0F.0842",
        [')'] = "0S.4M4F.4802",
        ['*'] = "5Q5I 1O9K 9O1K",
        ['+'] = "0EAE 5J59",
        [','] = "1603",
        ['-'] = "0D7D",
        ['.'] = "0606",
        ['/'] = "039S",
        ['0'] = "@.06.C6.CQ.0Q",
        ['1'] = "2M7Q76",
        ['2'] = "0L.0Q6Q.CQCK.CG06C6",
        ['3'] = "0M.1Q6Q.BQBL.BG5G 5G.CGCB.C666.160A",
        ['4'] = "9Q0CDC 9Q96",
        ['5'] = "BQ1Q1H.3I6I.CICC.C666.1609",
        ['6'] = "9Q.0L0C @.06.C6.CI.0I",
        ['7'] = "0QCQ46",
        ['8'] = "@.1G.BG.BQ.1Q @.06.C6.CG.0G",
        ['9'] = "CK.CB36 @.0E.CE.CQ.0Q",
        [':'] = "0606 0H0H",
        [';'] = "1603 1H1H",
        ['<'] = "AJ0EA9",
        ['='] = "0HAH 0BAB",
        ['>'] = "0JAE09",
        ['?'] = "0M.0Q5Q.AQAL.AI5F5C 5656",
        ['@'] = "@.6B.DB.DL.6L DLDE.DBGB.JBJG.JQ9Q.0Q0E.0393.D3F4",
        ['A'] = "068QG6 2CEC",
        ['B'] = "060Q 0Q7Q.DQDL.DG7G0G 7G.FGFB.F67606",
        ['C'] = "FM.DQ9Q.0Q0G.0696.D6FA",
        ['D'] = "@060Q6Q.GQGG.G666",
        ['E'] = "DQ0Q06D6 0GBG",
        ['F'] = "DQ0Q06 0GBG",
        ['G'] = "FM.DQ9Q.0Q0G.0696.G6GE9E",
        ['H'] = "060Q F6FQ 0GFG",
        ['I'] = "060Q",
        ['J'] = "9Q9C.9656.160A",
        ['K'] = "060Q EQ0D 5IF6",
        ['L'] = "0Q06C6",
        ['M'] = "060Q9CIQI6",
        ['N'] = "060QF6FQ",
        ['O'] = "@.06.I6.IQ.0Q",
        ['P'] = "060Q7Q.EQEK.EE7E0E",
        ['Q'] = "@.06.I6.IQ.0Q BCI4",
        ['R'] = "060Q7Q.EQEK.EE7E0E 7EE6",
        ['S'] = "DM.BQ7Q.1Q1L.1G7G.EGEB.E676.260A",
        ['T'] = "0QEQ 7Q76",
        ['U'] = "0Q0D.0676.E6EDEQ",
        ['V'] = "0Q86GQ",
        ['W'] = "0Q66CQI6OQ",
        ['X'] = "0QE6 EQ06",
        ['Y'] = "0Q7GEQ 7G76",
        ['Z'] = "0QEQ06E6",
        ['['] = "4S0S0242",
        ['\\'] = "0S93",
        [']'] = "0S4S4202",
        ['^'] = "0K5QAK",
        ['_'] = "04C4",
        ['`'] = "0Q3M",
        ['a'] = "1H.2K6K.BKBFB6 BD5D.0D09.0656.96B9",
        ['b'] = "0Q06 @.06.C6.CK.0K",
        ['c'] = "BH.9K6K.0K0D.0666.96B9",
        ['d'] = "CQC6 @.06.C6.CK.0K",
        ['e'] = "0DCD.CK6K.0K0D.0666.A6B9",
        ['f'] = "8Q7Q.3Q3M36 0K7K",
        ['g'] = "CKC4.C060.2011 @.06.C6.CK.0K",
        ['h'] = "0Q06 0D.0K6K.CKCDC6",
        ['i'] = "0K06 0P0P",
        ['j'] = "3K32.3000 3P3P",
        ['k'] = "0Q06 AK0A 4EB6",
        ['l'] = "0Q09.0636",
        ['m'] = "0K06 0D.0K5K.AKADA6 AD.AKFK.KKKDK6",
        ['n'] = "0K06 0D.0K6K.CKCDC6",
        ['o'] = "@.06.C6.CK.0K",
        ['p'] = "0K00 @.06.C6.CK.0K",
        ['q'] = "CKC0 @.06.C6.CK.0K",
        ['r'] = "0K06 0D.0K7K",
        ['s'] = "AH.8K5K.0K0H.0D5D.BDBA.B656.1609",
        ['t'] = "3P3A.366686 0K8K",
        ['u'] = "0K0D.0666.C6CD CKC6",
        ['v'] = "0K66CK",
        ['w'] = "0K56AKF6KK",
        ['x'] = "0KB6 BK06",
        ['y'] = "0K66 CK53.4010",
        ['z'] = "0KBK06B6",
        ['{'] = "5S.2S2P2I.2F0F.2F2C25.2252",
        ['|'] = "0S02",
        ['}'] = "0S.3S3P3I.3F5F.3F3C35.3202",
        ['~'] = "0D.1G4G.6G7E.8CAC.CCDF",
};
static const char times[] = "0I8A 8I0A", dot[] = "0E0E", unknown[] = "@060QCQC6";

/* Where a letter is being flattened to. */
struct pen {
        struct quire_stroke_point *out;
        size_t used;
        bool begins;
};

struct point {
        float x, y;
        bool on;
};

static void pen_to(struct pen *pen, float x, float y)
{
        if (pen->used == QUIRE_GLYPH_POINTS)
                return;
        pen->out[pen->used++] = (struct quire_stroke_point){ x, y - BASELINE, pen->begins };
        pen->begins = false;
}

static void curve(struct pen *pen, struct point a, struct point b, struct point c)
{
        for (int i = 1; i <= STEPS; i++) {
                float t = (float)i / STEPS, u = 1 - t;

                pen_to(pen, u * u * a.x + 2 * u * t * b.x + t * t * c.x,
                       u * u * a.y + 2 * u * t * b.y + t * t * c.y);
        }
}

static struct point between(struct point a, struct point b)
{
        return (struct point){ (a.x + b.x) / 2, (a.y + b.y) / 2, true };
}

static int digit(char c)
{
        return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* One stroke's points; returns where the text of it ends. */
static const char *read_stroke(const char *s, struct point *points, size_t *count, bool *closed)
{
        *count = 0;
        *closed = *s == '@';
        if (*closed)
                s++;
        while (*s && *s != ' ' && *count < 32) {
                bool on = *s != '.';

                if (!on)
                        s++;
                points[(*count)++] = (struct point){ (float)digit(s[0]), (float)digit(s[1]), on };
                s += 2;
        }
        return *s == ' ' ? s + 1 : s;
}

static void draw_stroke(struct pen *pen, const struct point *p, size_t count, bool closed)
{
        struct point at = p[0], off = { 0 };
        size_t last = closed ? count : count - 1;
        bool bent = false;

        if (!at.on)                    /* closed, and round all over */
                at = between(p[count - 1], p[0]);
        pen->begins = true;
        pen_to(pen, at.x, at.y);
        for (size_t i = p[0].on ? 1 : 0; i <= last; i++) {
                struct point next = i < count ? p[i] : p[0].on ? p[0] : between(p[count - 1], p[0]);

                if (!next.on && bent) {
                        struct point middle = between(off, next);

                        curve(pen, at, off, middle);
                        at = middle;
                } else if (next.on) {
                        if (bent)
                                curve(pen, at, off, next);
                        else
                                pen_to(pen, next.x, next.y);
                        at = next;
                }
                bent = !next.on;
                off = next;
        }
}

static const char *glyph_of(uint32_t letter)
{
        if (letter == 0xb7)
                return dot;
        if (letter == 0xd7)
                return times;
        return letter < 128 && glyphs[letter] ? glyphs[letter] : unknown;
}

size_t quire_font_glyph(uint32_t letter, struct quire_stroke_point out[QUIRE_GLYPH_POINTS],
                        double *advance)
{
        struct pen pen = { .out = out };
        struct point points[32];
        float width = letter == ' ' ? 3 : letter >= '0' && letter <= '9' ? 12 : 0;

        for (const char *s = glyph_of(letter); *s; ) {
                size_t count;
                bool closed;

                s = read_stroke(s, points, &count, &closed);
                if (count)
                        draw_stroke(&pen, points, count, closed);
        }
        for (size_t i = 0; i < pen.used; i++)
                if (out[i].x > width)
                        width = out[i].x;
        *advance = width + GAP;
        return pen.used;
}

uint32_t quire_font_next(const char **text)
{
        const unsigned char *s = (const unsigned char *)*text;
        unsigned more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
        uint32_t letter = more ? s[0] & (0x3fu >> more) : s[0];

        for (s++; more && (*s & 0xc0) == 0x80; more--)
                letter = letter << 6 | (*s++ & 0x3f);
        *text = (const char *)s;
        return letter;
}

double quire_font_width(const char *text, double size)
{
        struct quire_stroke_point points[QUIRE_GLYPH_POINTS];
        double width = 0, advance;

        while (*text) {
                quire_font_glyph(quire_font_next(&text), points, &advance);
                width += advance;
        }
        return width > 0 ? (width - GAP) * size / EM : 0;
}
