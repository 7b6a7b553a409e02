#include "services/intake/intake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "services/auth/ticket.h"
#include "services/intake/internal.h"
#include "services/story/story.h"

enum {
	TX_ARENA_BYTES = 8 << 20,
	SCRATCH_BYTES = 8 << 20,
	NOTES_PER_SECOND = 20,
	SPOOL_BYTES = 1 << 20
};

/* ---- life ------------------------------------------------------------------------------------- */

struct intake *intake_new(const struct intake_options *o)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (!in)
		abort();
	in->store = o->store;
	in->loop = o->loop;
	in->log = o->log;
	in->config = o->config;
	in->env = o->env;
	memcpy(in->ticket_key, o->ticket_key, sizeof(in->ticket_key));
	snprintf(in->spool_dir, sizeof(in->spool_dir), "%s", o->spool_dir);
	in->txs = table_new();
	in->rates = rates_new();
	in->scratch = arena_new(NULL, "intake", SCRATCH_BYTES);
	return in;
}

void intake_free(struct intake *in)
{
	size_t at = 0;
	str key;
	void *tx;

	if (!in)
		return;
	while (table_next(in->txs, &at, &key, &tx))
		arena_free(((struct intake_tx *)tx)->arena);
	table_free(in->txs);
	route_free(in->directory);
	rates_free(in->rates);
	arena_free(in->scratch);
	free(in);
}

void intake_set_config(struct intake *in, const struct config *config)
{
	in->config = config;
	route_free(in->directory);
	in->directory = NULL;
}

size_t intake_at_work(const struct intake *in)
{
	return in->at_work_count;
}

const struct directory *intake_directory(struct intake *in)
{
	struct directory *fresh;
	struct err err;

	if (in->directory && route_version(in->directory) == store_directory_version(in->store))
		return in->directory;
	if (route_load(in->store, in->config, &fresh, &err) < 0) {
		log_warn(in->log, "directory not readable", F_CSTR("why", err.text));
		return in->directory;
	}
	route_free(in->directory);
	in->directory = fresh;
	return fresh;
}

/* ---- transactions ----------------------------------------------------------------------------- */

struct tx_key {
	uint64_t link, tx;
};

struct intake_tx *intake_tx_find(struct intake *in, uint64_t link, uint64_t tx)
{
	struct tx_key key = { link, tx };

	return table_get(in->txs, str_new(&key, sizeof(key)));
}

struct intake_tx *intake_tx_take(struct intake *in, uint64_t link, uint64_t tx)
{
	struct tx_key key = { link, tx };

	return table_remove(in->txs, str_new(&key, sizeof(key)));
}

static struct intake_tx *tx_new(struct intake *in, uint64_t link, const struct frame_rcpt_check *f)
{
	struct tx_key key = { link, f->tx };
	struct arena *a = arena_new(NULL, "transaction", TX_ARENA_BYTES);
	struct intake_tx *tx = arena_one(a, struct intake_tx);

	tx->arena = a;
	tx->link = link;
	tx->id = f->tx;
	tx->protocol = f->protocol;
	tx->sender = arena_str(a, f->sender);
	table_set(in->txs, str_new(&key, sizeof(key)), tx);
	return tx;
}

void intake_reset(struct intake *in, uint64_t link, uint64_t tx)
{
	struct intake_tx *t = intake_tx_take(in, link, tx);

	if (t)
		arena_free(t->arena);
}

void intake_link_lost(struct intake *in, uint64_t link)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(in->txs, &at, &key, &value)) {
		struct intake_tx *tx = value;
		if (tx->link != link)
			continue;
		table_remove(in->txs, key);
		arena_free(tx->arena);
	}
}

/* ---- RCPT ------------------------------------------------------------------------------------- */

static void answer(struct frame_rcpt_result *out, uint32_t code, const char *enhanced, str text)
{
	*out =
	    (struct frame_rcpt_result){ .code = code, .enhanced = str_c(enhanced), .text = text };
}

/* Who is signed in, once per transaction. */
static int tx_sign_in(struct intake *in, struct intake_tx *tx, const struct frame_rcpt_check *f,
    struct frame_rcpt_result *out)
{
	struct ticket ticket;
	struct err err;

	if (tx->account || tx->is_trusted || f->protocol != PROTOCOL_SUBMISSION)
		return 0;
	if (ticket_check(in->ticket_key, f->ticket, TICKET_RIGHT(PROTOCOL_SUBMISSION),
	        (int64_t)time_mono_ms(), &ticket, &err) < 0) {
		answer(out, 530, "5.7.0", STR("sign in again: this session's sign-in has expired"));
		return -1;
	}
	tx->account = ticket.account;
	tx->address = arena_str(tx->arena, ticket.address);
	return 0;
}

static int check_sender(
    struct intake *in, const struct intake_tx *tx, struct frame_rcpt_result *out)
{
	if (!tx->account)
		return 0;
	/* RFC 6409 §6.1. The null sender is for machines, not for people who submit. */
	if (!str_empty(tx->sender) && route_may_send_as(in->directory, tx->account, tx->sender))
		return 0;
	answer(out, 553, "5.7.1",
	    arena_strf(in->scratch,
	        "the sender <" STR_FMT "> is not an address of " STR_FMT
	        "; choose one of your own addresses, or ask for an alias",
	        STR_ARG(str_sub(tx->sender, 0, 200)), STR_ARG(str_sub(tx->address, 0, 200))));
	return -1;
}

/* ERR_LIMIT-like outcome of one full mailbox: 452 when it may pass, 552 when this message never fits. */
static int check_quota(
    struct intake *in, const struct route_target *t, uint64_t bytes, struct frame_rcpt_result *out)
{
	struct store_account account;
	struct err err;

	if (!t->account)
		return 0;
	if (store_account_get(in->store, t->account, in->scratch, &account, &err) < 0) {
		answer(out, 451, "4.3.0",
		    STR("our store cannot be read at the moment; try again later"));
		return -1;
	}
	uint64_t quota = account.quota_bytes ? account.quota_bytes : in->config->limits.quota_bytes;
	if (!quota)
		return 0;
	if (bytes > quota) {
		answer(
		    out, 552, "5.2.3", STR("the message is larger than all this mailbox may hold"));
		return -1;
	}
	if (account.used_bytes >= quota || bytes > quota - account.used_bytes) {
		answer(
		    out, 452, "4.2.2", STR("the mailbox is full; its owner must make room first"));
		return -1;
	}
	return 0;
}

static void refuse_unrouted(struct intake *in, const struct intake_tx *tx,
    const struct frame_rcpt_check *f, const struct route_result *r, struct frame_rcpt_result *out)
{
	str shown = str_sub(f->recipient, 0, 200);

	(void)tx;
	if (r->kind == ROUTE_NO_USER)
		answer(out, 550, "5.1.1",
		    arena_strf(in->scratch,
		        "there is no mailbox <" STR_FMT "> here; check the spelling",
		        STR_ARG(shown)));
	else if (r->kind == ROUTE_NOT_LOCAL)
		answer(out, 550, "5.7.1",
		    arena_strf(in->scratch,
		        "mail for <" STR_FMT
		        "> is not handled here; sign in on port 465 or 587 to send mail",
		        STR_ARG(shown)));
	else
		answer(out, 501, "5.1.3", STR("the recipient address is malformed"));
}

static void add_target(
    struct intake_tx *tx, const struct frame_rcpt_check *f, const struct route_target *t)
{
	for (size_t i = 0; i < tx->target_count; i++) {
		/* One copy per account and message, by however many names it was addressed. */
		if (str_eq(tx->targets[i].address, t->address) && tx->protocol != PROTOCOL_LMTP)
			return;
	}
	struct delivery_target *target = arena_push(
	    tx->arena, &tx->targets, &tx->target_count, &tx->target_cap, sizeof(*target));
	*target = (struct delivery_target){
		.account = t->account,
		.mailbox = t->inbox,
		.address = arena_str(tx->arena, t->address),
		.recipient = arena_str(tx->arena, f->recipient),
		.orcpt = arena_str(tx->arena, f->orcpt),
		.notify = f->notify,
	};
}

static void accept_rcpt(
    struct intake_tx *tx, const struct frame_rcpt_check *f, const struct route_result *r)
{
	struct intake_rcpt_line *line =
	    arena_push(tx->arena, &tx->lines, &tx->line_count, &tx->line_cap, sizeof(*line));

	line->recipient = arena_str(tx->arena, f->recipient);
	line->first_target = tx->target_count;
	for (size_t i = 0; i < r->target_count; i++)
		add_target(tx, f, &r->targets[i]);
	line->target_count = tx->target_count - line->first_target;
}

/* A remote recipient of somebody signed in. */
static void route_remote(
    struct intake *in, const struct frame_rcpt_check *f, struct route_result *r)
{
	r->kind = ROUTE_OK;
	r->rule = "remote";
	r->targets = arena_one(in->scratch, struct route_target);
	r->targets[0].address = arena_str(in->scratch, f->recipient);
	r->target_count = 1;
}

static int check_rates(struct intake *in, const struct intake_tx *tx, struct frame_rcpt_result *out)
{
	uint32_t per_day = in->config->limits.submit_recipients_per_day;

	if (!tx->account || rates_recipient(in->rates, tx->account, time_wall_s(), per_day))
		return 0;
	answer(out, 452, "4.7.1",
	    arena_strf(in->scratch,
	        "you have written to %u recipients today, which is the limit here; go on tomorrow, "
	        "or ask "
	        "the administrator for more",
	        per_day));
	return -1;
}

static void decide_rcpt(struct intake *in, struct intake_tx *tx, const struct frame_rcpt_check *f,
    struct frame_rcpt_result *out)
{
	struct route_result r;

	if (!intake_directory(in)) {
		answer(out, 451, "4.3.0",
		    STR("our store cannot be read at the moment; try again later"));
		return;
	}
	if (tx_sign_in(in, tx, f, out) < 0 || check_sender(in, tx, out) < 0)
		return;
	route_resolve(in->directory, f->recipient, in->scratch, &r);
	if (r.kind == ROUTE_NOT_LOCAL && (tx->account || tx->is_trusted))
		route_remote(in, f, &r);
	if (r.kind != ROUTE_OK) {
		refuse_unrouted(in, tx, f, &r, out);
		return;
	}
	if (r.target_count == 1 && check_quota(in, &r.targets[0], f->size_hint, out) < 0)
		return;
	if (check_rates(in, tx, out) < 0)
		return;
	accept_rcpt(tx, f, &r);
	answer(out, 250, "2.1.5", STR("recipient ok"));
}

void intake_rcpt(struct intake *in, uint64_t link, const struct frame_rcpt_check *f,
    struct frame_rcpt_result *out)
{
	struct intake_tx *tx = intake_tx_find(in, link, f->tx);

	arena_reset(in->scratch);
	if (!tx && table_count(in->txs) >= INTAKE_TX_MAX) {
		answer(out, 452, "4.3.1",
		    STR("too much mail is arriving at once; try again in a minute"));
		return;
	}
	if (!tx)
		tx = tx_new(in, link, f);
	if (tx->line_count >= in->config->limits.recipients) {
		answer(out, 452, "4.5.3",
		    STR("too many recipients; send the rest in another message"));
		return;
	}
	decide_rcpt(in, tx, f, out);
}

int intake_local_tx(struct intake *in, const struct intake_local *local, struct intake_tx **out,
    struct frame_rcpt_result *out_refusal)
{
	struct arena *a = arena_new(NULL, "local message", TX_ARENA_BYTES);
	struct intake_tx *tx = arena_one(a, struct intake_tx);

	arena_reset(in->scratch);
	tx->arena = a;
	tx->protocol = PROTOCOL_SUBMISSION;
	tx->sender = arena_str(a, local->sender);
	tx->is_trusted = true;
	*out = tx;
	*out_refusal = (struct frame_rcpt_result){
		.code = 554, .enhanced = STR("5.5.1"), .text = STR("no recipients were named")
	};
	for (size_t i = 0; i < local->recipient_count; i++) {
		struct frame_rcpt_check f = { .recipient = local->recipients[i] };
		decide_rcpt(in, tx, &f, out_refusal);
		if (out_refusal->code != 250)
			return -1;
	}
	return tx->target_count ? 0 : -1;
}

/* ---- spool and notes -------------------------------------------------------------------------- */

int intake_spool_open(struct intake *in, struct frame_spool_result *out)
{
	struct err err;
	int fd = -1;

	*out = (struct frame_spool_result){ .ok = true };
	if (!store_accepts_mail(in->store, SPOOL_BYTES, &err) ||
	    (fd = open(in->spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) < 0) {
		*out = (struct frame_spool_result){ .code = 452,
			.enhanced = STR("4.3.1"),
			.text =
			    STR("there is no room for more mail at the moment; try again later") };
		return -1;
	}
	return fd;
}

/* Refusals are worth a line in the story, but not at any price: a flood of them is counted, not kept. */
static bool note_allowed(struct intake *in, int64_t now)
{
	if (in->notes_second != now) {
		in->notes_second = now;
		in->notes_this_second = 0;
	}
	return in->notes_this_second++ < NOTES_PER_SECOND;
}

struct note {
	struct arena *arena;
	struct store_story_step judged, refused;
	str keys[3];
	size_t key_count;
};

static int note_job(struct store_txn *t, void *arg, struct err *err)
{
	struct note *n = arg;

	if (n->judged.detail.len && txn_story_add(t, &n->judged, NULL, 0, err) < 0)
		return -1;
	return txn_story_add(t, &n->refused, n->keys, n->key_count, err);
}

static void note_done(void *arg, int result, const struct err *err)
{
	(void)result, (void)err;
	arena_free(((struct note *)arg)->arena);
}

void intake_note(struct intake *in, const struct frame_story_note *f)
{
	intake_refusal(in, f, STR_NONE);
}

void intake_refusal(struct intake *in, const struct frame_story_note *f, str judged)
{
	int64_t now = time_wall_s();
	const str keys[] = { f->peer_address, f->sender, f->recipient };

	if (!note_allowed(in, now))
		return;
	struct arena *a = arena_new(NULL, "note", 64 * 1024);
	struct note *n = arena_one(a, struct note);
	AUTO_BUF detail = BUF_INIT(STORY_DETAIL_MAX);
	story_field(&detail, "peer", f->peer_address);
	story_field(&detail, "helo", f->helo);
	story_field(&detail, "sender", f->sender);
	story_field(&detail, "recipient", f->recipient);
	story_field_u(&detail, "code", f->code);
	story_field(&detail, "answer", f->text);
	n->arena = a;
	n->refused = (struct store_story_step){ .story = store_next_id(in->store),
		.at = now,
		.step = STORY_REFUSED,
		.detail = arena_str(a, buf_str(&detail)) };
	n->judged = n->refused;
	n->judged.step = STORY_JUDGED;
	n->judged.detail = arena_str(a, judged);
	for (size_t i = 0; i < 3; i++) {
		if (!str_empty(keys[i]))
			n->keys[n->key_count++] = arena_str(a, keys[i]);
	}
	store_submit(in->store, note_job, note_done, n);
}
