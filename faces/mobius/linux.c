/*
 * linux.c - the face in a Linux process: opened over the process's space, records
 * from malloc, files by descriptors.
 *
 * read and write of a file are made in faults, that is in signal context: pread and pwrite
 * only.
 *
 * Lock: none.  (malloc has its own, and is never called from a fault, save by a handler of the
 * program's that calls Vmm* there.)
 */
#include "inside.h"
#include "quire/process.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void *alloc_record(struct quire_host *h, size_t bytes)
{
        (void)h;
        return calloc(1, bytes);
}

static void free_record(struct quire_host *h, void *record, size_t bytes)
{
        (void)h;
        (void)bytes;
        free(record);
}

static void lock_nothing(struct quire_host *h)
{
        (void)h;
}

static void let_others_run(struct quire_host *h)
{
        (void)h;
        sched_yield();
}

static const struct quire_host_ops host_ops = {
        .alloc = alloc_record, .free = free_record,
        .lock = lock_nothing, .unlock = lock_nothing, .pause = let_others_run,
};

process_t *mobius_process_here(struct quire_process *process)
{
        const struct quire_arena *last =
                &quire_layout_64.arenas[quire_layout_64.count - 1];

        if (!process) {
                quire_mobius_answer(QUIRE_INVALID);
                return NULL;
        }
        return mobius_process_open(&(struct mobius_options){
                .system = quire_process_system(process),
                .space = quire_process_space(process),
                .host_ops = &host_ops,
                .first = 64 << 10,
                .kernel = (addr_t)2 << 30,
                .end = last->first,
        });
}

/* ------------------------------------------------------------------------------ files */

struct file {
        file_handle_t handle;          /* first, so that one is the other */
        int descriptor;
};

static bool read_file(file_handle_t *handle, uint64_t offset, void *out, size_t bytes)
{
        struct file *f = (struct file *)handle;

        for (size_t done = 0; done < bytes;) {
                ssize_t n = pread(f->descriptor, (char *)out + done, bytes - done,
                                  (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)                   /* 0: it was truncated */
                        return false;
                done += (size_t)n;
        }
        return true;
}

static bool write_file(file_handle_t *handle, uint64_t offset, const void *in, size_t bytes)
{
        struct file *f = (struct file *)handle;

        for (size_t done = 0; done < bytes;) {
                ssize_t n = pwrite(f->descriptor, (const char *)in + done, bytes - done,
                                   (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                done += (size_t)n;
        }
        return true;
}

static void close_file(file_handle_t *handle)
{
        struct file *f = (struct file *)handle;

        close(f->descriptor);
        free(f);
}

file_handle_t *mobius_file_of(int descriptor, bool writes)
{
        struct file *f = calloc(1, sizeof *f);
        struct stat about;

        quire_mobius_answer(QUIRE_NO_MEMORY);
        if (!f)
                return NULL;
        quire_mobius_answer(QUIRE_INVALID);
        f->descriptor = dup(descriptor);
        if (f->descriptor < 0 || fstat(f->descriptor, &about) || !S_ISREG(about.st_mode)) {
                if (f->descriptor >= 0)
                        close(f->descriptor);
                free(f);
                return NULL;
        }
        f->handle = (file_handle_t){ .read = read_file, .closed = close_file, .references = 1,
                                     .bytes = (uint64_t)about.st_size };
        if (writes)
                f->handle.write = write_file;
        quire_mobius_answer(QUIRE_OK);
        return &f->handle;
}
