/*
 * oom_test.c - every scene with the first, second, ... Nth call of the host or
 * the machine failing, until one plays to its end without reaching the Nth:
 * once, and from the Nth on.  After each failure the whole state is audited,
 * nothing may have changed, and the same call succeeds when it is made again;
 * at the end every byte is right and every record given back.
 *
 * Arguments: ways.h.
 */
#include "../test.h"
#include "scene.h"
#include "ways.h"

static const struct scene *scene;
static struct run run;

static void open_scene(void)
{
        struct run_shape shape = { .driver = playing.driver, .seed = 1, .window = 1024,
                                   .spaces = scene->spaces ? scene->spaces : 1,
                                   .failures = true, .options = scene->options };

        shape.options.page_shift = 12;
        shape.options.budget = (scene->options.budget ? scene->options.budget : 64) << 12;
        run_open(&run, &shape);
}

/* Play it with the nth call failing.  False: it was not reached. */
static bool play(void)
{
        enum quire_sim_point point = (enum quire_sim_point)playing.way->point;
        struct quire_sim_host *h;
        bool reached;

        open_scene();
        h = playing.driver->host(run.drive);
        quire_sim_fail_how(h, playing.way->how);
        quire_sim_fail(h, point, playing.nth, playing.way->times);
        run.hurt = point == QUIRE_SIM_WRITE;
        scene->play(&run);
        quire_sim_fail(h, point, 1, 0);
        reached = run_failed(&run) != 0;
        run.failed = run_failed(&run);
        run_compare(&run, true);
        quire_system_audit(run.system);
        run_close(&run);
        return reached;
}

/* ------------------------------------------------------------------- opening */

/* A system, a pagefile and a space, by hand.  False: something had no memory. */
static bool open_by_hand(struct quire_sim_host *h, struct quire_sim *m)
{
        const struct quire_config config = {
                .machine_ops = quire_sim_ops(m), .machine = quire_sim_handle(m),
                .host_ops = quire_sim_host_ops(h), .host = quire_sim_host_handle(h),
                .budget = 2048 << 12, .tier_percent = 50,
        };
        struct quire_system *system;
        struct quire_space *space;
        enum quire_status st = quire_system_open(&config, &system);

        if (st != QUIRE_OK) {
                CHECK_EQ(st, QUIRE_NO_MEMORY);
                return false;
        }
        CHECK(quire_pagefile_add(system, 0, 0) == QUIRE_OK);
        st = quire_space_open(system, &quire_layout_win9x, &space);
        CHECK(st == QUIRE_OK || st == QUIRE_NO_MEMORY);
        quire_system_audit(system);
        if (st == QUIRE_OK)
                quire_space_close(space);
        quire_system_close(system);
        return st == QUIRE_OK;
}

static void test_opening(void)
{
        static const enum quire_sim_point points[] = { QUIRE_SIM_ALLOC, QUIRE_SIM_TABLE };

        for (unsigned i = 0; i < 2; i++) {
                bool opened = false;

                for (uint64_t n = 1; !opened; n++) {
                        struct quire_sim_host *h =
                                quire_sim_host_open(&(struct quire_sim_host_options){ 0 });
                        struct quire_sim *m =
                                quire_sim_open(&(struct quire_sim_options){ .host = h });
                        uint64_t records = quire_sim_records(h);

                        quire_sim_fail(h, points[i], n, 1);
                        opened = open_by_hand(h, m);
                        CHECK(opened || quire_sim_failed(h, points[i]));
                        CHECK_EQ(quire_sim_records(h), records);
                        quire_sim_close(m);
                        quire_sim_host_close(h);
                }
        }
}

int main(int argc, char **argv)
{
        ways_begin(argc, argv);
        RUN(test_opening);
        while (ways_next_driver())
                for (scene = scenes; scene->name; scene++)
                        ways_play(scene->name, false, play);
        return test_end();
}
