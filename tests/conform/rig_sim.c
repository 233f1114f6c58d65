/*
 * rig_sim.c - the simulated machine under the conformance script, in variants.
 */
#include "rig_simulated.h"
#include "sim.h"

/* Where there is one (.physical): of four pages of any size. */
#define DEVICE ((uint64_t)0xfe000000)
#define DEVICE_END (DEVICE + 4 * 4096)

static bool open_variant(struct rig *rig, const struct quire_sim_host_options *host,
                         struct quire_sim_options machine)
{
        struct rig_simulated *s = rig_simulated_open(rig, host);

        if (!s)
                return false;
        machine.host = s->host;
        machine.page_shift = host->page_shift;
        s->machine = quire_sim_open(&machine);
        if (!s->machine) {
                rig_simulated_close(rig);
                return false;
        }
        rig->ops = quire_sim_ops(s->machine);
        rig->machine = quire_sim_handle(s->machine);
        return true;
}

static bool open_plainest(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ 0 },
                            (struct quire_sim_options){ .physical = { DEVICE, 4 } });
}

/* Frames are entered as a machine must whose pages move. */
static bool open_unshared(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ 0 },
                            (struct quire_sim_options){ .no_share = true,
                                                        .physical = { DEVICE, 4 } });
}

/* Threads change at every second unlock. */
static bool open_restless(struct rig *rig, uint64_t seed)
{
        return open_variant(rig, &(struct quire_sim_host_options){ .seed = seed | 1,
                                                                   .preempt_percent = 50 },
                            (struct quire_sim_options){ 0 });
}

static bool open_restless_unshared(struct rig *rig, uint64_t seed)
{
        return open_variant(rig, &(struct quire_sim_host_options){ .seed = seed | 1,
                                                                   .preempt_percent = 50 },
                            (struct quire_sim_options){ .no_share = true });
}

/* 16 KiB pages, and nothing optional. */
static bool open_bare(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ .page_shift = 14 },
                            (struct quire_sim_options){ .no_plain = true, .no_harvest = true,
                                                        .no_execute = true });
}

static bool open_large(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ .page_shift = 16 },
                            (struct quire_sim_options){ .no_watch = true });
}

static struct quire_sim *machine_of(struct rig *rig)
{
        return ((struct rig_simulated *)rig->own)->machine;
}

static void close_machine(struct rig *rig)
{
        quire_sim_close(machine_of(rig));
        rig_simulated_close(rig);
}

static enum rig_answer make_access(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                   unsigned access, void *buf, size_t n)
{
        return rig_simulated_answer(quire_sim_access(machine_of(rig), space, va, access, buf,
                                                     n));
}

static bool place_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                           uint64_t pages)
{
        (void)rig;
        return quire_sim_obstacle(space, va, pages);
}

static unsigned read_attributes(struct rig *rig, struct quire_mspace *space, uint64_t va)
{
        return quire_sim_attributes(machine_of(rig), space, va);
}

static void *device_at(struct rig *rig, uint64_t address)
{
        return quire_sim_physical(machine_of(rig), address);
}

static void remove_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                            uint64_t pages)
{
        (void)rig;
        quire_sim_obstacle_remove(space, va, pages);
}

#define SIM_KIND(which, opens)                                                          \
        static const struct rig_kind which = {                                          \
                .name = "sim_" #which,                                                  \
                .spaces = 4,                                                            \
                .open = opens,                                                          \
                .close = close_machine,                                                 \
                .access = make_access,                                                  \
                .count_up = rig_simulated_count_up,                                     \
                .room = rig_simulated_room,                                             \
                .start = rig_simulated_start,                                           \
                .join = rig_simulated_join,                                             \
                .fail = rig_simulated_fail,                                             \
                .obstacle = place_obstacle,                                             \
                .obstacle_remove = remove_obstacle,                                     \
                .attributes = read_attributes,                                          \
                .device_first = DEVICE,                                                 \
                .device_end = DEVICE_END,                                               \
                .device = device_at,                                                    \
        }

SIM_KIND(plainest, open_plainest);
SIM_KIND(unshared, open_unshared);
SIM_KIND(restless, open_restless);
SIM_KIND(restless_unshared, open_restless_unshared);
SIM_KIND(bare, open_bare);
SIM_KIND(large, open_large);

const struct rig_kind *const rig_kinds[] = {
        &plainest, &unshared, &restless, &restless_unshared, &bare, &large, NULL,
};
