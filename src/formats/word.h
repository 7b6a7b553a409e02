/* word.h: encoded words in header fields, RFC 2047 (with the language of RFC 2231 §5).
 *
 * Purpose    Unstructured field text to UTF-8 and back.
 * Ownership  Results are added to the caller's buf, whose ceiling is the limit.
 * Threads    No state (formats/charset has some).
 * Limits     An encoded word of up to WORD_MAX bytes is decoded, although RFC 2047 §2 allows 75:
 *            longer ones are common. A longer one stays as it is.
 * Errors     None: what is not a whole encoded word stays as it is.
 * Not here   Where encoded words are allowed (formats/header). Parameters, RFC 2231.
 */
#ifndef BUZON_FORMATS_WORD_H
#define BUZON_FORMATS_WORD_H

#include "base/buf.h"

enum { WORD_MAX = 4096, WORD_PRINT_MAX = 75 };

/* Adds text as UTF-8. Line folding becomes nothing but its white space; white space between two
 * encoded words vanishes (§6.2); words of one charset that follow each other are decoded together,
 * because many mailers cut characters in two. Raw bytes that are not UTF-8 are taken as
 * windows-1252. Control characters that come out of a word become spaces, so that a decoded text
 * cannot forge a header field. */
void word_decode(str text, struct buf *out);

enum word_place {
	WORD_TEXT,   /* unstructured field, RFC 2047 §5 (1) */
	WORD_PHRASE, /* display name, RFC 2047 §5 (3): fewer characters stand for themselves */
};
/* Adds utf8 as it is when it is plain ASCII that cannot be mistaken for an encoded word, else as
 * encoded words, separated by "\r\n " so that no line passes 76 characters. column is where the
 * first line already is. */
void word_encode(str utf8, enum word_place place, size_t column, struct buf *out);

#endif
