/*
 * render.c - writes every form of a synthetic run into a folder, for
 * show_test.py: render FOLDER NAME PROCESSES [hostile].
 *
 * "hostile" is a report file that a program gone wild has written over.
 */
#include "synthetic.h"
#include <stdlib.h>
#include <string.h>

static FILE *create(const char *folder, const char *name, const char *suffix)
{
        char path[4096];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
        file = fopen(path, "w");
        if (!file) {
                perror(path);
                exit(1);
        }
        return file;
}

static void close_file(FILE *file)
{
        if (ferror(file) || fclose(file) != 0) {
                perror("render");
                exit(1);
        }
}

/* Names without an end, bands outside of the grid, times that run backwards. */
static void spoil(struct quire_facts *f)
{
        struct quire_stats_entry *e = synthetic_entry(f, 0);

        memset(e->comm, '\xff', sizeof(e->comm));
        memset(e->program, '"', sizeof(e->program));
        memset(e->abilities, '\n', sizeof(e->abilities));
        memset(e->cause, '<', sizeof(e->cause));
        e->end_kind = QUIRE_END_QUIRE;
        e->end = 1;
        e->heat.columns_used = UINT32_MAX;
        e->heat.column_ns = UINT64_MAX;
        e->heat.band[0].rows = UINT32_MAX;
        e->heat.band[0].row_bytes = UINT64_MAX;
        e->heat.band[0].first = UINT64_MAX;
        e->heat.band[1].row = UINT32_MAX;
        memset(e->heat.band[0].name, '&', sizeof(e->heat.band[0].name));
        memset(e->latency_all, 0xff, sizeof(e->latency_all));
        e->counters.stall_ns = UINT64_MAX;
        e->counters.resident_peak = UINT64_MAX;
        synthetic_entry(f, 1)->heat.column_ns = 0;
        synthetic_entry(f, 2)->end_kind = UINT32_MAX;
        synthetic_entry(f, 3)->state = UINT32_MAX;
}

/* A ring that went round one and a half times, with one record torn. */
static struct quire_trace_header *make_ring(uint64_t *bytes)
{
        const uint64_t capacity = 1000, events = 1500;
        struct quire_trace_header *h;
        struct quire_trace_record *records;

        *bytes = QUIRE_TRACE_FIRST + capacity * sizeof(*records);
        h = calloc(1, *bytes);
        if (!h)
                abort();
        *h = (struct quire_trace_header){ QUIRE_TRACE_MAGIC, QUIRE_TRACE_VERSION, capacity,
                                          events };
        records = (struct quire_trace_record *)(void *)((char *)h + QUIRE_TRACE_FIRST);
        for (uint64_t n = 0; n < events; n++)
                records[n % capacity] = (struct quire_trace_record){
                        .sequence = n == 1400 ? 0 : n + 1, .pid = 4000 + (uint32_t)(n / 10 % 2),
                        .event = { .time = 1000000000 + n * 1000000,
                                   .va = 0x7f0000000000 + n * 4096,
                                   .kind = (uint32_t)(n % 10), .count = 1 + (uint32_t)(n % 3),
                                   .arg = n % 2 },
                };
        return h;
}

int main(int argc, char **argv)
{
        bool hostile = argc > 4 && !strcmp(argv[4], "hostile");
        struct quire_trace_header *ring;
        struct quire_facts *f;
        uint64_t bytes;
        FILE *file;

        if (argc < 4)
                return 2;
        f = synthetic_open((unsigned)atoi(argv[3]));
        if (hostile)
                spoil(f);
        quire_report_text(f, file = create(argv[1], argv[2], ".txt"));
        close_file(file);
        quire_report_json(f, file = create(argv[1], argv[2], ".json"));
        close_file(file);
        if (quire_heat_png(f, file = create(argv[1], argv[2], ".png")) && atoi(argv[3]))
                return 1;
        close_file(file);
        if (quire_heat_svg(f, file = create(argv[1], argv[2], ".svg")) && atoi(argv[3]))
                return 1;
        close_file(file);
        ring = make_ring(&bytes);
        quire_trace_write(f, ring, bytes, false, file = create(argv[1], argv[2], ".trace.csv"));
        close_file(file);
        quire_trace_write(f, ring, bytes, true, file = create(argv[1], argv[2], ".trace.json"));
        close_file(file);
        free(ring);
        synthetic_close(f);
        return 0;
}
