/*
 * grant_test.c - grants across processes: the lattice of rights, coherence, revocation,
 * death.  With real processes: grant_peer.h.  Names are in grant_names.c, hostile
 * processes in grant_attack.c and grant_hostile.c.
 */
#include "grant_peer.h"
#include "grant_parts.h"
#include "inline.h"
#include "message.h"
#include "slow_start.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RW (QUIRE_R | QUIRE_W)
#define MOMENT 1000u             /* milliseconds for a peer with W before others get it without */

/* --------------------------------------------------------------- the lattice */

static void test_A12_A4_every_pair_of_rights(void)
{
        struct peer p;

        peer_start(&p);
        for (unsigned have = 0; have < 8; have++)
                for (unsigned give = 0; give < 8; give++) {
                        new_object(0);
                        REQUIRE(!quire_grant_narrow(holding[0].grant, have, &holding[1].grant));
                        struct answer a = hand_over(NULL, 1, give, &p, 0);
                        CHECK_EQ(a.status, !give ? QUIRE_INVALID :
                                           give & ~have ? QUIRE_DENIED : QUIRE_OK);
                        if (a.status == QUIRE_OK) {
                                CHECK_EQ(a.value, give);
                                check_mapping(&p, 0, give);
                                drop(&p, 0);
                        }
                        drop(NULL, 1);
                        drop(NULL, 0);
                }
        peer_stop(&p);
}

/* this process -> a -> b -> c, each with what the one before allows */
static void run_chain(struct peer *p, unsigned r1, unsigned r2, unsigned r3)
{
        const unsigned give[3] = { r1, r2, r3 };
        unsigned have = 7, hops = 0;
        struct answer a = { .status = QUIRE_OK };

        new_object(0);
        while (hops < 3 && a.status == QUIRE_OK) {
                unsigned r = give[hops];
                a = hand_over(hops ? &p[hops - 1] : NULL, 0, r, &p[hops], 0);
                CHECK_EQ(a.status, r & ~have ? QUIRE_DENIED : QUIRE_OK);
                if (a.status != QUIRE_OK)
                        break;
                CHECK_EQ(a.value, r);
                have = r;
                hops++;
        }
        for (unsigned i = 0; i < hops; i++) {
                bool writes = give[i] & QUIRE_W;
                CHECK_EQ(tell(&p[i], OP_MAP, 0, give[i], 0).status, QUIRE_OK);
                CHECK_EQ(tell(&p[i], OP_MAP, 0, RW | QUIRE_X, 0).status,
                         give[i] == 7 ? QUIRE_OK : QUIRE_DENIED);
                CHECK_EQ(tell(&p[i], OP_WRITE, 0, 40 + i, 3).status,
                         writes ? QUIRE_OK : QUIRE_DENIED);
                CHECK(!writes || holds_byte(NULL, 0, 3, 40 + i));
                CHECK(holds_byte(&p[i], 0, 0, 16));
        }
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
        for (unsigned i = 0; i < hops; i++) {
                CHECK_EQ(tell(&p[i], OP_READ, 0, 0, 0).status, QUIRE_DENIED);
                drop(&p[i], 0);
        }
        drop(NULL, 0);
}

static void test_A4_D12_every_chain_of_three(void)
{
        struct peer p[3];

        for (unsigned i = 0; i < 3; i++)
                peer_start(&p[i]);
        for (unsigned r1 = 1; r1 < 8; r1++)
                for (unsigned r2 = 1; r2 < 8; r2++)
                        for (unsigned r3 = 1; r3 < 8; r3++) {
                                if (r2 & ~r1 && r3 != 1)
                                        continue;        /* the third is not reached */
                                run_chain(p, r1, r2, r3);
                        }
        for (unsigned i = 0; i < 3; i++)
                peer_stop(&p[i]);
}

static void test_order_of_rights(void)
{
        struct peer p, q;

        peer_start(&p);
        peer_start(&q);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(NULL, 0, QUIRE_R, &q, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&q, OP_MAP, 0, QUIRE_R, 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(NULL, 0, RW, &q, 1).status, QUIRE_DENIED);
        CHECK(strstr(quire_process_problem(), "W can not be given"));
        CHECK_EQ(hand_over(&p, 0, RW, &q, 1).status, QUIRE_DENIED);
        CHECK_EQ(tell(&p, OP_WRITE, 0, 77, 0).status, QUIRE_OK);
        CHECK(holds_byte(&q, 0, 0, 77));
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);           /* another view */
        CHECK_EQ(tell(&p, OP_WRITE, 0, 78, 0).status, QUIRE_OK);
        CHECK_EQ(tell(NULL, OP_WRITE, 0, 79, 1).status, QUIRE_OK);
        CHECK(holds_byte(&q, 0, 0, 78) && holds_byte(&q, 0, 1, 79) && holds_byte(&p, 0, 1, 79));
        drop(NULL, 0);
        peer_stop(&p);
        peer_stop(&q);
}

/* A grant without W right after one with W, which the peer has not looked at yet.  False: he
 * did not get to it in the moment that he is given. */
static bool give_a_moment(struct peer *p, struct peer *q, unsigned byte)
{
        struct order receive = { .op = OP_RECEIVE, .slot = 0 };
        uint64_t asked;
        bool late;
        int end[2];

        new_object(0);
        REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
        CHECK(pass_descriptor(p->control, &receive, sizeof(receive), &end[1], 1) > 0);
        CHECK_EQ(quire_grant_send(process, end[0], holding[0].grant, RW), QUIRE_OK);
        asked = quire_deadline(0);
        CHECK_EQ(hand_over(NULL, 0, QUIRE_R, q, 0).status, QUIRE_OK);
        late = peer_hear(p).status == QUIRE_DENIED && quire_deadline(0) - asked >= MOMENT;
        if (!late) {
                CHECK_EQ(tell(p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
                CHECK_EQ(tell(p, OP_WRITE, 0, byte, 0).status, QUIRE_OK);
                CHECK(holds_byte(NULL, 0, 0, byte));
                drop(p, 0);
        }
        drop(q, 0);
        drop(NULL, 0);
        (void)close(end[0]);
        (void)close(end[1]);
        return !late;
}

static void test_writer_gets_a_moment(void)
{
        struct peer p, q;

        peer_start(&p);
        peer_start(&q);
        for (unsigned i = 0; i < 5; i++)
                CHECK(BECOMES(give_a_moment(&p, &q, 50 + i)));
        peer_stop(&p);
        peer_stop(&q);
}

/* Of three processes the second is another user's. */
static void test_A4_other_users(void)
{
        struct peer p[3];

        if (geteuid())
                SKIP("needs root, to be another user");
        for (unsigned rights = 1; rights < 8; rights++) {
                for (unsigned i = 0; i < 3; i++) {
                        if (i == 1)
                                peer_start_as(&p[i], 65534, false);
                        else
                                peer_start(&p[i]);
                }
                new_object(0);
                CHECK_EQ(hand_over(NULL, 0, 7, &p[0], 0).status, QUIRE_OK);
                CHECK_EQ(hand_over(&p[0], 0, 7, &p[1], 0).status, QUIRE_OK);
                CHECK_EQ(hand_over(&p[1], 0, rights, &p[2], 0).status, QUIRE_OK);
                check_mapping(&p[2], 0, rights);
                CHECK_EQ(hand_over(&p[2], 0, rights, &p[1], 1).status, QUIRE_OK);
                check_mapping(&p[1], 1, rights);
                CHECK_EQ(tell(&p[1], OP_MAP, 0, RW, 0).status, QUIRE_OK);
                CHECK_EQ(tell(&p[1], OP_WRITE, 0, 88, 3).status, QUIRE_OK);
                CHECK(holds_byte(NULL, 0, 3, 88));
                CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
                CHECK_EQ(tell(&p[1], OP_READ, 0, 0, 3).status, QUIRE_DENIED);
                drop(NULL, 0);
                for (unsigned i = 0; i < 3; i++)
                        peer_stop(&p[i]);
        }
}

static void test_only_hosted_objects(void)
{
        struct quire_object_request r = { .bytes = PG, .kind = QUIRE_ANONYMOUS };
        struct quire_grant *g;
        int end[2], file[2];

        REQUIRE(!quire_object_open(quire_process_system(process), &r, &g));
        REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end));
        REQUIRE(!pipe2(file, O_CLOEXEC));
        CHECK_EQ(quire_grant_send(process, end[0], g, QUIRE_R), QUIRE_UNSUPPORTED);
        CHECK(strstr(quire_process_problem(), "QUIRE_HOSTED"));
        quire_grant_close(g);
        new_object(0);
        CHECK_EQ(quire_grant_send(process, file[1], holding[0].grant, QUIRE_R), QUIRE_INVALID);
        CHECK_EQ(quire_grant_send(process, -1, holding[0].grant, QUIRE_R), QUIRE_INVALID);
        CHECK_EQ(quire_grant_receive(process, file[0], 10, &g), QUIRE_INVALID);
        CHECK_EQ(quire_grant_receive(process, end[1], 10, &g), QUIRE_BUSY);
        (void)close(end[1]);
        CHECK_EQ(quire_grant_send(process, end[0], holding[0].grant, QUIRE_R), QUIRE_NOT_PRESENT);
        CHECK_EQ(quire_grant_receive(process, end[0], 10, &g), QUIRE_NOT_PRESENT);
        (void)close(end[0]);
        (void)close(file[0]);
        (void)close(file[1]);
        drop(NULL, 0);
}

static void test_B57_B58_one_object_at_two_addresses(void)
{
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_READ, 0, 0, 0).status, QUIRE_INVALID);      /* B59: not mapped */
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        for (unsigned i = 0; i < 200; i++) {
                CHECK_EQ(tell(i & 1 ? &p : NULL, OP_WRITE, 0, i % 251, i % PAGES).status, QUIRE_OK);
                CHECK(holds_byte(i & 1 ? NULL : &p, 0, i % PAGES, i % 251));
        }
        drop(NULL, 0);
        CHECK(holds_byte(&p, 0, 199 % PAGES, 199));      /* it lives while one holds it */
        peer_stop(&p);
}

/* --------------------------------------------------------------- revocation */

static void check_all(struct peer *p, unsigned count, unsigned readers)
{
        for (unsigned i = 0; i < count; i++)
                CHECK_EQ(tell(&p[i], OP_READ, 0, 0, 0).status,
                         readers >> i & 1 ? QUIRE_OK : QUIRE_DENIED);
}

/* this process -> 0 -> 1, 0 -> 2, 2 -> 3; 2 is killed; everybody else is reached */
static void test_D12_revoke_past_the_dead(void)
{
        struct peer p[4];
        unsigned before = count_shared();

        for (unsigned i = 0; i < 4; i++)
                peer_start(&p[i]);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p[0], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(&p[0], 0, RW, &p[1], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(&p[0], 0, RW, &p[2], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(&p[2], 0, RW, &p[3], 0).status, QUIRE_OK);
        for (unsigned i = 0; i < 4; i++)
                CHECK_EQ(tell(&p[i], OP_MAP, 0, RW, 0).status, QUIRE_OK);
        check_all(p, 4, 15);
        peer_kill(&p[2], SIGKILL);
        CHECK_EQ(tell(&p[3], OP_READ, 0, 0, 0).status, QUIRE_OK);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
        check_all(p, 2, 0);
        CHECK_EQ(tell(&p[3], OP_READ, 0, 0, 0).status, QUIRE_DENIED);
        CHECK_EQ(tell(NULL, OP_READ, 0, 0, 0).status, QUIRE_DENIED);     /* our own, too */
        CHECK_EQ(hand_over(&p[1], 0, QUIRE_R, &p[3], 1).status, QUIRE_NOT_PRESENT);
        CHECK_EQ(tell(&p[1], OP_MAP, 0, QUIRE_R, 0).status, QUIRE_NOT_PRESENT);
        drop(NULL, 0);
        for (unsigned i = 0; i < 4; i++)
                if (i != 2)
                        peer_stop(&p[i]);
        CHECK(settles(before));
}

/* A revocation in the middle reaches what is below, and nothing else. */
static void test_D12_revoke_a_branch(void)
{
        struct peer p[4];

        for (unsigned i = 0; i < 4; i++)
                peer_start(&p[i]);
        new_object(0);
        CHECK_EQ(tell(NULL, OP_NARROW, 0, RW, 0).status, QUIRE_OK);      /* slot RW of ours */
        CHECK_EQ(hand_over(NULL, RW, RW, &p[0], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(&p[0], 0, RW, &p[1], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(&p[1], 0, RW, &p[2], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(NULL, 0, RW, &p[3], 0).status, QUIRE_OK);
        for (unsigned i = 0; i < 4; i++)
                CHECK_EQ(tell(&p[i], OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p[1], OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
        check_all(p, 4, 9);
        CHECK_EQ(tell(NULL, OP_REVOKE, RW, 0, LONG).status, QUIRE_OK);
        check_all(p, 4, 8);
        CHECK_EQ(tell(NULL, OP_WRITE, 0, 9, 0).status, QUIRE_OK);
        CHECK(holds_byte(&p[3], 0, 0, 9));
        drop(NULL, RW);
        drop(NULL, 0);
        for (unsigned i = 0; i < 4; i++)
                peer_stop(&p[i]);
}

/* Who does not run does not confirm, and loses it when he runs. */
static void test_D12_revoke_the_stopped(void)
{
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        peer_kill(&p, SIGSTOP);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, 100).status, QUIRE_BUSY);
        peer_kill(&p, SIGCONT);
        CHECK(BECOMES(tell(&p, OP_READ, 0, 0, 0).status == QUIRE_DENIED));
        drop(NULL, 0);
        peer_stop(&p);
}

/* quire_grant_revoke() alone tells the others as well, soon. */
static void test_D12_revoke_without_waiting(void)
{
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, QUIRE_R, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, QUIRE_R, 0).status, QUIRE_OK);
        quire_grant_revoke(holding[0].grant);
        CHECK(BECOMES(tell(&p, OP_READ, 0, 0, 0).status == QUIRE_DENIED));
        drop(NULL, 0);
        peer_stop(&p);
}

/* A child of a receiver is reached as he is; one of the sender is no sender. */
static void test_D12_fork(void)
{
        struct peer p, child;
        pid_t pid;
        int status;

        if (is_thread_sanitized())
                SKIP("the tool starts no threads in a child, so nobody watches there");
        peer_start(&p);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        peer_fork(&p, &child);
        REQUIRE(child.pid > 0);
        CHECK_EQ(tell(&child, OP_WRITE, 0, 61, 0).status, QUIRE_OK);
        CHECK(holds_byte(NULL, 0, 0, 61) && holds_byte(&p, 0, 0, 61));
        pid = fork();
        if (!pid)
                _exit((int)tell(NULL, OP_REVOKE, 0, 0, 0).status);
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
        CHECK(holds_byte(&p, 0, 0, 61));
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_READ, 0, 0, 0).status, QUIRE_DENIED);
        CHECK_EQ(tell(&child, OP_READ, 0, 0, 0).status, QUIRE_DENIED);
        (void)kill(child.pid, SIGKILL);
        (void)close(child.control);
        drop(NULL, 0);
        peer_stop(&p);
}

/* A child that is forked while a thread starts has nobody to let go of what it holds.  In a
 * child of a sender, who watches nothing yet: how many threads its first send has
 * started, and whether they had begun when it was over. */
static void send_first(void)
{
        int end[2];

        starts_slowly = true;
        new_object(1);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end) ||
            quire_grant_send(process, end[0], holding[1].grant, RW))
                _exit(100);
        _exit((int)(atomic_load(&threads) * 10 + atomic_load(&starting)));
}

static void test_fork_meets_no_watcher_that_starts(void)
{
        pid_t pid;
        int status;

        if (is_thread_sanitized())
                SKIP("the tool starts no threads in a child");
        pid = fork();
        if (!pid)
                send_first();
        REQUIRE(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 10);
}

/* A random tree of grants over four processes, random revocations, against a model. */
struct vertex {
        int above, at;           /* who it is from; which process has it, -1: this one */
        bool live;
};
#define VERTICES 14

static void lose(struct vertex *v, unsigned count, unsigned root)
{
        v[root].live = false;
        for (unsigned i = root + 1; i < count; i++)
                if (v[i].above >= 0 && !v[v[i].above].live)
                        v[i].live = false;
}

static void grow_tree(struct peer *p, struct vertex *v, uint64_t *state)
{
        new_object(0);
        v[0] = (struct vertex){ -1, -1, true };
        for (unsigned i = 1; i < VERTICES; i++) {
                unsigned above = (unsigned)(test_random(state) % i);
                int at = (int)(test_random(state) % 4);
                v[i] = (struct vertex){ (int)above, at, true };
                CHECK_EQ(hand_over(v[above].at < 0 ? NULL : &p[v[above].at], above, RW, &p[at],
                                   i).status, QUIRE_OK);
                CHECK_EQ(tell(&p[at], OP_MAP, i, RW, 0).status, QUIRE_OK);
        }
}

static void test_D12_derivation_tree(void)
{
        uint64_t state = test_seed();
        struct vertex v[VERTICES];
        struct peer p[4];

        for (unsigned i = 0; i < 4; i++)
                peer_start(&p[i]);
        for (unsigned round = 0; round < 8; round++) {
                grow_tree(p, v, &state);
                for (unsigned times = 0; times < 4; times++) {
                        unsigned root = 1 + (unsigned)(test_random(&state) % (VERTICES - 1));
                        CHECK_EQ(tell(&p[v[root].at], OP_REVOKE, root, 0, LONG).status, QUIRE_OK);
                        lose(v, VERTICES, root);
                        for (unsigned i = 1; i < VERTICES; i++)
                                CHECK_EQ(tell(&p[v[i].at], OP_READ, i, 0, 1).status,
                                         v[i].live ? QUIRE_OK : QUIRE_DENIED);
                }
                CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
                for (unsigned i = 1; i < VERTICES; i++) {
                        CHECK_EQ(tell(&p[v[i].at], OP_READ, i, 0, 1).status, QUIRE_DENIED);
                        drop(&p[v[i].at], i);
                }
                drop(NULL, 0);
        }
        for (unsigned i = 0; i < 4; i++)
                peer_stop(&p[i]);
}

/* A chain as long as may be, in two processes that pass it to and fro. */
static void test_longest_chain(void)
{
        struct peer p[2];
        unsigned hops = 0;
        struct answer a = { .status = QUIRE_OK };

        peer_start(&p[0]);
        peer_start(&p[1]);
        new_object(0);
        while (hops < 40) {
                a = hand_over(hops ? &p[(hops - 1) & 1] : NULL, hops, RW, &p[hops & 1], hops + 1);
                if (a.status != QUIRE_OK)
                        break;
                CHECK_EQ(tell(&p[hops & 1], OP_MAP, hops + 1, RW, 0).status, QUIRE_OK);
                hops++;
        }
        CHECK_EQ(a.status, QUIRE_LIMIT);
        CHECK_EQ(hops, QUIRE_CHAIN_MOST);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
        for (unsigned i = 0; i < hops; i++)
                CHECK_EQ(tell(&p[i & 1], OP_READ, i + 1, 0, 0).status, QUIRE_DENIED);
        drop(NULL, 0);
        peer_stop(&p[0]);
        peer_stop(&p[1]);
}

/* -------------------------------------------------------------------- death */

/* The number of the one memory file that this process has open. */
static ino_t number_of_memory(void)
{
        struct stat st;

        return own_memory(&st) ? st.st_ino : 0;
}

static void test_killed_peers_leave_nothing(void)
{
        unsigned before = count_shared();

        for (unsigned round = 0; round < 6; round++) {
                struct peer p[3];
                int end[2];

                for (unsigned i = 0; i < 3; i++)
                        peer_start(&p[i]);
                new_object(0);
                ino_t memory = number_of_memory();
                CHECK(memory);
                CHECK_EQ(hand_over(NULL, 0, RW, &p[0], 0).status, QUIRE_OK);
                CHECK_EQ(hand_over(&p[0], 0, RW, &p[1], 0).status, QUIRE_OK);
                CHECK_EQ(tell(&p[1], OP_MAP, 0, RW, 0).status, QUIRE_OK);
                REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end));
                struct order o = { .op = OP_SEND, .slot = 0, .rights = RW };
                CHECK_EQ(peer_do(&p[1], &o, end[0]).status, QUIRE_OK);   /* nobody receives it */
                for (unsigned i = 0; i < 3; i++)
                        peer_kill(&p[(i + round) % 3], SIGKILL);
                CHECK(seek_memory(memory) > 0);
                drop(NULL, 0);
                (void)close(end[0]);
                (void)close(end[1]);
                CHECK(settles(before));
                CHECK_EQ(seek_memory(memory), 0);
        }
}

/* The sender dies: receivers keep what they have, until the last of them goes. */
static void test_killed_sender(void)
{
        struct peer p[2];

        peer_start(&p[0]);
        peer_start(&p[1]);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p[0], 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(&p[0], 0, RW, &p[1], 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p[1], OP_MAP, 0, RW, 0).status, QUIRE_OK);
        peer_kill(&p[0], SIGKILL);
        ino_t memory = number_of_memory();
        drop(NULL, 0);
        (void)usleep(500000);
        CHECK(holds_byte(&p[1], 0, 3, 19));
        CHECK(seek_memory(memory) > 0);
        peer_kill(&p[1], SIGKILL);
        CHECK_EQ(seek_memory(memory), 0);
}

int main(int argc, char **argv)
{
        if (argc == 2 && !strcmp(argv[1], "peer"))
                return peer_main();
        if (argc == 2 && !strcmp(argv[1], "hostile"))
                return hostile_main();
        test_begin(argc, argv);
        names_begin();
        (void)signal(SIGPIPE, SIG_DFL);
        here_open();
        hostile_begin();
        RUN(test_A12_A4_every_pair_of_rights);
        RUN(test_A4_D12_every_chain_of_three);
        RUN(test_order_of_rights);
        RUN(test_writer_gets_a_moment);
        RUN(test_A4_other_users);
        RUN(test_only_hosted_objects);
        RUN(test_B57_B58_one_object_at_two_addresses);
        RUN(test_D12_revoke_past_the_dead);
        RUN(test_D12_revoke_a_branch);
        RUN(test_D12_revoke_the_stopped);
        RUN(test_D12_revoke_without_waiting);
        RUN(test_D12_fork);
        RUN(test_fork_meets_no_watcher_that_starts);
        RUN(test_D12_derivation_tree);
        RUN(test_longest_chain);
        RUN(test_killed_peers_leave_nothing);
        RUN(test_killed_sender);
        name_tests();
        attack_tests();
        hostile_tests();
        here_close();
        names_end();
        return test_end();
}
