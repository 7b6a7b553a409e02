/* buzon backup, restore. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "services/store/maintain.h"

#define BACKUP_USAGE "backup DIRECTORY"
#define RESTORE_USAGE "restore DIRECTORY"

static void on_step(void *arg, const char *what, uint64_t done, uint64_t total)
{
	json_t *fact = json_pack(
	    "{ss sI sI}", "what", what, "done", (json_int_t)done, "total", (json_int_t)total);

	(void)arg;
	cli_progress(fact);
	json_decref(fact);
}

static void on_problem(void *arg, str text)
{
	(void)arg;
	cli_fail(0, STR_FMT, STR_ARG(text));
}

static int say_done(const struct cli *c, const char *kind, const char *where)
{
	if (c->json)
		printf("{\"kind\":\"%s\"}\n", kind);
	else if (strcmp(kind, "backup") == 0)
		printf(_("everything that was accepted until now is kept in '%s'\n"), where);
	else
		printf(_("the data directory '%s' is made; start the server\n"), where);
	return EXIT_FINE;
}

/* The backup reads beside a running server: the store's files allow readers, and the server keeps packs that a
 * backup has announced. */
int cli_backup(struct cli *c)
{
	struct store_progress progress = { .step = on_step, .problem = on_problem };
	struct log log = { .role = "backup", .level = LOG_LEVEL_WARN, .fd = STDERR_FILENO };
	struct store *store;
	struct err err;
	char data[4096];
	int status;

	if (cli_no_more_options(c, BACKUP_USAGE) != 0 || c->argc != 1)
		return cli_usage(BACKUP_USAGE);
	if ((status = cli_config(c)) != 0)
		return status;
	snprintf(data, sizeof(data), STR_FMT, STR_ARG(c->config->data));
	if (mkdir(c->argv[0], 0700) < 0 && access(c->argv[0], W_OK) < 0)
		return cli_fail(EXIT_NO, _("cannot write to '%s': %m"), c->argv[0]);
	if (store_open(&(struct store_options){ .path = data, .read_only = true, .log = &log },
	        &store, &err) < 0)
		return cli_fail_err(&err);
	int result = store_backup(store, c->argv[0], &progress, &err);
	store_close(store);
	return result < 0 ? cli_fail_err(&err) : say_done(c, "backup", c->argv[0]);
}

int cli_restore(struct cli *c)
{
	struct store_progress progress = { .step = on_step, .problem = on_problem };
	struct err err;
	char data[4096];
	int status;

	if (cli_no_more_options(c, RESTORE_USAGE) != 0 || c->argc != 1)
		return cli_usage(RESTORE_USAGE);
	if ((status = cli_config(c)) != 0)
		return status;
	snprintf(data, sizeof(data), STR_FMT, STR_ARG(c->config->data));
	if (store_restore(c->argv[0], data, &progress, &err) < 0)
		return cli_fail_err(&err);
	return say_done(c, "restore", data);
}
