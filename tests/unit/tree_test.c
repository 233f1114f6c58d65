/*
 * tree_test.c - core/tree.c: order, neighbours and summaries against a sorted
 * array, and depth whatever the order of insertion.
 */
#include "bare.h"

enum { KEYS = 2000 };

struct counted {
        struct quire_node node;
        uint64_t below;              /* nodes of the subtree: a summary to keep */
};

static struct counted *counted_of(struct quire_node *n)
{
        return (struct counted *)(void *)n;
}

static void update(struct quire_node *n)
{
        counted_of(n)->below = 1 + (n->left ? counted_of(n->left)->below : 0) +
                               (n->right ? counted_of(n->right)->below : 0);
}

static unsigned depth(const struct quire_node *n)
{
        unsigned l, r;

        if (!n)
                return 0;
        l = depth(n->left);
        r = depth(n->right);
        return 1 + (l > r ? l : r);
}

/* T1, T2, T3 and the summary; returns the number of nodes. */
static uint64_t check_subtree(struct quire_node *n, uint64_t low, uint64_t high)
{
        uint64_t count;

        if (!n)
                return 0;
        CHECK(n->key >= low && n->key < high);
        CHECK(!n->left || (n->left->parent == n && n->left->rank <= n->rank));
        CHECK(!n->right || (n->right->parent == n && n->right->rank <= n->rank));
        count = 1 + check_subtree(n->left, low, n->key) +
                check_subtree(n->right, n->key + 1, high);
        CHECK_EQ(counted_of(n)->below, count);
        return count;
}

static void check_order(const struct quire_tree *t, const bool *present, struct counted *all)
{
        struct quire_node *n = quire_tree_first(t), *before = NULL;

        for (uint64_t k = 0; k < KEYS; k++) {
                struct quire_node *floor = quire_tree_floor(t, k);

                if (present[k]) {
                        CHECK(n == &all[k].node);
                        CHECK(!n || quire_tree_prev(n) == before);
                        before = n;
                        n = n ? quire_tree_next(n) : NULL;
                }
                CHECK(floor == before);
        }
        CHECK(n == NULL);
        CHECK(quire_tree_last(t) == before);
}

static void test_tree_against_an_array(void)
{
        static struct counted all[KEYS];
        static bool present[KEYS];
        struct quire_tree t = { .update = update };
        uint64_t random = test_seed(), count = 0;

        for (int i = 0; i < 40000; i++) {
                uint64_t k = test_random(&random) % KEYS;

                if (present[k]) {
                        quire_tree_remove(&t, &all[k].node);
                        count--;
                } else {
                        all[k].node.key = k;
                        quire_tree_insert(&t, &all[k].node);
                        count++;
                }
                present[k] = !present[k];
                if (i % 1000 == 0) {
                        CHECK_EQ(check_subtree(t.root, 0, UINT64_MAX), count);
                        check_order(&t, present, all);
                }
        }
        check_order(&t, present, all);
        while (t.root)
                quire_tree_remove(&t, t.root);
        CHECK(quire_tree_first(&t) == NULL && quire_tree_last(&t) == NULL);
        CHECK(quire_tree_floor(&t, 5) == NULL);
}

static void test_tree_keys_at_the_ends(void)
{
        struct counted a = { .node.key = 0 }, b = { .node.key = UINT64_MAX };
        struct quire_tree t = { .update = update };

        quire_tree_insert(&t, &b.node);
        quire_tree_insert(&t, &a.node);
        CHECK(quire_tree_floor(&t, UINT64_MAX) == &b.node);
        CHECK(quire_tree_floor(&t, UINT64_MAX - 1) == &a.node);
        CHECK(quire_tree_floor(&t, 0) == &a.node);
        CHECK(quire_tree_next(&a.node) == &b.node && quire_tree_prev(&a.node) == NULL);
}

/* A treap of a million nodes is about 50 deep; 4 log2 n would be a broken one. */
static void test_tree_depth_is_logarithmic(void)
{
        enum { MANY = 1000000 };
        struct counted *all = calloc(MANY, sizeof(*all));
        static const char *const order[] = { "ascending", "descending", "mixed" };

        REQUIRE(all);
        for (unsigned way = 0; way < 3; way++) {
                struct quire_tree t = { .update = update };
                unsigned deep;

                for (uint64_t i = 0; i < MANY; i++) {
                        all[i].node.key = way == 0 ? i : way == 1 ? MANY - i :
                                          (i * 0x9e3779b97f4a7c15u) >> 8;
                        quire_tree_insert(&t, &all[i].node);
                }
                deep = depth(t.root);
                printf("    %s: %u deep\n", order[way], deep);
                CHECK(deep < 80);
                for (uint64_t i = 0; i + 1000 < MANY; i++)
                        quire_tree_remove(&t, &all[i].node);
                CHECK(depth(t.root) < 40);
        }
        free(all);
}

int main(int argc, char **argv)
{
        test_begin(argc, argv);
        RUN(test_tree_against_an_array);
        RUN(test_tree_keys_at_the_ends);
        RUN(test_tree_depth_is_logarithmic);
        return test_end();
}
