/* print.h: untagged data as fast as bytes can be copied.
 *
 * Purpose    One block of text between a command that says something about 100,000 messages and
 *            the session's queue: no printf, no allocation for each message.
 * Ownership  The caller's storage (some 16 KiB): print_init, then print_fini, which sends the rest.
 * Threads    The running command's.
 * Errors     None.
 */
#ifndef BUZON_SESSIONS_IMAP_PRINT_H
#define BUZON_SESSIONS_IMAP_PRINT_H

#include "base/buf.h"
#include "sessions/imap/imap.h"

enum { PRINT_BYTES = 16384 };

struct print {
	struct imap_conn *conn;
	const struct store_view *view; /* its keywords name the bits */
	struct buf flags_text;         /* of flags and keywords: most messages have the same */
	uint64_t keywords;
	uint32_t flags;
	bool recent;
	bool congested; /* as of the last time the block was full */
	size_t used;
	char block[PRINT_BYTES];
};

/* view may be NULL when no flags are printed. */
void print_init(struct print *p, struct imap_conn *conn, const struct store_view *view);
void print_fini(struct print *p);
void print_flush(struct print *p);

void print_str(struct print *p, str s);
void print_u64(struct print *p, uint64_t n);
/* "(\Seen \Recent work)" */
void print_flags(struct print *p, const struct store_entry *e, bool recent);
/* "\"23-Nov-2026 09:00:00 +0000\"" */
void print_date(struct print *p, int64_t at_s);
/* As quoted when it can be, else as literal. */
void print_string(struct print *p, str s);
/* "{5}\r\nhello", or "" for nothing. */
void print_literal(struct print *p, str bytes);
/* "3:5" or "7", and nothing else. */
void print_range(struct print *p, uint32_t first, uint32_t last);
/* "1,3:5" */
void print_ranges(struct print *p, const struct store_range *ranges, size_t count);

static inline void print_c(struct print *p, char c)
{
	if (p->used == PRINT_BYTES)
		print_flush(p);
	p->block[p->used++] = c;
}

/* A short literal, sized at compile time. */
#define print_lit(p, lit) print_str((p), STR(lit))

/* The names of the flags in bits, without parentheses, separated by spaces. */
void flag_names_add(struct buf *out, uint32_t flags);

#endif
