/*
 * court.h - does the referee stop what breaks a rule?
 *
 * A crime is a function that breaks one; the referee's message has to contain
 * the given words.  Everything is opened anew for each, and thrown away.
 */
#ifndef TESTS_CONFORM_COURT_H
#define TESTS_CONFORM_COURT_H
#include "host.h"
#include "sim.h"
#include "test.h"

#include <setjmp.h>

struct court {
        struct quire_sim_host *host;
        struct quire_sim *sim;
        const struct quire_host_ops *ho;
        struct quire_host *h;
        const struct quire_machine_ops *mo;
        struct quire_machine *m;
        struct quire_mspace *space;
        jmp_buf out;
        char message[512];
};
struct crime {
        const char *words;
        void (*commit)(struct court *);
};

/* Opens a court with a space and 16 pages reserved at COURT_VA, the lock held. */
#define COURT_VA ((uint64_t)0x100000)
#define COURT_DEVICE ((uint64_t)0xfe000000)       /* a device of 4 pages */
void court_open(struct court *, const struct quire_sim_host_options *,
                struct quire_sim_options);
/* Throws everything away, checking nothing. */
void court_forget(struct court *);
/* Every one of the crimes is stopped with its words, by a machine that does not
 * share frames. */
void court_try(const struct crime *crimes);
quire_frame court_frame(struct court *);

#endif
