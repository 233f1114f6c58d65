/*
 * thread.c - simulated threads: who runs, who waits, and for what.
 *
 * Every thread has a stack of its own; exactly one runs, and hands on where it
 * waits.  Nobody waits with the lock held.  When nobody can run, time jumps to
 * the next moment that somebody waits for; when there is none, the core has
 * deadlocked, and the referee says who waits for what.
 *
 * A thread that is being stepped returns to its stepper wherever it would hand
 * on, so that a test can arrange any order of events.
 */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES ((size_t)512 << 10)
#define GUARD_BYTES ((size_t)64 << 10)

/* ---------------------------------------------------------------- switching */

/* AddressSanitizer has to be told where the stack is: before, and after. */
static void leave_stack(struct quire_sim_thread *from, const struct quire_sim_thread *to)
{
#ifdef SANITIZED
        bool gone = from->state == QUIRE_SIM_ENDED;

        __sanitizer_start_switch_fiber(gone ? NULL : &from->sanitizer, to->bottom, to->bytes);
#else
        (void)from;
        (void)to;
#endif
}

static void arrive_stack(struct quire_sim_thread *self)
{
#ifdef SANITIZED
        const void *bottom;
        size_t bytes;

        __sanitizer_finish_switch_fiber(self->sanitizer, &bottom, &bytes);
        if (self->host->previous == &self->host->main) {
                self->host->main.bottom = bottom;
                self->host->main.bytes = bytes;
        }
#else
        (void)self;
#endif
}

static void switch_to(struct quire_sim_host *h, struct quire_sim_thread *to)
{
        struct quire_sim_thread *from = h->running;

        if (to == from)
                return;
        h->running = to;
        h->previous = from;
        leave_stack(from, to);
        swapcontext(&from->context, &to->context);
        arrive_stack(from);
}

/* -------------------------------------------------------------- scheduling */

static bool all_ended(const struct quire_sim_host *h)
{
        const struct quire_sim_thread *t = h->main.next;

        while (t && t->state == QUIRE_SIM_ENDED)
                t = t->next;
        return !t;
}

static bool can_run(const struct quire_sim_host *h, const struct quire_sim_thread *t)
{
        if (t->state == QUIRE_SIM_WAITS_END)
                return all_ended(h);
        return t->state == QUIRE_SIM_READY ||
               (t->state == QUIRE_SIM_WAITS_IO && t->due <= h->now) ||
               (t->state == QUIRE_SIM_WAITS_VERDICT && t->answered);
}

static _Noreturn void report_deadlock(struct quire_sim_host *h)
{
        char who[256] = "";
        size_t used = 0;

        for (struct quire_sim_thread *t = &h->main; t && used < sizeof who; t = t->next)
                if (t->state == QUIRE_SIM_WAITS_VERDICT)
                        used += (size_t)snprintf(who + used, sizeof who - used, " %s(%llu)",
                                                 t->name, (unsigned long long)t->ticket);
        quire_sim_stop(h, "deadlock: nobody can run; waiting for resume of their ticket:%s", who);
}

/* Time jumps to the next moment that somebody waits for. */
static void jump(struct quire_sim_host *h)
{
        uint64_t due = UINT64_MAX;

        for (struct quire_sim_thread *t = &h->main; t; t = t->next)
                if (t->state == QUIRE_SIM_WAITS_IO && t->due < due)
                        due = t->due;
        if (due == UINT64_MAX)
                report_deadlock(h);
        if (due > h->now)
                h->now = due;
}

/* The next to run: by the seed, or the one after the running one. */
static struct quire_sim_thread *pick(struct quire_sim_host *h)
{
        uint64_t ready = 0, chosen;
        struct quire_sim_thread *t;

        for (;;) {
                for (t = &h->main; t; t = t->next)
                        ready += can_run(h, t);
                if (ready)
                        break;
                jump(h);
        }
        if (!h->options.seed) {
                t = h->running;
                do
                        t = t->next ? t->next : &h->main;
                while (!can_run(h, t));
                return t;
        }
        chosen = quire_sim_random(h) % ready;
        for (t = &h->main;; t = t->next)
                if (can_run(h, t) && !chosen--)
                        return t;
}

/* The running thread, whose state says what it waits for, hands on. */
static void hand_on(struct quire_sim_host *h)
{
        struct quire_sim_thread *self = h->running, *to = self->stepper;

        if (h->locked)
                quire_sim_stop(h, "H2: thread %s waits with the lock held", self->name);
        if (to) {
                self->stepper = NULL;
                to->state = QUIRE_SIM_READY;
                switch_to(h, to);
        } else {
                switch_to(h, pick(h));
        }
}

static void wait_as(struct quire_sim_host *h, enum quire_sim_state state)
{
        struct quire_sim_thread *self = h->running;

        if (h->on_wait)
                h->on_wait(h->wait_context, state);
        self->state = state;
        hand_on(h);
        self->state = QUIRE_SIM_READY;
}

void quire_sim_wait_until(struct quire_sim_host *h, uint64_t due)
{
        h->running->due = due;
        wait_as(h, QUIRE_SIM_WAITS_IO);
}

void quire_sim_yield(struct quire_sim_host *h)
{
        h->running->state = QUIRE_SIM_READY;
        hand_on(h);
}

/* ------------------------------------------------------------------ faults */

enum quire_verdict quire_sim_fault(struct quire_sim_host *h, void *owner, uint64_t va,
                                   unsigned access)
{
        struct quire_sim_thread *self = h->running;
        enum quire_verdict verdict;

        if (h->locked)
                quire_sim_stop(h, "an access faults with the lock held");
        if (self->ticket)
                quire_sim_stop(h, "thread %s faults inside the core", self->name);
        self->ticket = ++h->tickets;
        self->answered = false;
        verdict = quire_fault(owner, va, access, self->ticket);
        if (h->locked)
                quire_sim_stop(h, "quire_fault returns with the lock held");
        if (verdict == QUIRE_PENDING) {
                wait_as(h, QUIRE_SIM_WAITS_VERDICT);
                verdict = self->verdict;
        } else if (self->answered) {
                quire_sim_stop(h, "M5: a verdict for ticket %llu, which was not left PENDING",
                               (unsigned long long)self->ticket);
        }
        self->ticket = 0;
        return verdict;
}

/* May come before quire_fault has returned PENDING: the ticket is good from the
 * call on. */
void quire_sim_resume(struct quire_sim_host *h, uint64_t ticket, enum quire_verdict verdict)
{
        struct quire_sim_thread *t = &h->main;

        while (t && (!ticket || t->ticket != ticket))
                t = t->next;
        if (!t)
                quire_sim_stop(h, "M5: resume of ticket %llu, which nobody waits for",
                               (unsigned long long)ticket);
        if (t->answered)
                quire_sim_stop(h, "M5: a second verdict for ticket %llu",
                               (unsigned long long)ticket);
        if (verdict != QUIRE_RESUME && verdict != QUIRE_DENY)
                quire_sim_stop(h, "M5: resume with verdict %d", (int)verdict);
        t->verdict = verdict;
        t->answered = true;
}

/* ---------------------------------------------------------------- lifetime */

static void begin(unsigned low, unsigned high)
{
        struct quire_sim_thread *self =
                (struct quire_sim_thread *)((uintptr_t)high << 32 | (uintptr_t)low);

        arrive_stack(self);
        self->fn(self->argument);
        self->state = QUIRE_SIM_ENDED;
        hand_on(self->host);
        abort();                        /* nobody runs a thread that has ended */
}

static void prepare(struct quire_sim_thread *t)
{
        uintptr_t self = (uintptr_t)t;

        getcontext(&t->context);
        t->context.uc_stack.ss_sp = t->stack + GUARD_BYTES;
        t->context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&t->context, (void (*)(void))begin, 2, (unsigned)self,
                    (unsigned)(self >> 32));
}

struct quire_sim_thread *quire_sim_thread_start(struct quire_sim_host *h, const char *name,
                                                void (*fn)(void *), void *argument)
{
        struct quire_sim_thread *t = calloc(1, sizeof *t), *last = &h->main;

        if (!t)
                return NULL;
        t->host = h;
        t->number = ++h->threads;
        t->fn = fn;
        t->argument = argument;
        snprintf(t->name, sizeof t->name, "%s", name);
        t->bytes = STACK_BYTES;
        t->stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (t->stack == MAP_FAILED || mprotect(t->stack, GUARD_BYTES, PROT_NONE)) {
                free(t);
                return NULL;
        }
        t->bottom = t->stack + GUARD_BYTES;
        prepare(t);
        while (last->next)
                last = last->next;
        last->next = t;
        return t;
}

enum quire_sim_state quire_sim_thread_state(const struct quire_sim_thread *t)
{
        return t->state;
}

unsigned quire_sim_self(const struct quire_sim_host *h)
{
        return h->running->number;
}

enum quire_sim_state quire_sim_step(struct quire_sim_thread *t)
{
        struct quire_sim_host *h = t->host;

        if (h->locked)
                quire_sim_stop(h, "a thread is stepped with the lock held");
        if (t == h->running || !can_run(h, t))
                return t->state;
        t->stepper = h->running;
        h->running->state = QUIRE_SIM_STEPS;
        switch_to(h, t);
        return t->state;
}

void quire_sim_run(struct quire_sim_host *h)
{
        if (h->running != &h->main)
                quire_sim_stop(h, "quire_sim_run by a simulated thread");
        h->main.state = QUIRE_SIM_WAITS_END;
        hand_on(h);
        h->main.state = QUIRE_SIM_READY;
}

void quire_sim_thread_forget(struct quire_sim_thread *t)
{
        struct quire_sim_thread **at = &t->host->main.next;

        if (t->state != QUIRE_SIM_ENDED && !t->host->forgiven)
                quire_sim_stop(t->host, "thread %s has not ended", t->name);
        while (*at != t)
                at = &(*at)->next;
        *at = t->next;
#ifdef SANITIZED
        /* What is mapped there next is not poisoned as the stack's frames were. */
        __asan_unpoison_memory_region(t->stack, GUARD_BYTES + STACK_BYTES);
#endif
        munmap(t->stack, GUARD_BYTES + STACK_BYTES);
        free(t);
}

void quire_sim_threads_close(struct quire_sim_host *h)
{
        if (h->running != &h->main && !h->forgiven)
                quire_sim_stop(h, "closed by a simulated thread");
        while (h->main.next)
                quire_sim_thread_forget(h->main.next);
}
