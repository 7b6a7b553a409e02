#include "formats/date.h"

#include "base/num.h"
#include "base/time.h"

enum { ZONE_MAX_MIN = 24 * 60 - 1 };

static const char months[12][10] = { "January", "February", "March", "April", "May", "June", "July",
	"August", "September", "October", "November", "December" };
static const char weekdays[7][10] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };

/* RFC 5322 §4.3, and names seen in mail. Single letters (military zones) and unknown names count as
 * UTC, as RFC 5322 §4.3 asks for. */
static const struct {
	char name[5];
	int16_t minutes;
} zones[] = {
	/* clang-format off */
	{ "UT", 0 }, { "UTC", 0 }, { "GMT", 0 }, { "Z", 0 },
	{ "EST", -300 }, { "EDT", -240 }, { "CST", -360 }, { "CDT", -300 },
	{ "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
	{ "AKST", -540 }, { "AKDT", -480 }, { "HST", -600 }, { "AST", -240 }, { "ADT", -180 },
	{ "WET", 0 }, { "WEST", 60 }, { "BST", 60 }, { "CET", 60 }, { "CEST", 120 },
	{ "MET", 60 }, { "MEST", 120 }, { "MEZ", 60 }, { "MESZ", 120 }, { "EET", 120 }, { "EEST", 180 },
	{ "MSK", 180 }, { "JST", 540 }, { "KST", 540 }, { "AEST", 600 }, { "AEDT", 660 },
	{ "NZST", 720 }, { "NZDT", 780 },
	/* clang-format on */
};

/* What has been found so far; -1: not yet. */
struct scan {
	int day, month, year, hour, minute, second;
	int zone;
	bool has_zone, is_year_first, is_slashed, is_pm, is_am;
};

static int name_index(str word, const char (*names)[10], int count)
{
	if (word.len < 3)
		return -1;
	for (int i = 0; i < count; i++) {
		if (str_istarts(str_c(names[i]), word))
			return i;
	}
	return -1;
}

static str take_class(str *in, bool (*is)(char))
{
	size_t n = 0;

	while (n < in->len && is(in->ptr[n]))
		n++;
	str out = str_sub(*in, 0, n);
	*in = str_skip(*in, n);
	return out;
}

static int small_number(str digits)
{
	uint32_t n;

	return num_parse_u32(digits, 9999, &n) < 0 ? -1 : (int)n;
}

/* "+0200", "-8", "+05:30". The cursor stands behind the sign. */
static void scan_offset(struct scan *s, str *in, bool is_west)
{
	str digits = take_class(in, ascii_is_digit);
	int n = small_number(digits), minutes = 0;

	if (digits.len == 0 || digits.len > 4 || n < 0)
		return;
	if (digits.len >= 3) {
		minutes = n / 100 * 60 + n % 100;
	} else {
		minutes = n * 60;
		if (take_char(in, ':') == 0)
			minutes += small_number(take_class(in, ascii_is_digit)) % 60;
	}
	if (minutes < 0 || minutes > ZONE_MAX_MIN)
		minutes = 0;
	s->zone = is_west ? -minutes : minutes;
	s->has_zone = true;
}

/* Behind "21": ":52:25.123". */
static void scan_time(struct scan *s, int hour, str *in, char separator)
{
	s->hour = hour;
	*in = str_skip(*in, 1);
	s->minute = small_number(take_class(in, ascii_is_digit));
	s->second = 0;
	if (take_char(in, separator) == 0)
		s->second = small_number(take_class(in, ascii_is_digit));
	if (in->len > 1 && (in->ptr[0] == '.' || in->ptr[0] == ',') && ascii_is_digit(in->ptr[1])) {
		*in = str_skip(*in, 1);
		take_class(in, ascii_is_digit);
	}
}

/* RFC 5322 §4.3: two digits are 1950 to 2049, three count from 1900. */
static int full_year(int n, size_t digits)
{
	if (digits >= 4)
		return n;
	return n + (digits == 2 && n < 50 ? 2000 : 1900);
}

static void scan_date_number(struct scan *s, int n, size_t digits)
{
	if (digits >= 3) {
		if (s->year < 0) {
			s->is_year_first = s->day < 0;
			s->year = full_year(n, digits);
		}
		return;
	}
	if (s->is_year_first && s->month < 0)
		s->month = n;
	else if (s->day < 0)
		s->day = n;
	else if (s->month < 0)
		s->month = n;
	else if (s->year < 0)
		s->year = full_year(n, digits);
}

static void scan_number(struct scan *s, str *in)
{
	str digits = take_class(in, ascii_is_digit);
	int n = small_number(digits);
	bool has_date = s->day > 0 && s->month > 0 && s->year >= 0;

	if (n < 0 || digits.len > 4)
		return;
	if (digits.len <= 2 && s->hour < 0 && in->len > 1 && ascii_is_digit(in->ptr[1]) &&
	    (in->ptr[0] == ':' || (has_date && in->ptr[0] == '.'))) {
		scan_time(s, n, in, in->ptr[0]);
		return;
	}
	if (in->len && in->ptr[0] == '/')
		s->is_slashed = true;
	scan_date_number(s, n, digits.len);
}

static void scan_word(struct scan *s, str *in)
{
	str word = take_class(in, ascii_is_alpha);
	int month = name_index(word, months, 12);

	if (str_ieq(word, STR("am")) || str_ieq(word, STR("pm"))) {
		s->is_pm = ascii_lower(word.ptr[0]) == 'p';
		s->is_am = !s->is_pm;
		return;
	}
	for (size_t i = 0; s->hour >= 0 && !s->has_zone && i < sizeof(zones) / sizeof(zones[0]);
	     i++) {
		if (!str_ieq(word, str_c(zones[i].name)))
			continue;
		s->zone = zones[i].minutes;
		return; /* has_zone stays false: "GMT+0200" says more */
	}
	if (month >= 0 && s->month < 0) {
		s->month = month + 1;
	} else if (month >= 0 && s->day < 0) { /* "2 March" read as month and name: swap */
		s->day = s->month;
		s->month = month + 1;
	}
}

static void skip_comment(str *in)
{
	size_t depth = 0;

	while (in->len) {
		char c = in->ptr[0];
		*in = str_skip(*in, c == '\\' ? 2 : 1);
		depth += c == '(';
		depth -= c == ')';
		if (depth == 0)
			return;
	}
}

static void scan(struct scan *s, str in)
{
	while (in.len) {
		char c = in.ptr[0];
		if (ascii_is_digit(c)) {
			scan_number(s, &in);
		} else if (ascii_is_alpha(c)) {
			scan_word(s, &in);
		} else if (c == '(') {
			skip_comment(&in);
		} else {
			in = str_skip(in, 1);
			if ((c == '+' || c == '-') && s->hour >= 0 && !s->has_zone)
				scan_offset(s, &in, c == '-');
		}
	}
}

static int days_in_month(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

static int to_seconds(const struct scan *s, int64_t *out_at)
{
	if (s->year < 1 || s->year > 9999 || s->month < 1 || s->month > 12 || s->day < 1 ||
	    s->day > days_in_month(s->year, s->month))
		return -1;
	/* RFC 5322 §3.3: 60 is a leap second. */
	if (s->hour < 0 || s->hour > 23 || s->minute < 0 || s->minute > 59 || s->second < 0 ||
	    s->second > 60)
		return -1;
	const struct civil c = {
		.year = s->year,
		.month = (uint8_t)s->month,
		.day = (uint8_t)s->day,
		.hour = (uint8_t)s->hour,
		.minute = (uint8_t)s->minute,
		.second = (uint8_t)s->second,
	};
	*out_at = time_from_civil(&c) - (int64_t)s->zone * 60;
	return 0;
}

static const struct scan nothing = { -1, -1, -1, -1, -1, -1, 0, false, false, false, false, false };

int date_parse(str text, int64_t *out_at, int *out_zone_min)
{
	struct scan s = nothing;
	int64_t at;

	scan(&s, str_sub(text, 0, DATE_TEXT_MAX));
	if (s.hour < 0)
		s.hour = s.minute = s.second = 0;
	if (s.is_pm && s.hour < 12)
		s.hour += 12;
	if (s.is_am && s.hour == 12)
		s.hour = 0;
	/* "12/31/2026": with slashes the month mostly comes first; "31.12.2026" or "31/12/2026"
	 * cannot be read otherwise. */
	bool is_month_first = s.is_slashed && !s.is_year_first && s.day <= 12;
	if (is_month_first || (s.month > 12 && s.day <= 12 && s.day > 0)) {
		int day = s.day;
		s.day = s.month;
		s.month = day;
	}
	if (text.len > DATE_TEXT_MAX || to_seconds(&s, &at) < 0)
		return -1;
	*out_at = at;
	if (out_zone_min)
		*out_zone_min = s.zone;
	return 0;
}

/* ---- IMAP, strictly ---- */

/* date-day "-" date-month "-" date-year; fixed: date-day-fixed, which has a space or two digits. */
static int take_imap_day(str *in, struct scan *s, bool is_fixed)
{
	str digits, name, year;

	bool has_space = take_char(in, ' ') == 0;
	if (take_digits(in, 2, &digits) < 0 || (has_space && digits.len != 1) ||
	    (is_fixed && !has_space && digits.len != 2) || take_char(in, '-') < 0)
		return -1;
	name = str_sub(*in, 0, 3);
	int month = name_index(name, months, 12);
	*in = str_skip(*in, 3);
	if (month < 0 || take_char(in, '-') < 0 || take_digits(in, 4, &year) < 0 || year.len != 4)
		return -1;
	s->day = small_number(digits);
	s->month = month + 1;
	s->year = small_number(year);
	return 0;
}

static int take_two(str *in, int *out)
{
	str digits;

	if (take_digits(in, 2, &digits) < 0 || digits.len != 2)
		return -1;
	*out = small_number(digits);
	return 0;
}

static int take_imap_time(str *in, struct scan *s)
{
	return take_two(in, &s->hour) < 0 || take_char(in, ':') < 0 ||
	               take_two(in, &s->minute) < 0 || take_char(in, ':') < 0 ||
	               take_two(in, &s->second) < 0
	           ? -1
	           : 0;
}

static int take_imap_zone(str *in, struct scan *s)
{
	str digits;
	bool is_west = in->len && in->ptr[0] == '-';

	if (!is_west && (in->len == 0 || in->ptr[0] != '+'))
		return -1;
	*in = str_skip(*in, 1);
	if (take_digits(in, 4, &digits) < 0 || digits.len != 4)
		return -1;
	int n = small_number(digits);
	if (n / 100 > 23 || n % 100 > 59)
		return -1;
	s->zone = (n / 100 * 60 + n % 100) * (is_west ? -1 : 1);
	return 0;
}

int date_imap_day_parse(str text, int64_t *out_day)
{
	struct scan s = nothing;

	s.hour = s.minute = s.second = 0;
	if (take_imap_day(&text, &s, /* is_fixed */ false) < 0 || text.len)
		return -1;
	return to_seconds(&s, out_day);
}

int date_imap_parse(str text, int64_t *out_at, int *out_zone_min)
{
	struct scan s = nothing;
	int64_t at;

	if (take_imap_day(&text, &s, /* is_fixed */ true) < 0 || take_char(&text, ' ') < 0 ||
	    take_imap_time(&text, &s) < 0 || take_char(&text, ' ') < 0 ||
	    take_imap_zone(&text, &s) < 0 || text.len || to_seconds(&s, &at) < 0)
		return -1;
	*out_at = at;
	if (out_zone_min)
		*out_zone_min = s.zone;
	return 0;
}

/* ---- printing ---- */

/* What both printers can show: years 1 to 9999, zones within a day. */
static struct civil local_civil(int64_t at_s, int *zone_min)
{
	const int64_t first = -62135596800, last = 253402300799, day = 86400;

	if (*zone_min < -ZONE_MAX_MIN || *zone_min > ZONE_MAX_MIN)
		*zone_min = 0;
	at_s = at_s < first - day ? first - day : at_s > last + day ? last + day : at_s;
	at_s += (int64_t)*zone_min * 60;
	return time_utc(at_s < first ? first : at_s > last ? last : at_s);
}

static void add_two(struct buf *out, int n)
{
	buf_addc(out, (char)('0' + n / 10 % 10));
	buf_addc(out, (char)('0' + n % 10));
}

static void add_year(struct buf *out, int32_t year)
{
	add_two(out, year / 100);
	add_two(out, year % 100);
}

static void add_clock(struct buf *out, const struct civil *c, int zone_min)
{
	int offset = zone_min < 0 ? -zone_min : zone_min;

	buf_addc(out, ' ');
	add_two(out, c->hour);
	buf_addc(out, ':');
	add_two(out, c->minute);
	buf_addc(out, ':');
	add_two(out, c->second);
	buf_add(out, zone_min < 0 ? STR(" -") : STR(" +"));
	add_two(out, offset / 60);
	add_two(out, offset % 60);
}

void date_print(struct buf *out, int64_t at_s, int zone_min)
{
	struct civil c = local_civil(at_s, &zone_min);

	buf_add(out, str_new(weekdays[c.weekday], 3));
	buf_add(out, STR(", "));
	buf_addu(out, c.day);
	buf_addc(out, ' ');
	buf_add(out, str_new(months[c.month - 1], 3));
	buf_addc(out, ' ');
	add_year(out, c.year);
	add_clock(out, &c, zone_min);
}

static void add_imap_day(struct buf *out, const struct civil *c)
{
	buf_addc(out, '-');
	buf_add(out, str_new(months[c->month - 1], 3));
	buf_addc(out, '-');
	add_year(out, c->year);
}

void date_imap_day_print(struct buf *out, int64_t at_s)
{
	int zone = 0;
	struct civil c = local_civil(at_s, &zone);

	buf_addu(out, c.day);
	add_imap_day(out, &c);
}

void date_imap_print(struct buf *out, int64_t at_s, int zone_min)
{
	struct civil c = local_civil(at_s, &zone_min);

	buf_addc(out, c.day < 10 ? ' ' : (char)('0' + c.day / 10));
	buf_addc(out, (char)('0' + c.day % 10));
	add_imap_day(out, &c);
	add_clock(out, &c, zone_min);
}

int64_t date_day_of(int64_t at_s, int zone_min)
{
	int64_t local = at_s + (int64_t)zone_min * 60, rest = local % 86400;

	return local - (rest < 0 ? rest + 86400 : rest);
}
