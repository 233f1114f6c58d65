/*
 * inside.h - what the files of this face share.
 *
 *   context --< place (vm_node_t) >-- area (vm_desc_t) -- grant -- object
 *      |                               |
 *      +--< handle >-------------------+-- file | module | handler
 *
 * Lock: one for the face, quire_mobius_lock(), which waits by the host's pause and is never held
 * across a call that may wait for a page or call a handler.  Letters on fields:
 * [I] fixed at creation, [m] that lock, [a] atomic, since faults read it.
 */
#ifndef FACES_MOBIUS_INSIDE_H
#define FACES_MOBIUS_INSIDE_H
#include "mobius.h"
#include "quire/quire.h"

enum { PAGE_BYTES = 4096 };

/* Where records come from. */
struct lodging {
        const struct quire_host_ops *ops;
        struct quire_host *host;
};

/* A node, and what is not for everybody to see. */
struct place {
        vm_node_t node;                /* [m] first, so that one is the other */
        process_t *process;            /* [I] */
        struct place *next;            /* [a] of the same area; or of the retired */
        unsigned height;               /* [m] of the tree below, itself included */
        bool going;                    /* [m] being freed: nobody's until it is empty */
};

/* One page of an area with a pager, or of one whose reads failed. */
enum { FATE_NONE, FATE_READING, FATE_WRITING, FATE_READ_FAILED, FATE_WRITE_FAILED };

struct image;

struct area {
        vm_desc_t desc;                /* first, likewise */
        struct lodging lodging;        /* [I] */
        struct quire_system *system;   /* [I] */
        struct quire_grant *grant;     /* [I] */
        uint64_t number;               /* [I] the object's */
        size_t refs;                   /* [m] nodes, handles, opens, calls under way */
        struct place *places;          /* [a] those that show it */
        uint8_t *fate;                 /* [a] a page; null: none has one */
        bool paged;                    /* [I] by a pager of ours */
        bool writes;                   /* [I] the grant may */
        struct image *image;           /* [I] IMAGE */
        struct area *next, *prev;      /* [m] of all */
        wchar_t *name;                 /* [m] the copy that desc.name shows */
        size_t name_bytes;
};

enum handle_kind { HANDLE_NONE, HANDLE_AREA, HANDLE_FILE };
struct handle {
        enum handle_kind kind;
        union {
                struct area *area;
                file_handle_t *file;
        } to;
};

struct context {
        process_t process;             /* first, likewise */
        struct lodging lodging;        /* [I] */
        struct handle *handles;        /* [m] handle n is handles[n - 1] */
        size_t room;                   /* [m] of them */
        const struct mobius_names *names;      /* [I] or null */
        void *names_context;           /* [I] */
};

/* process.c: the context of a call */
void quire_mobius_lock(const struct lodging *);
void quire_mobius_unlock(void);
void *quire_mobius_alloc(const struct lodging *, size_t bytes);
void quire_mobius_free(const struct lodging *, void *, size_t bytes);
/* Note the answer of a call. */
void quire_mobius_answer(enum quire_status);
void quire_mobius_answer_error(int);
/* The current process; null: there is none, which is noted. */
struct context *quire_mobius_current(void);

/* tree.c: nodes by base, balanced */
vm_node_t *quire_mobius_tree_insert(vm_node_t *top, vm_node_t *);
vm_node_t *quire_mobius_tree_remove(vm_node_t *top, vm_node_t *);
vm_node_t *quire_mobius_tree_find(vm_node_t *top, addr_t);

/* node.c: the partition of a process */
enum quire_status quire_mobius_nodes_open(struct context *);
void quire_mobius_nodes_close(struct context *);
struct spare {
        struct place *place[2];
};
enum quire_status quire_mobius_spare(struct context *, struct spare *);
void quire_mobius_spare_free(struct context *, struct spare *);
/* => the range is within the node, which is empty or reserved.  The place that is just that
 * range, cut out of it. */
struct place *quire_mobius_carve(struct context *, vm_node_t *, addr_t base, size_t pages,
                                 struct spare *);
/* Make it empty, and one with empty neighbours.  The node may be gone. */
void quire_mobius_empty(struct context *, struct place *);
/* Calls of handlers, which may hold nodes that are freed meanwhile. */
void quire_mobius_handler_begins(void);
void quire_mobius_handler_ended(void);

/* area.c: areas, and what they are made of */
struct making {
        size_t pages;
        unsigned type;
        uint32_t flags;
        void *dest1, *dest2;
};
enum quire_status quire_mobius_area_open(struct context *, const struct making *,
                                         struct area **out);
/* An area for a grant that was found by name. */
enum quire_status quire_mobius_area_adopt(struct context *, struct quire_grant *,
                                          struct area **out);
void quire_mobius_area_hold_locked(struct area *);
/* => the lock is not held: the last one closes the object, which writes files. */
void quire_mobius_area_drop(struct area *);
void quire_mobius_area_link(struct area *, struct place *);
void quire_mobius_area_unlink(struct area *, struct place *);
struct area *quire_mobius_area_of_number(struct quire_system *, uint64_t number);
/* Frees the record itself; the object is gone. */
void quire_mobius_area_free(struct area *);
/* Write what is modified home.  OK where there is no home. */
enum quire_status quire_mobius_area_write(struct area *);
/* The area of the current process that ptr lies in, held; null: none. */
struct area *quire_mobius_area_at(struct context *, const void *ptr, vm_node_t *node);

/* pager.c: contents from handlers, files and images */
extern const struct quire_pager quire_mobius_callback_pager, quire_mobius_file_pager,
        quire_mobius_read_only_pager, quire_mobius_image_pager;
void quire_mobius_note_fate(struct area *, uint64_t page, unsigned fate);

/* map.c: areas in a process */
struct mapping {
        struct area *area;             /* null: reserve */
        size_t pages;
        addr_t start;
        uint32_t flags;
};
/* MEM flags that there are, an address and a size that can be. */
bool quire_mobius_flags_good(const struct context *, const struct mapping *);
enum quire_status quire_mobius_map(struct context *, const struct mapping *, addr_t *base);
/* The node that any address lies in becomes empty.  INVALID: it is. */
enum quire_status quire_mobius_unmap(struct context *, addr_t any);

/* image.c: PE files */
struct image_part {
        uint64_t first, pages;
        unsigned access;
};
enum quire_status quire_mobius_image_open(const struct lodging *, const module_t *,
                                          struct image **out);
void quire_mobius_image_close(const struct lodging *, struct image *);
uint64_t quire_mobius_image_pages(const struct image *);
addr_t quire_mobius_image_base(const struct image *);
/* It can be anywhere? */
bool quire_mobius_image_moves(const struct image *);
void quire_mobius_image_place(struct image *, module_t *, addr_t base);
/* The nth part with an access of its own.  False: there is none. */
bool quire_mobius_image_part(const struct image *, unsigned n, struct image_part *out);
void quire_mobius_image_fill(const struct image *, uint64_t page, uint8_t *out);

/* share.c */
struct handle *quire_mobius_handle(struct context *, handle_t, enum handle_kind);
void quire_mobius_handles_close(struct context *);
void quire_mobius_file_hold(file_handle_t *);
enum quire_status quire_mobius_share(struct context *, const void *base, const wchar_t *name,
                                     struct area **out);
enum quire_status quire_mobius_open_shared(struct context *, const wchar_t *name,
                                           struct area **out);

#endif
