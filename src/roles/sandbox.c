#include "roles/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "roles/role.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif
/* meson -Dsandbox_log=true, for finding out what a role needs; never for a server in use. */
#ifndef SANDBOX_LOG
#define SANDBOX_LOG false
#endif

/* ---- limits ----------------------------------------------------------------------------------- */

static int set_limits(void)
{
	const struct rlimit no_core = { 0, 0 };
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files);
}

/* ---- Landlock --------------------------------------------------------------------------------- */

/* Debian 12's header knows ABI 2; what later kernels add is named here. */
enum {
	FS_TRUNCATE = 1 << 14,  /* ABI 3 */
	FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
	NET_BIND_TCP = 1,       /* ABI 4 */
	NET_CONNECT_TCP = 2,
	FS_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	FS_WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	           LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
	           LANDLOCK_ACCESS_FS_MAKE_REG,
	FS_OTHER = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
	           LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
	           LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
};

enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 }; /* ABI 6 */

struct ruleset {
	uint64_t fs, net, scoped;
};

static size_t ruleset_bytes(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset);
	return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
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

static int allow_path(int ruleset, int at, const char *path, uint64_t access)
{
	AUTO_FD fd = openat(at, path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = fd };
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* What a start reads, and what a role with threads can read ever after: shared tables and libraries, no
 * place where anybody keeps secrets. Never /proc, never other data. */
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

static uint64_t net_handled(const struct sandbox_options *o)
{
	return o->grants & GRANT_CONNECT ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
}

/* Below the data directory: read and write. */
static int landlock(const struct sandbox_options *o, bool is_start)
{
	int abi = sandbox_landlock_abi();
	uint64_t fs = fs_handled(abi);
	struct ruleset attr = {
		.fs = fs, .net = net_handled(o), .scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS
	};

	if (abi == 0)
		return 0;
	AUTO_FD ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, ruleset_bytes(abi), 0);
	if (ruleset < 0)
		return -1;
	uint64_t write = (FS_READ | FS_WRITE | FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER) & fs;
	for (const char *const *p = o->write_paths; p && *p; p++) {
		/* On the first start it is not there yet, and later it could not be allowed any more. */
		if (mkdirat(o->data_dir, *p, 0700) < 0 && errno != EEXIST)
			return -1;
		if (allow_path(ruleset, o->data_dir, *p, write) < 0)
			return -1;
	}
	for (size_t i = 0; is_start && i < sizeof(readable) / sizeof(readable[0]); i++) {
		if (allow_path(ruleset, AT_FDCWD, readable[i].path, readable[i].access) < 0)
			return -1;
	}
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}

/* ---- user, root directory, capabilities -------------------------------------------------------- */

static int become_user(const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return -1;
	return setgroups(0, NULL) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	               setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0
	           ? -1
	           : 0;
}

static bool has_user(const struct sandbox_options *o)
{
	return geteuid() == 0 && o->user && o->user[0];
}

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

static int leave_the_tree(int empty_dir)
{
	return fchdir(empty_dir) < 0 || chroot(".") < 0 ? -1 : 0;
}

/* Not dumpable: nobody but root may look into this process (ptrace, /proc/PID/mem). Both are reset by a change
 * of user, so they are set after it. */
static int tie_down(const struct sandbox_options *o)
{
	return prctl(PR_SET_DUMPABLE, IS_SANITIZED ? 1 : 0, 0, 0, 0) < 0 ||
	               (o->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
	           ? -1
	           : 0;
}

static int become_user_in(const struct sandbox_options *o)
{
	int fd = o->empty_dir;
	/* The user is looked up while /etc can still be seen. */
	const struct passwd *user = getpwnam(o->user);

	if (!user || leave_the_tree(fd) < 0 || setgroups(0, NULL) < 0)
		return -1;
	fd_close(&fd);
	return setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	               setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0
	           ? -1
	           : 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	/* Needs a capability itself: as an ordinary user there is nothing to give up. */
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
	for (int cap = 0; cap <= 63; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	return (int)syscall(SYS_capset, &header, none);
}

/* ---- seccomp ---------------------------------------------------------------------------------- */

static const int base_calls[] = { SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv),
	SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(close), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(futex), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
	SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(sched_yield), SCMP_SYS(timerfd_settime), SCMP_SYS(fcntl),
	SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(getrusage), SCMP_SYS(membarrier), SCMP_SYS(sysinfo),
	SCMP_SYS(uname), SCMP_SYS(mlock), SCMP_SYS(munlock) };

static const int socket_calls[] = { SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(sendfile) };

static const int file_calls[] = { SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(fadvise64), SCMP_SYS(flock), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getdents64),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
	SCMP_SYS(utimensat), SCMP_SYS(fchmod), SCMP_SYS(chmod), SCMP_SYS(fchown), SCMP_SYS(umask),
	SCMP_SYS(getcwd), SCMP_SYS(sync_file_range), SCMP_SYS(copy_file_range), SCMP_SYS(preadv),
	SCMP_SYS(pwritev) };

static const int memfd_calls[] = { SCMP_SYS(memfd_create), SCMP_SYS(ftruncate) };
static const int accept_calls[] = { SCMP_SYS(accept4) };
static const int connect_calls[] = { SCMP_SYS(connect), SCMP_SYS(bind) };

/* What AddressSanitizer asks for at the end and in reports. */
static const int sanitizer_calls[] = { SCMP_SYS(readlink), SCMP_SYS(prctl), SCMP_SYS(getrlimit),
	SCMP_SYS(prlimit64), SCMP_SYS(clone), SCMP_SYS(wait4), SCMP_SYS(mprotect), SCMP_SYS(mmap) };

#define CALLS(array) \
	{ \
		array, sizeof(array) / sizeof(array[0]) \
	}

static const struct {
	unsigned grant; /* 0: everybody */
	struct {
		const int *calls;
		size_t count;
	} list;
} tables[] = {
	{ 0, CALLS(base_calls) },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, CALLS(socket_calls) },
	{ GRANT_SOCKETS_IO, CALLS(accept_calls) },
	{ GRANT_FILES, CALLS(file_calls) },
	{ GRANT_MEMFD, CALLS(memfd_calls) },
	{ GRANT_CONNECT, CALLS(connect_calls) },
};

static int allow_all(scmp_filter_ctx ctx, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0) < 0)
			return -1;
	}
	return 0;
}

/* Calls that are allowed with certain arguments only. Each argument compares equal, under its mask. */
struct condition {
	unsigned grant; /* 0: everybody */
	int call;
	unsigned count;
	struct {
		unsigned index;
		uint64_t mask, value;
	} args[2];
};
#define ALL_BITS UINT64_MAX

static const struct condition conditions[] = {
	/* Memory that can be run is never made. */
	{ 0, SCMP_SYS(mmap), 1, { { 2, PROT_EXEC, 0 } } },
	{ 0, SCMP_SYS(mprotect), 1, { { 2, PROT_EXEC, 0 } } },
	/* FIONBIO is libuv's; TCGETS is how the reader of the configuration asks at a reload whether it
	 * talks to a terminal. */
	{ 0, SCMP_SYS(ioctl), 1, { { 1, ALL_BITS, FIONBIO } } },
	{ 0, SCMP_SYS(ioctl), 1, { { 1, ALL_BITS, TCGETS } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_TCP }, { 2, ALL_BITS, TCP_NODELAY } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_KEEPALIVE } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_RCVTIMEO } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_SNDTIMEO } } },
	{ GRANT_SOCKETPAIR, SCMP_SYS(socketpair), 1, { { 0, ALL_BITS, AF_UNIX } } },
	{ GRANT_CONNECT, SCMP_SYS(socket), 1, { { 0, ALL_BITS, AF_INET } } },
	{ GRANT_CONNECT, SCMP_SYS(socket), 1, { { 0, ALL_BITS, AF_INET6 } } },
};

static int allow_if(scmp_filter_ctx ctx, const struct condition *c)
{
	struct scmp_arg_cmp args[2];

	for (unsigned i = 0; i < c->count; i++)
		args[i] = (struct scmp_arg_cmp){ .arg = c->args[i].index,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = c->args[i].mask,
			.datum_b = c->args[i].value };
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, c->call, c->count, args);
}

static int allow_with_conditions(scmp_filter_ctx ctx, unsigned grants)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		const struct condition *c = &conditions[i];
		if ((!c->grant || (c->grant & grants)) && allow_if(ctx, c) < 0)
			return -1;
	}
	/* A process may send signals to itself only (abort). */
	return seccomp_rule_add(
	    ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

static int fill_filter(scmp_filter_ctx ctx, unsigned grants)
{
	/* Calls of the other architectures (i386, x32) end the process, whatever their number. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) < 0 ||
	    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
	    allow_with_conditions(ctx, grants) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (tables[i].grant && !(tables[i].grant & grants))
			continue;
		if (allow_all(ctx, tables[i].list.calls, tables[i].list.count) < 0)
			return -1;
	}
	if (IS_SANITIZED)
		return allow_all(
		    ctx, sanitizer_calls, sizeof(sanitizer_calls) / sizeof(sanitizer_calls[0]));
	return 0;
}

/* With SANDBOX_LOG: says which call it was, then ends as the filter would have done. */
static void on_refused(int signum, siginfo_t *info, void *context)
{
	char text[] = "buzon: system call 000 is not in this role's table\n";
	unsigned n = (unsigned)info->si_syscall;

	(void)context;
	for (size_t at = sizeof("buzon: system call 000") - 2; n && text[at] != ' '; at--, n /= 10)
		text[at] = (char)('0' + n % 10);
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(128 + signum);
}

static uint32_t refusal(void)
{
	const struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO };

	if (IS_SANITIZED)
		return SCMP_ACT_ERRNO(EPERM);
	if (!SANDBOX_LOG)
		return SCMP_ACT_KILL_PROCESS;
	sigaction(SIGSYS, &action, NULL);
	return SCMP_ACT_TRAP;
}

static int seccomp(unsigned grants)
{
	scmp_filter_ctx ctx = seccomp_init(refusal());
	int result = ctx && fill_filter(ctx, grants) == 0 && seccomp_load(ctx) == 0 ? 0 : -1;

	seccomp_release(ctx);
	return result;
}

/* ---- the two steps ---------------------------------------------------------------------------- */

int sandbox_early(struct sandbox_options *o, struct err *err)
{
	o->empty_dir = -1;
	if (set_limits() < 0)
		return err_set(err, ERR_SYSTEM, "cannot set the limits of the process: %m");
	if (has_user(o) && !getpwnam(o->user))
		return err_set(err, ERR_INPUT, "this machine has no user '%s'", o->user);
	if (o->write_paths && has_user(o) && become_user(o->user) < 0)
		return err_set(err, ERR_SYSTEM, "cannot become the user '%s': %m", o->user);
	if (!o->write_paths && has_user(o) && (o->empty_dir = open_empty_dir()) < 0)
		return err_set(err, ERR_SYSTEM, "cannot make an empty directory in /tmp: %m");
	if (tie_down(o) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, ERR_SYSTEM, "cannot give up privileges: %m");
	if (landlock(o, true) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set up Landlock: %m");
	return 0;
}

int sandbox_late(const struct sandbox_options *o, struct err *err)
{
	static const char *const nothing[] = { NULL };
	struct sandbox_options closed = *o;

	closed.write_paths = nothing;
	if (o->empty_dir >= 0 && (become_user_in(o) < 0 || tie_down(o) < 0))
		return err_set(err, ERR_SYSTEM, "cannot become the user '%s': %m", o->user);
	if (!o->write_paths && landlock(&closed, false) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set up Landlock: %m");
	/* No new process and no new thread, whatever the filter says. (Root is not bound by it.) */
	const struct rlimit none = { 0, 0 };
	if (!IS_SANITIZED && setrlimit(RLIMIT_NPROC, &none) < 0)
		return err_set(err, ERR_SYSTEM, "cannot limit the number of processes: %m");
	if (drop_capabilities() < 0)
		return err_set(err, ERR_SYSTEM, "cannot drop capabilities: %m");
	if (seccomp(o->grants) < 0)
		return err_set(err, ERR_SYSTEM, "cannot set up seccomp: %m");
	return 0;
}
