/*
 * inside.h - what the files of the simulated host share among themselves.
 */
#ifndef QUIRE_SIM_INSIDE_H
#define QUIRE_SIM_INSIDE_H
#include "host.h"

#include <ucontext.h>

struct quire_sim_plan {
        uint64_t calls, failed;
        uint64_t from;                   /* the number of the first call to fail; 0: none */
        uint64_t times;
};

/* In front of every record that the core was given. */
struct quire_sim_record {
        struct quire_sim_record *next, *prev;
        size_t bytes;
        void *block;                     /* what malloc gave */
        uint64_t canary;
};

#define QUIRE_SIM_FILES 16u
struct quire_sim_file {
        uint64_t limit;
        uint64_t slots;                  /* room in the arrays */
        uint64_t end;                    /* highest slot ever written, plus one */
        uint8_t **page;                  /* null: never written */
        uint8_t *busy;                   /* a write is under way */
};

/* A write under way. */
struct quire_sim_transfer {
        struct quire_sim_transfer *next;
        struct quire_io *io;
        uint64_t due;
        uint8_t *copy;                   /* of all its pages: they must not change meanwhile */
};

struct quire_sim_thread {
        struct quire_sim_host *host;
        struct quire_sim_thread *next;
        char name[32];
        unsigned number;                 /* 0: main; they count up */
        enum quire_sim_state state;
        uint64_t due;                    /* WAITS_IO */
        uint64_t ticket;                 /* of the fault it is in; 0: in none */
        bool answered;                   /* resume() came */
        enum quire_verdict verdict;      /* ... with this */
        struct quire_sim_thread *stepper;
        void (*fn)(void *);
        void *argument;
        uint8_t *stack;                  /* what was mapped: a guard, then the stack */
        const void *bottom;              /* of the stack */
        size_t bytes;
        void *sanitizer;
        ucontext_t context;
};

struct quire_sim_host {
        struct quire_host_ops ops;
        struct quire_sim_host_options options;
        size_t page;
        uint64_t random, now, tickets;
        unsigned threads;                /* started so far */
        bool locked, forgiven;
        struct quire_sim_thread *locker;
        struct quire_sim_record records;         /* the list's head */
        uint64_t record_bytes, record_peak;
        struct quire_sim_plan plan[QUIRE_SIM_POINTS];
        enum quire_sim_io_failure how;
        struct quire_sim_file file[QUIRE_SIM_FILES];
        struct quire_sim_transfer *transfers;
        struct quire_sim_thread main, *running, *previous;  /* main heads the list of threads */
        void (*on_stop)(void *, const char *);
        void (*on_event)(void *, const struct quire_event *);
        void (*on_say)(void *, const char *);
        void (*on_wait)(void *, enum quire_sim_state);
        void *stop_context, *event_context, *say_context, *wait_context;
};

/* file.c */
enum quire_status quire_sim_io_read(struct quire_host *, struct quire_io *);
void quire_sim_io_start(struct quire_host *, struct quire_io *);
struct quire_io *quire_sim_io_poll(struct quire_host *, bool wait);
void quire_sim_files_close(struct quire_sim_host *);

/* thread.c: the running thread waits until the moment, or lets others run */
void quire_sim_wait_until(struct quire_sim_host *, uint64_t due);
void quire_sim_threads_close(struct quire_sim_host *);

#endif
