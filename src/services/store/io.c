#include "services/store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

/* The one mutable global of the store: SQLite's VFS list is global as well, and tests set it while
 * no store is open. */
static const struct io_hook *_Atomic current_hook;

void io_hook_set(const struct io_hook *hook)
{
	atomic_store(&current_hook, hook);
}

int io_before(const struct io_call *call)
{
	const struct io_hook *hook = atomic_load_explicit(&current_hook, memory_order_acquire);

	return hook ? hook->before(hook->arg, call) : IO_GO_ON;
}

void io_after(const struct io_call *call)
{
	const struct io_hook *hook = atomic_load_explicit(&current_hook, memory_order_acquire);

	if (hook && hook->after)
		hook->after(hook->arg, call);
}

/* The hook's verdict for everything but writes. */
static int allowed(const struct io_call *call)
{
	int verdict = io_before(call);

	if (verdict == IO_GO_ON)
		return 0;
	errno = verdict == IO_SHORT ? ENOSPC : verdict;
	return -1;
}

static int finish(const struct io_call *call, int result)
{
	if (result < 0)
		return -1;
	io_after(call);
	return 0;
}

int io_open(struct io_file *f, const char *path, int flags)
{
	struct io_call call = { .op = IO_OPEN, .path = path, .creates = flags & O_CREAT };

	if (allowed(&call) < 0)
		return -1;
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	f->fd = fd;
	f->path = strdup(path);
	if (!f->path)
		abort();
	return finish(&call, 0);
}

void io_close(struct io_file *f)
{
	fd_close(&f->fd);
	free(f->path);
	f->path = NULL;
}

int io_write_at(struct io_file *f, str bytes, uint64_t offset)
{
	struct io_call call = {
		.op = IO_WRITE, .path = f->path, .offset = offset, .length = bytes.len
	};
	int verdict = io_before(&call);

	if (verdict == IO_SHORT) {
		if (fd_pwrite_all(f->fd, str_sub(bytes, 0, bytes.len / 2), (off_t)offset) == 0)
			errno = ENOSPC;
		return -1;
	}
	if (verdict != IO_GO_ON) {
		errno = verdict;
		return -1;
	}
	return finish(&call, fd_pwrite_all(f->fd, bytes, (off_t)offset));
}

int io_sync(struct io_file *f)
{
	struct io_call call = { .op = IO_SYNC, .path = f->path };

	if (allowed(&call) < 0)
		return -1;
	return finish(&call, fdatasync(f->fd));
}

int io_truncate(struct io_file *f, uint64_t length)
{
	struct io_call call = { .op = IO_TRUNCATE, .path = f->path, .length = length };

	if (allowed(&call) < 0)
		return -1;
	return finish(&call, ftruncate(f->fd, (off_t)length));
}

int io_allocate(struct io_file *f, uint64_t length)
{
	struct io_call call = { .op = IO_ALLOCATE, .path = f->path, .length = length };

	if (allowed(&call) < 0)
		return -1;
	int result = posix_fallocate(f->fd, 0, (off_t)length);
	if (result != 0) {
		errno = result;
		return -1;
	}
	return finish(&call, 0);
}

int io_rename(const char *from, const char *to)
{
	struct io_call call = { .op = IO_RENAME, .path = to };

	if (allowed(&call) < 0)
		return -1;
	return finish(&call, rename(from, to));
}

int io_unlink(const char *path)
{
	struct io_call call = { .op = IO_UNLINK, .path = path };

	if (allowed(&call) < 0)
		return -1;
	return finish(&call, unlink(path));
}

int io_sync_dir(const char *path)
{
	struct io_call call = { .op = IO_SYNC_DIR, .path = path };

	if (allowed(&call) < 0)
		return -1;
	AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return finish(&call, fsync(fd));
}
