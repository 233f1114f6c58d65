/*
 * ring.c - transfers to pagefiles that overlap with everything else.
 *
 * A write goes to the kernel through io_uring and comes back with io_poll; where
 * there is no ring, or it is full, the write happens at once and only the
 * handing back is later.
 *
 * io_uring announces a completion to the thread that submitted it, whatever
 * call that thread is in by then: an epoll_wait answers EINTR, a write to a pipe
 * ends early, and no signal was ever sent.  Under `quire run' the thread is one
 * of a program that knows nothing of it; there the ring is the older one of
 * io_submit, which announces nothing to anybody.  With handler threads likewise:
 * a thread that is stopped by a fault in a system call, which only a completion
 * could resolve, hears of none.
 *
 *      io_start -> in the ring (ring_flight) --- reaped ---\
 *               \> being written here (here_flight) --------> done -> io_poll
 *
 * One thread at a time sleeps in the kernel for completions, and while it does
 * nobody else reaps: who reaped the last completion just before another went to
 * sleep for it would leave it there for good.  The others sleep on `turn', which
 * counts the wakings.
 *
 * In a child of fork the ring belongs to the parent: it is forgotten, and a new
 * one is made with the first write.
 *
 * Locks: `submit' guards the submission side, `reap' everything else; reap may
 * be taken under submit, not the other way round.  Signal context: yes.
 */
#include "internal.h"
#include "pagefile.h"
#include "sys.h"
#include <errno.h>
#include <limits.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <string.h>

#define ENTRIES 64u

struct ring {
        struct io_uring uring;
        bool open;                       /* [submit] */
        bool tried;                      /* [submit] */
        bool quiet;                      /* [submit, reap] `context', not `uring'; either lock
                                          * will do to read it */
        aio_context_t context;           /* [submit] */
        struct io_event arrived[ENTRIES];      /* [reap] by a sleep, not looked at yet */
        unsigned arrivals;               /* [reap] */
        struct quire_lock submit;
        struct quire_lock reap;
        unsigned ring_flight;            /* [reap] */
        unsigned here_flight;            /* [reap] */
        bool sleeping;                   /* [reap] somebody waits in the kernel */
        uint32_t turn;                   /* [a] */
        struct quire_io *done, **tail;   /* [reap] in the order of arrival */
};

static bool open_ring(struct quire_linux *l, struct ring *r)
{
        struct io_uring_params params = { 0 };

        if (r->tried)
                return r->open;
        r->tried = true;
        if (l->hooks.caller_handles_signals || !l->inlined) {
                r->open = l->can & CAN_URING &&
                          !sys_call3(SYS_io_setup, ENTRIES, sys_address(&r->context), 0);
                quire_lock_take(&r->reap);           /* others may poll already */
                r->quiet = r->open;
                quire_lock_drop(&r->reap);
                return r->open;
        }
        if (!(l->can & CAN_URING) || io_uring_queue_init_params(ENTRIES, &r->uring, &params))
                return false;
        /* The vector of a write lies on the submitter's stack. */
        if (!(params.features & IORING_FEAT_SUBMIT_STABLE)) {
                io_uring_queue_exit(&r->uring);
                return false;
        }
        int fd = quire_descriptor_raise(l, r->uring.ring_fd);
        r->uring.ring_fd = r->uring.enter_ring_fd = fd;
        r->open = true;
        return true;
}

/* => reap held. */
static void append_done(struct ring *r, struct quire_io *io)
{
        io->next = NULL;
        *r->tail = io;
        r->tail = &io->next;
}

static struct quire_io *pop_done(struct ring *r)
{
        struct quire_io *io = r->done;

        if (io) {
                r->done = io->next;
                if (!r->done)
                        r->tail = &r->done;
                io->next = NULL;
        }
        return io;
}

static void next_turn(struct ring *r)
{
        STORE(&r->turn, r->turn + 1);
        (void)sys_futex_wake(&r->turn, INT_MAX);
}

/* ---------------------------------------------------------------- starting */

/* => submit held, the ring is quiet.  False: it is full. */
static bool submit_quietly(struct quire_linux *l, struct ring *r, struct quire_io *io,
                           struct iovec *vector, unsigned n)
{
        struct iocb block = {
                .aio_data = (uint64_t)(uintptr_t)io,
                .aio_lio_opcode = IOCB_CMD_PWRITEV,
                .aio_fildes = (uint32_t)l->file[io->file].fd,
                .aio_buf = (uint64_t)(uintptr_t)vector,
                .aio_nbytes = n,
                .aio_offset = (int64_t)(io->slot << PAGE_SHIFT),
        };
        struct iocb *list[1] = { &block };
        long submitted;

        quire_lock_take(&r->reap);
        bool full = r->ring_flight == ENTRIES;
        r->ring_flight += !full;
        quire_lock_drop(&r->reap);
        if (full)
                return false;
        submitted = sys_call3(SYS_io_submit, (long)r->context, 1, sys_address(list));
        if (submitted == 1)
                return true;
        quire_lock_take(&r->reap);
        r->ring_flight--;
        quire_lock_drop(&r->reap);
        return false;
}

static bool submit(struct quire_linux *l, struct ring *r, struct quire_io *io)
{
        struct iovec vector[QUIRE_IO_MAX];
        unsigned n = quire_io_vector(io, vector);
        struct io_uring_sqe *sqe = NULL;
        int submitted = 0;

        quire_lock_take(&r->submit);
        if (open_ring(l, r) && r->quiet) {
                bool done = submit_quietly(l, r, io, vector, n);
                quire_lock_drop(&r->submit);
                return done;
        }
        if (r->open)
                sqe = io_uring_get_sqe(&r->uring);
        if (sqe) {
                io_uring_prep_writev(sqe, l->file[io->file].fd, vector, n, io->slot << PAGE_SHIFT);
                io_uring_sqe_set_data(sqe, io);
                quire_lock_take(&r->reap);
                r->ring_flight++;
                quire_lock_drop(&r->reap);
                do
                        submitted = io_uring_submit(&r->uring);
                while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
                if (submitted < 0)
                        quire_linux_stop(l, "the I/O ring refuses a transfer");
        }
        quire_lock_drop(&r->submit);
        return sqe;
}

static void write_here(struct quire_linux *l, struct ring *r, struct quire_io *io)
{
        quire_lock_take(&r->reap);
        r->here_flight++;
        quire_lock_drop(&r->reap);
        io->status = quire_io_status(quire_io_finish(l, io, true, 0));
        quire_lock_take(&r->reap);
        r->here_flight--;
        append_done(r, io);
        next_turn(r);
        quire_lock_drop(&r->reap);
}

void quire_linux_io_start(struct quire_host *h, struct quire_io *io)
{
        struct quire_linux *l = lodger_of(h);
        struct ring *r = l->ring;

        quire_thread_waits();
        if (l->idle)
                l->idle(l);
        io->status = quire_io_room(l, io);
        if (io->status) {
                quire_lock_take(&r->reap);
                append_done(r, io);
                next_turn(r);
                quire_lock_drop(&r->reap);
        } else if (!submit(l, r, io)) {
                write_here(l, r, io);
        }
}

/* --------------------------------------------------------------- finishing */

/* One transfer has arrived with this result.  What arrived short is put on
 * *rest.  => reap held. */
static void arrive(struct ring *r, struct quire_io *io, int64_t got, struct quire_io **rest)
{
        r->ring_flight--;
        if (got == (int64_t)io->count << PAGE_SHIFT) {
                io->status = QUIRE_OK;
                append_done(r, io);
        } else {
                /* Short, interrupted or refused: the whole of it again, at
                 * once, settles what it was. */
                r->here_flight++;
                io->next = *rest;
                *rest = io;
        }
}

/* Fill arrived[]; with wait, sleep for the first. */
static unsigned collect_quietly(struct ring *r, bool wait)
{
        struct timespec none = { 0, 0 };
        long n = sys_call6(SYS_io_getevents, (long)r->context, wait, ENTRIES,
                           sys_address(r->arrived), sys_address(wait ? NULL : &none), 0);

        return n > 0 ? (unsigned)n : 0;
}

/* Take what has arrived off the ring.  => reap held, nobody sleeping. */
static void reap_ring(struct ring *r, struct quire_io **rest)
{
        struct io_uring_cqe *cqe;

        if (r->quiet) {
                if (!r->arrivals && r->ring_flight)
                        r->arrivals = collect_quietly(r, false);
                while (r->arrivals) {
                        const struct io_event *e = &r->arrived[--r->arrivals];
                        arrive(r, (struct quire_io *)(uintptr_t)e->data, e->res, rest);
                }
                return;
        }
        while (r->ring_flight && !io_uring_peek_cqe(&r->uring, &cqe)) {
                struct quire_io *io = io_uring_cqe_get_data(cqe);
                int got = cqe->res;

                io_uring_cqe_seen(&r->uring, cqe);
                arrive(r, io, got, rest);
        }
}

static void write_rest(struct quire_linux *l, struct ring *r, struct quire_io *rest)
{
        while (rest) {
                struct quire_io *io = rest;
                rest = io->next;
                io->status = quire_io_status(quire_io_finish(l, io, true, 0));
                quire_lock_take(&r->reap);
                r->here_flight--;
                append_done(r, io);
                next_turn(r);
                quire_lock_drop(&r->reap);
        }
}

/* Sleep until something may have arrived.  => reap held; it is dropped. */
static void await_turn(struct ring *r)
{
        uint32_t turn = r->turn;

        if (r->ring_flight && !r->sleeping) {
                r->sleeping = true;
                quire_lock_drop(&r->reap);
                quire_thread_waits();
                unsigned n = 0;
                if (r->quiet)
                        n = collect_quietly(r, true);
                else
                        (void)sys_call6(SYS_io_uring_enter, r->uring.ring_fd, 0, 1,
                                        IORING_ENTER_GETEVENTS, 0, 0);
                quire_lock_take(&r->reap);
                r->arrivals = n;
                r->sleeping = false;
                next_turn(r);
                quire_lock_drop(&r->reap);
                return;
        }
        quire_lock_drop(&r->reap);
        quire_thread_waits();
        (void)sys_futex_wait(&r->turn, turn);
}

struct quire_io *quire_linux_io_poll(struct quire_host *h, bool wait)
{
        struct quire_linux *l = lodger_of(h);
        struct ring *r = l->ring;

        if (wait && l->idle)
                l->idle(l);
        for (;;) {
                struct quire_io *rest = NULL, *io;

                quire_lock_take(&r->reap);
                if (!r->sleeping)
                        reap_ring(r, &rest);
                io = pop_done(r);
                if (io || rest) {
                        quire_lock_drop(&r->reap);
                        write_rest(l, r, rest);
                        if (io)
                                return io;
                        continue;
                }
                if (!wait || (!r->ring_flight && !r->here_flight)) {
                        quire_lock_drop(&r->reap);
                        return NULL;
                }
                await_turn(r);
        }
}

/* ------------------------------------------------------------ open, close */

bool quire_ring_open(struct quire_linux *l)
{
        struct ring *r = quire_lodging_alloc(&l->lodging, sizeof(*r));

        if (!r)
                return false;
        r->tail = &r->done;
        l->ring = r;
        /* The kernel takes 20 to 40 ms to take io_submit's ring away when the
         * process ends: many a program never writes a page. */
        if (!l->hooks.caller_handles_signals && l->inlined)
                (void)open_ring(l, r);
        return true;
}

void quire_ring_close(struct quire_linux *l)
{
        if (l->ring && l->ring->quiet)
                (void)sys_call3(SYS_io_destroy, (long)l->ring->context, 0, 0);
        else if (l->ring && l->ring->open)
                io_uring_queue_exit(&l->ring->uring);
        l->ring = NULL;
}

/* A child of fork: the ring's memory and descriptor go, the ring stays the
 * parent's.  => nothing was under way. */
void quire_ring_forget(struct quire_linux *l)
{
        struct ring *r = l->ring;

        if (r->open && !r->quiet)
                io_uring_queue_exit(&r->uring);
        memset(r, 0, sizeof(*r));
        r->tail = &r->done;
}

int quire_ring_descriptor(const struct quire_linux *l)
{
        return l->ring && l->ring->open && !l->ring->quiet ? l->ring->uring.ring_fd : -1;
}

/* Does this kernel let us have a ring? */
bool quire_ring_probe(void)
{
        struct io_uring uring;

        if (io_uring_queue_init(4, &uring, 0))
                return false;
        io_uring_queue_exit(&uring);
        return true;
}
