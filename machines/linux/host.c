/*
 * host.c - the small things a host does: records, lock, time, words, and the
 * compression of pages.  Transfers are in pagefile.c and ring.c.
 *
 * Signal context: all of it, save stop(), after which nothing matters.
 */
#include "internal.h"
#include "sys.h"
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *quire_linux_alloc(struct quire_host *h, size_t bytes)
{
        return quire_lodging_alloc(&lodger_of(h)->lodging, bytes);
}

void quire_linux_free(struct quire_host *h, void *record, size_t bytes)
{
        quire_lodging_free(&lodger_of(h)->lodging, record, bytes);
}

void quire_linux_lock(struct quire_host *h)
{
        quire_lock_take(&lodger_of(h)->core);
}

void quire_linux_unlock(struct quire_host *h)
{
        quire_lock_drop(&lodger_of(h)->core);
}

uint64_t quire_linux_clock(struct quire_host *h)
{
        struct timespec t;

        (void)h;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void quire_linux_pause(struct quire_host *h)
{
        (void)h;
        quire_thread_waits();
        (void)sys_call3(SYS_sched_yield, 0, 0, 0);
}

/* --------------------------------------------------------------- words */

static size_t append(char *line, size_t at, size_t room, const char *text)
{
        size_t n = strlen(text);

        if (n > room - at)
                n = room - at;
        memcpy(line + at, text, n);
        return at + n;
}

void quire_linux_say(struct quire_host *h, const char *text)
{
        struct quire_linux *l = lodger_of(h);
        char line[256];
        size_t at;

        if (l->hooks.say) {
                l->hooks.say(l->hooks.context, text);
                return;
        }
        at = append(line, 0, sizeof(line) - 1, "quire: ");
        at = append(line, at, sizeof(line) - 1, text);
        line[at++] = '\n';
        (void)sys_write(2, line, at);
}

void quire_linux_stop_at(struct quire_host *h, const char *what, const char *file, int number)
{
        char line[256], digit[12];
        unsigned n = 0;
        size_t at = append(line, 0, sizeof(line), "stopped: ");

        at = append(line, at, sizeof(line), what);
        at = append(line, at, sizeof(line), " (");
        at = append(line, at, sizeof(line), file);
        at = append(line, at, sizeof(line), ":");
        do
                digit[n++] = (char)('0' + number % 10);
        while ((number /= 10) > 0 && n < sizeof(digit));
        while (n && at < sizeof(line) - 2)
                line[at++] = digit[--n];
        line[at < sizeof(line) - 1 ? at++ : at] = ')';
        line[at < sizeof(line) ? at : sizeof(line) - 1] = '\0';
        quire_linux_say(h, line);
        abort();
}

/* The machine's own invariant does not hold. */
void quire_linux_stop(struct quire_linux *l, const char *what)
{
        quire_linux_stop_at((struct quire_host *)l, what, "machines/linux", 0);
        abort();
}

void quire_linux_event(struct quire_host *h, const struct quire_event *e)
{
        struct quire_linux *l = lodger_of(h);

        if (e->kind == QUIRE_EV_DENIED)
                quire_denied_note(e->va, (unsigned)e->arg);
        if (l->hooks.event)
                l->hooks.event(l->hooks.context, e);
}

/* --------------------------------------------------------- compression */

/*
 * The compressor wants 16 KiB of state, more than a signal stack may have.
 * Whoever finds the state in use by another thread is told that the page does
 * not fit, which only costs its place in the tier; the core compresses with its
 * lock held, so it does not happen to it.
 */
size_t quire_linux_compress(struct quire_host *h, const void *page, void *out, size_t room)
{
        struct quire_linux *l = lodger_of(h);
        int got = 0;

        if (__atomic_exchange_n(&l->compressing, true, __ATOMIC_ACQUIRE))
                return 0;
        if (room <= PAGE)
                got = LZ4_compress_fast_extState(l->compressor, page, out, (int)PAGE, (int)room, 1);
        __atomic_store_n(&l->compressing, false, __ATOMIC_RELEASE);
        return got > 0 ? (size_t)got : 0;
}

bool quire_linux_expand(struct quire_host *h, const void *in, size_t bytes, void *page)
{
        (void)h;
        return bytes <= PAGE &&
               LZ4_decompress_safe(in, page, (int)bytes, (int)PAGE) == (int)PAGE;
}

/* The state, and one round through both functions, so that the dynamic linker
 * has resolved them before a signal handler calls them. */
bool quire_compressor_open(struct quire_linux *l)
{
        char in[64] = { 0 }, out[128], back[64];
        int got;

        l->compressor = quire_lodging_alloc(&l->lodging, (size_t)LZ4_sizeofState());
        if (!l->compressor)
                return false;
        got = LZ4_compress_fast_extState(l->compressor, in, out, sizeof(in), sizeof(out), 1);
        return got > 0 && LZ4_decompress_safe(out, back, got, sizeof(back)) == (int)sizeof(back);
}
