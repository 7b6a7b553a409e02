#include "sessions/imap/sync.h"

#include "sessions/imap/print.h"

/* ---- what renumbers ---------------------------------------------------------------------------
 */

/* The next entry of old that is not in now; both cursors stand behind it afterwards. */
static bool next_gone(struct cursor *old, struct cursor *now, uint32_t *out_uid, uint32_t *out_seq)
{
	const struct store_entry *a, *b;

	while ((a = cursor_entry(old))) {
		if (cursor_same_page(old, now)) {
			cursor_skip_page(old);
			cursor_skip_page(now);
			continue;
		}
		b = cursor_entry(now);
		if (!b || a->uid < b->uid) {
			*out_uid = a->uid;
			*out_seq = cursor_seq(old);
			cursor_next(old);
			return true;
		}
		if (a->uid == b->uid)
			cursor_next(old);
		cursor_next(now);
	}
	return false;
}

static bool is_any_gone(const struct store_view *from, const struct store_view *to)
{
	struct cursor old, now;
	uint32_t uid, seq;

	cursor_init(&old, from);
	cursor_init(&now, to);
	return next_gone(&old, &now, &uid, &seq);
}

/* RFC 3501 §7.4.1: each EXPUNGE renumbers at once, so those before count. */
static bool print_expunges(struct imap_sync *s, struct print *p, bool whole)
{
	uint32_t uid, seq;

	while (whole || !p->congested) {
		if (!next_gone(&s->gone_old, &s->gone_now, &uid, &seq))
			return true;
		print_lit(p, "* ");
		print_u64(p, seq - s->gone_before++);
		print_lit(p, " EXPUNGE\r\n");
	}
	return false;
}

/* RFC 7162 §3.2.10.2: exactly the UIDs that the client has, so only true neighbours make a range.
 * Each slice is a response of its own. */
static bool print_vanished(struct imap_sync *s, struct print *p, bool whole)
{
	struct store_range run = { 0 };
	uint32_t uid, seq;
	bool more = true;

	while ((whole || !p->congested) &&
	       (more = next_gone(&s->gone_old, &s->gone_now, &uid, &seq))) {
		if (run.first && uid == run.last + 1) {
			run.last = uid;
			continue;
		}
		if (run.first) {
			print_range(p, run.first, run.last);
			print_c(p, ',');
		} else {
			print_lit(p, "* VANISHED ");
		}
		run = (struct store_range){ uid, uid };
	}
	if (run.first) {
		print_range(p, run.first, run.last);
		print_lit(p, "\r\n");
	}
	return !more;
}

static void tell_counts(
    struct imap_conn *c, const struct store_view *from, const struct store_view *to)
{
	if (to->uidnext == from->uidnext || view_last_uid(to) < from->uidnext)
		return;
	imap_recent_claim(c, to);
	imap_writef(c, "* %u EXISTS\r\n", to->count);
	if (!(c->enabled & IMAP_ON_REV2))
		imap_writef(c, "* %u RECENT\r\n", imap_recent_count(c->selected, to));
}

void imap_write_flag_lists(struct imap_conn *c, const struct store_view *v, bool read_only)
{
	AUTO_BUF names = BUF_INIT(1 << 20);

	flag_names_add(&names, UINT32_MAX);
	for (size_t i = 0; i < v->keyword_count; i++) {
		buf_addc(&names, ' ');
		buf_add(&names, v->keywords[i]);
	}
	imap_write(c, STR("* FLAGS ("));
	imap_write(c, buf_str(&names));
	imap_write(c, STR(")\r\n* OK [PERMANENTFLAGS ("));
	if (!read_only) {
		imap_write(c, buf_str(&names));
		/* "\*": new keywords are welcome while there is room. */
		if (v->keyword_count < STORE_KEYWORDS_MAX)
			imap_write(c, STR(" \\*"));
	}
	imap_write(c,
	    read_only ? STR(")] No permanent flags permitted\r\n") : STR(")] Flags permitted\r\n"));
}

void imap_enable_condstore(struct imap_conn *c)
{
	if (c->enabled & IMAP_ON_CONDSTORE)
		return;
	c->enabled |= IMAP_ON_CONDSTORE;
	/* RFC 7162 §3.1: said once when a mailbox is already open. */
	if (c->selected)
		imap_writef(c, "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
		    (unsigned long long)c->selected->told->highest_modseq);
}

/* ---- flags ------------------------------------------------------------------------------------
 */

enum report { REPORT_NOTHING, REPORT_MODSEQ, REPORT_FLAGS, REPORT_FLAGS_BARE };

/* Ranges and UIDs both ascend: at moves along. */
static bool is_in(const struct store_range *ranges, size_t count, size_t *at, uint32_t uid)
{
	while (*at < count && ranges[*at].last < uid)
		++*at;
	return *at < count && ranges[*at].first <= uid;
}

static bool is_as_expected(
    const struct imap_sync *s, const struct store_entry *old, const struct store_entry *now)
{
	uint32_t flags = s->own.flags;
	uint64_t keywords = s->own_keywords;

	switch (s->own.op) {
	case STORE_FLAGS_SET:
		break;
	case STORE_FLAGS_ADD:
		flags |= old->flags;
		keywords |= old->keywords;
		break;
	case STORE_FLAGS_REMOVE:
		flags = old->flags & ~flags;
		keywords = old->keywords & ~keywords;
		break;
	}
	return now->flags == flags && now->keywords == keywords;
}

static enum report judge_own(
    struct imap_sync *s, const struct store_entry *old, const struct store_entry *now)
{
	bool has_modseq = s->conn->enabled & (IMAP_ON_CONDSTORE | IMAP_ON_QRESYNC);

	s->own_reported++;
	if (s->own.say == OWN_SAY)
		return s->own.with_uid ? REPORT_FLAGS : REPORT_FLAGS_BARE;
	if (!is_as_expected(s, old, now))
		return REPORT_FLAGS;
	/* RFC 7162 §3.1.3: .SILENT hides the flags, never the MODSEQ. */
	if (s->own.say == OWN_SILENT && has_modseq && old->modseq != now->modseq)
		return REPORT_MODSEQ;
	return REPORT_NOTHING;
}

static enum report judge(
    struct imap_sync *s, const struct store_entry *old, const struct store_entry *now)
{
	bool has_modseq = s->conn->enabled & (IMAP_ON_CONDSTORE | IMAP_ON_QRESYNC);

	if (s->has_own) {
		if (is_in(s->own.failed, s->own.failed_count, &s->failed_at, now->uid)) {
			s->own_reported++;
			return REPORT_FLAGS;
		}
		if (is_in(s->own.uids, s->own.uid_count, &s->own_at, now->uid))
			return judge_own(s, old, now);
	}
	if (old->flags != now->flags || old->keywords != now->keywords)
		return REPORT_FLAGS;
	return has_modseq && old->modseq != now->modseq ? REPORT_FLAGS : REPORT_NOTHING;
}

static uint32_t number_of(struct imap_sync *s, const struct store_entry *now)
{
	if (!s->held)
		return cursor_seq(&s->now);
	return cursor_find(&s->number, now->uid) ? cursor_seq(&s->number) : 0;
}

static void print_report(
    struct imap_sync *s, struct print *p, const struct store_entry *e, enum report report)
{
	uint32_t seq = number_of(s, e);
	bool has_modseq = s->conn->enabled & (IMAP_ON_CONDSTORE | IMAP_ON_QRESYNC);

	if (!seq)
		return;
	print_lit(p, "* ");
	print_u64(p, seq);
	print_lit(p, " FETCH (");
	if (report != REPORT_FLAGS_BARE) {
		print_lit(p, "UID ");
		print_u64(p, e->uid);
		print_c(p, ' ');
	}
	if (report != REPORT_MODSEQ) {
		print_lit(p, "FLAGS ");
		print_flags(p, e, imap_is_recent(s->conn->selected, e->uid));
	}
	if (has_modseq) {
		if (report != REPORT_MODSEQ)
			print_c(p, ' ');
		print_lit(p, "MODSEQ (");
		print_u64(p, e->modseq);
		print_c(p, ')');
	}
	print_lit(p, ")\r\n");
}

static bool touches(
    const struct store_range *ranges, size_t count, size_t *at, uint32_t first, uint32_t last)
{
	return is_in(ranges, count, at, first) || (*at < count && ranges[*at].first <= last);
}

/* A page that nobody has changed says nothing, unless STORE must answer for a message in it. */
static bool may_skip_page(struct imap_sync *s)
{
	if (!cursor_same_page(&s->old, &s->now))
		return false;
	if (!s->has_own)
		return true;
	const struct imap_own *own = &s->own;
	uint32_t first = s->now.entries[0].uid, last = s->now.entries[s->now.count - 1].uid;
	return !touches(own->uids, own->uid_count, &s->own_at, first, last) &&
	       !touches(own->failed, own->failed_count, &s->failed_at, first, last);
}

static void adopt(struct imap_sync *s)
{
	struct imap_selected *sel = s->conn->selected;

	store_view_unref(sel->told);
	sel->told = store_view_ref(s->to);
	if (!s->held) {
		store_view_unref(sel->known);
		sel->known = store_view_ref(s->to);
	}
}

static void report_one(struct imap_sync *s, struct print *p)
{
	const struct store_entry *old = cursor_entry(&s->old), *now = cursor_entry(&s->now);

	if (old && old->uid < now->uid) {
		cursor_next(&s->old); /* expunged since */
		return;
	}
	if (old && old->uid == now->uid) {
		enum report report = judge(s, old, now);
		if (report != REPORT_NOTHING)
			print_report(s, p, now, report);
		cursor_next(&s->old);
	}
	cursor_next(&s->now);
}

static bool step_gone(struct imap_sync *s, bool whole)
{
	struct print p;

	print_init(&p, s->conn, NULL);
	bool done = s->conn->enabled & IMAP_ON_QRESYNC ? print_vanished(s, &p, whole)
	                                               : print_expunges(s, &p, whole);
	print_fini(&p);
	return done;
}

static void tell_counts_and_keywords(struct imap_sync *s)
{
	struct imap_selected *sel = s->conn->selected;

	if (!s->held)
		tell_counts(s->conn, sel->known, s->to);
	if (s->to->keyword_count != sel->told->keyword_count)
		imap_write_flag_lists(s->conn, s->to, sel->read_only);
}

static bool step_flags(struct imap_sync *s, bool whole)
{
	struct print p;
	const struct store_entry *now;

	print_init(&p, s->conn, s->to);
	while (
	    (now = cursor_entry(&s->now)) && now->uid <= s->last_uid && (whole || !p.congested)) {
		if (may_skip_page(s)) {
			cursor_skip_page(&s->old);
			cursor_skip_page(&s->now);
		} else {
			report_one(s, &p);
		}
	}
	print_fini(&p);
	return !now || now->uid > s->last_uid;
}

bool imap_sync_step(struct imap_sync *s, bool whole)
{
	if (!s->to)
		return true;
	if (s->stage == SYNC_GONE) {
		if (!step_gone(s, whole))
			return false;
		s->stage = SYNC_COUNTS;
	}
	if (s->stage == SYNC_COUNTS) {
		tell_counts_and_keywords(s);
		s->stage = SYNC_FLAGS;
	}
	if (!step_flags(s, whole))
		return false;
	adopt(s);
	imap_sync_end(s);
	return true;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static uint64_t keyword_bits(const struct store_view *v, const struct imap_own *own)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < v->keyword_count; i++)
		for (size_t j = 0; j < own->keyword_count; j++)
			if (str_ieq(v->keywords[i], own->keywords[j]))
				bits |= (uint64_t)1 << i;
	return bits;
}

int imap_sync_begin(struct imap_sync *s, struct imap_conn *c, bool allow_expunge,
    const struct imap_own *own, struct err *err)
{
	struct imap_selected *sel = c->selected;

	*s = (struct imap_sync){ .conn = c };
	if (store_view_get(c->store, sel->mailbox, &s->to, err) < 0)
		return -1;
	if (own) {
		s->has_own = true;
		s->own = *own;
		s->own_keywords = keyword_bits(s->to, own);
	}
	s->last_uid = sel->known->uidnext - 1;
	/* From here on nothing can fail: what has been told must become what is known. */
	bool gone = is_any_gone(sel->known, s->to);
	s->held = gone && !allow_expunge;
	s->stage = gone && allow_expunge ? SYNC_GONE : SYNC_COUNTS;
	cursor_init(&s->gone_old, sel->known);
	cursor_init(&s->gone_now, s->to);
	cursor_init(&s->old, sel->told);
	cursor_init(&s->now, s->to);
	cursor_init(&s->number, sel->known);
	return 0;
}

void imap_sync_end(struct imap_sync *s)
{
	if (!s->to)
		return;
	store_view_unref(s->to);
	s->to = NULL;
}

int imap_sync(struct imap_conn *c, bool allow_expunge, struct err *err)
{
	struct imap_selected *sel = c->selected;
	struct imap_sync s;

	if (!sel)
		return 0;
	if (imap_sync_begin(&s, c, allow_expunge, NULL, err) < 0)
		return -1;
	imap_sync_step(&s, /* whole */ true);
	return 0;
}
