/*
 * features_spaces_test.c - the rows that say what several processes have of one memory,
 * each test named after its row, between one space and as many as a drive has.
 *
 * On the simulator and on the x86-64 tables, with frames that are shared and without.
 * Between real processes: machines/linux/tests/apart_test.c.
 */
#include "book.h"

enum { MOST = 16, PAGES = 24, WIDE = 96 };

static struct quire_space *at[MOST];
static uint64_t va[MOST];            /* where a row's object is, in each */
static unsigned spaces;

/* A row in one space, in two, and so on; with what the options say. */
static void in_any_number(struct drive_options o, void (*row)(void))
{
        REQUIRE(on->spaces <= MOST && on->spaces > 2);
        for (spaces = 1; spaces <= on->spaces; spaces++) {
                begin_with(o);
                at[0] = space;
                for (unsigned i = 1; i < spaces; i++)
                        at[i] = stage_space(&quire_layout_64);
                row();
                CHECK_EQ(counters().committed + counters().resident, 0);
                finish();
        }
}

/* In each space, and nowhere at the same address. */
static void map_in_all(struct quire_grant *g, unsigned access, unsigned flags)
{
        for (unsigned i = 0; i < spaces; i++) {
                reserve_in(at[i], 1 + i, 0);
                va[i] = map(at[i], g, 0, info(g).bytes / PAGE, access, flags);
                for (unsigned k = 0; k < i; k++)
                        CHECK(va[k] != va[i]);
        }
}

static uint64_t word_at(unsigned i, uint64_t page)
{
        return word_in(at[i], va[i] + page * PAGE + 8);
}

static unsigned put_at(unsigned i, uint64_t page, uint64_t word)
{
        return put_word(at[i], va[i] + page * PAGE + 8, word);
}

/* ------------------------------------------------------------------------ views */

static void share_frames(void)
{
        struct quire_grant *g = object(PAGES, 0);

        map_in_all(g, RW, 0);
        for (uint64_t page = 0; page < PAGES; page++) {
                CHECK_EQ(put_at((unsigned)page % spaces, page, page + 1), 0);
                for (unsigned i = 0; i < spaces; i++)
                        CHECK_EQ(word_at(i, page), page + 1);
        }
        CHECK_EQ(info(g).resident, PAGES);                 /* however many look */
        CHECK_EQ(info(g).regions, spaces);
        CHECK_EQ(counters().resident, PAGES);
        for (unsigned i = 0; i < spaces; i++)
                release(at[i], va[i]);
        quire_grant_close(g);
}

static void test_B57_B58_one_frame_at_any_number_of_addresses(void)
{
        in_any_number(options, share_frames);
}

static void evict_from_all(void)
{
        struct quire_grant *g = object(PAGES, 0);

        map_in_all(g, RW, 0);
        for (unsigned who = 0; who < spaces; who++) {
                uint64_t read;

                for (uint64_t page = 0; page < PAGES; page++)
                        CHECK_EQ(put_at(who, page, page * 0x10001 + who + 1), 0);
                for (unsigned i = 0; i < spaces; i++)
                        CHECK_EQ(word_at(i, 3), 3 * 0x10001 + who + 1);
                evict(at[who], va[who], PAGES);
                CHECK_EQ(info(g).resident, 0);
                for (unsigned i = 0; i < spaces; i++)
                        CHECK_EQ(page_map_in(at[i], va[i] + 3 * PAGE) & 15, QUIRE_PAGE_STORED);
                read = counters().pages_in;
                for (unsigned i = 0; i < spaces; i++)
                        CHECK_EQ(word_at((who + i) % spaces, 3), 3 * 0x10001 + who + 1);
                CHECK_EQ(counters().pages_in, read + 1);   /* once for all of them */
                CHECK_EQ(info(g).resident, 1);
        }
        for (unsigned i = 0; i < spaces; i++)
                release(at[i], va[i]);
        quire_grant_close(g);
}

static void test_B18_a_page_that_moves_moves_in_all(void)
{
        in_any_number(options, evict_from_all);
}

/* Every second space maps it; the others see nothing of it. */
static void keep_from_others(void)
{
        struct quire_grant *g = object(PAGES, 0);
        uint64_t word;

        for (unsigned i = 0; i < spaces; i += 2) {
                va[i] = map(at[i], g, 0, PAGES, RW, 0);
                CHECK_EQ(put_at(i, i, i + 1), 0);
        }
        for (unsigned i = 0; i < spaces; i++)
                for (unsigned k = 0; k < spaces; k += 2) {
                        if (i % 2)
                                CHECK_EQ(get_word(at[i], va[k] + k * PAGE + 8, &word),
                                         QUIRE_WHY_FREE);
                        else
                                CHECK_EQ(word_at(i, k), k + 1);
                }
        for (unsigned i = 1; i < spaces; i += 2) {         /* memory of their own, there */
                const struct quire_request q = { .bytes = PAGES * PAGE, .va = va[0],
                                                 .flags = QUIRE_EXACT };

                REQUIRE(quire_region_reserve(at[i], &q, &va[i]) == QUIRE_OK);
                CHECK(quire_region_commit(at[i], va[i], PAGES * PAGE, RW) == QUIRE_OK);
                CHECK_EQ(word_at(i, 0), 0);
                CHECK_EQ(put_at(i, 0, 99), 0);
        }
        CHECK_EQ(word_at(0, 0), 1);
        for (unsigned i = 0; i < spaces; i++) {
                release(at[i], va[i]);
                CHECK_EQ(get_word(at[i], va[i] + 8, &word), QUIRE_WHY_FREE);
        }
        quire_grant_close(g);
}

static void test_B59_seen_in_those_that_mapped_it(void)
{
        in_any_number(options, keep_from_others);
}

/* ------------------------------------------------------------------------ names */

static void open_by_name(void)
{
        struct quire_grant *first = object(PAGES, 0), *out = NULL;

        CHECK(quire_name_find(sys, "row", R, &out) == QUIRE_NOT_PRESENT && !out);
        CHECK(quire_name_set(sys, "row", first) == QUIRE_OK);
        for (unsigned i = 0; i < spaces; i++) {
                struct quire_grant *own = object(PAGES, 0), *g = NULL;

                CHECK(quire_name_set(sys, "row", own) == QUIRE_CONFLICT);   /* it exists */
                REQUIRE(quire_name_find(sys, "row", RW, &g) == QUIRE_OK);
                CHECK_EQ(info(g).number, info(first).number);
                CHECK(info(g).number != info(own).number);
                va[i] = map(at[i], g, 0, PAGES, RW, 0);
                CHECK_EQ(put_at(i, i, i + 1), 0);
                for (unsigned k = 0; k <= i; k++)
                        CHECK_EQ(word_at(i, k), k + 1);
                quire_grant_close(g);
                quire_grant_close(own);
        }
        CHECK(quire_name_find(sys, "Row", R, &out) == QUIRE_NOT_PRESENT && !out);
        quire_grant_close(first);                          /* with its last handle: */
        CHECK(quire_name_find(sys, "row", R, &out) == QUIRE_NOT_PRESENT && !out);
        for (unsigned i = 0; i < spaces; i++) {
                CHECK_EQ(word_at(i, spaces - 1), spaces);
                release(at[i], va[i]);
        }
}

static void test_B55_B56_a_name_in_any_number_of_spaces(void)
{
        in_any_number(options, open_by_name);
}

/* ---------------------------------------------------------------- copy on write */

static void copy_in_turn(void)
{
        struct quire_grant *g = object(PAGES, 0), *r = narrow(g, R);
        uint64_t original = map(space, g, 0, PAGES, RW, 0);

        for (uint64_t page = 0; page < PAGES; page++)
                CHECK_EQ(put_word(space, original + page * PAGE + 8, page + 1), 0);
        map_in_all(r, RW, QUIRE_COPY);                     /* without W: B34 */
        for (unsigned i = 0; i < spaces; i++)
                for (uint64_t page = 0; page < PAGES; page++)
                        CHECK_EQ(word_at(i, page), page + 1);
        CHECK_EQ(counters().resident, PAGES);              /* one frame, whoever reads */
        for (unsigned i = 0; i < spaces; i++) {
                CHECK_EQ(put_at(i, 5, 100 + i), 0);
                CHECK_EQ(counters().resident, PAGES + i + 1);       /* and one for each who wrote */
                for (unsigned k = 0; k < spaces; k++) {
                        uint8_t is = page_map_in(at[k], va[k] + 5 * PAGE);

                        CHECK_EQ(word_at(k, 5), k <= i ? 100 + k : 6);
                        CHECK_EQ(!(is >> 4 & QUIRE_PAGE_COPIED), k > i);
                }
                CHECK_EQ(word_in(space, original + 5 * PAGE + 8), 6);
        }
        CHECK_EQ(put_word(space, original + 6 * PAGE + 8, 66), 0);
        for (unsigned i = 0; i < spaces; i++)
                CHECK_EQ(word_at(i, 6), 66);               /* written by nobody else: shared */
        for (unsigned i = 0; i < spaces; i++)
                release(at[i], va[i]);
        CHECK_EQ(counters().resident, PAGES);
        CHECK_EQ(word_in(space, original + 5 * PAGE + 8), 6);
        release(space, original);
        quire_grant_close(r);
        quire_grant_close(g);
}

static void test_B34_B40_shared_until_it_is_written(void)
{
        in_any_number(options, copy_in_turn);
}

/* --------------------------------------------------------------- the last unmap */

static void go_home(void)
{
        struct book b;
        struct quire_grant *g = open_book(&b, &book_pager, 0);

        map_in_all(g, RW, 0);
        quire_grant_close(g);
        for (unsigned i = 0; i < spaces; i++)
                for (uint64_t page = i; page < PAGES; page += spaces) {
                        uint8_t byte = (uint8_t)(100 + page);

                        CHECK_EQ(touch_in(at[i], va[i] + page * PAGE, W, &byte, 1), 0);
                }
        for (unsigned i = 0; i < spaces; i++) {
                CHECK(b.wrote == 0 && b.closed == 0);      /* somebody shows it still */
                for (unsigned page = 0; page < PAGES; page++)
                        CHECK_EQ(byte_in(at[i], va[i] + page * PAGE), 100 + page);
                release(at[i], va[i]);
        }
        CHECK_EQ(b.wrote, PAGES);
        CHECK_EQ(b.closed, 1);
        for (unsigned page = 0; page < BOOK_PAGES; page++)
                CHECK_EQ(b.page[page], page < PAGES ? 100 + page : page + 1);
}

static void test_B60_home_with_the_last_unmap_of_any(void)
{
        in_any_number(options, go_home);
}

/* -------------------------------------------------------------- writers at once */

enum { ROUNDS = 3, TURN = 0, WILD = 8, GUARDED = 16 };   /* words of a page */

static unsigned wrong;

static uint64_t stamp(uint64_t who, uint64_t round)
{
        uint64_t half = who << 16 | round;

        return half | (half ^ 0xffffffff) << 32;
}

static bool is_whole(uint64_t word)
{
        uint64_t half = word & 0xffffffff;

        return !word || (word >> 32 == (half ^ 0xffffffff) && half >> 16 < spaces);
}

/* A writer in a space of his own: one word of each page without regard for the others, one
 * of each when a word in the memory itself says that it is his turn. */
static void write_in(void *argument)
{
        unsigned who = *(unsigned *)argument;

        for (uint64_t round = 0; round < ROUNDS; round++) {
                for (uint64_t page = 0; page < WIDE; page++) {
                        uint64_t here = va[who] + page * PAGE + WILD;

                        wrong += !is_whole(word_in(at[who], here));
                        wrong += put_word(at[who], here, stamp(who, round)) != 0;
                }
                while (word_in(at[who], va[who] + TURN) != who) {
                        quire_sim_pass(on->host(stage), 50000);    /* transfers go on */
                        quire_sim_yield(on->host(stage));
                }
                for (uint64_t page = 0; page < WIDE; page++) {
                        uint64_t here = va[who] + page * PAGE + GUARDED;

                        wrong += word_in(at[who], here) != round * spaces + who;
                        wrong += put_word(at[who], here, round * spaces + who + 1) != 0;
                }
                wrong += put_word(at[who], va[who] + TURN, (who + 1) % spaces) != 0;
        }
}

/* Each word is whole and somebody's last, and all see the same; nothing is lost that was
 * written in turn.  No order is promised between two words, and none is asked for. */
static void write_at_once(void)
{
        struct quire_grant *g = object(WIDE, 0);
        unsigned who[MOST];

        map_in_all(g, RW, 0);
        wrong = 0;
        for (unsigned i = 0; i < spaces; i++) {
                who[i] = i;
                REQUIRE(quire_sim_thread_start(on->host(stage), "writer", write_in, &who[i]));
        }
        quire_sim_run(on->host(stage));
        CHECK_EQ(wrong, 0);
        for (uint64_t page = 0; page < WIDE; page++) {
                uint64_t wild = word_in(at[0], va[0] + page * PAGE + WILD);

                CHECK(is_whole(wild));
                CHECK_EQ(wild & 0xffff, ROUNDS - 1);
                for (unsigned i = 0; i < spaces; i++) {
                        CHECK_EQ(word_in(at[i], va[i] + page * PAGE + WILD), wild);
                        CHECK_EQ(word_in(at[i], va[i] + page * PAGE + GUARDED), ROUNDS * spaces);
                }
        }
        CHECK(counters().evicted > 0);
        for (unsigned i = 0; i < spaces; i++)
                release(at[i], va[i]);
        quire_grant_close(g);
}

static void test_B62_writers_in_any_number_of_spaces(void)
{
        struct drive_options o = options;

        o.budget = quire_budget_least(4096);
        o.seed = test_seed() | 1;
        o.slow_io = true;
        o.preempt_percent = 30;
        o.audit = false;
        in_any_number(o, write_at_once);
}

/* -------------------------------------------------------------------------- main */

static void all(void)
{
        RUN(test_B57_B58_one_frame_at_any_number_of_addresses);
        RUN(test_B18_a_page_that_moves_moves_in_all);
        RUN(test_B59_seen_in_those_that_mapped_it);
        RUN(test_B55_B56_a_name_in_any_number_of_spaces);
        RUN(test_B34_B40_shared_until_it_is_written);
        RUN(test_B60_home_with_the_last_unmap_of_any);
        RUN(test_B62_writers_in_any_number_of_spaces);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        share_on_simulated(all);
        return test_end();
}
