/*
 * x86_test.c - what is peculiar to the x86-64 machine: 2 MiB pages in delegated
 * ranges, its tables' pool, its processors.
 */
#include "no_faults.h"
#include "test.h"
#include "x86_64.h"

static struct quire_sim_host *host;
static struct quire_x86 *x86;
static const struct quire_host_ops *ho;
static const struct quire_machine_ops *mo;
static struct quire_machine *m;
static struct quire_mspace *space;

static struct quire_mspace *open_space(void *owner)
{
        struct quire_mspace *s = NULL;

        ho->lock(quire_sim_host_handle(host));
        REQUIRE(mo->space_open(m, owner, &s) == QUIRE_OK);
        ho->unlock(quire_sim_host_handle(host));
        return s;
}

static void open_machine(struct quire_x86_options options)
{
        host = quire_sim_host_open(&(struct quire_sim_host_options){ 0 });
        REQUIRE(host);
        options.host = host;
        x86 = quire_x86_open(&options);
        REQUIRE(x86);
        ho = quire_sim_host_ops(host);
        mo = quire_x86_ops(x86);
        m = quire_x86_handle(x86);
        space = open_space(x86);
        ho->lock(quire_sim_host_handle(host));
}

static void close_machine(void)
{
        CHECK(!quire_table_check(quire_x86_table(space)));
        mo->space_close(space);
        ho->unlock(quire_sim_host_handle(host));
        quire_x86_close(x86);
        quire_sim_host_close(host);
}

static enum quire_status touch(struct quire_mspace *s, uint64_t va, unsigned access,
                               uint64_t *word)
{
        enum quire_status st;

        ho->unlock(quire_sim_host_handle(host));
        st = quire_x86_access(x86, s, va, access, word, sizeof *word);
        ho->lock(quire_sim_host_handle(host));
        return st;
}

static uint64_t load(uint64_t va)
{
        uint64_t word = UINT64_MAX;

        CHECK(touch(space, va, QUIRE_R, &word) == QUIRE_OK);
        return word;
}

static void store(uint64_t va, uint64_t word)
{
        CHECK(touch(space, va, QUIRE_W, &word) == QUIRE_OK);
}

static void delegate(uint64_t va, uint64_t pages)
{
        struct quire_range o;

        REQUIRE(mo->delegate(space, va, pages, NULL, &o) == QUIRE_OK);
        REQUIRE(mo->delegate_protect(space, va, pages, QUIRE_R | QUIRE_W) == QUIRE_OK);
}

static void a_first_touch_gets_a_large_page_B48(void)
{
        uint64_t va = 100 * QUIRE_X86_LARGE;
        bool large = false;

        open_machine((struct quire_x86_options){ 0 });
        delegate(va - QUIRE_X86_PAGE, 512 * 3);
        CHECK_EQ(load(va - QUIRE_X86_PAGE), 0);
        CHECK(quire_table_find(quire_x86_table(space), va - 1, &large) && !large);
        store(va + 12345 * 8, 1);
        CHECK(quire_table_find(quire_x86_table(space), va, &large) && large);
        store(va + QUIRE_X86_LARGE + 8, 2);
        CHECK(quire_table_find(quire_x86_table(space), va + QUIRE_X86_LARGE, &large) && large);
        CHECK_EQ(load(va + 12345 * 8), 1);
        CHECK_EQ(load(va + 12346 * 8), 0);
        CHECK_EQ(quire_x86_count(x86).large, 2);
        /* The last block is not whole. */
        store(va + 2 * QUIRE_X86_LARGE + 8, 3);
        CHECK(quire_table_find(quire_x86_table(space), va + 2 * QUIRE_X86_LARGE, &large) &&
              !large);
        close_machine();
}

/* Random protections, discards and watches of parts, against an array. */
static void parts_of_large_pages_are_their_own_B48(void)
{
        enum { PAGES = 512 * 3 };
        static uint64_t word[PAGES];
        static uint8_t access[PAGES];
        uint64_t va = 50 * QUIRE_X86_LARGE, state = 77;

        open_machine((struct quire_x86_options){ 0 });
        delegate(va, PAGES);
        memset(word, 0, sizeof word);
        memset(access, QUIRE_R | QUIRE_W, sizeof access);
        for (unsigned step = 0; step < 4000; step++) {
                unsigned page = (unsigned)(test_random(&state) % PAGES);
                unsigned count = 1 + (unsigned)(test_random(&state) % 40);
                uint64_t at = va + page * QUIRE_X86_PAGE, w = test_random(&state);
                unsigned how = (unsigned)(test_random(&state) % 3);

                count = count > PAGES - page ? PAGES - page : count;
                switch (test_random(&state) % 24) {
                case 0:
                        CHECK(mo->delegate_protect(space, at, count, how ? how == 1 ? QUIRE_R
                                                   : QUIRE_R | QUIRE_W : 0) == QUIRE_OK);
                        memset(access + page, how ? how == 1 ? QUIRE_R : QUIRE_R | QUIRE_W : 0,
                               count);
                        break;
                case 1:
                        mo->delegate_discard(space, at, count);
                        memset(word + page, 0, count * sizeof *word);
                        break;
                case 2:
                        mo->delegate_discard(space, va, PAGES);
                        memset(word, 0, sizeof word);
                        break;
                default:
                        if (touch(space, at + 8 * (page % 512), QUIRE_W, &w) == QUIRE_OK) {
                                CHECK(access[page] & QUIRE_W);
                                word[page] = w;
                        } else {
                                CHECK(!(access[page] & QUIRE_W));
                        }
                        page = (unsigned)(test_random(&state) % PAGES);
                        at = va + page * QUIRE_X86_PAGE + 8 * (page % 512);
                        if (touch(space, at, QUIRE_R, &w) == QUIRE_OK)
                                CHECK(access[page] & QUIRE_R && w == word[page]);
                        else
                                CHECK(!access[page]);
                }
        }
        CHECK(quire_x86_count(x86).large > 3 && quire_x86_count(x86).split > 3);
        close_machine();
}

static void watching_splits_large_pages(void)
{
        uint64_t va = 50 * QUIRE_X86_LARGE;
        uint8_t bits[512];

        open_machine((struct quire_x86_options){ 0 });
        delegate(va, 512);
        store(va, 1);
        CHECK_EQ(quire_x86_count(x86).large, 1);
        CHECK(mo->delegate_watch(space, va, 512) == QUIRE_OK);
        store(va + 7 * QUIRE_X86_PAGE, 1);
        CHECK(mo->harvest(space, va, 512, bits) == QUIRE_OK);
        for (unsigned i = 0; i < 512; i++)
                CHECK(!(bits[i] & QUIRE_MODIFIED) == (i != 7));
        CHECK_EQ(quire_x86_count(x86).split, 1);
        close_machine();
}

/* M3: where the pool of tables is empty, enter changes nothing. */
static void enter_without_tables_changes_nothing_M3(void)
{
        struct quire_range o;
        quire_frame frame[2];
        uint64_t word, far = (uint64_t)1 << 40;

        open_machine((struct quire_x86_options){ .tables = 5 });
        REQUIRE(mo->reserve(space, QUIRE_X86_PAGE, 1, NULL, &o) == QUIRE_OK);
        REQUIRE(mo->reserve(space, far, 1, NULL, &o) == QUIRE_OK);
        for (unsigned i = 0; i < 2; i++)
                REQUIRE(mo->frame_alloc(m, NULL, 0, QUIRE_ZEROED, &frame[i]) == QUIRE_OK);
        CHECK(mo->enter(space, QUIRE_X86_PAGE, 1, &frame[0], QUIRE_R) == QUIRE_OK);
        CHECK(mo->enter(space, far, 1, &frame[1], QUIRE_R) == QUIRE_NO_MEMORY);
        CHECK(touch(space, far, QUIRE_R, &word) == QUIRE_DENIED);
        CHECK(touch(space, QUIRE_X86_PAGE, QUIRE_R, &word) == QUIRE_OK);
        CHECK(mo->frame_window(m, frame[1]));
        CHECK(mo->take(space, QUIRE_X86_PAGE, 1, &frame[0]) == QUIRE_OK);
        CHECK(mo->enter(space, far, 1, &frame[1], QUIRE_R) == QUIRE_OK);
        mo->drop(space, far, 1);
        for (unsigned i = 0; i < 2; i++)
                mo->frame_free(m, frame[i]);
        close_machine();
}

/* What one processor remembers is taken from all of them. */
static uint64_t other_saw;
static enum quire_status other_got;

static void look_from_another_processor(void *argument)
{
        (void)argument;
        other_got = quire_x86_access(x86, space, QUIRE_X86_PAGE, QUIRE_R, &other_saw, 8);
        quire_sim_yield(host);
        other_got = quire_x86_access(x86, space, QUIRE_X86_PAGE, QUIRE_R, &other_saw, 8);
}

static void take_is_seen_by_every_processor(unsigned forget)
{
        struct quire_sim_thread *t;
        struct quire_range o;
        quire_frame frame;

        open_machine((struct quire_x86_options){ .forget = forget });
        REQUIRE(mo->reserve(space, QUIRE_X86_PAGE, 1, NULL, &o) == QUIRE_OK);
        REQUIRE(mo->frame_alloc(m, NULL, 0, QUIRE_ZEROED, &frame) == QUIRE_OK);
        CHECK(mo->enter(space, QUIRE_X86_PAGE, 1, &frame, QUIRE_R) == QUIRE_OK);
        ho->unlock(quire_sim_host_handle(host));
        t = quire_sim_thread_start(host, "other", look_from_another_processor, NULL);
        REQUIRE(t);
        CHECK(quire_sim_step(t) == QUIRE_SIM_READY && other_got == QUIRE_OK && !other_saw);
        ho->lock(quire_sim_host_handle(host));
        CHECK(mo->take(space, QUIRE_X86_PAGE, 1, &frame) == QUIRE_OK);
        ho->unlock(quire_sim_host_handle(host));
        CHECK(quire_sim_step(t) == QUIRE_SIM_ENDED);
        ho->lock(quire_sim_host_handle(host));
        mo->frame_free(m, frame);
        close_machine();
}

static void invalidation_reaches_other_processors_M2(void)
{
        take_is_seen_by_every_processor(0);
        CHECK(other_got == QUIRE_DENIED);
}

/* ... and the test would see it if it did not. */
static void a_missing_shootdown_shows(void)
{
        take_is_seen_by_every_processor(QUIRE_X86_FORGET_OTHERS);
        CHECK(other_got == QUIRE_OK);
}

/* A root that is used again must not bring an old space's translations back. */
static enum quire_status look_into_a_new_space(unsigned forget)
{
        static char first, second;
        struct quire_mspace *old;
        struct quire_range o;
        enum quire_status st;
        quire_frame frame;
        uint64_t word = 0;

        open_machine((struct quire_x86_options){ .forget = forget });
        ho->unlock(quire_sim_host_handle(host));
        old = open_space(&first);
        ho->lock(quire_sim_host_handle(host));
        REQUIRE(mo->reserve(old, QUIRE_X86_PAGE, 1, NULL, &o) == QUIRE_OK);
        REQUIRE(mo->frame_alloc(m, NULL, 0, QUIRE_ZEROED, &frame) == QUIRE_OK);
        CHECK(mo->enter(old, QUIRE_X86_PAGE, 1, &frame, QUIRE_R) == QUIRE_OK);
        CHECK(touch(old, QUIRE_X86_PAGE, QUIRE_R, &word) == QUIRE_OK);
        mo->space_close(old);
        mo->frame_free(m, frame);
        ho->unlock(quire_sim_host_handle(host));
        old = open_space(&second);
        ho->lock(quire_sim_host_handle(host));
        st = touch(old, QUIRE_X86_PAGE, QUIRE_R, &word);
        mo->space_close(old);
        close_machine();
        return st;
}

static void a_closed_space_is_forgotten(void)
{
        const unsigned forget = QUIRE_X86_FORGET_CLOSE | QUIRE_X86_FORGET_DROP;

        CHECK(look_into_a_new_space(0) == QUIRE_NOT_PRESENT);
        CHECK(look_into_a_new_space(forget) == QUIRE_OK);
}

/* Attributes are bits of the entry, and stay when the processor notes accesses. */
static void attributes_are_in_the_entry(void)
{
        static const struct {
                unsigned attributes;
                quire_pte set;
        } rows[] = {
                { 0, QUIRE_PTE_USER },
                { QUIRE_KERNEL, 0 },
                { QUIRE_CACHE_THROUGH, QUIRE_PTE_USER | QUIRE_PTE_PWT },
                { QUIRE_CACHE_NONE, QUIRE_PTE_USER | QUIRE_PTE_PCD | QUIRE_PTE_PWT },
                { QUIRE_CACHE_COMBINE | QUIRE_KERNEL, QUIRE_PTE_PAT },
        };
        const quire_pte all = QUIRE_PTE_USER | QUIRE_PTE_PWT | QUIRE_PTE_PCD | QUIRE_PTE_PAT;
        struct quire_range o;
        quire_frame frame;
        uint64_t word = 1;
        bool large;

        open_machine((struct quire_x86_options){ .no_share = true });
        REQUIRE(mo->reserve(space, QUIRE_X86_PAGE, 1, NULL, &o) == QUIRE_OK);
        REQUIRE(mo->frame_physical(m, QUIRE_X86_DEVICES, &frame) == QUIRE_OK);
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
                const unsigned access = QUIRE_R | QUIRE_W | rows[i].attributes;
                const quire_pte *e;

                CHECK(mo->enter(space, QUIRE_X86_PAGE, 1, &frame, access) == QUIRE_OK);
                CHECK(touch(space, QUIRE_X86_PAGE, QUIRE_W | QUIRE_KERNEL, &word) == QUIRE_OK);
                mo->protect(space, QUIRE_X86_PAGE, 1, access & ~(unsigned)QUIRE_W);
                e = quire_table_find(quire_x86_table(space), QUIRE_X86_PAGE, &large);
                REQUIRE(e);
                CHECK_EQ(*e & all, rows[i].set);
                CHECK(*e & QUIRE_PTE_DIRTY && !(*e & QUIRE_PTE_WRITE));
                CHECK(touch(space, QUIRE_X86_PAGE, QUIRE_R, &word) ==
                      (rows[i].attributes & QUIRE_KERNEL ? QUIRE_DENIED : QUIRE_OK));
                CHECK(mo->take(space, QUIRE_X86_PAGE, 1, &frame) == QUIRE_OK);
        }
        close_machine();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(a_first_touch_gets_a_large_page_B48);
        RUN(parts_of_large_pages_are_their_own_B48);
        RUN(watching_splits_large_pages);
        RUN(enter_without_tables_changes_nothing_M3);
        RUN(invalidation_reaches_other_processors_M2);
        RUN(a_missing_shootdown_shows);
        RUN(a_closed_space_is_forgotten);
        RUN(attributes_are_in_the_entry);
        return test_end();
}
