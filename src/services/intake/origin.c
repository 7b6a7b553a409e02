#include "services/intake/origin.h"

#include "services/judge/judge.h"
#include "services/story/story.h"

bool origin_is_foreign(const struct frame_message *f, const struct config *config)
{
	struct ip ip;

	return f->protocol != PROTOCOL_SUBMISSION && ip_parse(f->peer_address, &ip) == 0 &&
	       (config->authentication.private_peers || !judge_is_private(&ip));
}

str origin_describe(
    const struct judgement *j, const struct policy_verdict *verdict, struct arena *a)
{
	static const char *const actions[] = { [POLICY_ACCEPT] = "accept",
		[POLICY_JUNK] = "junk",
		[POLICY_REJECT] = "reject",
		[POLICY_DEFER] = "defer" };
	AUTO_BUF detail = BUF_INIT(STORY_DETAIL_MAX);

	story_field(&detail, "rule", str_c(verdict->rule));
	story_field(&detail, "action", str_c(actions[verdict->action]));
	judgement_describe(j, &detail);
	return arena_str(a, buf_str(&detail));
}

static void to_junk(struct intake *in, struct delivery_target *t, struct arena *a)
{
	struct store_mailbox *list;
	struct err err;
	size_t count;

	if (store_mailbox_list(in->store, t->account, a, &list, &count, &err) < 0) {
		log_warn(in->log, "no Junk folder, the inbox takes it", F_CSTR("why", err.text));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].special_use != SPECIAL_JUNK || !list[i].selectable)
			continue;
		t->mailbox = list[i].id;
		t->folder = list[i].name;
		return;
	}
}

void origin_to_junk(struct intake *in, struct intake_tx *tx, struct arena *a)
{
	for (size_t i = 0; i < tx->target_count; i++) {
		if (tx->targets[i].account)
			to_junk(in, &tx->targets[i], a);
	}
}
