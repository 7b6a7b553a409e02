/* origin.h: what intake does about who sent a message.
 *
 * Purpose    Who is judged, what the story says of it, and the way to the Junk folder.
 * Ownership  Results live in the given arena or in the transaction's.
 * Threads    The loop's thread.
 * Errors     None: without a Junk folder the inbox takes the message.
 */
#ifndef BUZON_SERVICES_INTAKE_ORIGIN_H
#define BUZON_SERVICES_INTAKE_ORIGIN_H

#include "services/intake/internal.h"
#include "services/policy/policy.h"

/* It came from an address that is not of our own network (or those count as well), not from somebody who signed
 * in. */
bool origin_is_foreign(const struct frame_message *f, const struct config *config);
/* The detail of STORY_JUDGED. */
str origin_describe(
    const struct judgement *j, const struct policy_verdict *verdict, struct arena *a);
/* Each local target gets the Junk folder of its account. */
void origin_to_junk(struct intake *in, struct intake_tx *tx, struct arena *a);

#endif
