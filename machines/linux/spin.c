/*
 * spin.c - reads whose end is looked for instead of slept for.
 *
 * Who sleeps for a page from a fast disk pays for the going to sleep and for being
 * woken about a quarter of the time that the read takes.  So a thread that reads past
 * the page cache stays on the processor and looks at a completion queue of io_uring
 * until the read is there, with two ways out:
 *
 *   the processor is wanted   it is offered every few microseconds; who got it back
 *                             late sleeps, and so do the next RESTS reads
 *   the disk is slow          after spin.most likewise
 *
 * A seat is a ring for one read at a time, made with the first.
 *
 *      free --take--> taken, submitted --- seen in the queue ---> free
 *                                     \--- slept for --------/
 *
 * Who finds none free, or is refused, reads as everybody does.  Refused is what could
 * not begin at once (RWF_NOWAIT): the kernel would give it to threads that it makes in
 * our process, where others count threads, and signals cancel their making.
 *
 * What ring.c says of completions that interrupt the submitter is no matter here: he
 * goes nowhere before they are there.  In a child of fork the seats are the parent's
 * and are closed.
 *
 * Lock: none; a seat is its taker's.  Signal context: yes; the rings are made and
 * entered without a library.
 */
#include "internal.h"
#include "sys.h"
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define SPIN_NS 200000u
#define AWAY_NS 20000u               /* another thread had the processor */
#define LOOKS 64u                    /* between two offers of the processor */
#define RESTS 32u

static uint32_t *word_at(const struct seat *s, uint32_t offset)
{
        return (uint32_t *)(uintptr_t)(s->ring + offset);
}

static void close_seat(struct seat *s)
{
        if (s->ring)
                (void)sys_munmap(s->ring, s->ring_bytes);
        if (s->entries)
                (void)sys_munmap(s->entries, PAGE);
        if (s->fd > 0)
                (void)sys_close(s->fd);
        s->ring = s->entries = 0;
        STORE(&s->fd, 0);
}

static uint64_t map_ring(int fd, uint64_t bytes, uint64_t what)
{
        long at = sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

        return at > 0 ? (uint64_t)at : 0;
}

/* A ring with one entry; both of its queues lie in one mapping. */
static bool open_seat(const struct quire_linux *l, struct seat *s)
{
        struct io_uring_params *p = &s->params;
        int fd;

        s->tried = true;
        fd = quire_descriptor_raise(l, (int)sys_call3(SYS_io_uring_setup, 1, sys_address(p), 0));
        if (fd < 0)
                return false;
        STORE(&s->fd, fd);
        s->ring_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
        if (s->ring_bytes < p->sq_off.array + p->sq_entries * sizeof(uint32_t))
                s->ring_bytes = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
        s->ring_bytes = (s->ring_bytes + PAGE - 1) & ~(PAGE - 1);
        s->ring = map_ring(fd, s->ring_bytes, IORING_OFF_SQ_RING);
        s->entries = map_ring(fd, PAGE, IORING_OFF_SQES);
        if (s->ring && s->entries && p->features & IORING_FEAT_SINGLE_MMAP &&
            p->features & IORING_FEAT_SUBMIT_STABLE)
                return true;
        close_seat(s);
        return false;
}

/* Is it a time to sleep? */
static bool rests(struct spin *s)
{
        uint32_t left = LOAD(&s->rest);

        while (left && !__atomic_compare_exchange_n(&s->rest, &left, left - 1, false,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                ;
        return left;
}

static struct seat *take_seat(struct quire_linux *l)
{
        if (!(l->can & CAN_SPIN) || LOAD(&l->spin.never) || rests(&l->spin))
                return NULL;
        for (unsigned i = 0; i < SEATS; i++) {
                struct seat *s = &l->spin.seat[i];

                if (__atomic_exchange_n(&s->taken, true, __ATOMIC_ACQUIRE))
                        continue;
                if (s->tried ? s->ring : open_seat(l, s))
                        return s;
                STORE(&s->taken, false);
        }
        return NULL;
}

static bool submit_read(const struct seat *s, int fd, const struct iovec *vector, unsigned n,
                        uint64_t at)
{
        struct io_uring_sqe *entry = (struct io_uring_sqe *)(uintptr_t)s->entries;
        uint32_t *tail = word_at(s, s->params.sq_off.tail);

        *entry = (struct io_uring_sqe){
                .opcode = IORING_OP_READV, .fd = fd, .addr = (uint64_t)(uintptr_t)vector,
                .len = n, .off = at, .rw_flags = RWF_NOWAIT,
        };
        *word_at(s, s->params.sq_off.array) = 0;
        STORE(tail, *tail + 1);
        if (sys_call6(SYS_io_uring_enter, s->fd, 1, 0, 0, 0, 0) == 1)
                return true;
        STORE(tail, *tail - 1);              /* (nobody took it) */
        return false;
}

/* Its result, if it is there. */
static bool look(const struct seat *s, long *result)
{
        const struct io_uring_cqe *queue =
                (const struct io_uring_cqe *)(uintptr_t)(s->ring + s->params.cq_off.cqes);
        uint32_t *head = word_at(s, s->params.cq_off.head);

        if (*head == LOAD(word_at(s, s->params.cq_off.tail)))
                return false;
        *result = queue[*head & (s->params.cq_entries - 1)].res;
        STORE(head, *head + 1);
        return true;
}

/* False: it takes too long, or others want the processor. */
static bool spin(const struct seat *s, uint64_t most, long *result)
{
        uint64_t began = quire_linux_clock(NULL), offered, now;

        do {
                for (unsigned i = 0; i < LOOKS; i++) {
                        if (look(s, result))
                                return true;
                        __builtin_ia32_pause();
                }
                offered = quire_linux_clock(NULL);
                (void)sys_call3(SYS_sched_yield, 0, 0, 0);
                now = quire_linux_clock(NULL);
        } while (now - offered < AWAY_NS && now - began < most);
        return false;
}

static long await_read(struct quire_linux *l, struct seat *s, const struct quire_io *io)
{
        long result;

        if (io && io->meanwhile)
                io->meanwhile(io);
        if (spin(s, l->spin.most, &result))
                return result;
        STORE(&l->spin.rest, RESTS);
        while (!look(s, &result))
                (void)sys_call6(SYS_io_uring_enter, s->fd, 0, 1, IORING_ENTER_GETEVENTS, 0, 0);
        return result;
}

/* Bytes read, or a negative errno, as of preadv.  io: null, or whose `meanwhile' there is
 * time for. */
long quire_spin_read(struct quire_linux *l, int fd, const struct iovec *vector, unsigned n,
                     uint64_t at, const struct quire_io *io)
{
        struct seat *s = take_seat(l);
        long result = -EAGAIN;

        if (s && submit_read(s, fd, vector, n, at))
                result = await_read(l, s, io);
        if (s)
                STORE(&s->taken, false);
        if (result >= 0)
                return result;
        return sys_call6(SYS_preadv, fd, sys_address(vector), n, (long)at, 0, 0);
}

void quire_spin_open(struct quire_linux *l)
{
        memset(&l->spin, 0, sizeof(l->spin));
        l->spin.most = SPIN_NS;
}

void quire_linux_spin_never(struct quire_linux *l)
{
        STORE(&l->spin.never, true);
}

/* For who lists our descriptors: of seat `i', or -1. */
int quire_spin_descriptor(const struct quire_linux *l, unsigned i)
{
        int fd = LOAD(&l->spin.seat[i].fd);

        return fd > 0 ? fd : -1;
}

/* Also in a child of fork.  => nobody reads, nor did when it was made */
void quire_spin_close(struct quire_linux *l)
{
        bool never = l->spin.never;

        for (unsigned i = 0; i < SEATS; i++)
                close_seat(&l->spin.seat[i]);
        quire_spin_open(l);
        l->spin.never = never;
}
