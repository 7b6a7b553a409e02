/* Tests of whole sign-ins against a store in /tmp; the clock is the test's. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/time.h"
#include "services/auth/auth.h"
#include "services/auth/ticket.h"

/* ---- what the role has a loop for ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned woken;
} wakes = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static uint64_t now_ms;
static char directory[64];
static struct auth_store *store;
static struct auth *service;
static const unsigned char key[TICKET_KEY_BYTES] = "ticket key for tests";

static void wake(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&wakes.lock);
	wakes.woken++;
	pthread_cond_signal(&wakes.changed);
	pthread_mutex_unlock(&wakes.lock);
}

/* Waits for one job of the pool. */
static void run_one_job(void)
{
	pthread_mutex_lock(&wakes.lock);
	while (wakes.woken == 0)
		pthread_cond_wait(&wakes.changed, &wakes.lock);
	wakes.woken--;
	pthread_mutex_unlock(&wakes.lock);
	auth_collect(service);
}

static uint64_t test_clock(void)
{
	return now_ms;
}

/* ---- a client ---- */

struct got {
	unsigned count;
	enum sasl_outcome outcome;
	uint64_t wait_ms;
	char data[512], account[128], text[256];
	struct buf ticket;
};

static void on_reply(void *arg, const struct auth_reply *r)
{
	struct got *g = arg;

	g->count++;
	g->outcome = r->outcome;
	g->wait_ms = r->wait_ms;
	snprintf(g->data, sizeof(g->data), STR_FMT, STR_ARG(r->data));
	snprintf(g->account, sizeof(g->account), STR_FMT, STR_ARG(r->account));
	snprintf(g->text, sizeof(g->text), STR_FMT, STR_ARG(r->text));
	buf_reset(&g->ticket);
	buf_add(&g->ticket, r->ticket);
}

static struct frame_sasl_start start_frame(str mechanism, str initial, const char *address)
{
	return (struct frame_sasl_start){ .mechanism = mechanism,
		.has_initial = initial.ptr != NULL,
		.initial = initial,
		.peer_address = str_c(address),
		.protocol = PROTOCOL_IMAP,
		.tls = true };
}

/* One PLAIN sign-in from start to outcome. *pool_used: whether it took a hash. */
static struct got sign_in(str initial, const char *address, unsigned *pool_used)
{
	struct got g = { .ticket = BUF_INIT(TICKET_MAX) };
	struct frame_sasl_start f = start_frame(STR("PLAIN"), initial, address);
	struct auth_exchange *x = auth_start(service, &f, on_reply, &g);

	*pool_used = g.count == 0;
	if (g.count == 0)
		run_one_job();
	auth_end(x);
	check_int_eq(g.count, 1);
	return g;
}

static void on_credential(void *arg, bool ok, str why)
{
	(void)why;
	*(int *)arg = ok ? 1 : 0;
}

static int set_password(str account, uint64_t id, str password)
{
	int result = -1;

	auth_credential_set(service, account, id, password, on_credential, &result);
	if (result < 0)
		run_one_job();
	return result;
}

static int setup(void **state)
{
	static const struct log quiet = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 };
	struct err err = { 0 };

	(void)state;
	now_ms = 10000000;
	snprintf(directory, sizeof(directory), "/tmp/auth_test.XXXXXX");
	if (!mkdtemp(directory) || auth_store_open(directory, &store, &err) < 0)
		return -1;
	service = auth_new(&(struct auth_options){ .store = store,
	                       .ticket_key = key,
	                       .log = &quiet,
	                       .wake = wake,
	                       .now_ms = test_clock },
	    &err);
	return service && set_password(STR("ana@example.org"), 7, STR("secret")) == 1 ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "auth/auth.db", "auth/auth.db-wal" };
	int dir = open(directory, O_RDONLY | O_DIRECTORY);

	(void)state;
	auth_free(service);
	auth_store_close(store);
	for (size_t i = 0; i < COUNT(names); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "auth", AT_REMOVEDIR);
	close(dir);
	return rmdir(directory);
}

static void test_plain(void **state)
{
	unsigned pool;
	struct got g = sign_in(STR("\0Ana@Example.org\0secret"), "192.0.2.1", &pool);
	struct ticket t;

	(void)state;
	check_int_eq(g.outcome, SASL_OK);
	check_int_eq(pool, 1);
	check_int_eq(g.wait_ms, 0);
	check_str_eq(str_c(g.account), STR("ana@example.org"));
	check_int_eq(ticket_check(key, buf_str(&g.ticket), TICKET_RIGHT(PROTOCOL_IMAP),
	                 (int64_t)time_mono_ms(), &t, NULL),
	    0);
	check_int_eq(t.account, 7);
	check(t.expires_at <= (int64_t)time_mono_ms() + 60 * 1000);
	check_int_eq(ticket_check(key, buf_str(&g.ticket), TICKET_RIGHT(PROTOCOL_POP3),
	                 (int64_t)time_mono_ms(), &t, NULL),
	    -1);
	buf_fini(&g.ticket);
}

/* The second time costs no Argon2; a changed password forgets the old one at once. */
static void test_cache(void **state)
{
	unsigned pool;
	struct got g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.1", &pool);

	(void)state;
	buf_fini(&g.ticket);
	g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.1", &pool);
	check_int_eq(g.outcome, SASL_OK);
	check_int_eq(pool, 0);
	buf_fini(&g.ticket);
	g = sign_in(STR("\0ana@example.org\0Secret"), "192.0.2.1", &pool);
	check_int_eq(g.outcome, SASL_FAILED);
	check_int_eq(pool, 1);
	buf_fini(&g.ticket);
	check_int_eq(set_password(STR("ana@example.org"), 7, STR("other")), 1);
	g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.1", &pool);
	check_int_eq(g.outcome, SASL_FAILED);
	buf_fini(&g.ticket);
	g = sign_in(STR("\0ana@example.org\0other"), "192.0.2.1", &pool);
	check_int_eq(g.outcome, SASL_OK);
	check_int_eq(pool, 1);
	buf_fini(&g.ticket);
	now_ms += UINT64_C(10) * 60 * 1000;
	g = sign_in(STR("\0ana@example.org\0other"), "192.0.2.1", &pool);
	check_int_eq(pool, 1);
	buf_fini(&g.ticket);
}

/* A check that began before the password changed must not put the old one into the cache. */
static void test_change_during_check(void **state)
{
	struct got g = { .ticket = BUF_INIT(TICKET_MAX) };
	struct frame_sasl_start f =
	    start_frame(STR("PLAIN"), STR("\0ana@example.org\0secret"), "192.0.2.1");
	struct auth_exchange *x = auth_start(service, &f, on_reply, &g);
	int changed = -1;
	unsigned pool;

	(void)state;
	auth_credential_set(
	    service, STR("ana@example.org"), 7, STR("new"), on_credential, &changed);
	/* Whichever of the two finishes first: the old password is not good afterwards. */
	run_one_job();
	run_one_job();
	check_int_eq(changed, 1);
	auth_end(x);
	buf_fini(&g.ticket);
	g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.1", &pool);
	check_int_eq(g.outcome, SASL_FAILED);
	check_int_eq(pool, 1);
	buf_fini(&g.ticket);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		str initial;
		enum sasl_outcome want;
	} cases[] = {
		{ "wrong password", STR_INIT("\0ana@example.org\0no"), SASL_FAILED },
		{ "unknown user", STR_INIT("\0nobody@example.org\0no"), SASL_FAILED },
		{ "unusable name", STR_INIT("\0a b\0secret"), SASL_FAILED },
		{ "unusable password", STR_INIT("\0ana@example.org\0sec\tret"), SASL_FAILED },
		{ "as somebody else", STR_INIT("bea@example.org\0ana@example.org\0secret"),
		    SASL_FAILED },
		{ "as oneself", STR_INIT("ANA@example.org\0ana@example.org\0secret"), SASL_OK },
		{ "malformed", STR_INIT("ana@example.org"), SASL_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char address[32];
		unsigned pool;
		snprintf(address, sizeof(address), "192.0.2.%zu", 100 + i);
		struct got g = sign_in(cases[i].initial, address, &pool);
		check_case(cases[i].name, g.outcome == cases[i].want);
		/* Nothing that was looked at tells names that exist from others. */
		check_case(cases[i].name, cases[i].want == SASL_MALFORMED || pool == 1);
		if (g.outcome == SASL_FAILED)
			check_case_str(
			    cases[i].name, str_c(g.text), STR("wrong user name or password"));
		buf_fini(&g.ticket);
	}
}

static void test_failures_wait_and_ban(void **state)
{
	unsigned pool;
	struct got g;

	(void)state;
	for (unsigned i = 0; i < throttle_limits_default.failures; i++) {
		char initial[64];
		int len = snprintf(initial, sizeof(initial), "%cana@example.org%cwrong%u", 0, 0, i);
		g = sign_in(str_new(initial, (size_t)len), "192.0.2.66", &pool);
		check_int_eq(g.outcome, SASL_FAILED);
		check(g.wait_ms >= 2000 && g.wait_ms <= 15000);
		buf_fini(&g.ticket);
	}
	g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.66", &pool);
	check_int_eq(g.outcome, SASL_UNAVAILABLE);
	check_int_eq(pool, 0);
	buf_fini(&g.ticket);
	g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.67", &pool);
	check_int_eq(g.outcome, SASL_OK);
	check_int_eq(g.wait_ms, 15000);
	buf_fini(&g.ticket);
}

static void test_needs_tls(void **state)
{
	static const struct {
		const char *name, *mechanism, *address;
		bool allow, tls;
		enum sasl_outcome want;
	} cases[] = {
		{ "clear", "PLAIN", "192.0.2.1", false, false, SASL_NEEDS_TLS },
		{ "clear on this machine", "PLAIN", "127.0.0.1", false, false, SASL_NEEDS_TLS },
		{ "clear allowed, elsewhere", "PLAIN", "192.0.2.1", true, false, SASL_NEEDS_TLS },
		{ "clear allowed, here", "PLAIN", "127.0.0.2", true, false, SASL_CONTINUE },
		{ "tls", "PLAIN", "192.0.2.1", false, true, SASL_CONTINUE },
		{ "scram in clear", "SCRAM-SHA-256", "192.0.2.1", false, false, SASL_NEEDS_TLS },
		{ "unknown", "NTLM", "192.0.2.1", false, true, SASL_UNKNOWN_MECHANISM },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct got g = { .ticket = BUF_INIT(TICKET_MAX) };
		struct frame_sasl_start f =
		    start_frame(str_c(cases[i].mechanism), STR_NONE, cases[i].address);
		f.tls = cases[i].tls;
		auth_set_allow_plain(service, cases[i].allow);
		struct auth_exchange *x = auth_start(service, &f, on_reply, &g);
		check_case(cases[i].name, g.count == 1 && g.outcome == cases[i].want);
		auth_end(x);
	}
	auth_set_allow_plain(service, false);
}

/* Known and unknown names get the same first answer, twice the same salt. */
static void test_scram_names(void **state)
{
	static const str first[] = {
		STR_INIT("n,,n=ana@example.org,r=abc"),
		STR_INIT("n,,n=nobody@example.org,r=abc"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(first); i++) {
		char salts[2][512];
		for (unsigned again = 0; again < 2; again++) {
			struct got g = { .ticket = BUF_INIT(TICKET_MAX) };
			struct frame_sasl_start f =
			    start_frame(STR("SCRAM-SHA-256"), first[i], "192.0.2.1");
			struct auth_exchange *x = auth_start(service, &f, on_reply, &g);
			check_int_eq(g.outcome, SASL_CONTINUE);
			check_int_eq(strlen(g.data), strlen("r=abc,s=,i=10000") + 32 + 24);
			char *salt = strstr(g.data, ",s=");
			check(salt != NULL);
			snprintf(salts[again], sizeof(salts[again]), "%s", salt);
			auth_step(x,
			    STR("c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
			    on_reply, &g);
			check_int_eq(g.outcome, SASL_FAILED);
			check_int_eq(g.count, 2);
			auth_end(x);
		}
		check_str_eq(str_c(salts[0]), str_c(salts[1]));
	}
}

static void test_given_up(void **state)
{
	struct got g = { .ticket = BUF_INIT(TICKET_MAX) };
	struct frame_sasl_start f =
	    start_frame(STR("PLAIN"), STR("\0ana@example.org\0no"), "192.0.2.1");
	struct auth_exchange *x = auth_start(service, &f, on_reply, &g);

	(void)state;
	auth_end(x);
	run_one_job();
	check_int_eq(g.count, 0);
}

static void test_remove(void **state)
{
	int removed = -1;
	unsigned pool;
	struct got g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.1", &pool);

	(void)state;
	buf_fini(&g.ticket);
	auth_credential_remove(service, STR("ana@example.org"), on_credential, &removed);
	run_one_job();
	check_int_eq(removed, 1);
	g = sign_in(STR("\0ana@example.org\0secret"), "192.0.2.1", &pool);
	check_int_eq(g.outcome, SASL_FAILED);
	buf_fini(&g.ticket);
	removed = -1;
	auth_credential_remove(service, STR("ana@example.org"), on_credential, &removed);
	run_one_job();
	check_int_eq(removed, 1);
}

int main(void)
{
#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SERVICE(test_plain),
		WITH_SERVICE(test_cache),
		WITH_SERVICE(test_change_during_check),
		WITH_SERVICE(test_refused),
		WITH_SERVICE(test_failures_wait_and_ban),
		WITH_SERVICE(test_needs_tls),
		WITH_SERVICE(test_scram_names),
		WITH_SERVICE(test_given_up),
		WITH_SERVICE(test_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
