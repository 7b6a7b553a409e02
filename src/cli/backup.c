/* buzon backup, restore. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "services/keys/dkim_files.h"
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

/* ---- credentials ---- */

/* The server keeps its credentials locked, so they are copied as files: when neither the database nor its log
 * changed while that was done, the copy is what is on disk, and opens like after a power cut. */
enum { TRIES = 20, CREDENTIALS_MAX = 1 << 30 };
static const char *const credential_files[] = { "auth/auth.db", "auth/auth.db-wal" };

static bool stamp(const char *dir, struct stat out[2])
{
	bool there = false;

	for (size_t i = 0; i < 2; i++) {
		char path[4200];
		snprintf(path, sizeof(path), "%s/%s", dir, credential_files[i]);
		out[i] = (struct stat){ .st_size = -1 };
		there |= stat(path, &out[i]) == 0;
	}
	return there;
}

static bool same(const struct stat a[2], const struct stat b[2])
{
	bool same = true;

	for (size_t i = 0; i < 2; i++)
		same = same && a[i].st_size == b[i].st_size &&
		       a[i].st_mtim.tv_sec == b[i].st_mtim.tv_sec &&
		       a[i].st_mtim.tv_nsec == b[i].st_mtim.tv_nsec;
	return same;
}

static int copy_file(const char *from, const char *to)
{
	AUTO_FD in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_FD out = -1;
	char block[65536];
	ssize_t n;

	if (in < 0)
		return errno == ENOENT && (unlink(to) == 0 || errno == ENOENT) ? 0 : -1;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	while ((n = read(in, block, sizeof(block))) > 0) {
		if (fd_write_all(out, str_new(block, (size_t)n)) < 0)
			return -1;
	}
	return n < 0 || fsync(out) < 0 ? -1 : 0;
}

static int copy_both(const char *from, const char *to)
{
	for (size_t i = 0; i < 2; i++) {
		char source[4200], target[4200];
		snprintf(source, sizeof(source), "%s/%s", from, credential_files[i]);
		snprintf(target, sizeof(target), "%s/%s", to, credential_files[i]);
		if (copy_file(source, target) < 0)
			return -1;
	}
	return 0;
}

static int copy_credentials(const char *from, const char *to)
{
	char dir[4200];
	struct stat before[2], after[2];

	snprintf(dir, sizeof(dir), "%s/auth", to);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return cli_fail(EXIT_NO, _("cannot write to '%s': %m"), dir);
	for (int i = 0; i < TRIES; i++) {
		if (!stamp(from, before))
			return 0;
		if (copy_both(from, to) < 0)
			return cli_fail(EXIT_NO, _("cannot write to '%s': %m"), dir);
		stamp(from, after);
		if (same(before, after))
			return 0;
		usleep(100000);
	}
	return cli_fail(EXIT_TRY_AGAIN, "%s",
	    _("passwords change so often just now that they cannot be copied; try again"));
}

/* ---- keys for DKIM ---- */

/* Written once and never changed: whatever is there is whole. */
static int copy_keys(const char *from, const char *to)
{
	char source[4200], target[4200], dir[4100];
	const struct dirent *entry;
	int status = 0;

	snprintf(dir, sizeof(dir), "%s/" DKIM_DIRECTORY, from);
	DIR *list = opendir(dir);
	if (!list)
		return errno == ENOENT ? 0 : cli_fail(EXIT_NO, _("cannot read '%s': %m"), dir);
	snprintf(target, sizeof(target), "%s/" DKIM_DIRECTORY, to);
	if (mkdir(target, 0700) < 0 && errno != EEXIST)
		status = cli_fail(EXIT_NO, _("cannot write to '%s': %m"), target);
	while (status == 0 && (entry = readdir(list))) {
		if (!str_ends(str_c(entry->d_name), STR(".pem")))
			continue;
		snprintf(source, sizeof(source), "%.3900s/%.255s", dir, entry->d_name);
		snprintf(
		    target, sizeof(target), "%.3900s/" DKIM_DIRECTORY "/%.255s", to, entry->d_name);
		if (copy_file(source, target) < 0)
			status = cli_fail(EXIT_NO, _("cannot write to '%s': %m"), target);
	}
	closedir(list);
	return status;
}

static int copy_secrets(const char *from, const char *to)
{
	int status = copy_credentials(from, to);

	return status ? status : copy_keys(from, to);
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
	char data[4096], path[4200];
	int status;

	if (cli_no_more_options(c, BACKUP_USAGE) != 0 || c->argc != 1)
		return cli_usage(BACKUP_USAGE);
	if ((status = cli_config(c)) != 0)
		return status;
	snprintf(data, sizeof(data), STR_FMT, STR_ARG(c->config->data));
	snprintf(path, sizeof(path), "%s/" STORE_DIRECTORY, data);
	if (mkdir(c->argv[0], 0700) < 0 && access(c->argv[0], W_OK) < 0)
		return cli_fail(EXIT_NO, _("cannot write to '%s': %m"), c->argv[0]);
	if (store_open(&(struct store_options){ .path = path, .read_only = true, .log = &log },
	        &store, &err) < 0)
		return cli_fail_err(&err);
	int result = store_backup(store, c->argv[0], &progress, &err);
	store_close(store);
	if (result < 0)
		return cli_fail_err(&err);
	status = copy_secrets(data, c->argv[0]);
	return status ? status : say_done(c, "backup", c->argv[0]);
}

int cli_restore(struct cli *c)
{
	struct store_progress progress = { .step = on_step, .problem = on_problem };
	struct err err;
	char data[4096], path[4200];
	int status;

	if (cli_no_more_options(c, RESTORE_USAGE) != 0 || c->argc != 1)
		return cli_usage(RESTORE_USAGE);
	if ((status = cli_config(c)) != 0)
		return status;
	snprintf(data, sizeof(data), STR_FMT, STR_ARG(c->config->data));
	snprintf(path, sizeof(path), "%s/" STORE_DIRECTORY, data);
	if (store_restore(c->argv[0], path, &progress, &err) < 0)
		return cli_fail_err(&err);
	status = copy_secrets(c->argv[0], data);
	return status ? status : say_done(c, "restore", data);
}
