/*
 * mobius_stage.h - processes of the Mobius face on a simulated machine, and what a
 * test asks of them.
 *
 * `one' and `two' are processes with a space each, in one system; `one' is current at
 * first.  The machine is the one that the program's arguments name (--driver), so that a
 * test is written once.
 */
#ifndef TESTS_FACES_MOBIUS_STAGE_H
#define TESTS_FACES_MOBIUS_STAGE_H
#include "../unit/stage.h"
#include <mobius.h>

enum { USER = VM_MEM_USER, READ = VM_MEM_READ, WRITE = VM_MEM_WRITE,
       USER_RW = VM_MEM_USER | VM_MEM_READ | VM_MEM_WRITE,
       KERNEL_RW = VM_MEM_KERNEL | VM_MEM_READ | VM_MEM_WRITE };
#define HALF ((addr_t)2 << 30)

extern process_t *one, *two;
extern const struct driver *mobius_driver;

/* test_begin, and --driver. */
void act_begin(int argc, char **argv);
/* Random numbers by the program's seed. */
uint64_t act_random(void);
size_t act_draw(size_t below);

/* With what the options say; their layout and audit are ours. */
void act_open_with(const struct drive_options *);
void act_open(void);
/* Every process is closed, and the referee finds nothing that is left. */
void act_close(void);
/* Another process with a space of its own. */
process_t *act_process(bool idle);

/* Bytes of the program, by address in a process.  0: done; else why it was denied. */
unsigned get(process_t *, const void *at, uint8_t *byte);
unsigned put(process_t *, void *at, uint8_t byte);
unsigned get_as(process_t *, const void *at, unsigned access, uint8_t *byte);
uint8_t byte_of(process_t *, const void *at);
void *page_at(void *base, size_t page);

vm_node_t *node_of(process_t *, const void *at);
struct quire_info info_in(process_t *, const void *at);
uint64_t committed(void);              /* pages, of the system */

/* N1, N2, N3 and the shape of the tree (faces/mobius/node.c, tree.c).  How many nodes. */
unsigned check_nodes(process_t *);

/* A file in memory, which fails on request. */
struct fake_file {
        file_handle_t handle;
        uint8_t *contents;
        bool fails_to_read, fails_to_write;
        unsigned reads, writes, closes;
        void (*during)(struct fake_file *);   /* called inside read and write */
};
/* `bytes' of 1, 2, 3 ... by page number + 1; freed by fake_done. */
void fake_open(struct fake_file *, size_t bytes, bool writes);
void fake_done(struct fake_file *);

#endif
