/* Tests of role keys over real links: keys for DKIM come from the supervisor, core alone may have them used, and
 * nobody gets more than that. */
#include "check.h"

#include <unistd.h>

#include "base/fd.h"
#include "roles/role.h"
#include "roles/start.h"
#include "services/keys/dkim_files.h"

#define NAME "s._domainkey.example.org"

struct side {
	enum role_id id;
	struct link *link; /* the peer's end */
	bool is_lost;
};

static struct role role;
static struct side supervisor = { .id = ROLE_SUPERVISOR }, core = { .id = ROLE_CORE },
                   front = { .id = ROLE_FRONT_MX };

void role_exit(struct role *r, int status)
{
	(void)r;
	(void)status;
}

static int on_frame(void *owner, struct link *link, struct link_frame *in)
{
	const struct side *side = owner;

	return role_keys.frame(&role, side->id, 0, link, in);
}

static void on_lost_here(void *owner, struct link *link, str why)
{
	(void)link;
	(void)why;
	((struct side *)owner)->is_lost = true;
}

static void on_lost(void *owner, struct link *link, str why)
{
	(void)owner;
	(void)link;
	(void)why;
}

static void join(struct side *side)
{
	static const struct frame_def *const nothing[] = { NULL };
	struct link_options here = { .peer = "test",
		.accepts = role_keys.accepts[side->id],
		.on_frame = on_frame,
		.on_lost = on_lost_here,
		.owner = side,
		.queue_max = 1 << 20 };
	struct link_options there = here;
	struct err err;
	int fds[2];

	check(link_pair(fds, &err) == 0);
	there.accepts = nothing;
	there.on_lost = on_lost;
	link_free(side->link);
	link_free(role.links[side->id][0]);
	role.links[side->id][0] = link_new(role.loop, fds[0], &here);
	side->link = link_new(role.loop, fds[1], &there);
	side->is_lost = false;
}

static int setup(void **state)
{
	AUTO_BUF none = BUF_INIT(64);
	struct err err;

	(void)state;
	start_certificates_write(NULL, 0, true, &none);
	role = (struct role){ .id = ROLE_KEYS,
		.loop = loop_new(),
		.certificates = start_memfd("certificates", buf_str(&none), &err),
		.log = { .role = "keys", .level = LOG_LEVEL_ALERT, .fd = -1 } };
	if (role.certificates < 0 || role_keys.start(&role, &err) < 0)
		return -1;
	join(&supervisor);
	join(&core);
	join(&front);
	return 0;
}

static int teardown(void **state)
{
	struct side *sides[] = { &supervisor, &core, &front };

	(void)state;
	for (size_t i = 0; i < COUNT(sides); i++) {
		link_free(sides[i]->link);
		link_free(role.links[sides[i]->id][0]);
	}
	loop_free(role.loop);
	return 0;
}

/* ---- asking ---- */

static struct {
	bool is_there, ok;
	size_t bytes;
} answer;

static void on_signature(void *arg, struct link_frame *reply)
{
	struct frame_key_signature s = { 0 };

	(void)arg;
	answer.is_there = reply && frame_decode(reply->def, reply->payload, &s, NULL) == 0;
	answer.ok = s.ok;
	answer.bytes = s.signature.len;
	loop_stop(role.loop);
}

static void on_taken(void *arg, struct link_frame *reply)
{
	struct frame_dkim_taken t = { 0 };

	(void)arg;
	answer.is_there = reply && frame_decode(reply->def, reply->payload, &t, NULL) == 0;
	answer.ok = t.ok;
	loop_stop(role.loop);
}

static void ask_signature(struct side *from, const char *name, uint32_t scheme, size_t digest_bytes)
{
	static const char digest[64];
	struct frame_dkim_sign f = { str_c(name), scheme, str_new(digest, digest_bytes) };

	link_request(from->link, &frame_def_dkim_sign, &f, NULL, 0, &frame_def_key_signature,
	    on_signature, NULL);
	loop_run(role.loop);
}

static void hand_over(str block)
{
	struct frame_dkim_keys f = { .version = 1 };
	struct err err;
	AUTO_FD fd = start_memfd("dkim keys", block, &err);

	link_request(supervisor.link, &frame_def_dkim_keys, &f, &fd, 1, &frame_def_dkim_taken,
	    on_taken, NULL);
	loop_run(role.loop);
	check(answer.is_there);
}

static void hand_over_key(const char *algorithm)
{
	AUTO_BUF pem = BUF_INIT(DKIM_FILE_BYTES), public = BUF_INIT(4096);
	AUTO_BUF block = BUF_INIT(DKIM_FILE_BYTES * 2);
	struct err err;

	check(dkim_key_make(str_c(algorithm), &pem, &public, &err) == 0);
	buf_add_counted(&block, STR(NAME));
	buf_add_counted(&block, buf_str(&pem));
	hand_over(buf_str(&block));
	check(answer.ok);
}

/* ---- tests ---- */

static void test_signs(void **state)
{
	static const struct {
		const char *name, *key;
		uint32_t scheme;
		size_t digest_bytes;
		bool ok;
	} cases[] = {
		{ "good", NAME, 0x0401, 32, true },
		{ "in capitals", "S._DOMAINKEY.EXAMPLE.ORG", 0x0401, 32, true },
		{ "another key", "t._domainkey.example.org", 0x0401, 32, false },
		{ "no name", "", 0x0401, 32, false },
		{ "the scheme of another algorithm", NAME, 0x0807, 32, false },
		{ "no scheme", NAME, 0, 32, false },
		{ "a short digest", NAME, 0x0401, 31, false },
		{ "a long digest", NAME, 0x0401, 33, false },
	};

	(void)state;
	ask_signature(&core, NAME, 0x0401, 32);
	check(answer.is_there && !answer.ok);
	hand_over_key("rsa");
	for (size_t i = 0; i < COUNT(cases); i++) {
		ask_signature(&core, cases[i].key, cases[i].scheme, cases[i].digest_bytes);
		check_case(cases[i].name, answer.is_there && answer.ok == cases[i].ok);
		check_case(cases[i].name, (answer.bytes > 0) == cases[i].ok);
	}
}

/* What cannot be read takes nothing away. */
static void test_bad_block(void **state)
{
	(void)state;
	hand_over_key("ed25519");
	hand_over(STR("\x05"
	              "abc"));
	check(!answer.ok);
	ask_signature(&core, NAME, 0x0807, 32);
	check(answer.ok);
	hand_over(STR_NONE);
	check(answer.ok);
	ask_signature(&core, NAME, 0x0807, 32);
	check(answer.is_there && !answer.ok);
}

/* Fronts are close to strangers and must not sign mail; core must not pose as the server. */
static void test_others(void **state)
{
	static const char digest[32];
	struct frame_key_sign f = { 0, 0x0403, STR_INIT("") };

	(void)state;
	hand_over_key("ed25519");
	ask_signature(&front, NAME, 0x0807, 32);
	check(!answer.is_there && front.is_lost);
	f.digest = str_new(digest, sizeof(digest));
	link_request(core.link, &frame_def_key_sign, &f, NULL, 0, &frame_def_key_signature,
	    on_signature, NULL);
	loop_run(role.loop);
	check(!answer.is_there && core.is_lost);
	join(&core);
	join(&front);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signs),
		cmocka_unit_test(test_bad_block),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
