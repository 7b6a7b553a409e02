/* cmd_search.c: SEARCH and UID SEARCH, RFC 9051 §6.4.4, RFC 3501 §6.4.4; ESEARCH, RFC 4731;
 * SEARCHRES, RFC 5182; MODSEQ, RFC 7162 §3.1.5 and §3.1.10. */
#include "sessions/imap/cursor.h"
#include "sessions/imap/print.h"
#include "sessions/imap/search.h"
#include "sessions/imap/sets.h"
#include "sessions/imap/sync.h"

enum {
	FOUND_ARENA_MAX = 2000 << 20,
	SAVED_RANGES_MAX = 1000000, /* of "$"; RFC 5182 §2.3 lets us refuse */
};

static int search_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct imap_search *search = arena_one(cmd->arena, struct imap_search);

	cmd->args = search;
	if (imap_take_sp(in, err) < 0 || imap_search_parse(in, search, err) < 0)
		return -1;
	return imap_take_end(in, err);
}

/* What was found, in the order of the mailbox. */
struct found {
	struct ranges numbers, uids; /* uids: neighbours in the mailbox, so they may hold gaps */
	uint32_t count;
	uint64_t modseq; /* the highest */
};

struct found_message {
	uint32_t seq, uid;
	uint64_t modseq;
};

static struct found_message message_at(const struct imap_selected *sel, uint32_t seq)
{
	const struct store_entry *e = store_view_at(sel->known, seq);

	if (sel->told != sel->known) {
		const struct store_entry *now = store_view_find(sel->told, e->uid, NULL);
		e = now ? now : e;
	}
	return (struct found_message){ seq, e->uid, e->modseq };
}

static void collect(
    const struct imap_selected *sel, const struct mask *mask, struct arena *a, struct found *out)
{
	struct cursor known;

	cursor_init(&known, sel->known);
	for (const struct store_entry *e; (e = cursor_entry(&known)); cursor_next(&known)) {
		uint32_t seq = cursor_seq(&known);
		if (!mask_has(mask, seq - 1))
			continue;
		ranges_add(a, &out->numbers, seq, seq);
		ranges_add(a, &out->uids, e->uid, e->uid);
		out->count++;
	}
}

static uint64_t highest_modseq(const struct imap_selected *sel, const struct found *f)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < f->numbers.count; i++)
		for (uint32_t seq = f->numbers.at[i].first; seq <= f->numbers.at[i].last; seq++) {
			uint64_t modseq = message_at(sel, seq).modseq;
			if (modseq > highest)
				highest = modseq;
		}
	return highest;
}

static struct found_message lowest(const struct imap_selected *sel, const struct found *f)
{
	return message_at(sel, f->numbers.at[0].first);
}

static struct found_message highest(const struct imap_selected *sel, const struct found *f)
{
	return message_at(sel, f->numbers.at[f->numbers.count - 1].last);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

/* "* SEARCH 2 84 882 (MODSEQ 917162500)" */
static void print_plain(struct print *p, const struct ranges *r, uint64_t modseq)
{
	print_lit(p, "* SEARCH");
	for (size_t i = 0; i < r->count; i++)
		for (uint32_t n = r->at[i].first; n <= r->at[i].last; n++) {
			print_c(p, ' ');
			print_u64(p, n);
		}
	if (modseq) {
		print_lit(p, " (MODSEQ ");
		print_u64(p, modseq);
		print_c(p, ')');
	}
	print_lit(p, "\r\n");
}

/* RFC 7162 §3.1.10: with MIN and MAX alone, MODSEQ is that of the messages named. */
static uint64_t extended_modseq(
    const struct imap_selected *sel, const struct found *f, unsigned returns)
{
	uint64_t min = lowest(sel, f).modseq, max = highest(sel, f).modseq;

	switch (returns & ~(unsigned)RETURN_SAVE) {
	case RETURN_MIN:
		return min;
	case RETURN_MAX:
		return max;
	case RETURN_MIN | RETURN_MAX:
		return min > max ? min : max;
	default:
		return highest_modseq(sel, f);
	}
}

static void print_extended(struct print *p, const struct imap_cmd *cmd,
    const struct imap_selected *sel, const struct found *f, unsigned returns)
{
	const struct imap_search *search = cmd->args;

	print_lit(p, "* ESEARCH (TAG \"");
	print_str(p, cmd->tag);
	print_lit(p, "\")");
	if (cmd->uid)
		print_lit(p, " UID");
	if (f->count && returns & RETURN_MIN) {
		print_lit(p, " MIN ");
		print_u64(p, cmd->uid ? lowest(sel, f).uid : lowest(sel, f).seq);
	}
	if (f->count && returns & RETURN_MAX) {
		print_lit(p, " MAX ");
		print_u64(p, cmd->uid ? highest(sel, f).uid : highest(sel, f).seq);
	}
	if (f->count && returns & RETURN_ALL) {
		const struct ranges *r = cmd->uid ? &f->uids : &f->numbers;
		print_lit(p, " ALL ");
		print_ranges(p, r->at, r->count);
	}
	if (returns & RETURN_COUNT) {
		print_lit(p, " COUNT ");
		print_u64(p, f->count);
	}
	if (f->count && search->has_modseq) {
		print_lit(p, " MODSEQ ");
		print_u64(p, extended_modseq(sel, f, returns));
	}
	print_lit(p, "\r\n");
}

static void answer(struct imap_cmd *cmd, struct imap_conn *c, const struct found *f)
{
	const struct imap_search *search = cmd->args;
	const struct imap_selected *sel = c->selected;
	/* RFC 9051 §6.4.4: clients of IMAP4rev2 get ESEARCH for a plain SEARCH as well. */
	bool extended = search->extended || c->enabled & IMAP_ON_REV2;
	unsigned returns = search->extended ? search->returns : RETURN_ALL;
	struct print p;

	/* RETURN (SAVE) alone says nothing. RFC 5182 §2.1 */
	if (extended && returns == RETURN_SAVE)
		return;
	print_init(&p, c, NULL);
	if (extended)
		print_extended(&p, cmd, sel, f, returns);
	else
		print_plain(&p, cmd->uid ? &f->uids : &f->numbers,
		    search->has_modseq && f->count ? highest_modseq(sel, f) : 0);
	print_fini(&p);
}

/* ---- "$" --------------------------------------------------------------------------------------
 */

static void forget_saved(struct imap_selected *sel)
{
	sel->saved = NULL;
	sel->saved_count = 0;
	arena_reset(sel->saved_arena);
}

/* RFC 5182 §2.4: MIN and MAX alone are saved alone. */
static void save(struct imap_selected *sel, const struct found *f, unsigned returns)
{
	struct ranges kept = { 0 };

	forget_saved(sel);
	if (!f->count)
		return;
	if (!(returns & (RETURN_MIN | RETURN_MAX)) || returns & (RETURN_ALL | RETURN_COUNT)) {
		kept.at = arena_array(sel->saved_arena, struct store_range, f->uids.count);
		memcpy(kept.at, f->uids.at, f->uids.count * sizeof(*kept.at));
		kept.count = f->uids.count;
	} else {
		uint32_t min = lowest(sel, f).uid, max = highest(sel, f).uid;
		if (returns & RETURN_MIN)
			ranges_add(sel->saved_arena, &kept, min, min);
		if (returns & RETURN_MAX && !(returns & RETURN_MIN && min == max))
			ranges_add(sel->saved_arena, &kept, max, max);
	}
	sel->saved = kept.at;
	sel->saved_count = kept.count;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static int find(struct imap_cmd *cmd, struct imap_conn *c, struct found *out, struct err *err)
{
	struct imap_search *search = cmd->args;
	struct search s;
	struct mask mask = { 0 };

	if (!search->charset_known) {
		cmd->code = STR("BADCHARSET (US-ASCII UTF-8)");
		return err_set(err, ERR_DENIED, "charset '" STR_FMT "' is not supported",
		    STR_ARG(search->charset));
	}
	if (search->has_modseq)
		imap_enable_condstore(c);
	if (imap_sync(c, /* allow_expunge */ false, err) < 0)
		return -1;
	search_init(&s, c, cmd);
	int rc = search_find(&s, search->key, &mask, err);
	search_fini(&s);
	if (rc < 0)
		return -1;
	/* RFC 5530 §3: the result is right, but the client should look for EXPUNGE. */
	if (s.some_gone || c->selected->known != c->selected->told)
		cmd->code = cmd->uid ? cmd->code : STR("EXPUNGEISSUED");
	collect(c->selected, &mask, arena_new(cmd->arena, "found", FOUND_ARENA_MAX), out);
	if (search->returns & RETURN_SAVE && out->uids.count > SAVED_RANGES_MAX) {
		cmd->code = STR("NOTSAVED");
		return err_set(err, ERR_LIMIT, "too many messages to save");
	}
	return 0;
}

static int search_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct imap_search *search = cmd->args;
	struct found found = { 0 };

	/* RFC 7162 §3.2.10.2: numbers in UID SEARCH must not shift under the client's feet. */
	cmd->keeps_numbers = search->has_numbers;
	if (find(cmd, c, &found, err) < 0) {
		/* RFC 5182 §2.1: a NO empties what was saved, a BAD does not. */
		if (search->returns & RETURN_SAVE && err->kind != ERR_INPUT)
			forget_saved(c->selected);
		return -1;
	}
	if (search->returns & RETURN_SAVE)
		save(c->selected, &found, search->returns);
	answer(cmd, c, &found);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_search = {
	.name = STR_INIT("SEARCH"),
	.capability = STR_INIT("ESEARCH SEARCHRES WITHIN"),
	.states = IMAP_SELECTED,
	.flags = IMAP_HAS_UID_FORM | IMAP_NO_EXPUNGE | IMAP_SYNC_FIRST,
	.parse = search_parse,
	.run = search_run,
};
