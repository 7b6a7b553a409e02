/* Private keys for DKIM: files that the supervisor alone reads, on their way to role keys. */
#include <stdlib.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/supervisor.h"
#include "services/keys/dkim_files.h"

struct hand_over {
	struct supervisor *s;
	uint32_t request; /* of core; 0: nobody waits */
	pid_t core;       /* who asked: a core that was started since asked nothing */
};

static pid_t core_pid(const struct supervisor *s)
{
	const struct child *core = s->children[ROLE_CORE][0];

	return core ? core->pid : 0;
}

static void tell_core(struct supervisor *s, uint32_t request, bool ok, str why)
{
	const struct child *core = s->children[ROLE_CORE][0];
	struct frame_dkim_taken f = { .ok = ok, .why = why };

	if (request && core && core->pid)
		link_reply(core->link, request, &frame_def_dkim_taken, &f, NULL, 0, NULL);
}

static void on_taken(void *arg, struct link_frame *reply)
{
	struct hand_over *h = arg;
	struct frame_dkim_taken f;

	if (!reply || frame_decode(reply->def, reply->payload, &f, NULL) < 0)
		f = (struct frame_dkim_taken){ .why = STR(
			                           "the keys process is not there; try again") };
	if (core_pid(h->s) == h->core)
		tell_core(h->s, h->request, f.ok, f.why);
	free(h);
}

static int read_keys(struct supervisor *s, struct err *err)
{
	AUTO_BUF block = BUF_INIT(DKIM_FILES_MAX * (DKIM_FILE_BYTES + DKIM_NAME_BYTES));
	int fd = dkim_files_read(s->data_dir, &s->log, &block, err);

	if (fd == 0)
		fd = start_memfd("dkim keys", buf_str(&block), err);
	if (block.ptr)
		secret_wipe(block.ptr, block.cap);
	return fd;
}

void supervisor_give_dkim(struct supervisor *s, uint32_t request)
{
	const struct child *keys = s->children[ROLE_KEYS][0];
	struct frame_dkim_keys f = { .version = 1 };
	struct err err;

	if (!keys || !keys->pid) {
		tell_core(s, request, false, STR("the keys process is not there; try again"));
		return;
	}
	AUTO_FD fd = read_keys(s, &err);
	if (fd < 0) {
		log_alert(&s->log, "keys for DKIM not read", F_CSTR("why", err.text));
		tell_core(s, request, false, str_c(err.text));
		return;
	}
	struct hand_over *h = malloc(sizeof(*h));
	if (!h)
		abort();
	*h = (struct hand_over){ s, request, core_pid(s) };
	link_request(
	    keys->link, &frame_def_dkim_keys, &f, &fd, 1, &frame_def_dkim_taken, on_taken, h);
}
