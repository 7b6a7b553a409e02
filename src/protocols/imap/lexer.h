/* lexer.h: the tokens of an IMAP command. RFC 9051 §9, RFC 3501 §9.
 *
 * Purpose    Take one complete command apart: atoms, strings, literals, numbers, sets, dates,
 *            names.
 * Shape      in is the rest of the command without the final CRLF; a literal stands in it as
 *            "{5}\r\nhello" ("{5+}", "~{5}" likewise). A literal that was streamed aside (APPEND)
 *            stands as "{5}\r\n" with its bytes in streamed (imap_take_literal_ref).
 * Ownership  Results are slices of in, or copies in the arena where quoting had to be undone.
 * Limits     Sets 10,000 ranges; strings by imap_limits (framer.h); 1,000 flags a list, keywords
 *            of 100 bytes. Lists nest as deep as whoever parses them lets them.
 * Errors     -1 with ERR_INPUT (answer BAD) or ERR_LIMIT (answer BAD/NO [LIMIT]); the cursor stays.
 */
#ifndef BUZON_PROTOCOLS_IMAP_LEXER_H
#define BUZON_PROTOCOLS_IMAP_LEXER_H

#include "base/arena.h"
#include "base/err.h"

struct imap_streamed { /* a literal kept outside the command text */
	int fd;        /* -1: bytes */
	str bytes;
	uint64_t offset; /* of fd's file: the literals of a command follow each other in one file */
	uint64_t length;
	bool binary; /* "~{" literal8 */
	bool has_nul;
	size_t at; /* where in the command text its bytes would stand */
};

struct imap_lexer {
	str in;
	const char *start; /* of the whole command text: imap_lexer_init */
	struct arena *arena;
	bool utf8; /* UTF8=ACCEPT or IMAP4rev2 is enabled: names are UTF-8, quoted strings may be */
	const struct imap_streamed *streamed;
	size_t streamed_count, streamed_used;
	str raw_name; /* of the last imap_take_mailbox: decoded, not normalised. RFC 9051 §6.3.9.7 */
};

/* Over the whole command text; streamed may be NULL. */
void imap_lexer_init(struct imap_lexer *l, str text, struct arena *arena);

struct imap_range {
	uint32_t first, last; /* ordered; UINT32_MAX stands for '*' */
};

struct imap_set {
	struct imap_range *ranges; /* as given, not merged */
	size_t count;
	bool saved; /* "$": the saved result, RFC 5182 */
};

int imap_take_sp(struct imap_lexer *l, struct err *err);
int imap_take_end(struct imap_lexer *l, struct err *err);
/* ch without consuming anything else; false when another byte is next. */
bool imap_try_char(struct imap_lexer *l, char c);
int imap_take_char(struct imap_lexer *l, char c, struct err *err);
bool imap_peek_char(const struct imap_lexer *l, char c);
int imap_take_atom(struct imap_lexer *l, str *out, struct err *err);
/* The next atom equals word, in any case: taken. */
bool imap_try_atom(struct imap_lexer *l, str word);
int imap_take_tag(struct imap_lexer *l, str *out, struct err *err);
int imap_take_string(struct imap_lexer *l, str *out, struct err *err);
int imap_take_astring(struct imap_lexer *l, str *out, struct err *err);
/* *out.ptr is NULL for NIL. */
int imap_take_nstring(struct imap_lexer *l, str *out, struct err *err);
int imap_take_literal_ref(struct imap_lexer *l, struct imap_streamed *out, struct err *err);
int imap_take_u32(struct imap_lexer *l, uint32_t *out, struct err *err);
int imap_take_nz_u32(struct imap_lexer *l, uint32_t *out, struct err *err);
int imap_take_u64(struct imap_lexer *l, uint64_t *out, struct err *err);
int imap_take_set(struct imap_lexer *l, struct imap_set *out, struct err *err);
/* A mailbox name as UTF-8 in NFC (decoded from modified UTF-7 unless l->utf8); INBOX upper-cased.
 */
int imap_take_mailbox(struct imap_lexer *l, str *out, struct err *err);
/* A list pattern: like astring, '%' and '*' allowed. */
int imap_take_list_mailbox(struct imap_lexer *l, str *out, struct err *err);
/* "(\Seen keyword)" or, when bare is allowed, "\Seen keyword". */
struct imap_flags {
	uint32_t system; /* same bits as enum store_flag: \Seen 1 \Answered 2 \Flagged 4 \Deleted 8
	                    \Draft 16 */
	str *keywords;
	size_t keyword_count;
};
int imap_take_flags(struct imap_lexer *l, bool bare, struct imap_flags *out, struct err *err);
/* "1-Feb-1994" (quoted or not): seconds at 00:00 UTC. */
int imap_take_date(struct imap_lexer *l, int64_t *out, struct err *err);
/* "\"17-Jul-1996 02:44:25 -0700\"" */
int imap_take_date_time(struct imap_lexer *l, int64_t *out, struct err *err);

#endif
