/*
 * place.h - files that a run needs (place.c): the pagefile's place, the outputs
 * that were asked for, and the files shared with the agent.
 */
#ifndef QUIRE_CLI_PLACE_H
#define QUIRE_CLI_PLACE_H
#include "cli.h"

struct quire_place {
        char path[4096];          /* absolute: of the directory, or of the file */
        char directory[4096];
        bool ours;                /* a file that was checked, and is ours to empty */
        bool made;                /* by us, so ours to remove */
        bool in_memory;           /* a tmpfs: what is paged out stays in memory */
        uint64_t room;            /* bytes free there */
};

/* Check that a pagefile can be written there; null: the default directory.
 * 0 or BAD, said. */
int quire_place_pagefile(const char *given, struct quire_place *out);
/* After the run: an empty file stays where there was one, else none. */
void quire_place_leave(const struct quire_place *);

struct quire_output {
        const char *path;
        FILE *file;
        bool made, regular;
};

/* Make sure that the file can be written, and leave what is in it. */
int quire_output_open(const char *option, const char *path, struct quire_output *out);
FILE *quire_output_begin(struct quire_output *);      /* empties it */
/* 0 or FAILED, said.  A file that was made and never begun is removed. */
int quire_output_close(struct quire_output *);

struct quire_shared {
        char path[4200];
        void *at;                 /* mapped; null: not open */
        uint64_t bytes;
        int fd;
};

/* A new file of zeroes that no other user can open, where memory is fastest.
 * 0 or FAILED, said. */
int quire_shared_open(struct quire_shared *, const char *name, uint64_t bytes,
                      const char *last_resort);
void quire_shared_close(struct quire_shared *);

#endif
