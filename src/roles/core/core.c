/* Role core: frames in, services and sessions behind them. */
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "base/time.h"
#include "formats/charset.h"
#include "roles/core/core.h"
#include "services/auth/ticket_once.h"

enum { STOP_POLL_MS = 20 };

/* ---- intake ----------------------------------------------------------------------------------- */

/* A number for one connection of one front: a front that was restarted gets a new one. */
static uint64_t link_number(const struct core *c, enum role_id from, unsigned index)
{
	return (c->generation[from][index] << 16) | ((uint64_t)from << 8) | index;
}

static int on_rcpt(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_rcpt_check f;
	struct frame_rcpt_result out;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	intake_rcpt(c->intake, link_number(c, from, index), &f, &out);
	return link_reply(link, in->request, &frame_def_rcpt_result, &out, NULL, 0, NULL);
}

static int on_reset(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_tx_reset f;

	(void)link;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	intake_reset(c->intake, link_number(c, from, index), f.tx);
	return 0;
}

static int on_spool(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_spool_result out;

	(void)from, (void)index;
	AUTO_FD fd = intake_spool_open(c->intake, &out);
	return link_reply(link, in->request, &frame_def_spool_result, &out, &fd, fd >= 0, NULL);
}

/* Whom to answer when the message is kept. */
struct waiting {
	struct core *core;
	enum role_id from;
	unsigned index;
	uint64_t number;
	struct link *link;
	uint32_t request;
};

static void on_kept(void *arg, const struct frame_message_result *r)
{
	struct waiting *w = arg;

	if (link_number(w->core, w->from, w->index) == w->number && link_is_up(w->link))
		link_reply(w->link, w->request, &frame_def_message_result, r, NULL, 0, NULL);
	free(w);
}

static int on_message(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_message f;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	struct waiting *w = malloc(sizeof(*w));
	if (!w)
		abort();
	*w = (struct waiting){ c, from, index, link_number(c, from, index), link, in->request };
	intake_message(c->intake, w->number, &f, TAKE_FD(in->fds[0]), on_kept, w);
	return 0;
}

static int on_note(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_story_note f;

	(void)from, (void)index, (void)link;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	intake_note(c->intake, &f);
	return 0;
}

/* ---- sessions --------------------------------------------------------------------------------- */

static int start_session(
    struct core *c, const struct frame_attach *f, const struct ticket *t, int fd, struct err *err)
{
	if (f->protocol == PROTOCOL_IMAP)
		return imap_session_start(c->imap,
		    &(struct imap_session_options){ .fd = fd,
		        .account = t->account,
		        .address = t->address,
		        .peer_address = f->peer_address },
		    err);
	return pop3_session_start(c->pop3,
	    &(struct pop3_session_options){ .fd = fd,
	        .account = t->account,
	        .address = t->address,
	        .peer_address = f->peer_address,
	        .language = f->language,
	        .utf8 = f->utf8 },
	    err);
}

/* The text of a refusal; err's words are for the log. */
static void refuse_attach(struct frame_attach_result *out, const struct err *err, bool is_lock)
{
	out->ok = false;
	out->code = err->kind == ERR_LIMIT ? STR("LIMIT")
	            : is_lock              ? STR("IN-USE")
	                                   : STR("UNAVAILABLE");
	out->text = str_c(err->text);
}

/* Whatever else a front sends could not be watched by the loop: libuv ends the process then. */
static bool is_stream(int fd)
{
	int type = 0, domain = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && type == SOCK_STREAM &&
	       domain == AF_UNIX;
}

static int on_attach(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_attach f;
	struct frame_attach_result out = { .ok = true };
	AUTO_BUF text = BUF_INIT(REPLY_MAX);
	struct ticket t;
	struct err err;

	(void)from, (void)index;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || !is_stream(in->fds[0]))
		return -1;
	if (f.protocol != PROTOCOL_IMAP && f.protocol != PROTOCOL_POP3)
		return -1;
	int64_t now = (int64_t)time_mono_ms();
	bool is_known = ticket_check(c->role->ticket_key, f.ticket, TICKET_RIGHT(f.protocol), now,
	                    &t, &err) == 0 &&
	                ticket_once_use(c->tickets, &t, now, &err) == 0;
	if (!is_known || start_session(c, &f, &t, TAKE_FD(in->fds[0]), &err) < 0) {
		log_event(&c->role->log, "session refused", F_STR("peer", f.peer_address),
		    F_CSTR("why", err.text));
		/* Only a POP3 session locks; a ticket that is not good is no lock. RFC 2449 §8.1.1 */
		refuse_attach(
		    &out, &err, is_known && f.protocol == PROTOCOL_POP3 && err.kind == ERR_DENIED);
	} else if (f.protocol == PROTOCOL_IMAP) {
		buf_addz(&text, "CAPABILITY ");
		imap_capabilities(&text);
		out.text = buf_str(&text);
	}
	return link_reply(link, in->request, &frame_def_attach_result, &out, NULL, 0, NULL);
}

static int on_control(
    struct core *c, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	(void)from, (void)index, (void)link;
	if (in->fds[0] < 0)
		return -1;
	core_control_start(c, TAKE_FD(in->fds[0]));
	return 0;
}

/* ---- frames ----------------------------------------------------------------------------------- */

static const struct {
	const struct frame_def *def;
	int (*run)(struct core *c, enum role_id from, unsigned index, struct link *link,
	    struct link_frame *in);
} handlers[] = {
	{ &frame_def_rcpt_check, on_rcpt },
	{ &frame_def_tx_reset, on_reset },
	{ &frame_def_spool_open, on_spool },
	{ &frame_def_message, on_message },
	{ &frame_def_story_note, on_note },
	{ &frame_def_attach, on_attach },
	{ &frame_def_control_socket, on_control },
};

static int core_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].def == in->def)
			return handlers[i].run(r->state, from, index, link, in);
	}
	return -1;
}

static void core_peer_lost(struct role *r, enum role_id peer, unsigned index)
{
	struct core *c = r->state;

	if (peer != ROLE_FRONT_MX && peer != ROLE_FRONT_USER)
		return;
	intake_link_lost(c->intake, link_number(c, peer, index));
	c->generation[peer][index]++;
}

/* ---- what intake and IMAP ask for ------------------------------------------------------------- */

struct index_call {
	intake_index_fn *intake_fn;
	imap_index_done_fn *imap_fn;
	void *arg;
};

static void on_index(void *arg, str index, bool is_poison)
{
	struct index_call *call = arg;

	if (call->intake_fn)
		call->intake_fn(call->arg, index, is_poison);
	else
		call->imap_fn(call->arg, !str_empty(index), index,
		    is_poison ? "the message could not be read" : "the server is busy; try again");
	free(call);
}

static struct index_call *index_call_new(
    intake_index_fn *intake, imap_index_done_fn *imap, void *arg)
{
	struct index_call *call = malloc(sizeof(*call));

	if (!call)
		abort();
	*call = (struct index_call){ intake, imap, arg };
	return call;
}

static void index_for_intake(void *owner, str bytes, int fd, intake_index_fn *fn, void *arg)
{
	core_index(owner, bytes, fd, 0, bytes.len, on_index, index_call_new(fn, NULL, arg));
}

static void judge_for_intake(
    void *owner, const struct intake_question *question, intake_judge_fn *fn, void *arg)
{
	core_judge(owner, question, fn, arg);
}

static void index_for_imap(
    void *owner, const struct imap_streamed *body, imap_index_done_fn *done, void *arg)
{
	core_index(owner, body->bytes, body->fd, body->offset, body->length, on_index,
	    index_call_new(NULL, done, arg));
}

/* ---- queue ------------------------------------------------------------------------------------ */

struct attempt {
	queue_answer_fn *fn;
	void *arg;
};

static void on_attempt(void *arg, struct link_frame *reply)
{
	struct attempt *a = arg;
	struct frame_deliver_result r;
	bool good = reply && frame_decode(reply->def, reply->payload, &r, NULL) == 0;

	a->fn(a->arg, good ? &r : NULL);
	free(a);
}

static bool relay_is_ready(void *owner)
{
	struct core *c = owner;

	return role_link(c->role, ROLE_RELAY, 0) != NULL;
}

static bool deliver_by_relay(
    void *owner, const struct frame_deliver *f, int fd, queue_answer_fn *fn, void *arg)
{
	struct core *c = owner;
	struct link *relay = role_link(c->role, ROLE_RELAY, f->job);
	struct attempt *a = relay ? malloc(sizeof(*a)) : NULL;

	if (!relay)
		return false;
	if (!a)
		abort();
	*a = (struct attempt){ fn, arg };
	link_request(
	    relay, &frame_def_deliver, f, &fd, fd >= 0, &frame_def_deliver_result, on_attempt, a);
	return true;
}

static void send_notice(
    void *owner, const struct intake_local *mail, intake_reply_fn *fn, void *arg)
{
	struct core *c = owner;

	intake_local(c->intake, mail, fn, arg);
}

static void on_queued(void *owner, const struct delivery *d)
{
	struct core *c = owner;

	queue_take(c->queue, d);
}

static int spool_open(void *owner, struct err *err)
{
	struct core *c = owner;
	struct frame_spool_result r;
	int fd = intake_spool_open(c->intake, &r);

	if (fd < 0)
		err_set(err, ERR_RETRY, STR_FMT, STR_ARG(r.text));
	return fd;
}

struct blocking {
	struct core *core;
	loop_fn *work, *done;
	void *arg;
};

static void run_blocking(void *arg)
{
	struct blocking *b = arg;

	b->work(b->arg);
	loop_post(b->core->role->loop, b->done, b->arg);
	free(b);
}

static void blocking_for_services(void *owner, loop_fn *work, loop_fn *done, void *arg)
{
	struct core *c = owner;
	struct blocking *b = malloc(sizeof(*b));

	if (!b)
		abort();
	*b = (struct blocking){ c, work, done, arg };
	/* A full pool: the loop does it itself, which holds it for some milliseconds but loses nothing. */
	if (!pool_submit(c->pool, run_blocking, b))
		run_blocking(b);
}

/* ---- life ------------------------------------------------------------------------------------- */

static int make_queue(struct core *c, struct err *err)
{
	c->queue = queue_new(
	    &(struct queue_options){
	        .store = c->store,
	        .loop = c->role->loop,
	        .log = &c->role->log,
	        .config = c->role->config,
	        .signer = c->signer,
	        .env = { .owner = c,
	            .is_ready = relay_is_ready,
	            .deliver = deliver_by_relay,
	            .send = send_notice,
	            .blocking = blocking_for_services },
	    },
	    err);
	return c->queue ? 0 : -1;
}

static void make_services(struct core *c)
{
	struct role *r = c->role;

	c->intake = intake_new(&(struct intake_options){
	    .store = c->store,
	    .loop = r->loop,
	    .log = &r->log,
	    .config = r->config,
	    .ticket_key = r->ticket_key,
	    .spool_dir = r->path,
	    .env = { .owner = c,
	        .queued = on_queued,
	        .index = index_for_intake,
	        .judge = judge_for_intake,
	        .blocking = blocking_for_services },
	});
	c->imap = imap_server_new(&(struct imap_server_options){
	    .loop = r->loop,
	    .pool = c->pool,
	    .store = c->store,
	    .config = r->config,
	    .log = &r->log,
	    .index = index_for_imap,
	    .spool_open = spool_open,
	    .owner = c,
	});
	c->pop3 = pop3_server_new(&(struct pop3_server_options){
	    .loop = r->loop,
	    .pool = c->pool,
	    .store = c->store,
	    .config = r->config,
	    .log = &r->log,
	});
}

/* Requests of the administrator's commands hold passwords, in strings of jansson's own. */
static void wipe_and_free(void *p)
{
	if (p)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* Tables of charsets and the settings of OpenSSL are files. */
static void core_prepare(void)
{
	charset_init();
	json_set_alloc_funcs(malloc, wipe_and_free);
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
}

static int core_start(struct role *r, struct err *err)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->role = r;
	r->state = c;
	c->tickets = ticket_once_new((int64_t)time_mono_ms());
	if (store_open(&(struct store_options){ .path = r->path, .create = true, .log = &r->log },
	        &c->store, err) < 0)
		return -1;
	c->pool = pool_new(CORE_POOL_THREADS);
	if (!c->pool)
		return err_set(err, ERR_SYSTEM, "no threads can be started");
	make_services(c);
	core_sign_start(c);
	return make_queue(c, err);
}

static void core_reload(struct role *r)
{
	struct core *c = r->state;

	intake_set_config(c->intake, r->config);
	queue_set_config(c->queue, r->config);
	imap_server_configure(c->imap, r->config);
	pop3_server_configure(c->pop3, r->config);
}

static bool is_quiet(const struct core *c)
{
	return intake_at_work(c->intake) == 0 && queue_at_work(c->queue) == 0 &&
	       imap_server_sessions(c->imap) == 0 && pop3_server_sessions(c->pop3) == 0;
}

/* What was acknowledged is on disk already; the rest gets its time to be answered, and no more. */
static void stop_step(void *arg)
{
	struct core *c = arg;
	struct role *r = c->role;

	if (!is_quiet(c) && loop_now_ms(r->loop) < c->stop_at_ms) {
		timer_set(c->stop_timer, STOP_POLL_MS);
		return;
	}
	pool_free(c->pool);
	store_close(c->store);
	role_exit(r, 0);
}

static void core_stop(struct role *r, uint32_t grace_ms)
{
	struct core *c = r->state;

	core_control_stop(c);
	queue_stop(c->queue);
	imap_server_stop(c->imap);
	pop3_server_stop(c->pop3);
	c->stop_at_ms = loop_now_ms(r->loop) + grace_ms;
	c->stop_timer = timer_new(r->loop, stop_step, c);
	timer_set(c->stop_timer, 1);
}

static const struct frame_def *const from_fronts[] = { &frame_def_rcpt_check, &frame_def_tx_reset,
	&frame_def_spool_open, &frame_def_message, &frame_def_story_note, NULL };
static const struct frame_def *const from_front_user[] = { &frame_def_rcpt_check,
	&frame_def_tx_reset, &frame_def_spool_open, &frame_def_message, &frame_def_story_note,
	&frame_def_attach, NULL };
static const struct frame_def *const from_supervisor[] = { &frame_def_control_socket, NULL };

const struct role_kind role_core = {
	.name = "core",
	.grants = GRANT_FILES | GRANT_TREE | GRANT_SOCKETS_IO | GRANT_MEMFD,
	.directory = STORE_DIRECTORY,
	.accepts = {
	    [ROLE_SUPERVISOR] = from_supervisor,
	    [ROLE_FRONT_MX] = from_fronts,
	    [ROLE_FRONT_USER] = from_front_user,
	},
	.prepare = core_prepare,
	.start = core_start,
	.frame = core_frame,
	.peer_lost = core_peer_lost,
	.reload = core_reload,
	.stop = core_stop,
};
