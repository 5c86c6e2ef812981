/* Faults at chosen system calls: a library that a program is started with (LD_PRELOAD).
 *
 * Calls that change files below $FAULT_UNDER are counted; $FAULT_LOG receives a line for each. At call
 * number $FAULT_AT happens what $FAULT_ACTION says:
 *   kill     the process is killed before the call
 *   torn     it is killed after the call, of which a write does only half
 *   nospace  this call and all later ones that need room fail with ENOSPC
 *   error    this call and all later ones of write and fsync fail with EIO
 *   again    the call fails with EINTR, once
 *   short    a write does only half, once
 * An action counts only calls that it can happen to.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, RENAME = 4, SYNC = 8, CUT = 16, REMOVE = 32, MAKE = 64, LOCK = 128 };

static const struct {
  const char* name;
  int calls, error, sticky;
} kActions[] = {
    {"kill", OPEN | WRITE | RENAME | SYNC | CUT | REMOVE | MAKE | LOCK, 0, 0},
    {"torn", OPEN | WRITE | RENAME | SYNC | CUT | REMOVE | MAKE | LOCK, 0, 0},
    {"nospace", OPEN | WRITE | RENAME | SYNC | MAKE, ENOSPC, 1},
    {"error", WRITE | SYNC, EIO, 1},
    {"again", WRITE | SYNC | LOCK, EINTR, 0},
    {"short", WRITE, 0, 0},
};

static atomic_long count;

static int below(const char* path) {
  const char* under = getenv("FAULT_UNDER");
  char full[2 * PATH_MAX] = "", folder[PATH_MAX];
  if (!under || !path) return 0;
  if (path[0] != '/') {
    if (!getcwd(folder, sizeof folder)) return 0;
    snprintf(full, sizeof full, "%s/%s", folder, path);
    path = full;
  }
  return strncmp(path, under, strlen(under)) == 0;
}

static int descriptor_below(int fd, char* path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, PATH_MAX - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return below(path);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* 0: go on; 1: do half, where that is possible, and die if `*dies`; -1: fail with errno. */
static int fault(int call, const char* name, const char* path, int* dies) {
  const char *action = getenv("FAULT_ACTION"), *log = getenv("FAULT_LOG"), *at = getenv("FAULT_AT");
  *dies = 0;
  if (!action) return 0;
  size_t a = 0;
  while (strcmp(kActions[a].name, action) != 0)
    if (++a == sizeof kActions / sizeof *kActions) abort();
  if (!(kActions[a].calls & call)) return 0;
  const long n = atomic_fetch_add(&count, 1) + 1;
  if (log) {
    char line[PATH_MAX + 64];
    const int length = snprintf(line, sizeof line, "%ld %s %s\n", n, name, path);
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd >= 0) {
      syscall(SYS_write, fd, line, (size_t)length);
      syscall(SYS_close, fd);
    }
  }
  const long wanted = at ? atol(at) : 0;
  if (wanted == 0 || n < wanted || (n > wanted && !kActions[a].sticky)) return 0;
  if (strcmp(action, "kill") == 0) die();
  if (strcmp(action, "torn") == 0) return *dies = 1;
  if (strcmp(action, "short") == 0) return 1;
  errno = kActions[a].error;
  return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* data, size_t bytes) {
  char path[PATH_MAX];
  int dies = 0, f = descriptor_below(fd, path) ? fault(WRITE, "write", path, &dies) : 0;
  if (f < 0) return -1;
  const ssize_t done = NEXT(write)(fd, data, f > 0 && bytes > 1 ? bytes / 2 : bytes);
  if (dies) die();
  return done;
}

static int opened(const char* path, int flags, mode_t mode) {
  struct stat info;
  const int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
  /* Room is needed for a new name only. */
  const int old = stat(path, &info) == 0;
  const char* action = getenv("FAULT_ACTION");
  const int counts = writes && below(path) && !(old && action && strcmp(action, "nospace") == 0);
  int dies = 0, f = counts ? fault(OPEN, "open", path, &dies) : 0;
  if (f < 0) return -1;
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  if (dies) die();
  return fd;
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}

#define BY_PATH(kind, name, parameters, arguments)          \
  int name parameters {                                           \
    int dies = 0, f = below(path) ? fault(kind, #name, path, &dies) : 0; \
    if (f < 0) return -1;                                         \
    const int done = NEXT(name) arguments;                        \
    if (dies) die();                                              \
    return done;                                                  \
  }
#define BY_DESCRIPTOR(kind, name, parameters, arguments)                              \
  int name parameters {                                                               \
    char path[PATH_MAX];                                                              \
    int dies = 0, f = descriptor_below(fd, path) ? fault(kind, #name, path, &dies) : 0; \
    if (f < 0) return -1;                                                             \
    const int done = NEXT(name) arguments;                                            \
    if (dies) die();                                                                  \
    return done;                                                                      \
  }

int flock(int fd, int operation);
BY_PATH(RENAME, rename, (const char* path, const char* to), (path, to))
BY_PATH(REMOVE, unlink, (const char* path), (path))
BY_PATH(REMOVE, remove, (const char* path), (path))
BY_PATH(MAKE, mkdir, (const char* path, mode_t mode), (path, mode))
BY_DESCRIPTOR(SYNC, fsync, (int fd), (fd))
BY_DESCRIPTOR(CUT, ftruncate, (int fd, off_t size), (fd, size))
BY_DESCRIPTOR(CUT, ftruncate64, (int fd, off64_t size), (fd, size))
BY_DESCRIPTOR(LOCK, flock, (int fd, int operation), (fd, operation))
