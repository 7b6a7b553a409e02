/* The SQLite VFS "buzon": SQLite's own unix VFS, with the door of io.h in front of what writes.
 *
 * Two more things it does: random bytes come from random_bytes, so that a sandboxed role needs no
 * /dev/urandom; memory statistics are off, because they put one lock around every allocation. */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/secret.h"
#include "services/store/io.h"

struct shim_file {
	sqlite3_file base;
	const char *path; /* SQLite keeps it as long as the file is open */
	sqlite3_file *real;
	_Alignas(8) char storage[]; /* SQLite aligns to 8 */
};

static struct shim_file *shim(sqlite3_file *f)
{
	return (struct shim_file *)f;
}

/* The SQLite result that a refused call becomes. */
static int refused(int verdict, int otherwise)
{
	return verdict == IO_SHORT || verdict == ENOSPC || verdict == EDQUOT ? SQLITE_FULL
	                                                                     : otherwise;
}

static int finish(const struct io_call *call, int rc)
{
	if (rc == SQLITE_OK)
		io_after(call);
	return rc;
}

static int shim_close(sqlite3_file *f)
{
	return shim(f)->real->pMethods->xClose(shim(f)->real);
}

static int shim_read(sqlite3_file *f, void *out, int amount, sqlite3_int64 offset)
{
	return shim(f)->real->pMethods->xRead(shim(f)->real, out, amount, offset);
}

static int shim_write(sqlite3_file *f, const void *data, int amount, sqlite3_int64 offset)
{
	sqlite3_file *real = shim(f)->real;
	struct io_call call = { .op = IO_WRITE,
		.path = shim(f)->path,
		.offset = (uint64_t)offset,
		.length = (uint64_t)amount };
	int verdict = io_before(&call);

	if (verdict == IO_SHORT)
		real->pMethods->xWrite(real, data, amount / 2, offset);
	if (verdict != IO_GO_ON)
		return refused(verdict, SQLITE_IOERR_WRITE);
	return finish(&call, real->pMethods->xWrite(real, data, amount, offset));
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct io_call call = {
		.op = IO_TRUNCATE, .path = shim(f)->path, .length = (uint64_t)size
	};
	int verdict = io_before(&call);

	if (verdict != IO_GO_ON)
		return refused(verdict, SQLITE_IOERR_TRUNCATE);
	return finish(&call, shim(f)->real->pMethods->xTruncate(shim(f)->real, size));
}

static int shim_sync(sqlite3_file *f, int flags)
{
	struct io_call call = { .op = IO_SYNC, .path = shim(f)->path };
	int verdict = io_before(&call);

	if (verdict != IO_GO_ON)
		return SQLITE_IOERR_FSYNC;
	return finish(&call, shim(f)->real->pMethods->xSync(shim(f)->real, flags));
}

static int shim_file_size(sqlite3_file *f, sqlite3_int64 *out)
{
	return shim(f)->real->pMethods->xFileSize(shim(f)->real, out);
}

static int shim_lock(sqlite3_file *f, int level)
{
	return shim(f)->real->pMethods->xLock(shim(f)->real, level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
	return shim(f)->real->pMethods->xUnlock(shim(f)->real, level);
}

static int shim_check_lock(sqlite3_file *f, int *out)
{
	return shim(f)->real->pMethods->xCheckReservedLock(shim(f)->real, out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
	return shim(f)->real->pMethods->xFileControl(shim(f)->real, op, arg);
}

static int shim_sector_size(sqlite3_file *f)
{
	return shim(f)->real->pMethods->xSectorSize(shim(f)->real);
}

static int shim_device(sqlite3_file *f)
{
	return shim(f)->real->pMethods->xDeviceCharacteristics(shim(f)->real);
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return shim(f)->real->pMethods->xShmMap(shim(f)->real, page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *f, int offset, int count, int flags)
{
	return shim(f)->real->pMethods->xShmLock(shim(f)->real, offset, count, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
	shim(f)->real->pMethods->xShmBarrier(shim(f)->real);
}

static int shim_shm_unmap(sqlite3_file *f, int remove)
{
	return shim(f)->real->pMethods->xShmUnmap(shim(f)->real, remove);
}

static const sqlite3_io_methods shim_methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_file_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_check_lock,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector_size,
	.xDeviceCharacteristics = shim_device,
	.xShmMap = shim_shm_map,
	.xShmLock = shim_shm_lock,
	.xShmBarrier = shim_shm_barrier,
	.xShmUnmap = shim_shm_unmap,
};

static sqlite3_vfs *real_vfs(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out_flags)
{
	struct io_call call = {
		.op = IO_OPEN, .path = path ? path : "", .creates = flags & SQLITE_OPEN_CREATE
	};
	struct shim_file *s = shim(f);
	int verdict = io_before(&call);

	s->base.pMethods = NULL;
	if (verdict != IO_GO_ON)
		return refused(verdict, SQLITE_CANTOPEN);
	s->path = path;
	s->real = (sqlite3_file *)s->storage;
	int rc = real_vfs(vfs)->xOpen(real_vfs(vfs), path, s->real, flags, out_flags);
	if (rc == SQLITE_OK)
		s->base.pMethods = &shim_methods;
	return finish(&call, rc);
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
	struct io_call call = { .op = IO_UNLINK, .path = path };
	int verdict = io_before(&call);

	if (verdict != IO_GO_ON)
		return refused(verdict, SQLITE_IOERR_DELETE);
	return finish(&call, real_vfs(vfs)->xDelete(real_vfs(vfs), path, sync_dir));
}

static int shim_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
	return real_vfs(vfs)->xAccess(real_vfs(vfs), path, flags, out);
}

static int shim_full_path(sqlite3_vfs *vfs, const char *path, int max, char *out)
{
	return real_vfs(vfs)->xFullPathname(real_vfs(vfs), path, max, out);
}

static int shim_randomness(sqlite3_vfs *vfs, int amount, char *out)
{
	(void)vfs;
	random_bytes(out, (size_t)amount);
	return amount;
}

static int shim_sleep(sqlite3_vfs *vfs, int microseconds)
{
	return real_vfs(vfs)->xSleep(real_vfs(vfs), microseconds);
}

static int shim_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
	return real_vfs(vfs)->xCurrentTimeInt64(real_vfs(vfs), out);
}

static int shim_last_error(sqlite3_vfs *vfs, int size, char *out)
{
	return real_vfs(vfs)->xGetLastError(real_vfs(vfs), size, out);
}

static sqlite3_vfs shim_vfs = {
	.iVersion = 2,
	.zName = "buzon",
	.xOpen = shim_open,
	.xDelete = shim_delete,
	.xAccess = shim_access,
	.xFullPathname = shim_full_path,
	.xRandomness = shim_randomness,
	.xSleep = shim_sleep,
	.xGetLastError = shim_last_error,
	.xCurrentTimeInt64 = shim_time,
};

static void register_vfs(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* too late when somebody was first: no harm */
	sqlite3_vfs *real = sqlite3_vfs_find("unix");
	if (!real)
		abort();
	shim_vfs.szOsFile = (int)sizeof(struct shim_file) + real->szOsFile;
	shim_vfs.mxPathname = real->mxPathname;
	shim_vfs.pAppData = real;
	if (sqlite3_vfs_register(&shim_vfs, /* default */ 0) != SQLITE_OK)
		abort();
}

const char *io_vfs_name(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_vfs);
	return shim_vfs.zName;
}
