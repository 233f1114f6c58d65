/*
 * program.c - is PROGRAM something that Quire can run?
 *
 * Finds it as execvp() would, follows `#!' to the interpreter, and looks at the
 * image that the kernel will load: the agent gets into a process only through
 * the dynamic loader, and only where that loader listens to LD_PRELOAD.
 *
 * It decides nothing about how the program is started.
 */
#include "cli.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_DEPTH 5          /* as the kernel: a script's interpreter may be one */

__attribute__((format(printf, 3, 4)))
static int refuse(struct quire_program *out, int status, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        vsnprintf(out->line, sizeof(out->line), format, list);
        va_end(list);
        return status;
}

/* Can this file be executed?  0, or the errno that says why not.  In a folder that
 * can not be searched nothing is found. */
static int executable(const char *path, bool searching)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return searching && errno == EACCES ? ENOENT : errno;
        if (S_ISDIR(st.st_mode))
                return EISDIR;
        if (!S_ISREG(st.st_mode))
                return EACCES;
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int refuse_path(struct quire_program *out, const char *name, int error)
{
        bool absent = error == ENOENT || error == ENOTDIR;

        return refuse(out, absent ? QUIRE_EXIT_NO_PROGRAM : QUIRE_EXIT_CANNOT,
                      "can not run %s: %s", name, strerror(error));
}

/* Search as a shell does: go on past what can not be executed, remember why. */
static int search(const char *name, const char *search_path, struct quire_program *out)
{
        int kept = ENOENT;

        if (!*name || strchr(name, '/')) {
                kept = executable(name, false);
                if ((size_t)snprintf(out->path, sizeof(out->path), "%s", name)
                    >= sizeof(out->path))
                        kept = ENAMETOOLONG;
                return kept ? refuse_path(out, *name ? name : "''", kept) : 0;
        }
        for (const char *p = search_path; p; p = *p ? p + 1 : NULL) {
                size_t length = strcspn(p, ":");
                int wrote = snprintf(out->path, sizeof(out->path), "%.*s/%s",
                                     length ? (int)length : 1, length ? p : ".", name);
                int error = (size_t)wrote < sizeof(out->path) ? executable(out->path, true)
                                                              : ENAMETOOLONG;

                if (!error)
                        return 0;
                if (error != ENOENT && error != ENOTDIR)
                        kept = error;
                p += length;
        }
        if (kept == ENOENT)
                return refuse(out, QUIRE_EXIT_NO_PROGRAM, "%s: not found in PATH", name);
        return refuse_path(out, name, kept);
}

/* Would the kernel run this file with more rights than the caller has?  Then
 * the dynamic loader ignores LD_PRELOAD. */
static int check_rights(const char *path, int fd, struct quire_program *out)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return refuse_path(out, path, errno);
        if ((st.st_mode & S_ISUID) && st.st_uid != geteuid())
                return refuse(out, QUIRE_EXIT_BAD,
                        "%s is set-uid: the loader lets nothing into a program with another "
                        "user's rights, so Quire can not manage it", path);
        if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getegid())
                return refuse(out, QUIRE_EXIT_BAD,
                        "%s is set-gid: the loader lets nothing into a program with another "
                        "group's rights, so Quire can not manage it", path);
        if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
                return refuse(out, QUIRE_EXIT_BAD,
                        "%s has file capabilities: the loader lets nothing into it, so Quire can "
                        "not manage it", path);
        return 0;
}

/* The loader that an ELF image asks for, into `loader'. */
static int check_loader(const char *path, int fd, const Elf64_Ehdr *elf, struct quire_program *out)
{
        char loader[256] = "";
        const char *base;

        for (unsigned i = 0; i < elf->e_phnum; i++) {
                Elf64_Phdr ph;
                off_t at = (off_t)(elf->e_phoff + (uint64_t)i * elf->e_phentsize);

                if (pread(fd, &ph, sizeof(ph), at) != (ssize_t)sizeof(ph))
                        return refuse(out, QUIRE_EXIT_CANNOT, "%s is a damaged ELF file", path);
                if (ph.p_type != PT_INTERP)
                        continue;
                if (ph.p_filesz >= sizeof(loader)
                    || pread(fd, loader, ph.p_filesz, (off_t)ph.p_offset) < 1)
                        return refuse(out, QUIRE_EXIT_CANNOT, "%s is a damaged ELF file", path);
        }
        if (!*loader)
                return refuse(out, QUIRE_EXIT_BAD,
                        "%s is statically linked: there is no dynamic loader to bring Quire in, "
                        "so Quire can not manage it", path);
        base = strrchr(loader, '/');
        base = base ? base + 1 : loader;
        if (strcmp(base, "ld-linux-x86-64.so.2") != 0)
                return refuse(out, QUIRE_EXIT_BAD,
                        "%s is linked with another C library (its loader is %s): Quire manages "
                        "programs of glibc", path, loader);
        return 0;
}

static int check_elf(const char *path, int fd, struct quire_program *out)
{
        Elf64_Ehdr elf;
        int status = check_rights(path, fd, out);

        if (status)
                return status;
        if (pread(fd, &elf, sizeof(elf), 0) != (ssize_t)sizeof(elf))
                return refuse(out, QUIRE_EXIT_CANNOT, "%s is a damaged ELF file", path);
        if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
                return refuse(out, QUIRE_EXIT_BAD,
                        "%s is not a 64-bit x86 program (%s, machine %u): Quire can not manage it",
                        path, elf.e_ident[EI_CLASS] == ELFCLASS64 ? "64-bit" : "32-bit",
                        (unsigned)elf.e_machine);
        if (elf.e_type != ET_EXEC && elf.e_type != ET_DYN)
                return refuse(out, QUIRE_EXIT_CANNOT, "can not run %s: it is not a program", path);
        if (elf.e_phentsize != sizeof(Elf64_Phdr))
                return refuse(out, QUIRE_EXIT_CANNOT, "%s is a damaged ELF file", path);
        return check_loader(path, fd, &elf, out);
}

/* Cut "#! interpreter argument" in two, in place; false: no interpreter. */
static bool split_script(char *line, char **interpreter, char **argument)
{
        char *at = line + 2;

        line[strcspn(line, "\n")] = 0;
        at += strspn(at, " \t");
        *interpreter = at;
        at += strcspn(at, " \t");
        *argument = at;
        if (*at)
                *at++ = 0;
        *argument = at + strspn(at, " \t");
        at = *argument + strlen(*argument);
        while (at > *argument && (at[-1] == ' ' || at[-1] == '\t'))
                *--at = 0;
        return **interpreter;
}

static int check_image(const char *path, const char *search_path, int depth,
                       struct quire_program *out);

static int check_script(const char *path, char *line, const char *search_path, int depth,
                        struct quire_program *out)
{
        char *interpreter, *argument;
        const char *base;
        struct quire_program *inner;
        int error, status;

        if (!split_script(line, &interpreter, &argument))
                return refuse(out, QUIRE_EXIT_CANNOT,
                              "can not run %s: its #! line names no interpreter", path);
        error = executable(interpreter, false);
        if (error)
                return refuse(out, error == ENOENT ? QUIRE_EXIT_NO_PROGRAM : QUIRE_EXIT_CANNOT,
                              "can not run %s: its interpreter %s: %s", path, interpreter,
                              strerror(error));
        status = check_image(interpreter, search_path, depth - 1, out);
        base = strrchr(interpreter, '/');
        if (status || !base || strcmp(base, "/env") != 0 || !*argument
            || *argument == '-' || argument[strcspn(argument, "= \t")])
                return status;
        /* "#!/usr/bin/env NAME": what env will execute is what counts. */
        inner = malloc(sizeof(*inner));
        if (!inner)
                return 0;
        if (search(argument, search_path, inner))
                status = refuse(out, QUIRE_EXIT_NO_PROGRAM,
                                "can not run %s: its interpreter %s is not found in PATH", path,
                                argument);
        else
                status = check_image(inner->path, search_path, depth - 1, out);
        free(inner);
        return status;
}

static int check_image(const char *path, const char *search_path, int depth,
                       struct quire_program *out)
{
        char start[256] = "";
        int fd, status;

        if (depth == 0)
                return refuse(out, QUIRE_EXIT_CANNOT, "can not run %s: %s", path, strerror(ELOOP));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)              /* may be executed and not read: the kernel will judge */
                return errno == EACCES ? 0 : refuse_path(out, path, errno);
        if (pread(fd, start, sizeof(start) - 1, 0) < 0)
                status = refuse_path(out, path, errno);
        else if (!memcmp(start, ELFMAG, SELFMAG))
                status = check_elf(path, fd, out);
        else if (start[0] == '#' && start[1] == '!')
                status = check_script(path, start, search_path, depth, out);
        else                     /* execvp hands it to the shell */
                status = check_image("/bin/sh", search_path, depth - 1, out);
        close(fd);
        return status;
}

int quire_program_find(const char *name, const char *search_path, struct quire_program *out)
{
        int status = search(name, search_path ? search_path : "/bin:/usr/bin", out);

        return status ? status : check_image(out->path, search_path, SCRIPT_DEPTH, out);
}
