/*
 * archive.c - a compressed archive, mapped as memory.
 *
 *     archive make ARCHIVE [MIB]     compress MIB (32 by default) of records into a file
 *     archive sum ARCHIVE            map it, and add the records up, in order
 *     archive find ARCHIVE KEY...    map it, and look records up by bisection
 *
 * The archive holds blocks of 64 KiB, each compressed with LZ4, and a table of where they
 * lie.  A pager unpacks the blocks that are touched; what the program sees is an array,
 * read-only, of which no more than 4 MiB is in memory.
 *
 * Unpacking allocates and reads with pread(), which no signal handler may do; so the
 * pager is served by threads (quire_server_open).  A damaged block is one whose
 * pages can not be read: the program hears of it where it touched them.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <lz4.h>
#include <quire/file.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUDGET ((uint64_t)4 << 20)
#define BLOCK ((uint64_t)64 << 10)
#define PAGE ((uint64_t)4096)

struct record {
        uint64_t key;                        /* ascending: twice its number */
        uint64_t value;
};

struct archive {
        int fd;
        uint64_t blocks;
        uint64_t *end;                       /* where block i ends in the file; it begins where
                                              * the one before it ends */
};

static void need(bool good, const char *what)
{
        if (good)
                return;
        fprintf(stderr, "archive: %s\n", what);
        exit(1);
}

/* ------------------------------------------------------------------------ making */

static uint64_t value_of(uint64_t number)
{
        return number * number % 1000003;
}

static void make(const char *path, uint64_t bytes)
{
        uint64_t blocks = bytes / BLOCK, at = sizeof(blocks) + blocks * sizeof(uint64_t);
        uint64_t *end = calloc(blocks, sizeof(*end));
        struct record *records = malloc(BLOCK);
        int room = LZ4_compressBound((int)BLOCK);
        char *packed = malloc((size_t)room);
        FILE *file = fopen(path, "wb");

        need(end && records && packed && file, path);
        need(!fseek(file, (long)at, SEEK_SET), "seek");
        for (uint64_t b = 0; b < blocks; b++) {
                for (uint64_t i = 0; i < BLOCK / sizeof(*records); i++) {
                        uint64_t number = b * (BLOCK / sizeof(*records)) + i;
                        records[i] = (struct record){ 2 * number, value_of(number) };
                }
                int n = LZ4_compress_default((const char *)records, packed, (int)BLOCK, room);
                need(n > 0 && fwrite(packed, (size_t)n, 1, file) == 1, "write");
                end[b] = at += (uint64_t)n;
        }
        rewind(file);
        need(fwrite(&blocks, sizeof(blocks), 1, file) == 1 &&
             fwrite(end, sizeof(*end), blocks, file) == blocks && !fclose(file), "write");
        printf("made %" PRIu64 " KiB of %" PRIu64 " KiB\n", at >> 10, bytes >> 10);
        free(end);
        free(records);
        free(packed);
}

/* ----------------------------------------------------------------------- the pager */

/* One block of the archive, unpacked; null: it is damaged.  The caller frees it. */
static char *unpack(const struct archive *a, uint64_t b)
{
        uint64_t from = b ? a->end[b - 1] : sizeof(a->blocks) + a->blocks * sizeof(*a->end);
        size_t bytes = a->end[b] - from;
        char *packed = malloc(bytes), *block = malloc(BLOCK);
        bool good = packed && block && pread(a->fd, packed, bytes, (off_t)from) == (ssize_t)bytes &&
                    LZ4_decompress_safe(packed, block, (int)bytes, (int)BLOCK) == (int)BLOCK;

        free(packed);
        if (good)
                return block;
        free(block);
        return NULL;
}

static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        char *block = NULL;
        uint64_t have = UINT64_MAX;

        (void)access;
        for (uint64_t at = offset; at < offset + bytes; at += PAGE) {
                if (at / BLOCK != have) {
                        free(block);
                        have = at / BLOCK;
                        block = unpack(context, have);
                        if (!block)
                                return QUIRE_IO_ERROR;
                }
                memcpy(page[(at - offset) / PAGE], block + at % BLOCK, PAGE);
        }
        free(block);
        return QUIRE_OK;
}

/* ------------------------------------------------------------------------- using it */

static void open_archive(struct archive *a, const char *path)
{
        a->fd = open(path, O_RDONLY | O_CLOEXEC);
        need(a->fd >= 0 && pread(a->fd, &a->blocks, sizeof(a->blocks), 0) == sizeof(a->blocks) &&
             a->blocks && a->blocks < UINT32_MAX, path);
        size_t bytes = a->blocks * sizeof(*a->end);
        a->end = malloc(bytes);
        need(a->end && pread(a->fd, a->end, bytes, sizeof(a->blocks)) == (ssize_t)bytes, path);
}

static void sum(const struct record *record, uint64_t count)
{
        uint64_t total = 0;

        for (uint64_t i = 0; i < count; i++)
                total += record[i].value;
        printf("sum %" PRIu64 " of %" PRIu64 " records\n", total, count);
}

static void find(const struct record *record, uint64_t count, uint64_t key)
{
        uint64_t low = 0, high = count;

        while (low < high) {
                uint64_t middle = low + (high - low) / 2;
                if (record[middle].key < key)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low < count && record[low].key == key)
                printf("%" PRIu64 ": %" PRIu64 "\n", key, record[low].value);
        else
                printf("%" PRIu64 ": none\n", key);
}

static enum quire_verdict denied(void *context, struct quire_space *space, uint64_t va,
                                 unsigned access, enum quire_reason reason)
{
        static const char line[] = "archive: a block is damaged\n";

        (void)context, (void)space, (void)va, (void)access;
        if (reason == QUIRE_WHY_IO_ERROR && write(2, line, sizeof(line) - 1) > 0)
                _exit(3);
        return QUIRE_DENY;
}

int main(int argc, char **argv)
{
        const struct quire_process_options options = { .memory = BUDGET };
        const struct quire_pager pager = { .fill = fill, .most = (unsigned)(BLOCK / PAGE) };
        struct quire_process *process;
        struct quire_server *server;
        struct archive archive;
        struct quire_counters counters;
        uint64_t va;

        need(argc > 2, "make ARCHIVE [MIB] | sum ARCHIVE | find ARCHIVE KEY...");
        if (!strcmp(argv[1], "make")) {
                make(argv[2], (argc > 3 ? strtoull(argv[3], NULL, 0) : 32) << 20);
                return 0;
        }
        open_archive(&archive, argv[2]);
        struct quire_object_request object = { .bytes = archive.blocks * BLOCK,
                                               .kind = QUIRE_CALLBACK, .flags = QUIRE_SOLE,
                                               .pager = &pager, .context = &archive };
        struct quire_request request = { .bytes = object.bytes, .access = QUIRE_R };

        need(!quire_process_open(&options, &process), "quire_process_open");
        struct quire_space *space = quire_process_space(process);
        quire_space_on_denied(space, denied, NULL);
        need(!quire_server_open(process, &object, 2, &request.grant, &server), "server");
        need(!quire_region_reserve(space, &request, &va), "map");

        const struct record *record = (const struct record *)va;
        uint64_t count = object.bytes / sizeof(*record);
        if (!strcmp(argv[1], "sum"))
                sum(record, count);
        for (int i = 3; !strcmp(argv[1], "find") && i < argc; i++)
                find(record, count, strtoull(argv[i], NULL, 0));

        quire_system_counters(quire_process_system(process), &counters);
        printf("%" PRIu64 " KiB unpacked, %" PRIu64 " KiB in memory at the peak\n",
               counters.pages_in * 4, counters.resident_peak * 4);
        quire_grant_close(request.grant);
        need(!quire_region_release(space, va, 0), "release");
        need(!quire_server_close(server), "close");
        quire_process_close(process);
        return 0;
}
