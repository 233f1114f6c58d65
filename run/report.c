/*
 * report.c - this process's entry in the report file.
 *
 * Events come from the core, with its lock held: they are counted in the grid
 * and the trace at once, and ask for a refresh now and then; the refresh itself,
 * which asks the core, is done by the next thread that leaves a handler of ours.
 *
 * The file is mapped and its descriptor kept, since a forked child needs it and
 * may by then be somebody who can not open it, somewhere where it is not.
 *
 * Signal context: yes.  Lock: `busy', tried only, save around fork and at the
 * end; under it the core's may be taken.
 */
#include "report.h"
#include "files.h"
#include "memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define EVERY 64u                        /* events between two refreshes */
/* Measuring takes milliseconds.  It is done where the peak may be, which is before
 * memory is given back and at the end; and on the way up, now and then, for the
 * sake of processes that are killed. */
#define HIGHER(now, then) ((now) > (then) + (then) / 16 + ((uint64_t)1 << 20))
#define GROWN(now, then) ((now) > (then) + (then) / 2 + ((uint64_t)1 << 20))
#define RATHER_WORK 50u                  /* times as long as the last measuring took */

static struct quire_stats_header *header;
static struct quire_stats_entry *entry;
static int32_t entry_index = -1;
static int file = -1, share = -1;
static struct quire_trace_header *trace;
static struct quire_trace_record *ring;
static uint32_t busy;                    /* [a] */
static uint32_t due;                     /* [a] a refresh is wanted */
static uint32_t events;                  /* [core's lock] */
static uint64_t measured;                /* [busy] managed bytes at the last measurement */
static uint64_t cost;                    /* [busy] what that took */
static uint64_t ended[4];                /* [a] the counts of threads that ended */

static uint64_t clock_now(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void take_busy(void)
{
        while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
                (void)raw3(SYS_sched_yield, 0, 0, 0);
}

static void drop_busy(void)
{
        STORE(&busy, 0);
}

/* ------------------------------------------------------------ finding an entry */

static uint64_t entry_offset(uint32_t index)
{
        return header->first + (uint64_t)index * header->stride;
}

static struct quire_stats_entry *map_entry(uint32_t index)
{
        long at = raw_mmap(0, page_up(sizeof(*entry)), PROT_READ | PROT_WRITE, MAP_SHARED, file,
                           entry_offset(index));

        return raw_failed(at) ? NULL : raw_pointer((uint64_t)at);
}

static void unmap_entry(struct quire_stats_entry *e)
{
        (void)raw3(SYS_munmap, raw_address(e), page_up(sizeof(*e)), 0);
}

static bool change_state(struct quire_stats_entry *e, uint32_t from, uint32_t to)
{
        return __atomic_compare_exchange_n(&e->state, &from, to, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
}

/* Add an entry that makes room to the rest. */
static void add_to_rest(const struct quire_stats_entry *e)
{
        struct quire_stats_rest *r = &header->rest;
        const uint64_t *from = &e->counters.faults_zero;
        uint64_t *to = &r->counters.faults_zero;
        size_t words = (sizeof(e->counters) - offsetof(struct quire_counters, faults_zero)) / 8;

        while (__atomic_exchange_n(&header->rest_lock, 1, __ATOMIC_ACQUIRE))
                (void)raw3(SYS_sched_yield, 0, 0, 0);
        r->processes++;
        if (r->mapped_peak < e->mapped_peak)
                r->mapped_peak = e->mapped_peak;
        if (r->resident_peak < e->counters.resident_peak)
                r->resident_peak = e->counters.resident_peak;
        for (size_t i = 0; i < words; i++)
                to[i] += from[i];
        for (unsigned i = 0; i < QUIRE_BUCKETS; i++) {
                r->latency_all[i] += e->latency_all[i];
                r->latency_hard[i] += e->latency_hard[i];
        }
        STORE(&header->rest_lock, 0);
}

struct first_words {
        uint32_t state, pid;
        uint64_t mapped_peak;
};

static bool peek_entry(uint32_t index, struct first_words *out)
{
        uint64_t at = entry_offset(index);
        uint64_t peak_at = at + offsetof(struct quire_stats_entry, mapped_peak);

        return raw4(SYS_pread64, raw_int(file), raw_address(out), 8, at) == 8 &&
               raw4(SYS_pread64, raw_int(file), raw_address(&out->mapped_peak), 8, peak_at) == 8;
}

/* A free entry; else one that is done, the one with the least to tell. */
static int32_t choose_entry(uint32_t *state)
{
        struct first_words w;
        uint64_t least = UINT64_MAX;
        int32_t best = -1;

        for (uint32_t i = 0; i < header->entries; i++) {
                if (!peek_entry(i, &w))
                        break;
                if (w.state == QUIRE_STATS_FREE) {
                        *state = QUIRE_STATS_FREE;
                        return (int32_t)i;
                }
                if (w.state == QUIRE_STATS_DONE && w.mapped_peak < least) {
                        least = w.mapped_peak;
                        best = (int32_t)i;
                }
        }
        *state = QUIRE_STATS_DONE;
        return best;
}

static void fill_entry(int32_t parent_entry, uint32_t parent)
{
        long n = raw3(SYS_readlink, raw_address("/proc/self/exe"), raw_address(entry->program),
                      sizeof(entry->program) - 1);

        if (n < 0)
                n = 0;
        entry->program[n] = 0;
        (void)raw3(SYS_prctl, PR_GET_NAME, raw_address(entry->comm), 0);
        entry->parent_entry = parent_entry;
        entry->parent_pid = parent;
        entry->start = clock_now();
        entry->budget = quire_agent.budget;
        entry->threads = entry->threads_peak = 1;
        quire_heat_open(&entry->heat, entry->start);
        entry->pid = (uint32_t)quire_agent.pid;
}

/* Become the owner of an entry, or go on without one. */
static void claim_entry(int32_t parent_entry, uint32_t parent)
{
        struct quire_stats_entry *e;
        uint32_t state;

        for (unsigned tries = 0; tries < 16; tries++) {
                int32_t i = choose_entry(&state);
                if (i < 0 || !(e = map_entry((uint32_t)i)))
                        break;
                if (change_state(e, state, QUIRE_STATS_TAKEN)) {
                        if (state == QUIRE_STATS_DONE)
                                add_to_rest(e);
                        memset((char *)e + 4, 0, sizeof(*e) - 4);
                        entry = e;
                        entry_index = i;
                        fill_entry(parent_entry, parent);
                        STORE(&e->state, QUIRE_STATS_LIVE);
                        return;
                }
                unmap_entry(e);
        }
        __atomic_add_fetch(&header->lost, 1, __ATOMIC_RELAXED);
}

static void open_trace(const char *path)
{
        struct quire_trace_header head;
        long fd = raw4(SYS_openat, raw_int(AT_FDCWD), raw_address(path), O_RDWR | O_CLOEXEC, 0);
        long at;

        if (raw_failed(fd))
                return;
        if (raw3(SYS_read, (uint64_t)fd, raw_address(&head), sizeof(head)) == sizeof(head) &&
            head.magic == QUIRE_TRACE_MAGIC && head.version == QUIRE_TRACE_VERSION &&
            head.capacity) {
                at = raw_mmap(0, QUIRE_TRACE_FIRST + head.capacity * sizeof(*ring),
                              PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
                if (!raw_failed(at)) {
                        ring = raw_pointer((uint64_t)at + QUIRE_TRACE_FIRST);
                        trace = raw_pointer((uint64_t)at);
                }
        }
        (void)raw3(SYS_close, (uint64_t)fd, 0, 0);
}

void quire_report_open(const char *path, const char *trace_path)
{
        long at, fd;

        if (trace_path && *trace_path)
                open_trace(trace_path);
        if (!path || !*path)
                return;
        fd = raw4(SYS_openat, raw_int(AT_FDCWD), raw_address(path), O_RDWR | O_CLOEXEC, 0);
        if (raw_failed(fd))
                return;
        file = quire_files_raise((int)fd);
        at = raw_mmap(0, QUIRE_STATS_FIRST, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (raw_failed(at))
                return;
        header = raw_pointer((uint64_t)at);
        if (header->magic != QUIRE_STATS_MAGIC || header->version != QUIRE_STATS_VERSION) {
                header = NULL;
                return;
        }
        share = quire_share_open();
        claim_entry(-1, (uint32_t)raw3(SYS_getppid, 0, 0, 0));
}

unsigned quire_report_descriptors(int *out, unsigned room)
{
        const int both[2] = { file, share };
        unsigned n = 0;

        for (unsigned i = 0; i < 2; i++)
                if (both[i] >= 0 && n < room)
                        out[n++] = both[i];
        return n;
}

/* ------------------------------------------------------------------- events */

static void trace_event(const struct quire_event *e)
{
        uint64_t n = __atomic_fetch_add(&trace->next, 1, __ATOMIC_RELAXED);
        struct quire_trace_record *r = &ring[n % trace->capacity];

        STORE(&r->sequence, 0);
        r->pid = (uint32_t)quire_agent.pid;
        r->event = *e;
        STORE(&r->sequence, n + 1);
}

void quire_report_event(void *context, const struct quire_event *e)
{
        (void)context;
        if (trace)
                trace_event(e);
        if (!entry)
                return;
        quire_heat_count(&entry->heat, e);
        if (++events % EVERY == 0)
                STORE(&due, 1);
}

/* ------------------------------------------------------------------ refreshing */

static void count_calls(void)
{
        uint64_t sum[4];

        for (unsigned i = 0; i < 4; i++)
                sum[i] = LOAD(&ended[i]);
        for (uint32_t i = 0; i < quire_block_count(); i++) {
                const struct quire_thread *t = quire_block_at(i);
                if (!t || t->borrowed)
                        continue;
                sum[0] += t->calls;
                sum[1] += t->calls_memory;
                sum[2] += t->calls_held;
                sum[3] += t->held_pages;
        }
        entry->calls = sum[0];
        entry->calls_memory = sum[1];
        entry->calls_held = sum[2];
        entry->held_pages = sum[3];
}

static void measure(void)
{
        struct quire_stats_share s = { .time = clock_now() };

        if (!quire_share_measure(share, &entry->counters, &s))
                return;
        cost = clock_now() - s.time;
        entry->last = s;
        measured = s.managed;
        if (s.managed + s.unmanaged > entry->peak.managed + entry->peak.unmanaged)
                entry->peak = s;
}

/* => busy.  Bytes of managed memory with contents, about. */
static uint64_t refresh(void)
{
        const struct quire_counters *c = &entry->counters;
        uint64_t pages;

        quire_linux_enter_masked(quire_agent.machine);
        quire_system_counters(quire_agent.system, &entry->counters);
        quire_system_latency(quire_agent.system, false, entry->latency_all);
        quire_system_latency(quire_agent.system, true, entry->latency_hard);
        quire_linux_leave_masked(quire_agent.machine);
        count_calls();
        entry->mapped = quire_memory_mapped();
        entry->updated = clock_now();
        pages = c->resident + c->tier_pages;
        if (c->file_pages > c->resident)
                pages += c->file_pages - c->resident;
        return pages * PAGE;
}

static bool try_busy(void)
{
        return entry && !__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE);
}

void quire_report_poll(void)
{
        if (!LOAD(&due) || !try_busy())
                return;
        STORE(&due, 0);
        if (GROWN(refresh(), measured) &&
            entry->updated - entry->last.time > RATHER_WORK * cost)
                measure();
        drop_busy();
}

void quire_report_shrinks(void)
{
        if (!try_busy())
                return;
        if (HIGHER(refresh(), measured))
                measure();
        drop_busy();
}

void quire_report_mapped(uint64_t bytes)
{
        if (!entry)
                return;
        entry->mapped = bytes;
        if (bytes > entry->mapped_peak)
                entry->mapped_peak = bytes;
        STORE(&due, 1);
}

void quire_report_threads(unsigned now)
{
        if (!entry)
                return;
        entry->threads = now;
        if (now > entry->threads_peak)
                entry->threads_peak = now;
}

void quire_report_thread_ends(const struct quire_thread *t)
{
        const uint64_t count[4] = { t->calls, t->calls_memory, t->calls_held, t->held_pages };

        for (unsigned i = 0; i < 4; i++)
                __atomic_add_fetch(&ended[i], count[i], __ATOMIC_RELAXED);
        quire_report_threads(quire_threads_count() - 1);
}

/* -------------------------------------------------------------------- the end */

void quire_report_end(enum quire_stats_end kind, int value, const char *cause)
{
        if (!entry || entry->end_kind == QUIRE_END_QUIRE)
                return;
        if (kind == QUIRE_END_QUIRE) {
                /* Whoever fails may hold any lock: no more than words. */
                size_t n = strlen(cause);
                memcpy(entry->cause, cause, n < sizeof(entry->cause) ? n
                                                                     : sizeof(entry->cause) - 1);
        } else {
                take_busy();
                if (HIGHER(refresh(), measured))
                        measure();
                drop_busy();
        }
        entry->end_value = value;
        entry->end_kind = kind;
        entry->end = clock_now();
        STORE(&entry->state, QUIRE_STATS_DONE);
}

void quire_report_goes_on(void)
{
        if (!entry || entry->end_kind != QUIRE_END_EXEC)
                return;
        entry->end = 0;
        entry->end_kind = QUIRE_END_UNKNOWN;
        if (!change_state(entry, QUIRE_STATS_DONE, QUIRE_STATS_LIVE))
                entry = NULL;            /* somebody has taken it meanwhile */
}

/* ---------------------------------------------------------------------- forks */

void quire_report_fork_begins(void)
{
        take_busy();
        if (entry)
                entry->forks++;
}

void quire_report_fork_ends(void)
{
        drop_busy();
}

void quire_report_forked(void)
{
        int32_t parent_entry = entry_index;

        if (entry)
                unmap_entry(entry);
        entry = NULL;
        entry_index = -1;
        measured = cost = 0;
        memset(ended, 0, sizeof(ended));
        if (header) {
                quire_share_close(share);
                share = quire_share_open();
                claim_entry(parent_entry, (uint32_t)raw3(SYS_getppid, 0, 0, 0));
        }
        drop_busy();
}

void quire_report_abilities(const char *words)
{
        size_t n = strlen(words);

        if (entry)
                memcpy(entry->abilities, words,
                       n < sizeof(entry->abilities) ? n : sizeof(entry->abilities) - 1);
}
