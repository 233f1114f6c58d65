/*
 * fake.h - the conformance script's own core: one window of pages, and what to
 * do about a fault in it.
 *
 * Everything in a fake is guarded by the machine's host's lock, save what is
 * atomic.
 */
#ifndef TESTS_CONFORM_FAKE_H
#define TESTS_CONFORM_FAKE_H
#include "rig.h"
#include "test.h"

#include <stdatomic.h>

enum { FAKE_PAGES = 160, FAKE_TICKETS = 32 };

enum fake_mode {
        FAKE_RESOLVE,                /* show the page, or more of it, if .allowed permits */
        FAKE_DENY,
        FAKE_PEND,                   /* note the ticket */
        FAKE_EARLY,                  /* resolve, resume, and then say PENDING */
};

struct fake_page {
        quire_frame frame;           /* QUIRE_NO_FRAME: none yet */
        unsigned allowed;            /* what the fake grants; 0: nothing */
        unsigned shown;              /* what the machine was told to show; 0: nothing */
        bool own;                    /* in a window that copies: its copy, not the store's */
};

struct fake {
        struct rig *rig;
        struct quire_mspace *mspace;
        uint64_t base;               /* of the window, in bytes */
        unsigned pages;
        struct quire_store *store;   /* null: private; else the window views it ... */
        uint64_t first;              /* ... from this page */
        bool copies;                 /* pages are copied when they are written */
        struct fake_page page[FAKE_PAGES];
        enum fake_mode mode;
        unsigned ahead;              /* pages to show along with the one faulted on */
        uint64_t ticket[FAKE_TICKETS];
        atomic_uint tickets;         /* noted in FAKE_PEND */
        atomic_uint faults;
        uint64_t last_va;
        unsigned last_access;
};

/* Open a space with the fake as owner and reserve its window (at .base, where
 * that is not zero; a view of the store, from .first on and with .copies). */
void fake_open(struct fake *, struct rig *, unsigned pages, struct quire_store *);
/* A second window in the space of another fake, which stays the owner: it gets
 * the faults of both. */
void fake_close(struct fake *);
/* The same in a machine with one space: `owner' has opened it. */
void fake_open_in(struct fake *, struct fake *owner, unsigned pages, struct quire_store *);

size_t fake_page_size(const struct rig *);
uint64_t fake_va(const struct fake *, unsigned page);
void fake_lock(struct rig *);
void fake_unlock(struct rig *);

/* => the lock is held.  A frame for the page, zeroed, where it has none. */
quire_frame fake_frame(struct fake *, unsigned page);
/* => the lock is held, nothing is shown there.  A frame of its own for a page of a
 * window that copies, with what it contains now.  False: no memory. */
bool fake_copy(struct fake *, unsigned page);
/* What the fake's reserve of these pages is given: null, or all of *out. */
const struct quire_view *fake_view(const struct fake *, unsigned first, struct quire_view *out);
/* => the lock is held.  Through the machine, and note what it did. */
enum quire_status fake_enter(struct fake *, unsigned first, unsigned count, unsigned access);
enum quire_status fake_take(struct fake *, unsigned first, unsigned count);
void fake_protect(struct fake *, unsigned first, unsigned count, unsigned access);
void fake_drop(struct fake *, unsigned first, unsigned count);
/* Free a frame that is not shown. */
void fake_free(struct fake *, unsigned page);
void *fake_window(struct fake *, unsigned page);

/* One word of a page. */
enum rig_answer fake_load(struct fake *, unsigned page, size_t offset, uint64_t *word);
enum rig_answer fake_store(struct fake *, unsigned page, size_t offset, uint64_t word);
/* The word at the page's window.  => hidden, or a store's */
uint64_t fake_peek(struct fake *, unsigned page, size_t offset);

#endif
