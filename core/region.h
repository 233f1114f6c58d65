/*
 * region.h - a range of one region, resolved; shared by the files that act on
 * regions.  See core.h for the nouns.
 */
#ifndef QUIRE_REGION_H
#define QUIRE_REGION_H
#include "core.h"

struct quire_span {
        struct quire_region *region;
        uint64_t page;             /* the first, as an address */
        uint64_t index;            /* the first, in the object */
        uint64_t count;
};
enum quire_status quire_span_look(struct quire_space *, uint64_t va, uint64_t bytes,
                                  struct quire_span *);
enum quire_status quire_span_find(struct quire_space *, uint64_t va, uint64_t bytes,
                                  struct quire_span *);
uint64_t quire_span_committed(const struct quire_span *);
void quire_span_clear(struct quire_span *, bool keep_marks);
uint64_t quire_region_va(const struct quire_region *, uint64_t index);    /* bytes */
enum quire_status quire_place_claim(struct quire_space *, const struct quire_request *,
                                    uint64_t *first);
struct quire_request quire_region_request(const struct quire_region *, uint64_t count);
void quire_region_apply_reserve(struct quire_region *, uint64_t first);
void quire_region_count_reserved(struct quire_region *, uint64_t pages, bool more);
void quire_region_free(struct quire_region *);
void quire_region_apply_release(struct quire_region *);
void quire_region_apply_revoke(struct quire_region *);

#endif
