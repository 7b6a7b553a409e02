/* str.h: a slice of bytes, passed by value.
 *
 * Purpose    Look at, compare, search and take apart text without copying it.
 * Ownership  A str never owns its bytes; it is good for as long as the memory it points into.
 * Threads    No state, usable from any thread.
 * Units      Lengths in bytes. Case folding is ASCII only; nothing depends on the locale.
 * Errors     take_* return 0 and move the cursor, or -1 and leave cursor and out untouched.
 * Not here   Growing text (base/buf). Numbers (base/num).
 */
#ifndef BUZON_BASE_STR_H
#define BUZON_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct str {
	const char *ptr;
	size_t len;
} str;

/* For initialisers of static tables. */
/* clang-format off */
#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 }
/* clang-format on */
#define STR(lit) ((str)STR_INIT(lit))
#define STR_NONE ((str){ NULL, 0 })
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline str str_new(const void *ptr, size_t len)
{
	return (str){ (const char *)ptr, len };
}

/* The slice of a C string; NULL becomes the empty slice. */
static inline str str_c(const char *c)
{
	return (str){ c, c ? strlen(c) : 0 };
}

static inline bool str_empty(str s)
{
	return s.len == 0;
}

bool str_eq(str a, str b);
bool str_ieq(str a, str b);
/* Byte order, shorter first when one is a prefix of the other: <0, 0, >0. */
int str_cmp(str a, str b);
int str_icmp(str a, str b);
bool str_starts(str s, str prefix);
bool str_istarts(str s, str prefix);
bool str_ends(str s, str suffix);
bool str_iends(str s, str suffix);

/* Position of the first match, or STR_NPOS. */
#define STR_NPOS ((size_t)-1)
size_t str_chr(str s, char c);
size_t str_rchr(str s, char c);
size_t str_find(str s, str needle);
size_t str_ifind(str s, str needle);

/* Cut out [from, from + len), clamped to what is there. */
str str_sub(str s, size_t from, size_t len);
str str_skip(str s, size_t count);
/* Without spaces, tabs, CR and LF at both ends. */
str str_trim(str s);
/* Splits at the first sep: *out_head before it, *rest behind it. False when rest was used up. */
bool str_split(str *rest, char sep, str *out_head);

/* Cursor steps: each has a maximum and moves *in only on success. */
int take_char(str *in, char c);
int take_lit(str *in, str lit);
int take_ilit(str *in, str lit);
/* One or more bytes up to a space, tab, CR, LF or the end. */
int take_word(str *in, size_t max, str *out);
/* Exactly one or more spaces. */
int take_space(str *in);
int take_rest(str *in, size_t max, str *out);
/* Everything before the first stop byte, which must be there and is not taken. May be empty. */
int take_until(str *in, char stop, size_t max, str *out);
int take_digits(str *in, size_t max, str *out);

/* ASCII only. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* 0..15, or -1. */
int ascii_hex_value(char c);

/* Every byte is 0x20..0x7e. */
bool str_is_printable(str s);
/* Every byte is below 0x80. */
bool str_is_ascii(str s);
/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
bool str_is_utf8(str s);

#endif
