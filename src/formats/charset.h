/* charset.h: text of any charset as UTF-8, and text folded for searching.
 *
 * Purpose    Never refuse text: what is invalid becomes U+FFFD. RFC 2046 §4.1.2, RFC 3629.
 * Set-up     charset_init() once per process, before its sandbox and its threads: it loads the
 *            modules of the fixed list in charset.c, which cannot be loaded later. Without it only
 *            us-ascii, utf-8, iso-8859-1 and windows-1252 are known.
 * Ownership  Results are added to the caller's buf.
 * Threads    After charset_init from any thread. Shared: one iconv descriptor for each multi-byte
 *            charset, each with its own lock. Single-byte charsets are read-only tables.
 * Units      Bytes of UTF-8.
 * Errors     None: unknown charsets are read as UTF-8 when they are that, else as windows-1252.
 */
#ifndef BUZON_FORMATS_CHARSET_H
#define BUZON_FORMATS_CHARSET_H

#include "base/buf.h"

enum { CHARSET_NAME_MAX = 40 };

void charset_init(void);
/* Names and aliases in any case, as IANA and mailers spell them. */
bool charset_known(str name);

/* Adds in as UTF-8, at most max_bytes of it, cut between two characters. NUL bytes become U+FFFD as
 * well. Text labelled us-ascii or iso-8859-1 is read as windows-1252, which is what such mail
 * mostly is (and as UTF-8 when the label is us-ascii and it is well-formed). */
void charset_to_utf8(str charset, str in, size_t max_bytes, struct buf *out);
/* The same for text without a label. */
void charset_guess_to_utf8(str in, size_t max_bytes, struct buf *out);

/* For comparing what people search for: case folded, compatibility forms united (NFKC), accents
 * kept. Two texts are equal for search when their foldings are equal bytes. */
void text_fold(str utf8, struct buf *out);

#endif
