/* Roles front-mx and front-user as a whole: a client that says anything, to any service without TLS,
 * and a core and an auth that answer anything. Sessions end when the client and its peers are gone.
 * Input: service, count of bytes that choose the answers, those bytes, what the client says. */
#include "role_rig.h"

#include <sys/un.h>

#include "sessions/front.h"

/* What a peer does with a request; more of the plain answers than of the others. */
enum {
	ANSWER_GOOD_BELOW = 0xa0,
	ANSWER_ANY_BELOW = 0xe0,
	ANSWER_RAW_BELOW = 0xe8,
	ANSWER_LOST_BELOW = 0xf0
};

static struct config config = {
	.hostname = STR_INIT("mx.example.org"),
	.limits = { .message_bytes = 4000,
	    .recipients = 3,
	    .hops = 5,
	    .connections_per_client = 1000,
	    .connections_per_minute = UINT32_MAX,
	    .connections_total = 1000,
	    .smtp_idle_s = 300,
	    .signin_s = 60,
	    .imap_idle_s = 1800,
	    .pop3_idle_s = 600,
	    .errors_before_sign_in = 10,
	    .errors_after_sign_in = 20 },
	.allow_plain_sign_in = true,
};

static const enum listen_service services[] = { LISTEN_SMTP, LISTEN_LMTP, LISTEN_SUBMISSION,
	LISTEN_IMAP, LISTEN_POP3 };
enum { SERVICE_COUNT = sizeof(services) / sizeof(services[0]) };
static struct sockaddr_un places[SERVICE_COUNT];

/* ---- what core and auth answer ---- */

static const struct {
	const struct frame_def *asked, *answer;
} pairs[] = {
	{ &frame_def_rcpt_check, &frame_def_rcpt_result },
	{ &frame_def_spool_open, &frame_def_spool_result },
	{ &frame_def_message, &frame_def_message_result },
	{ &frame_def_attach, &frame_def_attach_result },
	{ &frame_def_sasl_start, &frame_def_sasl_result },
	{ &frame_def_sasl_step, &frame_def_sasl_result },
};

static void answer_well(struct rig_peer *p, const struct frame_def *def, uint32_t request)
{
	AUTO_BUF results = BUF_INIT(1000);
	AUTO_FD fd = -1;

	for (int i = 0; i < 3; i++)
		buf_add_counted(&results, STR("250 2.6.0 kept"));
	if (def == &frame_def_rcpt_check)
		role_rig_answer(p, &frame_def_rcpt_result, request,
		    &(struct frame_rcpt_result){ 250, STR("2.1.5"), STR("ok") }, -1);
	else if (def == &frame_def_spool_open)
		role_rig_answer(p, &frame_def_spool_result, request,
		    &(struct frame_spool_result){ .ok = true },
		    fd = role_rig_memory_file(STR(""), false));
	else if (def == &frame_def_message)
		role_rig_answer(p, &frame_def_message_result, request,
		    &(struct frame_message_result){ buf_str(&results) }, -1);
	else if (def == &frame_def_attach)
		role_rig_answer(p, &frame_def_attach_result, request,
		    &(struct frame_attach_result){
		        .ok = true, .text = STR("CAPABILITY IMAP4rev2") },
		    -1);
	else
		role_rig_answer(p, &frame_def_sasl_result, request,
		    &(struct frame_sasl_result){
		        .outcome = SASL_OK, .account = STR("a@b"), .ticket = STR("t") },
		    -1);
}

static void answer_anything(
    struct role_rig *rig, struct rig_peer *p, const struct frame_def *def, uint32_t request)
{
	_Alignas(16) char frame[RIG_FRAME_BYTES];
	AUTO_FD fd = role_rig_byte(rig) & 1 ? role_rig_memory_file(STR("x"), false) : -1;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i].asked != def)
			continue;
		role_rig_fill(rig, pairs[i].answer, frame);
		role_rig_answer(p, pairs[i].answer, request, frame, fd);
	}
}

static void on_request(struct role_rig *rig, struct rig_peer *p, const struct frame_def *def,
    uint32_t request, str payload, int *fds)
{
	unsigned choice = role_rig_byte(rig);

	(void)payload;
	/* The end that core would have: what the session would say to the client. */
	if (def == &frame_def_attach && fds[0] >= 0)
		(void)!write(fds[0], "* hello\r\n", 9);
	if (request == 0)
		return;
	if (choice < ANSWER_GOOD_BELOW)
		answer_well(p, def, request);
	else if (choice < ANSWER_ANY_BELOW)
		answer_anything(rig, p, def, request);
	else if (choice < ANSWER_RAW_BELOW)
		role_rig_send(p, role_rig_text(rig), -1);
	else if (choice < ANSWER_LOST_BELOW)
		shutdown(p->fd, SHUT_RDWR);
}

/* ---- the client ---- */

static void open_doors(struct role_rig *rig, struct rig_peer *supervisor)
{
	for (size_t i = 0; i < SERVICE_COUNT; i++) {
		AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		struct frame_listen_socket f = { .listener = services[i] };
		char *name = places[i].sun_path + 1; /* behind a NUL: a name without a file */
		places[i].sun_family = AF_UNIX;
		snprintf(name, 60, "buzon-fuzz-%d-%zu", (int)getpid(), i);
		if (bind(fd, (struct sockaddr *)&places[i], sizeof(places[i])) < 0 ||
		    listen(fd, 8) < 0)
			abort();
		role_rig_send_frame(supervisor, &frame_def_listen_socket, 0, 0, &f, fd);
	}
	role_rig_settle(rig);
}

static void hear(int fd, struct buf *out)
{
	char block[16384];
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_add(out, str_new(block, (size_t)n));
}

static void talk(struct role_rig *rig, size_t service, str said)
{
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	AUTO_BUF heard = BUF_INIT(16 << 20);
	size_t step = 1 + said.len / 3;

	if (connect(fd, (struct sockaddr *)&places[service], sizeof(places[service])) < 0)
		abort();
	role_rig_settle(rig);
	for (; said.len > 0; said = str_skip(said, step)) {
		str piece = str_sub(said, 0, step);
		(void)!send(fd, piece.ptr, piece.len, MSG_NOSIGNAL);
		role_rig_settle(rig);
		hear(fd, &heard);
	}
}

static bool is_busy(struct role_rig *rig)
{
	(void)rig;
	return false;
}

static void set_up(struct role_rig *rig)
{
	rig->role.config = &config;
	rig->on_request = on_request;
	rig->is_busy = is_busy;
	role_rig_open(rig, &role_front_user, ROLE_FRONT_USER);
	role_rig_join(rig, ROLE_SUPERVISOR);
	role_rig_join(rig, ROLE_CORE);
	role_rig_join(rig, ROLE_AUTH);
	open_doors(rig, &rig->peers[ROLE_SUPERVISOR]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct role_rig rig;

	if (size < 2 || size > 16384)
		return 0;
	if (!rig.role.kind)
		set_up(&rig);
	str in = str_new(data + 2, size - 2);
	rig.in = str_sub(in, 0, data[1]);
	talk(&rig, data[0] % SERVICE_COUNT, str_skip(in, rig.in.len));
	role_rig_settle(&rig);
	role_rig_join(&rig, ROLE_CORE);
	role_rig_join(&rig, ROLE_AUTH);
	role_rig_settle(&rig);
	/* The first member of the role's state is what it lends its sessions. */
	const struct front_env *env = rig.role.state;
	for (unsigned i = 0; env->members && i < 1000; i++)
		role_rig_settle(&rig);
	assert(!env->members);
	return 0;
}
