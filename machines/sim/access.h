/*
 * access.h - the loop of an access: translate, fault, try again.  Shared by
 * the machines that live inside a test.
 */
#ifndef QUIRE_SIM_ACCESS_H
#define QUIRE_SIM_ACCESS_H
#include "host.h"

/* How one machine sees one of its spaces. */
struct quire_sim_port {
        struct quire_sim_host *host;
        struct quire_mspace *space;
        void *owner;
        unsigned page_shift;
        /* Where the byte at va lies, if the access (with QUIRE_KERNEL: not from user
         * mode) is allowed now; notes it. */
        uint8_t *(*translate)(struct quire_mspace *, uint64_t va, unsigned access);
        /* Is a fault here the core's to resolve? */
        bool (*claimed)(struct quire_mspace *, uint64_t va);
        uint64_t *faults;              /* counts them */
};

/* As quire_sim_access. */
enum quire_status quire_sim_port_access(const struct quire_sim_port *, uint64_t va,
                                        unsigned access, void *buf, size_t n);

#endif
