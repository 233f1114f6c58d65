/*
 * machine.c - the machine and the host as their two tables of operations, and
 * the order in which everything is opened and closed.
 *
 * Only what this kernel and this user have is used, and only what the variable
 * QUIRE_DISABLE does not name; both are settled here, once, in `can'.
 *
 * Lock: none; opening and closing are the caller's to serialise.
 */
#include "internal.h"
#include "probe.h"
#include "sys.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const struct quire_abilities *get_abilities(struct quire_machine *m)
{
        return &linux_of(m)->abilities;
}

const struct quire_machine_ops quire_linux_machine_ops = {
        .abilities = get_abilities,
        .frame_alloc = quire_linux_frame_alloc,
        .frame_free = quire_linux_frame_free,
        .frame_window = quire_linux_frame_window,
        .store_open = quire_linux_store_open,
        .store_close = quire_linux_store_close,
        .space_open = quire_linux_space_open,
        .space_close = quire_linux_space_close,
        .reserve = quire_linux_reserve,
        .release = quire_linux_release,
        .enter = quire_linux_enter,
        .protect = quire_linux_protect,
        .take = quire_linux_take,
        .drop = quire_linux_drop,
        .resume = quire_linux_resume,
        .delegate = quire_linux_delegate,
        .delegate_protect = quire_linux_delegate_protect,
        .delegate_discard = quire_linux_delegate_discard,
        .delegate_release = quire_linux_delegate_release,
        .delegate_watch = quire_linux_delegate_watch,
        .harvest = quire_linux_harvest,
        .frame_prepare = quire_linux_frame_prepare,
};

const struct quire_host_ops quire_linux_host_ops = {
        .alloc = quire_linux_alloc,
        .free = quire_linux_free,
        .lock = quire_linux_lock,
        .unlock = quire_linux_unlock,
        .clock = quire_linux_clock,
        .pause = quire_linux_pause,
        .io_read = quire_linux_io_read,
        .io_start = quire_linux_io_start,
        .io_poll = quire_linux_io_poll,
        .compress = quire_linux_compress,
        .expand = quire_linux_expand,
        .event = quire_linux_event,
        .say = quire_linux_say,
        .stop = quire_linux_stop_at,
};

struct quire_machine *quire_linux_machine(struct quire_linux *l)
{
        return (struct quire_machine *)l;
}

struct quire_host *quire_linux_host(struct quire_linux *l)
{
        return (struct quire_host *)l;
}

uint64_t quire_linux_slack(const struct quire_linux *l)
{
        return l->pool.slack;
}

uint64_t quire_linux_overhead(const struct quire_linux *l)
{
        uint64_t tables = l->pool.fresh * sizeof(*l->pool.frame) + l->pool.ready / 4;

        return l->lodging.resident + tables + sizeof(*l);
}

unsigned quire_linux_descriptors(struct quire_linux *l, int *out, unsigned room)
{
        const int one[] = { l->uffd, l->watch, l->pagemap, l->tasks, l->threads.wake,
                            LOAD(&l->children), quire_ring_descriptor(l) };
        unsigned n = 0;

        for (unsigned i = 0; i < sizeof(one) / sizeof(one[0]); i++)
                if (one[i] >= 0 && n < room)
                        out[n++] = one[i];
        for (unsigned i = 0; i < SEATS; i++)
                if (quire_spin_descriptor(l, i) >= 0 && n < room)
                        out[n++] = quire_spin_descriptor(l, i);
        for (unsigned i = 0; i < l->witnesses && n < room; i++)
                out[n++] = l->witness[i];
        for (unsigned i = 0; i < l->files; i++)
                if (l->file[i].open && n < room)
                        out[n++] = l->file[i].fd;
        return n + quire_store_descriptors(l, out + n, room - n);
}

/* ---------------------------------------------------------------- opening */

static enum quire_status fail(char problem[256], enum quire_status st, const char *why)
{
        (void)snprintf(problem, 256, "%s", why);
        return st;
}

/* In the faulting thread, or by handler threads? */
static enum quire_status choose_faults(struct quire_linux *l, char problem[256])
{
        enum quire_faults wanted = l->setup.faults;

        if (!(l->can & CAN_UFFD))
                return fail(problem, QUIRE_UNSUPPORTED,
                            "userfaultfd is not available to this process: the kernel lacks it, "
                            "or a container's rules forbid it");
        if (wanted == QUIRE_FAULTS_INLINE && !(l->can & CAN_INLINE))
                return fail(problem, QUIRE_UNSUPPORTED,
                            "faults can not be resolved inline: the kernel's userfaultfd raises "
                            "no SIGBUS; use handler threads");
        if (wanted == QUIRE_FAULTS_THREAD && !(l->can & CAN_THREAD))
                return fail(problem, QUIRE_UNSUPPORTED,
                            "handler threads need a userfaultfd that names threads (Linux 4.14)");
        l->inlined = wanted == QUIRE_FAULTS_INLINE ||
                     (wanted == QUIRE_FAULTS_AUTO && l->can & CAN_INLINE);
        if (!l->inlined && !(l->can & CAN_THREAD))
                return fail(problem, QUIRE_UNSUPPORTED,
                            "neither inline faults nor handler threads are available");
        return QUIRE_OK;
}

static enum quire_status open_memory(struct quire_linux *l, char problem[256])
{
        enum quire_status st;

        l->uffd = quire_uffd_open(l, l->inlined);
        if (l->uffd < 0)
                return fail(problem, QUIRE_UNSUPPORTED, "userfaultfd can not be opened");
        st = quire_arena_open(l);
        if (st == QUIRE_NO_MEMORY)
                return fail(problem, st, "no address space for the arena (see ulimit -v)");
        if (st != QUIRE_OK)
                return fail(problem, st, "userfaultfd refuses to watch over the arena");
        if (!quire_pool_open(l))
                return fail(problem, QUIRE_NO_MEMORY,
                            "no address space for the pool of frames (see ulimit -v)");
        quire_spin_open(l);
        if (!quire_compressor_open(l) || !quire_ring_open(l))
                return fail(problem, QUIRE_NO_MEMORY, "no memory for records");
        return QUIRE_OK;
}

static void open_watch(struct quire_linux *l)
{
        l->pagemap = quire_descriptor_raise(
                l, (int)sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0));
        if (l->pagemap >= 0 && l->can & CAN_PAGEMAP_SCAN && !quire_watch_probe(l->pagemap))
                l->can &= ~(unsigned)CAN_PAGEMAP_SCAN;
        if (l->can & CAN_WP_ASYNC && l->can & CAN_PAGEMAP_SCAN)
                l->watch = quire_uffd_open_async(l);
}

/* Descriptors that see this process's memory; also in a child of fork. */
bool quire_linux_see_memory(struct quire_linux *l)
{
        if (l->watch >= 0)
                (void)sys_close(l->watch);
        if (l->pagemap >= 0)
                (void)sys_close(l->pagemap);
        (void)sys_close(l->uffd);
        quire_alone_open(l);
        l->watch = l->pagemap = -1;
        l->inlined = l->views_lost = true;
        l->uffd = quire_uffd_open(l, true);
        if (l->uffd < 0)
                return false;
        open_watch(l);
        return quire_arena_adopt(l) && quire_pool_adopt(l);
}

static enum quire_status open_faults(struct quire_linux *l, char problem[256])
{
        if (!l->hooks.caller_handles_signals) {
                l->signals = quire_signals_install(l);
                if (!l->signals)
                        return fail(problem, QUIRE_UNSUPPORTED,
                                    "signal handlers can not be installed");
        }
        if (!l->inlined && !quire_threads_open(l))
                return fail(problem, QUIRE_NO_MEMORY, "handler threads can not be started");
        return QUIRE_OK;
}

static enum quire_status open_parts(struct quire_linux *l, char problem[256])
{
        enum quire_status st = choose_faults(l, problem);

        if (st == QUIRE_OK)
                st = open_memory(l, problem);
        if (st != QUIRE_OK)
                return st;
        open_watch(l);
        quire_alone_open(l);
        l->abilities.page_shift = PAGE_SHIFT;
        l->abilities.write_protects = true;
        l->abilities.delegates_views = true;
        l->abilities.va_end = VA_END;
        if (!l->setup.no_pagefile && !quire_pagefiles_open(l, problem))
                return QUIRE_IO_ERROR;
        return open_faults(l, problem);
}

enum quire_status quire_linux_open(const struct quire_linux_setup *setup,
                                   struct quire_linux **out, char problem[256])
{
        struct lodging lodging;
        struct quire_linux *l = NULL;
        enum quire_status st;

        problem[0] = '\0';
        if (quire_lodging_open(&lodging, quire_address_share(setup->memory)))
                l = quire_lodging_alloc(&lodging, sizeof(*l));
        if (!l)
                return fail(problem, QUIRE_NO_MEMORY, "no address space for records");
        l->lodging = lodging;
        l->setup = *setup;
        if (setup->hooks)
                l->hooks = *setup->hooks;
        l->space.l = l;
        l->uffd = l->watch = l->pagemap = l->tasks = l->threads.wake = l->children = -1;
        l->can = quire_linux_survey(CAN_ALL & ~quire_linux_disabled());
        st = open_parts(l, problem);
        if (st != QUIRE_OK) {
                quire_linux_close(l);
                return st;
        }
        *out = l;
        return QUIRE_OK;
}

void quire_linux_close(struct quire_linux *l)
{
        struct lodging lodging = l->lodging;
        const int one[] = { l->watch, l->pagemap, l->uffd, l->children };

        if (l->signals)
                quire_signals_remove();
        quire_threads_close(l);
        quire_stores_close(l);
        quire_ring_close(l);
        quire_spin_close(l);
        quire_pagefiles_close(l);
        quire_arena_close(l);
        quire_pool_close(l);
        for (unsigned i = 0; i < sizeof(one) / sizeof(one[0]); i++)
                if (one[i] >= 0)
                        (void)sys_close(one[i]);
        quire_alone_close(l);
        quire_lodging_close(&lodging);
}
