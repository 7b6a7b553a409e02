/* Role worker: looks into messages for core, and judges who sent them. It holds one message at a time and, of
 * those that are being judged, what the evaluators need; no message itself is kept between two frames. Core
 * asks again elsewhere when it dies, and after the second crash keeps the message unread. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "formats/charset.h"
#include "roles/role.h"
#include "roles/worker_judge.h"
#include "services/content/content.h"

struct worker {
	struct arena *arena; /* of the message at hand; reset after each */
	struct worker_judge *judge;
};

static int worker_start(struct role *r, struct err *err)
{
	static struct worker worker;

	(void)err;
	/* Conversion tables and the settings of OpenSSL are files: they must be read before the sandbox is closed. */
	charset_init();
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	worker.arena = arena_new(NULL, "message", CONTENT_ARENA_BYTES);
	worker.judge = worker_judge_new(r);
	r->state = &worker;
	return 0;
}

static int sealed_copy(str bytes, int *out_fd, struct err *err)
{
	AUTO_FD fd = memfd_create("index", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, "cannot make a memfd for an index: %m");
	if (fd_write_all(fd, bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, ERR_SYSTEM, "cannot fill the memfd of an index: %m");
	*out_fd = TAKE_FD(fd);
	return 0;
}

static int reply_index(struct link *link, uint32_t request, str index, struct err *err)
{
	struct frame_content_result result = { .ok = true, .index_bytes = index.len };
	AUTO_FD fd = -1;

	if (index.len <= INLINE_BODY_MAX) {
		result.index = index;
		return link_reply(link, request, &frame_def_content_result, &result, NULL, 0, err);
	}
	if (sealed_copy(index, &fd, err) < 0)
		return -1;
	return link_reply(link, request, &frame_def_content_result, &result, &fd, 1, err);
}

static int take_body(
    const struct frame_content_index *f, int fd, struct content_body *out, struct err *err)
{
	if (fd >= 0)
		return content_map(fd, f->body_at, f->body_bytes, out, err);
	if (f->body.len != f->body_bytes)
		return err_set(err, ERR_INPUT, "the frame holds %zu of the message's %llu bytes",
		    f->body.len, (unsigned long long)f->body_bytes);
	*out = (struct content_body){ .bytes = f->body };
	return 0;
}

static int index_message(
    struct worker *w, const struct frame_content_index *f, int fd, struct buf *out, struct err *err)
{
	struct content_body body = { .map = NULL };

	if (take_body(f, fd, &body, err) < 0)
		return -1;
	int result = content_index(body.bytes, w->arena, out, err);
	content_fini(&body);
	return result;
}

static int on_content_index(struct role *r, struct link *link, struct link_frame *in)
{
	AUTO_BUF index = BUF_INIT(CONTENT_INDEX_MAX_BYTES);
	struct frame_content_index f;
	struct err err = { .kind = ERR_NONE };

	if (frame_decode(in->def, in->payload, &f, &err) < 0 || in->request == 0)
		return -1;
	if (index_message(r->state, &f, in->fds[0], &index, &err) == 0 &&
	    reply_index(link, in->request, buf_str(&index), &err) == 0)
		return 0;
	log_warn(&r->log, "cannot index a message", F_INT("job", f.job),
	    F_INT("bytes", f.body_bytes), F_CSTR("why", err.text));
	struct frame_content_result refusal = { .why = str_c(err.text) };
	return link_reply(link, in->request, &frame_def_content_result, &refusal, NULL, 0, &err);
}

static int worker_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct worker *w = r->state;

	(void)from;
	(void)index;
	switch (in->def->type) {
	case FRAME_CONTENT_INDEX:
		return on_content_index(r, link, in);
	case FRAME_CONTENT_JUDGE:
		return worker_judge_frame(w->judge, link, in);
	default:
		return -1;
	}
}

static void worker_peer_lost(struct role *r, enum role_id peer, unsigned index)
{
	struct worker *w = r->state;

	(void)index;
	if (peer == ROLE_CORE)
		worker_judge_core_lost(w->judge);
}

/* Judgements that are under way are given up: core takes the mail without them. */
static void worker_stop(struct role *r, uint32_t grace_ms)
{
	struct worker *w = r->state;

	(void)grace_ms;
	arena_free(w->arena);
	w->arena = NULL;
	worker_judge_free(w->judge);
	w->judge = NULL;
	role_exit(r, 0);
}

static const struct frame_def *const from_core[] = { &frame_def_content_index,
	&frame_def_content_judge, NULL };

const struct role_kind role_worker = {
	.name = "worker",
	.grants = GRANT_MEMFD,
	.accepts = { [ROLE_CORE] = from_core },
	.start = worker_start,
	.frame = worker_frame,
	.peer_lost = worker_peer_lost,
	.stop = worker_stop,
};
