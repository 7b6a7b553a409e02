#include <stdarg.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/cli.h"

int cli_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("buzon: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

int cli_fail_err(const struct err *err)
{
	switch (err->kind) {
	case ERR_INPUT:
		return cli_fail(EXIT_WRONG_USE, "%s", err->text);
	case ERR_RETRY:
		return cli_fail(EXIT_TRY_AGAIN, "%s", err->text);
	default:
		return cli_fail(EXIT_NO, "%s", err->text);
	}
}

int cli_usage(const char *usage)
{
	fprintf(stderr, "%s\n  buzon %s\n", _("Usage:"), usage);
	return EXIT_WRONG_USE;
}

int cli_config(struct cli *c)
{
	struct err err;

	if (c->config)
		return 0;
	if (config_load(c->config_path, &c->config, &err) < 0)
		return cli_fail(EXIT_WRONG_USE, "%s", err.text);
	return 0;
}

static void drop_arguments(struct cli *c, int at, int count)
{
	for (int i = at; i + count < c->argc; i++)
		c->argv[i] = c->argv[i + count];
	c->argc -= count;
}

const char *cli_option(struct cli *c, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < c->argc; i++) {
		const char *a = c->argv[i];
		if (strncmp(a, "--", 2) != 0 || strncmp(a + 2, name, len) != 0)
			continue;
		if (a[2 + len] == '=') {
			drop_arguments(c, i, 1);
			return a + 3 + len;
		}
		if (a[2 + len] == '\0' && i + 1 < c->argc) {
			const char *value = c->argv[i + 1];
			drop_arguments(c, i, 2);
			return value;
		}
	}
	return NULL;
}

bool cli_flag(struct cli *c, const char *name)
{
	for (int i = 0; i < c->argc; i++) {
		if (strncmp(c->argv[i], "--", 2) == 0 && strcmp(c->argv[i] + 2, name) == 0) {
			drop_arguments(c, i, 1);
			return true;
		}
	}
	return false;
}

int cli_no_more_options(struct cli *c, const char *usage)
{
	for (int i = 0; i < c->argc; i++) {
		if (c->argv[i][0] == '-' && c->argv[i][1]) {
			cli_fail(EXIT_WRONG_USE, _("there is no option '%s' here"), c->argv[i]);
			return cli_usage(usage);
		}
	}
	return 0;
}

static int read_line(const char *prompt, char *out, size_t size)
{
	if (prompt)
		fputs(prompt, stderr);
	if (!fgets(out, (int)size, stdin))
		return -1;
	size_t n = strcspn(out, "\r\n");
	if (n + 1 == size)
		return -1;
	out[n] = '\0';
	if (prompt)
		fputc('\n', stderr);
	return 0;
}

int cli_password(bool confirm, char *out, size_t size)
{
	struct termios old, quiet;
	char again[1100];

	if (tcgetattr(STDIN_FILENO, &old) < 0)
		return read_line(NULL, out, size);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	int got = read_line(_("Password: "), out, size);
	if (got == 0 && confirm) {
		got = read_line(_("The same again: "), again, sizeof(again));
		if (got == 0 && strcmp(out, again) != 0)
			got = cli_fail(-1, "%s", _("the two passwords differ"));
		secret_wipe(again, sizeof(again));
	}
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	return got;
}

const char *fact_text(const json_t *fact, const char *name)
{
	const char *text = json_string_value(json_object_get(fact, name));

	return text ? text : "";
}

int64_t fact_number(const json_t *fact, const char *name)
{
	return json_integer_value(json_object_get(fact, name));
}

void cli_size(uint64_t bytes, char out[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t unit = 0;

	while (n >= 1024 && unit < 4) {
		n /= 1024;
		unit++;
	}
	snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

void cli_progress(const json_t *fact)
{
	int64_t done = fact_number(fact, "done"), total = fact_number(fact, "total");

	if (!isatty(STDERR_FILENO))
		return;
	if (total > 0)
		fprintf(stderr, "\r%s %lld/%lld (%lld %%)\033[K", fact_text(fact, "what"),
		    (long long)done, (long long)total, (long long)(done * 100 / total));
	else
		fprintf(stderr, "\r%s %lld\033[K", fact_text(fact, "what"), (long long)done);
	if (done == total)
		fputc('\n', stderr);
}
