/*
 * share.c - areas that others find: by name, by handle, by system call.
 *
 * Names are the system's (quire_name_set), so that other faces find them, too; an area that
 * was made elsewhere is adopted when it is opened.
 *
 * H1  a handle that is not NONE has a reference to what it names.
 *
 * Lock: the face's; objects are closed, and names looked up, without it.
 */
#include "inside.h"
#include <string.h>

enum { NAME_BYTES = 255, HANDLES_AT_FIRST = 16 };

/* ------------------------------------------------------------------------------ names */

/* One character more.  How many bytes that is; 0: no such character. */
static unsigned put_utf8(uint32_t c, char *out)
{
        if (c < 0x80) {
                out[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char)(0xc0 | c >> 6);
                out[1] = (char)(0x80 | (c & 63));
                return 2;
        }
        if (c < 0x10000) {
                if (c >= 0xd800 && c < 0xe000)
                        return 0;
                out[0] = (char)(0xe0 | c >> 12);
                out[1] = (char)(0x80 | (c >> 6 & 63));
                out[2] = (char)(0x80 | (c & 63));
                return 3;
        }
        if (c >= 0x110000)
                return 0;
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 63));
        out[2] = (char)(0x80 | (c >> 6 & 63));
        out[3] = (char)(0x80 | (c & 63));
        return 4;
}

/* False: empty, too long, or no text. */
static bool name_to_utf8(const wchar_t *name, char out[NAME_BYTES + 1])
{
        unsigned at = 0, n;
        char next[4];

        for (; name && *name; name++, at += n) {
                n = put_utf8((uint32_t)*name, next);
                if (!n || at + n > NAME_BYTES)
                        return false;
                memcpy(out + at, next, n);
        }
        out[at] = '\0';
        return at > 0;
}

/* The area remembers its last name. */
static enum quire_status copy_name(struct area *a, const wchar_t *name, wchar_t **out,
                                   size_t *bytes)
{
        size_t n = 0;

        while (name[n])
                n++;
        *bytes = (n + 1) * sizeof *name;
        *out = quire_mobius_alloc(&a->lodging, *bytes);
        if (!*out)
                return QUIRE_NO_MEMORY;
        memcpy(*out, name, *bytes);
        return QUIRE_OK;
}

/* In the system, and beyond it where the process has such names and the area can go there. */
static enum quire_status set_name(const struct context *c, const struct area *a, const char *name)
{
        enum quire_status st = quire_name_set(a->system, name, a->grant);

        if (st != QUIRE_OK || !c->names)
                return st;
        st = c->names->publish(c->names_context, name, a->grant);
        if (st == QUIRE_UNSUPPORTED)
                return QUIRE_OK;
        if (st != QUIRE_OK && quire_name_remove(a->system, name) != QUIRE_OK)
                return QUIRE_CONFLICT;        /* somebody else has removed it */
        return st;
}

enum quire_status quire_mobius_share(struct context *c, const void *base, const wchar_t *name,
                                     struct area **out)
{
        char utf8[NAME_BYTES + 1];
        vm_node_t node;
        struct area *a = quire_mobius_area_at(c, base, &node);
        enum quire_status st = QUIRE_INVALID;
        size_t bytes, old_bytes;
        wchar_t *copy = NULL, *old;

        if (!a)
                return QUIRE_INVALID;
        if (name_to_utf8(name, utf8))
                st = copy_name(a, name, &copy, &bytes);
        if (st == QUIRE_OK)
                st = set_name(c, a, utf8);
        if (st != QUIRE_OK) {
                if (copy)
                        quire_mobius_free(&a->lodging, copy, bytes);
                quire_mobius_area_drop(a);
                return st;
        }
        quire_mobius_lock(&c->lodging);
        old = a->name;
        old_bytes = a->name_bytes;
        a->desc.name = a->name = copy;
        a->name_bytes = bytes;
        quire_mobius_unlock();
        quire_mobius_free(&a->lodging, old, old_bytes);
        *out = a;
        return QUIRE_OK;
}

vm_desc_t *VmmShare(void *base, const wchar_t *name)
{
        struct context *c = quire_mobius_current();
        struct area *a = NULL;
        enum quire_status st;

        if (!c)
                return NULL;
        st = quire_mobius_share(c, base, name, &a);
        if (st == QUIRE_OK)
                quire_mobius_area_drop(a);            /* its node has it */
        quire_mobius_answer(st);
        return st == QUIRE_OK ? &a->desc : NULL;
}

/* The grant of that name with all rights that it has. */
static enum quire_status find_grant(struct quire_system *system, const char *name,
                                    struct quire_grant **out)
{
        static const unsigned rights[] = { QUIRE_R | QUIRE_W | QUIRE_X, QUIRE_R | QUIRE_W,
                                           QUIRE_R | QUIRE_X, QUIRE_R };
        enum quire_status st = QUIRE_DENIED;

        for (unsigned i = 0; st == QUIRE_DENIED && i < sizeof(rights) / sizeof(rights[0]); i++)
                st = quire_name_find(system, name, rights[i], out);
        return st;
}

/* The area of the grant, held; the grant is the area's, or closed. */
static enum quire_status area_of_grant(struct context *c, struct quire_grant *grant,
                                       struct area **out)
{
        struct quire_object_info info;
        enum quire_status st = QUIRE_OK;

        quire_object_describe(grant, &info);
        quire_mobius_lock(&c->lodging);
        *out = quire_mobius_area_of_number(c->process.system, info.number);
        if (*out)
                quire_mobius_area_hold_locked(*out);
        quire_mobius_unlock();
        if (!*out) {
                st = quire_mobius_area_adopt(c, grant, out);
                if (st == QUIRE_OK)
                        return st;
        }
        quire_grant_close(grant);
        return st;
}

/* From beyond the system: whoever asks next finds it here. */
static enum quire_status open_beyond(struct context *c, const char *name,
                                     struct quire_grant **out)
{
        enum quire_status st = c->names->open(c->names_context, name, out);

        if (st != QUIRE_OK)
                return st;
        st = quire_name_set(c->process.system, name, *out);
        if (st == QUIRE_OK)
                return st;
        quire_grant_close(*out);              /* CONFLICT: another thread was first */
        return st == QUIRE_CONFLICT ? find_grant(c->process.system, name, out) : st;
}

enum quire_status quire_mobius_open_shared(struct context *c, const wchar_t *name,
                                           struct area **out)
{
        char utf8[NAME_BYTES + 1];
        struct quire_grant *grant;
        enum quire_status st;

        if (!name_to_utf8(name, utf8))
                return QUIRE_INVALID;
        st = find_grant(c->process.system, utf8, &grant);
        if (st == QUIRE_NOT_PRESENT && c->names)
                st = open_beyond(c, utf8, &grant);
        return st == QUIRE_OK ? area_of_grant(c, grant, out) : st;
}

vm_desc_t *VmmOpenSharedArea(const wchar_t *name)
{
        struct context *c = quire_mobius_current();
        struct area *a = NULL;
        enum quire_status st;

        if (!c)
                return NULL;
        st = quire_mobius_open_shared(c, name, &a);
        quire_mobius_answer(st);
        return st == QUIRE_OK ? &a->desc : NULL;
}

/* ---------------------------------------------------------------------------- handles */

struct handle *quire_mobius_handle(struct context *c, handle_t h, enum handle_kind kind)
{
        return h && h <= c->room && c->handles[h - 1].kind == kind ? &c->handles[h - 1] : NULL;
}

static enum quire_status grow_handles(struct context *c)
{
        size_t room = c->room ? 2 * c->room : HANDLES_AT_FIRST;
        struct handle *more = quire_mobius_alloc(&c->lodging, room * sizeof *more);

        if (!more)
                return QUIRE_NO_MEMORY;
        if (c->room)
                memcpy(more, c->handles, c->room * sizeof *more);
        quire_mobius_free(&c->lodging, c->handles, c->room * sizeof *more);
        c->handles = more;
        c->room = room;
        return QUIRE_OK;
}

/* The reference is the handle's from now on.  0: no memory, and the caller's still. */
static handle_t new_handle(struct context *c, struct handle what)
{
        enum quire_status st = QUIRE_OK;
        size_t i = 0;

        quire_mobius_lock(&c->lodging);
        while (i < c->room && c->handles[i].kind != HANDLE_NONE)
                i++;
        if (i == c->room)
                st = grow_handles(c);
        if (st == QUIRE_OK)
                c->handles[i] = what;
        quire_mobius_unlock();
        quire_mobius_answer(st);
        return st == QUIRE_OK ? (handle_t)(i + 1) : 0;
}

static void drop_handle(struct handle h)
{
        if (h.kind == HANDLE_AREA)
                quire_mobius_area_drop(h.to.area);
        else if (h.kind == HANDLE_FILE)
                mobius_file_close(h.to.file);
}

/* => the area is held, and what holds it goes to the handle or goes. */
static handle_t handle_of_held(struct context *c, struct area *a)
{
        struct handle what = { HANDLE_AREA, { .area = a } };
        handle_t h = new_handle(c, what);

        if (!h)
                drop_handle(what);
        return h;
}

handle_t mobius_handle_area(vm_desc_t *desc)
{
        struct context *c = quire_mobius_current();

        if (!c || !desc) {
                quire_mobius_answer(QUIRE_INVALID);
                return 0;
        }
        quire_mobius_lock(&c->lodging);
        quire_mobius_area_hold_locked((struct area *)desc);
        quire_mobius_unlock();
        return handle_of_held(c, (struct area *)desc);
}

handle_t mobius_handle_file(file_handle_t *file)
{
        struct context *c = quire_mobius_current();
        struct handle what = { HANDLE_FILE, { .file = file } };
        handle_t h;

        if (!c || !file) {
                quire_mobius_answer(QUIRE_INVALID);
                return 0;
        }
        quire_mobius_file_hold(file);
        h = new_handle(c, what);
        if (!h)
                drop_handle(what);
        return h;
}

bool mobius_handle_close(handle_t h)
{
        struct context *c = quire_mobius_current();
        struct handle was = { HANDLE_NONE, { NULL } };

        if (!c)
                return false;
        quire_mobius_lock(&c->lodging);
        if (h && h <= c->room) {
                was = c->handles[h - 1];
                c->handles[h - 1].kind = HANDLE_NONE;
        }
        quire_mobius_unlock();
        drop_handle(was);
        quire_mobius_answer_error(was.kind == HANDLE_NONE ? MOBIUS_EHANDLE : MOBIUS_OK);
        return was.kind != HANDLE_NONE;
}

void quire_mobius_handles_close(struct context *c)
{
        for (size_t i = 0; i < c->room; i++)
                drop_handle(c->handles[i]);
        quire_mobius_free(&c->lodging, c->handles, c->room * sizeof *c->handles);
}
