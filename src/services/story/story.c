#include "services/story/story.h"

static const char *const names[] = { "unknown", "received", "stored", "queued", "refused", "sent",
	"deferred", "returned", "delayed", "judged" };

const char *story_step_name(uint32_t step)
{
	return names[step < sizeof(names) / sizeof(names[0]) ? step : 0];
}

void story_field(struct buf *detail, const char *name, str value)
{
	if (str_empty(value))
		return;
	value = str_sub(value, 0, STORY_VALUE_MAX);
	buf_addz(detail, name);
	buf_addc(detail, '=');
	for (size_t i = 0; i < value.len; i++) {
		switch (value.ptr[i]) {
		case '\\':
			buf_addz(detail, "\\\\");
			break;
		case '\n':
			buf_addz(detail, "\\n");
			break;
		case '\0':
			buf_addz(detail, "\\0");
			break;
		default:
			buf_addc(detail, value.ptr[i]);
		}
	}
	buf_addc(detail, '\n');
}

void story_field_u(struct buf *detail, const char *name, uint64_t value)
{
	buf_addz(detail, name);
	buf_addc(detail, '=');
	buf_addu(detail, value);
	buf_addc(detail, '\n');
}

static str unescape(str value, struct arena *a)
{
	if (str_chr(value, '\\') == STR_NPOS)
		return value;
	char *out = arena_alloc(a, value.len);
	size_t n = 0;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		if (c == '\\' && i + 1 < value.len) {
			c = value.ptr[++i];
			c = c == 'n' ? '\n' : c == '0' ? '\0' : c;
		}
		out[n++] = c;
	}
	return str_new(out, n);
}

bool story_field_next(str *detail, struct arena *a, str *out_name, str *out_value)
{
	str line;

	while (str_split(detail, '\n', &line)) {
		size_t eq = str_chr(line, '=');
		if (eq == STR_NPOS)
			continue;
		*out_name = str_sub(line, 0, eq);
		*out_value = unescape(str_skip(line, eq + 1), a);
		return true;
	}
	return false;
}

void story_id_print(uint64_t id, char out[STORY_ID_BYTES])
{
	for (int i = 15; i >= 0; i--, id >>= 4)
		out[i] = "0123456789abcdef"[id & 15];
	out[16] = '\0';
}

int story_id_parse(str text, uint64_t *out)
{
	uint64_t id = 0;

	if (text.len != 16)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		int digit = ascii_hex_value(text.ptr[i]);
		if (digit < 0)
			return -1;
		id = id << 4 | (uint64_t)digit;
	}
	*out = id;
	return 0;
}
