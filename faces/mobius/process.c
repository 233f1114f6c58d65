/*
 * process.c - what stands around a call: the processes, the current one of each
 * thread, the error of each thread, the lock, and memory for records.
 *
 * Does not decide: what a process contains (node.c, share.c).
 *
 * Lock: this is where it is.
 */
#include "inside.h"

static const struct quire_arena arenas[] = {
        { .name = "user", .first = 0, .bytes = (uint64_t)2 << 30, .allocate = true },
        { .name = "kernel", .first = (uint64_t)2 << 30, .bytes = (uint64_t)2 << 30,
          .allocate = true },
};
const struct quire_layout mobius_layout = {
        "Mobius", arenas, sizeof(arenas) / sizeof(arenas[0]),
};

process_t *proc_idle;

/* (Of the initial kind: a fault is no place to allocate a thread's variables.) */
#define THREAD_OWN _Thread_local __attribute__((tls_model("initial-exec")))
static THREAD_OWN process_t *current;
static THREAD_OWN int error;

static char locked;

/* ------------------------------------------------------------- lock and records */

void quire_mobius_lock(const struct lodging *l)
{
        while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE))
                l->ops->pause(l->host);
}

void quire_mobius_unlock(void)
{
        __atomic_clear(&locked, __ATOMIC_RELEASE);
}

void *quire_mobius_alloc(const struct lodging *l, size_t bytes)
{
        void *record;

        l->ops->lock(l->host);
        record = l->ops->alloc(l->host, bytes);
        l->ops->unlock(l->host);
        return record;
}

void quire_mobius_free(const struct lodging *l, void *record, size_t bytes)
{
        if (!record)
                return;
        l->ops->lock(l->host);
        l->ops->free(l->host, record, bytes);
        l->ops->unlock(l->host);
}

/* ------------------------------------------------------------------------ errors */

static const struct {
        int error;
        const char *name;
} answers[] = {
        [QUIRE_OK] = { MOBIUS_OK, "OK" },
        [QUIRE_INVALID] = { MOBIUS_EINVALID, "EINVALID" },
        [QUIRE_NO_MEMORY] = { MOBIUS_ENOMEM, "ENOMEM" },
        [QUIRE_NO_SPACE] = { MOBIUS_ENOSPACE, "ENOSPACE" },
        [QUIRE_CONFLICT] = { MOBIUS_EEXIST, "EEXIST" },
        [QUIRE_NOT_PRESENT] = { MOBIUS_ENOTFOUND, "ENOTFOUND" },
        [QUIRE_LIMIT] = { MOBIUS_ELIMIT, "ELIMIT" },
        [QUIRE_DENIED] = { MOBIUS_EACCESS, "EACCESS" },
        [QUIRE_IO_ERROR] = { MOBIUS_EIO, "EIO" },
        [QUIRE_BROKEN] = { MOBIUS_EBROKEN, "EBROKEN" },
        [QUIRE_UNSUPPORTED] = { MOBIUS_ENOTIMPL, "ENOTIMPL" },
        [QUIRE_BUSY] = { MOBIUS_EBUSY, "EBUSY" },
};
enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

void quire_mobius_answer_error(int number)
{
        error = number;
}

void quire_mobius_answer(enum quire_status st)
{
        error = (unsigned)st < ANSWERS ? answers[st].error : MOBIUS_EINVALID;
}

int mobius_error(void)
{
        return error;
}

const char *mobius_error_name(int number)
{
        for (unsigned i = 0; i < ANSWERS; i++)
                if (answers[i].error == number)
                        return answers[i].name;
        return number == MOBIUS_EHANDLE ? "EHANDLE" : "unknown";
}

/* --------------------------------------------------------------------- processes */

struct context *quire_mobius_current(void)
{
        if (!current)
                error = MOBIUS_EINVALID;
        return (struct context *)current;
}

process_t *mobius_process_current(void)
{
        return current;
}

process_t *mobius_process_enter(process_t *next)
{
        process_t *before = current;

        current = next;
        return before;
}

static bool options_good(const struct mobius_options *o)
{
        if (!o || !o->system || !o->space || !o->host_ops)
                return false;
        if (quire_system_page(o->system) != PAGE_BYTES)
                return false;
        return !((o->first | o->kernel | o->end) % PAGE_BYTES) &&
               (!o->end || (o->first < o->kernel && o->kernel < o->end));
}

process_t *mobius_process_open(const struct mobius_options *o)
{
        struct context *c;

        quire_mobius_answer(QUIRE_INVALID);
        if (!options_good(o))
                return NULL;
        struct lodging lodging = { o->host_ops, o->host };
        quire_mobius_answer(QUIRE_NO_MEMORY);
        c = quire_mobius_alloc(&lodging, sizeof *c);
        if (!c)
                return NULL;
        c->lodging = lodging;
        c->names = o->names;
        c->names_context = o->names_context;
        c->process.space = o->space;
        c->process.system = o->system;
        c->process.first = o->first;
        c->process.kernel = o->end ? o->kernel : (addr_t)2 << 30;
        c->process.end = o->end ? o->end : (addr_t)4 << 30;
        if (quire_mobius_nodes_open(c) != QUIRE_OK) {
                quire_mobius_free(&lodging, c, sizeof *c);
                return NULL;
        }
        if (o->idle)
                proc_idle = &c->process;
        quire_mobius_answer(QUIRE_OK);
        return &c->process;
}

/* Free the first area or reservation that there is.  False: there is none. */
static bool free_first(struct context *c, enum quire_status *worst)
{
        const process_t *p = &c->process;
        vm_node_t *node = NULL;
        enum quire_status st = QUIRE_OK;

        quire_mobius_lock(&c->lodging);
        for (addr_t at = p->first; at < p->end; at += node->num_pages * PAGE_BYTES) {
                node = quire_mobius_tree_find(p->vmm_top, at);
                if (!VMM_NODE_IS_EMPTY(node))
                        break;
        }
        quire_mobius_unlock();
        if (VMM_NODE_IS_EMPTY(node))
                return false;
        if (node->u.desc)
                st = quire_mobius_area_write((struct area *)node->u.desc);
        if (st != QUIRE_OK)
                *worst = st;
        st = quire_mobius_unmap(c, node->base);
        if (st != QUIRE_OK)
                *worst = st;
        return st == QUIRE_OK;
}

bool mobius_process_close(process_t *process)
{
        struct context *c = (struct context *)process;
        struct lodging lodging;
        enum quire_status worst = QUIRE_OK;

        if (!process) {
                quire_mobius_answer(QUIRE_INVALID);
                return false;
        }
        while (free_first(c, &worst))
                ;
        quire_mobius_handles_close(c);
        quire_mobius_nodes_close(c);
        if (proc_idle == process)
                proc_idle = NULL;
        if (current == process)
                current = NULL;
        lodging = c->lodging;
        quire_mobius_free(&lodging, c, sizeof *c);
        quire_mobius_answer(worst);
        return worst == QUIRE_OK;
}
