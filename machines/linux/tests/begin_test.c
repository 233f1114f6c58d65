/*
 * begin_test.c - whoever starts threads of ours goes on when they have begun: a fork
 * meets none that is just starting.
 */
#include "message.h"
#include "quire/file.h"
#include "quire/process.h"
#include "slow_start.h"


#define PG ((uint64_t)4096)
#define MEMORY ((uint64_t)4 << 20)

static struct quire_process *process;

/* Threads were started since the last time, and all of them have begun. */
#define CHECK_BEGUN()                                                                             \
        do {                                                                                      \
                CHECK_EQ(atomic_load(&starting), 0);                                              \
                CHECK(atomic_exchange(&threads, 0) > 0);                                          \
        } while (0)

static void open_process(enum quire_faults faults)
{
        const struct quire_process_options o = { .memory = MEMORY, .faults = faults };

        starts_slowly = true;
        REQUIRE(quire_process_open(&o, &process) == QUIRE_OK);
}

static void close_process(void)
{
        starts_slowly = false;
        quire_process_close(process);
}

static void test_handlers_have_begun(void)
{
        open_process(QUIRE_FAULTS_THREAD);
        CHECK_BEGUN();
        close_process();
}

static enum quire_status fill(void *context, uint64_t offset, uint64_t bytes, unsigned access,
                              void *const page[])
{
        (void)context;
        (void)offset;
        (void)access;
        for (uint64_t i = 0; i < bytes / PG; i++)
                memset(page[i], 7, PG);
        return QUIRE_OK;
}

static void test_servers_have_begun(void)
{
        const struct quire_pager pager = { .fill = fill };
        struct quire_object_request q = { .bytes = 8 * PG, .kind = QUIRE_CALLBACK,
                                          .pager = &pager };
        struct quire_server *server;
        struct quire_grant *g;

        open_process(QUIRE_FAULTS_INLINE);
        REQUIRE(quire_server_open(process, &q, 3, &g, &server) == QUIRE_OK);
        CHECK_BEGUN();
        quire_grant_close(g);
        CHECK(quire_server_close(server) == QUIRE_OK);
        close_process();
}

/* Those that read ahead, and one that brings a working set in. */
static void test_readers_have_begun(void)
{
        char path[] = "/tmp/quire-begin-test-XXXXXX", set[sizeof(path) + 4];
        int fd = mkstemp(path);
        struct quire_record *record;
        struct quire_replay *replay;
        struct quire_grant *g;

        REQUIRE(fd >= 0 && !ftruncate(fd, 16 * PG));
        open_process(QUIRE_FAULTS_INLINE);
        REQUIRE(quire_file_open(process, fd, NULL, &g) == QUIRE_OK);
        CHECK_BEGUN();
        (void)snprintf(set, sizeof(set), "%s.set", path);
        REQUIRE(quire_record_open(process, g, &record) == QUIRE_OK);
        REQUIRE(quire_record_close(record, set) == QUIRE_OK);
        REQUIRE(quire_replay_open(process, g, set, &replay) == QUIRE_OK);
        CHECK_BEGUN();
        (void)quire_replay_close(replay, true);
        quire_grant_close(g);
        close_process();
        (void)close(fd);
        (void)unlink(path);
        (void)unlink(set);
}

static void test_what_closes_late_has_begun(void)
{
        int ends[2];
        char byte;

        REQUIRE(!pipe(ends));
        starts_slowly = true;
        quire_descriptor_shed(ends[1]);
        CHECK_BEGUN();
        starts_slowly = false;
        CHECK_EQ(read(ends[0], &byte, 1), 0);        /* it is closed, if not at once */
        (void)close(ends[0]);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_handlers_have_begun);
        RUN(test_servers_have_begun);
        RUN(test_readers_have_begun);
        RUN(test_what_closes_late_has_begun);
        return test_end();
}
