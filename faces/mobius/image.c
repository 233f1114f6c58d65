/*
 * image.c - PE images (i386 and x86-64), as they lie in memory.
 *
 *     in the file                     in memory, from the base
 *     headers | raw | raw | raw       headers | .text | .data ..bss.. | .reloc
 *
 * A page is composed when it is asked for: headers and raw parts that lie in it, zeroes
 * elsewhere, and, where the image is not at its own base, the difference added to what the
 * relocations name.  Everything read later was checked at open, once; what comes
 * from the file is never trusted.
 *
 * I1  sections ascend from page to page and do not overlap.
 * I2  raw parts, headers and relocations lie within the file.
 * I3  blocks of relocations follow each other to the end of their directory.
 *
 * Does not decide: where it is put (map.c).  Imports are the loader's who asked for it.
 *
 * Lock: none.  Fixed once it is placed.
 */
#include "inside.h"
#include <string.h>

enum { MACHINE_386 = 0x14c, MACHINE_AMD64 = 0x8664, OPTIONAL_32 = 0x10b, OPTIONAL_64 = 0x20b };
enum { RELOCS_STRIPPED = 1, RELOC_DIRECTORY = 5, SECTION_BYTES = 40, MOST_SECTIONS = 96 };
enum { RELOC_NONE = 0, RELOC_32 = 3, RELOC_64 = 10, BLOCK_BYTES = 8 };
#define SECTION_EXECUTE 0x20000000u
#define SECTION_WRITE 0x80000000u
#define MOST_BYTES 0x7ffff000u

struct section {
        uint32_t rva, bytes;              /* in memory */
        uint32_t raw, raw_bytes;          /* in the file */
        uint32_t traits;
};

struct image {
        const uint8_t *file;
        size_t file_bytes;
        uint32_t headers, length, entry;
        uint64_t own_base, base;
        bool moves;
        uint32_t relocs, reloc_bytes;     /* in the file */
        unsigned sections;
        struct section section[MOST_SECTIONS];
};

/* -------------------------------------------------------------------------- numbers */

static uint64_t number_at(const uint8_t *p, unsigned bytes)
{
        uint64_t out = 0;

        for (unsigned i = 0; i < bytes; i++)
                out |= (uint64_t)p[i] << 8 * i;
        return out;
}

static uint32_t u16_at(const uint8_t *p)
{
        return (uint32_t)number_at(p, 2);
}

static uint32_t u32_at(const uint8_t *p)
{
        return (uint32_t)number_at(p, 4);
}

static bool in_file(const struct image *m, uint64_t offset, uint64_t bytes)
{
        return offset <= m->file_bytes && bytes <= m->file_bytes - offset;
}

/* => within the first 2 GB */
static uint32_t page_up(uint32_t n)
{
        return (n + PAGE_BYTES - 1) & ~(uint32_t)(PAGE_BYTES - 1);
}

static uint32_t least(uint32_t a, uint32_t b)
{
        return a < b ? a : b;
}

/* -------------------------------------------------------------------------- reading */

/* One section header, after those before it.  False: it makes no sense. */
static bool read_section(struct image *m, const uint8_t *h)
{
        struct section *s = &m->section[m->sections];
        uint32_t floor = m->sections ? s[-1].rva + page_up(s[-1].bytes) : page_up(m->headers);

        s->bytes = u32_at(h + 8);
        s->rva = u32_at(h + 12);
        s->raw_bytes = u32_at(h + 16);
        s->raw = u32_at(h + 20);
        s->traits = u32_at(h + 36);
        if (!s->bytes)
                s->bytes = s->raw_bytes;
        s->raw_bytes = least(s->raw_bytes, s->bytes);
        if (s->rva % PAGE_BYTES || s->rva < floor || s->rva > m->length)
                return false;                                                       /* I1 */
        if (!s->bytes || s->bytes > page_up(m->length) - s->rva)
                return false;
        if (s->raw_bytes && !in_file(m, s->raw, s->raw_bytes))
                return false;                                                       /* I2 */
        m->sections++;
        return true;
}

/* Where bytes of the image that come from the file lie in it.  False: not all do. */
static bool find_raw(const struct image *m, uint32_t rva, uint32_t bytes, uint32_t *raw)
{
        for (unsigned i = 0; i < m->sections; i++) {
                const struct section *s = &m->section[i];

                if (rva < s->rva || rva - s->rva >= s->raw_bytes)
                        continue;
                *raw = s->raw + (rva - s->rva);
                return bytes <= s->raw_bytes - (rva - s->rva);
        }
        return false;
}

/* Bytes that a relocation of this type changes; 0: none; -1: unknown. */
static int width_of(uint32_t entry)
{
        switch (entry >> 12) {
        case RELOC_NONE:
                return 0;
        case RELOC_32:
                return 4;
        case RELOC_64:
                return 8;
        default:
                return -1;
        }
}

/* I3, and kinds that we know. */
static bool relocs_good(const struct image *m)
{
        uint32_t at = 0;

        while (m->reloc_bytes - at >= BLOCK_BYTES) {
                const uint8_t *block = m->file + m->relocs + at;
                uint32_t bytes = u32_at(block + 4);

                if (bytes < BLOCK_BYTES || bytes % 2 || bytes > m->reloc_bytes - at ||
                    u32_at(block) > m->length)
                        return false;
                for (uint32_t i = BLOCK_BYTES; i < bytes; i += 2)
                        if (width_of(u16_at(block + i)) < 0)
                                return false;
                at += bytes;
        }
        return at == m->reloc_bytes;
}

static bool read_directory(struct image *m, const uint8_t *directory)
{
        uint32_t rva = u32_at(directory);

        m->reloc_bytes = u32_at(directory + 4);
        if (!rva || !m->reloc_bytes) {
                m->reloc_bytes = 0;
                return true;
        }
        return find_raw(m, rva, m->reloc_bytes, &m->relocs) && relocs_good(m);
}

/* What the optional header says, of `bytes' that lie within the file. */
static bool read_optional(struct image *m, const uint8_t *h, uint32_t bytes, bool wide)
{
        if (bytes < (wide ? 112u : 96u) || u16_at(h) != (wide ? OPTIONAL_64 : OPTIONAL_32))
                return false;
        m->entry = u32_at(h + 16);
        m->own_base = wide ? number_at(h + 24, 8) : u32_at(h + 28);
        m->length = u32_at(h + 56);
        m->headers = u32_at(h + 60);
        return u32_at(h + 32) % PAGE_BYTES == 0 && m->own_base % PAGE_BYTES == 0 &&
               m->length && m->length <= MOST_BYTES && m->headers <= m->length &&
               in_file(m, 0, m->headers) && m->entry < m->length;
}

static bool read_headers(struct image *m)
{
        uint64_t pe, table;
        const uint8_t *h;
        uint32_t machine, sections, optional, directories;
        bool wide;

        if (!in_file(m, 0, 64) || u16_at(m->file) != 0x5a4d)
                return false;
        pe = u32_at(m->file + 60);
        if (!in_file(m, pe, 24) || u32_at(m->file + pe) != 0x4550)
                return false;
        h = m->file + pe + 4;
        machine = u16_at(h);
        sections = u16_at(h + 2);
        optional = u16_at(h + 16);
        m->moves = !(u16_at(h + 18) & RELOCS_STRIPPED);
        wide = machine == MACHINE_AMD64;
        table = pe + 24 + optional;
        if ((machine != MACHINE_386 && !wide) || sections > MOST_SECTIONS ||
            !in_file(m, table, (uint64_t)sections * SECTION_BYTES) ||
            !read_optional(m, h + 20, optional, wide))
                return false;
        for (uint32_t i = 0; i < sections; i++)
                if (!read_section(m, m->file + table + i * SECTION_BYTES))
                        return false;
        directories = wide ? 112u : 96u;
        if (optional < directories + 8 * (RELOC_DIRECTORY + 1) ||
            u32_at(h + 20 + directories - 4) <= RELOC_DIRECTORY)
                return true;
        return read_directory(m, h + 20 + directories + 8 * RELOC_DIRECTORY);
}

enum quire_status quire_mobius_image_open(const struct lodging *l, const module_t *module,
                                          struct image **out)
{
        struct image *m = quire_mobius_alloc(l, sizeof *m);

        if (!m)
                return QUIRE_NO_MEMORY;
        m->file = module->image;
        m->file_bytes = module->image_bytes;
        if (!m->file || !read_headers(m)) {
                quire_mobius_image_close(l, m);
                return QUIRE_INVALID;
        }
        m->base = m->own_base;
        *out = m;
        return QUIRE_OK;
}

void quire_mobius_image_close(const struct lodging *l, struct image *m)
{
        quire_mobius_free(l, m, sizeof *m);
}

uint64_t quire_mobius_image_pages(const struct image *m)
{
        return page_up(m->length) / PAGE_BYTES;
}

addr_t quire_mobius_image_base(const struct image *m)
{
        return m->own_base;
}

bool quire_mobius_image_moves(const struct image *m)
{
        return m->moves;
}

void quire_mobius_image_place(struct image *m, module_t *module, addr_t base)
{
        m->base = base;
        module->base = base;
        module->length = m->length;
        module->entry = m->entry ? base + m->entry : 0;
        module->sizeof_headers = m->headers;
}

bool quire_mobius_image_part(const struct image *m, unsigned n, struct image_part *out)
{
        const struct section *s;

        if (n >= m->sections)
                return false;
        s = &m->section[n];
        out->first = s->rva / PAGE_BYTES;
        out->pages = page_up(s->bytes) / PAGE_BYTES;
        out->access = QUIRE_R | (s->traits & SECTION_WRITE ? QUIRE_W : 0u) |
                      (s->traits & SECTION_EXECUTE ? QUIRE_X : 0u);
        return true;
}

/* -------------------------------------------------------------------------- composing */

/* Those of `bytes' at `from' in memory that lie in [at, at + n). */
static void copy_within(uint8_t *out, uint32_t at, uint32_t n, uint32_t from, uint32_t bytes,
                        const uint8_t *contents)
{
        uint32_t first = from > at ? from : at;
        uint32_t end = least(from + bytes, at + n);

        if (first < end)
                memcpy(out + (first - at), contents + (first - from), end - first);
}

/* What the file has for [at, at + n), and zeroes. */
static void compose(const struct image *m, uint32_t at, uint32_t n, uint8_t *out)
{
        memset(out, 0, n);
        copy_within(out, at, n, 0, m->headers, m->file);
        for (unsigned i = 0; i < m->sections; i++) {
                const struct section *s = &m->section[i];

                if (s->raw_bytes)
                        copy_within(out, at, n, s->rva, s->raw_bytes, m->file + s->raw);
        }
}

/* One relocation, which may lie across the page's ends. */
static void relocate(const struct image *m, uint32_t at, uint32_t rva, uint32_t width, uint8_t *out)
{
        uint8_t bytes[8];
        uint64_t value;

        compose(m, rva, width, bytes);
        value = number_at(bytes, width) + (m->base - m->own_base);
        for (uint32_t i = 0; i < width; i++)
                bytes[i] = (uint8_t)(value >> 8 * i);
        copy_within(out, at, PAGE_BYTES, rva, width, bytes);
}

void quire_mobius_image_fill(const struct image *m, uint64_t page, uint8_t *out)
{
        uint32_t at = (uint32_t)(page * PAGE_BYTES);
        uint32_t next;

        compose(m, at, PAGE_BYTES, out);
        if (m->base == m->own_base)
                return;
        for (uint32_t b = 0; b < m->reloc_bytes; b = next) {
                const uint8_t *block = m->file + m->relocs + b;
                uint32_t rva = u32_at(block);

                next = b + u32_at(block + 4);
                if (rva + 2 * PAGE_BYTES <= at || rva >= at + PAGE_BYTES)
                        continue;
                for (uint32_t i = b + BLOCK_BYTES; i < next; i += 2) {
                        uint32_t entry = u16_at(m->file + m->relocs + i);
                        int width = width_of(entry);

                        if (width > 0)
                                relocate(m, at, rva + (entry & 0xfff), (uint32_t)width, out);
                }
        }
}
