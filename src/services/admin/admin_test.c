/* Tests of the administrator's commands over a store, with the credentials played here. */
#include "check.h"

#include "services/admin/admin.h"
#include "services/store/fixture.h"

static struct fixture f;
static const struct config config = { .limits = {
	                                  .message_bytes = 1 << 20, .quota_bytes = 5 << 20 } };

static struct {
	int set, removed, changed;
	char last[100], password[100];
	bool refuses;
} auth;

static int credential_set(void *owner, str account, uint64_t id, str password, struct err *err)
{
	(void)owner, (void)id;
	if (auth.refuses)
		return err_set(err, ERR_RETRY, "auth is not there");
	auth.set++;
	snprintf(auth.last, sizeof(auth.last), STR_FMT, STR_ARG(account));
	snprintf(auth.password, sizeof(auth.password), STR_FMT, STR_ARG(password));
	return 0;
}

static int credential_remove(void *owner, str account, struct err *err)
{
	(void)owner, (void)account, (void)err;
	auth.removed++;
	return 0;
}

static void account_changed(void *owner, uint64_t account)
{
	(void)owner, (void)account;
	auth.changed++;
}

static int setup(void **state)
{
	(void)state;
	fixture_begin(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end(&f);
	return 0;
}

static void keep(void *arg, json_t *fact)
{
	json_array_append(arg, fact);
}

/* Facts of the last command. */
static json_t *facts;

static int run(const char *request)
{
	struct admin_env env = { .store = f.store,
		.config = &config,
		.credential_set = credential_set,
		.credential_remove = credential_remove,
		.account_changed = account_changed };
	json_t *parsed = json_loads(request, 0, NULL);

	check_case(request, parsed != NULL);
	json_decref(facts);
	facts = json_array();
	f.err = (struct err){ 0 };
	int result = admin_run(&env, parsed, keep, facts, &f.err);
	json_decref(parsed);
	return result;
}

static const char *fact(size_t i, const char *name)
{
	const char *text = json_string_value(json_object_get(json_array_get(facts, i), name));

	return text ? text : "";
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *request;
		enum err_kind kind;
		const char *text;
	} cases[] = {
		{ "{}", ERR_INPUT, "no command" },
		{ "{\"command\": 7}", ERR_INPUT, "no command" },
		{ "{\"command\": \"backup\", \"to\": \"/\"}", ERR_INPUT, "no command" },
		{ "{\"command\": \"domain add\"}", ERR_INPUT, "no domain name" },
		{ "{\"command\": \"domain add\", \"domain\": \"a b\"}", ERR_INPUT,
		    "no domain name" },
		{ "{\"command\": \"domain remove\", \"domain\": \"example.org\"}", ERR_DENIED,
		    "accounts" },
		{ "{\"command\": \"account add\", \"address\": \"x\", \"password\": \"long "
		  "enough\"}",
		    ERR_INPUT, "no address like" },
		{ "{\"command\": \"account add\", \"address\": \"x@example.org\", \"password\": "
		  "\"short\"}",
		    ERR_INPUT, "eight characters" },
		{ "{\"command\": \"account add\", \"address\": \"x@example.org\"}", ERR_INPUT,
		    "eight characters" },
		{ "{\"command\": \"account password\", \"address\": \"no@example.org\", "
		  "\"password\": \"long enough\"}",
		    ERR_DENIED, "" },
		{ "{\"command\": \"account remove\", \"address\": \"no@example.org\"}", ERR_DENIED,
		    "" },
		{ "{\"command\": \"alias add\", \"address\": \"t@example.org\", \"targets\": []}",
		    ERR_INPUT, "one target" },
		{ "{\"command\": \"alias add\", \"address\": \"t@example.org\", \"targets\": [1]}",
		    ERR_INPUT, "no address like" },
		{ "{\"command\": \"queue show\", \"queue\": -1}", ERR_DENIED, "" },
		{ "{\"command\": \"story\"}", ERR_INPUT, "whose story" },
		{ "{\"command\": \"story\", \"key\": \"x@y\"}", ERR_DENIED, "nothing is known" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_case(cases[i].request, run(cases[i].request) < 0);
		if (f.err.kind != cases[i].kind)
			print_error("%d: %s\n", f.err.kind, f.err.text);
		check_case(cases[i].request, f.err.kind == cases[i].kind);
		check_case(cases[i].request, strstr(f.err.text, cases[i].text) != NULL);
	}
	check_int_eq(auth.set, 0);
}

static void test_account(void **state)
{
	(void)state;
	fixture_must(&f, run("{\"command\": \"account add\", \"address\": \"Eva@EXAMPLE.org\","
	                     " \"password\": \"long enough\", \"quota\": 1000}"));
	check(
	    strcmp(auth.last, "eva@example.org") == 0 && strcmp(auth.password, "long enough") == 0);
	check(run("{\"command\": \"account add\", \"address\": \"eva@example.org\","
	          " \"password\": \"long enough\"}") < 0);
	fixture_must(&f, run("{\"command\": \"account list\"}"));
	check_int_eq(json_array_size(facts), 2);
	check(strcmp(fact(1, "account"), "eva@example.org") == 0);
	check_int_eq(
	    json_integer_value(json_object_get(json_array_get(facts, 0), "quota_bytes")), 5 << 20);
	check_int_eq(
	    json_integer_value(json_object_get(json_array_get(facts, 1), "quota_bytes")), 1000);
	/* A new password ends sessions under the old one. */
	fixture_must(&f, run("{\"command\": \"account password\", \"address\": \"eva@example.org\","
	                     " \"password\": \"another one\"}"));
	check_int_eq(auth.changed, 1);
	fixture_must(
	    &f, run("{\"command\": \"account remove\", \"address\": \"eva@example.org\"}"));
	check_int_eq(auth.changed, 2);
	check_int_eq(auth.removed, 1);
}

/* An account without a password would be there and open to nobody: it goes again. */
static void test_account_without_auth(void **state)
{
	(void)state;
	auth.refuses = true;
	check(run("{\"command\": \"account add\", \"address\": \"late@example.org\","
	          " \"password\": \"long enough\"}") < 0);
	check_int_eq(f.err.kind, ERR_RETRY);
	auth.refuses = false;
	fixture_must(&f, run("{\"command\": \"account list\"}"));
	check_int_eq(json_array_size(facts), 1);
	fixture_must(&f, run("{\"command\": \"account add\", \"address\": \"late@example.org\","
	                     " \"password\": \"long enough\"}"));
}

static void test_alias_and_status(void **state)
{
	(void)state;
	fixture_must(&f, run("{\"command\": \"alias add\", \"address\": \"Team@example.org\","
	                     " \"targets\": [\"ana@example.org\", \"X@Remote.example\"]}"));
	fixture_must(&f, run("{\"command\": \"alias list\"}"));
	check(strcmp(fact(0, "alias"), "team@example.org") == 0);
	check_int_eq(json_array_size(json_object_get(json_array_get(facts, 0), "targets")), 2);
	fixture_must(&f, run("{\"command\": \"domain catch-all\", \"domain\": \"example.org\","
	                     " \"address\": \"ana@example.org\"}"));
	fixture_must(&f, run("{\"command\": \"domain list\"}"));
	check(strcmp(fact(0, "catch_all"), "ana@example.org") == 0);
	fixture_must(&f, run("{\"command\": \"status\"}"));
	check(json_is_boolean(json_object_get(json_array_get(facts, 0), "accepts_mail")));
	fixture_must(&f, run("{\"command\": \"check\", \"deep\": true}"));
	size_t last = json_array_size(facts) - 1;
	check(strcmp(fact(last, "kind"), "checked") == 0);
	check_int_eq(
	    json_integer_value(json_object_get(json_array_get(facts, last), "problems")), 0);
}

static void test_writes(void **state)
{
	(void)state;
	check(admin_writes("account add") && admin_writes("domain remove"));
	check(!admin_writes("account list") && !admin_writes("story") && !admin_writes("nonsense"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_account_without_auth),
		cmocka_unit_test(test_alias_and_status),
		cmocka_unit_test(test_writes),
	};
	int failed = cmocka_run_group_tests(tests, setup, teardown);

	json_decref(facts);
	return failed;
}
