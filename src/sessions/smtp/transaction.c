/* The transaction: recipients and message, asked of core. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/num.h"
#include "sessions/smtp/internal.h"

static const struct smtp_reply not_now = { 451, STR_INIT("4.3.0"),
	STR_INIT("our store is not available at the moment; try again later") };

enum frame_protocol smtp_protocol_of(const struct smtp_front *s)
{
	return s->service == LISTEN_SMTP   ? PROTOCOL_SMTP
	       : s->service == LISTEN_LMTP ? PROTOCOL_LMTP
	                                   : PROTOCOL_SUBMISSION;
}

/* Core has been restarted since the transaction began: it knows nothing of the recipients it accepted. */
static bool core_is_there(const struct smtp_front *s)
{
	bool same = !s->tx_open || s->tx_epoch == s->env->core_epoch;

	return s->env->core && link_is_up(s->env->core) && same;
}

static void note(struct smtp_front *s, str recipient, unsigned code, str text)
{
	struct frame_story_note f = {
		.peer_address = conn_peer_address(s->conn),
		.helo = buf_str(&s->helo),
		.sender = s->tx_open ? s->mail.sender : STR_NONE,
		.recipient = recipient,
		.code = code,
		.text = str_sub(text, 0, 512),
		.protocol = smtp_protocol_of(s),
	};

	if (s->env->core && link_is_up(s->env->core) && s->notes++ < NOTES_MAX)
		link_send(s->env->core, &frame_def_story_note, &f, NULL, 0, NULL);
}

void smtp_tx_refused(struct smtp_front *s, const struct smtp_event *e)
{
	log_event(s->env->log, "smtp refused", F_STR("peer", conn_peer_address(s->conn)),
	    F_INT("code", e->refused.code), F_STR("why", e->refused.text));
	note(s, STR_NONE, e->refused.code, e->refused.text);
}

/* ---- MAIL and RCPT -------------------------------------------------------------------------------- */

void smtp_tx_mail(struct smtp_front *s, const struct smtp_event *e)
{
	if (!core_is_there(s)) {
		smtp_session_answer(s->engine, not_now);
		return;
	}
	buf_add(&s->sender, e->mail.sender);
	buf_add(&s->envid, e->mail.envid);
	s->mail = e->mail;
	s->mail.sender = buf_str(&s->sender);
	s->mail.envid = buf_str(&s->envid);
	s->tx = ++s->env->next_session;
	s->tx_epoch = s->env->core_epoch;
	s->tx_open = true;
	s->tx_asked = false;
	s->accepted = 0;
	smtp_session_answer(s->engine, (struct smtp_reply){ 250, STR("2.1.0"), STR("sender ok") });
}

static void on_rcpt_result(void *arg, struct link_frame *reply)
{
	struct smtp_front *s = arg;
	struct frame_rcpt_result r;
	struct smtp_reply answer = not_now;

	if (reply && frame_decode(reply->def, reply->payload, &r, NULL) == 0)
		answer = (struct smtp_reply){ r.code, r.enhanced, r.text };
	if (s->conn) {
		if (answer.code >= 400)
			note(s, buf_str(&s->recipient), answer.code, answer.text);
		else
			s->accepted++;
		smtp_session_answer(s->engine, answer);
	}
	buf_fini(&s->recipient);
	smtp_front_request_done(s);
}

void smtp_tx_rcpt(struct smtp_front *s, const struct smtp_event *e)
{
	if (!core_is_there(s)) {
		smtp_session_answer(s->engine, not_now);
		return;
	}
	struct frame_rcpt_check f = {
		.tx = s->tx,
		.sender = s->mail.sender,
		.recipient = e->rcpt.recipient,
		.orcpt = e->rcpt.orcpt,
		.notify = e->rcpt.notify,
		.utf8 = s->mail.utf8,
		.size_hint = s->mail.size,
		.ticket = buf_str(&s->ticket),
		.peer_address = conn_peer_address(s->conn),
		.helo = buf_str(&s->helo),
		.protocol = smtp_protocol_of(s),
	};
	buf_add(&s->recipient, e->rcpt.recipient);
	s->tx_asked = true;
	s->waiting = true;
	s->requests++;
	link_request(s->env->core, &frame_def_rcpt_check, &f, NULL, 0, &frame_def_rcpt_result,
	    on_rcpt_result, s);
}

/* ---- the body --------------------------------------------------------------------------------------- */

void smtp_tx_data(struct smtp_front *s, const struct smtp_event *e)
{
	(void)e;
	smtp_upload_reset(&s->upload);
	/* The engine has its own words for yes. */
	smtp_session_answer(
	    s->engine, core_is_there(s) ? (struct smtp_reply){ 354, STR_NONE, STR_NONE } : not_now);
}

/* The rest of the body is read and forgotten; the answer waits for its end. The first reason stays. */
static void fail_body(struct smtp_front *s, struct smtp_reply r)
{
	smtp_upload_reset(&s->upload);
	if (s->failure)
		return;
	s->failure = calloc(1, sizeof(*s->failure));
	if (!s->failure)
		abort();
	s->failure->code = r.code;
	snprintf(s->failure->enhanced, sizeof(s->failure->enhanced), STR_FMT, STR_ARG(r.enhanced));
	snprintf(s->failure->text, sizeof(s->failure->text), STR_FMT, STR_ARG(r.text));
}

static const struct smtp_reply no_room = { 452, STR_INIT("4.3.1"),
	STR_INIT("there is no room for the message at the moment; try again later") };

static void on_spool(void *arg, struct link_frame *reply)
{
	struct smtp_front *s = arg;
	struct frame_spool_result r = { 0 };

	if (!s->conn || !s->tx_open) {
		smtp_front_request_done(s);
		return;
	}
	bool is_read = reply && frame_decode(reply->def, reply->payload, &r, NULL) == 0;
	if (!is_read)
		fail_body(s, not_now);
	else if (!r.ok || reply->fds[0] < 0)
		fail_body(
		    s, r.code >= 400 ? (struct smtp_reply){ r.code, r.enhanced, r.text } : no_room);
	else if (smtp_upload_to_spool(&s->upload, TAKE_FD(reply->fds[0])) < 0)
		fail_body(s, no_room);
	smtp_front_request_done(s);
}

void smtp_tx_body(struct smtp_front *s, const struct smtp_event *e)
{
	if (s->failure)
		return;
	if (!core_is_there(s)) {
		fail_body(s, not_now);
		return;
	}
	if (smtp_upload_add(&s->upload, e->body) < 0) {
		fail_body(s, no_room);
		return;
	}
	if (!smtp_upload_wants_spool(&s->upload))
		return;
	s->waiting = true;
	s->requests++;
	link_request(s->env->core, &frame_def_spool_open, &(struct frame_spool_open){ .tx = s->tx },
	    NULL, 0, &frame_def_spool_result, on_spool, s);
}

/* ---- the end ------------------------------------------------------------------------------------------ */

static size_t answers_wanted(const struct smtp_front *s)
{
	return s->service == LISTEN_LMTP ? s->accepted : 1;
}

static void answer_all(struct smtp_front *s, struct smtp_reply reply)
{
	for (size_t n = answers_wanted(s); n > 0; n--)
		smtp_session_answer(s->engine, reply);
}

/* "250 2.0.0 kept as ..." */
static struct smtp_reply parse_line(str line)
{
	struct smtp_reply r = { 0 };

	if (num_take_u32(&line, 599, &r.code) < 0 || r.code < 200 || take_space(&line) < 0 ||
	    take_word(&line, 16, &r.enhanced) < 0)
		return not_now;
	(void)take_space(&line);
	r.text = line;
	return r;
}

static void on_message_result(void *arg, struct link_frame *reply)
{
	struct smtp_front *s = arg;
	struct frame_message_result r = { .results = STR_NONE };
	str line;

	if (!reply || frame_decode(reply->def, reply->payload, &r, NULL) < 0)
		r.results = STR_NONE;
	for (size_t n = s->conn ? answers_wanted(s) : 0; n > 0; n--) {
		bool there = take_counted(&r.results, REPLY_MAX, &line) == 0;
		smtp_session_answer(s->engine, there ? parse_line(line) : not_now);
	}
	smtp_front_request_done(s);
}

static void fill_message(
    struct smtp_front *s, struct frame_message *f, const struct conn_tls_info *tls)
{
	*f = (struct frame_message){
		.tx = s->tx,
		.sender = s->mail.sender,
		.ticket = buf_str(&s->ticket),
		.peer_address = conn_peer_address(s->conn),
		.peer_port = conn_peer_port(s->conn),
		.helo = buf_str(&s->helo),
		.helo_only = s->is_helo_only,
		.tls_version = tls->active ? str_sub(str_c(tls->version), 0, 32) : STR_NONE,
		.tls_cipher = tls->active ? str_c(tls->cipher) : STR_NONE,
		.protocol = smtp_protocol_of(s),
		.envid = s->mail.envid,
		.ret = s->mail.ret,
		.body_type = s->mail.body,
		.utf8 = s->mail.utf8,
		.requiretls = s->mail.requiretls,
		.body_bytes = s->upload.bytes,
		.body = s->upload.fd < 0 ? buf_str(&s->upload.block) : STR_NONE,
	};
}

void smtp_tx_message(struct smtp_front *s, const struct smtp_event *e)
{
	struct conn_tls_info tls;
	struct frame_message f;

	(void)e;
	if (!core_is_there(s))
		fail_body(s, not_now);
	else if (!s->failure && smtp_upload_seal(&s->upload) < 0)
		fail_body(s, no_room);
	if (s->failure) {
		answer_all(s, (struct smtp_reply){ s->failure->code, str_c(s->failure->enhanced),
		                  str_c(s->failure->text) });
		return;
	}
	conn_tls_info(s->conn, &tls);
	fill_message(s, &f, &tls);
	/* From here on the transaction is core's. */
	s->tx_asked = false;
	s->waiting = true;
	s->requests++;
	link_request(s->env->core, &frame_def_message, &f, &s->upload.fd, s->upload.fd >= 0,
	    &frame_def_message_result, on_message_result, s);
	smtp_upload_reset(&s->upload);
}

void smtp_tx_drop(struct smtp_front *s)
{
	if (s->tx_asked && core_is_there(s))
		link_send(s->env->core, &frame_def_tx_reset,
		    &(struct frame_tx_reset){ .tx = s->tx }, NULL, 0, NULL);
	s->tx_asked = s->tx_open = false;
	buf_fini(&s->sender);
	buf_fini(&s->envid);
	free(TAKE(s->failure));
	smtp_upload_reset(&s->upload);
}

void smtp_tx_reset(struct smtp_front *s, const struct smtp_event *e)
{
	(void)e;
	smtp_tx_drop(s);
}
