/*
 * process.c - Quire in this process: the machine, the host, a system and a
 * space, opened in this order and closed in the other.
 *
 * What the options leave open is decided here: where pagefiles go, how much of
 * the memory the machine keeps for itself (the slack of its pool comes off the
 * budget, so that what is resident never exceeds what was asked for), and what
 * may be committed.
 *
 * Lock: `opening' keeps a second open away; everything else is the core's.
 */
#include "owner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char problem[256];
static bool opening;                         /* [a] somebody has it open */
struct quire_process *quire_process_current;
const struct sharer *quire_sharer;

const char *quire_process_problem(void)
{
        return problem;
}

void quire_problem_say(const char *why)
{
        (void)snprintf(problem, sizeof(problem), "%s", why);
}

static enum quire_status refuse(const char *why)
{
        quire_problem_say(why);
        return QUIRE_INVALID;
}

static bool policy_known(const char *name)
{
        if (!name)
                return true;
        for (unsigned i = 0; quire_policy_names[i]; i++)
                if (!strcmp(quire_policy_names[i], name))
                        return true;
        return false;
}

static enum quire_status check_options(const struct quire_process_options *o)
{
        if (!o || o->memory % PAGE || o->pagefile_size % PAGE || o->commit_limit % PAGE)
                return refuse("sizes are multiples of 4096 bytes");
        if (!policy_known(o->policy))
                return refuse("no such replacement policy");
        if (o->tier_percent > 80 && o->tier_percent != 255)
                return refuse("the compressed tier may take 80 percent of memory at most");
        if (o->faults > QUIRE_FAULTS_THREAD)
                return refuse("no such way of resolving faults");
        return QUIRE_OK;
}

static enum quire_status check_memory(const struct quire_process_options *o, uint64_t slack)
{
        uint64_t least = quire_budget_least(PAGE) + slack * PAGE;

        if (o->memory >= least)
                return QUIRE_OK;
        (void)snprintf(problem, sizeof(problem),
                       "memory: %llu KiB are too few, the least is %llu KiB",
                       (unsigned long long)o->memory >> 10, (unsigned long long)least >> 10);
        return QUIRE_INVALID;
}

static uint64_t commit_limit(const struct quire_process_options *o)
{
        if (o->commit_limit)
                return o->commit_limit;
        return o->pagefile_size ? 0 : UINT64_MAX & ~(PAGE - 1);    /* 0: what there is */
}

static enum quire_status open_system(struct quire_process *p,
                                     const struct quire_process_options *o)
{
        const struct quire_config config = {
                .machine_ops = &quire_linux_machine_ops,
                .machine = quire_linux_machine(p->l),
                .host_ops = &quire_linux_host_ops,
                .host = quire_linux_host(p->l),
                .budget = o->memory,
                .commit_limit = commit_limit(o),
                .tier_percent = o->tier_percent == 255 ? 0 : o->tier_percent ? o->tier_percent : 75,
                .policy = o->policy,
                .audit = o->audit,
        };
        enum quire_status st = quire_system_open(&config, &p->system);

        if (st == QUIRE_OK)
                st = quire_budget_charge(p->system, quire_linux_slack(p->l) * PAGE);
        if (st == QUIRE_OK)
                st = quire_pagefile_add(p->system, 0, o->pagefile_size);
        if (st == QUIRE_OK)
                st = quire_space_open(p->system, &quire_layout_64, &p->space);
        if (st != QUIRE_OK)
                (void)snprintf(problem, sizeof(problem), "the system can not be opened: %s",
                               quire_status_name(st));
        return st;
}

static enum quire_status open_process(struct quire_process *p,
                                      const struct quire_process_options *o,
                                      const struct quire_linux_hooks *hooks)
{
        const struct quire_linux_setup setup = {
                .memory = o->memory, .faults = o->faults, .pagefile = o->pagefile,
                .buffered = o->buffered, .hooks = hooks,
        };
        enum quire_status st = quire_linux_open(&setup, &p->l, problem);

        if (st == QUIRE_OK)
                st = check_memory(o, quire_linux_slack(p->l));
        if (st == QUIRE_OK)
                st = open_system(p, o);
        if (st != QUIRE_OK)
                return st;
        p->pagefile_size = o->pagefile_size;
        p->at_fork = !hooks || !hooks->caller_handles_signals;
        quire_fork_open(p);
        return QUIRE_OK;
}

enum quire_status quire_process_open_hooked(const struct quire_process_options *o,
                                            const struct quire_linux_hooks *hooks,
                                            struct quire_process **out)
{
        static struct quire_process only;
        enum quire_status st = check_options(o);

        if (st != QUIRE_OK)
                return st;
        if (__atomic_exchange_n(&opening, true, __ATOMIC_ACQUIRE)) {
                (void)refuse("Quire is open in this process already");
                return QUIRE_BUSY;
        }
        only = (struct quire_process){ .witness = -1, .copied = { -1, -1 } };
        st = open_process(&only, o, hooks);
        if (st != QUIRE_OK) {
                quire_process_close(&only);
                return st;
        }
        STORE(&quire_process_current, &only);
        *out = &only;
        return QUIRE_OK;
}

enum quire_status quire_process_open(const struct quire_process_options *o,
                                     struct quire_process **out)
{
        return quire_process_open_hooked(o, NULL, out);
}

void quire_process_close(struct quire_process *p)
{
        STORE(&quire_process_current, (struct quire_process *)NULL);
        if (LOAD(&quire_sharer))
                LOAD(&quire_sharer)->close(p);
        if (p->space)
                quire_space_close(p->space);
        quire_reader_close(p);               /* it may hold the last reference to an object */
        if (p->system)
                quire_system_close(p->system);
        if (p->l)
                quire_linux_close(p->l);
        quire_fork_close(p);
        __atomic_store_n(&opening, false, __ATOMIC_RELEASE);
}

struct quire_space *quire_process_space(struct quire_process *p)
{
        return p->space;
}

struct quire_system *quire_process_system(struct quire_process *p)
{
        return p->system;
}

struct quire_linux *quire_process_linux(struct quire_process *p)
{
        return p->l;
}
