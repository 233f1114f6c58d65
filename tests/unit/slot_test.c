/*
 * slot_test.c - core/slot.c: slots of several files against arrays of bits:
 * runs, limits, growth, late and retired slots, frozen files.
 */
#include "bare.h"

enum { FILES = 3, SLOTS = 6000, MANY = 600 };

struct taken {
        unsigned file, count;
        uint64_t first;
};

static void open_files(struct bare *b, const uint64_t *limits)
{
        bare_open(b);
        for (unsigned i = 0; i < FILES; i++) {
                b->sys.files[i].host_file = i;
                b->sys.files[i].limit = limits[i];
        }
        b->sys.file_count = FILES;
}

static void close_files(struct bare *b)
{
        quire_slots_close(&b->sys);
        bare_close(b);
}

static void test_slots_against_bits(void)
{
        static const uint64_t limits[FILES] = { 100, 5000, SLOTS };
        static bool used[FILES][SLOTS];
        static struct taken taken[MANY];
        uint64_t random = test_seed(), sum = 0;
        struct bare b;

        open_files(&b, limits);
        CHECK_EQ(quire_slots_capacity(&b.sys), 100 + 5000 + SLOTS);
        for (int i = 0; i < 40000; i++) {
                struct taken *t = &taken[test_random(&random) % MANY];
                unsigned want = 1 + (unsigned)(test_random(&random) % 32);

                if (t->count) {
                        while (t->count) {
                                t->count--;
                                used[t->file][t->first + t->count] = false;
                                quire_slot_free(&b.sys, t->file, t->first + t->count);
                                sum--;
                        }
                        continue;
                }
                t->count = quire_slot_take(&b.sys, want, &t->file, &t->first);
                CHECK(t->count <= want);
                for (unsigned k = 0; k < t->count; k++) {
                        CHECK(t->first + k < limits[t->file]);
                        CHECK(!used[t->file][t->first + k]);
                        used[t->file][t->first + k] = true;
                        *quire_slot_sum(&b.sys, t->file, t->first + k) = (uint32_t)t->first + k;
                }
                sum += t->count;
                if (i % 997 == 0)
                        quire_slots_check(&b.sys);
        }
        for (unsigned k = 0; k < MANY; k++)
                for (unsigned j = 0; j < taken[k].count; j++)
                        CHECK_EQ(*quire_slot_sum(&b.sys, taken[k].file, taken[k].first + j),
                                 taken[k].first + j);
        CHECK_EQ(b.sys.files[0].used + b.sys.files[1].used + b.sys.files[2].used, sum);
        close_files(&b);
}

/* All that there is can be taken, in the order of the files, and no slot more. */
static void test_every_slot_can_be_taken(void)
{
        static const uint64_t limits[FILES] = { 5000, 70, 1 };
        struct bare b;
        uint64_t first, sum = 0;
        unsigned file, before = 0, n;

        open_files(&b, limits);
        while ((n = quire_slot_take(&b.sys, 32, &file, &first))) {
                CHECK(file >= before);
                before = file;
                sum += n;
        }
        CHECK_EQ(sum, 5071);
        quire_slot_free(&b.sys, 0, 4321);
        CHECK_EQ(quire_slot_take(&b.sys, 32, &file, &first), 1);
        CHECK(file == 0 && first == 4321);
        close_files(&b);
}

/* A child may still read what was freed: it is not used again until nobody does. */
static void test_late_slots_wait(void)
{
        static const uint64_t limits[FILES] = { 8, 0, 0 };
        struct bare b;
        uint64_t first;
        unsigned file;

        open_files(&b, limits);
        CHECK_EQ(quire_slot_take(&b.sys, 6, &file, &first), 6);
        b.sys.keep_late = true;
        quire_slots_keep(&b.sys);            /* the child is made */
        quire_slot_free(&b.sys, 0, 3);
        quire_slots_check(&b.sys);
        CHECK_EQ(quire_slot_take(&b.sys, 8, &file, &first), 2);
        CHECK_EQ(first, 6);
        quire_slot_free(&b.sys, 0, 7);       /* of after the child was made */
        CHECK_EQ(quire_slot_take(&b.sys, 8, &file, &first), 1);
        CHECK_EQ(first, 7);
        CHECK_EQ(quire_slot_take(&b.sys, 8, &file, &first), 0);
        quire_unlock(&b.sys);
        quire_pagefile_keep(&b.sys, false);
        quire_lock(&b.sys);
        quire_slots_check(&b.sys);
        CHECK_EQ(quire_slot_take(&b.sys, 8, &file, &first), 1);
        CHECK_EQ(first, 3);
        close_files(&b);
}

static void test_bad_and_frozen_slots_are_not_used(void)
{
        static const uint64_t limits[FILES] = { 8, 8, 0 };
        struct bare b;
        uint64_t first;
        unsigned file;

        open_files(&b, limits);
        CHECK_EQ(quire_slot_take(&b.sys, 8, &file, &first), 8);
        quire_slot_retire(&b.sys, 0, 5);
        quire_slot_free(&b.sys, 0, 6);
        CHECK_EQ(quire_slot_take(&b.sys, 8, &file, &first), 1);
        CHECK_EQ(first, 6);
        b.sys.files[0].frozen = true;
        quire_slot_free(&b.sys, 0, 6);       /* the parent's: stays as it is */
        CHECK_EQ(quire_slot_take(&b.sys, 4, &file, &first), 4);
        CHECK_EQ(file, 1);
        quire_slot_shut(&b.sys, 1);
        CHECK_EQ(quire_slot_take(&b.sys, 4, &file, &first), 0);
        quire_slots_check(&b.sys);
        close_files(&b);
}

/* Without memory for its records a file gives what it has. */
static void test_growth_without_memory(void)
{
        static const uint64_t limits[FILES] = { 100000, 0, 0 };
        struct bare b;
        uint64_t first, sum = 0;
        unsigned file, n;

        open_files(&b, limits);
        b.fail_at = 1;
        CHECK_EQ(quire_slot_take(&b.sys, 32, &file, &first), 0);
        b.fail_at = 0;
        CHECK_EQ(quire_slot_take(&b.sys, 32, &file, &first), 32);
        b.fail_at = 1;
        while ((n = quire_slot_take(&b.sys, 32, &file, &first)))
                sum += n;
        CHECK_EQ(sum + 32, QUIRE_CHUNK_SLOTS);
        b.fail_at = 0;
        CHECK_EQ(quire_slot_take(&b.sys, 32, &file, &first), 32);
        quire_slots_check(&b.sys);
        close_files(&b);
}

static void test_checksum_sees_every_bit(void)
{
        static uint64_t page[512];
        uint64_t random = test_seed();
        uint32_t sum;

        for (unsigned i = 0; i < 512; i++)
                page[i] = test_random(&random);
        sum = quire_checksum(page, sizeof(page));
        for (unsigned bit = 0; bit < 512 * 64; bit++) {
                page[bit / 64] ^= (uint64_t)1 << bit % 64;
                CHECK(quire_checksum(page, sizeof(page)) != sum);
                page[bit / 64] ^= (uint64_t)1 << bit % 64;
        }
        CHECK_EQ(quire_checksum(page, sizeof(page)), sum);
}

/* Half of a page that is another page's, as a torn write leaves it. */
static void test_checksum_sees_a_torn_page(void)
{
        static uint64_t a[512], b[512], torn[512];
        uint64_t random = test_seed();

        for (unsigned i = 0; i < 512; i++) {
                a[i] = test_random(&random);
                b[i] = test_random(&random);
        }
        for (unsigned cut = 1; cut < 512; cut++) {
                memcpy(torn, a, sizeof(a));
                memcpy(torn + cut, b + cut, sizeof(b) - cut * sizeof(b[0]));
                CHECK(quire_checksum(torn, sizeof(torn)) != quire_checksum(a, sizeof(a)));
                CHECK(quire_checksum(torn, sizeof(torn)) != quire_checksum(b, sizeof(b)));
        }
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_slots_against_bits);
        RUN(test_every_slot_can_be_taken);
        RUN(test_late_slots_wait);
        RUN(test_bad_and_frozen_slots_are_not_used);
        RUN(test_growth_without_memory);
        RUN(test_checksum_sees_every_bit);
        RUN(test_checksum_sees_a_torn_page);
        return test_end();
}
