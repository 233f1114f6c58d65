/*
 * mobius_linux_test.c - the Mobius face in this process: real memory, real faults, real
 * files (rows C3, C5, C7, C13, C18, C19, C21, C23 to C26, and what Linux has not).
 *
 * An access that is denied raises SIGSEGV or SIGBUS, and jumps back to where it began.
 */
#include "../test.h"
#include <fcntl.h>
#include <mobius.h>
#include <pthread.h>
#include <quire/process.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { USER_RW = VM_MEM_USER | VM_MEM_READ | VM_MEM_WRITE, READ_ONLY = VM_MEM_USER | VM_MEM_READ };
#define MB ((size_t)1 << 20)
#define BUDGET (8 * MB)
#define HALF ((addr_t)2 << 30)

static struct quire_process *quire;
static process_t *process;
static _Thread_local sigjmp_buf *volatile way_out;

static void give_up_access(int sig)
{
        if (way_out)
                siglongjmp(*way_out, sig);
        signal(sig, SIG_DFL);
}

static void act_open_as(process_t *(*open)(struct quire_process *))
{
        const struct quire_process_options options = { .memory = BUDGET, .tier_percent = 255 };

        signal(SIGSEGV, give_up_access);
        signal(SIGBUS, give_up_access);
        if (quire_process_open(&options, &quire) != QUIRE_OK) {
                fprintf(stderr, "%s\n", quire_process_problem());
                test_give_up();
        }
        process = open(quire);
        REQUIRE(process != NULL);
        mobius_process_enter(process);
}

static void act_open(void)
{
        act_open_as(mobius_process_here);
}

static void act_close(void)
{
        CHECK(mobius_process_close(process));
        quire_process_close(quire);
}

/* Does the access raise a signal?  Which one; 0: none. */
static int store_signal(volatile uint8_t *at, uint8_t byte)
{
        sigjmp_buf here;
        int sig = sigsetjmp(here, 1);

        if (!sig) {
                way_out = &here;
                *at = byte;
        }
        way_out = NULL;
        return sig;
}

static int load_signal(const volatile uint8_t *at)
{
        sigjmp_buf here;
        int sig = sigsetjmp(here, 1);

        if (!sig) {
                way_out = &here;
                (void)*at;
        }
        way_out = NULL;
        return sig;
}

static uint8_t *page_at(uint8_t *base, size_t page)
{
        return base + page * PAGE_SIZE;
}

/* ------------------------------------------------------------------------------ areas */

static void test_C3_a_normal_area_larger_than_memory(void)
{
        enum { PAGES = 4096 };                               /* twice the budget */
        unsigned wrong = 0;
        uint8_t *at;

        act_open();
        at = VmmAlloc(PAGES, 0, USER_RW | VM_MEM_ZERO);
        REQUIRE(at != NULL);
        CHECK((addr_t)at + PAGES * (size_t)PAGE_SIZE <= HALF);
        for (unsigned i = 0; i < PAGES; i++) {
                wrong += *page_at(at, i) != 0;
                *(uint32_t *)(void *)page_at(at, i) = i * 2654435761u;
        }
        for (unsigned i = 0; i < PAGES; i++)
                wrong += *(uint32_t *)(void *)page_at(at, i) != i * 2654435761u;
        CHECK_EQ(wrong, 0);
        CHECK(VmmFree(at + 12345));                          /* C19 */
        CHECK(store_signal(at, 1) != 0);
        act_close();
}

static void test_C13_reserved_and_empty_memory_faults(void)
{
        uint8_t *r, *a;

        act_open();
        r = VmmReserveArea(16, 0);
        REQUIRE(r != NULL);
        CHECK_EQ(load_signal(r), SIGSEGV);
        a = VmmAlloc(4, (addr_t)page_at(r, 6), USER_RW);
        CHECK(a == page_at(r, 6));
        CHECK_EQ(store_signal(a, 1), 0);
        CHECK_EQ(load_signal(page_at(r, 5)), SIGSEGV);
        CHECK_EQ(load_signal(page_at(r, 10)), SIGSEGV);
        CHECK(VmmFree(r) && VmmFree(page_at(r, 15)) && VmmFree(a));
        CHECK(VMM_NODE_IS_EMPTY(VmmLookupNode(0, process->vmm_top, r)));
        act_close();
}

static void test_C9_a_read_only_area_faults_when_it_is_written(void)
{
        uint8_t *at;

        act_open();
        at = VmmAlloc(1, 0, READ_ONLY);
        REQUIRE(at != NULL);
        CHECK_EQ(*at, 0);
        CHECK(store_signal(at, 1) != 0);
        CHECK_EQ(*at, 0);
        act_close();
}

static void test_C8_C11_privilege_and_caching_are_recorded(void)
{
        struct quire_info i;
        uint8_t *at;

        act_open();
        at = VmmAlloc(1, 0, VM_MEM_KERNEL | VM_MEM_READ | VM_MEM_WRITE | VM_MEM_CACHE_NONE);
        REQUIRE(at != NULL);
        CHECK((addr_t)at >= HALF);
        CHECK_EQ(quire_region_query(process->space, (addr_t)at, &i), QUIRE_OK);
        CHECK_EQ(i.attributes, QUIRE_KERNEL | QUIRE_CACHE_NONE);
        act_close();
}

static void test_C4_C12_there_are_no_physical_addresses_and_no_address_0(void)
{
        act_open();
        CHECK(VmmMap(1, 0, (void *)0xb8000, NULL, VM_AREA_MAP, USER_RW) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_ENOTIMPL);
        CHECK(VmmAlloc(1, 0, USER_RW | VM_MEM_LITERAL) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        act_close();
}

static void test_C21_page_fault_brings_the_page_in(void)
{
        uint8_t *at;

        act_open();
        at = VmmAlloc(2, 0, USER_RW);
        REQUIRE(at != NULL);
        CHECK_EQ(mobius_page_state(process, (addr_t)at), MOBIUS_PAGE_PAGEDOUT);
        CHECK(VmmPageFault(process, (addr_t)at + 5, true));
        CHECK_EQ(mobius_page_state(process, (addr_t)at), MOBIUS_PAGE_VALID_DIRTY);
        CHECK_EQ(mobius_page_state(process, (addr_t)page_at(at, 1)), MOBIUS_PAGE_PAGEDOUT);
        CHECK(!VmmPageFault(process, (addr_t)page_at(at, 2), false));
        CHECK(!VmmPageFault(process, (addr_t)act_close, false));     /* not ours */
        act_close();
}

static void test_C23_C26_a_named_area_shows_the_same_memory_elsewhere(void)
{
        enum { PAGES = 4096 };
        unsigned wrong = 0;
        vm_desc_t *desc;
        uint8_t *a, *b;

        act_open();
        a = VmmAlloc(PAGES, 0, USER_RW);
        REQUIRE(a != NULL && VmmShare(a, L"big") != NULL);
        desc = VmmOpenSharedArea(L"big");
        REQUIRE(desc != NULL);
        b = VmmMapSharedArea(desc, 0, READ_ONLY);
        mobius_area_close(desc);
        REQUIRE(b != NULL);
        for (unsigned i = 0; i < PAGES; i++)                 /* in twice the budget */
                *(uint32_t *)(void *)page_at(a, i) = i ^ 0x5a5a5a5a;
        for (unsigned i = 0; i < PAGES; i++)
                wrong += *(uint32_t *)(void *)page_at(b, i) != (i ^ 0x5a5a5a5a);
        CHECK_EQ(wrong, 0);
        CHECK(store_signal(b, 1) != 0);
        CHECK(VmmFree(a));
        CHECK_EQ(*(uint32_t *)(void *)page_at(b, 7), 7 ^ 0x5a5a5a5a);
        act_close();
}

/* --------------------------------------------------------------------------- handlers */

struct handling {
        atomic_uint calls, writes, misaligned;
        atomic_uint asked[64];
        atomic_bool refuses;
};

static bool handle_page(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        struct handling *h = cookie;
        uint64_t page = (start - node->base) / PAGE_SIZE;
        uint64_t *window = mobius_page_window(node, start);

        atomic_fetch_add(&h->calls, 1);
        atomic_fetch_add(&h->writes, is_writing);
        atomic_fetch_add(&h->misaligned, start % PAGE_SIZE != 0);
        atomic_fetch_add(&h->asked[page], 1);
        if (atomic_load(&h->refuses))
                return false;
        for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
                window[i] = page << 32 | i;
        return true;
}

static void test_C7_real_faults_reach_the_handler_once_a_page(void)
{
        struct handling h = { 0 };
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(64, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        for (unsigned i = 0; i < 32; i++)
                CHECK_EQ(*(uint64_t *)(void *)(page_at(at, i) + 8 * i), (uint64_t)i << 32 | i);
        CHECK_EQ(h.calls, 32);
        CHECK_EQ(h.writes, 0);
        at[40 * PAGE_SIZE + 9] = 1;
        CHECK_EQ(h.calls, 33);
        CHECK_EQ(h.writes, 1);
        CHECK_EQ(*(uint64_t *)(void *)(page_at(at, 40) + 16), (uint64_t)40 << 32 | 2);
        at[3 * PAGE_SIZE] = 1;                               /* present: not missing */
        CHECK_EQ(h.calls, 33);
        CHECK_EQ(h.misaligned, 0);
        act_close();
}

static void test_C7_false_reaches_the_program_as_a_signal(void)
{
        struct handling h = { .refuses = true };
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(2, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        CHECK(load_signal(at) != 0);
        CHECK_EQ(h.calls, 1);
        CHECK(store_signal(at, 1) != 0);
        CHECK_EQ(h.calls, 2);
        CHECK_EQ(h.writes, 1);
        atomic_store(&h.refuses, false);
        CHECK_EQ(load_signal(at), 0);
        CHECK_EQ(*(uint64_t *)(void *)(at + 24), 3);
        act_close();
}

struct toucher {
        uint8_t *at;
        unsigned wrong;
};

static void *touch_all(void *argument)
{
        struct toucher *t = argument;

        for (unsigned i = 0; i < 64; i++)
                t->wrong += *(volatile uint64_t *)(void *)(page_at(t->at, i) + 8) !=
                            ((uint64_t)i << 32 | 1);
        return NULL;
}

static void test_C7_threads_that_miss_one_page_ask_once(void)
{
        enum { THREADS = 4 };
        struct handling h = { 0 };
        struct toucher t[THREADS] = { { 0 } };
        pthread_t thread[THREADS];
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(64, 0, USER_RW, handle_page, &h);
        REQUIRE(at != NULL);
        for (unsigned i = 0; i < THREADS; i++) {
                t[i].at = at;
                REQUIRE(!pthread_create(&thread[i], NULL, touch_all, &t[i]));
        }
        for (unsigned i = 0; i < THREADS; i++) {
                pthread_join(thread[i], NULL);
                CHECK_EQ(t[i].wrong, 0);
        }
        CHECK_EQ(h.calls, 64);
        for (unsigned i = 0; i < 64; i++)
                CHECK_EQ(h.asked[i], 1);
        act_close();
}

/* A window on something else, which is allocated when it is first missed. */
static bool handle_by_alloc(void *cookie, vm_node_t *node, addr_t start, bool is_writing)
{
        uint8_t contents[PAGE_SIZE];
        void **allocated = cookie;

        (void)is_writing;
        memset(contents, 9, sizeof contents);
        *allocated = VmmAlloc(1, 0, USER_RW);
        return *allocated && mobius_page_fill(node, start, contents);
}

static void test_C18_a_handler_may_call_the_face(void)
{
        void *allocated = NULL;
        uint8_t *at;

        act_open();
        at = VmmAllocCallback(1, 0, USER_RW, handle_by_alloc, &allocated);
        REQUIRE(at != NULL);
        CHECK_EQ(at[100], 9);
        CHECK(allocated && VmmFree(allocated));
        act_close();
}

/* ------------------------------------------------------------------------------ files */

static int open_file(size_t pages)
{
        char path[] = "/tmp/quire-mobius.XXXXXX";
        uint8_t page[PAGE_SIZE];
        int fd = mkstemp(path);

        REQUIRE(fd >= 0);
        unlink(path);
        for (size_t i = 0; i < pages; i++) {
                memset(page, (int)(i % 251 + 1), sizeof page);
                REQUIRE(pwrite(fd, page, sizeof page, (off_t)(i * PAGE_SIZE)) == PAGE_SIZE);
        }
        return fd;
}

static uint8_t byte_in(int fd, size_t at)
{
        uint8_t byte = 0;

        CHECK(pread(fd, &byte, 1, (off_t)at) == 1);
        return byte;
}

static void test_C5_C24_a_file_larger_than_memory(void)
{
        enum { PAGES = 4096 };
        int fd = open_file(PAGES);
        file_handle_t *file;
        unsigned wrong = 0;
        uint8_t *at;

        act_open();
        file = mobius_file_of(quire, fd, true);
        REQUIRE(file != NULL);
        at = VmmMapFile(file, 0, PAGES, USER_RW | VM_MEM_ZERO);
        mobius_file_close(file);                             /* the area has it */
        REQUIRE(at != NULL);
        for (unsigned i = 0; i < PAGES; i++)
                wrong += page_at(at, i)[i] != i % 251 + 1;
        CHECK_EQ(wrong, 0);
        for (unsigned i = 0; i < PAGES; i += 3)
                page_at(at, i)[7] = 0xfd;
        CHECK(mobius_area_flush(at));
        CHECK_EQ(byte_in(fd, 3 * PAGE_SIZE + 7), 0xfd);
        page_at(at, 1)[7] = 0xfc;
        CHECK(VmmFree(at));
        for (unsigned i = 0; i < PAGES; i++)
                wrong += byte_in(fd, (size_t)i * PAGE_SIZE + 7) !=
                         (i == 1 ? 0xfc : i % 3 ? i % 251 + 1 : 0xfd);
        CHECK_EQ(wrong, 0);
        act_close();
        close(fd);
}

static void test_C5_a_truncated_file_is_a_fault_and_no_end(void)
{
        int fd = open_file(4);
        file_handle_t *file;
        uint8_t *at;

        act_open();
        file = mobius_file_of(quire, fd, true);
        REQUIRE(file != NULL);
        at = VmmMapFile(file, 0, 4, USER_RW);
        REQUIRE(at != NULL);
        CHECK_EQ(*at, 1);
        REQUIRE(!ftruncate(fd, PAGE_SIZE));
        CHECK(load_signal(page_at(at, 3)) != 0);
        CHECK(!VmmPageFault(process, (addr_t)page_at(at, 3), false));
        CHECK_EQ(mobius_page_state(process, (addr_t)page_at(at, 3)), MOBIUS_PAGE_READFAILED);
        REQUIRE(!ftruncate(fd, 4 * PAGE_SIZE));
        CHECK_EQ(*page_at(at, 3), 0);
        CHECK(mobius_file_of(quire, -1, false) == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EINVALID);
        mobius_file_close(file);
        act_close();
        close(fd);
}

/* -------------------------------------------------------------------- two processes */

/* What the peer is asked, on a socket: a letter and a number, which it answers. */
struct question {
        char what;
        uint64_t number;
};

static uint8_t *peer_at;

static uint64_t answer_question(struct question q)
{
        vm_desc_t *desc;

        switch (q.what) {
        case 'o':                                            /* open and map; the error */
                do                                           /* (its holder may be slow) */
                        desc = VmmOpenSharedArea(L"mobius test");
                while (!desc && mobius_error() == MOBIUS_EBUSY);
                if (!desc)
                        return (uint64_t)mobius_error();
                peer_at = VmmMapSharedArea(desc, 0, USER_RW);
                mobius_area_close(desc);
                return peer_at ? desc->num_pages << 8 : 255;
        case 'r':
                return peer_at[q.number];
        case 'w':
                peer_at[q.number] = (uint8_t)(q.number + 1);
                return 0;
        default:
                return VmmFree(peer_at);
        }
}

/* A process of its own, that opened Quire itself. */
static _Noreturn void be_peer(int socket)
{
        const struct quire_process_options options = { .memory = BUDGET, .tier_percent = 255 };
        struct question q;
        process_t *p;

        if (quire_process_open(&options, &quire) != QUIRE_OK)
                _exit(1);
        p = mobius_process_shared(quire);
        mobius_process_enter(p);
        while (read(socket, &q, sizeof q) == sizeof q) {
                uint64_t answer = answer_question(q);

                if (write(socket, &answer, sizeof answer) != sizeof answer)
                        _exit(2);
        }
        _exit(mobius_process_close(p) ? 0 : 3);
}

static uint64_t ask(int socket, char what, uint64_t number)
{
        struct question q = { .what = what, .number = number };
        uint64_t answer = UINT64_MAX;

        CHECK(write(socket, &q, sizeof q) == sizeof q);
        CHECK(read(socket, &answer, sizeof answer) == sizeof answer);
        return answer;
}

/* (A moment after the last who had the area.) */
static bool is_name_gone(int socket)
{
        bool gone = ask(socket, 'o', 0) == MOBIUS_ENOTFOUND;

        if (!gone)
                ask(socket, 'f', 0);
        return gone;
}

/* Nothing was left there but, perhaps, the empty directory of names. */
static bool remove_names(const char *directory)
{
        char names[64];

        (void)snprintf(names, sizeof names, "%s/quire", directory);
        rmdir(names);
        return !rmdir(directory);
}

static void test_C23_C26_a_named_area_in_another_process(void)
{
        char directory[] = "/tmp/quire-mobius-names.XXXXXX";
        int pair[2], status = -1;
        uint8_t *at;
        pid_t peer;

        REQUIRE(mkdtemp(directory) != NULL && !setenv("XDG_RUNTIME_DIR", directory, 1));
        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        peer = fork();                                       /* before there is a Quire here */
        REQUIRE(peer >= 0);
        if (!peer) {
                close(pair[0]);
                be_peer(pair[1]);
        }
        close(pair[1]);
        act_open_as(mobius_process_shared);
        CHECK_EQ(ask(pair[0], 'o', 0), MOBIUS_ENOTFOUND);
        at = VmmAlloc(16, 0, USER_RW);
        REQUIRE(at != NULL && VmmShare(at, L"mobius test") != NULL);
        at[3 * PAGE_SIZE] = 42;
        CHECK_EQ(ask(pair[0], 'o', 0), 16 << 8);
        CHECK_EQ(ask(pair[0], 'r', 3 * PAGE_SIZE), 42);
        CHECK_EQ(ask(pair[0], 'r', 5 * PAGE_SIZE), 0);
        CHECK_EQ(ask(pair[0], 'w', 5 * PAGE_SIZE + 7), 0);   /* a frame of its making ... */
        CHECK_EQ(at[5 * PAGE_SIZE + 7], 8);                  /* ... is ours, too */
        at[5 * PAGE_SIZE + 7] = 9;
        CHECK_EQ(ask(pair[0], 'r', 5 * PAGE_SIZE + 7), 9);
        CHECK(VmmShare(VmmAlloc(1, 0, USER_RW), L"mobius test") == NULL);
        CHECK_EQ(mobius_error(), MOBIUS_EEXIST);
        CHECK(VmmFree(at));
        CHECK_EQ(ask(pair[0], 'r', 3 * PAGE_SIZE), 42);      /* the area survives */
        CHECK_EQ(ask(pair[0], 'f', 0), true);
        CHECK(BECOMES(is_name_gone(pair[0])));               /* and its name went with it */
        close(pair[0]);
        CHECK(waitpid(peer, &status, 0) == peer && status == 0);
        act_close();
        CHECK(BECOMES(remove_names(directory)));
}

/* ---------------------------------------------------------------------------- threads */

enum { ACTORS = 4, STEPS = 300 };

static vm_desc_t *common;
static atomic_uint wrong_bytes, denied_calls;

/* Two pages of every kind, used and freed. */
static void use_area(unsigned kind)
{
        struct handling h = { 0 };
        uint8_t *at = kind == 0 ? VmmAlloc(2, 0, USER_RW) :
                      kind == 1 ? VmmAllocCallback(2, 0, USER_RW, handle_page, &h) :
                      kind == 2 ? VmmMapSharedArea(common, 0, READ_ONLY) : VmmReserveArea(2, 0);

        atomic_fetch_add(&denied_calls, !at);
        if (!at)
                return;
        if (kind == 0) {
                at[PAGE_SIZE] = 200;
                atomic_fetch_add(&wrong_bytes, at[0] != 0 || at[PAGE_SIZE] != 200);
        } else if (kind == 1) {
                atomic_fetch_add(&wrong_bytes, *(uint64_t *)(void *)(at + PAGE_SIZE + 40) !=
                                                       ((uint64_t)1 << 32 | 5));
                atomic_fetch_add(&wrong_bytes, atomic_load(&h.calls) != 1);
        } else if (kind == 2) {
                atomic_fetch_add(&wrong_bytes, at[PAGE_SIZE] != 123);
        }
        atomic_fetch_add(&denied_calls, VmmPageFault(process, (addr_t)at, false) != (kind != 3));
        atomic_fetch_add(&denied_calls, !VmmFree(at + 5000));
}

static void *act_randomly(void *argument)
{
        uint64_t state = (uintptr_t)argument;

        mobius_process_enter(process);
        for (unsigned i = 0; i < STEPS; i++)
                use_area((unsigned)(test_random(&state) % 4));
        return NULL;
}

static void test_C2_C7_C23_threads_at_everything_at_once(void)
{
        pthread_t thread[ACTORS];
        uint8_t *at;

        act_open();
        at = VmmAlloc(2, 0, USER_RW);
        REQUIRE(at != NULL);
        at[PAGE_SIZE] = 123;
        common = VmmLookupNode(0, process->vmm_top, at)->u.desc;
        for (uintptr_t i = 0; i < ACTORS; i++)
                REQUIRE(!pthread_create(&thread[i], NULL, act_randomly, (void *)(i + 1)));
        for (unsigned i = 0; i < ACTORS; i++)
                pthread_join(thread[i], NULL);
        CHECK_EQ(wrong_bytes, 0);
        CHECK_EQ(denied_calls, 0);
        CHECK_EQ(common->nodes, 1);
        CHECK(VmmFree(at));
        CHECK(VMM_NODE_IS_EMPTY(process->vmm_top));          /* one node, and that empty */
        CHECK(!process->vmm_top->left && !process->vmm_top->right);
        act_close();
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_C2_C7_C23_threads_at_everything_at_once);
        RUN(test_C3_a_normal_area_larger_than_memory);
        RUN(test_C4_C12_there_are_no_physical_addresses_and_no_address_0);
        RUN(test_C5_C24_a_file_larger_than_memory);
        RUN(test_C5_a_truncated_file_is_a_fault_and_no_end);
        RUN(test_C7_real_faults_reach_the_handler_once_a_page);
        RUN(test_C7_false_reaches_the_program_as_a_signal);
        RUN(test_C7_threads_that_miss_one_page_ask_once);
        RUN(test_C8_C11_privilege_and_caching_are_recorded);
        RUN(test_C9_a_read_only_area_faults_when_it_is_written);
        RUN(test_C13_reserved_and_empty_memory_faults);
        RUN(test_C18_a_handler_may_call_the_face);
        RUN(test_C21_page_fault_brings_the_page_in);
        RUN(test_C23_C26_a_named_area_in_another_process);
        RUN(test_C23_C26_a_named_area_shows_the_same_memory_elsewhere);
        return test_end();
}
