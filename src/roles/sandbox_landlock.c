/* Landlock: which files and ports the process may use, whatever system calls it has. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "roles/sandbox_internal.h"

/* Debian 12's header knows ABI 2; what later kernels add is named here. */
enum {
	FS_TRUNCATE = 1 << 14,  /* ABI 3 */
	FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
	NET_BIND_TCP = 1,       /* ABI 4 */
	NET_CONNECT_TCP = 2,
	RULE_NET_PORT = 2,
	FS_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	FS_WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	           LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
	           LANDLOCK_ACCESS_FS_MAKE_REG,
	FS_OTHER = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
	           LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
	           LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
};

enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 }; /* ABI 6 */
enum { ABI_NET = 4 };

struct ruleset {
	uint64_t fs, net, scoped;
};

static size_t ruleset_bytes(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset);
	return abi >= ABI_NET ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

int sandbox_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static uint64_t fs_handled(int abi)
{
	uint64_t fs = FS_READ | FS_WRITE | FS_OTHER;

	if (abi >= 2)
		fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static int allow_below(int ruleset, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };

	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int allow_path(int ruleset, const char *path, uint64_t access)
{
	AUTO_FD fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	return allow_below(ruleset, fd, access);
}

/* What a start reads of the tree: shared tables and libraries, no place where anybody keeps secrets. Never
 * /proc, never other data. A role with files has read it before (prepare) and gets none of it. */
static const struct {
	const char *path;
	uint64_t access;
} readable[] = {
	{ "/usr/lib", FS_READ },
	{ "/usr/lib64", FS_READ },
	{ "/usr/share", FS_READ },
	{ "/lib", FS_READ },
	{ "/lib64", FS_READ },
	{ "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "/etc/localtime", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "/etc/nsswitch.conf", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "/etc/passwd", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "/etc/group", LANDLOCK_ACCESS_FS_READ_FILE },
	{ "/etc/ssl/openssl.cnf", LANDLOCK_ACCESS_FS_READ_FILE },
};

static int allow_start(int ruleset, const char *const *files)
{
	for (; files && *files; files++) /* the role says what it cannot read */
		(void)allow_path(ruleset, *files, LANDLOCK_ACCESS_FS_READ_FILE);
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
		if (allow_path(ruleset, readable[i].path, readable[i].access) < 0)
			return -1;
	}
	return 0;
}

/* struct landlock_net_port_attr, which Debian 12's header does not have. */
struct net_port {
	uint64_t access, port;
};

static int allow_ports(int ruleset, const struct sandbox_options *o)
{
	for (size_t i = 0; i < o->port_count; i++) {
		struct net_port rule = { NET_CONNECT_TCP, o->ports[i] };
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) < 0)
			return -1;
	}
	return 0;
}

int sandbox_landlock(const struct sandbox_options *o, bool is_start)
{
	int abi = sandbox_landlock_abi();
	uint64_t fs = fs_handled(abi);
	/* Later layers only narrow: while it starts, a role's connections are not its own yet. */
	struct ruleset attr = { .fs = fs,
		.net = NET_BIND_TCP | NET_CONNECT_TCP,
		.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS };
	bool is_kept = o->directory >= 0;

	if (abi == 0)
		return 0;
	AUTO_FD ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, ruleset_bytes(abi), 0);
	if (ruleset < 0)
		return -1;
	uint64_t write = (FS_READ | FS_WRITE | FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER) & fs;
	if (is_kept && allow_below(ruleset, o->directory, write) < 0)
		return -1;
	if (!is_kept && is_start && allow_start(ruleset, o->start_files) < 0)
		return -1;
	if (abi >= ABI_NET && allow_ports(ruleset, o) < 0)
		return -1;
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
