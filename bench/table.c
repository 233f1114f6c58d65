/*
 * table.c - the one table: its lines as they come, its targets, and the same
 * as JSON.
 *
 * A ratio reads "this line takes N x what the line it names takes".
 */
#include "bench.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct line *lines;
static size_t count;

static int compare_doubles(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

double quire_bench_median(const double *values, unsigned n)
{
        double sorted[BENCH_ROUNDS];
        memcpy(sorted, values, n * sizeof *values);
        qsort(sorted, n, sizeof *sorted, compare_doubles);
        return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

void quire_bench_table_compare(struct line *line, const struct aim *aim, const double *ours,
                               const double *theirs, unsigned rounds)
{
        double ratios[BENCH_ROUNDS];
        if (theirs) {
                for (unsigned i = 0; i < rounds; i++)
                        ratios[i] = ours[i] / theirs[i];
                line->ratio = quire_bench_median(ratios, rounds);
        }
        if (aim->kind == AIM_NONE || (aim->kind != AIM_VALUE_MOST && !theirs))
                return;
        line->aim = *aim;
        /* Two digits are shown, so two digits are compared. */
        double shown = (double)(long long)(line->ratio * 100 + 0.5) / 100;
        if (aim->kind == AIM_VALUE_MOST)
                line->met = line->median <= aim->target;
        else if (aim->kind == AIM_RATIO_MOST)
                line->met = shown <= aim->target;
        else
                line->met = shown >= aim->target;
}

/* ---------------------------------------------------------------------- printing */

/* What a value is shown in: its unit's name and size. */
struct scale {
        const char *name;
        double size;
        int digits;
};

static struct scale choose_scale(double value, enum unit unit)
{
        if (unit == UNIT_BYTES)
                return (struct scale){"MiB", (double)MIB, 1};
        if (value < 1e6)
                return (struct scale){"us", 1e3, value < 10e3 ? 2 : 1};
        return value < 1e9 ? (struct scale){"ms", 1e6, 2} : (struct scale){"s", 1e9, 2};
}

static const char *show(char *out, size_t room, double value, enum unit unit)
{
        struct scale scale = choose_scale(value, unit);
        snprintf(out, room, "%.*f %s", scale.digits, value / scale.size, scale.name);
        return out;
}

static void show_aim(char *out, size_t room, const struct line *line)
{
        char target[32];
        out[0] = '\0';
        if (line->aim.kind == AIM_VALUE_MOST)
                show(target, sizeof target, line->aim.target, line->unit);
        else
                snprintf(target, sizeof target, "%.2fx", line->aim.target);
        if (line->aim.kind != AIM_NONE)
                snprintf(out, room, "%s %s %s", line->aim.kind == AIM_RATIO_LEAST ? ">=" : "<=",
                         target, line->met ? "met" : "MISSED");
}

#define COLUMNS "  %-34s %-22s %9s %-18s %-27s %-15s %s\n"

static void print_line(const struct line *line, bool same)
{
        char median[32], range[72] = "", ratio[80] = "", aim[64];
        const char *what = same ? "" : line->what;
        if (line->state != MEASURED) {
                printf("  %-34s %-22s %s: %s\n", what, line->who,
                       line->state == SKIPPED ? "skipped" : "FAILED", line->note);
                return;
        }
        struct scale scale = choose_scale(line->median, line->unit);
        if (line->low < line->high)
                snprintf(range, sizeof range, "(%.*f .. %.*f)", scale.digits,
                         line->low / scale.size, scale.digits, line->high / scale.size);
        if (line->ratio > 0)
                snprintf(ratio, sizeof ratio, "%.2fx %s", line->ratio, line->against);
        show_aim(aim, sizeof aim, line);
        printf(COLUMNS, what, line->who, show(median, sizeof median, line->median, line->unit),
               range, ratio, aim, line->note);
}

static void print_heading(const char *group)
{
        if (!count)
                printf("Medians over interleaved rounds of one run.  \"N x other\": this line "
                       "takes N times what `other' takes.\n");
        printf("\n%s\n", group);
        printf(COLUMNS, "", "", "median", "(least .. most)", "ratio", "target", "");
}

void quire_bench_table_add(const struct line *line)
{
        const struct line *last = count ? &lines[count - 1] : NULL;
        bool same_group = last && strcmp(last->group, line->group) == 0;
        if (!same_group)
                print_heading(line->group);
        print_line(line, same_group && strcmp(last->what, line->what) == 0);
        fflush(stdout);
        struct line *more = realloc(lines, (count + 1) * sizeof *lines);
        if (!more)
                abort();
        lines = more;
        lines[count++] = *line;
}

/* -------------------------------------------------------------------------- JSON */

static void put_string(FILE *out, const char *name, const char *text)
{
        fprintf(out, "\"%s\": \"", name);
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        putc('\\', out);
                if ((unsigned char)*text >= ' ')
                        putc(*text, out);
        }
        fputs("\"", out);
}

static void put_line(FILE *out, const struct line *line)
{
        static const char *const units[] = {"ns", "bytes"};
        static const char *const kinds[] = {"", "ratio at most", "ratio at least",
                                            "value at most"};
        fputs("    {", out);
        put_string(out, "group", line->group);
        fputs(", ", out);
        put_string(out, "row", line->what);
        fputs(", ", out);
        put_string(out, "contender", line->who);
        if (line->state == MEASURED) {
                fprintf(out, ", \"median\": %.3f, \"lowest\": %.3f, \"highest\": %.3f, "
                             "\"unit\": \"%s\"",
                        line->median, line->low, line->high, units[line->unit]);
        } else {
                fprintf(out, ", \"%s\": true", line->state == SKIPPED ? "skipped" : "failed");
        }
        if (line->cpu > 0)
                fprintf(out, ", \"cpu\": %.3f", line->cpu);
        if (line->ratio > 0) {
                fprintf(out, ", \"ratio\": %.4f, ", line->ratio);
                put_string(out, "against", line->against);
        }
        if (line->aim.kind != AIM_NONE)
                fprintf(out, ", \"target\": %.3f, \"target_kind\": \"%s\", \"met\": %s",
                        line->aim.target, kinds[line->aim.kind], line->met ? "true" : "false");
        if (line->note[0]) {
                fputs(", ", out);
                put_string(out, "note", line->note);
        }
        fputs("}", out);
}

bool quire_bench_table_save(const struct bench *bench)
{
        FILE *out = bench->json ? fopen(bench->json, "we") : NULL;
        if (!out)
                return !bench->json;
        fprintf(out, "{\n  \"quick\": %s,\n  \"lines\": [\n", bench->quick ? "true" : "false");
        for (size_t i = 0; i < count; i++) {
                put_line(out, &lines[i]);
                fputs(i + 1 < count ? ",\n" : "\n", out);
        }
        fputs("  ]\n}\n", out);
        return fclose(out) == 0;
}

unsigned quire_bench_table_close(const struct bench *bench)
{
        unsigned met = 0, missed = 0, skipped = 0, failed = 0;
        for (size_t i = 0; i < count; i++) {
                met += lines[i].aim.kind != AIM_NONE && lines[i].met;
                missed += lines[i].aim.kind != AIM_NONE && !lines[i].met;
                skipped += lines[i].state == SKIPPED;
                failed += lines[i].state == FAILED;
        }
        printf("\n%u targets met, %u missed; %u lines skipped, %u failed\n", met, missed, skipped,
               failed);
        if (!quire_bench_table_save(bench)) {
                fprintf(stderr, "bench: %s: %s\n", bench->json, strerror(errno));
                failed++;
        }
        free(lines);
        lines = NULL;
        count = 0;
        return failed;
}
