/* Other people's messages: whatever comes in, the index holds together, and parts decode to what their
 * own tests expect. Skipped when the data is not there. */
#include "check.h"
#include "files.h"

#include "formats/message_index.h"
#include "formats/part_text.h"
#include "imap_grammar.h"

#define CORPUS "../shared/corpus/"
#define MIME4J CORPUS "mime/mime4j/"

static void check_index(const char *name, str message)
{
	AUTO_ARENA a = arena_new(NULL, "test", 256 << 20);
	AUTO_BUF bytes = BUF_INIT(16 << 20), again_bytes = BUF_INIT(16 << 20),
	         body = BUF_INIT(16 << 20);
	struct message_index index, again;
	struct err err;

	message_index_build(message, a, &index);
	check_case(name, grammar_is_envelope(index.envelope));
	check_case(name, grammar_is_bodystructure(index.bodystructure));
	bodystructure_to_body(index.bodystructure, &body);
	check_case(name, grammar_is_body(buf_str(&body)));
	check_case(name, str_is_utf8(index.subject) && str_is_utf8(index.preview));
	check_case(name, str_is_utf8(index.search_from) && str_is_utf8(index.search_to));
	message_index_encode(&index, &bytes);
	check_case(name, message_index_decode(buf_str(&bytes), a, &again, &err) == 0);
	message_index_encode(&again, &again_bytes);
	check_case(name, str_eq(buf_str(&bytes), buf_str(&again_bytes)));
	search_text(&index, message, SEARCH_IN_HEADER | SEARCH_IN_BODY, STR("nowhere"));
}

static size_t check_folder(const char *folder, const char *suffix)
{
	char **names, path[TEST_PATH_MAX];
	size_t count = test_list(folder, suffix, &names);

	for (size_t i = 0; i < count; i++) {
		AUTO_BUF message = BUF_INIT(64 << 20);
		snprintf(path, sizeof(path), "%s%s", folder, names[i]);
		if (test_read(path, &message))
			check_index(path, buf_str(&message));
	}
	test_list_free(names, count);
	return count;
}

static void test_messages(void **state)
{
	static const struct {
		const char *folder, *suffix;
	} folders[] = {
		{ MIME4J "testmsgs/", ".msg" },
		{ MIME4J "mimetools-testmsgs/", ".msg" },
		{ CORPUS "mime/enmime/attach/", ".raw" },
		{ CORPUS "mime/enmime/encode/", ".raw" },
		{ CORPUS "mime/enmime/low-quality/", ".raw" },
		{ CORPUS "mime/enmime/mail/", ".raw" },
		{ CORPUS "mime/enmime/parts/", ".raw" },
		{ CORPUS "bounces/", ".eml" },
		{ CORPUS "dkim/", ".msg" },
		{ CORPUS "dkim/", ".message" },
		{ CORPUS "smtputf8/messages/", "" },
	};
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(folders); i++)
		count += check_folder(folders[i].folder, folders[i].suffix);
	if (count == 0)
		skip();
}

/* ---- decoded parts ---- */

/* Where Mime4J sees it otherwise: it decodes messages inside base64, which RFC 2046 §5.2.1 forbids, and
 * so IMAP part numbers do not know; it lets a header end at a line without a colon; it takes 7 KB for
 * a boundary, and blanks at its end for a part of it, against RFC 2046 §5.1.1; it drops what follows
 * the padding of base64; it counts a preamble as a part. */
static const char *const otherwise[] = {
	"frag_decoded_1_2_1_2_1_2_1_2.bin",
	"multi-2gifs-base64_decoded_1_1_1.txt",
	"multi-2gifs-base64_decoded_1_1_2.bin",
	"multi-2gifs-base64_decoded_1_1_3.bin",
	"multi-frag_decoded_1_3_2.bin",
	"x-gzip64_decoded_1.txt",
	"bad-newlines-multiple-parts-base64_decoded_1_1_1.txt",
	"base64encoded-rfc822message-nested_decoded_1_1_1.txt",
	"base64encoded-rfc822message_decoded_1_1.txt",
	"malformedHeaderStartsBody-nocrlfcrlf_decoded_1.txt",
	"malformedHeaderStartsBody-noheader_decoded_1.txt",
	"missing-inner-boundary_decoded_1_2_1.txt",
	"multipartemptypart_decoded_1_2.txt",
	"very-long-boundary_decoded_1_1.txt",
	"very-very-long-boundary_decoded_1_1.txt",
	"weird-boundary_decoded_1_1.txt",
};

static bool is_otherwise(const char *name)
{
	for (size_t i = 0; i < COUNT(otherwise); i++) {
		if (str_eq(str_c(otherwise[i]), str_c(name)))
			return true;
	}
	return false;
}

/* "1_2_1": the message itself, its second child, the first child of that. */
static const struct index_part *find_part(const struct message_index *index, str path)
{
	uint32_t at = 0, number, i;

	take_char(&path, '1');
	while (take_char(&path, '_') == 0 && num_take_u32(&path, UINT32_MAX, &number) == 0) {
		for (i = at + 1; i < index->part_count; i++) {
			if (index->parts[i].parent == at && index->parts[i].number == number)
				break;
		}
		if (i == index->part_count)
			return NULL;
		at = i;
	}
	return &index->parts[at];
}

/* Text was written with the line ends of somebody's machine. */
static bool is_same(str a, str b, bool is_text)
{
	AUTO_BUF x = BUF_INIT(64 << 20), y = BUF_INIT(64 << 20);

	for (size_t i = 0; i < a.len; i++) {
		if (!is_text || a.ptr[i] != '\r')
			buf_addc(&x, a.ptr[i]);
	}
	for (size_t i = 0; i < b.len; i++) {
		if (!is_text || b.ptr[i] != '\r')
			buf_addc(&y, b.ptr[i]);
	}
	return str_eq(buf_str(&x), buf_str(&y));
}

static void check_part(const char *folder, const char *name)
{
	AUTO_ARENA a = arena_new(NULL, "test", 256 << 20);
	AUTO_BUF message = BUF_INIT(64 << 20), want = BUF_INIT(64 << 20), got = BUF_INIT(64 << 20);
	size_t mark = str_find(str_c(name), STR("_decoded_"));
	struct message_index index;
	char path[TEST_PATH_MAX];
	struct err err;

	if (mark == STR_NPOS || is_otherwise(name))
		return;
	snprintf(path, sizeof(path), "%s%s", folder, name);
	check_case(name, test_read(path, &want));
	snprintf(path, sizeof(path), "%s%.*s.msg", folder, (int)mark, name);
	check_case(name, test_read(path, &message));
	message_index_build(buf_str(&message), a, &index);
	const struct index_part *part = find_part(&index, str_skip(str_c(name), mark + 9));
	check_case(name, part != NULL);
	check_case(name, part_decode(part, buf_str(&message), &got, &err) == 0);
	check_case(
	    name, is_same(buf_str(&got), buf_str(&want), str_ends(str_c(name), STR(".txt"))));
}

static void test_decoded_parts(void **state)
{
	static const char *const folders[] = { MIME4J "testmsgs/", MIME4J "mimetools-testmsgs/" };
	static const char *const suffixes[] = { ".txt", ".bin" };
	size_t total = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(folders) * COUNT(suffixes); i++) {
		char **names;
		size_t count = test_list(folders[i / 2], suffixes[i % 2], &names);
		for (size_t n = 0; n < count; n++)
			check_part(folders[i / 2], names[n]);
		test_list_free(names, count);
		total += count;
	}
	if (total == 0)
		skip();
}

/* ---- body structures that other servers sent ---- */

/* One double-quoted YAML scalar from behind its opening quote: escapes undone, folded lines joined. */
static void read_scalar(str *in, struct buf *out)
{
	while (in->len > 0 && in->ptr[0] != '"') {
		char c = in->ptr[0];
		*in = str_skip(*in, 1);
		if (c == '\\' && in->len > 0) {
			c = in->ptr[0];
			*in = str_skip(*in, 1);
			buf_addc(out, c == 'r' ? '\r' : c == 'n' ? '\n' : c);
		} else if (c == '\n') {
			while (take_char(in, ' ') == 0)
				;
			buf_addc(out, ' ');
		} else {
			buf_addc(out, c);
		}
	}
}

/* Those that follow the grammar lose their extension data; what does not is passed on as it is. */
static size_t check_responses(const char *name, str response)
{
	static const str items[] = { STR_INIT("BODYSTRUCTURE ("), STR_INIT("BODY (") };
	size_t count = 0;

	for (size_t i = 0; i < COUNT(items); i++) {
		size_t at = str_find(response, items[i]);
		if (at == STR_NPOS)
			continue;
		str start = str_skip(response, at + items[i].len - 1), rest = start;
		if (!grammar_body(&rest, i == 0, 0))
			continue;
		str value = str_sub(start, 0, start.len - rest.len);
		AUTO_BUF body = BUF_INIT(1 << 20);
		bodystructure_to_body(value, &body);
		check_case(name, grammar_is_body(buf_str(&body)));
		check_case(name, i == 0 || str_eq(buf_str(&body), value));
		count++;
	}
	return count;
}

static void test_foreign_structures(void **state)
{
	static const char folder[] = CORPUS "imap-responses/response_parser/";
	char **names, path[TEST_PATH_MAX];
	size_t files = test_list(folder, ".yml", &names), count = 0;

	(void)state;
	for (size_t i = 0; i < files; i++) {
		AUTO_BUF text = BUF_INIT(16 << 20);
		snprintf(path, sizeof(path), "%s%s", folder, names[i]);
		check_case(path, test_read(path, &text));
		str rest = buf_str(&text);
		for (size_t at; (at = str_find(rest, STR("\"* "))) != STR_NPOS;) {
			AUTO_BUF response = BUF_INIT(1 << 20);
			rest = str_skip(rest, at + 1);
			read_scalar(&rest, &response);
			count += check_responses(path, buf_str(&response));
		}
	}
	test_list_free(names, files);
	if (files == 0)
		skip();
	check(count > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_decoded_parts),
		cmocka_unit_test(test_foreign_structures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
