/* Tests of the index: what it says about messages, ENVELOPE and BODYSTRUCTURE, packing. Messages are
 * written with '\n' for CRLF. */
#include "check.h"

#include "formats/envelope.h"
#include "formats/message_index.h"
#include "imap_grammar.h"

static str message_of(struct arena *a, const char *text)
{
	AUTO_BUF out = BUF_INIT(1 << 20);

	for (; *text; text++) {
		if (*text == '\n')
			buf_addc(&out, '\r');
		buf_addc(&out, *text);
	}
	return arena_str(a, buf_str(&out));
}

/* ---- ENVELOPE ---- */

/* clang-format off */
static const struct {
	const char *name, *message, *want;
} envelopes[] = {
	{ "empty", "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "RFC 9051 section 8",
	  "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\nFrom: Terry Gray <gray@cac.washington.edu>\n"
	  "Subject: IMAP4rev2 WG mtg summary and minutes\nTo: imap@cac.washington.edu\n"
	  "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\n"
	  "Message-Id: <B27397-0100000@cac.washington.edu>\n\n",
	  "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
	  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
	  "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
	  "\"<B27397-0100000@cac.washington.edu>\")" },
	{ "present but empty", "Date:\nSubject: \nFrom:\nIn-Reply-To:\nMessage-ID:\n\n",
	  "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")" },
	{ "folding undone", "Subject: a\n b\n\tc\n\n", "(NIL \"a b\tc\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "quoting", "Subject: \"a\\b\"\n\n", "(NIL \"\\\"a\\\\b\\\"\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "RFC 2047 stays", "Subject: =?utf-8?q?J=C3=B6rg?=\n\n", "(NIL \"=?utf-8?q?J=C3=B6rg?=\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "raw UTF-8 as literal", "Subject: J\xc3\xb6rg\n\n", "(NIL {5}\r\nJ\xc3\xb6rg NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "raw Latin-1 as literal", "Subject: J\xf6rg\n\n", "(NIL {4}\r\nJ\xf6rg NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "groups", "To: A Group:a@b,c@d;, Undisclosed:;\n\n",
	  "(NIL NIL NIL NIL NIL ((NIL NIL \"A Group\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL)"
	  "(NIL NIL \"Undisclosed\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)" },
	{ "route", "From: <@x,@y:a@b>\n\n", "(NIL NIL ((NIL \"@x,@y\" \"a\" \"b\")) ((NIL \"@x,@y\" \"a\" \"b\")) ((NIL \"@x,@y\" \"a\" \"b\")) NIL NIL NIL NIL NIL)" },
	{ "quoted local part", "To: \"a b\"@c\n\n", "(NIL NIL NIL NIL NIL ((NIL NIL \"a b\" \"c\")) NIL NIL NIL NIL)" },
	{ "never NIL where it would mean a group", "To: root\n\n", "(NIL NIL NIL NIL NIL ((NIL NIL \"root\" \"\")) NIL NIL NIL NIL)" },
	{ "empty sender falls back", "From: a@b\nSender:\nReply-To: c@d\n\n",
	  "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) NIL NIL NIL NIL NIL)" },
	{ "two To fields", "To: a@b\nTo: c@d\n\n", "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)" },
	{ "two From fields, the first counts", "From: a@b\nFrom: c@d\n\n",
	  "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)" },
};

/* ---- BODYSTRUCTURE ---- */

static const struct {
	const char *name, *message, *want, *body;
} structures[] = {
	{ "plain", "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\nhello\n",
	  "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7bit\" 7 1 NIL NIL NIL NIL)",
	  "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7bit\" 7 1)" },
	{ "no header", "\nhello\n", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1 NIL NIL NIL NIL)",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1)" },
	{ "all fields",
	  "Content-Type: image/png; name=\"a b.png\"\nContent-Transfer-Encoding: BASE64\nContent-ID: <x@y>\n"
	  "Content-Description: a\n picture\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n"
	  "Content-Disposition: Attachment; filename=\"a b.png\"; size=4\nContent-Language: de, en\n"
	  "Content-Location: http://x/a.png\n\nAAAA",
	  "(\"image\" \"png\" (\"name\" \"a b.png\") \"<x@y>\" \"a picture\" \"base64\" 4 \"Q2hlY2sgSW50ZWdyaXR5IQ==\" "
	  "(\"attachment\" (\"filename\" \"a b.png\" \"size\" \"4\")) (\"de\" \"en\") \"http://x/a.png\")",
	  "(\"image\" \"png\" (\"name\" \"a b.png\") \"<x@y>\" \"a picture\" \"base64\" 4)" },
	{ "alternative",
	  "Content-Type: multipart/alternative; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n"
	  "Content-Transfer-Encoding: quoted-printable\n\n<b>\n--b--\n",
	  "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)"
	  "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"quoted-printable\" 3 0 NIL NIL NIL NIL) "
	  "\"alternative\" (\"boundary\" \"b\") NIL NIL NIL)",
	  "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0)"
	  "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"quoted-printable\" 3 0) \"alternative\")" },
	{ "message",
	  "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: in\n\nhello\nyou\n--b--\n",
	  "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 25 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) "
	  "\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)",
	  "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 25 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 1) 3) \"mixed\")" },
	{ "RFC 2231 joined, still encoded",
	  "Content-Type: a/b\nContent-Disposition: attachment; filename*0*=utf-8''%C3%A4; filename*1=b\n\n",
	  "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL (\"attachment\" (\"filename*\" \"utf-8''%C3%A4b\")) NIL NIL)",
	  "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0)" },
	{ "8-bit file name as literal", "Content-Type: a/b; name=\"\xe4\"\n\n",
	  "(\"a\" \"b\" (\"name\" {1}\r\n\xe4) NIL NIL \"7bit\" 0 NIL NIL NIL NIL)",
	  "(\"a\" \"b\" (\"name\" {1}\r\n\xe4) NIL NIL \"7bit\" 0)" },
	{ "unknown encoding", "Content-Transfer-Encoding: x-uuencode\n\n",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"x-uuencode\" 0 0 NIL NIL NIL NIL)",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"x-uuencode\" 0 0)" },
	{ "multipart that is none", "Content-Type: multipart/mixed\n\nhello",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0 NIL NIL NIL NIL)",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0)" },
	{ "disposition without type", "Content-Disposition: ; filename=x\n\n",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL (\"attachment\" (\"filename\" \"x\")) NIL NIL)",
	  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)" },
	{ "parentheses in strings", "Content-Type: a/b; name=\"(\\\"\"\nContent-Description: )(\n\n",
	  "(\"a\" \"b\" (\"name\" \"(\\\"\") NIL \")(\" \"7bit\" 0 NIL NIL NIL NIL)",
	  "(\"a\" \"b\" (\"name\" \"(\\\"\") NIL \")(\" \"7bit\" 0)" },
};
/* clang-format on */

static void test_envelopes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(envelopes); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct message_index index;
		message_index_build(message_of(a, envelopes[i].message), a, &index);
		check_case_str(envelopes[i].name, index.envelope, str_c(envelopes[i].want));
		check_case(envelopes[i].name, grammar_is_envelope(index.envelope));
	}
}

static void test_structures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(structures); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		AUTO_BUF body = BUF_INIT(1 << 20);
		struct message_index index;
		message_index_build(message_of(a, structures[i].message), a, &index);
		check_case_str(structures[i].name, index.bodystructure, str_c(structures[i].want));
		check_case(structures[i].name, grammar_is_bodystructure(index.bodystructure));
		bodystructure_to_body(index.bodystructure, &body);
		check_case_str(structures[i].name, buf_str(&body), str_c(structures[i].body));
		check_case(structures[i].name, grammar_is_body(buf_str(&body)));
	}
}

static void test_body_of_junk_is_junk(void **state)
{
	static const char *const junk[] = { "", "(", "()", "(\"a\" \"b\")", "((((", "NIL" };

	(void)state;
	for (size_t i = 0; i < COUNT(junk); i++) {
		AUTO_BUF body = BUF_INIT(100);
		bodystructure_to_body(str_c(junk[i]), &body);
		check_case_str(junk[i], buf_str(&body), str_c(junk[i]));
	}
}

/* ---- the other members ---- */

static const char mail[] =
    "Received: from a by b; x\nReceived: from c by a; y\nDelivered-To: Me@Here.org\n"
    "Date: Mon, 23 Nov 2026 09:00:00 +0100\nFrom: J <J.Doe@EXAMPLE.org>, \"a b\"@x.org\n"
    "Sender: S@x.org\nTo: =?utf-8?q?J=C3=B6rg?= <j@x.org>\nTo: k@x.org\nCc: c@x.org\n"
    "Bcc: one@x.org\nResent-Bcc: two@x.org,\n three@x.org\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\n"
    " here\nbcc: four@x.org\nMessage-ID: < m1@x.org >\nReferences: <r1@x> <r2@x>\n"
    "In-Reply-To: <r2@x> (that) <r3@x>\n\nHello\t you,\n\n\nhow are you?\n";

static void test_members(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct message_index index;
	str message = message_of(a, mail);

	(void)state;
	message_index_build(message, a, &index);
	check_int_eq(index.flags, INDEX_HAS_DATE | INDEX_HAS_MESSAGE_ID);
	check_int_eq(index.received_count, 2);
	check_int_eq(index.bytes, message.len);
	check_int_eq(index.header_bytes, str_find(message, STR("Hello")));
	check_int_eq(index.sent_at, 1795420800);
	check_str_eq(index.message_id, STR("<m1@x.org>"));
	check_str_eq(index.subject, STR("Gr\xc3\xbc\xc3\x9f"
	                                "e here"));
	check_str_eq(index.from, STR("J.Doe@example.org\n\"a b\"@x.org"));
	check_str_eq(index.sender, STR("S@x.org"));
	check_str_eq(index.search_from, STR("J <J.Doe@EXAMPLE.org>, \"a b\"@x.org"));
	check_str_eq(index.search_to, STR("J\xc3\xb6rg <j@x.org> k@x.org"));
	check_str_eq(index.search_cc, STR("c@x.org"));
	check_str_eq(index.search_bcc, STR("one@x.org four@x.org"));
	check_str_eq(index.delivered_to, STR("Me@here.org"));
	check_str_eq(index.thread_refs, STR("<r1@x>\n<r2@x>\n<r3@x>"));
	check_str_eq(index.preview, STR("Hello you, how are you?"));
	check_int_eq(index.bcc_count, 2);
	check_str_eq(str_sub(message, index.bcc[0].at, index.bcc[0].bytes),
	    STR("Bcc: one@x.org\r\nResent-Bcc: two@x.org,\r\n three@x.org\r\n"));
	check_str_eq(
	    str_sub(message, index.bcc[1].at, index.bcc[1].bytes), STR("bcc: four@x.org\r\n"));
}

static void test_flags(void **state)
{
	static const struct {
		const char *name, *message;
		uint32_t flags;
	} cases[] = {
		{ "two From fields", "From: a@b\nFrom: c@d\n\n", INDEX_MANY_FROM },
		{ "broken From", "From: a@b c\n\n", INDEX_BAD_FROM },
		{ "broken Sender", "From: a@b\nSender: c\n\n", INDEX_BAD_FROM },
		{ "broken To does not matter", "From: a@b\nTo: c\n\n", 0 },
		{ "eight Bcc fields apart",
		    "Bcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: "
		    "a\n"
		    "A:\nBcc: a\n\n",
		    0 },
		{ "nine Bcc fields apart",
		    "Bcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: a\nA:\nBcc: "
		    "a\n"
		    "A:\nBcc: a\nA:\nBcc: a\n\n",
		    INDEX_MANY_BCC },
		{ "senseless date", "Date: yesterday\n\n", INDEX_HAS_DATE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct message_index index;
		message_index_build(message_of(a, cases[i].message), a, &index);
		check_case(cases[i].name, index.flags == cases[i].flags);
		check_case(cases[i].name, index.sent_at == 0);
	}
}

static void test_previews(void **state)
{
	static const struct {
		const char *name, *message, *want;
	} cases[] = {
		{ "none", "Content-Type: image/png\n\nx", "" },
		{ "HTML",
		    "Content-Type: text/html\n\n<style>p {}</style><p>a&amp;b</p><!-- c "
		    "--><i>d</i>e",
		    "a&b de" },
		{ "plain before HTML",
		    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: "
		    "text/html\n\nno\n"
		    "--b\nContent-Type: text/plain\n\nyes\n--b--\n",
		    "yes" },
		{ "no attachments",
		    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: "
		    "attachment\n\nno\n--b\n\nyes\n--b--\n",
		    "yes" },
		{ "base64, Latin-1",
		    "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
		    "base64\n\n5Pb8\n",
		    "\xc3\xa4\xc3\xb6\xc3\xbc" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct message_index index;
		message_index_build(message_of(a, cases[i].message), a, &index);
		check_case_str(cases[i].name, index.preview, str_c(cases[i].want));
	}
}

static void test_preview_is_cut_at_a_character(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	AUTO_BUF text = BUF_INIT(16384);
	struct message_index index;

	(void)state;
	buf_add(&text, STR("Content-Type: text/plain; charset=utf-8\r\n\r\n"));
	for (int i = 0; i < 3000; i++)
		buf_add(&text, STR("\xc3\xa4"));
	message_index_build(buf_str(&text), a, &index);
	check_int_eq(index.preview.len, 400);
	check(str_is_utf8(index.preview));
}

static void test_many_references(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	AUTO_BUF text = BUF_INIT(16384);
	struct message_index index;
	str rest, id, first = STR_NONE;
	size_t count = 0;

	(void)state;
	buf_add(&text, STR("References:"));
	for (int i = 0; i < 60; i++)
		buf_addf(&text, " <%d@x>", i);
	buf_add(&text, STR("\r\n\r\n"));
	message_index_build(buf_str(&text), a, &index);
	for (rest = index.thread_refs; str_split(&rest, '\n', &id); count++)
		first = count == 0 ? id : first;
	check_int_eq(count, 50);
	check_str_eq(first, STR("<0@x>"));
	check_str_eq(id, STR("<59@x>"));
}

/* ---- packing ---- */

static void check_index_eq(
    const char *name, const struct message_index *x, const struct message_index *y)
{
	AUTO_BUF first = BUF_INIT(16 << 20), second = BUF_INIT(16 << 20);

	message_index_encode(x, &first);
	message_index_encode(y, &second);
	check_case(name, buf_ok(&first));
	check_case(name, str_eq(buf_str(&first), buf_str(&second)));
	check_case(name, x->part_count == y->part_count && x->bytes == y->bytes);
	for (uint32_t i = 0; i < x->part_count; i++) {
		const struct index_part *p = &x->parts[i], *q = &y->parts[i];
		check_case(name, p->parent == q->parent && p->header_at == q->header_at);
		check_case(name, p->body_at == q->body_at && p->body_bytes == q->body_bytes);
		check_case_str(name, p->type, q->type);
	}
}

static void test_round_trip(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(structures) + 1; i++) {
		const char *text = i < COUNT(structures) ? structures[i].message : mail;
		struct message_index index, again;
		AUTO_BUF bytes = BUF_INIT(16 << 20);
		str envelope, bodystructure;
		message_index_build(message_of(a, text), a, &index);
		message_index_encode(&index, &bytes);
		check_case(text, message_index_decode(buf_str(&bytes), a, &again, &err) == 0);
		check_index_eq(text, &index, &again);
		check_case(text,
		    message_index_peek(buf_str(&bytes), &envelope, &bodystructure, &err) == 0);
		check_case_str(text, envelope, index.envelope);
		check_case_str(text, bodystructure, index.bodystructure);
	}
}

/* Cut anywhere it is refused; a byte changed anywhere must not hurt. */
static void test_decode_is_total(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 256 << 20);
	AUTO_BUF bytes = BUF_INIT(16 << 20);
	struct message_index index, again;
	struct err err;

	(void)state;
	message_index_build(message_of(a, structures[4].message), a, &index);
	message_index_encode(&index, &bytes);
	for (size_t n = 0; n < bytes.len; n++)
		check(message_index_decode(str_sub(buf_str(&bytes), 0, n), a, &again, &err) < 0);
	for (size_t n = 0; n < bytes.len; n++) {
		for (int bit = 0; bit < 8; bit++) {
			AUTO_ARENA scratch = arena_new(NULL, "test", 64 << 20);
			bytes.ptr[n] ^= (char)(1 << bit);
			if (message_index_decode(buf_str(&bytes), scratch, &again, &err) == 0)
				check(again.part_count > 0 && again.header_bytes <= again.bytes);
			bytes.ptr[n] ^= (char)(1 << bit);
		}
	}
	buf_addc(&bytes, 'x');
	check(message_index_decode(buf_str(&bytes), a, &again, &err) < 0);
	check_str_eq(str_c(err.text), STR("the message index has 1 bytes too many"));
}

/* A shifted index is the index of the shifted message. */
static void test_shift(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str prefix = STR("X-Trace: here\r\n");

	(void)state;
	for (size_t i = 0; i < COUNT(structures) + 1; i++) {
		const char *text = i < COUNT(structures) ? structures[i].message : mail;
		AUTO_BUF moved = BUF_INIT(1 << 20);
		struct message_index index, want;
		str message = message_of(a, text);
		buf_add(&moved, prefix);
		buf_add(&moved, message);
		message_index_build(message, a, &index);
		message_index_build(buf_str(&moved), a, &want);
		message_index_shift(&index, prefix.len);
		check_index_eq(text, &index, &want);
	}
}

/* RFC 9051 §6.4.5, the example of part specifiers. */
static const char nested[] =
    "Content-Type: multipart/mixed; boundary=a\n\n"
    "--a\nContent-Type: text/plain\n\none\n"
    "--a\nContent-Type: application/octet-stream\n\ntwo\n"
    "--a\nContent-Type: message/rfc822\n\nSubject: 3\nContent-Type: multipart/mixed; boundary=b\n\n"
    "--b\n\nthree one\n--b\nContent-Type: application/octet-stream\n\nthree two\n--b--\n"
    "--a\nContent-Type: multipart/mixed; boundary=c\n\n"
    "--c\nContent-Type: image/gif\n\nfour one\n"
    "--c\nContent-Type: message/rfc822\n\nSubject: 4.2\nContent-Type: multipart/mixed; "
    "boundary=d\n\n"
    "--d\n\nfour two one\n--d\nContent-Type: multipart/alternative; boundary=e\n\n"
    "--e\n\nfour two two one\n--e\nContent-Type: text/richtext\n\nfour two two two\n--e--\n--d--\n"
    "--c--\n--a--\n";

static void test_part_numbers(void **state)
{
	static const struct {
		const char *name;
		uint32_t numbers[5];
		size_t count;
		const char *type, *begins;
	} cases[] = {
		{ "whole", { 0 }, 0, "multipart/mixed", "--a" },
		{ "1", { 1 }, 1, "text/plain", "one" },
		{ "2", { 2 }, 1, "application/octet-stream", "two" },
		{ "3", { 3 }, 1, "message/rfc822", "Subject: 3" },
		{ "3.1", { 3, 1 }, 2, "text/plain", "three one" },
		{ "3.2", { 3, 2 }, 2, "application/octet-stream", "three two" },
		{ "4", { 4 }, 1, "multipart/mixed", "--c" },
		{ "4.1", { 4, 1 }, 2, "image/gif", "four one" },
		{ "4.2", { 4, 2 }, 2, "message/rfc822", "Subject: 4.2" },
		{ "4.2.1", { 4, 2, 1 }, 3, "text/plain", "four two one" },
		{ "4.2.2", { 4, 2, 2 }, 3, "multipart/alternative", "--e" },
		{ "4.2.2.1", { 4, 2, 2, 1 }, 4, "text/plain", "four two two one" },
		{ "4.2.2.2", { 4, 2, 2, 2 }, 4, "text/richtext", "four two two two" },
		{ "5", { 5 }, 1, NULL, NULL },
		{ "0", { 0 }, 1, NULL, NULL },
		{ "1.1", { 1, 1 }, 2, NULL, NULL },
		{ "3.3", { 3, 3 }, 2, NULL, NULL },
		{ "4.1.1", { 4, 1, 1 }, 3, NULL, NULL },
	};
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str message = message_of(a, nested);
	struct message_index index;

	(void)state;
	message_index_build(message, a, &index);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct index_part *part =
		    message_index_part(&index, cases[i].numbers, cases[i].count);
		check_case(cases[i].name, (part != NULL) == (cases[i].type != NULL));
		if (!part)
			continue;
		check_case_str(cases[i].name, part->type, str_c(cases[i].type));
		str body = str_sub(message, part->body_at, part->body_bytes);
		check_case(cases[i].name, str_starts(body, str_c(cases[i].begins)));
	}
}

static void test_part_numbers_without_multipart(void **state)
{
	static const uint32_t path[] = { 1, 1, 1 };
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct message_index index;

	(void)state;
	message_index_build(message_of(a, "A: b\n\nhello"), a, &index);
	check(message_index_part(&index, path, 1) == &index.parts[0]);
	check(!message_index_part(&index, path, 2));
	message_index_build(message_of(a, "Content-Type: message/rfc822\n\nA: b\n\nhi"), a, &index);
	check(message_index_part(&index, path, 1) == &index.parts[0]);
	check(message_index_part(&index, path, 2) == &index.parts[1]);
	check(!message_index_part(&index, path, 3));
}

/* ---- the worst that fits ---- */

static void check_sound(const char *name, str message)
{
	AUTO_ARENA a = arena_new(NULL, "test", (size_t)512 << 20);
	AUTO_BUF bytes = BUF_INIT(16 << 20), body = BUF_INIT(16 << 20);
	struct message_index index, again;
	struct err err;

	message_index_build(message, a, &index);
	check_case(name, grammar_is_envelope(index.envelope));
	check_case(name, grammar_is_bodystructure(index.bodystructure));
	bodystructure_to_body(index.bodystructure, &body);
	check_case(name, grammar_is_body(buf_str(&body)));
	message_index_encode(&index, &bytes);
	check_case(name, buf_ok(&bytes));
	check_case(name, message_index_decode(buf_str(&bytes), a, &again, &err) == 0);
	check_case(name, str_is_utf8(index.subject) && str_is_utf8(index.preview));
	check_case(name, str_is_utf8(index.search_from) && str_is_utf8(index.search_to));
}

/* Headers and parts as large as they may be still fit into 16 MiB. */
static void test_ceilings(void **state)
{
	static const str names[] = { STR_INIT("From"), STR_INIT("To"), STR_INIT("Cc"),
		STR_INIT("Bcc") };
	AUTO_BUF text = BUF_INIT(64 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		buf_add(&text, names[i]);
		buf_add(&text, STR(": G:"));
		size_t end = text.len + (1 << 20) - 16;
		for (int n = 0; text.len < end; n++)
			buf_addf(&text, "\"\\\"\\\"\\\"\" <u%d@x>,\n ", n);
		buf_add(&text, STR(";\r\n"));
	}
	check_sound("addresses", buf_str(&text));
	buf_reset(&text);
	buf_add(&text, STR("Content-Type: multipart/mixed; boundary=b\n\n"));
	for (int i = 0; i < 10001; i++) {
		buf_addf(&text, "--b\nContent-Type: message/rfc822; name=\"");
		for (int n = 0; n < 200; n++)
			buf_add(&text, STR("\\\"\\\\"));
		buf_addf(&text, "\"\n\nSubject: %d\nFrom: a@b\nContent-Type: x/", i);
		for (int n = 0; n < 300; n++)
			buf_addc(&text, 'y');
		buf_add(&text, STR("\n\nz\n"));
	}
	check_sound("parts", buf_str(&text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_structures),
		cmocka_unit_test(test_body_of_junk_is_junk),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_previews),
		cmocka_unit_test(test_preview_is_cut_at_a_character),
		cmocka_unit_test(test_many_references),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_decode_is_total),
		cmocka_unit_test(test_shift),
		cmocka_unit_test(test_part_numbers),
		cmocka_unit_test(test_part_numbers_without_multipart),
		cmocka_unit_test(test_ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
