/*
 * main.c - the benchmark's command line, and the groups in their order.
 *
 *      quire-bench [--quick] [--only KEYS] [--skip KEYS] [--json FILE]
 *                  [--dir DIR] [--quire COMMAND] [--programs SCRIPT]
 *
 * Exit status: 0, also when a target is missed; 1 when a contender failed;
 * 2 for a command line that makes no sense.
 */
#include "bench.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *key, *about;
        void (*run)(const struct bench *);
} groups[] = {
        {"calls", "reserve, commit, protect, decommit, release", quire_bench_calls},
        {"faults", "faults that need no I/O", quire_bench_faults},
        {"share", "views of one object, copy-on-write, pagers, clones", quire_bench_share},
        {"paging", "1 GiB in a budget of 256 MiB", quire_bench_paging},
        {"files", "a file of 1 GiB in a budget of 256 MiB", quire_bench_files},
        {"watch", "write watch", quire_bench_watch},
        {"fitting", "programs that fit their budget, plain and under quire run",
         quire_bench_fitting},
        {"full", "full-size programs in 64 MiB", quire_bench_full},
};

static void print_usage(FILE *out)
{
        fprintf(out,
                "usage: quire-bench [--quick] [--only KEYS] [--skip KEYS] [--json FILE]\n"
                "                   [--dir DIR] [--quire COMMAND] [--programs SCRIPT]\n"
                "\n"
                "  --quick           fewer and shorter rounds\n"
                "  --only KEYS       some groups, separated by commas\n"
                "  --skip KEYS       all groups but some:\n");
        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
                fprintf(out, "                      %-8s  %s\n", groups[i].key, groups[i].about);
        fprintf(out,
                "  --json FILE       write the table there too\n"
                "  --dir DIR         where swap, data and pagefiles lie (some 7 GiB while it\n"
                "                    runs; default: $TMPDIR or /tmp)\n"
                "  --quire COMMAND   the quire command, for the groups with programs\n"
                "  --programs SCRIPT bench/programs.py, for the same\n");
}

static bool is_among(const char *keys, const char *key)
{
        size_t length = strlen(key);
        const char *at = keys;
        while ((at = strstr(at, key))) {
                bool begins = at == keys || at[-1] == ',';
                bool ends = at[length] == '\0' || at[length] == ',';
                if (begins && ends)
                        return true;
                at += length;
        }
        return false;
}

static bool is_wanted(const struct bench *bench, const char *key)
{
        return (!bench->only || is_among(bench->only, key)) &&
               !(bench->skip && is_among(bench->skip, key));
}

static bool are_known(const char *keys)
{
        char copy[256], *rest = copy, *key;
        snprintf(copy, sizeof copy, "%s", keys);
        while ((key = strsep(&rest, ","))) {
                bool known = false;
                for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
                        known = known || strcmp(key, groups[i].key) == 0;
                if (!known)
                        return false;
        }
        return true;
}

static bool read_arguments(int argc, char **argv, struct bench *bench, const char **directory)
{
        static const struct option names[] = {
                {"quick", no_argument, NULL, 'q'},       {"only", required_argument, NULL, 'o'},
                {"skip", required_argument, NULL, 's'},
                {"json", required_argument, NULL, 'j'},  {"dir", required_argument, NULL, 'd'},
                {"quire", required_argument, NULL, 'r'}, {"programs", required_argument, NULL, 'p'},
                {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
        };
        int option;
        while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
                switch (option) {
                case 'q': bench->quick = true; break;
                case 'o': bench->only = optarg; break;
                case 's': bench->skip = optarg; break;
                case 'j': bench->json = optarg; break;
                case 'd': *directory = optarg; break;
                case 'r': bench->quire = optarg; break;
                case 'p': bench->programs = optarg; break;
                case 'h': print_usage(stdout); exit(0);
                default: return false;
                }
        }
        return optind == argc && (!bench->only || are_known(bench->only)) &&
               (!bench->skip || are_known(bench->skip));
}

int main(int argc, char **argv)
{
        struct bench bench = {.quick = false};
        const char *directory = getenv("TMPDIR");
        if (!directory || !*directory)
                directory = "/tmp";
        if (!read_arguments(argc, argv, &bench, &directory)) {
                print_usage(stderr);
                return 2;
        }
        if (!quire_bench_limit_open(&bench, directory))
                return 2;
        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
                if (!is_wanted(&bench, groups[i].key))
                        continue;
                groups[i].run(&bench);
                /* The last group is long: what was measured before shall not wait. */
                (void)quire_bench_table_save(&bench);
        }
        unsigned failed = quire_bench_table_close(&bench);
        quire_bench_limit_close();
        return failed ? 1 : 0;
}
