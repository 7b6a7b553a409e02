/* buzon auth: the judgement of a message file, with everything that led to it. The same code as at delivery
 * (services/judge), with a resolver of its own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/cli.h"
#include "formats/mailbox.h"
#include "services/judge/judge.h"
#include "services/resolve/resolve.h"

#define AUTH_USAGE "auth FILE --ip ADDRESS [--helo NAME] [--from SENDER] [--dns SERVER]"

enum { MESSAGE_MAX = 256 << 20, TIME_MS = 20 * 1000 };

struct trial {
	struct cli *cli;
	struct arena *arena;
	struct loop *loop;
	struct resolver *resolver;
	struct judge *judge;
	struct timer *timer;
	struct judge_options options;
	struct buf message;
};

/* ---- what is judged ---------------------------------------------------------------------------- */

/* Files of this system have LF; on their way lines end with CRLF (RFC 5321 §2.3.8), and signatures count them. */
static void add_line(struct buf *out, str line)
{
	if (str_ends(line, STR("\n")))
		line.len--;
	if (str_ends(line, STR("\r")))
		line.len--;
	buf_add(out, line);
	buf_add(out, STR("\r\n"));
}

static int read_message(struct trial *t, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!file)
		return cli_fail(EXIT_WRONG_USE, _("cannot read '%s': %m"), path);
	while ((n = getline(&line, &size, file)) > 0)
		add_line(&t->message, str_new(line, (size_t)n));
	free(line);
	if (file != stdin)
		fclose(file);
	if (!buf_ok(&t->message))
		return cli_fail(EXIT_WRONG_USE, _("'%s' is larger than a message may be"), path);
	t->options.message = buf_str(&t->message);
	return 0;
}

static int take_sender(struct trial *t, const char *from)
{
	AUTO_BUF out = BUF_INIT(2048);
	struct mailbox m;
	struct err err;

	if (!from || !*from || strcmp(from, "<>") == 0)
		return 0;
	if (mailbox_parse(str_c(from), MAILBOX_UTF8 | MAILBOX_LONG_LOCAL, t->arena, &m, &err) < 0)
		return cli_fail(EXIT_WRONG_USE, "--from: %s", err.text);
	mailbox_print(&out, &m);
	t->options.mail_from = arena_str(t->arena, buf_str(&out));
	return 0;
}

/* Without --dns the configuration says whom to ask, when there is one; else the DNS is walked from its root. */
static int open_resolver(struct trial *t, const char *server)
{
	struct resolver_options o = { .loop = t->loop, .server = str_c(server) };
	struct config *config = NULL;
	struct err err;

	if (config_load(t->cli->config_path, &config, NULL) == 0) {
		t->cli->config = config;
		if (!server)
			o.server = config->dns_server;
		t->options.server = config->hostname;
		if (access(arena_cstr(t->arena, config->dns_trust_anchor), R_OK) == 0)
			o.trust_anchor = config->dns_trust_anchor;
	}
	t->resolver = resolver_new(&o, &err);
	return t->resolver ? 0 : cli_fail_err(&err);
}

static int read_options(struct trial *t)
{
	struct cli *c = t->cli;
	const char *ip = cli_option(c, "ip"), *helo = cli_option(c, "helo");
	const char *from = cli_option(c, "from"), *dns = cli_option(c, "dns");

	if (cli_no_more_options(c, AUTH_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (c->argc != 1 || !ip)
		return cli_usage(AUTH_USAGE);
	if (ip_parse(str_c(ip), &t->options.ip) < 0)
		return cli_fail(EXIT_WRONG_USE, _("'%s' is no IP address"), ip);
	t->options.helo = str_c(helo ? helo : "");
	t->options.server = STR("localhost");
	t->options.now_s = time_wall_s();
	t->options.with_trace = true;
	int status = take_sender(t, from);
	if (status == 0)
		status = read_message(t, c->argv[0]);
	return status == 0 ? open_resolver(t, dns) : status;
}

/* ---- the questions ------------------------------------------------------------------------------- */

static void ask_or_stop(struct trial *t);

static void on_answer(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct trial *t = arg;

	judge_answer(t->judge, id, answer);
	ask_or_stop(t);
}

static void ask_or_stop(struct trial *t)
{
	struct dns_question q;

	while (judge_next_question(t->judge, &q))
		resolver_ask(t->resolver, &q, on_answer, t);
	if (judge_result(t->judge))
		loop_stop(t->loop);
}

static void on_time(void *arg)
{
	struct trial *t = arg;

	judge_expire(t->judge, "the DNS did not answer in time");
	loop_stop(t->loop);
}

static void start(void *arg)
{
	ask_or_stop(arg);
}

static const struct judge_result *run(struct trial *t)
{
	t->judge = judge_start(t->arena, &t->options);
	t->timer = timer_new(t->loop, on_time, t);
	timer_set(t->timer, TIME_MS);
	loop_post(t->loop, start, t);
	loop_run(t->loop);
	return judge_result(t->judge);
}

/* ---- printing ------------------------------------------------------------------------------------ */

static json_t *text(str s)
{
	json_t *t = json_stringn(s.ptr ? s.ptr : "", s.len);

	return t ? t : json_string("?");
}

/* One mechanism, as a line or as a fact. */
static void show(
    struct trial *t, const char *mechanism, const char *result, str identity, str reason)
{
	if (!t->cli->json) {
		printf("%-6s %-10s " STR_FMT "\n", mechanism, result, STR_ARG(identity));
		if (reason.len)
			printf("                  " STR_FMT "\n", STR_ARG(reason));
		return;
	}
	json_t *fact = json_pack("{ss ss so so}", "mechanism", mechanism, "result", result,
	    "identity", text(identity), "reason", text(reason));
	json_dumpf(fact, stdout, JSON_COMPACT);
	json_decref(fact);
	putchar('\n');
}

static void show_step(struct trial *t, unsigned depth, str step)
{
	if (!t->cli->json)
		printf("                  %*s" STR_FMT "\n", (int)(2 * depth), "", STR_ARG(step));
}

static void show_spf(struct trial *t, const char *name, const struct spf_result *r)
{
	show(t, name, spf_status_name(r->status), r->domain, r->reason);
	for (size_t i = 0; i < r->step_count; i++)
		show_step(t, r->steps[i].depth + 1, r->steps[i].text);
	if (r->explanation.len && !t->cli->json)
		printf(_("                  the domain explains: %.*s\n"), (int)r->explanation.len,
		    r->explanation.ptr);
}

static void show_dkim(struct trial *t, const struct dkim_results *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct dkim_result *s = &r->items[i];
		str identity = arena_strf(t->arena, "d=" STR_FMT " s=" STR_FMT " a=%s (%u bits)",
		    STR_ARG(s->domain), STR_ARG(s->selector), dkim_algorithm_name(s->algorithm),
		    s->key_bits);
		show(t, "dkim", dkim_status_name(s->status), identity,
		    str_c(dkim_reason_text(s->reason)));
	}
	if (r->count == 0)
		show(t, "dkim", "none", STR_NONE, STR_NONE);
}

static void show_dmarc(struct trial *t, const struct dmarc_result *r)
{
	str identity = r->author_domain;

	if (r->record)
		identity = arena_strf(t->arena, STR_FMT " (" STR_FMT "=%s, disposition %s)",
		    STR_ARG(identity), STR_ARG(r->policy_tag), dmarc_policy_name(r->policy),
		    dmarc_policy_name(r->disposition));
	show(t, "dmarc", dmarc_status_name(r->status), identity, r->reason);
	for (size_t i = 0; i < r->step_count; i++)
		show_step(t, 1, r->steps[i]);
}

static void show_questions(struct trial *t, const struct judge_result *r)
{
	if (!t->cli->json && r->question_count)
		printf("\n%s\n", _("Questions to the DNS:"));
	for (size_t i = 0; i < r->question_count; i++) {
		const struct judge_question *q = &r->questions[i];
		const char *status =
		    q->is_answered ? dns_status_name(q->status) : _("not answered");
		if (!t->cli->json) {
			printf("%-6s %-5s " STR_FMT ": %s " STR_FMT "\n", q->asker,
			    dns_type_name(q->type), STR_ARG(q->name), status, STR_ARG(q->answer));
			continue;
		}
		json_t *fact = json_pack("{ss ss so ss so}", "question", dns_type_name(q->type),
		    "asker", q->asker, "name", text(q->name), "status", status, "answer",
		    text(q->answer));
		json_dumpf(fact, stdout, JSON_COMPACT);
		json_decref(fact);
		putchar('\n');
	}
}

static void show_header(struct trial *t, const struct judgement *j)
{
	if (t->cli->json) {
		json_t *fact = json_pack(
		    "{so sI}", "field", text(j->field), "forged", (json_int_t)j->cut_count);
		json_dumpf(fact, stdout, JSON_COMPACT);
		json_decref(fact);
		putchar('\n');
		return;
	}
	if (j->author != AUTHOR_CLEAR)
		printf("From   %s\n", author_kind_text(j->author));
	if (j->cut_count)
		printf(
		    "%s\n", _("Fields in our name came with the message; they would be removed."));
	printf("\n" STR_FMT, STR_ARG(j->field));
}

static void show_all(struct trial *t, const struct judge_result *r)
{
	AUTO_BUF ip = BUF_INIT(IP_TEXT_MAX);

	ip_print(&t->options.ip, &ip);
	show(t, "iprev", iprev_status_name(r->iprev->status),
	    r->iprev->name.len ? r->iprev->name : buf_str(&ip), r->iprev->reason);
	show_spf(t, "helo", r->helo);
	if (r->mail_from)
		show_spf(t, "spf", r->mail_from);
	show_dkim(t, r->dkim);
	show_dmarc(t, r->dmarc);
	show_questions(t, r);
	show_header(t, &r->judgement);
}

int cli_auth(struct cli *c)
{
	AUTO_ARENA a = arena_new(NULL, "auth", JUDGE_ARENA_BYTES + (16 << 20));
	struct trial t = {
		.cli = c, .arena = a, .loop = loop_new(), .message = BUF_INIT(MESSAGE_MAX)
	};
	int status = read_options(&t);

	if (status == 0) {
		const struct judge_result *r = run(&t);
		show_all(&t, r);
		if (r->judgement.is_late)
			status = EXIT_TRY_AGAIN;
		else if (r->dmarc->status == DMARC_FAIL || r->judgement.author != AUTHOR_CLEAR)
			status = EXIT_NO;
	}
	timer_free(t.timer);
	resolver_free(t.resolver);
	loop_free(t.loop);
	buf_fini(&t.message);
	return status;
}
