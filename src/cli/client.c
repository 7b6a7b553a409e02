/* The way to the store: through the running server's control socket, or by itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "services/admin/admin.h"
#include "services/auth/auth_store.h"

struct printer {
	struct cli *cli;
	cli_print_fn *print;
	void *arg;
	int status;
};

static void show(struct printer *p, json_t *fact)
{
	const char *kind = fact_text(fact, "kind");

	if (strcmp(kind, "progress") == 0) {
		cli_progress(fact);
	} else if (p->cli->json) {
		json_dumpf(fact, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (strcmp(kind, "warning") == 0) {
		cli_fail(0, "%s", fact_text(fact, "text"));
	} else if (p->print) {
		p->print(p->arg, fact);
	}
	if (strcmp(kind, "checked") == 0 && fact_number(fact, "problems") > 0)
		p->status = EXIT_NO;
}

static void on_emit(void *arg, json_t *fact)
{
	show(arg, fact);
}

/* ---- through the server ----------------------------------------------------------------------- */

int cli_connect(const struct cli *c)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	int n = snprintf(
	    where.sun_path, sizeof(where.sun_path), STR_FMT "/control", STR_ARG(c->config->data));

	if (n < 0 || (size_t)n >= sizeof(where.sun_path))
		return -1;
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		return -1;
	return TAKE_FD(fd);
}

static enum err_kind kind_of(const char *name)
{
	for (int k = ERR_NONE; k <= ERR_SYSTEM; k++) {
		if (strcmp(err_kind_name((enum err_kind)k), name) == 0)
			return (enum err_kind)k;
	}
	return ERR_SYSTEM;
}

/* True at the last line. */
static bool take_answer(struct printer *p, json_t *answer)
{
	const char *kind = fact_text(answer, "kind");
	struct err err = { 0 };

	if (strcmp(kind, "done") == 0)
		return true;
	if (strcmp(kind, "error") != 0) {
		show(p, answer);
		return false;
	}
	err_set(&err, kind_of(fact_text(answer, "error")), "%s", fact_text(answer, "text"));
	p->status = cli_fail_err(&err);
	return true;
}

int cli_converse(struct cli *c, int fd, const json_t *request, cli_print_fn *print, void *arg)
{
	struct printer p = { .cli = c, .print = print, .arg = arg };
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *line = NULL;
	size_t size = 0;
	bool ended = false;

	bool sent = !request || (text && fd_write_all(fd, str_c(text)) == 0 &&
	                            fd_write_all(fd, STR("\n")) == 0);
	free(text);
	FILE *in = sent ? fdopen(dup(fd), "r") : NULL;
	while (in && !ended && getline(&line, &size, in) > 0) {
		json_t *answer = json_loads(line, 0, NULL);
		ended = !answer || take_answer(&p, answer);
		json_decref(answer);
	}
	free(line);
	if (in)
		fclose(in);
	if (!ended)
		return cli_fail(
		    EXIT_TRY_AGAIN, "%s", _("the server went away before it had answered"));
	return p.status;
}

/* ---- without one ------------------------------------------------------------------------------ */

struct direct {
	char data[4096];
	struct auth_store *auth;
};

static int open_auth(struct direct *d, struct err *err)
{
	return d->auth ? 0 : auth_store_open(d->data, &d->auth, err);
}

static int set_credential(void *owner, str account, uint64_t id, str password, struct err *err)
{
	struct direct *d = owner;

	return open_auth(d, err) < 0 ? -1 : auth_store_set(d->auth, account, id, password, err);
}

static int remove_credential(void *owner, str account, struct err *err)
{
	struct direct *d = owner;

	return open_auth(d, err) < 0 ? -1 : auth_store_remove(d->auth, account, err);
}

/* A server that starts now must not find the store in use, nor this command the server's. */
static int lock_data(const char *data)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/server.lock", data);
	AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return TAKE_FD(fd);
}

static int run_direct(struct cli *c, const json_t *request, cli_print_fn *print, void *arg)
{
	struct printer p = { .cli = c, .print = print, .arg = arg };
	struct log log = { .role = "command", .level = LOG_LEVEL_WARN, .fd = STDERR_FILENO };
	struct direct d = { 0 };
	struct err err;
	struct store *store;
	char path[4200];
	bool writes = admin_writes(fact_text(request, "command"));

	snprintf(d.data, sizeof(d.data), STR_FMT, STR_ARG(c->config->data));
	AUTO_FD lock = lock_data(d.data);
	if (lock < 0)
		return cli_fail(EXIT_TRY_AGAIN,
		    _("the data directory '%s' cannot be locked: a server is starting, or the "
		      "directory is "
		      "not there or not yours"),
		    d.data);
	snprintf(path, sizeof(path), "%s/" STORE_DIRECTORY, d.data);
	if (writes)
		mkdir(path, 0700); /* the first command on a new data directory */
	if (store_open(
	        &(struct store_options){
	            .path = path, .create = writes, .read_only = !writes, .log = &log },
	        &store, &err) < 0)
		return cli_fail_err(&err);
	struct admin_env env = { .store = store,
		.config = c->config,
		.credential_set = set_credential,
		.credential_remove = remove_credential,
		.owner = &d };
	if (admin_run(&env, request, on_emit, &p, &err) < 0)
		p.status = cli_fail_err(&err);
	if (d.auth)
		auth_store_close(d.auth);
	store_close(store);
	return p.status;
}

int cli_admin(struct cli *c, json_t *request, cli_print_fn *print, void *arg)
{
	int status = cli_config(c);

	if (status == 0) {
		AUTO_FD fd = cli_connect(c);
		status = fd >= 0 ? cli_converse(c, fd, request, print, arg)
		                 : run_direct(c, request, print, arg);
	}
	json_decref(request);
	return status;
}

int cli_collect(struct cli *c, json_t *request, cli_print_fn *print, void *arg)
{
	bool json = c->json;

	c->json = false;
	int status = cli_admin(c, request, print, arg);
	c->json = json;
	return status;
}
