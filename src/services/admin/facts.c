/* Stories, check, status. */
#include "services/admin/internal.h"

#include "base/time.h"
#include "services/store/maintain.h"
#include "services/story/story.h"

enum { STORIES_MAX = 20 };

/* ---- stories ---------------------------------------------------------------------------------- */

static json_t *facts_json(struct admin_call *c, str detail)
{
	json_t *facts = json_object();
	str name, value;

	while (story_field_next(&detail, c->arena, &name, &value))
		json_object_setn_new_nocheck(facts, name.ptr, name.len, admin_json(value));
	return facts;
}

int admin_story(struct admin_call *c, struct err *err)
{
	struct store_story_step *steps;
	size_t n;
	str key = admin_text(c, "key");

	if (str_empty(key))
		return err_set(err, ERR_INPUT,
		    "say whose story: an address, a Message-ID, an IP address, or the id of the "
		    "250 reply");
	if (store_story_find(c->env->store, key, STORIES_MAX, c->arena, &steps, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char id[STORY_ID_BYTES];
		story_id_print(steps[i].story, id);
		admin_emit(c, json_pack("{ss ss sI ss so}", "kind", "story", "story", id, "at",
		                  (json_int_t)steps[i].at, "step", story_step_name(steps[i].step),
		                  "facts", facts_json(c, steps[i].detail)));
	}
	if (n == 0)
		return err_set(err, ERR_DENIED,
		    "nothing is known of '" STR_FMT
		    "'; stories are found by address, Message-ID (with its "
		    "angle brackets), IP address, or the id of the 250 reply",
		    STR_ARG(str_sub(key, 0, 80)));
	return 0;
}

/* ---- check ------------------------------------------------------------------------- */

struct progress {
	struct admin_call *call;
	uint64_t told_ms;
};

static void on_step(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	uint64_t now = time_mono_ms();

	if (now - p->told_ms < 200 && done != total)
		return;
	p->told_ms = now;
	admin_emit(p->call, json_pack("{ss ss sI sI}", "kind", "progress", "what", what, "done",
	                        (json_int_t)done, "total", (json_int_t)total));
}

static void on_problem(void *arg, str text)
{
	struct progress *p = arg;

	admin_emit(p->call, json_pack("{ss so}", "kind", "problem", "text", admin_json(text)));
}

int admin_check(struct admin_call *c, struct err *err)
{
	struct progress p = { .call = c };
	struct store_progress progress = { .step = on_step, .problem = on_problem, .arg = &p };
	uint64_t problems = 0;

	if (store_check(c->env->store, admin_flag(c, "deep"), &progress, &problems, err) < 0)
		return -1;
	admin_emit(c, json_pack("{ss sI}", "kind", "checked", "problems", (json_int_t)problems));
	return 0;
}

int admin_status(struct admin_call *c, struct err *err)
{
	struct store_account *accounts;
	struct err why = { .text = "" };
	size_t n;

	if (store_account_list(c->env->store, c->arena, &accounts, &n, err) < 0)
		return -1;
	bool accepts =
	    store_accepts_mail(c->env->store, c->env->config->limits.message_bytes, &why);
	admin_emit(c, json_pack("{ss sI sb ss}", "kind", "status", "accounts", (json_int_t)n,
	                  "accepts_mail", accepts, "why_not", accepts ? "" : why.text));
	return 0;
}
