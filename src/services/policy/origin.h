/* origin.h: the rules about who sent a message.
 *
 * Purpose    An ordered table over the judgement; the configuration says what each rule does, and in which
 *            language an honest sender is told how to repair it.
 * Ownership, Threads, Errors   As policy.h.
 */
#ifndef BUZON_SERVICES_POLICY_ORIGIN_H
#define BUZON_SERVICES_POLICY_ORIGIN_H

#include "services/policy/policy.h"

/* f->judgement is there. *out stays as it is when no rule has anything against the message. */
void origin_decide(const struct policy_facts *f, struct arena *a, struct policy_verdict *out);

#endif
