/*
 * probe.c - `quire probe`: what this machine offers Quire, for this user.
 */
#include "facts.h"
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ABILITIES 64u
#define WIDTH 80

/* Words after a margin, broken at spaces. */
static void write_words(const char *text, size_t margin)
{
        const size_t room = WIDTH - margin;

        while (*text) {
                size_t cut = strlen(text);

                if (cut > room)
                        for (cut = room; cut && text[cut] != ' '; cut--)
                                ;
                if (!cut)
                        cut = strcspn(text, " ");
                printf("%.*s\n", (int)cut, text);
                text += cut;
                text += strspn(text, " ");
                if (*text)
                        printf("%*s", (int)margin, "");
        }
}

static void write_ability(const struct quire_ability *a, bool colours, size_t names)
{
        const char *on = a->present ? "\033[32m" : "\033[33m", *off = "\033[0m";
        const size_t margin = 2 + names + 2 + 5;

        printf("  %-*s  %s%-3s%s  ", (int)names, a->name, colours ? on : "",
               a->present ? "yes" : "no", colours ? off : "");
        write_words(*a->how ? a->how : "-", margin);
        if (a->present || !*a->enable)
                return;
        printf("%*sto get it: ", (int)margin, "");
        write_words(a->enable, margin + strlen("to get it: "));
}

static void write_people(const struct quire_ability *list, unsigned n)
{
        const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
        bool colours = isatty(STDOUT_FILENO) && !(no_colour && *no_colour)
                       && term && strcmp(term, "dumb") != 0;
        struct utsname kernel;
        size_t names = 0;
        unsigned missing = 0;

        for (unsigned i = 0; i < n; i++) {
                names = strlen(list[i].name) > names ? strlen(list[i].name) : names;
                missing += !list[i].present;
        }
        if (uname(&kernel) == 0)
                printf("quire %s on %s %s (%s), for uid %u\n\n", QUIRE_VERSION, kernel.sysname,
                       kernel.release, kernel.machine, (unsigned)geteuid());
        for (unsigned i = 0; i < n; i++)
                write_ability(&list[i], colours, names);
        if (missing)
                printf("\n%u of %u are missing; Quire goes on with what it says there.\n", missing,
                       n);
        else
                printf("\nAll of it is there.\n");
}

static void write_json(const struct quire_ability *list, unsigned n)
{
        struct utsname kernel = { 0 };

        uname(&kernel);
        printf("{\n  \"version\": \"%s\",\n  \"kernel\": ", QUIRE_VERSION);
        quire_json_string(stdout, kernel.release);
        printf(",\n  \"uid\": %u,\n  \"abilities\": [", (unsigned)geteuid());
        for (unsigned i = 0; i < n; i++) {
                printf("%s\n    { \"name\": ", i ? "," : "");
                quire_json_string(stdout, list[i].name);
                printf(", \"present\": %s,\n      \"how\": ", list[i].present ? "true" : "false");
                quire_json_string(stdout, list[i].how);
                printf(",\n      \"enable\": ");
                quire_json_string(stdout, list[i].enable);
                printf(" }");
        }
        printf("\n  ]\n}\n");
}

int quire_probe_command(int argc, char **argv)
{
        static struct quire_ability list[ABILITIES];
        bool json = false;
        unsigned n;

        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--json")) {
                        json = true;
                } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
                        fputs(quire_help_probe, stdout);
                        return 0;
                } else {
                        return quire_cli_complain(QUIRE_EXIT_BAD,
                                "probe takes no '%s'; see 'quire probe --help'", argv[i]);
                }
        }
        n = quire_process_probe(list, ABILITIES);
        if (n > ABILITIES)
                n = ABILITIES;
        if (json)
                write_json(list, n);
        else
                write_people(list, n);
        return ferror(stdout) || fflush(stdout) ? QUIRE_EXIT_FAILED : 0;
}
