/*
 * tier_test.c - core/tier.c: pages in and out of the compressed tier, its room,
 * what does not compress, what is damaged.
 */
#include "bare.h"

enum { MANY = 400 };

/* Runs of one byte, so that the page compresses to about `runs' * 2 bytes. */
static void draw_page(uint8_t *out, uint64_t seed, unsigned runs)
{
        for (unsigned i = 0; i < 4096; i++)
                out[i] = (uint8_t)(seed * 31 + i * runs / 4096 * 7);
}

static void open_tier(struct bare *b, unsigned percent)
{
        bare_open(b);
        b->sys.budget = 2048;
        REQUIRE(quire_tier_open(&b->sys, percent) == QUIRE_OK);
}

static void close_tier(struct bare *b)
{
        quire_tier_check(&b->sys);
        CHECK_EQ(b->sys.taken, 0);
        quire_tier_close(&b->sys);
        bare_close(b);
}

static void take_out(struct bare *b, struct quire_page *p)
{
        quire_queue_remove(&b->sys, p);
        quire_tier_free(&b->sys, &p->slot);
}

static void test_tier_gives_back_what_it_took(void)
{
        static struct quire_page pages[MANY];
        static uint64_t seeds[MANY];
        static unsigned runs[MANY];
        uint8_t in[4096], out[4096];
        uint64_t random = test_seed(), refused = 0, taken = 0;
        struct bare b;

        open_tier(&b, 25);
        for (int i = 0; i < 20000; i++) {
                unsigned k = (unsigned)(test_random(&random) % MANY);

                if (pages[k].slot.kind) {
                        draw_page(in, seeds[k], runs[k]);
                        CHECK(quire_tier_get(&b.sys, &pages[k].slot, out));
                        CHECK(!memcmp(in, out, sizeof(in)));
                        take_out(&b, &pages[k]);
                        continue;
                }
                seeds[k] = test_random(&random);
                runs[k] = 1 + (unsigned)(test_random(&random) % 1900);
                draw_page(in, seeds[k], runs[k]);
                if (quire_tier_put(&b.sys, &pages[k], in))
                        taken++;
                else
                        refused++;
                CHECK(b.sys.tier.blocks <= b.sys.tier.most_blocks);
                CHECK(b.sys.taken <= b.sys.budget);
                if (i % 499 == 0)
                        quire_tier_check(&b.sys);
        }
        CHECK(taken > 1000 && refused > 100);        /* it does not compress, or it is full */
        for (unsigned k = 0; k < MANY; k++)
                if (pages[k].slot.kind)
                        take_out(&b, &pages[k]);
        close_tier(&b);
}

/* The oldest come first, since they move on to the pagefile first. */
static void test_tier_keeps_the_order(void)
{
        struct quire_page pages[10] = { 0 };
        uint8_t in[4096];
        struct bare b;
        unsigned i = 0;

        open_tier(&b, 50);
        for (unsigned k = 0; k < 10; k++) {
                draw_page(in, k, 10 + k * 100);
                CHECK(quire_tier_put(&b.sys, &pages[k], in));
        }
        for (struct quire_page *p = b.sys.queue[QUIRE_Q_TIER].first; p; p = p->next)
                CHECK(p == &pages[i++]);
        CHECK_EQ(i, 10);
        CHECK_EQ(b.sys.counters.tier_pages, 10);
        for (unsigned k = 0; k < 10; k++)
                take_out(&b, &pages[k]);
        close_tier(&b);
}

/* A tier that is full, has no budget or no memory says so and takes nothing. */
static void test_tier_without_room(void)
{
        static struct quire_page pages[MANY];
        struct quire_page one = { 0 };
        uint8_t in[4096];
        struct bare b;
        unsigned n = 0;

        open_tier(&b, 2);                            /* one block */
        draw_page(in, 1, 1000);
        while (n < MANY && quire_tier_put(&b.sys, &pages[n], in))
                n++;
        CHECK_EQ(b.sys.tier.most_blocks, 1);
        CHECK(n > 10 && n < 40);
        CHECK(!quire_tier_put(&b.sys, &one, in) && one.slot.kind == QUIRE_SLOT_NONE);
        while (n)
                take_out(&b, &pages[--n]);
        b.fail_at = 1;
        CHECK(!quire_tier_put(&b.sys, &one, in));
        b.fail_at = 0;
        b.sys.taken = b.sys.budget;
        CHECK(!quire_tier_put(&b.sys, &one, in));
        b.sys.taken = 0;
        CHECK(quire_tier_put(&b.sys, &one, in));
        take_out(&b, &one);
        close_tier(&b);
}

/* Of pages of all sizes a few stay, in many blocks: when no block can be emptied any more,
 * they cost no more than in frames, and what the headroom is for. */
static uint64_t empty_blocks(unsigned stay_percent, uint64_t *random)
{
        static struct quire_page pages[MANY];
        static uint64_t seeds[MANY];
        static unsigned runs[MANY];
        struct quire_page *last = NULL;
        uint64_t stay = 0, emptied = 0, blocks;
        uint8_t in[4096], out[4096];
        struct bare b;

        open_tier(&b, 80);
        memset(pages, 0, sizeof(pages));
        for (unsigned k = 0; k < MANY; k++) {
                seeds[k] = test_random(random);
                runs[k] = 1 + (unsigned)(test_random(random) % 1400);
                draw_page(in, seeds[k], runs[k]);
                (void)quire_tier_put(&b.sys, &pages[k], in);
        }
        for (unsigned k = 0; k < MANY; k++) {
                if (pages[k].slot.kind && test_random(random) % 100 >= stay_percent)
                        take_out(&b, &pages[k]);
                stay += pages[k].slot.kind != QUIRE_SLOT_NONE;
        }
        for (blocks = b.sys.tier.blocks; quire_tier_compact(&b.sys); blocks = b.sys.tier.blocks) {
                emptied++;
                CHECK_EQ(b.sys.tier.blocks, blocks - 1);
                CHECK_EQ(b.sys.taken, b.sys.tier.blocks * b.sys.tier.block_frames);
                quire_tier_check(&b.sys);
        }
        CHECK_EQ(b.sys.counters.tier_pages, stay);
        CHECK(b.sys.taken <= stay + b.sys.headroom);
        for (struct quire_page *p = b.sys.queue[QUIRE_Q_TIER].first; p; last = p, p = p->next)
                CHECK(p > last);                     /* the order is as it was */
        for (unsigned k = 0; k < MANY; k++) {
                if (!pages[k].slot.kind)
                        continue;
                draw_page(in, seeds[k], runs[k]);
                CHECK(quire_tier_get(&b.sys, &pages[k].slot, out) && !memcmp(in, out, sizeof(in)));
                take_out(&b, &pages[k]);
        }
        close_tier(&b);
        return emptied;
}

static void test_tier_empties_sparse_blocks(void)
{
        uint64_t random = test_seed(), emptied = 0;

        for (unsigned round = 0; round < 50; round++)
                emptied += empty_blocks(2, &random) + empty_blocks(10, &random) +
                           empty_blocks(35, &random) + empty_blocks(90, &random);
        CHECK(emptied > 500);
}

static void test_tier_says_what_is_damaged(void)
{
        struct quire_page one = { 0 };
        struct quire_slot damaged;
        uint8_t in[4096], out[4096];
        struct bare b;

        open_tier(&b, 50);
        draw_page(in, 1, 50);
        CHECK(quire_tier_put(&b.sys, &one, in));
        damaged = one.slot;
        damaged.bytes -= 2;                          /* the last run is missing */
        CHECK(!quire_tier_get(&b.sys, &damaged, out));
        take_out(&b, &one);
        close_tier(&b);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_tier_gives_back_what_it_took);
        RUN(test_tier_keeps_the_order);
        RUN(test_tier_without_room);
        RUN(test_tier_empties_sparse_blocks);
        RUN(test_tier_says_what_is_damaged);
        return test_end();
}
