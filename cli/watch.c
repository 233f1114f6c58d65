/*
 * watch.c - what the kernel says of the managed processes, sampled from outside
 * while they run.
 *
 * Reading smaps_rollup walks the process's page tables under a lock that its
 * own mmap calls want.  So a look that took long is followed by a long pause:
 * looking costs at most one part in PAUSE of a processor.
 */
#include "watch.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define PAUSE      50u
#define PAUSE_MOST UINT64_C(2000000000)
#define PAUSE_LEAST UINT64_C(50000000)

static uint64_t now_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool quire_watch_parse(FILE *smaps, struct quire_seen *now)
{
        char line[256];
        bool any = false;

        memset(now, 0, sizeof(*now));
        while (fgets(line, sizeof(line), smaps)) {
                uint64_t kib;
                char name[32];

                if (sscanf(line, "%31[A-Za-z_]: %" SCNu64 " kB", name, &kib) != 2)
                        continue;
                any = true;
                if (!strcmp(name, "Rss"))
                        now->resident_peak = kib * 1024;
                else if (!strcmp(name, "Anonymous"))
                        now->anonymous_peak = kib * 1024;
                else if (!strcmp(name, "Swap"))
                        now->swap_peak = kib * 1024;
        }
        return any;
}

static bool look_at(uint32_t pid, struct quire_seen *now)
{
        char path[64];
        FILE *smaps;
        bool good;

        snprintf(path, sizeof(path), "/proc/%" PRIu32 "/smaps_rollup", pid);
        smaps = fopen(path, "re");
        if (!smaps)
                return false;
        good = quire_watch_parse(smaps, now);
        fclose(smaps);
        return good;
}

static void keep_peaks(struct quire_seen *kept, const struct quire_seen *now)
{
        if (now->anonymous_peak > kept->anonymous_peak)
                kept->anonymous_peak = now->anonymous_peak;
        if (now->resident_peak > kept->resident_peak)
                kept->resident_peak = now->resident_peak;
        if (now->swap_peak > kept->swap_peak)
                kept->swap_peak = now->swap_peak;
}

static void keep_tier(struct quire_seen *kept, const struct quire_counters *c)
{
        uint64_t frames = c->tier_frames, pages = c->tier_pages;

        if (frames <= kept->tier_frames_peak)
                return;
        kept->tier_frames_peak = frames;
        kept->tier_pages_then = pages;
}

uint64_t quire_watch_look(void *watch)
{
        struct quire_facts *f = ((struct quire_watch *)watch)->facts;
        struct quire_seen together = { 0 };
        uint64_t begin = now_ns(), pause;
        bool any = false;

        for (unsigned i = 0; i < QUIRE_STATS_ENTRIES; i++) {
                const struct quire_stats_entry *e = quire_facts_entry(f, i);
                struct quire_seen now;

                if (!e)
                        continue;
                keep_tier(&f->seen[i], &e->counters);
                if (e->state != QUIRE_STATS_LIVE || !look_at(e->pid, &now))
                        continue;
                keep_peaks(&f->seen[i], &now);
                together.anonymous_peak += now.anonymous_peak;
                together.resident_peak += now.resident_peak;
                together.swap_peak += now.swap_peak;
                any = true;
        }
        keep_peaks(&f->seen_together, &together);
        f->samples += any;
        pause = (now_ns() - begin) * PAUSE;
        return pause < PAUSE_LEAST ? PAUSE_LEAST : pause > PAUSE_MOST ? PAUSE_MOST : pause;
}

void quire_watch_end(struct quire_watch *watch)
{
        struct quire_facts *f = watch->facts;

        for (unsigned i = 0; i < QUIRE_STATS_ENTRIES; i++) {
                const struct quire_stats_entry *e = quire_facts_entry(f, i);

                f->seen[i].alive = e && e->state == QUIRE_STATS_LIVE && e->pid != f->leader
                                   && (kill((pid_t)e->pid, 0) == 0 || errno == EPERM);
        }
}
