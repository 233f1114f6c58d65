/*
 * bare.h - the Linux machine and host without a core above them: what
 * process.c builds on, and what a test that supplies its own quire_fault()
 * (the conformance script) opens.  Not installed.
 */
#ifndef QUIRE_LINUX_BARE_H
#define QUIRE_LINUX_BARE_H
#include "linux.h"

struct quire_linux_setup {
        uint64_t memory;               /* bytes of frames; raised later, more are there */
        enum quire_faults faults;
        const char *pagefile;          /* as in quire_process_options */
        bool buffered;
        bool no_pagefile;              /* leave file 0 out: io_* then fail */
        const struct quire_linux_hooks *hooks;      /* may be null; copied */
};

/* One at a time; its one space is the process.  UNSUPPORTED, IO_ERROR (the
 * pagefile), NO_MEMORY; problem receives one line that says why and what to do. */
QUIRE_CHECKED enum quire_status quire_linux_open(const struct quire_linux_setup *,
                                                 struct quire_linux **out,
                                                 char problem[256]);
/* Every space is closed, no thread touches paged ranges. */
void quire_linux_close(struct quire_linux *);

extern const struct quire_machine_ops quire_linux_machine_ops;
extern const struct quire_host_ops quire_linux_host_ops;
struct quire_machine *quire_linux_machine(struct quire_linux *);
struct quire_host *quire_linux_host(struct quire_linux *);

/* Pages the machine itself may hold resident beside the frames it handed out:
 * materialized pool slots that wait for reuse.  Taken off the budget. */
uint64_t quire_linux_slack(const struct quire_linux *);

#endif
