/* The drill: for each role a process enters that role's sandbox and tries what it must not be able to
 * do, and what it must. Each try has a process of its own, because a refused call ends it. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/role.h"
#include "roles/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static const struct role_kind *const kinds[] = { &role_front_mx, &role_front_user, &role_auth,
	&role_keys, &role_core, &role_worker, &role_relay };

enum { PORT_OPEN = 1 /* what the drill's relay may connect to; nobody listens */, ABI_NET = 4 };

/* What a try finds when it comes: made before the walls are up. */
static struct ground {
	char data[64];
	int data_dir;  /* held by mistake: a role has no such descriptor */
	int directory; /* the role's own, while it enters */
	char own[80];  /* the role's own as a path: "/" when it is its root */
	int inet, listening, stream[2];
	uint16_t port; /* where somebody listens; in no role's list */
	pid_t outside; /* a process that is not ours to look into */
	char secret[16];
} ground;

/* ---- tries: 0 when the call worked ---------------------------------------------------------------- */

static int opened(int fd)
{
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int try_open_shadow(void)
{
	return opened(open("/etc/shadow", O_RDONLY));
}

static int try_open_tree(void)
{
	return opened(open("/usr", O_RDONLY | O_DIRECTORY));
}

static int try_create_outside(void)
{
	return opened(open("/tmp/buzon-drill", O_WRONLY | O_CREAT | O_TRUNC, 0600));
}

static int try_open_config(void)
{
	return opened(openat(ground.data_dir, "../etc/passwd-", O_RDONLY));
}

static int try_write_own(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/drill", ground.own);
	int fd = open(name, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return -1;
	int rc = write(fd, "x", 1) == 1 && fsync(fd) == 0 ? 0 : -1;
	close(fd);
	return rc;
}

/* Each tries the other's: the one that is not its own. */
static int try_write_other(void)
{
	static const char *const ways[] = { "../auth/drill", "../store/drill" };
	bool is_auth = str_ends(str_c(ground.own), STR("auth"));
	char name[128];

	snprintf(name, sizeof(name), "%s/%s", ground.own, ways[is_auth]);
	return opened(open(name, O_RDWR | O_CREAT, 0600));
}

static int try_climb(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/../../../../etc/passwd", ground.own);
	return opened(open(name, O_RDONLY));
}

static int try_stat_path(void)
{
	struct stat st;

	return (int)syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0);
}

static int try_stat_own(void)
{
	struct stat st;

	return stat(ground.own, &st);
}

static int try_fstat(void)
{
	struct stat st;

	return fstat(ground.inet, &st);
}

static int try_rename(void)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/drill", ground.own);
	snprintf(to, sizeof(to), "%s/drill2", ground.own);
	int fd = open(from, O_RDWR | O_CREAT, 0600);
	close(fd);
	return rename(from, to) < 0 ? -1 : rename(to, from);
}

static int try_seal(void)
{
	return fcntl(ground.inet, F_GET_SEALS) < 0 && errno != EINVAL ? -1 : 0;
}

static int try_lease(void)
{
	return fcntl(ground.inet, F_SETOWN, getpid());
}

/* Above what the drill grants: 64 MiB. */
static int try_much_memory(void)
{
	void *p = mmap(NULL, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int try_proc_mem(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)ground.outside);
	return opened(open(path, O_RDONLY));
}

static int try_proc_self(void)
{
	return opened(open("/proc/self/environ", O_RDONLY));
}

static int try_exec(void)
{
	char *argv[] = { ground.data, NULL };

	return execve("/bin/true", argv, NULL);
}

static int try_exec_self(void)
{
	char *argv[] = { ground.data, NULL };

	return execve("/proc/self/exe", argv, NULL);
}

static int try_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) < 0 ? -1 : 0;
}

static int try_vfork_thread(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 && errno != EINVAL ? -1 : 0;
}

static int try_socket_inet(void)
{
	return opened(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_socket_unix(void)
{
	return opened(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_socket_netlink(void)
{
	return opened(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int try_socketpair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static int try_connect(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT_OPEN) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int rc = connect(ground.inet, (struct sockaddr *)&a, sizeof(a));
	return rc < 0 && errno == ECONNREFUSED ? 0 : rc;
}

static int try_connect_elsewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(ground.port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(ground.inet, (struct sockaddr *)&a, sizeof(a));
}

static int try_bind(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	return bind(ground.inet, (struct sockaddr *)&a, sizeof(a));
}

static int try_listen(void)
{
	return listen(ground.inet, 1);
}

static int try_accept(void)
{
	int fd = accept4(ground.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd >= 0 || errno == EAGAIN ? 0 : -1;
}

static int try_nodelay(void)
{
	int on = 1;

	return setsockopt(ground.inet, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int try_quickack(void)
{
	int on = 1;

	return setsockopt(ground.inet, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static int try_mtu_discover(void)
{
	int how = IP_PMTUDISC_DONT;

	return setsockopt(ground.inet, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how));
}

static int try_other_option(void)
{
	int size = 4096;

	return setsockopt(ground.inet, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, ground.outside, NULL, NULL) < 0 ? -1 : 0;
}

static int try_vm_read(void)
{
	char copy[16];
	struct iovec to = { copy, sizeof(copy) }, from = { ground.secret, sizeof(ground.secret) };

	return process_vm_readv(ground.outside, &to, 1, &from, 1, 0) < 0 ? -1 : 0;
}

static int try_kill(void)
{
	return kill(ground.outside, 0);
}

static int try_tgkill(void)
{
	return (int)syscall(SYS_tgkill, ground.outside, ground.outside, 0);
}

static int try_pidfd(void)
{
	return opened((int)syscall(SYS_pidfd_open, ground.outside, 0));
}

static int try_mmap_exec(void)
{
	void *p = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int try_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? -1 : 0;
}

static int try_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno != EFAULT ? -1 : 0;
}

static int try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) < 0 && errno != EINVAL ? -1 : 0;
}

static int try_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_setuid(void)
{
	return setresuid(0, 0, 0);
}

static int try_memfd(void)
{
	int fd = memfd_create("drill", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	return ftruncate(fd, 4096);
}

/* What nobody can do without: memory, time, randomness, frames with descriptors. */
static int try_everyday(void)
{
	char c = 'x', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr out = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct msghdr in = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct timespec ts;
	void *big = malloc(4 << 20);

	if (!big || clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		return -1;
	memset(big, 1, 4 << 20);
	free(big);
	random_bytes(&c, 1);
	if (sendmsg(ground.stream[0], &out, MSG_NOSIGNAL) != 1 ||
	    recvmsg(ground.stream[1], &in, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	return opened(fcntl(ground.stream[0], F_DUPFD_CLOEXEC, 0));
}

/* ---- the matrix ------------------------------------------------------------------------------------ */

enum {
	NOBODY = 0,
	EVERYBODY = -1,
	NOT_SANITIZED = 1,  /* a sanitizer's run time needs the call: docs in sandbox.h */
	NEEDS_LANDLOCK = 2, /* for roles that have openat and no root of their own */
	NEEDS_PORTS = 4,    /* Landlock that knows ports */
	FILES_ASK =
	    8, /* a role with files may ask about any path it can see: started as root, none */
};

static const struct attempt {
	const char *name;
	int (*run)(void);
	int grants; /* who may: any of these */
	unsigned flags;
} attempts[] = {
	{ "everyday calls", try_everyday, EVERYBODY, 0 },
	{ "open /etc/shadow", try_open_shadow, NOBODY, NEEDS_LANDLOCK },
	{ "open /usr", try_open_tree, NOBODY, NEEDS_LANDLOCK },
	{ "create a file outside", try_create_outside, NOBODY, NEEDS_LANDLOCK },
	{ "climb out of its directory", try_climb, NOBODY, NEEDS_LANDLOCK },
	{ "climb out of the data directory", try_open_config, NOBODY, NEEDS_LANDLOCK },
	{ "write a file of its own", try_write_own, GRANT_FILES, 0 },
	{ "rename a file of its own", try_rename, GRANT_TREE, 0 },
	{ "ask about a path", try_stat_path, NOBODY, FILES_ASK },
	{ "ask about its directory", try_stat_own, GRANT_FILES, 0 },
	{ "ask about a descriptor", try_fstat, EVERYBODY, 0 },
	{ "read the seals of a file", try_seal, GRANT_MEMFD, 0 },
	{ "another thing of fcntl", try_lease, NOBODY, 0 },
	{ "more memory than its bound", try_much_memory, NOBODY, NOT_SANITIZED },
	{ "open /proc/PID/mem of another", try_proc_mem, NOBODY, NEEDS_LANDLOCK },
	{ "open /proc/self/environ", try_proc_self, NOBODY, NEEDS_LANDLOCK },
	{ "execute a program", try_exec, NOBODY, 0 },
	{ "execute itself", try_exec_self, NOBODY, 0 },
	{ "fork", try_fork, NOBODY, NOT_SANITIZED },
	{ "clone3", try_vfork_thread, NOBODY, NOT_SANITIZED },
	{ "socket: internet", try_socket_inet, GRANT_CONNECT, 0 },
	{ "socket: Unix", try_socket_unix, NOBODY, 0 },
	{ "socket: netlink", try_socket_netlink, NOBODY, 0 },
	{ "socketpair", try_socketpair, GRANT_SOCKETPAIR, 0 },
	{ "connect", try_connect, GRANT_CONNECT, 0 },
	{ "connect to another port", try_connect_elsewhere, NOBODY, NEEDS_PORTS },
	{ "bind", try_bind, NOBODY, NEEDS_LANDLOCK },
	{ "listen", try_listen, NOBODY, 0 },
	{ "accept", try_accept, GRANT_SOCKETS_IO, 0 },
	{ "TCP_NODELAY", try_nodelay, GRANT_SOCKETS_IO | GRANT_CONNECT, 0 },
	{ "TCP_QUICKACK", try_quickack, GRANT_SOCKETS_IO | GRANT_CONNECT, 0 },
	{ "IP_MTU_DISCOVER", try_mtu_discover, GRANT_CONNECT, 0 },
	{ "another socket option", try_other_option, NOBODY, 0 },
	{ "ptrace another", try_ptrace, NOBODY, 0 },
	{ "read another's memory", try_vm_read, NOBODY, 0 },
	{ "signal another", try_kill, NOBODY, 0 },
	{ "signal another's thread", try_tgkill, NOBODY, 0 },
	{ "pidfd of another", try_pidfd, NOBODY, 0 },
	{ "memory to write and run", try_mmap_exec, NOBODY, NOT_SANITIZED },
	{ "memory made to run", try_mprotect_exec, NOBODY, NOT_SANITIZED },
	{ "io_uring", try_io_uring, NOBODY, 0 },
	{ "bpf", try_bpf, NOBODY, 0 },
	{ "new user namespace", try_unshare, NOBODY, 0 },
	{ "become root", try_setuid, NOBODY, 0 },
	{ "memfd", try_memfd, GRANT_MEMFD, 0 },
};

enum { ALLOWED = 40, REFUSED = 41, NO_SANDBOX = 42 };

static void try_inside(const struct role_kind *kind, const char *user, int (*run)(void))
{
	static const uint16_t ports[] = { PORT_OPEN };
	struct sandbox_options o = { .grants = kind->grants,
		.directory = -1,
		.ports = ports,
		.port_count = kind->grants & GRANT_CONNECT ? 1 : 0,
		.memory_bytes = 64 << 20,
		.user = user };
	struct err err;

	snprintf(ground.own, sizeof(ground.own), "%s/%s", ground.data,
	    kind->directory ? kind->directory : "none");
	if (kind->directory)
		o.directory = open(ground.own, O_RDONLY | O_DIRECTORY);
	if (sandbox_early(&o, &err) < 0 || sandbox_late(&o, &err) < 0) {
		fprintf(stderr, "%s: %s\n", kind->name, err.text);
		_exit(NO_SANDBOX);
	}
	if (o.has_own_root)
		snprintf(ground.own, sizeof(ground.own), "/");
	_exit(run() == 0 ? ALLOWED : REFUSED);
}

static int outcome(const struct role_kind *kind, const char *user, int (*run)(void))
{
	int how;
	pid_t pid = fork();

	if (pid == 0)
		try_inside(kind, user, run);
	check(pid > 0 && waitpid(pid, &how, 0) == pid);
	if (WIFSIGNALED(how))
		return WTERMSIG(how) == SIGSYS ? REFUSED : -WTERMSIG(how);
	return WEXITSTATUS(how) == 128 + SIGSYS ? REFUSED : WEXITSTATUS(how);
}

static void drill(const struct role_kind *kind, const char *user)
{
	for (size_t i = 0; i < COUNT(attempts); i++) {
		const struct attempt *a = &attempts[i];
		if ((SANITIZED && (a->flags & NOT_SANITIZED)) ||
		    (!sandbox_landlock_abi() && (a->flags & NEEDS_LANDLOCK)) ||
		    (sandbox_landlock_abi() < ABI_NET && (a->flags & NEEDS_PORTS)) ||
		    (geteuid() != 0 && (a->flags & FILES_ASK) && (kind->grants & GRANT_FILES)))
			continue;
		int want = a->grants == EVERYBODY || ((unsigned)a->grants & kind->grants) ? ALLOWED
		                                                                          : REFUSED;
		int got = outcome(kind, user, a->run);
		if (got != want)
			print_error(
			    "role %s: %s: got %d, want %d\n", kind->name, a->name, got, want);
		check_case(kind->name, got == want);
	}
}

static void test_every_role(void **state)
{
	(void)state;
	if (!sandbox_landlock_abi())
		print_message("this kernel has no Landlock: tries that need it are skipped\n");
	for (size_t i = 0; i < COUNT(kinds); i++)
		drill(kinds[i], NULL);
}

/* Started as root, every role gives that up. */
static int is_nobody(void)
{
	return getuid() != 0 && geteuid() != 0 && getgid() != 0 ? 0 : -1;
}

/* Whatever the kind: what stands in the tree cannot be seen from here. Asked by a call that seccomp cannot look
 * into, so that the root alone is the wall. */
static int try_root_is_empty(void)
{
	struct stat st;

	return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH) < 0 &&
	               (errno == ENOENT || errno == EACCES)
	           ? 0
	           : -1;
}

static void test_as_root(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("not root: skipped\n");
		return;
	}
	const struct passwd *nobody = getpwnam("nobody");
	unlinkat(ground.data_dir, "auth/drill", 0);
	unlinkat(ground.data_dir, "store/drill", 0);
	check(nobody && fchown(ground.data_dir, nobody->pw_uid, nobody->pw_gid) == 0);
	check(fchownat(ground.data_dir, "auth", nobody->pw_uid, nobody->pw_gid, 0) == 0);
	check(fchownat(ground.data_dir, "store", nobody->pw_uid, nobody->pw_gid, 0) == 0);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		check_case(kinds[i]->name, outcome(kinds[i], "nobody", is_nobody) == ALLOWED);
		check_case(kinds[i]->name, outcome(kinds[i], "nobody", try_setuid) == REFUSED);
		check_case(kinds[i]->name, outcome(kinds[i], "nobody", try_everyday) == ALLOWED);
		check_case(
		    kinds[i]->name, outcome(kinds[i], "no-such-user", is_nobody) == NO_SANDBOX);
		check_case(kinds[i]->name,
		    !kinds[i]->directory || outcome(kinds[i], "nobody", try_write_own) == ALLOWED);
		check_case(
		    kinds[i]->name, outcome(kinds[i], "nobody", try_root_is_empty) == ALLOWED);
	}
}

/* The password database is auth's alone, the mail core's: neither can open what is the other's. */
static void test_neighbours(void **state)
{
	static const struct role_kind *const with_files[] = { &role_auth, &role_core };

	(void)state;
	if (!sandbox_landlock_abi())
		return;
	for (size_t i = 0; i < COUNT(with_files); i++) {
		check_int_eq(outcome(with_files[i], NULL, try_write_other), REFUSED);
		check_int_eq(outcome(with_files[i], NULL, try_write_own), ALLOWED);
	}
}

static int setup(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	(void)state;
	snprintf(ground.data, sizeof(ground.data), "/tmp/buzon-drill-XXXXXX");
	check(mkdtemp(ground.data) != NULL);
	ground.data_dir = open(ground.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(mkdirat(ground.data_dir, "auth", 0700) == 0);
	check(mkdirat(ground.data_dir, "store", 0700) == 0);
	ground.inet = socket(AF_INET, SOCK_STREAM, 0);
	ground.listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	check(bind(ground.listening, (struct sockaddr *)&a, sizeof(a)) == 0);
	check(listen(ground.listening, 1) == 0);
	socklen_t size = sizeof(a);
	check(getsockname(ground.listening, (struct sockaddr *)&a, &size) == 0);
	ground.port = ntohs(a.sin_port);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ground.stream) == 0);
	ground.outside = fork();
	if (ground.outside == 0) {
		pause();
		_exit(0);
	}
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	kill(ground.outside, SIGKILL);
	waitpid(ground.outside, NULL, 0);
	static const char *const names[] = { "auth/drill", "auth", "store/drill", "store/drill2",
		"store", "drill", "" };
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", ground.data, names[i]);
		(void)remove(path);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_role), cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_as_root), /* last: it gives the directory away */
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
