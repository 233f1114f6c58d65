/*
 * api_fuzz.c - libFuzzer's bytes as operations on quire.h, against the model.
 *
 * The first bytes choose the machine (the simulator or the x86-64 tables) and
 * the shape of the run, the rest its operations, each of which takes the bytes
 * that its choices need (tests/model/draw.h).  The audit follows every step.  A
 * wrong answer prints what was done and aborts, which libFuzzer notes with the
 * bytes that led to it.
 *
 * Linked without libFuzzer (replay.c) it runs given files again, or bytes of its
 * own from a seed.
 */
#include "run.h"

enum { SHAPE_BYTES = 4, STEPS = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct driver *choose_machine(uint8_t byte)
{
        const struct driver *simulated[2] = { &driver_sim, &driver_sim };
        unsigned count = 0;

        for (unsigned i = 0; drivers[i] && count < 2; i++)
                if (drivers[i]->simulated)
                        simulated[count++] = drivers[i];
        return simulated[byte % 2];
}

/* -1: an input that is not worth a place in the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        static struct run run;
        struct draw d = { .bytes = bytes, .left = n };
        const struct driver *machine;
        struct run_shape s;

        if (n < SHAPE_BYTES)
                return -1;
        machine = choose_machine(draw_byte(&d));
        s = run_shape_drawn(machine, draw_below(&d, (uint64_t)1 << 24), STEPS, true);
        run_open(&run, &s);
        run.draw = d;
        while (run.draw.left && run.step < s.steps)
                run_step(&run);
        run_compare(&run, true);
        run_close(&run);
        return 0;
}
