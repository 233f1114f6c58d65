/*
 * arena.c - where ranges lie in the process.
 *
 *   arena    one large readable and writable mapping, registered with the
 *            userfaultfd once.  Reserving inside it is the core's bookkeeping
 *            alone: no kernel mapping comes or goes, whatever the number of
 *            regions, protections and guards.
 *   plain    one large inaccessible mapping, not registered; see plain.c.
 *   chunks   what was asked for at other addresses, or against the grain of a
 *            zone (a paged range inside plain, a delegated one inside the
 *            arena), and views of stores, paged or plain.  Neighbours of one kind
 *            that are no views are one chunk, as their mappings are one to the
 *            kernel.
 *
 * A range may run across zones; it is handled piece by piece, and a piece that
 * fails undoes those before it.
 *
 * Lock: L.  quire_chunk_find and the predicates are for any context: they read
 * the rows under a sequence count and touch no lock.
 *
 * Invariants
 *   A1  Rows ascend, are disjoint and not empty; rows of one kind (views apart,
 *       which are never joined) never touch.
 *   A2  Everything in the arena outside CHUNK_PLAIN rows is readable, writable
 *       and registered; so are CHUNK_PAGED rows and the pool (MOVE wants the
 *       same protection on both sides).
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define ARENA_LEAST ((uint64_t)64 << 20)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifdef TSAN
#define ARENA_MOST ((uint64_t)64 << 30)     /* the tool's own address layout has no more */
#else
#define ARENA_MOST ((uint64_t)1 << 40)
#endif

static bool in_zone(uint64_t va, uint64_t first, uint64_t bytes)
{
        return va - first < bytes;
}

/* ------------------------------------------------------------------ rows */

/*
 * Readers come from signal handlers and hold nothing; they look at the rows while
 * `sequence' is even and again when they are done.  Every word of a row is read
 * with acquire and written with release: so a reader that saw a new word sees
 * the odd number that was written before it.
 */
static struct chunk get_row(const struct chunk *row)
{
        return (struct chunk){ LOAD(&row->first), LOAD(&row->pages), LOAD(&row->kind),
                               LOAD(&row->store), LOAD(&row->index), LOAD(&row->copies) };
}

static void put_row(struct chunk *row, const struct chunk *value)
{
        STORE(&row->first, value->first);
        STORE(&row->pages, value->pages);
        STORE(&row->kind, value->kind);
        STORE(&row->store, value->store);
        STORE(&row->index, value->index);
        STORE(&row->copies, value->copies);
}

static uint64_t row_end(const struct chunk *row)
{
        return LOAD(&row->first) + (LOAD(&row->pages) << PAGE_SHIFT);
}

/* The row that holds va, or the first after it; count when there is none. */
static uint32_t seek_row(const struct chunks *c, uint64_t va)
{
        const struct chunk *row = LOAD(&c->row);
        uint32_t low = 0, high = LOAD(&c->count);

        while (low < high) {
                uint32_t mid = (low + high) / 2;
                if (row_end(&row[mid]) <= va)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

/* A count and an array that do not belong together are no danger: rows are only
 * ever moved to larger arrays, and the old ones stay. */
bool quire_chunk_find(const struct quire_linux *l, uint64_t va, struct chunk *out)
{
        const struct chunks *c = &l->chunks;
        uint32_t before;
        bool found;

        do {
                before = LOAD(&c->sequence);
                uint32_t at = seek_row(c, va);
                found = at < LOAD(&c->count);
                if (found)
                        *out = get_row(&LOAD(&c->row)[at]);
        } while (before & 1 || before != LOAD(&c->sequence));
        return found && out->first <= va;
}

static void turn_sequence(struct chunks *c)
{
        STORE(&c->sequence, c->sequence + 1);
}

/* Room for `more' rows. */
static bool grow_rows(struct quire_linux *l, uint32_t more)
{
        struct chunks *c = &l->chunks;

        if (c->count + more <= c->room)
                return true;
        uint32_t room = c->room ? c->room * 2 : 64;
        struct chunk *row = quire_lodging_alloc(&l->lodging, room * sizeof(*row));
        if (!row)
                return false;
        if (c->count)
                memcpy(row, c->row, c->count * sizeof(*row));
        turn_sequence(c);
        STORE(&c->row, row);
        c->room = room;
        turn_sequence(c);
        return true;
}

static bool same_kind(const struct chunk *a, const struct chunk *b)
{
        return a->kind == b->kind && !a->store && !b->store;
}

/* Make the hole for a row at `at', or close it. */
static void open_gap(struct chunks *c, uint32_t at)
{
        STORE(&c->count, c->count + 1);
        for (uint32_t i = c->count - 1; i > at; i--)
                put_row(&c->row[i], &c->row[i - 1]);
}

static void close_gap(struct chunks *c, uint32_t at)
{
        STORE(&c->count, c->count - 1);
        for (uint32_t i = at; i < c->count; i++)
                put_row(&c->row[i], &c->row[i + 1]);
}

/* => grow_rows(l, 1) held; the range is in no row. */
static void insert_row(struct chunks *c, const struct chunk *new)
{
        uint32_t at = seek_row(c, new->first);
        struct chunk *low = at ? &c->row[at - 1] : NULL;
        struct chunk *high = at < c->count ? &c->row[at] : NULL;
        bool joins_low = low && same_kind(low, new) && row_end(low) == new->first;
        bool joins_high = high && same_kind(high, new) && row_end(new) == high->first;
        struct chunk joined = *new;

        if (joins_low) {
                joined.first = low->first;
                joined.pages += low->pages;
        }
        if (joins_high)
                joined.pages += high->pages;
        turn_sequence(c);
        if (joins_low && joins_high)
                close_gap(c, at);
        else if (!joins_low && !joins_high)
                open_gap(c, at);
        put_row(&c->row[joins_low ? at - 1 : at], &joined);
        turn_sequence(c);
}

/* Take [first, pages) out of the row `at', which holds all of it.
 * => grow_rows(l, 1) held. */
static void remove_row(struct chunks *c, uint32_t at, uint64_t first, uint64_t pages)
{
        struct chunk low = c->row[at], high = c->row[at];
        uint64_t before = (first - low.first) >> PAGE_SHIFT;

        low.pages = before;
        high.first = first + (pages << PAGE_SHIFT);
        high.index += before + pages;
        high.pages -= before + pages;
        turn_sequence(c);
        if (low.pages && high.pages)
                open_gap(c, at + 1);
        else if (!low.pages && !high.pages)
                close_gap(c, at);
        if (low.pages)
                put_row(&c->row[at], &low);
        if (high.pages)
                put_row(&c->row[low.pages ? at + 1 : at], &high);
        turn_sequence(c);
}

/* ------------------------------------------------------------ predicates */

/* Is an access here one that the userfaultfd reports? */
bool quire_arena_paged(const struct quire_linux *l, uint64_t va)
{
        struct chunk c;

        if (LOAD(&l->chunks.count) && quire_chunk_find(l, va, &c))
                return c.kind != CHUNK_PLAIN;
        return in_zone(va, l->arena, l->arena_bytes);
}

/* Is it memory whose protection the host kernel enforces for us? */
bool quire_arena_plain(const struct quire_linux *l, uint64_t va)
{
        struct chunk c;

        if (LOAD(&l->chunks.count) && quire_chunk_find(l, va, &c))
                return c.kind == CHUNK_PLAIN;
        return in_zone(va, l->plain, l->plain_bytes);
}

/* --------------------------------------------------------------- mapping */

static int kind_protection(enum chunk_kind kind)
{
        return kind == CHUNK_PLAIN ? PROT_NONE : PROT_READ | PROT_WRITE;
}

/* The mapping itself, over whatever is there when `over'; a view is of its
 * store's file.  -EEXIST: something is there.  Where it failed, it changed
 * nothing: the range may well be somebody else's. */
static long map_bare(const struct chunk *c, bool over)
{
        uint64_t bytes = c->pages << PAGE_SHIFT;
        int flags = over ? MAP_FIXED : MAP_FIXED_NOREPLACE;
        long at;

        if (c->store)
                at = quire_view_map(c, flags);
        else
                at = sys_mmap(c->first, bytes, kind_protection(c->kind), ANONYMOUS | flags, -1, 0);
        if (at < 0 || (uint64_t)at == c->first)
                return at < 0 ? at : 0;
        /* A kernel before 4.17 takes the flag for a hint. */
        (void)sys_munmap((uint64_t)at, bytes);
        return -EEXIST;
}

static long watch_piece(struct quire_linux *l, const struct chunk *c)
{
        if (c->kind == CHUNK_PLAIN)
                return 0;
        if (c->store)
                return quire_view_watch(l, c);
        (void)sys_madvise(c->first, c->pages << PAGE_SHIFT, MADV_NOHUGEPAGE);
        return quire_uffd_watch_over(l, c->first, c->pages << PAGE_SHIFT);
}

/* Put back what a chunk at this place stood on: its zone, or nothing. */
static void unmap_piece(struct quire_linux *l, uint64_t first, uint64_t pages)
{
        struct chunk zone = { .first = first, .pages = pages, .kind = CHUNK_PAGED };

        if (in_zone(first, l->plain, l->plain_bytes))
                zone.kind = CHUNK_PLAIN;
        else if (!in_zone(first, l->arena, l->arena_bytes)) {
                (void)sys_munmap(first, pages << PAGE_SHIFT);
                return;
        }
        /* Only the lack of kernel memory could refuse this; the range would
         * then stay as the chunk was, which nobody uses until it is claimed. */
        if (map_bare(&zone, true))
                return;
        (void)watch_piece(l, &zone);
        (void)sys_madvise(first, pages << PAGE_SHIFT, MADV_DONTDUMP);
}

static long map_piece(struct quire_linux *l, const struct chunk *c, bool over)
{
        long failed = map_bare(c, over);

        if (failed)
                return failed;
        if (c->store)
                failed = quire_view_open(c);
        if (!failed)
                failed = watch_piece(l, c);
        if (failed)
                unmap_piece(l, c->first, c->pages);
        return failed;
}

/* How far the zone (or the space between zones) that va lies in goes on. */
uint64_t quire_piece_pages(const struct quire_linux *l, uint64_t va, uint64_t pages)
{
        const uint64_t edge[4] = { l->arena, l->arena + l->arena_bytes, l->plain,
                                   l->plain + l->plain_bytes };
        uint64_t end = va + (pages << PAGE_SHIFT);

        for (unsigned i = 0; i < 4; i++)
                if (edge[i] > va && edge[i] < end)
                        end = edge[i];
        return (end - va) >> PAGE_SHIFT;
}

enum chunk_kind quire_zone_kind(const struct quire_linux *l, uint64_t va)
{
        if (in_zone(va, l->arena, l->arena_bytes))
                return CHUNK_PAGED;
        return in_zone(va, l->plain, l->plain_bytes) ? CHUNK_PLAIN : 0;
}

/* Does a row hold va?  *pages: at most as many as it was, all of them in that row,
 * or none in any. */
bool quire_row_pages(const struct quire_linux *l, uint64_t va, uint64_t *pages)
{
        const struct chunks *c = &l->chunks;
        uint32_t at = seek_row(c, va);
        bool inside = at < c->count && c->row[at].first <= va;
        uint64_t end = va + (*pages << PAGE_SHIFT);

        if (inside && row_end(&c->row[at]) < end)
                end = row_end(&c->row[at]);
        else if (!inside && at < c->count && c->row[at].first < end)
                end = c->row[at].first;
        *pages = (end - va) >> PAGE_SHIFT;
        return inside;
}

/* Give back [va, pages): chunks lose it, and their mappings with it. */
void quire_chunk_surrender(struct quire_linux *l, uint64_t va, uint64_t pages)
{
        uint64_t end = va + (pages << PAGE_SHIFT);
        struct chunks *c = &l->chunks;

        for (;;) {
                uint32_t at = seek_row(c, va);
                if (at == c->count || c->row[at].first >= end)
                        return;
                /* Splitting a row wants room; without it the tail goes with the
                 * rest of the row when that is released. */
                struct chunk row = c->row[at];
                uint64_t first = row.first > va ? row.first : va;
                uint64_t last = row_end(&row) < end ? row_end(&row) : end;
                uint64_t n = (last - first) >> PAGE_SHIFT;
                if (!grow_rows(l, 1))
                        return;
                remove_row(c, at, first, n);
                while (n) {
                        uint64_t here = quire_piece_pages(l, first, n);
                        unmap_piece(l, first, here);
                        first += here << PAGE_SHIFT;
                        n -= here;
                }
        }
}

static enum quire_status errno_status(long failed)
{
        if (failed == -EACCES || failed == -EPERM)
                return QUIRE_DENIED;
        return failed == -EEXIST ? QUIRE_CONFLICT : QUIRE_NO_MEMORY;
}

/* Make the range what is wanted, wherever it lies; nothing where the zone is so
 * already. */
enum quire_status quire_chunk_claim(struct quire_linux *l, const struct chunk *want,
                                    struct quire_range *obstacle)
{
        struct chunk piece = *want;
        uint64_t left = want->pages;

        if (want->first >= VA_END || left > (VA_END - want->first) >> PAGE_SHIFT)
                return QUIRE_INVALID;
        while (left) {
                piece.pages = quire_piece_pages(l, piece.first, left);
                enum chunk_kind zone = quire_zone_kind(l, piece.first);
                long failed = 0;

                if (zone != want->kind || want->store) {
                        failed = grow_rows(l, 1) ? map_piece(l, &piece, zone != 0) : -ENOMEM;
                        if (!failed)
                                insert_row(&l->chunks, &piece);
                }
                if (failed) {
                        quire_chunk_surrender(l, want->first, want->pages - left);
                        if (failed == -EEXIST && obstacle)
                                quire_maps_obstacle(l, piece.first, piece.pages, obstacle);
                        return errno_status(failed);
                }
                piece.first += piece.pages << PAGE_SHIFT;
                piece.index += piece.pages;
                left -= piece.pages;
        }
        return QUIRE_OK;
}

/* ------------------------------------------------------------ operations */

enum quire_status quire_linux_space_open(struct quire_machine *m, void *owner,
                                         struct quire_mspace **out)
{
        struct quire_linux *l = linux_of(m);

        /* There is one address space in a process, and one owner of its faults. */
        if (l->space.owner)
                return QUIRE_UNSUPPORTED;
        l->space.l = l;
        STORE(&l->space.owner, owner);
        *out = &l->space;
        return QUIRE_OK;
}

void quire_linux_space_close(struct quire_mspace *s)
{
        STORE(&s->owner, (void *)0);
}

enum quire_status quire_linux_reserve(struct quire_mspace *s, uint64_t va, uint64_t pages,
                                      const struct quire_view *view,
                                      struct quire_range *obstacle)
{
        struct chunk want = { .first = va, .pages = pages, .kind = CHUNK_PAGED };

        if (view) {
                if (!quire_view_holds(view->store, view->first, pages))
                        return QUIRE_INVALID;
                if (view->copies && !quire_view_can_copy(s->l))
                        return QUIRE_UNSUPPORTED;
                want.store = view->store;
                want.index = view->first;
                want.copies = view->copies;
        }
        return quire_chunk_claim(s->l, &want, obstacle);
}

void quire_linux_release(struct quire_mspace *s, uint64_t va, uint64_t pages)
{
        quire_bars_forget(s->l, va, pages);
        quire_linux_drop(s, va, pages);
        quire_chunk_surrender(s->l, va, pages);
}

/* ---------------------------------------------------------- open, close */

/* How much address space one large mapping of ours may ask for without starving
 * the program: of the limit that the process has (ulimit -v), or of memory where
 * the kernel counts every private mapping as if it were used. */
uint64_t quire_address_share(uint64_t memory)
{
        struct rlimit limit;
        uint64_t most = ARENA_MOST;
        char strict = '0';
        int fd = (int)sys_open("/proc/sys/vm/overcommit_memory", 0, 0);

        if (fd >= 0) {
                (void)sys_read(fd, &strict, 1);
                (void)sys_close(fd);
        }
        if (strict == '2' && most > memory * 4)
                most = memory * 4;
        if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY &&
            most > limit.rlim_cur / 8)
                most = limit.rlim_cur / 8;
        return most > ARENA_LEAST ? most & ~(ARENA_LEAST - 1) : ARENA_LEAST;
}

static uint64_t map_zone(uint64_t most, enum chunk_kind kind, uint64_t *bytes)
{
        for (*bytes = most; *bytes >= ARENA_LEAST; *bytes = *bytes / 2 & ~(PAGE - 1)) {
                long at = sys_mmap(0, *bytes, kind_protection(kind), ANONYMOUS, -1, 0);
                if (at > 0)
                        return (uint64_t)at;
        }
        *bytes = 0;
        return 0;
}

enum quire_status quire_arena_open(struct quire_linux *l)
{
        uint64_t most = l->can & CAN_LARGE_ARENA ? quire_address_share(l->setup.memory)
                                                 : ARENA_LEAST;

        l->arena = map_zone(most, CHUNK_PAGED, &l->arena_bytes);
        l->plain = map_zone(most, CHUNK_PLAIN, &l->plain_bytes);
        l->zeroes = (uint64_t)sys_mmap(0, QUIRE_RUN_MAX * PAGE, PROT_READ | PROT_WRITE, ANONYMOUS,
                                       -1, 0);
        if (!l->arena || !l->plain || (int64_t)l->zeroes < 0)
                return QUIRE_NO_MEMORY;
        (void)sys_madvise(l->zeroes, QUIRE_RUN_MAX * PAGE, MADV_NOHUGEPAGE);
        (void)sys_madvise(l->arena, l->arena_bytes, MADV_NOHUGEPAGE);
        /* The kernel would visit every address of it for a core dump. */
        (void)sys_madvise(l->arena, l->arena_bytes, MADV_DONTDUMP);
        (void)sys_madvise(l->plain, l->plain_bytes, MADV_DONTDUMP);
        /* Read once, so that copying from them never faults. */
        for (unsigned i = 0; i < QUIRE_RUN_MAX; i++)
                (void)*(volatile char *)(uintptr_t)(l->zeroes + i * PAGE);
        if (quire_uffd_watch_over(l, l->arena, l->arena_bytes))
                return QUIRE_UNSUPPORTED;
        l->abilities.paged = (struct quire_range){ l->arena, l->arena_bytes >> PAGE_SHIFT };
        l->abilities.plain = (struct quire_range){ l->plain, l->plain_bytes >> PAGE_SHIFT };
        return QUIRE_OK;
}

/* ------------------------------------------------------------ a child of fork */

/* Of the arena, what lies before `end' and is in no row; *at moves there. */
static long each_gap(struct quire_linux *l, uint64_t *at, uint64_t end,
                     long (*fn)(struct quire_linux *, const struct chunk *))
{
        struct chunk gap = { .first = *at, .kind = CHUNK_PAGED };

        if (end > l->arena + l->arena_bytes)
                end = l->arena + l->arena_bytes;
        if (end <= *at)
                return 0;
        gap.pages = (end - *at) >> PAGE_SHIFT;
        *at = end;
        return fn(l, &gap);
}

/* Every paged range: the pieces of the arena and the rows.  Stops at what is not 0. */
static long each_paged(struct quire_linux *l,
                       long (*fn)(struct quire_linux *, const struct chunk *))
{
        uint64_t at = l->arena;
        long failed = 0;

        for (uint32_t i = 0; !failed && i < l->chunks.count; i++) {
                const struct chunk *row = &l->chunks.row[i];
                failed = each_gap(l, &at, row->first, fn);
                if (!failed && row->kind == CHUNK_PAGED)
                        failed = fn(l, row);
                if (row_end(row) > at)
                        at = row_end(row);
        }
        return failed ? failed : each_gap(l, &at, UINT64_MAX, fn);
}

/* The paged ranges once more, for a userfaultfd that replaces the old one. */
bool quire_arena_adopt(struct quire_linux *l)
{
        return !each_paged(l, watch_piece);
}

/* The views of a store that has another file now.  => nothing is shown in them */
bool quire_arena_renew(struct quire_linux *l, const struct quire_store *s)
{
        for (uint32_t i = 0; i < l->chunks.count; i++) {
                const struct chunk *row = &l->chunks.row[i];

                if (row->store == s && (quire_view_map(row, MAP_FIXED) < 0 ||
                                        quire_view_open(row) || watch_piece(l, row)))
                        return false;
        }
        return true;
}

static long protect_piece(struct quire_linux *l, const struct chunk *c)
{
        if (!c->store)
                return quire_uffd_protect(l, c->first, c->pages, true);
        /* Of shared mappings the child has no translations. */
        if (c->copies)
                quire_view_protect(l, c, c->first, c->pages, false);
        return 0;
}

/* Everything that is shown in them, against writing. */
bool quire_arena_protect(struct quire_linux *l)
{
        return !(l->can & CAN_WP) ||    /* protected by mappings, which are copied */
               !each_paged(l, protect_piece);
}

void quire_arena_close(struct quire_linux *l)
{
        if (l->arena_bytes)
                (void)sys_munmap(l->arena, l->arena_bytes);
        if (l->plain_bytes)
                (void)sys_munmap(l->plain, l->plain_bytes);
        if (l->zeroes && (int64_t)l->zeroes > 0)
                (void)sys_munmap(l->zeroes, QUIRE_RUN_MAX * PAGE);
        l->arena_bytes = l->plain_bytes = 0;
}
