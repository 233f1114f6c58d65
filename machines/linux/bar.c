/*
 * bar.c - denials on their way to threads that are stopped in the kernel.
 *
 * A page that a thread is denied is barred: its mapping loses the access for a
 * moment, and the thread is woken.  Its own access then gets the kernel's own
 * answer: a SIGSEGV in that thread, blocked or not as it may be, or EFAULT for a
 * system call.  The signal handler recognises the bar by thread and page and
 * takes it away.  A system call tells nobody: its bar goes when the thread has
 * run again, or after a while.
 *
 *      raised --> shut --- met, or the call has run ---------> gone
 *                  |  ^                                          ^
 *        the page  |  | its thread faults there once more        |
 *        is wanted v  |                                          |
 *                 open: an alarm is still owed --- met, thread or region gone
 *
 * A bar that is in the way of something (the page is shown, taken, protected) is
 * opened before.  Most are forgotten then: whoever was denied faults again and is
 * denied again.  But a guard's mark is gone with its verdict.  Its alarm stays
 * owed to the thread; others do not bring the page in ahead, and who wants it
 * himself waits for a moment until the alarm has sounded.
 *
 * Does not decide: who is denied (thread.c).
 *
 * Lock: L.  Signal context: yes.
 *
 * Invariants
 *   V1  A page without a shut bar may be read, and written if it is shown so.
 *   V2  A bar that is open is a guard's.
 *   V3  A thread has one bar on a page at most.
 */
#include "internal.h"
#include "sys.h"
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define BAR_NS 2000000u          /* a system call has met its bar by then */
#define ALARM_NS 1000000000u     /* or by then, if it must not be let through */
#define LOOKS 4
#define RUN_NS 50000u            /* so has one whose thread has been running for so long */

/* ----------------------------------------------------- what /proc says of threads */

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

/* What the thread is stopped in, as far as the file of its system call says: that
 * has the number with the arguments, or -1, and then where its stack and its
 * program are; `running' if it is not stopped. */
static struct spot read_spot(int tid)
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

/* A thread in a system call may be in one of a signal's handler, which called it
 * away, and is not stopped by its fault: the kernel says where it sleeps.  (It says
 * 0 of one that runs just now, and of all if it does not tell.) */
static struct spot look_at(int tid)
{
        static const char fault[] = "handle_userfault";
        struct spot s = read_spot(tid);

        for (unsigned tries = 0; s.where == AT_CALL && tries < LOOKS; tries++) {
                char text[64];
                long got = read_task(tid, "/wchan", text, sizeof(text));

                if (got >= (long)sizeof(fault) - 1 && !memcmp(text, fault, sizeof(fault) - 1))
                        break;
                if (got > 0 && text[0] != '0')
                        s.where = AT_NOTHING;
                else
                        s = read_spot(tid);
        }
        return s;
}

/* How often the thread was given a processor: the third number. */
uint64_t quire_task_runs(int tid)
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

/* When the thread began: the 22nd field, counted from behind its name. */
static uint64_t began_at(int tid)
{
        char text[512];
        long got = read_task(tid, "/stat", text, sizeof(text)), i = got;
        uint64_t number = 0;
        unsigned blanks = 0;

        while (i > 0 && text[i - 1] != ')')
                i--;
        for (; i < got && blanks <= 20; i++) {
                if (text[i] == ' ')
                        blanks++;
                else if (blanks == 20 && text[i] >= '0' && text[i] <= '9')
                        number = number * 10 + (uint64_t)(text[i] - '0');
        }
        return number;
}

/* ------------------------------------------------------------------- bars */

static bool is_on(const struct bar *b, uint64_t va)
{
        return b->out.va >> PAGE_SHIFT == va >> PAGE_SHIFT;
}

static bool is_alarm(const struct bar *b)
{
        return b->out.reason == QUIRE_WHY_GUARD;
}

/* How many await a system call: they are looked at now and then. */
static void count_calls(struct quire_linux *l)
{
        uint32_t n = 0;

        for (unsigned i = 0; i < l->threads.bars; i++)
                n += l->threads.bar[i].at.where == AT_CALL;
        STORE(&l->threads.calls, n);
}

static void restore_page(struct quire_linux *l, uint64_t va)
{
        for (unsigned i = 0; i < l->threads.bars; i++)
                if (l->threads.bar[i].shut && is_on(&l->threads.bar[i], va))
                        return;
        /* Where mappings protect pages from writing, who may write is asked anew. */
        if (sys_mprotect(va & ~(PAGE - 1), PAGE,
                         PROT_READ | (l->can & CAN_WP ? PROT_WRITE : 0)))
                quire_linux_stop(l, "a barred page can not be opened again");
}

static void open_bar(struct quire_linux *l, struct bar *b)
{
        if (!b->shut)
                return;
        b->shut = false;
        restore_page(l, b->out.va);
}

static void remove_bar(struct quire_linux *l, unsigned i)
{
        struct threads *h = &l->threads;

        open_bar(l, &h->bar[i]);
        h->bar[i] = h->bar[h->bars - 1];
        STORE(&h->bars, h->bars - 1);
        count_calls(l);
}

static bool is_in(const struct bar *b, uint64_t va, uint64_t pages)
{
        return (b->out.va >> PAGE_SHIFT) - (va >> PAGE_SHIFT) < pages;
}

/* Open every barred page of the range.  => L held. */
void quire_bars_lift(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        for (unsigned i = l->threads.bars; i-- > 0;) {
                if (!is_in(&l->threads.bar[i], va, pages))
                        continue;
                if (is_alarm(&l->threads.bar[i]))
                        open_bar(l, &l->threads.bar[i]);
                else
                        remove_bar(l, i);
        }
}

/* The range is nobody's any more.  => L held. */
void quire_bars_forget(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        for (unsigned i = l->threads.bars; i-- > 0;)
                if (is_in(&l->threads.bar[i], va, pages))
                        remove_bar(l, i);
}

/* Does an alarm await its thread there?  => L held. */
bool quire_bars_alarm(const struct quire_linux *l, uint64_t va, uint64_t pages)
{
        for (unsigned i = 0; i < l->threads.bars; i++)
                if (l->threads.bar[i].shut && is_alarm(&l->threads.bar[i]) &&
                    is_in(&l->threads.bar[i], va, pages))
                        return true;
        return false;
}

void quire_bar_lift(struct quire_linux *l, uint64_t va)
{
        if (!LOAD(&l->threads.bars))
                return;
        quire_lock_take(&l->core);
        quire_bars_lift(l, va, 1);
        quire_lock_drop(&l->core);
}

/* The thread's bar on the page; one that a thread of the same name left behind
 * is none.  BARS: it has none.  => L held. */
static unsigned find_bar(struct quire_linux *l, int tid, uint64_t va)
{
        for (unsigned i = 0; i < l->threads.bars; i++) {
                const struct bar *b = &l->threads.bar[i];

                if (b->tid != tid || !is_on(b, va))
                        continue;
                if (!is_alarm(b) || b->start == began_at(tid))
                        return i;
                remove_bar(l, i);
                return BARS;
        }
        return BARS;
}

/* Is this fault the answer to a denial?  Then it has been judged already. */
bool quire_bar_met(struct quire_linux *l, uint64_t va, const struct spot *at,
                   struct quire_signal_out *out)
{
        bool met = false;

        if (!LOAD(&l->threads.bars))
                return false;
        quire_lock_take(&l->core);
        unsigned i = find_bar(l, sys_gettid(), va);
        if (i < BARS) {
                const struct bar *b = &l->threads.bar[i];
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

/* ---------------------------------------------------------------- raising */

static void shut_bar(struct quire_linux *l, const struct ticket *t, struct bar *b)
{
        b->shut = true;
        count_calls(l);
        /* Where the mapping can not be split any more the thread faults again
         * and is denied again, until it can. */
        (void)sys_mprotect(t->va & ~(PAGE - 1), PAGE, t->write ? PROT_READ : PROT_NONE);
}

/* Room for one more: the oldest goes, of those that are no alarms if there are any. */
static void make_room(struct quire_linux *l)
{
        const struct threads *h = &l->threads;
        unsigned k = 0;

        if (h->bars < BARS)
                return;
        for (unsigned i = 1; i < BARS; i++)
                if (is_alarm(&h->bar[i]) != is_alarm(&h->bar[k]) ? is_alarm(&h->bar[k])
                                                                 : h->bar[i].born < h->bar[k].born)
                        k = i;
        remove_bar(l, k);
}

/* Where the alarm is to sound: if not in a system call, wherever its program
 * touches the page. */
static void place_alarm(struct bar *b)
{
        if (b->at.where != AT_CALL)
                b->at.where = AT_ANY;
}

/* A bar for whoever was denied just now, by this thread. */
struct bar quire_bar_plan(const struct ticket *t)
{
        struct bar b = { .tid = t->tid, .born = quire_linux_clock(NULL),
                         .ran = quire_task_runs(t->tid), .at = look_at(t->tid) };

        quire_denied_describe(t->va, &b.out);
        if (is_alarm(&b))
                b.start = began_at(t->tid);
        return b;
}

/*
 * True: what is to meet it is a system call.  => L held.
 *
 * A thread that a signal called away from its fault is not stopped any more, and
 * what was judged may not be what it does next: it is let run, and faults anew
 * if it comes back.  An alarm that sounds only once is kept for it all the same.
 */
bool quire_bar_raise(struct quire_linux *l, const struct ticket *t, struct bar b)
{
        struct threads *h = &l->threads;
        unsigned i;

        if (is_alarm(&b))
                place_alarm(&b);
        if (b.at.where == AT_NOTHING)
                return false;
        i = find_bar(l, t->tid, t->va);
        if (i == BARS) {
                make_room(l);
                i = h->bars;
                STORE(&h->bars, h->bars + 1);
        } else if (is_alarm(&h->bar[i]) && !is_alarm(&b)) {
                b = h->bar[i];                  /* it is told once */
        }
        h->bar[i] = b;
        shut_bar(l, t, &h->bar[i]);
        return b.at.where == AT_CALL;
}

/* Is the thread that faulted owed an alarm there?  Then its bar is shut again, and
 * *call says whether a system call is to meet it. */
bool quire_bar_owed(struct quire_linux *l, const struct ticket *t, bool *call)
{
        bool owed = false;

        if (!LOAD(&l->threads.bars))
                return false;
        quire_lock_take(&l->core);
        unsigned i = find_bar(l, t->tid, t->va);
        if (i < BARS && is_alarm(&l->threads.bar[i])) {
                struct bar *b = &l->threads.bar[i];
                b->at = look_at(t->tid);
                b->ran = quire_task_runs(t->tid);
                b->born = quire_linux_clock(NULL);
                place_alarm(b);
                shut_bar(l, t, b);
                *call = b->at.where == AT_CALL;
                owed = true;
        }
        quire_lock_drop(&l->core);
        return owed;
}

/* ---------------------------------------------------------------- waiting */

/* Another thread's alarm is on its way, since a moment ago.  => L held. */
static bool alarm_is_fresh(const struct quire_linux *l, int tid, uint64_t va, uint64_t now)
{
        for (unsigned i = 0; i < l->threads.bars; i++) {
                const struct bar *b = &l->threads.bar[i];

                if (b->shut && is_alarm(b) && b->tid != tid && is_on(b, va) &&
                    now - b->born < BAR_NS)
                        return true;
        }
        return false;
}

/* The thread wants the page: wait for a moment while another one is to be alarmed there. */
void quire_bar_yield(struct quire_linux *l, int tid, uint64_t va)
{
        while (LOAD(&l->threads.bars)) {
                uint64_t now = quire_linux_clock(NULL);

                quire_lock_take(&l->core);
                bool wait = alarm_is_fresh(l, tid, va, now);
                quire_lock_drop(&l->core);
                if (!wait)
                        return;
                quire_thread_waits();
                (void)sys_call3(SYS_sched_yield, 0, 0, 0);
        }
}

/* Has the system call met its bar?  An alarm is not given up as soon. */
static bool is_over(const struct bar *b, uint64_t now)
{
        if (b->at.where != AT_CALL || now - b->born <= BAR_NS)
                return false;
        return !is_alarm(b) || now - b->born > ALARM_NS || quire_task_runs(b->tid) != b->ran;
}

void quire_bars_expire(struct quire_linux *l)
{
        uint64_t now = quire_linux_clock(NULL);

        quire_lock_take(&l->core);
        for (unsigned i = l->threads.bars; i-- > 0;)
                if (is_over(&l->threads.bar[i], now))
                        remove_bar(l, i);
        quire_lock_drop(&l->core);
}

/* Wait until the thread that was woken at its bar has met it, in a system call. */
void quire_bar_await(struct quire_linux *l, int tid, uint64_t va, uint64_t ran)
{
        struct timespec moment = { .tv_nsec = RUN_NS };
        uint64_t began = quire_linux_clock(NULL);
        bool runs;

        quire_thread_waits();
        while (!(runs = quire_task_runs(tid) != ran) && quire_linux_clock(NULL) - began < BAR_NS)
                (void)sys_call3(SYS_sched_yield, 0, 0, 0);
        (void)sys_call3(SYS_nanosleep, sys_address(&moment), 0, 0);
        quire_lock_take(&l->core);
        unsigned i = find_bar(l, tid, va);
        if (i < BARS && l->threads.bar[i].at.where == AT_CALL &&
            (runs || !is_alarm(&l->threads.bar[i])))
                remove_bar(l, i);
        quire_lock_drop(&l->core);
}
