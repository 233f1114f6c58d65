/*
 * limit.c - the work directory, memory cgroups and the swap file; and their
 * end, whatever happens.
 *
 * A guard process, forked before anything exists, reads from a pipe that only
 * this process holds open.  When the pipe ends (exit, SIGINT, SIGKILL, a
 * crash), it kills what is left in our cgroups, takes the swap file out of
 * service, and removes everything.  There is no other clean-up path to forget.
 *
 *   L1  Everything of ours carries the name quire-bench-<pid> and lies in the
 *       work directory or in one cgroup directory.
 *   L2  The guard knows these names before they exist.
 */
#include "bench.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_CGROUP, CGROUP_V1, CGROUP_V2 };

#define TMPFS 0x01021994L

static struct {
        int version;
        char mount[160];        /* of the memory controller */
        char group[224];        /* our directory in it */
        char work[256];
        char problem[160];      /* why there is no cgroup */
        char swap_problem[160];
        bool swap_tried, swap_on;
        int pipe;
        pid_t guard;
} limit = {.pipe = -1};

static bool write_text(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        size_t length = strlen(text);
        bool ok = write(fd, text, length) == (ssize_t)length;
        close(fd);
        return ok;
}

static uint64_t read_number(const char *path)
{
        char text[64] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        ssize_t got = read(fd, text, sizeof text - 1);
        close(fd);
        return got > 0 ? strtoull(text, NULL, 10) : 0;
}

/* ------------------------------------------------------------------ the guard */

static int remove_one(const char *path, const struct stat *facts, int type, struct FTW *where)
{
        (void)facts, (void)type, (void)where;
        (void)remove(path);
        return 0;
}

/* All below it too; what other users' programs left among it. */
static void remove_files(const char *path)
{
        (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* True: nobody is in there any more. */
static bool kill_members(const char *group)
{
        char path[600];
        snprintf(path, sizeof path, "%s/cgroup.procs", group);
        FILE *list = fopen(path, "re");
        if (!list)
                return true;
        int pid;
        bool empty = true;
        while (fscanf(list, "%d", &pid) == 1) {
                empty = false;
                kill(pid, SIGKILL);
        }
        fclose(list);
        return empty;
}

static void remove_group(const char *group)
{
        for (int tries = 0; tries < 100; tries++) {
                if (kill_members(group) && (rmdir(group) == 0 || errno == ENOENT))
                        return;
                usleep(50000);
        }
}

static void remove_groups(void)
{
        DIR *directory = opendir(limit.group);
        if (!directory)
                return;
        struct dirent *entry;
        while ((entry = readdir(directory))) {
                char path[600];
                if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
                        continue;
                snprintf(path, sizeof path, "%s/%s", limit.group, entry->d_name);
                remove_group(path);
        }
        closedir(directory);
        remove_group(limit.group);
}

static _Noreturn void guard(int pipe_end)
{
        char byte, swap[300];
        setsid();
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        prctl(PR_SET_NAME, "bench-guard");
        while (read(pipe_end, &byte, 1) < 0 && errno == EINTR)
                ;
        if (limit.version != NO_CGROUP)
                remove_groups();
        snprintf(swap, sizeof swap, "%s/swap", limit.work);
        (void)swapoff(swap);
        remove_files(limit.work);
        _exit(0);
}

/* A person presses ^C: wait for the guard, so that the prompt comes after it. */
static void on_signal(int sig)
{
        close(limit.pipe);
        (void)waitpid(limit.guard, NULL, 0);
        _exit(128 + sig);
}

/* ------------------------------------------------------------------ opening it */

/* Finds the memory controller; v1 has a mount of its own. */
static void find_controller(void)
{
        char device[64], mount[160], type[32], options[256];
        FILE *mounts = fopen("/proc/self/mounts", "re");
        if (!mounts)
                return;
        while (fscanf(mounts, "%63s %159s %31s %255s %*d %*d", device, mount, type,
                      options) == 4) {
                bool v1 = strcmp(type, "cgroup") == 0 && strstr(options, "memory");
                bool v2 = strcmp(type, "cgroup2") == 0;
                if (v2) {
                        char path[200], text[256] = "";
                        snprintf(path, sizeof path, "%s/cgroup.controllers", mount);
                        FILE *file = fopen(path, "re");
                        v2 = file && fgets(text, sizeof text, file) && strstr(text, "memory");
                        if (file)
                                fclose(file);
                }
                if (v1 || v2) {
                        limit.version = v1 ? CGROUP_V1 : CGROUP_V2;
                        snprintf(limit.mount, sizeof limit.mount, "%s", mount);
                        break;
                }
        }
        fclose(mounts);
}

static void open_group(void)
{
        char path[300];
        if (limit.version == NO_CGROUP) {
                snprintf(limit.problem, sizeof limit.problem, "no memory cgroup controller");
                return;
        }
        if (limit.version == CGROUP_V2) {
                snprintf(path, sizeof path, "%s/cgroup.subtree_control", limit.mount);
                (void)write_text(path, "+memory");
        }
        if (mkdir(limit.group, 0755) != 0) {
                snprintf(limit.problem, sizeof limit.problem,
                         "cannot make a memory cgroup: %s (root can)", strerror(errno));
                limit.version = NO_CGROUP;
                return;
        }
        snprintf(path, sizeof path, "%s/cgroup.subtree_control", limit.group);
        if (limit.version == CGROUP_V2 && !write_text(path, "+memory")) {
                snprintf(limit.problem, sizeof limit.problem,
                         "the memory controller cannot be delegated: %s", strerror(errno));
                (void)rmdir(limit.group);
                limit.version = NO_CGROUP;
        }
}

bool quire_bench_limit_open(struct bench *bench, const char *parent)
{
        int ends[2];
        snprintf(limit.work, sizeof limit.work, "%s/quire-bench-%d", parent, (int)getpid());
        find_controller();
        snprintf(limit.group, sizeof limit.group, "%s/quire-bench-%d", limit.mount,
                 (int)getpid());
        /* Others may pass: programs of ordinary users have their folders in it. */
        if (mkdir(limit.work, 0711) != 0) {
                fprintf(stderr, "bench: %s: %s\n", limit.work, strerror(errno));
                return false;
        }
        if (pipe2(ends, O_CLOEXEC) != 0 || (limit.guard = fork()) < 0) {
                fprintf(stderr, "bench: %s\n", strerror(errno));
                (void)rmdir(limit.work);
                return false;
        }
        if (limit.guard == 0) {
                close(ends[1]);
                guard(ends[0]);
        }
        close(ends[0]);
        limit.pipe = ends[1];
        snprintf(bench->work, sizeof bench->work, "%s", limit.work);
        struct sigaction action = {.sa_handler = on_signal};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
        open_group();
        return true;
}

void quire_bench_limit_close(void)
{
        close(limit.pipe);
        limit.pipe = -1;
        while (waitpid(limit.guard, NULL, 0) < 0 && errno == EINTR)
                ;
}

void quire_bench_limit_detach(void)
{
        close(limit.pipe);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* ----------------------------------------------------------------------- swap */

/* The swap header, version 1: page 0 holds it, and every other page is usable. */
static bool write_header(int fd, uint64_t bytes)
{
        _Alignas(8) uint8_t page[BENCH_PAGE] = {0};
        uint32_t *info = (uint32_t *)(void *)(page + 1024);
        info[0] = 1;
        info[1] = (uint32_t)(bytes / BENCH_PAGE - 1);
        memcpy(page + BENCH_PAGE - 10, "SWAPSPACE2", 10);
        return pwrite(fd, page, sizeof page, 0) == (ssize_t)sizeof page && fsync(fd) == 0;
}

static void open_swap(uint64_t bytes)
{
        char path[300];
        struct statfs fs;
        snprintf(path, sizeof path, "%s/swap", limit.work);
        if (statfs(limit.work, &fs) == 0 && fs.f_type == TMPFS) {
                snprintf(limit.swap_problem, sizeof limit.swap_problem,
                         "%.100s is in memory; name a disk with --dir", limit.work);
                return;
        }
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        bool ok = fd >= 0;
        if (ok) {
                int error = posix_fallocate(fd, 0, (off_t)bytes);
                if (error)
                        errno = error;
                ok = error == 0 && write_header(fd, bytes) && swapon(path, 0) == 0;
        }
        if (!ok) {
                snprintf(limit.swap_problem, sizeof limit.swap_problem,
                         "no swap file: %s%s", strerror(errno),
                         geteuid() ? " (root can make one)" : "");
                (void)unlink(path);
        }
        if (fd >= 0)
                close(fd);
        limit.swap_on = ok;
}

const char *quire_bench_limit_swap(const struct bench *bench, uint64_t bytes)
{
        (void)bench;
        if (!limit.swap_tried) {
                limit.swap_tried = true;
                if (limit.version != NO_CGROUP)
                        open_swap(bytes);
        }
        if (limit.version == NO_CGROUP)
                return limit.problem;
        return limit.swap_on ? NULL : limit.swap_problem;
}

/* --------------------------------------------------------------------- cgroups */

const char *quire_bench_limit_cgroup(void)
{
        return limit.version == NO_CGROUP ? limit.problem : NULL;
}

bool quire_bench_limit_enter(const char *name, uint64_t bytes)
{
        char path[400], number[32];
        snprintf(path, sizeof path, "%s/%s", limit.group, name);
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
                return false;
        snprintf(path, sizeof path, "%s/%s/%s", limit.group, name,
                 limit.version == CGROUP_V1 ? "memory.limit_in_bytes" : "memory.max");
        snprintf(number, sizeof number, "%llu", (unsigned long long)bytes);
        if (bytes && !write_text(path, number))
                return false;
        snprintf(path, sizeof path, "%s/%s/cgroup.procs", limit.group, name);
        return write_text(path, "0");
}

uint64_t quire_bench_limit_peak(const char *name)
{
        char path[400];
        snprintf(path, sizeof path, "%s/%s/%s", limit.group, name,
                 limit.version == CGROUP_V1 ? "memory.max_usage_in_bytes" : "memory.peak");
        return limit.version == NO_CGROUP ? 0 : read_number(path);
}

void quire_bench_limit_leave(const char *name)
{
        char path[400];
        snprintf(path, sizeof path, "%s/%s", limit.group, name);
        if (limit.version != NO_CGROUP)
                remove_group(path);
}
