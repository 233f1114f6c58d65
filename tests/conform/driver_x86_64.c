/*
 * driver_x86_64.c - the native interface on the x86-64 page tables.
 */
#include "simulated.h"
#include "x86_64.h"

#include <stdlib.h>

/* QUIRE_X86_FORGET: invalidations to leave out, for a test that has to fail. */
static void *open_machine(const struct drive_options *o, struct quire_sim_host *host)
{
        const char *forget = getenv("QUIRE_X86_FORGET");
        const struct quire_x86_options options = {
                .host = host,
                .frames = o->budget / QUIRE_X86_PAGE + 64,
                .no_plain = o->no_plain,
                .no_harvest = o->no_harvest,
                .no_share = o->no_share,
                .forget = forget ? (unsigned)strtoul(forget, NULL, 0) : 0,
        };

        return quire_x86_open(&options);
}

static void close_machine(void *machine)
{
        quire_x86_close(machine);
}

static const struct quire_machine_ops *machine_ops(void *machine)
{
        return quire_x86_ops(machine);
}

static struct quire_mspace *machine_space(void *machine, const void *owner)
{
        return quire_x86_space(machine, owner);
}

static enum quire_status machine_access(void *machine, struct quire_mspace *space, uint64_t va,
                                        unsigned access, void *buf, size_t n)
{
        return quire_x86_access(machine, space, va, access, buf, n);
}

static const struct simulated_kind x86_kind = {
        .open = open_machine,
        .close = close_machine,
        .ops = machine_ops,
        .space = machine_space,
        .access = machine_access,
};

static enum quire_status open_x86(const struct drive_options *options, struct drive **out)
{
        if (options->page_shift && options->page_shift != 12)
                return QUIRE_UNSUPPORTED;
        return simulated_open(&x86_kind, options, out);
}

static struct quire_sim *no_sim(struct drive *d)
{
        (void)d;
        return NULL;
}

static struct quire_x86 *x86_of(struct drive *d)
{
        return simulated_machine(d);
}

const struct driver driver_x86_64 = {
        .name = "x86_64",
        .simulated = true,
        .spaces = SIMULATED_SPACES,
        .open = open_x86,
        .close = simulated_close,
        .system = simulated_system,
        .space = simulated_space,
        .space_open = simulated_space_open,
        .space_close = simulated_space_close,
        .space_clone = simulated_space_clone,
        .access = simulated_access,
        .host = simulated_host,
        .sim = no_sim,
        .x86 = x86_of,
};
