/*
 * rules.c - the chapters of the conformance script, in order.
 */
#include "rules.h"

const struct rig_kind *rule_kind;

static const struct rule *const chapters[] = {
        rules_frames, rules_range, rules_show, rules_share, rules_stop, rules_plain,
        rules_threads, rules_random,
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

bool rule_protects(const struct rig *rig)
{
        return rig->ops->abilities(rig->machine)->write_protects;
}

bool rule_shares(const struct rig *rig)
{
        return rig->ops->abilities(rig->machine)->shares_frames;
}

struct quire_store *rule_store(struct rig *rig, uint64_t pages)
{
        struct quire_store *store = NULL;
        enum quire_status st;

        fake_lock(rig);
        st = rig->ops->store_open(rig->machine, pages, &store);
        fake_unlock(rig);
        REQUIRE(st == QUIRE_OK || (st == QUIRE_UNSUPPORTED && !store));
        return store;
}

uint64_t rule_word(unsigned page, unsigned round)
{
        uint64_t state = (uint64_t)round << 32 | page;

        return test_random(&state) | 1;
}

void rules_run(const struct rig_kind *kind, bool first_fault_only)
{
        static char names[512][96];
        static unsigned used;

        rule_kind = kind;
        for (unsigned c = 0; c < sizeof chapters / sizeof *chapters; c++)
                for (const struct rule *r = chapters[c]; r->run; r++) {
                        if (first_fault_only && quire_test_state.failed)
                                return;
                        REQUIRE(used < sizeof names / sizeof *names);
                        snprintf(names[used], sizeof names[used], "%s_%s", kind->name, r->name);
                        test_run(names[used++], r->run);
                }
}
