/*
 * run.h - one run of random operations against a driver and the model beside it.
 *
 * A run is fixed by its driver, its seed (or a fuzzer's bytes) and its shape.
 * What differs is printed, and the program aborts; run_tell() then says what
 * replays it.
 *
 *   run.c    opening, closing, stepping, comparing, failing
 *   ops.c    the operations on regions
 *   share.c  the operations on objects, grants, pagers and whole spaces
 *   book.c   the pagers
 *   touch.c  the accesses, and the comparison of what is read
 */
#ifndef TESTS_MODEL_RUN_H
#define TESTS_MODEL_RUN_H
#include "../conform/driver.h"
#include "draw.h"
#include "model.h"

enum { RUN_SPACES = 3, RUN_HOLDS = 8, RUN_HISTORY = 16, RUN_LINE = 160, RUN_GRANTS = 10,
       RUN_BOOKS = 4 };

struct run_shape {
        const struct driver *driver;
        uint64_t seed;
        uint64_t steps;
        uint64_t audit_every;            /* steps; 0: never */
        uint64_t window;                 /* pages of each space that regions lie in */
        unsigned spaces;
        bool failures;                   /* simulated: calls of the host and the machine fail */
        struct drive_options options;
};

struct run_hold {
        unsigned space;
        uint64_t va, pages;
};

/* Every handle has one. */
struct run_grant {
        struct quire_grant *real;
        struct model_grant *model;
};

/* A pager, and what it has. */
enum { BOOK_PAGES = 48 };
enum { BOOK_BROKEN = 1, BOOK_PERHAPS = 2 };     /* the page; if nobody had it when it was failed */
enum book_ahead { BOOK_NOT_AHEAD, BOOK_FILLS, BOOK_FILLS_IN_TWO, BOOK_FILLS_NOT, BOOK_AHEADS };
struct run_book {
        struct run *run;                 /* null: the book is free */
        struct model_object *object;
        struct quire_pager pager;
        uint8_t *home;
        struct model_content first[BOOK_PAGES];
        uint8_t broken[BOOK_PAGES];
        bool dead, closed, gone, late;         /* gone: the model says that it is
                                          * closed; late: supplies, and then says BUSY */
        unsigned fill_fails, write_fails;
        enum quire_status answer;        /* to a fill that fails */
        enum book_ahead ahead;           /* how it fills what nobody asked for yet */
};

struct run {
        struct run_shape shape;
        struct drive *drive;
        struct quire_system *system;
        struct model_system promises;
        unsigned spaces;
        struct quire_space *space[RUN_SPACES];
        struct model model[RUN_SPACES];
        unsigned shift;
        uint64_t page;                   /* bytes */
        uint64_t step;
        struct draw draw;
        struct run_hold hold[RUN_HOLDS];
        unsigned holds;
        struct run_grant grant[RUN_GRANTS];
        unsigned grants;
        struct run_book book[RUN_BOOKS];
        uint64_t book_failures;          /* answers of pagers that were no success */
        bool cloned;                     /* a space was */
        uint64_t fills;                  /* pages written whole so far */
        uint8_t *want, *got;             /* four pages each */
        uint64_t accesses, denials, refused;
        char history[RUN_HISTORY][RUN_LINE];
        bool trace;                      /* print every step */
        uint64_t charged;                /* pages of the budget */
        uint64_t failed;                 /* calls that were made to fail, up to this step's begin */
        bool hurt;                       /* a write failed: see run_is_short() */
};

/* The choices that make a run: from its seed alone. */
struct run_shape run_shape_drawn(const struct driver *, uint64_t seed, uint64_t steps,
                                 bool every_step);
void run_open(struct run *, const struct run_shape *);
void run_step(struct run *);
void run_close(struct run *);
/* Compare everything that can be seen without touching a page; then, if asked,
 * every byte that can be read. */
void run_compare(struct run *, bool touch);

/* What the present step does, for the history. */
void run_says(struct run *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void run_fails(struct run *, const char *format, ...)
        __attribute__((noreturn, format(printf, 2, 3)));
/* Where the run stands and what replays it: for whoever catches the abort. */
void run_tell(const struct run *);
/* Calls that were made to fail so far. */
uint64_t run_failed(const struct run *);
/* May the driver answer so because something was made to fail?  Then nothing
 * may have changed, which is checked, and the model is not asked. */
bool run_excused(struct run *, enum quire_status got);
void run_must_be(struct run *, enum quire_status got, enum quire_status want);
/* Does everything that may be committed say that no more can be? */
bool run_at_limit(const struct run *);
/* Where something failed (and only there), a guard mark may have been left to alarm once more, or
 * be gone already: the driver says which. */
void run_learn_guards(struct run *, unsigned space, uint64_t va, uint64_t bytes);
/* Where an access or a lock went half way: what was noted as written, what was copied. */
void run_learn_pages(struct run *, unsigned space, uint64_t va, uint64_t bytes);
/* The driver's answer and the model's, which is asked second. */
#define run_same(r, answer, models_answer)                                              \
        do {                                                                            \
                enum quire_status answer_ = (answer);                                   \
                if (!run_excused((r), answer_))                                         \
                        run_must_be((r), answer_, (models_answer));                     \
        } while (0)

struct run_op {
        const char *name;
        unsigned weight;
        void (*act)(struct run *);
};
extern const struct run_op run_ops[];          /* ends with a null name */

/* ops.c */
struct run_target {                            /* a range that an operation is made on */
        unsigned space;
        uint64_t va, bytes;
        struct model *model;
        struct quire_space *in;
};
/* Mostly a part of a region; sometimes anything at all. */
struct run_target run_pick(struct run *, uint64_t most_pages);
unsigned run_pick_access(struct run *);
void run_unhold_all(struct run *);

/* share.c */
void act_object_open(struct run *);
void act_map(struct run *);
void act_object_clone(struct run *);
void act_narrow(struct run *);
void act_grant_close(struct run *);
void act_revoke(struct run *);
void act_written(struct run *);
void act_flush(struct run *);
void act_answers(struct run *);
void act_supply(struct run *);
void act_pager_fail(struct run *);
void act_space_clone(struct run *);
void act_space_close(struct run *);
void run_close_grants(struct run *);
void run_compare_objects(struct run *, bool contents);

/* book.c */
struct run_book *run_book_open(struct run *, uint64_t pages);
uint8_t run_book_number(const struct run_book *);
void run_book_close(struct run_book *);
/* May storage be less than was promised?  A write failed, or a pager is dead that was to take
 * what must leave memory, for which nobody promised any. */
bool run_is_short(const struct run *);
bool run_is_home(struct run_book *, uint64_t index);
struct run_book *run_book_at(struct run *, unsigned space, uint64_t va, uint64_t *index);

/* touch.c */
void run_read_page(struct run *, unsigned space, uint64_t va);
/* kind 0: one word over and over (maybe zeroes), 1: compresses well, 2: somewhat,
 * 3: hardly */
void run_fill_page(struct run *, unsigned space, uint64_t va, unsigned kind);
void act_read(struct run *);
void act_read_across(struct run *);
void act_write(struct run *);
void act_fill(struct run *);
void act_fetch(struct run *);
void act_sweep(struct run *);

#endif
