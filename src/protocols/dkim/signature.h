/* signature.h: the DKIM-Signature field, RFC 6376 §3.5.
 *
 * Purpose    Read one and say at once what rules it out; write one with sensible folding.
 * Ownership  A parsed signature lives in the arena, apart from the field, whose bytes are the caller's.
 * Threads    No state.
 * Limits     DKIM_SIGNATURE_FIELD_MAX bytes, DKIM_NAMES_MAX names in h=.
 * Errors     dkim_signature_parse: DKIM_OK or the first reason that rules it out; what could be read until
 *            then is in *out, for reports.
 */
#ifndef BUZON_PROTOCOLS_DKIM_SIGNATURE_H
#define BUZON_PROTOCOLS_DKIM_SIGNATURE_H

#include "base/buf.h"
#include "formats/header.h"
#include "protocols/dkim/body_hash.h"
#include "protocols/dkim/crypto.h"
#include "protocols/dkim/reason.h"

enum { DKIM_SIGNATURE_FIELD_MAX = 16384, DKIM_NAMES_MAX = 200 };

struct dkim_signature {
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon;
	str domain;                /* d= as A-labels in lower case */
	str selector;              /* s=, the same */
	str identity;              /* i= as written; "@" and the domain when it is missing */
	str identity_domain;       /* its domain as A-labels */
	str key_name;              /* what is asked of the DNS */
	str names[DKIM_NAMES_MAX]; /* h= */
	size_t name_count;
	str body_hash;       /* bh= decoded */
	str signature;       /* b= decoded */
	str signature_text;  /* b= without white space, for header.b (RFC 6008) */
	str signature_raw;   /* the slice of the field that the hash leaves out */
	uint64_t body_limit; /* l=, or DKIM_WHOLE_BODY */
	bool has_signed_at, has_expires_at;
	int64_t signed_at, expires_at;
};

enum dkim_reason dkim_signature_parse(
    const struct header_field *field, struct arena *a, struct dkim_signature *out);
/* The whole field up to "b=" and behind it nothing; algorithm, canonical forms, domain, selector, identity (may
 * be empty), names, body_hash and times are used. Folded to lines of at most 78 where the words allow it. */
void dkim_signature_write(const struct dkim_signature *s, struct buf *out);
/* Adds the base64 of the signature, folded, and the CRLF. */
void dkim_signature_finish(str signature, struct buf *out);

#endif
