/* Whole messages: the same results however the body is cut and whenever the keys come; what is signed here
 * verifies here. */
#include <assert.h>

#include "formats/header.h"
#include "protocols/dkim/dkim_fake.h"
#include "protocols/dkim/sign.h"
#include "protocols/dkim/verify.h"

static void answer_all(struct arena *a, struct dkim_verify *v)
{
	struct dns_question q;

	while (dkim_verify_next_question(v, &q)) {
		struct dns_record *r = arena_one(a, struct dns_record);
		bool is_ed25519 = q.name.ptr[0] == 'e';
		*r = (struct dns_record){ .data = is_ed25519 ? STR("k=ed25519; p=Z29vZA==")
			                                     : STR("p=Z29vZA==") };
		struct dns_answer answer = { .status = DNS_OK, .records = r, .count = 1 };
		dkim_verify_answer(v, q.id, &answer);
	}
}

static void run(str message, size_t step, bool is_key_first, struct buf *out)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 30);
	str header = header_block(message), body = str_skip(message, header.len);
	struct dkim_verify *v = dkim_verify_start(
	    a, header, &(struct dkim_verify_options){ .now_s = 1700000000, .crypto = &dkim_fake });

	if (is_key_first)
		answer_all(a, v);
	for (; body.len; body = str_skip(body, step))
		dkim_verify_body(v, str_sub(body, 0, step));
	dkim_verify_body_end(v);
	answer_all(a, v);
	const struct dkim_results *r = dkim_verify_result(v);
	assert(r && r->count <= DKIM_SIGNATURES_MAX);
	for (size_t i = 0; i < r->count; i++) {
		assert(r->items[i].status != DKIM_NONE);
		assert(r->items[i].status == dkim_reason_status(r->items[i].reason));
		buf_addf(out, "%d ", (int)r->items[i].reason);
	}
}

static void sign_and_verify(str message)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 30);
	AUTO_BUF all = BUF_INIT(1 << 22);
	AUTO_BUF results = BUF_INIT(1 << 16);
	struct dkim_sign_key keys[] = { { DKIM_ED25519_SHA256, STR("e") },
		{ DKIM_RSA_SHA256, STR("s") } };
	struct dkim_sign_options o = { .domain = STR("example.org"), .keys = keys, .key_count = 2 };
	str header = header_block(message);
	struct dkim_sign *s = dkim_sign_start(a, header, &o, NULL);
	struct dkim_sign_question q;

	/* A block that is cut short by its limit is not what a verifier sees. */
	if (!s || str_find(message, STR("DKIM-Signature")) != STR_NPOS)
		return;
	dkim_sign_body(s, str_skip(message, header.len));
	dkim_sign_body_end(s);
	while (dkim_sign_next_question(s, &q))
		dkim_sign_answer(s, q.id, q.digest);
	buf_add(&all, *dkim_sign_result(s));
	buf_add(&all, message);
	run(buf_str(&all), 7, true, &results);
	/* A message that begins with blanks would continue the signature field. */
	if (message.ptr[0] != ' ' && message.ptr[0] != '\t')
		assert(str_starts(buf_str(&results), STR("0 0 ")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF whole = BUF_INIT(1 << 16);
	AUTO_BUF cut = BUF_INIT(1 << 16);

	if (size < 2 || size > 16384)
		return 0;
	str message = str_new(data + 1, size - 1);
	run(message, size, false, &whole);
	run(message, 1 + data[0] % 64, true, &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	sign_and_verify(message);
	return 0;
}
