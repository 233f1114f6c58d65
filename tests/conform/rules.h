/*
 * rules.h - the conformance script: one function for each thing that a machine
 * must do.  Each opens the machine anew.
 */
#ifndef TESTS_CONFORM_RULES_H
#define TESTS_CONFORM_RULES_H
#include "fake.h"

struct rule {
        const char *name;
        void (*run)(void);
};
extern const struct rule rules_frames[], rules_show[], rules_range[], rules_stop[],
        rules_share[], rules_plain[], rules_threads[], rules_random[];

/* The machine under test; the seed of the next rule_open. */
extern const struct rig_kind *rule_kind;
void rule_open(struct rig *);
void rule_close(struct rig *);

/* All of the script, or up to the first rule that fails. */
void rules_run(const struct rig_kind *, bool first_fault_only);

/* Can it show a page and refuse writes to it? */
bool rule_protects(const struct rig *);

/* May frames be entered anywhere, and do they have windows while they are shown? */
bool rule_shares(const struct rig *);

/* A store, where this machine can have any just now; null: UNSUPPORTED. */
struct quire_store *rule_store(struct rig *, uint64_t pages);

/* A word that belongs to this page in this round. */
uint64_t rule_word(unsigned page, unsigned round);

#endif
