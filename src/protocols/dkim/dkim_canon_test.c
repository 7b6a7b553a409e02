#include "check.h"

#include "protocols/dkim/body_hash.h"

static void add_piece(void *arg, str piece)
{
	buf_add(arg, piece);
}

/* step 0: in one piece. */
static void canon(enum dkim_canon kind, str body, size_t step, struct buf *out)
{
	struct dkim_body_canon c = { .kind = kind };

	while (body.len) {
		str piece = str_sub(body, 0, step ? step : body.len);
		dkim_body_canon_feed(&c, piece, add_piece, out);
		body = str_skip(body, piece.len);
	}
	dkim_body_canon_end(&c, add_piece, out);
}

static void canon_cut(enum dkim_canon kind, str body, size_t cut, struct buf *out)
{
	struct dkim_body_canon c = { .kind = kind };

	dkim_body_canon_feed(&c, str_sub(body, 0, cut), add_piece, out);
	dkim_body_canon_feed(&c, str_skip(body, cut), add_piece, out);
	dkim_body_canon_end(&c, add_piece, out);
}

static const struct {
	const char *name, *body, *simple, *relaxed;
} bodies[] = {
	/* clang-format off */
	{ "RFC 6376 §3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n" },
	{ "empty", "", "\r\n", "" },
	{ "one line end", "\r\n", "\r\n", "" },
	{ "line ends", "\r\n\r\n\r\n", "\r\n", "" },
	{ "blank", " ", " \r\n", "" },
	{ "blank line", " \t\r\n", " \t\r\n", "" },
	{ "blank lines between", "a\r\n \r\n\t\r\nb\r\n", "a\r\n \r\n\t\r\nb\r\n", "a\r\n\r\n\r\nb\r\n" },
	{ "blank lines at the end", "a\r\n \r\n\r\n", "a\r\n \r\n", "a\r\n" },
	{ "no line end", "a", "a\r\n", "a\r\n" },
	{ "no line end, blank", "a ", "a \r\n", "a\r\n" },
	{ "lone CR", "a\rb \r c\r", "a\rb \r c\r\r\n", "a\rb \r c\r\r\n" },
	{ "lone LF", "a\nb \n", "a\nb \n\r\n", "a\nb \n\r\n" },
	{ "CR CR LF", "a\r\r\nb", "a\r\r\nb\r\n", "a\r\r\nb\r\n" },
	{ "blanks in a row", "\t a \t b\t\r\n", "\t a \t b\t\r\n", " a b\r\n" },
	/* clang-format on */
};

static void test_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		str body = str_c(bodies[i].body);
		for (size_t cut = 0; cut <= body.len; cut++) {
			AUTO_BUF simple = BUF_INIT(4096);
			AUTO_BUF relaxed = BUF_INIT(4096);
			canon_cut(DKIM_SIMPLE, body, cut, &simple);
			canon_cut(DKIM_RELAXED, body, cut, &relaxed);
			check_case_str(bodies[i].name, buf_str(&simple), str_c(bodies[i].simple));
			check_case_str(bodies[i].name, buf_str(&relaxed), str_c(bodies[i].relaxed));
		}
		AUTO_BUF bytewise = BUF_INIT(4096);
		canon(DKIM_RELAXED, body, 1, &bytewise);
		check_case_str(bodies[i].name, buf_str(&bytewise), str_c(bodies[i].relaxed));
	}
}

/* Longer than the stage, in pieces of every size around it. */
static void test_long_body(void **state)
{
	AUTO_BUF body = BUF_INIT(1 << 20);
	AUTO_BUF whole = BUF_INIT(1 << 20);

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_addf(&body, "line %d  of\t text%s\r\n%s", i, i % 3 ? " " : "",
		    i % 50 ? "" : "\r\n\r\n");
	for (int i = 0; i < 6000; i++)
		buf_addc(&body, 'x');
	canon(DKIM_RELAXED, buf_str(&body), 0, &whole);
	for (size_t step = DKIM_CANON_STAGE - 2; step <= DKIM_CANON_STAGE + 2; step++) {
		AUTO_BUF out = BUF_INIT(1 << 20);
		canon(DKIM_RELAXED, buf_str(&body), step, &out);
		check(str_eq(buf_str(&out), buf_str(&whole)));
	}
}

static void test_header(void **state)
{
	static const struct {
		const char *field, *simple, *relaxed;
	} cases[] = {
		/* clang-format off */
		{ "A: X\r\n", "A: X\r\n", "a:X\r\n" },
		{ "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n" },
		{ "SubJect:\r\n  AbC\r\n", "SubJect:\r\n  AbC\r\n", "subject:AbC\r\n" },
		{ "Subject:", "Subject:\r\n", "subject:\r\n" },
		{ "Subject: a\r b\r\n", "Subject: a\r b\r\n", "subject:a\r b\r\n" },
		{ "Subject: a\n b\n", "Subject: a\n b\r\n", "subject:a b\r\n" },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct header_field f;
		str rest = str_c(cases[i].field);
		AUTO_BUF simple = BUF_INIT(4096);
		AUTO_BUF relaxed = BUF_INIT(4096);
		check(header_next(&rest, &f));
		dkim_header_canon(DKIM_SIMPLE, &f, STR_NONE, add_piece, &simple);
		dkim_header_canon(DKIM_RELAXED, &f, STR_NONE, add_piece, &relaxed);
		check_case_str(cases[i].field, buf_str(&simple), str_c(cases[i].simple));
		check_case_str(cases[i].field, buf_str(&relaxed), str_c(cases[i].relaxed));
	}
}

static void test_omit(void **state)
{
	struct header_field f;
	str rest = STR("S: b= x\r\n y ; c=1\r\n");
	AUTO_BUF simple = BUF_INIT(256);
	AUTO_BUF relaxed = BUF_INIT(256);

	(void)state;
	check(header_next(&rest, &f));
	str omit = str_sub(f.value, str_chr(f.value, '=') + 1, strlen(" x\r\n y "));
	dkim_header_canon(DKIM_SIMPLE, &f, omit, add_piece, &simple);
	dkim_header_canon(DKIM_RELAXED, &f, omit, add_piece, &relaxed);
	check_str_eq(buf_str(&simple), STR("S: b=; c=1"));
	check_str_eq(buf_str(&relaxed), STR("s:b=; c=1"));
}

static void hex(str bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++)
		buf_addf(out, "%02x", (unsigned)(unsigned char)bytes.ptr[i]);
}

static void test_several_hashes(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct dkim_body_hash *h = dkim_body_hash_new(a);
	AUTO_BUF simple = BUF_INIT(128);
	AUTO_BUF relaxed = BUF_INIT(128);
	int s = dkim_body_hash_add(h, DKIM_SIMPLE, DKIM_WHOLE_BODY);
	int r = dkim_body_hash_add(h, DKIM_RELAXED, DKIM_WHOLE_BODY);
	int none = dkim_body_hash_add(h, DKIM_RELAXED, 0);

	(void)state;
	check_int_eq(dkim_body_hash_add(h, DKIM_SIMPLE, DKIM_WHOLE_BODY), s);
	for (uint64_t i = 0; i < DKIM_BODY_HASHES_MAX - 3; i++)
		check(dkim_body_hash_add(h, DKIM_SIMPLE, i + 1) >= 0);
	check_int_eq(dkim_body_hash_add(h, DKIM_SIMPLE, 1000), -1);
	dkim_body_hash_end(h);
	/* The hashes of an empty body, RFC 6376 §3.4.3 and §3.4.4, in hex. */
	hex(dkim_body_hash_digest(h, s), &simple);
	hex(dkim_body_hash_digest(h, r), &relaxed);
	check_str_eq(buf_str(&simple),
	    STR("7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6"));
	check_str_eq(buf_str(&relaxed),
	    STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
	check(str_eq(dkim_body_hash_digest(h, none), dkim_body_hash_digest(h, r)));
	check_int_eq(dkim_body_hash_bytes(h, s), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_long_body),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_omit),
		cmocka_unit_test(test_several_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
