/* What became of a job: results for core, lines for the story. */
#include "sessions/outbound/internal.h"

static void set_status(struct outbound_result *r, struct enhanced_status s)
{
	r->status[0] = s.class;
	r->status[1] = s.subject > UINT8_MAX ? 0 : (uint8_t)s.subject;
	r->status[2] = s.detail > UINT8_MAX ? 0 : (uint8_t)s.detail;
}

/* Between characters. */
static str shorten(str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

/* ---- results ---- */

static bool stands(const struct outbound_job *j, enum outbound_rank rank)
{
	return rank > j->rank;
}

void outbound_report_own(struct outbound_job *j, const struct outbound_own *own, str text)
{
	struct outbound_result *r;

	if (!stands(j, own->rank))
		return;
	j->rank = own->rank;
	r = j->results = arena_array(j->arena, struct outbound_result, j->tx.count + 1);
	text = arena_str(j->arena, shorten(text, OUTBOUND_TEXT_MAX));
	for (size_t i = 0; i < j->tx.count; i++) {
		r[i] = (struct outbound_result){
			.id = j->ids[i],
			.outcome = own->outcome,
			.is_local = true,
			.code = own->outcome == OUTBOUND_PERMANENT ? 554 : 451,
			.stage = str_c(own->stage),
			.text = text,
		};
		set_status(&r[i], own->enhanced);
	}
	j->report = (struct frame_deliver_result){ 0 };
}

static struct outbound_result result_of(
    struct outbound_job *j, size_t i, const struct smtp_client_event *e)
{
	static const enum outbound_outcome outcomes[] = {
		[SMTP_CLIENT_UNSETTLED] = OUTBOUND_TEMPORARY,
		[SMTP_CLIENT_ACCEPTED] = OUTBOUND_DELIVERED,
		[SMTP_CLIENT_TEMPORARY] = OUTBOUND_TEMPORARY,
		[SMTP_CLIENT_PERMANENT] = OUTBOUND_PERMANENT,
		[SMTP_CLIENT_NOT_TRIED] = OUTBOUND_NOT_TRIED,
		[SMTP_CLIENT_UNCERTAIN] = OUTBOUND_TEMPORARY,
		[SMTP_CLIENT_NEEDS_7BIT] = OUTBOUND_PERMANENT,
	};
	const struct smtp_client_result *from = &e->results.items[i];
	struct outbound_result r = {
		.id = j->ids[i],
		.outcome = outcomes[from->outcome],
		.is_local = from->is_local,
		.told_peer = from->outcome == SMTP_CLIENT_ACCEPTED && e->results.dsn_passed,
		.code = from->code,
		.stage = str_c(smtp_client_stage_name(from->stage)),
		.text = from->text,
	};

	if (from->outcome == SMTP_CLIENT_UNCERTAIN)
		r.text = arena_strf(j->arena,
		    "all of the message was sent, but no answer came: it may have arrived and may "
		    "arrive once "
		    "more; " STR_FMT,
		    STR_ARG(from->text));
	r.text = outbound_sts_explain(j, from, r.text);
	r.text = arena_str(j->arena, shorten(r.text, OUTBOUND_TEXT_MAX));
	set_status(&r, from->enhanced);
	return r;
}

static void describe_peer(struct outbound_job *j)
{
	const struct outbound_peer *p = j->peer;

	j->report = (struct frame_deliver_result){
		.host = arena_str(j->arena, str_sub(p->o.host, 0, 256)),
		.address = arena_str(j->arena, p->o.address),
		.tls_version = arena_str(j->arena, str_c(p->tls.version)),
		.tls_cipher = arena_str(j->arena, str_sub(str_c(p->tls.cipher), 0, 64)),
		.tls_why = arena_str(j->arena, str_c(p->tls_why)),
	};
}

void outbound_report_results(
    struct outbound_job *j, enum outbound_rank rank, const struct smtp_client_event *e)
{
	if (!stands(j, rank))
		return;
	j->rank = rank;
	j->results = arena_array(j->arena, struct outbound_result, j->tx.count + 1);
	for (size_t i = 0; i < j->tx.count; i++)
		j->results[i] = result_of(j, i, e);
	describe_peer(j);
}

/* ---- the story ---- */

/* Lines of a peer become one; what does not fit is left out whole. */
void outbound_trace(struct outbound_job *j, str host, str address, str text)
{
	AUTO_BUF line = BUF_INIT(TRACE_LINE_MAX * 2);

	buf_add(&line, host);
	if (address.len && !str_eq(address, host)) {
		buf_addz(&line, " [");
		buf_add(&line, address);
		buf_addc(&line, ']');
	}
	buf_addz(&line, ": ");
	buf_add(&line, shorten(text, TRACE_LINE_MAX));
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '\n' || line.ptr[i] == '\r')
			line.ptr[i] = ' ';
	}
	buf_addc(&line, '\n');
	if (j->trace.len + line.len <= TRACE_MAX)
		buf_add(&j->trace, buf_str(&line));
}

/* is_early: it ended before it was clear whether there would be TLS. */
static void print_tls(const struct outbound_peer *p, bool is_early, struct buf *out)
{
	static const char *const verdicts[] = {
		[TLS_UNVERIFIED] = "not verified",
		[TLS_VERIFIED_NAME] = "verified",
		[TLS_VERIFIED_DANE] = "verified by DANE",
	};

	if (!p->tls.version[0]) {
		buf_addz(out, is_early ? "" : "in clear, ");
		return;
	}
	buf_addf(out, "%s (%s", p->tls.version, verdicts[p->verdict]);
	if (p->verdict == TLS_UNVERIFIED && p->tls_why[0])
		buf_addf(out, ": %s", p->tls_why);
	buf_addz(out, "), ");
}

static bool is_same(const struct smtp_client_result *a, const struct smtp_client_result *b)
{
	return a->outcome == b->outcome && a->code == b->code && str_eq(a->text, b->text);
}

/* One line for each run of recipients that got the same answer. */
void outbound_trace_results(struct outbound_job *j, const struct smtp_client_event *e)
{
	const struct smtp_client_result *items = e->results.items;
	const struct outbound_peer *p = j->peer;

	for (size_t i = 0, next; i < e->results.count; i = next) {
		AUTO_BUF text = BUF_INIT(TRACE_LINE_MAX * 4);
		for (next = i + 1; next < e->results.count && is_same(&items[i], &items[next]);
		     next++)
			;
		buf_addz(&text, j->is_reused ? "connection in use again, " : "connected, ");
		print_tls(p, items[i].stage <= SMTP_CLIENT_HANDSHAKE, &text);
		if (e->results.count > 1)
			buf_addf(&text, "%zu of %zu recipients, ", next - i, e->results.count);
		buf_addf(&text, "%s: ", smtp_client_stage_name(items[i].stage));
		smtp_client_result_print(&items[i], &text);
		outbound_trace(j, p->o.host, p->o.address, buf_str(&text));
	}
}

/* ---- how the destination behaves ---- */

/* What large providers say when it is too much for them. "too many recipients" is about one transaction. */
bool outbound_is_slow_down(const struct smtp_client_result *r)
{
	static const char *const words[] = { "too many connections", "too many concurrent",
		"too many messages", "too many emails", "too many mails", "too many sessions",
		"rate limit", "rate-limit", "ratelimit", "limit exceeded", "connection limit",
		"throttl", "slow down", "too fast", "too quickly", "unusual rate",
		"unsolicited mail originating from your ip", "deferred due to" };

	if (r->outcome != SMTP_CLIENT_TEMPORARY || r->is_local)
		return false;
	if (r->code == 421 && r->enhanced.class == 4 && r->enhanced.subject == 7)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_ifind(r->text, str_c(words[i])) != STR_NPOS)
			return true;
	}
	return false;
}
