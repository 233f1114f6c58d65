/*
 * torture_test.c - eight threads fault, evict, protect, guard, watch, discard,
 * decommit, lock, hold and fork at once, in a budget of an eighth of the data,
 * in this process with real memory; every byte is accounted for.
 *
 * Every page has a record in ordinary memory: a lock, the version that it was
 * last filled with, and what its protection is.  A thread that changes a page or
 * looks at one holds its lock; pages of a range are locked in ascending order.
 * What goes on beside them (eviction, prefetch, others' pages) takes no locks.
 *
 * Arguments: torture.h.
 */
#include "../test.h"
#include "torture.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/prctl.h>

enum {
        PAGE = 4096, WORDS = PAGE / 8, THREADS = 8, BUDGET = 1152,
        PAGES = 8 * BUDGET,          /* of data: the first half watched, the second not */
        RUN = 12,                    /* pages of a range */
};

struct record {
        pthread_mutex_t lock;
        uint64_t version;            /* 0: zeroes */
        uint8_t access;              /* of a committed page */
        bool committed, guard, written;
};

static struct record records[PAGES];
static struct quire_process *process;
static struct quire_space *space;
static uint64_t base[2];                     /* the two regions */
static atomic_bool stop;
static atomic_uint_fast64_t fills, looks, denials, changes, resets, forks, transfers;
static atomic_int last_why;
static pthread_rwlock_t quiet =               /* written: nobody works */
        PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static _Thread_local sigjmp_buf *volatile way_out;
static int pipe_ends[2];

static uint64_t address(uint64_t i)
{
        return base[i / (PAGES / 2)] + i % (PAGES / 2) * PAGE;
}

static uint64_t word_of(uint64_t i, uint64_t version, uint64_t k)
{
        uint64_t soft = version % 3 == 0 ? k >> 5 : k;       /* some pages compress */

        return version ? (i + 1) * 0x9e3779b97f4a7c15u ^ version * 0xbf58476d1ce4e5b9u ^ soft : 0;
}

/* -------------------------------------------------------------------- accesses */

static void give_up_access(int sig, siginfo_t *info, void *context)
{
        (void)context;
        if (way_out)
                siglongjmp(*way_out, 1);
        dprintf(2, "signal %d at %p, code %d\n", sig, info->si_addr, info->si_code);
        signal(sig, SIG_DFL);
}

static void take_signals(void)
{
        struct sigaction action = { .sa_sigaction = give_up_access, .sa_flags = SA_SIGINFO };

        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
}

__attribute__((no_sanitize("address", "undefined")))
static void fill_words(uint64_t i, uint64_t version)
{
        volatile uint64_t *at = (uint64_t *)(uintptr_t)address(i);

        for (uint64_t k = 0; k < WORDS; k++)
                at[k] = word_of(i, version, k);
}

/* The first word that differs, or WORDS. */
__attribute__((no_sanitize("address", "undefined")))
static uint64_t compare_words(uint64_t i, uint64_t version)
{
        const volatile uint64_t *at = (uint64_t *)(uintptr_t)address(i);
        uint64_t k = 0;

        while (k < WORDS && at[k] == word_of(i, version, k))
                k++;
        return k;
}

/* => the page is locked.  True: let through. */
static bool fill(uint64_t i, uint64_t version)
{
        sigjmp_buf out;
        bool done = false;

        if (!sigsetjmp(out, 1)) {
                way_out = &out;
                fill_words(i, version);
                done = true;
        }
        way_out = NULL;
        return done;
}

static bool look(uint64_t i, uint64_t version)
{
        sigjmp_buf out;
        volatile bool done = false;
        volatile uint64_t k = WORDS;

        if (!sigsetjmp(out, 1)) {
                way_out = &out;
                k = compare_words(i, version);
                done = true;
        }
        way_out = NULL;
        if (done && k < WORDS) {
                fprintf(stderr, "page %lu, version %lu: word %lu is wrong\n", (unsigned long)i,
                        (unsigned long)version, (unsigned long)k);
                abort();
        }
        return done;
}

static void print_counters(void)
{
        struct quire_counters c;

        quire_system_counters(quire_process_system(process), &c);
        fprintf(stderr, "committed %lu, resident %lu, locked %lu, tier %lu pages in %lu, in files "
                "%lu, written %lu, I/O errors %lu\n", (unsigned long)c.committed,
                (unsigned long)c.resident, (unsigned long)c.locked, (unsigned long)c.tier_pages,
                (unsigned long)c.tier_frames, (unsigned long)c.file_pages,
                (unsigned long)c.pages_out, (unsigned long)c.io_errors);
}

/* What its record says happens; a guard mark alarms, and is gone. */
static void access_page(uint64_t i, bool write)
{
        struct record *r = &records[i];
        bool may = r->committed && !r->guard &&
                   (r->access & (write ? QUIRE_W : QUIRE_R));
        bool did = write ? fill(i, r->version + 1) : look(i, r->version);

        if (did != may) {
                fprintf(stderr, "page %lu: %s was %s; committed %d, access %u, guard %d; the last "
                        "denial was for: %s\n", (unsigned long)i, write ? "a write" : "a read",
                        did ? "let through" : "denied", r->committed, r->access, r->guard,
                        quire_reason_name((enum quire_reason)atomic_load(&last_why)));
                print_counters();
                abort();
        }
        if (did && write) {
                r->version++;
                r->written = true;
        }
        if (!did) {
                atomic_fetch_add(&denials, 1);
                r->guard = false;
        }
        atomic_fetch_add(write ? &fills : &looks, 1);
}

/* ------------------------------------------------------------------ operations */

static void lock_run(uint64_t first, uint64_t n)
{
        for (uint64_t i = first; i < first + n; i++)
                pthread_mutex_lock(&records[i].lock);
}

static void unlock_run(uint64_t first, uint64_t n)
{
        for (uint64_t i = first; i < first + n; i++)
                pthread_mutex_unlock(&records[i].lock);
}

static void forget(uint64_t i)
{
        records[i].version = 0;
        records[i].guard = false;
}

static void protect_run(uint64_t first, uint64_t n, unsigned access)
{
        enum quire_status st = quire_region_protect(space, address(first), n * PAGE, access, NULL);
        bool all = true;

        for (uint64_t i = first; i < first + n; i++)
                all = all && records[i].committed;
        expect(st, all ? QUIRE_OK : QUIRE_NOT_PRESENT, "protect");
        for (uint64_t i = first; all && i < first + n; i++) {
                records[i].access = (uint8_t)access;
                records[i].guard = false;
        }
}

static void guard_run(uint64_t first, uint64_t n)
{
        enum quire_status st = quire_region_guard(space, address(first), n * PAGE);

        if (st != QUIRE_OK)
                expect(st, QUIRE_NOT_PRESENT, "guard");
        for (uint64_t i = first; st == QUIRE_OK && i < first + n; i++)
                records[i].guard = true;
}

static void decommit_run(uint64_t first, uint64_t n)
{
        expect(quire_region_decommit(space, address(first), n * PAGE), QUIRE_OK, "decommit");
        for (uint64_t i = first; i < first + n; i++) {
                forget(i);
                records[i].committed = false;
        }
}

static void commit_run(uint64_t first, uint64_t n)
{
        expect(quire_region_commit(space, address(first), n * PAGE, QUIRE_R | QUIRE_W), QUIRE_OK,
               "commit");
        for (uint64_t i = first; i < first + n; i++) {
                records[i].committed = true;
                records[i].guard = false;
                records[i].access = QUIRE_R | QUIRE_W;
        }
}

static void discard_run(uint64_t first, uint64_t n)
{
        expect(quire_region_discard(space, address(first), n * PAGE), QUIRE_OK, "discard");
        for (uint64_t i = first; i < first + n; i++)
                records[i].version = 0;
}

/* The pages written since the last time are just those that were (no lost update). */
static void watch_run(uint64_t first, uint64_t n)
{
        uint64_t out[RUN], count = RUN, k = 0;

        if (first >= PAGES / 2)
                return;
        expect(quire_watch_get(space, address(first), n * PAGE, true, out, &count), QUIRE_OK,
               "watch get");
        for (uint64_t i = first; i < first + n; i++) {
                bool told = k < count && out[k] == address(i);

                k += told;
                if (told != records[i].written) {
                        fprintf(stderr, "page %lu: written %d, watch says %d\n",
                                (unsigned long)i, records[i].written, told);
                        abort();
                }
                records[i].written = false;
        }
        if (k != count)
                abort();
        atomic_fetch_add(&resets, 1);
}

/* The kernel writes into held pages, through a pipe that is filled from others. */
static void transfer(uint64_t i)
{
        static pthread_mutex_t pipe_lock = PTHREAD_MUTEX_INITIALIZER;
        struct record *r = &records[i];
        uint64_t words[WORDS], held = 0;

        if (!r->committed || r->guard || !(r->access & QUIRE_W) ||
            quire_region_hold(space, address(i), PAGE, QUIRE_W, &held) != QUIRE_OK)
                return;
        for (uint64_t k = 0; k < WORDS; k++)
                words[k] = word_of(i, r->version + 1, k);
        pthread_mutex_lock(&pipe_lock);
        if (write(pipe_ends[1], words, PAGE) != PAGE ||
            read(pipe_ends[0], (void *)(uintptr_t)address(i), PAGE) != PAGE) {
                fprintf(stderr, "page %lu: a transfer to a held page: %s\n", (unsigned long)i,
                        strerror(errno));
                abort();
        }
        pthread_mutex_unlock(&pipe_lock);
        quire_region_unhold(space, address(i), PAGE);
        r->version++;
        r->written = true;
        atomic_fetch_add(&transfers, 1);
}

/* Locks are few enough to be granted, and short. */
static void lock_pages(uint64_t first, uint64_t n)
{
        enum quire_status st = quire_region_lock(space, address(first), n * PAGE);

        if (st == QUIRE_OK)
                expect(quire_region_unlock(space, address(first), n * PAGE), QUIRE_OK, "unlock");
        for (uint64_t i = first; st != QUIRE_OK && i < first + n; i++) {
                struct quire_info info;

                expect(quire_region_query(space, address(i), &info), QUIRE_OK, "query");
                records[i].guard = info.guarded;     /* the first mark alarmed */
        }
}

/* ------------------------------------------------------------------------ fork */

/* The child sees every page as it was.  Returns its exit status. */
static int look_in_child(void)
{
        for (uint64_t i = 0; i < PAGES; i++) {
                struct record *r = &records[i];

                if (r->committed && !r->guard && r->access & QUIRE_R && !look(i, r->version))
                        return 1;
                if (r->committed && !r->guard && r->access & QUIRE_W && i % 5 == 0 &&
                    (!fill(i, r->version + 7) || !look(i, r->version + 7)))
                        return 2;
        }
        return 0;
}

/* Forked while the others worked, the child has pages newer or older than their
 * records by an operation or two, but no page that never was. */
__attribute__((no_sanitize("address", "undefined")))
static bool is_plausible(uint64_t i, uint64_t version)
{
        const volatile uint64_t *at = (uint64_t *)(uintptr_t)address(i);
        sigjmp_buf out;

        if (sigsetjmp(out, 1)) {
                way_out = NULL;
                return true;
        }
        way_out = &out;
        for (uint64_t k = 0; k < WORDS; k++) {
                uint64_t word = at[k], v = version ? version - 1 : 0;

                while (v < version + 4 && word != word_of(i, v, k))
                        v++;
                if (v == version + 4 && word)
                        return false;
        }
        way_out = NULL;
        return true;
}

static int look_roughly(void)
{
        for (uint64_t i = 0; i < PAGES; i++)
                if (!pthread_mutex_trylock(&records[i].lock) &&
                    !is_plausible(i, records[i].version))
                        return 4;
        return 0;
}

static void fork_once(bool quietly)
{
        int status = 0;
        pid_t pid;

        if (quietly)
                pthread_rwlock_wrlock(&quiet);
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(quietly ? look_in_child() : look_roughly());
        }
        if (quietly)
                pthread_rwlock_unlock(&quiet);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
                fprintf(stderr, "the child of a fork ended with status %#x\n", (unsigned)status);
                abort();
        }
        atomic_fetch_add(&forks, 1);
}

/* --------------------------------------------------------------------- threads */

static void act(uint64_t *random)
{
        uint64_t first = test_random(random) % PAGES, n = 1 + test_random(random) % RUN;
        uint64_t half = (first / (PAGES / 2) + 1) * (PAGES / 2), what = test_random(random) % 100;

        if (what < 70)
                n = 1 + n % 3;
        if (first + n > half)
                n = half - first;
        if (what >= 95) {                    /* without locks: it changes nothing */
                expect(quire_region_advise(space, address(first), n * PAGE,
                                           (enum quire_advice)(what - 95)), QUIRE_OK, "advise");
                return;
        }
        lock_run(first, n);
        for (uint64_t i = first; what < 70 && i < first + n; i++)
                access_page(i, what < 35);
        atomic_fetch_add(&changes, what >= 70);
        if (what >= 70 && what < 76)
                protect_run(first, n, what < 74 ? QUIRE_R | QUIRE_W : what < 75 ? QUIRE_R : 0);
        else if (what == 76)
                guard_run(first, n);
        else if (what >= 77 && what < 79)
                decommit_run(first, n);
        else if (what >= 79 && what < 87)
                commit_run(first, n);
        else if (what == 87)
                discard_run(first, n);
        else if (what >= 88 && what < 91)
                watch_run(first, n);
        else if (what >= 91 && what < 93)
                transfer(first);
        else if (what >= 93)
                lock_pages(first, n);
        unlock_run(first, n);
}

static void *work(void *argument)
{
        uint64_t random = asked.seed * 31 + (uint64_t)(uintptr_t)argument;

        while (!atomic_load(&stop)) {
                pthread_rwlock_rdlock(&quiet);
                act(&random);
                pthread_rwlock_unlock(&quiet);
        }
        return NULL;
}

/* A busy computer may leave us little of the time. */
static bool enough_happened(void)
{
        return fills > 100 && looks > 100 && denials > 10 && resets > 10 && forks > 0;
}

static void work_for(uint64_t milliseconds)
{
        pthread_t threads[THREADS];
        struct timespec now, end;

        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += (time_t)(milliseconds / 1000);
        end.tv_nsec += (long)(milliseconds % 1000 * 1000000);
        for (uint64_t t = 0; t < THREADS; t++)
                REQUIRE(!pthread_create(&threads[t], NULL, work, (void *)(uintptr_t)(t + 1)));
        do {
                fork_once(forks % 2);
                clock_gettime(CLOCK_MONOTONIC, &now);
        } while (!enough_happened() || now.tv_sec < end.tv_sec ||
                 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
        atomic_store(&stop, true);
        for (unsigned t = 0; t < THREADS; t++)
                pthread_join(threads[t], NULL);
}

/* ----------------------------------------------------------------------- phases */

static enum quire_verdict note_denied(void *context, struct quire_space *s, uint64_t va,
                                      unsigned access, enum quire_reason why)
{
        (void)context;
        (void)s;
        (void)va;
        (void)access;
        atomic_store(&last_why, (int)why);
        return QUIRE_DENY;
}

static bool open_process(const char *faults)
{
        const struct quire_process_options options = {
                .memory = BUDGET * PAGE, .pagefile_size = 4ul * PAGES * PAGE,
                .commit_limit = 2ul * PAGES * PAGE,
        };
        struct quire_request q = { .bytes = PAGES / 2 * PAGE, .flags = QUIRE_WATCHED };

        take_signals();
        if (!torture_open(faults, options, &process))
                return false;
        space = quire_process_space(process);
        quire_space_on_denied(space, note_denied, NULL);
        expect(quire_region_reserve(space, &q, &base[0]), QUIRE_OK, "reserve");
        q.flags = 0;
        expect(quire_region_reserve(space, &q, &base[1]), QUIRE_OK, "reserve");
        return true;
}

static void run_phase(const char *faults, uint64_t milliseconds)
{
        struct quire_counters c;

        if (!open_process(faults))
                return;
        REQUIRE(!pipe(pipe_ends));
        for (uint64_t i = 0; i < PAGES; i++)
                pthread_mutex_init(&records[i].lock, NULL);
        for (uint64_t i = 0; i < PAGES; i += PAGES / 8)
                commit_run(i, PAGES / 8);
        work_for(milliseconds);
        for (uint64_t i = 0; i < PAGES; i++)
                if (records[i].committed && !records[i].guard && records[i].access)
                        CHECK(look(i, records[i].version));
        quire_system_audit(quire_process_system(process));
        quire_system_counters(quire_process_system(process), &c);
        CHECK(c.resident + c.tier_frames <= BUDGET);
        CHECK_EQ(c.locked, 0);
        CHECK_EQ(c.broken, 0);
        CHECK_EQ(c.io_errors, 0);
        printf("    uid %d, faults %s: %lu fills, %lu looks, %lu denied, %lu changes, %lu watch "
               "resets,\n    %lu transfers, %lu forks; %lu pages evicted, %lu written, %lu read\n",
               (int)getuid(), faults, (unsigned long)fills, (unsigned long)looks,
               (unsigned long)denials, (unsigned long)changes, (unsigned long)resets,
               (unsigned long)transfers, (unsigned long)forks, (unsigned long)c.evicted,
               (unsigned long)c.pages_out, (unsigned long)c.pages_in);
        CHECK(enough_happened());
        quire_process_close(process);
}

static void test_torture(void)
{
        torture_phases(run_phase);
}

int main(int argc, char **argv)
{
        torture_begin(argc, argv, 8);
        RUN(test_torture);
        return test_end();
}
