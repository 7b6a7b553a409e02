#include "formats/tag_list.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* tag-name: ALPHA *(ALPHA / DIGIT / "_"); the hyphen is not in the grammar, but in the wild. */
static bool is_name(str name)
{
	if (name.len == 0 || !ascii_is_alpha(name.ptr[0]))
		return false;
	for (size_t i = 1; i < name.len; i++) {
		if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '_' && name.ptr[i] != '-')
			return false;
	}
	return true;
}

static bool is_value(str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if (c == 0x7f || (c < 0x20 && !is_blank((char)c)))
			return false;
	}
	return true;
}

static int parse_tag(str text, struct tag_list *list, struct err *err)
{
	struct tag tag;
	size_t equals = str_chr(text, '=');

	if (equals == STR_NPOS)
		return err_set(err, ERR_INPUT, "the tag \"" STR_FMT "\" has no equals sign",
		    STR_ARG(str_sub(str_trim(text), 0, 40)));
	tag.name = str_trim(str_sub(text, 0, equals));
	tag.raw = str_skip(text, equals + 1);
	tag.value = str_trim(tag.raw);
	if (!is_name(tag.name))
		return err_set(err, ERR_INPUT, "a tag has no correct name");
	if (!is_value(tag.value))
		return err_set(err, ERR_INPUT, "the tag \"" STR_FMT "=\" holds control characters",
		    STR_ARG(str_sub(tag.name, 0, 40)));
	if (tag_list_find(list, tag.name))
		return err_set(err, ERR_INPUT, "the tag \"" STR_FMT "=\" stands twice",
		    STR_ARG(str_sub(tag.name, 0, 40)));
	if (list->count == TAG_LIST_MAX)
		return err_set(err, ERR_LIMIT, "there are more than %d tags", TAG_LIST_MAX);
	list->tags[list->count++] = tag;
	return 0;
}

int tag_list_parse(str text, struct tag_list *out, struct err *err)
{
	str part;

	out->count = 0;
	while (str_split(&text, ';', &part)) {
		if (str_trim(part).len && parse_tag(part, out, err) < 0)
			return -1;
	}
	return 0;
}

const struct tag *tag_list_find(const struct tag_list *list, str name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (str_eq(list->tags[i].name, name))
			return &list->tags[i];
	}
	return NULL;
}

str tag_list_value(const struct tag_list *list, str name)
{
	const struct tag *tag = tag_list_find(list, name);

	return tag ? tag->value : STR_NONE;
}

bool tag_value_next(str *rest, char separator, str *out)
{
	if (!str_split(rest, separator, out))
		return false;
	*out = str_trim(*out);
	return true;
}

bool tag_value_has(str value, char separator, str item)
{
	str one;

	while (tag_value_next(&value, separator, &one)) {
		if (str_ieq(one, item))
			return true;
	}
	return false;
}

void tag_value_squeeze(str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		if (!is_blank(value.ptr[i]))
			buf_addc(out, value.ptr[i]);
	}
}
