/*
 * conform.c - runs the conformance script on the machines of this program.
 *
 * A machine is what passes it: see docs/ for whoever ports Quire.
 */
#include "rules.h"

const struct rig_kind *rule_kind;

static const struct rule *const chapters[] = {
        rules_frames, rules_range, rules_show, rules_stop, rules_plain, rules_threads,
        rules_random,
};

void rule_open(struct rig *rig)
{
        memset(rig, 0, sizeof *rig);
        rig->kind = rule_kind;
        REQUIRE(rule_kind->open(rig, test_seed()));
}

void rule_close(struct rig *rig)
{
        rig->kind->close(rig);
}

uint64_t rule_word(unsigned page, unsigned round)
{
        uint64_t state = (uint64_t)round << 32 | page;

        return test_random(&state) | 1;
}

int main(int argc, char **argv)
{
        static char names[512][96];
        unsigned used = 0;

        test_begin(argc, argv);
        test_seed();
        for (const struct rig_kind *const *kind = rig_kinds; *kind; kind++) {
                struct rig rig = { .kind = *kind };

                if (!(*kind)->open(&rig, test_seed()))
                        continue;
                (*kind)->close(&rig);
                rule_kind = *kind;
                for (unsigned c = 0; c < sizeof chapters / sizeof *chapters; c++)
                        for (const struct rule *r = chapters[c]; r->run; r++) {
                                REQUIRE(used < sizeof names / sizeof *names);
                                snprintf(names[used], sizeof names[used], "%s_%s", (*kind)->name,
                                         r->name);
                                test_run(names[used++], r->run);
                        }
        }
        return test_end();
}
