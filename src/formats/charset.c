#include "formats/charset.h"

#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <unicase.h>
#include <uninorm.h>

enum { REPLACEMENT = 0xfffd, HIGH_HALF = 128 };

enum kind { KIND_ASCII, KIND_UTF8, KIND_LATIN1, KIND_TABLE, KIND_ICONV };

/* The whole list: what is not here is not known, because modules cannot be loaded once a
 * process has locked itself in. Aliases are compared without '-', '_', ':', '.' and ' ', in any case. */
struct charset {
	const char *iconv_name; /* NULL: needs none */
	enum kind kind;
	const char *aliases; /* separated by spaces, squeezed */
};

/* clang-format off */
static const struct charset charsets[] = {
	{ NULL, KIND_ASCII, "usascii ascii ansix341968 iso646us us 646 ascii7bit" },
	{ NULL, KIND_UTF8, "utf8 utf8mb4 unicode11utf8 unicode20utf8 cp65001" },
	{ NULL, KIND_LATIN1, "iso88591 latin1 l1 windows1252 cp1252 iso885911987 ibm819 cp819 xansi 8bit unknown8bit xunknown default unknown" },
	{ "ISO-8859-2", KIND_TABLE, "iso88592 latin2 l2" },
	{ "ISO-8859-3", KIND_TABLE, "iso88593 latin3" },
	{ "ISO-8859-4", KIND_TABLE, "iso88594 latin4" },
	{ "ISO-8859-5", KIND_TABLE, "iso88595 cyrillic" },
	{ "ISO-8859-6", KIND_TABLE, "iso88596 arabic asmo708 iso88596i" },
	{ "ISO-8859-7", KIND_TABLE, "iso88597 greek greek8" },
	{ "ISO-8859-8", KIND_TABLE, "iso88598 hebrew iso88598i iso88598e" },
	{ "ISO-8859-9", KIND_TABLE, "iso88599 latin5 l5" },
	{ "ISO-8859-10", KIND_TABLE, "iso885910 latin6" },
	{ "CP874", KIND_TABLE, "windows874 cp874 tis620 iso885911 tis6200" },
	{ "ISO-8859-13", KIND_TABLE, "iso885913 latin7" },
	{ "ISO-8859-14", KIND_TABLE, "iso885914 latin8" },
	{ "ISO-8859-15", KIND_TABLE, "iso885915 latin9" },
	{ "ISO-8859-16", KIND_TABLE, "iso885916 latin10" },
	{ "CP1250", KIND_TABLE, "windows1250 cp1250" },
	{ "CP1251", KIND_TABLE, "windows1251 cp1251 win1251" },
	{ "CP1253", KIND_TABLE, "windows1253 cp1253" },
	{ "CP1254", KIND_TABLE, "windows1254 cp1254" },
	{ "CP1255", KIND_TABLE, "windows1255 cp1255" },
	{ "CP1256", KIND_TABLE, "windows1256 cp1256" },
	{ "CP1257", KIND_TABLE, "windows1257 cp1257" },
	{ "CP1258", KIND_TABLE, "windows1258 cp1258" },
	{ "KOI8-R", KIND_TABLE, "koi8r koi8 cskoi8r" },
	{ "KOI8-U", KIND_TABLE, "koi8u" },
	{ "MACINTOSH", KIND_TABLE, "macintosh macroman mac xmacroman" },
	{ "MAC-CYRILLIC", KIND_TABLE, "maccyrillic xmaccyrillic" },
	{ "CP437", KIND_TABLE, "cp437 ibm437" },
	{ "CP850", KIND_TABLE, "cp850 ibm850" },
	{ "CP852", KIND_TABLE, "cp852 ibm852" },
	{ "CP866", KIND_TABLE, "cp866 ibm866" },
	{ "ISO-2022-JP-2", KIND_ICONV, "iso2022jp iso2022jp1 iso2022jp2 csiso2022jp iso2022jp3" },
	{ "EUC-JP-MS", KIND_ICONV, "eucjp xeucjp eucjpms cseucpkdfmtjapanese" },
	{ "CP932", KIND_ICONV, "shiftjis sjis xsjis windows31j cp932 mskanji ms932 csshiftjis" },
	{ "GB18030", KIND_ICONV, "gb2312 gbk gb18030 euccn xgbk cp936 ms936 gb231280 csgb2312 xeuccn" },
	{ "BIG5-HKSCS", KIND_ICONV, "big5 big5hkscs cnbig5 xbig5 cp950 csbig5 big5eten" },
	{ "EUC-TW", KIND_ICONV, "euctw xeuctw" },
	{ "UHC", KIND_ICONV, "euckr ksc56011987 ksc5601 cp949 uhc ksc5601 windows949 cseuckr korean ksc56011992" },
	{ "ISO-2022-KR", KIND_ICONV, "iso2022kr csiso2022kr" },
	{ "ISO-2022-CN-EXT", KIND_ICONV, "iso2022cn iso2022cnext" },
	{ "JOHAB", KIND_ICONV, "johab cp1361" },
	{ "UTF-7", KIND_ICONV, "utf7 unicode11utf7" },
	{ "UTF-16", KIND_ICONV, "utf16 unicode ucs2 iso10646ucs2" },
	{ "UTF-16LE", KIND_ICONV, "utf16le ucs2le" },
	{ "UTF-16BE", KIND_ICONV, "utf16be ucs2be" },
	{ "UTF-32", KIND_ICONV, "utf32 ucs4" },
};
/* clang-format on */

enum { CHARSET_COUNT = sizeof(charsets) / sizeof(charsets[0]), LATIN1_INDEX = 2 };

/* Windows-1252, 0x80 to 0x9f; the rest is as in iso-8859-1. */
static const uint16_t windows_1252[32] = { 0x20ac, REPLACEMENT, 0x201a, 0x0192, 0x201e, 0x2026,
	0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, REPLACEMENT, 0x017d, REPLACEMENT,
	REPLACEMENT, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161,
	0x203a, 0x0153, REPLACEMENT, 0x017e, 0x0178 };

/* The one state of this module: filled by charset_init, then only read; the descriptors of KIND_ICONV
 * are used under their lock. */
static struct loaded {
	bool is_loaded;
	uint16_t high[HIGH_HALF]; /* KIND_TABLE: bytes 0x80 to 0xff */
	iconv_t descriptor;       /* KIND_ICONV */
	pthread_mutex_t lock;
} loaded[CHARSET_COUNT];

/* ---- names ---- */

/* Lower case without separators; STR_NONE when it is no charset's name. A "*lang" suffix (RFC 2231 §5)
 * is cut off. */
static str squeeze(str name, char out[CHARSET_NAME_MAX])
{
	size_t n = 0, star = str_chr(name, '*');

	name = str_trim(str_sub(name, 0, star));
	for (size_t i = 0; i < name.len; i++) {
		if (memchr("-_:. \"'", name.ptr[i], 7))
			continue;
		if (n == CHARSET_NAME_MAX || !ascii_is_alnum(name.ptr[i]))
			return STR_NONE;
		out[n++] = ascii_lower(name.ptr[i]);
	}
	return (str){ out, n };
}

static bool has_alias(const struct charset *c, str squeezed)
{
	str rest = str_c(c->aliases), alias;

	while (str_split(&rest, ' ', &alias)) {
		if (str_eq(alias, squeezed))
			return true;
	}
	return false;
}

/* Index of what can be used now, or -1. */
static int find(str name)
{
	char space[CHARSET_NAME_MAX];
	str squeezed = squeeze(name, space);

	for (int i = 0; squeezed.len && i < CHARSET_COUNT; i++) {
		if (has_alias(&charsets[i], squeezed))
			return !charsets[i].iconv_name || loaded[i].is_loaded ? i : -1;
	}
	return -1;
}

bool charset_known(str name)
{
	return find(name) >= 0;
}

/* ---- output with a limit ---- */

struct sink {
	struct buf *out;
	size_t left;
	bool is_full;
};

static void sink_add(struct sink *s, str piece)
{
	if (piece.len > s->left || s->is_full) {
		s->is_full = true;
		return;
	}
	buf_add(s->out, piece);
	s->left -= piece.len;
}

static void sink_code_point(struct sink *s, uint32_t c)
{
	char b[3];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : 3;

	if (c == 0)
		return sink_code_point(s, REPLACEMENT);
	b[0] = n == 1 ? (char)c : n == 2 ? (char)(0xc0 | c >> 6) : (char)(0xe0 | c >> 12);
	if (n == 2)
		b[1] = (char)(0x80 | (c & 63));
	if (n == 3) {
		b[1] = (char)(0x80 | (c >> 6 & 63));
		b[2] = (char)(0x80 | (c & 63));
	}
	sink_add(s, str_new(b, n));
}

/* Bytes at the front that stand for themselves in every charset that extends ASCII. */
static size_t ascii_run(str in)
{
	size_t n = 0;

	while (n < in.len && in.ptr[n] > 0)
		n++;
	return n;
}

static void sink_ascii(struct sink *s, str run)
{
	sink_add(s, str_sub(run, 0, s->left));
	if (run.len > s->left && s->left == 0)
		s->is_full = true;
}

/* ---- conversions ---- */

/* Length of the well-formed sequence at the front, 0 when there is none; *out_bad: how many bytes one
 * U+FFFD stands for (the longest beginning of a sequence, as Unicode recommends). */
static size_t utf8_length(str in, size_t *out_bad)
{
	for (size_t n = 1; n <= 4 && n <= in.len; n++) {
		if (str_is_utf8(str_sub(in, 0, n)))
			return n;
	}
	size_t bad = 1;
	/* A beginning is good when some continuation makes it whole: try the lowest and highest. */
	for (size_t n = 1; n < 4 && n <= in.len; n++) {
		char try[4] = { 0 };
		memcpy(try, in.ptr, n);
		bool is_good = false;
		for (size_t whole = n + 1; whole <= 4 && !is_good; whole++) {
			memset(try + n, '\x80', 4 - n);
			is_good = str_is_utf8(str_new(try, whole));
			memset(try + n, '\xbf', 4 - n);
			is_good = is_good || str_is_utf8(str_new(try, whole));
		}
		if (!is_good)
			break;
		bad = n;
	}
	*out_bad = bad;
	return 0;
}

static void from_utf8(str in, struct sink *s)
{
	while (in.len && !s->is_full) {
		size_t run = ascii_run(in), bad = 0;
		sink_ascii(s, str_sub(in, 0, run));
		in = str_skip(in, run);
		if (in.len == 0)
			break;
		size_t n = in.ptr[0] ? utf8_length(in, &bad) : 0;
		if (n)
			sink_add(s, str_sub(in, 0, n));
		else
			sink_code_point(s, REPLACEMENT);
		in = str_skip(in, n ? n : bad ? bad : 1);
	}
}

/* high gives what 0x80 and up stand for; NULL is windows-1252. */
static void from_single_bytes(str in, const uint16_t *high, struct sink *s)
{
	while (in.len && !s->is_full) {
		size_t run = ascii_run(in);
		sink_ascii(s, str_sub(in, 0, run));
		in = str_skip(in, run);
		for (; in.len && in.ptr[0] <= 0; in = str_skip(in, 1)) {
			unsigned char b = (unsigned char)in.ptr[0];
			uint32_t c = b;
			if (b >= 0x80 && high)
				c = high[b - 0x80];
			else if (b >= 0x80 && b < 0xa0)
				c = windows_1252[b - 0x80];
			sink_code_point(s, c);
		}
	}
}

/* NUL as well: some multi-byte text decodes to it. */
static void sink_converted(struct sink *s, str text)
{
	from_utf8(text, s);
}

static void from_iconv(struct loaded *l, str in, struct sink *s)
{
	union {
		const char *in;
		char *in_for_iconv; /* iconv does not write there, but its prototype says char ** */
	} at = { .in = in.ptr };
	size_t left = in.len;
	char piece[4096];

	pthread_mutex_lock(&l->lock);
	iconv(l->descriptor, NULL, NULL, NULL, NULL);
	while (left && !s->is_full) {
		char *to = piece;
		size_t room = sizeof(piece);
		size_t result = iconv(l->descriptor, &at.in_for_iconv, &left, &to, &room);
		sink_converted(s, str_new(piece, sizeof(piece) - room));
		if (result != (size_t)-1 || errno == E2BIG)
			continue;
		if (left) {
			sink_code_point(s, REPLACEMENT);
			at.in++;
			left--;
		}
	}
	char *to = piece;
	size_t room = sizeof(piece);
	iconv(l->descriptor, NULL, NULL, &to, &room);
	sink_converted(s, str_new(piece, sizeof(piece) - room));
	pthread_mutex_unlock(&l->lock);
}

static void convert(int index, str in, struct sink *s)
{
	switch (charsets[index].kind) {
	case KIND_ASCII:
		if (!str_is_utf8(in)) {
			from_single_bytes(in, NULL, s);
			return;
		}
		__attribute__((fallthrough));
	case KIND_UTF8:
		from_utf8(in, s);
		return;
	case KIND_LATIN1:
		from_single_bytes(in, NULL, s);
		return;
	case KIND_TABLE:
		from_single_bytes(in, loaded[index].high, s);
		return;
	case KIND_ICONV:
		from_iconv(&loaded[index], in, s);
		return;
	}
}

void charset_guess_to_utf8(str in, size_t max_bytes, struct buf *out)
{
	struct sink s = { .out = out, .left = max_bytes };

	if (str_is_utf8(in))
		from_utf8(in, &s);
	else
		from_single_bytes(in, NULL, &s);
}

void charset_to_utf8(str charset, str in, size_t max_bytes, struct buf *out)
{
	struct sink s = { .out = out, .left = max_bytes };
	int index = find(charset);

	if (index < 0)
		charset_guess_to_utf8(in, max_bytes, out);
	else
		convert(index, in, &s);
}

/* ---- set-up ---- */

/* Asks iconv once what each high byte stands for, so that it is not needed later. */
static void load_table(struct loaded *l, iconv_t descriptor)
{
	for (unsigned i = 0; i < HIGH_HALF; i++) {
		char byte = (char)(HIGH_HALF + i), *from = &byte;
		unsigned char pair[8];
		char *to = (char *)pair;
		size_t left = 1, room = sizeof(pair);
		iconv(descriptor, NULL, NULL, NULL, NULL);
		size_t result = iconv(descriptor, &from, &left, &to, &room);
		/* Vietnamese and Hebrew converters wait for a combining mark: flush. */
		if (result != (size_t)-1)
			iconv(descriptor, NULL, NULL, &to, &room);
		l->high[i] = result != (size_t)-1 && room == sizeof(pair) - 2
		                 ? (uint16_t)(pair[0] << 8 | pair[1])
		                 : REPLACEMENT;
	}
}

static void load(void)
{
	for (size_t i = 0; i < CHARSET_COUNT; i++) {
		struct loaded *l = &loaded[i];
		if (!charsets[i].iconv_name)
			continue;
		bool is_table = charsets[i].kind == KIND_TABLE;
		iconv_t d = iconv_open(is_table ? "UTF-16BE" : "UTF-8", charsets[i].iconv_name);
		if (d == (iconv_t)-1)
			continue; /* this system lacks it: text is then guessed */
		if (is_table) {
			load_table(l, d);
			iconv_close(d);
		} else {
			l->descriptor = d;
			pthread_mutex_init(&l->lock, NULL);
		}
		l->is_loaded = true;
	}
}

void charset_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
}

/* ---- folding ---- */

enum { FOLD_PIECE = 4096 };

/* Where the first piece of text ends: before an ASCII byte, which never combines with what is in front
 * of it, so that pieces fold as the whole does. */
static size_t fold_piece(str text)
{
	size_t end = FOLD_PIECE;

	if (text.len <= FOLD_PIECE)
		return text.len;
	while (end > 0 && text.ptr[end] < 0)
		end--;
	if (end > 0)
		return end;
	for (end = FOLD_PIECE; (text.ptr[end] & 0xc0) == 0x80; end--)
		;
	return end;
}

static void fold_unicode(str piece, struct buf *out)
{
	uint8_t space[2 * FOLD_PIECE];
	size_t len = sizeof(space);
	uint8_t *folded = u8_casefold(
	    (const uint8_t *)piece.ptr, piece.len, /* language */ NULL, UNINORM_NFKC, space, &len);

	/* Cannot happen for well-formed text but for memory, which small allocations do not lack. */
	assert(folded);
	buf_add(out, str_new(folded, len));
	if (folded != space)
		free(folded);
}

static void fold_ascii(str piece, struct buf *out)
{
	char *to = buf_space(out, piece.len);

	if (!to)
		return;
	for (size_t i = 0; i < piece.len; i++)
		to[i] = ascii_lower(piece.ptr[i]);
	buf_grow(out, piece.len);
}

static void fold_well_formed(str text, struct buf *out)
{
	while (text.len && buf_ok(out)) {
		size_t n = fold_piece(text);
		str piece = str_sub(text, 0, n);
		if (ascii_run(piece) == n)
			fold_ascii(piece, out);
		else
			fold_unicode(piece, out);
		text = str_skip(text, n);
	}
}

void text_fold(str utf8, struct buf *out)
{
	AUTO_BUF repaired = BUF_INIT(SIZE_MAX);

	if (!str_is_utf8(utf8)) {
		charset_to_utf8(STR("utf-8"), utf8, SIZE_MAX, &repaired);
		utf8 = buf_str(&repaired);
	}
	fold_well_formed(utf8, out);
}
