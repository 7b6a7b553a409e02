/* Tests of the credential store, on a directory in /tmp. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/auth/auth_store.h"
#include "services/auth/verifier.h"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/auth_store_test.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "auth/auth.db", "auth/auth.db-wal",
		"auth/auth.db-journal" };
	int dir = open(directory, O_RDONLY | O_DIRECTORY);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "auth", AT_REMOVEDIR);
	close(dir);
	return rmdir(directory);
}

static struct auth_store *open_store(void)
{
	struct auth_store *s = NULL;
	struct err err = { 0 };

	if (auth_store_open(directory, &s, &err) < 0)
		print_error("%s\n", err.text);
	check(s != NULL);
	return s;
}

static void test_set_get_remove(void **state)
{
	struct auth_store *s = open_store();
	struct auth_credential c;
	struct err err = { 0 };

	(void)state;
	check_int_eq(auth_store_get(s, STR("ana@example.org"), &c, &err), 0);
	check_int_eq(auth_store_set(s, STR("Ana@Example.org"), 7, STR("secreto"), &err), 0);
	check_int_eq(auth_store_get(s, STR("ana@example.ORG"), &c, &err), 1);
	check_int_eq(c.account_id, 7);
	check_str_eq(str_c(c.account), STR("ana@example.org"));
	check_int_eq(verifier_check(c.verifier, STR("secreto")), VERIFIER_RIGHT);
	check_int_eq(verifier_check(c.verifier, STR("secret0")), VERIFIER_WRONG);
	check_int_eq(c.scram.iterations, SCRAM_ITERATIONS);
	check_int_eq(c.scram.salt_bytes, SCRAM_SALT_BYTES);
	check(str_starts(str_c(c.verifier), STR("$argon2id$v=19$m=19456,t=2,p=1$")));
	check_int_eq(auth_store_remove(s, STR("ANA@example.org"), &err), 0);
	check_int_eq(auth_store_remove(s, STR("ana@example.org"), &err), -1);
	check_int_eq(err.kind, ERR_DENIED);
	auth_store_close(s);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		str in;
		const char *want; /* NULL: refused */
	} cases[] = {
		{ "ascii", STR_INIT("Ana@Example.ORG"), "ana@example.org" },
		{ "u-label", STR_INIT("ana@m\xc3\xbcnchen.example"), "ana@xn--mnchen-3ya.example" },
		{ "a-label", STR_INIT("ana@XN--mnchen-3ya.example"), "ana@xn--mnchen-3ya.example" },
		{ "utf-8 local part", STR_INIT("Jos\xc3\x89@a.example"), "jos\xc3\xa9@a.example" },
		{ "no domain", STR_INIT("Ana"), "ana" },
		{ "not a domain", STR_INIT("ana@-"), "ana@-" },
		{ "space", STR_INIT("a na@a.example"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(AUTH_ACCOUNT_MAX);
		check_case(
		    cases[i].name, auth_name(cases[i].in, &out, NULL) == (cases[i].want ? 0 : -1));
		check_case_str(cases[i].name, buf_str(&out), str_c(cases[i].want));
	}
}

static void test_survives_reopening(void **state)
{
	struct auth_store *s = open_store();
	unsigned char secret[AUTH_SECRET_BYTES];
	struct auth_credential c;
	struct stat st;

	(void)state;
	check_int_eq(auth_store_set(s, STR("b@example.org"), 1, STR("one"), NULL), 0);
	check_int_eq(auth_store_set(s, STR("b@example.org"), 2, STR("two"), NULL), 0);
	memcpy(secret, auth_store_secret(s), sizeof(secret));
	auth_store_close(s);
	s = open_store();
	check_int_eq(auth_store_get(s, STR("b@example.org"), &c, NULL), 1);
	check_int_eq(c.account_id, 2);
	check_int_eq(verifier_check(c.verifier, STR("one")), VERIFIER_WRONG);
	check_int_eq(verifier_check(c.verifier, STR("two")), VERIFIER_RIGHT);
	check(memcmp(secret, auth_store_secret(s), sizeof(secret)) == 0);
	auth_store_close(s);

	AUTO_BUF path = BUF_INIT(256);
	buf_addf(&path, "%s/auth/auth.db%c", directory, 0);
	check_int_eq(stat(path.ptr, &st), 0);
	check_int_eq(st.st_mode & 0777, 0600);
}

/* locking_mode = EXCLUSIVE works by fcntl locks, which belong to a process: the second opener must
 * be another one. */
static void test_one_process(void **state)
{
	struct auth_store *s = open_store(), *second = NULL;
	int status = 0;

	(void)state;
	pid_t child = fork();
	if (child == 0) {
		struct err err = { 0 };
		int rc = auth_store_open(directory, &second, &err);
		_exit(rc < 0 && err.kind == ERR_RETRY ? 0 : 1);
	}
	check(waitpid(child, &status, 0) == child);
	check_int_eq(status, 0);
	auth_store_close(s);
}

static void test_list(void **state)
{
	struct auth_store *s = open_store();
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct auth_account *list;
	size_t count;

	(void)state;
	check_int_eq(auth_store_set(s, STR("z@example.org"), 9, STR("x"), NULL), 0);
	check_int_eq(auth_store_set(s, STR("a@example.org"), 8, STR("x"), NULL), 0);
	check_int_eq(auth_store_list(s, a, &list, &count, NULL), 0);
	check(count >= 2);
	check_str_eq(list[0].account, STR("a@example.org"));
	check_str_eq(list[count - 1].account, STR("z@example.org"));
	check_int_eq(list[count - 1].account_id, 9);
	auth_store_close(s);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		str account, password;
	} cases[] = {
		{ "empty password", STR_INIT("a@example.org"), STR_INIT("") },
		{ "control in password", STR_INIT("a@example.org"), STR_INIT("a\tb") },
		{ "password not utf-8", STR_INIT("a@example.org"), STR_INIT("\xff") },
		{ "empty name", STR_INIT(""), STR_INIT("x") },
		{ "space in name", STR_INIT("a b@example.org"), STR_INIT("x") },
	};
	struct auth_store *s = open_store();
	char password[AUTH_PASSWORD_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		check_case(cases[i].name,
		    auth_store_set(s, cases[i].account, 1, cases[i].password, &err) == -1);
		check_case(cases[i].name, err.kind == ERR_INPUT);
	}
	memset(password, 'x', sizeof(password));
	check_int_eq(auth_store_set(
	                 s, STR("long@example.org"), 1, str_new(password, AUTH_PASSWORD_MAX), NULL),
	    0);
	check_int_eq(auth_store_set(s, STR("long@example.org"), 1,
	                 str_new(password, AUTH_PASSWORD_MAX + 1), NULL),
	    -1);
	auth_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_get_remove),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_survives_reopening),
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
