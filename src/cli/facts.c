/* buzon queue, story, check. */
#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "base/time.h"
#include "cli/cli.h"

#define QUEUE_USAGE "queue list | show NUMBER | retry|hold|release|drop NUMBER|DOMAIN|all"
#define STORY_USAGE "story MESSAGE-ID|ADDRESS|IP|ID"
#define CHECK_USAGE "check [--deep]"

/* ---- queue ------------------------------------------------------------------------------------ */

/* The states as the server names them, for the translators. */
static const char *const queue_states[] = { N_("waiting"), N_("held"), N_("active") };

static const char *state_text(const char *name)
{
	for (size_t i = 0; i < sizeof(queue_states) / sizeof(queue_states[0]); i++) {
		if (strcmp(queue_states[i], name) == 0)
			return _(queue_states[i]);
	}
	return name;
}

static void print_queue(void *arg, const json_t *f)
{
	char next[TIME_ISO_BYTES];

	++*(size_t *)arg;
	time_iso(fact_number(f, "next_at"), next);
	printf(_("%lld  %s  from <%s> to <%s>  %s, %lld attempts, next %s\n"),
	    (long long)fact_number(f, "queue"), fact_text(f, "id"), fact_text(f, "sender"),
	    fact_text(f, "recipient"), state_text(fact_text(f, "state")),
	    (long long)fact_number(f, "attempts"), next);
	if (*fact_text(f, "last_error"))
		printf("      %s\n", fact_text(f, "last_error"));
}

/* What is changed, as people and as the server name it. "retry" lets it go at once, like "release". */
static const struct {
	const char *verb, *command, *done;
} queue_changes[] = {
	{ "retry", "queue release", N_("%zu recipients are tried again\n") },
	{ "hold", "queue hold",
	    N_("%zu recipients are held back; let them go with: buzon queue release\n") },
	{ "release", "queue release", N_("%zu recipients are tried again\n") },
	{ "drop", "queue drop", N_("%zu recipients were removed; nobody was told\n") },
};

static int change_queue(struct cli *c, size_t which)
{
	const char *what = c->argv[1];
	json_t *request = json_pack("{ss}", "command", queue_changes[which].command);
	size_t count = 0;
	uint64_t id;

	if (strcmp(what, "all") == 0)
		json_object_set_new(request, "all", json_true());
	else if (num_parse_u64(str_c(what), INT64_MAX, &id) == 0)
		json_object_set_new(request, "queue", json_integer((json_int_t)id));
	else
		json_object_set_new(request, "domain", json_string(what));
	int status = cli_admin(c, request, print_queue, &count);
	if (status == 0 && !c->json)
		printf(_(queue_changes[which].done), count);
	return status;
}

int cli_queue(struct cli *c)
{
	size_t count = 0;
	uint64_t id;

	if (cli_no_more_options(c, QUEUE_USAGE) != 0)
		return EXIT_WRONG_USE;
	for (size_t i = 0; c->argc == 2 && i < sizeof(queue_changes) / sizeof(queue_changes[0]);
	     i++) {
		if (strcmp(c->argv[0], queue_changes[i].verb) == 0)
			return change_queue(c, i);
	}
	if (c->argc == 2 && strcmp(c->argv[0], "show") == 0) {
		if (num_parse_u64(str_c(c->argv[1]), INT64_MAX, &id) < 0)
			return cli_fail(EXIT_WRONG_USE,
			    _("'%s' is no queue number; see: buzon queue list"), c->argv[1]);
		return cli_admin(c,
		    json_pack("{ss sI}", "command", "queue show", "queue", (json_int_t)id),
		    print_queue, &count);
	}
	if (c->argc != 1 || strcmp(c->argv[0], "list") != 0)
		return cli_usage(QUEUE_USAGE);
	int status = cli_admin(c, json_pack("{ss}", "command", "queue list"), print_queue, &count);
	if (status == 0 && !c->json)
		printf(count ? _("%zu recipients wait\n") : _("the queue is empty\n"), count);
	return status;
}

/* ---- story ------------------------------------------------------------------------------------ */

static const char *fact(const json_t *f, const char *name)
{
	return fact_text(json_object_get(f, "facts"), name);
}

static void print_received(const json_t *f)
{
	printf(_("received from %s (%s)%s%s: %s bytes from <%s>"), fact(f, "peer"), fact(f, "helo"),
	    *fact(f, "tls") ? _(", encrypted with ") : _(", not encrypted"), fact(f, "tls"),
	    fact(f, "size"), fact(f, "sender"));
	if (*fact(f, "account"))
		printf(_(", signed in as %s"), fact(f, "account"));
	if (*fact(f, "message-id"))
		printf(_(", Message-ID %s"), fact(f, "message-id"));
	printf("\n");
}

/* What was tried on the way, one line each. */
static void print_trace(const json_t *f)
{
	const char *trace = fact(f, "trace");

	while (*trace) {
		size_t len = strcspn(trace, "\n");
		printf("        %.*s\n", (int)len, trace);
		trace += len + (trace[len] == '\n');
	}
}

static void print_sent(const json_t *f)
{
	printf(_("delivered for <%s> to %s [%s]%s%s: %s\n"), fact(f, "to"), fact(f, "host"),
	    fact(f, "address"), *fact(f, "tls") ? _(", encrypted with ") : _(", not encrypted"),
	    fact(f, "tls"), fact(f, "answer"));
	print_trace(f);
}

static void print_deferred(const json_t *f)
{
	char next[TIME_ISO_BYTES];
	uint64_t at = 0;

	(void)num_parse_u64(str_c(fact(f, "next")), INT64_MAX, &at);
	time_iso((int64_t)at, next);
	printf(_("not delivered yet for <%s>: %s; next attempt %s\n"), fact(f, "to"),
	    fact(f, "answer"), next);
	print_trace(f);
}

static void print_returned(const json_t *f)
{
	printf(_("failed for <%s>: %s\n"), fact(f, "to"), fact(f, "answer"));
	if (*fact(f, "told"))
		printf(_("        <%s> was told\n"), fact(f, "told"));
	print_trace(f);
}

/* "none" for a message that came by the null path: HELO says it then. */
static void print_judged(const json_t *f)
{
	const char *spf = *fact(f, "spf") ? fact(f, "spf") : fact(f, "helo");

	printf(_("judged (%s, rule: %s)\n"), fact(f, "action"), fact(f, "rule"));
	printf("      SPF: %s\n      DKIM: %s\n      DMARC: %s\n      iprev: %s\n", spf,
	    fact(f, "dkim"), fact(f, "dmarc"), fact(f, "iprev"));
	if (*fact(f, "forged"))
		printf(_("      fields in our name removed: %s\n"), fact(f, "forged"));
}

static void print_step(void *arg, const json_t *f)
{
	char when[TIME_ISO_BYTES];
	const char *step = fact_text(f, "step");
	char *last = arg;

	if (strcmp(last, fact_text(f, "story")) != 0) {
		snprintf(last, 32, "%s", fact_text(f, "story"));
		printf(_("Message %s\n"), last);
	}
	time_iso(fact_number(f, "at"), when);
	printf("  %s  ", when);
	if (strcmp(step, "received") == 0)
		print_received(f);
	else if (strcmp(step, "stored") == 0)
		printf(_("kept for <%s> in %s of %s as message %s\n"), fact(f, "recipient"),
		    fact(f, "mailbox"), fact(f, "account"), fact(f, "uid"));
	else if (strcmp(step, "queued") == 0)
		printf(_("waits in the queue (number %s) for <%s>\n"), fact(f, "queue"),
		    fact(f, "to"));
	else if (strcmp(step, "sent") == 0)
		print_sent(f);
	else if (strcmp(step, "deferred") == 0)
		print_deferred(f);
	else if (strcmp(step, "returned") == 0)
		print_returned(f);
	else if (strcmp(step, "delayed") == 0)
		printf(_("still waiting for <%s>; <%s> was told of the delay\n"), fact(f, "to"),
		    fact(f, "told"));
	else if (strcmp(step, "judged") == 0)
		print_judged(f);
	else if (strcmp(step, "refused") == 0)
		printf(_("refused with %s to %s (%s), from <%s> to <%s>: %s\n"), fact(f, "code"),
		    fact(f, "peer"), fact(f, "helo"), fact(f, "sender"), fact(f, "recipient"),
		    fact(f, "answer"));
}

int cli_story(struct cli *c)
{
	char last[32] = "";

	if (cli_no_more_options(c, STORY_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (c->argc != 1)
		return cli_usage(STORY_USAGE);
	return cli_admin(
	    c, json_pack("{ss ss}", "command", "story", "key", c->argv[0]), print_step, last);
}

/* ---- check ------------------------------------------------------------------------------------ */

static void print_check(void *arg, const json_t *f)
{
	(void)arg;
	if (strcmp(fact_text(f, "kind"), "problem") == 0)
		printf(_("problem: %s\n"), fact_text(f, "text"));
	else if (fact_number(f, "problems") == 0)
		printf("%s\n", _("the data directory is in order"));
	else
		printf(_("%lld problems found\n"), (long long)fact_number(f, "problems"));
}

/* What the configuration names must be there and readable before a start. */
static int check_files(const struct cli *c)
{
	int status = 0;

	for (size_t i = 0; i < c->config->tls_count; i++) {
		const str paths[] = { c->config->tls[i].certificate, c->config->tls[i].key };
		for (size_t j = 0; j < 2; j++) {
			char path[4096];
			snprintf(path, sizeof(path), STR_FMT, STR_ARG(paths[j]));
			if (access(path, R_OK) < 0)
				status = cli_fail(EXIT_NO,
				    _("cannot read '%s', which section tls names: %m"), path);
		}
	}
	return status;
}

int cli_check(struct cli *c)
{
	bool deep = cli_flag(c, "deep");
	int status;

	if (cli_no_more_options(c, CHECK_USAGE) != 0 || c->argc != 0)
		return cli_usage(CHECK_USAGE);
	if ((status = cli_config(c)) != 0)
		return status;
	if (!c->json)
		printf("%s\n", _("the configuration is in order"));
	int files = check_files(c);
	status =
	    cli_admin(c, json_pack("{ss sb}", "command", "check", "deep", deep), print_check, NULL);
	return status ? status : files;
}
