#include "base/log.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"

enum { LINE_BYTES = 4096, VALUE_BYTES = 512 };

static bool needs_quotes(str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' || s.ptr[i] == 0x7f)
			return true;
	}
	return s.len == 0;
}

static void add_escaped(struct buf *b, str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_addf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
}

static void add_value(struct buf *b, str s)
{
	bool cut = s.len > VALUE_BYTES;

	s = str_sub(s, 0, VALUE_BYTES);
	if (!cut && !needs_quotes(s)) {
		buf_add(b, s);
		return;
	}
	buf_addc(b, '"');
	add_escaped(b, s);
	buf_addz(b, cut ? "...\"" : "\"");
}

void log_write(const struct log *log, enum log_level level, const char *event,
    const struct log_field *fields, size_t count)
{
	static const char *const names[] = { "debug", "info", "warn", "alert" };
	AUTO_BUF line = BUF_INIT(LINE_BYTES);
	char when[TIME_ISO_BYTES];

	if (!log || level < log->level)
		return;
	time_iso(time_wall_s(), when);
	buf_addf(&line, "%s %s %s event=", when, names[level], log->role);
	add_value(&line, str_c(event));
	for (size_t i = 0; i < count; i++) {
		buf_addf(&line, " %s=", fields[i].name);
		if (fields[i].type == LOG_INT)
			buf_addf(&line, "%lld", (long long)fields[i].number);
		else
			add_value(&line, fields[i].text);
	}
	if (line.len == LINE_BYTES)
		buf_truncate(&line, LINE_BYTES - 1);
	line.failed = false;
	buf_addc(&line, '\n');
	/* A log that cannot be written must not stop the mail. */
	ssize_t ignored = write(log->fd, line.ptr, line.len);
	(void)ignored;
}
