/* Role core, with fronts that send it anything, workers that answer anything, sign-in tickets that are
 * good, forged and missing, and an administrator's tool that says anything to the control socket: every
 * request is answered once, and core goes on. The store is a real one in a directory. */
#include "role_rig.h"

#include <sys/un.h>

#include "formats/message_index.h"
#include "roles/core/core.h"
#include "services/auth/ticket.h"
#include "services/judge/judgement.h"

enum {
	RUNS_PER_ACCOUNT = 64, /* then its mailbox is emptied by removing it */
	ANSWER_GOOD_BELOW = 0xc0,
	ANSWER_ANY_BELOW = 0xe8,
	ANSWER_LOST_BELOW = 0xf0,
};

static char directory[128];
static struct config config = {
	.hostname = STR_INIT("mx.example.org"),
	.subaddress_separator = STR_INIT("+"),
	.limits = { .message_bytes = 100000,
	    .recipients = 100,
	    .hops = 50,
	    .imap_idle_s = 1800,
	    .pop3_idle_s = 600,
	    .errors_after_sign_in = 20,
	    .submit_messages_per_hour = 1000000,
	    .submit_recipients_per_day = 1000000,
	    .quota_bytes = 1 << 20,
	    .append_bytes = 100000 },
	.authentication = { .check = true, .private_peers = true, .time_s = 10 },
};

static struct role_rig rig;
static char ticket_bytes[TICKET_MAX];
static str ticket;
static uint64_t account;
static int control_fd = -1;
static struct sockaddr_un control_place = { .sun_family = AF_UNIX };

/* ---- what is in the store ---- */

static int make_domain(struct store_txn *t, void *arg, struct err *err)
{
	(void)arg;
	return txn_domain_add(t, STR("example.org"), err);
}

static int make_account(struct store_txn *t, void *arg, struct err *err)
{
	(void)arg;
	return txn_account_add(t, STR("an@example.org"), 0, &account, err);
}

static int remove_account(struct store_txn *t, void *arg, struct err *err)
{
	(void)arg;
	return txn_account_remove(t, STR("an@example.org"), err);
}

/* Each opens one session. */
static void make_ticket(void)
{
	AUTO_BUF out = BUF_INIT(TICKET_MAX);
	struct err err;

	struct ticket t = { .account = account,
		.address = STR("an@example.org"),
		.rights = UINT32_MAX,
		.expires_at = (int64_t)time_mono_ms() + 365 * INT64_C(86400000) };
	role_rig_must(ticket_make(rig.role.ticket_key, &t, &out, &err), &err);
	memcpy(ticket_bytes, out.ptr, out.len);
	ticket = str_new(ticket_bytes, out.len);
}

/* The fuzzer may have removed or made any of them by the control socket. */
static void renew_account(void)
{
	struct core *c = rig.role.state;
	struct err err;

	(void)store_write(c->store, make_domain, NULL, &err);
	(void)store_write(c->store, remove_account, NULL, &err);
	role_rig_must(store_write(c->store, make_account, NULL, &err), &err);
	make_ticket();
}

/* ---- peers ---- */

static void on_field(
    struct role_rig *r, const struct frame_def *def, const struct frame_field *field, str *value)
{
	(void)r, (void)def;
	if (str_eq(str_c(field->name), STR("ticket")) && str_eq(*value, STR("T"))) {
		make_ticket();
		*value = ticket;
	}
	if (str_eq(str_c(field->name), STR("recipient")) && str_eq(*value, STR("R")))
		*value = STR("an@example.org");
	if (str_eq(str_c(field->name), STR("sender")) && str_eq(*value, STR("S")))
		*value = STR("an@example.org");
}

static void index_well(struct rig_peer *p, uint32_t request, str payload, int fd)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	AUTO_BUF index = BUF_INIT(16 << 20);
	struct frame_content_index f;
	struct message_index parsed;

	if (frame_decode(&frame_def_content_index, payload, &f, NULL) < 0)
		abort();
	str body = f.body;
	if (fd >= 0) {
		char *copy = arena_alloc(a, (size_t)f.body_bytes + 1);
		int rc = fd_pread_all(fd, copy, (size_t)f.body_bytes, 0);
		assert(rc == 0);
		body = str_new(copy, (size_t)f.body_bytes);
	}
	message_index_build(body, a, &parsed);
	message_index_encode(&parsed, &index);
	struct frame_content_result r = { .ok = true, .index_bytes = index.len };
	AUTO_FD file = -1;
	if (index.len <= INLINE_BODY_MAX)
		r.index = buf_str(&index);
	else
		file = role_rig_memory_file(buf_str(&index), true);
	role_rig_answer(p, &frame_def_content_result, request, &r, file);
}

static void answer_anything(struct rig_peer *p, const struct frame_def *answer, uint32_t request)
{
	_Alignas(16) char frame[RIG_FRAME_BYTES];
	AUTO_FD fd = -1;

	if (role_rig_byte(&rig) & 1)
		fd = role_rig_memory_file(role_rig_text(&rig), false);
	role_rig_fill(&rig, answer, frame);
	role_rig_answer(p, answer, request, frame, fd);
}

static void judge_well(struct rig_peer *p, uint32_t request)
{
	AUTO_ARENA a = arena_new(NULL, "judgement", 65536);
	AUTO_BUF packed = BUF_INIT(JUDGEMENT_MAX);
	struct judgement j;

	judgement_unavailable(config.hostname, STR("it was not looked up"), a, &j);
	judgement_pack(&j, &packed);
	role_rig_answer(p, &frame_def_content_judged, request,
	    &(struct frame_content_judged){ .ok = true, .judgement = buf_str(&packed) }, -1);
}

static void on_request(struct role_rig *r, struct rig_peer *p, const struct frame_def *def,
    uint32_t request, str payload, int *fds)
{
	bool is_worker = def == &frame_def_content_index;
	bool is_judge = def == &frame_def_content_judge;
	unsigned choice = role_rig_byte(r);

	if (choice >= ANSWER_ANY_BELOW && choice < ANSWER_LOST_BELOW)
		shutdown(p->fd, SHUT_RDWR);
	else if (choice >= ANSWER_GOOD_BELOW)
		answer_anything(p,
		    is_worker  ? &frame_def_content_result
		    : is_judge ? &frame_def_content_judged
		               : &frame_def_credential_result,
		    request);
	else if (is_worker)
		index_well(p, request, payload, fds[0]);
	else if (is_judge)
		judge_well(p, request);
	else
		role_rig_answer(p, &frame_def_credential_result, request,
		    &(struct frame_credential_result){ .ok = true }, -1);
}

/* ---- the administrator ---- */

static void open_control(void)
{
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct frame_control_socket f = { .version = 1 };

	/* Behind a NUL: a name without a file. */
	snprintf(control_place.sun_path + 1, 60, "buzon-core-fuzz-%d", (int)getpid());
	if (bind(fd, (struct sockaddr *)&control_place, sizeof(control_place)) < 0 ||
	    listen(fd, 8) < 0)
		abort();
	role_rig_send_frame(&rig.peers[ROLE_SUPERVISOR], &frame_def_control_socket, 0, 0, &f, fd);
	role_rig_settle(&rig);
}

static void control_step(struct role_rig *r)
{
	str said = role_rig_text(r);

	control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(control_fd, (struct sockaddr *)&control_place, sizeof(control_place)) < 0)
		abort();
	(void)!send(control_fd, said.ptr ? said.ptr : "", said.len, MSG_NOSIGNAL);
	shutdown(control_fd, SHUT_WR);
}

/* What comes is read, so that nobody waits for us. */
static void drain(int *fd)
{
	char block[16384];
	ssize_t n;

	while (*fd >= 0 && (n = recv(*fd, block, sizeof(block), MSG_DONTWAIT)) >= 0) {
		if (n == 0)
			fd_close(fd);
	}
}

static bool is_busy(struct role_rig *r)
{
	struct core *c = r->role.state;

	drain(&control_fd);
	drain(&r->stream_fd);
	if (!link_is_up(r->role.links[ROLE_WORKER][0]))
		role_rig_join(r, ROLE_WORKER);
	if (!link_is_up(r->role.links[ROLE_AUTH][0]))
		role_rig_join(r, ROLE_AUTH);
	return control_fd >= 0 || intake_at_work(c->intake) > 0 ||
	       imap_server_sessions(c->imap) > 0 || pop3_server_sessions(c->pop3) > 0;
}

/* ---- the target ---- */

static void set_up(void)
{
	char store[160];

	role_rig_directory(directory);
	snprintf(store, sizeof(store), "%s/" STORE_DIRECTORY, directory);
	if (mkdir(store, 0700) < 0)
		abort();
	config.data = str_c(directory);
	rig.role.config = &config;
	rig.role.directory = -1;
	snprintf(rig.role.path, sizeof(rig.role.path), "%s", store);
	rig.on_request = on_request;
	rig.on_field = on_field;
	rig.own_step = control_step;
	rig.is_busy = is_busy;
	role_rig_open(&rig, &role_core, ROLE_CORE);
	role_rig_join(&rig, ROLE_FRONT_MX);
	role_rig_join(&rig, ROLE_FRONT_USER);
	role_rig_join(&rig, ROLE_WORKER);
	role_rig_join(&rig, ROLE_AUTH);
	role_rig_join(&rig, ROLE_SUPERVISOR);
	open_control();
	/* What the supervisor sends is not a stranger's. */
	rig.joined_count--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned runs;

	if (size > 16384)
		return 0;
	if (!rig.role.kind)
		set_up();
	if (runs++ % RUNS_PER_ACCOUNT == 0)
		renew_account();
	role_rig_run(&rig, str_new(data, size));
	return 0;
}
