/*
 * pool.c - frames and slots: who has a page, and where.
 *
 * A frame is a number.  Its contents are a page of the process, which lies in
 * a slot of the pool while the core looks at it through its window, and at the
 * program's address while it is shown; enter.c moves it between the two.  There
 * are twice as many slots as frames, so that a run of consecutive empty slots
 * is near: pages that move out together then move with one call.
 *
 * A page whose frame was freed stays in its slot as stale, since the next frame
 * that needs any page at all is spared an allocation and its zeroing.  Stale
 * pages are resident, so their number is bounded; beyond it half are given back
 * to the kernel, neighbours together.
 *
 * The pool is registered for missing pages as MOVE demands of a destination:
 * touching an absent slot would fault into ourselves.  Nothing here does.
 *
 * Lock: L, all of it.  frame_window of a frame that is held only reads its own
 * word, and may be called without.  Signal context: yes.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READY_STEP 4096u
#define FILL_RUN 16u             /* pages made at once: fewer than may be stale */
#define DEARTH 512u              /* from here on times are lean ... */
#define LONG_DEARTH 2048u        /* ... and so many frames that found a page end them */
#define LOOKS 8u                 /* runs looked at before a shorter one will do */

/* ----------------------------------------------------------------- slots */

static bool grow_ready(struct pool *p)
{
        if (p->ready == p->slots)
                return false;
        for (uint32_t i = 0; i < READY_STEP; i++)
                bits_set(&p->empty, p->ready + i);
        p->ready += READY_STEP;
        p->empties += READY_STEP;
        return true;
}

uint32_t quire_pool_claim(struct pool *p, uint32_t want, uint32_t *got)
{
        uint32_t best = NO_SLOT, length = 0, at = p->hint;

        if (p->empties < p->ready / 2 + want)
                (void)grow_ready(p);
        for (uint32_t look = 0; look < LOOKS && length < want; look++) {
                uint32_t first = bits_next(&p->empty, at);
                if (first == BITS_NONE)
                        first = bits_next(&p->empty, 0);
                if (first == BITS_NONE)
                        break;
                uint32_t run = bits_run(&p->empty, first, want);
                if (run > length) {
                        best = first;
                        length = run;
                }
                at = first + run;
        }
        for (uint32_t i = 0; i < length; i++)
                bits_clear(&p->empty, best + i);
        if (length)
                p->hint = best + length;
        p->empties -= length;
        *got = length;
        return best;
}

uint32_t quire_pool_reuse(struct pool *p)
{
        uint32_t slot;

        if (!p->stales)
                return NO_SLOT;
        slot = bits_next(&p->stale, p->stale_hint);
        if (slot == BITS_NONE)
                slot = bits_next(&p->stale, 0);
        bits_clear(&p->stale, slot);
        p->stales--;
        p->stale_hint = slot + 1;
        return slot;
}

void quire_pool_emptied(struct pool *p, uint32_t slot)
{
        bits_set(&p->empty, slot);
        p->empties++;
}

/* Frames get stale pages while as many are freed as are needed.  Lean are times in which
 * more than one page of nine is made anew, until pages were given back, or none had to be
 * made for a while. */
static void note_dearth(struct pool *p, uint32_t made, uint32_t spared)
{
        p->dearth -= p->dearth < spared ? p->dearth : spared;
        if (made && (p->dearth += 8 * made) >= DEARTH)
                p->dearth = LONG_DEARTH;
        if (p->dearth >= DEARTH || !p->dearth)
                p->lean = p->dearth;
}

/* Give `count' stale pages back to the kernel. */
static void trim_stale(struct pool *p, uint32_t count)
{
        uint32_t at = 0;

        note_dearth(p, 0, 16 * count);
        while (count) {
                at = bits_next(&p->stale, at);
                if (at == BITS_NONE)
                        break;
                uint32_t run = bits_run(&p->stale, at, count);
                (void)sys_madvise(slot_va(p, at), (uint64_t)run << PAGE_SHIFT, MADV_DONTNEED);
                for (uint32_t i = 0; i < run; i++) {
                        bits_clear(&p->stale, at + i);
                        quire_pool_emptied(p, at + i);
                }
                p->stales -= run;
                count -= run;
                at += run;
        }
}

void quire_pool_staled(struct quire_linux *l, uint32_t slot)
{
        struct pool *p = &l->pool;

        bits_set(&p->stale, slot);
        p->stales++;
        if (slot < p->stale_hint)
                p->stale_hint = slot;
        if (p->stales > p->slack - QUIRE_RUN_MAX - STORE_RUN)
                trim_stale(p, p->stales / 2);
}

/* Pages of zeroes in empty slots, one call for a few: all but the first are stale. */
static uint32_t fill_slots(struct quire_linux *l)
{
        struct pool *p = &l->pool;
        uint32_t got, slot = quire_pool_claim(p, FILL_RUN, &got);
        uint64_t done;

        if (slot == NO_SLOT)
                return NO_SLOT;
        (void)quire_uffd_copy(l, slot_va(p, slot), l->zeroes, got, false, &done);
        for (uint32_t i = 0; i < got; i++) {
                if (i >= done)
                        quire_pool_emptied(p, slot + i);
                else if (i)
                        quire_pool_staled(l, slot + i);
        }
        note_dearth(p, (uint32_t)done, 0);
        return done ? slot : NO_SLOT;
}

/* A slot with some page in it, or NO_SLOT. */
static uint32_t slot_with_page(struct quire_linux *l, bool *zero)
{
        uint32_t slot = quire_pool_reuse(&l->pool);

        *zero = slot == NO_SLOT;
        if (!*zero)
                note_dearth(&l->pool, 0, 1);
        return slot != NO_SLOT ? slot : fill_slots(l);
}

/* ---------------------------------------------------------------- frames */

static quire_frame new_frame(struct pool *p)
{
        if (p->free) {
                quire_frame f = p->free;
                p->free = frame_slot(p, f);
                return f;
        }
        return p->fresh < p->frames ? (quire_frame)++p->fresh : QUIRE_NO_FRAME;
}

static void old_frame(struct pool *p, quire_frame f)
{
        frame_set(p, f, FRAME_FREE, p->free);
        p->free = (uint32_t)f;
}

enum quire_status quire_linux_frame_alloc(struct quire_machine *m, struct quire_store *store,
                                          uint64_t index, enum quire_fill fill, quire_frame *out)
{
        struct quire_linux *l = linux_of(m);
        struct pool *p = &l->pool;
        bool zero;

        if (store)
                return quire_view_frame(store, index, out);
        quire_frame f = new_frame(p);
        if (!f)
                return QUIRE_NO_MEMORY;
        if (fill == QUIRE_ZEROED) {
                frame_set(p, f, FRAME_LAZY, 0);
        } else {
                uint32_t slot = slot_with_page(l, &zero);
                if (slot == NO_SLOT) {
                        old_frame(p, f);
                        return QUIRE_NO_MEMORY;
                }
                frame_set(p, f, FRAME_HELD, slot);
        }
        *out = f;
        return QUIRE_OK;
}

void quire_linux_frame_free(struct quire_machine *m, quire_frame f)
{
        struct quire_linux *l = linux_of(m);

        if (f & STORE_FRAME) {
                quire_view_frame_free(l, f);
                return;
        }
        if (frame_state(&l->pool, f) == FRAME_HELD)
                quire_pool_staled(l, frame_slot(&l->pool, f));
        old_frame(&l->pool, f);
}

void *quire_linux_frame_window(struct quire_machine *m, quire_frame f)
{
        struct quire_linux *l = linux_of(m);
        struct pool *p = &l->pool;
        bool zero;

        if (f & STORE_FRAME)
                return quire_view_window(l, f);
        if (frame_state(p, f) == FRAME_SHOWN)
                return NULL;
        if (frame_state(p, f) == FRAME_LAZY) {
                uint32_t slot = slot_with_page(l, &zero);
                if (slot == NO_SLOT)
                        return NULL;
                frame_set(p, f, FRAME_HELD, slot);
                if (!zero)
                        memset((void *)(uintptr_t)slot_va(p, slot), 0, PAGE);
        }
        return (void *)(uintptr_t)slot_va(p, frame_slot(p, f));
}

/* ---------------------------------------------------------- open, close */

static void *map_table(uint64_t bytes)
{
        long at = sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return at < 0 ? NULL : (void *)(uintptr_t)at;
}

static uint64_t bits_bytes(uint32_t count)
{
        return count / 8 + (count / 4096 + 1) * sizeof(uint64_t);
}

static bool open_bits(struct bits *b, uint32_t count)
{
        b->word = map_table(bits_bytes(count));
        b->count = count;
        b->sum = b->word ? b->word + count / 64 : NULL;
        return b->word;
}

static void close_bits(struct bits *b)
{
        if (b->word)
                (void)sys_munmap((uint64_t)(uintptr_t)b->word, bits_bytes(b->count));
        b->word = NULL;
}

/* Try a pool of so many frames. */
static bool map_pool(struct quire_linux *l, uint64_t frames)
{
        struct pool *p = &l->pool;
        uint64_t slots = (frames * 2 + READY_STEP - 1) & ~(uint64_t)(READY_STEP - 1);

        if (slots >= (uint64_t)1 << FRAME_SHIFT)
                return false;
        p->bytes = slots << PAGE_SHIFT;
        long at = sys_mmap(0, p->bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at < 0)
                return false;
        p->base = (uint64_t)at;
        p->slots = (uint32_t)slots;
        p->frames = (uint32_t)frames;
        p->frame = map_table(frames * sizeof(*p->frame));
        if (p->frame && open_bits(&p->empty, p->slots) && open_bits(&p->stale, p->slots)) {
                (void)sys_madvise(p->base, p->bytes, MADV_NOHUGEPAGE);
                (void)sys_madvise(p->base, p->bytes, MADV_DONTDUMP);
                if (quire_pool_adopt(l))
                        return true;
        }
        quire_pool_close(l);
        return false;
}

/* Register the pool with the userfaultfd that is now in use. */
bool quire_pool_adopt(struct quire_linux *l)
{
        return !quire_uffd_register(l->uffd, l->pool.base, l->pool.bytes,
                                    UFFDIO_REGISTER_MODE_MISSING);
}

bool quire_pool_open(struct quire_linux *l)
{
        struct pool *p = &l->pool;
        uint64_t wanted = l->setup.memory >> PAGE_SHIFT;
        long ram = sysconf(_SC_PHYS_PAGES);
        uint32_t slack = (uint32_t)(wanted / 32 < 256 ? wanted / 32 : 256);

        memset(p, 0, sizeof(*p));
        p->slack = slack < 2 * QUIRE_RUN_MAX ? 2 * QUIRE_RUN_MAX : slack;
        /* The budget may be raised later, up to what the machine has. */
        if (ram > 0 && (uint64_t)ram > wanted &&
            (uint64_t)ram <= quire_address_share(l->setup.memory) >> (PAGE_SHIFT + 1) &&
            map_pool(l, (uint64_t)ram))
                return true;
        return map_pool(l, wanted + p->slack);
}

void quire_pool_close(struct quire_linux *l)
{
        struct pool *p = &l->pool;

        if (p->base)
                (void)sys_munmap(p->base, p->bytes);
        if (p->frame)
                (void)sys_munmap((uint64_t)(uintptr_t)p->frame, p->frames * sizeof(*p->frame));
        close_bits(&p->empty);
        close_bits(&p->stale);
        p->base = 0;
        p->frame = NULL;
}
