/*
 * rig_x86_64.c - the x86-64 page tables under the conformance script, in variants.
 */
#include "rig_simulated.h"
#include "x86_64.h"

static bool open_variant(struct rig *rig, const struct quire_sim_host_options *host,
                         struct quire_x86_options machine)
{
        struct rig_simulated *s = rig_simulated_open(rig, host);

        if (!s)
                return false;
        machine.host = s->host;
        s->machine = quire_x86_open(&machine);
        if (!s->machine) {
                rig_simulated_close(rig);
                return false;
        }
        rig->ops = quire_x86_ops(s->machine);
        rig->machine = quire_x86_handle(s->machine);
        return true;
}

static bool open_two(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ 0 },
                            (struct quire_x86_options){ 0 });
}

static bool open_unshared(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ 0 },
                            (struct quire_x86_options){ .no_share = true });
}

/* Threads on four processors change at every second unlock. */
static bool open_restless(struct rig *rig, uint64_t seed)
{
        return open_variant(rig, &(struct quire_sim_host_options){ .seed = seed | 1,
                                                                   .preempt_percent = 50 },
                            (struct quire_x86_options){ .processors = 4 });
}

static bool open_bare(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_variant(rig, &(struct quire_sim_host_options){ 0 },
                            (struct quire_x86_options){ .no_plain = true, .no_harvest = true,
                                                        .no_large = true, .processors = 1 });
}

static struct quire_x86 *machine_of(struct rig *rig)
{
        return ((struct rig_simulated *)rig->own)->machine;
}

static void close_machine(struct rig *rig)
{
        quire_x86_close(machine_of(rig));
        rig_simulated_close(rig);
}

static enum rig_answer make_access(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                   unsigned access, void *buf, size_t n)
{
        return rig_simulated_answer(quire_x86_access(machine_of(rig), space, va, access, buf,
                                                     n));
}

static bool place_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                           uint64_t pages)
{
        (void)rig;
        return quire_x86_obstacle(space, va, pages);
}

static unsigned read_attributes(struct rig *rig, struct quire_mspace *space, uint64_t va)
{
        (void)rig;
        return quire_x86_attributes(space, va);
}

static void *device_at(struct rig *rig, uint64_t address)
{
        return quire_x86_physical(machine_of(rig), address);
}

static void remove_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                            uint64_t pages)
{
        (void)rig;
        quire_x86_obstacle_remove(space, va, pages);
}

#define X86_KIND(which, opens)                                                          \
        static const struct rig_kind which = {                                          \
                .name = "x86_64_" #which,                                                  \
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
                .device_first = QUIRE_X86_DEVICES,                                      \
                .device_end = QUIRE_X86_DEVICES_END,                                    \
                .device = device_at,                                                    \
        }

X86_KIND(two_processors, open_two);
X86_KIND(unshared, open_unshared);
X86_KIND(restless, open_restless);
X86_KIND(bare, open_bare);

const struct rig_kind *const rig_kinds[] = {
        &two_processors, &unshared, &restless, &bare, NULL,
};
