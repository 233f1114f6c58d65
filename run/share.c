/*
 * share.c - how much of the process's anonymous memory is managed: measured.
 *
 * Managed memory is counted page by page in the core: what has contents, be
 * they resident, compressed or in a pagefile.  The rest is what the kernel says
 * of every mapping that is neither managed nor Quire's own (smaps).  Which
 * mappings are Quire's own is seen at start, by what opening it added.
 *
 * Signal context: yes.  Lock: the report's, held by the caller.
 */
#include "parts.h"
#include "report.h"
#include "files.h"
#include <fcntl.h>
#include <string.h>

#define OURS 64u
#define BATCH 512u
#define LINE 128u

static struct quire_span ours[OURS];       /* [I] mappings that opening Quire made */
static unsigned count;

/* A file in /proc/self, line by line. */
struct reader {
        int fd;
        uint64_t at, have;
        char buffer[4096], line[LINE];
};

static bool next_line(struct reader *r)
{
        uint64_t n = 0;

        for (;;) {
                if (r->at == r->have) {
                        long got = raw3(SYS_read, raw_int(r->fd), raw_address(r->buffer),
                                        sizeof(r->buffer));
                        if (got <= 0)
                                return false;
                        r->at = 0;
                        r->have = (uint64_t)got;
                }
                char c = r->buffer[r->at++];
                if (c == '\n')
                        break;
                if (n < LINE - 1)
                        r->line[n++] = c;
        }
        r->line[n] = 0;
        return true;
}

static uint64_t get_hex(const char **p)
{
        uint64_t v = 0;

        for (;; (*p)++) {
                char c = **p;
                if (c >= '0' && c <= '9')
                        v = v << 4 | (uint64_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        v = v << 4 | (uint64_t)(c - 'a' + 10);
                else
                        return v;
        }
}

/* "from-to perms ..." begins a mapping; other lines begin with a capital. */
static bool get_range(const char *line, struct quire_span *out)
{
        const char *p = line;

        out->va = get_hex(&p);
        if (p == line || *p != '-')
                return false;
        p++;
        out->bytes = get_hex(&p) - out->va;
        return *p == ' ';
}

static uint64_t get_decimal(const char *p)
{
        uint64_t v = 0;

        while (*p == ' ')
                p++;
        for (; *p >= '0' && *p <= '9'; p++)
                v = v * 10 + (uint64_t)(*p - '0');
        return v;
}

/* ------------------------------------------------------------ what is our own */

static void each_mapping(void (*f)(const struct quire_span *))
{
        static struct reader r;
        struct quire_span s;

        r.at = r.have = 0;
        r.fd = (int)raw4(SYS_openat, raw_int(AT_FDCWD), raw_address("/proc/self/maps"),
                         O_RDONLY | O_CLOEXEC, 0);
        if (r.fd < 0)
                return;
        while (next_line(&r))
                if (get_range(r.line, &s))
                        f(&s);
        (void)raw3(SYS_close, raw_int(r.fd), 0, 0);
}

#define BEFORE 512u
static struct quire_span before[BEFORE];
static unsigned befores;

static void note_before(const struct quire_span *s)
{
        if (befores < BEFORE)
                before[befores++] = *s;
}

static void note_new(const struct quire_span *s)
{
        for (unsigned i = 0; i < befores; i++)
                if (s->va < before[i].va + before[i].bytes && before[i].va < s->va + s->bytes)
                        return;
        if (count < OURS)
                ours[count++] = *s;
}

void quire_share_before(void)
{
        befores = count = 0;
        each_mapping(note_before);
}

void quire_share_after(void)
{
        each_mapping(note_new);
}

static bool is_ours(const struct quire_span *s)
{
        if (quire_block_owns(s->va))
                return true;
        for (unsigned i = 0; i < count; i++)
                if (s->va - ours[i].va < ours[i].bytes)
                        return true;
        return false;
}

/* ------------------------------------------------------------------ measuring */

int quire_share_open(void)
{
        long fd = raw4(SYS_openat, raw_int(AT_FDCWD), raw_address("/proc/self/smaps"),
                       O_RDONLY | O_CLOEXEC, 0);

        return raw_failed(fd) ? -1 : quire_files_raise((int)fd);
}

void quire_share_close(int fd)
{
        if (fd >= 0)
                (void)raw3(SYS_close, raw_int(fd), 0, 0);
}

/* Pages of a part that have contents. */
static uint64_t contents_of(const struct quire_part *part)
{
        uint8_t state[BATCH];
        uint64_t pages = 0;

        for (uint64_t at = 0; part->committed && at < part->bytes; at += BATCH * PAGE) {
                uint64_t n = (part->bytes - at) / PAGE;
                if (n > BATCH)
                        n = BATCH;
                quire_linux_enter_masked(quire_agent.machine);
                enum quire_status st = quire_page_map(quire_agent.space, part->va + at, n * PAGE,
                                                      state);
                quire_linux_leave_masked(quire_agent.machine);
                /* The map may have changed since: that part is not counted. */
                for (uint64_t i = 0; st == QUIRE_OK && i < n; i++)
                        pages += (state[i] & 15) != QUIRE_PAGE_NONE;
        }
        return pages;
}

static uint64_t managed_bytes(void)
{
        uint64_t pages = 0;

        for (unsigned i = 0; i < QUIRE_SPANS; i++) {
                uint64_t end = quire_spans[i].va + quire_spans[i].bytes;
                for (uint64_t va = quire_spans[i].va; va < end;) {
                        struct quire_part part = quire_part_at(va, end);
                        if (part.kind == QUIRE_PART_PAGED)
                                pages += contents_of(&part);
                        va += part.bytes;
                }
        }
        return pages * PAGE;
}

/* What of Quire's anonymous memory is not the budget's: records, stacks, slack. */
static uint64_t beyond_budget(uint64_t own, uint64_t shown, const struct quire_counters *c)
{
        uint64_t frames = (c->resident + c->tier_frames) * PAGE;

        return own + shown > frames ? own + shown - frames : 0;
}

/* False: the kernel would not say. */
bool quire_share_measure(int fd, const struct quire_counters *c, struct quire_stats_share *out)
{
        static struct reader r;          /* [the report's lock] */
        struct quire_span s = { 0, 0 };
        uint64_t own_bytes = 0, shown = 0;
        bool managed = false, own = false, any = false;

        if (fd < 0 || raw3(SYS_lseek, raw_int(fd), 0, 0) < 0)
                return false;
        r.fd = fd;
        r.at = r.have = 0;
        while (next_line(&r)) {
                if (get_range(r.line, &s)) {
                        managed = quire_linux_owns(quire_agent.machine, s.va);
                        own = !managed && is_ours(&s);
                        any = true;
                } else if (!strncmp(r.line, "Anonymous:", 10)) {
                        uint64_t bytes = get_decimal(r.line + 10) * 1024;
                        *(managed ? &shown : own ? &own_bytes : &out->unmanaged) += bytes;
                }
        }
        out->overhead = beyond_budget(own_bytes, shown, c);
        out->managed = managed_bytes();
        return any;
}
