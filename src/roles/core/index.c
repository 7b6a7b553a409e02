/* Messages to the workers, and their indexes back. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "roles/core/core.h"

enum {
	DEATHS_MAX = 2, /* then the message is taken for poison */
	RETRY_MS = 100,
	PATIENCE_MS = 10 * 1000, /* with no worker up at all */
	INDEX_BYTES_MAX = 16 << 20,
};

struct job {
	struct core *core;
	str bytes;
	int fd;     /* of the caller, or ours; -1: inline */
	int own_fd; /* a memfd made here */
	uint64_t offset, length;
	core_index_fn *fn;
	void *arg;
	unsigned deaths;
	uint64_t give_up_ms;
	struct timer *timer;
};

static void send_job(void *arg);

static void finish(struct job *j, str index, bool is_poison)
{
	timer_free(j->timer);
	j->fn(j->arg, index, is_poison);
	fd_close(&j->own_fd);
	free(j);
}

/* A large index comes as a memfd; it is copied out before it is looked at. */
static void finish_large(struct job *j, int fd, uint64_t bytes)
{
	struct stat st;
	char *copy = bytes <= INDEX_BYTES_MAX ? malloc(bytes + 1) : NULL;
	bool good = copy && fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == bytes &&
	            fd_pread_all(fd, copy, bytes, 0) == 0;

	finish(j, good ? str_new(copy, bytes) : STR_NONE, !good);
	free(copy);
}

static void on_reply(void *arg, struct link_frame *reply)
{
	struct job *j = arg;
	struct frame_content_result r;
	struct err err;

	if (!reply) {
		if (++j->deaths >= DEATHS_MAX)
			finish(j, STR_NONE, true);
		else
			timer_set(j->timer, RETRY_MS);
		return;
	}
	if (frame_decode(reply->def, reply->payload, &r, &err) < 0 || !r.ok)
		finish(j, STR_NONE, true);
	else if (reply->fds[0] >= 0)
		finish_large(j, reply->fds[0], r.index_bytes);
	else
		finish(j, r.index, str_empty(r.index));
}

static int seal_copy(str bytes)
{
	AUTO_FD fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -1;
	return TAKE_FD(fd);
}

static void send_job(void *arg)
{
	struct job *j = arg;
	struct core *c = j->core;
	struct link *worker = role_link(c->role, ROLE_WORKER, c->next_job++);
	struct frame_content_index f = {
		.job = c->next_job, .body_at = j->offset, .body_bytes = j->length
	};

	if (!worker) {
		if (loop_now_ms(c->role->loop) >= j->give_up_ms)
			finish(j, STR_NONE, false);
		else
			timer_set(j->timer, RETRY_MS);
		return;
	}
	if (j->fd < 0)
		f.body = j->bytes;
	link_request(worker, &frame_def_content_index, &f, &j->fd, j->fd >= 0,
	    &frame_def_content_result, on_reply, j);
}

void core_index(struct core *c, str bytes, int fd, uint64_t offset, uint64_t length,
    core_index_fn *fn, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	*j = (struct job){ .core = c,
		.bytes = bytes,
		.fd = fd,
		.own_fd = -1,
		.offset = offset,
		.length = length,
		.fn = fn,
		.arg = arg };
	j->timer = timer_new(c->role->loop, send_job, j);
	j->give_up_ms = loop_now_ms(c->role->loop) + PATIENCE_MS;
	if (fd < 0 && bytes.len > INLINE_BODY_MAX) {
		j->own_fd = seal_copy(bytes);
		j->fd = j->own_fd;
		if (j->fd < 0) {
			finish(j, STR_NONE, false);
			return;
		}
	}
	send_job(j);
}
