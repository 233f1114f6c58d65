/*
 * thread.c - faults resolved by handler threads, and verdicts brought to the
 * threads that wait in the kernel for them.
 *
 * One thread at a time leads: it reads the userfaultfd and resolves what it
 * read.  It keeps the lead as long as it does not wait, so a fault without I/O
 * costs one switch there and one back; before it waits (host.c, ring.c) it
 * passes the lead on.
 *
 *   RESUME   the page is there: wake the thread, its access runs again.
 *   DENY     the page is barred (bar.c), and the thread is woken.
 *
 * Of one thread at most one fault on a page is in hand.  Called away from it and
 * back at the same page, the thread is woken by the answer to the first, and asks
 * again if it has to.  Whoever is woken along with another of the same page asks
 * again, too.  So no verdict is given on behalf of a thread that has been let go on,
 * which might change what it wants (a guard's mark that is gone alarms nobody else).
 *
 * Locks: `reader' is the lead; `lock' guards the tickets, and is held while a
 * fault is read and while threads are woken; L may be held when it is taken.
 * Signal context: quire_thread_verdict; the threads themselves have every signal
 * blocked.
 *
 * Invariant
 *   T1  No two tickets in hand are of the same thread and page.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define STACK_BYTES ((uint64_t)2 << 20)    /* of addresses; a sanitizer's thread-locals fit */
#define TICKETS 1024u
#define BAR_MS 1                 /* how often the leader looks at bars */

static __thread struct quire_linux *leading __attribute__((tls_model("initial-exec")));

/* ---------------------------------------------------------------- tickets */

static bool is_in_hand(const struct threads *h, int tid, uint64_t va)
{
        for (const struct ticket *t = h->hand; t; t = t->next)
                if (t->tid == tid && t->va >> PAGE_SHIFT == va >> PAGE_SHIFT)
                        return true;
        return false;
}

/* Read one fault into *out: a ticket of the table, or the cell; null, if one like it
 * is in hand.  False: there is none to read. */
static bool read_fault(struct quire_linux *l, struct ticket *cell, struct ticket **out)
{
        struct threads *h = &l->threads;
        struct uffd_msg msg;
        struct ticket *t;

        *out = NULL;
        quire_lock_take(&h->lock);
        bool got = sys_read(l->uffd, &msg, sizeof(msg)) == (long)sizeof(msg);
        if (got && msg.event == UFFD_EVENT_PAGEFAULT &&
            !is_in_hand(h, (int)msg.arg.pagefault.feat.ptid, msg.arg.pagefault.address)) {
                t = h->free ? h->free : cell;
                if (h->free)
                        h->free = t->next;
                *t = (struct ticket){
                        .tid = (int)msg.arg.pagefault.feat.ptid, .late = t != cell,
                        .va = msg.arg.pagefault.address, .next = h->hand,
                        .write = msg.arg.pagefault.flags &
                                 (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP),
                };
                *out = h->hand = t;
        }
        quire_lock_drop(&h->lock);
        return got;
}

/* The fault is answered: whoever waits for its page runs. */
static void answer(struct quire_linux *l, struct ticket *t)
{
        struct threads *h = &l->threads;
        struct ticket **link = &h->hand;

        quire_lock_take(&h->lock);
        while (*link != t)
                link = &(*link)->next;
        *link = t->next;
        for (struct ticket *o = h->hand; o; o = o->next)
                o->woken |= o->va >> PAGE_SHIFT == t->va >> PAGE_SHIFT;
        quire_uffd_wake(l, t->va);
        if (t->late) {
                t->next = h->free;
                h->free = t;
        }
        quire_lock_drop(&h->lock);
}

static bool was_woken(struct quire_linux *l, const struct ticket *t)
{
        quire_lock_take(&l->threads.lock);
        bool woken = t->woken;
        quire_lock_drop(&l->threads.lock);
        return woken;
}

/* The late verdict of a fault that was pending.  => L held. */
void quire_thread_verdict(struct quire_linux *l, struct ticket *t, enum quire_verdict verdict)
{
        if (verdict == QUIRE_DENY)
                (void)quire_bar_raise(l, t, quire_bar_plan(t));
        answer(l, t);
}

/* ---------------------------------------------------------------- threads */

/* The calling thread is about to wait: let another one read meanwhile. */
void quire_thread_waits(void)
{
        struct quire_linux *l = leading;

        if (!l)
                return;
        leading = NULL;
        quire_lock_drop(&l->threads.reader);
}

/* The verdict; of a ticket that is not late, however long it takes. */
static enum quire_verdict judge(struct quire_linux *l, struct ticket *t)
{
        void *owner = LOAD(&l->space.owner);
        bool late = t->late;             /* pending, it may be another fault's by now */
        enum quire_verdict verdict;

        quire_fault_begin(t->va);
        verdict = owner ? quire_fault(owner, t->va, t->write ? QUIRE_W : QUIRE_R,
                                      (uint64_t)(uintptr_t)t)
                        : QUIRE_DENY;
        quire_fault_end();
        if (verdict != QUIRE_PENDING || late)
                return verdict;
        quire_thread_waits();
        return quire_ticket_wait(t);
}

/*
 * A verdict may be late: the thread was called away, went on, and is stopped at the
 * same instruction anew, where it may go now.  So it is judged once more; if it did
 * not run meanwhile, this is the verdict on the access that it is stopped at.
 */
static bool denied_for_good(struct quire_linux *l, const struct ticket *t, uint64_t ran,
                            struct bar *b)
{
        struct ticket again = { .va = t->va, .write = t->write };

        if (b->out.reason == QUIRE_WHY_GUARD)
                return true;
        if (b->at.where == AT_NOTHING || judge(l, &again) != QUIRE_DENY)
                return false;
        *b = quire_bar_plan(t);
        return b->out.reason == QUIRE_WHY_GUARD || quire_task_runs(t->tid) == ran;
}

/* True: a system call is to meet the bar. */
static bool deny(struct quire_linux *l, const struct ticket *t, uint64_t ran)
{
        struct bar b = quire_bar_plan(t);
        bool call = false;

        if (denied_for_good(l, t, ran, &b)) {
                quire_lock_take(&l->core);
                call = quire_bar_raise(l, t, b);
                quire_lock_drop(&l->core);
        }
        return call;
}

static void handle(struct quire_linux *l, struct ticket *t)
{
        int tid = t->tid;
        uint64_t va = t->va;
        bool call = false;
        uint64_t ran = 0;

        quire_bar_yield(l, tid, va);
        if (quire_bar_owed(l, t, &call)) {
                ran = quire_task_runs(t->tid);
        } else if (!was_woken(l, t)) {
                enum quire_verdict verdict = judge(l, t);

                if (verdict == QUIRE_PENDING)
                        return;         /* the ticket comes back with its verdict */
                if (verdict == QUIRE_DENY) {
                        ran = quire_task_runs(t->tid);
                        call = deny(l, t, ran);
                }
        }
        answer(l, t);
        if (call)
                quire_bar_await(l, tid, va, ran);
}

/* Sleep until there is something to read. */
static void await_message(struct quire_linux *l)
{
        struct pollfd fds[2] = {
                { .fd = l->uffd, .events = POLLIN }, { .fd = l->threads.wake, .events = POLLIN },
        };
        int timeout = LOAD(&l->threads.calls) ? BAR_MS : -1;

        if (!sys_call3(SYS_poll, sys_address(fds), 2, timeout))
                quire_bars_expire(l);
}

static void *run_thread(void *argument)
{
        struct quire_linux *l = argument;
        struct ticket cell, *t;

        quire_mask_enter();
        if (l->hooks.thread_started)
                l->hooks.thread_started(l->hooks.context);
        (void)quire_thread_begun(&l->threads.begun);
        while (!LOAD(&l->threads.stop)) {
                if (!leading) {
                        quire_lock_take(&l->threads.reader);
                        leading = l;
                        continue;
                }
                if (!read_fault(l, &cell, &t))
                        await_message(l);
                else if (t)
                        handle(l, t);
        }
        quire_thread_waits();
        return NULL;
}

static bool start_thread(struct quire_linux *l, unsigned i)
{
        pthread_attr_t attributes;
        pthread_t handle;
        long stack = sys_mmap(0, STACK_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

        if (stack < 0 || pthread_attr_init(&attributes))
                return false;
        bool ok = !pthread_attr_setstack(&attributes, (void *)(uintptr_t)stack, STACK_BYTES) &&
                  !pthread_create(&handle, &attributes, run_thread, l);
        (void)pthread_attr_destroy(&attributes);
        if (!ok) {
                (void)sys_munmap((uint64_t)stack, STACK_BYTES);
                return false;
        }
        l->threads.handle[i] = (unsigned long)handle;
        l->threads.stack[i] = (uint64_t)stack;
        return true;
}

bool quire_threads_open(struct quire_linux *l)
{
        struct threads *h = &l->threads;
        uint64_t all = ~(uint64_t)0, old = 0;

        h->ticket = quire_lodging_alloc(&l->lodging, TICKETS * sizeof(*h->ticket));
        h->wake = quire_descriptor_raise(l, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!h->ticket || h->wake < 0)
                return false;
        for (unsigned i = 0; i < TICKETS; i++) {
                h->ticket[i].next = h->free;
                h->free = &h->ticket[i];
        }
        (void)sys_sigmask(0 /* SIG_BLOCK */, &all, &old);
        while (h->running < HANDLERS && start_thread(l, h->running))
                h->running++;
        quire_threads_await(&h->begun, h->running);
        (void)sys_sigmask(2 /* SIG_SETMASK */, &old, NULL);
        return h->running > 0;
}

void quire_threads_close(struct quire_linux *l)
{
        struct threads *h = &l->threads;
        uint64_t one = 1;

        STORE(&h->stop, 1);
        if (h->wake >= 0)
                (void)sys_write(h->wake, &one, sizeof(one));
        for (unsigned i = 0; i < h->running; i++) {
                (void)pthread_join((pthread_t)h->handle[i], NULL);
                (void)sys_munmap(h->stack[i], STACK_BYTES);
        }
        if (h->wake >= 0)
                (void)sys_close(h->wake);
        h->running = 0;
        h->wake = -1;
}

/* A child of fork has none of the threads; it resolves its faults inline. */
void quire_threads_lost(struct quire_linux *l)
{
        struct threads *h = &l->threads;

        h->running = 0;
        h->reader = (struct quire_lock){ 0 };
        h->lock = (struct quire_lock){ 0 };
        if (h->wake >= 0)
                (void)sys_close(h->wake);
        h->wake = -1;
        h->hand = NULL;
        quire_bars_forget(l, 0, VA_END >> PAGE_SHIFT);
}
