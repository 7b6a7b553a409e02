#include "protocols/imap/search_key.h"

enum argument {
	ARG_NONE,
	ARG_TEXT,
	ARG_HEADER,
	ARG_KEYWORD,
	ARG_DATE,
	ARG_U64,
	ARG_SECONDS,
	ARG_SET,
	ARG_MODSEQ,
	ARG_KEY,
	ARG_KEYS, /* two, chained */
};

enum { SEEN = 1, ANSWERED = 2, FLAGGED = 4, DELETED = 8, DRAFT = 16 }; /* as struct imap_flags */
enum { NEGATED = 1, UNSEEN_TOO = 2 };

/* clang-format off */
static const struct key_name {
	str name;
	enum imap_search_op op;
	enum argument argument;
	uint32_t which;
	unsigned twist;
} key_names[] = {
	{ STR_INIT("ALL"),         SEARCH_ALL,     ARG_NONE,    0,             0 },
	{ STR_INIT("ANSWERED"),    SEARCH_FLAG,    ARG_NONE,    ANSWERED,      0 },
	{ STR_INIT("BCC"),         SEARCH_ADDRESS, ARG_TEXT,    ADDRESS_BCC,   0 },
	{ STR_INIT("BEFORE"),      SEARCH_BEFORE,  ARG_DATE,    DATE_INTERNAL, 0 },
	{ STR_INIT("BODY"),        SEARCH_BODY,    ARG_TEXT,    0,             0 },
	{ STR_INIT("CC"),          SEARCH_ADDRESS, ARG_TEXT,    ADDRESS_CC,    0 },
	{ STR_INIT("DELETED"),     SEARCH_FLAG,    ARG_NONE,    DELETED,       0 },
	{ STR_INIT("DRAFT"),       SEARCH_FLAG,    ARG_NONE,    DRAFT,         0 },
	{ STR_INIT("FLAGGED"),     SEARCH_FLAG,    ARG_NONE,    FLAGGED,       0 },
	{ STR_INIT("FROM"),        SEARCH_ADDRESS, ARG_TEXT,    ADDRESS_FROM,  0 },
	{ STR_INIT("HEADER"),      SEARCH_HEADER,  ARG_HEADER,  0,             0 },
	{ STR_INIT("KEYWORD"),     SEARCH_KEYWORD, ARG_KEYWORD, 0,             0 },
	{ STR_INIT("LARGER"),      SEARCH_LARGER,  ARG_U64,     0,             0 },
	{ STR_INIT("MODSEQ"),      SEARCH_MODSEQ,  ARG_MODSEQ,  0,             0 },
	{ STR_INIT("NEW"),         SEARCH_RECENT,  ARG_NONE,    0,             UNSEEN_TOO },
	{ STR_INIT("NOT"),         SEARCH_NOT,     ARG_KEY,     0,             0 },
	{ STR_INIT("OLD"),         SEARCH_RECENT,  ARG_NONE,    0,             NEGATED },
	{ STR_INIT("OLDER"),       SEARCH_OLDER,   ARG_SECONDS, 0,             0 },
	{ STR_INIT("ON"),          SEARCH_ON,      ARG_DATE,    DATE_INTERNAL, 0 },
	{ STR_INIT("OR"),          SEARCH_OR,      ARG_KEYS,    0,             0 },
	{ STR_INIT("RECENT"),      SEARCH_RECENT,  ARG_NONE,    0,             0 },
	{ STR_INIT("SAVEDATESUPPORTED"), SEARCH_ALL, ARG_NONE,  0,             0 },
	{ STR_INIT("SAVEDBEFORE"), SEARCH_BEFORE,  ARG_DATE,    DATE_SAVED,    0 },
	{ STR_INIT("SAVEDON"),     SEARCH_ON,      ARG_DATE,    DATE_SAVED,    0 },
	{ STR_INIT("SAVEDSINCE"),  SEARCH_SINCE,   ARG_DATE,    DATE_SAVED,    0 },
	{ STR_INIT("SEEN"),        SEARCH_FLAG,    ARG_NONE,    SEEN,          0 },
	{ STR_INIT("SENTBEFORE"),  SEARCH_BEFORE,  ARG_DATE,    DATE_SENT,     0 },
	{ STR_INIT("SENTON"),      SEARCH_ON,      ARG_DATE,    DATE_SENT,     0 },
	{ STR_INIT("SENTSINCE"),   SEARCH_SINCE,   ARG_DATE,    DATE_SENT,     0 },
	{ STR_INIT("SINCE"),       SEARCH_SINCE,   ARG_DATE,    DATE_INTERNAL, 0 },
	{ STR_INIT("SMALLER"),     SEARCH_SMALLER, ARG_U64,     0,             0 },
	{ STR_INIT("SUBJECT"),     SEARCH_SUBJECT, ARG_TEXT,    0,             0 },
	{ STR_INIT("TEXT"),        SEARCH_TEXT,    ARG_TEXT,    0,             0 },
	{ STR_INIT("TO"),          SEARCH_ADDRESS, ARG_TEXT,    ADDRESS_TO,    0 },
	{ STR_INIT("UID"),         SEARCH_UID,     ARG_SET,     0,             0 },
	{ STR_INIT("UNANSWERED"),  SEARCH_FLAG,    ARG_NONE,    ANSWERED,      NEGATED },
	{ STR_INIT("UNDELETED"),   SEARCH_FLAG,    ARG_NONE,    DELETED,       NEGATED },
	{ STR_INIT("UNDRAFT"),     SEARCH_FLAG,    ARG_NONE,    DRAFT,         NEGATED },
	{ STR_INIT("UNFLAGGED"),   SEARCH_FLAG,    ARG_NONE,    FLAGGED,       NEGATED },
	{ STR_INIT("UNKEYWORD"),   SEARCH_KEYWORD, ARG_KEYWORD, 0,             NEGATED },
	{ STR_INIT("UNSEEN"),      SEARCH_FLAG,    ARG_NONE,    SEEN,          NEGATED },
	{ STR_INIT("YOUNGER"),     SEARCH_YOUNGER, ARG_SECONDS, 0,             0 },
};

static const struct {
	str name;
	unsigned option;
} return_names[] = {
	{ STR_INIT("MIN"),   RETURN_MIN },
	{ STR_INIT("MAX"),   RETURN_MAX },
	{ STR_INIT("COUNT"), RETURN_COUNT },
	{ STR_INIT("ALL"),   RETURN_ALL },
	{ STR_INIT("SAVE"),  RETURN_SAVE },
};
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct parse {
	struct imap_lexer *lexer;
	struct imap_search *search;
	unsigned depth, keys;
};

static int parse_key(struct parse *p, struct imap_search_key **out, struct err *err);

static struct imap_search_key *new_key(struct parse *p, enum imap_search_op op)
{
	struct imap_search_key *key = arena_one(p->lexer->arena, struct imap_search_key);

	key->op = op;
	return key;
}

/* Keys separated by spaces up to (not with) the end of the command or ')'. All of them count. */
static int parse_keys(struct parse *p, struct imap_search_key **out, struct err *err)
{
	struct imap_search_key *all = new_key(p, SEARCH_AND), **tail = &all->children;

	do {
		if (parse_key(p, tail, err) < 0)
			return -1;
		tail = &(*tail)->next;
	} while (imap_try_char(p->lexer, ' '));
	*out = all;
	return 0;
}

static int parse_group(struct parse *p, struct imap_search_key **out, struct err *err)
{
	if (parse_keys(p, out, err) < 0)
		return -1;
	return imap_take_char(p->lexer, ')', err);
}

/* "OR a OR b c" nests to the right only; clients make long ones, so it becomes one key with many
 * children. */
static int parse_or(struct parse *p, struct imap_search_key *either, struct err *err)
{
	struct imap_search_key **tail = &either->children;

	for (;;) {
		if (imap_take_sp(p->lexer, err) < 0 || parse_key(p, tail, err) < 0)
			return -1;
		tail = &(*tail)->next;
		if (imap_take_sp(p->lexer, err) < 0)
			return -1;
		if (!imap_try_atom(p->lexer, STR("OR")))
			break;
		if (++p->keys > IMAP_SEARCH_KEYS_MAX)
			return err_set(
			    err, ERR_LIMIT, "more than %d search keys", IMAP_SEARCH_KEYS_MAX);
	}
	return parse_key(p, tail, err);
}

/* RFC 7162 §3.1.5: [entry-name entry-type] number; we keep one modseq a message, so that the entry
 * is read and ignored, as it says. */
static int parse_modseq(struct parse *p, struct imap_search_key *key, struct err *err)
{
	str entry, type;

	p->search->has_modseq = true;
	if (imap_peek_char(p->lexer, '"')) {
		if (imap_take_string(p->lexer, &entry, err) < 0 ||
		    imap_take_sp(p->lexer, err) < 0 || imap_take_atom(p->lexer, &type, err) < 0)
			return -1;
		if (!str_istarts(entry, STR("/flags/")) ||
		    !(str_ieq(type, STR("all")) || str_ieq(type, STR("priv")) ||
		        str_ieq(type, STR("shared"))))
			return err_set(err, ERR_INPUT, "unknown MODSEQ entry");
		if (imap_take_sp(p->lexer, err) < 0)
			return -1;
	}
	return imap_take_u64(p->lexer, &key->number, err);
}

static int parse_seconds(struct parse *p, struct imap_search_key *key, struct err *err)
{
	uint32_t seconds;

	if (imap_take_nz_u32(p->lexer, &seconds, err) < 0)
		return -1;
	key->number = seconds;
	return 0;
}

static int parse_header(struct parse *p, struct imap_search_key *key, struct err *err)
{
	if (imap_take_astring(p->lexer, &key->field, err) < 0 || imap_take_sp(p->lexer, err) < 0)
		return -1;
	return imap_take_astring(p->lexer, &key->text, err);
}

static int parse_argument(
    struct parse *p, enum argument argument, struct imap_search_key *key, struct err *err)
{
	struct imap_lexer *l = p->lexer;

	if (argument == ARG_NONE)
		return 0;
	if (argument == ARG_KEYS)
		return parse_or(p, key, err);
	if (imap_take_sp(l, err) < 0)
		return -1;
	switch (argument) {
	case ARG_TEXT:
		return imap_take_astring(l, &key->text, err);
	case ARG_HEADER:
		return parse_header(p, key, err);
	case ARG_KEYWORD:
		return imap_take_atom(l, &key->text, err);
	case ARG_DATE:
		return imap_take_date(l, &key->date, err);
	case ARG_U64:
		return imap_take_u64(l, &key->number, err);
	case ARG_SECONDS:
		return parse_seconds(p, key, err);
	case ARG_SET:
		return imap_take_set(l, &key->set, err);
	case ARG_MODSEQ:
		return parse_modseq(p, key, err);
	case ARG_KEY:
		return parse_key(p, &key->children, err);
	default:
		return 0;
	}
}

static struct imap_search_key *twisted(struct parse *p, struct imap_search_key *key, unsigned twist)
{
	if (twist & NEGATED) {
		struct imap_search_key *not = new_key(p, SEARCH_NOT);
		not ->children = key;
		return not ;
	}
	if (twist & UNSEEN_TOO) {
		/* NEW is RECENT UNSEEN. RFC 3501 §6.4.4 */
		struct imap_search_key *both = new_key(p, SEARCH_AND);
		struct imap_search_key *seen = new_key(p, SEARCH_FLAG);
		seen->which = SEEN;
		both->children = key;
		key->next = twisted(p, seen, NEGATED);
		return both;
	}
	return key;
}

static int parse_named(struct parse *p, struct imap_search_key **out, struct err *err)
{
	str name;

	if (imap_take_atom(p->lexer, &name, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(key_names); i++) {
		const struct key_name *k = &key_names[i];
		if (!str_ieq(k->name, name))
			continue;
		struct imap_search_key *key = new_key(p, k->op);
		key->which = k->which;
		if (parse_argument(p, k->argument, key, err) < 0)
			return -1;
		*out = twisted(p, key, k->twist);
		return 0;
	}
	return err_set(err, ERR_INPUT, "unknown search key '" STR_FMT "'", STR_ARG(name));
}

static bool starts_set(const struct imap_lexer *l)
{
	return l->in.len &&
	       (ascii_is_digit(l->in.ptr[0]) || l->in.ptr[0] == '*' || l->in.ptr[0] == '$');
}

static int parse_set(struct parse *p, struct imap_search_key **out, struct err *err)
{
	struct imap_search_key *key = new_key(p, SEARCH_SEQUENCE);

	if (imap_take_set(p->lexer, &key->set, err) < 0)
		return -1;
	p->search->has_numbers = p->search->has_numbers || !key->set.saved;
	*out = key;
	return 0;
}

static int parse_key(struct parse *p, struct imap_search_key **out, struct err *err)
{
	int rc;

	if (++p->keys > IMAP_SEARCH_KEYS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d search keys", IMAP_SEARCH_KEYS_MAX);
	if (++p->depth > IMAP_SEARCH_DEPTH_MAX)
		return err_set(
		    err, ERR_LIMIT, "search keys nested deeper than %d", IMAP_SEARCH_DEPTH_MAX);
	if (imap_try_char(p->lexer, '('))
		rc = parse_group(p, out, err);
	else if (starts_set(p->lexer))
		rc = parse_set(p, out, err);
	else
		rc = parse_named(p, out, err);
	p->depth--;
	return rc;
}

static int parse_return_option(struct parse *p, struct err *err)
{
	str name;

	if (imap_take_atom(p->lexer, &name, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(return_names); i++)
		if (str_ieq(return_names[i].name, name)) {
			p->search->returns |= return_names[i].option;
			return 0;
		}
	return err_set(err, ERR_INPUT, "unknown RETURN option '" STR_FMT "'", STR_ARG(name));
}

static int parse_return(struct parse *p, struct err *err)
{
	if (!imap_try_atom(p->lexer, STR("RETURN")))
		return 0;
	p->search->extended = true;
	if (imap_take_sp(p->lexer, err) < 0 || imap_take_char(p->lexer, '(', err) < 0)
		return -1;
	if (!imap_peek_char(p->lexer, ')')) {
		do {
			if (parse_return_option(p, err) < 0)
				return -1;
		} while (imap_try_char(p->lexer, ' '));
	} else {
		p->search->returns = RETURN_ALL; /* RFC 9051 §6.4.4 */
	}
	if (imap_take_char(p->lexer, ')', err) < 0)
		return -1;
	return imap_take_sp(p->lexer, err);
}

static int parse_charset(struct parse *p, struct err *err)
{
	p->search->charset_known = true;
	if (!imap_try_atom(p->lexer, STR("CHARSET")))
		return 0;
	if (imap_take_sp(p->lexer, err) < 0 ||
	    imap_take_astring(p->lexer, &p->search->charset, err) < 0)
		return -1;
	p->search->charset_known = str_ieq(p->search->charset, STR("UTF-8")) ||
	                           str_ieq(p->search->charset, STR("US-ASCII"));
	return imap_take_sp(p->lexer, err);
}

int imap_search_parse(struct imap_lexer *l, struct imap_search *out, struct err *err)
{
	struct imap_search search = { .returns = 0 };
	struct parse p = { .lexer = l, .search = &search };

	if (parse_return(&p, err) < 0 || parse_charset(&p, err) < 0 ||
	    parse_keys(&p, &search.key, err) < 0)
		return -1;
	*out = search;
	return 0;
}
