/*
 * frame.c - frames and stores of the simulated machine.
 *
 * F1  A handle names its frame until it is freed, and never another one.
 * F2  Where frames are not shared, a private one is shown at most once.
 * F3  A store has at most one frame for a page, a physical address, too.
 *
 * Where frames are not shared, contents move to other memory whenever a private
 * one is entered or taken, so that a window that the core should have given up is
 * not the frame's any more.
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

static struct quire_sim *sim(struct quire_machine *m)
{
        return (struct quire_sim *)(void *)m;
}

static uint8_t *contents_alloc(struct quire_sim *s)
{
        uint8_t *p = aligned_alloc(64, s->page);

        if (!p)
                quire_sim_stop(s->host, "the simulator itself has no memory for a frame");
        return p;
}

struct quire_sim_frame *quire_sim_frame_of(struct quire_sim *s, quire_frame handle,
                                           const char *what)
{
        uint64_t number = (handle & UINT32_MAX) - 1;

        if (handle == QUIRE_NO_FRAME || number >= s->frame_end ||
            s->frame[number]->handle != handle || s->frame[number]->kind == QUIRE_SIM_FREE)
                quire_sim_stop(s->host, "%s of frame %llx, which there is not (freed?)", what,
                               (unsigned long long)handle);
        return s->frame[number];
}

static struct quire_sim_frame *record_get(struct quire_sim *s)
{
        struct quire_sim_frame *f = s->free_frames;

        if (f) {
                s->free_frames = f->next;
                f->handle += (uint64_t)1 << 32;
                return f;
        }
        if (s->frame_end == s->frame_room) {
                s->frame_room = s->frame_room ? s->frame_room * 2 : 256;
                s->frame = realloc(s->frame, s->frame_room * sizeof(*s->frame));
        }
        f = calloc(1, sizeof *f);
        if (!f || !s->frame)
                quire_sim_stop(s->host, "the simulator itself has no memory for a frame");
        s->frame[s->frame_end++] = f;
        f->handle = s->frame_end;
        return f;
}

static bool is_counted(enum quire_sim_frame_kind kind)
{
        return kind == QUIRE_SIM_PRIVATE || kind == QUIRE_SIM_STORED;
}

static void count_one(struct quire_sim *s)
{
        if (++s->counts.frames > s->counts.frames_peak)
                s->counts.frames_peak = s->counts.frames;
}

static struct quire_sim_frame *frame_new(struct quire_sim *s, enum quire_sim_frame_kind kind,
                                         int fill)
{
        struct quire_sim_frame *f = record_get(s);

        f->kind = (uint8_t)kind;
        f->contents = memset(contents_alloc(s), fill, s->page);
        f->store = NULL;
        f->shown = 0;
        if (is_counted(kind))
                count_one(s);
        return f;
}

static void put_in_store(struct quire_store *store, uint64_t index, struct quire_sim_frame *f)
{
        f->store = store;
        f->index = index;
        if (!quire_sim_map_set(&store->frames, index, f))
                quire_sim_stop(store->sim->host, "the simulator itself has no memory for a store");
}

struct quire_sim_frame *quire_sim_frame_plain(struct quire_sim *s)
{
        return frame_new(s, QUIRE_SIM_PLAIN, 0);
}

struct quire_sim_frame *quire_sim_frame_touch(struct quire_store *store, uint64_t index)
{
        struct quire_sim_page *p = quire_sim_map_find(&store->frames, index);
        struct quire_sim_frame *f = p ? p->thing : NULL;

        if (f)
                return f;
        f = frame_new(store->sim, QUIRE_SIM_TOUCHED, 0);
        put_in_store(store, index, f);
        return f;
}

void quire_sim_frame_drop(struct quire_sim *s, struct quire_sim_frame *f)
{
        s->counts.frames -= is_counted((enum quire_sim_frame_kind)f->kind);
        free(f->contents);
        f->contents = NULL;
        f->kind = QUIRE_SIM_FREE;
        f->next = s->free_frames;
        s->free_frames = f;
}

void quire_sim_frame_move(struct quire_sim *s, struct quire_sim_frame *f)
{
        uint8_t *old = f->contents;

        f->contents = memcpy(contents_alloc(s), old, s->page);
        free(old);
}

enum quire_status quire_sim_frame_alloc(struct quire_machine *m, struct quire_store *store,
                                        uint64_t index, enum quire_fill fill, quire_frame *out)
{
        struct quire_sim *s = sim(m);
        struct quire_sim_frame *f;
        struct quire_sim_page *p;

        quire_sim_need_lock(s->host, "frame_alloc");
        if (store && index >= store->pages)
                quire_sim_stop(s->host, "frame_alloc of page %llu of a store of %llu",
                               (unsigned long long)index, (unsigned long long)store->pages);
        p = store ? quire_sim_map_find(&store->frames, index) : NULL;
        if (p) {
                f = p->thing;
                if (f->kind == QUIRE_SIM_TOUCHED) {
                        f->kind = QUIRE_SIM_STORED;
                        count_one(s);
                }
                *out = f->handle;
                return QUIRE_OK;
        }
        if (quire_sim_fails(s->host, QUIRE_SIM_FRAME) ||
            (s->options.frames && s->counts.frames >= s->options.frames))
                return QUIRE_NO_MEMORY;
        f = frame_new(s, store ? QUIRE_SIM_STORED : QUIRE_SIM_PRIVATE,
                      store || fill == QUIRE_ZEROED
                      ? 0 : (int)(0x80 | (quire_sim_random(s->host) & 0x7f)));
        if (store)
                put_in_store(store, index, f);
        *out = f->handle;
        return QUIRE_OK;
}

void quire_sim_frame_free(struct quire_machine *m, quire_frame handle)
{
        struct quire_sim *s = sim(m);
        struct quire_sim_frame *f;

        quire_sim_need_lock(s->host, "frame_free");
        f = quire_sim_frame_of(s, handle, "frame_free");
        if (f->shown)
                quire_sim_stop(s->host, "frame_free of a frame that is entered");
        if (f->kind == QUIRE_SIM_PHYSICAL)
                quire_sim_stop(s->host, "frame_free of a physical address");
        if (f->store)
                quire_sim_map_clear(&f->store->frames, f->index);
        quire_sim_frame_drop(s, f);
}

void *quire_sim_frame_window(struct quire_machine *m, quire_frame handle)
{
        struct quire_sim *s = sim(m);
        struct quire_sim_frame *f = quire_sim_frame_of(s, handle, "frame_window");

        return !s->abilities.shares_frames && f->shown && f->kind == QUIRE_SIM_PRIVATE
               ? NULL : f->contents;
}

enum quire_status quire_sim_store_open(struct quire_machine *m, uint64_t pages,
                                       struct quire_store **out)
{
        struct quire_sim *s = sim(m);
        struct quire_store *store;

        quire_sim_need_lock(s->host, "store_open");
        if (!pages)
                quire_sim_stop(s->host, "M1: store_open of no pages");
        if (quire_sim_fails(s->host, QUIRE_SIM_TABLE) || !(store = calloc(1, sizeof *store)))
                return QUIRE_NO_MEMORY;
        *store = (struct quire_store){ .sim = s, .next = s->stores, .pages = pages };
        s->stores = store;
        *out = store;
        return QUIRE_OK;
}

static bool is_viewed(const struct quire_claim *t, const struct quire_store *store)
{
        return t && (t->store == store || is_viewed(t->left, store) ||
                     is_viewed(t->right, store));
}

void quire_sim_store_close(struct quire_machine *m, struct quire_store *store)
{
        struct quire_sim *s = sim(m);
        struct quire_store **at = &s->stores;
        struct quire_sim_page *p;

        quire_sim_need_lock(s->host, "store_close");
        for (const struct quire_mspace *space = s->spaces; space; space = space->next)
                if (is_viewed(space->claims.root, store))
                        quire_sim_stop(s->host, "store_close of a store that is viewed");
        for (uint64_t i = 0; (p = quire_sim_map_next(&store->frames, &i, UINT64_MAX)); i++) {
                if (((struct quire_sim_frame *)p->thing)->shown)
                        quire_sim_stop(s->host, "store_close of a store that is shown");
                quire_sim_frame_drop(s, p->thing);
                quire_sim_map_clear(&store->frames, i);
        }
        while (*at != store)
                at = &(*at)->next;
        *at = store->next;
        free(store);
}

void *quire_sim_physical(struct quire_sim *s, uint64_t address)
{
        const struct quire_range *r = &s->options.physical;

        return address - r->first < r->pages << s->shift ? s->physical + (address - r->first)
                                                         : NULL;
}

enum quire_status quire_sim_frame_physical(struct quire_machine *m, uint64_t address,
                                           quire_frame *out)
{
        struct quire_sim *s = sim(m);
        uint64_t index = (address - s->options.physical.first) >> s->shift;
        struct quire_sim_frame *f;
        struct quire_sim_page *p;

        quire_sim_need_lock(s->host, "frame_physical");
        if (address & (s->page - 1))
                quire_sim_stop(s->host, "M1: frame_physical at %llx", (unsigned long long)address);
        if (!quire_sim_physical(s, address))
                return QUIRE_NOT_PRESENT;
        p = quire_sim_map_find(&s->physical_frames, index);
        f = p ? p->thing : NULL;
        if (!f) {
                f = record_get(s);
                f->kind = QUIRE_SIM_PHYSICAL;
                f->contents = quire_sim_physical(s, address);
                f->index = index;
                if (!quire_sim_map_set(&s->physical_frames, index, f))
                        quire_sim_stop(s->host, "the simulator itself has no memory for a frame");
        }
        *out = f->handle;
        return QUIRE_OK;
}

void quire_sim_frames_close(struct quire_sim *s)
{
        if (s->counts.frames && !quire_sim_forgiven(s->host))
                quire_sim_stop(s->host, "%llu frames were not given back",
                               (unsigned long long)s->counts.frames);
        for (uint64_t i = 0; i < s->frame_end; i++) {
                if (s->frame[i]->kind == QUIRE_SIM_PHYSICAL)
                        quire_sim_map_clear(&s->physical_frames, s->frame[i]->index);
                else
                        free(s->frame[i]->contents);
                free(s->frame[i]);
        }
        free(s->frame);
        free(s->physical);
}
