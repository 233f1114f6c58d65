/*
 * scene.h - scenes: short programs on the native interface in which every call
 * of the host and the machine is made to fail, one after the other.
 *
 * A scene acts through the functions below, each of which makes a call on the
 * driver and on the model.  Where the call may have failed because something
 * was made to fail, they check that nothing changed and try again, a few times;
 * false: it failed each time, and the scene ends.
 */
#ifndef TESTS_OOM_SCENE_H
#define TESTS_OOM_SCENE_H
#include "../../core/core.h"
#include "host.h"
#include "run.h"
#include "sim.h"

struct scene {
        const char *name;
        void (*play)(struct run *);
        struct drive_options options;        /* what is zero takes the default */
        unsigned spaces;                     /* 0: one */
};
extern const struct scene scenes[];              /* ends with a null name */

enum { RW = QUIRE_R | QUIRE_W };

bool do_reserve(struct run *, unsigned space, uint64_t pages, unsigned flags,
                enum quire_region_kind, uint64_t *va);
bool do_change(struct run *, unsigned space, enum model_op, uint64_t va, uint64_t pages,
               unsigned value);
bool do_release(struct run *, unsigned space, uint64_t va, uint64_t pages);
bool do_split(struct run *, unsigned space, uint64_t va);
bool do_move(struct run *, unsigned space, uint64_t from, uint64_t pages, uint64_t to);
bool do_advise(struct run *, unsigned space, uint64_t va, uint64_t pages, enum quire_advice);
bool do_watch(struct run *, unsigned space, uint64_t va, uint64_t pages, bool reset);
/* Hold as much as is allowed; *held: pages. */
bool do_hold(struct run *, unsigned space, uint64_t va, uint64_t pages, unsigned access,
             uint64_t *held);
void do_unhold(struct run *, unsigned space, uint64_t va, uint64_t pages);
/* A region, committed to be read and written. */
bool do_region(struct run *, unsigned space, uint64_t pages, unsigned flags, uint64_t *va);
/* Accesses: a denial for want of memory, or of the pagefile, is let pass. */
void do_fill(struct run *, unsigned space, uint64_t va, uint64_t pages, unsigned kind);
void do_read(struct run *, unsigned space, uint64_t va, uint64_t pages);

#endif
