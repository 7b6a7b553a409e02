/* Keys for DKIM: made, written, read again, and what they sign verifies with the public half. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "formats/base64.h"
#include "protocols/dkim/crypto.h"
#include "services/keys/dkim_files.h"
#include "services/store/fixture.h"

static char data[64];
static const struct log quiet = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = -1 };

static int setup(void **state)
{
	(void)state;
	snprintf(data, sizeof(data), "/tmp/dkim-files-XXXXXX");
	return mkdtemp(data) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fixture_remove_dir(data);
	return 0;
}

static struct keys *read_all(size_t *out_count)
{
	AUTO_BUF block = BUF_INIT(1 << 20);
	AUTO_FD dir = open(data, O_RDONLY | O_DIRECTORY);
	struct keys *k = keys_new();
	struct err err;

	check(dkim_files_read(dir, &quiet, &block, &err) == 0);
	check(dkim_block_read(buf_str(&block), k, &err) == 0);
	*out_count = keys_count(k);
	return k;
}

static void test_round(void **state)
{
	static const struct {
		str algorithm;
		uint16_t scheme;
		enum dkim_algorithm verified_as;
		mode_t mode;
	} cases[] = {
		{ STR_INIT("rsa"), 0x0401, DKIM_RSA_SHA256, 0600 },
		{ STR_INIT("ed25519"), 0x0807, DKIM_ED25519_SHA256, 0600 },
	};
	const char digest[32] = { 1, 2, 3 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF pem = BUF_INIT(DKIM_FILE_BYTES), public = BUF_INIT(4096);
		AUTO_BUF signature = BUF_INIT(1024), raw = BUF_INIT(4096);
		char name[DKIM_NAME_BYTES], path[512];
		size_t count;
		unsigned bits;
		uint32_t number;
		struct stat st;
		check(dkim_key_make(cases[i].algorithm, &pem, &public, &err) == 0);
		check(dkim_key_name(cases[i].algorithm, STR("example.org"), name, &err) == 0);
		check(dkim_file_write(data, name, buf_str(&pem), &err) == 0);
		check(dkim_file_write(data, name, buf_str(&pem), &err) < 0);
		check_int_eq(err.kind, ERR_DENIED);
		snprintf(path, sizeof(path), "%s/keys/%s.pem", data, name);
		check(stat(path, &st) == 0 && (st.st_mode & 07777) == cases[i].mode);
		struct keys *k = read_all(&count);
		check_int_eq(count, i + 1);
		check(keys_find(k, str_c(name), &number));
		check(!keys_find(k, STR("other._domainkey.example.org"), &number));
		check(keys_find(k, str_c(name), &number));
		check(keys_sign(k, number, cases[i].scheme, str_new(digest, 32), &signature) == 0);
		check(base64_decode(buf_str(&public), &raw, &err) == 0);
		check_int_eq(dkim_crypto_openssl.verify(cases[i].verified_as, buf_str(&raw),
		                 str_new(digest, 32), buf_str(&signature), &bits),
		    DKIM_CHECK_GOOD);
		keys_free(k);
	}
}

/* A file that holds no key must not take the others with it. */
static void test_broken_file(void **state)
{
	struct err err;
	size_t before, after;

	(void)state;
	keys_free(read_all(&before));
	check(dkim_file_write(data, "bad._domainkey.example.org", STR("nothing"), &err) == 0);
	keys_free(read_all(&after));
	check_int_eq(before, after);
	check(dkim_file_remove(data, "bad._domainkey.example.org", &err) == 0);
	check(dkim_file_remove(data, "bad._domainkey.example.org", &err) == 0);
}

static void test_names(void **state)
{
	char name[DKIM_NAME_BYTES], longest[300];
	struct err err;

	(void)state;
	memset(longest, 'a', sizeof(longest));
	check(dkim_key_name(STR("s"), STR("example.org"), name, &err) == 0);
	check(strcmp(name, "s._domainkey.example.org") == 0);
	check(dkim_key_name(STR("../../etc"), STR("example.org"), name, &err) < 0);
	check(dkim_key_name(STR(".s"), STR("example.org"), name, &err) < 0);
	check(dkim_key_name(STR("s\n"), STR("example.org"), name, &err) < 0);
	check(dkim_key_name(str_new(longest, sizeof(longest)), STR("example.org"), name, &err) < 0);
}

static void test_block(void **state)
{
	struct keys *k = keys_new();
	struct err err;

	(void)state;
	check(dkim_block_read(STR_NONE, k, &err) == 0);
	check(dkim_block_read(STR("\x05"
	                          "abc"),
	          k, &err) < 0);
	check(dkim_block_read(STR("\x01"
	                          "a"
	                          "\x01"
	                          "b"),
	          k, &err) < 0);
	keys_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_broken_file),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_block),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
