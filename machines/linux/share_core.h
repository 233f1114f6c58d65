/*
 * share_core.h - the one thing that grants across processes ask of the core beside
 * quire.h.
 */
#ifndef QUIRE_LINUX_SHARE_CORE_H
#define QUIRE_LINUX_SHARE_CORE_H
#include "quire/quire.h"

/* The store of the grant's object; null: the object is not HOSTED. */
struct quire_store *quire_grant_store(const struct quire_grant *);

#endif
