/*
 * conform.c - runs the conformance script on the machines of this program.
 *
 * A machine is what passes it.
 */
#include "rules.h"

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        test_seed();
        for (const struct rig_kind *const *kind = rig_kinds; *kind; kind++) {
                struct rig rig = { .kind = *kind };

                if (!(*kind)->open(&rig, test_seed()))
                        continue;
                (*kind)->close(&rig);
                rules_run(*kind, false);
        }
        return test_end();
}
