/* The code and the status in an answer: "550 5.1.1", "550-5.1.1", "550 #5.1.0", "said: 550 ... (#5.5.0)". */
#include "formats/bounce.h"

enum { PLAIN, AFTER_WORD, WITH_STATUS, IN_BRACKETS };

static bool is_word(char c)
{
	return ascii_is_alnum(c) || c == '.' || c == '_' || c == '/' || c == '=';
}

/* A status at the front that is no part of a longer number; its length, or 0. */
static size_t status_at(str s, struct enhanced_status *out)
{
	uint16_t number[2] = { 0 };
	size_t at = 1;

	if (s.len < 5 || (s.ptr[0] != '2' && s.ptr[0] != '4' && s.ptr[0] != '5'))
		return 0;
	for (int i = 0; i < 2; i++) {
		size_t digits = 0;
		if (at >= s.len || s.ptr[at++] != '.')
			return 0;
		for (; at < s.len && ascii_is_digit(s.ptr[at]) && digits < 4; at++, digits++)
			number[i] = (uint16_t)(number[i] * 10 + (s.ptr[at] - '0'));
		if (!digits || digits > 3)
			return 0;
	}
	if (at < s.len && (ascii_is_alnum(s.ptr[at]) || s.ptr[at] == '_'))
		return 0;
	if (at + 1 < s.len && s.ptr[at] == '.' && ascii_is_digit(s.ptr[at + 1]))
		return 0;
	*out = (struct enhanced_status){ (uint8_t)(s.ptr[0] - '0'), number[0], number[1] };
	return at;
}

static uint16_t code_at(str s)
{
	if (s.len < 3 || s.ptr[0] < '2' || s.ptr[0] > '5' || s.ptr[0] == '3' || s.ptr[1] < '0' ||
	    s.ptr[1] > '7' || !ascii_is_digit(s.ptr[2]))
		return 0;
	if (s.len > 3 && !strchr(" \t-:,'\"<)>;", s.ptr[3]))
		return 0;
	return (uint16_t)((s.ptr[0] - '0') * 100 + (s.ptr[1] - '0') * 10 + (s.ptr[2] - '0'));
}

/* The status behind a code, with what stands between the two. */
static size_t status_behind(str s, struct enhanced_status *out)
{
	size_t at = 3;

	while (at < s.len && at < 8 && strchr(" \t-:'#", s.ptr[at]))
		at++;
	return at > 3 ? status_at(str_skip(s, at), out) : 0;
}

/* Codes that servers use: a number in the middle of a sentence is taken for one of these only. */
static bool is_known_code(uint16_t code)
{
	static const uint16_t known[] = { 250, 421, 426, 432, 441, 450, 451, 452, 454, 455, 458,
		459, 471, 500, 501, 502, 503, 504, 510, 511, 512, 513, 521, 522, 523, 525, 530, 534,
		535, 538, 541, 542, 550, 551, 552, 553, 554, 555, 556, 557, 571, 572, 577 };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == code)
			return true;
	return false;
}

/* What stands before a code that a server has said. */
static bool is_introduced(str before)
{
	static const str words[] = { STR_INIT("said:"), STR_INIT("returned"), STR_INIT("reason:"),
		STR_INIT("code:"), STR_INIT("smtp;"), STR_INIT("to me:"), STR_INIT("error:"),
		STR_INIT("response:"), STR_INIT("<<<"), STR_INIT("was:"), STR_INIT("deferred:"),
		STR_INIT("with:"), STR_INIT("reply:") };

	while (before.len && strchr(" \t'\"", before.ptr[before.len - 1]))
		before.len--;
	if (!before.len)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_iends(before, words[i]))
			return true;
	return false;
}

struct found {
	int rank; /* of the code; -1: none */
	uint16_t code;
	struct enhanced_status with, hash, first;
};

static void consider_code(struct found *f, str text, size_t at, uint16_t code)
{
	struct enhanced_status status = { 0 };
	int rank = PLAIN;

	if (status_behind(str_skip(text, at), &status))
		rank = at && text.ptr[at - 1] == '<' ? IN_BRACKETS : WITH_STATUS;
	else if (is_introduced(str_sub(text, 0, at)))
		rank = AFTER_WORD;
	else if (!is_known_code(code))
		return;
	if (rank > f->rank) {
		f->rank = rank;
		f->code = code;
		f->with = status;
	}
}

void bounce_find_reply(str text, uint16_t *out_code, struct enhanced_status *out_status)
{
	struct found f = { .rank = -1 };
	struct enhanced_status s;

	text = str_sub(text, 0, BOUNCE_CONTEXT_MAX);
	for (size_t i = 0; i < text.len; i++) {
		char before = i ? text.ptr[i - 1] : ' ';
		if (!ascii_is_digit(text.ptr[i]) || is_word(before))
			continue;
		uint16_t code = before == '-' || before == '[' || before == '#'
		                    ? 0
		                    : code_at(str_skip(text, i));
		if (code)
			consider_code(&f, text, i, code);
		else if (status_at(str_skip(text, i), &s)) {
			if (before == '#' && !f.hash.class)
				f.hash = s;
			if (!f.first.class)
				f.first = s;
		}
	}
	*out_code = f.code;
	*out_status = f.with.class ? f.with : f.hash.class ? f.hash : f.first;
	if (f.code && !f.with.class && out_status->class != f.code / 100)
		*out_status = (struct enhanced_status){ 0 };
}
