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
 *   DENY     the page is barred: its mapping loses the access for a moment, and
 *            the thread is woken.  Its own access then gets the kernel's own
 *            answer: a SIGSEGV in that thread, blocked or not as it may be, or
 *            EFAULT for a system call.  The signal handler recognises the bar
 *            by thread and page and lifts it.  A system call tells nobody: its
 *            bar is lifted when the thread has run again, or after a while by
 *            the leader.
 *
 * Locks: `reader' is the lead; `lock' guards the tickets; bars belong to L.
 * Signal context: quire_bar_* and quire_thread_verdict; the threads themselves
 * have every signal blocked.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#define STACK_BYTES ((uint64_t)2 << 20)    /* of addresses; a sanitizer's thread-locals fit */
#define TICKETS 1024u
#define BAR_MS 1                 /* how often the leader looks at bars */
#define BAR_NS 2000000u          /* a system call has met its bar by then */
#define RUN_NS 50000u            /* so has one whose thread has been running for so long */

static __thread struct quire_linux *leading __attribute__((tls_model("initial-exec")));

/* ------------------------------------------------------------------- bars */

static void restore_page(struct quire_linux *l, uint64_t va)
{
        for (unsigned i = 0; i < l->threads.bars; i++)
                if (l->threads.bar[i].out.va >> PAGE_SHIFT == va >> PAGE_SHIFT)
                        return;
        /* Where mappings protect pages from writing, who may write is asked anew. */
        if (sys_mprotect(va & ~(PAGE - 1), PAGE,
                         PROT_READ | (l->can & CAN_WP ? PROT_WRITE : 0)))
                quire_linux_stop(l, "a barred page can not be opened again");
}

static void remove_bar(struct quire_linux *l, unsigned i)
{
        uint64_t va = l->threads.bar[i].out.va;

        STORE(&l->threads.bars, l->threads.bars - 1);
        l->threads.bar[i] = l->threads.bar[l->threads.bars];
        restore_page(l, va);
}

/* Open every barred page of the range.  => L held. */
void quire_bars_lift(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        for (unsigned i = l->threads.bars; i-- > 0;)
                if (l->threads.bar[i].out.va - va < pages << PAGE_SHIFT)
                        remove_bar(l, i);
}

void quire_bar_lift(struct quire_linux *l, uint64_t va)
{
        if (!LOAD(&l->threads.bars))
                return;
        quire_lock_take(&l->core);
        quire_bars_lift(l, va & ~(PAGE - 1), 1);
        quire_lock_drop(&l->core);
}

/* Is this fault the answer to a denial?  Then it has been judged already. */
bool quire_bar_met(struct quire_linux *l, uint64_t va, const struct spot *at,
                   struct quire_signal_out *out)
{
        bool met = false;
        int tid;

        if (!LOAD(&l->threads.bars))
                return false;
        tid = sys_gettid();
        quire_lock_take(&l->core);
        for (unsigned i = 0; i < l->threads.bars && !met; i++) {
                struct bar *b = &l->threads.bar[i];
                if (b->tid != tid || b->out.va >> PAGE_SHIFT != va >> PAGE_SHIFT)
                        continue;
                met = b->at.where == AT_ANY ||
                      (b->at.where == AT_ACCESS && b->at.sp == at->sp && b->at.pc == at->pc);
                if (met) {
                        *out = b->out;
                        remove_bar(l, i);
                }
        }
        quire_lock_drop(&l->core);
        return met;
}

/* What /proc says of one of our threads; returns how many bytes. */
static long read_task(int tid, const char *what, char *text, size_t room)
{
        char path[64] = "/proc/self/task/", digit[12];
        unsigned n = 16, d = 0;
        long got = 0;

        do
                digit[d++] = (char)('0' + tid % 10);
        while ((tid /= 10) > 0);
        while (d)
                path[n++] = digit[--d];
        while (*what)
                path[n++] = *what++;
        path[n] = '\0';
        int fd = (int)sys_open(path, 0, 0);
        if (fd >= 0) {
                got = sys_read(fd, text, room);
                (void)sys_close(fd);
        }
        return got > 0 ? got : 0;
}

static uint64_t last_numbers(const char *text, long length, uint64_t *before)
{
        uint64_t number = 0;
        bool inside = false;

        *before = 0;
        for (long i = 0; i < length; i++) {
                char c = text[i];
                int digit = -1;
                if (c >= '0' && c <= '9')
                        digit = c - '0';
                else if (c >= 'a' && c <= 'f')
                        digit = c - 'a' + 10;
                if (digit >= 0 && !inside) {
                        *before = number;
                        number = 0;
                }
                /* (The x of 0x is part of its number.) */
                inside = digit >= 0 || c == 'x';
                if (digit >= 0)
                        number = number << 4 | (uint64_t)digit;
        }
        return number;
}

/* Where is the thread stopped?  The file has the number of its system call with
 * the arguments, or -1, and then where its stack and its program are; `running'
 * if it is not stopped. */
static struct spot look_at(int tid)
{
        char text[256];
        long got = read_task(tid, "/syscall", text, sizeof(text));
        struct spot s = { .where = AT_ANY };

        if (!got)
                return s;               /* no /proc: take it that it waits for us */
        s.where = text[0] == '-' ? AT_ACCESS : text[0] == 'r' ? AT_NOTHING : AT_CALL;
        s.pc = last_numbers(text, got, &s.sp);
        return s;
}

/* How often the thread was given a processor: the third number. */
static uint64_t times_run(int tid)
{
        char text[96];
        long got = read_task(tid, "/schedstat", text, sizeof(text));
        uint64_t number = 0;
        unsigned blanks = 0;

        for (long i = 0; i < got; i++) {
                if (text[i] == ' ')
                        blanks++;
                else if (blanks == 2 && text[i] >= '0' && text[i] <= '9')
                        number = number * 10 + (uint64_t)(text[i] - '0');
        }
        return number;
}

/*
 * True: what is to meet it is a system call.  => L held.
 *
 * A thread that a signal called away from its fault is not stopped any more, and
 * what was judged may not be what it does next: it is let run, and faults anew
 * if it comes back.  An alarm that sounds only once is kept for it all the same,
 * and sounds wherever its program touches the page.
 */
static bool raise_bar(struct quire_linux *l, const struct ticket *t, struct bar b)
{
        struct threads *h = &l->threads;

        if (b.at.where == AT_NOTHING && b.out.reason != QUIRE_WHY_GUARD)
                return false;
        if (b.at.where != AT_CALL && b.out.reason == QUIRE_WHY_GUARD)
                b.at.where = AT_ANY;
        if (h->bars == BARS)
                remove_bar(l, 0);
        h->bar[h->bars] = b;
        STORE(&h->bars, h->bars + 1);
        /* Where the mapping can not be split any more the thread faults again
         * and is denied again, until it can. */
        (void)sys_mprotect(t->va & ~(PAGE - 1), PAGE, t->write ? PROT_READ : PROT_NONE);
        return b.at.where == AT_CALL;
}

/* A bar for whoever was denied just now, by this thread. */
static struct bar plan_bar(const struct ticket *t)
{
        struct bar b = { .tid = t->tid, .born = quire_linux_clock(NULL), .at = look_at(t->tid) };

        quire_denied_describe(t->va, &b.out);
        return b;
}

/* Wait until the thread that was woken at its bar has met it. */
static void await_call(struct quire_linux *l, int tid, uint64_t va, uint64_t ran)
{
        struct timespec moment = { .tv_nsec = RUN_NS };
        uint64_t began = quire_linux_clock(NULL);

        quire_thread_waits();
        while (times_run(tid) == ran && quire_linux_clock(NULL) - began < BAR_NS)
                (void)sys_call3(SYS_sched_yield, 0, 0, 0);
        (void)sys_call3(SYS_nanosleep, sys_address(&moment), 0, 0);
        quire_bar_lift(l, va);
}

static void expire_bars(struct quire_linux *l)
{
        uint64_t now = quire_linux_clock(NULL);

        quire_lock_take(&l->core);
        for (unsigned i = l->threads.bars; i-- > 0;)
                if (l->threads.bar[i].at.where == AT_CALL && now - l->threads.bar[i].born > BAR_NS)
                        remove_bar(l, i);
        quire_lock_drop(&l->core);
}

/* ---------------------------------------------------------------- tickets */

static struct ticket *take_ticket(struct threads *h)
{
        quire_lock_take(&h->lock);
        struct ticket *t = h->free;
        if (t)
                h->free = t->next;
        quire_lock_drop(&h->lock);
        return t;
}

static void give_ticket(struct threads *h, struct ticket *t)
{
        quire_lock_take(&h->lock);
        t->next = h->free;
        h->free = t;
        quire_lock_drop(&h->lock);
}

/* The late verdict of a fault that was pending.  => L held. */
void quire_thread_verdict(struct quire_linux *l, struct ticket *t, enum quire_verdict verdict)
{
        if (verdict == QUIRE_DENY)
                (void)raise_bar(l, t, plan_bar(t));
        quire_uffd_wake(l, t->va);
        give_ticket(&l->threads, t);
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

/* The verdict, however long it takes. */
static enum quire_verdict judge(struct quire_linux *l, struct ticket *t)
{
        void *owner = LOAD(&l->space.owner);
        enum quire_verdict verdict;

        t->verdict = 0;
        quire_fault_begin(t->va);
        verdict = owner ? quire_fault(owner, t->va, t->write ? QUIRE_W : QUIRE_R,
                                      (uint64_t)(uintptr_t)t)
                        : QUIRE_DENY;
        quire_fault_end();
        if (verdict != QUIRE_PENDING)
                return verdict;
        quire_thread_waits();
        return quire_ticket_wait(t);
}

/*
 * A verdict may be late: the thread was woken for the sake of another one that
 * waited for this page, or called away, went on, and is stopped at the same
 * instruction anew, where it may go now.  So it is judged once more; if it did
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
        *b = plan_bar(t);
        return b->out.reason == QUIRE_WHY_GUARD || times_run(t->tid) == ran;
}

static void deny(struct quire_linux *l, const struct ticket *t)
{
        uint64_t ran = times_run(t->tid);
        struct bar b = plan_bar(t);
        bool call = false;

        if (denied_for_good(l, t, ran, &b)) {
                quire_lock_take(&l->core);
                call = raise_bar(l, t, b);
                quire_lock_drop(&l->core);
        }
        quire_uffd_wake(l, t->va);
        if (call)
                await_call(l, t->tid, t->va, ran);
}

static void handle(struct quire_linux *l, const struct uffd_msg *msg)
{
        bool write = msg->arg.pagefault.flags &
                     (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
        struct ticket cell = { .va = msg->arg.pagefault.address, .write = write };
        struct ticket *t = take_ticket(&l->threads);
        enum quire_verdict verdict;

        if (t) {
                *t = cell;
                t->tid = (int)msg->arg.pagefault.feat.ptid;
        } else {
                t = &cell;
        }
        void *owner = LOAD(&l->space.owner);
        quire_fault_begin(cell.va);
        verdict = owner ? quire_fault(owner, t->va, write ? QUIRE_W : QUIRE_R,
                                      (uint64_t)(uintptr_t)t)
                        : QUIRE_DENY;
        quire_fault_end();
        if (verdict == QUIRE_PENDING) {
                if (t != &cell)
                        return;         /* the ticket comes back with its verdict */
                quire_thread_waits();
                verdict = quire_ticket_wait(&cell);
        }
        if (t != &cell)
                give_ticket(&l->threads, t);
        cell.tid = (int)msg->arg.pagefault.feat.ptid;
        if (verdict == QUIRE_DENY)
                deny(l, &cell);
        else
                quire_uffd_wake(l, cell.va);
}

/* Sleep until there is something to read. */
static void await_message(struct quire_linux *l)
{
        struct pollfd fds[2] = {
                { .fd = l->uffd, .events = POLLIN }, { .fd = l->threads.wake, .events = POLLIN },
        };
        int timeout = LOAD(&l->threads.bars) ? BAR_MS : -1;

        if (!sys_call3(SYS_poll, sys_address(fds), 2, timeout))
                expire_bars(l);
}

static void *run_thread(void *argument)
{
        struct quire_linux *l = argument;
        struct uffd_msg msg;

        quire_mask_enter();
        if (l->hooks.thread_started)
                l->hooks.thread_started(l->hooks.context);
        while (!LOAD(&l->threads.stop)) {
                if (!leading) {
                        quire_lock_take(&l->threads.reader);
                        leading = l;
                        continue;
                }
                if (sys_read(l->uffd, &msg, sizeof(msg)) != (long)sizeof(msg))
                        await_message(l);
                else if (msg.event == UFFD_EVENT_PAGEFAULT)
                        handle(l, &msg);
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
        for (unsigned i = 0; i < TICKETS; i++)
                give_ticket(h, &h->ticket[i]);
        (void)sys_sigmask(0 /* SIG_BLOCK */, &all, &old);
        while (h->running < HANDLERS && start_thread(l, h->running))
                h->running++;
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
        while (h->bars)
                remove_bar(l, h->bars - 1);
}
