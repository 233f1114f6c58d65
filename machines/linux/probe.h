/*
 * probe.h - what this kernel offers this user.
 */
#ifndef QUIRE_LINUX_PROBE_H
#define QUIRE_LINUX_PROBE_H

/* Which of the abilities `allowed' (CAN_*) are there.  What shows only when it
 * is used (direct I/O, nameless files) counts as there. */
unsigned quire_linux_survey(unsigned allowed);
/* Those that QUIRE_DISABLE names. */
unsigned quire_linux_disabled(void);

#endif
