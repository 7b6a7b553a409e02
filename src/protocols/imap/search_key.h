/* search_key.h: what a SEARCH asks for, as a tree.
 *
 * Purpose    RETURN options, CHARSET and all keys of RFC 9051 §6.4.4 and RFC 3501 §6.4.4, with
 *            MODSEQ (RFC 7162 §3.1.5), OLDER and YOUNGER (RFC 5032), SAVEDBEFORE, SAVEDON,
 *            SAVEDSINCE and SAVEDATESUPPORTED (RFC 8514), "$" (RFC 5182).
 * Ownership  The tree lives in the lexer's arena; strings may point into its input.
 * Threads    No state.
 * Limits     IMAP_SEARCH_DEPTH_MAX nested NOT, OR and parentheses (a chain "OR a OR b c" is one
 *            level), IMAP_SEARCH_KEYS_MAX keys.
 * Errors     -1 with ERR_INPUT (BAD) or ERR_LIMIT.
 * Not here   Running it (sessions/imap/search_*.c).
 */
#ifndef BUZON_PROTOCOLS_IMAP_SEARCH_KEY_H
#define BUZON_PROTOCOLS_IMAP_SEARCH_KEY_H

#include "protocols/imap/lexer.h"

enum { IMAP_SEARCH_DEPTH_MAX = 64, IMAP_SEARCH_KEYS_MAX = 2000 };

enum imap_search_op {
	SEARCH_ALL,
	SEARCH_NONE,
	SEARCH_AND, /* children */
	SEARCH_OR,
	SEARCH_NOT,     /* one child */
	SEARCH_FLAG,    /* flags, a system flag, set */
	SEARCH_KEYWORD, /* text */
	SEARCH_RECENT,
	SEARCH_SEQUENCE, /* set */
	SEARCH_UID,      /* set */
	SEARCH_LARGER,   /* number */
	SEARCH_SMALLER,
	SEARCH_MODSEQ, /* number: this or higher */
	SEARCH_BEFORE, /* date (00:00 UTC of the day), which */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_OLDER, /* number: seconds */
	SEARCH_YOUNGER,
	SEARCH_ADDRESS, /* text; which */
	SEARCH_SUBJECT,
	SEARCH_HEADER, /* field, text */
	SEARCH_BODY,
	SEARCH_TEXT,
};

enum imap_search_date { DATE_INTERNAL, DATE_SENT, DATE_SAVED };
enum imap_search_address { ADDRESS_FROM, ADDRESS_TO, ADDRESS_CC, ADDRESS_BCC };

struct imap_search_key {
	enum imap_search_op op;
	uint32_t which; /* enum imap_search_date, enum imap_search_address, or flag bits */
	str text, field;
	int64_t date;
	uint64_t number;
	struct imap_set set;
	struct imap_search_key *children; /* linked by next */
	struct imap_search_key *next;
};

enum imap_search_return {
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_COUNT = 4,
	RETURN_ALL = 8,
	RETURN_SAVE = 16,
};

struct imap_search {
	bool extended;      /* RETURN was given */
	unsigned returns;   /* enum imap_search_return; RETURN () is RETURN_ALL */
	str charset;        /* as given, or empty */
	bool charset_known; /* US-ASCII or UTF-8, or none given */
	bool has_modseq;    /* the answer carries the highest MODSEQ */
	bool
	    has_numbers; /* message numbers occur: no EXPUNGE even in UID SEARCH. RFC 7162 §3.2.10.2 */
	struct imap_search_key *key; /* an AND */
};

/* Everything behind "SEARCH ". */
int imap_search_parse(struct imap_lexer *l, struct imap_search *out, struct err *err);

#endif
