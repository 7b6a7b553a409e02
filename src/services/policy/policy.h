/* policy.h: what to do with a message, now that all about it is known.
 *
 * Purpose    A small ordered table of rules; the first that matches decides and is named in the story.
 *            What a rule about the origin does stands in the configuration (section authentication).
 * Ownership  The verdict's texts are literals or live in the given arena.
 * Threads    No state.
 * Errors     None: a verdict always comes out.
 */
#ifndef BUZON_SERVICES_POLICY_POLICY_H
#define BUZON_SERVICES_POLICY_POLICY_H

#include "formats/message_index.h"
#include "services/config/config.h"
#include "services/judge/judgement.h"

struct policy_facts {
	const struct config *config;
	const struct message_index *index;
	str peer_address, helo, sender;
	bool signed_in;
	const struct judgement *judgement; /* NULL: nobody judged */
};

enum policy_action { POLICY_ACCEPT, POLICY_JUNK, POLICY_REJECT, POLICY_DEFER };

struct policy_verdict {
	enum policy_action action;
	const char *rule;
	uint32_t code; /* of the SMTP reply, when rejected or deferred */
	const char *enhanced;
	str text;
};

void policy_decide(const struct policy_facts *f, struct arena *a, struct policy_verdict *out);

#endif
