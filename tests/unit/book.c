/*
 * book.c - the pager of book.h.
 */
#include "book.h"

static void note_no_lock(void)
{
        if (on->host(stage))
                CHECK(!quire_sim_locked(on->host(stage)));
}

static enum quire_status fill_book(void *context, uint64_t offset, uint64_t bytes,
                                   unsigned access, void *const page[])
{
        struct book *b = context;

        (void)access;
        note_no_lock();
        b->asks++;
        b->asked_first = offset / PAGE;
        b->asked_pages = bytes / PAGE;
        b->filled += (unsigned)b->asked_pages;
        if (b->supply)
                CHECK(supply(b->supply, b, b->asked_first, b->asked_pages, NULL) == QUIRE_OK);
        for (uint64_t i = 0; b->answer == QUIRE_OK && i < bytes / PAGE; i++)
                memset(page[i], b->page[offset / PAGE + i], PAGE);
        return b->answer;
}

static enum quire_status write_book(void *context, uint64_t offset, uint64_t bytes,
                                    const void *const page[])
{
        struct book *b = context;

        note_no_lock();
        b->wrote += (unsigned)(bytes / PAGE);
        for (uint64_t i = 0; b->write_answer == QUIRE_OK && i < bytes / PAGE; i++)
                b->page[offset / PAGE + i] = *(const uint8_t *)page[i];
        return b->write_answer;
}

static void close_book(void *context)
{
        note_no_lock();
        ((struct book *)context)->closed++;
}

const struct quire_pager book_pager = { .fill = fill_book, .write = write_book,
                                        .closed = close_book };
const struct quire_pager home_pager = { .fill = fill_book, .write = write_book,
                                        .closed = close_book, .most = 4, .evicts = true };
const struct quire_pager read_only_pager = { .fill = fill_book, .closed = close_book };

struct quire_grant *open_book(struct book *b, const struct quire_pager *pager, unsigned flags)
{
        const struct quire_object_request q = { .bytes = BOOK_PAGES * PAGE,
                                                .kind = QUIRE_CALLBACK, .pager = pager,
                                                .context = b, .flags = flags };
        struct quire_grant *g = NULL;

        *b = (struct book){ .answer = QUIRE_OK };
        for (unsigned i = 0; i < BOOK_PAGES; i++)
                b->page[i] = (uint8_t)(i + 1);
        REQUIRE(quire_object_open(sys, &q, &g) == QUIRE_OK);
        return g;
}

enum quire_status supply(struct quire_grant *g, const struct book *b, uint64_t first,
                         uint64_t pages, uint64_t *taken)
{
        static uint8_t contents[BOOK_PAGES * 4096];      /* stacks of handlers are small */

        for (uint64_t i = 0; i < pages; i++)
                memset(contents + i * PAGE, b->page[first + i], PAGE);
        return quire_pager_supply(g, first * PAGE, pages * PAGE, contents, taken);
}
