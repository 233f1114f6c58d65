/*
 * chunk.c - reads, writes and their relatives, which may name more memory than
 * can be held at once.
 *
 * What fits is held, and the call is made as it is.  A larger transfer is made
 * in rounds of at most hold_most bytes: the thread comes back to the agent after
 * each, and the program sees one call that returns the sum.  It ends at the
 * first round that is short or fails, as one call would have; a signal that
 * interrupts it ends it with what was done, or begins it anew if that is
 * nothing.  A read goes to another round only where one call would have filled
 * the whole buffer: files, and MSG_WAITALL.
 *
 * When so much is held that not a page can be had, a round goes through the
 * thread's bounce area; so transfers never wait for each other's holds.
 *
 * Signal context: yes.  Lock: none.
 */
#include "agent.h"
#include "buffers.h"
#include "chunk.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PIECES 64u                       /* of a vector, in one round */
#define NONE 6u                          /* no such argument */
#define SMALL 4096u                      /* copied rather than held */

/* What the arguments of a transfer are. */
struct shape {
        uint8_t buffer, length;          /* length: bytes, or pieces of a vector */
        uint8_t offset;                  /* or NONE */
        uint8_t flags;                   /* MSG_*, or NONE */
        bool vector, message, reads;     /* reads: memory is written */
};

static struct shape shape_of(int64_t nr)
{
        switch (nr) {
        case SYS_read:
                return (struct shape){ 1, 2, NONE, NONE, false, false, true };
        case SYS_write:
                return (struct shape){ 1, 2, NONE, NONE, false, false, false };
        case SYS_pread64:
                return (struct shape){ 1, 2, 3, NONE, false, false, true };
        case SYS_pwrite64:
                return (struct shape){ 1, 2, 3, NONE, false, false, false };
        case SYS_readv:
                return (struct shape){ 1, 2, NONE, NONE, true, false, true };
        case SYS_writev:
                return (struct shape){ 1, 2, NONE, NONE, true, false, false };
        case SYS_preadv:
        case SYS_preadv2:
                return (struct shape){ 1, 2, 3, NONE, true, false, true };
        case SYS_pwritev:
        case SYS_pwritev2:
                return (struct shape){ 1, 2, 3, NONE, true, false, false };
        case SYS_recvfrom:
                return (struct shape){ 1, 2, NONE, 3, false, false, true };
        case SYS_sendto:
                return (struct shape){ 1, 2, NONE, 3, false, false, false };
        case SYS_recvmsg:
                return (struct shape){ 1, NONE, NONE, 2, true, true, true };
        case SYS_sendmsg:
                return (struct shape){ 1, NONE, NONE, 2, true, true, false };
        default:
                return (struct shape){ 0, 1, NONE, NONE, false, false, true };   /* getrandom */
        }
}

static unsigned access_of(const struct shape *s)
{
        return s->reads ? QUIRE_W : QUIRE_R;
}

/* The vector that the program gave.  False: not readable. */
static bool get_vector(const struct quire_call *c, const struct shape *s, uint64_t *at,
                       uint64_t *count)
{
        struct msghdr m;

        *at = c->args[s->buffer];
        *count = s->message ? 0 : c->args[s->length];
        if (s->message) {
                if (!quire_user_get(&m, *at, sizeof(m)))
                        return false;
                *at = raw_address(m.msg_iov);
                *count = m.msg_iovlen;
        }
        return *count <= IOV_MAX;
}

/* Does it name more bytes than one round holds? */
static bool is_large(const struct quire_call *c, const struct shape *s)
{
        struct iovec piece[PIECES / 4];
        uint64_t at, count, sum = 0;
        bool managed = false;

        if (!s->vector)
                return c->args[s->length] > quire_agent.hold_most;
        if (!get_vector(c, s, &at, &count))
                return false;
        for (uint64_t i = 0; i < count; i++) {
                uint64_t j = i % (PIECES / 4);
                uint64_t n = count - i < PIECES / 4 ? count - i : PIECES / 4;
                if (!j && !quire_user_get(piece, at + i * sizeof(piece[0]), n * sizeof(piece[0])))
                        return false;
                if (!quire_buffers_managed(raw_address(piece[j].iov_base), piece[j].iov_len))
                        continue;
                managed = true;
                sum += piece[j].iov_len;
        }
        return managed && sum > quire_agent.hold_most;
}

/* ------------------------------------------------------------------- rounds */

struct round {
        struct iovec *piece;
        uint32_t count;
        uint64_t bytes;
};

/* Nothing can be held just now: let the data go through the bounce area. */
static bool bounce_piece(struct quire_thread *t, const struct shape *s, struct iovec *piece)
{
        struct quire_call *c = &t->call;
        uint64_t at = raw_address(piece->iov_base), skew = at & (PAGE - 1);
        uint64_t start = page_up(t->bounced) + skew, room;

        if (start >= QUIRE_BOUNCE)
                return false;
        room = QUIRE_BOUNCE - start;
        if (piece->iov_len > room)
                piece->iov_len = room;
        if (!s->reads && !quire_user_get(t->bounce + start, at, piece->iov_len))
                return false;
        c->bounced_to = at;
        c->bounced_from = start;
        piece->iov_base = t->bounce + start;
        return true;
}

/* Add what is left of one piece to the round.  False: the round is full. */
static bool add_piece(struct quire_thread *t, const struct shape *s, struct round *r,
                      struct iovec piece)
{
        uint64_t room = quire_agent.hold_most - r->bytes, held;
        bool busy = false, whole = piece.iov_len <= room;

        if (!whole)
                piece.iov_len = room;
        held = quire_buffers_hold(t, raw_address(piece.iov_base), piece.iov_len, access_of(s),
                                  &busy);
        if (busy && !held) {
                if (r->count || !bounce_piece(t, s, &piece))
                        return false;
                whole = false;
        } else if (held && held < piece.iov_len) {
                piece.iov_len = held;
                whole = false;
        }
        r->piece[r->count++] = piece;
        r->bytes += piece.iov_len;
        return whole && r->count < PIECES && r->bytes < quire_agent.hold_most;
}

/* Gather the pieces after the first `progress' bytes. */
static bool gather(struct quire_thread *t, struct quire_call *c, const struct shape *s,
                   struct round *r)
{
        uint64_t skip = c->progress, at, count;
        struct iovec piece;

        if (!s->vector) {
                piece.iov_base = raw_pointer(c->args[s->buffer] + skip);
                piece.iov_len = c->args[s->length] - skip;
                (void)add_piece(t, s, r, piece);
                return true;
        }
        if (!get_vector(c, s, &at, &count))
                return false;
        for (uint64_t i = 0; i < count; i++) {
                if (!quire_user_get(&piece, at + i * sizeof(piece), sizeof(piece)))
                        return false;
                if (piece.iov_len <= skip) {
                        skip -= piece.iov_len;
                        continue;
                }
                piece.iov_base = (char *)piece.iov_base + skip;
                piece.iov_len -= skip;
                skip = 0;
                if (!add_piece(t, s, r, piece))
                        break;
        }
        return true;
}

/* A message is sent from, or received by, a header of ours. */
static bool set_message(struct quire_thread *t, struct quire_call *c, const struct shape *s,
                        const struct round *r)
{
        struct msghdr *m = quire_buffers_room(t, sizeof(*m));

        if (!m || !quire_user_get(m, c->args[s->buffer], sizeof(*m)))
                return false;
        if (m->msg_name)
                (void)quire_buffers_hold(t, raw_address(m->msg_name), m->msg_namelen, access_of(s),
                                         NULL);
        if (c->progress) {
                m->msg_control = NULL;
                m->msg_controllen = 0;
        } else if (m->msg_control) {
                (void)quire_buffers_hold(t, raw_address(m->msg_control), m->msg_controllen,
                                         access_of(s), NULL);
        }
        m->msg_iov = r->piece;
        m->msg_iovlen = r->count;
        c->now[s->buffer] = raw_address(m);
        return true;
}

/* The peer's address and the like, which accompany the data. */
static void hold_company(struct quire_thread *t, struct quire_call *c)
{
        uint32_t length;

        if (c->nr == SYS_sendto && c->args[4])
                quire_buffers_in(t, c, 4, c->args[5] & 0xffff);
        if (c->nr != SYS_recvfrom || !c->args[4] || !c->args[5])
                return;
        quire_buffers_out(t, c, 5, 4);
        if (quire_user_get(&length, c->args[5], 4))
                quire_buffers_out(t, c, 4, length);
}

/* Set the arguments of the next round. */
static bool set_round(struct quire_thread *t, struct quire_call *c, const struct shape *s)
{
        struct round r = { .piece = NULL };

        t->bounced = 0;
        c->bounced_to = 0;
        r.piece = quire_buffers_room(t, PIECES * sizeof(struct iovec));
        if (!r.piece || !gather(t, c, s, &r) || !r.count)
                return false;
        c->chunk = r.bytes;
        if (s->message) {
                if (!set_message(t, c, s, &r))
                        return false;
        } else if (s->vector) {
                c->now[s->buffer] = raw_address(r.piece);
                c->now[s->length] = r.count;
        } else {
                c->now[s->buffer] = raw_address(r.piece[0].iov_base);
                c->now[s->length] = r.piece[0].iov_len;
                if (!c->bounced_to)
                        hold_company(t, c);
        }
        if (s->offset != NONE && c->args[s->offset] != UINT64_MAX)
                c->now[s->offset] = c->args[s->offset] + c->progress;
        return true;
}

/* Would one call have gone on, after filling all of this round? */
static bool goes_on(const struct quire_call *c, const struct shape *s)
{
        struct stat st;

        if (!s->reads || c->nr == SYS_getrandom)
                return true;
        if (s->flags != NONE)
                return c->args[s->flags] & MSG_WAITALL;
        if (raw3(SYS_fstat, c->args[0], raw_address(&st), 0))
                return false;
        return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
}

static uint64_t total(const struct quire_call *c, const struct shape *s)
{
        struct iovec piece;
        uint64_t at, count, sum = 0;

        if (!s->vector)
                return c->args[s->length];
        if (!get_vector(c, s, &at, &count))
                return 0;
        for (uint64_t i = 0; i < count; i++) {
                if (!quire_user_get(&piece, at + i * sizeof(piece), sizeof(piece)))
                        return 0;
                sum += piece.iov_len;
        }
        return sum;
}

/* recvmsg tells more than the count: give the header's fields back. */
static void give_message(const struct quire_call *c, const struct shape *s)
{
        const struct msghdr *m = raw_pointer(c->now[s->buffer]);
        uint64_t to = c->args[s->buffer];

        (void)quire_user_put(to + offsetof(struct msghdr, msg_namelen), &m->msg_namelen,
                             sizeof(m->msg_namelen));
        (void)quire_user_put(to + offsetof(struct msghdr, msg_flags), &m->msg_flags,
                             sizeof(m->msg_flags));
        if (!c->progress)
                (void)quire_user_put(to + offsetof(struct msghdr, msg_controllen),
                                     &m->msg_controllen, sizeof(m->msg_controllen));
}

/* A round is over. */
static enum quire_outcome after_round(struct quire_thread *t, struct quire_call *c)
{
        struct shape s = shape_of(c->nr);
        int64_t result = (int64_t)c->result;

        quire_buffers_drop(t);
        if (result < 0)
                return quire_answer(c, c->progress ? (int64_t)c->progress : result);
        if (s.reads && c->bounced_to &&
            !quire_user_put(c->bounced_to, t->bounce + c->bounced_from, (uint64_t)result))
                return quire_answer(c, c->progress ? (int64_t)c->progress : -EFAULT);
        if (s.message && s.reads)
                give_message(c, &s);
        c->progress += (uint64_t)result;
        if (c->last || (uint64_t)result < c->chunk || c->progress >= total(c, &s) ||
            !goes_on(c, &s) || !set_round(t, c, &s))
                return quire_answer(c, (int64_t)c->progress);
        return QUIRE_CALL_PASS_ON;
}

static enum quire_outcome in_rounds(struct quire_thread *t, struct quire_call *c,
                                    const struct shape *s)
{
        c->after = after_round;
        quire_buffers_drop(t);
        if (set_round(t, c, s))
                return QUIRE_CALL_PASS_ON;
        for (unsigned i = 0; i < 6; i++)
                c->now[i] = c->args[i];
        return QUIRE_CALL_PASS;
}

/* ----------------------------------------------------------------- in one go */

static bool hold_flat(struct quire_thread *t, struct quire_call *c, const struct shape *s)
{
        uint64_t va = c->args[s->buffer], bytes = c->args[s->length];
        bool busy = false;

        if (!quire_buffers_managed(va, bytes))
                return true;
        if (!s->reads && bytes <= SMALL) {
                quire_buffers_in(t, c, s->buffer, bytes);
                return true;
        }
        if (bytes > quire_agent.hold_most)
                return false;
        (void)quire_buffers_hold(t, va, bytes, access_of(s), &busy);
        return !busy;
}

enum quire_outcome quire_chunk_transfer(struct quire_thread *t, struct quire_call *c)
{
        struct shape s = shape_of(c->nr);

        if (!s.vector) {
                if (!hold_flat(t, c, &s))
                        return in_rounds(t, c, &s);
                hold_company(t, c);
                return QUIRE_CALL_PASS;
        }
        if (is_large(c, &s))
                return in_rounds(t, c, &s);
        if (s.message)
                quire_buffers_message(t, c, s.buffer, access_of(&s));
        else
                quire_buffers_vector(t, c, s.buffer, c->args[s.length], access_of(&s));
        return QUIRE_CALL_PASS;
}
