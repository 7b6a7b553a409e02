#include "roles/worker_judge.h"

#include <stdlib.h>

#include "base/time.h"
#include "services/frames/dns_pack.h"
#include "services/judge/judge.h"

struct worker_judge {
	struct role *role;
	struct judging *first;
	size_t count;
	uint64_t core_generation; /* a judgement for an earlier connection is dropped */
};

struct judging {
	struct worker_judge *owner;
	struct judging *next, **link_to_this;
	struct arena *arena;
	struct judge *judge;
	struct link *core;
	uint32_t request;
	uint64_t core_generation;
	struct timer *timer;
	size_t open; /* questions that relay still owes an answer to */
	bool is_answered;
};

struct asked {
	struct judging *judging;
	uint32_t id;
};

static void ask_or_reply(struct judging *j);

struct worker_judge *worker_judge_new(struct role *r)
{
	struct worker_judge *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->role = r;
	return w;
}

static void judging_free(struct judging *j)
{
	*j->link_to_this = j->next;
	if (j->next)
		j->next->link_to_this = j->link_to_this;
	j->owner->count--;
	timer_free(j->timer);
	arena_free(j->arena);
	free(j);
}

/* Questions that are on their way keep a pointer: only at the end of the process. */
void worker_judge_free(struct worker_judge *w)
{
	if (!w)
		return;
	while (w->first)
		judging_free(w->first);
	free(w);
}

void worker_judge_core_lost(struct worker_judge *w)
{
	w->core_generation++;
}

/* ---- the answer ----------------------------------------------------------------------------------- */

static void reply(struct judging *j)
{
	AUTO_BUF packed = BUF_INIT(JUDGEMENT_MAX);
	struct frame_content_judged f = { .ok = true };

	j->is_answered = true;
	timer_stop(j->timer);
	if (j->core_generation != j->owner->core_generation || !link_is_up(j->core))
		return;
	judgement_pack(&judge_result(j->judge)->judgement, &packed);
	f.judgement = buf_str(&packed);
	if (!buf_ok(&packed))
		f = (struct frame_content_judged){ .why = STR("the judgement is too large") };
	link_reply(j->core, j->request, &frame_def_content_judged, &f, NULL, 0, NULL);
}

/* ---- questions ------------------------------------------------------------------------------------ */

static void on_dns(void *arg, struct link_frame *in)
{
	struct asked *a = arg;
	struct judging *j = a->judging;
	AUTO_ARENA scratch = arena_new(NULL, "dns answer", 1 << 20);
	struct dns_answer answer = { .status = DNS_TEMPORARY,
		.reason = STR("the process that asks the DNS is not there") };
	struct frame_dns_answer f;
	uint32_t id = a->id;

	free(a);
	j->open--;
	if (in && (frame_decode(in->def, in->payload, &f, NULL) < 0 ||
	              dns_answer_unpack(f.answer, scratch, &answer, NULL) < 0))
		answer = (struct dns_answer){ .status = DNS_TEMPORARY };
	judge_answer(j->judge, id, &answer);
	ask_or_reply(j);
}

/* Without relay nobody waits: the answer is a temporary failure at once. */
static void ask(struct judging *j, const struct dns_question *q)
{
	struct role *r = j->owner->role;
	struct link *relay = r->links[ROLE_RELAY][0];
	struct frame_dns_ask f = { .kind = (uint32_t)q->type, .name = q->name };
	struct dns_answer none = { .status = DNS_TEMPORARY,
		.reason = STR("the process that asks the DNS is not there") };

	if (!relay || !link_is_up(relay)) {
		judge_answer(j->judge, q->id, &none);
		return;
	}
	struct asked *a = malloc(sizeof(*a));
	if (!a)
		abort();
	*a = (struct asked){ j, q->id };
	j->open++;
	link_request(relay, &frame_def_dns_ask, &f, NULL, 0, &frame_def_dns_answer, on_dns, a);
}

static void ask_or_reply(struct judging *j)
{
	struct dns_question q;

	while (!j->is_answered && judge_next_question(j->judge, &q))
		ask(j, &q);
	if (!j->is_answered && judge_result(j->judge))
		reply(j);
	if (j->is_answered && j->open == 0)
		judging_free(j);
}

static void on_time(void *arg)
{
	struct judging *j = arg;

	judge_expire(j->judge, "the DNS did not answer in time");
	ask_or_reply(j);
}

/* ---- the frame ------------------------------------------------------------------------------------ */

static struct judging *judging_new(struct worker_judge *w, struct link *core, uint32_t request)
{
	struct judging *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	*j = (struct judging){ .owner = w,
		.next = w->first,
		.link_to_this = &w->first,
		.arena = arena_new(NULL, "judging", JUDGE_ARENA_BYTES),
		.core = core,
		.request = request,
		.core_generation = w->core_generation };
	if (j->next)
		j->next->link_to_this = &j->next;
	w->first = j;
	w->count++;
	j->timer = timer_new(w->role->loop, on_time, j);
	return j;
}

static int refuse(struct link *core, uint32_t request, const char *why)
{
	struct frame_content_judged f = { .why = str_c(why) };

	return link_reply(core, request, &frame_def_content_judged, &f, NULL, 0, NULL);
}

static void start(struct worker_judge *w, struct link *core, uint32_t request,
    const struct frame_content_judge *f, str message)
{
	struct judging *j = judging_new(w, core, request);
	uint32_t time_ms = f->time_ms < WORKER_JUDGE_MS_MAX ? f->time_ms : WORKER_JUDGE_MS_MAX;
	struct judge_options o = {
		.helo = f->helo,
		.mail_from = f->sender,
		.server = w->role->config->hostname,
		.now_s = time_wall_s(),
		.message = message,
		.only_clean = f->only_clean,
	};

	ip_parse(f->peer_address, &o.ip);
	j->judge = judge_start(j->arena, &o);
	timer_set(j->timer, time_ms);
	ask_or_reply(j);
}

int worker_judge_frame(struct worker_judge *w, struct link *link, struct link_frame *in)
{
	struct content_body body = { .map = NULL };
	struct frame_content_judge f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || in->request == 0)
		return -1;
	if (w->count >= WORKER_JUDGING_MAX)
		return refuse(link, in->request, "too many messages are being judged");
	if (in->fds[0] < 0 ? f.body.len != f.body_bytes
	                   : content_map(in->fds[0], f.body_at, f.body_bytes, &body, &err) < 0)
		return refuse(link, in->request, "the message did not arrive whole");
	start(w, link, in->request, &f, body.map ? body.bytes : f.body);
	content_fini(&body);
	return 0;
}
