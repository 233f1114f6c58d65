/*
 * replay.c - a fuzzer's target without the fuzzer.
 *
 *   FILE...         run each of them: inputs that failed, or a corpus
 *   (none)          run 300 inputs of random bytes; QUIRE_SEED as everywhere
 */
#include "test.h"
#include <signal.h>

enum { INPUTS = 300, MOST = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static uint64_t seed;
static uint8_t bytes[1 << 20];
static size_t count;

static void test_random_bytes(void)
{
        for (unsigned i = 0; i < INPUTS; i++) {
                count = test_random(&seed) % MOST;
                for (size_t k = 0; k < count; k++)
                        bytes[k] = (uint8_t)(test_random(&seed) >> 24);
                LLVMFuzzerTestOneInput(bytes, count);
        }
}

static void test_given_bytes(void)
{
        LLVMFuzzerTestOneInput(bytes, count);
}

int main(int argc, char **argv)
{
        test_begin(1, argv);
        seed = test_seed();
        if (argc == 1)
                RUN(test_random_bytes);
        for (int i = 1; i < argc; i++) {
                FILE *file = fopen(argv[i], "rb");

                REQUIRE(file);
                count = fread(bytes, 1, sizeof(bytes), file);
                fclose(file);
                printf("%s\n", argv[i]);
                RUN(test_given_bytes);
        }
        return test_end();
}
