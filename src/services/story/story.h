/* story.h: the life of a message in steps: what was seen, what was decided, by which rule.
 *
 * Purpose    Names of the steps, the text form of a step's facts, and the id that people see in the 250
 *            reply, in Received fields and in `buzon story`.
 * Shape      detail: "name=value\n" for each fact; '\', LF and NUL in values are escaped as \\, \n, \0.
 * Ownership  story_field_next: slices of the detail, or of the arena where something was escaped.
 * Errors     Reading is total: what is no field is passed over.
 * Not here   Keeping (services/store), words for people (cli/story.c).
 */
#ifndef BUZON_SERVICES_STORY_STORY_H
#define BUZON_SERVICES_STORY_STORY_H

#include "base/arena.h"
#include "base/buf.h"

enum story_step {
	STORY_RECEIVED = 1, /* from whom, how, how big */
	STORY_STORED,       /* which account, mailbox, UID */
	STORY_QUEUED,       /* for which remote recipient */
	STORY_REFUSED,      /* what was answered, by which rule */
	STORY_SENT,         /* taken by which host, how */
	STORY_DEFERRED,     /* not yet: what was answered, when again */
	STORY_RETURNED,     /* failed for good, who was told */
	STORY_DELAYED,      /* the sender was told that it takes longer */
	STORY_JUDGED, /* who really sent it: SPF, DKIM, DMARC, and by which rule what was done */
};

enum { STORY_DETAIL_MAX = 8192, STORY_VALUE_MAX = 1024, STORY_ID_BYTES = 17 };

const char *story_step_name(uint32_t step); /* "received" */
/* Values longer than STORY_VALUE_MAX are cut; empty ones are left out. */
void story_field(struct buf *detail, const char *name, str value);
void story_field_u(struct buf *detail, const char *name, uint64_t value);
bool story_field_next(str *detail, struct arena *a, str *out_name, str *out_value);

/* 16 hexadecimal digits. */
void story_id_print(uint64_t id, char out[STORY_ID_BYTES]);
int story_id_parse(str text, uint64_t *out);

#endif
