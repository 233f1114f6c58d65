/*
 * units.c - sizes, times and counts, from and for people.
 *
 * Decides how numbers look everywhere in the command: three significant digits
 * and a unit.  Whoever needs exact numbers takes the JSON report.
 */
#include "cli.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int quire_cli_complain(int status, const char *format, ...)
{
        char line[1024] = "quire: ";
        size_t used = strlen(line);
        va_list list;

        va_start(list, format);
        vsnprintf(line + used, sizeof(line) - used - 1, format, list);
        va_end(list);
        for (char *c = line; *c; c++)
                if (iscntrl((unsigned char)*c))
                        *c = '?';
        strcat(line, "\n");
        fflush(stderr);
        if (write(STDERR_FILENO, line, strlen(line)) < 0)
                return status;      /* nobody to tell */
        return status;
}

/* What the letters after the number multiply by; 0: no such unit. */
static uint64_t unit_of(const char *text)
{
        static const char letters[] = "kmgt";
        const char *found;
        uint64_t base = 1024, unit = 1;

        if (!*text || !strcmp(text, "B"))
                return 1;
        found = strchr(letters, tolower((unsigned char)*text));
        if (!found)
                return 0;
        if (!strcmp(text + 1, "B"))
                base = 1000;
        else if (text[1] && strcmp(text + 1, "iB"))
                return 0;
        for (const char *l = letters; l <= found; l++)
                unit *= base;
        return unit;
}

bool quire_size_parse(const char *text, uint64_t *bytes)
{
        uint64_t whole = 0, unit, part = 0, scale = 1, sum;
        const char *t = text;

        if (!isdigit((unsigned char)*t))
                return false;
        for (; isdigit((unsigned char)*t); t++)
                if (__builtin_mul_overflow(whole, 10u, &whole)
                    || __builtin_add_overflow(whole, (uint64_t)(*t - '0'), &whole))
                        return false;
        if (*t == '.') {
                if (!isdigit((unsigned char)*++t))
                        return false;
                for (; isdigit((unsigned char)*t); t++) {
                        if (scale >= 1000000)
                                continue;        /* finer than anybody means */
                        part = part * 10 + (uint64_t)(*t - '0');
                        scale *= 10;
                }
        }
        unit = unit_of(t);
        if (!unit || (unit == 1 && scale > 1))
                return false;
        if (__builtin_mul_overflow(whole, unit, &sum)
            || __builtin_add_overflow(sum, (uint64_t)((double)unit * (double)part
                                                      / (double)scale + 0.5), &sum))
                return false;
        *bytes = sum;
        return true;
}

/* Three significant digits and the unit. */
static struct quire_text digits(double value, const char *unit)
{
        struct quire_text text;
        int places = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

        snprintf(text.s, sizeof(text.s), "%.*f %s", places, value, unit);
        return text;
}

struct quire_text quire_text_size(uint64_t bytes)
{
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        double value = (double)bytes / 1024;
        struct quire_text text;
        size_t unit = 0;

        if (bytes < 1024) {
                snprintf(text.s, sizeof(text.s), "%u B", (unsigned)bytes);
                return text;
        }
        for (; value >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
                value /= 1024;
        return digits(value, units[unit]);
}

struct quire_text quire_text_size_exact(uint64_t bytes)
{
        static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
        struct quire_text text;
        size_t unit = 0;

        while (bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(*units)) {
                bytes /= 1024;
                unit++;
        }
        if (unit == 0 && bytes >= 10 * 1024 * 1024)
                return quire_text_size(bytes);
        snprintf(text.s, sizeof(text.s), "%llu %s", (unsigned long long)bytes, units[unit]);
        return text;
}

struct quire_text quire_text_time(uint64_t ns)
{
        double value = (double)ns;
        unsigned long long seconds = (ns + 500000000) / 1000000000;
        struct quire_text text;

        if (ns < 1000) {
                snprintf(text.s, sizeof(text.s), "%u ns", (unsigned)ns);
                return text;
        }
        if (value < 999.5e3)
                return digits(value / 1e3, "us");
        if (value < 999.5e6)
                return digits(value / 1e6, "ms");
        if (seconds < 120)
                return digits(value / 1e9, "s");
        if (seconds < 3600)
                snprintf(text.s, sizeof(text.s), "%llu min %02llu s", seconds / 60, seconds % 60);
        else
                snprintf(text.s, sizeof(text.s), "%llu h %02llu min", seconds / 3600,
                         seconds / 60 % 60);
        return text;
}

struct quire_text quire_text_count(uint64_t n)
{
        struct quire_text plain, text;
        size_t length, out = 0;

        snprintf(plain.s, sizeof(plain.s), "%llu", (unsigned long long)n);
        length = strlen(plain.s);
        for (size_t i = 0; i < length; i++) {
                if (i && (length - i) % 3 == 0)
                        text.s[out++] = ',';
                text.s[out++] = plain.s[i];
        }
        text.s[out] = 0;
        return text;
}

struct quire_text quire_text_short(uint64_t n)
{
        static const char *const units[] = { "k", "M", "G", "T", "P", "E" };
        double value = (double)n / 1000;
        size_t unit = 0;

        if (n < 10000)
                return quire_text_count(n);
        for (; value >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
                value /= 1000;
        return digits(value, units[unit]);
}

struct quire_text quire_text_percent(double share)
{
        struct quire_text text;
        double percent = share * 100;
        int places = percent >= 100 || percent < 0.005 ? 0 : percent >= 10 ? 1 : 2;

        if (percent > 99.9 && percent < 100)
                percent = 99.9;      /* what is not all must not look like all */
        snprintf(text.s, sizeof(text.s), "%.*f %%", places, percent);
        return text;
}

unsigned quire_utf8_length(const char *text)
{
        const unsigned char *s = (const unsigned char *)text;
        unsigned length = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                          : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

        for (unsigned i = 1; i < length; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)
            || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
                return 0;
        return length;
}

static size_t least(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* How many letters must change, come, go or swap with a neighbour. */
static size_t distance(const char *a, const char *b)
{
        enum { MOST = 32 };
        size_t cost[MOST + 1][MOST + 1], la = strlen(a), lb = strlen(b);

        if (la > MOST || lb > MOST)
                return MOST;
        for (size_t i = 0; i <= la; i++) {
                for (size_t j = 0; j <= lb; j++) {
                        if (!i || !j) {
                                cost[i][j] = i + j;
                                continue;
                        }
                        cost[i][j] = least(least(cost[i - 1][j], cost[i][j - 1]) + 1,
                                           cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
                }
        }
        return cost[la][lb];
}

const char *quire_word_nearest(const char *word, const char *const *candidates)
{
        const char *best = NULL;
        size_t best_distance = strlen(word) / 3 + 2;       /* further is another word */

        for (; *candidates; candidates++) {
                size_t d = distance(word, *candidates);

                if (d < best_distance && d < strlen(*candidates)) {
                        best_distance = d;
                        best = *candidates;
                }
        }
        return best;
}
