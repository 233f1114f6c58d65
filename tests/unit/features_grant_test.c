/*
 * features_grant_test.c - who may what: rights that only narrow, in every
 * combination; revocation against a model of the derivation tree; names.
 */
#include "share.h"

/* --------------------------------------------------------------------- the lattice */

/* What a page of this access does: whatever can be written or fetched can be read. */
static bool allows(unsigned access, unsigned kind)
{
        return access && (kind == R || access & kind);
}

static void check_access(uint64_t va, unsigned access)
{
        static const unsigned kinds[] = { R, W, X };

        for (unsigned k = 0; k < 3; k++) {
                uint8_t byte = 0;
                unsigned why = touch_in(space, va, kinds[k], &byte, 1);

                if (!on->simulated && kinds[k] == X)
                        continue;            /* the driver reads there */
                CHECK_EQ(why, allows(access, kinds[k]) ? 0 : QUIRE_WHY_PROTECTED);
        }
}

/* A view with these rights at most is asked for every access, at once and later. */
static void try_rights(struct quire_grant *g, unsigned flags, unsigned most)
{
        uint64_t va, again;

        for (unsigned access = 0; access < 8; access++) {
                enum quire_status st = try_map(space, g, 0, 1, access, flags, &va);

                CHECK(st == (access & ~most ? QUIRE_DENIED : QUIRE_OK));
                if (st != QUIRE_OK)
                        continue;
                CHECK_EQ(info_of(va).rights, most);
                check_access(va, access);
                for (unsigned later = 0; later < 8; later++) {
                        st = later & 1 ? protect(va, 1, later) : commit(va, 1, later);
                        CHECK(st == (later & ~most ? QUIRE_DENIED : QUIRE_OK));
                        CHECK_EQ(info_of(va).access, st == QUIRE_OK ? later
                                                                     : info_of(va).access);
                        check_access(va, info_of(va).access);
                }
                again = va;
                CHECK(quire_region_move(space, va, PAGE, false, &again) == QUIRE_OK);
                CHECK(protect(again, 1, RWX) == (most == RWX ? QUIRE_OK : QUIRE_DENIED));
                release(space, again);
        }
}

static void test_A4_A12_every_right_and_every_access(void)
{
        struct quire_grant *g, *out;

        begin();
        g = object(1, 0);
        for (unsigned rights = 0; rights < 8; rights++) {
                struct quire_grant *some = narrow(g, rights);

                CHECK_EQ(info(some).rights, rights);
                try_rights(some, 0, rights);
                try_rights(some, QUIRE_COPY, rights & R ? rights | W : rights);
                CHECK(quire_object_clone(some, &out) == (rights & R ? QUIRE_OK : QUIRE_DENIED));
                if (rights & R) {
                        CHECK_EQ(info(out).rights, RWX);
                        quire_grant_close(out);
                }
                quire_grant_close(some);
        }
        CHECK(quire_grant_narrow(g, 8, &out) == QUIRE_INVALID);
        quire_grant_close(g);
        finish();
}

static void test_A4_every_chain_of_three_grants(void)
{
        struct quire_grant *g, *a, *b, *c;
        uint64_t va;

        begin();
        g = object(1, 0);
        for (unsigned k = 0; k < 512; k++) {
                unsigned x = k & 7, y = k >> 3 & 7, z = k >> 6;
                bool second = !(y & ~x), third = second && !(z & ~y);

                a = narrow(g, x);
                b = c = NULL;
                CHECK(quire_grant_narrow(a, y, &b) == (second ? QUIRE_OK : QUIRE_DENIED));
                if (second)
                        CHECK(quire_grant_narrow(b, z, &c) == (third ? QUIRE_OK : QUIRE_DENIED));
                quire_grant_close(a);
                if (third) {
                        CHECK_EQ(info(c).rights, z);
                        for (unsigned access = 0; access < 8; access++) {
                                bool may = !(access & ~z);

                                CHECK(try_map(space, c, 0, 1, access, 0, &va) ==
                                      (may ? QUIRE_OK : QUIRE_DENIED));
                                if (may)
                                        release(space, va);
                        }
                        quire_grant_close(c);
                }
                if (second)
                        quire_grant_close(b);
        }
        CHECK_EQ(info(g).grants, 1);
        quire_grant_close(g);
        finish();
}

/* ----------------------------------------------------------------------- revocation */

enum { GRANTS = 40, VIEWS = 60 };

struct view {
        unsigned grant;
        struct quire_space *in;
        uint64_t va;
        bool copy;
};
struct family {
        struct quire_grant *grant[GRANTS];       /* null: closed */
        unsigned parent[GRANTS], rights[GRANTS], count;
        bool revoked[GRANTS];
        struct view view[VIEWS];
        unsigned views;
};

static bool is_valid(const struct family *f, unsigned k)
{
        while (k && !f->revoked[k])
                k = f->parent[k];
        return !f->revoked[k];
}

static void check_family(const struct family *f)
{
        for (unsigned i = 0; i < f->views; i++) {
                const struct view *v = &f->view[i];
                unsigned rights = f->rights[v->grant] | (v->copy ? W : 0), why = 0;
                uint64_t word;

                if (!is_valid(f, v->grant))
                        why = QUIRE_WHY_REVOKED;
                CHECK_EQ(get_word(v->in, v->va, &word), why);
                if (!why && !v->copy)
                        CHECK_EQ(word, 42);
                CHECK_EQ(put_word(v->in, v->va, v->copy ? 43 : 42),
                         why ? why : rights & W ? 0 : QUIRE_WHY_PROTECTED);
        }
        for (unsigned k = 0; k < f->count; k++)
                if (f->grant[k])
                        CHECK_EQ(info(f->grant[k]).revoked, !is_valid(f, k));
}

static void derive(struct family *f, uint64_t *state)
{
        unsigned k = (unsigned)(test_random(state) % f->count);
        unsigned rights = (unsigned)(test_random(state) % 8) | R;
        struct quire_grant *out = NULL;
        enum quire_status st, want = QUIRE_OK;

        if (!f->grant[k] || f->count == GRANTS)
                return;
        st = quire_grant_narrow(f->grant[k], rights, &out);
        if (rights & ~f->rights[k])
                want = QUIRE_DENIED;
        if (!is_valid(f, k))
                want = QUIRE_NOT_PRESENT;
        CHECK_EQ(st, want);
        if (st != QUIRE_OK)
                return;
        f->grant[f->count] = out;
        f->parent[f->count] = k;
        f->rights[f->count] = rights;
        f->revoked[f->count++] = false;
}

static void view(struct family *f, struct quire_space *in, uint64_t *state)
{
        unsigned k = (unsigned)(test_random(state) % f->count);
        struct view v = { .grant = k, .in = in, .copy = test_random(state) % 3 == 0 };
        enum quire_status st;

        if (!f->grant[k] || f->views == VIEWS)
                return;
        st = try_map(in, f->grant[k], 0, 2, f->rights[k] | (v.copy ? W : 0),
                     v.copy ? QUIRE_COPY : 0, &v.va);
        CHECK(st == (is_valid(f, k) ? QUIRE_OK : QUIRE_NOT_PRESENT));
        if (st == QUIRE_OK)
                f->view[f->views++] = v;
}

static void change_family(struct family *f, struct quire_space *in, uint64_t *state)
{
        unsigned k = (unsigned)(test_random(state) % f->count);

        switch (test_random(state) % 12) {
        case 0: case 1: case 2: case 3:
                derive(f, state);
                break;
        case 4: case 5: case 6: case 7:
                view(f, in, state);
                break;
        case 8:
                if (k && f->grant[k]) {
                        quire_grant_close(f->grant[k]);
                        f->grant[k] = NULL;
                }
                break;
        case 9:
                if (f->grant[k] && (k || test_random(state) % 8 == 0)) {
                        quire_grant_revoke(f->grant[k]);
                        f->revoked[k] = true;
                }
                break;
        case 10:
                if (f->views) {
                        k = (unsigned)(test_random(state) % f->views);
                        release(f->view[k].in, f->view[k].va);
                        f->view[k] = f->view[--f->views];
                }
                break;
        default:
                if (f->views)
                        evict(f->view[0].in, f->view[0].va, 2);
        }
}

/* Revoke any grant of a tree: it, all that was derived from it, and every region
 * mapped through those lose access, and no other. */
static void test_D12_revoking_against_a_model(void)
{
        for (unsigned round = 0; round < 12 && !quire_test_state.bad; round++) {
                struct family f = { .count = 1, .rights = { RWX } };
                uint64_t state = test_seed() + round, first;
                struct quire_space *in[2];

                begin();
                in[0] = space;
                in[1] = on->simulated ? stage_space(&quire_layout_64) : space;
                f.grant[0] = object(2, 0);
                first = map(space, f.grant[0], 0, 2, RW, 0);
                CHECK_EQ(put_word(space, first, 42), 0);
                f.view[f.views++] = (struct view){ 0, space, first, false };
                for (unsigned step = 0; step < 60 && !quire_test_state.bad; step++) {
                        change_family(&f, in[step % 2], &state);
                        check_family(&f);
                }
                while (f.views--)
                        release(f.view[f.views].in, f.view[f.views].va);
                for (unsigned k = 0; k < f.count; k++)
                        if (f.grant[k])
                                quire_grant_close(f.grant[k]);
                CHECK_EQ(counters().committed, 0);
                finish();
        }
}

static void test_D12_what_a_revoked_region_can_do(void)
{
        struct quire_grant *g, *r, *out;
        uint64_t a, b, to = 0;

        begin();
        g = object(4, 0);
        r = narrow(g, RW);
        a = map(space, r, 0, 4, RW, 0);
        b = map(space, r, 0, 4, RW, QUIRE_COPY);
        CHECK_EQ(store(a, 1), 0);
        CHECK_EQ(store(b, 2), 0);
        CHECK(quire_region_lock(space, a, PAGE) == QUIRE_OK);
        quire_grant_revoke(r);
        CHECK(info_of(a).revoked && info_of(b).revoked);
        CHECK(protect(a, 4, R) == QUIRE_NOT_PRESENT);
        CHECK(commit(a, 4, R) == QUIRE_NOT_PRESENT);
        CHECK(quire_grant_narrow(r, R, &out) == QUIRE_NOT_PRESENT);
        CHECK(quire_object_clone(r, &out) == QUIRE_NOT_PRESENT);
        CHECK(quire_region_lock(space, a, PAGE) == QUIRE_DENIED);
        CHECK(quire_region_split(space, a + 2 * PAGE) == QUIRE_OK);
        CHECK_EQ(load(a + 2 * PAGE, &(uint8_t){ 0 }), QUIRE_WHY_REVOKED);
        CHECK(quire_region_move(space, a, 2 * PAGE, false, &to) == QUIRE_OK);
        CHECK_EQ(load(to, &(uint8_t){ 0 }), QUIRE_WHY_REVOKED);
        CHECK(quire_region_advise(space, to, 2 * PAGE, QUIRE_WILL_NEED) == QUIRE_OK);
        CHECK_EQ(load(to, &(uint8_t){ 0 }), QUIRE_WHY_REVOKED);
        quire_grant_revoke(r);                             /* once more is nothing */
        release(space, to);
        release(space, a + 2 * PAGE);
        release(space, b);
        a = map(space, g, 0, 4, R, 0);
        CHECK_EQ(byte_at(a), 1);
        release(space, a);
        quire_grant_close(r);
        quire_grant_close(g);
        CHECK_EQ(counters().locked, 0);
        finish();
}

/* ----------------------------------------------------------------------------- names */

static void test_B55_B56_names(void)
{
        char longest[257];
        struct quire_grant *g, *r, *out;
        uint64_t a, b;

        begin();
        memset(longest, 'n', sizeof(longest) - 1);
        longest[256] = 0;
        g = object(4, 0);
        r = narrow(g, RW);
        CHECK(quire_name_find(sys, "one", R, &out) == QUIRE_NOT_PRESENT);
        CHECK(quire_name_set(sys, "one", r) == QUIRE_OK);
        CHECK(quire_name_set(sys, "one", g) == QUIRE_CONFLICT);
        CHECK(quire_name_set(sys, "on", g) == QUIRE_OK);
        CHECK(quire_name_set(sys, "one more", r) == QUIRE_OK);
        CHECK(quire_name_set(sys, "", r) == QUIRE_INVALID);
        CHECK(quire_name_set(sys, longest, r) == QUIRE_INVALID);
        longest[255] = 0;
        CHECK(quire_name_set(sys, longest, r) == QUIRE_OK);
        CHECK(quire_name_set(sys, "\xc3\xa9t\xc3\xa9", r) == QUIRE_OK);
        CHECK(quire_name_find(sys, "one", RWX, &out) == QUIRE_DENIED);
        CHECK(quire_name_find(sys, "one", 8, &out) == QUIRE_INVALID);
        REQUIRE(quire_name_find(sys, longest, R, &out) == QUIRE_OK);
        CHECK_EQ(info(out).number, info(g).number);
        CHECK_EQ(info(out).rights, R);
        a = map(space, g, 0, 4, RW, 0);
        b = map(space, out, 0, 4, R, 0);
        CHECK_EQ(store(a, 9), 0);
        CHECK_EQ(byte_at(b), 9);                           /* the same object, not a copy */
        CHECK(quire_name_remove(sys, longest) == QUIRE_OK);
        CHECK(quire_name_remove(sys, longest) == QUIRE_NOT_PRESENT);
        CHECK(quire_name_find(sys, longest, R, &out) == QUIRE_NOT_PRESENT);
        CHECK_EQ(byte_at(b), 9);
        quire_grant_close(out);
        quire_grant_hold(r);
        quire_grant_close(r);
        REQUIRE(quire_name_find(sys, "one", R, &out) == QUIRE_OK);     /* one handle is left */
        quire_grant_close(out);
        REQUIRE(quire_name_find(sys, "on", RWX, &out) == QUIRE_OK);
        CHECK(quire_name_remove(sys, "on") == QUIRE_OK);
        quire_grant_close(out);
        release(space, a);
        release(space, b);
        quire_grant_close(g);
        REQUIRE(quire_name_find(sys, "one more", RW, &out) == QUIRE_OK);
        quire_grant_close(out);
        quire_grant_close(r);
        CHECK(quire_name_find(sys, "one more", R, &out) == QUIRE_NOT_PRESENT);
        finish();
}

/* A name goes with the last handle of its grant, and finds nothing once that is revoked. */
static void test_B56_names_go(void)
{
        struct quire_grant *g, *r, *out = NULL;

        begin();
        g = object(4, 0);
        r = narrow(g, R);
        CHECK(quire_name_set(sys, "a", r) == QUIRE_OK);
        CHECK(quire_name_set(sys, "b", r) == QUIRE_OK);
        REQUIRE(quire_name_find(sys, "a", R, &out) == QUIRE_OK);
        quire_grant_close(r);
        CHECK(quire_name_find(sys, "a", R, &r) == QUIRE_NOT_PRESENT);
        CHECK(quire_name_find(sys, "b", R, &r) == QUIRE_NOT_PRESENT);
        CHECK_EQ(info(out).rights, R);
        quire_grant_close(out);
        r = narrow(g, RW);
        CHECK(quire_name_set(sys, "a", r) == QUIRE_OK);
        REQUIRE(quire_name_find(sys, "a", R, &out) == QUIRE_OK);
        quire_grant_revoke(r);
        CHECK(info(out).revoked);
        quire_grant_close(out);
        CHECK(quire_name_find(sys, "a", R, &out) == QUIRE_NOT_PRESENT);
        CHECK(quire_name_set(sys, "c", r) == QUIRE_NOT_PRESENT);
        quire_grant_close(r);
        CHECK(quire_name_set(sys, "a", g) == QUIRE_OK);
        quire_grant_close(g);
        CHECK_EQ(counters().committed, 0);
        finish();
}

static void all(void)
{
        RUN(test_A4_A12_every_right_and_every_access);
        RUN(test_A4_every_chain_of_three_grants);
        RUN(test_D12_revoking_against_a_model);
        RUN(test_D12_what_a_revoked_region_can_do);
        RUN(test_B55_B56_names);
        RUN(test_B56_names_go);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(all);
        share_on_linux(all);
        return test_end();
}
