/*
 * synthetic.c - a run that never happened: a program builds 400 MiB of data in a
 * heap and a mapped area, then walks over it again and again in 64 MiB.
 */
#include "synthetic.h"
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define MIB    (UINT64_C(1) << 20)

static uint32_t noise(uint32_t *state, uint32_t below)
{
        *state = *state * 1664525u + 1013904223u;
        return (*state >> 16) % below;
}

struct quire_stats_entry *synthetic_entry(struct quire_facts *f, unsigned i)
{
        char *base = (char *)(uintptr_t)f->stats;

        return (struct quire_stats_entry *)(void *)
               (base + QUIRE_STATS_FIRST + (uint64_t)i * QUIRE_STATS_STRIDE);
}

static void fill_heat(struct quire_heat *h, uint64_t start)
{
        uint32_t seed = 7;

        h->start = start;
        h->column_ns = SECOND / 20;
        h->columns_used = 240;
        h->band[0] = (struct quire_heat_band){ .first = 0x55d0c0a00000, .row_bytes = MIB, .row = 0,
                                               .rows = 64, .used = 48, .name = "heap" };
        h->band[1] = (struct quire_heat_band){ .first = 0x7f3a10000000, .row_bytes = 2 * MIB,
                                               .row = 64, .rows = 192, .used = 180,
                                               .name = "mmap" };
        for (unsigned c = 0; c < 110; c++)                   /* growing */
                for (unsigned r = c * 225 / 110; r < (c + 1) * 225 / 110 + 2 && r < 228; r++) {
                        if (r >= 48 && r < 64)
                                continue;
                        h->cell[QUIRE_HEAT_TOUCHED][r][c] = 60 + noise(&seed, 180);
                        if (c > 35 && r > 70)
                                h->cell[QUIRE_HEAT_EVICTED][r - 7][c] = 60 + noise(&seed, 190);
                }
        for (unsigned c = 40; c < 236; c++) {                /* used again */
                for (unsigned k = 0; k < 4; k++)
                        h->cell[QUIRE_HEAT_RETURNED][noise(&seed, 20)][c] += 1 + noise(&seed, 8);
                for (unsigned k = 0; c > 110 && k < 5; k++) {
                        unsigned r = 64 + (c * 3 + k) % 160;

                        h->cell[QUIRE_HEAT_RETURNED][r][c] += 200 + noise(&seed, 500);
                        h->cell[QUIRE_HEAT_EVICTED][64 + (r + 80) % 160][c] += 200;
                }
                for (unsigned k = 0; c > 150 && k < 12; k++)
                        h->cell[QUIRE_HEAT_RETURNED][64 + noise(&seed, 160)][c] +=
                                1 + noise(&seed, 40);
        }
}

static void fill_counters(struct quire_counters *c, uint64_t n)
{
        c->resident = c->resident_peak = 16384 / n;
        c->tier_pages = 15000 / n;
        c->tier_frames = 5000 / n;
        c->file_pages = 70000 / n;
        c->file_pages_peak = 79360 / n;
        c->faults_zero = 105472 / n;
        c->faults_soft = 12040 / n;
        c->faults_tier = 48123 / n;
        c->faults_hard = 20411 / n;
        c->pages_in = 81644 / n;
        c->pages_out = 102912 / n;
        c->evicted = 190000 / n;
        c->clean_evicted = 30000 / n;
        c->prefetched = 61233 / n;
        c->stall_ns = 1920000000u / n;
}

static void fill_entry(struct quire_stats_entry *e, unsigned i, uint64_t started)
{
        static const char *const names[] = { "python3", "worker", "sh" };
        const uint64_t n = i + 1;

        e->state = QUIRE_STATS_DONE;
        e->pid = 4000 + i;
        e->parent_pid = i ? 4000 : 3999;
        e->parent_entry = i ? 0 : -1;
        memcpy(e->comm, names[i], strlen(names[i]));
        strcpy(e->program, "/usr/bin/python3.11");
        e->start = started + 4000000 + i * SECOND;
        e->end = started + 12 * SECOND + 400000000;
        e->end_kind = QUIRE_END_EXIT;
        strcpy(e->abilities, "faults inline, move, io_uring, O_DIRECT, syscall dispatch");
        e->budget = 64 * MIB;
        fill_counters(&e->counters, n);
        for (unsigned k = 0; k < 1000; k++)
                e->latency_all[30 + (k * k * k) / 16000000] += 186 / n;
        for (unsigned k = 0; k < 100; k++)
                e->latency_hard[62 + k / 9] += 204 / n;
        e->mapped = e->mapped_peak = 412 * MIB / n;
        e->peak = (struct quire_stats_share){ e->end, 405 * MIB / n, 2 * MIB, 6 * MIB };
        e->last = e->peak;
        e->calls = 123456;
        e->calls_memory = 900;
        e->calls_held = 40000;
        e->held_pages = 80000;
        e->threads = e->threads_peak = 2;
        fill_heat(&e->heat, e->start);
}

struct quire_facts *synthetic_open(unsigned processes)
{
        static char *argv[] = { "/usr/bin/python3", "build.py", "--items", "5000000", NULL };
        struct quire_facts *f = calloc(1, sizeof(*f));
        struct quire_stats_header *h = calloc(1, QUIRE_STATS_BYTES);

        if (!f || !h)
                abort();
        *h = (struct quire_stats_header){
                .magic = QUIRE_STATS_MAGIC, .version = QUIRE_STATS_VERSION,
                .entries = QUIRE_STATS_ENTRIES, .stride = QUIRE_STATS_STRIDE,
                .first = QUIRE_STATS_FIRST, .started = SECOND,
        };
        *f = (struct quire_facts){
                .argv = argv, .policy = "2q", .faults = "auto", .pagefile = "/tmp",
                .budget = 64 * MIB, .page = 4096, .stats = h, .started = SECOND,
                .ended = 13 * SECOND + 420000000, .leader = 4000, .max_rss = 96 * MIB,
                .user_ns = 9 * SECOND, .system_ns = SECOND, .samples = processes ? 61 : 0,
                .seen_together = { .anonymous_peak = 71 * MIB, .resident_peak = 84 * MIB },
        };
        for (unsigned i = 0; i < processes; i++) {
                fill_entry(synthetic_entry(f, i), i, f->started);
                f->seen[i] = (struct quire_seen){ .anonymous_peak = 70 * MIB,
                                                  .resident_peak = 80 * MIB };
        }
        return f;
}

void synthetic_close(struct quire_facts *f)
{
        free((void *)(uintptr_t)f->stats);
        free(f);
}
