/*
 * files.h - descriptors that are Quire's, and not there for the program.
 */
#ifndef QUIRE_RUN_FILES_H
#define QUIRE_RUN_FILES_H
#include "agent.h"

/* The lowest number that a descriptor of ours should have. */
int quire_files_floor(void);
/* Move a descriptor up there, closed on exec. */
int quire_files_raise(int fd);

/* Learn anew where ours begin.  In a forked child, and at start. */
void quire_files_refresh(void);

enum quire_outcome quire_files_one(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_files_close_range(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_files_dup(struct quire_thread *, struct quire_call *);
enum quire_outcome quire_files_fcntl(struct quire_thread *, struct quire_call *);

#endif
