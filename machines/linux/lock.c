/*
 * lock.c - the one kind of lock of this machine; and waiting for threads to begin.
 *
 * A futex word, and the rule that who holds it can not be interrupted: a
 * signal handler of the program may touch paged memory, which enters the core
 * and takes the very lock its own thread holds.  take() therefore blocks every
 * signal first, and drop() puts the mask back last.  A thread whose signals are
 * blocked anyway (our own handlers, the handler threads, a caller between
 * quire_linux_enter_masked and _leave_masked, a holder of another of these
 * locks) says so in a thread-local count, and pays no system call.
 *
 * Signal context: yes.  The thread-local count is of the initial-exec kind, so
 * that reaching it never allocates.
 *
 * Invariants
 *   K1  word is 0 exactly while nobody holds the lock.
 *   K2  Locks are dropped in the reverse order of taking; the count is the
 *       number of reasons why this thread's signals are blocked.
 */
#include "internal.h"
#include "sys.h"

#define SPINS 60

static __thread unsigned masked __attribute__((tls_model("initial-exec")));

void quire_mask_enter(void)
{
        masked++;
}

void quire_mask_leave(void)
{
        masked--;
}

static bool try_word(uint32_t *word)
{
        uint32_t free = 0;

        return __atomic_compare_exchange_n(word, &free, 1, false, __ATOMIC_ACQUIRE,
                                           __ATOMIC_RELAXED);
}

static void wait_word(uint32_t *word)
{
        for (unsigned i = 0; i < SPINS; i++) {
                __builtin_ia32_pause();
                if (!__atomic_load_n(word, __ATOMIC_RELAXED) && try_word(word))
                        return;
        }
        while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE))
                (void)sys_futex_wait(word, 2);
}

/* Block signals if nobody has yet; true: they are to be put back from *old. */
static bool block_signals(uint64_t *old)
{
        uint64_t all = ~(uint64_t)0;
        bool block = !masked++;

        if (block)
                (void)sys_sigmask(0 /* SIG_BLOCK */, &all, old);
        return block;
}

static void restore_signals(bool blocked, const uint64_t *old)
{
        masked--;
        if (blocked)
                (void)sys_sigmask(2 /* SIG_SETMASK */, old, NULL);
}

void quire_lock_take(struct quire_lock *lock)
{
        uint64_t old = 0;
        bool blocked = block_signals(&old);

        if (!try_word(&lock->word))
                wait_word(&lock->word);
        lock->blocked = blocked;
        lock->mask = old;
}

bool quire_lock_try(struct quire_lock *lock)
{
        uint64_t old = 0;
        bool blocked = block_signals(&old);

        if (!try_word(&lock->word)) {
                restore_signals(blocked, &old);
                return false;
        }
        lock->blocked = blocked;
        lock->mask = old;
        return true;
}

void quire_lock_drop(struct quire_lock *lock)
{
        bool blocked = lock->blocked;
        uint64_t mask = lock->mask;

        if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
                (void)sys_futex_wake(&lock->word, 1);
        restore_signals(blocked, &mask);
}

/* ------------------------------------------------------------ threads that begin */

/*
 * A child of fork has nobody to let go of what another thread held, and what a C library
 * or a sanitizer does for a new thread (it allocates) may hold something.  So whoever
 * starts threads waits until each of them has said that this is over.
 */

/* (The count may be gone when it is woken: then nobody is.) */
uint32_t quire_thread_begun(uint32_t *begun)
{
        uint32_t before = __atomic_fetch_add(begun, 1, __ATOMIC_ACQ_REL);

        (void)sys_futex_wake(begun, 1);
        return before;
}

/* => one thread waits */
void quire_threads_await(const uint32_t *begun, uint32_t count)
{
        for (uint32_t n; (n = LOAD(begun)) < count;)
                (void)sys_futex_wait((uint32_t *)begun, n);
}
