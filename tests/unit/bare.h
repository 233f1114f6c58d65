/*
 * bare.h - a system with nothing in it, for tests of one file of the core: it
 * has a host that counts records and can run out of them, a machine that agrees
 * to everything, and no pages.
 */
#ifndef TESTS_UNIT_BARE_H
#define TESTS_UNIT_BARE_H
#include "../../core/core.h"
#include "../test.h"

struct bare {
        struct quire_system sys;
        uint64_t records, bytes;     /* outstanding */
        uint64_t calls;              /* of alloc so far */
        uint64_t fail_at;            /* this call of alloc fails, and all after it; 0: none */
};

/* The lock is held until bare_close; let go of it around a public function. */
void bare_open(struct bare *);
/* Checks that no record is left. */
void bare_close(struct bare *);

#endif
