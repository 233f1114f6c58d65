/*
 * ranges.c - what differs from page to page of a region: access, commitment,
 * guard marks and a face's own bits, as runs of pages that are alike.
 *
 *      first                                    first + count
 *        |--- RW committed ---|- guard -|--- reserved ---|
 *
 * A region that is alike throughout (most are) has no run records at all.  The
 * cost of a change grows with the runs it covers, never with their pages.
 *
 * Does not decide: what attributes mean.
 *
 * A1  runs partition [first, first + count), in order.
 * A2  neighbouring runs differ.
 * A3  a tree holds at least two runs; otherwise it is empty and `uniform' holds.
 *
 * Lock: the system's.
 */
#include "core.h"

static struct quire_run *run_of(struct quire_node *n)
{
        return (struct quire_run *)(void *)n;      /* node is its first member */
}

void quire_ranges_open(struct quire_ranges *r, uint64_t first, uint64_t count, uint32_t attr)
{
        *r = (struct quire_ranges){ .first = first, .count = count, .uniform = attr };
}

void quire_ranges_close(struct quire_system *sys, struct quire_ranges *r)
{
        struct quire_node *n = r->runs.root;

        must_hold(sys);
        while (n) {                        /* from the leaves upward: no rotations */
                struct quire_node *parent = n->parent, *child = n->left ? n->left : n->right;

                if (child) {
                        n = child;
                        continue;
                }
                if (parent && parent->left == n)
                        parent->left = NULL;
                else if (parent)
                        parent->right = NULL;
                quire_free(sys, run_of(n), sizeof(struct quire_run));
                n = parent;
        }
        r->runs.root = NULL;
}

/* => to is not open.  NO_MEMORY: it is open, and empty. */
enum quire_status quire_ranges_copy(struct quire_system *sys, const struct quire_ranges *from,
                                    struct quire_ranges *to)
{
        quire_ranges_open(to, from->first, from->count, from->uniform);
        for (struct quire_node *n = quire_tree_first(&from->runs); n; n = quire_tree_next(n)) {
                struct quire_run *run = quire_alloc(sys, sizeof(*run));

                if (!run) {
                        quire_ranges_close(sys, to);
                        return QUIRE_NO_MEMORY;
                }
                run->node.key = n->key;
                run->count = run_of(n)->count;
                run->attr = run_of(n)->attr;
                quire_tree_insert(&to->runs, &run->node);
        }
        return QUIRE_OK;
}

/* The run that holds the page.  => the page is inside */
struct quire_piece quire_ranges_at(const struct quire_ranges *r, uint64_t page)
{
        const struct quire_run *run;

        if (!r->runs.root)
                return (struct quire_piece){ r->first, r->count, r->uniform };
        run = run_of(quire_tree_floor(&r->runs, page));
        return (struct quire_piece){ run->node.key, run->count, run->attr };
}

uint32_t quire_ranges_attr(const struct quire_ranges *r, uint64_t page)
{
        return quire_ranges_at(r, page).attr;
}

/* Set aside what one apply or cut can need.  NO_MEMORY. */
enum quire_status quire_ranges_plan(struct quire_system *sys, struct quire_spare_runs *spare)
{
        must_hold(sys);
        for (spare->count = 0; spare->count < 3; spare->count++) {
                spare->run[spare->count] = quire_alloc(sys, sizeof(struct quire_run));
                if (!spare->run[spare->count]) {
                        quire_ranges_unplan(sys, spare);
                        return QUIRE_NO_MEMORY;
                }
        }
        return QUIRE_OK;
}

void quire_ranges_unplan(struct quire_system *sys, struct quire_spare_runs *spare)
{
        must(sys, spare->count <= 3);
        while (spare->count)
                quire_free(sys, spare->run[--spare->count], sizeof(struct quire_run));
}

static void add_run(struct quire_system *sys, struct quire_ranges *r, struct quire_piece p,
                    struct quire_spare_runs *spare)
{
        struct quire_run *run;

        must(sys, spare->count > 0);
        must(sys, p.count > 0 && p.first >= r->first);
        must(sys, p.count <= r->first + r->count - p.first);
        run = spare->run[--spare->count];
        run->node.key = p.first;
        run->count = p.count;
        run->attr = p.attr;
        quire_tree_insert(&r->runs, &run->node);
}

/* Make a run begin at page, if one does not.  page may be the end. */
static void cut_at(struct quire_system *sys, struct quire_ranges *r, uint64_t page,
                   struct quire_spare_runs *spare)
{
        struct quire_run *run;
        uint64_t rest;

        if (page == r->first + r->count)
                return;
        run = run_of(quire_tree_floor(&r->runs, page));
        must(sys, page >= r->first && page - run->node.key < run->count);      /* A1 */
        if (run->node.key == page)
                return;
        rest = run->node.key + run->count - page;
        run->count -= rest;
        add_run(sys, r, (struct quire_piece){ page, rest, run->attr }, spare);
}

static void make_tree(struct quire_system *sys, struct quire_ranges *r,
                      struct quire_spare_runs *spare)
{
        if (!r->runs.root)
                add_run(sys, r, (struct quire_piece){ r->first, r->count, r->uniform }, spare);
}

/* A single run needs no record. */
static void drop_tree(struct quire_system *sys, struct quire_ranges *r)
{
        struct quire_run *run = run_of(r->runs.root);

        must(sys, !run || !run->node.parent);
        if (!run || run->node.left || run->node.right)
                return;
        must(sys, run->node.key == r->first && run->count == r->count);        /* A1 */
        r->uniform = run->attr;
        quire_tree_remove(&r->runs, &run->node);
        quire_free(sys, run, sizeof(*run));
}

/* Join the run with those after it that are alike, up to page `end'. */
static void join_from(struct quire_system *sys, struct quire_ranges *r, struct quire_run *run,
                      uint64_t end)
{
        struct quire_node *n;

        while ((n = quire_tree_next(&run->node)) && n->key <= end) {
                struct quire_run *after = run_of(n);

                must(sys, n->key == run->node.key + run->count);               /* A1 */
                if (after->attr != run->attr) {
                        run = after;
                        continue;
                }
                run->count += after->count;
                quire_tree_remove(&r->runs, n);
                quire_free(sys, after, sizeof(*after));
        }
}

/* Clear and set attribute bits of the range.  Cannot fail: spare was planned. */
void quire_ranges_apply(struct quire_system *sys, struct quire_ranges *r, uint64_t first,
                        uint64_t count, uint32_t clear, uint32_t set,
                        struct quire_spare_runs *spare)
{
        struct quire_node *n, *before;

        must_hold(sys);
        must(sys, first >= r->first && count && first + count <= r->first + r->count);
        if (!r->runs.root && count == r->count) {
                r->uniform = (r->uniform & ~clear) | set;
                return;
        }
        if (!r->runs.root && ((r->uniform & ~clear) | set) == r->uniform)
                return;
        make_tree(sys, r, spare);
        cut_at(sys, r, first, spare);
        cut_at(sys, r, first + count, spare);
        for (n = quire_tree_floor(&r->runs, first); n && n->key < first + count;
             n = quire_tree_next(n))
                run_of(n)->attr = (run_of(n)->attr & ~clear) | set;
        before = quire_tree_floor(&r->runs, first ? first - 1 : 0);
        join_from(sys, r, run_of(before ? before : quire_tree_first(&r->runs)), first + count);
        drop_tree(sys, r);
}

/* Give the part from page `at' on to another, empty one.  => inside, not at an end */
void quire_ranges_cut(struct quire_system *sys, struct quire_ranges *low, uint64_t at,
                      struct quire_ranges *high, struct quire_spare_runs *spare)
{
        uint64_t end = low->first + low->count;
        struct quire_node *n;

        must_hold(sys);
        must(sys, at > low->first && at < end);
        quire_ranges_open(high, at, end - at, low->uniform);
        if (low->runs.root) {
                cut_at(sys, low, at, spare);
                for (n = quire_tree_floor(&low->runs, at); n;) {
                        struct quire_node *after = quire_tree_next(n);

                        quire_tree_remove(&low->runs, n);
                        quire_tree_insert(&high->runs, n);
                        n = after;
                }
                drop_tree(sys, high);
        }
        low->count = at - low->first;
        drop_tree(sys, low);
}

/* Add pages at the end.  NO_MEMORY. */
enum quire_status quire_ranges_grow(struct quire_system *sys, struct quire_ranges *r,
                                    uint64_t count, uint32_t attr)
{
        struct quire_spare_runs spare;
        uint64_t end = r->first + r->count;

        if (quire_ranges_plan(sys, &spare) != QUIRE_OK)
                return QUIRE_NO_MEMORY;
        must(sys, count > 0 && end + count > end);
        make_tree(sys, r, &spare);
        r->count += count;
        add_run(sys, r, (struct quire_piece){ end, count, attr }, &spare);
        join_from(sys, r, run_of(quire_tree_floor(&r->runs, end - 1)), end);
        drop_tree(sys, r);
        quire_ranges_unplan(sys, &spare);
        return QUIRE_OK;
}

void quire_ranges_check(struct quire_system *sys, const struct quire_ranges *r)
{
        struct quire_node *n = quire_tree_first(&r->runs);
        uint64_t at = r->first;
        unsigned runs = 0;

        must(sys, r->count > 0);
        for (; n; n = quire_tree_next(n), runs++) {
                const struct quire_run *run = run_of(n);
                const struct quire_node *after = quire_tree_next(n);

                must(sys, run->node.key == at);                                /* A1 */
                must(sys, run->count > 0);                                     /* A1 */
                must(sys, !n->left || n->left->parent == n);                   /* T3 */
                must(sys, !n->right || n->right->parent == n);                 /* T3 */
                must(sys, !after || after->key > n->key);                      /* T1 */
                must(sys, !after || run_of((struct quire_node *)after)->attr != run->attr); /* A2 */
                must(sys, !n->parent || n->parent->rank >= n->rank);           /* T2 */
                at += run->count;
        }
        must(sys, runs != 1);                                                  /* A3 */
        must(sys, !runs || at == r->first + r->count);                         /* A1 */
}
