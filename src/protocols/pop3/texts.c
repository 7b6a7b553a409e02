#include "protocols/pop3/texts.h"

#define ROW_(NAME, en, es) { STR_INIT(en), STR_INIT(es) },
static const str texts[POP3_TEXT_COUNT][POP3_LANGUAGE_COUNT] = { POP3_TEXTS(ROW_) };

static const struct {
	str tag, name;
} languages[POP3_LANGUAGE_COUNT] = {
	[POP3_EN] = { STR_INIT("en"), STR_INIT("English") },
	[POP3_ES] = { STR_INIT("es"), STR_INIT("Español") },
};

str pop3_text(enum pop3_text text, enum pop3_language language)
{
	return texts[text][language];
}

str pop3_language_tag(enum pop3_language language)
{
	return languages[language].tag;
}

bool pop3_language_find(str range, enum pop3_language *out)
{
	str primary = str_sub(range, 0, str_chr(range, '-'));

	if (str_eq(range, STR("*")) || str_ieq(range, STR("i-default"))) {
		*out = POP3_EN;
		return true;
	}
	for (unsigned i = 0; i < POP3_LANGUAGE_COUNT; i++) {
		if (str_ieq(primary, languages[i].tag)) {
			*out = (enum pop3_language)i;
			return true;
		}
	}
	return false;
}

void pop3_language_list(struct buf *out, enum pop3_language language)
{
	buf_add(out, STR("+OK "));
	buf_add(out, pop3_text(POP3_TEXT_LANGUAGES, language));
	buf_add(out, STR("\r\n"));
	for (unsigned i = 0; i < POP3_LANGUAGE_COUNT; i++) {
		buf_add(out, languages[i].tag);
		buf_addc(out, ' ');
		buf_add(out, languages[i].name);
		buf_add(out, STR("\r\n"));
	}
	buf_add(out, STR(".\r\n"));
}
