/*
 * miscount_test.c - a kernel that moves more pages than it says.
 *
 * UFFDIO_MOVE of Linux 6.18, having met a page that it must try again, goes on
 * without counting, finds a page at the destination that it has put there itself,
 * and answers EEXIST (descriptor.c).  That depends on what another processor does
 * in a few instructions; here it is played: each MOVE of a thread, and of the handler
 * threads that it has started, goes to a supervisor in another one (seccomp), which
 * moves all of it and says so of a part.
 *
 * Inline not under ThreadSanitizer, which keeps back the signals that faults are.
 */
#include "inline.h"
#include "test.h"
#include "uffd.h"
#include "quire/process.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PG ((uint64_t)4096)
#define MEMORY ((uint64_t)8 << 20)
#define PAGES (3 * MEMORY / PG)
#define ROUNDS 4u
#define LIMIT 100                /* seconds: a page that is lost is faulted for ever */

static atomic_int listener = -1;         /* of the worker's filter; -2: there is none */
static atomic_bool over;
static _Atomic uint64_t base;            /* of the region; 0: there is none yet */
static enum quire_faults faults;
static unsigned hidden, shown;           /* pages moved from there and to there, not counted */

/* ------------------------------------------------------------- the supervisor */

static bool in_region(uint64_t va)
{
        return va - atomic_load(&base) < PAGES * PG;
}

/* Do all that was asked, and say what a miscounting kernel would have.  (As with the kernel,
 * the sanitizer does not see it read and write the caller's words.) */
__attribute__((noinline, no_sanitize("thread")))
static int32_t play(struct uffdio_move *asked, int fd)
{
        static uint64_t turn;
        struct uffdio_move m = *asked;
        uint64_t pages = m.len / PG, counted = turn++ % (pages + 1);

        m.move = 0;
        if (ioctl(fd, UFFDIO_MOVE, &m)) {
                asked->move = m.move;
                return -errno;
        }
        *(in_region(m.dst) ? &shown : &hidden) += (unsigned)(pages - counted);
        asked->move = counted ? (int64_t)(counted * PG) : -EEXIST;
        if (counted == pages)
                return 0;
        return counted ? -EAGAIN : -EEXIST;
}

static void answer(int fd)
{
        struct seccomp_notif asked;
        struct seccomp_notif_resp said = { 0 };

        memset(&asked, 0, sizeof(asked));
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked))
                return;
        said.id = asked.id;
        said.error = play((struct uffdio_move *)(uintptr_t)asked.data.args[2],
                          (int)asked.data.args[0]);
        /* A completion of the ring may have called the thread away: it asks again, and has
         * not been told of any page. */
        CHECK(!ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &said) || errno == ENOENT);
}

static void supervise(void)
{
        int fd;

        while ((fd = atomic_load(&listener)) == -1)
                usleep(1000);
        while (fd >= 0 && !atomic_load(&over)) {
                struct pollfd p = { .fd = fd, .events = POLLIN };

                if (poll(&p, 1, 10) == 1)
                        answer(fd);
        }
        if (fd >= 0)
                close(fd);
}

/* ----------------------------------------------------------------- the worker */

/* From here on the MOVEs of this thread and of those that it starts are the supervisor's. */
static int install_filter(void)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)UFFDIO_MOVE, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                return -2;
        long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                          &program);
        return fd < 0 ? -2 : (int)fd;
}

/* Every other page can be compressed, so that runs come back from the tier. */
static uint64_t value_of(uint64_t page, uint64_t word, uint64_t round)
{
        uint64_t state = page << 32 ^ word << 8 ^ round;

        return page / 32 % 2 ? test_random(&state) : word % 16 ? page : page + round;
}

static unsigned pass(uint64_t round, bool checks)
{
        volatile uint64_t *word = (uint64_t *)(uintptr_t)atomic_load(&base);
        unsigned bad = 0;

        for (uint64_t page = 0; page < PAGES; page++)
                for (uint64_t w = 0; w < 512; w++) {
                        if (checks && word[page * 512 + w] != value_of(page, w, round - 1))
                                bad++;
                        word[page * 512 + w] = value_of(page, w, round);
                }
        return bad;
}

static void *work(void *nothing)
{
        struct quire_process_options o = { .memory = MEMORY, .faults = faults };
        struct quire_request r = { .bytes = PAGES * PG, .kind = QUIRE_PAGED };
        struct quire_process *p = NULL;
        unsigned bad = 0;
        uint64_t va;

        int fd = install_filter();
        atomic_store(&listener, fd);
        REQUIRE(!quire_process_open(&o, &p));
        REQUIRE(!quire_region_reserve(quire_process_space(p), &r, &va));
        atomic_store(&base, va);
        REQUIRE(!quire_region_commit(quire_process_space(p), va, r.bytes, QUIRE_R | QUIRE_W));
        for (uint64_t round = 0; fd >= 0 && round < ROUNDS; round++)
                bad += pass(round, round > 0);
        CHECK_EQ(bad, 0);
        quire_system_audit(quire_process_system(p));
        quire_process_close(p);
        atomic_store(&over, true);
        return nothing;
}

static bool can_move(void)
{
        struct quire_ability list[32];
        unsigned n = quire_process_probe(list, 32);

        for (unsigned i = 0; i < n && i < 32; i++)
                if (!strcmp(list[i].name, "move"))
                        return list[i].present;
        return false;
}

static void find_what_was_moved_unsaid(enum quire_faults how)
{
        pthread_t thread;

        if (!can_move()) {
                SKIP("needs a kernel that moves pages");
                return;
        }
        faults = how;
        hidden = shown = 0;
        atomic_store(&listener, -1);
        atomic_store(&over, false);
        atomic_store(&base, 0);
        alarm(LIMIT);
        REQUIRE(!pthread_create(&thread, NULL, work, NULL));
        supervise();
        REQUIRE(!pthread_join(thread, NULL));
        alarm(0);
        if (atomic_load(&listener) < 0) {
                SKIP("needs seccomp with a supervisor");
                return;
        }
        CHECK(hidden > 100);
        CHECK(shown > 100);
}

static void pages_that_were_moved_unsaid_are_found(void)
{
        if (can_inline())
                find_what_was_moved_unsaid(QUIRE_FAULTS_INLINE);
        else
                SKIP("needs faults inline");
}

/* They must not copy from a page that was moved: they would wait for themselves. */
static void pages_that_were_moved_unsaid_are_found_by_handler_threads(void)
{
        find_what_was_moved_unsaid(QUIRE_FAULTS_THREAD);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(pages_that_were_moved_unsaid_are_found);
        RUN(pages_that_were_moved_unsaid_are_found_by_handler_threads);
        return test_end();
}
