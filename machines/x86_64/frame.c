/*
 * frame.c - frames and stores of the x86-64 machine inside a test.
 */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

static struct quire_x86 *x86(struct quire_machine *m)
{
        return (struct quire_x86 *)(void *)m;
}

struct quire_x86_frame *quire_x86_frame_of(struct quire_x86 *x, quire_frame handle,
                                           const char *what)
{
        if (handle >= x->plain.first || !x->frame[handle].taken)
                quire_sim_stop(x->host, "%s of frame %llx, which there is not (freed?)", what,
                               (unsigned long long)handle);
        return &x->frame[handle];
}

static void give_frame(struct quire_x86 *x, quire_frame handle)
{
        x->frame[handle] = (struct quire_x86_frame){ 0 };
        quire_x86_page_give(&x->frames, handle);
        x->counts.frames--;
}

enum quire_status quire_x86_frame_alloc(struct quire_machine *m, struct quire_store *store,
                                        uint64_t index, enum quire_fill fill, quire_frame *out)
{
        struct quire_x86 *x = x86(m);
        struct quire_x86_frame *f;
        uint64_t page;
        int with = 0;

        quire_sim_need_lock(x->host, "frame_alloc");
        if (store && index >= store->pages)
                quire_sim_stop(x->host, "frame_alloc beyond the end of a store");
        if (store && store->frame[index]) {
                *out = store->frame[index];
                return QUIRE_OK;
        }
        page = quire_sim_fails(x->host, QUIRE_SIM_FRAME) ? 0 : quire_x86_page_take(&x->frames);
        if (!page)
                return QUIRE_NO_MEMORY;
        if (!store && fill == QUIRE_ANY_FILL)
                with = (int)(0x80 | (quire_sim_random(x->host) & 0x7f));
        memset(quire_x86_contents(x, page), with, QUIRE_X86_PAGE);
        f = &x->frame[page];
        *f = (struct quire_x86_frame){ .store = store, .index = index, .taken = true };
        if (store)
                store->frame[index] = page;
        if (++x->counts.frames > x->counts.frames_peak)
                x->counts.frames_peak = x->counts.frames;
        *out = page;
        return QUIRE_OK;
}

void quire_x86_frame_free(struct quire_machine *m, quire_frame handle)
{
        struct quire_x86 *x = x86(m);
        struct quire_x86_frame *f;

        quire_sim_need_lock(x->host, "frame_free");
        f = quire_x86_frame_of(x, handle, "frame_free");
        if (f->shown)
                quire_sim_stop(x->host, "frame_free of a frame that is entered");
        if (f->device)
                quire_sim_stop(x->host, "frame_free of a physical address");
        if (f->store)
                f->store->frame[f->index] = 0;
        give_frame(x, handle);
}

void *quire_x86_frame_window(struct quire_machine *m, quire_frame handle)
{
        struct quire_x86 *x = x86(m);
        const struct quire_x86_frame *f = quire_x86_frame_of(x, handle, "frame_window");

        return !x->abilities.shares_frames && f->shown && !f->store && !f->device
               ? NULL : quire_x86_contents(x, handle);
}

void *quire_x86_physical(struct quire_x86 *x, uint64_t address)
{
        return address >= QUIRE_X86_DEVICES && address < QUIRE_X86_DEVICES_END
               ? x->memory.window + address : NULL;
}

enum quire_status quire_x86_frame_physical(struct quire_machine *m, uint64_t address,
                                           quire_frame *out)
{
        struct quire_x86 *x = x86(m);

        quire_sim_need_lock(x->host, "frame_physical");
        if (address & (QUIRE_X86_PAGE - 1))
                quire_sim_stop(x->host, "M1: frame_physical at %llx", (unsigned long long)address);
        if (!quire_x86_physical(x, address))
                return QUIRE_NOT_PRESENT;
        *out = address >> 12;
        return QUIRE_OK;
}

enum quire_status quire_x86_store_open(struct quire_machine *m, uint64_t pages,
                                       struct quire_store **out)
{
        struct quire_x86 *x = x86(m);
        struct quire_store *store;

        quire_sim_need_lock(x->host, "store_open");
        if (quire_sim_fails(x->host, QUIRE_SIM_TABLE) || !(store = calloc(1, sizeof *store)))
                return QUIRE_NO_MEMORY;
        *store = (struct quire_store){ .x86 = x, .next = x->stores, .pages = pages,
                                       .frame = calloc(pages, sizeof *store->frame) };
        if (!store->frame) {
                free(store);
                return QUIRE_NO_MEMORY;
        }
        x->stores = store;
        *out = store;
        return QUIRE_OK;
}

void quire_x86_store_close(struct quire_machine *m, struct quire_store *store)
{
        struct quire_x86 *x = x86(m);
        struct quire_store **at = &x->stores;

        quire_sim_need_lock(x->host, "store_close");
        for (uint64_t i = 0; i < store->pages; i++) {
                if (!store->frame[i])
                        continue;
                if (quire_x86_frame_of(x, store->frame[i], "store_close")->shown)
                        quire_sim_stop(x->host, "store_close of a store that is viewed");
                give_frame(x, store->frame[i]);
        }
        while (*at != store)
                at = &(*at)->next;
        *at = store->next;
        free(store->frame);
        free(store);
}
