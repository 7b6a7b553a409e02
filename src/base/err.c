#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__
#undef err_set
#undef err_wrap
#endif

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char front[sizeof(err->text)], back[sizeof(err->text)];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(front, sizeof(front), fmt, ap);
	va_end(ap);
	memcpy(back, err->text, sizeof(back));
	size_t room = sizeof(err->text);
	size_t used = strnlen(front, room - 3);
	memcpy(err->text, front, used);
	memcpy(err->text + used, ": ", 2);
	size_t rest = strnlen(back, room - used - 3);
	memcpy(err->text + used + 2, back, rest);
	err->text[used + 2 + rest] = '\0';
	return -1;
}

const char *err_kind_name(enum err_kind kind)
{
	static const char *const names[] = { "none", "input", "limit", "denied", "retry",
		"system" };

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}
