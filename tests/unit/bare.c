/*
 * bare.c - the host and the machine of bare.h.
 */
#include "bare.h"

static struct bare *bare_of(struct quire_host *h)
{
        return (struct bare *)(void *)h;
}

static void *bare_alloc(struct quire_host *h, size_t bytes)
{
        struct bare *b = bare_of(h);
        size_t align = bytes >= 4096 ? 4096 : 16;
        void *p;

        b->calls++;
        if (b->fail_at && b->calls >= b->fail_at)
                return NULL;
        while (bytes >= 4096 && align < bytes)       /* tier blocks are aligned to their size */
                align <<= 1;
        p = aligned_alloc(align, (bytes + align - 1) & ~(align - 1));
        REQUIRE(p);
        memset(p, 0, bytes);
        b->records++;
        b->bytes += bytes;
        return p;
}

static void bare_free(struct quire_host *h, void *p, size_t bytes)
{
        bare_of(h)->records--;
        bare_of(h)->bytes -= bytes;
        free(p);
}

static void bare_nothing(struct quire_host *h)
{
        (void)h;
}

static uint64_t bare_clock(struct quire_host *h)
{
        (void)h;
        return 0;
}

/* Run-length coding: enough to be a compressor. */
static size_t bare_compress(struct quire_host *h, const void *page, void *out, size_t room)
{
        const uint8_t *in = page;
        uint8_t *to = out;
        size_t n = 0;

        (void)h;
        for (size_t i = 0; i < 4096;) {
                size_t run = 1;

                while (i + run < 4096 && run < 255 && in[i + run] == in[i])
                        run++;
                if (n + 2 > room)
                        return 0;
                to[n++] = (uint8_t)run;
                to[n++] = in[i];
                i += run;
        }
        return n;
}

static bool bare_expand(struct quire_host *h, const void *in, size_t bytes, void *page)
{
        const uint8_t *from = in;
        uint8_t *out = page;
        size_t n = 0;

        (void)h;
        for (size_t i = 0; i + 1 < bytes; i += 2) {
                if (n + from[i] > 4096)
                        return false;
                memset(out + n, from[i + 1], from[i]);
                n += from[i];
        }
        return n == 4096;
}

static _Noreturn void bare_stop(struct quire_host *h, const char *what, const char *file, int line)
{
        (void)h;
        fprintf(stderr, "%s:%d: stopped: %s\n", file, line, what);
        abort();
}

static void stop_host(struct quire_host *h, const char *what, const char *file, int line)
{
        bare_stop(h, what, file, line);
}

static const struct quire_host_ops host_ops = {
        .alloc = bare_alloc, .free = bare_free, .lock = bare_nothing, .unlock = bare_nothing,
        .clock = bare_clock, .pause = bare_nothing, .compress = bare_compress,
        .expand = bare_expand, .stop = stop_host,
};

static enum quire_status open_space(struct quire_machine *m, void *owner,
                                    struct quire_mspace **out)
{
        (void)m;
        *out = owner;
        return QUIRE_OK;
}

static void close_space(struct quire_mspace *s)
{
        (void)s;
}

static const struct quire_machine_ops machine_ops = {
        .space_open = open_space, .space_close = close_space,
};
static const struct quire_abilities abilities = { .page_shift = 12,
                                                  .va_end = (uint64_t)1 << 47 };

void bare_open(struct bare *b)
{
        *b = (struct bare){ 0 };
        b->sys.hops = &host_ops;
        b->sys.host = (struct quire_host *)(void *)b;
        b->sys.mops = &machine_ops;
        b->sys.can = &abilities;
        b->sys.shift = 12;
        b->sys.budget = 1024;
        b->sys.policy = &quire_policy_2q;
        quire_lock(&b->sys);             /* its one thread has the lock */
}

void bare_close(struct bare *b)
{
        quire_unlock(&b->sys);
        CHECK_EQ(b->records, 0);
        CHECK_EQ(b->bytes, 0);
}
