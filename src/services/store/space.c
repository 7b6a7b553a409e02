/* Space: refusing new mail before the disk is full, and keeping some back for those who remove.
 *
 * reliability §1.9: new mail is refused below max(2 x the message, 64 MiB) or 1,000 inodes. The
 * reserve is a file of 16 MiB that is really allocated. */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include "base/time.h"
#include "services/store/internal.h"

/* A disk can take a gibibyte in a second. */
enum { CHECK_MS = 1000, CHECK_NEAR_MS = 50, INODES_MIN = 1000 };
#define SPACE_NEAR (1ull << 30)
#define RESERVE_BYTES (16ull << 20)
#define SPACE_MIN (64ull << 20)
/* Below this the reserve is let go, above SPACE_MIN it is made again. */
#define SPACE_TIGHT (8ull << 20)

static void measure(struct store *s)
{
	struct space *sp = &s->space;
	uint64_t now = time_mono_ms();
	struct statvfs fs;

	if (sp->known &&
	    now < sp->checked_ms + (sp->free_bytes < SPACE_NEAR ? CHECK_NEAR_MS : CHECK_MS))
		return;
	sp->checked_ms = now;
	sp->known = true;
	if (statvfs(s->path, &fs) < 0) {
		sp->free_bytes = sp->free_inodes = 0;
		return;
	}
	sp->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* File systems without a fixed number of inodes report none. */
	sp->free_inodes = fs.f_files ? (uint64_t)fs.f_favail : UINT64_MAX;
}

static void make_reserve(struct store *s)
{
	char path[STORE_PATH_MAX + 100];
	struct io_file f = IO_FILE_INIT;

	store_file(s, "reserve", path);
	if (io_open(&f, path, O_RDWR | O_CREAT) < 0)
		return;
	if (io_allocate(&f, RESERVE_BYTES) == 0)
		s->space.has_reserve = true;
	else
		io_unlink(path);
	io_close(&f);
}

static void release(struct store *s, uint64_t free_bytes)
{
	char path[STORE_PATH_MAX + 100];

	if (!s->space.has_reserve)
		return;
	store_file(s, "reserve", path);
	io_unlink(path);
	s->space.has_reserve = false;
	log_alert(&s->log, "disk is full: reserve released", F_INT("free_bytes", free_bytes),
	    F_CSTR("path", s->path));
}

void space_init(struct store *s)
{
	pthread_mutex_init(&s->space.lock, NULL);
	if (atomic_load(&s->state) != STORE_WORKING)
		return;
	measure(s);
	if (s->space.free_bytes > SPACE_MIN + RESERVE_BYTES)
		make_reserve(s);
}

void space_fini(struct store *s)
{
	pthread_mutex_destroy(&s->space.lock);
}

void space_care(struct store *s, bool is_needed)
{
	struct space *sp = &s->space;

	pthread_mutex_lock(&sp->lock);
	measure(s);
	if (is_needed && sp->has_reserve && sp->free_bytes < SPACE_TIGHT)
		release(s, sp->free_bytes);
	else if (!sp->has_reserve && sp->free_bytes > SPACE_MIN + 2 * RESERVE_BYTES)
		make_reserve(s);
	pthread_mutex_unlock(&sp->lock);
}

void space_release_reserve(struct store *s, const struct err *why)
{
	struct space *sp = &s->space;

	if (why->kind != ERR_RETRY) /* what a full disk becomes */
		return;
	pthread_mutex_lock(&sp->lock);
	sp->known = false;
	measure(s);
	if (sp->free_bytes < SPACE_MIN)
		release(s, sp->free_bytes);
	pthread_mutex_unlock(&sp->lock);
}

uint64_t space_free_bytes(struct store *s)
{
	pthread_mutex_lock(&s->space.lock);
	measure(s);
	uint64_t bytes = s->space.free_bytes;
	pthread_mutex_unlock(&s->space.lock);
	return bytes;
}

bool space_is_short(struct store *s)
{
	return space_free_bytes(s) < s->options.reserve_bytes;
}

/* Copies do not bring about that new mail is refused; when it is refused anyway, they leave what the
 * database needs to note them. */
uint64_t space_for_copies(struct store *s)
{
	uint64_t bytes = space_free_bytes(s), least = s->options.reserve_bytes;
	uint64_t keep = bytes < least ? 2 * SPACE_TIGHT : least;

	return bytes > keep ? bytes - keep : 0;
}

static int refuse_space(struct store *s, uint64_t need, struct err *err)
{
	struct space *sp = &s->space;

	if (sp->free_inodes < INODES_MIN)
		return err_set(err, ERR_RETRY, "only %llu files can still be made in '%s'",
		    (unsigned long long)sp->free_inodes, s->path);
	if (sp->free_bytes < need)
		return err_set(err, ERR_RETRY, "only %llu MiB are free in '%s', %llu are needed",
		    (unsigned long long)(sp->free_bytes >> 20), s->path,
		    (unsigned long long)(need >> 20));
	return 0;
}

bool store_accepts_mail(struct store *s, uint64_t bytes, struct err *err)
{
	uint64_t least = s->options.reserve_bytes;
	uint64_t need = bytes > UINT64_MAX / 4 ? bytes : bytes * 2;

	if (atomic_load(&s->state) == STORE_READ_ONLY) {
		err_set(err, ERR_RETRY, "the store was opened for reading only");
		return false;
	}
	if (atomic_load(&s->state) == STORE_FAILED) {
		err_set(err, ERR_RETRY, "the store cannot write at the moment; the log says why");
		return false;
	}
	pthread_mutex_lock(&s->space.lock);
	measure(s);
	int result = refuse_space(s, need > least ? need : least, err);
	pthread_mutex_unlock(&s->space.lock);
	return result == 0;
}
