/* check.h: cmocka with the words that our unit tests use.
 *
 * Purpose    Included by every x_test.c instead of cmocka's own header and its prerequisites.
 */
#ifndef BUZON_TESTS_CHECK_H
#define BUZON_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* cmocka leaves a test by longjmp, which the analyzer cannot see. */
#ifdef __clang_analyzer__
#define check(condition) ((condition) ? (void)0 : abort())
#else
#define check(condition) assert_true(condition)
#endif
#define check_int_eq(a, b) assert_int_equal((a), (b))

static inline void check_str_eq_at(str got, str want, const char *name, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	print_error("%s: got  \"" STR_FMT "\"\n", name ? name : "", STR_ARG(got));
	print_error("%s: want \"" STR_FMT "\"\n", name ? name : "", STR_ARG(want));
	_fail(file, line);
}

#define check_str_eq(got, want) check_str_eq_at((got), (want), NULL, __FILE__, __LINE__)
/* In loops over a table of cases: says which case. */
#define check_case_str(name, got, want) check_str_eq_at((got), (want), (name), __FILE__, __LINE__)
#define check_case(name, condition) \
	do { \
		if (!(condition)) { \
			print_error("case %s: %s\n", (name), #condition); \
			_fail(__FILE__, __LINE__); \
		} \
	} while (0)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
