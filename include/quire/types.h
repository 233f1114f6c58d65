/*
 * types.h - the words that every edge of Quire shares.
 *
 * Addresses and sizes are in bytes wherever a public declaration does not say
 * "pages".  All of it may be included from C and C++.
 */
#ifndef QUIRE_TYPES_H
#define QUIRE_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUIRE_VERSION "0.1.0"

/* Access: a bit set.  Write implies read wherever the hardware says so. */
enum { QUIRE_R = 1, QUIRE_W = 2, QUIRE_X = 4 };

/* Memory attributes: of a whole region, beside the access of its pages.  Where a
 * machine has none of these, they are kept and reported, and change nothing. */
enum {
        QUIRE_KERNEL = 8,            /* accesses from user mode are denied */
        QUIRE_CACHE_THROUGH = 16,    /* write-through */
        QUIRE_CACHE_NONE = 32,       /* not cached */
        QUIRE_CACHE_COMBINE = 48,    /* writes are combined */
        QUIRE_ATTRIBUTES = 56,       /* all of them */
};

/*
 * What a call may answer.  Zero is success; whatever is not zero changed
 * nothing, except where a declaration says otherwise.
 */
enum quire_status {
        QUIRE_OK,
        QUIRE_INVALID,      /* an argument makes no sense, wherever things stand now */
        QUIRE_NO_MEMORY,    /* no frame within the budget, or no room for metadata */
        QUIRE_NO_SPACE,     /* no address range, slot or queue entry is free */
        QUIRE_CONFLICT,     /* the range is not free */
        QUIRE_NOT_PRESENT,  /* nothing there: not reserved, not committed, not shown */
        QUIRE_LIMIT,        /* over the commit limit or the limit of locked pages */
        QUIRE_DENIED,       /* the protection or the rights forbid it */
        QUIRE_IO_ERROR,     /* a pagefile, file or pager failed; nothing was lost */
        QUIRE_BROKEN,       /* the contents of a page were lost, and this says so */
        QUIRE_UNSUPPORTED,  /* this machine has no such ability */
        QUIRE_BUSY,         /* in use just now; the same call may succeed later */
};

#if defined(__GNUC__)
#define QUIRE_CHECKED __attribute__((warn_unused_result))
#else
#define QUIRE_CHECKED
#endif

#endif
