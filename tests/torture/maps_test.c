/*
 * maps_test.c - what protections and guards cost the kernel in this process:
 * nothing (D11); and that addresses can be had below 2 GB (B11).
 */
#include "../test.h"
#include "quire/process.h"
#include <setjmp.h>
#include <signal.h>

enum { PAGE = 4096, PAIRS = 1000000, TOUCHED = 3000, BUDGET = 2048 };

static struct quire_process *process;
static struct quire_space *space;
static sigjmp_buf *volatile way_out;

static void give_up_access(int sig)
{
        if (way_out)
                siglongjmp(*way_out, 1);
        signal(sig, SIG_DFL);
}

__attribute__((no_sanitize("address", "undefined")))
static bool touch(uint64_t va, bool write)
{
        volatile uint8_t *at = (uint8_t *)(uintptr_t)va;
        sigjmp_buf out;

        if (sigsetjmp(out, 1)) {
                way_out = NULL;
                return false;
        }
        way_out = &out;
        if (write)
                *at = (uint8_t)(va >> 12);
        else
                (void)*at;
        way_out = NULL;
        return true;
}

static void open_process(void)
{
        const struct quire_process_options options = { .memory = BUDGET * PAGE };

        signal(SIGSEGV, give_up_access);
        signal(SIGBUS, give_up_access);
        if (quire_process_open(&options, &process) != QUIRE_OK) {
                printf("%s\n", quire_process_problem());
                REQUIRE(false);
        }
        space = quire_process_space(process);
}

static unsigned lines_of_maps(void)
{
        FILE *f = fopen("/proc/self/maps", "r");
        unsigned lines = 0;
        int c;

        REQUIRE(f);
        while ((c = getc(f)) != EOF)
                lines += c == '\n';
        fclose(f);
        return lines;
}

/* 10^6 pages of alternating protection, and as many guard marks: the kernel's
 * list of mappings stays as it was, and each page does what it is to do. */
static void test_D11_protections_cost_no_mapping(void)
{
        const uint64_t bytes = 2ul * PAIRS * PAGE;
        struct quire_request q = { .bytes = bytes };
        unsigned before, after;
        uint64_t va = 0;

        open_process();
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        REQUIRE(quire_region_commit(space, va, bytes, QUIRE_R | QUIRE_W) == QUIRE_OK);
        for (uint64_t i = 0; i < TOUCHED; i++)
                CHECK(touch(va + i * PAGE, true));
        before = lines_of_maps();
        for (uint64_t i = 0; i < 2 * PAIRS; i += 2)
                REQUIRE(quire_region_protect(space, va + i * PAGE, PAGE, i % 4 ? 0 : QUIRE_R,
                                             NULL) == QUIRE_OK);
        after = lines_of_maps();
        printf("    %u mappings before, %u with 10^6 alternating pages\n", before, after);
        CHECK(after <= before);
        for (uint64_t i = 0; i < TOUCHED; i++) {
                CHECK_EQ(touch(va + i * PAGE, false), i % 4 != 2);
                CHECK_EQ(touch(va + i * PAGE, true), i % 2);
        }
        CHECK(lines_of_maps() <= before);
        for (uint64_t i = 1; i < TOUCHED; i += 2)
                REQUIRE(quire_region_guard(space, va + i * PAGE, PAGE) == QUIRE_OK);
        CHECK(lines_of_maps() <= before);
        for (uint64_t i = 1; i < TOUCHED; i += 2) {
                CHECK(!touch(va + i * PAGE, i % 4 == 1));
                CHECK(touch(va + i * PAGE, i % 4 == 1));
        }
        CHECK(lines_of_maps() <= before);
        quire_process_close(process);
}

/* Every address is below 2^31, and fits in 32 bits with or without a sign. */
static void test_B11_addresses_below_2_gb(void)
{
        uint64_t va = 0;

        open_process();
        for (unsigned i = 0; i < 200; i++) {
                struct quire_request q = { .bytes = (1 + i % 7) * PAGE * 16, .low = 64 << 10,
                                           .high = (uint64_t)1 << 31,
                                           .flags = i % 3 ? 0 : QUIRE_TOP_DOWN };

                REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
                CHECK(va + q.bytes <= (uint64_t)1 << 31);
                CHECK_EQ((uint64_t)(uint32_t)va, va);
                CHECK_EQ((uint64_t)(int64_t)(int32_t)va, va);
                CHECK(quire_region_commit(space, va, q.bytes, QUIRE_R | QUIRE_W) == QUIRE_OK);
                CHECK(touch(va, true) && touch(va + q.bytes - 1, true));
        }
        quire_process_close(process);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_D11_protections_cost_no_mapping);
        RUN(test_B11_addresses_below_2_gb);
        return test_end();
}
