/*
 * buffers.c - arguments of a system call that lie in managed memory.
 *
 * The kernel can not wait for a page of ours: it would answer EFAULT, or end a
 * transfer early.  So before the call is made, what it only reads and is small
 * is copied to the thread's record; everything else is held resident.
 *
 * The holds of a call stay until its thread comes by again, since there is no
 * moment after the call at which the agent runs for free.  Whoever finds that
 * too much is held drops those of calls that are over (relieve).
 *
 * Signal context: yes.  Lock: hold_lock of a thread guards its list of holds;
 * the core is entered under it only to drop, which does not wait.
 *
 *   H1  `running' of a call is set before its first hold is in the list, so a
 *       list whose call is not running is nobody's any more.
 */
#include "buffers.h"
#include "memory.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define COPY_MOST 4096u            /* a larger argument is held */
#define STRINGS_MOST (8u << 20)
#define PATIENCE 2000              /* times to wait for others to hold less */
#define TLS_AROUND 512u            /* more than a library's thread-local words take: ours, libc's */

bool quire_buffers_managed(uint64_t va, uint64_t bytes)
{
        return bytes && quire_memory_near(va, bytes) &&
               (quire_linux_owns(quire_agent.machine, va) ||
                quire_linux_owns(quire_agent.machine, va + bytes - 1));
}

void *quire_buffers_room(struct quire_thread *t, uint64_t bytes)
{
        uint64_t at = (t->bounced + 15u) & ~15u;

        if (bytes > QUIRE_BOUNCE - at)
                return NULL;
        t->bounced = (uint32_t)(at + bytes);
        return t->bounce + at;
}

/* ------------------------------------------------------------------- holding */

static void lock_holds(struct quire_thread *t)
{
        while (__atomic_exchange_n(&t->hold_lock, 1, __ATOMIC_ACQUIRE))
                __builtin_ia32_pause();
}

static void unlock_holds(struct quire_thread *t)
{
        STORE(&t->hold_lock, 0);
}

/* => hold_lock */
static void drop_locked(struct quire_thread *t)
{
        quire_linux_enter_masked(quire_agent.machine);
        for (uint32_t i = 0; i < t->holds; i++)
                quire_region_unhold(quire_agent.space, t->hold[i].va, t->hold[i].pages * PAGE);
        quire_linux_leave_masked(quire_agent.machine);
        t->holds = 0;
}

void quire_buffers_drop(struct quire_thread *t)
{
        lock_holds(t);
        drop_locked(t);
        unlock_holds(t);
        if (t->scratch.bytes)
                (void)raw3(SYS_munmap, t->scratch.va, t->scratch.bytes, 0);
        t->scratch.bytes = 0;
}

void quire_buffers_relieve(struct quire_thread *mine)
{
        for (uint32_t i = 0; i < quire_block_count(); i++) {
                struct quire_thread *t = quire_block_at(i);
                if (!t || t == mine || !LOAD(&t->holds) || LOAD(&t->call.running))
                        continue;
                lock_holds(t);
                if (!LOAD(&t->call.running))
                        drop_locked(t);
                unlock_holds(t);
        }
}

/* Pages held by one try, in bytes from `first' on, and why there are not more. */
static uint64_t try_hold(uint64_t first, uint64_t bytes, unsigned access,
                         enum quire_status *why)
{
        uint64_t held = 0, more = 0;

        quire_linux_enter_masked(quire_agent.machine);
        *why = quire_region_hold(quire_agent.space, first, bytes, access, &held);
        /* A part of it: asking for the rest tells what stopped it. */
        while (*why == QUIRE_OK && held < bytes) {
                *why = quire_region_hold(quire_agent.space, first + held, bytes - held, access,
                                         &more);
                held += *why == QUIRE_OK ? more : 0;
        }
        quire_linux_leave_masked(quire_agent.machine);
        return held;
}

static void note_hold(struct quire_thread *t, uint64_t first, uint64_t bytes, unsigned access)
{
        if (!bytes)
                return;
        lock_holds(t);
        t->hold[t->holds++] = (struct quire_hold){ first, (uint32_t)(bytes / PAGE), access };
        unlock_holds(t);
        t->held_pages += bytes / PAGE;
}

static bool held_already(const struct quire_thread *t, uint64_t first, uint64_t bytes,
                         unsigned access)
{
        const struct quire_hold *last = t->holds ? &t->hold[t->holds - 1] : NULL;

        return last && first >= last->va && first + bytes <= last->va + last->pages * PAGE &&
               (last->access == access || last->access == QUIRE_W);
}

/* Until all of it is held, or it is clear that waiting does not help. */
static uint64_t hold_patiently(struct quire_thread *t, uint64_t first, uint64_t bytes,
                               unsigned access, unsigned patience, enum quire_status *why)
{
        uint64_t held = 0;
        char probe;

        for (unsigned i = 0; i <= patience && t->holds < QUIRE_HOLDS; i++) {
                uint64_t more = try_hold(first + held, bytes - held, access, why);
                note_hold(t, first + held, more, access);
                held += more;
                if (*why != QUIRE_BUSY)
                        break;
                quire_buffers_relieve(t);
                if (i)
                        (void)raw3(SYS_sched_yield, 0, 0, 0);
        }
        /* A page that can not be brought in at all: the fault handler says so. */
        if (*why == QUIRE_IO_ERROR || *why == QUIRE_BROKEN || (*why == QUIRE_BUSY && patience))
                (void)quire_user_get(&probe, first + held, 1);
        return held;
}

uint64_t quire_buffers_hold(struct quire_thread *t, uint64_t va, uint64_t bytes, unsigned access,
                            bool *busy)
{
        uint64_t first = page_down(va), span = page_up(va + bytes) - first, held;
        enum quire_status why = QUIRE_OK;

        if (busy)
                *busy = false;
        if (!quire_buffers_managed(va, bytes) || held_already(t, first, span, access))
                return bytes;
        if (!t->holds)
                t->calls_held++;
        STORE(&t->call.running, 1);
        held = hold_patiently(t, first, span, access, busy ? 1 : PATIENCE, &why);
        if (busy)
                *busy = why == QUIRE_BUSY;
        if (held <= va - first)
                return 0;
        return held - (va - first) < bytes ? held - (va - first) : bytes;
}

bool quire_buffers_hold_on(struct quire_thread *t, uint64_t va, uint64_t bytes)
{
        uint64_t first = page_down(va), span = page_up(va + bytes) - first, held = 0;
        struct quire_span *room = NULL;
        enum quire_status why = QUIRE_BUSY;

        if (!quire_buffers_managed(va, bytes))
                return true;
        for (unsigned i = 0; i < QUIRE_LASTING; i++) {
                if (first >= t->lasting[i].va &&
                    first + span <= t->lasting[i].va + t->lasting[i].bytes)
                        return true;
                if (!t->lasting[i].bytes)
                        room = &t->lasting[i];
        }
        for (unsigned i = 0; room && held < span && why == QUIRE_BUSY && i <= PATIENCE; i++) {
                held += try_hold(first + held, span - held, QUIRE_W, &why);
                room->va = first;
                room->bytes = held;
                if (why != QUIRE_BUSY)
                        break;
                quire_buffers_relieve(t);
                (void)raw3(SYS_sched_yield, 0, 0, 0);
        }
        return held == span;
}

/* As far below that thread pointer as this is below ours. */
static bool hold_like(struct quire_thread *t, uint64_t pointer, const void *ours)
{
        uint64_t here;

        __asm__("mov %%fs:0, %0" : "=r"(here));
        return quire_buffers_hold_on(t, pointer - (here - raw_address(ours)) - TLS_AROUND,
                                     2 * TLS_AROUND);
}

bool quire_buffers_hold_tls(struct quire_thread *t, uint64_t pointer)
{
        bool held = quire_buffers_hold_on(t, pointer, TLS_AROUND);

        held = hold_like(t, pointer, &errno) && held;
        return hold_like(t, pointer, quire_linux_words()) && held;
}

void quire_buffers_end(struct quire_thread *t)
{
        quire_buffers_drop(t);
        quire_linux_enter_masked(quire_agent.machine);
        for (unsigned i = 0; i < QUIRE_LASTING; i++)
                if (t->lasting[i].bytes)
                        quire_region_unhold(quire_agent.space, t->lasting[i].va,
                                            t->lasting[i].bytes);
        quire_linux_leave_masked(quire_agent.machine);
        memset(t->lasting, 0, sizeof(t->lasting));
}

/* In a forked child: the core has dropped the holds of all other threads with
 * the threads; what this one holds goes on. */
void quire_buffers_forked(struct quire_thread *mine)
{
        unlock_holds(mine);
}

/* ----------------------------------------------------------- simple arguments */

/* Replace an argument by a copy.  False: no room, or it can not be read. */
static bool copy_argument(struct quire_thread *t, uint64_t *arg, uint64_t bytes)
{
        uint32_t before = t->bounced;
        void *copy = quire_buffers_room(t, bytes);

        if (!copy || !quire_user_get(copy, *arg, bytes)) {
                t->bounced = before;
                return false;
        }
        *arg = raw_address(copy);
        return true;
}

static void prepare_in(struct quire_thread *t, uint64_t *arg, uint64_t bytes)
{
        if (!quire_buffers_managed(*arg, bytes))
                return;
        if (bytes > COPY_MOST || !copy_argument(t, arg, bytes))
                (void)quire_buffers_hold(t, *arg, bytes, QUIRE_R, NULL);
}

void quire_buffers_in(struct quire_thread *t, struct quire_call *c, unsigned arg, uint64_t bytes)
{
        prepare_in(t, &c->now[arg], bytes);
}

/* What is larger than a call may hold is held as far as that goes: the kernel
 * fills such buffers from the front, and seldom all of them. */
void quire_buffers_out(struct quire_thread *t, struct quire_call *c, unsigned arg, uint64_t bytes)
{
        if (bytes > quire_agent.hold_most)
                bytes = quire_agent.hold_most;
        if (c->now[arg])
                (void)quire_buffers_hold(t, c->now[arg], bytes, QUIRE_W, NULL);
}

/* Copy a string, its end included.  Its length, or -1: unreadable, or longer. */
static int64_t get_string(char *to, uint64_t from, uint64_t room)
{
        uint64_t done = 0;

        while (done < room) {
                uint64_t step = PAGE - ((from + done) & (PAGE - 1));
                if (step > room - done)
                        step = room - done;
                if (!quire_user_get(to + done, from + done, step))
                        return -1;
                const char *end = memchr(to + done, 0, step);
                if (end)
                        return end - to;
                done += step;
        }
        return -1;
}

void quire_buffers_string(struct quire_thread *t, struct quire_call *c, unsigned arg)
{
        uint32_t before = t->bounced;
        uint64_t room = QUIRE_BOUNCE - before < PATH_MAX ? QUIRE_BOUNCE - before : PATH_MAX;
        int64_t length;

        if (!quire_buffers_managed(c->now[arg], 1))
                return;
        length = get_string(t->bounce + before, c->now[arg], room);
        if (length < 0) {
                /* Longer than a path may be, or not accessible: the kernel sees. */
                (void)quire_buffers_hold(t, c->now[arg], PATH_MAX + PAGE, QUIRE_R, NULL);
                return;
        }
        t->bounced = before + (uint32_t)length + 1;
        c->now[arg] = raw_address(t->bounce + before);
}

/* ------------------------------------------------------------------- strings */

/* Does the array, or one of its strings, lie in managed memory?  -1: it can not
 * be read. */
static int strings_managed(uint64_t array)
{
        bool any = quire_buffers_managed(array, 8);
        uint64_t one;

        for (uint64_t at = array;; at += 8) {
                if (!quire_user_get(&one, at, 8))
                        return -1;
                if (!one)
                        return any;
                any = any || quire_buffers_managed(one, 1);
        }
}

static bool copy_strings(char *to, uint64_t bytes, uint64_t array)
{
        uint64_t count = 0, one, used;

        do {
                if (!quire_user_get(&one, array + 8 * count++, 8))
                        return false;
        } while (one);
        used = 8 * count;
        for (uint64_t i = 0; i < count; i++) {
                int64_t length;
                if (used >= bytes || !quire_user_get(&one, array + 8 * i, 8))
                        return false;
                if (one) {
                        length = get_string(to + used, one, bytes - used);
                        if (length < 0)
                                return false;
                        one = raw_address(to + used);
                        used += (uint64_t)length + 1;
                }
                memcpy(to + 8 * i, &one, 8);
        }
        return true;
}

/* The arrays of an exec: both into one mapping, half of it each. */
void quire_buffers_strings(struct quire_thread *t, struct quire_call *c, unsigned arg)
{
        bool second = t->scratch.bytes;
        uint64_t half = STRINGS_MOST;
        long at;

        if (!c->now[arg] || strings_managed(c->now[arg]) != 1)
                return;
        if (!second) {
                at = raw_mmap(0, 2 * half, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (raw_failed(at))
                        return;
                t->scratch = (struct quire_span){ (uint64_t)at, 2 * half };
        }
        char *to = raw_pointer(t->scratch.va + (second ? half : 0));
        if (copy_strings(to, half, c->now[arg]))
                c->now[arg] = raw_address(to);
}

/* ---------------------------------------------------------- vectors, messages */

static void hold_pieces(struct quire_thread *t, uint64_t at, uint64_t count, unsigned access)
{
        struct iovec piece[16];

        if (count > IOV_MAX)
                return;
        for (uint64_t i = 0; i < count; i += 16) {
                uint64_t n = count - i < 16 ? count - i : 16;
                if (!quire_user_get(piece, at + i * sizeof(piece[0]), n * sizeof(piece[0])))
                        return;
                for (uint64_t j = 0; j < n; j++)
                        (void)quire_buffers_hold(t, raw_address(piece[j].iov_base),
                                                 piece[j].iov_len, access, NULL);
        }
}

void quire_buffers_vector(struct quire_thread *t, struct quire_call *c, unsigned arg,
                          uint64_t count, unsigned access)
{
        hold_pieces(t, c->now[arg], count, access);
        prepare_in(t, &c->now[arg], count * sizeof(struct iovec));
}

/* One message header at `at', which stays where it is. */
static bool hold_message(struct quire_thread *t, uint64_t at, unsigned access)
{
        struct msghdr m;

        (void)quire_buffers_hold(t, at, sizeof(m), QUIRE_W, NULL);
        if (!quire_user_get(&m, at, sizeof(m)))
                return false;
        if (m.msg_name)
                (void)quire_buffers_hold(t, raw_address(m.msg_name), m.msg_namelen, access, NULL);
        if (m.msg_control)
                (void)quire_buffers_hold(t, raw_address(m.msg_control), m.msg_controllen, access,
                                         NULL);
        (void)quire_buffers_hold(t, raw_address(m.msg_iov), m.msg_iovlen * sizeof(struct iovec),
                                 QUIRE_R, NULL);
        hold_pieces(t, raw_address(m.msg_iov), m.msg_iovlen, access);
        return true;
}

void quire_buffers_message(struct quire_thread *t, struct quire_call *c, unsigned arg,
                           unsigned access)
{
        (void)hold_message(t, c->now[arg], access);
}

void quire_buffers_messages(struct quire_thread *t, struct quire_call *c, unsigned arg,
                            uint64_t count, unsigned access)
{
        for (uint64_t i = 0; i < count && i < IOV_MAX; i++)
                if (!hold_message(t, c->now[arg] + i * sizeof(struct mmsghdr), access))
                        return;
}
