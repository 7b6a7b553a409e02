#include "sessions/imap/search.h"

#include <stdlib.h>

#include "base/time.h"
#include "sessions/imap/cursor.h"
#include "sessions/imap/sets.h"

enum { MESSAGE_ARENA_MAX = 64 << 20, TEXT_MAX = 64 << 20, GONE_EVERY = 256 };

/* ---- masks ------------------------------------------------------------------------------------
 */

#define AUTO_MASK __attribute__((cleanup(mask_fini))) struct mask

static void mask_fini(struct mask *m)
{
	free(m->words);
	m->words = NULL;
}

static struct mask mask_new(size_t words)
{
	struct mask m = { calloc(words ? words : 1, sizeof(uint64_t)), words };

	if (!m.words)
		abort();
	return m;
}

static void mask_copy(struct mask *to, const struct mask *from)
{
	memcpy(to->words, from->words, to->count * sizeof(uint64_t));
}

static void mask_clear(struct mask *m)
{
	memset(m->words, 0, m->count * sizeof(uint64_t));
}

static void mask_and(struct mask *to, const struct mask *other)
{
	for (size_t i = 0; i < to->count; i++)
		to->words[i] &= other->words[i];
}

static void mask_and_not(struct mask *to, const struct mask *other)
{
	for (size_t i = 0; i < to->count; i++)
		to->words[i] &= ~other->words[i];
}

static void mask_or(struct mask *to, const struct mask *other)
{
	for (size_t i = 0; i < to->count; i++)
		to->words[i] |= other->words[i];
}

static bool mask_is_empty(const struct mask *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->words[i])
			return false;
	return true;
}

static void mask_set_range(struct mask *m, uint32_t first, uint32_t last)
{
	while (first <= last) {
		if (first % 64 == 0 && last - first >= 63) {
			m->words[first / 64] = UINT64_MAX;
			first += 64;
		} else {
			mask_set(m, first++);
		}
	}
}

/* ---- walking the messages of a mask -----------------------------------------------------------
 */

struct mask_walk {
	const struct mask *in;
	const struct imap_selected *sel;
	struct cursor known, now;
};

static void walk_init(struct mask_walk *w, const struct search *s, const struct mask *in)
{
	w->in = in;
	w->sel = s->conn->selected;
	cursor_init(&w->known, w->sel->known);
	cursor_init(&w->now, w->sel->told);
}

/* The newest entry of the next message in the mask; out_bit is its bit. */
static const struct store_entry *walk_next(struct mask_walk *w, uint32_t *out_bit)
{
	const struct store_entry *e;

	while ((e = cursor_entry(&w->known))) {
		uint32_t bit = cursor_seq(&w->known) - 1;
		cursor_next(&w->known);
		if (!mask_has(w->in, bit))
			continue;
		if (w->sel->told != w->sel->known)
			e = cursor_find(&w->now, e->uid);
		*out_bit = bit;
		return e;
	}
	return NULL;
}

/* ---- leaves -----------------------------------------------------------------------------------
 */

static void scan_entries(
    struct search *s, const struct imap_search_key *key, const struct mask *in, struct mask *out)
{
	struct mask_walk w;
	const struct store_entry *e;
	uint32_t bit;

	walk_init(&w, s, in);
	while ((e = walk_next(&w, &bit)))
		if (search_match_entry(s, key, e))
			mask_set(out, bit);
}

/* How one message answers count keys that stand in a row; any: one is enough, else all must. */
static int match_keys(struct search *s, const struct imap_search_key *keys, size_t count, bool any,
    struct search_message *m, struct err *err)
{
	for (size_t i = 0; i < count; i++, keys = keys->next) {
		int rc = search_match_message(s, keys, m, err);
		if (rc < 0 || rc == any)
			return rc;
	}
	return !any;
}

/* Keys of the same cost share one reading of each message. */
static int scan_messages(struct search *s, const struct imap_search_key *keys, size_t count,
    bool any, const struct mask *in, struct mask *out, struct err *err)
{
	struct mask_walk w;
	const struct store_entry *e;
	uint32_t bit, seen = 0;

	walk_init(&w, s, in);
	while ((e = walk_next(&w, &bit))) {
		struct search_message m = { .entry = e };
		if (++seen % GONE_EVERY == 0 && imap_is_gone(s->conn))
			return err_set(err, ERR_DENIED, "the client is gone");
		int rc = match_keys(s, keys, count, any, &m, err);
		search_message_done(&m);
		/* ERR_INPUT: an index that is damaged. It matches nothing, and hides nothing else. */
		if (rc < 0 && err->kind != ERR_DENIED && err->kind != ERR_INPUT)
			return -1;
		s->some_gone = s->some_gone || (rc < 0 && err->kind == ERR_DENIED);
		if (rc > 0)
			mask_set(out, bit);
	}
	return 0;
}

static int find_set(struct search *s, const struct imap_search_key *key, const struct mask *in,
    struct mask *out, struct err *err)
{
	const struct store_view *v = s->conn->selected->known;
	struct store_range *uids;
	size_t count;

	if (imap_set_resolve(
	        s->conn, &key->set, key->op == SEARCH_UID, s->arena, &uids, &count, err) < 0)
		return -1;
	struct ranges numbers = ranges_to_numbers(s->arena, v, uids, count);
	for (size_t i = 0; i < numbers.count; i++)
		mask_set_range(out, numbers.at[i].first - 1, numbers.at[i].last - 1);
	mask_and(out, in);
	return 0;
}

/* ---- trees ------------------------------------------------------------------------------------
 */

static int find(struct search *s, struct imap_search_key *key, const struct mask *in,
    struct mask *out, struct err *err);

/* Cheapest first, otherwise as written: a stable merge into one list for each cost. */
static struct imap_search_key *by_cost(struct imap_search_key *keys)
{
	struct imap_search_key *lists[COST_BODY + 1] = { NULL }, **tails[COST_BODY + 1];
	struct imap_search_key *next, *all = NULL, **tail = &all;

	for (size_t i = 0; i <= COST_BODY; i++)
		tails[i] = &lists[i];
	for (; keys; keys = next) {
		next = keys->next;
		keys->next = NULL;
		enum search_cost cost = search_cost_of(keys);
		*tails[cost] = keys;
		tails[cost] = &keys->next;
	}
	for (size_t i = 0; i <= COST_BODY; i++) {
		*tail = lists[i];
		while (*tail)
			tail = &(*tail)->next;
	}
	return all;
}

static bool is_leaf(const struct imap_search_key *key)
{
	return key->op != SEARCH_AND && key->op != SEARCH_OR && key->op != SEARCH_NOT;
}

/* How many keys from here on are leaves of the same cost, to be matched together; at least one. */
static size_t run_of(const struct imap_search_key *key)
{
	enum search_cost cost = search_cost_of(key);
	size_t count = 1;

	if (cost == COST_ENTRY || !is_leaf(key))
		return 1;
	while ((key = key->next) && is_leaf(key) && search_cost_of(key) == cost)
		count++;
	return count;
}

static int find_run(struct search *s, struct imap_search_key *keys, size_t count, bool any,
    const struct mask *in, struct mask *out, struct err *err)
{
	if (count == 1)
		return find(s, keys, in, out, err);
	return scan_messages(s, keys, count, any, in, out, err);
}

static struct imap_search_key *skip(struct imap_search_key *key, size_t count)
{
	while (count--)
		key = key->next;
	return key;
}

static int find_and(struct search *s, struct imap_search_key *key, const struct mask *in,
    struct mask *out, struct err *err)
{
	AUTO_MASK left = mask_new(in->count);

	key->children = by_cost(key->children);
	mask_copy(&left, in);
	for (struct imap_search_key *k = key->children; k && !mask_is_empty(&left);) {
		size_t count = run_of(k);
		mask_clear(out);
		if (find_run(s, k, count, /* any */ false, &left, out, err) < 0)
			return -1;
		mask_copy(&left, out);
		k = skip(k, count);
	}
	mask_copy(out, &left);
	return 0;
}

static int find_or(struct search *s, struct imap_search_key *key, const struct mask *in,
    struct mask *out, struct err *err)
{
	AUTO_MASK left = mask_new(in->count);
	AUTO_MASK found = mask_new(in->count);

	key->children = by_cost(key->children);
	mask_copy(&left, in);
	for (struct imap_search_key *k = key->children; k && !mask_is_empty(&left);) {
		size_t count = run_of(k);
		mask_clear(&found);
		if (find_run(s, k, count, /* any */ true, &left, &found, err) < 0)
			return -1;
		mask_or(out, &found);
		mask_and_not(&left, &found);
		k = skip(k, count);
	}
	return 0;
}

static int find_not(struct search *s, struct imap_search_key *key, const struct mask *in,
    struct mask *out, struct err *err)
{
	AUTO_MASK found = mask_new(in->count);

	if (find(s, key->children, in, &found, err) < 0)
		return -1;
	mask_copy(out, in);
	mask_and_not(out, &found);
	return 0;
}

/* out comes empty. */
static int find(struct search *s, struct imap_search_key *key, const struct mask *in,
    struct mask *out, struct err *err)
{
	switch (key->op) {
	case SEARCH_AND:
		return find_and(s, key, in, out, err);
	case SEARCH_OR:
		return find_or(s, key, in, out, err);
	case SEARCH_NOT:
		return find_not(s, key, in, out, err);
	case SEARCH_ALL:
		mask_copy(out, in);
		return 0;
	case SEARCH_NONE:
		return 0;
	case SEARCH_SEQUENCE:
	case SEARCH_UID:
		return find_set(s, key, in, out, err);
	default:
		break;
	}
	if (search_cost_of(key) != COST_ENTRY)
		return scan_messages(s, key, 1, /* any */ true, in, out, err);
	scan_entries(s, key, in, out);
	return 0;
}

enum search_cost search_cost_of(const struct imap_search_key *key)
{
	enum search_cost cost = COST_ENTRY;

	switch (key->op) {
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
		for (const struct imap_search_key *k = key->children; k; k = k->next)
			if (search_cost_of(k) > cost)
				cost = search_cost_of(k);
		return cost;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return key->which == DATE_SENT ? COST_ROW : COST_ENTRY;
	case SEARCH_ADDRESS:
	case SEARCH_SUBJECT:
		return COST_ROW;
	case SEARCH_HEADER:
		return COST_HEADER;
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return COST_BODY;
	default:
		return COST_ENTRY;
	}
}

/* ---- the whole --------------------------------------------------------------------------------
 */

void search_init(struct search *s, struct imap_conn *c, struct imap_cmd *cmd)
{
	*s = (struct search){
		.conn = c,
		.arena = cmd->arena,
		.message_arena = arena_new(cmd->arena, "search", MESSAGE_ARENA_MAX),
		.folded = BUF_INIT(TEXT_MAX),
		.now = time_wall_s(),
	};
}

void search_fini(struct search *s)
{
	if (s->reader)
		store_reader_close(s->reader);
	s->reader = NULL;
	buf_fini(&s->folded);
}

/* All that the client knows and that still exists. */
static struct mask everything(const struct search *s)
{
	const struct imap_selected *sel = s->conn->selected;
	struct mask all = mask_new((size_t)sel->known->count / 64 + 1);
	struct cursor known, now;
	const struct store_entry *e;

	if (sel->known == sel->told) {
		if (sel->known->count)
			mask_set_range(&all, 0, sel->known->count - 1);
		return all;
	}
	cursor_init(&known, sel->known);
	cursor_init(&now, sel->told);
	for (; (e = cursor_entry(&known)); cursor_next(&known))
		if (cursor_find(&now, e->uid))
			mask_set(&all, cursor_seq(&known) - 1);
	return all;
}

int search_find(struct search *s, struct imap_search_key *key, struct mask *out, struct err *err)
{
	AUTO_MASK all = everything(s);

	out->count = all.count;
	out->words = arena_array(s->arena, uint64_t, all.count);
	search_prepare(s, key);
	return find(s, key, &all, out, err);
}
