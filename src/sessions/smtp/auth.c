/* Sign-in for submission: the exchange is between the client and role auth; this only carries it. */
#include "base/secret.h"
#include "sessions/smtp/internal.h"

static enum smtp_auth_result result_of(uint32_t outcome)
{
	switch (outcome) {
	case SASL_CONTINUE:
		return SMTP_AUTH_CHALLENGE;
	case SASL_OK:
		return SMTP_AUTH_OK;
	case SASL_FAILED:
		return SMTP_AUTH_FAILED;
	case SASL_MALFORMED:
		return SMTP_AUTH_MALFORMED;
	case SASL_UNKNOWN_MECHANISM:
		return SMTP_AUTH_UNKNOWN_MECHANISM;
	case SASL_NEEDS_TLS:
		return SMTP_AUTH_NEEDS_TLS;
	default:
		return SMTP_AUTH_UNAVAILABLE;
	}
}

static void keep_ticket(struct smtp_front *s, const struct frame_sasl_result *r)
{
	buf_reset(&s->ticket);
	buf_add(&s->ticket, r->ticket);
	log_event(s->env->log, "signed in", F_STR("account", r->account),
	    F_STR("peer", conn_peer_address(s->conn)), F_CSTR("protocol", "submission"));
}

static void on_result(void *arg, struct link_frame *reply)
{
	struct smtp_front *s = arg;
	struct frame_sasl_result r = { .outcome = SASL_UNAVAILABLE };

	if (reply && frame_decode(reply->def, reply->payload, &r, NULL) < 0)
		r = (struct frame_sasl_result){ .outcome = SASL_UNAVAILABLE };
	s->is_authenticating = reply && r.outcome == SASL_CONTINUE;
	if (s->conn) {
		if (r.outcome == SASL_OK)
			keep_ticket(s, &r);
		smtp_session_auth(s->engine, result_of(r.outcome), r.data);
	}
	smtp_front_request_done(s);
}

static void ask(struct smtp_front *s, const struct frame_def *def, const void *frame)
{
	if (!s->env->auth) {
		s->is_authenticating = false;
		smtp_session_auth(s->engine, SMTP_AUTH_UNAVAILABLE, STR_NONE);
		return;
	}
	s->waiting = true;
	s->requests++;
	link_request(s->env->auth, def, frame, NULL, 0, &frame_def_sasl_result, on_result, s);
}

void smtp_front_auth_start(struct smtp_front *s, const struct smtp_event *e)
{
	struct conn_tls_info tls;

	conn_tls_info(s->conn, &tls);
	s->is_authenticating = true;
	ask(s, &frame_def_sasl_start,
	    &(struct frame_sasl_start){
	        .session = s->id,
	        .mechanism = e->auth.mechanism,
	        .has_initial = e->auth.has_initial,
	        .initial = e->auth.data,
	        .peer_address = conn_peer_address(s->conn),
	        .protocol = PROTOCOL_SUBMISSION,
	        .tls = tls.active || s->may_be_plain,
	        .cb_exporter = tls.active ? conn_tls_exporter(s->conn) : STR_NONE,
	        .cb_end_point = tls.active ? conn_tls_server_end_point(s->conn) : STR_NONE,
	    });
}

void smtp_front_auth_step(struct smtp_front *s, const struct smtp_event *e)
{
	ask(s, &frame_def_sasl_step,
	    &(struct frame_sasl_step){ .session = s->id, .response = e->auth.data });
}

void smtp_front_auth_abort(struct smtp_front *s, const struct smtp_event *e)
{
	(void)e;
	/* Also when auth has said yes already and the client broke off behind it. */
	secret_wipe(s->ticket.ptr, s->ticket.len);
	buf_fini(&s->ticket);
	smtp_front_auth_drop(s);
}

void smtp_front_auth_drop(struct smtp_front *s)
{
	if (s->is_authenticating && s->env->auth)
		link_send(s->env->auth, &frame_def_sasl_abort,
		    &(struct frame_sasl_abort){ .session = s->id }, NULL, 0, NULL);
	s->is_authenticating = false;
}
