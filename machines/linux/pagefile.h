/*
 * pagefile.h - what pagefile.c and ring.c share of one transfer.
 */
#ifndef QUIRE_LINUX_PAGEFILE_H
#define QUIRE_LINUX_PAGEFILE_H
#include "quire/host.h"
#include <sys/uio.h>

struct quire_linux;

/* The transfer's pages, neighbours joined; returns how many pieces. */
unsigned quire_io_vector(const struct quire_io *, struct iovec *);
/* Move all but the first `done' bytes now: 0, or a negative errno. */
long quire_io_finish(struct quire_linux *, struct quire_io *, bool write, uint64_t done);
enum quire_status quire_io_status(long failed);
/* May the process write so far into a file?  If not, it would be a signal. */
bool quire_io_within_limit(uint64_t end);
enum quire_status quire_io_room(struct quire_linux *, const struct quire_io *);

#endif
