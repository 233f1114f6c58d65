/*
 * share.c - the calls of share.h.
 */
#include "share.h"

const struct driver *on;
struct drive_options options;

static enum quire_reason heard;

static enum quire_verdict hear(void *context, struct quire_space *s, uint64_t va, unsigned access,
                               enum quire_reason why)
{
        (void)context;
        (void)s;
        (void)va;
        (void)access;
        heard = why;
        return QUIRE_DENY;
}

static void run_on(const struct driver *driver, bool no_share, void (*all)(void))
{
        on = driver;
        options = (struct drive_options){ .no_share = no_share, .audit = true };
        options.physical = (struct quire_range){ (uint64_t)1 << 40, 16 };
        if (!driver->simulated)
                options.budget = 1024 << 12;
        printf("on %s%s\n", driver->name, no_share ? ", frames not shared" : "");
        all();
}

void share_on_simulated(void (*all)(void))
{
        run_on(&driver_sim, false, all);
        run_on(&driver_sim, true, all);
        run_on(&driver_x86_64, false, all);
        run_on(&driver_x86_64, true, all);
}

void share_on_linux(void (*all)(void))
{
        for (unsigned i = 0; drivers[i]; i++)
                if (!drivers[i]->simulated)
                        run_on(drivers[i], true, all);
}

bool frames_are_shared(void)
{
        return !options.no_share;
}

void begin_with(struct drive_options o)
{
        o.no_share = options.no_share;
        o.physical = options.physical;
        o.denied = hear;
        stage_open_with(on, &o);
}

void begin(void)
{
        begin_with(options);
}

void finish(void)
{
        quire_system_audit(sys);
        CHECK_EQ(counters().broken, 0);
        stage_close();
}

struct quire_grant *object(uint64_t pages, unsigned flags)
{
        const struct quire_object_request q = { .bytes = pages * PAGE, .flags = flags };
        struct quire_grant *g = NULL;

        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        return g;
}

struct quire_grant *narrow(struct quire_grant *g, unsigned rights)
{
        struct quire_grant *out = NULL;

        REQUIRE(quire_grant_narrow(g, rights, &out) == QUIRE_OK);
        return out;
}

struct quire_grant *snapshot(struct quire_grant *g)
{
        struct quire_grant *out = NULL;

        REQUIRE(quire_object_clone(g, &out) == QUIRE_OK);
        return out;
}

struct quire_space *clone_space(struct quire_space *from)
{
        struct quire_space *out = NULL;

        REQUIRE(quire_space_clone(from, &out) == QUIRE_OK);
        quire_space_on_denied(out, hear, NULL);
        return out;
}

enum quire_status try_map(struct quire_space *s, struct quire_grant *g, uint64_t first,
                          uint64_t pages, unsigned access, unsigned flags, uint64_t *va)
{
        const struct quire_request q = { .bytes = pages * PAGE, .grant = g, .offset = first * PAGE,
                                         .access = access, .flags = flags };

        return quire_region_reserve(s, &q, va);
}

uint64_t map(struct quire_space *s, struct quire_grant *g, uint64_t first, uint64_t pages,
             unsigned access, unsigned flags)
{
        uint64_t va = 0;

        REQUIRE(try_map(s, g, first, pages, access, flags, &va) == QUIRE_OK);
        return va;
}

struct quire_object_info info(struct quire_grant *g)
{
        struct quire_object_info i;

        quire_object_describe(g, &i);
        return i;
}

void release(struct quire_space *s, uint64_t va)
{
        CHECK(quire_region_release(s, va, 0) == QUIRE_OK);
}

void evict(struct quire_space *s, uint64_t va, uint64_t pages)
{
        CHECK(quire_region_advise(s, va, pages * PAGE, QUIRE_WONT_NEED) == QUIRE_OK);
}

uint8_t page_map_in(struct quire_space *s, uint64_t va)
{
        uint8_t state = 0xff;

        CHECK(quire_page_map(s, va & ~(PAGE - 1), PAGE, &state) == QUIRE_OK);
        return state;
}

unsigned touch_in(struct quire_space *s, uint64_t va, unsigned access, void *buf, size_t n)
{
        enum drive_answer a;

        heard = (enum quire_reason)0;
        a = on->access(stage, s, va, access, buf, n, NULL);
        CHECK(a != DRIVE_STUCK);
        return a == DRIVE_OK ? 0 : heard ? heard : QUIRE_WHY_FREE;
}

unsigned put_word(struct quire_space *s, uint64_t va, uint64_t word)
{
        return touch_in(s, va, QUIRE_W, &word, 8);
}

unsigned get_word(struct quire_space *s, uint64_t va, uint64_t *word)
{
        return touch_in(s, va, QUIRE_R, word, 8);
}

uint64_t word_in(struct quire_space *s, uint64_t va)
{
        uint64_t word = 0xeeeeeeeeeeeeeeee;

        CHECK_EQ(get_word(s, va, &word), 0);
        return word;
}

uint8_t byte_in(struct quire_space *s, uint64_t va)
{
        uint8_t byte = 0xee;

        CHECK_EQ(touch_in(s, va, QUIRE_R, &byte, 1), 0);
        return byte;
}
