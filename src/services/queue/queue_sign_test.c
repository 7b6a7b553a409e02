/* What relay is given: signed as submitted mail of ours, verifiable by the public half of the key, and the same at
 * each attempt; mail that only passes through as it came. */
#include "check.h"

#include "base/secret.h"
#include "formats/header.h"
#include "protocols/dkim/verify.h"
#include "services/keys/dkim_files.h"
#include "services/queue/internal.h"
#include "services/store/fixture.h"

#define HEADER "From: Ana <ana@example.org>\r\nTo: y@remote.example\r\nSubject: x\r\n\r\n"
#define TOP "Return-Path: <ana@example.org>\r\n"

enum { LARGE = 100000 };

static struct fixture f;
static struct {
	struct keys *ring;
	char record[2][4096];
	bool is_down;
} dkim;
static const struct log quiet = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 };
static struct signer *signer;

static int sign_here(
    void *owner, str name, uint16_t scheme, str digest, struct buf *out, struct err *err)
{
	uint32_t number;

	(void)owner;
	if (dkim.is_down)
		return err_set(err, ERR_RETRY, "role keys does not answer");
	check(keys_find(dkim.ring, name, &number));
	return keys_sign(dkim.ring, number, scheme, digest, out);
}

static int add_key_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_dkim_add(t, arg, err);
}

static void add_key(size_t i, const char *algorithm)
{
	AUTO_BUF pem = BUF_INIT(DKIM_FILE_BYTES), public = BUF_INIT(4096);
	struct store_dkim_key key = { STR("example.org"), str_c(algorithm), str_c(algorithm),
		STR_NONE, 0, 1 };
	char name[DKIM_NAME_BYTES];

	fixture_must(&f, dkim_key_make(str_c(algorithm), &pem, &public, &f.err));
	fixture_must(&f, dkim_key_name(key.selector, key.domain, name, &f.err));
	fixture_must(&f, keys_add_named(dkim.ring, str_c(name), buf_str(&pem), &f.err));
	key.public_key = buf_str(&public);
	fixture_must(&f, store_write(f.store, add_key_job, &key, &f.err));
	snprintf(dkim.record[i], sizeof(dkim.record[i]), "v=DKIM1; k=%s; p=" STR_FMT, algorithm,
	    STR_ARG(buf_str(&public)));
}

static int setup(void **state)
{
	(void)state;
	fixture_begin(&f);
	dkim.ring = keys_new();
	add_key(0, "rsa");
	add_key(1, "ed25519");
	signer = signer_new(f.store, &quiet, &(struct signer_env){ .sign = sign_here });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	signer_free(signer);
	keys_free(dkim.ring);
	fixture_end(&f);
	return 0;
}

static uint64_t deliver(str message, uint32_t flags)
{
	struct store_piece piece = { .bytes = message, .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct delivery_target target = { .address = STR("y@remote.example"),
		.recipient = STR("y@remote.example") };
	struct delivery d = { .id = random_u64() >> 2,
		.message = { .body = &body, .index = STR("index") },
		.now = 1700000000,
		.sender = STR("ana@example.org"),
		.received = STR(""),
		.queue_flags = flags,
		.expires_at = 1700432000,
		.targets = &target,
		.target_count = 1 };

	fixture_must(&f, store_body_hash(&body, &f.err));
	fixture_must(&f, store_write(f.store, deliver_job, &d, &f.err));
	return target.queue_id;
}

static const struct config config = { .relay_port = 25 };

/* What the frame holds, in the arena of the fixture. */
static int load(uint64_t id, str *out)
{
	struct queue q = { .store = f.store, .log = &quiet, .config = &config, .signer = signer };
	struct queue_job job = { .queue = &q,
		.arena = arena_new(NULL, "job", 64 << 20),
		.ids = &id,
		.id_count = 1,
		.fd = -1,
		.now = 1700000100 };

	queue_load(&job);
	if (job.outcome == 0 && job.fd >= 0) {
		char *bytes = arena_alloc(f.arena, job.frame.body_bytes);
		check(fd_pread_all(job.fd, bytes, job.frame.body_bytes, 0) == 0);
		*out = str_new(bytes, job.frame.body_bytes);
	} else if (job.outcome == 0) {
		check_int_eq(job.frame.body.len, job.frame.body_bytes);
		*out = arena_str(f.arena, job.frame.body);
	}
	f.err = job.err;
	if (job.has_blob)
		store_blob_release(&job.blob);
	fd_close(&job.fd);
	arena_free(job.arena);
	return job.outcome;
}

static size_t good_signatures(str message)
{
	struct dkim_verify_options o = { .now_s = 1700000200 };
	str header = header_block(message);
	struct dkim_verify *v = dkim_verify_start(f.arena, header, &o);
	struct dns_question q;
	size_t good = 0;

	dkim_verify_body(v, str_skip(message, header.len));
	dkim_verify_body_end(v);
	while (dkim_verify_next_question(v, &q)) {
		struct dns_record r = { .data = str_c(
			                    dkim.record[str_starts(q.name, STR("ed")) ? 1 : 0]) };
		dkim_verify_answer(
		    v, q.id, &(struct dns_answer){ .status = DNS_OK, .records = &r, .count = 1 });
	}
	const struct dkim_results *results = dkim_verify_result(v);
	for (size_t i = 0; i < results->count; i++) {
		check(results->items[i].is_oversigned);
		good += results->items[i].reason == DKIM_OK;
	}
	return good;
}

static void test_signed(void **state)
{
	static char large[LARGE];
	str sent, again;

	(void)state;
	memset(large, 'x', sizeof(large));
	memcpy(large, TOP HEADER, strlen(TOP HEADER));
	for (size_t i = 900; i + 2 < sizeof(large); i += 900)
		memcpy(large + i, "\r\n", 2);
	memcpy(large + sizeof(large) - 2, "\r\n", 2);
	const str messages[] = { STR(TOP HEADER "hello\r\n"), STR(TOP HEADER),
		str_new(large, sizeof(large)) };
	for (size_t i = 0; i < COUNT(messages); i++) {
		uint64_t id = deliver(messages[i], STORE_QUEUE_SUBMITTED);
		check(load(id, &sent) == 0);
		check(str_starts(sent, STR("DKIM-Signature:")));
		check(str_ends(sent, str_skip(messages[i], strlen(TOP))));
		check_int_eq(good_signatures(sent), 2);
		check(load(id, &again) == 0);
		check(str_eq(sent, again));
	}
}

/* A stranger's mail with our address in From, on its way through an alias, gets no signature of ours. */
static void test_passing_through(void **state)
{
	str sent = STR_NONE;

	(void)state;
	check(load(deliver(STR(TOP HEADER "hello\r\n"), 0), &sent) == 0);
	check(str_eq(sent, STR(HEADER "hello\r\n")));
}

static void test_keys_down(void **state)
{
	uint64_t id = deliver(STR(TOP HEADER "another\r\n"), STORE_QUEUE_SUBMITTED);
	str sent = STR_NONE;

	(void)state;
	dkim.is_down = true;
	check(load(id, &sent) < 0);
	check_int_eq(f.err.kind, ERR_RETRY);
	dkim.is_down = false;
	check(load(id, &sent) == 0);
	check_int_eq(good_signatures(sent), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_passing_through),
		cmocka_unit_test(test_keys_down),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
