/* Whatever the charset and the limit: the result is well-formed UTF-8 without NUL, within the limit;
 * what is UTF-8 already comes out unchanged; what is folded is well-formed. */
#include <assert.h>

#include "formats/charset.h"

enum { FUZZ_MAX = 1 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	charset_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "us-ascii", "utf-8", "iso-8859-1", "iso-8859-2",
		"windows-1258", "iso-2022-jp", "euc-jp", "shift_jis", "gb18030", "big5", "euc-tw",
		"euc-kr", "iso-2022-kr", "iso-2022-cn", "johab", "utf-7", "utf-16", "utf-32" };
	AUTO_BUF out = BUF_INIT(FUZZ_MAX);
	AUTO_BUF folded = BUF_INIT(FUZZ_MAX);

	if (size < 2 || size > 16384)
		return 0;
	str in = str_new(data + 2, size - 2);
	size_t max = data[1] < 128 ? data[1] : FUZZ_MAX;
	str name = str_c(names[data[0] % (sizeof(names) / sizeof(names[0]))]);
	charset_to_utf8(name, in, max, &out);
	assert(buf_ok(&out) && out.len <= max && str_is_utf8(buf_str(&out)));
	assert(out.len == 0 || !memchr(out.ptr, '\0', out.len));
	if (str_eq(name, STR("utf-8")) && str_is_utf8(in) && str_chr(in, '\0') == STR_NPOS &&
	    max == FUZZ_MAX)
		assert(str_eq(buf_str(&out), in));
	text_fold(buf_str(&out), &folded);
	assert(str_is_utf8(buf_str(&folded)));
	return 0;
}
