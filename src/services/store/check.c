/* store_check: does everything that the store says about itself agree?
 *
 * Tables are compared inside one reading transaction, so a store at work is seen at one moment. The
 * bodies are looked at afterwards, row by row; what seems wrong is read again, because a message
 * may go or move meanwhile. */
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "services/store/maintain.h"
#include "services/store/reclaim.h"
#include "services/store/refs.h"

struct sum {
	uint64_t account, bytes, messages;
};

struct check {
	struct store *store;
	struct db *db;
	bool deep;
	const struct store_progress *progress;
	uint64_t problems;
	uint64_t *refs; /* a message id for each reference that there is */
	size_t ref_count, ref_cap;
	struct table *sums; /* of accounts */
};

/* ---- saying what is wrong ---- */

__attribute__((format(printf, 2, 3))) static void problem(struct check *c, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	c->problems++;
	if (!c->progress || !c->progress->problem)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->progress->problem(c->progress->arg, str_c(text));
}

static void step(const struct check *c, const char *what, uint64_t done, uint64_t total)
{
	if (c->progress && c->progress->step)
		c->progress->step(c->progress->arg, what, done, total);
}

static void on_db_problem(void *arg, str text)
{
	struct check *c = arg;

	problem(c, "database: " STR_FMT, STR_ARG(str_sub(text, 0, 300)));
}

static int check_database(struct check *c, struct err *err)
{
	uint64_t found;

	step(c, "database", 0, 0);
	return c->db->engine->verify(c->db, c->deep, on_db_problem, c, &found, err);
}

/* ---- mailboxes ---- */

static void add_ref(struct check *c, uint64_t message)
{
	if (c->ref_count == c->ref_cap) {
		c->ref_cap = c->ref_cap ? c->ref_cap * 2 : 4096;
		c->refs = realloc(c->refs, c->ref_cap * sizeof(*c->refs));
		if (!c->refs)
			abort();
	}
	c->refs[c->ref_count++] = message;
}

static struct sum *sum_of(struct check *c, uint64_t account)
{
	struct sum *sum = table_get_id(c->sums, account);

	if (!sum) {
		sum = calloc(1, sizeof(*sum));
		if (!sum)
			abort();
		sum->account = account;
		table_set_id(c->sums, account, sum);
	}
	return sum;
}

/* What the entries add up to. */
static void add_page(
    struct check *c, const struct box *b, const struct store_page *p, struct box_head *seen)
{
	if (p->count == 0 || p->entries[0].uid < p->start || p->entries[0].uid <= seen->uidnext)
		problem(c, "mailbox %llu: page %u is out of order", (unsigned long long)b->id,
		    p->start);
	for (uint32_t i = 0; i < p->count; i++) {
		const struct store_entry *e = &p->entries[i];
		box_count(seen, e, 1);
		add_ref(c, e->message);
		if (e->modseq > seen->modseq)
			seen->modseq = e->modseq;
		seen->uidnext = e->uid;
	}
}

static int read_pages(struct check *c, const struct box *b, struct box_head *seen, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	struct err why;
	int more;

	if (db_query(c->db, DB_PAGE_LIST, DB_ARGS(DB_INT(b->id << 32), DB_INT((b->id + 1) << 32)),
	        &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct store_page *p;
		if (page_decode(db_bytes(&rows, 1), db_u32(&rows, 0), &p, &why) < 0) {
			problem(c, "mailbox %llu: %s", (unsigned long long)b->id, why.text);
			continue;
		}
		add_page(c, b, p, seen);
		page_unref(p);
	}
	return more;
}

static void compare_heads(struct check *c, const struct box *b, const struct box_head *seen)
{
	const struct box_head *h = &b->now.head;
	unsigned long long id = b->id;

	if (seen->count != h->count || seen->unseen != h->unseen || seen->deleted != h->deleted ||
	    seen->recent != h->recent)
		problem(c,
		    "mailbox %llu: counts are %u/%u/%u/%u, its entries add up to %u/%u/%u/%u", id,
		    h->count, h->unseen, h->deleted, h->recent, seen->count, seen->unseen,
		    seen->deleted, seen->recent);
	if (seen->size_bytes != h->size_bytes || seen->deleted_bytes != h->deleted_bytes)
		problem(c, "mailbox %llu: sizes differ from those of its entries", id);
	if (seen->uidnext >= h->uidnext)
		problem(c, "mailbox %llu: UID %u is not below UIDNEXT %u", id, seen->uidnext,
		    h->uidnext);
	if (seen->modseq > h->modseq)
		problem(c, "mailbox %llu: an entry is newer than the mailbox", id);
}

static int check_mailbox(struct check *c, uint64_t id, struct err *err)
{
	struct box b = { .id = id };
	struct box_head seen = { .count = 0 };
	struct err why = { .kind = ERR_NONE };

	if (box_load_head(c->db, &b, &why) < 0) {
		if (why.kind == ERR_DENIED) /* only a name */
			return 0;
		*err = why;
		return -1;
	}
	seen.recent_uid = b.now.head.recent_uid;
	int result = read_pages(c, &b, &seen, err);
	if (result == 0) {
		compare_heads(c, &b, &seen);
		struct sum *sum = sum_of(c, b.account);
		sum->bytes += seen.size_bytes;
		sum->messages += seen.count;
	}
	keywords_unref(b.now.keywords);
	return result;
}

static int next_mailboxes(
    struct check *c, uint64_t after, uint64_t ids[1000], size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	int more;

	*out_count = 0;
	if (db_query(c->db, DB_MAILBOX_IDS, DB_ARGS(DB_INT(after)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1 && *out_count < 1000)
		ids[(*out_count)++] = db_u64(&rows, 0);
	return more < 0 ? -1 : 0;
}

static int check_mailboxes(struct check *c, struct err *err)
{
	uint64_t ids[1000], last = 0, done = 0;
	size_t count;

	do {
		if (next_mailboxes(c, last, ids, &count, err) < 0)
			return -1;
		for (size_t i = 0; i < count; i++) {
			if (check_mailbox(c, ids[i], err) < 0)
				return -1;
			last = ids[i];
			step(c, "mailboxes", ++done, 0);
		}
	} while (count > 0);
	return 0;
}

static int check_stray_pages(struct check *c, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	int more;

	if (db_query(c->db, DB_PAGE_STRAY, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1)
		problem(c, "a page of mailbox %llu, which is not there",
		    (unsigned long long)(db_u64(&rows, 0) >> 32));
	return more;
}

static int check_accounts(struct check *c, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	int more;

	if (db_query(c->db, DB_ACCOUNT_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		const struct sum *sum = sum_of(c, db_u64(&rows, 0));
		if (sum->bytes != db_u64(&rows, 3) || sum->messages != db_u64(&rows, 4))
			problem(c,
			    "account '" STR_FMT "': uses %llu bytes and %llu messages, its "
			    "mailboxes hold %llu and %llu",
			    STR_ARG(str_sub(db_bytes(&rows, 1), 0, 100)),
			    (unsigned long long)db_u64(&rows, 3),
			    (unsigned long long)db_u64(&rows, 4), (unsigned long long)sum->bytes,
			    (unsigned long long)sum->messages);
	}
	return more;
}

/* ---- references ---- */

static int add_queue(struct check *c, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	int more;

	if (db_query(c->db, DB_QUEUE_MESSAGES, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1)
		add_ref(c, db_u64(&rows, 0));
	return more;
}

static int read_lines(struct check *c, struct ref_changes *out, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	int more;

	if (db_query(c->db, DB_REF_LINE_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		if (refs_parse(db_bytes(&rows, 0), out, err) < 0)
			return -1;
	}
	return more;
}

static int read_extras(struct check *c, struct ref_changes *out, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	AUTO_BUF line = BUF_INIT(64);
	int more;

	if (db_query(c->db, DB_REF_EXTRA_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		buf_reset(&line);
		buf_add_varint(&line, db_u64(&rows, 0));
		buf_add_varint(&line, db_u64(&rows, 1) << 1);
		if (refs_parse(buf_str(&line), out, err) < 0)
			return -1;
	}
	return more;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Cursor over references found and references counted, both by message id. */
struct cursor {
	size_t found_at, counted_at;
	const struct ref_change *counted;
	size_t counted_count;
};

static uint64_t found_refs(struct check *c, struct cursor *at, uint64_t message)
{
	uint64_t count = 0;

	for (; at->found_at < c->ref_count && c->refs[at->found_at] < message; at->found_at++)
		problem(c, "message %llu is referred to and not there",
		    (unsigned long long)c->refs[at->found_at]);
	for (; at->found_at < c->ref_count && c->refs[at->found_at] == message; at->found_at++)
		count++;
	return count;
}

static int64_t counted_refs(struct cursor *at, uint64_t message)
{
	while (at->counted_at < at->counted_count && at->counted[at->counted_at].message < message)
		at->counted_at++;
	if (at->counted_at < at->counted_count && at->counted[at->counted_at].message == message)
		return 1 + at->counted[at->counted_at].delta;
	return 1;
}

/* Calls fn for every message row, in order. */
typedef int place_fn(
    struct check *c, uint64_t message, const struct store_blob_ref *ref, void *arg);

static int next_places(
    struct check *c, uint64_t *last, place_fn *fn, void *arg, size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = c->db };
	int more;

	*out_count = 0;
	if (db_query(c->db, DB_MESSAGE_PLACES, DB_ARGS(DB_INT(*last)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct store_blob_ref ref = { .pack = db_u64(&rows, 1),
			.offset = db_u64(&rows, 2),
			.bytes = db_u64(&rows, 3) };
		str hash = db_bytes(&rows, 4);
		if (hash.len == sizeof(ref.sha256))
			memcpy(ref.sha256, hash.ptr, hash.len);
		*last = db_u64(&rows, 0);
		++*out_count;
		if (fn(c, *last, &ref, arg) < 0)
			return -1;
	}
	return more;
}

static int each_message(struct check *c, place_fn *fn, void *arg, struct err *err)
{
	uint64_t last = 0;
	size_t count;

	do {
		if (next_places(c, &last, fn, arg, &count, err) < 0)
			return -1;
	} while (count > 0);
	return 0;
}

static int compare_refs(
    struct check *c, uint64_t message, const struct store_blob_ref *ref, void *arg)
{
	struct cursor *at = arg;
	uint64_t found = found_refs(c, at, message);
	int64_t counted = counted_refs(at, message);

	(void)ref;
	if ((int64_t)found != counted)
		problem(c, "message %llu has %llu references, %lld are counted",
		    (unsigned long long)message, (unsigned long long)found, (long long)counted);
	return 0;
}

static int check_refs(struct check *c, struct err *err)
{
	struct ref_changes counted = { .items = NULL };
	int result = -1;

	step(c, "references", 0, 0);
	if (add_queue(c, err) == 0 && read_lines(c, &counted, err) == 0 &&
	    read_extras(c, &counted, err) == 0) {
		struct cursor at = { .counted_count = refs_merge(counted.items, counted.count),
			.counted = counted.items };
		if (c->ref_count > 0)
			qsort(c->refs, c->ref_count, sizeof(*c->refs), by_number);
		result = each_message(c, compare_refs, &at, err);
		if (result == 0)
			found_refs(c, &at, UINT64_MAX);
	}
	free(counted.items);
	return result;
}

/* ---- bodies ---- */

static bool body_is_right(struct check *c, const struct store_blob_ref *ref, struct err *why)
{
	unsigned char sha256[SHA256_DIGEST_LENGTH];
	struct store_blob blob;
	bool right = true;

	if (packs_map(c->store->packs, ref, &blob, why) < 0)
		return false;
	if (c->deep) {
		SHA256((const unsigned char *)blob.bytes.ptr, blob.bytes.len, sha256);
		right = memcmp(sha256, ref->sha256, sizeof(sha256)) == 0;
		if (!right)
			err_set(why, ERR_SYSTEM, "the body has a wrong hash");
	}
	packs_map_release(&blob);
	return right;
}

/* Where the message is now, if it still is. */
static bool is_still_there(struct check *c, uint64_t message, const struct store_blob_ref *ref)
{
	AUTO_ROWS rows = { .db = c->db };

	return db_query(c->db, DB_MESSAGE_PLACE, DB_ARGS(DB_INT(message)), &rows, NULL) == 0 &&
	       db_next(&rows, NULL) == 1 && db_u64(&rows, 0) == ref->pack &&
	       db_u64(&rows, 1) == ref->offset;
}

static int check_body(
    struct check *c, uint64_t message, const struct store_blob_ref *ref, void *arg)
{
	uint64_t *done = arg;
	struct err why = { .kind = ERR_NONE };

	if (!body_is_right(c, ref, &why) && is_still_there(c, message, ref))
		problem(c, "message %llu: %s", (unsigned long long)message, why.text);
	if (++*done % 1000 == 0)
		step(c, "bodies", *done, 0);
	return 0;
}

/* ---- all of it ---- */

static int check_tables(struct check *c, struct err *err)
{
	if (db_run(c->db, DB_BEGIN_READ, DB_NO_ARGS, err) < 0)
		return -1;
	int result = check_mailboxes(c, err) < 0 || check_stray_pages(c, err) < 0 ||
	                     check_accounts(c, err) < 0 || check_refs(c, err) < 0
	                 ? -1
	                 : 0;
	db_run(c->db, DB_ROLLBACK, DB_NO_ARGS, NULL);
	return result;
}

static void drop_sums(struct table *sums)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(sums, &at, &key, &value))
		free(value);
	table_free(sums);
}

int store_check(struct store *s, bool deep, const struct store_progress *p, uint64_t *out_problems,
    struct err *err)
{
	struct check c = { .store = s, .deep = deep, .progress = p };
	uint64_t bodies = 0;
	AUTO_FD hold = -1;

	if (atomic_load(&s->state) == STORE_WORKING && reclaim_hold(s, &hold, err) < 0)
		return -1;
	if (reader_acquire(s, &c.db, err) < 0)
		return -1;
	c.sums = table_new();
	int result = check_database(&c, err) < 0 || check_tables(&c, err) < 0 ||
	                     each_message(&c, check_body, &bodies, err) < 0
	                 ? -1
	                 : 0;
	reader_release(s, c.db);
	drop_sums(c.sums);
	free(c.refs);
	if (result == 0)
		*out_problems = c.problems;
	return result;
}
