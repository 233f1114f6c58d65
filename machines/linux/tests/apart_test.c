/*
 * apart_test.c - what processes that were started apart have of one memory: each test
 * is named after the row that it asserts.
 *
 * They are this program, executed again (grant_peer.h), and come by the memory through a
 * name, a grant that they receive, or a file.  Memory that processes share is
 * QUIRE_HOSTED: paged objects do not leave their process, which is asserted, too.
 */
#include "grant_peer.h"
#include "inline.h"
#include "quire/file.h"
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define COPIED 0xc0u             /* what is written into copies */

/* ------------------------------------------------------------------ in each process */

static enum quire_status map_with(struct holding *h, unsigned access, unsigned flags, uint64_t va)
{
        struct quire_request r = { .grant = h->grant, .access = access, .flags = flags, .va = va };
        struct quire_object_info info;

        if (!h->grant)
                return QUIRE_INVALID;
        quire_object_describe(h->grant, &info);
        r.bytes = h->bytes = info.bytes;
        return quire_region_reserve(quire_process_space(process), &r, &h->va);
}

static enum quire_status map_file(struct holding *h, const char *path)
{
        enum quire_status st = quire_file_open_path(process, path, NULL, &h->grant);

        return st == QUIRE_OK ? map_with(h, RW, 0, 0) : st;
}

/* Pages there that are this process's own, as the kernel counts them. */
static uint64_t own_pages(const struct holding *h)
{
        FILE *maps = fopen("/proc/self/smaps", "re");
        unsigned long long first, end, kilobytes, n = 0;
        bool inside = false;
        char line[512];

        while (maps && fgets(line, sizeof(line), maps)) {
                if (sscanf(line, "%llx-%llx ", &first, &end) == 2)
                        inside = first >= h->va && end <= h->va + h->bytes;
                else if (inside && sscanf(line, "Anonymous: %llu kB", &kilobytes) == 1)
                        n += kilobytes * 1024 / PG;
        }
        if (maps)
                (void)fclose(maps);
        return n;
}

/* Does the space show an object at this address? */
static uint64_t shows_object(uint64_t va)
{
        struct quire_info info;

        return quire_region_query(quire_process_space(process), va, &info) == QUIRE_OK &&
               info.mapped;
}

/* All that is seen there, as one number. */
static uint64_t sum_of(const struct holding *h)
{
        uint64_t sum = 0;

        for (uint64_t at = h->va; at < h->va + h->bytes; at += 8)
                sum = (sum ^ __atomic_load_n((uint64_t *)(uintptr_t)at, __ATOMIC_RELAXED)) *
                      0x100000001b3u;
        return sum;
}

/* ------------------------------------------------------------------ writers in a race */

enum { WORDS = 64, GATE = 0, LOCK = 8 };     /* the gate and the lock: words of page 0 */

static uint64_t *word_of(const struct holding *h, unsigned page, unsigned i)
{
        return (uint64_t *)(uintptr_t)(h->va + page * PG + i * 8);
}

/* Says of itself who wrote it, and that it is whole. */
static uint64_t stamp(uint64_t who, uint64_t round)
{
        uint64_t half = who << 24 | round;

        return half | (half ^ 0xffffffff) << 32;
}

static bool is_whole(uint64_t word, unsigned writers)
{
        uint64_t half = word & 0xffffffff;

        return !word || (word >> 32 == (half ^ 0xffffffff) && half >> 24 < writers);
}

static void lock_memory(const struct holding *h)
{
        while (__atomic_exchange_n(word_of(h, 0, LOCK), 1, __ATOMIC_ACQUIRE))
                (void)sched_yield();
}

/* All begin at once.  False: the others do not come, or are not seen. */
static bool pass_gate(const struct holding *h, unsigned writers)
{
        uint64_t *gate = word_of(h, 0, GATE);

        (void)__atomic_fetch_add(gate, 1, __ATOMIC_RELEASE);
        for (unsigned i = 0; i < 10000 && __atomic_load_n(gate, __ATOMIC_ACQUIRE) < writers; i++)
                (void)sched_yield();
        return BECOMES(__atomic_load_n(gate, __ATOMIC_ACQUIRE) >= writers);
}

static atomic_bool racing;               /* with somebody who evicts */
static atomic_uint evictions;

/* Does not go on before all pages were told to leave once more. */
static void let_evict(void)
{
        unsigned seen = evictions;

        while (racing && evictions - seen < 2)
                (void)sched_yield();
}

/*
 * One of `writers' that write the same words at once: on page 1 without regard for each
 * other, on page 2 under a lock that lies in the memory, on page 3 with atomic
 * additions.  Returns how much was seen that must not be.
 */
static uint64_t race(const struct holding *h, unsigned who, unsigned writers, uint64_t rounds)
{
        uint64_t wrong = 0;

        if (!pass_gate(h, writers))
                return 1;
        for (uint64_t round = 0; round < rounds; round++) {
                if (round % 1000 == 500)
                        let_evict();
                for (unsigned i = 0; i < WORDS; i++) {
                        uint64_t *word = word_of(h, 1, i);
                        wrong += !is_whole(__atomic_load_n(word, __ATOMIC_RELAXED), writers);
                        __atomic_store_n(word, stamp(who, round), __ATOMIC_RELAXED);
                }
                lock_memory(h);
                for (unsigned i = 1; i < WORDS; i++)
                        wrong += *word_of(h, 2, i) != *word_of(h, 2, 0);
                for (unsigned i = 0; i < WORDS; i++)
                        ++*word_of(h, 2, i);
                __atomic_store_n(word_of(h, 0, LOCK), 0, __ATOMIC_RELEASE);
                (void)__atomic_fetch_add(word_of(h, 3, round % WORDS), 1, __ATOMIC_RELAXED);
        }
        return wrong;
}

static struct answer do_more(const struct order *o)
{
        struct holding *h = &holding[o->slot % SLOTS];
        struct answer a = { .status = QUIRE_OK };

        switch (o->op) {
        case OP_MAKE:
                new_object(o->slot);
                break;
        case OP_FILE:
                a.status = map_file(h, o->name);
                break;
        case OP_COPY:
                a.status = map_with(h, o->rights, QUIRE_COPY, 0);
                a.value = h->va;
                break;
        case OP_PLACE:
                a.status = map_with(h, o->rights, o->number ? QUIRE_EXACT : 0, o->number);
                a.value = h->va;
                break;
        case OP_LOOK:
                a.value = shows_object(o->number);
                break;
        case OP_TOUCH:
                a.status = access_byte(o->number, 256, &a.value) ? QUIRE_OK : QUIRE_DENIED;
                break;
        case OP_OWN:
                a.value = own_pages(h);
                break;
        case OP_RACE:
                a.value = race(h, o->other, o->rights, o->number);
                break;
        case OP_SUM:
                a.value = sum_of(h);
                break;
        default:
                a.status = QUIRE_UNSUPPORTED;
        }
        return a;
}

/* ------------------------------------------------------------------------ names */

/* What is not HOSTED has no name, and is not sent. */
static void check_nameless(struct quire_grant *g)
{
        CHECK_EQ(quire_name_publish(process, "paged", g, QUIRE_R), QUIRE_UNSUPPORTED);
        CHECK(strstr(quire_process_problem(), "QUIRE_HOSTED"));
        quire_grant_close(g);
}

/* Whoever makes it second is told that it is there, and gets the same. */
static void test_B55_the_second_of_a_name_gets_the_first(void)
{
        const struct quire_object_request paged = { .bytes = PAGES * PG };
        char path[] = "/tmp/quire-apart-XXXXXX";
        struct quire_grant *g;
        struct peer p, q;
        int fd = mkstemp(path);

        peer_start(&p);
        peer_start(&q);
        new_object(0);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "row/B55").status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAKE, 0, 0, 0).status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "row/B55").status, QUIRE_CONFLICT);
        CHECK_EQ(tell_name(&p, OP_OPEN, 1, RW, "row/B55").status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 1, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell_name(&q, OP_OPEN, 0, RW, "row/B55").status, QUIRE_OK);
        CHECK_EQ(tell(&q, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_WRITE, 1, 5, 2).status, QUIRE_OK);
        CHECK(holds_byte(NULL, 0, 2, 5) && holds_byte(&q, 0, 2, 5));
        CHECK_EQ(tell(&q, OP_WRITE, 0, 6, 2).status, QUIRE_OK);
        CHECK(holds_byte(NULL, 0, 2, 6) && holds_byte(&p, 1, 2, 6));
        CHECK_EQ(tell(&p, OP_READ, 1, 0, PAGES).status, QUIRE_INVALID);  /* of its size */
        CHECK(holds_byte(&p, 0, 2, 18));                 /* what has no name is its maker's */
        drop(&p, 1);
        CHECK_EQ(tell_name(&p, OP_PUBLISH, 0, RW, "row/B55").status, QUIRE_CONFLICT);
        REQUIRE(!quire_object_open(quire_process_system(process), &paged, &g));
        check_nameless(g);
        REQUIRE(fd >= 0 && !ftruncate(fd, PAGES * PG) &&
                !quire_file_open(process, fd, NULL, &g));
        check_nameless(g);
        (void)close(fd);
        (void)unlink(path);
        peer_stop(&p);
        peer_stop(&q);
        drop(NULL, 0);
}

static enum quire_status seek_name(struct peer *p, const char *name)
{
        return tell_name(p, OP_OPEN, 3, QUIRE_R, name).status;
}

static void test_B56_what_has_no_name_is_not_found(void)
{
        struct peer p;

        peer_start(&p);
        new_object(0);
        CHECK_EQ(seek_name(NULL, "row/B56"), QUIRE_NOT_PRESENT);
        CHECK(strstr(quire_process_problem(), "nobody holds that name"));
        CHECK_EQ(seek_name(&p, "row/B56"), QUIRE_NOT_PRESENT);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, QUIRE_R, "row/B56").status, QUIRE_OK);
        CHECK_EQ(seek_name(&p, "row/B5"), QUIRE_NOT_PRESENT);
        CHECK_EQ(seek_name(&p, "row/B56 "), QUIRE_NOT_PRESENT);
        CHECK_EQ(seek_name(&p, "ROW/B56"), QUIRE_NOT_PRESENT);
        CHECK_EQ(tell_name(&p, OP_OPEN, 3, RW, "row/B56").status, QUIRE_DENIED);  /* it is there */
        CHECK_EQ(seek_name(&p, "row/B56"), QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 3, QUIRE_R, 0).status, QUIRE_OK);
        CHECK_EQ(tell_name(NULL, OP_WITHDRAW, 0, 0, "row/B56").status, QUIRE_OK);
        CHECK_EQ(tell_name(&p, OP_OPEN, 4, QUIRE_R, "row/B56").status, QUIRE_NOT_PRESENT);
        CHECK(holds_byte(&p, 3, 1, 17));                 /* who has it keeps it */
        drop(&p, 3);
        drop(NULL, 0);
        new_object(0);                                   /* the name is free for another */
        CHECK_EQ(tell(NULL, OP_WRITE, 0, 99, 1).status, QUIRE_OK);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, QUIRE_R, "row/B56").status, QUIRE_OK);
        CHECK_EQ(seek_name(&p, "row/B56"), QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 3, QUIRE_R, 0).status, QUIRE_OK);
        CHECK(holds_byte(&p, 3, 1, 99));
        drop(&p, 3);
        drop(NULL, 0);
        CHECK(BECOMES(seek_name(&p, "row/B56") == QUIRE_NOT_PRESENT));   /* with the last */
        peer_stop(&p);
}

/* ------------------------------------------------------------------------ views */

static void test_B57_views_at_other_addresses(void)
{
        uint64_t va[2], chosen;
        struct peer p;

        peer_start(&p);
        new_object(0);
        for (unsigned i = 0; i < 3; i++)
                CHECK_EQ(hand_over(NULL, 0, RW, &p, i).status, QUIRE_OK);
        for (unsigned i = 0; i < 2; i++) {
                va[i] = tell(&p, OP_PLACE, i, RW, 0).value;
                CHECK(va[i]);
        }
        CHECK(va[0] != va[1]);
        chosen = (va[0] > va[1] ? va[0] : va[1]) + ((uint64_t)16 << 20);
        CHECK_EQ(tell(&p, OP_PLACE, 2, RW, va[1]).status, QUIRE_CONFLICT);
        CHECK_EQ(tell(&p, OP_PLACE, 2, RW, chosen).value, chosen);
        CHECK(holding[0].va != chosen);                  /* three there, one here */
        for (unsigned i = 0; i < 60; i++) {
                unsigned page = i % PAGES;

                CHECK_EQ(tell(i % 4 < 3 ? &p : NULL, OP_WRITE, i % 4 % 3, 100 + i, page).status,
                         QUIRE_OK);
                CHECK(holds_byte(NULL, 0, page, 100 + i));
                for (unsigned k = 0; k < 3; k++)
                        CHECK(holds_byte(&p, k, page, 100 + i));
        }
        peer_stop(&p);
        drop(NULL, 0);
}

static void test_B59_seen_by_nobody_who_did_not_map_it(void)
{
        struct stat memory;
        struct peer p, q;
        uint64_t va;

        peer_start(&p);
        peer_start(&q);
        new_object(0);
        REQUIRE(own_memory(&memory));
        CHECK(seek_memory_in(getpid(), memory.st_ino) > 0);
        CHECK_EQ(tell_name(NULL, OP_PUBLISH, 0, RW, "row/B59").status, QUIRE_OK);
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_LOOK, 0, 0, holding[0].va).value, 0);       /* it might, and did not */
        CHECK_EQ(tell(&p, OP_READ, 0, 0, 0).status, QUIRE_INVALID);
        va = tell(&p, OP_PLACE, 0, RW, 0).value;
        CHECK_EQ(tell(&p, OP_LOOK, 0, 0, va).value, 1);
        CHECK_EQ(tell(&p, OP_TOUCH, 0, 0, va).value, 16);
        /* q lives, and has nothing */
        CHECK_EQ(tell(&q, OP_COUNT, 0, 0, 0).status, QUIRE_OK);
        CHECK_EQ(seek_memory_in(q.pid, memory.st_ino), 0);
        CHECK_EQ(tell(&q, OP_LOOK, 0, 0, va).value, 0);
        CHECK_EQ(tell(&q, OP_LOOK, 0, 0, holding[0].va).value, 0);
        CHECK_EQ(tell(&p, OP_UNMAP, 0, 0, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_LOOK, 0, 0, va).value, 0);
        CHECK_EQ(tell(&p, OP_TOUCH, 0, 0, va).status, QUIRE_DENIED);
        CHECK(holds_byte(NULL, 0, 0, 16));
        CHECK_EQ(tell(&p, OP_CLOSE, 0, 0, 0).status, QUIRE_OK);
        CHECK(BECOMES(!seek_memory_in(p.pid, memory.st_ino)));
        peer_stop(&p);
        peer_stop(&q);
        drop(NULL, 0);
}

/* ---------------------------------------------------------------- copy on write */

/* Frames that hold what is seen of the memory: its own, and those that were copied. */
static uint64_t count_frames(struct peer *p, unsigned peers)
{
        struct stat memory;
        uint64_t n;

        REQUIRE(own_memory(&memory));
        n = (uint64_t)memory.st_blocks * 512 / PG + tell(NULL, OP_OWN, 0, 0, 0).value;
        for (unsigned i = 0; i < peers; i++)
                n += tell(&p[i], OP_OWN, 0, 0, 0).value;
        return n;
}

static void test_B40_one_frame_until_it_is_written_then_two(void)
{
        const struct quire_object_request r = { .bytes = PAGES * PG, .flags = QUIRE_HOSTED };
        struct peer p[2];

        REQUIRE(!quire_object_open(quire_process_system(process), &r, &holding[0].grant));
        CHECK_EQ(tell(NULL, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell(NULL, OP_WRITE, 0, 16, 1).status, QUIRE_OK);
        for (unsigned i = 0; i < 2; i++) {
                peer_start(&p[i]);
                CHECK_EQ(hand_over(NULL, 0, QUIRE_R, &p[i], 0).status, QUIRE_OK);
                CHECK_EQ(tell(&p[i], OP_COPY, 0, RW, 0).status, QUIRE_OK);
                CHECK(holds_byte(&p[i], 0, 1, 16));
        }
        CHECK_EQ(count_frames(p, 2), 1);                 /* of three processes */
        CHECK_EQ(tell(&p[0], OP_WRITE, 0, COPIED, 1).status, QUIRE_OK);
        CHECK_EQ(count_frames(p, 2), 2);
        CHECK(holds_byte(&p[0], 0, 1, COPIED));
        CHECK(holds_byte(&p[1], 0, 1, 16) && holds_byte(NULL, 0, 1, 16));
        CHECK_EQ(tell(&p[0], OP_OWN, 0, 0, 0).value, 1); /* the writer's map, and no other */
        CHECK_EQ(tell(&p[1], OP_OWN, 0, 0, 0).value, 0);
        CHECK_EQ(tell(NULL, OP_WRITE, 0, 17, 1).status, QUIRE_OK);       /* the others share on */
        CHECK(holds_byte(&p[0], 0, 1, COPIED) && holds_byte(&p[1], 0, 1, 17));
        CHECK_EQ(count_frames(p, 2), 2);
        drop(&p[0], 0);
        CHECK_EQ(count_frames(p + 1, 1), 1);
        CHECK(holds_byte(&p[1], 0, 1, 17));
        for (unsigned i = 0; i < 2; i++)
                peer_stop(&p[i]);
        drop(NULL, 0);
}

static void test_B34_a_private_copy_by_the_first_write(void)
{
        struct quire_request alone = { .bytes = PG, .flags = QUIRE_COPY };
        struct peer p[2];
        uint64_t va;

        new_object(0);
        for (unsigned i = 0; i < 2; i++) {
                peer_start(&p[i]);
                CHECK_EQ(hand_over(NULL, 0, QUIRE_R, &p[i], 0).status, QUIRE_OK);
                CHECK_EQ(tell(&p[i], OP_MAP, 0, RW, 0).status, QUIRE_DENIED);
                CHECK_EQ(tell(&p[i], OP_COPY, 0, RW, 0).status, QUIRE_OK);       /* without W */
        }
        for (unsigned page = 0; page < PAGES; page++)
                if (page % 2)
                        CHECK_EQ(tell(&p[page / 2], OP_WRITE, 0, COPIED + page, page).status,
                                 QUIRE_OK);
        for (unsigned page = 0; page < PAGES; page++) {
                CHECK(holds_byte(NULL, 0, page, 16 + page));
                CHECK_EQ(tell(NULL, OP_WRITE, 0, 32 + page, page).status, QUIRE_OK);
                for (unsigned i = 0; i < 2; i++)
                        CHECK(holds_byte(&p[i], 0, page, page == 2 * i + 1 ? COPIED + page
                                                                           : 32 + page));
        }
        CHECK_EQ(quire_region_reserve(quire_process_space(process), &alone, &va), QUIRE_INVALID);
        CHECK_EQ(tell(&p[0], OP_UNMAP, 0, 0, 0).status, QUIRE_OK);
        /* a copy goes with its view */
        CHECK_EQ(tell(&p[0], OP_COPY, 0, RW, 0).status, QUIRE_OK);
        CHECK(holds_byte(&p[0], 0, 1, 33));
        for (unsigned i = 0; i < 2; i++)
                peer_stop(&p[i]);
        drop(NULL, 0);
}

/* --------------------------------------------------------------- the last unmap */

static uint8_t byte_of(uint64_t at)
{
        return (uint8_t)(at * 0x9e3779b97f4a7c15u >> 40);
}

/* What of the file is not as it was made, save first bytes of pages. */
static uint64_t count_changed(int fd, uint64_t bytes)
{
        uint8_t byte;
        uint64_t n = 0;

        for (uint64_t at = 0; at < bytes; at++)
                n += pread(fd, &byte, 1, (off_t)at) != 1 || (at % PG && byte != byte_of(at));
        return n + (pread(fd, &byte, 1, (off_t)bytes) != 0);
}

static unsigned first_of_page(int fd, unsigned page)
{
        uint8_t byte = 0;

        CHECK_EQ(pread(fd, &byte, 1, (off_t)(page * PG)), 1);
        return byte;
}

/* Two processes map a file and write; with the last unmap it has the bytes of both. */
static void test_B60_the_file_has_it_after_the_last_unmap(void)
{
        enum { BYTES = 5 * 4096 + 100 };
        char path[] = "/tmp/quire-apart-XXXXXX";
        static uint8_t contents[BYTES];
        int fd = mkstemp(path);
        struct peer p, q;

        for (unsigned i = 0; i < BYTES; i++)
                contents[i] = byte_of(i);
        REQUIRE(fd >= 0 && write(fd, contents, BYTES) == BYTES);
        peer_start(&p);
        peer_start(&q);
        CHECK_EQ(tell_name(&p, OP_FILE, 0, 0, path).status, QUIRE_OK);
        CHECK_EQ(tell_name(&q, OP_FILE, 0, 0, path).status, QUIRE_OK);
        for (unsigned page = 0; page < 6; page++)
                CHECK_EQ(tell(page % 2 ? &p : &q, OP_WRITE, 0, 200 + page, page).status, QUIRE_OK);
        drop(&p, 0);
        for (unsigned page = 1; page < 6; page += 2)
                CHECK_EQ(first_of_page(fd, page), 200 + page);
        CHECK(holds_byte(&q, 0, 2, 202));                /* q maps it still */
        drop(&q, 0);
        for (unsigned page = 0; page < 6; page++)
                CHECK_EQ(first_of_page(fd, page), 200 + page);
        CHECK_EQ(count_changed(fd, BYTES), 0);
        CHECK_EQ(tell_name(&p, OP_FILE, 0, 0, path).status, QUIRE_OK);   /* and who comes later */
        for (unsigned page = 0; page < 6; page++)
                CHECK(holds_byte(&p, 0, page, 200 + page));
        peer_stop(&p);
        peer_stop(&q);
        (void)close(fd);
        (void)unlink(path);
}

/* Memory without a file lives until its last unmap in any process, and then is gone. */
static uint64_t committed(void)
{
        struct quire_counters c;

        quire_system_counters(quire_process_system(process), &c);
        return c.committed;
}

static void test_B60_pages_go_with_the_last_unmap(void)
{
        uint64_t before = committed();
        struct stat memory;
        struct peer p, q;

        peer_start(&p);
        peer_start(&q);
        new_object(0);
        REQUIRE(own_memory(&memory));
        CHECK_EQ(hand_over(NULL, 0, RW, &p, 0).status, QUIRE_OK);
        CHECK_EQ(hand_over(NULL, 0, QUIRE_R, &q, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_MAP, 0, RW, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&q, OP_MAP, 0, QUIRE_R, 0).status, QUIRE_OK);
        drop(NULL, 0);
        CHECK(BECOMES(committed() == before));
        CHECK(BECOMES(!seek_memory_in(getpid(), memory.st_ino)));
        CHECK_EQ(tell(&p, OP_WRITE, 0, 77, 3).status, QUIRE_OK);
        CHECK(holds_byte(&q, 0, 3, 77));
        CHECK_EQ(tell(&p, OP_CLOSE, 0, 0, 0).status, QUIRE_OK);          /* views are enough */
        CHECK_EQ(tell(&q, OP_CLOSE, 0, 0, 0).status, QUIRE_OK);
        CHECK_EQ(tell(&p, OP_UNMAP, 0, 0, 0).status, QUIRE_OK);
        CHECK(holds_byte(&q, 0, 3, 77));
        CHECK(BECOMES(!seek_memory_in(p.pid, memory.st_ino)));
        CHECK(seek_memory(memory.st_ino) > 0);
        CHECK_EQ(tell(&q, OP_UNMAP, 0, 0, 0).status, QUIRE_OK);
        CHECK(BECOMES(!seek_memory(memory.st_ino)));
        peer_stop(&p);
        peer_stop(&q);
}

/* -------------------------------------------------------------- writers at once */

struct writer {
        const struct holding *view;
        unsigned who, writers;
        uint64_t rounds, wrong;
};

static void *write_on(void *argument)
{
        struct writer *w = argument;

        w->wrong = race(w->view, w->who, w->writers, w->rounds);
        return NULL;
}

/* What is promised of words that all have written: each is whole and somebody's last; nothing
 * is lost that was written under the lock, or atomically.  No order is promised, so of
 * two words on page 1 nothing is asked. */
static void check_race(const struct holding *h, unsigned writers, uint64_t rounds)
{
        uint64_t added = 0;

        CHECK_EQ(*word_of(h, 0, GATE), writers);
        for (unsigned i = 0; i < WORDS; i++) {
                uint64_t word = *word_of(h, 1, i);

                CHECK(is_whole(word, writers));
                CHECK_EQ(word & 0xffffff, rounds - 1);
                CHECK_EQ(*word_of(h, 2, i), writers * rounds);
                added += *word_of(h, 3, i);
        }
        CHECK_EQ(added, writers * rounds);
}

static struct quire_grant *zeroes(unsigned flags)
{
        const struct quire_object_request r = { .bytes = PAGES * PG, .flags = flags };
        struct quire_grant *g = NULL;

        REQUIRE(!quire_object_open(quire_process_system(process), &r, &g));
        return g;
}

/* Two processes, and two threads of this one with a view each. */
static void test_B62_writers_in_several_processes(void)
{
        enum { WRITERS = 4, ROUNDS = 100000 };
        struct order o = { .op = OP_RACE, .rights = WRITERS, .number = ROUNDS };
        struct writer w[2];
        struct answer a;
        struct peer p[2];
        pthread_t thread;

        holding[0].grant = zeroes(QUIRE_HOSTED);
        REQUIRE(!quire_grant_narrow(holding[0].grant, RW, &holding[1].grant));
        for (unsigned i = 0; i < 2; i++) {
                peer_start(&p[i]);
                CHECK_EQ(tell(NULL, OP_MAP, i, RW, 0).status, QUIRE_OK);
                CHECK_EQ(hand_over(NULL, 0, RW, &p[i], 0).status, QUIRE_OK);
                CHECK_EQ(tell(&p[i], OP_MAP, 0, RW, 0).status, QUIRE_OK);
                w[i] = (struct writer){ &holding[i], i, WRITERS, ROUNDS, 0 };
        }
        for (unsigned i = 0; i < 2; i++) {
                o.other = 2 + i;
                REQUIRE(pass_descriptor(p[i].control, &o, sizeof(o), NULL, 0) == sizeof(o));
        }
        REQUIRE(!pthread_create(&thread, NULL, write_on, &w[1]));
        (void)write_on(&w[0]);
        (void)pthread_join(thread, NULL);
        CHECK_EQ(w[0].wrong + w[1].wrong, 0);
        for (unsigned i = 0; i < 2; i++) {
                a = peer_hear(&p[i]);
                CHECK(a.status == QUIRE_OK && a.value == 0);
        }
        check_race(&holding[0], WRITERS, ROUNDS);
        for (unsigned i = 0; i < 2; i++) {               /* all see the same in the end */
                CHECK_EQ(tell(&p[i], OP_SUM, 0, 0, 0).value, sum_of(&holding[0]));
                peer_stop(&p[i]);
        }
        CHECK_EQ(sum_of(&holding[1]), sum_of(&holding[0]));
        drop(NULL, 1);
        drop(NULL, 0);
}

static void *evict_on(void *argument)
{
        const struct holding *h = argument;

        for (; racing; evictions++)
                CHECK_EQ(quire_region_advise(quire_process_space(process), h->va, h->bytes,
                                             QUIRE_WONT_NEED), QUIRE_OK);
        return NULL;
}

/* The same of paged memory in one process, whose pages leave and come back meanwhile. */
static void test_B62_writers_of_memory_that_is_paged(void)
{
        enum { WRITERS = 2, ROUNDS = 20000 };
        struct quire_counters before, now;
        struct writer w[WRITERS];
        pthread_t thread, evicting;

        holding[0].grant = zeroes(0);
        REQUIRE(!quire_grant_narrow(holding[0].grant, RW, &holding[1].grant));
        for (unsigned i = 0; i < WRITERS; i++) {
                CHECK_EQ(map_with(&holding[i], RW, 0, 0), QUIRE_OK);
                w[i] = (struct writer){ &holding[i], i, WRITERS, ROUNDS, 0 };
        }
        quire_system_counters(quire_process_system(process), &before);
        racing = true;
        REQUIRE(!pthread_create(&evicting, NULL, evict_on, &holding[0]));
        while (!evictions)
                (void)sched_yield();
        REQUIRE(!pthread_create(&thread, NULL, write_on, &w[1]));
        (void)write_on(&w[0]);
        (void)pthread_join(thread, NULL);
        racing = false;
        (void)pthread_join(evicting, NULL);
        quire_system_counters(quire_process_system(process), &now);
        CHECK(now.evicted > before.evicted);
        CHECK_EQ(w[0].wrong + w[1].wrong, 0);
        check_race(&holding[1], WRITERS, ROUNDS);
        CHECK_EQ(sum_of(&holding[1]), sum_of(&holding[0]));
        quire_system_audit(quire_process_system(process));
        drop(NULL, 1);
        drop(NULL, 0);
}

int main(int argc, char **argv)
{
        char runtime[40];

        here_more = do_more;
        here_faults = can_inline() ? QUIRE_FAULTS_AUTO : QUIRE_FAULTS_THREAD;
        if (argc == 2 && !strcmp(argv[1], "peer"))
                return peer_main();
        test_begin(argc, argv);
        (void)snprintf(runtime, sizeof(runtime), "/tmp/quire-apart-%d", (int)getpid());
        REQUIRE(!mkdir(runtime, 0700));
        (void)setenv("XDG_RUNTIME_DIR", runtime, 1);
        here_open();
        RUN(test_B55_the_second_of_a_name_gets_the_first);
        RUN(test_B56_what_has_no_name_is_not_found);
        RUN(test_B57_views_at_other_addresses);
        RUN(test_B59_seen_by_nobody_who_did_not_map_it);
        RUN(test_B40_one_frame_until_it_is_written_then_two);
        RUN(test_B34_a_private_copy_by_the_first_write);
        RUN(test_B60_the_file_has_it_after_the_last_unmap);
        RUN(test_B60_pages_go_with_the_last_unmap);
        RUN(test_B62_writers_in_several_processes);
        RUN(test_B62_writers_of_memory_that_is_paged);
        here_close();
        CHECK(!rmdir(runtime));
        return test_end();
}
