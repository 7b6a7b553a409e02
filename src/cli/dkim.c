/* buzon dkim: keys that sign mail. The command makes key and file; the server is told, and keeps the public half. */
#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "base/secret.h"
#include "base/time.h"
#include "cli/cli.h"
#include "formats/mailbox.h"
#include "services/keys/dkim_files.h"

#define DKIM_USAGE \
	"dkim create DOMAIN [--selector S] [--algorithm rsa2048|ed25519] [--after TIME]\n" \
	"  buzon dkim rotate DOMAIN [--after TIME] | activate DOMAIN [SELECTOR]\n" \
	"  buzon dkim remove DOMAIN SELECTOR [--force] | list [DOMAIN]"

enum { ALGORITHMS = 2, ROTATED_MAX = 64, AFTER_MAX_S = 365 * 86400, DAY_TRIES = 26 };

static const struct {
	const char *option, *name, *prefix, *suffix;
} algorithms[ALGORITHMS] = {
	{ "rsa2048", "rsa", "r", "-rsa" },
	{ "ed25519", "ed25519", "e", "-ed" },
};

/* ---- list ---- */

static const char *const dkim_states[] = { N_("new"), N_("active"), N_("retired") };

static const char *dkim_state_text(const char *name)
{
	for (size_t i = 0; i < sizeof(dkim_states) / sizeof(dkim_states[0]); i++) {
		if (strcmp(dkim_states[i], name) == 0)
			return _(dkim_states[i]);
	}
	return name;
}

static void print_key(void *arg, const json_t *f)
{
	int64_t from = fact_number(f, "active_from"), retired = fact_number(f, "retired_at");
	char when[TIME_ISO_BYTES];

	(void)arg;
	time_iso(retired ? retired : from ? from : fact_number(f, "created_at"), when);
	printf(_("%-30s %-16s %-8s %-9s since %s\n"), fact_text(f, "domain"),
	    fact_text(f, "selector"), fact_text(f, "algorithm"),
	    dkim_state_text(fact_text(f, "state")), when);
	if (strcmp(fact_text(f, "state"), "new") == 0)
		printf(
		    from
		        ? _("      signs from then on; publish its record before (buzon dns %s)\n")
		        : _("      publish its record (buzon dns %s), then: buzon dkim activate\n"),
		    fact_text(f, "domain"));
}

/* ---- making keys ---- */

struct new_key {
	const char *algorithm;
	char selector[80];
	char name[DKIM_NAME_BYTES];
	char public[1024];
};

struct making {
	struct cli *cli;
	char data[4096], domain[DOMAIN_MAX + 1];
	struct new_key keys[ALGORITHMS];
	size_t count;
	int64_t active_from;
};

/* Selectors that are taken, so that a second rotation on one day finds others. */
struct taken {
	char selectors[ROTATED_MAX][80];
	char algorithms[ROTATED_MAX][16];
	size_t count;
};

static void take_selector(void *arg, const json_t *f)
{
	struct taken *t = arg;

	if (t->count == ROTATED_MAX)
		return;
	snprintf(
	    t->algorithms[t->count], sizeof(t->algorithms[0]), "%s", fact_text(f, "algorithm"));
	snprintf(t->selectors[t->count++], sizeof(t->selectors[0]), "%s", fact_text(f, "selector"));
}

static bool is_taken(const struct taken *t, const char *selector)
{
	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->selectors[i], selector) == 0)
			return true;
	}
	return false;
}

/* "r20261123", then "r20261123b" and so on. */
static void choose_selector(const struct taken *t, size_t algorithm, char out[80])
{
	struct civil day = time_utc(time_wall_s());

	for (int i = 0; i < DAY_TRIES; i++) {
		char more[2] = { i ? (char)('a' + i) : '\0', '\0' };
		snprintf(out, 80, "%s%04d%02u%02u%s", algorithms[algorithm].prefix, (int)day.year,
		    day.month, day.day, more);
		if (!is_taken(t, out))
			return;
	}
}

static int make_file(struct making *m, struct new_key *k)
{
	AUTO_BUF pem = BUF_INIT(DKIM_FILE_BYTES), public = BUF_INIT(sizeof(k->public) - 1);
	struct err err;
	int result = dkim_key_make(str_c(k->algorithm), &pem, &public, &err);

	if (result == 0)
		result = dkim_key_name(str_c(k->selector), str_c(m->domain), k->name, &err);
	if (result == 0)
		result = dkim_file_write(m->data, k->name, buf_str(&pem), &err);
	if (pem.ptr)
		secret_wipe(pem.ptr, pem.cap);
	if (result < 0)
		return cli_fail_err(&err);
	snprintf(k->public, sizeof(k->public), STR_FMT, STR_ARG(buf_str(&public)));
	return 0;
}

static void remove_files(const struct making *m, size_t count)
{
	struct err ignored;

	for (size_t i = 0; i < count; i++)
		dkim_file_remove(m->data, m->keys[i].name, &ignored);
}

static json_t *add_request(const struct making *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->count; i++)
		json_array_append_new(
		    list, json_pack("{ss ss ss}", "selector", m->keys[i].selector, "algorithm",
		              m->keys[i].algorithm, "public", m->keys[i].public));
	return json_pack("{ss ss so sI}", "command", "dkim add", "domain", m->domain, "keys", list,
	    "active_from", (json_int_t)m->active_from);
}

static int make_keys(struct making *m)
{
	for (size_t i = 0; i < m->count; i++) {
		int status = make_file(m, &m->keys[i]);
		if (status) {
			remove_files(m, i);
			return status;
		}
	}
	int status = cli_admin(m->cli, add_request(m), NULL, NULL);
	if (status) {
		remove_files(m, m->count);
		return status;
	}
	return cli_admin(m->cli, json_pack("{ss ss}", "command", "dkim list", "domain", m->domain),
	    print_key, NULL);
}

/* ---- words of the command ---- */

static int take_domain(struct making *m, const char *text)
{
	AUTO_BUF normal = BUF_INIT(DOMAIN_MAX);
	int status = cli_config(m->cli);

	if (status)
		return status;
	if (domain_normalise(str_c(text), true, &normal, NULL) < 0)
		return cli_fail(EXIT_WRONG_USE, _("'%s' is no domain name like example.org"), text);
	snprintf(m->domain, sizeof(m->domain), STR_FMT, STR_ARG(buf_str(&normal)));
	snprintf(m->data, sizeof(m->data), STR_FMT, STR_ARG(m->cli->config->data));
	return 0;
}

static int take_after(struct making *m, const char *after)
{
	uint64_t seconds;

	if (!after)
		return 0;
	if (num_parse_duration(str_c(after), AFTER_MAX_S, &seconds) < 0)
		return cli_fail(
		    EXIT_WRONG_USE, _("'%s' is no time; write for example 12h or 2d"), after);
	m->active_from = time_wall_s() + (int64_t)seconds;
	return 0;
}

/* Which algorithms are made: the one that was asked for, else both. */
static int take_algorithms(struct making *m, const char *algorithm)
{
	for (size_t i = 0; i < ALGORITHMS; i++) {
		if (!algorithm || strcmp(algorithm, algorithms[i].option) == 0)
			m->keys[m->count++].algorithm = algorithms[i].name;
	}
	return m->count ? 0
	                : cli_fail(EXIT_WRONG_USE,
	                      _("'%s' is no algorithm; choose rsa2048 or ed25519"), algorithm);
}

static void name_keys(struct making *m, const struct taken *t, const char *selector)
{
	for (size_t i = 0; i < m->count; i++) {
		struct new_key *k = &m->keys[i];
		size_t a = strcmp(k->algorithm, algorithms[0].name) == 0 ? 0 : 1;
		if (!selector)
			choose_selector(t, a, k->selector);
		else
			snprintf(k->selector, sizeof(k->selector), "%.64s%s", selector,
			    m->count > 1 ? algorithms[a].suffix : "");
	}
}

/* rotate makes new keys of the algorithms that the domain has. */
static void keep_used_algorithms(struct making *m, const struct taken *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		bool is_used = false;
		for (size_t j = 0; j < t->count && !is_used; j++)
			is_used = strcmp(t->algorithms[j], m->keys[i].algorithm) == 0;
		if (is_used)
			m->keys[kept++] = m->keys[i];
	}
	m->count = kept;
}

static int create(struct cli *c, const char *domain, bool is_rotation, const char *options[3])
{
	struct making m = { .cli = c };
	struct taken *t = calloc(1, sizeof(*t));
	int status = t ? take_domain(&m, domain) : EXIT_TRY_AGAIN;

	if (status == 0)
		status = take_algorithms(&m, options[1]);
	if (status == 0)
		status = take_after(&m, options[2]);
	if (status == 0)
		status =
		    cli_collect(c, json_pack("{ss ss}", "command", "dkim list", "domain", m.domain),
		        take_selector, t);
	if (status == 0 && is_rotation)
		keep_used_algorithms(&m, t);
	if (status == 0 && m.count == 0)
		status = cli_fail(
		    EXIT_NO, _("domain '%s' has no key yet; see: buzon dkim create"), m.domain);
	if (status == 0) {
		name_keys(&m, t, options[0]);
		status = make_keys(&m);
	}
	free(t);
	return status;
}

/* The row first: from then on nothing asks for the key. */
static int remove_key(struct cli *c, const char *domain, const char *selector, bool force)
{
	struct making m = { .cli = c };
	char name[DKIM_NAME_BYTES];
	struct err err;
	int status = take_domain(&m, domain);

	if (status == 0)
		status = cli_admin(c,
		    json_pack("{ss ss ss sb}", "command", "dkim remove", "domain", m.domain,
		        "selector", selector, "force", force),
		    NULL, NULL);
	if (status)
		return status;
	if (dkim_key_name(str_c(selector), str_c(m.domain), name, &err) < 0 ||
	    dkim_file_remove(m.data, name, &err) < 0)
		return cli_fail_err(&err);
	return cli_admin(c, json_pack("{ss}", "command", "dkim reload"), NULL, NULL);
}

static int activate(struct cli *c)
{
	json_t *request = json_pack("{ss ss}", "command", "dkim activate", "domain", c->argv[1]);

	if (c->argc == 3)
		json_object_set_new(request, "selector", json_string(c->argv[2]));
	return cli_admin(c, request, NULL, NULL);
}

static int list(struct cli *c)
{
	json_t *request = json_pack("{ss}", "command", "dkim list");

	if (c->argc == 2)
		json_object_set_new(request, "domain", json_string(c->argv[1]));
	return cli_admin(c, request, print_key, NULL);
}

int cli_dkim(struct cli *c)
{
	const char *options[3] = { cli_option(c, "selector"), cli_option(c, "algorithm"),
		cli_option(c, "after") };
	bool force = cli_flag(c, "force");
	const char *verb = c->argc ? c->argv[0] : "";

	if (cli_no_more_options(c, DKIM_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (strcmp(verb, "create") == 0 && c->argc == 2)
		return create(c, c->argv[1], false, options);
	if (strcmp(verb, "rotate") == 0 && c->argc == 2)
		return create(c, c->argv[1], true, options);
	if (strcmp(verb, "activate") == 0 && (c->argc == 2 || c->argc == 3))
		return activate(c);
	if (strcmp(verb, "remove") == 0 && c->argc == 3)
		return remove_key(c, c->argv[1], c->argv[2], force);
	if (strcmp(verb, "list") == 0 && c->argc <= 2)
		return list(c);
	return cli_usage(DKIM_USAGE);
}
