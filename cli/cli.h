/*
 * cli.h - what the files of the quire command share: words for people (sizes,
 * times, counts), the options of `quire run`, the program to be run, the files
 * that the agent writes, and the commands themselves.
 *
 * The command is single-threaded and manages no memory.  Whatever a function
 * here refuses it says in one line on standard error, beginning "quire: ", and
 * hands the exit status up.
 */
#ifndef QUIRE_CLI_H
#define QUIRE_CLI_H
#include "quire/process.h"
#include <stdio.h>
#include <sys/types.h>

/* Exit statuses of the command's own; otherwise it is the program's. */
enum {
        QUIRE_EXIT_BAD = 2,          /* the request makes no sense */
        QUIRE_EXIT_FAILED = 125,     /* Quire itself could not go on */
        QUIRE_EXIT_CANNOT = 126,     /* the program was found and can not be executed */
        QUIRE_EXIT_NO_PROGRAM = 127, /* the program was not found */
};

/* One line "quire: ...", at once and whole; returns status. */
__attribute__((format(printf, 2, 3)))
int quire_cli_complain(int status, const char *format, ...);

/* ------------------------------------------------------------------ units */

/* A short text by value: quire_text_size(n).s lives as long as the expression. */
struct quire_text {
        char s[48];
};

/* "64M", "64MiB", "1.5G", "67108864"; K, M, G, T (either case, alone or with
 * "iB") are powers of 1024, "kB", "MB" ... of 1000.  False: not a size. */
bool quire_size_parse(const char *text, uint64_t *bytes);

struct quire_text quire_text_size(uint64_t bytes);         /* "64.0 MiB" */
struct quire_text quire_text_size_exact(uint64_t bytes);   /* "64 MiB", "100000 bytes" */
struct quire_text quire_text_time(uint64_t ns);            /* "3.10 us", "2 min 05 s" */
struct quire_text quire_text_count(uint64_t n);            /* "1,234,567" */
struct quire_text quire_text_short(uint64_t n);            /* "1.23 M" */
struct quire_text quire_text_percent(double share);        /* 0.5: "50 %"; "99.6 %" */

/* Length of the well-formed UTF-8 sequence there; 0: there is none. */
unsigned quire_utf8_length(const char *text);

/* The candidate most like the word, if any is like it; null-terminated list. */
const char *quire_word_nearest(const char *word, const char *const *candidates);

/* ----------------------------------------------------- options of quire run */

enum quire_report_form { QUIRE_REPORT_TEXT, QUIRE_REPORT_JSON, QUIRE_REPORT_FORMS };

struct quire_run_options {
        uint64_t memory;                     /* 0: not given */
        uint64_t pagefile_size;              /* 0: not given */
        const char *pagefile;                /* null: not given */
        const char *policy;
        enum quire_faults faults;
        bool report[QUIRE_REPORT_FORMS];
        const char *report_file[QUIRE_REPORT_FORMS];    /* null: standard error */
        const char *heatmap;
        const char *trace;
        bool help;
        char **program;                      /* with its arguments; null-terminated */
};

/* Every word before the program is understood and possible; 0 or BAD, said. */
int quire_options_parse(int argc, char **argv, struct quire_run_options *out);
const char *quire_faults_name(enum quire_faults);

/* ------------------------------------------------------------- the program */

struct quire_program {
        char path[4096];          /* of the file to execute, absolute or with a slash */
        char line[512];           /* where it can not be run: why, in one line */
};

/* Find it as execvp would, and follow it to the image that will be loaded.
 * 0, or BAD (Quire can not manage it), CANNOT, NO_PROGRAM with out->line. */
int quire_program_find(const char *name, const char *search_path, struct quire_program *out);

/* ---------------------------------------------------------------- commands */

/* argv[0] is the command's name. */
int quire_run_command(int argc, char **argv);
int quire_probe_command(int argc, char **argv);

extern const char quire_help_main[], quire_help_run[], quire_help_probe[];

#endif
