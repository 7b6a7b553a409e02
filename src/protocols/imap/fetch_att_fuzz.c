/* Whatever FETCH accepts, its sections can be asked for again by the name the answer gives them. */
#include <assert.h>

#include "base/buf.h"
#include "protocols/imap/fetch_att.h"

static bool is_same(const struct imap_section *a, const struct imap_section *b)
{
	return a->form == b->form && a->text == b->text && a->depth == b->depth &&
	       a->field_count == b->field_count && a->offset == b->offset;
}

/* "BODY[...]<5>" answers "BODY.PEEK[...]<5.10>". */
static void check_label(const struct imap_section *s, struct arena *a)
{
	AUTO_BUF text = BUF_INIT(1 << 20);
	struct imap_fetch_atts again;
	struct imap_lexer l;
	struct err err;

	buf_add(&text, s->label);
	if (s->partial) {
		text.len--;
		buf_addf(&text, ".%llu>", (unsigned long long)s->length);
	}
	imap_lexer_init(&l, buf_str(&text), a);
	assert(imap_fetch_atts_parse(&l, &again, &err) == 0);
	assert(imap_take_end(&l, &err) == 0);
	assert(again.section_count == 1 && is_same(s, &again.sections[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_fetch_modifiers modifiers;
	struct imap_fetch_atts atts;
	struct imap_lexer l;
	struct err err;

	if (size > 16384)
		return 0;
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	imap_lexer_init(&l, str_new(data, size), a);
	if (imap_fetch_atts_parse(&l, &atts, &err) < 0)
		return 0;
	for (size_t i = 0; i < atts.section_count; i++)
		check_label(&atts.sections[i], a);
	imap_fetch_modifiers_parse(&l, &modifiers, &err);
	return 0;
}
