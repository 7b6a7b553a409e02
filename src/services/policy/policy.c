#include "services/policy/policy.h"

struct rule {
	const char *name;
	bool (*matches)(const struct policy_facts *f);
	enum policy_action action;
	uint32_t code;
	const char *enhanced, *text;
};

/* RFC 5321 §6.3: counting Received fields is how loops are found. */
static bool is_looping(const struct policy_facts *f)
{
	return f->index->received_count > f->config->limits.hops;
}

static const struct rule rules[] = {
	{ "mail loop", is_looping, POLICY_REJECT, 554, "5.4.6",
	    "this message has passed too many servers: it is probably going in a circle; look for "
	    "forwards that lead back to each other" },
};

void policy_decide(const struct policy_facts *f, struct arena *a, struct policy_verdict *out)
{
	(void)a;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];
		if (!r->matches(f))
			continue;
		*out = (struct policy_verdict){ r->action, r->name, r->code, r->enhanced,
			str_c(r->text) };
		return;
	}
	*out = (struct policy_verdict){ .action = POLICY_ACCEPT, .rule = "nothing against it" };
}
