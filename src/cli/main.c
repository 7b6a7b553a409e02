/* buzon: one program; this file finds the subcommand and keeps the list of them. */
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"

#define VERSION_TEXT "buzon " BUZON_VERSION

static const struct command {
	const char *name;
	cli_fn *run;
	const char *usage, *help;
} commands[] = {
	{ "serve", cli_serve, "", N_("run the server in the foreground") },
	{ "check", cli_check, "[--deep]", N_("check configuration and data, change nothing") },
	{ "domain", cli_domain, "add|remove NAME | list | catch-all NAME [ADDRESS]",
	    N_("domains that this server receives mail for") },
	{ "account", cli_account, "add|remove|password|quota ADDRESS [SIZE] | list",
	    N_("people who have mail here") },
	{ "alias", cli_alias, "add ADDRESS TARGET... | remove ADDRESS | list",
	    N_("addresses that lead to others") },
	{ "dkim", cli_dkim, "create|rotate|activate DOMAIN | remove DOMAIN SELECTOR | list",
	    N_("keys that sign mail of a domain") },
	{ "dns", cli_dns, "DOMAIN [--check]", N_("the DNS records that a domain needs") },
	{ "auth", cli_auth, "FILE --ip ADDRESS [--helo NAME] [--from SENDER] [--dns SERVER]",
	    N_("judge who sent a message: SPF, DKIM, DMARC, and why") },
	{ "queue", cli_queue, "list | show ID", N_("mail that waits to leave") },
	{ "story", cli_story, "MESSAGE-ID|ADDRESS|ID",
	    N_("what happened to a message, step by step") },
	{ "doctor", cli_doctor, "bounce [--for admin|marketer|user] FILE|-",
	    N_("why mail fails, in plain words") },
	{ "backup", cli_backup, "DIRECTORY", N_("copy all data, also while the server runs") },
	{ "restore", cli_restore, "DIRECTORY", N_("make the data directory from a backup") },
	{ "send", cli_send, "[-t] [-i] [-f SENDER] [ADDRESS...]",
	    N_("hand in a message from standard input, as sendmail does") },
	{ "role", cli_role, NULL, NULL }, /* for the supervisor only */
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static int help(FILE *to, int status)
{
	fprintf(to, "%s\n\n  buzon [-c FILE] [--json] COMMAND ...\n\n", _("buzon, a mail server"));
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command *c = &commands[i];
		if (c->help)
			fprintf(to, "  %-9s %s\n            %s\n", c->name, c->usage, _(c->help));
	}
	fprintf(to, "\n  -c FILE   %s\n  --json    %s\n\n%s\n",
	    _("configuration file; default: /etc/buzon/buzon.conf"),
	    _("print facts as JSON, one object per line"),
	    _("Exit status: 0 fine, 1 the answer is no, 2 used wrongly, 75 try again later."));
	return status;
}

/* Many machines have no Spanish locale although their users ask for one: texts need none. */
static void ask_for_spanish(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	setlocale(LC_ALL, "C.UTF-8");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (!value || !*value)
			continue;
		if (strncmp(value, "es", 2) == 0)
			setenv("LANGUAGE", "es", 0);
		return;
	}
}

/* The catalogues stand beside the program in a build directory, else where make install put them. */
static void choose_language(void)
{
	static const char here[] = "/../../po";
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(here));

	if (!setlocale(LC_ALL, ""))
		ask_for_spanish();
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		memcpy(path + n - 1, here, sizeof(here));
		bindtextdomain("buzon", access(path, F_OK) == 0 ? path : BUZON_LOCALE_DIR);
	}
	bind_textdomain_codeset("buzon", "UTF-8");
	textdomain("buzon");
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Global options may stand before the subcommand; --json also after it. Returns the index of the first other word. */
static int global_options(struct cli *c, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			c->config_path = argv[++i];
		else
			break;
	}
	return i;
}

static int run(struct cli *c, int argc, char **argv)
{
	int at = global_options(c, argc, argv);
	const char *word = at < argc ? argv[at] : "";

	if (strcmp(word, "--version") == 0)
		return puts(VERSION_TEXT) < 0;
	if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0)
		return help(stdout, EXIT_FINE);
	const struct command *command = find(word);
	if (!command)
		return help(stderr, EXIT_WRONG_USE);
	c->command = command->name;
	c->argc = argc - at - 1;
	c->argv = argv + at + 1;
	if (command->help && cli_flag(c, "help")) {
		printf("buzon %s %s\n  %s\n", command->name, command->usage, _(command->help));
		return EXIT_FINE;
	}
	if (cli_flag(c, "json"))
		c->json = true;
	return command->run(c);
}

static bool called_as_sendmail(const char *name)
{
	return str_ends(str_c(name), STR("sendmail"));
}

int main(int argc, char **argv)
{
	struct cli c = { .config_path = "/etc/buzon/buzon.conf", .command = "" };

	choose_language();
	int status;
	if (argc > 0 && called_as_sendmail(argv[0])) {
		c.command = "send";
		c.argc = argc - 1;
		c.argv = argv + 1;
		status = cli_send(&c);
	} else {
		status = run(&c, argc, argv);
	}
	config_free(c.config);
	return status;
}
