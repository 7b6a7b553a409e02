#include "sessions/imap/print.h"

#include "base/time.h"

/* In the order in which they are listed everywhere. */
static const struct {
	str name;
	uint32_t flag;
} flag_names[] = {
	{ STR_INIT("\\Answered"), STORE_ANSWERED },
	{ STR_INIT("\\Flagged"), STORE_FLAGGED },
	{ STR_INIT("\\Deleted"), STORE_DELETED },
	{ STR_INIT("\\Seen"), STORE_SEEN },
	{ STR_INIT("\\Draft"), STORE_DRAFT },
};

enum { FLAGS_TEXT_MAX = 1 << 20 };

void print_init(struct print *p, struct imap_conn *conn, const struct store_view *view)
{
	p->conn = conn;
	p->view = view;
	buf_init(&p->flags_text, FLAGS_TEXT_MAX);
	p->used = 0;
	p->congested = false;
}

void print_fini(struct print *p)
{
	print_flush(p);
	buf_fini(&p->flags_text);
}

void print_flush(struct print *p)
{
	if (!p->used)
		return;
	imap_write(p->conn, (str){ p->block, p->used });
	p->used = 0;
	p->congested = imap_out_is_congested(p->conn);
}

void print_str(struct print *p, str s)
{
	if (s.len > PRINT_BYTES - p->used) {
		print_flush(p);
		if (s.len > PRINT_BYTES) {
			imap_write(p->conn, s);
			p->congested = imap_out_is_congested(p->conn);
			return;
		}
	}
	if (s.len)
		memcpy(p->block + p->used, s.ptr, s.len);
	p->used += s.len;
}

void print_u64(struct print *p, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	print_str(p, (str){ digits + at, sizeof(digits) - at });
}

void flag_names_add(struct buf *out, uint32_t flags)
{
	bool first = true;

	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if (!(flags & flag_names[i].flag))
			continue;
		if (!first)
			buf_addc(out, ' ');
		buf_add(out, flag_names[i].name);
		first = false;
	}
}

static void make_flags_text(struct print *p, const struct store_entry *e, bool recent)
{
	struct buf *b = &p->flags_text;

	buf_reset(b);
	buf_addc(b, '(');
	flag_names_add(b, e->flags);
	if (recent) {
		buf_add(b, b->len > 1 ? STR(" \\Recent") : STR("\\Recent"));
	}
	for (size_t i = 0; i < p->view->keyword_count && e->keywords >> i; i++) {
		if (!(e->keywords >> i & 1))
			continue;
		if (b->len > 1)
			buf_addc(b, ' ');
		buf_add(b, p->view->keywords[i]);
	}
	buf_addc(b, ')');
	p->flags = e->flags;
	p->keywords = e->keywords;
	p->recent = recent;
}

void print_flags(struct print *p, const struct store_entry *e, bool recent)
{
	if (!p->flags_text.len || p->flags != e->flags || p->keywords != e->keywords ||
	    p->recent != recent)
		make_flags_text(p, e, recent);
	print_str(p, buf_str(&p->flags_text));
}

static void put_two(char *at, unsigned n)
{
	at[0] = (char)('0' + n / 10 % 10);
	at[1] = (char)('0' + n % 10);
}

void print_date(struct print *p, int64_t at_s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[] = "\"dd-mmm-yyyy hh:mm:ss +0000\"";
	struct civil c = time_utc(at_s);
	unsigned year = c.year > 0 ? (unsigned)c.year : 0;

	put_two(text + 1, c.day);
	if (c.day < 10)
		text[1] = ' '; /* RFC 9051 §9: date-day-fixed */
	memcpy(text + 4, months + (size_t)(c.month - 1) * 3, 3);
	put_two(text + 8, year / 100);
	put_two(text + 10, year);
	put_two(text + 13, c.hour);
	put_two(text + 16, c.minute);
	put_two(text + 19, c.second);
	print_str(p, (str){ text, sizeof(text) - 1 });
}

static bool may_be_quoted(str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e || s.ptr[i] == '"' || s.ptr[i] == '\\')
			return false;
	return s.len <= 1000;
}

void print_string(struct print *p, str s)
{
	if (!may_be_quoted(s)) {
		print_literal(p, s);
		return;
	}
	print_c(p, '"');
	print_str(p, s);
	print_c(p, '"');
}

void print_literal(struct print *p, str bytes)
{
	if (!bytes.len) {
		print_lit(p, "\"\"");
		return;
	}
	print_c(p, '{');
	print_u64(p, bytes.len);
	print_lit(p, "}\r\n");
	print_str(p, bytes);
}

void print_range(struct print *p, uint32_t first, uint32_t last)
{
	print_u64(p, first);
	if (last != first) {
		print_c(p, ':');
		print_u64(p, last);
	}
}

void print_ranges(struct print *p, const struct store_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			print_c(p, ',');
		print_range(p, ranges[i].first, ranges[i].last);
	}
}
