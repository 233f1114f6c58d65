/*
 * linux.c - the face in a Linux process: opened over the process's space, records
 * from malloc, files by descriptors.
 *
 * Lock: none.  (malloc has its own, and is never called from a fault, save by a handler of the
 * program's that calls Vmm* there.)
 */
#include "inside.h"
#include "quire/file.h"
#include "quire/share.h"
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

static enum quire_status publish_name(void *process, const char *name, struct quire_grant *grant)
{
        struct quire_object_info info;

        quire_object_describe(grant, &info);
        return quire_name_publish(process, name, grant, info.rights);
}

/* With all rights that it was published with. */
static enum quire_status open_name(void *process, const char *name, struct quire_grant **out)
{
        static const unsigned rights[] = { QUIRE_R | QUIRE_W | QUIRE_X, QUIRE_R | QUIRE_W,
                                           QUIRE_R | QUIRE_X, QUIRE_R };
        enum quire_status st = QUIRE_DENIED;

        for (unsigned i = 0; st == QUIRE_DENIED && i < sizeof(rights) / sizeof(rights[0]); i++)
                st = quire_name_open(process, name, rights[i], out);
        return st;
}

static const struct mobius_names user_names = { publish_name, open_name };

static process_t *open_here(struct quire_process *process, const struct mobius_names *names)
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
                .names = names,
                .names_context = process,
        });
}

process_t *mobius_process_here(struct quire_process *process)
{
        return open_here(process, NULL);
}

process_t *mobius_process_shared(struct quire_process *process)
{
        return open_here(process, &user_names);
}

/* ------------------------------------------------------------------------------ files */

struct file {
        file_handle_t handle;          /* first, so that one is the other */
        struct quire_process *process;
        int descriptor;
        bool writes;
};

static enum quire_status open_object(file_handle_t *handle, uint64_t bytes,
                                     struct quire_grant **out)
{
        struct file *f = (struct file *)handle;
        const struct quire_file_options options = {
                .bytes = bytes, .flags = f->writes ? 0 : QUIRE_FILE_READ_ONLY,
        };

        return quire_file_open(f->process, f->descriptor, &options, out);
}

static void close_file(file_handle_t *handle)
{
        struct file *f = (struct file *)handle;

        close(f->descriptor);
        free(f);
}

file_handle_t *mobius_file_of(struct quire_process *process, int descriptor, bool writes)
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
        f->process = process;
        f->writes = writes;
        f->handle = (file_handle_t){ .open = open_object, .closed = close_file, .references = 1,
                                     .bytes = (uint64_t)about.st_size };
        quire_mobius_answer(QUIRE_OK);
        return &f->handle;
}
