/*
 * grant_torture.c - four processes that share memory and are killed at it.
 *
 *     grant_torture [SECONDS]             10, if nothing is said
 *
 * They are told at random to receive, send, name, open, map, write, look, revoke and
 * close, several things ahead; at random each is stopped for a while, or killed with
 * SIGKILL and begun anew.  Whoever writes a word says so in a ledger before and
 * after, words only grow, and each belongs to one process; so whoever can read one,
 * and the test at the end, knows what it may be.  At the end all are killed, and
 * nothing may be left.
 */
#include "grant_peer.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PEERS 4u
#define OBJECTS 6u
#define WRITABLE 4u              /* of those: the others are given for reading only */
#define WORDS 512u
#define HELD 8u                  /* slots of a peer in use; the first of them ... */
#define WRITERS 6u               /* ... for what may be written */
#define AHEAD 12u                /* orders that wait for an answer */
#define LONGER (3 * LONG)        /* milliseconds, if too little happened in time */

/* Word w of a page of an object is writer w's (PEERS: this process); the last word
 * of each page is the object's number plus one. */
struct entry {
        uint64_t intent, done;
};
struct ledger {
        struct entry entry[OBJECTS][PAGES][PEERS + 1];
};
static struct ledger *ledger;
static unsigned self = PEERS;

/* ------------------------------------------------------------ writing and looking */

static uint64_t tag(unsigned object, unsigned page, unsigned writer)
{
        return (uint64_t)object << 56 | (uint64_t)page << 48 | (uint64_t)writer << 40;
}

static uint64_t word_va(uint64_t va, unsigned page, unsigned word)
{
        return va + page * PG + word * sizeof(uint64_t);
}

static bool store_next(uint64_t va, unsigned object, unsigned page)
{
        struct entry *e = &ledger->entry[object][page][self];
        uint64_t next = __atomic_load_n(&e->intent, __ATOMIC_ACQUIRE) + 1;

        __atomic_store_n(&e->intent, next, __ATOMIC_RELEASE);
        if (!store_word(word_va(va, page, self), tag(object, page, self) | next))
                return false;
        __atomic_store_n(&e->done, next, __ATOMIC_RELEASE);
        return true;
}

/* May the word be there?  What was done before it is read bounds it from below, what
 * is intended after it from above.  Access may be lost at any moment: then there is
 * nothing to look at. */
static bool verify_word(uint64_t va, unsigned object, unsigned page, unsigned writer)
{
        struct entry *e = &ledger->entry[object][page][writer];
        uint64_t done = __atomic_load_n(&e->done, __ATOMIC_ACQUIRE), word, intent;
        uint64_t base = tag(object, page, writer);

        if (!load_word(word_va(va, page, writer), &word))
                return true;
        intent = __atomic_load_n(&e->intent, __ATOMIC_ACQUIRE);
        if ((!word && !done) || (word >= base + done && word <= base + intent))
                return true;
        fprintf(stderr, "object %u page %u writer %u: %llx, not from %llx to %llx\n", object, page,
                writer, (unsigned long long)word, (unsigned long long)(base + done),
                (unsigned long long)(base + intent));
        return false;
}

/* Which object is mapped there? */
static bool find_object(const struct holding *h, unsigned *object)
{
        uint64_t number;

        if (!h->va || h->bytes != PAGES * PG || !load_word(word_va(h->va, 0, WORDS - 1), &number))
                return false;
        CHECK(number >= 1 && number <= OBJECTS);
        *object = (unsigned)number - 1;
        return true;
}

static struct answer use_memory(const struct order *o)
{
        struct holding *h = &holding[o->slot];
        struct answer a = { .status = QUIRE_OK };
        uint64_t state = o->number;
        unsigned object;

        if (o->op == OP_AUDIT) {
                quire_system_audit(quire_process_system(process));
                return a;
        }
        if (!find_object(h, &object))
                return a;
        for (unsigned i = 0; i < 100 && a.status == QUIRE_OK; i++) {
                unsigned page = (unsigned)(test_random(&state) % PAGES);
                if (o->op == OP_STORE)
                        (void)store_next(h->va, object, page);
                for (unsigned w = 0; w <= PEERS; w++)
                        if (!verify_word(h->va, object, page, w))
                                a.status = QUIRE_BROKEN;
        }
        return a;
}

/* -------------------------------------------------------------------- the peers */

struct runner {
        struct peer peer;
        unsigned ahead;                  /* orders without an answer */
        uint64_t silent_since;
        bool stopped;
};
static struct runner runner[PEERS];
static uint64_t orders, kills;
static uint64_t answers[OP_QUIT], granted[OP_QUIT];

static uint64_t milliseconds(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void start_runner(unsigned i)
{
        char number[8];

        (void)snprintf(number, sizeof(number), "%u", i);
        (void)setenv("TORTURE_SELF", number, 1);
        peer_start(&runner[i].peer);
        (void)fcntl(runner[i].peer.control, F_SETFL, O_NONBLOCK);
        runner[i].ahead = 0;
        runner[i].stopped = false;
}

static void kill_runner(unsigned i)
{
        peer_kill(&runner[i].peer, SIGKILL);
        kills++;
}

static void take_answers(unsigned i)
{
        struct runner *r = &runner[i];
        struct answer a;
        int status;

        while (recv(r->peer.control, &a, sizeof(a), 0) == sizeof(a)) {
                answers[a.op]++;
                granted[a.op] += a.status == QUIRE_OK;
                r->ahead--;
                r->silent_since = milliseconds();
                CHECK(a.status != QUIRE_BROKEN);
        }
        if (waitpid(r->peer.pid, &status, WNOHANG) == r->peer.pid) {
                fprintf(stderr, "a process ended by itself: %x\n", (unsigned)status);
                test_give_up();
        }
        REQUIRE(!r->ahead || r->stopped || milliseconds() - r->silent_since < 2 * LONG);
}

static bool order_runner(unsigned i, struct order *o, int fd)
{
        struct runner *r = &runner[i];

        if (r->ahead >= AHEAD ||
            pass_descriptor(r->peer.control, o, sizeof(*o), &fd, fd >= 0) != sizeof(*o))
                return false;
        if (!r->ahead++)
                r->silent_since = milliseconds();
        orders++;
        return true;
}

static unsigned pick(uint64_t *state, unsigned most)
{
        return (unsigned)(test_random(state) % most);
}

/* A slot for what may be written, or for what may not. */
static unsigned pick_slot(uint64_t *state, bool writable)
{
        return writable ? pick(state, WRITERS) : WRITERS + pick(state, HELD - WRITERS);
}

/* A grant from a peer, or from this process (from == PEERS), to another. */
static void order_grant(uint64_t *state, unsigned from, unsigned to)
{
        bool writable = pick(state, 4);
        unsigned rights = (writable ? RW : QUIRE_R) | (pick(state, 4) ? 0 : QUIRE_X);
        unsigned object = writable ? pick(state, WRITABLE)
                                   : WRITABLE + pick(state, OBJECTS - WRITABLE);
        struct order send = { .op = OP_SEND, .slot = pick_slot(state, writable), .rights = rights };
        struct order receive = { .op = OP_RECEIVE, .slot = pick_slot(state, writable) };
        struct order map = { .op = OP_MAP, .slot = receive.slot, .rights = rights & RW };
        struct order close_it = { .op = OP_CLOSE, .slot = receive.slot };
        struct order unmap = { .op = OP_UNMAP, .slot = receive.slot };
        int end[2];

        if (runner[to].ahead + 4 > AHEAD || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end))
                return;
        (void)order_runner(to, &unmap, -1);
        (void)order_runner(to, &close_it, -1);
        if (from == PEERS) {
                send.slot = OBJECTS + object;            /* a grant that we revoke now and then */
                (void)here_do(&send, end[0]);
        } else {
                (void)order_runner(from, &send, end[0]);
        }
        (void)order_runner(to, &receive, end[1]);
        (void)order_runner(to, &map, -1);
        (void)close(end[0]);
        (void)close(end[1]);
}

static void order_name(uint64_t *state, unsigned i)
{
        static const enum op ops[] = { OP_PUBLISH, OP_PUBLISH, OP_OPEN, OP_OPEN, OP_OPEN,
                                       OP_WITHDRAW };
        unsigned slot = pick_slot(state, true);
        struct order o = { .op = ops[pick(state, 6)], .slot = slot, .rights = RW };
        struct order clear[] = { { .op = OP_UNMAP, .slot = slot },
                                 { .op = OP_CLOSE, .slot = slot } };
        struct order map = { .op = OP_MAP, .slot = o.slot, .rights = RW };

        (void)snprintf(o.name, sizeof(o.name), "name/%u", pick(state, 3));
        if (runner[i].ahead + 4 > AHEAD)
                return;
        if (o.op == OP_OPEN) {
                (void)order_runner(i, &clear[0], -1);
                (void)order_runner(i, &clear[1], -1);
        }
        (void)order_runner(i, &o, -1);
        if (o.op == OP_OPEN)
                (void)order_runner(i, &map, -1);
}

static void order_use(uint64_t *state, unsigned i)
{
        static const enum op ops[] = { OP_STORE, OP_STORE, OP_STORE, OP_STORE, OP_STORE, OP_VERIFY,
                                       OP_VERIFY, OP_VERIFY, OP_REVOKE, OP_CLOSE, OP_UNMAP,
                                       OP_AUDIT };
        struct order o = { .op = ops[pick(state, 12)], .slot = pick(state, HELD) };

        o.number = o.op == OP_REVOKE ? pick(state, 200) : test_random(state);
        (void)order_runner(i, &o, -1);
}

/* -------------------------------------------------------------- this process */

static void open_objects(void)
{
        struct quire_object_request q = { .bytes = PAGES * PG, .kind = QUIRE_ANONYMOUS,
                                          .flags = QUIRE_HOSTED };

        for (unsigned i = 0; i < OBJECTS; i++) {
                REQUIRE(!quire_object_open(quire_process_system(process), &q, &holding[i].grant));
                REQUIRE(!tell(NULL, OP_MAP, i, RW, 0).status);
                for (unsigned page = 0; page < PAGES; page++)
                        REQUIRE(store_word(word_va(holding[i].va, page, WORDS - 1), i + 1));
                REQUIRE(!quire_grant_narrow(holding[i].grant, 7, &holding[OBJECTS + i].grant));
        }
}

/* Take back what was given of an object, and begin again. */
static void revoke_object(uint64_t *state)
{
        unsigned i = pick(state, OBJECTS), slot = OBJECTS + i;

        (void)tell(NULL, OP_REVOKE, slot, 0, pick(state, 100));
        (void)tell(NULL, OP_CLOSE, slot, 0, 0);
        REQUIRE(!quire_grant_narrow(holding[i].grant, 7, &holding[slot].grant));
}

static void use_here(uint64_t *state)
{
        struct order o = { .op = OP_STORE, .slot = pick(state, OBJECTS),
                           .number = test_random(state) };

        CHECK(use_memory(&o).status == QUIRE_OK);
}

static void step(uint64_t *state)
{
        unsigned i = pick(state, PEERS), what = pick(state, 100);

        for (unsigned k = 0; k < PEERS; k++)
                take_answers(k);
        if (what < 15)
                order_grant(state, PEERS, i);
        else if (what < 35)
                order_grant(state, (i + 1 + pick(state, PEERS - 1)) % PEERS, i);
        else if (what < 60)
                order_name(state, i);
        else if (what < 90)
                order_use(state, i);
        else if (what < 95)
                use_here(state);
        else if (what < 96)
                revoke_object(state);
        if (what == 97 && !pick(state, 4)) {
                kill_runner(i);
                start_runner(i);
        }
        if (what == 98) {
                (void)kill(runner[i].peer.pid, runner[i].stopped ? SIGCONT : SIGSTOP);
                runner[i].stopped = !runner[i].stopped;
                runner[i].silent_since = milliseconds();
        }
        if (what == 99)
                (void)poll(NULL, 0, 5);
}

static void verify_everything(void)
{
        static const uint64_t nothing;

        for (unsigned i = 0; i < OBJECTS; i++)
                for (unsigned page = 0; page < PAGES; page++) {
                        uint64_t va = word_va(holding[i].va, page, 0);
                        const uint64_t *word = (uint64_t *)(uintptr_t)va;
                        for (unsigned w = 0; w <= PEERS; w++)
                                CHECK(verify_word(holding[i].va, i, page, w));
                        for (unsigned w = PEERS + 1; w < WORDS - 1; w++)
                                CHECK_EQ(word[w], nothing);
                        CHECK_EQ(word[WORDS - 1], i + 1);
                }
}

static unsigned seconds = 10;
static char runtime[40];

static const char *const name[OP_QUIT] = {
        [OP_RECEIVE] = "receive", [OP_SEND] = "send", [OP_MAP] = "map",
        [OP_UNMAP] = "unmap", [OP_CLOSE] = "close", [OP_REVOKE] = "revoke",
        [OP_OPEN] = "open", [OP_PUBLISH] = "publish", [OP_WITHDRAW] = "withdraw",
        [OP_STORE] = "store", [OP_VERIFY] = "verify", [OP_AUDIT] = "audit",
};

/* It is no torture if most of it is refused.  (On a busy machine it takes longer.) */
static bool is_torture(void)
{
        bool enough = kills > seconds;

        for (unsigned op = 0; op < OP_QUIT; op++)
                enough = enough && (!name[op] || granted[op] >= seconds);
        return enough;
}

static void count_everything(void)
{
        printf("%" PRIu64 " orders, %" PRIu64 " killed\n", orders, kills);
        for (unsigned op = 0; op < OP_QUIT; op++) {
                if (!name[op])
                        continue;
                printf("    %-8s %8" PRIu64 ", of which went well %8" PRIu64 "\n", name[op],
                       answers[op], granted[op]);
                CHECK(granted[op] >= seconds);
        }
        CHECK(kills > seconds);
}

static ino_t memory_of(unsigned fd)
{
        char path[64], target[64];
        struct stat st;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%u", fd);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n < 12 || strncmp(target, "/memfd:quire", 12) || fstat((int)fd, &st))
                return 0;
        return st.st_ino;
}

static void test_D12_A13_four_processes_torture(void)
{
        uint64_t state = test_seed(), end = milliseconds() + seconds * 1000u;
        ino_t memory[256];
        unsigned before = count_shared();

        open_objects();
        for (unsigned i = 0; i < 256; i++)
                memory[i] = memory_of(i);
        for (unsigned i = 0; i < PEERS; i++)
                start_runner(i);
        while (!quire_test_state.bad &&
               (milliseconds() < end || (!is_torture() && milliseconds() < end + LONGER)))
                step(&state);
        for (unsigned i = 0; i < PEERS; i++)
                kill_runner(i);
        verify_everything();
        quire_system_audit(quire_process_system(process));
        count_everything();
        for (unsigned i = 0; i < 2 * OBJECTS; i++) {
                (void)tell(NULL, OP_UNMAP, i, 0, 0);
                (void)tell(NULL, OP_CLOSE, i, 0, 0);
        }
        CHECK(settles(before));
        for (unsigned i = 0; i < 256; i++)
                CHECK(!memory[i] || !seek_memory(memory[i]));
        for (unsigned i = 0; i < 3; i++) {               /* what the dead have left is swept */
                char swept[16];
                (void)snprintf(swept, sizeof(swept), "name/%u", i);
                CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, swept).status, QUIRE_NOT_PRESENT);
        }
        CHECK(!rmdir(runtime));
}

static void open_ledger(void)
{
        const char *inherited = getenv("TORTURE_LEDGER"), *number = getenv("TORTURE_SELF");
        char text[16];
        int fd = inherited ? atoi(inherited)             /* 3 is the peer's control socket */
                           : fcntl(memfd_create("ledger", MFD_CLOEXEC), F_DUPFD, 100);

        REQUIRE(fd >= 0 && (inherited || !ftruncate(fd, sizeof(*ledger))));
        ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        REQUIRE(ledger != MAP_FAILED);
        (void)snprintf(text, sizeof(text), "%d", fd);
        (void)setenv("TORTURE_LEDGER", text, 1);
        if (number)
                self = (unsigned)atoi(number);
}

int main(int argc, char **argv)
{
        here_more = use_memory;
        if (argc == 2 && !strcmp(argv[1], "peer")) {
                open_ledger();
                return peer_main();
        }
        if (argc > 1 && atoi(argv[1]) > 0) {
                seconds = (unsigned)atoi(argv[1]);
                argc--;
                argv++;
        }
        test_begin(argc, argv);
        open_ledger();
        (void)snprintf(runtime, sizeof(runtime), "/tmp/quire-torture-%d", (int)getpid());
        REQUIRE(!mkdir(runtime, 0700));
        (void)setenv("XDG_RUNTIME_DIR", runtime, 1);
        here_open();
        RUN(test_D12_A13_four_processes_torture);
        here_close();
        return test_end();
}
