/*
 * brew_linux_test.c - BREW's memory regions in real processes: real loads, stores and
 * calls, real faults, and regions that pass over a socket.  Each test is named after the
 * row that it asserts.
 *
 * A *peer* is a process that was forked before anything of Quire was opened.  It opens
 * its own, does what the test has for it, and ends with the number of checks that
 * failed.
 */
#include "../test.h"
#include "brew.h"
#include "quire/share.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PAGE = 4096, RIGHTS = 7, READ = 1, WRITE = 2, EXECUTE = 4, SOON = 60000 };

static struct quire_process *process;
static IEnv *env;
static IMemSpace *mem;
static IMemGroup *group;
static IMemPool *pool;                 /* shareable */

/* ------------------------------------------------------------------ accesses */

static sigjmp_buf *volatile way_out;

static void give_up(int sig)
{
        if (way_out)
                siglongjmp(*way_out, 1);
        signal(sig, SIG_DFL);
}

/* Load, store or call at va, as the one bit says; false: it faulted. */
__attribute__((noinline, no_sanitize("address", "undefined")))
static bool try(uint64_t va, unsigned access, uint8_t *byte)
{
        volatile uint8_t *at = (volatile uint8_t *)(uintptr_t)va;
        union {
                uint64_t va;
                void (*call)(void);
        } code = { va };
        sigjmp_buf out;

        if (sigsetjmp(out, 1)) {
                way_out = NULL;
                return false;
        }
        way_out = &out;
        if (access == READ)
                *byte = *at;
        else if (access == WRITE)
                *at = *byte;
        else
                code.call();
        way_out = NULL;
        return true;
}

static bool get(uint64_t va, uint8_t *byte)
{
        return try(va, READ, byte);
}

static bool put(uint64_t va, uint8_t byte)
{
        return try(va, WRITE, &byte);
}

static uint8_t byte_at(uint64_t va)
{
        uint8_t byte = 0xee;

        CHECK(get(va, &byte));
        return byte;
}

/* ------------------------------------------------------------------ the stage */

static void take_signals(void)
{
        struct sigaction action = { .sa_handler = give_up, .sa_flags = SA_ONSTACK };

        sigemptyset(&action.sa_mask);
        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
}

static void process_open(void)
{
        const struct quire_process_options options = { .memory = 4 << 20 };
        struct quire_space *space;
        void *p = NULL;

        take_signals();
        REQUIRE(quire_process_open(&options, &process) == QUIRE_OK);
        space = quire_process_space(process);
        REQUIRE(quire_brew_open(quire_process_system(process), space, &env) == AEE_SUCCESS);
        REQUIRE(IEnv_CreateInstance(env, AEECLSID_MemSpace, &p) == AEE_SUCCESS);
        mem = p;
        REQUIRE(IEnv_CreateInstance(env, AEECLSID_MemGroup, &p) == AEE_SUCCESS);
        group = p;
        REQUIRE(IEnv_CreatePool(env, 1 << 20, MEMPOOL_SHAREABLE, &pool) == AEE_SUCCESS);
}

static void process_close(void)
{
        MemPoolInfo i;

        CHECK(IMemPool_GetInfo(pool, &i) == AEE_SUCCESS && i.dwUsed == 0);
        CHECK_EQ(IMemPool_Release(pool), 0);
        CHECK_EQ(IMemGroup_Release(group), 0);
        CHECK_EQ(IMemSpace_Release(mem), 0);
        quire_brew_close(env);
        quire_process_close(process);
}

static IMemRegion1 *create(IMemPool *from, uint64_t pages, uint32 flags)
{
        const PhysMemInfo physical = { .dwSize = pages * PAGE };
        IMemRegion1 *r = NULL;

        REQUIRE(IMemGroup_CreateRegion(group, (IQI *)from, 0, &physical, flags, &r) == AEE_SUCCESS);
        return r;
}

static MemRegionInfo info(IMemRegion1 *r)
{
        MemRegionInfo i = { 0 };

        CHECK(IMemRegion1_GetInfo(r, &i) == AEE_SUCCESS);
        return i;
}

static IMemMap *map(IMemRegion1 *r, uint32 perms, uint64_t *va)
{
        IMemMap *m = NULL;

        REQUIRE(IMemSpace_MapRegion(mem, r, perms, 0, &m, va, NULL) == AEE_SUCCESS);
        return m;
}

static void drop(IMemRegion1 *r)
{
        CHECK_EQ(IMemRegion1_Release(r), 0);
}

static void unmap(IMemMap *m)
{
        CHECK_EQ(IMemMap_Release(m), 0);
}

/* ------------------------------------------------------------------- the peer */

struct peer {
        pid_t pid;
        int socket;
};

static struct peer peer_start(int type, void (*play)(int socket))
{
        int ends[2];
        struct peer p;

        fflush(stdout);
        REQUIRE(!socketpair(AF_UNIX, type, 0, ends));
        p.pid = fork();
        REQUIRE(p.pid >= 0);
        p.socket = ends[p.pid ? 0 : 1];
        close(ends[p.pid ? 1 : 0]);
        if (p.pid)
                return p;
        play(p.socket);
        _exit(quire_test_state.bad ? 1 : 0);
}

static void peer_end(struct peer p)
{
        int status = -1;

        close(p.socket);
        CHECK(waitpid(p.pid, &status, 0) == p.pid);
        CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

/* One word to the other side, and from there. */
static void say(int socket, uint64_t word)
{
        CHECK(write(socket, &word, sizeof(word)) == sizeof(word));
}

static uint64_t hear(int socket)
{
        uint64_t word = 0;

        CHECK(read(socket, &word, sizeof(word)) == sizeof(word));
        return word;
}

static IMemRegion1 *receive(int socket)
{
        IMemRegion1 *r = NULL;

        REQUIRE(quire_brew_receive(process, env, socket, SOON, &r) == AEE_SUCCESS);
        return r;
}

static void give(struct peer p, IMemRegion1 *r)
{
        CHECK_EQ(quire_brew_send(process, r, p.socket), AEE_SUCCESS);
}

/* ---------------------------------------------------------------- one process */

static const uint8_t code_ret = 0xc3;

static void expect_real_access(uint64_t va, uint32 perms, bool executes)
{
        uint8_t byte = code_ret;

        CHECK(get(va, &byte) == (perms != 0));
        CHECK(try(va, WRITE, &byte) == !!(perms & WRITE));
        CHECK(try(va, EXECUTE, &byte) == (executes && perms & EXECUTE));
}

/* Memory of the machine's own can be executed, paged memory can not (docs/brew.md). */
static void test_A5_all_combinations_with_real_faults(void)
{
        process_open();
        for (unsigned hosted = 0; hosted < 2; hosted++) {
                IMemRegion1 *r = create(hosted ? pool : NULL, 2, 0);
                uint64_t va, writer;
                IMemMap *w = map(r, READ | WRITE, &writer), *m;

                CHECK(put(writer, code_ret));
                for (uint32 perms = 0; perms <= RIGHTS; perms++) {
                        m = map(r, perms, &va);
                        CHECK(va != writer);
                        expect_real_access(va, perms, hosted);
                        unmap(m);
                        CHECK(!get(va, &(uint8_t){ 0 }));
                }
                unmap(w);
                drop(r);
        }
        process_close();
}

static void test_A6_attributes_are_accepted_recorded_reported(void)
{
        process_open();
        for (uint32 cache = 0; cache <= MEMREGION_CACHE_WRITETHRU; cache++) {
                static const unsigned attributes[] = { 0, QUIRE_CACHE_NONE, 0,
                                                       QUIRE_CACHE_THROUGH };
                IMemRegion1 *r = create(cache % 2 ? pool : NULL, 1, cache);
                struct quire_info q;
                uint64_t va;
                IMemMap *m = map(r, RIGHTS, &va);

                CHECK_EQ(info(r).nFlags, cache);
                CHECK(put(va, 12));
                CHECK_EQ(byte_at(va), 12);
                CHECK(quire_region_query(quire_process_space(process), va, &q) == QUIRE_OK);
                CHECK_EQ(q.attributes, attributes[cache]);
                unmap(m);
                drop(r);
        }
        process_close();
}

static void test_A1_fixed_memory_is_not_to_be_had(void)
{
        const PhysMemInfo fixed = { .dwSize = PAGE, .nFlags = PHYSMEM_FIXED };
        IMemRegion1 *none = NULL;

        process_open();
        CHECK_EQ(IMemGroup_CreateRegion(group, NULL, 0, &fixed, 0, &none), AEE_EUNSUPPORTED);
        CHECK(!none);
        process_close();
}

/* More than fits into memory, seen through two maps. */
static void test_A9_paged_bytes_survive(void)
{
        enum { PAGES = 3000 };
        IMemRegion1 *r, *reader = NULL;
        uint64_t va[2];
        IMemMap *m[2];

        process_open();
        r = create(NULL, PAGES, 0);
        CHECK_EQ(IMemRegion1_GrantAccess(r, READ, &reader), AEE_SUCCESS);
        m[0] = map(r, READ | WRITE, &va[0]);
        for (uint64_t i = 0; i < PAGES; i++)
                *(volatile uint64_t *)(uintptr_t)(va[0] + i * PAGE) = i * 77;
        unmap(m[0]);
        drop(r);
        m[1] = map(reader, READ, &va[1]);
        for (uint64_t i = 0; i < PAGES; i++)
                if (!CHECK_EQ(*(volatile uint64_t *)(uintptr_t)(va[1] + i * PAGE), i * 77))
                        break;
        CHECK(!put(va[1], 1));
        unmap(m[1]);
        drop(reader);
        process_close();
}

enum { THREADS = 4, ROUNDS = 200 };

/* One of several that do everything with the same objects. */
static void *play_thread(void *region)
{
        for (unsigned n = 0; n < ROUNDS; n++) {
                IMemRegion1 *narrow = NULL, *own = NULL;
                const PhysMemInfo physical = { .dwSize = PAGE };
                IMemMap *m = NULL;
                uint64_t va = 0;

                CHECK_EQ(IMemRegion1_GrantAccess(region, READ | WRITE, &narrow), AEE_SUCCESS);
                CHECK_EQ(IMemSpace_MapRegion(mem, narrow, WRITE, 0, &m, &va, NULL), AEE_SUCCESS);
                CHECK_EQ(IMemRegion1_Release(narrow), 1);
                *(volatile uint8_t *)(uintptr_t)(va + n) = (uint8_t)n;
                CHECK_EQ(IMemMap_Release(m), 0);
                CHECK_EQ(IMemGroup_CreateRegion(group, (IQI *)pool, 0, &physical, 0, &own),
                         AEE_SUCCESS);
                CHECK_EQ(IMemRegion1_Release(own), 0);
        }
        return NULL;
}

static void test_A3_any_thread_may_call(void)
{
        pthread_t thread[THREADS];
        IMemRegion1 *r;
        uint32 count = 9;

        process_open();
        r = create(pool, 1, 0);
        for (unsigned i = 0; i < THREADS; i++)
                REQUIRE(!pthread_create(&thread[i], NULL, play_thread, r));
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(thread[i], NULL);
        CHECK_EQ(IMemGroup_ListRegions(group, NULL, 0, &count), AEE_SUCCESS);
        CHECK_EQ(count, 1);
        drop(r);
        process_close();
}

/* ---------------------------------------------------------------- two processes */

static void peer_A13(int socket)
{
        struct quire_grant *grant;
        uint64_t theirs = hear(socket), va;
        IMemRegion1 *r;
        IMemMap *m;
        uint8_t byte;

        process_open();
        CHECK(!get(theirs, &byte));                            /* its address is nothing here, */
        CHECK(quire_name_open(process, "", READ, &grant) != QUIRE_OK);
        CHECK(quire_name_open(process, "region", READ, &grant) != QUIRE_OK);   /* no name, */
        CHECK(quire_name_find(quire_process_system(process), "region", READ, &grant) != QUIRE_OK);
        say(socket, 1);
        r = receive(socket);                                   /* but the socket */
        CHECK_EQ(info(r).dwSize, 2 * PAGE);
        CHECK_EQ(info(r).ulVAStart, theirs);
        CHECK_EQ(info(r).nPerms, RIGHTS);
        CHECK_EQ(info(r).nFlags, MEMREGION_SHARE_COMMON | MEMREGION_CACHE_NONE);
        m = map(r, READ | WRITE, &va);
        CHECK_EQ(byte_at(va + PAGE), 66);
        CHECK(put(va + PAGE + 1, 67));
        unmap(m);
        drop(r);
        say(socket, 2);
        process_close();
}

static void pass_over(int type)
{
        struct peer p = peer_start(type, peer_A13);
        IMemRegion1 *r, *paged;
        uint64_t va;
        IMemMap *m;

        process_open();
        r = create(pool, 2, MEMREGION_SHARE_COMMON | MEMREGION_CACHE_NONE);
        m = map(r, READ | WRITE, &va);
        CHECK(put(va + PAGE, 66));
        say(p.socket, va);
        CHECK_EQ(hear(p.socket), 1);
        paged = create(NULL, 1, 0);
        CHECK_EQ(quire_brew_send(process, paged, p.socket), AEE_EUNSUPPORTED);
        drop(paged);
        give(p, r);
        CHECK_EQ(hear(p.socket), 2);
        CHECK_EQ(byte_at(va + PAGE + 1), 67);
        unmap(m);
        drop(r);
        peer_end(p);
        process_close();
}

static void test_A13_only_a_socket_reaches_another_process(void)
{
        pass_over(SOCK_STREAM);
        pass_over(SOCK_SEQPACKET);
}

static const uint32 rights_in_order[] = { 7, 6, 3, 2, 5, 4, 1 };       /* those with WRITE first */
enum { SENT = 7, WRITABLE = 4 };

static void peer_A12(int socket)
{
        process_open();
        for (unsigned i = 0; i < SENT; i++) {
                IMemRegion1 *r = receive(socket), *out = NULL;
                uint32 has = rights_in_order[i];

                CHECK_EQ(info(r).nPerms, has);
                if (i == WRITABLE - 1)
                        say(socket, WRITABLE);
                for (uint32 wants = 0; wants <= RIGHTS; wants++) {
                        bool within = !(wants & ~has);
                        IMemMap *m = NULL;
                        uint64_t va = 0;

                        CHECK_EQ(IMemRegion1_GrantAccess(r, wants, &out),
                                 within ? AEE_SUCCESS : AEE_EPRIVLEVEL);
                        if (out)
                                drop(out);
                        CHECK_EQ(IMemSpace_MapRegion(mem, r, wants, 0, &m, &va, NULL),
                                 within ? AEE_SUCCESS : AEE_EPRIVLEVEL);
                        if (m) {
                                expect_real_access(va, wants, true);
                                unmap(m);
                        }
                }
                drop(r);
        }
        say(socket, 3);
        process_close();
}

static void test_A12_every_pair_of_rights_between_processes(void)
{
        struct peer p = peer_start(SOCK_STREAM, peer_A12);
        IMemRegion1 *r, *narrow = NULL;
        uint64_t va;
        IMemMap *m;

        process_open();
        r = create(pool, 1, 0);
        m = map(r, READ | WRITE, &va);
        CHECK(put(va, code_ret));
        for (unsigned i = 0; i < SENT; i++) {
                if (i == WRITABLE)                             /* he has those with WRITE */
                        CHECK_EQ(hear(p.socket), WRITABLE);
                CHECK_EQ(IMemRegion1_GrantAccess(r, rights_in_order[i], &narrow), AEE_SUCCESS);
                give(p, narrow);
                drop(narrow);
        }
        CHECK_EQ(quire_brew_send(process, r, p.socket), AEE_EPRIVLEVEL);       /* WRITE, too late */
        CHECK_EQ(IMemRegion1_GrantAccess(r, 0, &narrow), AEE_SUCCESS);
        CHECK_EQ(quire_brew_send(process, narrow, p.socket), AEE_EPRIVLEVEL);  /* no rights */
        drop(narrow);
        CHECK_EQ(hear(p.socket), 3);
        unmap(m);
        drop(r);
        peer_end(p);
        process_close();
}

static void peer_A7(int socket)
{
        struct quire_request request = { .bytes = PAGE, .flags = QUIRE_EXACT };
        IMemRegion1 *r, *none = NULL;
        uint64_t va, got;
        IMemMap *m;

        process_open();
        request.va = hear(socket);
        CHECK(quire_region_reserve(quire_process_space(process), &request, &got) == QUIRE_OK);
        CHECK_EQ(quire_brew_receive(process, env, socket, SOON, &none), AEE_EITEMBUSY);
        CHECK(!none);
        CHECK(quire_region_release(quire_process_space(process), got, 0) == QUIRE_OK);
        r = receive(socket);
        m = map(r, READ | WRITE, &va);
        CHECK_EQ(va, request.va);
        CHECK_EQ(*(volatile uint64_t *)(uintptr_t)va, va);     /* a pointer that both can follow */
        unmap(m);
        CHECK(quire_region_reserve(quire_process_space(process), &request, &got) == QUIRE_CONFLICT);
        drop(r);
        say(socket, 4);
        process_close();
}

static void test_A7_common_addresses_between_processes(void)
{
        struct peer p = peer_start(SOCK_STREAM, peer_A7);
        IMemRegion1 *r, *exclusive;
        uint64_t va;
        IMemMap *m;

        process_open();
        r = create(pool, 3, MEMREGION_VIRTUAL_COMMON);
        exclusive = create(pool, 1, MEMREGION_VIRTUAL_EXCL);
        CHECK_EQ(quire_brew_send(process, exclusive, p.socket), AEE_EUNSUPPORTED);
        drop(exclusive);
        m = map(r, READ | WRITE, &va);
        *(volatile uint64_t *)(uintptr_t)va = va;
        say(p.socket, va);
        give(p, r);
        give(p, r);
        CHECK_EQ(hear(p.socket), 4);
        unmap(m);
        drop(r);
        peer_end(p);
        process_close();
}

static void test_A8_exclusive_sharing_stays_in_one_process(void)
{
        int ends[2];
        IMemRegion1 *r;

        process_open();
        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        r = create(pool, 1, MEMREGION_SHARE_EXCL);
        CHECK_EQ(quire_brew_send(process, r, ends[0]), AEE_EUNSUPPORTED);
        CHECK_EQ(quire_brew_send(process, r, -1), AEE_EBADPARM);
        CHECK_EQ(quire_brew_send(process, r, STDIN_FILENO), AEE_EBADPARM);
        drop(r);
        close(ends[0]);
        close(ends[1]);
        process_close();
}

/* The peer's accesses end in a fault some time after the group was revoked. */
static bool loses(uint64_t va, unsigned access)
{
        uint8_t byte = 1;

        return BECOMES(!try(va, access, &byte));
}

static void peer_A11(int socket)
{
        IMemRegion1 *r[2], *none = NULL;
        IMemMap *m[2], *no = NULL;
        uint64_t va[2];

        process_open();
        for (unsigned i = 0; i < 2; i++) {
                r[i] = receive(socket);
                m[i] = map(r[i], READ | WRITE, &va[i]);
                CHECK(put(va[i], 1));
        }
        say(socket, 5);
        CHECK(loses(va[0], WRITE));
        CHECK(loses(va[0], READ));
        CHECK_EQ(IMemSpace_MapRegion(mem, r[0], READ, 0, &no, NULL, NULL), AEE_EPRIVLEVEL);
        CHECK_EQ(IMemRegion1_GrantAccess(r[0], READ, &none), AEE_EPRIVLEVEL);
        CHECK(put(va[1], 2));                                  /* of another group */
        CHECK_EQ(byte_at(va[1]), 2);
        for (unsigned i = 0; i < 2; i++) {
                unmap(m[i]);
                drop(r[i]);
        }
        say(socket, 6);
        process_close();
}

static void test_A11_revoking_reaches_other_processes(void)
{
        struct peer p = peer_start(SOCK_STREAM, peer_A11);
        IMemGroup *first;
        IMemRegion1 *r[2];
        void *other = NULL;

        process_open();
        first = group;
        r[0] = create(pool, 1, 0);
        REQUIRE(IEnv_CreateInstance(env, AEECLSID_MemGroup, &other) == AEE_SUCCESS);
        group = other;
        r[1] = create(pool, 1, 0);
        give(p, r[0]);
        give(p, r[1]);
        CHECK_EQ(hear(p.socket), 5);
        CHECK_EQ(IMemGroup_Revoke(first), AEE_SUCCESS);
        CHECK_EQ(quire_brew_send(process, r[0], p.socket), AEE_EPRIVLEVEL);
        CHECK_EQ(hear(p.socket), 6);
        drop(r[0]);
        drop(r[1]);
        CHECK_EQ(IMemGroup_Release(first), 0);
        peer_end(p);
        process_close();
}

static void peer_that_waits(int socket)
{
        IMemRegion1 *r;
        uint64_t va;

        process_open();
        r = receive(socket);
        (void)map(r, READ | WRITE, &va);
        CHECK(put(va, 123));
        say(socket, 7);
        pause();
}

static void test_A17_a_peer_that_is_killed_keeps_nothing(void)
{
        struct peer p = peer_start(SOCK_STREAM, peer_that_waits);
        IMemRegion1 *r;
        uint64_t va;
        IMemMap *m;
        int status;

        process_open();
        r = create(pool, 2, 0);
        m = map(r, READ | WRITE, &va);
        give(p, r);
        CHECK_EQ(hear(p.socket), 7);
        kill(p.pid, SIGKILL);
        CHECK(waitpid(p.pid, &status, 0) == p.pid && WIFSIGNALED(status));
        CHECK_EQ(byte_at(va), 123);
        CHECK_EQ(quire_brew_send(process, r, p.socket), AEE_EFAILED);
        close(p.socket);
        unmap(m);
        drop(r);
        process_close();                                       /* the pool has it all */
}

/* ----------------------------------------------------------------- bad peers */

struct forged {                                /* as linux.c has it */
        uint32 mark, version;
        uint64 va, bytes;
        uint32 perms, flags;
};

static void expect_refused(struct quire_grant *grant, const struct forged *l, size_t n, int result)
{
        IMemRegion1 *r = NULL;
        int ends[2];

        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        if (grant)
                CHECK(quire_grant_send(process, ends[0], grant, READ) == QUIRE_OK);
        CHECK(!n || write(ends[0], l, n) == (ssize_t)n);
        if (result != AEE_EITEMBUSY)
                close(ends[0]);
        CHECK_EQ(quire_brew_receive(process, env, ends[1], 200, &r), result);
        CHECK((r != NULL) == (result == AEE_SUCCESS));
        if (r)
                drop(r);
        if (result == AEE_EITEMBUSY)
                close(ends[0]);
        close(ends[1]);
}

enum { LIES = 13 };

static void test_A13_a_peer_that_lies_is_refused(void)
{
        const struct quire_object_request request = { .bytes = 2 * PAGE, .flags = QUIRE_HOSTED };
        const struct forged good = { 0x57455242, 1, 16 * PAGE, 2 * PAGE, READ, 0 };
        struct forged l[LIES];
        struct quire_grant *grant;
        IMemRegion1 *r = NULL;

        process_open();
        REQUIRE(quire_object_open(quire_process_system(process), &request, &grant) == QUIRE_OK);
        for (unsigned i = 0; i < LIES; i++)
                l[i] = good;
        l[0].mark++;
        l[1].version++;
        l[2].va++;
        l[3].bytes += PAGE;
        l[4].bytes = UINT64_MAX;
        l[5].perms = RIGHTS;                                   /* more than was given */
        l[6].perms = 0;
        l[7].perms = 9;
        l[8].flags = MEMREGION_SHARE_EXCL;
        l[9].flags = MEMREGION_VIRTUAL_EXCL;
        l[10].flags = 0x10000;
        l[11].flags = 4;
        l[12].flags = MEMREGION_PERMS(RIGHTS);
        for (unsigned i = 0; i < LIES; i++)
                expect_refused(grant, &l[i], sizeof(good), AEE_EFAILED);
        expect_refused(grant, &good, sizeof(good) - 1, AEE_EFAILED);           /* in the middle */
        expect_refused(grant, &good, 0, AEE_EFAILED);
        expect_refused(NULL, &good, sizeof(good), AEE_EFAILED);                /* no grant */
        expect_refused(NULL, &good, 0, AEE_EITEMBUSY);                         /* nothing yet */
        expect_refused(grant, &good, sizeof(good), AEE_SUCCESS);
        CHECK_EQ(quire_brew_receive(process, env, -1, 0, &r), AEE_EBADPARM);
        CHECK_EQ(quire_brew_receive(process, env, 0, 0, NULL), AEE_EBADPARM);
        quire_grant_close(grant);
        process_close();
}

static atomic_uint heard_signals;

static void hear_signal(int sig)
{
        (void)sig;
        heard_signals++;
}

struct posting {
        pthread_t receiver;
        int socket;
        struct forged letter;
};

/* The second half of a region's message, after the receiver was interrupted some times. */
static void *post_late(void *argument)
{
        const struct posting *post = argument;

        for (unsigned seen = heard_signals; heard_signals - seen < 20;) {
                pthread_kill(post->receiver, SIGUSR1);
                usleep(1000);
        }
        CHECK(write(post->socket, &post->letter, sizeof(post->letter)) == sizeof(post->letter));
        return NULL;
}

static void test_A13_a_signal_is_no_end_of_waiting(void)
{
        const struct quire_object_request request = { .bytes = PAGE, .flags = QUIRE_HOSTED };
        struct sigaction heard = { .sa_handler = hear_signal };
        struct posting post = { pthread_self(), -1, { 0x57455242, 1, 16 * PAGE, PAGE, READ, 0 } };
        struct quire_grant *grant;
        IMemRegion1 *r = NULL;
        pthread_t thread;
        int ends[2];

        process_open();
        REQUIRE(quire_object_open(quire_process_system(process), &request, &grant) == QUIRE_OK);
        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        REQUIRE(!sigaction(SIGUSR1, &heard, NULL));
        post.socket = ends[0];
        CHECK(quire_grant_send(process, ends[0], grant, READ) == QUIRE_OK);
        REQUIRE(!pthread_create(&thread, NULL, post_late, &post));
        CHECK_EQ(quire_brew_receive(process, env, ends[1], SOON, &r), AEE_SUCCESS);
        pthread_join(thread, NULL);
        if (r)
                drop(r);
        close(ends[0]);
        close(ends[1]);
        quire_grant_close(grant);
        process_close();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_A5_all_combinations_with_real_faults);
        RUN(test_A6_attributes_are_accepted_recorded_reported);
        RUN(test_A1_fixed_memory_is_not_to_be_had);
        RUN(test_A9_paged_bytes_survive);
        RUN(test_A3_any_thread_may_call);
        RUN(test_A13_only_a_socket_reaches_another_process);
        RUN(test_A12_every_pair_of_rights_between_processes);
        RUN(test_A7_common_addresses_between_processes);
        RUN(test_A8_exclusive_sharing_stays_in_one_process);
        RUN(test_A11_revoking_reaches_other_processes);
        RUN(test_A17_a_peer_that_is_killed_keeps_nothing);
        RUN(test_A13_a_peer_that_lies_is_refused);
        RUN(test_A13_a_signal_is_no_end_of_waiting);
        return test_end();
}
