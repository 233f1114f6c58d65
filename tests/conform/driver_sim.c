/*
 * driver_sim.c - the native interface on the simulated machine.
 */
#include "sim.h"
#include "simulated.h"

/* A device's memory lies where the x86-64 machine has its devices, from the second page. */
enum { DEVICES_END = 2 << 20 };

static void *open_machine(const struct drive_options *o, struct quire_sim_host *host)
{
        const uint64_t page = (uint64_t)1 << (o->page_shift ? o->page_shift : 12);
        const struct quire_range devices = { page, DEVICES_END / page - 1 };
        const struct quire_sim_options options = {
                .host = host,
                .page_shift = o->page_shift,
                .no_plain = o->no_plain,
                .no_harvest = o->no_harvest,
                .no_share = o->no_share,
                .no_write_protect = o->no_write_protect,
                .spurious_percent = o->spurious_percent,
                .physical = o->physical.pages ? o->physical : devices,
        };

        return quire_sim_open(&options);
}

static void close_machine(void *machine)
{
        quire_sim_close(machine);
}

static const struct quire_machine_ops *machine_ops(void *machine)
{
        return quire_sim_ops(machine);
}

static struct quire_mspace *machine_space(void *machine, const void *owner)
{
        return quire_sim_space(machine, owner);
}

static enum quire_status machine_access(void *machine, struct quire_mspace *space, uint64_t va,
                                        unsigned access, void *buf, size_t n)
{
        return quire_sim_access(machine, space, va, access, buf, n);
}

static const struct simulated_kind sim_kind = {
        .open = open_machine,
        .close = close_machine,
        .ops = machine_ops,
        .space = machine_space,
        .access = machine_access,
};

static enum quire_status open_sim(const struct drive_options *options, struct drive **out)
{
        return simulated_open(&sim_kind, options, out);
}

static struct quire_sim *sim_of(struct drive *d)
{
        return simulated_machine(d);
}

static struct quire_x86 *no_x86(struct drive *d)
{
        (void)d;
        return NULL;
}

const struct driver driver_sim = {
        .name = "sim",
        .simulated = true,
        .spaces = SIMULATED_SPACES,
        .open = open_sim,
        .close = simulated_close,
        .system = simulated_system,
        .space = simulated_space,
        .space_open = simulated_space_open,
        .space_close = simulated_space_close,
        .space_clone = simulated_space_clone,
        .access = simulated_access,
        .host = simulated_host,
        .sim = sim_of,
        .x86 = no_x86,
};
