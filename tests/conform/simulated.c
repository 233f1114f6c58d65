/*
 * simulated.c - a drive on a machine that lives inside this program.
 *
 * The core names a space to its machine by the space's own address
 * (quire_fault's owner); accesses find the machine's half by it.
 */
#include "simulated.h"
#include "host.h"

#include <stdlib.h>

struct drive {
        const struct simulated_kind *kind;
        struct drive_options options;
        struct quire_sim_host *host;
        void *machine;
        struct quire_system *system;
        struct quire_space *space[SIMULATED_SPACES];
        enum quire_reason why;
};

static enum quire_verdict note_denied(void *context, struct quire_space *space, uint64_t va,
                                      unsigned access, enum quire_reason reason)
{
        struct drive *d = context;

        d->why = reason;
        if (!d->options.denied)
                return QUIRE_DENY;
        return d->options.denied(d->options.denied_context, space, va, access, reason);
}

static enum quire_status add_pagefiles(struct drive *d)
{
        enum quire_status st = QUIRE_OK;

        for (unsigned i = 0; st == QUIRE_OK && i < d->options.pagefiles; i++)
                st = quire_pagefile_add(d->system, i, d->options.pagefile_bytes);
        return st;
}

static enum quire_status open_system(struct drive *d)
{
        const struct quire_config config = {
                .machine_ops = d->kind->ops(d->machine),
                .machine = d->machine,
                .host_ops = quire_sim_host_ops(d->host),
                .host = quire_sim_host_handle(d->host),
                .budget = d->options.budget,
                .commit_limit = d->options.commit_limit,
                .tier_percent = d->options.tier_percent,
                .policy = d->options.policy,
                .audit = d->options.audit,
        };

        return quire_system_open(&config, &d->system);
}

static enum quire_status open_parts(struct drive *d)
{
        const struct quire_sim_host_options options = {
                .page_shift = d->options.page_shift,
                .seed = d->options.seed,
                .slow_io = d->options.slow_io,
                .preempt_percent = d->options.preempt_percent,
        };
        enum quire_status st;

        d->host = quire_sim_host_open(&options);
        d->machine = d->host ? d->kind->open(&d->options, d->host) : NULL;
        if (!d->machine)
                return QUIRE_NO_MEMORY;
        st = open_system(d);
        if (st == QUIRE_OK)
                st = add_pagefiles(d);
        if (st == QUIRE_OK)
                st = simulated_space_open(d, d->options.layout, &d->space[0]);
        return st;
}

enum quire_status simulated_open(const struct simulated_kind *kind,
                                 const struct drive_options *options, struct drive **out)
{
        struct drive *d = calloc(1, sizeof *d);
        enum quire_status st;

        if (!d)
                return QUIRE_NO_MEMORY;
        d->kind = kind;
        d->options = *options;
        st = open_parts(d);
        if (st == QUIRE_OK)
                *out = d;
        else
                simulated_close(d);
        return st;
}

void simulated_close(struct drive *d)
{
        for (unsigned i = 0; i < SIMULATED_SPACES; i++)
                if (d->space[i])
                        quire_space_close(d->space[i]);
        if (d->system)
                quire_system_close(d->system);
        if (d->machine)
                d->kind->close(d->machine);
        if (d->host)
                quire_sim_host_close(d->host);
        free(d);
}

/* A place for one more; null: there is none. */
static struct quire_space **place_for(struct drive *d)
{
        unsigned i = 0;

        while (i < SIMULATED_SPACES && d->space[i])
                i++;
        return i < SIMULATED_SPACES ? &d->space[i] : NULL;
}

enum quire_status simulated_space_open(struct drive *d, const struct quire_layout *layout,
                                       struct quire_space **out)
{
        struct quire_space **place = place_for(d);
        enum quire_status st;

        if (!place)
                return QUIRE_LIMIT;
        st = quire_space_open(d->system, layout ? layout : &quire_layout_64, place);
        if (st != QUIRE_OK)
                return st;
        quire_space_on_denied(*place, note_denied, d);
        *out = *place;
        return QUIRE_OK;
}

enum quire_status simulated_space_clone(struct drive *d, struct quire_space *from,
                                        struct quire_space **out)
{
        struct quire_space **place = place_for(d);
        enum quire_status st;

        if (!place)
                return QUIRE_LIMIT;
        st = quire_space_clone(from, place);
        if (st != QUIRE_OK)
                return st;
        quire_space_on_denied(*place, note_denied, d);
        *out = *place;
        return QUIRE_OK;
}

void simulated_space_close(struct drive *d, struct quire_space *space)
{
        for (unsigned i = 0; i < SIMULATED_SPACES; i++)
                if (d->space[i] == space)
                        d->space[i] = NULL;
        quire_space_close(space);
}

enum drive_answer simulated_access(struct drive *d, struct quire_space *space, uint64_t va,
                                   unsigned access, void *buf, size_t n, enum quire_reason *why)
{
        struct quire_mspace *mspace = d->kind->space(d->machine, space);
        enum quire_status st;

        d->why = (enum quire_reason)0;
        st = d->kind->access(d->machine, mspace, va, access, buf, n);
        if (why)
                *why = d->why;
        return st == QUIRE_OK ? DRIVE_OK : st == QUIRE_BUSY ? DRIVE_STUCK : DRIVE_DENIED;
}

void *simulated_machine(struct drive *d)
{
        return d->machine;
}

struct quire_system *simulated_system(struct drive *d)
{
        return d->system;
}

struct quire_space *simulated_space(struct drive *d)
{
        return d->space[0];
}

struct quire_sim_host *simulated_host(struct drive *d)
{
        return d->host;
}
