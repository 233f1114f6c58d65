/*
 * options.c - the words before the program's name in `quire run`.
 *
 * Decides which options there are, and refuses what can be refused by looking
 * at the words alone.  What must be tried (directories, files, the program) is
 * checked by place.c and program.c.
 */
#include "cli.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than any machine has; a number beyond it is a slip of the finger. */
#define MEMORY_MOST (UINT64_C(1) << 46)

struct option {
        const char *name, *alias;
        const char *value;            /* what it wants, for people; null: nothing */
        int (*take)(struct quire_run_options *, const char *name, const char *value);
};

static int refuse_size(const char *name, const char *value)
{
        return quire_cli_complain(QUIRE_EXIT_BAD,
                "%s '%s' is not a size; say for example 64M, 1.5G or a number of bytes",
                name, value);
}

/* Whole pages: what is over does not help anybody. */
static uint64_t whole_pages(uint64_t bytes)
{
        return bytes - bytes % (uint64_t)sysconf(_SC_PAGESIZE);
}

static int take_memory(struct quire_run_options *o, const char *name, const char *value)
{
        if (!quire_size_parse(value, &o->memory))
                return refuse_size(name, value);
        if (o->memory > MEMORY_MOST)
                return quire_cli_complain(QUIRE_EXIT_BAD, "%s %s is too large: the most is %s",
                        name, value, quire_text_size_exact(MEMORY_MOST).s);
        o->memory = whole_pages(o->memory);
        if (!o->memory)              /* 0 says that it was not given; a page is too few too */
                o->memory = (uint64_t)sysconf(_SC_PAGESIZE);
        return 0;
}

static int take_pagefile(struct quire_run_options *o, const char *name, const char *value)
{
        if (!*value)
                return quire_cli_complain(QUIRE_EXIT_BAD, "%s wants a file or a directory", name);
        o->pagefile = value;
        return 0;
}

static int take_pagefile_size(struct quire_run_options *o, const char *name, const char *value)
{
        if (!quire_size_parse(value, &o->pagefile_size))
                return refuse_size(name, value);
        if (o->pagefile_size < (uint64_t)sysconf(_SC_PAGESIZE))
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "%s %s holds not even one page of %s", name, value,
                        quire_text_size_exact((uint64_t)sysconf(_SC_PAGESIZE)).s);
        if (o->pagefile_size > MEMORY_MOST)
                return quire_cli_complain(QUIRE_EXIT_BAD, "%s %s is too large: the most is %s",
                        name, value, quire_text_size_exact(MEMORY_MOST).s);
        o->pagefile_size = whole_pages(o->pagefile_size);
        return 0;
}

static int take_policy(struct quire_run_options *o, const char *name, const char *value)
{
        char known[128] = "";

        for (const char *const *p = quire_policy_names; *p; p++) {
                if (!strcmp(*p, value)) {
                        o->policy = *p;
                        return 0;
                }
                snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
                         *known ? ", " : "", *p);
        }
        return quire_cli_complain(QUIRE_EXIT_BAD, "%s '%s' is unknown; there are: %s", name, value,
                                  known);
}

static const char *const faults_names[] = {
        [QUIRE_FAULTS_AUTO] = "auto",
        [QUIRE_FAULTS_INLINE] = "inline",
        [QUIRE_FAULTS_THREAD] = "thread",
};

const char *quire_faults_name(enum quire_faults faults)
{
        return faults_names[faults];
}

static int take_faults(struct quire_run_options *o, const char *name, const char *value)
{
        for (unsigned f = 0; f < sizeof(faults_names) / sizeof(*faults_names); f++)
                if (!strcmp(faults_names[f], value)) {
                        o->faults = (enum quire_faults)f;
                        return 0;
                }
        return quire_cli_complain(QUIRE_EXIT_BAD, "%s '%s' is none of auto, inline, thread", name,
                                  value);
}

static int take_report(struct quire_run_options *o, const char *name, const char *value)
{
        enum quire_report_form form = QUIRE_REPORT_TEXT;

        if (!strncmp(value, "json", 4))
                form = QUIRE_REPORT_JSON;
        else if (strncmp(value, "text", 4) != 0)
                value = "";
        else
                form = QUIRE_REPORT_TEXT;
        if (!*value || (value[4] && (value[4] != '=' || !value[5])))
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "%s wants text, json, text=FILE or json=FILE", name);
        o->report[form] = true;
        o->report_file[form] = value[4] ? value + 5 : NULL;
        return 0;
}

static int take_heatmap(struct quire_run_options *o, const char *name, const char *value)
{
        const char *dot = strrchr(value, '.');

        if (!dot || (strcmp(dot, ".png") != 0 && strcmp(dot, ".svg") != 0))
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "%s '%s' must end in .png or .svg", name, value);
        o->heatmap = value;
        return 0;
}

static int take_trace(struct quire_run_options *o, const char *name, const char *value)
{
        if (!*value)
                return quire_cli_complain(QUIRE_EXIT_BAD, "%s wants a file", name);
        o->trace = value;
        return 0;
}

static int take_help(struct quire_run_options *o, const char *name, const char *value)
{
        (void)name, (void)value;
        o->help = true;
        return 0;
}

static const struct option options[] = {
        { "--memory", "-m", "a size", take_memory },
        { "--pagefile", NULL, "a file or a directory", take_pagefile },
        { "--pagefile-size", NULL, "a size", take_pagefile_size },
        { "--policy", NULL, "a name", take_policy },
        { "--faults", NULL, "auto, inline or thread", take_faults },
        { "--report", NULL, "text, json, text=FILE or json=FILE", take_report },
        { "--heatmap", NULL, "a file (.png or .svg)", take_heatmap },
        { "--trace", NULL, "a file", take_trace },
        { "--help", "-h", NULL, take_help },
};
#define OPTIONS (sizeof(options) / sizeof(*options))

/* The option that the word is, and where its value begins if it has one. */
static const struct option *option_find(const char *word, const char **value)
{
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) : strlen(word);

        *value = equals ? equals + 1 : NULL;
        for (size_t i = 0; i < OPTIONS; i++) {
                const struct option *o = &options[i];

                if (strlen(o->name) == length && !strncmp(o->name, word, length))
                        return o;
                if (o->alias && !strcmp(o->alias, word))
                        return o;
        }
        return NULL;
}

static int refuse_option(const char *word)
{
        const char *names[OPTIONS + 1] = { NULL };
        char plain[64];
        const char *near;

        for (size_t i = 0; i < OPTIONS; i++)
                names[i] = options[i].name;
        snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(word, "="), word);
        near = quire_word_nearest(plain, names);
        if (near)
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "unknown option %s; did you mean %s?", plain, near);
        return quire_cli_complain(QUIRE_EXIT_BAD, "unknown option %s; see 'quire run --help'",
                                  plain);
}

/* One option at argv[*at]; *at moves to the next word. */
static int take_option(char **argv, int *at, struct quire_run_options *out)
{
        const char *word = argv[(*at)++], *value;
        const struct option *o = option_find(word, &value);

        if (!o)
                return refuse_option(word);
        if (!o->value && value)
                return quire_cli_complain(QUIRE_EXIT_BAD, "%s takes no value", o->name);
        if (o->value && !value) {
                value = argv[*at];
                if (!value || !strcmp(value, "--"))
                        return quire_cli_complain(QUIRE_EXIT_BAD, "%s wants %s", o->name,
                                                  o->value);
                (*at)++;
        }
        return o->take(out, o->name, value);
}

int quire_options_parse(int argc, char **argv, struct quire_run_options *out)
{
        int at = 1, status;

        *out = (struct quire_run_options){ .policy = quire_policy_names[0] };
        while (at < argc && argv[at][0] == '-' && argv[at][1]) {
                if (!strcmp(argv[at], "--")) {
                        at++;
                        break;
                }
                status = take_option(argv, &at, out);
                if (status)
                        return status;
                if (out->help)
                        return 0;
        }
        if (at >= argc)
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "no program is given; say quire run [options] -- PROGRAM ARGS..., "
                        "or see 'quire run --help'");
        out->program = argv + at;
        return 0;
}
