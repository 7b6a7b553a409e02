/* The control socket: one JSON request a connection, answered by lines of JSON. */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/core/core.h"
#include "services/admin/admin.h"

enum { REQUEST_BYTES_MAX = 1 << 20, SEND_TIMEOUT_S = 60 };

struct client {
	struct core *core;
	int fd;
	FILE *in;
	char buffer[4096]; /* of in: a request may hold a password */
};

/* ---- calls from the pool to the loop ---- */

struct call {
	struct core *core;
	sem_t done;
	struct frame_credential_set set;
	struct frame_credential_remove remove;
	bool is_remove;
	int result;
	struct err *err;
	uint64_t account, queue;
	struct intake_local local;
	char answer[REPLY_MAX];
};

static void call_init(struct call *call, struct core *c, struct err *err)
{
	*call = (struct call){ .core = c, .result = -1, .err = err };
	sem_init(&call->done, 0, 0);
}

/* [pool] Runs fn on the loop's thread and waits until the call was marked done. */
static void call_wait(struct call *call, loop_fn *fn)
{
	loop_post(call->core->role->loop, fn, call);
	while (sem_wait(&call->done) < 0)
		;
	sem_destroy(&call->done);
}

static void on_credential(void *arg, struct link_frame *reply)
{
	struct call *call = arg;
	struct frame_credential_result r;

	if (!reply || frame_decode(reply->def, reply->payload, &r, call->err) < 0)
		err_set(call->err, ERR_RETRY, "the auth process did not answer; try again");
	else if (!r.ok)
		err_set(call->err, ERR_INPUT, STR_FMT, STR_ARG(r.why));
	else
		call->result = 0;
	sem_post(&call->done);
}

static void ask_auth(void *arg)
{
	struct call *call = arg;
	struct link *auth = role_link(call->core->role, ROLE_AUTH, 0);

	if (!auth) {
		err_set(call->err, ERR_RETRY, "the auth process is not there just now; try again");
		sem_post(&call->done);
		return;
	}
	if (call->is_remove)
		link_request(auth, &frame_def_credential_remove, &call->remove, NULL, 0,
		    &frame_def_credential_result, on_credential, call);
	else
		link_request(auth, &frame_def_credential_set, &call->set, NULL, 0,
		    &frame_def_credential_result, on_credential, call);
}

/* [pool] */
static int set_credential(void *owner, str account, uint64_t id, str password, struct err *err)
{
	struct call call;

	call_init(&call, owner, err);
	call.set = (struct frame_credential_set){ account, id, password };
	call_wait(&call, ask_auth);
	return call.result;
}

/* [pool] */
static int remove_credential(void *owner, str account, struct err *err)
{
	struct call call;

	call_init(&call, owner, err);
	call.is_remove = true;
	call.remove = (struct frame_credential_remove){ account };
	call_wait(&call, ask_auth);
	return call.result;
}

static void on_dkim_taken(void *arg, struct link_frame *reply)
{
	struct call *call = arg;
	struct frame_dkim_taken r;

	if (!reply || frame_decode(reply->def, reply->payload, &r, call->err) < 0)
		err_set(call->err, ERR_RETRY, "the supervisor did not answer; try again");
	else if (!r.ok)
		err_set(call->err, ERR_RETRY, STR_FMT, STR_ARG(r.why));
	else
		call->result = 0;
	sem_post(&call->done);
}

static void tell_supervisor(void *arg)
{
	struct call *call = arg;

	link_request(call->core->role->links[ROLE_SUPERVISOR][0], &frame_def_dkim_changed,
	    &(struct frame_dkim_changed){ .version = 1 }, NULL, 0, &frame_def_dkim_taken,
	    on_dkim_taken, call);
}

/* [pool] */
static int dkim_changed(void *owner, struct err *err)
{
	struct call call;

	call_init(&call, owner, err);
	call_wait(&call, tell_supervisor);
	return call.result;
}

static void disconnect(void *arg)
{
	struct call *call = arg;

	imap_server_disconnect(call->core->imap, call->account);
	pop3_server_disconnect(call->core->pop3, call->account);
	sem_post(&call->done);
}

/* [pool] Sessions under an old password, or of an account that is gone, end. */
static void refresh_queue(void *arg)
{
	struct call *call = arg;

	queue_refresh(call->core->queue, call->queue);
	sem_post(&call->done);
}

static void queue_changed(void *owner, uint64_t id)
{
	struct call call;

	call_init(&call, owner, NULL);
	call.queue = id;
	call_wait(&call, refresh_queue);
}

static void account_changed(void *owner, uint64_t account)
{
	struct call call;

	call_init(&call, owner, NULL);
	call.account = account;
	call_wait(&call, disconnect);
}

/* ---- answers ---- */

/* [pool] */
static void answer(void *arg, json_t *fact)
{
	struct client *client = arg;
	char *line = json_dumps(fact, JSON_COMPACT);

	if (line && fd_write_all(client->fd, str_c(line)) == 0)
		fd_write_all(client->fd, STR("\n"));
	free(line);
}

static void answer_take(struct client *client, json_t *fact)
{
	answer(client, fact);
	json_decref(fact);
}

static void answer_end(struct client *client, int result, const struct err *err)
{
	if (result == 0)
		answer_take(client, json_pack("{ss}", "kind", "done"));
	else
		answer_take(client, json_pack("{ss ss ss}", "kind", "error", "error",
		                        err_kind_name(err->kind), "text", err->text));
}

/* ---- send: a message from a program on this machine ---- */

static void on_sent(void *arg, const struct frame_message_result *r)
{
	struct call *call = arg;
	str results = r->results, line;

	if (take_counted(&results, REPLY_MAX, &line) == 0 && str_starts(line, STR("2"))) {
		snprintf(call->answer, sizeof(call->answer), STR_FMT, STR_ARG(line));
		call->result = 0;
	} else {
		err_set(call->err, str_starts(line, STR("4")) ? ERR_RETRY : ERR_DENIED, STR_FMT,
		    STR_ARG(str_skip(line, 4)));
	}
	sem_post(&call->done);
}

static void send_local(void *arg)
{
	struct call *call = arg;

	intake_local(call->core->intake, &call->local, on_sent, call);
}

/* [pool] The request names the length; the message follows it on the same connection. */
static int send_message(struct client *client, const json_t *request, struct err *err)
{
	json_int_t bytes = json_integer_value(json_object_get(request, "bytes"));
	json_t *list = json_object_get(request, "recipients"), *one;
	struct call call;
	size_t i;

	if (bytes <= 0 || (uint64_t)bytes > client->core->role->config->limits.message_bytes)
		return err_set(
		    err, ERR_LIMIT, "the message is empty, or larger than this server takes");
	AUTO_ARENA a = arena_new(NULL, "send", ((size_t)bytes) + (4 << 20));
	char *body = arena_alloc(a, (size_t)bytes);
	if (fread(body, 1, (size_t)bytes, client->in) != (size_t)bytes)
		return err_set(err, ERR_INPUT, "the message ended before all of it had come");
	str *recipients = arena_array(a, str, json_array_size(list) + 1);
	json_array_foreach(list, i, one) recipients[i] = str_c(json_string_value(one));
	call_init(&call, client->core, err);
	call.local = (struct intake_local){
		.sender = str_c(json_string_value(json_object_get(request, "sender"))),
		.recipients = recipients,
		.recipient_count = json_array_size(list),
		.body = str_new(body, (size_t)bytes),
	};
	call_wait(&call, send_local);
	if (call.result == 0)
		answer_take(client, json_pack("{ss ss}", "kind", "sent", "answer", call.answer));
	return call.result;
}

/* ---- connections ---- */

static void run_request(struct client *client, const json_t *request)
{
	struct core *c = client->core;
	const char *command = json_string_value(json_object_get(request, "command"));
	struct admin_env env = {
		.store = c->store,
		.config = c->role->config,
		.credential_set = set_credential,
		.credential_remove = remove_credential,
		.account_changed = account_changed,
		.dkim_changed = dkim_changed,
		.queue_changed = queue_changed,
		.owner = c,
	};
	struct err err = { 0 };

	int result = command && strcmp(command, "send") == 0
	                 ? send_message(client, request, &err)
	                 : admin_run(&env, request, answer, client, &err);
	answer_end(client, result, &err);
}

/* [pool] */
static void serve_client(void *arg)
{
	struct client *client = arg;
	char *line = NULL;
	size_t size = 0;

	client->in = fdopen(client->fd, "r");
	if (client->in)
		setvbuf(client->in, client->buffer, _IOFBF, sizeof(client->buffer));
	ssize_t n = client->in ? getline(&line, &size, client->in) : -1;
	json_t *request =
	    n > 0 && n <= REQUEST_BYTES_MAX ? json_loadb(line, (size_t)n, 0, NULL) : NULL;
	if (request)
		run_request(client, request);
	else
		answer_end(client, -1,
		    &(struct err){
		        .kind = ERR_INPUT, .text = "the request is not one line of JSON" });
	json_decref(request);
	if (line)
		secret_wipe(line, size);
	free(line);
	if (client->in)
		fclose(client->in);
	else
		close(client->fd);
	secret_wipe(client->buffer, sizeof(client->buffer));
	free(client);
}

static void on_client(void *arg, int fd)
{
	struct core *c = arg;
	struct timeval patience = { .tv_sec = SEND_TIMEOUT_S };
	struct client *client = calloc(1, sizeof(*client));
	int flags = fcntl(fd, F_GETFL);

	if (!client)
		abort();
	*client = (struct client){ .core = c, .fd = fd };
	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!pool_submit(c->pool, serve_client, client)) {
		close(fd);
		free(client);
	}
}

void core_control_start(struct core *c, int listening_fd)
{
	listener_free(c->control);
	c->control = listener_new(c->role->loop, listening_fd, on_client, c);
}

void core_control_stop(struct core *c)
{
	listener_free(c->control);
	c->control = NULL;
}
