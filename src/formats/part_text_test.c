/* Tests of decoded parts, their text, and the search in it. */
#include "check.h"

#include "formats/charset.h"
#include "formats/html_text.h"
#include "formats/part_text.h"

static struct index_part leaf(str body, const char *type, enum part_encoding encoding)
{
	return (struct index_part){ .parent = UINT32_MAX,
		.number = 1,
		.encoding = (uint8_t)encoding,
		.body_bytes = body.len,
		.type = str_c(type) };
}

/* ---- decoding ---- */

static void test_decode(void **state)
{
	static const struct {
		const char *name;
		str body;
		enum part_encoding encoding;
		str want;
	} cases[] = {
		{ "7bit", STR_INIT("a=\r\n"), ENCODING_7BIT, STR_INIT("a=\r\n") },
		{ "binary", STR_INIT("\0\xff"), ENCODING_BINARY, STR_INIT("\0\xff") },
		{ "base64", STR_INIT("aGVs\r\nbG8=\r\n"), ENCODING_BASE64, STR_INIT("hello") },
		{ "damaged base64", STR_INIT("aGVs!bG8"), ENCODING_BASE64, STR_INIT("hello") },
		{ "quoted-printable", STR_INIT("a=3D=\r\nb \r\n"), ENCODING_QP,
		    STR_INIT("a=b\r\n") },
		{ "empty", STR_INIT(""), ENCODING_BASE64, STR_INIT("") },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(100);
		struct index_part part = leaf(cases[i].body, "a/b", cases[i].encoding);
		uint64_t bytes;
		check_case(cases[i].name, part_decode(&part, cases[i].body, &out, &err) == 0);
		check_case_str(cases[i].name, buf_str(&out), cases[i].want);
		check_case(
		    cases[i].name, part_decoded_bytes(&part, cases[i].body, &bytes, &err) == 0);
		check_case(cases[i].name, bytes == cases[i].want.len);
	}
}

static void test_decode_refusals(void **state)
{
	AUTO_BUF out = BUF_INIT(4);
	struct index_part part = leaf(STR("hello"), "a/b", ENCODING_OTHER);
	struct err err;

	(void)state;
	check_int_eq(part_decode(&part, STR("hello"), &out, &err), -1);
	check_int_eq(err.kind, ERR_INPUT);
	part.encoding = ENCODING_8BIT;
	check_int_eq(part_decode(&part, STR("hello"), &out, &err), -1);
	check_int_eq(err.kind, ERR_LIMIT);
	/* Multiparts are never encoded. RFC 2045 §6.4 */
	part.kind = PART_MULTIPART;
	part.encoding = ENCODING_BASE64;
	part.body_bytes = 4;
	buf_reset(&out);
	check_int_eq(part_decode(&part, STR("--b\n"), &out, &err), 0);
	check_str_eq(buf_str(&out), STR("--b\n"));
}

/* A part larger than a chunk comes out whole, piece by piece. */
static void test_decode_in_pieces(void **state)
{
	AUTO_BUF body = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	struct part_decoder d;
	struct err err;
	unsigned pieces = 0;

	(void)state;
	for (unsigned i = 0; i < 50000; i++)
		buf_addf(&plain, "%u,", i);
	base64_encode_lines(buf_str(&plain), &body);
	struct index_part part = leaf(buf_str(&body), "a/b", ENCODING_BASE64);
	check_int_eq(part_decoder_init(&d, &part, buf_str(&body), &err), 0);
	for (; part_decoder_next(&d, &out); pieces++)
		;
	check_str_eq(buf_str(&out), buf_str(&plain));
	check(pieces > 4);
}

/* ---- text ---- */

static void test_html(void **state)
{
	static const struct {
		str in, want;
	} cases[] = {
		{ STR_INIT("plain"), STR_INIT("plain") },
		{ STR_INIT("<b>a</b>b"), STR_INIT("ab") },
		{ STR_INIT("a<br>b<P class=x>c</p>"), STR_INIT("a\nb\nc\n") },
		{ STR_INIT("<a href=\"x>y\" title='>'>t</a>"), STR_INIT("t") },
		{ STR_INIT("a<!-- <b> -- > -->b"), STR_INIT("ab") },
		{ STR_INIT("<style>a</b></STYLE>b<script>\"</x>\"</script>c"), STR_INIT("bc") },
		{ STR_INIT("&lt;&amp;&gt;&quot;&apos;&nbsp;."), STR_INIT("<&>\"' .") },
		{ STR_INIT("&auml;&ntilde;&yuml;&szlig;"),
		    STR_INIT("\xc3\xa4\xc3\xb1\xc3\xbf\xc3\x9f") },
		{ STR_INIT("&#228;&#xE4;&#X20ac;&#x1f600;"),
		    STR_INIT("\xc3\xa4\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ STR_INIT("&#0;&#xd800;&#99999999999;"),
		    STR_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
		{ STR_INIT("&unknown; & &; &#; &#x; &eacute x"),
		    STR_INIT("&unknown; & &; &#; &#x; \xc3\xa9 x") },
		{ STR_INIT("1 < 2 <3"), STR_INIT("1 < 2 <3") },
		{ STR_INIT("a <b no end"), STR_INIT("a <b no end") },
		{ STR_INIT("a<!-- no end"), STR_INIT("a") },
		{ STR_INIT("<script>no end"), STR_INIT("") },
		{ STR_INIT("&#99999999999999999999;x"), STR_INIT("&#99999999999999999999;x") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		html_text(cases[i].in, &out);
		check_case_str(cases[i].in.ptr, buf_str(&out), cases[i].want);
	}
}

static void test_part_text(void **state)
{
	static const struct {
		const char *name, *type, *charset;
		enum part_encoding encoding;
		str body, want;
	} cases[] = {
		{ "Latin-1", "text/plain", "iso-8859-1", ENCODING_8BIT, STR_INIT("\xe4"),
		    STR_INIT("\xc3\xa4") },
		{ "UTF-8 in QP", "text/plain", "utf-8", ENCODING_QP, STR_INIT("=C3=A4"),
		    STR_INIT("\xc3\xa4") },
		{ "no charset", "text/plain", "", ENCODING_7BIT, STR_INIT("a"), STR_INIT("a") },
		{ "HTML", "text/html", "iso-8859-1", ENCODING_BASE64, STR_INIT("PGI+5DwvYj4mbHQ7"),
		    STR_INIT("\xc3\xa4<") },
		{ "no text", "image/png", "", ENCODING_7BIT, STR_INIT("a"), STR_INIT("") },
		{ "unknown encoding as it is", "text/plain", "", ENCODING_OTHER, STR_INIT("a"),
		    STR_INIT("a") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		struct index_part part = leaf(cases[i].body, cases[i].type, cases[i].encoding);
		part.charset = str_c(cases[i].charset);
		part_text(&part, cases[i].body, SIZE_MAX, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].want);
	}
}

/* ---- search ---- */

static const char mail[] =
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from afar\r\nX-Folded: one\r\n two\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
    "quoted-printable\r\n"
    "X-Part: parthead\r\n\r\nDer gro=\r\n=DFe B=C4R\r\n--b\r\n"
    "Content-Type: text/html\r\n\r\n<b>bo</b>ld &amp; <i title=hidden>it</i>\r\n--b\r\n"
    "Content-Type: application/x\r\n\r\nsecret\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\n\r\nnested\r\n--b--\r\n";

static bool finds(unsigned where, const char *needle)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	AUTO_BUF folded = BUF_INIT(1000);
	struct message_index index;

	message_index_build(str_c(mail), a, &index);
	text_fold(str_c(needle), &folded);
	return search_text(&index, str_c(mail), where, buf_str(&folded));
}

static void test_search(void **state)
{
	static const struct {
		const char *needle;
		bool in_header, in_body, in_all;
	} cases[] = {
		{ "GR\xc3\x9cSSE from", true, false, true },
		{ "one two", true, false, true },
		{ "subject: gr", true, false, true },
		{ "=?utf", false, false, false },
		{ "gro\xc3\x9f"
		  "e b\xc3\xa4r",
		    false, true, true },
		{ "bold & it", false, true, true },
		{ "hidden", false, false, false },
		{ "secret", false, false, false },
		{ "preamble", false, false, false },
		{ "inner", false, true, true },
		{ "nested", false, true, true },
		{ "parthead", false, false, true },
		{ "nowhere", false, false, false },
	};

	(void)state;
	charset_init();
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *needle = cases[i].needle;
		check_case(needle, finds(SEARCH_IN_HEADER, needle) == cases[i].in_header);
		check_case(needle, finds(SEARCH_IN_BODY, needle) == cases[i].in_body);
		check_case(
		    needle, finds(SEARCH_IN_HEADER | SEARCH_IN_BODY, needle) == cases[i].in_all);
	}
}

static void test_search_header(void **state)
{
	str header = STR("A: one\r\nB: =?utf-8?q?tw=C3=B6?=\r\na: three\r\nC:\r\n\r\n");

	(void)state;
	check(search_header(header, STR("a"), STR("one")));
	check(search_header(header, STR("A"), STR("three")));
	check(!search_header(header, STR("a"), STR("four")));
	check(search_header(header, STR("b"), STR("tw\xc3\xb6")));
	check(search_header(header, STR("c"), STR("")));
	check(!search_header(header, STR("d"), STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_refusals),
		cmocka_unit_test(test_decode_in_pieces),
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_part_text),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_search_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
