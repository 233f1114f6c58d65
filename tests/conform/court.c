/*
 * court.c - see court.h.
 */
#include "court.h"

static void stopped(void *context, const char *message)
{
        struct court *c = context;

        snprintf(c->message, sizeof c->message, "%s", message);
        longjmp(c->out, 1);
}

void court_open(struct court *c, const struct quire_sim_host_options *host,
                struct quire_sim_options sim)
{
        struct quire_range o;

        memset(c, 0, sizeof *c);
        c->host = quire_sim_host_open(host);
        REQUIRE(c->host);
        sim.host = c->host;
        sim.page_shift = host->page_shift;
        c->sim = quire_sim_open(&sim);
        REQUIRE(c->sim);
        c->ho = quire_sim_host_ops(c->host);
        c->h = quire_sim_host_handle(c->host);
        c->mo = quire_sim_ops(c->sim);
        c->m = quire_sim_handle(c->sim);
        c->ho->lock(c->h);
        REQUIRE(c->mo->space_open(c->m, c, &c->space) == QUIRE_OK);
        REQUIRE(c->mo->reserve(c->space, COURT_VA, 16, NULL, &o) == QUIRE_OK);
        quire_sim_on_stop(c->host, stopped, c);
}

void court_forget(struct court *c)
{
        quire_sim_on_stop(c->host, NULL, NULL);
        quire_sim_forgive(c->host);
        quire_sim_close(c->sim);
        quire_sim_host_close(c->host);
}

/* True: it was stopped. */
static bool is_stopped(struct court *c, const struct crime *crime)
{
        if (setjmp(c->out))
                return true;
        crime->commit(c);
        return false;
}

void court_try(const struct crime *crimes)
{
        static struct court c;

        for (const struct crime *crime = crimes; crime->commit; crime++) {
                court_open(&c, &(struct quire_sim_host_options){ 0 },
                           (struct quire_sim_options){ .no_share = true,
                                                       .physical = { COURT_DEVICE, 4 } });
                if (!CHECK(is_stopped(&c, crime)) || !CHECK(strstr(c.message, crime->words)))
                        fprintf(stderr, "    said: %s; expected: %s\n", c.message, crime->words);
                court_forget(&c);
        }
}

quire_frame court_frame(struct court *c)
{
        quire_frame frame = QUIRE_NO_FRAME;

        REQUIRE(c->mo->frame_alloc(c->m, NULL, 0, QUIRE_ZEROED, &frame) == QUIRE_OK);
        return frame;
}
