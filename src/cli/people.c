/* buzon domain, account, alias. */
#include <stdio.h>

#include "base/num.h"
#include "base/secret.h"
#include "cli/cli.h"

#define DOMAIN_USAGE "domain add|remove NAME | list | catch-all NAME [ADDRESS]"
#define ACCOUNT_USAGE "account add|remove|password ADDRESS | quota ADDRESS SIZE | list"
#define ALIAS_USAGE "alias add ADDRESS TARGET... | remove ADDRESS | list"

static bool is_verb(const struct cli *c, const char *verb, int words)
{
	return c->argc == words + 1 && strcmp(c->argv[0], verb) == 0;
}

static void print_domain(void *arg, const json_t *f)
{
	const char *catch_all = fact_text(f, "catch_all");

	(void)arg;
	if (*catch_all)
		printf(_("%s (anything else to %s)\n"), fact_text(f, "domain"), catch_all);
	else
		printf("%s\n", fact_text(f, "domain"));
}

int cli_domain(struct cli *c)
{
	if (cli_no_more_options(c, DOMAIN_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (is_verb(c, "add", 1))
		return cli_admin(c,
		    json_pack("{ss ss}", "command", "domain add", "domain", c->argv[1]), NULL,
		    NULL);
	if (is_verb(c, "remove", 1))
		return cli_admin(c,
		    json_pack("{ss ss}", "command", "domain remove", "domain", c->argv[1]), NULL,
		    NULL);
	if (is_verb(c, "catch-all", 1) || is_verb(c, "catch-all", 2))
		return cli_admin(c,
		    json_pack("{ss ss ss}", "command", "domain catch-all", "domain", c->argv[1],
		        "address", c->argc > 2 ? c->argv[2] : ""),
		    NULL, NULL);
	if (is_verb(c, "list", 0))
		return cli_admin(
		    c, json_pack("{ss}", "command", "domain list"), print_domain, NULL);
	return cli_usage(DOMAIN_USAGE);
}

static void print_account(void *arg, const json_t *f)
{
	char used[32], quota[32];

	(void)arg;
	cli_size((uint64_t)fact_number(f, "used_bytes"), used);
	cli_size((uint64_t)fact_number(f, "quota_bytes"), quota);
	printf(_("%-40s %8lld messages  %10s of %s\n"), fact_text(f, "account"),
	    (long long)fact_number(f, "messages"), used,
	    fact_number(f, "quota_bytes") ? quota : _("no limit"));
}

/* account add and account password. */
static int with_password(struct cli *c, const char *command, const char *address)
{
	char password[1026];

	if (cli_password(true, password, sizeof(password)) < 0)
		return cli_fail(EXIT_WRONG_USE, "%s",
		    _("no password was given: type it, or send it as one line on standard input"));
	json_t *request =
	    json_pack("{ss ss ss}", "command", command, "address", address, "password", password);
	secret_wipe(password, sizeof(password));
	if (!request)
		return cli_fail(EXIT_WRONG_USE, "%s", _("address and password must be UTF-8"));
	return cli_admin(c, request, NULL, NULL);
}

static int set_quota(struct cli *c)
{
	uint64_t bytes;

	if (num_parse_size(str_c(c->argv[2]), (uint64_t)1 << 50, &bytes) < 0)
		return cli_fail(EXIT_WRONG_USE, _("'%s' is no size; write for example 500M or 10G"),
		    c->argv[2]);
	return cli_admin(c,
	    json_pack("{ss ss sI}", "command", "account quota", "address", c->argv[1], "quota",
	        (json_int_t)bytes),
	    NULL, NULL);
}

int cli_account(struct cli *c)
{
	if (cli_no_more_options(c, ACCOUNT_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (is_verb(c, "add", 1))
		return with_password(c, "account add", c->argv[1]);
	if (is_verb(c, "password", 1))
		return with_password(c, "account password", c->argv[1]);
	if (is_verb(c, "remove", 1))
		return cli_admin(c,
		    json_pack("{ss ss}", "command", "account remove", "address", c->argv[1]), NULL,
		    NULL);
	if (is_verb(c, "quota", 2))
		return set_quota(c);
	if (is_verb(c, "list", 0))
		return cli_admin(
		    c, json_pack("{ss}", "command", "account list"), print_account, NULL);
	return cli_usage(ACCOUNT_USAGE);
}

static void print_alias(void *arg, const json_t *f)
{
	size_t i;
	json_t *target;

	(void)arg;
	printf("%s", fact_text(f, "alias"));
	json_array_foreach(json_object_get(f, "targets"), i, target)
	    printf("%s %s", i ? "," : " ->", json_string_value(target));
	printf("\n");
}

int cli_alias(struct cli *c)
{
	if (cli_no_more_options(c, ALIAS_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (c->argc >= 3 && strcmp(c->argv[0], "add") == 0) {
		json_t *targets = json_array();
		for (int i = 2; i < c->argc; i++)
			json_array_append_new(targets, json_string(c->argv[i]));
		return cli_admin(c,
		    json_pack("{ss ss so}", "command", "alias add", "address", c->argv[1],
		        "targets", targets),
		    NULL, NULL);
	}
	if (is_verb(c, "remove", 1))
		return cli_admin(c,
		    json_pack("{ss ss}", "command", "alias remove", "address", c->argv[1]), NULL,
		    NULL);
	if (is_verb(c, "list", 0))
		return cli_admin(c, json_pack("{ss}", "command", "alias list"), print_alias, NULL);
	return cli_usage(ALIAS_USAGE);
}
