/* What is known of a domain over time, with a DNS, a web and a clock of the test's own. */
#include "check.h"

#include <stdlib.h>

#include "base/fd.h"
#include "protocols/dns/dns_zone.h"
#include "services/sts/sts.h"

#define RECORD(id) "_mta-sts.d.example TXT v=STSv1; id=" id "\n"
#define WEB "mta-sts.d.example A 192.0.2.7\n"
#define POLICY(mode, age) "version: STSv1\nmode: " mode "\nmx: mx.d.example\nmax_age: " age "\n"

struct world {
	struct loop *loop;
	struct sts *sts;
	const char *zone;
	unsigned code; /* of the web; 0: nobody answers */
	const char *type, *file;
	unsigned fetches, answers;
	char address[64];
	struct buf got;
};

static uint64_t clock_ms;

static uint64_t now_ms(void)
{
	return clock_ms;
}

/* ---- DNS and web: answers come from the loop ---- */

struct asked {
	struct world *world;
	struct dns_question question;
	char name[300];
	resolver_fn *fn;
	fetch_fn *got;
	void *arg;
	struct timer *timer;
};

static void answer_question(void *arg)
{
	AUTO_FREE struct asked *q = arg;
	AUTO_ARENA a = arena_new(NULL, "answer", 1 << 20);
	struct dns_answer answer = dns_zone_answer(a, str_c(q->world->zone), &q->question);

	timer_free(q->timer);
	q->fn(q->arg, q->question.id, &answer);
}

static void answer_request(void *arg)
{
	AUTO_FREE struct asked *q = arg;
	const struct world *w = q->world;

	timer_free(q->timer);
	if (w->code)
		q->got(q->arg,
		    &(struct fetch_result){ w->code, str_c(w->type), str_c(w->file), STR("") });
	else
		q->got(q->arg, &(struct fetch_result){ .why = STR("nobody answers") });
}

static void *ask(void *dns, const struct dns_question *question, resolver_fn *fn, void *arg)
{
	struct asked *q = calloc(1, sizeof(*q));

	*q = (struct asked){ .world = dns, .question = *question, .fn = fn, .arg = arg };
	snprintf(q->name, sizeof(q->name), STR_FMT, STR_ARG(question->name));
	q->question.name = str_c(q->name);
	q->timer = timer_new(q->world->loop, answer_question, q);
	timer_set(q->timer, 0);
	return q;
}

static void *get(void *web, const struct fetch_request *r, fetch_fn *fn, void *arg)
{
	struct asked *q = calloc(1, sizeof(*q));
	AUTO_BUF address = BUF_INIT(IP_TEXT_MAX);

	*q = (struct asked){ .world = web, .got = fn, .arg = arg };
	q->world->fetches++;
	check_str_eq(r->host, STR("mta-sts.d.example"));
	check_str_eq(r->path, STR("/.well-known/mta-sts.txt"));
	check_int_eq(r->port, 443);
	ip_print(&r->addresses[0], &address);
	snprintf(q->world->address, sizeof(q->world->address), STR_FMT " of %zu",
	    STR_ARG(buf_str(&address)), r->address_count);
	q->timer = timer_new(q->world->loop, answer_request, q);
	timer_set(q->timer, 0);
	return q;
}

static void cancel(void *owner, void *query)
{
	AUTO_FREE struct asked *q = query;

	(void)owner;
	timer_free(q->timer);
}

/* ---- the world ---- */

static void world_init(struct world *w)
{
	clock_ms = 1000;
	*w = (struct world){ .loop = loop_new(),
		.code = 200,
		.type = "text/plain",
		.zone = RECORD("1") WEB,
		.file = POLICY("enforce", "86400") };
	buf_init(&w->got, 4096);
	w->sts = sts_new(&(struct sts_options){ .loop = w->loop,
	    .ask = ask,
	    .cancel = cancel,
	    .dns = w,
	    .get = get,
	    .cancel_get = cancel,
	    .web = w,
	    .now_ms = now_ms });
	sts_allow_special(w->sts, true);
}

static void world_fini(struct world *w)
{
	sts_free(w->sts);
	loop_free(w->loop);
	buf_fini(&w->got);
}

static void on_answer(void *arg, const struct sts_answer *answer)
{
	struct world *w = arg;

	buf_reset(&w->got);
	if (answer->policy) {
		buf_addf(&w->got, "%s ", sts_mode_name(answer->policy->mode));
		buf_add(&w->got, answer->id);
	} else {
		buf_addz(&w->got, "-");
	}
	if (answer->note.len) {
		buf_addz(&w->got, " ! ");
		buf_add(&w->got, answer->note);
	}
	w->answers++;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* All that is under way comes to its end. */
static void settle(struct world *w)
{
	struct timer *t = timer_new(w->loop, stop, w->loop);

	timer_set(t, 20);
	loop_run(w->loop);
	timer_free(t);
}

static void expect(struct world *w, const char *what, const char *want, unsigned fetches)
{
	unsigned before = w->answers;

	w->fetches = 0;
	sts_ask(w->sts, STR("D.Example"), on_answer, w);
	check_case(what, w->answers == before);
	settle(w);
	check_case(what, w->answers == before + 1);
	check_case_str(what, buf_str(&w->got), str_c(want));
	check_case(what, w->fetches == fetches);
}

static void pass(uint64_t seconds)
{
	clock_ms += seconds * 1000;
}

/* ---- one look ---- */

static void test_first_look(void **state)
{
	static const struct {
		const char *title, *zone, *type, *file;
		unsigned code;
		const char *want;
		unsigned fetches;
	} cases[] = {
		/* clang-format off */
		{ "enforce", RECORD("1") WEB, "text/plain", POLICY("enforce", "9"), 200, "enforce 1", 1 },
		{ "testing", RECORD("1") WEB, "Text/Plain ; charset=utf-8", POLICY("testing", "9"), 200, "testing 1", 1 },
		{ "none", RECORD("1") WEB, "text/plain", POLICY("none", "9"), 200, "none 1", 1 },
		{ "no age", RECORD("1") WEB, "text/plain", POLICY("enforce", "0"), 200, "enforce 1", 1 },
		{ "no record", WEB, "text/plain", POLICY("enforce", "9"), 200, "-", 0 },
		{ "other records", "_mta-sts.d.example TXT v=spf1\n" RECORD("1") WEB, "text/plain", POLICY("enforce", "9"), 200, "enforce 1", 1 },
		{ "two records", RECORD("1") RECORD("2") WEB, "text/plain", POLICY("enforce", "9"), 200, "-", 0 },
		{ "bad record", "_mta-sts.d.example TXT v=STSv1; id=-\n" WEB, "text/plain", POLICY("enforce", "9"), 200, "-", 0 },
		{ "DNS fails", "_mta-sts.d.example TEMPORARY\n" WEB, "text/plain", POLICY("enforce", "9"), 200, "-", 0 },
		{ "no host", RECORD("1"), "text/plain", POLICY("enforce", "9"), 200, "- ! the policy host has no address", 0 },
		{ "nobody", RECORD("1") WEB, NULL, NULL, 0, "- ! nobody answers", 1 },
		{ "404", RECORD("1") WEB, "text/plain", POLICY("enforce", "9"), 404, "- ! the policy host answered 404", 1 },
		{ "redirect", RECORD("1") WEB, "text/plain", POLICY("enforce", "9"), 301, "- ! the policy host answered 301", 1 },
		{ "html", RECORD("1") WEB, "text/html", POLICY("enforce", "9"), 200, "- ! what the policy host sends is not text/plain", 1 },
		{ "no type", RECORD("1") WEB, NULL, POLICY("enforce", "9"), 200, "- ! what the policy host sends is not text/plain", 1 },
		{ "empty", RECORD("1") WEB, "text/plain", "", 200, "- ! the policy has no version", 1 },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w;
		world_init(&w);
		w.zone = cases[i].zone;
		w.type = cases[i].type;
		w.file = cases[i].file;
		w.code = cases[i].code;
		expect(&w, cases[i].title, cases[i].want, cases[i].fetches);
		world_fini(&w);
	}
}

/* ---- over time ---- */

static void test_kept(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	expect(&w, "first", "enforce 1", 1);
	expect(&w, "again", "enforce 1", 0);
	w.zone = WEB;
	expect(&w, "the record is gone", "enforce 1", 0);
	w.zone = "_mta-sts.d.example TEMPORARY\n";
	expect(&w, "the DNS fails", "enforce 1", 0);
	pass(86400);
	expect(&w, "the last moment", "enforce 1", 0);
	clock_ms++;
	expect(&w, "expired", "-", 0);
	world_fini(&w);
}

static void test_new_id(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	expect(&w, "first", "enforce 1", 1);
	w.zone = RECORD("2") WEB;
	w.file = POLICY("testing", "86400");
	expect(&w, "new", "testing 2", 1);
	w.zone = RECORD("3") WEB;
	w.code = 500;
	expect(&w, "it cannot be had", "testing 2 ! the policy host answered 500", 1);
	w.code = 200;
	w.file = POLICY("none", "86400");
	pass(STS_FAILED_S - 1);
	expect(&w, "not yet again", "testing 2 ! the policy host answered 500", 0);
	pass(1);
	expect(&w, "again", "none 3", 1);
	w.code = 0;
	w.zone = RECORD("4") WEB;
	expect(&w, "fails", "none 3 ! nobody answers", 1);
	w.zone = RECORD("5") WEB;
	w.code = 200;
	expect(&w, "another id waits for nothing", "none 5", 1);
	world_fini(&w);
}

/* Behind the answer, so that mail does not wait for it. */
static void test_refresh(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	expect(&w, "first", "enforce 1", 1);
	pass(43200);
	expect(&w, "half of the time", "enforce 1", 0);
	pass(1);
	expect(&w, "after it", "enforce 1", 1);
	pass(43201);
	w.code = 500;
	expect(&w, "cannot be refreshed", "enforce 1", 1);
	expect(&w, "said with the next", "enforce 1 ! the policy host answered 500", 0);
	world_fini(&w);
}

static void test_many_wait(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	struct sts_query *queries[4];
	for (size_t i = 0; i < COUNT(queries); i++)
		queries[i] = sts_ask(w.sts, STR("d.example"), on_answer, &w);
	sts_cancel(queries[1]);
	settle(&w);
	check_int_eq(w.answers, 3);
	check_int_eq(w.fetches, 1);
	check_str_eq(buf_str(&w.got), STR("enforce 1"));
	for (size_t i = 0; i < COUNT(queries); i++)
		queries[i] = sts_ask(w.sts, STR("d.example"), on_answer, &w);
	world_fini(&w); /* with questions under way */
}

static void test_special(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	sts_allow_special(w.sts, false);
	w.zone = RECORD("1") "mta-sts.d.example A 10.0.0.1\n";
	expect(&w, "private",
	    "- ! the policy host leads to a private address, where nothing is asked", 0);
	w.zone = RECORD("2") "mta-sts.d.example A 10.0.0.1\nmta-sts.d.example A 44.0.0.1\n";
	expect(&w, "one of them", "enforce 2", 1);
	check_str_eq(str_c(w.address), STR("44.0.0.1 of 1"));
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_new_id),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_many_wait),
		cmocka_unit_test(test_special),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
