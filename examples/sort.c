/*
 * sort.c - sort more records than fit in memory.
 *
 *     sort [MIB [BUDGET_MIB]]              256 MiB of records in 64 MiB, by default
 *
 * The records are an ordinary array in a paged region that is larger than the
 * budget, so most of it is compressed or in the pagefile at any time.  What
 * makes a sort good at that is only the order in which it touches memory:
 *
 *   1. runs of a quarter of the budget are sorted in place, one after another;
 *   2. all runs are merged in one pass, from front to back, into a second array.
 */
#include <inttypes.h>
#include <quire/process.h>
#include <stdio.h>
#include <stdlib.h>

struct record {
        uint64_t key, number;
};
struct run {
        const struct record *next, *end;
};
enum { MOST_RUNS = 4096 };

static void need(enum quire_status status, const char *what)
{
        if (status == QUIRE_OK)
                return;
        fprintf(stderr, "sort: %s: %s\n", what, quire_status_name(status));
        exit(1);
}

static struct record *open_array(struct quire_space *space, uint64_t bytes)
{
        struct quire_request request = { .bytes = bytes, .kind = QUIRE_PAGED };
        uint64_t va;

        need(quire_region_reserve(space, &request, &va), "reserve");
        need(quire_region_commit(space, va, bytes, QUIRE_R | QUIRE_W), "commit");
        return (struct record *)va;
}

static uint64_t scramble(uint64_t x)
{
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

/* Quicksort, in place: the library's qsort() may borrow as much memory again. */
static void sort_run(struct record *r, size_t n)
{
        while (n > 1) {
                uint64_t pivot = r[(n - 1) / 2].key;
                size_t low = 0, high = n - 1;

                for (;; low++, high--) {
                        struct record swap;

                        while (r[low].key < pivot)
                                low++;
                        while (r[high].key > pivot)
                                high--;
                        if (low >= high)
                                break;
                        swap = r[low];
                        r[low] = r[high];
                        r[high] = swap;
                }
                sort_run(r, high + 1);
                r += high + 1;
                n -= high + 1;
        }
}

/* A heap whose first run is the one with the least next record. */
static void sift(struct run *heap, size_t n, size_t i)
{
        for (size_t child; (child = 2 * i + 1) < n; i = child) {
                struct run swap = heap[i];

                if (child + 1 < n && heap[child + 1].next->key < heap[child].next->key)
                        child++;
                if (heap[child].next->key >= swap.next->key)
                        return;
                heap[i] = heap[child];
                heap[child] = swap;
        }
}

static void merge(struct run *heap, size_t runs, struct record *out)
{
        for (size_t i = runs / 2; i-- > 0;)
                sift(heap, runs, i);
        while (runs) {
                *out++ = *heap[0].next++;
                if (heap[0].next == heap[0].end)
                        heap[0] = heap[--runs];
                sift(heap, runs, 0);
        }
}

/* The same for any order of the records; *sorted: are they in order? */
static uint64_t checksum(const struct record *r, size_t n, bool *sorted)
{
        uint64_t sum = 0;

        *sorted = true;
        for (size_t i = 0; i < n; i++) {
                sum += scramble(r[i].key + 3 * r[i].number);
                *sorted = *sorted && (i == 0 || r[i - 1].key <= r[i].key);
        }
        return sum;
}

static void show(struct quire_system *system)
{
        double mib = (double)quire_system_page(system) / (1 << 20);
        struct quire_counters c;

        quire_system_counters(system, &c);
        printf("resident   %.1f MiB at the peak\n", (double)c.resident_peak * mib);
        printf("faults     %" PRIu64 " first touches, %" PRIu64 " compressed, %" PRIu64
               " from the pagefile\n", c.faults_zero, c.faults_tier, c.faults_hard);
        printf("pagefile   %.1f MiB written, %.1f MiB read\n", (double)c.pages_out * mib,
               (double)c.pages_in * mib);
}

int main(int argc, char **argv)
{
        uint64_t bytes = (uint64_t)(argc > 1 ? atoi(argv[1]) : 256) << 20, before = 0;
        uint64_t budget = (uint64_t)(argc > 2 ? atoi(argv[2]) : 64) << 20;
        struct quire_process_options options = { .memory = budget };
        size_t n = bytes / sizeof(struct record), part = budget / 4 / sizeof(struct record);
        static struct run heap[MOST_RUNS];
        struct quire_process *process;
        struct quire_space *space;
        struct record *from, *to;
        size_t runs = 0;
        bool sorted;

        if (quire_process_open(&options, &process) != QUIRE_OK)
                return fprintf(stderr, "sort: %s\n", quire_process_problem()), 1;
        if (!n || n / part >= MOST_RUNS)
                return fprintf(stderr, "sort: no records, or more than %d runs\n", MOST_RUNS), 2;
        space = quire_process_space(process);
        from = open_array(space, bytes);
        for (size_t i = 0; i < n; i++)
                from[i] = (struct record){ scramble(i + 1), i };

        for (size_t at = 0; at < n; at += part) {
                size_t count = n - at < part ? n - at : part;

                /* This also brings the run in from front to back.  Quicksort goes
                 * from both ends at once, which read-ahead can not follow. */
                before += checksum(from + at, count, &sorted);
                sort_run(from + at, count);
                heap[runs++] = (struct run){ from + at, from + at + count };
        }
        to = open_array(space, bytes);
        /* As many streams as runs, all forward: more than are seen by themselves. */
        need(quire_region_advise(space, (uint64_t)from, bytes, QUIRE_SEQUENTIAL), "advise");
        merge(heap, runs, to);
        need(quire_region_release(space, (uint64_t)from, 0), "release");

        printf("sorted     %zu records, %" PRIu64 " MiB in %" PRIu64 " MiB, %zu runs\n", n,
               bytes >> 20, budget >> 20, runs);
        printf("checksum   %s\n", checksum(to, n, &sorted) == before ? "right" : "WRONG");
        printf("order      %s\n", sorted ? "right" : "WRONG");
        show(quire_process_system(process));
        quire_process_close(process);
        return 0;
}
