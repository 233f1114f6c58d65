/*
 * stage.c - the calls of stage.h.
 */
#include "stage.h"

enum { WIDEST = 65536 };

struct drive *stage;
struct quire_space *space;
struct quire_system *sys;
unsigned stage_shift = 12;

static const struct driver *d = &driver_sim;

void stage_open_with(const struct driver *driver, const struct drive_options *given)
{
        struct drive_options o = *given;

        d = driver;
        stage_shift = o.page_shift ? o.page_shift : 12;
        if (!o.budget)
                o.budget = 256 * PAGE;
        if (!o.pagefiles)
                o.pagefiles = 1;
        REQUIRE(d->open(&o, &stage) == QUIRE_OK);
        space = d->space(stage);
        sys = d->system(stage);
}

void stage_open(const struct drive_options *given)
{
        stage_open_with(&driver_sim, given);
}

void stage_close(void)
{
        quire_system_audit(sys);
        d->close(stage);
}

struct quire_space *stage_space(const struct quire_layout *layout)
{
        struct quire_space *s = NULL;

        REQUIRE(d->space_open(stage, layout, &s) == QUIRE_OK);
        return s;
}

enum quire_status try_reserve(struct quire_space *s, uint64_t va, uint64_t bytes, unsigned flags,
                              uint64_t *out)
{
        struct quire_request q = { .va = va, .bytes = bytes, .flags = flags };

        return quire_region_reserve(s, &q, out);
}

uint64_t reserve_in(struct quire_space *s, uint64_t pages, unsigned flags)
{
        uint64_t va = 0;

        REQUIRE(try_reserve(s, 0, pages * PAGE, flags, &va) == QUIRE_OK);
        return va;
}

uint64_t reserve(uint64_t pages)
{
        return reserve_in(space, pages, 0);
}

uint64_t region_in(struct quire_space *s, uint64_t pages)
{
        uint64_t va = reserve_in(s, pages, 0);

        REQUIRE(quire_region_commit(s, va, pages * PAGE, RW) == QUIRE_OK);
        return va;
}

uint64_t region(uint64_t pages)
{
        return region_in(space, pages);
}

enum quire_status commit(uint64_t va, uint64_t pages, unsigned access)
{
        return quire_region_commit(space, va, pages * PAGE, access);
}

enum quire_status protect(uint64_t va, uint64_t pages, unsigned access)
{
        return quire_region_protect(space, va, pages * PAGE, access, NULL);
}

static unsigned access_in(struct quire_space *s, uint64_t va, unsigned access, void *buf, size_t n)
{
        enum quire_reason why = 0;
        enum drive_answer a = d->access(stage, s, va, access, buf, n, &why);

        CHECK(a != DRIVE_STUCK);
        return a == DRIVE_OK ? 0 : why ? why : QUIRE_WHY_FREE;   /* nobody was asked */
}

unsigned load_in(struct quire_space *s, uint64_t va, uint8_t *byte)
{
        return access_in(s, va, QUIRE_R, byte, 1);
}

unsigned store_in(struct quire_space *s, uint64_t va, uint8_t byte)
{
        return access_in(s, va, QUIRE_W, &byte, 1);
}

unsigned load(uint64_t va, uint8_t *byte)
{
        return load_in(space, va, byte);
}

unsigned store(uint64_t va, uint8_t byte)
{
        return store_in(space, va, byte);
}

unsigned fetch(uint64_t va)
{
        uint8_t byte;

        return access_in(space, va, QUIRE_X, &byte, 1);
}

uint8_t byte_at(uint64_t va)
{
        uint8_t byte = 0xee;

        CHECK_EQ(load(va, &byte), 0);
        return byte;
}

static void numbers(uint64_t what, uint64_t *out)
{
        uint64_t state = what, some = what >> 56 & 15;

        for (uint64_t i = 0; i < PAGE / 8; i++)
                out[i] = what & SOFT && (some ? i % 16 >= some : i % 4) ? what
                                                                         : test_random(&state);
}

unsigned fill(uint64_t va, uint64_t what)
{
        static uint64_t page[WIDEST / 8];

        numbers(what, page);
        return access_in(space, va, QUIRE_W, page, PAGE);
}

bool holds(uint64_t va, uint64_t what)
{
        static uint64_t want[WIDEST / 8], got[WIDEST / 8];

        numbers(what, want);
        return !access_in(space, va, QUIRE_R, got, PAGE) && !memcmp(want, got, PAGE);
}

bool is_zero(uint64_t va)
{
        static uint64_t got[WIDEST / 8];

        if (access_in(space, va, QUIRE_R, got, PAGE))
                return false;
        for (uint64_t i = 0; i < PAGE / 8; i++)
                if (got[i])
                        return false;
        return true;
}

struct quire_counters counters(void)
{
        struct quire_counters c;

        quire_system_counters(sys, &c);
        return c;
}

uint8_t state_of(uint64_t va)
{
        uint8_t state = 0xff;

        CHECK(quire_page_map(space, va & ~(PAGE - 1), PAGE, &state) == QUIRE_OK);
        return state;
}

struct quire_info info_of(uint64_t va)
{
        struct quire_info i = { 0 };

        CHECK(quire_region_query(space, va, &i) == QUIRE_OK);
        return i;
}
