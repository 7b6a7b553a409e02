/* files.h: finding and reading the files that tests use, from whatever folder a test is started in.
 *
 * Purpose    test_read("tests/transcripts/pop3/quit.txt", &out) looks below the current folder and up to
 *            three folders above it, so that tests run from the project's root and from build/.
 *            "../shared/corpus/..." is other people's data beside the project; when it is absent the test
 *            says skip().
 */
#ifndef BUZON_TESTS_FILES_H
#define BUZON_TESTS_FILES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

enum { TEST_PATH_MAX = 512 };

static inline bool test_find(const char *relative, char out[TEST_PATH_MAX])
{
	static const char *const ups[] = { "", "../", "../../", "../../../" };

	for (size_t i = 0; i < sizeof(ups) / sizeof(ups[0]); i++) {
		snprintf(out, TEST_PATH_MAX, "%s%s", ups[i], relative);
		if (access(out, R_OK) == 0)
			return true;
	}
	return false;
}

/* Adds the whole file; false when it is not there. */
static inline bool test_read(const char *relative, struct buf *out)
{
	char path[TEST_PATH_MAX], block[16384];
	size_t n;

	if (!test_find(relative, path))
		return false;
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(out, str_new(block, n));
	fclose(f);
	return buf_ok(out);
}

static inline int test_order_(const void *a, const void *b)
{
	return str_cmp(str_c(*(char *const *)a), str_c(*(char *const *)b));
}

/* Names in a folder that end in suffix, sorted; *out is an array of heap strings. */
static inline size_t test_list(const char *relative, const char *suffix, char ***out)
{
	char path[TEST_PATH_MAX];
	size_t count = 0;
	struct dirent *e;

	*out = NULL;
	DIR *dir = test_find(relative, path) ? opendir(path) : NULL;
	while (dir && (e = readdir(dir)) != NULL) {
		if (!str_ends(str_c(e->d_name), str_c(suffix)))
			continue;
		*out = (char **)realloc(*out, (count + 1) * sizeof(**out));
		(*out)[count++] = strdup(e->d_name);
	}
	if (dir)
		closedir(dir);
	if (count)
		qsort(*out, count, sizeof(**out), test_order_);
	return count;
}

static inline void test_list_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

#endif
