/*
 * store.c - where contents go when they leave their frames, and come back from.
 *
 *      FILL    a page of one repeated word: the word, no storage
 *      TIER    compressed, in memory (tier.c)
 *      FILE    a slot of a pagefile (slot.c), through a write buffer
 *      HOME    a write buffer that the object's pager takes (pager.c); then the
 *              pager has the contents, and no slot does
 *
 * A page that was read from a pagefile and comes and goes often is kept in the
 * tier besides its slot; such a copy can be dropped without a transfer.
 *
 * A write buffer takes copies of pages for consecutive slots.  From the moment
 * a page is in a buffer its frame is free, and it is read back from the buffer
 * until the transfer is done: nobody ever waits for a write of the page he
 * wants.  A transfer that fails leaves the contents in the buffer, which then
 * looks for other slots (STUCK while there are none): nothing is lost.  What a pager
 * did not take goes to a pagefile, and stays owed; while it is stuck, the pager is
 * asked to take it again before anybody is told that there is no room.
 *
 *      FREE -> OPEN -> FULL -> GOING -> FREE
 *                        ^       |  failed
 *                        +- STUCK
 *
 * Does not decide: which page goes (policies, reclaim.c).
 *
 * B1  page[i] of a buffer that is not FREE names its buffer in .slot.buffer.
 * B2  live counts them; .going counts buffers FULL or GOING.
 * B3  no two buffers hold the same page of an object for its pager.
 *
 * Lock: the system's, dropped around transfers.
 */
#include "core.h"

#define ENOUGH_BUFFERS 8u        /* from here on several can be open */
#define FAILURES_TO_SHUT 4u

static void close_buffers(struct quire_system *sys)
{
        for (unsigned i = 0; i < sys->buffer_count; i++)
                if (sys->buffers[i].memory)
                        quire_free(sys, sys->buffers[i].memory,
                                   (size_t)sys->buffer_pages << sys->shift);
        if (sys->buffers)
                quire_free(sys, sys->buffers, sys->buffer_count * sizeof(*sys->buffers));
        sys->buffers = NULL;
}

/* Buffers of at most an eighth of the budget.  NO_MEMORY. */
enum quire_status quire_store_open(struct quire_system *sys)
{
        sys->buffer_pages = (unsigned)quire_max(2, quire_min(QUIRE_IO_MAX, sys->budget / 32));
        sys->buffer_count = (unsigned)quire_max(2, quire_min(16, sys->budget / 16 /
                                                                 sys->buffer_pages));
        sys->buffers = quire_alloc(sys, sys->buffer_count * sizeof(*sys->buffers));
        for (unsigned i = 0; sys->buffers && i < sys->buffer_count; i++) {
                sys->buffers[i].memory = quire_alloc(sys, (size_t)sys->buffer_pages << sys->shift);
                if (!sys->buffers[i].memory)
                        close_buffers(sys);
        }
        if (!sys->buffers)
                return QUIRE_NO_MEMORY;
        sys->taken += (uint64_t)sys->buffer_count * sys->buffer_pages;
        return QUIRE_OK;
}

/* => no page is stored any more; waits for what is going */
void quire_store_close(struct quire_system *sys)
{
        while (quire_store_settle(sys, true))
                ;
        sys->taken -= (uint64_t)sys->buffer_count * sys->buffer_pages;
        close_buffers(sys);
}

static void *buffer_page(struct quire_system *sys, struct quire_buffer *b, unsigned i)
{
        return (uint8_t *)b->memory + ((size_t)i << sys->shift);
}

/* Slots for up to `want' pages of the buffer; false: there are none. */
static bool assign_slots(struct quire_system *sys, struct quire_buffer *b, unsigned want)
{
        unsigned file;

        must(sys, want && want <= sys->buffer_pages);
        b->room = quire_slot_take(sys, want, &file, &b->io.slot);
        if (!b->room)
                return false;
        b->file = (uint8_t)file;
        b->io.file = sys->files[file].host_file;
        return true;
}

static struct quire_buffer *buffer_in(struct quire_system *sys, enum quire_buffer_state state)
{
        for (unsigned i = 0; i < sys->buffer_count; i++)
                if (sys->buffers[i].state == state)
                        return &sys->buffers[i];
        return NULL;
}

/* The buffer that is being filled for the object's pager; null: for a pagefile, with what
 * the tier spills, or with other pages. */
static struct quire_buffer *open_for(struct quire_system *sys, const struct quire_object *o,
                                     bool spills)
{
        for (unsigned i = 0; i < sys->buffer_count; i++) {
                struct quire_buffer *b = &sys->buffers[i];

                if (b->state == QUIRE_BUF_OPEN && b->object == o && b->spills == spills)
                        return b;
        }
        return NULL;
}

static void say_full(struct quire_system *sys)
{
        if (!sys->storage_full && sys->file_count)
                quire_say(sys, "the pagefile is full: pages stay in memory; "
                               "give it more room (--pagefile-size, another disk) "
                               "or the program more memory");
        sys->storage_full = true;
}

static struct quire_buffer *open_buffer(struct quire_system *sys, bool spills)
{
        struct quire_buffer *b = open_for(sys, NULL, spills);

        if (b || sys->freezing == QUIRE_FREEZE_ALL)
                return b;
        b = buffer_in(sys, QUIRE_BUF_FREE);
        if (!b)
                return NULL;
        if (!assign_slots(sys, b, sys->buffer_pages) &&
            !(quire_spares_free(sys) && assign_slots(sys, b, sys->buffer_pages))) {
                say_full(sys);
                return NULL;
        }
        b->state = QUIRE_BUF_OPEN;
        b->spills = spills;
        b->io.count = 0;
        b->live = 0;
        b->failures = 0;
        return b;
}

static void close_if_full(struct quire_system *sys, struct quire_buffer *b)
{
        if (b->io.count < b->room)
                return;
        must(sys, b->state == QUIRE_BUF_OPEN && b->live <= b->io.count);
        b->state = QUIRE_BUF_FULL;
        sys->going++;
}

/* The buffer's next place is the page's. */
static void *add_page(struct quire_system *sys, struct quire_buffer *b, struct quire_page *p)
{
        unsigned i = b->io.count++;

        must(sys, b->state == QUIRE_BUF_OPEN && i < b->room && b->room <= sys->buffer_pages);
        must(sys, !p->slot.buffer);
        b->page[i] = p;
        b->io.page[i] = buffer_page(sys, b, i);
        b->live++;
        return b->io.page[i];
}

/* Next place of the open buffer, for this page; null: none just now.  What the tier spills
 * has one of its own, where there are many: so pages that left together lie
 * together, and come back with one read. */
static void *add_to_buffer(struct quire_system *sys, struct quire_page *p, bool spills,
                           struct quire_buffer **which)
{
        *which = open_buffer(sys, spills && sys->buffer_count >= ENOUGH_BUFFERS);
        return *which ? add_page(sys, *which, p) : NULL;
}

static uint32_t buffer_number(struct quire_system *sys, struct quire_buffer *b)
{
        return (uint32_t)(b - sys->buffers) + 1;
}

static void sum_slot(struct quire_system *sys, struct quire_buffer *b, unsigned i)
{
        *quire_slot_sum(sys, b->file, b->io.slot + i) =
                quire_checksum(b->io.page[i], (size_t)1 << sys->shift);
}

static void count_file_page(struct quire_system *sys)
{
        struct quire_counters *c = &sys->counters;

        c->file_pages++;
        c->file_pages_peak = quire_max(c->file_pages_peak, c->file_pages);
}

/* One repeated word? */
static bool is_fill(const uint64_t *w, size_t bytes)
{
        for (size_t i = 1; i < bytes / 8; i++)
                if (w[i] != w[0])
                        return false;
        return true;
}

/* Write the page out of the tier; false: there is no buffer just now. */
static bool spill_page(struct quire_system *sys, struct quire_page *p)
{
        struct quire_buffer *b;
        void *to = add_to_buffer(sys, p, true, &b);

        if (!to)
                return false;
        p->slot.buffer = buffer_number(sys, b);
        if (!quire_tier_get(sys, &p->slot, to))
                quire_stop(sys, "the compressed tier holds what was put in", __FILE__, __LINE__);
        sum_slot(sys, b, b->io.count - 1);
        close_if_full(sys, b);
        return true;
}

/* Before something is put into a tier that is nearly full, the oldest goes on.
 * False: there is no tier. */
static bool make_room_in_tier(struct quire_system *sys)
{
        struct quire_tier *t = &sys->tier;

        if (t->scratch && t->blocks + 2 >= t->most_blocks)
                quire_store_spill(sys, 2);
        return t->scratch;
}

/* Move the oldest pages of the tier to a buffer; false: none could. */
bool quire_store_spill(struct quire_system *sys, unsigned pages)
{
        struct quire_page *p = sys->queue[QUIRE_Q_TIER].first, *after;
        bool any = false;

        for (; p && pages; p = after) {
                after = p->next;
                if (p->slot.buffer)
                        continue;
                if (p->slot.copied)
                        quire_store_uncopy(sys, p);
                else if (!spill_page(sys, p))
                        return any;
                any = true;
                pages--;
        }
        return any;
}

void quire_store_copy(struct quire_system *sys, struct quire_page *p, const void *contents)
{
        struct quire_slot kept = p->slot;

        must_hold(sys);
        must(sys, !(p->flags & QUIRE_PAGE_IS_DIRTY));                          /* P3 */
        must(sys, kept.kind == QUIRE_SLOT_FILE && !kept.buffer);
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_NONE };
        if (!make_room_in_tier(sys) || !quire_tier_put(sys, p, contents)) {
                p->slot = kept;
                return;
        }
        p->slot.copied = true;
        p->slot.copy_file = kept.file;
        p->slot.copy_number = kept.number;
}

void quire_store_uncopy(struct quire_system *sys, struct quire_page *p)
{
        struct quire_slot kept = { .kind = QUIRE_SLOT_FILE, .file = p->slot.copy_file,
                                   .number = p->slot.copy_number };

        must(sys, p->slot.kind == QUIRE_SLOT_TIER && p->slot.copied && !p->slot.buffer);
        if (p->queue == QUIRE_Q_TIER)
                quire_queue_remove(sys, p);
        quire_tier_free(sys, &p->slot);
        p->slot = kept;
}

static bool put_in_file(struct quire_system *sys, struct quire_page *p, const void *contents)
{
        struct quire_buffer *b;
        void *to = add_to_buffer(sys, p, false, &b);

        if (!to)
                return false;
        memcpy(to, contents, (size_t)1 << sys->shift);
        sum_slot(sys, b, b->io.count - 1);
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILE, .file = b->file,
                                       .buffer = buffer_number(sys, b),
                                       .number = b->io.slot + b->io.count - 1 };
        count_file_page(sys);
        close_if_full(sys, b);
        return true;
}

/* A buffer that is full, or will not get more. */
static void shut_buffer(struct quire_system *sys, struct quire_buffer *b)
{
        while (!b->object && b->room > b->io.count)
                quire_slot_free(sys, b->file, b->io.slot + --b->room);
        b->room = b->io.count;
        close_if_full(sys, b);
}

/* Is the page in a buffer already, from a time before?  That must go first. */
static bool is_going_home(struct quire_system *sys, const struct quire_page *p)
{
        for (unsigned i = 0; i < sys->buffer_count; i++) {
                struct quire_buffer *b = &sys->buffers[i];

                if (b->state == QUIRE_BUF_FREE || b->object != p->object ||
                    p->index - b->io.slot >= b->io.count)
                        continue;
                if (b->state == QUIRE_BUF_OPEN)
                        shut_buffer(sys, b);
                return true;
        }
        return false;
}

/* The open buffer of the page's object, where the page is the next in it. */
static struct quire_buffer *open_home(struct quire_system *sys, struct quire_page *p)
{
        struct quire_buffer *b = open_for(sys, p->object, false);
        unsigned most = p->object->pager->most;

        if (b && b->io.slot + b->io.count == p->index)
                return b;
        if (b)
                shut_buffer(sys, b);
        b = buffer_in(sys, QUIRE_BUF_FREE);
        if (!b)
                return NULL;
        b->state = QUIRE_BUF_OPEN;
        b->spills = false;
        b->object = p->object;
        b->object->refs++;
        b->io.slot = p->index;
        b->io.count = b->live = b->failures = 0;
        b->room = most ? quire_min(most, sys->buffer_pages) : sys->buffer_pages;
        return b;
}

/* => .slot is NONE.  The page is clean from now on, its contents in the buffer. */
bool quire_store_put_home(struct quire_system *sys, struct quire_page *p, const void *contents)
{
        struct quire_buffer *b = sys->freezing || is_going_home(sys, p) ? NULL : open_home(sys, p);

        must_hold(sys);
        must(sys, p->flags & QUIRE_PAGE_IS_OWED && p->slot.kind == QUIRE_SLOT_NONE);
        if (!b)
                return false;
        memcpy(add_page(sys, b, p), contents, (size_t)1 << sys->shift);
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_HOME, .buffer = buffer_number(sys, b) };
        close_if_full(sys, b);
        return true;
}

bool quire_store_owes(const struct quire_system *sys, const struct quire_object *o)
{
        for (unsigned i = 0; i < sys->buffer_count; i++)
                if (sys->buffers[i].state != QUIRE_BUF_FREE && sys->buffers[i].object == o)
                        return true;
        return false;
}

bool quire_store_send_home(struct quire_system *sys)
{
        bool any = false;

        must_hold(sys);
        for (unsigned i = 0; i < sys->buffer_count; i++) {
                struct quire_buffer *b = &sys->buffers[i];

                if (b->state == QUIRE_BUF_FREE || !b->object)
                        continue;
                must(sys, b->io.count > 0 && b->state != QUIRE_BUF_STUCK);
                if (b->state == QUIRE_BUF_OPEN)
                        shut_buffer(sys, b);
                any = true;
        }
        return any;
}

/* => .slot is NONE.  Afterwards it holds the contents (NONE: they are zeroes). */
bool quire_store_put(struct quire_system *sys, struct quire_page *p, const void *contents)
{
        must_hold(sys);
        must(sys, contents && p->slot.kind == QUIRE_SLOT_NONE);
        if (is_fill(contents, (size_t)1 << sys->shift)) {
                uint64_t fill = *(const uint64_t *)contents;

                if (fill || !quire_object_zeroes(p->object))
                        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILL, .fill = fill };
                return true;
        }
        if (p->flags & QUIRE_PAGE_IS_OWED && p->object->pager->evicts && !p->object->dead &&
            p->object->pager->write)
                return quire_store_put_home(sys, p, contents);
        if (make_room_in_tier(sys) && quire_tier_put(sys, p, contents))
                return true;
        return put_in_file(sys, p, contents);
}

/* The buffer need not write the page any more. */
static void leave_buffer(struct quire_system *sys, struct quire_page *p)
{
        struct quire_buffer *b = &sys->buffers[p->slot.buffer - 1];

        must(sys, p->slot.buffer <= sys->buffer_count && b->state != QUIRE_BUF_FREE);
        must(sys, b->live > 0);                                                /* B2 */
        for (unsigned i = 0; i < b->io.count; i++) {
                if (b->page[i] != p)
                        continue;
                b->page[i] = NULL;
                b->live--;
                p->slot.buffer = 0;
                return;
        }
        must(sys, false);
}

/* Forget the contents that .slot holds. */
void quire_store_free(struct quire_system *sys, struct quire_page *p)
{
        bool buffered = p->slot.buffer;

        must_hold(sys);
        must(sys, !buffered || p->slot.kind >= QUIRE_SLOT_TIER);
        if (buffered)
                leave_buffer(sys, p);
        if (p->slot.copied)
                quire_store_uncopy(sys, p);
        if (p->slot.kind == QUIRE_SLOT_TIER) {
                if (p->queue == QUIRE_Q_TIER)
                        quire_queue_remove(sys, p);
                quire_tier_free(sys, &p->slot);
        } else if (p->slot.kind == QUIRE_SLOT_FILE) {
                must(sys, sys->counters.file_pages > 0);
                sys->counters.file_pages--;
                if (!buffered)         /* else its buffer frees the slot, when it is done */
                        quire_slot_free(sys, p->slot.file, p->slot.number);
        }
        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_NONE };
}

static void get_from_buffer(struct quire_system *sys, struct quire_page *p, void *out)
{
        struct quire_buffer *b = &sys->buffers[p->slot.buffer - 1];

        must(sys, p->slot.buffer <= sys->buffer_count && b->state != QUIRE_BUF_FREE);
        for (unsigned i = 0; i < b->io.count; i++) {
                if (b->page[i] == p) {
                        memcpy(out, b->io.page[i], (size_t)1 << sys->shift);
                        return;
                }
        }
        must(sys, false);
}

/* NOT_PRESENT: a transfer is needed.  BROKEN: damaged. */
enum quire_status quire_store_get(struct quire_system *sys, struct quire_page *p, void *out)
{
        uint64_t *w = out;

        must_hold(sys);
        must(sys, p->where == QUIRE_AT_SLOT && out);
        switch (p->slot.kind) {
        case QUIRE_SLOT_NONE:
        case QUIRE_SLOT_FILL:
                for (size_t i = 0; i < ((size_t)1 << sys->shift) / 8; i++)
                        w[i] = p->slot.kind == QUIRE_SLOT_FILL ? p->slot.fill : 0;
                return QUIRE_OK;
        case QUIRE_SLOT_TIER:
                return quire_tier_get(sys, &p->slot, out) ? QUIRE_OK : QUIRE_BROKEN;
        default:
                if (!p->slot.buffer)
                        return QUIRE_NOT_PRESENT;
                get_from_buffer(sys, p, out);
                return QUIRE_OK;
        }
}

/* The contents of page[i] are in their slot now. */
static void page_written(struct quire_system *sys, struct quire_buffer *b, unsigned i)
{
        struct quire_page *p = b->page[i];

        if (!p) {
                quire_slot_free(sys, b->file, b->io.slot + i);
                return;
        }
        must(sys, p->slot.kind != QUIRE_SLOT_HOME);
        if (p->slot.kind == QUIRE_SLOT_TIER) {
                quire_queue_remove(sys, p);
                quire_tier_free(sys, &p->slot);
                p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_FILE, .file = b->file,
                                               .number = b->io.slot + i };
                count_file_page(sys);
        }
        must(sys, p->slot.kind == QUIRE_SLOT_FILE && p->slot.number == b->io.slot + i);
        p->slot.buffer = 0;
}

/* The pager has the buffer's pages. */
static void buffer_taken(struct quire_system *sys, struct quire_buffer *b)
{
        for (unsigned i = 0; i < b->io.count; i++) {
                struct quire_page *p = b->page[i];

                if (!p)
                        continue;
                must(sys, p->slot.kind == QUIRE_SLOT_HOME && p->object == b->object);
                p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_NONE };
                quire_page_unowe(p);
                if (p->where != QUIRE_AT_SLOT)
                        continue;
                p->where = QUIRE_AT_NONE;
                if (!(p->flags & QUIRE_PAGE_IS_WRITTEN))
                        quire_page_free(p);
        }
}

/* The pager did not take them: what is in a frame is dirty again, the rest goes to
 * a pagefile.  The buffer is a pagefile's from now on. */
static void buffer_refused(struct quire_system *sys, struct quire_buffer *b)
{
        for (unsigned i = 0; i < b->io.count; i++) {
                struct quire_page *p = b->page[i];

                if (!p)
                        continue;
                must(sys, p->slot.kind == QUIRE_SLOT_HOME && p->flags & QUIRE_PAGE_IS_OWED);
                if (p->where == QUIRE_AT_FRAME) {
                        p->slot = (struct quire_slot){ .kind = QUIRE_SLOT_NONE };
                        p->flags |= QUIRE_PAGE_IS_DIRTY;
                        b->page[i] = NULL;
                        b->live--;
                } else {
                        p->slot.kind = QUIRE_SLOT_FILE;
                        count_file_page(sys);
                }
        }
        sys->counters.io_errors++;
        b->object->failures++;
        b->room = 0;
}

static void buffer_written(struct quire_system *sys, struct quire_buffer *b)
{
        sys->counters.pages_out += b->io.count;
        sys->file_failures[b->file] = 0;
        quire_note(sys, QUIRE_EV_WRITE, 0, b->io.count, b->file);
        for (unsigned i = 0; i < b->io.count; i++)
                page_written(sys, b, i);
        for (unsigned i = b->io.count; i < b->room; i++)
                quire_slot_free(sys, b->file, b->io.slot + i);
        b->state = QUIRE_BUF_FREE;
}

/* Pages that nobody wants any more are left out. */
static void close_ranks(struct quire_system *sys, struct quire_buffer *b)
{
        unsigned n = 0;

        for (unsigned i = 0; i < b->io.count; i++) {
                if (!b->page[i])
                        continue;
                must(sys, b->page[i]->slot.buffer == buffer_number(sys, b));   /* B1 */
                if (n != i)
                        memcpy(buffer_page(sys, b, n), buffer_page(sys, b, i),
                               (size_t)1 << sys->shift);
                b->io.page[n] = buffer_page(sys, b, n);
                b->page[n++] = b->page[i];
        }
        must(sys, n == b->live);                                               /* B2 */
        b->io.count = b->room = n;
}

/* The buffer's pages have these slots now. */
static void move_slots(struct quire_system *sys, struct quire_buffer *b, unsigned file,
                       uint64_t slot)
{
        b->io.slot = slot;
        b->file = (uint8_t)file;
        b->io.file = sys->files[file].host_file;
        for (unsigned i = 0; i < b->io.count; i++) {
                struct quire_page *p = b->page[i];

                sum_slot(sys, b, i);
                if (p->slot.kind == QUIRE_SLOT_FILE) {
                        p->slot.file = b->file;
                        p->slot.number = b->io.slot + i;
                }
        }
}

/* Other slots for what is in the buffer; false: there are not enough. */
static bool retry_buffer(struct quire_system *sys, struct quire_buffer *b)
{
        unsigned file;
        uint64_t slot;

        must(sys, b->state == QUIRE_BUF_STUCK);
        if (!b->live) {
                b->state = QUIRE_BUF_FREE;
                return true;
        }
        if (!quire_slot_take_all(sys, b->live, &file, &slot))
                return false;
        close_ranks(sys, b);
        move_slots(sys, b, file, slot);
        b->state = QUIRE_BUF_FULL;
        sys->going++;
        return true;
}

/* The transfer failed: nothing of it counts as written. */
static void buffer_failed(struct quire_system *sys, struct quire_buffer *b)
{
        bool full = b->io.status == QUIRE_NO_SPACE;

        must(sys, b->io.status != QUIRE_OK && b->room >= b->io.count);
        sys->counters.io_errors++;
        quire_note(sys, QUIRE_EV_IO_ERROR, 0, b->io.count, 1);
        for (unsigned i = 0; i < b->room; i++) {
                if (full)
                        quire_slot_free(sys, b->file, b->io.slot + i);
                else
                        quire_slot_retire(sys, b->file, b->io.slot + i);
        }
        if (full || ++sys->file_failures[b->file] >= FAILURES_TO_SHUT) {
                quire_slot_shut(sys, b->file);
                quire_say(sys, full ? "the disk of the pagefile is full: it grows no further"
                                    : "the pagefile cannot be written: it is used no further");
        }
        b->state = QUIRE_BUF_STUCK;
        if (!retry_buffer(sys, b))
                say_full(sys);
}

static void finish_home(struct quire_system *sys, struct quire_buffer *b)
{
        struct quire_object *o = b->object;

        if (b->io.status == QUIRE_OK)
                buffer_taken(sys, b);
        else
                buffer_refused(sys, b);
        b->object = NULL;
        b->state = b->io.status == QUIRE_OK ? QUIRE_BUF_FREE : QUIRE_BUF_STUCK;
        if (b->state == QUIRE_BUF_STUCK && !retry_buffer(sys, b))
                say_full(sys);
        quire_object_drop(o);
}

static void finish_buffer(struct quire_system *sys, struct quire_io *io)
{
        struct quire_buffer *b = (struct quire_buffer *)(void *)io;    /* its first member */

        must(sys, b->state == QUIRE_BUF_GOING && sys->going > 0);
        sys->going--;
        sys->settled++;
        if (b->object)
                finish_home(sys, b);
        else if (io->status == QUIRE_OK)
                buffer_written(sys, b);
        else
                buffer_failed(sys, b);
}

void quire_store_flush(struct quire_system *sys)
{
        for (unsigned i = 0; i < sys->buffer_count; i++)
                if (sys->buffers[i].state == QUIRE_BUF_OPEN && sys->buffers[i].io.count)
                        shut_buffer(sys, &sys->buffers[i]);
}

/* Start every buffer that is FULL; what a pager takes is done then. */
void quire_store_push(struct quire_system *sys)
{
        struct quire_buffer *b;

        must_hold(sys);
        while ((b = buffer_in(sys, QUIRE_BUF_FULL))) {
                must(sys, b->io.count && b->io.count == b->room);
                b->state = QUIRE_BUF_GOING;
                if (b->object) {
                        quire_pager_write(sys, b);
                        finish_buffer(sys, &b->io);
                        continue;
                }
                quire_unlock(sys);
                sys->hops->io_start(sys->host, &b->io);
                quire_lock(sys);
        }
}

static bool retry_stuck(struct quire_system *sys)
{
        bool any = false;

        for (unsigned i = 0; i < sys->buffer_count; i++)
                if (sys->buffers[i].state == QUIRE_BUF_STUCK)
                        any |= retry_buffer(sys, &sys->buffers[i]);
        return any;
}

bool quire_store_settle(struct quire_system *sys, bool wait)
{
        bool any = retry_stuck(sys);

        quire_store_push(sys);
        while (sys->going) {
                struct quire_io *io;

                quire_unlock(sys);
                io = sys->hops->io_poll(sys->host, wait && !any);
                quire_lock(sys);
                if (!io)
                        break;
                finish_buffer(sys, io);
                any = true;
        }
        return any;
}

void quire_store_check(struct quire_system *sys)
{
        unsigned going = 0;

        for (unsigned i = 0; i < sys->buffer_count; i++) {
                struct quire_buffer *b = &sys->buffers[i];
                unsigned live = 0;

                if (b->state == QUIRE_BUF_FREE)
                        continue;
                going += b->state == QUIRE_BUF_FULL || b->state == QUIRE_BUF_GOING;
                for (unsigned k = 0; k < b->io.count; k++) {
                        live += b->page[k] != NULL;
                        must(sys, !b->page[k] || b->page[k]->slot.buffer == i + 1);  /* B1 */
                }
                must(sys, live == b->live);                                    /* B2 */
                for (unsigned k = i + 1; b->object && k < sys->buffer_count; k++)
                        must(sys, sys->buffers[k].state == QUIRE_BUF_FREE ||
                                  sys->buffers[k].object != b->object ||
                                  sys->buffers[k].io.slot >= b->io.slot + b->io.count ||
                                  b->io.slot >= sys->buffers[k].io.slot +
                                                sys->buffers[k].io.count);     /* B3 */
                must(sys, b->state == QUIRE_BUF_STUCK || b->io.count <= b->room);
        }
        must(sys, going == sys->going);                                        /* B2 */
}
