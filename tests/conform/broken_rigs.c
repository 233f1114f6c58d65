/*
 * broken_rigs.c - machines that are wrong in one thing each: the simulated one
 * with one operation replaced, and the x86-64 tables with an invalidation left
 * out.
 */
#include "rig_simulated.h"
#include "sim.h"
#include "x86_64.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE ((uint64_t)0xfe000000)

/* What the machine would do; one machine is open at a time. */
static const struct quire_machine_ops *right;
static struct quire_machine_ops wrong;

static enum quire_status take_nothing(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                      const quire_frame *frames)
{
        (void)s;
        (void)va;
        (void)pages;
        (void)frames;
        return QUIRE_OK;
}

/* M3: pages before the hole are taken all the same. */
static enum quire_status take_in_part(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                      const quire_frame *frames)
{
        enum quire_status st = right->take(s, va, pages, frames);

        if (st == QUIRE_NOT_PRESENT && pages > 1 &&
            right->take(s, va, 1, frames) != QUIRE_OK)
                return st;
        return st;
}

static enum quire_status enter_writable(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                        const quire_frame *frames, unsigned access)
{
        return right->enter(s, va, pages, frames, access | QUIRE_W);
}

static enum quire_status enter_executable(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                          const quire_frame *frames, unsigned access)
{
        return right->enter(s, va, pages, frames, access | QUIRE_X);
}

/* M3: a run that is refused is entered in part. */
static enum quire_status enter_in_part(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                       const quire_frame *frames, unsigned access)
{
        enum quire_status st = right->enter(s, va, pages, frames, access);

        if (st != QUIRE_OK && right->enter(s, va, 1, frames, access) != QUIRE_OK)
                return st;
        return st;
}

static enum quire_status enter_in_reverse(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                          const quire_frame *frames, unsigned access)
{
        quire_frame reverse[QUIRE_RUN_MAX];

        for (uint64_t i = 0; i < pages; i++)
                reverse[i] = frames[pages - 1 - i];
        return right->enter(s, va, pages, reverse, access);
}

static void protect_widens_only(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                unsigned access)
{
        if (access & QUIRE_W)
                right->protect(s, va, pages, access);
}

static void protect_narrows_only(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                 unsigned access)
{
        if (!(access & QUIRE_W))
                right->protect(s, va, pages, access);
}

static uint64_t page_bytes;

static void protect_forgets_the_last(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                     unsigned access)
{
        if (pages > 1)
                right->protect(s, va, pages - 1, access);
        else
                right->protect(s, va, pages, access);
}

static void drop_forgets_the_first(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        if (pages > 1)
                right->drop(s, va + page_bytes, pages - 1);
}

static void release_keeps_reporting(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        right->drop(s, va, pages);
}

static enum quire_status alloc_dirty(struct quire_machine *m, struct quire_store *store,
                                     uint64_t index, enum quire_fill fill, quire_frame *out)
{
        return right->frame_alloc(m, store, index, store ? fill : QUIRE_ANY_FILL, out);
}

static enum quire_status alloc_loses_on_failure(struct quire_machine *m,
                                                struct quire_store *store, uint64_t index,
                                                enum quire_fill fill, quire_frame *out)
{
        enum quire_status st = right->frame_alloc(m, store, index, fill, out);

        if (st != QUIRE_OK)
                *out = 1;
        return st;
}

static enum quire_status reserve_names_nothing(struct quire_mspace *s, uint64_t va,
                                               uint64_t pages, const struct quire_view *view,
                                               struct quire_range *obstacle)
{
        enum quire_status st = right->reserve(s, va, pages, view, obstacle);

        memset(obstacle, 0, sizeof *obstacle);
        return st;
}

/* Every view shows its store from the beginning. */
static enum quire_status reserve_from_zero(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                           const struct quire_view *view,
                                           struct quire_range *obstacle)
{
        struct quire_view from_zero;

        if (!view)
                return right->reserve(s, va, pages, NULL, obstacle);
        from_zero = (struct quire_view){ view->store, 0, view->copies };
        return right->reserve(s, va, pages, &from_zero, obstacle);
}

static void resume_always_allows(struct quire_machine *m, uint64_t ticket,
                                 enum quire_verdict verdict)
{
        (void)verdict;
        right->resume(m, ticket, QUIRE_RESUME);
}

static void resume_never_allows(struct quire_machine *m, uint64_t ticket,
                                enum quire_verdict verdict)
{
        (void)verdict;
        right->resume(m, ticket, QUIRE_DENY);
}

static void discard_nothing(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        (void)s;
        (void)va;
        (void)pages;
}

static enum quire_status delegate_protect_grants_reads(struct quire_mspace *s, uint64_t va,
                                                       uint64_t pages, unsigned access)
{
        return right->delegate_protect(s, va, pages, access | QUIRE_R);
}

static enum quire_status delegate_open(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                       const struct quire_view *view,
                                       struct quire_range *obstacle)
{
        enum quire_status st = right->delegate(s, va, pages, view, obstacle);

        return st != QUIRE_OK ? st
               : right->delegate_protect(s, va, pages, QUIRE_R | QUIRE_W);
}

static enum quire_status watch_nothing(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        (void)s;
        (void)va;
        (void)pages;
        return QUIRE_OK;
}

static enum quire_status harvest_everything(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                            uint8_t *bits)
{
        enum quire_status st = right->harvest(s, va, pages, bits);

        memset(bits, QUIRE_REFERENCED | QUIRE_MODIFIED, pages);
        return st;
}

static enum quire_status harvest_half(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                      uint8_t *bits)
{
        memset(bits, 0, pages);
        return right->harvest(s, va, (pages + 1) / 2, bits);
}

/* ------------------------------------------- sharing, devices, attributes, views */

/* A view that copies takes no private frames. */
static enum quire_status reserve_copies_nothing(struct quire_mspace *s, uint64_t va,
                                                uint64_t pages, const struct quire_view *view,
                                                struct quire_range *obstacle)
{
        struct quire_view shared;

        if (!view)
                return right->reserve(s, va, pages, NULL, obstacle);
        shared = (struct quire_view){ view->store, view->first, false };
        return right->reserve(s, va, pages, &shared, obstacle);
}

/* It says that it shares frames, and does not. */
static const struct quire_abilities *abilities_promise_sharing(struct quire_machine *m)
{
        static struct quire_abilities promised;

        promised = *right->abilities(m);
        promised.shares_frames = true;
        return &promised;
}

/* Or it says that it delegates no views, and does. */
static const struct quire_abilities *abilities_hide_views(struct quire_machine *m)
{
        static struct quire_abilities promised;

        promised = *right->abilities(m);
        promised.delegates_views = false;
        return &promised;
}

/* The last frame entered, for what loses too much. */
static quire_frame entered_last;
static struct quire_machine *machine;

static enum quire_status enter_and_remember(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                            const quire_frame *frames, unsigned access)
{
        entered_last = frames[pages - 1];
        return right->enter(s, va, pages, frames, access);
}

static void drop_loses_contents(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        right->drop(s, va, pages);
        if (entered_last)
                memset(right->frame_window(machine, entered_last), 0x5a, 64);
        entered_last = QUIRE_NO_FRAME;
}

static enum quire_status take_and_forget(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                         const quire_frame *frames)
{
        enum quire_status st = right->take(s, va, pages, frames);

        if (st == QUIRE_OK)
                entered_last = QUIRE_NO_FRAME;
        return st;
}

static void *window_of_the_hidden(struct quire_machine *m, quire_frame frame)
{
        return frame == entered_last ? NULL : right->frame_window(m, frame);
}

/* Users see the kernel's pages. */
static enum quire_status enter_for_users(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                         const quire_frame *frames, unsigned access)
{
        return right->enter(s, va, pages, frames, access & ~(unsigned)QUIRE_KERNEL);
}

static enum quire_status enter_cached(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                      const quire_frame *frames, unsigned access)
{
        return right->enter(s, va, pages, frames, access & ~(unsigned)QUIRE_CACHE_COMBINE);
}

static void protect_forgets_attributes(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                       unsigned access)
{
        right->protect(s, va, pages, access & ~(unsigned)QUIRE_ATTRIBUTES);
}

/* Every address is the first one. */
static enum quire_status physical_anywhere(struct quire_machine *m, uint64_t address,
                                           quire_frame *out)
{
        (void)address;
        return right->frame_physical(m, DEVICE, out);
}

/* Pages of the machine's memory instead of the device's. */
static enum quire_status physical_is_memory(struct quire_machine *m, uint64_t address,
                                            quire_frame *out)
{
        enum quire_status st = right->frame_physical(m, address, out);

        return st != QUIRE_OK ? st : right->frame_alloc(m, NULL, 0, QUIRE_ZEROED, out);
}

static enum quire_status delegate_views_apart(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                              const struct quire_view *view,
                                              struct quire_range *obstacle)
{
        (void)view;
        return right->delegate(s, va, pages, NULL, obstacle);
}

static enum quire_status delegate_from_zero(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                            const struct quire_view *view,
                                            struct quire_range *obstacle)
{
        struct quire_view from_zero = { NULL, 0, false };

        if (!view)
                return right->delegate(s, va, pages, NULL, obstacle);
        from_zero.store = view->store;
        from_zero.copies = view->copies;
        return right->delegate(s, va, pages, &from_zero, obstacle);
}

/* Views that copy share, and the other way round. */
static enum quire_status delegate_the_other_kind(struct quire_mspace *s, uint64_t va,
                                                 uint64_t pages, const struct quire_view *view,
                                                 struct quire_range *obstacle)
{
        struct quire_view other;

        if (!view)
                return right->delegate(s, va, pages, NULL, obstacle);
        other = (struct quire_view){ view->store, view->first, !view->copies };
        return right->delegate(s, va, pages, &other, obstacle);
}

static enum quire_status delegate_copies_nothing(struct quire_mspace *s, uint64_t va,
                                                 uint64_t pages, const struct quire_view *view,
                                                 struct quire_range *obstacle)
{
        if (view && view->copies)
                return delegate_the_other_kind(s, va, pages, view, obstacle);
        return right->delegate(s, va, pages, view, obstacle);
}

/* It says that it delegates views (abilities), and does not. */
static enum quire_status delegate_no_views(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                           const struct quire_view *view,
                                           struct quire_range *obstacle)
{
        return view ? QUIRE_UNSUPPORTED : right->delegate(s, va, pages, NULL, obstacle);
}

/* ------------------------------------------------------------- the simulator */

static bool open_sim_as(struct rig *rig, struct quire_sim_options options)
{
        struct rig_simulated *s = rig_simulated_open(rig, &(struct quire_sim_host_options){ 0 });

        if (!s)
                return false;
        options.host = s->host;
        options.physical = (struct quire_range){ DEVICE, 4 };
        s->machine = quire_sim_open(&options);
        if (!s->machine)
                abort();
        rig->machine = machine = quire_sim_handle(s->machine);
        entered_last = QUIRE_NO_FRAME;
        right = quire_sim_ops(s->machine);
        page_bytes = (uint64_t)1 << right->abilities(rig->machine)->page_shift;
        wrong = *right;
        rig->ops = &wrong;
        return true;
}

static bool open_sim(struct rig *rig)
{
        return open_sim_as(rig, (struct quire_sim_options){ .no_share = false });
}

static bool open_unshared(struct rig *rig)
{
        return open_sim_as(rig, (struct quire_sim_options){ .no_share = true });
}

/* Broken in what comes after an enter. */
static bool open_remembering(struct rig *rig)
{
        if (!open_sim(rig))
                return false;
        wrong.enter = enter_and_remember;
        wrong.take = take_and_forget;
        return true;
}

static void close_sim(struct rig *rig)
{
        quire_sim_close(((struct rig_simulated *)rig->own)->machine);
        rig_simulated_close(rig);
}

static enum rig_answer access_sim(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                  unsigned access, void *buf, size_t n)
{
        struct quire_sim *sim = ((struct rig_simulated *)rig->own)->machine;

        return rig_simulated_answer(quire_sim_access(sim, space, va, access, buf, n));
}

static bool place_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                           uint64_t pages)
{
        (void)rig;
        return quire_sim_obstacle(space, va, pages);
}

static unsigned read_attributes(struct rig *rig, struct quire_mspace *space, uint64_t va)
{
        return quire_sim_attributes(((struct rig_simulated *)rig->own)->machine, space, va);
}

static void *device_at(struct rig *rig, uint64_t address)
{
        return quire_sim_physical(((struct rig_simulated *)rig->own)->machine, address);
}

static void remove_obstacle(struct rig *rig, struct quire_mspace *space, uint64_t va,
                            uint64_t pages)
{
        (void)rig;
        quire_sim_obstacle_remove(space, va, pages);
}

#define SIM_KIND(which)                                                                 \
        {                                                                               \
                .name = #which, .spaces = 4, .open = open_##which, .close = close_sim,  \
                .access = access_sim, .count_up = rig_simulated_count_up,               \
                .room = rig_simulated_room, .start = rig_simulated_start,               \
                .join = rig_simulated_join, .fail = rig_simulated_fail,                 \
                .obstacle = place_obstacle, .obstacle_remove = remove_obstacle,         \
                .attributes = read_attributes, .device = device_at,                     \
                .device_first = DEVICE, .device_end = DEVICE + 4 * 4096,                \
        }
#define BROKEN_SIM(op, which) BROKEN(op, which, open_sim)
#define BROKEN_REMEMBERING(op, which) BROKEN(op, which, open_remembering)
#define BROKEN_UNSHARED(op, which) BROKEN(op, which, open_unshared)
#define BROKEN(op, which, opens)                                                        \
        static bool open_##which(struct rig *rig, uint64_t seed)                        \
        {                                                                               \
                (void)seed;                                                             \
                if (!opens(rig))                                                        \
                        return false;                                                   \
                wrong.op = which;                                                       \
                return true;                                                            \
        }                                                                               \
        static const struct rig_kind kind_##which = SIM_KIND(which)

static bool open_nothing_broken(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_sim(rig);
}
static const struct rig_kind kind_nothing_broken = SIM_KIND(nothing_broken);

static bool open_nothing_shared_or_broken(struct rig *rig, uint64_t seed)
{
        (void)seed;
        return open_unshared(rig);
}
static const struct rig_kind kind_nothing_shared_or_broken = SIM_KIND(nothing_shared_or_broken);

BROKEN_SIM(take, take_nothing);
BROKEN_SIM(take, take_in_part);
BROKEN_SIM(enter, enter_writable);
BROKEN_SIM(enter, enter_executable);
BROKEN_SIM(enter, enter_in_part);
BROKEN_SIM(enter, enter_in_reverse);
BROKEN_SIM(protect, protect_widens_only);
BROKEN_SIM(protect, protect_narrows_only);
BROKEN_SIM(protect, protect_forgets_the_last);
BROKEN_SIM(drop, drop_forgets_the_first);
BROKEN_SIM(release, release_keeps_reporting);
BROKEN_SIM(frame_alloc, alloc_dirty);
BROKEN_SIM(frame_alloc, alloc_loses_on_failure);
BROKEN_SIM(reserve, reserve_names_nothing);
BROKEN_UNSHARED(reserve, reserve_from_zero);
BROKEN_UNSHARED(reserve, reserve_copies_nothing);
BROKEN_UNSHARED(abilities, abilities_promise_sharing);
BROKEN_REMEMBERING(drop, drop_loses_contents);
BROKEN_REMEMBERING(frame_window, window_of_the_hidden);
BROKEN_SIM(enter, enter_for_users);
BROKEN_SIM(enter, enter_cached);
BROKEN_SIM(protect, protect_forgets_attributes);
BROKEN_SIM(frame_physical, physical_anywhere);
BROKEN_SIM(frame_physical, physical_is_memory);
BROKEN_SIM(delegate, delegate_views_apart);
BROKEN_SIM(delegate, delegate_from_zero);
BROKEN_SIM(delegate, delegate_the_other_kind);
BROKEN_SIM(delegate, delegate_copies_nothing);
BROKEN_SIM(delegate, delegate_no_views);
BROKEN_SIM(abilities, abilities_hide_views);
BROKEN_SIM(resume, resume_always_allows);
BROKEN_SIM(resume, resume_never_allows);
BROKEN_SIM(delegate, delegate_open);
BROKEN_SIM(delegate_discard, discard_nothing);
BROKEN_SIM(delegate_protect, delegate_protect_grants_reads);
BROKEN_SIM(delegate_watch, watch_nothing);
BROKEN_SIM(harvest, harvest_everything);
BROKEN_SIM(harvest, harvest_half);

/* ---------------------------------------------- a missing invalidation on x86-64 */

static bool open_x86(struct rig *rig, unsigned forget)
{
        struct rig_simulated *s = rig_simulated_open(rig, &(struct quire_sim_host_options){ 0 });

        if (!s)
                return false;
        s->machine = quire_x86_open(&(struct quire_x86_options){ .host = s->host,
                                                                 .forget = forget });
        if (!s->machine)
                abort();
        rig->machine = quire_x86_handle(s->machine);
        rig->ops = quire_x86_ops(s->machine);
        return true;
}

static void close_x86(struct rig *rig)
{
        quire_x86_close(((struct rig_simulated *)rig->own)->machine);
        rig_simulated_close(rig);
}

static enum rig_answer access_x86(struct rig *rig, struct quire_mspace *space, uint64_t va,
                                  unsigned access, void *buf, size_t n)
{
        struct quire_x86 *x86 = ((struct rig_simulated *)rig->own)->machine;

        return rig_simulated_answer(quire_x86_access(x86, space, va, access, buf, n));
}

#define BROKEN_X86(which, bit)                                                          \
        static bool open_##which(struct rig *rig, uint64_t seed)                        \
        {                                                                               \
                (void)seed;                                                             \
                return open_x86(rig, bit);                                              \
        }                                                                               \
        static const struct rig_kind kind_##which = {                                   \
                .name = #which, .spaces = 4, .open = open_##which, .close = close_x86,  \
                .access = access_x86, .count_up = rig_simulated_count_up,               \
                .room = rig_simulated_room, .start = rig_simulated_start,               \
                .join = rig_simulated_join, .fail = rig_simulated_fail,                 \
        }

BROKEN_X86(no_invalidation_by_protect, QUIRE_X86_FORGET_PROTECT);
BROKEN_X86(no_invalidation_by_take, QUIRE_X86_FORGET_TAKE);
BROKEN_X86(no_invalidation_by_drop, QUIRE_X86_FORGET_DROP);
BROKEN_X86(no_invalidation_by_harvest, QUIRE_X86_FORGET_HARVEST);
BROKEN_X86(no_invalidation_on_other_processors, QUIRE_X86_FORGET_OTHERS);

const struct rig_kind *const rig_kinds[] = {
        &kind_nothing_broken, &kind_nothing_shared_or_broken,
        &kind_take_nothing, &kind_take_in_part, &kind_enter_writable,
        &kind_enter_executable, &kind_enter_in_part, &kind_enter_in_reverse,
        &kind_protect_widens_only, &kind_protect_narrows_only, &kind_protect_forgets_the_last,
        &kind_drop_forgets_the_first, &kind_release_keeps_reporting, &kind_alloc_dirty,
        &kind_alloc_loses_on_failure, &kind_reserve_names_nothing, &kind_reserve_from_zero,
        &kind_reserve_copies_nothing, &kind_abilities_promise_sharing, &kind_drop_loses_contents,
        &kind_window_of_the_hidden, &kind_enter_for_users, &kind_enter_cached,
        &kind_protect_forgets_attributes, &kind_physical_anywhere, &kind_physical_is_memory,
        &kind_delegate_views_apart, &kind_delegate_from_zero, &kind_delegate_the_other_kind,
        &kind_delegate_copies_nothing, &kind_delegate_no_views, &kind_abilities_hide_views,
        &kind_resume_always_allows, &kind_resume_never_allows, &kind_delegate_open,
        &kind_discard_nothing, &kind_delegate_protect_grants_reads, &kind_watch_nothing,
        &kind_harvest_everything, &kind_harvest_half, &kind_no_invalidation_by_protect,
        &kind_no_invalidation_by_take, &kind_no_invalidation_by_drop,
        &kind_no_invalidation_by_harvest, &kind_no_invalidation_on_other_processors, NULL,
};
