/* lexer_internal.h: what the three files of the lexer share, and nobody else uses.
 *
 * Threads    No state.
 */
#ifndef BUZON_PROTOCOLS_IMAP_LEXER_INTERNAL_H
#define BUZON_PROTOCOLS_IMAP_LEXER_INTERNAL_H

#include "protocols/imap/lexer.h"

enum imap_class {
	IMAP_PLAIN,    /* what atoms are made of */
	IMAP_CONTROL,  /* and DEL */
	IMAP_HIGH,     /* above 0x7f */
	IMAP_SPECIAL,  /* ( ) { space " \ */
	IMAP_WILDCARD, /* % * */
	IMAP_CLOSING,  /* ]: resp-special, in astrings but not in atoms */
	IMAP_PLUS,     /* in atoms but not in tags */
};

enum {
	IMAP_ATOM_BYTES = 1 << IMAP_PLAIN | 1 << IMAP_PLUS,
	IMAP_ASTRING_BYTES = IMAP_ATOM_BYTES | 1 << IMAP_CLOSING,
	IMAP_TAG_BYTES = 1 << IMAP_PLAIN | 1 << IMAP_CLOSING,
	IMAP_PATTERN_BYTES = IMAP_ASTRING_BYTES | 1 << IMAP_WILDCARD,
	IMAP_TAG_MAX = 128,
	IMAP_STRING_MAX = 64 * 1024, /* quoted; literals are as long as the framer takes them */
	IMAP_SET_MAX = 10000,
	IMAP_FLAGS_MAX = 1000,
	IMAP_KEYWORD_MAX = 100,
};

enum imap_class imap_class_of(char c);
str imap_span(const struct imap_lexer *l, unsigned classes);
/* ERR_INPUT: "WHAT should be where '...' stands". */
int imap_expected(const struct imap_lexer *l, const char *what, struct err *err);

#endif
