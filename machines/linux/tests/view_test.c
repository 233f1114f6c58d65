/*
 * view_test.c - stores of the Linux machine, and their views: shared, copying,
 * delegated, and those of stores that come from elsewhere.
 *
 * quire_fault() is here a table of what is shown: it enters a page that is not,
 * and grants again what is.
 */
#include "elsewhere.h"
#include "inline.h"
#include "test.h"
#include "internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define M (&quire_linux_machine_ops)
#define PG ((uint64_t)4096)

/* What the core would know of the pages of one range; guarded by its lock. */
static struct core {
        struct quire_mspace *s;
        uint64_t va;
        unsigned pages, access;
        quire_frame frame[16];
        bool shown[16];
        volatile unsigned faults;    /* they come between any two accesses */
} core;

static enum quire_status resolve(uint64_t va, unsigned access)
{
        uint64_t page = (va - core.va) / PG;
        enum quire_status st = QUIRE_OK;

        if (va < core.va || page >= core.pages || !(core.access & access))
                return QUIRE_DENIED;
        if (++core.faults > 1000)
                _exit(99);
        if (core.shown[page])
                M->protect(core.s, core.va + page * PG, 1, core.access);
        else
                st = M->enter(core.s, core.va + page * PG, 1, &core.frame[page], core.access);
        core.shown[page] = true;
        return st;
}

enum quire_verdict quire_fault(void *owner, uint64_t va, unsigned access, uint64_t ticket)
{
        struct quire_host *h = owner;
        enum quire_status st;

        (void)ticket;
        quire_linux_lock(h);
        st = resolve(va, access);
        quire_linux_unlock(h);
        return st == QUIRE_OK ? QUIRE_RESUME : QUIRE_DENY;
}

struct rig {
        struct quire_linux *l;
        struct quire_machine *m;
        struct quire_mspace *s;
        struct quire_store *store;   /* of 16 pages */
        uint64_t arena, plain;
};

static struct rig open_rig(enum quire_faults faults)
{
        const struct quire_linux_setup setup = { .memory = (uint64_t)16 << 20, .faults = faults,
                                                 .no_pagefile = true };
        struct rig r = { NULL, NULL, NULL, NULL, 0, 0 };
        char problem[256];

        REQUIRE(!quire_linux_open(&setup, &r.l, problem));
        r.m = quire_linux_machine(r.l);
        REQUIRE(!M->space_open(r.m, quire_linux_host(r.l), &r.s));
        quire_linux_lock(quire_linux_host(r.l));
        core = (struct core){ r.s, 0, 0, 0, { 0 }, { false }, 0 };
        REQUIRE(!M->store_open(r.m, 16, &r.store));
        r.arena = M->abilities(r.m)->paged.first;
        r.plain = M->abilities(r.m)->plain.first;
        quire_linux_unlock(quire_linux_host(r.l));
        return r;
}

static void close_rig(struct rig *r)
{
        M->store_close(r->m, r->store);
        M->space_close(r->s);
        quire_linux_close(r->l);
}

static uint64_t elsewhere(uint64_t pages)
{
        uint64_t va = find_elsewhere(pages);

        REQUIRE(va);
        return va;
}

static volatile uint64_t *word_at(uint64_t va, uint64_t page)
{
        return (volatile uint64_t *)(uintptr_t)(va + page * PG);
}

static uint64_t *window(struct rig *r, quire_frame frame)
{
        return M->frame_window(r->m, frame);
}

static quire_frame store_frame(struct rig *r, struct quire_store *store, uint64_t index,
                               uint64_t word)
{
        quire_frame frame;

        REQUIRE(!M->frame_alloc(r->m, store, index, QUIRE_ZEROED, &frame));
        *window(r, frame) = word;
        return frame;
}

/* Once for each way to resolve faults, and without an ability. */
static void each_way(void (*function)(enum quire_faults))
{
        static const struct {
                const char *disable;
                enum quire_faults faults;
        } ways[] = { { "", QUIRE_FAULTS_THREAD }, { "", QUIRE_FAULTS_INLINE },
                     { "write-protect", QUIRE_FAULTS_THREAD } };

        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                if (ways[i].faults == QUIRE_FAULTS_INLINE && !can_inline())
                        continue;
                setenv("QUIRE_DISABLE", ways[i].disable, 1);
                function(ways[i].faults);
        }
        unsetenv("QUIRE_DISABLE");
}

/* ------------------------------------------------------------------ paged views */

/* Two views of one, at the same offsets. */
static void views(enum quire_faults faults)
{
        struct rig r = open_rig(faults);
        uint64_t a = r.arena, b = elsewhere(4);
        const struct quire_view view = { r.store, 4, false };
        volatile uint64_t *first = word_at(a, 0), *second = word_at(b, 0);
        quire_frame frames[4];

        for (uint64_t i = 0; i < 4; i++)
                frames[i] = store_frame(&r, r.store, 4 + i, 70 + i);
        REQUIRE(!M->reserve(r.s, a, 8, &view, NULL));
        REQUIRE(!M->reserve(r.s, b, 4, &view, NULL));
        REQUIRE(!M->enter(r.s, a, 4, frames, QUIRE_R | QUIRE_W));
        REQUIRE(!M->enter(r.s, b, 4, frames, QUIRE_R));
        CHECK_EQ(first[0], 70);
        first[512] = 99;
        CHECK_EQ(second[512], 99);
        CHECK_EQ(*window(&r, frames[1]), 99);
        REQUIRE(!M->take(r.s, a, 4, frames));
        CHECK_EQ(M->take(r.s, a, 4, frames), QUIRE_NOT_PRESENT);
        CHECK_EQ(second[3 * 512], 73);
        M->drop(r.s, b, 4);
        REQUIRE(!M->enter(r.s, b, 4, frames, QUIRE_R | QUIRE_W));
        CHECK_EQ(second[512], 99);
        M->release(r.s, a, 8);
        M->release(r.s, b, 4);
        for (uint64_t i = 0; i < 4; i++)
                M->frame_free(r.m, frames[i]);
        close_rig(&r);
}

static void test_L_views_of_a_store_show_the_same_pages(void)
{
        each_way(views);
}

/* Store frames and private ones in one view, whole runs and mixed ones. */
static void copying_view(enum quire_faults faults)
{
        struct rig r = open_rig(faults);
        quire_frame own[16], frames[16];
        uint64_t va = r.arena;

        for (unsigned i = 0; i < 16; i++)
                own[i] = store_frame(&r, r.store, i, 70 + i);
        REQUIRE(!M->reserve(r.s, va, 16, &(struct quire_view){ r.store, 0, true }, NULL));
        for (unsigned round = 0; round < 6; round++) {
                for (unsigned i = 0; i < 16; i++) {
                        frames[i] = own[i];
                        if (i % 3 == round % 3)
                                frames[i] = store_frame(&r, NULL, 0, 100 * round + i);
                }
                REQUIRE(!M->enter(r.s, va, 16, frames, QUIRE_R));
                for (unsigned i = 0; i < 16; i++)
                        CHECK_EQ(*word_at(va, i), i % 3 == round % 3 ? 100 * round + i : 70 + i);
                /* The private ones are written, nobody else sees it. */
                for (unsigned i = round % 3; i < 16; i += 3) {
                        M->protect(r.s, va + i * PG, 1, QUIRE_R | QUIRE_W);
                        *word_at(va, i) = 7;
                        CHECK_EQ(*window(&r, own[i]), 70 + i);
                }
                if (round % 2)
                        M->protect(r.s, va, 16, QUIRE_R);
                REQUIRE(!M->take(r.s, va, 16, frames));
                CHECK_EQ(M->take(r.s, va + 5 * PG, 1, frames + 5), QUIRE_NOT_PRESENT);
                for (unsigned i = 0; i < 16; i++) {
                        CHECK_EQ(*window(&r, frames[i]), i % 3 == round % 3 ? 7 : 70 + i);
                        if (frames[i] != own[i])
                                M->frame_free(r.m, frames[i]);
                }
        }
        M->release(r.s, va, 16);
        close_rig(&r);
}

static void test_L_a_view_that_copies_takes_private_frames(void)
{
        each_way(copying_view);
}

/* A view of the store at `va', all of it shown. */
static void show_view(struct rig *r, uint64_t va, bool copies)
{
        quire_linux_lock(quire_linux_host(r->l));
        core.va = va;
        core.pages = 16;
        core.access = copies ? QUIRE_R : QUIRE_R | QUIRE_W;
        REQUIRE(!M->reserve(r->s, va, 16, &(struct quire_view){ r->store, 0, copies }, NULL));
        for (unsigned i = 0; i < 16; i++) {
                core.frame[i] = store_frame(r, r->store, i, 70 + i);
                core.shown[i] = true;
        }
        REQUIRE(!M->enter(r->s, va, 16, core.frame, core.access));
        quire_linux_unlock(quire_linux_host(r->l));
}

/* The kernel takes pages out of a mapping by itself: the fault brings them back. */
static void lost_pages(enum quire_faults faults)
{
        for (unsigned copies = 0; copies < 2; copies++) {
                struct rig r = open_rig(faults);

                show_view(&r, r.arena, copies);
                REQUIRE(!madvise((void *)(uintptr_t)(r.arena + 3 * PG), 5 * PG, MADV_DONTNEED));
                for (unsigned i = 0; i < 16; i++)
                        CHECK_EQ(*word_at(r.arena, i), 70 + i);
                quire_linux_lock(quire_linux_host(r.l));
                CHECK_EQ(core.faults, 5);
                REQUIRE(!M->take(r.s, r.arena, 16, core.frame));
                M->release(r.s, r.arena, 16);
                quire_linux_unlock(quire_linux_host(r.l));
                close_rig(&r);
        }
}

static void test_L_what_the_kernel_loses_is_shown_again(void)
{
        each_way(lost_pages);
}

static bool took_sigsegv(void (*function)(struct rig *), struct rig *r)
{
        int status;
        pid_t child = fork();

        REQUIRE(child >= 0);
        if (!child) {
                function(r);
                _exit(98);
        }
        REQUIRE(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status))
                fprintf(stderr, "    the child found fault %d\n", WEXITSTATUS(status));
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void become_child(struct rig *r)
{
        if (!quire_linux_see_memory(r->l) || !quire_arena_protect(r->l))
                _exit(97);
}

/* Everything but the last page is as it was; that one may not be written. */
static void look_in_child(struct rig *r)
{
        become_child(r);
        for (unsigned i = 0; i < 15; i++)
                if (*word_at(core.va, i) != 70u + i)
                        _exit(96);
        if (M->take(r->s, core.va, 16, core.frame))     /* one was not looked at yet */
                _exit(95);
        for (unsigned i = 0; i < 16; i++)
                core.shown[i] = false;
        for (unsigned i = 0; i < 16; i++)
                if (*word_at(core.va, i) != 70u + i)
                        _exit(94);
        core.access = QUIRE_R;
        M->protect(r->s, core.va, 16, QUIRE_R);
        *word_at(core.va, 15) = 1;
        _exit(93);
}

/* The first is a private frame, which child and parent write apart. */
static void write_in_child(struct rig *r)
{
        become_child(r);
        if (*word_at(core.va, 0) != 60 || *word_at(core.va, 1) != 71)
                _exit(96);
        core.pages = 1;
        core.access = QUIRE_R | QUIRE_W;
        core.faults = 0;
        *word_at(core.va, 0) = 61;
        if (!core.faults || M->take(r->s, core.va, 1, core.frame) ||
            *window(r, core.frame[0]) != 61)
                _exit(95);
        *word_at(core.va, 1) = 1;
        _exit(94);
}

static void test_L_views_in_a_child_of_fork(void)
{
        if (!can_inline())
                SKIP("faults of a child are resolved inline");
        for (unsigned copies = 0; copies < 2; copies++) {
                struct rig r = open_rig(QUIRE_FAULTS_INLINE);

                show_view(&r, r.arena + 64 * PG, copies);
                CHECK(took_sigsegv(look_in_child, &r));
                if (copies) {
                        REQUIRE(!M->take(r.s, core.va, 1, core.frame));
                        core.frame[0] = store_frame(&r, NULL, 0, 60);
                        REQUIRE(!M->enter(r.s, core.va, 1, core.frame, QUIRE_R | QUIRE_W));
                        CHECK(took_sigsegv(write_in_child, &r));
                        CHECK_EQ(*word_at(core.va, 0), 60);
                        CHECK_EQ(*word_at(core.va, 1), 71);
                }
                M->release(r.s, core.va, 16);
                close_rig(&r);
        }
}

/* -------------------------------------------------------------- delegated views */

/* Delegated views: one in each kind of place; the store is one memory. */
static void check_hosted(struct rig *r, uint64_t va)
{
        const struct quire_view shared = { r->store, 4, false };
        const struct quire_view copying = { r->store, 4, true };
        uint64_t other = elsewhere(8), faults = core.faults;
        volatile uint64_t *at = (uint64_t *)(uintptr_t)va;
        volatile uint64_t *copy = (uint64_t *)(uintptr_t)other;

        CHECK_EQ(M->delegate(r->s, va, 13, &shared, NULL), QUIRE_INVALID);
        REQUIRE(!M->delegate(r->s, va, 8, &shared, NULL));
        REQUIRE(!M->delegate(r->s, other, 8, &copying, NULL));
        CHECK(!quire_linux_owns(r->l, va));
        REQUIRE(!M->delegate_protect(r->s, va, 8, QUIRE_R | QUIRE_W));
        REQUIRE(!M->delegate_protect(r->s, other, 8, QUIRE_R | QUIRE_W));
        at[0] = va;
        at[512] = 5;
        CHECK_EQ(copy[0], va);
        copy[512] = 6;
        CHECK_EQ(at[512], 5);
        at[512] = 7;
        CHECK_EQ(copy[512], 6);
        /* A part goes, the rest stays; and back. */
        M->delegate_release(r->s, va + 2 * PG, 3);
        CHECK_EQ(at[0], va);
        REQUIRE(!M->delegate(r->s, va + 2 * PG, 3, &shared, NULL));
        REQUIRE(!M->delegate_protect(r->s, va + 2 * PG, 3, QUIRE_R));
        CHECK_EQ(at[2 * 512], va);
        M->delegate_release(r->s, va, 8);
        M->delegate_release(r->s, other, 8);
        CHECK_EQ(core.faults, faults);
        /* The place is as it was. */
        REQUIRE(!M->delegate(r->s, va, 32, NULL, NULL));
        REQUIRE(!M->delegate_protect(r->s, va, 32, QUIRE_R | QUIRE_W));
        for (unsigned i = 0; i < 32; i++) {
                CHECK_EQ(at[i * 512], 0);
                at[i * 512] = 1;
        }
        M->delegate_release(r->s, va, 32);
}

static void test_L_delegated_views_are_the_kernels(void)
{
        struct rig r = open_rig(QUIRE_FAULTS_THREAD);

        check_hosted(&r, r.plain);
        check_hosted(&r, r.plain + 64 * PG);
        check_hosted(&r, elsewhere(32));
        check_hosted(&r, r.arena + 2048 * PG);
        close_rig(&r);
}

static int reopen(int fd, int flags)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return open(path, flags | O_CLOEXEC);
}

/* A store from its descriptor: writable, sealed, read-only, and what is none. */
static void adopted(struct rig *r)
{
        struct quire_linux *l = r->l;
        uint64_t plain = r->plain, other = plain + 64 * PG;
        int fd = quire_linux_store_fd(r->store), again;
        struct quire_store *second, *third;
        int pipes[2];

        again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        CHECK_EQ(quire_linux_store_adopt(l, again, 17, &second), QUIRE_INVALID);
        REQUIRE(!quire_linux_store_adopt(l, again, 16, &second));
        REQUIRE(!fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
        /* Both had windows before the seal. */
        for (unsigned i = 0; i < 2; i++) {
                const struct quire_view v = { i ? second : r->store, 8, false };
                REQUIRE(!M->delegate(r->s, plain, 8, &v, NULL));
                CHECK_EQ(M->delegate_protect(r->s, plain, 8, QUIRE_R | QUIRE_W), QUIRE_OK);
                *word_at(plain, i) = 1 + i;
                M->delegate_release(r->s, plain, 8);
        }
        /* Who comes later may only read; copies are his own. */
        for (unsigned i = 0; i < 2; i++) {
                struct quire_view v = { NULL, 8, false };
                REQUIRE(!quire_linux_store_adopt(l, reopen(fd, i ? O_RDONLY : O_RDWR), 16,
                                                 &third));
                v.store = third;
                REQUIRE(!M->delegate(r->s, plain, 8, &v, NULL));
                CHECK_EQ(M->delegate_protect(r->s, plain, 8, QUIRE_R | QUIRE_W), QUIRE_DENIED);
                CHECK_EQ(M->delegate_protect(r->s, plain, 8, QUIRE_R), QUIRE_OK);
                CHECK(*word_at(plain, 0) == 1 && *word_at(plain, 1) == 2 && !*word_at(plain, 2));
                v.copies = true;
                REQUIRE(!M->delegate(r->s, other, 8, &v, NULL));
                REQUIRE(!M->delegate_protect(r->s, other, 8, QUIRE_R | QUIRE_W));
                *word_at(other, 0) = 9;
                CHECK(*word_at(plain, 0) == 1 && *word_at(other, 0) == 9);
                v.copies = false;
                CHECK_EQ(M->reserve(r->s, elsewhere(8), 8, &v, NULL), QUIRE_DENIED);
                M->delegate_release(r->s, plain, 72);
                M->store_close(r->m, third);
        }
        M->store_close(r->m, second);
        REQUIRE(!pipe(pipes));
        CHECK_EQ(quire_linux_store_adopt(l, pipes[0], 1, &third), QUIRE_INVALID);
        CHECK_EQ(quire_linux_store_adopt(l, -1, 1, &third), QUIRE_INVALID);
        close(pipes[0]);
        close(pipes[1]);
}

static void test_L_stores_come_from_elsewhere(void)
{
        struct rig r = open_rig(QUIRE_FAULTS_THREAD);

        adopted(&r);
        close_rig(&r);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        /* A sanitizer's handlers would describe what a child dies of. */
        (void)signal(SIGSEGV, SIG_DFL);
        (void)signal(SIGBUS, SIG_DFL);
        RUN(test_L_views_of_a_store_show_the_same_pages);
        RUN(test_L_a_view_that_copies_takes_private_frames);
        RUN(test_L_what_the_kernel_loses_is_shown_again);
        RUN(test_L_views_in_a_child_of_fork);
        RUN(test_L_delegated_views_are_the_kernels);
        RUN(test_L_stores_come_from_elsewhere);
        return test_end();
}
