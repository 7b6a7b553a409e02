#include "roles/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "roles/sandbox_internal.h"

/* ---- limits ----------------------------------------------------------------------------------- */

static int limit_memory(uint64_t bytes)
{
	struct rlimit data;

	if (bytes == 0 || SANDBOX_SANITIZED)
		return 0;
	if (getrlimit(RLIMIT_DATA, &data) < 0)
		return -1;
	if (data.rlim_max > bytes)
		data.rlim_max = bytes;
	data.rlim_cur = data.rlim_max;
	return setrlimit(RLIMIT_DATA, &data);
}

static int set_limits(const struct sandbox_options *o)
{
	const struct rlimit no_core = { 0, 0 };
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -1 : limit_memory(o->memory_bytes);
}

/* ---- user and root directory ------------------------------------------------------------------- */

/* An empty directory that nobody can fill, because it has no name any more. */
static int open_empty_dir(void)
{
	char path[] = "/tmp/buzon-empty-XXXXXX";

	if (!mkdtemp(path))
		return -1;
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rmdir(path);
	return fd;
}

/* Not dumpable: nobody but root may look into this process (ptrace, /proc/PID/mem). Both are reset by a change
 * of user, so they are set after it. */
static int tie_down(const struct sandbox_options *o)
{
	return prctl(PR_SET_DUMPABLE, SANDBOX_SANITIZED ? 1 : 0, 0, 0, 0) < 0 ||
	               (o->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
	           ? -1
	           : 0;
}

/* The directory becomes the root, then the process its user, who is looked up while /etc can still be seen. */
static int move_into(int dir, const char *name)
{
	const struct passwd *user = name && name[0] ? getpwnam(name) : NULL;

	if (fchdir(dir) < 0 || chroot(".") < 0)
		return -1;
	if (!user)
		return 0;
	return setgroups(0, NULL) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	               setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0
	           ? -1
	           : 0;
}

/* ---- capabilities ------------------------------------------------------------------------------- */

/* Nothing can be gained again. Needs a capability itself: as an ordinary user there is nothing to give up. */
static void drop_bounding_set(void)
{
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
	for (int cap = 0; cap <= 63; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return (int)syscall(SYS_capset, &header, none);
}

/* ---- the two steps ------------------------------------------------------------------------------ */

static int enter_root(struct sandbox_options *o, struct err *err)
{
	if (geteuid() != 0)
		return 0;
	if (o->user && o->user[0] && !getpwnam(o->user))
		return err_set(err, ERR_INPUT, "this machine has no user '%s'", o->user);
	drop_bounding_set();
	if (o->directory < 0) {
		o->empty_dir = open_empty_dir();
		return o->empty_dir < 0
		           ? err_set(err, ERR_SYSTEM, "cannot make an empty directory in /tmp: %m")
		           : 0;
	}
	if (move_into(o->directory, o->user) < 0)
		return err_set(err, ERR_SYSTEM,
		    "cannot make its directory the root of the process, and become the user '%s': "
		    "%m",
		    o->user ? o->user : "");
	o->has_own_root = true;
	return 0;
}

int sandbox_early(struct sandbox_options *o, struct err *err)
{
	o->empty_dir = -1;
	o->has_own_root = false;
	if (set_limits(o) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set the limits of the process: %m");
	if (enter_root(o, err) < 0)
		return -1;
	if (tie_down(o) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, ERR_SYSTEM, "cannot give up privileges: %m");
	if (sandbox_landlock(o, true) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set up Landlock: %m");
	o->has_files = o->directory >= 0;
	fd_close(&o->directory);
	return 0;
}

static int leave_the_tree(const struct sandbox_options *o)
{
	int fd = o->empty_dir;

	if (fd < 0)
		return 0;
	int result = move_into(fd, o->user);
	fd_close(&fd);
	return result < 0 ? -1 : tie_down(o);
}

int sandbox_late(const struct sandbox_options *o, struct err *err)
{
	if (leave_the_tree(o) < 0)
		return err_set(err, ERR_SYSTEM, "cannot become the user '%s': %m", o->user);
	if (!o->has_files && sandbox_landlock(o, false) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set up Landlock: %m");
	/* No new process and no new thread, whatever the filter says. (Root is not bound by it.) */
	const struct rlimit none = { 0, 0 };
	if (!SANDBOX_SANITIZED && setrlimit(RLIMIT_NPROC, &none) < 0)
		return err_set(err, ERR_SYSTEM, "cannot limit the number of processes: %m");
	if (drop_capabilities() < 0)
		return err_set(err, ERR_SYSTEM, "cannot drop capabilities: %m");
	if (sandbox_filter(o->grants) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set up seccomp: %m");
	return 0;
}
