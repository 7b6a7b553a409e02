/* io.h: the store's writes to disk, all through one door that tests can close.
 *
 * Purpose    Write, sync, truncate, rename and unlink files; the same door for SQLite's files by a
 *            thin VFS over its unix one. A hook sees every call before it happens and may make it
 *            fail, cut a write short, or stop the process.
 * Ownership  struct io_file owns its descriptor and path: io_open, then io_close.
 * Threads    Any. The hook is set while no store is open, by tests only.
 * Errors     0, or -1 with errno set.
 * Not here   Reading: nothing is lost by a failed read.
 */
#ifndef BUZON_SERVICES_STORE_IO_H
#define BUZON_SERVICES_STORE_IO_H

#include <sys/types.h>

#include "base/str.h"

enum io_op {
	IO_OPEN,
	IO_WRITE,
	IO_SYNC,
	IO_TRUNCATE,
	IO_ALLOCATE,
	IO_RENAME,
	IO_UNLINK,
	IO_SYNC_DIR,
};

struct io_call {
	enum io_op op;
	const char *path;
	uint64_t offset, length; /* of a write; length: of truncate, allocate */
	bool creates;            /* IO_OPEN: the file may be made */
};

/* What before may answer besides an errno: */
enum {
	IO_GO_ON = 0,
	IO_SHORT = -1, /* half of a write happens, then ENOSPC */
};

struct io_hook {
	int (*before)(void *arg, const struct io_call *call);
	void (*after)(void *arg, const struct io_call *call); /* it worked; may be NULL */
	void *arg;
};

/* NULL: none. */
void io_hook_set(const struct io_hook *hook);

struct io_file {
	int fd;
	char *path;
};

/* clang-format off */
#define IO_FILE_INIT { .fd = -1 }
/* clang-format on */

int io_open(struct io_file *f, const char *path, int flags);
void io_close(struct io_file *f);
int io_write_at(struct io_file *f, str bytes, uint64_t offset);
int io_sync(struct io_file *f);
int io_truncate(struct io_file *f, uint64_t length);
/* Space that is really there, and counts as the file's length. */
int io_allocate(struct io_file *f, uint64_t length);
int io_rename(const char *from, const char *to);
int io_unlink(const char *path);
int io_sync_dir(const char *path);

/* Name of the SQLite VFS that goes through this door; registers it at the first call. */
const char *io_vfs_name(void);

/* For io_vfs.c: asks the hook. */
int io_before(const struct io_call *call);
void io_after(const struct io_call *call);

#endif
