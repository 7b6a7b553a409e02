#include "services/policy/policy.h"

#include "services/policy/origin.h"

/* RFC 5321 §6.3: counting Received fields is how loops are found. */
static bool is_looping(const struct policy_facts *f)
{
	return f->index->received_count > f->config->limits.hops;
}

void policy_decide(const struct policy_facts *f, struct arena *a, struct policy_verdict *out)
{
	*out = (struct policy_verdict){ .action = POLICY_ACCEPT, .rule = "nothing against it" };
	if (is_looping(f))
		*out = (struct policy_verdict){ POLICY_REJECT, "mail loop", 554, "5.4.6",
			STR("this message has passed too many servers: it is probably going in a "
			    "circle; look for "
			    "forwards that lead back to each other") };
	else if (f->judgement && f->judgement->is_judged)
		origin_decide(f, a, out);
}
