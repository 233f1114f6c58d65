/*
 * rig_simulated.c - see rig_simulated.h.
 */
#include "rig_simulated.h"

#include <stdlib.h>

static struct rig_simulated *own(struct rig *rig)
{
        return rig->own;
}

struct rig_simulated *rig_simulated_open(struct rig *rig,
                                         const struct quire_sim_host_options *options)
{
        struct rig_simulated *s = calloc(1, sizeof *s);

        if (!s)
                return NULL;
        s->host = quire_sim_host_open(options);
        if (!s->host) {
                free(s);
                return NULL;
        }
        s->paged = 0x10000000;
        s->spare = (uint64_t)1 << 41;
        s->plain = (uint64_t)3 << 44;
        rig->own = s;
        rig->host = quire_sim_host_handle(s->host);
        rig->host_ops = quire_sim_host_ops(s->host);
        return s;
}

void rig_simulated_close(struct rig *rig)
{
        quire_sim_host_close(own(rig)->host);
        free(rig->own);
}

uint64_t rig_simulated_room(struct rig *rig, uint64_t pages, bool paged, bool spare)
{
        uint64_t *at = spare ? &own(rig)->spare : paged ? &own(rig)->paged : &own(rig)->plain;
        uint64_t va = *at;

        *at += (pages + 3) << rig->ops->abilities(rig->machine)->page_shift;
        return va;
}

struct rig_thread *rig_simulated_start(struct rig *rig, void (*fn)(void *), void *argument)
{
        return (struct rig_thread *)(void *)quire_sim_thread_start(own(rig)->host, "test", fn,
                                                                   argument);
}

void rig_simulated_join(struct rig *rig, struct rig_thread *thread)
{
        struct quire_sim_thread *t = (struct quire_sim_thread *)(void *)thread;

        while (quire_sim_thread_state(t) != QUIRE_SIM_ENDED)
                rig->host_ops->pause(rig->host);
        quire_sim_thread_forget(t);
}

/* Others may run between the load and the store. */
enum rig_answer rig_simulated_count_up(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                       unsigned times)
{
        uint64_t word;

        while (times--) {
                enum rig_answer a = rig->kind->access(rig, space, va, QUIRE_R, &word,
                                                      sizeof word);

                if (a != RIG_OK)
                        return a;
                word++;
                rig->host_ops->pause(rig->host);
                a = rig->kind->access(rig, space, va, QUIRE_W, &word, sizeof word);
                if (a != RIG_OK)
                        return a;
        }
        return RIG_OK;
}

void rig_simulated_fail(struct rig *rig, enum rig_point point, unsigned nth)
{
        static const enum quire_sim_point points[RIG_POINTS] = {
                [RIG_FRAME] = QUIRE_SIM_FRAME,
                [RIG_TABLE] = QUIRE_SIM_TABLE,
                [RIG_ENTER] = QUIRE_SIM_ENTER,
                [RIG_TAKE] = QUIRE_SIM_TAKE,
        };

        quire_sim_fail(own(rig)->host, points[point], nth, nth ? 1 : 0);
}

enum rig_answer rig_simulated_answer(enum quire_status st)
{
        return st == QUIRE_OK ? RIG_OK : st == QUIRE_BUSY ? RIG_STUCK : RIG_DENIED;
}
