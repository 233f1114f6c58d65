/*
 * mobius_image_test.c - the Mobius face on a simulated machine: PE images (row C6).
 *
 *     rva     0x0000   0x1000 .. 0x2fff      0x3000 .. 0x47ff        0x5000
 *             headers  .text, 0x1800 raw     .data, 0x200 raw, bss   .reloc
 *
 * Relocations: a pointer in .text, one across the pages of .text, one in .data; the
 * image's own base is 0x400000.
 *
 * Arguments: names of tests; --driver NAME (the simulator, x86_64).
 */
#include "mobius_stage.h"

enum { TEXT = 0x1000, DATA = 0x3000, RELOC = 0x5000, LENGTH = 0x6000, PAGES = 6, BASE = 0x400000,
       ENTRY = 0x1020, TEXT_RAW = 0x400, DATA_RAW = 0x1c00, RELOC_RAW = 0x1e00,
       IMAGE_BYTES = 0x2000, HEADERS = 0x400, PE = 0x80, OPTIONAL = PE + 24 };
/* What is relocated, and in which block. */
static const uint32_t pointers[] = { TEXT + 0x10, TEXT + 0xffe, DATA + 8 };
#define TARGET ((uint64_t)BASE + DATA + 0x100)

static uint8_t image[IMAGE_BYTES];

static void set(size_t at, unsigned bytes, uint64_t value)
{
        for (unsigned i = 0; i < bytes; i++)
                image[at + i] = (uint8_t)(value >> 8 * i);
}

static size_t raw_of(uint32_t rva)
{
        return rva >= DATA ? DATA_RAW + (rva - DATA) : TEXT_RAW + (rva - TEXT);
}

static void set_section(unsigned n, size_t table, const uint32_t fields[5])
{
        size_t at = table + 40u * n;

        set(at + 8, 4, fields[0]);
        set(at + 12, 4, fields[1]);
        set(at + 16, 4, fields[2]);
        set(at + 20, 4, fields[3]);
        set(at + 36, 4, fields[4]);
}

static void set_headers(bool wide)
{
        unsigned optional = wide ? 112 + 128 : 96 + 128;

        set(0, 2, 0x5a4d);
        set(60, 4, PE);
        set(PE, 4, 0x4550);
        set(PE + 4, 2, wide ? 0x8664 : 0x14c);
        set(PE + 6, 2, 3);
        set(PE + 20, 2, optional);
        set(PE + 22, 2, 0x102);
        set(OPTIONAL, 2, wide ? 0x20b : 0x10b);
        set(OPTIONAL + 16, 4, ENTRY);
        if (wide)
                set(OPTIONAL + 24, 8, BASE);
        else
                set(OPTIONAL + 28, 4, BASE);
        set(OPTIONAL + 32, 4, 0x1000);
        set(OPTIONAL + 36, 4, 0x200);
        set(OPTIONAL + 56, 4, LENGTH);
        set(OPTIONAL + 60, 4, HEADERS);
        set(OPTIONAL + (wide ? 108 : 92), 4, 16);
        set(OPTIONAL + (wide ? 112 : 96) + 40, 4, RELOC);
        set(OPTIONAL + (wide ? 112 : 96) + 44, 4, 12 + 12);
        set_section(0, OPTIONAL + optional, (uint32_t[]){ 0x2000, TEXT, 0x1800, TEXT_RAW,
                                                          0x60000020 });
        set_section(1, OPTIONAL + optional, (uint32_t[]){ 0x1800, DATA, 0x200, DATA_RAW,
                                                          0xc0000040 });
        set_section(2, OPTIONAL + optional, (uint32_t[]){ 24, RELOC, 0x200, RELOC_RAW,
                                                          0x42000040 });
}

static void make_image(bool wide)
{
        unsigned kind = wide ? 10u << 12 : 3u << 12;

        memset(image, 0, sizeof image);
        for (size_t i = TEXT_RAW; i < RELOC_RAW; i++)
                image[i] = (uint8_t)(i * 7 + i / 256);
        set_headers(wide);
        for (unsigned i = 0; i < 3; i++)
                set(raw_of(pointers[i]), wide ? 8 : 4, TARGET);
        set(RELOC_RAW, 4, TEXT);
        set(RELOC_RAW + 4, 4, 12);
        set(RELOC_RAW + 8, 2, kind | 0x10);
        set(RELOC_RAW + 10, 2, kind | 0xffe);
        set(RELOC_RAW + 12, 4, DATA);
        set(RELOC_RAW + 16, 4, 12);
        set(RELOC_RAW + 20, 2, kind | 8);
        set(RELOC_RAW + 22, 2, 0);                           /* a filler */
}

static uint64_t number(process_t *p, const uint8_t *at, unsigned bytes)
{
        uint64_t out = 0;

        for (unsigned i = 0; i < bytes; i++)
                out |= (uint64_t)byte_of(p, at + i) << 8 * i;
        return out;
}

static bool is_relocated(uint32_t rva, unsigned width)
{
        for (unsigned i = 0; i < 3; i++)
                if (rva >= pointers[i] && rva < pointers[i] + width)
                        return true;
        return false;
}

/* What the whole of it has to be, byte by byte. */
static void check_contents(const uint8_t *base, unsigned width)
{
        unsigned wrong = 0;

        for (uint32_t rva = 0; rva < LENGTH; rva++) {
                uint8_t want = 0;

                if (rva < HEADERS)
                        want = image[rva];
                else if (rva >= TEXT && rva < TEXT + 0x1800)
                        want = image[TEXT_RAW + (rva - TEXT)];
                else if (rva >= DATA && rva < DATA + 0x200)
                        want = image[DATA_RAW + (rva - DATA)];
                else if (rva >= RELOC && rva < RELOC + 24)
                        want = image[RELOC_RAW + (rva - RELOC)];
                if (!is_relocated(rva, width))
                        wrong += byte_of(one, base + rva) != want;
        }
        CHECK_EQ(wrong, 0);
        for (unsigned i = 0; i < 3; i++)
                CHECK_EQ(number(one, base + pointers[i], width), TARGET + ((addr_t)base - BASE));
}

static void test_C6_sections_bss_and_protections_at_its_own_base(void)
{
        module_t m = { .image = image, .image_bytes = sizeof image };
        uint8_t byte = 0;
        uint8_t *at;

        make_image(false);
        act_open();
        at = VmmMap(0, 0, &m, NULL, VM_AREA_IMAGE, USER_RW);
        CHECK_EQ((addr_t)at, BASE);
        REQUIRE(at != NULL);
        CHECK_EQ(node_of(one, at)->num_pages, PAGES);
        CHECK(node_of(one, at)->u.desc->dest.mod == &m);
        CHECK_EQ(m.base, BASE);
        CHECK_EQ(m.length, LENGTH);
        CHECK_EQ(m.entry, BASE + ENTRY);
        CHECK_EQ(m.sizeof_headers, HEADERS);
        check_contents(at, 4);
        CHECK_EQ(get_as(one, at + TEXT, QUIRE_X, &byte), 0);
        CHECK_EQ(put(one, at + TEXT, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(put(one, at, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(put(one, at + RELOC, 1), QUIRE_WHY_PROTECTED);
        CHECK_EQ(get_as(one, at + DATA, QUIRE_X, &byte), QUIRE_WHY_PROTECTED);
        CHECK_EQ(put(one, at + DATA + 0x1700, 1), 0);        /* bss */
        CHECK_EQ(byte_of(one, at + DATA + 0x1700), 1);
        act_close();
}

static void test_C6_relocated_where_its_base_is_taken(void)
{
        module_t m = { .image = image, .image_bytes = sizeof image };
        uint8_t *at;

        for (unsigned wide = 0; wide < 2; wide++) {
                make_image(wide);
                act_open();
                CHECK(VmmReserveArea(1, BASE + 2 * PAGE_SIZE) != NULL);
                at = VmmMap(PAGES, 0, &m, NULL, VM_AREA_IMAGE, USER);
                REQUIRE(at != NULL);
                CHECK((addr_t)at != BASE);
                CHECK_EQ(m.base, (addr_t)at);
                CHECK_EQ(m.entry, (addr_t)at + ENTRY);
                check_contents(at, wide ? 8 : 4);
                CHECK(VmmFree(at + TEXT));
                at = VmmMap(PAGES, 0x7000000, &m, NULL, VM_AREA_IMAGE, USER);
                CHECK_EQ((addr_t)at, 0x7000000);
                check_contents(at, wide ? 8 : 4);
                act_close();
        }
}

static void test_C6_what_one_process_writes_another_does_not_see(void)
{
        module_t m = { .image = image, .image_bytes = sizeof image };
        uint64_t resident;
        uint8_t *a, *b;

        make_image(false);
        act_open();
        a = VmmMap(0, 0, &m, NULL, VM_AREA_IMAGE, USER);
        REQUIRE(a != NULL);
        for (unsigned i = 0; i < PAGES; i++)
                byte_of(one, page_at(a, i));
        resident = counters().resident;
        mobius_process_enter(two);
        b = VmmMapSharedArea(node_of(one, a)->u.desc, 0, USER);
        CHECK(b == a);                                       /* the same base in either */
        for (unsigned i = 0; i < PAGES; i++)
                CHECK_EQ(byte_of(two, page_at(b, i)), byte_of(one, page_at(a, i)));
        CHECK_EQ(counters().resident, resident);             /* and the same frames */
        CHECK_EQ(put(two, b + DATA, 0xfe), 0);
        CHECK(byte_of(one, a + DATA) != 0xfe);
        CHECK_EQ(byte_of(two, b + DATA), 0xfe);
        CHECK_EQ(counters().resident, resident + 1);
        act_close();
}

static void test_C6_an_image_without_relocations_goes_nowhere_else(void)
{
        module_t m = { .image = image, .image_bytes = sizeof image };

        make_image(false);
        set(PE + 22, 2, 0x103);
        act_open();
        CHECK(VmmMap(0, 0x900000, &m, NULL, VM_AREA_IMAGE, USER) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmAlloc(1, BASE, USER_RW) != NULL);
        CHECK(VmmMap(0, 0, &m, NULL, VM_AREA_IMAGE, USER) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmFree((void *)(addr_t)BASE));
        CHECK(VmmMap(0, 0, &m, NULL, VM_AREA_IMAGE, USER) != NULL);
        CHECK(VmmMap(PAGES + 1, 0, &m, NULL, VM_AREA_IMAGE, USER) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        act_close();
}

/* Damaged in every byte of the headers and relocations, and cut at every length: it is refused,
 * or lies within its pages; AddressSanitizer watches what is read. */
static void test_C6_a_damaged_image_is_refused_or_harmless(void)
{
        module_t m = { .image = image };
        unsigned refused = 0;

        act_open();
        for (unsigned i = 0; i < 2400; i++) {
                size_t bytes = i % 3 ? sizeof image : act_draw(sizeof image);
                size_t at = i % 2 ? act_draw(OPTIONAL + 360) : RELOC_RAW + act_draw(24);
                uint8_t *copy = malloc(bytes + 1), *base;

                REQUIRE(copy != NULL);
                make_image(i % 4 > 1);
                image[at] ^= (uint8_t)(1u << act_draw(8));
                memcpy(copy, image, bytes);
                m.image = copy;
                m.image_bytes = bytes;
                base = VmmMap(0, 0x6000000, &m, NULL, VM_AREA_IMAGE, USER);
                refused += !base;
                for (size_t p = 0; base && p < node_of(one, base)->num_pages && p < 16; p++)
                        CHECK(VmmPageFault(one, (addr_t)page_at(base, p), false));
                CHECK(!base || VmmFree(base));
                CHECK_EQ(check_nodes(one), 1);
                free(copy);
        }
        CHECK(refused > 500);
        act_close();
}

int main(int argc, char **argv)
{
        act_begin(argc, argv);
        RUN(test_C6_sections_bss_and_protections_at_its_own_base);
        RUN(test_C6_relocated_where_its_base_is_taken);
        RUN(test_C6_what_one_process_writes_another_does_not_see);
        RUN(test_C6_an_image_without_relocations_goes_nowhere_else);
        RUN(test_C6_a_damaged_image_is_refused_or_harmless);
        return test_end();
}
