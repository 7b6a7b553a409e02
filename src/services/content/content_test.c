/* Tests of indexing by bytes and by descriptor. */
#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "formats/message_index.h"
#include "services/content/content.h"

static void test_map(void **state)
{
	AUTO_FD fd = memfd_create("test", MFD_CLOEXEC);
	struct content_body body;
	struct err err;
	int pipes[2];

	(void)state;
	check_int_eq(fd_write_all(fd, STR("hello")), 0);
	check_int_eq(content_map(fd, 0, 5, &body, &err), 0);
	check_str_eq(body.bytes, STR("hello"));
	content_fini(&body);
	content_fini(&body);
	check_int_eq(content_map(fd, 2, 3, &body, &err), 0);
	check_str_eq(body.bytes, STR("llo"));
	content_fini(&body);
	check_int_eq(content_map(fd, 0, 6, &body, &err), -1);
	check_str_eq(str_c(err.text), STR("the message's descriptor does not hold 6 bytes at 0"));
	check_int_eq(content_map(fd, 3, 3, &body, &err), -1);
	check_int_eq(content_map(fd, 6, 0, &body, &err), -1);
	check_int_eq(content_map(-1, 0, 5, &body, &err), -1);
	check_int_eq(err.kind, ERR_SYSTEM);
	check_int_eq(pipe(pipes), 0);
	check_int_eq(content_map(pipes[0], 0, 0, &body, &err), -1);
	close(pipes[0]);
	close(pipes[1]);
	check_int_eq(ftruncate(fd, 10001), 0);
	check_int_eq(pwrite(fd, "z", 1, 10000), 1);
	check_int_eq(content_map(fd, 5000, 5001, &body, &err), 0);
	check_str_eq(str_skip(body.bytes, 5000), STR("z"));
	content_fini(&body);
	check_int_eq(ftruncate(fd, 0), 0);
	check_int_eq(content_map(fd, 0, 0, &body, &err), 0);
	check_int_eq(body.bytes.len, 0);
	content_fini(&body);
}

static void test_index(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	AUTO_BUF out = BUF_INIT(CONTENT_INDEX_MAX_BYTES), small = BUF_INIT(16);
	struct message_index index;
	struct err err;

	(void)state;
	check_int_eq(content_index(STR("Subject: x\r\n\r\nhello"), a, &out, &err), 0);
	check_int_eq(message_index_decode(buf_str(&out), a, &index, &err), 0);
	check_str_eq(index.subject, STR("x"));
	check_int_eq(content_index(STR("Subject: x\r\n\r\nhello"), a, &small, &err), -1);
	check_int_eq(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
