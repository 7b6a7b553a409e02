/* A full disk: new mail is refused for now, expunge and flags still work, and all is well when space
 * comes back. reliability R-14. Needs a small file system of its own, 128 MiB or so: root gets one in
 * a mount name space that ends with the process, others say
 *
 *   mount -t tmpfs -o size=128m none DIR; BUZON_TEST_SMALL_DISK=DIR full_test */
#include "services/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

static int ballast(const char *dir, char path[200])
{
	static const char block[65536] = "ballast";
	size_t size = sizeof(block);

	snprintf(path, 200, "%s/ballast", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	check(fd >= 0);
	while (size > 0) {
		if (write(fd, block, size) < 0)
			size /= 2;
	}
	return fd;
}

/* Where the small disk is; NULL with errno. Nothing that is mounted is seen by others. */
static const char *small_disk(void)
{
	static char made[64];
	const char *given = getenv("BUZON_TEST_SMALL_DISK");

	if (given || made[0])
		return given ? given : made;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return NULL;
	char dir[] = "/tmp/buzon-disk-XXXXXX";
	check(mkdtemp(dir));
	if (mount("none", dir, "tmpfs", 0, "size=128m") < 0) {
		rmdir(dir);
		return NULL;
	}
	memcpy(made, dir, sizeof(dir));
	return made;
}

static int unmount(void **state)
{
	(void)state;
	const char *dir = small_disk();
	if (!dir || getenv("BUZON_TEST_SMALL_DISK"))
		return 0;
	if (umount(dir) < 0)
		return -1;
	return rmdir(dir);
}

static void test_full(void **state)
{
	const char *dir = small_disk();
	struct fixture f;
	char path[200];
	uint32_t count;
	(void)state;

	if (!dir) {
		print_message("only root can mount a small disk: skipped\n");
		skip();
		return;
	}
	setenv("TMPDIR", dir, 1);
	fixture_begin(&f);
	struct fixture_delivery d = { .mailbox = f.inbox, .body = STR("x"), .count = 20000 };
	fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	for (unsigned round = 0; round < 10; round++) {
		fixture_must(&f, fixture_deliver(&f, f.inbox, STR("there is room"), 0, NULL));
		AUTO_FD fd = ballast(dir, path);
		usleep(100000); /* near the end free space is looked at every 50 ms */
		check(!store_accepts_mail(f.store, 1000, &f.err));
		check_int_eq(f.err.kind, ERR_RETRY);
		check_int_eq(fixture_deliver(&f, f.inbox, STR("no room"), 0, NULL), -1);
		check_int_eq(f.err.kind, ERR_RETRY);
		uint32_t first = 1 + round * 1000;
		fixture_must(&f, fixture_flag(&f, f.inbox, first, first + 999, STORE_DELETED));
		fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, false, &count));
		check_int_eq(count, 1000);
		check_int_eq(unlink(path), 0);
		fd_close(&fd);
		usleep(100000);
		check(store_accepts_mail(f.store, 1000, &f.err));
		fixture_check_sound(&f, false);
	}
	fixture_reopen(&f);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, unmount);
}
