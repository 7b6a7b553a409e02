/* Which bytes a section names, for one message with everything in it. */
#include "check.h"

#include "protocols/imap/section.h"

static const char message[] = "From: a@example.org\r\n"
                              "To: b@example.org,\r\n"
                              " c@example.org\r\n"
                              "Subject : x\r\n"
                              "Content-Type: multipart/mixed; boundary=b\r\n"
                              "\r\n"
                              "preamble\r\n"
                              "--b\r\n"
                              "Content-Type: text/plain\r\n"
                              "\r\n"
                              "one\r\n"
                              "--b\r\n"
                              "Content-Type: application/octet-stream\r\n"
                              "Content-Transfer-Encoding: base64\r\n"
                              "\r\n"
                              "YQBi\r\n"
                              "--b\r\n"
                              "Content-Type: message/rfc822\r\n"
                              "\r\n"
                              "Subject: inner\r\n"
                              "Content-Transfer-Encoding: quoted-printable\r\n"
                              "\r\n"
                              "=41=42\r\n"
                              "--b\r\n"
                              "Content-Type: application/x\r\n"
                              "Content-Transfer-Encoding: x-nobody\r\n"
                              "\r\n"
                              "?\r\n"
                              "--b--\r\n";

static const char plain[] = "Subject: s\r\n\r\nbody\r\n";

struct section_case {
	const char *att;
	enum section_found found;
	str bytes;
};

#define FOUND(att, text) \
	{ \
		(att), SECTION_FOUND, STR_INIT(text) \
	}
#define MISSING(att) \
	{ \
		(att), SECTION_MISSING, STR_INIT("") \
	}

static const struct section_case in_message[] = {
	FOUND("BODY[HEADER.FIELDS (To)]", "To: b@example.org,\r\n c@example.org\r\n\r\n"),
	FOUND("BODY[HEADER.FIELDS (from subject)]", "From: a@example.org\r\nSubject : x\r\n\r\n"),
	FOUND("BODY[HEADER.FIELDS (X)]", "\r\n"),
	FOUND("BODY[HEADER.FIELDS.NOT (To Content-Type)]",
	    "From: a@example.org\r\nSubject : x\r\n\r\n"),
	FOUND("BODY[1]", "one"),
	FOUND("BODY[1]<1.1>", "n"),
	FOUND("BODY[1]<3.1>", ""),
	FOUND("BODY[1]<9.1>", ""),
	FOUND("BODY[1]<1.99999999999>", "ne"),
	FOUND("BODY[1.MIME]", "Content-Type: text/plain\r\n\r\n"),
	FOUND("BODY[2]", "YQBi"),
	FOUND("BINARY[2]", "a\0b"),
	FOUND("BINARY[2]<1.5>", "\0b"),
	FOUND("BINARY.SIZE[2]", "a\0b"),
	FOUND("BINARY[1]", "one"),
	FOUND("BODY[3.HEADER]",
	    "Subject: inner\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),
	FOUND("BODY[3.HEADER.FIELDS (Subject)]", "Subject: inner\r\n\r\n"),
	FOUND("BODY[3.TEXT]", "=41=42"),
	FOUND("BODY[3.1]", "=41=42"),
	FOUND("BINARY[3.1]", "AB"),
	FOUND("BODY[3.MIME]", "Content-Type: message/rfc822\r\n\r\n"),
	{ "BINARY[4]", SECTION_UNKNOWN_CTE, STR_INIT("") },
	{ "BINARY.SIZE[4]", SECTION_UNKNOWN_CTE, STR_INIT("") },
	FOUND("BODY[4]", "?"),
	MISSING("BODY[5]"),
	MISSING("BODY[1.1]"),
	MISSING("BODY[1.TEXT]"),
	MISSING("BODY[1.HEADER]"),
	MISSING("BINARY[3.2]"),
};

static const struct section_case in_plain[] = {
	FOUND("BODY[]", "Subject: s\r\n\r\nbody\r\n"),
	FOUND("RFC822", "Subject: s\r\n\r\nbody\r\n"),
	FOUND("BINARY[]", "Subject: s\r\n\r\nbody\r\n"),
	FOUND("BODY[]<9.1>", "s"),
	FOUND("BODY[HEADER]", "Subject: s\r\n\r\n"),
	FOUND("RFC822.HEADER", "Subject: s\r\n\r\n"),
	FOUND("BODY[TEXT]", "body\r\n"),
	FOUND("RFC822.TEXT", "body\r\n"),
	FOUND("BODY[1]", "body\r\n"),
	FOUND("BODY[1.MIME]", "Subject: s\r\n\r\n"),
	MISSING("BODY[2]"),
};

static void run(const struct section_case *cases, size_t count, str bytes)
{
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	struct message_index index;

	message_index_build(bytes, a, &index);
	for (size_t i = 0; i < count; i++) {
		AUTO_BUF made = BUF_INIT(1 << 20);
		struct imap_fetch_atts atts;
		struct imap_lexer l;
		struct err err;
		str got = STR_NONE;
		imap_lexer_init(&l, str_c(cases[i].att), a);
		check_case(cases[i].att, imap_fetch_atts_parse(&l, &atts, &err) == 0);
		check_case(cases[i].att,
		    section_get(&atts.sections[0], &index, bytes, &made, &got) == cases[i].found);
		check_case_str(cases[i].att, got, cases[i].bytes);
	}
}

static void test_sections(void **state)
{
	(void)state;
	run(in_message, COUNT(in_message), (str){ message, sizeof(message) - 1 });
	run(in_plain, COUNT(in_plain), (str){ plain, sizeof(plain) - 1 });
}

/* RFC 9051 §7.5.2: no empty line is invented. */
static void test_header_without_end(void **state)
{
	static const str fields[] = { STR_INIT("a") };
	AUTO_BUF out = BUF_INIT(1000);

	(void)state;
	section_header_fields(STR("A: 1\r\nB: 2\r\n"), fields, 1, false, &out);
	check_str_eq(buf_str(&out), STR("A: 1\r\n"));
}

/* An index of another message must not lead outside this one. */
static void test_wrong_index(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	AUTO_BUF made = BUF_INIT(1 << 20);
	uint32_t path[] = { 2 };
	struct imap_section s = { .path = path, .depth = 1 };
	struct message_index index;
	str got;

	(void)state;
	message_index_build((str){ message, sizeof(message) - 1 }, a, &index);
	check_int_eq(section_get(&s, &index, STR("short"), &made, &got), SECTION_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_header_without_end),
		cmocka_unit_test(test_wrong_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
