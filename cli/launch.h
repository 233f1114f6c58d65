/*
 * launch.h - start a program under the agent and wait for it (launch.c).
 */
#ifndef QUIRE_CLI_LAUNCH_H
#define QUIRE_CLI_LAUNCH_H
#include "cli.h"
#include <signal.h>
#include <sys/resource.h>

struct quire_launch {
        const char *path;                 /* of the program */
        char **argv;
        const struct quire_run_options *options;
        const char *agent, *pagefile;
        const char *stats, *trace;        /* paths; null: none */
        uint64_t memory, commit_limit;
        /* Called while the program runs; returns the nanoseconds until it wants
         * to be called again, 0: never. */
        uint64_t (*watch)(void *context);
        void *context;
        /* results */
        pid_t pid;
        int wait_status;
        struct rusage usage;
        sigset_t mask;                    /* ours, as it was before */
};

/* The agent's path, from the build tree or the installation; false: none. */
bool quire_launch_agent(char *path, size_t room);

/* 0 when it ran and is over; or FAILED, CANNOT, NO_PROGRAM, said. */
int quire_launch_run(struct quire_launch *);

/* End as the program ended: returns its exit status, or dies of its signal. */
int quire_launch_mirror(const struct quire_launch *);

#endif
