/* lexer_set.c: sequence sets, flag lists, dates. RFC 9051 §9. */
#include "formats/date.h"
#include "protocols/imap/lexer_internal.h"

static int take_set_number(struct imap_lexer *l, uint32_t *out, struct err *err)
{
	if (imap_try_char(l, '*')) {
		*out = UINT32_MAX;
		return 0;
	}
	if (imap_take_nz_u32(l, out, err) < 0)
		return -1;
	/* No message has this number; it must not be mistaken for '*'. */
	if (*out == UINT32_MAX)
		*out = UINT32_MAX - 1;
	return 0;
}

static int take_range(struct imap_lexer *l, struct imap_range *out, struct err *err)
{
	uint32_t first, last;

	if (take_set_number(l, &first, err) < 0)
		return -1;
	last = first;
	if (imap_try_char(l, ':') && take_set_number(l, &last, err) < 0)
		return -1;
	/* RFC 9051 §9: the order of the two numbers does not matter. */
	*out =
	    first <= last ? (struct imap_range){ first, last } : (struct imap_range){ last, first };
	return 0;
}

static int take_ranges(struct imap_lexer *l, struct imap_set *set, struct err *err)
{
	size_t cap = 0;

	do {
		struct imap_range range;
		if (set->count >= IMAP_SET_MAX)
			return err_set(
			    err, ERR_LIMIT, "the set has more than %d parts", IMAP_SET_MAX);
		if (take_range(l, &range, err) < 0)
			return -1;
		struct imap_range *slot =
		    arena_push(l->arena, &set->ranges, &set->count, &cap, sizeof(*set->ranges));
		*slot = range;
	} while (imap_try_char(l, ','));
	return 0;
}

int imap_take_set(struct imap_lexer *l, struct imap_set *out, struct err *err)
{
	str before = l->in;
	struct imap_set set = { .ranges = NULL };

	if (imap_try_char(l, '$')) {
		set.saved = true; /* RFC 5182 §2.1 */
	} else if (take_ranges(l, &set, err) < 0) {
		l->in = before;
		return -1;
	}
	*out = set;
	return 0;
}

static const struct {
	str name;
	uint32_t bit;
} system_flags[] = {
	{ STR_INIT("Seen"), 1 },
	{ STR_INIT("Answered"), 2 },
	{ STR_INIT("Flagged"), 4 },
	{ STR_INIT("Deleted"), 8 },
	{ STR_INIT("Draft"), 16 },
};

static int take_system_flag(struct imap_lexer *l, uint32_t *bits, struct err *err)
{
	str name;

	if (imap_take_atom(l, &name, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++) {
		if (str_ieq(name, system_flags[i].name)) {
			*bits |= system_flags[i].bit;
			return 0;
		}
	}
	/* RFC 3501 §2.3.2: \Recent cannot be set by a client; and other names that start with a
	 * backslash are not defined. */
	return err_set(err, ERR_INPUT, "'\\" STR_FMT "' is no flag that can be set",
	    STR_ARG(str_sub(name, 0, IMAP_KEYWORD_MAX)));
}

static bool has_keyword(const struct imap_flags *f, str word)
{
	for (size_t i = 0; i < f->keyword_count; i++)
		if (str_ieq(f->keywords[i], word))
			return true;
	return false;
}

static int take_flag(struct imap_lexer *l, struct imap_flags *f, size_t *cap, struct err *err)
{
	str word;

	if (imap_try_char(l, '\\'))
		return take_system_flag(l, &f->system, err);
	if (imap_take_atom(l, &word, err) < 0)
		return -1;
	if (word.len > IMAP_KEYWORD_MAX)
		return err_set(
		    err, ERR_LIMIT, "a keyword is longer than %d characters", IMAP_KEYWORD_MAX);
	if (has_keyword(f, word))
		return 0;
	str *slot = arena_push(l->arena, &f->keywords, &f->keyword_count, cap, sizeof(*slot));
	*slot = word;
	return 0;
}

static int take_flag_words(struct imap_lexer *l, struct imap_flags *f, struct err *err)
{
	size_t cap = 0, count = 0;

	do {
		if (count++ >= IMAP_FLAGS_MAX)
			return err_set(err, ERR_LIMIT, "more than %d flags", IMAP_FLAGS_MAX);
		if (take_flag(l, f, &cap, err) < 0)
			return -1;
	} while (imap_try_char(l, ' '));
	return 0;
}

static int take_flag_list(struct imap_lexer *l, bool bare, struct imap_flags *f, struct err *err)
{
	if (!imap_try_char(l, '('))
		return bare ? take_flag_words(l, f, err) : imap_expected(l, "'('", err);
	if (imap_try_char(l, ')'))
		return 0;
	if (take_flag_words(l, f, err) < 0)
		return -1;
	return imap_take_char(l, ')', err);
}

int imap_take_flags(struct imap_lexer *l, bool bare, struct imap_flags *out, struct err *err)
{
	str before = l->in;
	struct imap_flags flags = { .system = 0 };

	if (take_flag_list(l, bare, &flags, err) < 0) {
		l->in = before;
		return -1;
	}
	*out = flags;
	return 0;
}

int imap_take_date(struct imap_lexer *l, int64_t *out, struct err *err)
{
	str before = l->in, text;
	int took = imap_peek_char(l, '"') ? imap_take_string(l, &text, err)
	                                  : imap_take_atom(l, &text, err);

	if (took < 0)
		return -1;
	if (date_imap_day_parse(text, out) == 0)
		return 0;
	l->in = before;
	return imap_expected(l, "a date such as 1-Feb-2026", err);
}

int imap_take_date_time(struct imap_lexer *l, int64_t *out, struct err *err)
{
	str before = l->in, text;

	if (!imap_peek_char(l, '"'))
		return imap_expected(l, "a date in quotes", err);
	if (imap_take_string(l, &text, err) < 0)
		return -1;
	if (date_imap_parse(text, out, /* zone */ NULL) == 0)
		return 0;
	l->in = before;
	return imap_expected(l, "a date such as \"17-Jul-2026 02:44:25 -0700\"", err);
}
