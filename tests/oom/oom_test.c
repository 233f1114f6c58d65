/*
 * oom_test.c - every scene with the first, second, ... Nth call of the host or
 * the machine failing, until one plays to its end without reaching the Nth:
 * once, and from the Nth on.  After each failure the whole state is audited,
 * nothing may have changed, and the same call succeeds when it is made again;
 * at the end every byte is right and every record given back.
 *
 * Arguments: names of scenes (all), --driver NAME, --every N (only each Nth call
 * is made to fail, beginning where the seed says; a quicker look).
 */
#include "../test.h"
#include "scene.h"
#include <signal.h>

struct way {
        const char *name;
        enum quire_sim_point point;
        uint64_t times;
        enum quire_sim_io_failure how;
};
static const struct way ways[] = {
        { "one record", QUIRE_SIM_ALLOC, 1, 0 },
        { "all records", QUIRE_SIM_ALLOC, QUIRE_SIM_FOREVER, 0 },
        { "one frame", QUIRE_SIM_FRAME, 1, 0 },
        { "all frames", QUIRE_SIM_FRAME, QUIRE_SIM_FOREVER, 0 },
        { "one table", QUIRE_SIM_TABLE, 1, 0 },
        { "all tables", QUIRE_SIM_TABLE, QUIRE_SIM_FOREVER, 0 },
        { "one enter", QUIRE_SIM_ENTER, 1, 0 },
        { "one take", QUIRE_SIM_TAKE, 1, 0 },
        { "one read", QUIRE_SIM_READ, 1, QUIRE_SIM_IO_ERROR },
        { "all reads", QUIRE_SIM_READ, QUIRE_SIM_FOREVER, QUIRE_SIM_IO_ERROR },
        { "one write", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_ERROR },
        { "all writes", QUIRE_SIM_WRITE, QUIRE_SIM_FOREVER, QUIRE_SIM_IO_ERROR },
        { "one write, torn", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_TORN },
        { "one write, disk full", QUIRE_SIM_WRITE, 1, QUIRE_SIM_IO_FULL },
        { "all writes, disk full", QUIRE_SIM_WRITE, QUIRE_SIM_FOREVER, QUIRE_SIM_IO_FULL },
};

static const struct driver *driver;
static const struct scene *scene;
static const struct way *way;
static uint64_t nth, every = 1;
static struct run run;

static void tell_crash(int sig)
{
        signal(sig, SIG_DFL);
        fprintf(stderr, "on %s, scene \"%s\": %s, call %lu\n", driver->name, scene->name,
                way->name, (unsigned long)nth);
        raise(sig);
}

static void open_scene(void)
{
        struct run_shape shape = { .driver = driver, .seed = 1, .window = 1024,
                                   .spaces = scene->spaces ? scene->spaces : 1,
                                   .failures = true, .options = scene->options };

        shape.options.page_shift = 12;
        shape.options.budget = (scene->options.budget ? scene->options.budget : 64) << 12;
        run_open(&run, &shape);
}

/* Play it with the nth call failing.  False: it was not reached. */
static bool play(void)
{
        struct quire_sim_host *h;
        bool reached;

        open_scene();
        h = driver->host(run.drive);
        quire_sim_fail_how(h, way->how);
        quire_sim_fail(h, way->point, nth, way->times);
        run.hurt = way->point == QUIRE_SIM_WRITE;
        scene->play(&run);
        quire_sim_fail(h, way->point, 1, 0);
        reached = run_failed(&run) != 0;
        run.failed = run_failed(&run);
        run_compare(&run, true);
        quire_system_audit(run.system);
        run_close(&run);
        return reached;
}

static void play_every_way(void)
{
        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                way = &ways[i];
                for (nth = 1 + test_seed() % every; play(); nth += every)
                        ;
                printf("    %s, %s, %s: %lu calls\n", driver->name, scene->name, way->name,
                       (unsigned long)(nth - 1));
        }
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

static bool wanted(int argc, char **argv, const char *name)
{
        bool named = false;

        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--every") || !strcmp(argv[i], "--driver"))
                        i++;
                else if (!strcmp(argv[i], name))
                        return true;
                else
                        named = true;
        }
        return !named;
}

static const char *option(int argc, char **argv, const char *name)
{
        for (int i = 1; i + 1 < argc; i++)
                if (!strcmp(argv[i], name))
                        return argv[i + 1];
        return NULL;
}

int main(int argc, char **argv)
{
        const char *only = option(argc, argv, "--driver"), *step = option(argc, argv, "--every");

        test_begin(1, argv);
        RUN(test_opening);
        signal(SIGABRT, tell_crash);
        every = step ? strtoull(step, NULL, 0) : 1;
        for (unsigned i = 0; drivers[i]; i++) {
                driver = drivers[i];
                if (!driver->simulated || (only && strcmp(only, driver->name)))
                        continue;
                for (scene = scenes; scene->name; scene++)
                        if (wanted(argc, argv, scene->name))
                                test_run(scene->name, play_every_way);
        }
        return test_end();
}
