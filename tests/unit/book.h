/*
 * book.h - a pager for tests: a book of pages, each full of one byte, that answers as
 * it is told, and notes what it was asked.
 */
#ifndef TESTS_UNIT_BOOK_H
#define TESTS_UNIT_BOOK_H
#include "share.h"

enum { BOOK_PAGES = 64 };

struct book {
        uint8_t page[BOOK_PAGES];            /* what each page is full of */
        unsigned filled, asks, wrote, closed;
        uint64_t asked_first, asked_pages;   /* the last time */
        enum quire_status answer, write_answer;
        struct quire_grant *supply;          /* not null: supplied before it answers */
};

/* Modified pages that must leave memory go to the pagefile; or home, four at a time. */
extern const struct quire_pager book_pager, home_pager, read_only_pager;

/* Page i is full of the byte i + 1. */
struct quire_grant *open_book(struct book *, const struct quire_pager *, unsigned flags);
/* `pages' pages of contents, as the book has them from `first' on. */
enum quire_status supply(struct quire_grant *, const struct book *, uint64_t first,
                         uint64_t pages, uint64_t *taken);

#endif
