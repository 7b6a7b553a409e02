/* Tests of recipient resolution, over a store made of tables. */
#include "check.h"

#include "services/route/route.h"

static struct store_domain domains[] = {
	{ .id = 1, .name = STR_INIT("example.org") },
	{ .id = 2, .name = STR_INIT("all.example"), .catch_all = STR_INIT("ana@example.org") },
};
static struct store_account accounts[] = {
	{ .id = 11, .inbox_id = 111, .address = STR_INIT("ana@example.org") },
	{ .id = 12, .inbox_id = 112, .address = STR_INIT("bob@example.org") },
};
static struct store_alias aliases[] = {
	{ .address = STR_INIT("team@example.org"),
	    .targets = STR_INIT("ana@example.org\nbob@example.org\nana@example.org") },
	{ .address = STR_INIT("out@example.org"),
	    .targets = STR_INIT("x@remote.example\nbob@example.org") },
	{ .address = STR_INIT("loop1@example.org"), .targets = STR_INIT("loop2@example.org") },
	{ .address = STR_INIT("loop2@example.org"), .targets = STR_INIT("loop1@example.org") },
	{ .address = STR_INIT("both@example.org"),
	    .targets = STR_INIT("loop1@example.org\nbob@example.org") },
	{ .address = STR_INIT("dangling@example.org"), .targets = STR_INIT("gone@example.org") },
};

/* The store's side, as far as route uses it. */
int store_domain_list(
    struct store *s, struct arena *a, struct store_domain **out, size_t *out_count, struct err *err)
{
	(void)s, (void)a, (void)err;
	*out = domains;
	*out_count = COUNT(domains);
	return 0;
}

int store_account_list(struct store *s, struct arena *a, struct store_account **out,
    size_t *out_count, struct err *err)
{
	(void)s, (void)a, (void)err;
	*out = accounts;
	*out_count = COUNT(accounts);
	return 0;
}

int store_alias_list(
    struct store *s, struct arena *a, struct store_alias **out, size_t *out_count, struct err *err)
{
	(void)s, (void)a, (void)err;
	*out = aliases;
	*out_count = COUNT(aliases);
	return 0;
}

uint64_t store_directory_version(struct store *s)
{
	(void)s;
	return 7;
}

static struct directory *load(const char *postmaster)
{
	struct config config = { .subaddress_separator = STR("+"),
		.postmaster = str_c(postmaster) };
	struct directory *d = NULL;
	struct err err;

	check_int_eq(route_load(NULL, &config, &d, &err), 0);
	return d;
}

static void test_resolve(void **state)
{
	static const struct {
		const char *address;
		enum route_kind kind;
		const char *rule;
		const char *targets; /* addresses, joined by spaces */
	} cases[] = {
		{ "ana@example.org", ROUTE_OK, "account", "ana@example.org" },
		{ "ANA@Example.ORG", ROUTE_OK, "account", "ana@example.org" },
		{ "ana+news@example.org", ROUTE_OK, "sub-address", "ana@example.org" },
		{ "+news@example.org", ROUTE_NO_USER, "no such user", "" },
		{ "nobody@example.org", ROUTE_NO_USER, "no such user", "" },
		{ "nobody+x@example.org", ROUTE_NO_USER, "no such user", "" },
		{ "team@example.org", ROUTE_OK, "alias", "ana@example.org bob@example.org" },
		{ "team+x@example.org", ROUTE_OK, "alias", "ana@example.org bob@example.org" },
		{ "out@example.org", ROUTE_OK, "alias", "x@remote.example bob@example.org" },
		{ "loop1@example.org", ROUTE_NO_USER, "alias leads nowhere", "" },
		{ "both@example.org", ROUTE_OK, "alias", "bob@example.org" },
		{ "dangling@example.org", ROUTE_NO_USER, "alias leads nowhere", "" },
		{ "any.thing@all.example", ROUTE_OK, "catch-all", "ana@example.org" },
		{ "postmaster@example.org", ROUTE_OK, "postmaster", "bob@example.org" },
		{ "Postmaster", ROUTE_OK, "postmaster", "bob@example.org" },
		{ "x@remote.example", ROUTE_NOT_LOCAL, "domain is not ours", "" },
		{ "no at sign", ROUTE_MALFORMED, "malformed address", "" },
	};
	struct directory *d = load("bob@example.org");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF got = BUF_INIT(4096);
		struct route_result r;
		route_resolve(d, str_c(cases[i].address), a, &r);
		for (size_t j = 0; j < r.target_count; j++) {
			buf_addz(&got, j ? " " : "");
			buf_add(&got, r.targets[j].address);
			check_case(cases[i].address,
			    (r.targets[j].account == 0) ==
			        (str_find(r.targets[j].address, STR("remote")) != STR_NPOS));
		}
		check_case(cases[i].address, r.kind == cases[i].kind);
		check_case_str(cases[i].address, str_c(r.rule), str_c(cases[i].rule));
		check_case_str(cases[i].address, buf_str(&got), str_c(cases[i].targets));
	}
	check_int_eq(route_version(d), 7);
	route_free(d);
}

static void test_postmaster_default(void **state)
{
	struct directory *d = load("");
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct route_result r;

	(void)state;
	route_resolve(d, STR("postmaster@all.example"), a, &r);
	check_int_eq(r.target_count, 1);
	check_int_eq(r.targets[0].account, 11);
	route_free(d);
}

static void test_may_send_as(void **state)
{
	static const struct {
		const char *address;
		uint64_t account;
		bool may;
	} cases[] = {
		{ "ana@example.org", 11, true },
		{ "Ana@EXAMPLE.org", 11, true },
		{ "ana+tag@example.org", 11, true },
		{ "ana@example.org", 12, false },
		{ "team@example.org", 12, true },
		{ "any@all.example", 11, false },
		{ "postmaster@example.org", 11, false },
		{ "x@remote.example", 11, false },
		{ "", 11, false },
	};
	struct directory *d = load("ana@example.org");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(cases[i].address, route_may_send_as(d, cases[i].account,
		                                 str_c(cases[i].address)) == cases[i].may);
	route_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_postmaster_default),
		cmocka_unit_test(test_may_send_as),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
