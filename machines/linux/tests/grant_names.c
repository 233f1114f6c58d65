/*
 * grant_names.c - names that other processes open: their lives, rights, and who may.
 */
#include "grant_parts.h"
#include "grant_peer.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char runtime[40];         /* a directory for names that is this test's alone */

void names_begin(void)
{
        (void)snprintf(runtime, sizeof(runtime), "/tmp/quire-names-%d", (int)getpid());
        REQUIRE(!mkdir(runtime, 0700));
        (void)setenv("XDG_RUNTIME_DIR", runtime, 1);
}

void names_end(void)
{
        CHECK(!rmdir(runtime));
}

/* How many files there are for names; -1: not even a directory. */
static int count_entries(void)
{
        char path[128];
        int n = 0;

        (void)snprintf(path, sizeof(path), "%s/quire", runtime);
        DIR *d = opendir(path);
        if (!d)
                return -1;
        while (readdir(d))
                n++;
        (void)closedir(d);
        return n - 2;
}

static bool names_gone(void)
{
        return BECOMES(count_entries() < 0);
}

static void test_B55_B56_names(void)
{
        char most[QUIRE_NAME_MOST + 2];
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(tell_name(&p, OP_OPEN, 0, QUIRE_R, "Local\\one").status, QUIRE_NOT_PRESENT);
        CHECK_EQ(count_entries(), -1);                   /* looking makes no directory */
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "Local\\one").status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_OPEN, 0, QUIRE_R, "Local\\One").status, QUIRE_NOT_PRESENT);
        CHECK_EQ(tell_name(&p, OP_OPEN, 0, RW, "Local\\one").status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_WRITE, 0, 5, 0).status, QUIRE_OK);
        CHECK(holds_byte(NULL, 0, 0, 5));
        CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, QUIRE_R, "Local\\one").status, QUIRE_CONFLICT);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "Local\\one").status, QUIRE_CONFLICT);
        CHECK_EQ(tell_name(NULL, OP_OPEN, 1, RW, "Local\\one").status, QUIRE_OK);  /* ourselves */
        drop(NULL, 1);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "").status, QUIRE_INVALID);
        memset(most, 'n', sizeof(most));
        most[QUIRE_NAME_MOST + 1] = 0;
        CHECK_EQ(quire_name_publish(process, most, holding[0].grant, RW), QUIRE_INVALID);
        most[QUIRE_NAME_MOST] = 0;
        CHECK_EQ(quire_name_publish(process, most, holding[0].grant, RW), QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_OPEN, 1, RW, most).status, QUIRE_OK);
        drop(NULL, 0);
        drop(&p, 0);
        drop(&p, 1);
        CHECK(names_gone());                             /* with the last holder */
        CHECK_EQ(tell_name(&p, OP_OPEN, 0, RW, "Local\\one").status, QUIRE_NOT_PRESENT);
        peer_stop(&p);
}

static void test_names_and_rights(void)
{
        struct peer p;

        peer_start(&p);
        for (unsigned have = 1; have < 8; have++) {
                new_object(0);
                CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, have, "rights").status, QUIRE_OK);
                for (unsigned want = 7; want > 0; want--) {
                        struct answer a = tell_name(&p, OP_OPEN, 0, want, "rights");
                        CHECK_EQ(a.status, want & ~have ? QUIRE_DENIED : QUIRE_OK);
                        if (a.status != QUIRE_OK)
                                continue;
                        CHECK_EQ(a.value, want);
                        check_mapping(&p, 0, want);
                        drop(&p, 0);
                }
                CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "rights").status, QUIRE_OK);
                drop(NULL, 0);
        }
        peer_stop(&p);
}

/* The name outlives who published it, with the rights that are left. */
static void test_names_outlive_their_maker(void)
{
        struct peer p[3];

        for (unsigned i = 0; i < 3; i++)
                peer_start(&p[i]);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p[0], 0).status, QUIRE_OK);
        drop(NULL, 0);
        CHECK_EQ(tell_name(&p[0], OP_PUBLISH, 0, RW, "heir").status, QUIRE_OK);
        CHECK_EQ(tell_name(&p[1], OP_OPEN, 0, QUIRE_R, "heir").status, QUIRE_OK);
        CHECK_EQ(tell(&p[1], OP_MAP, 0, QUIRE_R, 0).status, QUIRE_OK);
        peer_kill(&p[0], SIGKILL);
        CHECK_EQ(tell_name(&p[2], OP_OPEN, 0, RW, "heir").status, QUIRE_DENIED);
        CHECK_EQ(tell_name(&p[2], OP_OPEN, 0, QUIRE_R, "heir").status, QUIRE_OK);
        CHECK_EQ(tell(&p[2], OP_MAP, 0, QUIRE_R, 0).status, QUIRE_OK);
        CHECK(holds_byte(&p[2], 0, 2, 18));
        CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "heir").status, QUIRE_OK);
        CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "heir").status, QUIRE_NOT_PRESENT);
        CHECK_EQ(tell_name(NULL, OP_OPEN, 1, QUIRE_R, "heir").status, QUIRE_NOT_PRESENT);
        CHECK(holds_byte(&p[1], 0, 2, 18));
        CHECK(names_gone());
        peer_stop(&p[1]);
        peer_stop(&p[2]);
}

static void test_names_of_the_killed(void)
{
        struct peer p;

        for (unsigned i = 0; i < 3; i++) {
                peer_start(&p);
                new_object(0);
                CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
                drop(NULL, 0);
                CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "ghost").status, QUIRE_OK);
                CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "ghost of another").status, QUIRE_OK);
                peer_kill(&p, SIGKILL);
                CHECK_EQ(tell_name(NULL, OP_OPEN, 1, QUIRE_R, "ghost").status, QUIRE_NOT_PRESENT);
                new_object(0);
                CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "ghost").status, QUIRE_OK);
                CHECK_EQ(count_entries(), 1);            /* both of the dead are swept */
                CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "ghost").status, QUIRE_OK);
                drop(NULL, 0);
                CHECK(names_gone());
        }
}

/* A revoked grant takes its name with it, and what was opened by it. */
static void test_D12_names_are_revoked(void)
{
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "revoked").status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_OPEN, 0, RW, "revoked").status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell(NULL, OP_REVOKE, 0, 0, LONG).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_READ, 0, 0, 0).status, QUIRE_DENIED);
        CHECK_EQ(tell_name(&p, OP_OPEN, 1, QUIRE_R, "revoked").status, QUIRE_NOT_PRESENT);
        CHECK(names_gone());
        drop(NULL, 0);
        peer_stop(&p);
}

/* Whoever holds the lock of the directory, or a name, and does not run, is not waited
 * for without end. */
static void test_names_and_the_stopped(void)
{
        struct quire_grant *none;
        struct peer p;
        char path[128];
        int fd;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "stopped").status, QUIRE_OK);
        peer_kill(&p, SIGSTOP);
        CHECK_EQ(quire_name_open(process, "stopped", RW, &none), QUIRE_BUSY);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "stopped").status, QUIRE_CONFLICT);
        peer_kill(&p, SIGCONT);
        (void)snprintf(path, sizeof(path), "%s/quire", runtime);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(fd >= 0 && !flock(fd, LOCK_EX));
        CHECK_EQ(quire_name_open(process, "stopped", RW, &none), QUIRE_BUSY);
        (void)close(fd);
        CHECK_EQ(tell_name(NULL, OP_OPEN, 1, RW, "stopped").status, QUIRE_OK);
        drop(NULL, 1);
        drop(NULL, 0);
        peer_stop(&p);
        CHECK(names_gone());
}

/* Somebody else was there first. */
static void test_names_are_private(void)
{
        char path[128], other[128];

        new_object(0);
        (void)snprintf(path, sizeof(path), "%s/quire", runtime);
        (void)snprintf(other, sizeof(other), "%s/other", runtime);
        REQUIRE(!mkdir(path, 0755));
        REQUIRE(!chmod(path, 0755));
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "private").status, QUIRE_DENIED);
        CHECK_EQ(tell_name(NULL, OP_OPEN, 1, RW, "private").status, QUIRE_DENIED);
        REQUIRE(!rename(path, other) && !chmod(other, 0700) && !symlink(other, path));
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "private").status, QUIRE_DENIED);
        REQUIRE(!unlink(path) && !rename(other, path));
        if (!geteuid()) {
                REQUIRE(!chown(path, 65534, 65534));
                CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "private").status, QUIRE_DENIED);
                REQUIRE(!chown(path, 0, 0));
        }
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "private").status, QUIRE_OK);
        struct stat st;
        CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0700);
        drop(NULL, 0);
        CHECK(names_gone());
}

/* A user that no other copy of this test has, whose first directory for names somebody else
 * has made: that is the claim, too.  *path: of that directory. */
static uid_t squat(char path[48])
{
        uid_t user = 20000 + (uid_t)getpid() % 40000;
        char better[48];             /* a directory that comes before those in /dev/shm */

        for (unsigned tries = 0; tries < 100; tries++, user++) {
                (void)snprintf(path, 48, "/dev/shm/quire-%u", (unsigned)user);
                (void)snprintf(better, sizeof(better), "/run/user/%u", (unsigned)user);
                if (access(better, F_OK) && !mkdir(path, 0700)) {
                        CHECK(!chown(path, 65534, 65534));
                        return user;
                }
        }
        return 0;
}

/* Without a directory of the user's own, in a place where anybody makes what he likes. */
static void test_names_cannot_be_squatted(void)
{
        char path[48], second[64], third[64], victim[64];
        struct peer p, q;
        uid_t user;

        if (geteuid())
                SKIP("needs root, to be two other users");
        user = squat(path);
        REQUIRE(user);
        (void)snprintf(second, sizeof(second), "%s.1", path);
        (void)snprintf(third, sizeof(third), "%s.2", path);
        (void)snprintf(victim, sizeof(victim), "/tmp/quire-victim-%u", (unsigned)user);
        CHECK(!mkdir(victim, 0700) && !chown(victim, user, user) && !symlink(victim, second));
        (void)unsetenv("XDG_RUNTIME_DIR");
        peer_start_as(&p, user, true);                   /* can open what is another's */
        peer_start_as(&q, user, false);
        (void)setenv("XDG_RUNTIME_DIR", runtime, 1);
        new_object(0);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "squatted").status, QUIRE_OK);
        CHECK(!access(third, F_OK));
        CHECK_EQ(tell_name(&q, OP_OPEN, 1, RW, "squatted").status, QUIRE_OK);
        CHECK(!unlink(second) && !rmdir(victim));        /* empty as it was */
        CHECK_EQ(tell_name(&q, OP_OPEN, 2, RW, "squatted").status, QUIRE_OK);
        CHECK(!rmdir(path));
        CHECK_EQ(tell_name(&p, OP_OPEN, 3, RW, "squatted").status, QUIRE_OK);
        CHECK_EQ(tell_name(&q, OP_OPEN, 3, RW, "squatted").status, QUIRE_OK);
        CHECK_EQ(tell(&q, OP_MAP, 3, RW, 0).status, QUIRE_OK);
        CHECK(holds_byte(&q, 3, 1, 17));
        CHECK_EQ(tell_name(NULL, OP_OPEN, 1, RW, "squatted").status, QUIRE_NOT_PRESENT);
        peer_stop(&p);
        peer_stop(&q);
        drop(NULL, 0);
        CHECK(BECOMES(access(third, F_OK)));
}

/* No name, number or guess reaches memory that was not passed. */
static void test_A13_B59_no_other_way(void)
{
        char path[64];
        pid_t pid;
        int status;

        if (geteuid())
                SKIP("needs root, to be another user");
        new_object(0);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "guess").status, QUIRE_OK);
        pid = fork();
        if (!pid) {                              /* another user, who knows everything */
                if (setgid(65534) || setuid(65534))
                        _exit(2);
                unsigned reached = 0;
                for (int fd = 3; fd < 100; fd++) {
                        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getppid(), fd);
                        int got = open(path, O_RDONLY | O_CLOEXEC);
                        reached += got >= 0;
                }
                (void)snprintf(path, sizeof(path), "%s/quire", runtime);
                reached += opendir(path) != NULL;
                _exit(reached ? 1 : 0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
        CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "guess").status, QUIRE_OK);
        drop(NULL, 0);
}

void name_tests(void)
{
        RUN(test_B55_B56_names);
        RUN(test_names_and_rights);
        RUN(test_names_outlive_their_maker);
        RUN(test_names_of_the_killed);
        RUN(test_D12_names_are_revoked);
        RUN(test_names_and_the_stopped);
        RUN(test_names_are_private);
        RUN(test_names_cannot_be_squatted);
        RUN(test_A13_B59_no_other_way);
}
