#include "sessions/imap/qresync.h"

#include "sessions/imap/cursor.h"
#include "sessions/imap/print.h"
#include "sessions/imap/sets.h"
#include "sessions/imap/sync.h"

/* '*' and '$' have no meaning here: nothing is selected yet. RFC 7162 §7 */
static int take_plain_set(struct imap_lexer *in, struct imap_set *out, struct err *err)
{
	if (imap_take_set(in, out, err) < 0)
		return -1;
	for (size_t i = 0; i < out->count; i++)
		if (out->ranges[i].first == UINT32_MAX || out->ranges[i].last == UINT32_MAX)
			return err_set(err, ERR_INPUT, "'*' is not allowed in QRESYNC");
	return out->saved ? err_set(err, ERR_INPUT, "'$' is not allowed in QRESYNC") : 0;
}

static int take_match(struct imap_lexer *in, struct qresync *q, struct err *err)
{
	q->has_match = true;
	if (take_plain_set(in, &q->match_numbers, err) < 0 || imap_take_sp(in, err) < 0 ||
	    take_plain_set(in, &q->match_uids, err) < 0)
		return -1;
	return imap_take_char(in, ')', err);
}

int qresync_parse(struct imap_lexer *in, struct qresync *out, struct err *err)
{
	struct qresync q = { .given = true };

	if (imap_take_char(in, '(', err) < 0 || imap_take_nz_u32(in, &q.uidvalidity, err) < 0 ||
	    imap_take_sp(in, err) < 0 || imap_take_u64(in, &q.modseq, err) < 0)
		return -1;
	bool more = imap_try_char(in, ' ');
	if (more && !imap_peek_char(in, '(')) {
		q.has_uids = true;
		if (take_plain_set(in, &q.uids, err) < 0)
			return -1;
		more = imap_try_char(in, ' ');
	}
	if (more && (imap_take_char(in, '(', err) < 0 || take_match(in, &q, err) < 0))
		return -1;
	if (imap_take_char(in, ')', err) < 0)
		return -1;
	*out = q;
	return 0;
}

/* ---- sequence match data ----------------------------------------------------------------------
 */

struct set_walk {
	const struct imap_set *set;
	size_t at;
	uint32_t next; /* 0: the range has not been entered */
};

static bool walk_next(struct set_walk *w, uint32_t *out)
{
	if (w->at == w->set->count)
		return false;
	const struct imap_range *r = &w->set->ranges[w->at];
	*out = w->next ? w->next : r->first;
	if (*out >= r->last) {
		w->at++;
		w->next = 0;
	} else {
		w->next = *out + 1;
	}
	return true;
}

/* The first UID about which the client may be wrong: as long as its pairs of number and UID are
 * ours, it has heard of every expunge before. RFC 7162 §3.2.5.2 */
static uint32_t first_unsure(const struct qresync *q, const struct store_view *v)
{
	struct set_walk numbers = { .set = &q->match_numbers }, uids = { .set = &q->match_uids };
	uint32_t seq, uid, unsure = 1;

	if (!q->has_match)
		return 1;
	while (walk_next(&numbers, &seq) && walk_next(&uids, &uid)) {
		if (!seq || seq > v->count || store_view_at(v, seq)->uid != uid)
			break;
		unsure = uid + 1;
	}
	return unsure;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

int qresync_vanished(struct imap_conn *c, uint64_t modseq, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct err *err)
{
	struct store_range *gone;
	size_t gone_count;
	struct print p;

	if (store_vanished_since(
	        c->store, c->selected->mailbox, modseq, a, &gone, &gone_count, err) < 0)
		return -1;
	struct ranges told = ranges_common(a, gone, gone_count, uids, uid_count);
	if (!told.count)
		return 0;
	print_init(&p, c, NULL);
	print_lit(&p, "* VANISHED (EARLIER) ");
	print_ranges(&p, told.at, told.count);
	print_lit(&p, "\r\n");
	print_fini(&p);
	return 0;
}

static void print_changed(
    struct print *p, const struct imap_selected *sel, const struct store_entry *e, uint32_t seq)
{
	print_lit(p, "* ");
	print_u64(p, seq);
	print_lit(p, " FETCH (UID ");
	print_u64(p, e->uid);
	print_lit(p, " FLAGS ");
	print_flags(p, e, imap_is_recent(sel, e->uid));
	print_lit(p, " MODSEQ (");
	print_u64(p, e->modseq);
	print_lit(p, "))\r\n");
}

static void walk_range(
    struct imap_conn *c, struct qresync_walk *w, struct cursor *at, struct print *p)
{
	const struct store_range *r = &w->uids[w->at];
	const struct store_entry *e =
	    cursor_seek(at, w->next_uid > r->first ? w->next_uid : r->first);

	for (; e && e->uid <= r->last; cursor_next(at), e = cursor_entry(at)) {
		if (p->congested) {
			w->next_uid = e->uid;
			return;
		}
		if (e->modseq > w->modseq)
			print_changed(p, c->selected, e, cursor_seq(at));
	}
	w->at++;
}

bool qresync_step(struct imap_conn *c, struct qresync_walk *w)
{
	struct cursor at;
	struct print p;

	print_init(&p, c, c->selected->known);
	cursor_init(&at, c->selected->known);
	while (w->at < w->count && !p.congested)
		walk_range(c, w, &at, &p);
	print_fini(&p);
	return w->at == w->count;
}

int qresync_begin(struct imap_conn *c, const struct qresync *q, struct arena *a,
    struct qresync_walk *out, struct err *err)
{
	const struct store_view *v = c->selected->known;
	struct store_range *all = arena_one(a, struct store_range);
	struct ranges uids = { .at = all, .count = 1 };

	*all = (struct store_range){ 1, v->uidnext - 1 };
	*out = (struct qresync_walk){ .modseq = q->modseq };
	/* RFC 7162 §3.2.5: another UIDVALIDITY means that the client starts again. */
	if (q->uidvalidity != v->uidvalidity || !all->last)
		return 0;
	if (q->has_uids) {
		struct ranges known = ranges_of_uid_set(a, v, &q->uids);
		uids = ranges_common(a, known.at, known.count, all, 1);
	}
	struct store_range unsure = { first_unsure(q, v), UINT32_MAX };
	struct ranges asked = ranges_common(a, uids.at, uids.count, &unsure, 1);
	if (qresync_vanished(c, q->modseq, asked.at, asked.count, a, err) < 0)
		return -1;
	out->uids = uids.at;
	out->count = uids.count;
	return 0;
}
