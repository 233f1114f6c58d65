/*
 * no_faults.h - the core's side of a fault, for a test of a machine alone that meets none:
 * the machine wants the symbol.
 */
#ifndef QUIRE_NO_FAULTS_H
#define QUIRE_NO_FAULTS_H
#include "quire/machine.h"

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        (void)owner;
        (void)va;
        (void)access;
        (void)ticket;
        return QUIRE_DENY;
}

#endif
