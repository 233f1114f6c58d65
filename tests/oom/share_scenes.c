/*
 * share_scenes.c - the scenes: objects, views, copies, snapshots, grants, pagers and
 * copies of spaces, each in a few dozen calls, in the least budget there is.
 */
#include "play.h"

static struct view shows(uint64_t *words, uint64_t first, uint64_t pages)
{
        return (struct view){ .object = words, .first = first, .pages = pages };
}

static struct view copies(uint64_t *words, uint64_t first, uint64_t pages)
{
        return (struct view){ .object = words, .first = first, .pages = pages, .copy = true };
}

static enum quire_status open_space(struct play *p, unsigned k)
{
        return p->driver->space_open(p->drive, &quire_layout_64, &p->space[k]);
}

static enum quire_status protect(struct play *p, unsigned k, uint64_t at, uint64_t pages,
                                 unsigned access)
{
        struct view *v = &p->view[k];

        return quire_region_protect(v->space, v->va + at * PAGE, pages * PAGE, access, NULL);
}

static void play_views(struct play *p)
{
        uint64_t *a = play_words(p), to;

        DO(p, open_space(p, 1));
        DO(p, play_object(p, MOST, 0, 0));
        DO(p, play_map(p, 0, 0, 0, shows(a, 0, MOST), RW));
        DO(p, play_map(p, 1, 1, 0, shows(a, 20, 40), QUIRE_R));
        play_put(p, 0, 0, MOST);
        play_get(p, 1, 0, 40);
        play_get(p, 0, 0, MOST);
        DO(p, protect(p, 0, 10, 20, QUIRE_R));
        DO(p, protect(p, 0, 10, 20, RW));
        DO(p, quire_region_guard(p->view[1].space, p->view[1].va, 3 * PAGE));
        p->view[1].guarded = true;
        play_get(p, 1, 0, 5);
        DO(p, play_release(p, 0, 30, 10, 2));
        DO(p, quire_region_split(p->view[2].space, p->view[2].va + 20 * PAGE));
        p->view[3] = p->view[2];
        p->view[3].va += 20 * PAGE;
        p->view[3].first += 20;
        p->view[3].pages -= 20;
        p->view[2].pages = 20;
        to = p->view[3].va + 1000 * PAGE;
        DO(p, quire_region_move(p->view[3].space, p->view[3].va, p->view[3].pages * PAGE, true,
                                &to));
        p->view[3].va = to;
        play_put(p, 3, 0, 10);
        play_evict(p, 3);
        play_get(p, 2, 0, 20);
        DO(p, quire_region_lock(p->view[0].space, p->view[0].va, 6 * PAGE));
        play_put(p, 2, 0, 20);
        DO(p, quire_region_unlock(p->view[0].space, p->view[0].va, 6 * PAGE));
}

static void play_copies(struct play *p)
{
        uint64_t *a = play_words(p);

        DO(p, play_object(p, 60, 0, 0));
        DO(p, play_map(p, 0, 0, 0, shows(a, 0, 60), RW));
        play_put(p, 0, 0, 40);
        DO(p, play_map(p, 1, 0, 0, copies(a, 0, 60), RW));
        DO(p, play_map(p, 2, 0, 0, copies(a, 10, 30), RW));
        play_put(p, 1, 0, 25);
        play_put(p, 1, 50, 10);
        play_put(p, 0, 20, 10);
        play_get(p, 2, 0, 30);
        play_put(p, 2, 5, 10);
        DO(p, quire_region_lock(p->view[2].space, p->view[2].va + 14 * PAGE, 4 * PAGE));
        for (uint64_t i = 14; i < 18; i++)
                p->view[2].own[i] = p->view[2].own[i] ? p->view[2].own[i] : a[10 + i];
        play_put(p, 0, 20, 15);
        play_get(p, 1, 0, 60);
        DO(p, quire_region_unlock(p->view[2].space, p->view[2].va + 14 * PAGE, 4 * PAGE));
        DO(p, play_release(p, 1, 15, 15, 3));
        play_put(p, 3, 0, 20);
        play_get(p, 1, 0, 15);
        DO(p, play_release(p, 0, 0, 60, 0));
        quire_grant_close(p->grant[0]);
        p->grant[0] = NULL;
        play_put(p, 2, 0, 30);
        play_get(p, 3, 0, 30);
}

static enum quire_status snapshot(struct play *p, unsigned from, unsigned to)
{
        return quire_object_clone(p->grant[from], &p->grant[to]);
}

static uint64_t *same_words(struct play *p, const uint64_t *words)
{
        uint64_t *fresh = play_words(p);

        memcpy(fresh, words, sizeof(p->words[0]));
        return fresh;
}

static void forget(struct play *p, unsigned grant)
{
        quire_grant_close(p->grant[grant]);
        p->grant[grant] = NULL;
}

static void play_snapshots(struct play *p)
{
        uint64_t *w[5] = { play_words(p) };

        DO(p, play_object(p, 40, 0, 0));
        DO(p, play_map(p, 0, 0, 0, shows(w[0], 0, 40), RW));
        play_put(p, 0, 0, 30);
        DO(p, snapshot(p, 0, 1));
        w[1] = same_words(p, w[0]);
        play_put(p, 0, 0, 10);
        DO(p, play_map(p, 1, 0, 1, shows(w[1], 0, 40), RW));
        play_put(p, 1, 5, 10);
        DO(p, snapshot(p, 1, 2));
        w[2] = same_words(p, w[1]);
        DO(p, snapshot(p, 0, 3));
        w[3] = same_words(p, w[0]);
        DO(p, play_map(p, 2, 0, 2, shows(w[2], 0, 40), RW));
        play_put(p, 2, 10, 25);
        play_put(p, 0, 15, 20);
        play_put(p, 1, 0, 8);
        play_evict(p, 1);
        DO(p, play_map(p, 3, 0, 3, shows(w[3], 0, 40), RW));
        play_get(p, 3, 0, 40);
        play_get(p, 1, 0, 40);
        forget(p, 1);
        DO(p, play_release(p, 1, 0, 40, 0));
        play_put(p, 2, 0, 5);
        DO(p, snapshot(p, 2, 4));
        w[4] = same_words(p, w[2]);
        DO(p, play_map(p, 4, 0, 4, shows(w[4], 0, 40), RW));
        play_put(p, 4, 30, 10);
        forget(p, 0);
        DO(p, play_release(p, 0, 0, 40, 0));
        play_put(p, 3, 0, 20);
        play_get(p, 2, 0, 40);
}

static void play_grants(struct play *p)
{
        uint64_t *a = play_words(p);

        DO(p, play_object(p, 40, 0, 0));
        DO(p, quire_grant_narrow(p->grant[0], RW, &p->grant[1]));
        DO(p, quire_grant_narrow(p->grant[1], QUIRE_R, &p->grant[2]));
        DO(p, quire_name_set(p->sys, "one", p->grant[1]));
        DO(p, quire_name_set(p->sys, "two", p->grant[0]));
        DO(p, quire_name_find(p->sys, "one", QUIRE_R, &p->grant[3]));
        DO(p, play_map(p, 0, 0, 1, shows(a, 0, 40), RW));
        DO(p, play_map(p, 1, 0, 2, copies(a, 0, 40), RW));
        DO(p, play_map(p, 2, 0, 3, shows(a, 0, 40), QUIRE_R));
        DO(p, play_map(p, 3, 0, 0, shows(a, 0, 40), RW));
        play_put(p, 0, 0, 40);
        play_put(p, 1, 0, 20);
        play_get(p, 2, 0, 40);
        DO(p, quire_name_remove(p->sys, "two"));
        quire_grant_revoke(p->grant[1]);
        p->view[0].denied = p->view[1].denied = p->view[2].denied = true;
        play_put(p, 3, 10, 20);
        DO(p, play_release(p, 1, 5, 30, 4));
        DO(p, play_release(p, 2, 0, 40, 0));
        play_get(p, 3, 0, 40);
}

static void with_pager(struct play *p, bool evicts)
{
        for (unsigned i = 0; i < MOST; i++)
                p->home[i] = 1000 + i;
        DO(p, play_pager(p, MOST, evicts, 0));
        memcpy(p->words[0], p->home, sizeof(p->home));
        play_words(p);
        DO(p, play_map(p, 0, 0, 0, shows(p->words[0], 0, MOST), RW));
        play_get(p, 0, 0, 30);
        play_put(p, 0, 20, 50);
        DO(p, play_map(p, 1, 0, 0, copies(p->words[0], 10, 40), RW));
        play_put(p, 1, 0, 15);
        play_get(p, 0, 0, MOST);
        DO(p, quire_object_flush(p->grant[0], 30 * PAGE, 20 * PAGE));
        play_put(p, 0, 35, 10);
        DO(p, snapshot(p, 0, 1));
        same_words(p, p->words[0]);
        play_put(p, 0, 0, 40);
        play_evict(p, 0);
        DO(p, play_map(p, 2, 0, 1, shows(p->words[1], 0, MOST), RW));
        play_get(p, 2, 30, 30);
        play_put(p, 2, 60, 10);
        DO(p, quire_object_flush(p->grant[0], 0, MOST * PAGE));
        play_get(p, 0, 0, MOST);
}

static void play_pager_to_file(struct play *p)
{
        with_pager(p, false);
}

static void play_pager_home(struct play *p)
{
        with_pager(p, true);
}

static void play_spaces(struct play *p)
{
        uint64_t *a = play_words(p);

        DO(p, play_object(p, 20, 0, 0));
        DO(p, play_private(p, 0, 0, 30, QUIRE_WATCHED));
        DO(p, play_private(p, 1, 0, 10, 0));
        DO(p, play_map(p, 2, 0, 0, shows(a, 0, 20), RW));
        DO(p, play_map(p, 3, 0, 0, copies(a, 0, 20), RW));
        for (unsigned k = 0; k < 3; k++)
                play_put(p, k, 0, 20);
        play_put(p, 3, 5, 5);
        DO(p, play_clone_space(p, 0, 1));                  /* views 4 to 7 */
        play_put(p, 0, 10, 15);
        play_put(p, 4, 0, 12);
        play_put(p, 7, 0, 8);
        play_put(p, 3, 10, 5);
        play_put(p, 6, 8, 6);
        DO(p, play_clone_space(p, 1, 2));                  /* 8 to 11 */
        play_put(p, 8, 5, 10);
        play_put(p, 4, 8, 10);
        play_put(p, 11, 4, 8);
        play_get(p, 10, 0, 20);
        DO(p, play_release(p, 4, 10, 10, 12));
        DO(p, quire_region_discard(p->view[8].space, p->view[8].va, 6 * PAGE));
        memset(p->view[8].object, 0, 6 * 8);
        DO(p, quire_region_decommit(p->view[0].space, p->view[0].va + 20 * PAGE, 10 * PAGE));
        memset(p->view[0].object + 20, 0, 10 * 8);
        p->view[0].pages = 20;             /* what may be looked at, should the next call fail */
        DO(p, quire_region_commit(p->view[0].space, p->view[0].va + 20 * PAGE, 10 * PAGE, RW));
        p->view[0].pages = 30;
        play_put(p, 0, 18, 6);
        play_get(p, 8, 0, 30);
        play_evict(p, 8);
        DO(p, play_release(p, 0, 0, 30, 0));
        play_put(p, 12, 0, 10);
        play_get(p, 8, 0, 30);
}

static enum quire_status written(struct play *p, uint64_t *count)
{
        struct quire_range out[MOST];

        *count = MOST;
        return quire_object_written(p->grant[0], 0, MOST * PAGE, true, out, count);
}

static void play_epochs(struct play *p)
{
        uint64_t *a = play_words(p), n;

        DO(p, play_object(p, MOST, QUIRE_EPOCHS | QUIRE_ON_TOUCH, 0));
        DO(p, play_map(p, 0, 0, 0, shows(a, 0, MOST), RW));
        play_put(p, 0, 0, MOST);
        DO(p, written(p, &n));
        play_put(p, 0, 10, 10);
        DO(p, snapshot(p, 0, 1));
        DO(p, play_map(p, 1, 0, 1, shows(same_words(p, a), 0, MOST), QUIRE_R));
        play_put(p, 0, 15, 20);
        play_get(p, 1, 10, 30);
        DO(p, written(p, &n));
        play_get(p, 0, 0, MOST);
        DO(p, play_release(p, 0, 0, MOST, 0));
        quire_grant_close(p->grant[0]);      /* what it was charged for by the touch goes over */
        p->grant[0] = NULL;
        quire_system_audit(p->sys);
        play_get(p, 1, 0, MOST);
}

static void play_sole(struct play *p)
{
        uint64_t *a = play_words(p);

        DO(p, play_object(p, MOST, QUIRE_SOLE, 0));
        DO(p, play_map(p, 0, 0, 0, shows(a, 0, 70), RW));
        play_put(p, 0, 0, 70);
        DO(p, snapshot(p, 0, 1));
        DO(p, play_map(p, 1, 0, 1, shows(same_words(p, a), 0, MOST), RW));
        play_put(p, 0, 0, 20);
        DO(p, play_release(p, 0, 0, 70, 0));
        DO(p, play_map(p, 0, 0, 0, shows(a, 5, 70), RW));
        play_get(p, 0, 0, 70);
        play_put(p, 1, 10, 20);
}

const struct share_scene share_scenes[] = {
        { "views", play_views, false },
        { "views, slow I/O", play_views, true },
        { "views that copy", play_copies, false },
        { "views that copy, slow I/O", play_copies, true },
        { "snapshots", play_snapshots, false },
        { "snapshots, slow I/O", play_snapshots, true },
        { "grants and names", play_grants, false },
        { "a pager, and the pagefile", play_pager_to_file, false },
        { "a pager that takes all", play_pager_home, true },
        { "copies of spaces", play_spaces, false },
        { "copies of spaces, slow I/O", play_spaces, true },
        { "epochs", play_epochs, false },
        { "sole objects", play_sole, false },
        { NULL, NULL, false },
};
