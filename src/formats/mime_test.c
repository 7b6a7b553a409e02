/* Tests of the MIME parser. A tree is written as one line: each part as type[header+body,lines], in
 * brackets after it what it holds. */
#include "check.h"

#include "formats/header.h"
#include "formats/mime.h"

static void describe(const struct mime_tree *tree, struct buf *out)
{
	uint32_t open[2 * MIME_DEPTH_MAX];
	size_t depth = 0;

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct index_part *p = &tree->parts[i].at;
		while (depth > 0 && open[depth - 1] != p->parent) {
			buf_addc(out, ')');
			depth--;
		}
		if (p->number > 1)
			buf_addc(out, ' ');
		buf_add(out, p->type);
		buf_addf(out, "[%u+%u,%u]", (unsigned)p->header_bytes, (unsigned)p->body_bytes,
		    p->lines);
		if (p->kind != PART_LEAF) {
			buf_addc(out, '(');
			open[depth++] = i;
		}
	}
	for (; depth > 0; depth--)
		buf_addc(out, ')');
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

/* clang-format off */
static const struct {
	const char *name;
	str in, want;
} cases[] = {
	{ "empty", STR_INIT(""), STR_INIT("text/plain[0+0,0]") },
	{ "only a header", STR_INIT("A: b\r\n"), STR_INIT("text/plain[6+0,0]") },
	{ "plain", STR_INIT("A: b\r\n\r\nhello\r\n"), STR_INIT("text/plain[8+7,1]") },
	{ "plain, no last line end", STR_INIT("A: b\r\n\r\nhello"), STR_INIT("text/plain[8+5,0]") },
	{ "bare LF", STR_INIT("A: b\n\nhello\nyou\n"), STR_INIT("text/plain[6+10,2]") },
	{ "two parts", STR_INIT(MIXED "--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n\r\n--b--\r\n"),
	  STR_INIT("multipart/mixed[45+58,9](text/plain[2+3,0] text/html[27+5,1])") },
	{ "preamble and epilogue", STR_INIT(MIXED "pre\r\n--b\r\n\r\none\r\n--b--\r\nepi\r\n--b\r\n"),
	  STR_INIT("multipart/mixed[45+34,7](text/plain[2+3,0])") },
	{ "no end boundary", STR_INIT(MIXED "--b\r\n\r\none\r\n"), STR_INIT("multipart/mixed[45+12,3](text/plain[2+5,1])") },
	{ "no boundary line", STR_INIT(MIXED "hello\r\n"), STR_INIT("text/plain[45+7,1]") },
	{ "no boundary parameter", STR_INIT("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"), STR_INIT("text/plain[33+17,4]") },
	{ "empty boundary", STR_INIT("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx\r\n"), STR_INIT("text/plain[46+9,3]") },
	{ "only the end boundary", STR_INIT(MIXED "--b--\r\n"), STR_INIT("text/plain[45+7,1]") },
	{ "boundary at once after the header", STR_INIT(MIXED "--b\r\n\r\n--b--\r\n"), STR_INIT("multipart/mixed[45+14,3](text/plain[2+0,0])") },
	{ "boundary inside a part header", STR_INIT(MIXED "--b\r\nX: y\r\n--b\r\n\r\none\r\n--b--"),
	  STR_INIT("multipart/mixed[45+28,5](text/plain[6+0,0] text/plain[2+3,0])") },
	{ "boundary right after a boundary", STR_INIT(MIXED "--b\r\n--b\r\n\r\none\r\n--b--"),
	  STR_INIT("multipart/mixed[45+22,4](text/plain[0+0,0] text/plain[2+3,0])") },
	{ "blanks behind the boundary", STR_INIT(MIXED "--b \t\r\n\r\none\r\n--b--  \r\nx"), STR_INIT("multipart/mixed[45+24,4](text/plain[2+3,0])") },
	{ "text behind the boundary is no boundary", STR_INIT(MIXED "--b\r\n\r\n--bx\r\n--b-\r\n --b\r\n--b--"),
	  STR_INIT("multipart/mixed[45+30,5](text/plain[2+16,2])") },
	{ "words behind the boundary, RFC 2046 section 5.1.1", STR_INIT(MIXED "--b x\r\n\r\none\r\n--b-- x\r\n--b\r\n"),
	  STR_INIT("multipart/mixed[45+28,5](text/plain[2+3,0])") },
	{ "boundary that is the first word of the outer one",
	  STR_INIT("Content-Type: multipart/mixed; boundary=\"b c\"\r\n\r\n--b c\r\n" MIXED "--b\r\n\r\none\r\n--b c--\r\n"),
	  STR_INIT("multipart/mixed[49+73,7](multipart/mixed[45+10,2](text/plain[2+3,0]))") },
	{ "boundary declared with blanks at its end", STR_INIT("Content-Type: multipart/mixed; boundary=\"b \"\r\n\r\n--b \r\n\r\none\r\n--b --\r\nepi"),
	  STR_INIT("multipart/mixed[48+24,4](text/plain[2+3,0])") },
	{ "boundary that begins like the outer one",
	  STR_INIT("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n"
	  "--bb\r\n\r\none\r\n--bb--\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
	  STR_INIT("multipart/mixed[45+97,11](multipart/alternative[52+19,3](text/plain[2+3,0]) text/plain[2+3,0])") },
	{ "inner end missing, outer boundary ends both",
	  STR_INIT("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
	  "--i\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
	  STR_INIT("multipart/mixed[45+81,10](multipart/mixed[45+10,2](text/plain[2+3,0]) text/plain[2+3,0])") },
	{ "the same boundary inside", STR_INIT(MIXED "--b\r\n" MIXED "--b\r\n\r\none\r\n--b--\r\n--b--\r\n"),
	  STR_INIT("multipart/mixed[45+76,8](multipart/mixed[45+17,3](text/plain[2+3,0]))") },
	{ "message", STR_INIT("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhello\r\n"),
	  STR_INIT("message/rfc822[32+22,3](text/plain[15+7,1])") },
	{ "message in a multipart", STR_INIT(MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhello\r\n--b--"),
	  STR_INIT("multipart/mixed[45+64,6](message/rfc822[32+20,2](text/plain[15+5,0]))") },
	{ "message cut by a boundary", STR_INIT(MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n--b--"),
	  STR_INIT("multipart/mixed[45+55,4](message/rfc822[32+13,1](text/plain[13+0,0]))") },
	{ "message without a body", STR_INIT(MIXED "--b\r\nContent-Type: message/rfc822\r\n--b--"),
	  STR_INIT("multipart/mixed[45+40,2](text/plain[30+0,0])") },
	{ "digest, RFC 2046 section 5.1.5", STR_INIT("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: a\r\n\r\nx\r\n--b--\r\n"),
	  STR_INIT("multipart/digest[46+31,6](message/rfc822[2+15,2](text/plain[14+1,0]))") },
	{ "global", STR_INIT("Content-Type: Message/Global\r\n\r\n\r\nhi"), STR_INIT("message/global[32+4,1](text/plain[2+2,0])") },
	{ "no media type", STR_INIT("Content-Type: text\r\n\r\nx"), STR_INIT("text/plain[22+1,0]") },
	{ "first Content-Type counts", STR_INIT("Content-Type: text/a\r\nContent-Type: text/b\r\n\r\n"), STR_INIT("text/a[46+0,0]") },
	{ "quoted boundary with blanks", STR_INIT("Content-Type: multipart/mixed; boundary=\"a b \"\r\n\r\n--a b\r\n\r\nx\r\n--a b--\r\n"),
	  STR_INIT("multipart/mixed[50+21,4](text/plain[2+1,0])") },
	{ "boundary by RFC 2231", STR_INIT("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\n\r\nx\r\n--ab--\r\n"),
	  STR_INIT("multipart/mixed[61+19,4](text/plain[2+1,0])") },
};
/* clang-format on */

/* What must hold for every tree, of whatever message. */
static void check_tree(const char *name, str message, const struct mime_tree *tree)
{
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct index_part *p = &tree->parts[i].at;
		uint64_t end = p->body_at + p->body_bytes;
		check_case(name, end <= message.len);
		check_case(name, p->body_at == p->header_at + p->header_bytes);
		check_case(name, (p->parent == UINT32_MAX) == (i == 0));
		check_case(name, i == 0 || p->parent < i);
		if (i == 0)
			continue;
		const struct index_part *parent = &tree->parts[p->parent].at;
		check_case(name, parent->kind != PART_LEAF && p->header_at >= parent->body_at);
		check_case(name, end <= parent->body_at + parent->body_bytes);
	}
}

static void test_trees(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
		AUTO_BUF text = BUF_INIT(4096);
		struct mime_tree tree;
		mime_parse(cases[i].in, a, &tree);
		describe(&tree, &text);
		check_case_str(cases[i].name, buf_str(&text), cases[i].want);
		check_tree(cases[i].name, cases[i].in, &tree);
	}
}

/* Every message cut short anywhere still gives a tree that holds together. */
static void test_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t n = 0; n <= cases[i].in.len; n++) {
			AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
			struct mime_tree tree;
			mime_parse(str_sub(cases[i].in, 0, n), a, &tree);
			check_tree(cases[i].name, str_sub(cases[i].in, 0, n), &tree);
		}
	}
}

static void test_flags(void **state)
{
	static const struct {
		const char *name;
		str in;
		uint32_t flags;
	} flags[] = {
		{ "none", STR_INIT("A: b\r\n\r\nhello\r\n"), 0 },
		{ "bare LF", STR_INIT("A: b\r\n\r\nhello\n"), INDEX_HAS_BARE_LF },
		{ "8-bit body", STR_INIT("A: b\r\n\r\n\xe4\r\n"), INDEX_HAS_8BIT },
		{ "8-bit, no UTF-8", STR_INIT("A: \xe4\r\n\r\n"), INDEX_HAS_8BIT },
		{ "UTF-8 header", STR_INIT("A: \xc3\xa4\r\n\r\n"),
		    INDEX_HAS_8BIT | INDEX_HEADER_UTF8 },
		{ "UTF-8 part header", STR_INIT(MIXED "--b\r\nX: \xc3\xa4\r\n\r\n--b--\r\n"),
		    INDEX_HAS_8BIT | INDEX_HEADER_UTF8 },
		{ "NUL", STR_INIT("A: b\r\n\r\n\0\r\n"), INDEX_HAS_NUL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(flags); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
		struct mime_tree tree;
		mime_parse(flags[i].in, a, &tree);
		check_case(flags[i].name, tree.flags == flags[i].flags);
	}
}

static uint32_t flags_of_line(size_t bytes, const char *end)
{
	AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
	AUTO_BUF text = BUF_INIT(4096);
	struct mime_tree tree;

	buf_add(&text, STR("A: b\r\n\r\n"));
	for (size_t i = 0; i < bytes; i++)
		buf_addc(&text, 'x');
	buf_addz(&text, end);
	mime_parse(buf_str(&text), a, &tree);
	return tree.flags & INDEX_LONG_LINE;
}

static void test_long_lines(void **state)
{
	static const char *const ends[] = { "\r\n", "\n", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		check(!flags_of_line(997, ends[i]));
		check(!flags_of_line(998, ends[i]));
		check(flags_of_line(999, ends[i]));
	}
}

static void test_boundary_limit(void **state)
{
	(void)state;
	for (int over = -1; over <= 1; over++) {
		AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
		AUTO_BUF boundary = BUF_INIT(4096);
		AUTO_BUF text = BUF_INIT(16384);
		struct mime_tree tree;
		for (int i = 0; i < MIME_BOUNDARY_MAX + over; i++)
			buf_addc(&boundary, 'b');
		buf_add(&text, STR("Content-Type: multipart/mixed; boundary="));
		buf_add(&text, buf_str(&boundary));
		buf_add(&text, STR("\r\n\r\n--"));
		buf_add(&text, buf_str(&boundary));
		buf_add(&text, STR("\r\n\r\nx"));
		mime_parse(buf_str(&text), a, &tree);
		check_int_eq(tree.count, over > 0 ? 1 : 2);
	}
}

static void test_depth_limit(void **state)
{
	(void)state;
	for (int depth = MIME_DEPTH_MAX - 1; depth <= MIME_DEPTH_MAX + 1; depth++) {
		AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
		AUTO_BUF text = BUF_INIT(1 << 20);
		struct mime_tree tree;
		for (int i = 0; i < depth; i++)
			buf_addf(&text,
			    "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
		buf_add(&text, STR("\r\nhello\r\n"));
		mime_parse(buf_str(&text), a, &tree);
		check_tree("depth", buf_str(&text), &tree);
		bool deep = depth > MIME_DEPTH_MAX;
		check_int_eq(tree.count, MIME_DEPTH_MAX + (depth < MIME_DEPTH_MAX ? 0 : 1));
		check_str_eq(tree.parts[tree.count - 1].at.type,
		    deep ? STR("application/octet-stream") : STR("text/plain"));
	}
}

static void test_parts_limit(void **state)
{
	(void)state;
	for (int parts = MIME_PARTS_MAX - 3; parts <= MIME_PARTS_MAX; parts++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		AUTO_BUF text = BUF_INIT(1 << 20);
		struct mime_tree tree;
		buf_add(&text, STR(MIXED));
		for (int i = 0; i < parts; i++)
			buf_add(&text, STR("--b\r\n\r\nx\r\n"));
		buf_add(&text, STR("--b--\r\n"));
		mime_parse(buf_str(&text), a, &tree);
		check_tree("parts", buf_str(&text), &tree);
		const struct index_part *last = &tree.parts[tree.count - 1].at;
		/* The root counts as well, and the last place is for what swallows the rest. */
		bool over = parts + 1 >= MIME_PARTS_MAX;
		check_int_eq(tree.count, over ? MIME_PARTS_MAX : parts + 1);
		check_str_eq(
		    last->type, over ? STR("application/octet-stream") : STR("text/plain"));
		if (over)
			check_int_eq(last->body_at + last->body_bytes, text.len);
	}
}

static void test_header_limit(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
	AUTO_BUF text = BUF_INIT(HEADER_MAX_BYTES + 4096);
	struct mime_tree tree;

	(void)state;
	while (text.len < HEADER_MAX_BYTES)
		buf_add(&text, STR("A: 89abcdef0123\n"));
	buf_add(&text, STR("B: c\n\nhello"));
	mime_parse(buf_str(&text), a, &tree);
	check_int_eq(tree.parts[0].at.header_bytes, HEADER_MAX_BYTES);
	check_int_eq(tree.parts[0].at.body_bytes, 11);
	check_int_eq(header_block(buf_str(&text)).len, HEADER_MAX_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_boundary_limit),
		cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_parts_limit),
		cmocka_unit_test(test_header_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
