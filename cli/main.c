/*
 * main.c - the quire command: which of its commands is meant.
 */
#include "cli.h"
#include <string.h>

static int help_command(int argc, char **argv);

static int version_command(int argc, char **argv)
{
        (void)argc, (void)argv;
        printf("quire %s\n", QUIRE_VERSION);
        return ferror(stdout) || fflush(stdout) ? QUIRE_EXIT_FAILED : 0;
}

static const struct command {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *help;
} commands[] = {
        { "run", quire_run_command, quire_help_run },
        { "probe", quire_probe_command, quire_help_probe },
        { "help", help_command, quire_help_main },
        { "version", version_command, quire_help_main },
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static const struct command *command_find(const char *name)
{
        for (size_t i = 0; i < COMMANDS; i++)
                if (!strcmp(commands[i].name, name))
                        return &commands[i];
        return NULL;
}

static int refuse_command(const char *name)
{
        const char *names[COMMANDS + 1] = { NULL }, *near;

        for (size_t i = 0; i < COMMANDS; i++)
                names[i] = commands[i].name;
        near = quire_word_nearest(name, names);
        if (near)
                return quire_cli_complain(QUIRE_EXIT_BAD, "unknown command '%s'; did you mean "
                                          "'quire %s'?", name, near);
        return quire_cli_complain(QUIRE_EXIT_BAD, "unknown command '%s'; to run a program say "
                                  "'quire run -- %s', or see 'quire --help'", name, name);
}

static int help_command(int argc, char **argv)
{
        const struct command *c = argc > 1 ? command_find(argv[1]) : &commands[2];

        if (!c)
                return refuse_command(argv[1]);
        fputs(c->help, stdout);
        return ferror(stdout) || fflush(stdout) ? QUIRE_EXIT_FAILED : 0;
}

int main(int argc, char **argv)
{
        const struct command *c;
        const char *word = argc > 1 ? argv[1] : "";

        if (argc < 2) {
                fputs(quire_help_main, stderr);
                return QUIRE_EXIT_BAD;
        }
        if (!strcmp(word, "--help") || !strcmp(word, "-h"))
                return help_command(1, argv);
        if (!strcmp(word, "--version") || !strcmp(word, "-V"))
                return version_command(1, argv);
        c = command_find(word);
        if (c)
                return c->run(argc - 1, argv + 1);
        if (*word == '-')
                return quire_cli_complain(QUIRE_EXIT_BAD,
                        "unknown option %s; a command comes first, see 'quire --help'", word);
        return refuse_command(word);
}
