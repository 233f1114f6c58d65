/*
 * count_test.c - core/count.c: buckets of the latency histogram and its quantiles;
 * names.
 */
#include "bare.h"

/* quire.h: bucket b holds what begins at 2^(b/4) * (4 + b%4) / 4 nanoseconds. */
static void test_buckets_are_as_published(void)
{
        for (unsigned b = 8; b < QUIRE_BUCKETS; b++) {
                uint64_t from = ((uint64_t)1 << (b / 4)) / 4 * (4 + b % 4);

                CHECK_EQ(quire_latency_bucket(from), b);
                CHECK_EQ(quire_latency_bucket(from - 1), b - 1 < 8 ? quire_latency_bucket(from - 1)
                                                                   : b - 1);
        }
        for (uint64_t ns = 1; ns < 100000; ns++)
                CHECK(quire_latency_bucket(ns) >= quire_latency_bucket(ns - 1));
        CHECK_EQ(quire_latency_bucket(UINT64_MAX), QUIRE_BUCKETS - 1);
        CHECK_EQ(quire_latency_bucket(0), 0);
}

/* Against sorted values: a quantile is at least the value, and a quarter more at most. */
static void test_quantiles_against_values(void)
{
        enum { MANY = 20000 };
        static uint64_t values[MANY];
        uint64_t histogram[QUIRE_BUCKETS] = { 0 }, random = test_seed();
        static const unsigned ranks[] = { 0, 1, 100, 500, 900, 990, 999, 1000 };

        for (unsigned i = 0; i < MANY; i++) {
                values[i] = 16 + (test_random(&random) >> (40 + test_random(&random) % 20));
                histogram[quire_latency_bucket(values[i])]++;
        }
        for (unsigned gap = MANY / 2; gap; gap /= 2)               /* Shell's sort */
                for (unsigned i = gap; i < MANY; i++)
                        for (unsigned j = i; j >= gap && values[j - gap] > values[j]; j -= gap) {
                                uint64_t v = values[j];

                                values[j] = values[j - gap];
                                values[j - gap] = v;
                        }
        for (unsigned i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
                unsigned at = MANY / 1000 * ranks[i];
                uint64_t value = values[at < MANY ? at : MANY - 1];
                uint64_t got = quire_latency_quantile(histogram, ranks[i]);

                CHECK(got > value && got <= value + value / 4 + 1);
        }
}

static void test_quantiles_of_little(void)
{
        uint64_t histogram[QUIRE_BUCKETS] = { 0 };

        CHECK_EQ(quire_latency_quantile(histogram, 500), 0);
        histogram[quire_latency_bucket(1000)] = 1;
        CHECK(quire_latency_quantile(histogram, 0) > 1000);
        CHECK_EQ(quire_latency_quantile(histogram, 0), quire_latency_quantile(histogram, 1000));
}

static void test_names(void)
{
        for (int st = QUIRE_OK; st <= QUIRE_BUSY; st++)
                for (int other = QUIRE_OK; other < st; other++)
                        CHECK(strcmp(quire_status_name((enum quire_status)st),
                                     quire_status_name((enum quire_status)other)));
        for (int why = QUIRE_WHY_FREE; why <= QUIRE_WHY_NO_MEMORY; why++)
                for (int other = QUIRE_WHY_FREE; other < why; other++)
                        CHECK(strcmp(quire_reason_name((enum quire_reason)why),
                                     quire_reason_name((enum quire_reason)other)));
        CHECK(quire_status_name((enum quire_status)99) && quire_reason_name((enum quire_reason)99));
        CHECK(quire_policy_named(NULL) == quire_policy_named("2q"));
        CHECK(!quire_policy_named("") && !quire_policy_named("2") && !quire_policy_named("2qq"));
        for (unsigned i = 0; quire_policy_names[i]; i++)
                CHECK(!strcmp(quire_policy_named(quire_policy_names[i])->name,
                              quire_policy_names[i]));
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_buckets_are_as_published);
        RUN(test_quantiles_against_values);
        RUN(test_quantiles_of_little);
        RUN(test_names);
        return test_end();
}
