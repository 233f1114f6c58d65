/*
 * torture.c - see torture.h.
 */
#include "torture.h"
#include "../test.h"
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>

struct torture_asked asked;

void torture_begin(int argc, char **argv, uint64_t seconds)
{
        test_begin(1, argv);
        asked = (struct torture_asked){ .seconds = seconds, .uid = -1 };
        for (int i = 1; i + 1 < argc; i += 2) {
                if (!strcmp(argv[i], "--seconds"))
                        asked.seconds = strtoull(argv[i + 1], NULL, 0);
                else if (!strcmp(argv[i], "--faults"))
                        asked.faults = argv[i + 1];
                else if (!strcmp(argv[i], "--uid"))
                        asked.uid = strtol(argv[i + 1], NULL, 0);
                else if (!strcmp(argv[i], "--here"))
                        asked.here = true;
                else if (!strcmp(argv[i], "--seed"))
                        asked.seed = strtoull(argv[i + 1], NULL, 0);
        }
        if (!asked.seed)
                asked.seed = test_seed();
}

typedef void (*phase)(const char *faults, uint64_t milliseconds);

/* In a process of its own, as this user.  True: all was right. */
static bool phase_in_child(phase run, const char *faults, long uid, uint64_t milliseconds)
{
        int status = 0;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                atomic_store(&quire_test_state.bad, 0);
                alarm((unsigned)(milliseconds / 1000 * 10 + 120));
                if (uid >= 0 && (setgid((gid_t)uid) || setuid((uid_t)uid)))
                        _exit(3);
                prctl(PR_SET_DUMPABLE, 1);
                run(faults, milliseconds);
                fflush(NULL);
                _exit(atomic_load(&quire_test_state.bad) != 0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return false;
        if (status)
                fprintf(stderr, "faults %s, uid %ld: status %#x (seed %lu)\n", faults, uid,
                        (unsigned)status, (unsigned long)asked.seed);
        return status == 0;
}

void torture_phases(phase run)
{
        const long both[] = { 0, 65534 }, self[] = { asked.uid };
        bool vary = asked.uid < 0 && getuid() == 0;
        const long *uids = vary ? both : self;
        unsigned users = vary ? 2 : 1, modes = asked.faults ? 1 : 2;
        static const char *const ways[] = { "inline", "thread" };

        if (asked.here) {
                run(asked.faults ? asked.faults : "inline", asked.seconds * 1000);
                return;
        }
        for (unsigned u = 0; u < users; u++)
                for (unsigned m = 0; m < modes; m++)
                        CHECK(phase_in_child(run, asked.faults ? asked.faults : ways[m], uids[u],
                                             asked.seconds * 1000 / (users * modes)));
}

bool torture_open(const char *faults, struct quire_process_options options,
                  struct quire_process **out)
{
        options.faults = strcmp(faults, "thread") ? QUIRE_FAULTS_INLINE : QUIRE_FAULTS_THREAD;
        if (quire_process_open(&options, out) == QUIRE_OK)
                return true;
        printf("    faults %s: not here: %s\n", faults, quire_process_problem());
        return false;
}

void expect(enum quire_status got, enum quire_status want, const char *what)
{
        if (got == want)
                return;
        fprintf(stderr, "%s answers: %s\n", what, quire_status_name(got));
        abort();
}
