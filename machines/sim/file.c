/*
 * file.c - pagefiles in memory, and the transfers to them.
 *
 * A transfer takes effect when it is finished: a read when io_read returns, a
 * write when io_poll hands it back.  With slow I/O a read takes 50 us or more,
 * a write 50 to 400 us by the seed, so that writes finish out of order.
 *
 * The referee finds: H2; a read of a slot that nobody wrote or whose write is
 * under way; two writes of one slot at a time; pages that change while they
 * are being written.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define IO_NS 50000u

static struct quire_sim_host *sim(struct quire_host *h)
{
        return (struct quire_sim_host *)(void *)h;
}

static struct quire_sim_file *check_io(struct quire_sim_host *h, const struct quire_io *io,
                                       const char *what)
{
        if (h->locked)
                quire_sim_stop(h, "H2: %s with the lock held", what);
        if (!io->count || io->count > QUIRE_IO_MAX)
                quire_sim_stop(h, "%s of %u pages", what, io->count);
        if (io->file >= QUIRE_SIM_FILES)
                quire_sim_stop(h, "%s of file %u, which there is not", what, io->file);
        for (unsigned i = 0; i < io->count; i++)
                if (!io->page[i])
                        quire_sim_stop(h, "%s without memory for page %u", what, i);
        return &h->file[io->file];
}

/* A page that must not be believed. */
static void spoil(struct quire_sim_host *h, void *page)
{
        memset(page, (int)(0x80 | (quire_sim_random(h) & 0x7f)), h->page);
}

static void flip(struct quire_sim_host *h, uint8_t *page)
{
        uint64_t bit = quire_sim_random(h) % (h->page * 8);

        page[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static uint64_t due_time(struct quire_sim_host *h)
{
        if (!h->options.slow_io)
                return h->now;
        return h->now + IO_NS + quire_sim_random(h) % 8 * IO_NS;
}

/* ------------------------------------------------------------------- reads */

static void read_slot(struct quire_sim_host *h, const struct quire_sim_file *f,
                      const struct quire_io *io, unsigned i)
{
        uint64_t slot = io->slot + i;

        if (slot >= f->end || !f->page[slot])
                quire_sim_stop(h, "slot %llu of file %u is read, and was never written",
                               (unsigned long long)slot, io->file);
        if (f->busy[slot])
                quire_sim_stop(h, "slot %llu of file %u is read while it is being written",
                               (unsigned long long)slot, io->file);
        memcpy(io->page[i], f->page[slot], h->page);
}

static enum quire_status damage_read(struct quire_sim_host *h, const struct quire_io *io)
{
        uint8_t *last = io->page[io->count - 1];

        switch (h->how) {
        case QUIRE_SIM_IO_FLIP:
                flip(h, last);
                return QUIRE_OK;
        case QUIRE_SIM_IO_LIE:
                memset(last + h->page / 2, 0xee, h->page / 2);
                return QUIRE_OK;
        default:
                for (unsigned i = 0; i < io->count; i++)
                        spoil(h, io->page[i]);
                return QUIRE_IO_ERROR;
        }
}

enum quire_status quire_sim_io_read(struct quire_host *host, struct quire_io *io)
{
        struct quire_sim_host *h = sim(host);
        const struct quire_sim_file *f = check_io(h, io, "io_read");

        if (io->meanwhile)
                io->meanwhile(io);
        if (h->options.slow_io)
                quire_sim_wait_until(h, due_time(h));
        for (unsigned i = 0; i < io->count; i++)
                read_slot(h, f, io, i);
        io->status = quire_sim_fails(h, QUIRE_SIM_READ) ? damage_read(h, io) : QUIRE_OK;
        return io->status;
}

/* ------------------------------------------------------------------ writes */

static void grow_file(struct quire_sim_host *h, struct quire_sim_file *f, uint64_t slots)
{
        uint64_t room = f->slots ? f->slots : 64;

        if (slots <= f->slots)
                return;
        while (room < slots)
                room *= 2;
        f->page = realloc(f->page, room * sizeof *f->page);
        f->busy = realloc(f->busy, room);
        if (!f->page || !f->busy)
                quire_sim_stop(h, "no memory for a pagefile of %llu slots",
                               (unsigned long long)room);
        memset(f->page + f->slots, 0, (room - f->slots) * sizeof *f->page);
        memset(f->busy + f->slots, 0, room - f->slots);
        f->slots = room;
}

void quire_sim_io_start(struct quire_host *host, struct quire_io *io)
{
        struct quire_sim_host *h = sim(host);
        struct quire_sim_file *f = check_io(h, io, "io_start");
        struct quire_sim_transfer *t = malloc(sizeof *t), **end = &h->transfers;

        if (io->slot > UINT32_MAX)
                quire_sim_stop(h, "io_start at slot %llu", (unsigned long long)io->slot);
        if (!t)
                quire_sim_stop(h, "no memory for a transfer");
        *t = (struct quire_sim_transfer){ .io = io, .due = due_time(h),
                                          .copy = malloc(io->count * h->page) };
        if (!t->copy)
                quire_sim_stop(h, "no memory for a transfer");
        grow_file(h, f, io->slot + io->count);
        while (*end)
                end = &(*end)->next;
        *end = t;
        for (unsigned i = 0; i < io->count; i++) {
                if (f->busy[io->slot + i]++)
                        quire_sim_stop(h, "slot %llu of file %u is written twice at a time",
                                       (unsigned long long)io->slot + i, io->file);
                memcpy(t->copy + i * h->page, io->page[i], h->page);
        }
}

static void write_slot(struct quire_sim_host *h, struct quire_sim_file *f,
                       uint64_t slot, const uint8_t *from, size_t bytes)
{
        if (!f->page[slot]) {
                f->page[slot] = malloc(h->page);
                if (!f->page[slot])
                        quire_sim_stop(h, "no memory for a slot");
                spoil(h, f->page[slot]);
        }
        memcpy(f->page[slot], from, bytes);
        if (slot >= f->end)
                f->end = slot + 1;
}

static enum quire_status damage_write(struct quire_sim_host *h, struct quire_sim_file *f,
                                      const struct quire_sim_transfer *t)
{
        const struct quire_io *io = t->io;
        uint64_t last = io->slot + io->count - 1;
        const uint8_t *from = t->copy + (io->count - 1) * h->page;
        bool error = h->how == QUIRE_SIM_IO_ERROR, torn = h->how == QUIRE_SIM_IO_TORN;

        if (h->how == QUIRE_SIM_IO_FULL)
                return QUIRE_NO_SPACE;
        for (unsigned i = 0; i < io->count; i++) {
                write_slot(h, f, io->slot + i, t->copy + i * h->page, h->page);
                if (error)
                        spoil(h, f->page[io->slot + i]);
        }
        if (h->how == QUIRE_SIM_IO_FLIP)
                flip(h, f->page[last]);
        if (torn || h->how == QUIRE_SIM_IO_LIE) {
                spoil(h, f->page[last]);
                write_slot(h, f, last, from, h->page / 2);
        }
        return error || torn ? QUIRE_IO_ERROR : QUIRE_OK;
}

static struct quire_io *finish_write(struct quire_sim_host *h, struct quire_sim_transfer **at)
{
        struct quire_sim_transfer *t = *at;
        struct quire_io *io = t->io;
        struct quire_sim_file *f = &h->file[io->file];

        for (unsigned i = 0; i < io->count; i++) {
                f->busy[io->slot + i]--;
                if (memcmp(io->page[i], t->copy + i * h->page, h->page))
                        quire_sim_stop(h, "page %u of a transfer changed while it was being "
                                       "written to slot %llu", i, (unsigned long long)io->slot);
        }
        if (io->slot + io->count > f->limit) {
                io->status = QUIRE_NO_SPACE;
        } else if (quire_sim_fails(h, QUIRE_SIM_WRITE)) {
                io->status = damage_write(h, f, t);
        } else {
                io->status = QUIRE_OK;
                for (unsigned i = 0; i < io->count; i++)
                        write_slot(h, f, io->slot + i, t->copy + i * h->page, h->page);
        }
        *at = t->next;
        free(t->copy);
        free(t);
        return io;
}

struct quire_io *quire_sim_io_poll(struct quire_host *host, bool wait)
{
        struct quire_sim_host *h = sim(host);

        if (h->locked)
                quire_sim_stop(h, "H2: io_poll with the lock held");
        h->now += 100;
        while (h->transfers) {
                struct quire_sim_transfer **first = &h->transfers;

                for (struct quire_sim_transfer **at = &h->transfers; *at; at = &(*at)->next)
                        if ((*at)->due < (*first)->due)
                                first = at;
                if ((*first)->due <= h->now)
                        return finish_write(h, first);
                if (!wait)
                        return NULL;
                quire_sim_wait_until(h, (*first)->due);
        }
        return NULL;
}

/* ------------------------------------------------------------ for the test */

void quire_sim_slow_io(struct quire_sim_host *h, bool slow)
{
        h->options.slow_io = slow;
}

void quire_sim_file_limit(struct quire_sim_host *h, unsigned file, uint64_t slots)
{
        h->file[file].limit = slots;
}

bool quire_sim_file_flip(struct quire_sim_host *h, unsigned file, uint64_t slot, unsigned bit)
{
        struct quire_sim_file *f = &h->file[file];

        if (slot >= f->end || !f->page[slot])
                return false;
        f->page[slot][bit / 8 % h->page] ^= (uint8_t)(1u << bit % 8);
        return true;
}

uint64_t quire_sim_file_slots(const struct quire_sim_host *h, unsigned file)
{
        return h->file[file].end;
}

unsigned quire_sim_transfers(const struct quire_sim_host *h)
{
        unsigned n = 0;

        for (const struct quire_sim_transfer *t = h->transfers; t; t = t->next)
                n++;
        return n;
}

void quire_sim_files_close(struct quire_sim_host *h)
{
        struct quire_sim_transfer *next;

        if (h->transfers && !h->forgiven)
                quire_sim_stop(h, "%u transfers are under way at the end",
                               quire_sim_transfers(h));
        for (struct quire_sim_transfer *t = h->transfers; t; t = next) {
                next = t->next;
                free(t->copy);
                free(t);
        }
        for (unsigned i = 0; i < QUIRE_SIM_FILES; i++) {
                for (uint64_t s = 0; s < h->file[i].slots; s++)
                        free(h->file[i].page[s]);
                free(h->file[i].page);
                free(h->file[i].busy);
        }
}
