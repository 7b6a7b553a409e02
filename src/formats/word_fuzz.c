/* What is decoded is well-formed UTF-8 on one line; what is encoded is printable ASCII in lines of 76
 * and decodes to the same text. */
#include <assert.h>

#include "formats/charset.h"
#include "formats/word.h"

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
	AUTO_BUF text = BUF_INIT(FUZZ_MAX);
	AUTO_BUF encoded = BUF_INIT(FUZZ_MAX);
	AUTO_BUF again = BUF_INIT(FUZZ_MAX);

	if (size < 1 || size > 8192)
		return 0;
	word_decode(str_new(data + 1, size - 1), &text);
	str decoded = buf_str(&text);
	assert(buf_ok(&text) && str_is_utf8(decoded));
	assert(str_chr(decoded, '\n') == STR_NPOS && str_chr(decoded, '\r') == STR_NPOS);
	/* Tabs that were folding cannot be told from spaces once they stand beside words. */
	if (str_chr(decoded, '\t') != STR_NPOS)
		return 0;
	word_encode(decoded, data[0] & 1 ? WORD_TEXT : WORD_PHRASE, 0, &encoded);
	word_decode(buf_str(&encoded), &again);
	assert(str_eq(buf_str(&again), decoded));
	if (!str_eq(buf_str(&encoded), decoded)) {
		str rest = buf_str(&encoded), line;
		while (str_split(&rest, '\n', &line))
			assert(line.len <= 77);
	}
	return 0;
}
