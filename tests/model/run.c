/*
 * run.c - opening, stepping, comparing and failing of one random run.
 *
 * Does not decide: what the operations do (ops.c, touch.c), what is right
 * (model.c).
 */
#include "run.h"
#include "../../core/core.h"
#include "host.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        LINUX_SLACK = 160,           /* pages that the machine may keep for itself */
        TIER_BUDGET = 1024,          /* pages below which there is no tier */
};

static const uint64_t simulated_low = (uint64_t)5 << 32;

/* ----------------------------------------------------------------- the shape */

static void draw_options(struct run_shape *s, struct draw *d)
{
        struct drive_options *o = &s->options;
        const char *const policies[] = { NULL, "2q", "clock", "lru" };
        uint64_t page;

        o->page_shift = 12;
        if (s->driver == &driver_sim && draw_percent(d, 20))
                o->page_shift = draw_percent(d, 70) ? 14 : 16;
        page = (uint64_t)1 << o->page_shift;
        o->budget = quire_budget_least(page) + draw_below(d, draw_percent(d, 50) ? 48 : 512) * page;
        if (draw_percent(d, 40)) {
                o->tier_percent = 5 + (unsigned)draw_below(d, 76);
                o->budget = (TIER_BUDGET + draw_below(d, 300)) * page;
                s->window += 2 * TIER_BUDGET;
        }
        if (!s->driver->simulated)
                o->budget += LINUX_SLACK * page;
        o->pagefiles = s->driver->simulated ? 1 + (unsigned)draw_below(d, 3) : 1;
        if (draw_percent(d, 10))
                o->pagefiles = 0;
        o->pagefile_bytes = (64 + draw_below(d, draw_percent(d, 50) ? 256 : 4096)) * page;
        o->policy = policies[draw_below(d, 4)];
        o->seed = draw_mix(s->seed);
        o->slow_io = draw_percent(d, 50);
        o->no_plain = draw_percent(d, 40);
        o->no_harvest = draw_percent(d, 30);
        o->no_write_protect = draw_percent(d, 10);
        o->no_share = draw_percent(d, 40);
        if (draw_percent(d, 20))
                o->spurious_percent = 1 + (unsigned)draw_below(d, 30);
        if (draw_percent(d, 20))
                o->commit_limit = (o->budget / page / 4 + draw_below(d, o->budget / page / 2)) *
                                  page;
}

struct run_shape run_shape_drawn(const struct driver *driver, uint64_t seed, uint64_t steps,
                                 bool every_step)
{
        struct run_shape s = { .driver = driver, .seed = seed, .steps = steps };
        struct draw d = { .seed = seed };

        draw_step(&d, ~(uint64_t)0);
        s.audit_every = every_step ? 1 : 500 + draw_below(&d, 2000);
        s.window = every_step ? 128 + draw_below(&d, 512) : 512 + draw_below(&d, 7680);
        s.spaces = driver->spaces < RUN_SPACES ? driver->spaces : RUN_SPACES;
        s.spaces = 1 + (unsigned)draw_below(&d, s.spaces);
        draw_options(&s, &d);
        s.failures = driver->simulated && draw_percent(&d, 25);
        return s;
}

/* -------------------------------------------------------------- saying, failing */

void run_says(struct run *r, const char *format, ...)
{
        char *line = r->history[r->step % RUN_HISTORY];
        va_list args;
        int n = snprintf(line, RUN_LINE, "%8lu  ", (unsigned long)r->step);

        va_start(args, format);
        vsnprintf(line + n, RUN_LINE - (size_t)n, format, args);
        va_end(args);
}

static void print_shape(const struct run *r)
{
        const struct run_shape *s = &r->shape;
        const struct drive_options *o = &s->options;

        fprintf(stderr, "    %s%s: page %lu, budget %lu pages, %u pagefiles of %lu pages,"
                " tier %u %%, policy %s,\n    %u spaces of %lu pages%s%s%s%s%s%s\n",
                s->driver->name,
                s->failures ? ", with failures" : "", (unsigned long)r->page,
                (unsigned long)(o->budget >> r->shift), o->pagefiles,
                (unsigned long)(o->pagefile_bytes >> r->shift), o->tier_percent,
                o->policy ? o->policy : "(default)", s->spaces, (unsigned long)s->window,
                o->slow_io ? ", slow I/O" : "", o->no_plain ? ", no plain" : "",
                o->no_harvest ? ", no harvest" : "",
                o->no_write_protect ? ", no write-protect" : "",
                o->no_share ? ", frames not shared" : "",
                o->commit_limit ? ", a commit limit" : "");
}

static void print_history(const struct run *r)
{
        for (uint64_t i = 1; i <= RUN_HISTORY; i++) {
                const char *line = r->history[(r->step + i) % RUN_HISTORY];

                if (line[0])
                        fprintf(stderr, "  %s\n", line);
        }
}

void run_tell(const struct run *r)
{
        fprintf(stderr, "seed %lu, step %lu of %lu\n", (unsigned long)r->shape.seed,
                (unsigned long)r->step, (unsigned long)r->shape.steps);
        print_shape(r);
        print_history(r);
        fprintf(stderr, "replay: --driver %s --seed %lu --once %lu%s\n", r->shape.driver->name,
                (unsigned long)r->shape.seed, (unsigned long)r->shape.steps,
                r->shape.audit_every == 1 ? " --short" : "");
}

void run_fails(struct run *r, const char *format, ...)
{
        (void)r;
        va_list args;

        fflush(stdout);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, "\n");
        abort();
}

void run_must_be(struct run *r, enum quire_status got, enum quire_status want)
{
        r->refused += want != QUIRE_OK;
        if (got != want)
                run_fails(r, "answers %s, must be %s", quire_status_name(got),
                          quire_status_name(want));
}

uint64_t run_failed(const struct run *r)
{
        struct quire_sim_host *h = r->drive ? r->shape.driver->host(r->drive) : NULL;
        uint64_t sum = 0;

        for (unsigned p = 0; h && p < QUIRE_SIM_POINTS; p++)
                sum += quire_sim_failed(h, (enum quire_sim_point)p);
        return sum + r->book_failures;
}

bool run_at_limit(const struct run *r)
{
        return r->system->counters.committed >= quire_charge_limit(r->system);
}

void run_learn_pages(struct run *r, unsigned space, uint64_t va, uint64_t bytes)
{
        struct model *m = &r->model[space];

        if ((va | bytes) & (r->page - 1) || bytes > 64 * r->page)
                return;
        for (uint64_t i = 0; i < bytes; i += r->page) {
                struct model_page *p = model_page(m, va + i), *kept;
                uint8_t state = 0;

                if (!p || !p->region ||
                    quire_page_map(r->space[space], va + i, r->page, &state) != QUIRE_OK)
                        continue;
                kept = model_kept(m, p);
                if (state >> 4 & QUIRE_PAGE_COPIED)
                        model_own(m, p);
                kept->written |= !!(state >> 4 & QUIRE_PAGE_WRITTEN);
                if (kept != p && model_region(m, p)->grant->object->book)
                        kept->owed |= !!(state >> 4 & QUIRE_PAGE_DIRTY);
        }
}

void run_learn_guards(struct run *r, unsigned space, uint64_t va, uint64_t bytes)
{
        struct quire_info info;

        for (uint64_t i = 0; i < bytes; i += r->page) {
                struct model_page *p = model_page(&r->model[space], va + i);

                if (p && quire_region_query(r->space[space], va + i, &info) == QUIRE_OK)
                        p->guard = info.guarded;
        }
}

bool run_excused(struct run *r, enum quire_status got)
{
        bool failed = run_failed(r) != r->failed;

        for (unsigned i = 0; i < RUN_BOOKS; i++)
                failed |= r->book[i].run && (r->book[i].dead || got == QUIRE_BROKEN);
        if (got == QUIRE_NO_MEMORY)
                failed |= run_is_short(r) || run_at_limit(r);
        if (!failed || (got != QUIRE_NO_MEMORY && got != QUIRE_IO_ERROR && got != QUIRE_BUSY &&
                        got != QUIRE_BROKEN))
                return false;
        run_compare(r, false);
        quire_system_audit(r->system);
        return true;
}

/* ------------------------------------------------------------ open, step, close */

/* A window that the driver's machine has free. */
static uint64_t find_window(struct run *r)
{
        struct quire_request q = { .bytes = r->shape.window << r->shift, .kind = QUIRE_PAGED };
        uint64_t va = 0;

        if (r->shape.driver->simulated)
                return simulated_low;
        run_same(r, quire_region_reserve(r->space[0], &q, &va), QUIRE_OK);
        run_same(r, quire_region_release(r->space[0], va, 0), QUIRE_OK);
        return va;
}

/* Without a limit of its own a system promises what it can hold, which is its
 * own to say (that it keeps the promise, these runs show). */
static void set_promises(struct run *r)
{
        const struct drive_options *o = &r->shape.options;

        r->promises.limit = o->commit_limit >> r->shift;
        if (!o->commit_limit)
                r->promises.limit = quire_charge_limit(r->system);
        r->promises.lock_limit = quire_keep_limit(r->system);
}

void run_open(struct run *r, const struct run_shape *shape)
{
        const struct driver *d = shape->driver;
        enum quire_status st;
        uint64_t low;

        *r = (struct run){ .shape = *shape, .shift = shape->options.page_shift,
                           .trace = r->trace };
        r->page = (uint64_t)1 << r->shift;
        r->draw.seed = shape->seed;
        r->want = malloc(4 * r->page);
        r->got = malloc(4 * r->page);
        st = d->open(&shape->options, &r->drive);
        if (!r->want || !r->got || st != QUIRE_OK)
                run_fails(r, "cannot open: %s", quire_status_name(st));
        r->system = d->system(r->drive);
        set_promises(r);
        r->space[0] = d->space(r->drive);
        low = find_window(r);
        for (r->spaces = 0; r->spaces < shape->spaces; r->spaces++) {
                if (r->spaces)
                        run_same(r, d->space_open(r->drive, shape->options.layout ?
                                                  shape->options.layout : &quire_layout_64,
                                                  &r->space[r->spaces]), QUIRE_OK);
                model_open(&r->model[r->spaces], &r->promises, r->shift, low, shape->window);
        }
}

/* Books whose object is gone, and no other, were closed; they are free. */
static void free_books(struct run *r)
{
        for (unsigned i = 0; i < RUN_BOOKS; i++) {
                if (r->book[i].closed != r->book[i].gone)
                        run_fails(r, "book %u is %sclosed", i, r->book[i].closed ? "" : "not ");
                if (r->book[i].closed)
                        run_book_close(&r->book[i]);
        }
}

void run_close(struct run *r)
{
        run_unhold_all(r);
        run_close_grants(r);
        r->shape.driver->close(r->drive);
        r->drive = NULL;
        for (unsigned i = 0; i < r->spaces; i++)
                model_close(&r->model[i]);
        free_books(r);
        free(r->want);
        free(r->got);
}

/* Let one of the calls to come fail, or several in a row. */
static void arm_failure(struct run *r)
{
        struct quire_sim_host *h = r->shape.driver->host(r->drive);
        static const enum quire_sim_io_failure how[] = { QUIRE_SIM_IO_ERROR, QUIRE_SIM_IO_FULL,
                                                         QUIRE_SIM_IO_TORN };
        enum quire_sim_point point = (enum quire_sim_point)draw_below(&r->draw,
                                                                      QUIRE_SIM_POINTS);
        uint64_t nth = 1 + draw_below(&r->draw, draw_percent(&r->draw, 50) ? 3 : 40);

        if (point == QUIRE_SIM_WRITE && !draw_percent(&r->draw, 5))
                point = QUIRE_SIM_READ;      /* a file that cannot be written is not used long */
        quire_sim_fail_how(h, how[draw_below(&r->draw, 3)]);
        quire_sim_fail(h, point, nth, 1 + draw_below(&r->draw, 3));
}

static void disarm_failures(struct run *r)
{
        struct quire_sim_host *h = r->shape.driver->host(r->drive);

        for (unsigned p = 0; p < QUIRE_SIM_POINTS; p++)
                quire_sim_fail(h, (enum quire_sim_point)p, 1, 0);
        if (quire_sim_failed(h, QUIRE_SIM_WRITE))
                r->hurt = true;
        if (!r->shape.options.commit_limit)
                r->promises.limit = quire_charge_limit(r->system);
}

/* The charge is what the model knows of, and no more besides than it allows. */
static void learn_charge(struct run *r)
{
        r->promises.besides = r->system->counters.committed - r->promises.committed;
        if (r->promises.besides > r->promises.maybe)
                run_fails(r, "%lu pages are committed; must be %lu, and at most %lu more",
                          (unsigned long)r->system->counters.committed,
                          (unsigned long)r->promises.committed,
                          (unsigned long)r->promises.maybe);
}

void run_step(struct run *r)
{
        uint64_t total = 0, at;
        unsigned i = 0;

        if (!r->draw.bytes)
                draw_step(&r->draw, r->step);
        for (const struct run_op *op = run_ops; op->name; op++)
                total += op->weight;
        if (r->shape.failures && draw_percent(&r->draw, 40))
                arm_failure(r);
        at = draw_below(&r->draw, total);
        for (; at >= run_ops[i].weight; i++)
                at -= run_ops[i].weight;
        run_says(r, "%s", run_ops[i].name);
        run_ops[i].act(r);
        if (r->shape.failures)
                disarm_failures(r);
        r->failed = run_failed(r);
        free_books(r);
        learn_charge(r);
        if (r->trace)
                printf("%s\n", r->history[r->step % RUN_HISTORY]);
        if (r->shape.audit_every && r->step % r->shape.audit_every == 0)
                quire_system_audit(r->system);
        r->step++;
}

/* ------------------------------------------------------------------- comparing */

static void compare_info(struct run *r, const struct quire_info *got,
                         const struct quire_info *want, uint64_t va)
{
        if (got->reserved != want->reserved || got->committed != want->committed ||
            got->guarded != want->guarded || got->access != want->access)
                run_fails(r, "query %#lx: reserved %d committed %d guarded %d access %u, "
                          "must be %d %d %d %u", (unsigned long)va, got->reserved,
                          got->committed, got->guarded, got->access, want->reserved,
                          want->committed, want->guarded, want->access);
        if (want->reserved && (got->base != want->base || got->bytes != want->bytes ||
                               got->run_first != want->run_first ||
                               got->run_bytes != want->run_bytes))
                run_fails(r, "query %#lx: region %#lx + %#lx, run %#lx + %#lx, must be "
                          "%#lx + %#lx, %#lx + %#lx", (unsigned long)va,
                          (unsigned long)got->base, (unsigned long)got->bytes,
                          (unsigned long)got->run_first, (unsigned long)got->run_bytes,
                          (unsigned long)want->base, (unsigned long)want->bytes,
                          (unsigned long)want->run_first, (unsigned long)want->run_bytes);
        if (want->reserved && (got->watched != want->watched || got->mark != want->mark ||
                               got->kind != want->kind || got->tag != want->tag))
                run_fails(r, "query %#lx: watched, mark, kind or tag differ", (unsigned long)va);
        if (got->mapped != want->mapped || got->copy != want->copy ||
            got->revoked != want->revoked || got->offset != want->offset ||
            (want->reserved && got->rights != want->rights))
                run_fails(r, "query %#lx: mapped %d, copy %d, revoked %d, rights %u, offset %#lx; "
                          "must be %d, %d, %d, %u, %#lx", (unsigned long)va, got->mapped,
                          got->copy, got->revoked, got->rights, (unsigned long)got->offset,
                          want->mapped, want->copy, want->revoked, want->rights,
                          (unsigned long)want->offset);
}

/* A gap may reach beyond the window, and the machine may show its own in it. */
static void compare_gap(struct run *r, const struct quire_info *got,
                        const struct quire_info *want, uint64_t va)
{
        uint64_t end = r->model[0].low + r->model[0].pages * r->page;

        if (got->run_first > va || got->run_first + got->run_bytes <= va)
                run_fails(r, "query %#lx: the run is elsewhere", (unsigned long)va);
        if (!r->shape.driver->simulated)
                return;
        if ((want->run_first > r->model[0].low && got->run_first != want->run_first) ||
            (want->run_first + want->run_bytes < end &&
             got->run_first + got->run_bytes != want->run_first + want->run_bytes))
                run_fails(r, "query %#lx: the gap is %#lx + %#lx, must be %#lx + %#lx",
                          (unsigned long)va, (unsigned long)got->run_first,
                          (unsigned long)got->run_bytes, (unsigned long)want->run_first,
                          (unsigned long)want->run_bytes);
}

static bool reads_as_zeroes(const struct model_page *p)
{
        for (unsigned i = 0; i < p->content.writes; i++)
                if (p->content.value[i])
                        return false;
        return !p->content.fill;
}

/* One page of a paged region. */
static void compare_state(struct run *r, unsigned space, uint64_t va, uint8_t got)
{
        struct model *m = &r->model[space];
        struct model_page *p = model_page(m, va);
        const struct model_page *kept = model_kept(m, p);
        unsigned state = got & 15, flags = got >> 4;
        bool wanted = kept->locked || kept->holds;
        uint64_t index;
        const struct run_book *b = run_book_at(r, space, va, &index);

        if ((!p->committed && state != QUIRE_PAGE_NONE) ||
            (state == QUIRE_PAGE_NONE && !b && !reads_as_zeroes(model_seen(m, p))) ||
            (state == QUIRE_PAGE_BROKEN && (!b || !b->broken[index])) ||
            (wanted && state != QUIRE_PAGE_PRESENT))
                run_fails(r, "page %#lx is in state %u", (unsigned long)va, state);
        if (!(flags & QUIRE_PAGE_LOCKED) != !wanted ||
            !(flags & QUIRE_PAGE_WRITTEN) != !kept->written)
                run_fails(r, "page %#lx has flags %u; locked %d, written %d", (unsigned long)va,
                          flags, wanted, kept->written);
        /* (Where frames are not shared, a copy of a space may be given copies early.) */
        if (model_region(m, p)->copy && !(flags & QUIRE_PAGE_COPIED) != !p->own &&
            (p->own || !r->cloned || !r->shape.options.no_share))
                run_fails(r, "page %#lx has flags %u; copied %d", (unsigned long)va, flags, p->own);
}

static void compare_map(struct run *r, unsigned space, const struct quire_info *run)
{
        uint64_t pages = run->run_bytes >> r->shift;
        uint8_t *map = malloc(pages);

        if (!map)
                abort();
        run_same(r, quire_page_map(r->space[space], run->run_first, run->run_bytes, map),
                 QUIRE_OK);
        for (uint64_t i = 0; run->kind == QUIRE_PAGED && i < pages; i++)
                compare_state(r, space, run->run_first + i * r->page, map[i]);
        free(map);
}

static void compare_space(struct run *r, unsigned space, bool touch)
{
        struct model *m = &r->model[space];
        uint64_t va = m->low, end = m->low + m->pages * r->page;

        while (va < end) {
                struct quire_info got, want;

                run_same(r, quire_region_query(r->space[space], va, &got),
                         model_query(m, va, &want));
                compare_info(r, &got, &want, va);
                if (want.reserved)
                        compare_map(r, space, &want);
                else
                        compare_gap(r, &got, &want, va);
                if (touch && want.committed && !want.guarded && want.access && !want.revoked)
                        for (uint64_t i = 0; i < want.run_bytes; i += r->page)
                                run_read_page(r, space, want.run_first + i);
                va = want.run_first + want.run_bytes;
        }
}

static void compare_counters(struct run *r)
{
        struct quire_counters c, s;
        uint64_t reserved = 0, resident = 0;
        uint64_t budget = r->system->budget;

        quire_system_counters(r->system, &c);
        for (unsigned i = 0; i < r->spaces; i++) {
                quire_space_counters(r->space[i], &s);
                if (s.reserved != r->model[i].reserved)
                        run_fails(r, "space %u counts %lu pages reserved, must be %lu", i,
                                  (unsigned long)s.reserved,
                                  (unsigned long)r->model[i].reserved);
                reserved += s.reserved;
                resident += s.resident;
        }
        if (c.reserved != reserved || c.resident < resident)
                run_fails(r, "the system's counters are not the sum of its spaces'");
        if (c.locked != r->promises.locked)
                run_fails(r, "%lu pages are locked; must be %lu", (unsigned long)c.locked,
                          (unsigned long)r->promises.locked);
        if (c.resident + c.tier_frames > budget)
                run_fails(r, "resident %lu + %lu (peak %lu) of a budget of %lu",
                          (unsigned long)c.resident, (unsigned long)c.tier_frames,
                          (unsigned long)c.resident_peak, (unsigned long)budget);
}

void run_compare(struct run *r, bool touch)
{
        for (unsigned i = 0; i < r->spaces; i++)
                compare_space(r, i, touch);
        run_compare_objects(r, touch);
        compare_counters(r);
}
