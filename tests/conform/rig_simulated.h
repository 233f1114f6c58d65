/*
 * rig_simulated.h - what the rigs of the machines that live inside a test have
 * in common: the host, its threads, and where there is room.
 */
#ifndef TESTS_CONFORM_RIG_SIMULATED_H
#define TESTS_CONFORM_RIG_SIMULATED_H
#include "host.h"
#include "rig.h"

struct rig_simulated {
        struct quire_sim_host *host;
        void *machine;                    /* a quire_sim or a quire_x86 */
        uint64_t paged, spare, plain;     /* where the next range may lie */
};

/* Opens the host and fills rig->host and rig->own; the machine is the caller's. */
struct rig_simulated *rig_simulated_open(struct rig *, const struct quire_sim_host_options *);
void rig_simulated_close(struct rig *);
uint64_t rig_simulated_room(struct rig *, uint64_t pages, bool paged, bool spare);
struct rig_thread *rig_simulated_start(struct rig *, void (*fn)(void *), void *argument);
void rig_simulated_join(struct rig *, struct rig_thread *);
enum rig_answer rig_simulated_count_up(struct rig *, struct quire_mspace *, uint64_t va,
                                       unsigned times);
void rig_simulated_fail(struct rig *, enum rig_point, unsigned nth);
enum rig_answer rig_simulated_answer(enum quire_status);

#endif
