/*
 * simulated.h - what the drivers of the machines that live inside a test have
 * in common, and where they differ.
 */
#ifndef TESTS_CONFORM_SIMULATED_H
#define TESTS_CONFORM_SIMULATED_H
#include "driver.h"

/* One kind of machine.  `machine' is a quire_sim or a quire_x86. */
struct simulated_kind {
        void *(*open)(const struct drive_options *, struct quire_sim_host *);
        void (*close)(void *machine);
        const struct quire_machine_ops *(*ops)(void *machine);
        struct quire_mspace *(*space)(void *machine, const void *owner);
        enum quire_status (*access)(void *machine, struct quire_mspace *, uint64_t va,
                                    unsigned access, void *buf, size_t n);
};

enum { SIMULATED_SPACES = 16 };

enum quire_status simulated_open(const struct simulated_kind *, const struct drive_options *,
                                 struct drive **out);
void simulated_close(struct drive *);
void *simulated_machine(struct drive *);
struct quire_system *simulated_system(struct drive *);
struct quire_space *simulated_space(struct drive *);
enum quire_status simulated_space_open(struct drive *, const struct quire_layout *,
                                       struct quire_space **out);
void simulated_space_close(struct drive *, struct quire_space *);
enum quire_status simulated_space_clone(struct drive *, struct quire_space *from,
                                        struct quire_space **out);
enum drive_answer simulated_access(struct drive *, struct quire_space *, uint64_t va,
                                   unsigned access, void *buf, size_t n, enum quire_reason *why);
struct quire_sim_host *simulated_host(struct drive *);

#endif
