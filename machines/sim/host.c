/*
 * host.c - records, the lock, the clock, failures on request and the referee
 * of the simulated host.
 *
 * Transfers are file.c's, threads thread.c's.  There is no lock of its own:
 * one thread of the process uses a host (host.h).
 */
#include "inside.h"

#include <lz4.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY 0x5ca1ab1ec0ffee17u

static struct quire_sim_host *sim(struct quire_host *h)
{
        return (struct quire_sim_host *)(void *)h;
}

/* ------------------------------------------------------------- the referee */

_Noreturn void quire_sim_stop(struct quire_sim_host *h, const char *format, ...)
{
        char line[512];
        va_list args;

        va_start(args, format);
        vsnprintf(line, sizeof line, format, args);
        va_end(args);
        if (h->on_stop)
                h->on_stop(h->stop_context, line);
        fprintf(stderr, "simulator: %s (thread %s, %llu ns)\n", line, h->running->name,
                (unsigned long long)h->now);
        abort();
}

void quire_sim_on_stop(struct quire_sim_host *h, void (*fn)(void *, const char *), void *context)
{
        h->on_stop = fn;
        h->stop_context = context;
}

void quire_sim_forgive(struct quire_sim_host *h)
{
        h->forgiven = true;
        h->locked = false;
}

bool quire_sim_forgiven(const struct quire_sim_host *h)
{
        return h->forgiven;
}

bool quire_sim_locked(const struct quire_sim_host *h)
{
        return h->locked;
}

uint64_t quire_sim_random(struct quire_sim_host *h)
{
        uint64_t x = h->random += 0x9e3779b97f4a7c15u;

        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

/* ------------------------------------------------------ failures on request */

void quire_sim_fail(struct quire_sim_host *h, enum quire_sim_point point, uint64_t nth,
                    uint64_t times)
{
        h->plan[point].from = times ? h->plan[point].calls + nth : 0;
        h->plan[point].times = times;
}

void quire_sim_fail_how(struct quire_sim_host *h, enum quire_sim_io_failure how)
{
        h->how = how;
}

uint64_t quire_sim_calls(const struct quire_sim_host *h, enum quire_sim_point point)
{
        return h->plan[point].calls;
}

uint64_t quire_sim_failed(const struct quire_sim_host *h, enum quire_sim_point point)
{
        return h->plan[point].failed;
}

bool quire_sim_fails(struct quire_sim_host *h, enum quire_sim_point point)
{
        struct quire_sim_plan *p = &h->plan[point];

        p->calls++;
        if (!p->from || p->calls < p->from || p->calls - p->from >= p->times)
                return false;
        p->failed++;
        return true;
}

/* ----------------------------------------------------------------- records */

static void need_lock(struct quire_sim_host *h, const char *what)
{
        if (!h->locked || h->locker != h->running)
                quire_sim_stop(h, "%s without the lock", what);
}

/* What lies between the block and the record: its head, ending at the record. */
static size_t head_room(const struct quire_sim_host *h, size_t bytes)
{
        return bytes >= h->page ? h->page : (sizeof(struct quire_sim_record) + 15) / 16 * 16;
}

static void *record_alloc(struct quire_host *host, size_t bytes)
{
        struct quire_sim_host *h = sim(host);
        size_t room = head_room(h, bytes);
        size_t align = bytes >= h->page ? h->page : 16;
        struct quire_sim_record *r;
        const uint64_t canary = CANARY;
        uint8_t *block;

        need_lock(h, "H1: alloc");
        if (!bytes)
                quire_sim_stop(h, "alloc of nothing");
        if (quire_sim_fails(h, QUIRE_SIM_ALLOC) || bytes > SIZE_MAX / 2)
                return NULL;
        block = aligned_alloc(align, (room + bytes + sizeof canary + align - 1) / align * align);
        if (!block)
                return NULL;
        r = (struct quire_sim_record *)(void *)(block + room) - 1;
        *r = (struct quire_sim_record){ .next = h->records.next, .prev = &h->records,
                                        .bytes = bytes, .block = block, .canary = CANARY };
        r->next->prev = r;
        r->prev->next = r;
        h->record_bytes += bytes;
        if (h->record_bytes > h->record_peak)
                h->record_peak = h->record_bytes;
        memcpy(block + room + bytes, &canary, sizeof canary);
        return memset(block + room, 0, bytes);
}

static void record_free(struct quire_host *host, void *p, size_t bytes)
{
        struct quire_sim_host *h = sim(host);
        struct quire_sim_record *r = (struct quire_sim_record *)p - 1;
        const uint64_t canary = CANARY;

        need_lock(h, "H1: free");
        if (!p)
                quire_sim_stop(h, "free of null");
        if (r->canary != CANARY)
                quire_sim_stop(h, "free of what is no record (freed twice, or overwritten before "
                               "its beginning)");
        if (r->bytes != bytes)
                quire_sim_stop(h, "a record of %zu bytes is freed as one of %zu", r->bytes, bytes);
        if (memcmp((uint8_t *)p + bytes, &canary, sizeof canary))
                quire_sim_stop(h, "a record of %zu bytes was overwritten behind its end", bytes);
        r->next->prev = r->prev;
        r->prev->next = r->next;
        r->canary = 0;
        h->record_bytes -= bytes;
        memset(p, 0xdd, bytes);
        free(r->block);
}

static void close_records(struct quire_sim_host *h)
{
        struct quire_sim_record *r = h->records.next, *next;

        if (h->record_bytes && !h->forgiven)
                quire_sim_stop(h, "%llu bytes of records were not freed; the last has %zu",
                               (unsigned long long)h->record_bytes, r->bytes);
        for (; r != &h->records; r = next) {
                next = r->next;
                free(r->block);
        }
}

uint64_t quire_sim_records(const struct quire_sim_host *h)
{
        return h->record_bytes;
}

uint64_t quire_sim_records_peak(const struct quire_sim_host *h)
{
        return h->record_peak;
}

/* ---------------------------------------------------------- lock and clock */

static void take_lock(struct quire_host *host)
{
        struct quire_sim_host *h = sim(host);

        if (h->locked)
                quire_sim_stop(h, "H3: the lock is taken while thread %s holds it",
                               h->locker->name);
        h->locked = true;
        h->locker = h->running;
}

static void drop_lock(struct quire_host *host)
{
        struct quire_sim_host *h = sim(host);

        need_lock(h, "H3: unlock");
        h->locked = false;
        if (h->options.preempt_percent &&
            quire_sim_random(h) % 100 < h->options.preempt_percent)
                quire_sim_yield(h);
}

static uint64_t read_clock(struct quire_host *host)
{
        return sim(host)->now += 10;
}

static void make_pause(struct quire_host *host)
{
        struct quire_sim_host *h = sim(host);

        if (h->locked)
                quire_sim_stop(h, "H2: pause with the lock held");
        h->now += 1000;
        quire_sim_yield(h);
}

uint64_t quire_sim_now(const struct quire_sim_host *h)
{
        return h->now;
}

void quire_sim_pass(struct quire_sim_host *h, uint64_t ns)
{
        h->now += ns;
}

/* ---------------------------------------------------------------- optional */

static size_t compress_page(struct quire_host *host, const void *page, void *out, size_t room)
{
        int limit = room > INT32_MAX ? INT32_MAX : (int)room;
        int bytes = LZ4_compress_default(page, out, (int)sim(host)->page, limit);

        return bytes > 0 ? (size_t)bytes : 0;
}

static bool expand_page(struct quire_host *host, const void *in, size_t bytes, void *page)
{
        int whole = (int)sim(host)->page;

        return bytes <= INT32_MAX && LZ4_decompress_safe(in, page, (int)bytes, whole) == whole;
}

static void note_event(struct quire_host *host, const struct quire_event *event)
{
        struct quire_sim_host *h = sim(host);

        need_lock(h, "event");
        if (h->on_event)
                h->on_event(h->event_context, event);
}

static void say_line(struct quire_host *host, const char *line)
{
        struct quire_sim_host *h = sim(host);

        if (h->on_say)
                h->on_say(h->say_context, line);
}

static void stop_core(struct quire_host *host, const char *what, const char *file, int line)
{
        quire_sim_stop(sim(host), "the core: %s (%s:%d)", what, file, line);
}

void quire_sim_on_event(struct quire_sim_host *h, void (*fn)(void *, const struct quire_event *),
                        void *context)
{
        h->on_event = fn;
        h->event_context = context;
}

void quire_sim_on_say(struct quire_sim_host *h, void (*fn)(void *, const char *), void *context)
{
        h->on_say = fn;
        h->say_context = context;
}

void quire_sim_on_wait(struct quire_sim_host *h, void (*fn)(void *, enum quire_sim_state),
                       void *context)
{
        h->on_wait = fn;
        h->wait_context = context;
}

/* ------------------------------------------------------------ open and close */

static const struct quire_host_ops all_ops = {
        .alloc = record_alloc,
        .free = record_free,
        .lock = take_lock,
        .unlock = drop_lock,
        .clock = read_clock,
        .pause = make_pause,
        .io_read = quire_sim_io_read,
        .io_start = quire_sim_io_start,
        .io_poll = quire_sim_io_poll,
        .compress = compress_page,
        .expand = expand_page,
        .event = note_event,
        .say = say_line,
        .stop = stop_core,
};

struct quire_sim_host *quire_sim_host_open(const struct quire_sim_host_options *options)
{
        struct quire_sim_host *h = calloc(1, sizeof *h);

        if (!h)
                return NULL;
        h->ops = all_ops;
        h->options = *options;
        if (!h->options.page_shift)
                h->options.page_shift = 12;
        if (options->no_compress) {
                h->ops.compress = NULL;
                h->ops.expand = NULL;
        }
        h->page = (size_t)1 << h->options.page_shift;
        h->random = options->seed;
        h->records.next = h->records.prev = &h->records;
        h->main.host = h;
        strcpy(h->main.name, "main");
        h->running = &h->main;
        for (unsigned i = 0; i < QUIRE_SIM_FILES; i++)
                h->file[i].limit = UINT64_MAX;
        return h;
}

void quire_sim_host_close(struct quire_sim_host *h)
{
        if (h->locked)
                quire_sim_stop(h, "H3: the lock is held at the end");
        quire_sim_threads_close(h);
        quire_sim_files_close(h);
        close_records(h);
        free(h);
}

const struct quire_host_ops *quire_sim_host_ops(struct quire_sim_host *h)
{
        return &h->ops;
}

struct quire_host *quire_sim_host_handle(struct quire_sim_host *h)
{
        return (struct quire_host *)(void *)h;
}
