#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "roles/supervisor.h"

enum { WALK_FDS = 16 };

/* nftw takes no argument of ours; the walk happens once, before anything else runs. */
static uid_t owner_uid;
static gid_t owner_gid;

static int own(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type, (void)ftw;
	if (st->st_uid == owner_uid)
		return 0;
	return lchown(path, owner_uid, owner_gid);
}

/* Files that an administrator's command made as root while no server ran would be closed to the roles. */
static int give_to_user(const struct config *c, enum role_id id, const char *path, struct err *err)
{
	str wanted = role_user(c, id);
	char name[64];

	if (geteuid() != 0 || str_empty(wanted))
		return 0;
	snprintf(name, sizeof(name), STR_FMT, STR_ARG(wanted));
	const struct passwd *user = getpwnam(name);
	if (!user)
		return err_set(err, ERR_INPUT,
		    "this machine has no user '%s' (setting user, or section users); make it first",
		    name);
	owner_uid = user->pw_uid;
	owner_gid = user->pw_gid;
	if (nftw(path, own, WALK_FDS, FTW_PHYS | FTW_MOUNT) != 0)
		return err_set(
		    err, ERR_SYSTEM, "cannot give '%s' to the user '%s': %m", path, name);
	return 0;
}

/* Made here and not by the role: its directory is the whole world to it. */
static int make_directories(const struct config *c, int dir, struct err *err)
{
	for (int id = 0; id < ROLE_COUNT; id++) {
		const char *name = role_directory((enum role_id)id);
		char path[4200];
		if (!name)
			continue;
		if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
			return err_set(
			    err, ERR_SYSTEM, "cannot make '%s' in the data directory: %m", name);
		snprintf(path, sizeof(path), STR_FMT "/%s", STR_ARG(c->data), name);
		if (give_to_user(c, (enum role_id)id, path, err) < 0)
			return -1;
	}
	return fsync(dir) < 0 ? err_set(err, ERR_SYSTEM, "cannot sync the data directory: %m") : 0;
}

int supervisor_open_data(const struct config *c, int *out_dir, int *out_lock, struct err *err)
{
	char path[4096];

	snprintf(path, sizeof(path), STR_FMT, STR_ARG(c->data));
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, ERR_SYSTEM,
		    "cannot open the data directory '%s': %m; make it first", path);
	AUTO_FD lock = openat(dir, "server.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_RETRY,
		    "the data directory '%s' is in use by another server or command, or not yours",
		    path);
	if (make_directories(c, dir, err) < 0)
		return -1;
	*out_dir = TAKE_FD(dir);
	*out_lock = TAKE_FD(lock);
	return 0;
}

bool supervisor_all_ready(struct supervisor *s)
{
	bool ready = true;

	FOR_CHILDREN(s, c)
	ready = ready && c->ready;
	return ready;
}

void supervisor_write_status(struct supervisor *s)
{
	AUTO_BUF text = BUF_INIT(65536);
	const char *comma = "";

	buf_addf(&text, "{\"pid\":%d,\"ready\":%s,\"roles\":[", getpid(),
	    supervisor_all_ready(s) ? "true" : "false");
	FOR_CHILDREN(s, c)
	{
		buf_addf(&text,
		    "%s\n{\"role\":\"%s\",\"index\":%u,\"pid\":%d,\"ready\":%s,\"restarts\":%u}",
		    comma, role_name(c->id), c->index, c->pid, c->ready ? "true" : "false",
		    c->restarts);
		comma = ",";
	}
	buf_addz(&text, "]}\n");
	mkdirat(s->data_dir, "run", 0700);
	AUTO_FD fd =
	    openat(s->data_dir, "run/status.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && fd_write_all(fd, buf_str(&text)) == 0)
		renameat(s->data_dir, "run/status.new", s->data_dir, "run/status.json");
}
