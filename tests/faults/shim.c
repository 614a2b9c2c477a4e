/* Fails or kills at the n-th write, fsync, rename, removal, new folder or database commit below one folder.
 *
 * Loaded before every other library (LD_PRELOAD); counts nothing until faults_arm was called in the process. The count
 * is shared with processes forked later. Of SQLite's files only the end of a transaction counts, when its journal is
 * removed: in between SQLite itself promises what is tested here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = 1, TORN = 2, ONCE = 3, FULL = 4 };

static long *count; /* shared with forks */
static char root[PATH_MAX];
static long at;
static int how;

/* As `how`: the process group is killed before the call; in its middle; the call fails; it and all later ones do. */
void faults_arm(const char *folder, long number, int kind)
{
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(root, sizeof root, "%s/", folder);
    at = number;
    how = kind;
}

long faults_count(void) { return count ? *count : 0; }

static int ends(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static int of_sqlite(const char *path)
{
    return strstr(path, ".db") && (ends(path, ".db") || ends(path, "-journal") || ends(path, ".unfinished"));
}

static const char *absolute(int folder, const char *path, char *whole)
{
    char link[64];
    ssize_t n = 0;
    if (path[0] == '/')
        return path;
    if (folder == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX / 2))
            return path;
        n = (ssize_t)strlen(whole);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        n = readlink(link, whole, PATH_MAX / 2);
        if (n < 0)
            return path;
    }
    snprintf(whole + n, PATH_MAX / 2, "/%s", path);
    return whole;
}

/* The number of this call; 0 if it does not count. */
static long number_of(const char *path)
{
    if (!count || strncmp(path, root, strlen(root)) != 0)
        return 0;
    return __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

static int fails(long number)
{
    return at && number && ((number == at && how == ONCE) || (number >= at && how == FULL));
}

static void die_if(long number, int kind)
{
    if (at && number == at && how == kind)
        kill(0, SIGKILL);
}

/* Whether a call on a path is to fail. */
static int hit(int folder, const char *path)
{
    char whole[PATH_MAX];
    long number = number_of(absolute(folder, path, whole));
    die_if(number, KILL);
    die_if(number, TORN);
    return fails(number);
}

/* The number of a write to, or a flush of, an open file; 0 if it does not count. */
static long number_of_write(int fd)
{
    char link[64], path[PATH_MAX];
    if (!count)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return 0;
    path[n] = 0;
    if (of_sqlite(path))
        return 0;
    return number_of(path);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
/* `half` is done where the write is to be torn. */
#define WRITTEN(half) \
    long number = number_of_write(fd); \
    die_if(number, KILL); \
    if (at && number == at && how == TORN) { half; kill(0, SIGKILL); } \
    if (fails(number)) { errno = ENOSPC; return -1; }

ssize_t write(int fd, const void *data, size_t n)
{
    REAL(ssize_t, write, int, const void *, size_t);
    WRITTEN(real(fd, data, n / 2))
    return real(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t offset)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
    WRITTEN(real(fd, data, n / 2, offset))
    return real(fd, data, n, offset);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) { return pwrite64(fd, data, n, offset); }

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    WRITTEN(real(fd, parts, n / 2))
    return real(fd, parts, n);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *file)
{
    REAL(size_t, fwrite, const void *, size_t, size_t, FILE *);
    int fd = fileno(file);
    long number = number_of_write(fd);
    die_if(number, KILL);
    if (at && number == at && how == TORN) { real(data, size, n / 2, file); fflush(file); kill(0, SIGKILL); }
    if (fails(number)) { errno = ENOSPC; return 0; }
    return real(data, size, n, file);
}

ssize_t sendfile64(int fd, int from, off_t *offset, size_t n)
{
    REAL(ssize_t, sendfile64, int, int, off_t *, size_t);
    WRITTEN({
        struct stat facts;
        fstat(from, &facts);
        real(fd, from, offset, (size_t)facts.st_size / 2);
    })
    return real(fd, from, offset, n);
}

ssize_t sendfile(int fd, int from, off_t *offset, size_t n) { return sendfile64(fd, from, offset, n); }

ssize_t copy_file_range(int from, off64_t *from_offset, int fd, off64_t *offset, size_t n, unsigned flags)
{
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
    WRITTEN(real(from, from_offset, fd, offset, 1, flags))
    return real(from, from_offset, fd, offset, n, flags);
}

int fsync(int fd)
{
    REAL(int, fsync, int);
    WRITTEN({})
    return real(fd);
}

int fdatasync(int fd)
{
    REAL(int, fdatasync, int);
    WRITTEN({})
    return real(fd);
}

int rename(const char *old, const char *new)
{
    REAL(int, rename, const char *, const char *);
    if (hit(AT_FDCWD, new)) { errno = EIO; return -1; }
    return real(old, new);
}

int renameat(int a, const char *old, int b, const char *new)
{
    REAL(int, renameat, int, const char *, int, const char *);
    if (hit(b, new)) { errno = EIO; return -1; }
    return real(a, old, b, new);
}

int unlink(const char *path)
{
    REAL(int, unlink, const char *);
    if (hit(AT_FDCWD, path)) { errno = EIO; return -1; }
    return real(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    REAL(int, unlinkat, int, const char *, int);
    if (hit(folder, path)) { errno = EIO; return -1; }
    return real(folder, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, const char *, mode_t);
    if (hit(AT_FDCWD, path)) { errno = ENOSPC; return -1; }
    return real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL(int, mkdirat, int, const char *, mode_t);
    if (hit(folder, path)) { errno = ENOSPC; return -1; }
    return real(folder, path, mode);
}

int rmdir(const char *path)
{
    REAL(int, rmdir, const char *);
    if (hit(AT_FDCWD, path)) { errno = EIO; return -1; }
    return real(path);
}
