#include "check.h"

#include "formats/date.h"

/* 2026-02-07 21:52:25 UTC */
#define AT 1770501145

static void test_parse(void **state)
{
	static const struct {
		const char *in;
		int64_t at;
		int zone;
	} cases[] = {
		{ "Sat, 7 Feb 2026 21:52:25 +0000", AT, 0 },
		{ "Sat, 07 Feb 2026 13:52:25 -0800", AT, -480 },
		{ "Sat, 7 Feb 2026 13:52:25 -0800 (PST)", AT, -480 },
		{ "7 Feb 2026 21:52 +0000", AT - 25, 0 },
		{ "7 Feb 26 21:52:25 GMT", AT, 0 },
		{ "Sat, 7 Feb 126 21:52:25 UT", AT, 0 },
		{ "Sat,7 Feb 2026 13:52:25 PST", AT, -480 },
		{ "Sat, 7 Feb 2026 22:52:25 CET", AT, 60 },
		{ "Sat, 7 Feb 2026 21:52:25 A", AT, 0 },
		{ "Sat, 7 Feb 2026 21:52:25 XYZT", AT, 0 },
		{ "Sat, 7 Feb 2026 21:52:25", AT, 0 },
		{ "Fri, 7 Feb 2026 21:52:25 +0000", AT, 0 },
		{ "Saturday, 7 February 2026 21:52:25 +0000", AT, 0 },
		{ "Sat, 7 Feb 2026 23:52:25 GMT+0200", AT, 120 },
		{ "Sat, 7 Feb 2026 23:52:25 +02:00", AT, 120 },
		{ "Sat, 7 Feb 2026 23:52:25 +2", AT, 120 },
		{ "Sat, 7 Feb 2026 21:52:25 +9999", AT, 0 },
		{ "Sat (really), 7 (the \\) seventh) Feb(2) 2026 21:52:25 (a(b)c) +0000", AT, 0 },
		{ "Sat Feb  7 21:52:25 2026", AT, 0 },
		{ "Sat Feb  7 13:52:25 PST 2026", AT, -480 },
		{ "Sat Feb  7 13:52:25 2026 -0800", AT, -480 },
		{ "Sat, Feb 7, 2026 09:52:25 PM", AT, 0 },
		{ "2026-02-07T21:52:25Z", AT, 0 },
		{ "2026-02-07T22:52:25.123+01:00", AT, 60 },
		{ "2026-02-07 21:52:25 +0000", AT, 0 },
		{ "7-Feb-2026 21:52:25 +0000", AT, 0 },
		{ "07.02.2026 21:52:25", AT, 0 },
		{ "02/07/2026 21:52:25", AT, 0 },
		{ "07 Feb 2026 21.52.25 +0000", AT, 0 },
		{ "Sat,\r\n 7 Feb 2026\r\n 21:52:25 +0000", AT, 0 },
		{ " \tSat, 7 Feb 2026 21:52:25 +0000 ", AT, 0 },
		{ "\"Sat, 7 Feb 2026 21:52:25 +0000\"", AT, 0 },
		{ "7 Feb 2026", AT - 21 * 3600 - 52 * 60 - 25, 0 },
		{ "Thu, 1 Jan 1970 00:00:00 +0000", 0, 0 },
		{ "Tue, 31 Dec 1968 23:59:59 +0000", -31536001, 0 },
		{ "Sat, 31 Dec 2016 23:59:60 +0000", 1483228800, 0 },
		{ "1 Jan 50 00:00:00 +0000", -631152000, 0 },
		{ "1 Jan 49 00:00:00 +0000", 2493072000, 0 },
		{ "Tue, 29 Feb 2000 00:00:00 +0000", 951782400, 0 },
		{ "Fri, 31 Dec 9999 23:59:59 +0000", 253402300799, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t at = -1;
		int zone = -1;
		check_case(cases[i].in, date_parse(str_c(cases[i].in), &at, &zone) == 0);
		if (at != cases[i].at)
			print_error("%s: got %lld want %lld\n", cases[i].in, (long long)at,
			    (long long)cases[i].at);
		check_case(cases[i].in, at == cases[i].at);
		check_case(cases[i].in, zone == cases[i].zone);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const cases[] = { "", " ", "yesterday",
		"Sat, 30 Feb 2026 21:52:25 +0000", "29 Feb 2100 00:00:00 +0000",
		"7 Feb 2026 24:00:00 +0000", "7 Feb 2026 21:60:00 +0000",
		"7 Feb 2026 21:52:61 +0000", "Feb 2026 21:52:25", "0 Feb 2026 00:00:00",
		"7 Foo 2026 21:52:25 +0000", "12345678901234567890", "((((((",
		"7 Feb 0000 00:00:00 +0000", "21:52:25" };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t at = 5;
		check_case(cases[i], date_parse(str_c(cases[i]), &at, NULL) == -1 && at == 5);
	}
}

static void test_print(void **state)
{
	static const struct {
		int64_t at;
		int zone;
		const char *header, *imap;
	} cases[] = {
		{ AT, 0, "Sat, 7 Feb 2026 21:52:25 +0000", " 7-Feb-2026 21:52:25 +0000" },
		{ AT, -480, "Sat, 7 Feb 2026 13:52:25 -0800", " 7-Feb-2026 13:52:25 -0800" },
		{ AT, 330, "Sun, 8 Feb 2026 03:22:25 +0530", " 8-Feb-2026 03:22:25 +0530" },
		{ 1795422600, 0, "Mon, 23 Nov 2026 08:30:00 +0000", "23-Nov-2026 08:30:00 +0000" },
		{ AT, 5000, "Sat, 7 Feb 2026 21:52:25 +0000", " 7-Feb-2026 21:52:25 +0000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF header = BUF_INIT(100);
		AUTO_BUF imap = BUF_INIT(100);
		date_print(&header, cases[i].at, cases[i].zone);
		date_imap_print(&imap, cases[i].at, cases[i].zone);
		check_str_eq(buf_str(&header), str_c(cases[i].header));
		check_str_eq(buf_str(&imap), str_c(cases[i].imap));
	}
}

static void test_imap(void **state)
{
	static const struct {
		const char *in;
		bool ok;
	} cases[] = {
		{ " 7-Feb-2026 21:52:25 +0000", true },
		{ "07-feb-2026 21:52:25 +0000", true },
		{ "7-Feb-2026 21:52:25 +0000", false },
		{ " 7-Feb-2026 21:52:25", false },
		{ " 7-Feb-2026 21:52:25 GMT", false },
		{ " 7-Feb-2026 21:52:25 +000", false },
		{ " 7-Feb-2026 21:52:25 +2400", false },
		{ " 7-Feb-26 21:52:25 +0000", false },
		{ " 7-Feb-2026 21:52:25 +0000 ", false },
		{ " 7-Xxx-2026 21:52:25 +0000", false },
		{ "30-Feb-2026 21:52:25 +0000", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t at = 5;
		int result = date_imap_parse(str_c(cases[i].in), &at, NULL);
		check_case(cases[i].in, result == (cases[i].ok ? 0 : -1));
		check_case(cases[i].in, at == (cases[i].ok ? AT : 5));
	}
}

static void test_imap_day(void **state)
{
	AUTO_BUF out = BUF_INIT(100);
	int64_t day, first, last;

	(void)state;
	check_int_eq(date_imap_day_parse(STR("7-Feb-2026"), &day), 0);
	check(day == AT - AT % 86400);
	check_int_eq(date_imap_day_parse(STR("07-Feb-2026"), &day), 0);
	check_int_eq(date_imap_day_parse(STR("7-Feb-2026 "), &day), -1);
	check_int_eq(date_imap_day_parse(STR("31-Apr-2026"), &day), -1);
	date_imap_day_print(&out, AT);
	check_str_eq(buf_str(&out), STR("7-Feb-2026"));
	/* The first and the last day there are. */
	check_int_eq(date_imap_day_parse(STR("31-Dec-9999"), &last), 0);
	buf_reset(&out);
	date_imap_day_print(&out, last);
	check_str_eq(buf_str(&out), STR("31-Dec-9999"));
	check_int_eq(date_imap_day_parse(STR("1-Jan-0001"), &first), 0);
	buf_reset(&out);
	date_imap_day_print(&out, first);
	check_str_eq(buf_str(&out), STR("1-Jan-0001"));
	check(date_day_of(AT, 330) == day + 86400);
	check(date_day_of(AT, 0) == day);
	check(date_day_of(-1, 0) == -86400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_imap),
		cmocka_unit_test(test_imap_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
