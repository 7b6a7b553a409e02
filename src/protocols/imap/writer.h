/* writer.h: the strings of IMAP replies. RFC 9051 §9, RFC 3501 §9, RFC 6855 §3.
 *
 * Purpose    Quoted strings, literals, nstrings, mailbox names, free text, flag lists.
 * Shape      utf8: the client has enabled UTF8=ACCEPT or IMAP4rev2, so quoted strings may hold
 *            UTF-8 and mailbox names are sent as they are; else names go as modified UTF-7.
 * Threads    No state.
 * Errors     As struct buf.
 */
#ifndef BUZON_PROTOCOLS_IMAP_WRITER_H
#define BUZON_PROTOCOLS_IMAP_WRITER_H

#include "base/buf.h"

/* Quoted when it can be and is short, else a literal (literal8 when it holds NUL). */
void imap_put_string(struct buf *b, str s, bool utf8);
/* NIL when s.ptr is NULL. */
void imap_put_nstring(struct buf *b, str s, bool utf8);
/* "{5}\r\n"; the bytes follow. */
void imap_put_literal_head(struct buf *b, uint64_t bytes, bool binary);
void imap_put_mailbox(struct buf *b, str name_utf8, bool utf8);
/* For the human-readable part of a reply: one line, no control bytes; what is not ASCII becomes '?'
 * unless utf8; never empty, never starting with '['. */
void imap_put_text(struct buf *b, str text, bool utf8);
/* "(\Seen keyword)": bits as enum store_flag; keywords bit i is names[i]. */
void imap_put_flags(
    struct buf *b, uint32_t flags, bool recent, uint64_t keywords, const str *names, size_t count);

#endif
