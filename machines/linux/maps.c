/*
 * maps.c - what the kernel says of a range: what lies in its way, and which of its
 * pages are there.
 *
 * The kernel refuses a fixed mapping where something is already, without saying
 * what.  Newer ones answer the question by address (PROCMAP_QUERY); for others
 * the text of /proc/self/maps is read with a small buffer, a piece at a time.
 * The file is opened each time: a descriptor kept over fork would go on showing
 * the parent.
 *
 * Lock: none.  Signal context: yes.
 */
#include "internal.h"
#include "sys.h"
#include "uffd.h"
#include <fcntl.h>

struct scan {
        uint64_t first, end;          /* the range looked at */
        uint64_t number[2];           /* of the line at hand: start and end */
        unsigned field;               /* 0, 1: which number; 2: the rest of the line */
};

static void found(struct quire_range *out, uint64_t first, uint64_t end)
{
        out->first = first;
        out->pages = (end - first) >> PAGE_SHIFT;
}

/* One character; true when a line's numbers meet the range. */
static bool scan_char(struct scan *s, char c)
{
        if (c == '\n') {
                s->field = 0;
                s->number[0] = s->number[1] = 0;
                return false;
        }
        if (s->field == 2)
                return false;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
                uint64_t digit = (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
                s->number[s->field] = s->number[s->field] << 4 | digit;
                return false;
        }
        return s->field++ == 1 && s->number[0] < s->end && s->number[1] > s->first;
}

static bool read_maps(int fd, struct scan *s)
{
        char buffer[512];
        long got;

        while ((got = sys_read(fd, buffer, sizeof(buffer))) > 0)
                for (long i = 0; i < got; i++)
                        if (scan_char(s, buffer[i]))
                                return true;
        return false;
}

static bool ask_kernel(int fd, uint64_t va, uint64_t end, struct quire_range *out)
{
        struct procmap_query q = {
                .size = sizeof(q), .query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
                .query_addr = va,
        };
        if (sys_ioctl(fd, PROCMAP_QUERY, &q) || q.vma_start >= end)
                return false;
        found(out, q.vma_start, q.vma_end);
        return true;
}

/* The first mapping that meets the range; the range itself when none can be
 * seen, so that the caller keeps away from it. */
void quire_maps_obstacle(struct quire_linux *l, uint64_t va, uint64_t pages,
                         struct quire_range *out)
{
        struct scan s = { .first = va, .end = va + (pages << PAGE_SHIFT) };
        int fd = (int)sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);

        found(out, va, s.end);
        if (fd < 0)
                return;
        if (!(l->can & CAN_MAP_QUERY) || !ask_kernel(fd, va, s.end, out))
                if (read_maps(fd, &s))
                        found(out, s.number[0], s.number[1]);
        (void)sys_close(fd);
}

/* Does the kernel answer by address? */
bool quire_maps_probe(void)
{
        struct quire_range out;
        int fd = (int)sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
        bool answers = fd >= 0 && ask_kernel(fd, 0, VA_END, &out);

        if (fd >= 0)
                (void)sys_close(fd);
        return answers;
}

/* => pages <= QUIRE_RUN_MAX.  False: it can not be read. */
bool quire_maps_pages(const struct quire_linux *l, uint64_t va, uint64_t pages, uint64_t *entry)
{
        long bytes = (long)(pages * sizeof(*entry));

        return l->pagemap >= 0 &&
               sys_call6(SYS_pread64, l->pagemap, sys_address(entry), bytes,
                         (long)((va >> PAGE_SHIFT) * sizeof(*entry)), 0, 0) == bytes;
}

/* Which pages of a range that is no view hold anything: as the page map has it, or where
 * that can not be read mincore, which denies what the kernel has put into its own swap.
 * => pages <= QUIRE_RUN_MAX.  False: nobody says. */
bool quire_maps_there(const struct quire_linux *l, uint64_t va, uint64_t pages,
                      unsigned char *there)
{
        uint64_t entry[QUIRE_RUN_MAX];
        bool map = quire_maps_pages(l, va, pages, entry);

        if (!map && sys_call3(SYS_mincore, (long)va, (long)(pages << PAGE_SHIFT),
                              sys_address(there)))
                return false;
        for (uint64_t i = 0; i < pages; i++)
                there[i] = map ? (entry[i] & (MAP_PRESENT | MAP_SWAPPED)) != 0 : there[i] & 1;
        return true;
}
