/* One message from MESSAGE to its reply: look into it, decide, prepare, hash, commit, answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "services/content/submission.h"
#include "services/intake/internal.h"
#include "services/intake/opaque.h"
#include "services/intake/origin.h"
#include "services/policy/policy.h"
#include "services/story/story.h"

enum {
	WORK_ARENA_BYTES = 64 << 20,
	INDEX_BYTES_MAX = 16 << 20,
	HASH_HERE_MAX = 256 * 1024, /* above it another thread hashes */
	PIECES_MAX = 24,
};

struct work {
	struct intake *in;
	struct arena *arena;
	struct intake_tx *tx;
	struct frame_message facts; /* slices copied; body cleared */
	intake_reply_fn *reply;
	void *reply_arg;
	struct frame_message_result result;
	char id[STORY_ID_BYTES];

	int fd;   /* of a body that came by descriptor, else -1 */
	str body; /* as it arrived: own copy, or the mapping of fd */
	bool is_mapped;
	str rewritten; /* after header changes of a submission: heap, or empty */
	bool was_rewritten;
	struct message_index index;
	unsigned waiting; /* for the index, for the judgement */
	bool no_index;
	struct judgement judgement;
	const struct judgement *judged; /* NULL: nobody did, or was to */
	struct policy_verdict verdict;

	store_job_fn *also;
	void *also_arg;
	struct store_piece pieces[2];
	struct store_body stored;
	struct delivery delivery;
	struct err err;
	int outcome;
};

static void index_done(void *arg, str encoded, bool is_poison);

/* ---- end -------------------------------------------------------------------------------------- */

static void work_free(struct work *w)
{
	w->in->at_work_bytes -= w->body.len;
	w->in->at_work_count--;
	if (w->is_mapped)
		munmap((void *)(uintptr_t)w->body.ptr, w->body.len);
	fd_close(&w->fd);
	free((void *)(uintptr_t)w->rewritten.ptr);
	arena_free(w->tx->arena);
	arena_free(w->arena);
}

static str reply_line(struct work *w, uint32_t code, const char *enhanced, str text)
{
	return arena_strf(w->arena, "%u %s " STR_FMT, code, enhanced, STR_ARG(text));
}

/* SMTP gets one line, LMTP one for each accepted recipient. RFC 2033 §4.2 */
static void finish(struct work *w, uint32_t code, const char *enhanced, str text)
{
	AUTO_BUF lines = BUF_INIT(60000);
	size_t count = w->tx->protocol == PROTOCOL_LMTP ? w->tx->line_count : 1;
	str line = reply_line(w, code, enhanced, text);

	for (size_t i = 0; i < count; i++)
		buf_add_counted(&lines, line);
	/* A thousand recipients with a long text would not fit a frame: then the short form. */
	if (!buf_ok(&lines)) {
		buf_reset(&lines);
		for (size_t i = 0; i < count; i++)
			buf_add_counted(
			    &lines, reply_line(w, code, enhanced, STR("see the first reply")));
	}
	w->result.results = buf_str(&lines);
	w->reply(w->reply_arg, &w->result);
	work_free(w);
}

/* Refusals are told as well: the story of a message that did not get in. */
static void refuse(struct work *w, uint32_t code, const char *enhanced, str text)
{
	struct frame_story_note note = {
		.peer_address = w->facts.peer_address,
		.helo = w->facts.helo,
		.sender = w->facts.sender,
		.recipient = w->tx->line_count ? w->tx->lines[0].recipient : STR_NONE,
		.code = code,
		.text = text,
		.protocol = w->facts.protocol,
	};

	intake_refusal(w->in, &note,
	    w->judged && w->verdict.rule ? origin_describe(w->judged, &w->verdict, w->arena)
	                                 : STR_NONE);
	finish(w, code, enhanced, text);
}

static void fail_for_now(struct work *w, const struct err *err)
{
	log_warn(w->in->log, "message not kept", F_CSTR("id", w->id), F_CSTR("why", err->text));
	if (err->kind == ERR_LIMIT)
		finish(w, 452, "4.3.1",
		    STR("there is no room for more mail at the moment; try again later"));
	else
		finish(w, 451, "4.3.0",
		    STR("the message could not be stored just now; it was not accepted, try again "
		        "later"));
}

/* ---- commit ----------------------------------------------------------------------------------- */

static void committed(void *arg)
{
	struct work *w = arg;

	if (w->outcome < 0) {
		fail_for_now(w, &w->err);
		return;
	}
	log_event(w->in->log, "message kept", F_CSTR("id", w->id), F_STR("from", w->facts.sender),
	    F_STR("peer", w->facts.peer_address), F_INT("bytes", w->stored.bytes),
	    F_INT("recipients", w->delivery.target_count));
	if (w->in->env.queued)
		w->in->env.queued(w->in->env.owner, &w->delivery);
	finish(w, 250, "2.0.0", arena_strf(w->arena, "kept as %s", w->id));
}

/* On the writer's thread, like job_done. */
static int job(struct store_txn *t, void *arg, struct err *err)
{
	struct work *w = arg;

	if (deliver_job(t, &w->delivery, err) < 0)
		return -1;
	return w->also ? w->also(t, w->also_arg, err) : 0;
}

static void job_done(void *arg, int result, const struct err *err)
{
	struct work *w = arg;

	w->outcome = result;
	if (result < 0)
		w->err = *err;
	loop_post(w->in->loop, committed, w);
}

static void commit(struct work *w)
{
	if (w->outcome < 0) {
		fail_for_now(w, &w->err);
		return;
	}
	store_submit(w->in->store, job, job_done, w);
}

static void commit_now(void *arg)
{
	commit(arg);
}

static void hash(void *arg)
{
	struct work *w = arg;

	w->outcome = store_body_hash(&w->stored, &w->err);
}

/* ---- prepare ---------------------------------------------------------------------------------- */

static str describe(struct work *w)
{
	AUTO_BUF detail = BUF_INIT(STORY_DETAIL_MAX);
	const struct frame_message *f = &w->facts;

	story_field(&detail, "peer", f->peer_address);
	story_field(&detail, "helo", f->helo);
	story_field(&detail, "tls", f->tls_version);
	story_field(&detail, "sender", f->sender);
	story_field(&detail, "account", w->tx->address);
	story_field(&detail, "message-id", w->index.message_id);
	story_field(&detail, "subject", w->index.subject);
	story_field_u(&detail, "size", w->body.len);
	story_field_u(&detail, "recipients", w->tx->line_count);
	return arena_str(w->arena, buf_str(&detail));
}

static str make_prefix(struct work *w)
{
	AUTO_BUF prefix = BUF_INIT(16384 + JUDGEMENT_FIELD_MAX);
	const struct frame_message *f = &w->facts;
	struct received_facts received = {
		.protocol = f->protocol,
		.helo = f->helo,
		.helo_only = f->helo_only,
		.peer_address = f->peer_address,
		.hostname = w->in->config->hostname,
		.id = str_c(w->id),
		.tls_version = f->tls_version,
		.tls_cipher = f->tls_cipher,
		.signed_in = w->tx->account != 0,
		.utf8 = f->utf8,
		/* RFC 5321 §7.2: with several recipients, naming one would show it to the others. */
		.recipient = w->tx->line_count == 1 ? w->tx->lines[0].recipient : STR_NONE,
		.at = w->delivery.now,
	};

	buf_addz(&prefix, "Return-Path: <");
	buf_add(&prefix, f->sender);
	buf_addz(&prefix, ">\r\n");
	if (w->judged)
		buf_add(&prefix, w->judged->field);
	received_field(&received, &prefix);
	return arena_str(w->arena, buf_str(&prefix));
}

static void fill_delivery(struct work *w)
{
	struct delivery *d = &w->delivery;

	d->sender = w->facts.sender;
	d->message_id = w->index.message_id;
	d->received = describe(w);
	if (w->judged)
		d->judged = origin_describe(w->judged, &w->verdict, w->arena);
	d->submitter = w->tx->account;
	d->envid = w->facts.envid;
	d->ret = w->facts.ret;
	d->queue_flags =
	    (w->facts.utf8 ? 1u : 0) | (w->facts.requiretls ? 2u : 0) |
	    (w->index.flags & INDEX_HAS_8BIT ? 4u : 0) | (w->facts.body_type == 2 ? 8u : 0) |
	    (w->tx->account || w->tx->is_trusted ? (uint32_t)STORE_QUEUE_SUBMITTED : 0);
	d->expires_at = d->now + w->in->config->queue_life_s;
	d->targets = w->tx->targets;
	d->target_count = w->tx->target_count;
}

static int encode_index(struct work *w, size_t prefix_bytes)
{
	AUTO_BUF encoded = BUF_INIT(INDEX_BYTES_MAX);

	message_index_shift(&w->index, prefix_bytes);
	message_index_encode(&w->index, &encoded);
	if (!buf_ok(&encoded))
		return -1;
	w->delivery.message.index = arena_str(w->arena, buf_str(&encoded));
	w->delivery.message.sent_at = w->index.sent_at ? w->index.sent_at : w->delivery.now;
	return 0;
}

static void prepare(struct work *w)
{
	str prefix = make_prefix(w), body = w->was_rewritten ? w->rewritten : w->body;

	fill_delivery(w);
	if (encode_index(w, prefix.len) < 0) {
		refuse(w, 554, "5.6.0", STR("the message's structure is too large to keep"));
		return;
	}
	w->pieces[0] = (struct store_piece){ .bytes = prefix, .fd = -1 };
	w->pieces[1] = (struct store_piece){ .bytes = body, .fd = -1 };
	w->stored = (struct store_body){ .pieces = w->pieces, .piece_count = 2 };
	w->delivery.message.body = &w->stored;
	if (body.len > HASH_HERE_MAX) {
		w->in->env.blocking(w->in->env.owner, hash, commit_now, w);
		return;
	}
	hash(w);
	commit(w);
}

/* ---- decide ----------------------------------------------------------------------------------- */

/* Quota once more, now that the size is known: refused only when no local recipient has room. */
static bool all_full(struct work *w)
{
	size_t local = 0, full = 0;

	for (size_t i = 0; i < w->tx->target_count; i++) {
		struct store_account account;
		struct err err;
		const struct delivery_target *t = &w->tx->targets[i];
		if (!t->account)
			return false;
		local++;
		if (store_account_get(w->in->store, t->account, w->arena, &account, &err) < 0)
			continue;
		uint64_t quota =
		    account.quota_bytes ? account.quota_bytes : w->in->config->limits.quota_bytes;
		full += quota && account.used_bytes + w->body.len > quota;
	}
	return local && full == local;
}

static void decide(struct work *w)
{
	struct policy_facts facts = {
		.config = w->in->config,
		.index = &w->index,
		.peer_address = w->facts.peer_address,
		.helo = w->facts.helo,
		.sender = w->facts.sender,
		.signed_in = w->tx->account != 0,
		.judgement = w->judged,
	};
	struct policy_verdict *verdict = &w->verdict;

	policy_decide(&facts, w->arena, verdict);
	if (verdict->action == POLICY_JUNK)
		origin_to_junk(w->in, w->tx, w->arena);
	if (verdict->action == POLICY_REJECT || verdict->action == POLICY_DEFER)
		refuse(w, verdict->code, verdict->enhanced, verdict->text);
	else if (all_full(w))
		refuse(w, 552, "5.2.2", STR("the mailbox is full; its owner must make room first"));
	else
		prepare(w);
}

/* ---- submission ------------------------------------------------------------------------------- */

struct may_send {
	const struct directory *directory;
	uint64_t account;
	bool is_trusted;
};

static bool may_send_as(void *arg, str address)
{
	const struct may_send *m = arg;

	return m->is_trusted || route_may_send_as(m->directory, m->account, address);
}

/* Prefix, then the message without the cut ranges, in one piece of memory. */
static void rewrite(struct work *w, str prefix, const struct index_range *cuts, size_t cut_count)
{
	size_t cut = 0, at = 0, n = 0;

	for (size_t i = 0; i < cut_count; i++)
		cut += (size_t)cuts[i].bytes;
	char *out = malloc(prefix.len + w->body.len - cut + 1);
	if (!out)
		abort();
	memcpy(out, prefix.ptr ? prefix.ptr : "", prefix.len);
	n = prefix.len;
	for (size_t i = 0; i <= cut_count; i++) {
		size_t end = i < cut_count ? (size_t)cuts[i].at : w->body.len;
		memcpy(out + n, w->body.ptr + at, end - at);
		n += end - at;
		at = i < cut_count ? end + (size_t)cuts[i].bytes : end;
	}
	w->rewritten = str_new(out, n);
	w->was_rewritten = true;
}

/* What was changed is looked into anew: its parts stand elsewhere. */
static void look_again(struct work *w)
{
	w->waiting = 1;
	w->in->env.index(w->in->env.owner, w->rewritten, -1, index_done, w);
}

/* RFC 6409 §6 and §8. True when the message goes on as it is. */
static bool submit(struct work *w)
{
	const struct intake_tx *tx = w->tx;
	struct may_send may = { intake_directory(w->in), tx->account, tx->is_trusted };
	struct submission_facts facts = {
		.hostname = w->in->config->hostname,
		.id = str_c(w->id),
		.now = w->delivery.now,
		.may_send_as = may_send_as,
		.may_send_as_arg = &may,
	};
	struct submission_changes changes;
	struct err err;

	if (!may.directory) {
		fail_for_now(
		    w, &(struct err){ .kind = ERR_RETRY, .text = "the directory cannot be read" });
		return false;
	}
	if (submission_check(&w->index, &facts, w->arena, &changes, &err) < 0) {
		refuse(w, 550, "5.7.1", str_c(err.text));
		return false;
	}
	if (changes.prefix.len == 0 && changes.cut_count == 0)
		return true;
	rewrite(w, changes.prefix, changes.cuts, changes.cut_count);
	look_again(w);
	return false;
}

/* ---- look into it ----------------------------------------------------------------------------- */

/* When the index and the judgement are both there. */
static void step(struct work *w)
{
	bool is_first = !w->was_rewritten;

	if (--w->waiting > 0)
		return;
	if (w->no_index) {
		fail_for_now(w, &(struct err){ .kind = ERR_RETRY, .text = "no worker is there" });
		return;
	}
	if ((w->tx->account || w->tx->is_trusted) && is_first && !submit(w))
		return;
	if (is_first && w->judgement.is_overrun) {
		refuse(w, 554, "5.6.0",
		    STR("the message has very many Authentication-Results fields with the name of "
		        "this server; remove them"));
		return;
	}
	if (is_first && w->judgement.cut_count) {
		rewrite(w, STR_NONE, w->judgement.cuts, w->judgement.cut_count);
		look_again(w);
		return;
	}
	decide(w);
}

static void judge_done(void *arg, str packed)
{
	struct work *w = arg;
	struct err err;
	str kept = arena_str(w->arena, packed);

	bool is_good = !str_empty(kept) &&
	               judgement_unpack(kept, w->body.len, w->arena, &w->judgement, &err) == 0;
	if (!is_good && w->in->config->authentication.check) {
		log_alert(w->in->log, "nobody could judge who sent a message", F_CSTR("id", w->id),
		    F_STR("peer", w->facts.peer_address));
		judgement_unavailable(w->in->config->hostname,
		    STR("the message could not be judged"), w->arena, &w->judgement);
	}
	if (w->judgement.is_judged)
		w->judged = &w->judgement;
	step(w);
}

static void look(struct work *w, int fd)
{
	const struct config_authentication *c = &w->in->config->authentication;
	bool is_foreign = w->in->env.judge && !w->tx->account && !w->tx->is_trusted &&
	                  origin_is_foreign(&w->facts, w->in->config);

	w->waiting = is_foreign ? 2 : 1;
	w->in->env.index(w->in->env.owner, w->body, fd, index_done, w);
	if (!is_foreign)
		return;
	w->in->env.judge(w->in->env.owner,
	    &(struct intake_question){ .peer_address = w->facts.peer_address,
	        .helo = w->facts.helo,
	        .sender = w->facts.sender,
	        .time_ms = c->time_s * 1000,
	        .only_clean = !c->check,
	        .bytes = w->body,
	        .fd = fd },
	    judge_done, w);
}

static void index_done(void *arg, str encoded, bool is_poison)
{
	struct work *w = arg;
	str message = w->was_rewritten ? w->rewritten : w->body;
	str kept = arena_str(w->arena, encoded);

	if (str_empty(encoded) && !is_poison) {
		w->no_index = true;
		step(w);
		return;
	}
	if (str_empty(encoded) || message_index_decode(kept, w->arena, &w->index, &w->err) < 0 ||
	    w->index.bytes != message.len) {
		log_alert(w->in->log, "message kept without looking into it", F_CSTR("id", w->id),
		    F_STR("peer", w->facts.peer_address));
		opaque_index(message, w->arena, &w->index);
	}
	step(w);
}

/* ---- start ------------------------------------------------------------------------------------ */

static void copy_facts(struct work *w, const struct frame_message *f)
{
	struct frame_message *to = &w->facts;
	str *const slices[] = { &to->sender, &to->peer_address, &to->helo, &to->tls_version,
		&to->tls_cipher, &to->envid };

	*to = *f;
	to->body = to->ticket = STR_NONE;
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
		*slices[i] = arena_str(w->arena, *slices[i]);
}

/* A body by descriptor must be ours (the spool), or sealed: front could change it under our eyes otherwise. */
static int map_body(struct work *w, uint64_t bytes)
{
	struct stat st;
	int seals = fcntl(w->fd, F_GET_SEALS);
	int needed = F_SEAL_WRITE | F_SEAL_SHRINK;

	if (fstat(w->fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != bytes ||
	    bytes == 0)
		return -1;
	if (seals >= 0 && (seals & needed) != needed)
		return -1;
	void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, w->fd, 0);
	if (map == MAP_FAILED)
		return -1;
	w->body = str_new(map, bytes);
	w->is_mapped = true;
	return 0;
}

static int take_body(struct work *w, const struct frame_message *f)
{
	if (w->fd >= 0)
		return map_body(w, f->body_bytes);
	if (f->body.len != f->body_bytes)
		return -1;
	w->body = arena_str(w->arena, f->body);
	return 0;
}

static struct work *work_new(
    struct intake *in, const struct frame_message *f, int fd, intake_reply_fn *fn, void *arg)
{
	struct arena *a = arena_new(NULL, "message", WORK_ARENA_BYTES);
	struct work *w = arena_one(a, struct work);

	w->in = in;
	w->arena = a;
	w->fd = fd;
	w->reply = fn;
	w->reply_arg = arg;
	w->delivery.now = time_wall_s();
	w->delivery.id = store_next_id(in->store);
	story_id_print(w->delivery.id, w->id);
	copy_facts(w, f);
	in->at_work_count++;
	return w;
}

static bool may_start(struct work *w)
{
	struct intake *in = w->in;
	struct err err;

	if (w->tx->target_count == 0) {
		finish(w, 554, "5.5.1", STR("no valid recipients"));
		return false;
	}
	if (in->at_work_bytes > INTAKE_AT_WORK_MAX ||
	    !store_accepts_mail(in->store, w->body.len, &err)) {
		refuse(w, 452, "4.3.1",
		    STR("there is no room for more mail at the moment; try again later"));
		return false;
	}
	uint32_t per_hour = in->config->limits.submit_messages_per_hour;
	if (w->tx->account &&
	    !rates_message(in->rates, w->tx->account, w->delivery.now, per_hour)) {
		refuse(w, 450, "4.7.1",
		    arena_strf(w->arena,
		        "you have sent %u messages in this hour, which is the limit here; go on "
		        "later, or ask "
		        "the administrator for more",
		        per_hour));
		return false;
	}
	return true;
}

void intake_message(struct intake *in, uint64_t link, const struct frame_message *f, int fd,
    intake_reply_fn *fn, void *arg)
{
	struct work *w = work_new(in, f, fd, fn, arg);

	w->tx = intake_tx_take(in, link, f->tx);
	if (!w->tx) {
		struct arena *a = arena_new(NULL, "transaction", 65536);
		w->tx = arena_one(a, struct intake_tx);
		w->tx->arena = a;
	}
	int taken = take_body(w, f);
	in->at_work_bytes += w->body.len;
	if (taken < 0) {
		fail_for_now(
		    w, &(struct err){ .kind = ERR_RETRY, .text = "the body did not arrive whole" });
		return;
	}
	if (may_start(w))
		look(w, w->fd);
}

void intake_local(
    struct intake *in, const struct intake_local *local, intake_reply_fn *fn, void *arg)
{
	struct frame_message f = { .sender = local->sender,
		.peer_address = STR("local"),
		.helo = in->config->hostname,
		.protocol = PROTOCOL_SUBMISSION,
		.utf8 = local->utf8,
		.body_bytes = local->body.len };
	struct work *w = work_new(in, &f, -1, fn, arg);
	struct frame_rcpt_result refusal;

	/* Unlike a frame's, this body stays where it is until the reply. */
	w->body = local->body;
	w->also = local->also;
	w->also_arg = local->also_arg;
	in->at_work_bytes += w->body.len;
	int opened = intake_local_tx(in, local, &w->tx, &refusal);
	if (opened < 0)
		finish(w, refusal.code, "5.1.1", refusal.text);
	else if (may_start(w))
		look(w, -1);
}
