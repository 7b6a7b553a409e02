/* cmd_list.c: LIST, RFC 9051 §6.3.9: with selection and return options (RFC 5258), children (RFC
 * 3348), special uses (RFC 6154) and STATUS (RFC 5819). LSUB, RFC 3501 §6.3.9, is its older sister.
 */
#include "sessions/imap/commands.h"
#include "sessions/imap/list_names.h"
#include "sessions/imap/special_use.h"
#include "sessions/imap/status.h"

struct list {
	str *patterns; /* joined with the reference */
	size_t pattern_count;
	unsigned criteria;    /* enum list_criteria */
	bool recursive;       /* RECURSIVEMATCH */
	bool extended;        /* options were given, or more than one pattern */
	bool show_subscribed; /* RETURN (SUBSCRIBED) */
	bool is_lsub;
	unsigned status_items; /* RETURN (STATUS ...) */
	bool asks_separator;   /* LIST "" "" */
	struct list_names found;
	size_t at; /* the next of found */
};

/* ---- parsing ---- */

static int take_select_option(struct imap_lexer *in, struct list *l, struct err *err)
{
	str word;

	if (imap_take_atom(in, &word, err) < 0)
		return -1;
	if (str_ieq(word, STR("SUBSCRIBED")))
		l->criteria |= LIST_SUBSCRIBED;
	else if (str_ieq(word, STR("SPECIAL-USE")))
		l->criteria |= LIST_SPECIAL_USE;
	else if (str_ieq(word, STR("RECURSIVEMATCH")))
		l->recursive = true;
	else if (!str_ieq(word, STR("REMOTE"))) /* there are none */
		return err_set(err, ERR_INPUT, "LIST knows no selection option '" STR_FMT "'",
		    STR_ARG(str_sub(word, 0, 40)));
	return 0;
}

static int take_select_options(struct imap_lexer *in, struct list *l, struct err *err)
{
	l->extended = true;
	if (imap_try_char(in, ')'))
		return 0;
	do {
		if (take_select_option(in, l, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	/* RFC 9051 §6.3.9.1 */
	if (l->recursive && !l->criteria)
		return err_set(
		    err, ERR_INPUT, "RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it");
	return imap_take_char(in, ')', err);
}

static int take_pattern(struct imap_cmd *cmd, struct imap_lexer *in, struct list *l, size_t *cap,
    str reference, struct err *err)
{
	str pattern;

	if (l->pattern_count >= IMAP_PATTERNS_MAX)
		return err_set(
		    err, ERR_LIMIT, "LIST takes no more than %d patterns", IMAP_PATTERNS_MAX);
	if (imap_take_list_mailbox(in, &pattern, err) < 0)
		return -1;
	l->asks_separator = str_empty(pattern);
	str *slot =
	    arena_push(cmd->arena, &l->patterns, &l->pattern_count, cap, sizeof(*l->patterns));
	*slot = arena_strf(cmd->arena, STR_FMT STR_FMT, STR_ARG(reference), STR_ARG(pattern));
	return 0;
}

static int take_patterns(
    struct imap_cmd *cmd, struct imap_lexer *in, struct list *l, str reference, struct err *err)
{
	size_t cap = 0;

	if (l->is_lsub || !imap_try_char(in, '('))
		return take_pattern(cmd, in, l, &cap, reference, err);
	l->extended = true;
	do {
		if (take_pattern(cmd, in, l, &cap, reference, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	l->asks_separator = false;
	return imap_take_char(in, ')', err);
}

static int take_return_option(struct imap_lexer *in, struct list *l, struct err *err)
{
	str word;

	if (imap_take_atom(in, &word, err) < 0)
		return -1;
	if (str_ieq(word, STR("SUBSCRIBED"))) {
		l->show_subscribed = true;
	} else if (str_ieq(word, STR("STATUS"))) {
		if (imap_take_sp(in, err) < 0)
			return -1;
		return imap_take_status_items(in, &l->status_items, err);
	} else if (!str_ieq(word, STR("CHILDREN")) && !str_ieq(word, STR("SPECIAL-USE"))) {
		/* Those two are always said. */
		return err_set(err, ERR_INPUT, "LIST knows no return option '" STR_FMT "'",
		    STR_ARG(str_sub(word, 0, 40)));
	}
	return 0;
}

static int take_return_options(struct imap_lexer *in, struct list *l, struct err *err)
{
	l->extended = true;
	if (!imap_try_atom(in, STR("RETURN")))
		return err_set(err, ERR_INPUT, "behind the pattern of LIST only RETURN may stand");
	if (imap_take_sp(in, err) < 0 || imap_take_char(in, '(', err) < 0)
		return -1;
	if (imap_try_char(in, ')'))
		return 0;
	do {
		if (take_return_option(in, l, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	return imap_take_char(in, ')', err);
}

static int take_names(struct imap_cmd *cmd, struct imap_lexer *in, struct list *l, struct err *err)
{
	str reference;

	if (imap_take_list_mailbox(in, &reference, err) < 0 || imap_take_sp(in, err) < 0)
		return -1;
	return take_patterns(cmd, in, l, reference, err);
}

static int list_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct list *l = arena_one(cmd->arena, struct list);

	cmd->args = l;
	if (imap_take_sp(in, err) < 0)
		return -1;
	if (imap_try_char(in, '(') &&
	    (take_select_options(in, l, err) < 0 || imap_take_sp(in, err) < 0))
		return -1;
	if (take_names(cmd, in, l, err) < 0)
		return -1;
	if (imap_try_char(in, ' ') && take_return_options(in, l, err) < 0)
		return -1;
	/* RFC 5258 §3: an extended LIST must not take an empty name as the question for the separator. */
	l->asks_separator = l->asks_separator && !l->extended;
	return 0;
}

static int lsub_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct list *l = arena_one(cmd->arena, struct list);

	cmd->args = l;
	l->is_lsub = true;
	l->criteria = LIST_SUBSCRIBED;
	return imap_take_sp(in, err) < 0 ? -1 : take_names(cmd, in, l, err);
}

/* ---- answering ---- */

static void put_attribute(struct buf *b, const char *name, str rest)
{
	if (b->len > 0)
		buf_addc(b, ' ');
	buf_addc(b, '\\');
	buf_addz(b, name);
	buf_add(b, rest);
}

/* A name that stands only for those below it: RFC 9051 §6.3.9.3 calls it \NonExistent, for clients
 * of before it is \Noselect. RFC 3501 §6.3.9: in LSUB that is also one that is not subscribed. */
static void put_existence(
    struct buf *b, const struct list *l, const struct imap_conn *c, const struct list_name *n)
{
	bool modern = !l->is_lsub && (l->extended || c->enabled & IMAP_ON_REV2);

	if (l->is_lsub && !n->meets)
		put_attribute(b, "Noselect", STR_NONE);
	else if (!n->box || !n->box->selectable)
		put_attribute(b, modern ? "NonExistent" : "Noselect", STR_NONE);
}

static void write_attributes(struct imap_conn *c, const struct list *l, const struct list_name *n)
{
	AUTO_BUF b = BUF_INIT(256);

	put_existence(&b, l, c, n);
	if (!l->is_lsub) {
		put_attribute(&b, n->has_children ? "HasChildren" : "HasNoChildren", STR_NONE);
		if (n->subscribed && (l->show_subscribed || l->criteria & LIST_SUBSCRIBED))
			put_attribute(&b, "Subscribed", STR_NONE);
		if (n->box && n->box->special_use != SPECIAL_NONE)
			put_attribute(&b, "", special_use_name(n->box->special_use));
	}
	imap_write(c, STR("("));
	imap_write(c, buf_str(&b));
	imap_write(c, STR(")"));
}

/* RFC 9051 §6.3.9.6 */
static void write_child_info(struct imap_conn *c, const struct list *l)
{
	bool both = l->criteria == (LIST_SUBSCRIBED | LIST_SPECIAL_USE);

	imap_write(c, STR(" (\"CHILDINFO\" ("));
	if (l->criteria & LIST_SUBSCRIBED)
		imap_write(c, STR("\"SUBSCRIBED\""));
	if (both)
		imap_write(c, STR(" "));
	if (l->criteria & LIST_SPECIAL_USE)
		imap_write(c, STR("\"SPECIAL-USE\""));
	imap_write(c, STR("))"));
}

static void write_name(struct imap_conn *c, const struct list *l, const struct list_name *n)
{
	imap_write(c, l->is_lsub ? STR("* LSUB ") : STR("* LIST "));
	write_attributes(c, l, n);
	imap_write(c, STR(" \"/\" "));
	imap_write_mailbox(c, n->name);
	if (l->recursive && n->meets_below)
		write_child_info(c, l);
	imap_write(c, STR("\r\n"));
	if (l->status_items && n->box && n->box->selectable)
		imap_write_status(c, n->box, l->status_items);
}

/* RFC 9051 §6.3.9.3, principle 2; RFC 3501 §6.3.9 has the same for LSUB with '%'. */
static bool is_answer(const struct list *l, const struct list_name *n)
{
	if (!n->matches)
		return false;
	return n->meets || ((l->recursive || l->is_lsub) && n->meets_hidden);
}

static int begin(struct imap_cmd *cmd, struct imap_conn *c, struct list *l, struct err *err)
{
	cmd->progress = l;
	if (l->asks_separator) {
		imap_write(c, l->is_lsub ? STR("* LSUB") : STR("* LIST"));
		imap_write(c, STR(" (\\Noselect) \"/\" \"\"\r\n"));
		return 0;
	}
	imap_status_begin(c, l->status_items);
	return list_names_collect(c->store, c->account, l->criteria, l->patterns, l->pattern_count,
	    cmd->arena, &l->found, err);
}

static int list_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct list *l = cmd->args;

	if (!cmd->progress && begin(cmd, c, l, err) < 0)
		return -1;
	while (l->at < l->found.count) {
		const struct list_name *n = &l->found.names[l->at++];
		if (!is_answer(l, n))
			continue;
		write_name(c, l, n);
		if (imap_out_is_congested(c))
			return IMAP_RUN_MORE;
	}
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_list = {
	.name = STR_INIT("LIST"),
	.capability = STR_INIT("CHILDREN LIST-EXTENDED LIST-STATUS SPECIAL-USE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = list_parse,
	.run = list_run,
};

const struct imap_command imap_cmd_lsub = {
	.name = STR_INIT("LSUB"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = lsub_parse,
	.run = list_run,
};
