/*
 * chunk.h - transfers of data between memory and descriptors.
 */
#ifndef QUIRE_RUN_CHUNK_H
#define QUIRE_RUN_CHUNK_H
#include "agent.h"

/* read, write and their relatives, getrandom. */
enum quire_outcome quire_chunk_transfer(struct quire_thread *, struct quire_call *);

#endif
