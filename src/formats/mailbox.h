/* mailbox.h: an address as used in SMTP paths, split into local part and domain.
 *
 * Purpose    Parse, compare and print mailboxes: RFC 5321 §4.1.2, RFC 6531 §3.3.
 * Ownership  Slices of a parsed mailbox live in the arena that was given.
 * Threads    No state, usable from any thread.
 * Units      Bytes. Limits: RFC 5321 §4.5.3.1.1 to §4.5.3.1.3.
 * Errors     0, or -1 with ERR_INPUT or ERR_LIMIT and a sentence for the peer. *out is untouched on
 *            failure, and the cursor as well.
 * Not here   Whether the mailbox exists (services/route). Header addresses, groups, comments
 *            (formats/header).
 */
#ifndef BUZON_FORMATS_MAILBOX_H
#define BUZON_FORMATS_MAILBOX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
	MAILBOX_LOCAL_MAX = 64,       /* RFC 5321 §4.5.3.1.1, quotes counted */
	MAILBOX_LOCAL_LONG_MAX = 256, /* with MAILBOX_LONG_LOCAL */
	DOMAIN_MAX = 253,             /* RFC 1035 §2.3.4: 255 with length bytes, 253 as text */
	DOMAIN_LABEL_MAX = 63,
	MAILBOX_PATH_MAX = 1024, /* a path with its source route, as received */
};

enum mailbox_flags {
	MAILBOX_UTF8 = 1,       /* bytes above 0x7f: the peer asked for SMTPUTF8. RFC 6531 §3.3 */
	MAILBOX_EMPTY = 2,      /* "<>": the null reverse-path */
	MAILBOX_POSTMASTER = 4, /* "<Postmaster>" without domain, any case. RFC 5321 §4.1.1.3 */
	MAILBOX_LONG_LOCAL = 8, /* senders in the wild (VERP, SRS) have local parts over 64 */
};

struct mailbox {
	str local;  /* unquoted, case as received; empty only in the null path */
	str domain; /* lower case, A-labels; "[192.0.2.1]", "[IPv6:2001:db8::1]"; empty for the null
	               path and for Postmaster alone */
};

/* Reads one path including its angle brackets from the front of *in and moves *in past it. A source
 * route ("@a,@b:") is accepted and dropped (RFC 5321 §4.1.2, appendix C). */
int mailbox_parse_path(
    str *in, unsigned flags, struct arena *a, struct mailbox *out, struct err *err);
/* A bare address, all of it: "user@example.org", for commands, configuration and the store. */
int mailbox_parse(str in, unsigned flags, struct arena *a, struct mailbox *out, struct err *err);

/* local@domain, the local part quoted when it must be; nothing for the null path. */
void mailbox_print(struct buf *out, const struct mailbox *m);
/* The same between angle brackets; "<>" for the null path. */
void mailbox_print_path(struct buf *out, const struct mailbox *m);
/* Same bytes in the local part, same domain. RFC 5321 §2.4: the local part's case may matter. */
bool mailbox_eq(const struct mailbox *a, const struct mailbox *b);
/* The same, but ASCII letters of the local part in any case. */
bool mailbox_ieq(const struct mailbox *a, const struct mailbox *b);
struct mailbox mailbox_copy(struct arena *a, const struct mailbox *m);
bool mailbox_is_empty(const struct mailbox *m);
/* The domain is an address literal. */
bool mailbox_is_literal(const struct mailbox *m);
/* Needs SMTPUTF8 to travel. */
bool mailbox_needs_utf8(const struct mailbox *m);

/* A domain name as we keep it: lower case, U-labels as A-labels (IDNA2008, RFC 5891, with the
 * mapping of UTS #46), no trailing dot, labels of letters, digits and inner hyphens; a single label
 * is fine. utf8 tells whether bytes above 0x7f are allowed. */
int domain_normalise(str domain, bool utf8, struct buf *out, struct err *err);
/* U-labels, for people; an A-label that does not decode stays. */
void domain_display(str domain, struct buf *out);

#endif
