/*
 * access.c - the loop of an access: translate, fault, try again.
 *
 * What the processor does with an instruction that faults, a page at a time.
 */
#include "access.h"

#include <string.h>

/* Faults of one access that change nothing: more than this is a livelock. */
#define PATIENCE 10000u

static enum quire_status reach(const struct quire_sim_port *port, uint64_t va, unsigned access,
                               uint8_t **out)
{
        for (unsigned tries = 0; tries < PATIENCE; tries++) {
                *out = port->translate(port->space, va, access);
                if (*out)
                        return QUIRE_OK;
                if (!port->claimed(port->space, va))
                        return QUIRE_NOT_PRESENT;
                ++*port->faults;
                if (quire_sim_fault(port->host, port->owner, va, access) == QUIRE_DENY)
                        return QUIRE_DENIED;
        }
        return QUIRE_BUSY;
}

enum quire_status quire_sim_port_access(const struct quire_sim_port *port, uint64_t va,
                                        unsigned access, void *buf, size_t n)
{
        size_t page = (size_t)1 << port->page_shift;
        uint8_t *own = buf;

        unsigned kind = access & ~(unsigned)QUIRE_KERNEL;

        if (kind != QUIRE_R && kind != QUIRE_W && kind != QUIRE_X)
                quire_sim_stop(port->host, "an access of kind %u", access);
        while (n) {
                size_t part = page - (size_t)(va & (page - 1));
                enum quire_status st;
                uint8_t *at;

                if (part > n)
                        part = n;
                st = reach(port, va, access, &at);
                if (st != QUIRE_OK)
                        return st;
                if (kind == QUIRE_W)
                        memcpy(at, own, part);
                else
                        memcpy(own, at, part);
                va += part;
                own += part;
                n -= part;
        }
        return QUIRE_OK;
}
