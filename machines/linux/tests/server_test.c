/*
 * server_test.c - pagers served by threads: callbacks that allocate, wait, fail, answer
 * out of order, twice or never, die, and are forked away from.
 */
#include "inline.h"
#include "test.h"
#include "quire/file.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define PAGES ((uint64_t)256)
#define MEMORY ((uint64_t)2 << 20)
#define RW (QUIRE_R | QUIRE_W)

static enum quire_faults faults;
static struct quire_process *process;
static struct quire_space *space;

static void open_process(void)
{
        const struct quire_process_options o = { .memory = MEMORY, .faults = faults };

        if (quire_process_open(&o, &process)) {
                fprintf(stderr, "%s\n", quire_process_problem());
                REQUIRE(false);
        }
        space = quire_process_space(process);
}

static void each_way(void (*function)(void))
{
        for (faults = QUIRE_FAULTS_INLINE; faults <= QUIRE_FAULTS_THREAD; faults++) {
                if (faults == QUIRE_FAULTS_INLINE && !can_inline())
                        continue;
                open_process();
                function();
                quire_system_audit(quire_process_system(process));
                quire_process_close(process);
        }
}

/* --------------------------------------------------------------------- a callback */

/* What it does is in .mode; its pages are bytes of their own number, until written. */
enum mode { PLAINLY, SLOWLY, FAILING, BREAKING, LATER, TO_DIE };

struct shelf {
        pthread_mutex_t lock;
        char *page[PAGES];               /* null: never written */
        _Atomic enum mode mode;
        struct quire_grant *grant;       /* LATER: to supply through */
        atomic_uint filled, wrote, closed;
        uint64_t asked[PAGES];           /* [lock] LATER: in this order */
        atomic_uint asks;
};

static void put_page(const struct shelf *s, uint64_t index, void *out)
{
        char *copy = malloc(PG);         /* nothing that a signal handler may do */

        REQUIRE(copy);
        if (s->page[index])
                memcpy(copy, s->page[index], PG);
        else
                memset(copy, (int)(index + 1) & 0xff, PG);
        memcpy(out, copy, PG);
        free(copy);
}

static enum quire_status shelf_fill(void *context, uint64_t offset, uint64_t bytes,
                                    unsigned access, void *const page[])
{
        struct shelf *s = context;
        uint64_t first = offset / PG, count = bytes / PG;
        enum quire_status answer = QUIRE_OK;
        enum mode mode;

        (void)access;
        pthread_mutex_lock(&s->lock);
        mode = s->mode;
        s->filled += (unsigned)count;
        for (uint64_t i = 0; mode == LATER && i < count; i++)
                s->asked[s->asks++ % PAGES] = first + i;
        for (uint64_t i = 0; mode < FAILING && i < count; i++)
                put_page(s, first + i, page[i]);
        pthread_mutex_unlock(&s->lock);
        if (mode == SLOWLY)
                usleep(3000);
        if (mode == FAILING)
                answer = QUIRE_IO_ERROR;
        if (mode == BREAKING)
                answer = QUIRE_BROKEN;
        if (mode == TO_DIE)
                quire_pager_died(s->grant);
        return mode >= LATER ? QUIRE_BUSY : answer;
}

static enum quire_status shelf_write(void *context, uint64_t offset, uint64_t bytes,
                                     const void *const page[])
{
        struct shelf *s = context;

        pthread_mutex_lock(&s->lock);
        for (uint64_t i = 0; i < bytes / PG; i++) {
                char **to = &s->page[offset / PG + i];

                free(*to);
                *to = malloc(PG);
                REQUIRE(*to);
                memcpy(*to, page[i], PG);
                s->wrote++;
        }
        pthread_mutex_unlock(&s->lock);
        return QUIRE_OK;
}

static void shelf_closed(void *context)
{
        ((struct shelf *)context)->closed++;
}

static const struct quire_pager shelf_pager = { .fill = shelf_fill, .write = shelf_write,
                                                .closed = shelf_closed, .evicts = true };

static struct shelf shelf;
static struct quire_server *server;
static volatile uint8_t *at;

static void map_shelf(uint64_t pages, unsigned threads)
{
        const struct quire_object_request o = { .bytes = pages * PG, .kind = QUIRE_CALLBACK,
                                                .pager = &shelf_pager, .context = &shelf };
        struct quire_request q = { .bytes = pages * PG, .access = RW };
        uint64_t va;

        shelf = (struct shelf){ .lock = PTHREAD_MUTEX_INITIALIZER };
        REQUIRE(quire_server_open(process, &o, threads, &shelf.grant, &server) == QUIRE_OK);
        q.grant = shelf.grant;
        REQUIRE(quire_region_reserve(space, &q, &va) == QUIRE_OK);
        at = (volatile uint8_t *)(uintptr_t)va;
}

static void unmap_shelf(void)
{
        quire_grant_close(shelf.grant);
        CHECK(quire_region_release(space, (uint64_t)(uintptr_t)at, 0) == QUIRE_OK);
        CHECK_EQ(shelf.closed, 0);
        CHECK(quire_server_close(server) == QUIRE_OK);
        CHECK_EQ(shelf.closed, 1);
        for (unsigned i = 0; i < PAGES; i++)
                free(shelf.page[i]);
}

/* ------------------------------------------------------------------------ accesses */

static sigjmp_buf back;
static volatile int raised;

static void on_signal(int sig)
{
        raised = sig;
        siglongjmp(back, 1);
}

static int signal_of(uint64_t index)
{
        raised = 0;
        if (!sigsetjmp(back, 1))
                (void)at[index * PG];
        return raised;
}

struct reader {
        pthread_t thread;
        uint64_t first, step;
        unsigned wrong;
};

static void *read_pages(void *argument)
{
        struct reader *r = argument;

        for (uint64_t i = r->first; i < PAGES; i += r->step)
                r->wrong += at[i * PG + 7] != (uint8_t)(i + 1);
        return NULL;
}

static void read_from_threads(unsigned count, uint64_t step)
{
        struct reader r[8];

        for (unsigned i = 0; i < count; i++) {
                r[i] = (struct reader){ .first = step == 1 ? 0 : i, .step = step };
                REQUIRE(!pthread_create(&r[i].thread, NULL, read_pages, &r[i]));
        }
        for (unsigned i = 0; i < count; i++) {
                pthread_join(r[i].thread, NULL);
                CHECK_EQ(r[i].wrong, 0);
        }
}

/* --------------------------------------------------------------------------- tests */

static void allocate_in_callbacks(void)
{
        map_shelf(PAGES, 2);
        read_from_threads(4, 1);
        CHECK(shelf.filled <= PAGES);            /* nothing was asked for twice */
        unmap_shelf();
}

static void test_D4_callbacks_may_allocate(void)
{
        each_way(allocate_in_callbacks);
}

static void wait_in_callbacks(void)
{
        map_shelf(PAGES, 4);
        shelf.mode = SLOWLY;
        read_from_threads(8, 8);
        unmap_shelf();
}

static void test_D4_callbacks_may_be_slow(void)
{
        each_way(wait_in_callbacks);
}

static void fail(void)
{
        map_shelf(PAGES, 2);
        shelf.mode = FAILING;
        CHECK_EQ(signal_of(3), SIGBUS);
        CHECK_EQ(signal_of(3), SIGBUS);
        shelf.mode = PLAINLY;
        CHECK_EQ(signal_of(3), 0);
        CHECK_EQ(at[3 * PG], 4);
        shelf.mode = BREAKING;
        CHECK_EQ(signal_of(9), SIGBUS);
        shelf.mode = PLAINLY;
        CHECK_EQ(signal_of(9), SIGBUS);          /* for good */
        CHECK_EQ(at[10 * PG], 11);
        unmap_shelf();
}

static void test_D4_callbacks_may_fail(void)
{
        each_way(fail);
}

/* Supplies what was asked, last first, and each page twice. */
static void *supply_backwards(void *argument)
{
        uint64_t want = *(uint64_t *)argument, index, taken;
        uint8_t page[4096];

        for (;;) {
                pthread_mutex_lock(&shelf.lock);
                bool all = shelf.asks >= want;
                pthread_mutex_unlock(&shelf.lock);
                if (all)
                        break;
                usleep(500);
        }
        for (uint64_t i = shelf.asks; i-- > 0;) {
                index = shelf.asked[i % PAGES];
                memset(page, (int)(index + 1) & 0xff, sizeof(page));
                CHECK(quire_pager_supply(shelf.grant, index * PG, PG, page, &taken) == QUIRE_OK);
                CHECK_EQ(taken, PG);
                memset(page, 0xee, sizeof(page));
                CHECK(quire_pager_supply(shelf.grant, index * PG, PG, page, &taken) == QUIRE_OK);
                CHECK_EQ(taken, 0);
        }
        return NULL;
}

static void *read_one(void *argument)
{
        struct reader *r = argument;

        r->wrong = at[r->first * PG] != (uint8_t)(r->first + 1);
        return NULL;
}

static void answer_out_of_order(void)
{
        struct reader r[5];
        uint64_t want = 5;
        pthread_t supplier;

        map_shelf(PAGES, 1);
        shelf.mode = LATER;
        for (unsigned i = 0; i < 5; i++) {
                r[i] = (struct reader){ .first = 40 - 7 * i };
                REQUIRE(!pthread_create(&r[i].thread, NULL, read_one, &r[i]));
        }
        REQUIRE(!pthread_create(&supplier, NULL, supply_backwards, &want));
        for (unsigned i = 0; i < 5; i++) {
                pthread_join(r[i].thread, NULL);
                CHECK_EQ(r[i].wrong, 0);
        }
        pthread_join(supplier, NULL);
        shelf.mode = PLAINLY;
        unmap_shelf();
}

static void test_D4_pages_come_out_of_order_and_twice(void)
{
        each_way(answer_out_of_order);
}

static void die(void)
{
        map_shelf(PAGES, 2);
        CHECK_EQ(at[0], 1);
        at[0] = 5;
        shelf.mode = TO_DIE;
        CHECK_EQ(signal_of(20), SIGBUS);
        CHECK_EQ(signal_of(21), SIGBUS);
        CHECK_EQ(at[0], 5);                      /* what is here stays */
        quire_grant_close(shelf.grant);
        CHECK(quire_server_close(server) == QUIRE_IO_ERROR);     /* it was owed page 0 */
        CHECK_EQ(at[0], 5);
        CHECK_EQ(signal_of(22), SIGBUS);
        CHECK_EQ(shelf.closed, 0);
        CHECK(quire_region_release(space, (uint64_t)(uintptr_t)at, 0) == QUIRE_OK);
        CHECK_EQ(shelf.closed, 1);
}

static void test_D4_a_pager_dies(void)
{
        each_way(die);
}

/* Modified pages go home through the threads when the memory is wanted. */
static void page_out(void)
{
        struct quire_request q = { .bytes = 4 * MEMORY };
        uint64_t other;

        map_shelf(PAGES, 2);
        for (uint64_t i = 0; i < PAGES; i++)
                at[i * PG + 1] = (uint8_t)(i * 3);
        REQUIRE(quire_region_reserve(space, &q, &other) == QUIRE_OK);
        REQUIRE(quire_region_commit(space, other, q.bytes, RW) == QUIRE_OK);
        for (uint64_t i = 0; i < q.bytes / 8; i += 64)
                ((volatile uint64_t *)(uintptr_t)other)[i] = i * 0x9e3779b97f4a7c15u;
        CHECK(shelf.wrote > 0);
        for (uint64_t i = 0; i < PAGES; i++) {
                CHECK_EQ(at[i * PG + 1], (uint8_t)(i * 3));
                CHECK_EQ(at[i * PG + 2], (uint8_t)(i + 1));
        }
        CHECK(quire_region_release(space, other, 0) == QUIRE_OK);
        CHECK(quire_object_flush(shelf.grant, 0, PAGES * PG) == QUIRE_OK);
        unmap_shelf();
}

static void test_D4_modified_pages_go_home_through_a_thread(void)
{
        each_way(page_out);
}

static void fork_away(void)
{
        int status;
        pid_t pid;

        map_shelf(PAGES, 2);
        CHECK_EQ(at[0], 1);
        pid = fork();
        if (!pid) {
                bool ok = at[0] == 1 && signal_of(1) == SIGBUS;

                at[0] = 9;
                ok = ok && quire_object_flush(shelf.grant, 0, PG) == QUIRE_IO_ERROR;
                _exit(ok ? 0 : 1);
        }
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
        CHECK_EQ(at[1 * PG], 2);
        unmap_shelf();
}

static void test_D4_a_child_has_no_server(void)
{
        each_way(fork_away);
}

static void refuse(void)
{
        const struct quire_pager none = { 0 };
        struct quire_object_request o = { .bytes = PG, .kind = QUIRE_CALLBACK, .pager = &none };
        struct quire_grant *g;

        CHECK(quire_server_open(process, &o, 1, &g, &server) == QUIRE_INVALID);
        o.pager = &shelf_pager;
        CHECK(quire_server_open(process, &o, 0, &g, &server) == QUIRE_INVALID);
        CHECK(quire_server_open(process, &o, 65, &g, &server) == QUIRE_INVALID);
        o.bytes = 5;
        CHECK(quire_server_open(process, &o, 1, &g, &server) == QUIRE_INVALID);
        o.bytes = PG;
        o.kind = QUIRE_ANONYMOUS;
        CHECK(quire_server_open(process, &o, 1, &g, &server) == QUIRE_INVALID);
}

static void test_D4_what_can_not_be_served_is_refused(void)
{
        each_way(refuse);
}

int main(int argc, char **argv)
{
        struct sigaction heard = { .sa_handler = on_signal };

        test_begin(argc, argv);
        (void)sigaction(SIGBUS, &heard, NULL);
        RUN(test_D4_callbacks_may_allocate);
        RUN(test_D4_callbacks_may_be_slow);
        RUN(test_D4_callbacks_may_fail);
        RUN(test_D4_pages_come_out_of_order_and_twice);
        RUN(test_D4_a_pager_dies);
        RUN(test_D4_modified_pages_go_home_through_a_thread);
        RUN(test_D4_a_child_has_no_server);
        RUN(test_D4_what_can_not_be_served_is_refused);
        return test_end();
}
