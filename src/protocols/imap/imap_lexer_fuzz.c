/* Steps of the lexer in any order on any text: the cursor moves only on success, and what the writer
 * prints of a string is read back as the same. */
#include <assert.h>

#include "protocols/imap/list_match.h"
#include "protocols/imap/writer.h"

#include "protocols/imap/lexer.h"

static void check_string(str s, struct arena *a)
{
	AUTO_BUF printed = BUF_INIT(1 << 20);
	struct imap_lexer l;
	struct err err;
	str again;

	imap_put_string(&printed, s, true);
	imap_lexer_init(&l, buf_str(&printed), a);
	assert(imap_take_string(&l, &again, &err) == 0 && str_eq(again, s) && str_empty(l.in));
}

static void check_mailbox(str name, bool utf8, struct arena *a)
{
	AUTO_BUF printed = BUF_INIT(1 << 20);
	struct imap_lexer l;
	struct err err;
	str again;

	imap_put_mailbox(&printed, name, utf8);
	imap_lexer_init(&l, buf_str(&printed), a);
	l.utf8 = utf8;
	assert(imap_take_mailbox(&l, &again, &err) == 0 && str_eq(again, name));
	assert(imap_list_match(name, name) || str_chr(name, '*') != STR_NPOS ||
	       str_chr(name, '%') != STR_NPOS || name.len > IMAP_PATTERN_MAX);
}

static int take_one(struct imap_lexer *l, unsigned which, struct arena *a)
{
	struct err err;
	struct imap_streamed ref;
	struct imap_flags flags;
	struct imap_set set;
	uint64_t big;
	int64_t at;
	uint32_t n;
	str s;
	int rc;

	switch (which) {
	case 0:
		return imap_take_sp(l, &err);
	case 1:
		return imap_take_atom(l, &s, &err);
	case 2:
	case 3:
		rc = which == 2 ? imap_take_string(l, &s, &err) : imap_take_astring(l, &s, &err);
		if (rc == 0)
			check_string(s, a);
		return rc;
	case 4:
		return imap_take_nstring(l, &s, &err);
	case 5:
		return imap_take_literal_ref(l, &ref, &err);
	case 6:
		return imap_take_u32(l, &n, &err);
	case 7:
		return imap_take_u64(l, &big, &err);
	case 8:
		return imap_take_set(l, &set, &err);
	case 9:
		rc = imap_take_mailbox(l, &s, &err);
		if (rc == 0)
			check_mailbox(s, l->utf8, a);
		return rc;
	case 10:
		return imap_take_list_mailbox(l, &s, &err);
	case 11:
		return imap_take_flags(l, true, &flags, &err);
	case 12:
		return imap_take_date(l, &at, &err);
	case 13:
		return imap_take_date_time(l, &at, &err);
	case 14:
		return imap_take_tag(l, &s, &err);
	default:
		return imap_take_char(l, '(', &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_lexer l;

	if (size < 16 || size > 65536)
		return 0;
	struct arena *a = arena_new(NULL, "fuzz", 64 << 20);
	imap_lexer_init(&l, str_new(data + 8, size - 8), a);
	l.utf8 = data[0] & 1;
	for (unsigned i = 0; i < 16; i++) {
		str before = l.in;
		unsigned which = (data[i / 2] >> (i % 2 * 4)) & 15;
		if (take_one(&l, which, a) < 0)
			assert(l.in.ptr == before.ptr && l.in.len == before.len);
		else
			assert(l.in.len <= before.len);
	}
	arena_free(a);
	return 0;
}
