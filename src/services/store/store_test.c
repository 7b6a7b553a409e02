/* Tests of the store through its interface: every kind of job, what it changes and what it refuses. */
#include "services/store/fixture.h"

#include "base/time.h"

static str nth_body(struct fixture *f, unsigned n)
{
	return arena_strf(f->arena, "Subject: %u\r\n\r\nThis is message number %u.\r\n", n, n);
}

static struct store_view *view_of(struct fixture *f, uint64_t mailbox)
{
	struct store_view *v;

	fixture_must(f, store_view_get(f->store, mailbox, &v, &f->err));
	return v;
}

static struct store_mailbox status_of(struct fixture *f, const char *name)
{
	struct store_mailbox box;

	fixture_must(
	    f, store_mailbox_find(f->store, f->account, str_c(name), f->arena, &box, &f->err));
	return box;
}

/* ---- delivery, views, bodies ---- */

static void check_body(struct fixture *f, const struct store_entry *e, str want)
{
	struct store_message m;
	struct store_blob blob;

	fixture_must(f, store_message_get(f->store, e->message, f->arena, &m, &f->err));
	check_str_eq(m.index, STR("index"));
	check_int_eq(m.sent_at, 1700000000);
	fixture_must(f, store_blob_map(f->store, &m.blob, &blob, &f->err));
	check_str_eq(blob.bytes, want);
	store_blob_release(&blob);
}

static void test_deliver(void **state)
{
	struct fixture f;
	uint32_t uid;
	(void)state;

	fixture_begin(&f);
	struct store_view *before = view_of(&f, f.inbox);
	check_int_eq(before->count, 0);
	for (unsigned i = 1; i <= 600; i++) {
		fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, i), 0, &uid));
		check_int_eq(uid, i);
	}
	for (unsigned round = 0; round < 2; round++) {
		struct store_view *v = view_of(&f, f.inbox);
		check_int_eq(v->count, 600);
		check_int_eq(v->uidnext, 601);
		check_int_eq(v->unseen_count, 600);
		check_int_eq(v->page_count, 3);
		for (uint32_t seq = 1; seq <= 600; seq += 37) {
			const struct store_entry *e = store_view_at(v, seq);
			check_int_eq(e->uid, seq);
			check_body(&f, e, nth_body(&f, seq));
			check(store_view_find(v, seq, NULL) == e);
		}
		check_int_eq(store_view_seek(v, 601), 601);
		check(!store_view_find(v, 601, NULL));
		store_view_unref(v);
		if (round == 0) {
			store_view_unref(before);
			fixture_reopen(&f);
		}
	}
	struct store_mailbox box = status_of(&f, "inbox");
	check_int_eq(box.message_count, 600);
	check_int_eq(box.recent_count, 600);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

static void test_old_view_stays(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	for (unsigned i = 1; i <= 300; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, i), 0, NULL));
	struct store_view *old = view_of(&f, f.inbox);
	fixture_must(&f, fixture_flag(&f, f.inbox, 290, 290, STORE_SEEN));
	struct store_view *new = view_of(&f, f.inbox);
	check(store_view_same_page(old, new, 0));
	check(!store_view_same_page(old, new, 1));
	check_int_eq(store_view_at(old, 290)->flags, 0);
	check_int_eq(store_view_at(new, 290)->flags, STORE_SEEN);
	check(new->highest_modseq > old->highest_modseq);
	check_int_eq(store_view_at(new, 290)->modseq, new->highest_modseq);
	check_int_eq(new->unseen_count, 299);
	store_view_unref(old);
	store_view_unref(new);
	fixture_end(&f);
}

/* A body in pieces, some of a file; one body for several mailboxes. */
struct shared {
	struct fixture *f;
	const struct store_piece *pieces;
	size_t count;
	uint64_t boxes[2];
	uint64_t message;
};

static int shared_job(struct store_txn *t, void *arg, struct err *err)
{
	struct shared *s = arg;
	struct store_body body = { .pieces = s->pieces, .piece_count = s->count };
	struct store_message_new m = { .body = &body };

	if (store_body_hash(&body, err) < 0 || txn_message_add(t, &m, &s->message, err) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		struct store_append a = {
			.mailbox = s->boxes[i], .message = s->message, .size = 10
		};
		if (txn_append(t, &a, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static void test_body_in_pieces(void **state)
{
	struct fixture f;
	char file[] = "/tmp/buzon-piece-XXXXXX";
	struct store_blob blob;
	struct store_message m;
	(void)state;

	fixture_begin(&f);
	AUTO_FD fd = mkstemp(file);
	check(fd >= 0 && unlink(file) == 0);
	AUTO_BUF big = BUF_INIT(4 << 20);
	while (big.len < (3 << 20))
		buf_addf(&big, "line %zu of a large message\r\n", big.len);
	check_int_eq(fd_pwrite_all(fd, buf_str(&big), 0), 0);
	struct store_piece pieces[] = { { .bytes = STR("Received: by us\r\n"), .fd = -1 },
		{ .fd = fd, .offset = 100, .length = big.len - 100 } };
	struct shared s = { .f = &f,
		.pieces = pieces,
		.count = 2,
		.boxes = { f.inbox, fixture_mailbox(&f, "Archive") } };
	fixture_must(&f, store_write(f.store, shared_job, &s, &f.err));
	fixture_must(&f, store_message_get(f.store, s.message, f.arena, &m, &f.err));
	fixture_must(&f, store_blob_map(f.store, &m.blob, &blob, &f.err));
	check_int_eq(blob.bytes.len, 17 + big.len - 100);
	check_str_eq(str_skip(blob.bytes, 17), str_skip(buf_str(&big), 100));
	store_blob_release(&blob);
	pieces[1].length++; /* the file ends before */
	check_int_eq(store_write(f.store, shared_job, &s, &f.err), -1);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("still works"), 0, NULL));
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

struct naming {
	struct fixture *f;
	enum { CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE } op;
	const char *name, *to;
};

static int naming_job(struct store_txn *t, void *arg, struct err *err)
{
	struct naming *n = arg;
	uint64_t account = n->f->account, id;

	switch (n->op) {
	case CREATE:
		return txn_mailbox_create(t, account, str_c(n->name), SPECIAL_NONE, &id, err);
	case DELETE:
		return txn_mailbox_delete(t, account, str_c(n->name), err);
	case RENAME:
		return txn_mailbox_rename(t, account, str_c(n->name), str_c(n->to), err);
	case SUBSCRIBE:
		return txn_subscribe(t, account, str_c(n->name), true, err);
	case UNSUBSCRIBE:
		return txn_subscribe(t, account, str_c(n->name), false, err);
	}
	return -1;
}

/* A job that fails leaves nothing behind, and its neighbours in the group are not touched. */
static int failing_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture *f = arg;
	struct fixture_delivery d = { .mailbox = f->inbox, .body = STR("lost"), .count = 300 };
	uint64_t id;

	struct fixture_delivery inside = { .body = STR("lost as well") };
	uint64_t account;

	if (fixture_deliver_job(t, &d, err) < 0 ||
	    txn_mailbox_create(t, f->account, STR("Never"), SPECIAL_NONE, &id, err) < 0 ||
	    txn_account_add(t, STR("never@example.org"), 10, &account, err) < 0)
		return -1;
	inside.mailbox = id;
	if (fixture_deliver_job(t, &inside, err) < 0)
		return -1;
	return err_set(err, ERR_DENIED, "changed my mind");
}

static void test_failed_job(void **state)
{
	struct fixture f;
	struct store_mailbox box;
	(void)state;

	fixture_begin(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("one"), 0, NULL));
	check_int_eq(store_write(f.store, failing_job, &f, &f.err), -1);
	check_str_eq(str_c(f.err.text), STR("changed my mind"));
	check_int_eq(
	    store_mailbox_find(f.store, f.account, STR("Never"), f.arena, &box, &f.err), -1);
	/* The mailbox that was made and undone has left no trace in the next one. */
	struct naming n = { .f = &f, .op = CREATE, .name = "Instead" };
	fixture_must(&f, store_write(f.store, naming_job, &n, &f.err));
	uint64_t instead = fixture_mailbox(&f, "Instead");
	uint32_t uid;
	fixture_must(&f, fixture_deliver(&f, instead, STR("inside"), 0, &uid));
	check_int_eq(uid, 1);
	struct store_view *made = view_of(&f, instead);
	check_int_eq(made->uidvalidity, status_of(&f, "Instead").uidvalidity);
	check_int_eq(made->account, f.account);
	store_view_unref(made);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("two"), 0, &uid));
	check_int_eq(uid, 2);
	struct store_view *v = view_of(&f, f.inbox);
	check_int_eq(v->count, 2);
	check_body(&f, store_view_at(v, 2), STR("two"));
	store_view_unref(v);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

/* ---- flags ---- */

static void test_flags(void **state)
{
	static const str words[] = { STR_INIT("$Forwarded"), STR_INIT("Work") };
	struct fixture f;
	struct store_range ranges[] = { { 2, 3 }, { 5, 900 } };
	(void)state;

	fixture_begin(&f);
	for (unsigned i = 1; i <= 6; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, i), 0, NULL));
	struct fixture_flags c = { .change = { .mailbox = f.inbox,
		                       .uids = ranges,
		                       .uid_count = 2,
		                       .op = STORE_FLAGS_ADD,
		                       .flags = STORE_SEEN | STORE_DELETED,
		                       .keywords = words,
		                       .keyword_count = 2,
		                       .unchanged_since = UINT64_MAX },
		.arena = f.arena };
	fixture_must(&f, store_write(f.store, fixture_flags_job, &c, &f.err));
	struct store_view *v = view_of(&f, f.inbox);
	check_int_eq(v->keyword_count, 2);
	check_str_eq(v->keywords[1], STR("Work"));
	check_int_eq(store_view_at(v, 1)->flags, 0);
	check_int_eq(store_view_at(v, 3)->flags, STORE_SEEN | STORE_DELETED);
	check_int_eq(store_view_at(v, 3)->keywords, 3);
	check_int_eq(store_view_at(v, 4)->keywords, 0);
	check_int_eq(v->unseen_count, 2);
	uint64_t modseq = v->highest_modseq;
	store_view_unref(v);
	check_int_eq(status_of(&f, "INBOX").deleted_count, 4);

	/* The same again changes nothing and keeps the modseq. */
	fixture_must(&f, store_write(f.store, fixture_flags_job, &c, &f.err));
	v = view_of(&f, f.inbox);
	check_int_eq(v->highest_modseq, modseq);
	store_view_unref(v);

	/* UNCHANGEDSINCE protects what changed later. */
	c.change.op = STORE_FLAGS_REMOVE;
	c.change.unchanged_since = modseq - 1;
	fixture_must(&f, store_write(f.store, fixture_flags_job, &c, &f.err));
	check_int_eq(c.failed_count, 2);
	check(c.failed[0].first == 2 && c.failed[0].last == 3 && c.failed[1].last == 6);

	c.change.op = STORE_FLAGS_SET;
	c.change.flags = STORE_FLAGGED;
	c.change.keyword_count = 1;
	c.change.unchanged_since = UINT64_MAX;
	fixture_must(&f, store_write(f.store, fixture_flags_job, &c, &f.err));
	v = view_of(&f, f.inbox);
	check_int_eq(store_view_at(v, 3)->flags, STORE_FLAGGED);
	check_int_eq(store_view_at(v, 3)->keywords, 1);
	store_view_unref(v);
	check_int_eq(status_of(&f, "INBOX").deleted_bytes, 0);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

static void test_keyword_limit(void **state)
{
	struct fixture f;
	struct store_range all = { 1, 1 };
	(void)state;

	fixture_begin(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("x"), 0, NULL));
	for (unsigned i = 0; i <= STORE_KEYWORDS_MAX; i++) {
		str word = arena_strf(f.arena, "word%u", i);
		struct fixture_flags c = { .change = { .mailbox = f.inbox,
			                       .uids = &all,
			                       .uid_count = 1,
			                       .keywords = &word,
			                       .keyword_count = 1,
			                       .op = STORE_FLAGS_ADD,
			                       .unchanged_since = UINT64_MAX },
			.arena = f.arena };
		int result = store_write(f.store, fixture_flags_job, &c, &f.err);
		check_int_eq(result, i < STORE_KEYWORDS_MAX ? 0 : -1);
	}
	check_int_eq(f.err.kind, ERR_LIMIT);
	fixture_reopen(&f);
	struct store_view *v = view_of(&f, f.inbox);
	check_int_eq(v->keyword_count, STORE_KEYWORDS_MAX);
	check(store_view_at(v, 1)->keywords == UINT64_MAX);
	store_view_unref(v);
	fixture_end(&f);
}

/* ---- expunge, copy, move ---- */

static void test_expunge(void **state)
{
	struct fixture f;
	uint32_t count;
	struct store_range *gone;
	size_t gone_count;
	(void)state;

	fixture_begin(&f);
	struct fixture_delivery d = { .mailbox = f.inbox, .body = STR("many"), .count = 1000 };
	fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	struct store_view *v = view_of(&f, f.inbox);
	uint64_t modseq = v->highest_modseq;
	store_view_unref(v);
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, false, &count));
	check_int_eq(count, 0);
	fixture_must(&f, fixture_flag(&f, f.inbox, 11, 990, STORE_DELETED));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 1, 500, false, &count));
	check_int_eq(count, 490);
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, false, &count));
	check_int_eq(count, 490);
	v = view_of(&f, f.inbox);
	check_int_eq(v->count, 20);
	check_int_eq(v->page_count, 1);
	check_int_eq(store_view_at(v, 10)->uid, 10);
	check_int_eq(store_view_at(v, 11)->uid, 991);
	store_view_unref(v);
	fixture_must(&f,
	    store_vanished_since(f.store, f.inbox, modseq, f.arena, &gone, &gone_count, &f.err));
	check_int_eq(gone_count, 1);
	check(gone[0].first == 11 && gone[0].last == 990);
	fixture_must(
	    &f, store_vanished_since(f.store, f.inbox, 0, f.arena, &gone, &gone_count, &f.err));
	check_int_eq(gone_count, 1);
	fixture_must(&f, fixture_expunge(&f, f.inbox, 5, 5, true, &count));
	check_int_eq(count, 1);
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, &count));
	check_int_eq(count, 19);
	uint32_t uid;
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("again"), 0, &uid));
	check_int_eq(uid, 1001);
	fixture_reopen(&f);
	struct store_account account;
	fixture_must(&f, store_account_get(f.store, f.account, f.arena, &account, &f.err));
	check_int_eq(account.message_count, 1);
	check_int_eq(account.used_bytes, 5);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

/* More expunges than are recorded: who asks for older ones is told all that is not there. */
static void test_vanished_forgets(void **state)
{
	struct fixture f;
	struct store_range *gone;
	size_t count;
	(void)state;

	fixture_begin(&f);
	struct fixture_delivery d = { .mailbox = f.inbox, .body = STR("x"), .count = 1300 };
	fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	for (uint32_t uid = 1; uid <= 1200; uid += 2)
		fixture_must(&f, fixture_expunge(&f, f.inbox, uid, uid, true, NULL));
	struct store_view *v = view_of(&f, f.inbox);
	uint64_t last = v->highest_modseq;
	store_view_unref(v);
	fixture_must(
	    &f, store_vanished_since(f.store, f.inbox, last - 3, f.arena, &gone, &count, &f.err));
	check_int_eq(count, 3);
	check_int_eq(gone[2].first, 1199);
	fixture_must(&f, store_vanished_since(f.store, f.inbox, 2, f.arena, &gone, &count, &f.err));
	check_int_eq(count, 600);
	fixture_check_sound(&f, false);
	fixture_end(&f);
}

static void test_copy_and_move(void **state)
{
	struct fixture f;
	static const str words[] = { STR_INIT("Later") };
	(void)state;

	fixture_begin(&f);
	uint64_t archive = fixture_mailbox(&f, "Archive");
	for (unsigned i = 1; i <= 700; i++) {
		struct fixture_delivery d = { .mailbox = f.inbox,
			.body = nth_body(&f, i),
			.keywords = words,
			.keyword_count = i % 2 };
		fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	}
	struct fixture_transfer x = {
		.from = f.inbox, .to = archive, .range = { 100, 650 }, .arena = f.arena
	};
	fixture_must(&f, store_write(f.store, fixture_transfer_job, &x, &f.err));
	check_int_eq(x.pairs.count, 1);
	check(x.pairs.from[0].first == 100 && x.pairs.to[0].last == 551);
	check_int_eq(x.pairs.uidvalidity, status_of(&f, "Archive").uidvalidity);
	fixture_must(&f, fixture_expunge(&f, f.inbox, 200, 210, true, NULL));
	x.moves = true;
	fixture_must(&f, store_write(f.store, fixture_transfer_job, &x, &f.err));
	check_int_eq(x.pairs.count, 2);
	check(x.pairs.from[1].first == 211 && x.pairs.to[1].first == 652);
	struct store_view *v = view_of(&f, archive);
	check_int_eq(v->count, 551 + 540);
	check_str_eq(v->keywords[0], STR("Later"));
	check_body(&f, store_view_at(v, 552), nth_body(&f, 100));
	check_int_eq(store_view_at(v, 2)->keywords, 1);
	check_int_eq(store_view_at(v, 1)->keywords, 0);
	store_view_unref(v);
	check_int_eq(status_of(&f, "INBOX").message_count, 700 - 551);

	/* Into itself: copies and moves get new UIDs. */
	x = (struct fixture_transfer){
		.from = f.inbox, .to = f.inbox, .range = { 1, UINT32_MAX - 1 }, .arena = f.arena
	};
	fixture_must(&f, store_write(f.store, fixture_transfer_job, &x, &f.err));
	check_int_eq(status_of(&f, "INBOX").message_count, 298);
	x.moves = true;
	fixture_must(&f, store_write(f.store, fixture_transfer_job, &x, &f.err));
	check_int_eq(status_of(&f, "INBOX").message_count, 298);
	v = view_of(&f, f.inbox);
	check_int_eq(store_view_at(v, 1)->uid, 701 + 149);
	store_view_unref(v);
	fixture_reopen(&f);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

/* ---- names ---- */

static str all_names(struct fixture *f)
{
	struct store_mailbox *boxes;
	size_t count;
	AUTO_BUF names = BUF_INIT(65536);

	fixture_must(
	    f, store_mailbox_list(f->store, f->account, f->arena, &boxes, &count, &f->err));
	for (size_t i = 0; i < count; i++) {
		if (boxes[i].special_use != SPECIAL_NONE)
			continue;
		buf_addf(&names, "%s" STR_FMT "%s", i ? " " : "", STR_ARG(boxes[i].name),
		    boxes[i].selectable ? "" : "*");
	}
	return arena_str(f->arena, str_trim(buf_str(&names)));
}

static void test_names(void **state)
{
	static const struct {
		const char *title;
		int op;
		const char *name, *to;
		int result;
		str left;
	} cases[] = {
		{ "parents", CREATE, "a/b/c", NULL, 0, STR_INIT("INBOX a a/b a/b/c") },
		{ "again", CREATE, "a/b/c", NULL, -1, STR_INIT("INBOX a a/b a/b/c") },
		{ "inbox in any case", CREATE, "inbox", NULL, -1, STR_INIT("INBOX a a/b a/b/c") },
		{ "below inbox", CREATE, "Inbox/x", NULL, 0,
		    STR_INIT("INBOX INBOX/x a a/b a/b/c") },
		{ "delete a parent", DELETE, "a/b", NULL, 0,
		    STR_INIT("INBOX INBOX/x a a/b* a/b/c") },
		{ "and again", DELETE, "a/b", NULL, -1, STR_INIT("INBOX INBOX/x a a/b* a/b/c") },
		{ "the last child", DELETE, "a/b/c", NULL, 0, STR_INIT("INBOX INBOX/x a") },
		{ "inbox stays", DELETE, "INBOX", NULL, -1, STR_INIT("INBOX INBOX/x a") },
		{ "unknown", DELETE, "zz", NULL, -1, STR_INIT("INBOX INBOX/x a") },
		{ "empty part", CREATE, "a//b", NULL, -1, STR_INIT("INBOX INBOX/x a") },
		{ "separator at the end", CREATE, "a/", NULL, -1, STR_INIT("INBOX INBOX/x a") },
		{ "not UTF-8", CREATE, "\xff", NULL, -1, STR_INIT("INBOX INBOX/x a") },
		{ "control", CREATE, "a\tb", NULL, -1, STR_INIT("INBOX INBOX/x a") },
		{ "sibling that sorts between", CREATE, "a-b", NULL, 0,
		    STR_INIT("INBOX INBOX/x a a-b") },
		{ "child", CREATE, "a/d/e", NULL, 0, STR_INIT("INBOX INBOX/x a a-b a/d a/d/e") },
		{ "rename moves children", RENAME, "a", "n/m", 0,
		    STR_INIT("INBOX INBOX/x a-b n n/m n/m/d n/m/d/e") },
		{ "below itself", RENAME, "n", "n/o", -1,
		    STR_INIT("INBOX INBOX/x a-b n n/m n/m/d n/m/d/e") },
		{ "to a taken name", RENAME, "n", "a-b", -1,
		    STR_INIT("INBOX INBOX/x a-b n n/m n/m/d n/m/d/e") },
		{ "inbox stays, with what is below", RENAME, "INBOX", "old", 0,
		    STR_INIT("INBOX INBOX/x a-b n n/m n/m/d n/m/d/e old") },
	};
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("x"), 0, NULL));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct naming n = {
			.f = &f, .op = cases[i].op, .name = cases[i].name, .to = cases[i].to
		};
		check_case(cases[i].title,
		    store_write(f.store, naming_job, &n, &f.err) == cases[i].result);
		check_case_str(cases[i].title, all_names(&f), cases[i].left);
	}
	check_int_eq(status_of(&f, "old").message_count, 1);
	check_int_eq(status_of(&f, "INBOX").message_count, 0);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

static void test_uidvalidity_is_new(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	struct naming make = { .f = &f, .op = CREATE, .name = "again" },
	              drop = { .f = &f, .op = DELETE, .name = "again" };
	uint32_t last = 0;
	for (unsigned i = 0; i < 5; i++) {
		fixture_must(&f, store_write(f.store, naming_job, &make, &f.err));
		check(status_of(&f, "again").uidvalidity > last);
		last = status_of(&f, "again").uidvalidity;
		uint64_t id = status_of(&f, "again").id;
		store_view_unref(view_of(&f, id));
		fixture_must(&f, store_write(f.store, naming_job, &drop, &f.err));
		struct store_view *v;
		check_int_eq(store_view_get(f.store, id, &v, &f.err), -1);
		check_int_eq(f.err.kind, ERR_DENIED);
		fixture_reopen(&f);
	}
	fixture_end(&f);
}

static void test_subscriptions(void **state)
{
	struct fixture f;
	str *names;
	size_t count;
	(void)state;

	fixture_begin(&f);
	struct naming n = { .f = &f, .op = SUBSCRIBE, .name = "not/there" };
	fixture_must(&f, store_write(f.store, naming_job, &n, &f.err));
	fixture_must(&f, store_write(f.store, naming_job, &n, &f.err));
	n.op = UNSUBSCRIBE;
	n.name = "inbox";
	fixture_must(&f, store_write(f.store, naming_job, &n, &f.err));
	fixture_must(
	    &f, store_subscription_list(f.store, f.account, f.arena, &names, &count, &f.err));
	check_int_eq(count, 6);
	check_str_eq(names[5], STR("not/there"));
	check(!status_of(&f, "INBOX").subscribed);
	check(status_of(&f, "Sent").subscribed);
	check_int_eq(status_of(&f, "Sent").special_use, SPECIAL_SENT);
	fixture_end(&f);
}

/* ---- domains, accounts, aliases, quota ---- */

static int directory_job(struct store_txn *t, void *arg, struct err *err)
{
	const char *step = arg;
	uint64_t id;

	switch (step[0]) {
	case '1':
		return txn_account_add(t, STR("eva@example.org"), 10, &id, err);
	case '2':
		return txn_alias_add(
		    t, STR("info@example.org"), STR("ana@example.org\neva@example.org"), err);
	case '3':
		return txn_alias_add(t, STR("eva@example.org"), STR("x@y.example"), err);
	case '4':
		return txn_domain_remove(t, STR("example.org"), err);
	case '5':
		return txn_account_add(t, STR("eva@elsewhere.example"), 0, &id, err);
	case '6':
		return txn_domain_catch_all(t, STR("example.org"), STR("eva@example.org"), err);
	case '7':
		return txn_account_remove(t, STR("eva@example.org"), err);
	case '8':
		return txn_alias_remove(t, STR("info@example.org"), err);
	case '9':
		return txn_account_quota(t, STR("ana@example.org"), 12, err);
	case 'a':
		return txn_account_remove(t, STR("ana@example.org"), err);
	case 'b':
		return txn_account_language(t, STR("ana@example.org"), STR("es"), err);
	}
	return -1;
}

static void test_directory(void **state)
{
	static const struct {
		const char *step;
		int result;
	} cases[] = {
		{ "1 account", 0 },
		{ "1 account again", -1 },
		{ "2 alias", 0 },
		{ "2 alias again", -1 },
		{ "3 alias over an account", -1 },
		{ "4 domain in use", -1 },
		{ "5 unknown domain", -1 },
		{ "6 catch-all", 0 },
		{ "b language", 0 },
		{ "7 account away", 0 },
		{ "7 account away again", -1 },
		{ "8 alias away", 0 },
		{ "8 alias away again", -1 },
		{ "a last account away", 0 },
		{ "4 domain away", 0 },
	};
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("x"), 0, NULL));
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t version = store_directory_version(f.store);
		char *step = arena_cstr(f.arena, str_c(cases[i].step));
		check_case(cases[i].step,
		    store_write(f.store, directory_job, step, &f.err) == cases[i].result);
		check_case(cases[i].step,
		    (store_directory_version(f.store) != version) == (cases[i].result == 0));
	}
	struct store_account *accounts;
	struct store_domain *domains;
	struct store_alias *aliases;
	size_t count;
	fixture_must(&f, store_account_list(f.store, f.arena, &accounts, &count, &f.err));
	check_int_eq(count, 0);
	fixture_must(&f, store_domain_list(f.store, f.arena, &domains, &count, &f.err));
	check_int_eq(count, 0);
	fixture_must(&f, store_alias_list(f.store, f.arena, &aliases, &count, &f.err));
	check_int_eq(count, 0);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

static void test_quota(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	char step[] = "9";
	fixture_must(&f, store_write(f.store, directory_job, step, &f.err));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("12345678"), 0, NULL));
	check_int_eq(fixture_deliver(&f, f.inbox, STR("12345"), 0, NULL), -1);
	check_int_eq(f.err.kind, ERR_LIMIT);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("1234"), 0, NULL));
	struct fixture_transfer x = {
		.from = f.inbox, .to = f.inbox, .range = { 1, 1 }, .arena = f.arena
	};
	check_int_eq(store_write(f.store, fixture_transfer_job, &x, &f.err), -1);
	x.moves = true;
	fixture_must(&f, store_write(f.store, fixture_transfer_job, &x, &f.err));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("123456789012"), 0, NULL));
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

/* ---- recent ---- */

struct recent {
	uint64_t mailbox;
	uint32_t first;
};

static int recent_job(struct store_txn *t, void *arg, struct err *err)
{
	struct recent *r = arg;

	return txn_claim_recent(t, r->mailbox, &r->first, err);
}

static void test_recent(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	struct recent r = { .mailbox = f.inbox };
	for (unsigned i = 1; i <= 4; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, i), 0, NULL));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 2, 2, true, NULL));
	check_int_eq(status_of(&f, "INBOX").recent_count, 3);
	fixture_must(&f, store_write(f.store, recent_job, &r, &f.err));
	check_int_eq(r.first, 1);
	fixture_must(&f, store_write(f.store, recent_job, &r, &f.err));
	check_int_eq(r.first, 5);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("five"), 0, NULL));
	struct store_view *v = view_of(&f, f.inbox);
	check_int_eq(v->recent_uid, 4);
	store_view_unref(v);
	check_int_eq(status_of(&f, "INBOX").recent_count, 1);
	fixture_check_sound(&f, false);
	fixture_end(&f);
}

/* ---- watches ---- */

struct heard {
	atomic_uint entries, names;
};

static void hear(void *arg, uint64_t account, uint64_t mailbox)
{
	struct heard *h = arg;

	(void)account;
	atomic_fetch_add(mailbox ? &h->entries : &h->names, 1);
}

static void test_watch(void **state)
{
	struct fixture f;
	struct heard h = { .entries = 0 };
	(void)state;

	fixture_begin(&f);
	struct store_watch *box = store_watch_new(f.store, f.account, f.inbox, hear, &h),
	                   *twin = store_watch_new(f.store, f.account, f.inbox, hear, &h),
	                   *account = store_watch_new(f.store, f.account, 0, hear, &h);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("x"), 0, NULL));
	struct naming n = { .f = &f, .op = CREATE, .name = "new" };
	fixture_must(&f, store_write(f.store, naming_job, &n, &f.err));
	fixture_must(&f, fixture_deliver(&f, fixture_mailbox(&f, "new"), STR("x"), 0, NULL));
	store_watch_free(account); /* waits for calls under way */
	check_int_eq(atomic_load(&h.entries), 2);
	check_int_eq(atomic_load(&h.names), 1);
	store_watch_free(twin);
	fixture_must(&f, fixture_flag(&f, f.inbox, 1, 1, STORE_SEEN));
	store_watch_free(box);
	check_int_eq(atomic_load(&h.entries), 3);
	fixture_end(&f);
}

/* ---- queue and stories ---- */

struct queueing {
	struct fixture *f;
	struct store_queue_item item;
	uint64_t id;
	int op; /* 0 add, 1 update, 2 remove */
};

static int queue_job(struct store_txn *t, void *arg, struct err *err)
{
	struct queueing *q = arg;
	struct store_piece piece = { .bytes = STR("outgoing"), .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct store_message_new m = { .body = &body };

	if (q->op == 1)
		return txn_queue_update(t, &q->item, err);
	if (q->op == 2)
		return txn_queue_remove(t, q->id, err);
	if (store_body_hash(&body, err) < 0 || txn_message_add(t, &m, &q->item.message, err) < 0)
		return -1;
	return txn_queue_add(t, &q->item, &q->id, err);
}

static void wait_gone(struct fixture *f, uint64_t message)
{
	struct store_message m;

	for (unsigned i = 0; i < 500; i++) {
		if (store_message_get(f->store, message, f->arena, &m, &f->err) < 0)
			return;
		usleep(20000);
	}
	fail();
}

static void test_queue(void **state)
{
	struct fixture f;
	struct store_queue_item got, *items;
	size_t count;
	(void)state;

	fixture_begin(&f);
	atomic_store(&f.store->fold_after_s, -1);
	struct queueing q = { .f = &f,
		.item = { .batch = 7,
		    .sender = STR("ana@example.org"),
		    .recipient = STR("bob@far.example"),
		    .notify = 3,
		    .expires_at = 99,
		    .next_at = 5 } };
	fixture_must(&f, store_write(f.store, queue_job, &q, &f.err));
	fixture_must(&f, store_queue_get(f.store, q.id, f.arena, &got, &f.err));
	check_str_eq(got.recipient, STR("bob@far.example"));
	check_int_eq(got.batch, 7);
	uint64_t message = got.message;
	got.attempts = 2;
	got.state = QUEUE_HELD;
	got.last_error = STR("451 4.7.1 later");
	q.item = got;
	q.op = 1;
	fixture_must(&f, store_write(f.store, queue_job, &q, &f.err));
	fixture_must(&f, store_queue_list(f.store, 0, 10, f.arena, &items, &count, &f.err));
	check_int_eq(count, 1);
	check_int_eq(items[0].attempts, 2);
	check_int_eq(items[0].state, QUEUE_HELD);
	check_str_eq(items[0].last_error, STR("451 4.7.1 later"));
	fixture_check_sound(&f, true);
	q.op = 2;
	fixture_must(&f, store_write(f.store, queue_job, &q, &f.err));
	check_int_eq(store_write(f.store, queue_job, &q, &f.err), -1);
	check_int_eq(f.err.kind, ERR_DENIED);
	q.op = 1;
	check_int_eq(store_write(f.store, queue_job, &q, &f.err), -1);
	wait_gone(&f, message);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

struct telling {
	uint64_t story;
	str key;
	int64_t prune;
};

static int story_job(struct store_txn *t, void *arg, struct err *err)
{
	struct telling *s = arg;
	str keys[] = { s->key, STR("everybody@example.org") };

	if (s->prune)
		return txn_story_prune(t, s->prune, err);
	for (uint32_t step = 1; step <= 3; step++) {
		if (txn_story_add(t,
		        &(struct store_story_step){
		            .story = s->story, .at = step, .step = step, .detail = s->key },
		        keys, 2, err) < 0)
			return -1;
	}
	return 0;
}

static void test_stories(void **state)
{
	struct fixture f;
	struct store_story_step *steps;
	size_t count;
	uint64_t first = 0;
	(void)state;

	fixture_begin(&f);
	for (unsigned i = 0; i < 5; i++) {
		struct telling s = { .story = store_next_id(f.store),
			.key = arena_strf(f.arena, "<Key%u@example.org>", i) };
		if (i == 0)
			first = s.story;
		fixture_must(&f, store_write(f.store, story_job, &s, &f.err));
	}
	fixture_must(&f, store_story_find(f.store, STR("<key0@EXAMPLE.org>"), 10, f.arena, &steps,
	                     &count, &f.err));
	check_int_eq(count, 3);
	check_int_eq(steps[0].story, first);
	check_int_eq(steps[2].step, 3);
	fixture_must(&f, store_story_find(f.store, STR("everybody@example.org"), 2, f.arena, &steps,
	                     &count, &f.err));
	check_int_eq(count, 6);
	check(steps[0].story > steps[3].story);
	check_str_eq(steps[0].detail, STR("<Key4@example.org>"));
	struct telling old = { .prune = time_wall_s() - 86400 };
	fixture_must(&f, store_write(f.store, story_job, &old, &f.err));
	fixture_must(&f, store_story_find(f.store, STR("<key0@example.org>"), 2, f.arena, &steps,
	                     &count, &f.err));
	check_int_eq(count, 3);
	struct telling all = { .prune = time_wall_s() + 2 * 86400 };
	fixture_must(&f, store_write(f.store, story_job, &all, &f.err));
	fixture_must(&f, store_story_find(f.store, STR("<key0@example.org>"), 2, f.arena, &steps,
	                     &count, &f.err));
	check_int_eq(count, 0);
	fixture_end(&f);
}

static void test_ids(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	uint64_t last = 0;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t id = store_next_id(f.store);
			check(id > last);
			last = id;
		}
		fixture_must(&f, fixture_deliver(&f, f.inbox, STR("x"), 0, NULL));
		fixture_reopen(&f);
	}
	fixture_end(&f);
}

/* ---- references, readers, reclaiming ---- */

static void test_messages_go(void **state)
{
	struct fixture f;
	struct store_message m;
	(void)state;

	fixture_begin(&f);
	atomic_store(&f.store->fold_after_s, -1);
	uint64_t archive = fixture_mailbox(&f, "Archive");
	struct fixture_delivery d = { .mailbox = f.inbox, .body = STR("shared"), .count = 3 };
	fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	struct fixture_transfer x = {
		.from = f.inbox, .to = archive, .range = { 1, 2 }, .arena = f.arena
	};
	fixture_must(&f, store_write(f.store, fixture_transfer_job, &x, &f.err));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	usleep(400000);
	fixture_must(&f, store_message_get(f.store, d.out_message, f.arena, &m, &f.err));
	fixture_must(&f, fixture_expunge(&f, archive, 1, 1, true, NULL));
	usleep(400000);
	fixture_must(&f, store_message_get(f.store, d.out_message, f.arena, &m, &f.err));
	fixture_must(&f, fixture_move(&f, archive, f.inbox, 2, 2));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	wait_gone(&f, d.out_message);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

static void test_reader(void **state)
{
	struct fixture f;
	struct store_reader *r;
	struct store_message m;
	(void)state;

	fixture_begin(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("one"), 0, NULL));
	fixture_must(&f, store_reader_open(f.store, &r, &f.err));
	struct store_view *v = view_of(&f, f.inbox);
	fixture_must(&f, store_reader_message(r, store_view_at(v, 1)->message, &m, &f.err));
	store_view_unref(v);
	/* Younger than the reader's transaction. */
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("two"), 0, NULL));
	v = view_of(&f, f.inbox);
	fixture_must(&f, store_reader_message(r, store_view_at(v, 2)->message, &m, &f.err));
	check_int_eq(m.blob.bytes, 3);
	store_view_unref(v);
	check_int_eq(store_reader_message(r, 999999, &m, &f.err), -1);
	check_int_eq(f.err.kind, ERR_DENIED);
	store_reader_close(r);
	fixture_end(&f);
}

static bool pack_is_there(struct fixture *f, unsigned pack)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/packs/%08u.pack", f->dir, pack);
	return access(path, F_OK) == 0;
}

static void test_reclaim(void **state)
{
	struct fixture f;
	(void)state;

	fixture_new_dir(&f);
	f.options.pack_bytes = 20000;
	fixture_must(&f, fixture_open(&f));
	fixture_must(&f, fixture_fill(&f));
	for (unsigned i = 1; i <= 600; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, i), 0, NULL));
	struct store_view *old = view_of(&f, f.inbox);
	struct store_message m;
	struct store_blob held;
	fixture_must(
	    &f, store_message_get(f.store, store_view_at(old, 1)->message, f.arena, &m, &f.err));
	fixture_must(&f, store_blob_map(f.store, &m.blob, &held, &f.err));
	store_view_unref(old);
	check(pack_is_there(&f, 1) && pack_is_there(&f, 4));
	fixture_must(&f, fixture_flag(&f, f.inbox, 1, 550, STORE_DELETED));
	struct store_range keep = { 100, 105 };
	struct fixture_flags c = { .change = { .mailbox = f.inbox,
		                       .uids = &keep,
		                       .uid_count = 1,
		                       .op = STORE_FLAGS_SET,
		                       .unchanged_since = UINT64_MAX },
		.arena = f.arena };
	fixture_must(&f, store_write(f.store, fixture_flags_job, &c, &f.err));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, false, NULL));
	atomic_store(&f.store->fold_after_s, -1);
	atomic_store(&f.store->remove_after_s, 0);
	fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, 601), 0, NULL));
	for (unsigned i = 0; i < 400 && pack_is_there(&f, 1); i++)
		usleep(25000);
	check(!pack_is_there(&f, 1));
	check_str_eq(held.bytes, nth_body(&f, 1));
	store_blob_release(&held);
	for (unsigned round = 0; round < 2; round++) {
		struct store_view *v = view_of(&f, f.inbox);
		check_int_eq(v->count, 57);
		for (uint32_t seq = 1; seq <= v->count; seq++)
			check_body(
			    &f, store_view_at(v, seq), nth_body(&f, store_view_at(v, seq)->uid));
		store_view_unref(v);
		fixture_check_sound(&f, true);
		fixture_reopen(&f);
	}
	fixture_end(&f);
}

static void wait_for_pack_to_go(struct fixture *f, unsigned pack)
{
	for (unsigned i = 0; i < 800 && pack_is_there(f, pack); i++)
		usleep(25000);
	check(!pack_is_there(f, pack));
}

static int set_reserve_job(struct store_txn *t, void *arg, struct err *err)
{
	const uint64_t *bytes = arg;
	(void)err;

	t->store->options.reserve_bytes = *bytes;
	return 0;
}

/* From here on space is short, or not. */
static void space_gets(struct fixture *f, bool is_short)
{
	uint64_t bytes = is_short ? UINT64_MAX / 4 : 1 << 20;

	fixture_must(f, store_write(f->store, set_reserve_job, &bytes, &f->err));
}

static void deliver_large(struct fixture *f, unsigned count)
{
	char *big = arena_alloc(f->arena, 100000);

	memset(big, 'x', 100000);
	for (unsigned i = 0; i < count; i++)
		fixture_must(f, fixture_deliver(f, f->inbox, str_new(big, 100000), 0, NULL));
}

/* Once space was short for good: the pack that grew was never given back, as it was never full, and
 * no pack of the usual size was, as twice its size had to be free. */
static void test_reclaim_when_space_is_short(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	atomic_store(&f.store->fold_after_s, -1);
	atomic_store(&f.store->remove_after_s, 0);
	deliver_large(&f, 30);
	space_gets(&f, true);
	/* Two stay alive and are copied. */
	fixture_must(&f, fixture_expunge(&f, f.inbox, 3, 30, true, NULL));
	wait_for_pack_to_go(&f, 1);
	check(pack_is_there(&f, 2));
	/* All of the next is dead, and that one is the last: a start must not go on in it. */
	space_gets(&f, false);
	deliver_large(&f, 30);
	space_gets(&f, true);
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	wait_for_pack_to_go(&f, 2);
	fixture_reopen(&f);
	check(pack_is_there(&f, 3));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("after"), 0, NULL));
	check(!pack_is_there(&f, 1) && !pack_is_there(&f, 2));
	fixture_check_sound(&f, true);
	fixture_reopen(&f);
	struct store_view *v = view_of(&f, f.inbox);
	check_int_eq(v->count, 1);
	check_body(&f, store_view_at(v, 1), STR("after"));
	store_view_unref(v);
	fixture_end(&f);
}

/* As after a failed sync. */
static int give_up_pack_job(struct store_txn *t, void *arg, struct err *err)
{
	(void)arg, (void)err;
	packs_give_up(t->store->packs, packs_mark(t->store->packs), true);
	return 0;
}

/* Once, after a failed sync, the last pack could be emptied, gone on with at the next start, and
 * then removed with what was new in it. */
static void test_last_pack_is_not_emptied(void **state)
{
	struct fixture f;
	(void)state;

	fixture_begin(&f);
	for (unsigned i = 1; i <= 20; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, nth_body(&f, i), 0, NULL));
	fixture_reopen(&f); /* its row tells how long it is */
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	fixture_must(&f, store_write(f.store, give_up_pack_job, NULL, &f.err));
	atomic_store(&f.store->remove_after_s, 0);
	atomic_store(&f.store->fold_after_s, -1);
	fixture_must(&f, fixture_flag(&f, f.inbox, 1, 1, STORE_SEEN));
	usleep(1500000);
	check(pack_is_there(&f, 1));
	fixture_reopen(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("after"), 0, NULL));
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

/* ---- opening ---- */

static void test_open(void **state)
{
	struct fixture f;
	struct store *other;
	struct store_mailbox *boxes;
	size_t count;
	(void)state;

	fixture_begin(&f);
	struct store_options o = f.options;
	check_int_eq(store_open(&o, &other, &f.err), -1);
	check_int_eq(f.err.kind, ERR_RETRY);
	o.read_only = true;
	fixture_must(&f, store_open(&o, &other, &f.err));
	fixture_must(&f, store_mailbox_list(other, f.account, f.arena, &boxes, &count, &f.err));
	check_int_eq(count, 6);
	check(!store_accepts_mail(other, 1, &f.err));
	struct fixture_delivery d = { .mailbox = f.inbox, .body = STR("x") };
	check_int_eq(store_write(other, fixture_deliver_job, &d, &f.err), -1);
	store_close(other);
	check(store_accepts_mail(f.store, 1000, &f.err));
	check(!store_accepts_mail(f.store, UINT64_MAX / 4, &f.err));
	store_close(f.store);
	fixture_must(&f, store_open(&o, &other, &f.err));
	fixture_must(&f, store_mailbox_list(other, f.account, f.arena, &boxes, &count, &f.err));
	store_close(other);
	o.path = "/nonexistent";
	check_int_eq(store_open(&o, &other, &f.err), -1);
	fixture_must(&f, fixture_open(&f));
	fixture_end(&f);
}

static void test_newer_store(void **state)
{
	struct fixture f;
	struct db *db;
	char path[200];
	(void)state;

	fixture_begin(&f);
	store_close(f.store);
	f.store = NULL;
	snprintf(path, sizeof(path), "%s/buzon.db", f.dir);
	fixture_must(
	    &f, db_open_sqlite(&(struct db_options){ .path = path, .write = true }, &db, &f.err));
	fixture_must(&f, db->engine->script(db, "PRAGMA user_version = 99", &f.err));
	db_close(db);
	check_int_eq(fixture_open(&f), -1);
	check(str_find(str_c(f.err.text), STR("newer buzon")) != STR_NPOS);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deliver),
		cmocka_unit_test(test_old_view_stays),
		cmocka_unit_test(test_body_in_pieces),
		cmocka_unit_test(test_failed_job),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_keyword_limit),
		cmocka_unit_test(test_expunge),
		cmocka_unit_test(test_vanished_forgets),
		cmocka_unit_test(test_copy_and_move),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_uidvalidity_is_new),
		cmocka_unit_test(test_subscriptions),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_messages_go),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_reclaim_when_space_is_short),
		cmocka_unit_test(test_last_pack_is_not_emptied),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_newer_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
