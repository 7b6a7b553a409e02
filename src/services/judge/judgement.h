/* judgement.h: what a judgement came to, as a record that core reads.
 *
 * Purpose    The facts that policy, story and header need, packed into the frame CONTENT_JUDGED by the worker.
 * Ownership  What was unpacked borrows from the bytes; lists lie in the arena.
 * Threads    No state.
 * Limits     JUDGEMENT_SIGNATURES_MAX signatures, JUDGEMENT_CUTS_MAX ranges, JUDGEMENT_FIELD_MAX bytes of the
 *            field, JUDGEMENT_TEXT_MAX of each text (longer ones are cut when packed): together they fit
 *            JUDGEMENT_MAX.
 * Errors     judgement_unpack: -1 with ERR_INPUT for bytes that judgement_pack did not make, and for a field or
 *            ranges that would damage a message.
 */
#ifndef BUZON_SERVICES_JUDGE_JUDGEMENT_H
#define BUZON_SERVICES_JUDGE_JUDGEMENT_H

#include "base/err.h"
#include "formats/message_index.h"
#include "protocols/authres/authres.h"
#include "services/judge/author.h"

enum {
	JUDGEMENT_MAX = 60000,
	JUDGEMENT_FIELD_MAX = 32768,
	JUDGEMENT_TEXT_MAX = 300,
	JUDGEMENT_SIGNATURES_MAX = DKIM_SIGNATURES_MAX,
	JUDGEMENT_CUTS_MAX = 64,
};

struct judged_signature {
	enum dkim_status status;
	str domain, selector, reason;
};

struct judgement {
	bool is_judged; /* false: only cuts were looked for */
	bool is_late;   /* the time was up before all was known */
	enum iprev_status iprev;
	str iprev_name, iprev_reason;
	enum spf_status helo, mail_from; /* mail_from is SPF_NONE for the null path */
	str helo_domain, helo_reason, mail_from_domain, mail_from_reason;
	str spf_explanation; /* of the domain's owner; often empty */
	struct judged_signature *signatures;
	size_t signature_count;
	enum author_kind author;
	enum dmarc_status dmarc;
	enum dmarc_policy policy, disposition;
	str author_domain, policy_domain, dmarc_reason;
	str field; /* Authentication-Results, with its CRLF; empty when nothing was judged */
	struct index_range *cuts; /* of the message: fields that claim to be ours; ascending */
	size_t cut_count;
	bool is_overrun; /* there are more of them */
};

/* out is empty, with a ceiling of JUDGEMENT_MAX or more. */
void judgement_pack(const struct judgement *j, struct buf *out);
/* header_bytes: of the message, which no cut may leave. */
int judgement_unpack(
    str in, uint64_t header_bytes, struct arena *a, struct judgement *out, struct err *err);
/* When nobody could judge: everything is a temporary error. The field names server. */
void judgement_unavailable(str server, str why, struct arena *a, struct judgement *out);
/* The step of the story. */
void judgement_describe(const struct judgement *j, struct buf *detail);

#endif
