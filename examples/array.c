/*
 * array.c - an array that grows and never moves.
 *
 *     array [MILLIONS [plain]]                    16 million elements, by default
 *
 * Address space costs nothing: reserve more than the array will ever need, and commit
 * as it grows.  Elements never move, so pointers to them stay good, and
 * growing never copies.  What is committed and was never touched takes no
 * memory either, so it is committed in generous steps.
 *
 * With `plain' the array lies in the machine's own memory instead: the same
 * calls, no paging, and the speed of memory from mmap().
 */
#include <inttypes.h>
#include <quire/process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE ((uint64_t)64 << 30)
#define STEP    ((uint64_t)4 << 20)

struct array {
        struct quire_space *space;
        uint64_t *element;
        uint64_t committed;                  /* bytes */
        size_t count, steps;
};

static void need(enum quire_status status, const char *what)
{
        if (status == QUIRE_OK)
                return;
        fprintf(stderr, "array: %s: %s\n", what, quire_status_name(status));
        exit(1);
}

static void array_open(struct array *a, struct quire_space *space, enum quire_region_kind kind)
{
        struct quire_request request = { .bytes = RESERVE, .kind = kind };
        uint64_t va;

        need(quire_region_reserve(space, &request, &va), "reserve");
        *a = (struct array){ .space = space, .element = (uint64_t *)va };
}

static void array_append(struct array *a, uint64_t value)
{
        uint64_t end = (uint64_t)a->element + a->committed;

        if ((a->count + 1) * sizeof(value) > a->committed) {
                need(quire_region_commit(a->space, end, STEP, QUIRE_R | QUIRE_W), "commit");
                a->committed += STEP;
                a->steps++;
        }
        a->element[a->count++] = value;
}

/* Give back what lies behind the first n elements, in whole steps. */
static void array_cut(struct array *a, size_t n)
{
        uint64_t keep = (n * sizeof(*a->element) + STEP - 1) / STEP * STEP;

        a->count = n;
        if (keep < a->committed)
                need(quire_region_decommit(a->space, (uint64_t)a->element + keep,
                                           a->committed - keep), "decommit");
        a->committed = keep;
}

static void show(const struct array *a, const char *when)
{
        struct quire_counters c;

        need(quire_region_counters(a->space, (uint64_t)a->element, &c), "counters");
        printf("%-8s %zu elements in %zu steps; pages: %" PRIu64 " reserved, %" PRIu64
               " committed, %" PRIu64 " resident\n", when, a->count, a->steps, c.reserved,
               c.committed, c.resident);
}

int main(int argc, char **argv)
{
        size_t n = (size_t)(argc > 1 ? atoi(argv[1]) : 16) * 1000000, wrong = 0;
        bool plain = argc > 2 && !strcmp(argv[2], "plain");
        struct quire_process_options options = { .memory = 32u << 20 };
        struct quire_process *process;
        const uint64_t *first;
        struct array a;

        if (quire_process_open(&options, &process) != QUIRE_OK)
                return fprintf(stderr, "array: %s\n", quire_process_problem()), 1;
        array_open(&a, quire_process_space(process), plain ? QUIRE_PLAIN : QUIRE_PAGED);
        show(&a, "empty");

        array_append(&a, 0);
        first = &a.element[0];               /* good as long as the array is */
        while (a.count < n)
                array_append(&a, a.count * a.count);
        show(&a, "grown");

        for (size_t i = 0; i < n; i++)
                wrong += first[i] != (uint64_t)i * i;
        printf("%zu of them wrong through the first pointer\n", wrong);

        array_cut(&a, n / 4);
        show(&a, "cut");
        quire_process_close(process);
        return wrong != 0;
}
