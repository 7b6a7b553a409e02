/* cli.h: what the subcommands of `buzon` share.
 *
 * Purpose    Global options, exit statuses, the way to the running server or to the store itself, and
 *            printing of facts as text or as JSON.
 * Ownership  struct cli lives in main; subcommands borrow it.
 * Errors     A subcommand returns its exit status and has said why on standard error.
 */
#ifndef BUZON_CLI_CLI_H
#define BUZON_CLI_CLI_H

#include <jansson.h>
#include <libintl.h>

#include "base/err.h"
#include "base/str.h"
#include "services/config/config.h"

#define _(text) gettext(text)
#define N_(text) (text)

enum {
	EXIT_FINE = 0,
	EXIT_NO = 1, /* the answer is no, or a problem was found */
	EXIT_WRONG_USE = 2,
	EXIT_TRY_AGAIN = 75, /* as EX_TEMPFAIL of sysexits.h */
};

struct cli {
	const char *config_path;
	bool json;
	struct config *config; /* after cli_config */
	const char *command;   /* the subcommand's name, for messages */
	int argc;              /* what follows the subcommand's name */
	char **argv;
};

typedef int cli_fn(struct cli *c);

cli_fn cli_auth, cli_serve, cli_role, cli_check, cli_domain, cli_account, cli_alias, cli_dkim,
    cli_dns, cli_queue, cli_story, cli_backup, cli_restore, cli_send, cli_doctor;

/* Reads the configuration; says what is wrong with it. 0 or the exit status. */
int cli_config(struct cli *c);
/* "buzon: ..." on standard error; returns status. */
int cli_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same from an err, with the status that fits its kind. */
int cli_fail_err(const struct err *err);
/* Prints the usage of the subcommand; returns EXIT_WRONG_USE. */
int cli_usage(const char *usage);

/* Takes an option "--name VALUE" or "--name=VALUE" out of argv; NULL when it is not there. */
const char *cli_option(struct cli *c, const char *name);
bool cli_flag(struct cli *c, const char *name);
/* After all options were taken: complains of what still begins with '-'. 0 or the exit status. */
int cli_no_more_options(struct cli *c, const char *usage);
/* One line from the terminal without echo (prompt twice when confirm), or from standard input. */
int cli_password(bool confirm, char *out, size_t size);

/* Runs a request of services/admin with the running server, or with the store itself when none runs; takes
 * the request. Facts are printed by print, or as JSON. Returns the exit status. */
typedef void cli_print_fn(void *arg, const json_t *fact);
int cli_admin(struct cli *c, json_t *request, cli_print_fn *print, void *arg);
/* The same, and every fact is given to print, also with --json. */
int cli_collect(struct cli *c, json_t *request, cli_print_fn *print, void *arg);
/* Connects to the control socket: a descriptor, or -1 when no server runs. */
int cli_connect(const struct cli *c);
/* Sends the request (NULL: the caller sends it) over an open control connection and shows what is
 * answered; as cli_admin. */
int cli_converse(struct cli *c, int fd, const json_t *request, cli_print_fn *print, void *arg);

/* Members of a fact, for printing. */
const char *fact_text(const json_t *fact, const char *name);
int64_t fact_number(const json_t *fact, const char *name);
/* "1.5 MiB" */
void cli_size(uint64_t bytes, char out[32]);
/* Progress on a terminal only: one line that is overwritten. */
void cli_progress(const json_t *fact);

#endif
