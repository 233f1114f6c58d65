/*
 * play.c - the calls of play.h.
 */
#include "play.h"

/* -------------------------------------------------------------------- the pager's half */

static bool pager_fails(struct play *p, bool writes)
{
        if (p->failing_writes != writes)
                return false;
        p->calls++;
        if (!p->fails || p->calls < p->fails || p->calls - p->fails >= p->fails_times)
                return false;
        p->failed++;
        return true;
}

static enum quire_status fill_home(void *context, uint64_t offset, uint64_t bytes,
                                   unsigned access, void *const page[])
{
        struct play *p = context;

        (void)access;
        if (pager_fails(p, false))
                return QUIRE_IO_ERROR;
        for (uint64_t i = 0; i < bytes / PAGE; i++) {
                uint64_t *words = page[i];

                memset(words, 0x33, PAGE);
                words[0] = p->home[offset / PAGE + i];
        }
        return QUIRE_OK;
}

static enum quire_status write_home(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        struct play *p = context;

        if (pager_fails(p, true))
                return QUIRE_IO_ERROR;
        for (uint64_t i = 0; i < bytes / PAGE; i++)
                p->home[offset / PAGE + i] = *(const uint64_t *)page[i];
        return QUIRE_OK;
}

static void close_home(void *context)
{
        ((struct play *)context)->closed++;
}

static const struct quire_pager to_file = { .fill = fill_home, .write = write_home,
                                            .closed = close_home };
static const struct quire_pager to_home = { .fill = fill_home, .write = write_home,
                                            .closed = close_home, .most = 3, .evicts = true };

/* ----------------------------------------------------------------------- what failed */

uint64_t play_failed(const struct play *p)
{
        uint64_t sum = p->failed;

        for (unsigned k = 0; k < QUIRE_SIM_POINTS; k++)
                sum += quire_sim_failed(p->host, (enum quire_sim_point)k);
        return sum;
}

void play_note(struct play *p)
{
        p->seen = play_failed(p);
        quire_system_counters(p->sys, &p->before);
}

static bool something_failed(const struct play *p)
{
        return play_failed(p) != (p->hurt ? 0 : p->seen);
}

bool play_excuses(struct play *p, enum quire_status st)
{
        struct quire_counters now;

        if (st == QUIRE_OK)
                return false;
        if (!CHECK(st == QUIRE_NO_MEMORY || st == QUIRE_IO_ERROR || st == QUIRE_BUSY ||
                   (p->hurt && st == QUIRE_LIMIT)) || !CHECK(something_failed(p))) {
                fprintf(stderr, "it answers: %s\n", quire_status_name(st));
                return false;
        }
        quire_system_counters(p->sys, &now);
        CHECK_EQ(now.reserved, p->before.reserved);
        CHECK_EQ(now.locked, p->before.locked);
        if (st != QUIRE_IO_ERROR)            /* a flush that fails in part was done in part */
                CHECK_EQ(now.committed, p->before.committed);
        quire_system_audit(p->sys);
        return true;
}

/* ------------------------------------------------------------------------ open, close */

void play_open(struct play *p, const struct driver *driver, const struct drive_options *o)
{
        *p = (struct play){ .driver = driver };
        REQUIRE(driver->open(o, &p->drive) == QUIRE_OK);
        p->sys = driver->system(p->drive);
        p->host = driver->host(p->drive);
        p->space[0] = driver->space(p->drive);
}

static uint64_t word_at(const struct view *v, uint64_t i)
{
        return v->copy && v->own[i] ? v->own[i] : v->object[v->first + i];
}

/* Every view shows what it must. */
static void compare(struct play *p)
{
        for (unsigned k = 0; k < VIEWS; k++) {
                struct view *v = &p->view[k];

                for (uint64_t i = 0; i < v->pages && !v->denied; i++) {
                        uint64_t word = 0, va = v->va + i * PAGE;
                        enum quire_reason why = 0;

                        if (p->driver->access(p->drive, v->space, va, QUIRE_R, &word, 8, &why) !=
                            DRIVE_OK)
                                CHECK(why == QUIRE_WHY_GUARD && v->guarded);
                        CHECK_EQ(p->driver->access(p->drive, v->space, va, QUIRE_R, &word, 8,
                                                   NULL), DRIVE_OK);
                        CHECK_EQ(word, word_at(v, i));
                }
        }
}

void play_close(struct play *p)
{
        p->fails = 0;
        if (p->hurt)                         /* files that failed too often are used no more */
                CHECK(quire_pagefile_add(p->sys, 7, 0) == QUIRE_OK);
        quire_system_audit(p->sys);
        compare(p);
        for (unsigned k = 0; k < VIEWS; k++)
                if (p->view[k].pages)
                        CHECK(quire_region_release(p->view[k].space, p->view[k].va, 0) ==
                              QUIRE_OK);
        for (unsigned k = 0; k < GRANTS; k++)
                if (p->grant[k])
                        quire_grant_close(p->grant[k]);
        quire_system_audit(p->sys);
        for (unsigned k = 1; k < SPACES; k++)
                if (p->space[k])
                        p->driver->space_close(p->drive, p->space[k]);
        play_note(p);
        CHECK_EQ(p->before.committed + p->before.reserved + p->before.resident, 0);
        CHECK_EQ(p->before.broken, 0);
        p->driver->close(p->drive);
}

/* ---------------------------------------------------------------------------- objects */

uint64_t *play_words(struct play *p)
{
        REQUIRE(p->objects < OBJECTS);
        return p->words[p->objects++];
}

enum quire_status play_object(struct play *p, uint64_t pages, unsigned flags, unsigned grant)
{
        const struct quire_object_request q = { .bytes = pages * PAGE, .flags = flags };

        return quire_object_open(p->sys, &q, &p->grant[grant]);
}

enum quire_status play_pager(struct play *p, uint64_t pages, bool evicts, unsigned grant)
{
        const struct quire_object_request q = { .bytes = pages * PAGE, .kind = QUIRE_CALLBACK,
                                                .pager = evicts ? &to_home : &to_file,
                                                .context = p };

        return quire_object_open(p->sys, &q, &p->grant[grant]);
}

enum quire_status play_map(struct play *p, unsigned v, unsigned space, unsigned grant,
                           struct view view, unsigned access)
{
        const struct quire_request q = { .bytes = view.pages * PAGE, .offset = view.first * PAGE,
                                         .grant = p->grant[grant], .access = access,
                                         .flags = view.copy ? QUIRE_COPY : 0 };
        enum quire_status st;

        view.space = p->space[space];
        st = quire_region_reserve(view.space, &q, &view.va);
        if (st == QUIRE_OK)
                p->view[v] = view;
        return st;
}

enum quire_status play_private(struct play *p, unsigned v, unsigned space, uint64_t pages,
                               unsigned flags)
{
        const struct quire_request q = { .bytes = pages * PAGE, .flags = flags };
        uint64_t *words = p->words[p->objects];      /* this one's, once it is there */
        struct view view = { .space = p->space[space], .pages = pages, .object = words,
                             .mine = true };
        enum quire_status st = quire_region_reserve(view.space, &q, &view.va);

        if (st != QUIRE_OK)
                return st;
        st = quire_region_commit(view.space, view.va, pages * PAGE, RW);
        if (st != QUIRE_OK) {
                CHECK(quire_region_release(view.space, view.va, 0) == QUIRE_OK);
                return st;
        }
        p->view[v] = view;
        play_words(p);
        return QUIRE_OK;
}

/* The words that the clone's private memory has in the place of these. */
static uint64_t *cloned_words(struct play *p, const uint64_t *words, unsigned from, unsigned to)
{
        uint64_t *fresh;

        for (unsigned k = 0; k < VIEWS; k++)         /* of another part of the same memory */
                for (unsigned n = 0; n < VIEWS; n++)
                        if (p->view[k].pages && p->view[k].space == p->space[from] &&
                            p->view[n].pages && p->view[n].space == p->space[to] &&
                            p->view[k].object == words && p->view[k].va == p->view[n].va)
                                return p->view[n].object;
        fresh = play_words(p);
        memcpy(fresh, words, sizeof(p->words[0]));
        return fresh;
}

enum quire_status play_clone_space(struct play *p, unsigned from, unsigned to)
{
        enum quire_status st = p->driver->space_clone(p->drive, p->space[from], &p->space[to]);
        unsigned n = 0;

        for (unsigned k = 0; st == QUIRE_OK && k < VIEWS; k++) {
                struct view *v = &p->view[k];

                if (!v->pages || v->space != p->space[from])
                        continue;
                while (p->view[n].pages)
                        n++;
                REQUIRE(n < VIEWS);
                if (v->mine) {
                        uint64_t *words = cloned_words(p, v->object, from, to);

                        p->view[n] = *v;
                        p->view[n].object = words;
                } else {
                        p->view[n] = *v;
                }
                p->view[n].space = p->space[to];
        }
        if (st != QUIRE_OK)
                p->space[to] = NULL;
        return st;
}

enum quire_status play_release(struct play *p, unsigned v, uint64_t at, uint64_t pages,
                               unsigned rest)
{
        struct view *w = &p->view[v];
        uint64_t after = w->pages - at - pages;
        enum quire_status st = quire_region_release(w->space, w->va + at * PAGE, pages * PAGE);

        if (st != QUIRE_OK)
                return st;
        if (at && after) {
                p->view[rest] = *w;
                p->view[rest].va += (at + pages) * PAGE;
                p->view[rest].first += at + pages;
                p->view[rest].pages = after;
                memmove(p->view[rest].own, w->own + at + pages, after * 8);
                w->pages = at;
        } else if (after) {
                w->va += pages * PAGE;
                w->first += pages;
                w->pages = after;
                memmove(w->own, w->own + pages, after * 8);
        } else {
                w->pages = at;
        }
        return QUIRE_OK;
}

/* --------------------------------------------------------------------------- accesses */

/* Eight bytes; false: denied because something failed. */
static bool touch(struct play *p, struct view *v, uint64_t va, unsigned access, uint64_t *word)
{
        for (unsigned i = 0; i < TRIES; i++) {
                enum quire_reason why = 0;
                enum drive_answer got;

                play_note(p);
                got = p->driver->access(p->drive, v->space, va, access, word, 8, &why);
                if (got == DRIVE_OK)
                        return true;
                CHECK(got == DRIVE_DENIED);
                if (why == QUIRE_WHY_GUARD && v->guarded)
                        continue;
                if (!CHECK((why == QUIRE_WHY_NO_MEMORY || why == QUIRE_WHY_IO_ERROR) &&
                           something_failed(p)))
                        fprintf(stderr, "denied: %s\n", quire_reason_name(why));
                quire_system_audit(p->sys);
        }
        return false;
}

void play_put(struct play *p, unsigned k, uint64_t at, uint64_t pages)
{
        struct view *v = &p->view[k];

        for (uint64_t i = at; i < at + pages && i < v->pages; i++) {
                uint64_t word = ++p->word * 0x9e3779b97f4a7c15u;

                if (!touch(p, v, v->va + i * PAGE, QUIRE_W, &word))
                        continue;
                if (v->copy)
                        v->own[i] = word;
                else
                        v->object[v->first + i] = word;
        }
}

void play_get(struct play *p, unsigned k, uint64_t at, uint64_t pages)
{
        struct view *v = &p->view[k];

        for (uint64_t i = at; i < at + pages && i < v->pages; i++) {
                uint64_t word = 0;

                if (touch(p, v, v->va + i * PAGE, QUIRE_R, &word))
                        CHECK_EQ(word, word_at(v, i));
        }
}

void play_evict(struct play *p, unsigned k)
{
        struct view *v = &p->view[k];

        DO(p, quire_region_advise(v->space, v->va, v->pages * PAGE, QUIRE_WONT_NEED));
}
