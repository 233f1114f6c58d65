/*
 * stream.c - runs of faults: a region follows a few of them at once.
 *
 *      fault at i brought in n pages      the next of this stream is expected at i + n,
 *                                         and will bring in twice as many
 *
 * Does not decide: what is brought in with a fault (fault.c).
 *
 * Lock: the system's.
 */
#include "core.h"

/* The one that a fault there continues; or null. */
struct quire_stream *quire_stream_at(struct quire_region *r, uint64_t index)
{
        for (unsigned i = 0; i < QUIRE_STREAMS; i++)
                if (r->stream[i].window && r->stream[i].expected == index)
                        return &r->stream[i];
        return NULL;
}

/* A stream to forget: faults that lead nowhere weaken those that once did. */
static struct quire_stream *weakest_stream(struct quire_region *r)
{
        struct quire_stream *s = &r->stream[0];

        for (unsigned i = 0; i < QUIRE_STREAMS; i++) {
                s = &r->stream[r->turn++ % QUIRE_STREAMS];
                if (s->window <= 2)
                        break;
                s->window /= 2;
        }
        return s;
}

/* The fault at index brought in count pages. */
void quire_stream_note(struct quire_region *r, uint64_t index, uint64_t count)
{
        struct quire_stream *s = quire_stream_at(r, index);

        must_hold(r->space->system);
        must(r->space->system, count > 0);
        if (!s) {
                s = weakest_stream(r);
                s->window = 1;
                s->depth = 0;
                s->asked = 0;
        }
        s->window = quire_min(QUIRE_MOST_AHEAD, s->window * 2);
        s->expected = index + count;
}
