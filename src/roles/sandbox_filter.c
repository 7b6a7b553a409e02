/* seccomp: which system calls a role has, from one table. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "roles/role.h"
#include "roles/sandbox_internal.h"

/* meson -Dsandbox_log=true, for finding out what a role needs; never for a server in use. */
#ifndef SANDBOX_LOG
#define SANDBOX_LOG false
#endif

/* reliability: the base of every role. What a library or the C library asks for without need is not in it. */
static const int base_calls[] = { SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv),
	SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(close),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(futex), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(brk), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(getpid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield), SCMP_SYS(timerfd_settime), SCMP_SYS(lseek), SCMP_SYS(fstat),
	/* A thread that was started before the filter may make its first calls under it. */
	SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
	/* malloc's number of arenas, qsort's size of memory, libsodium's locked pages */
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo), SCMP_SYS(mlock), SCMP_SYS(munlock) };

static const int socket_calls[] = { SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(sendfile), SCMP_SYS(shutdown), SCMP_SYS(getsockopt) };

/* What a database in one directory needs. */
static const int file_calls[] = { SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(unlink),
	SCMP_SYS(pwrite64), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat),
	SCMP_SYS(access), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(getcwd),
	SCMP_SYS(fstatfs), SCMP_SYS(fchmod), SCMP_SYS(fchown) };

/* What the store needs beside it: it makes, renames and lists files. */
static const int tree_calls[] = { SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir), SCMP_SYS(fadvise64), SCMP_SYS(flock), SCMP_SYS(statx), SCMP_SYS(faccessat),
	SCMP_SYS(getdents64), SCMP_SYS(readlinkat), SCMP_SYS(statfs), SCMP_SYS(utimensat),
	SCMP_SYS(umask), SCMP_SYS(sync_file_range), SCMP_SYS(copy_file_range), SCMP_SYS(preadv),
	SCMP_SYS(preadv2), SCMP_SYS(pwritev) };

static const int memfd_calls[] = { SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
	SCMP_SYS(pwrite64) };
static const int accept_calls[] = { SCMP_SYS(accept4) };
static const int connect_calls[] = { SCMP_SYS(connect), SCMP_SYS(bind) };

/* What AddressSanitizer asks for at the end and in reports. */
static const int sanitizer_calls[] = { SCMP_SYS(readlink), SCMP_SYS(prctl), SCMP_SYS(getrlimit),
	SCMP_SYS(prlimit64), SCMP_SYS(clone), SCMP_SYS(wait4), SCMP_SYS(mprotect), SCMP_SYS(mmap),
	SCMP_SYS(getrusage), SCMP_SYS(getppid), SCMP_SYS(uname) };

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
	{ GRANT_TREE, CALLS(tree_calls) },
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
#define INT_BITS UINT32_MAX

static const struct condition conditions[] = {
	/* Memory that can be run is never made. */
	{ 0, SCMP_SYS(mmap), 1, { { 2, PROT_EXEC, 0 } } },
	{ 0, SCMP_SYS(mprotect), 1, { { 2, PROT_EXEC, 0 } } },
	/* FIONBIO is libuv's; TCGETS is how the reader of the configuration asks at a reload whether it
	 * talks to a terminal. */
	{ 0, SCMP_SYS(ioctl), 1, { { 1, ALL_BITS, FIONBIO } } },
	{ 0, SCMP_SYS(ioctl), 1, { { 1, ALL_BITS, TCGETS } } },
	/* How the C library asks for fstat. The empty path that goes with the flag cannot be seen from here; a
	 * role that was started as root has no tree that a path could lead into. */
	{ 0, SCMP_SYS(newfstatat), 1, { { 3, AT_EMPTY_PATH, AT_EMPTY_PATH } } },
	{ 0, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_GETFL } } },
	{ 0, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_SETFL } } },
	{ 0, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_GETFD } } },
	{ 0, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_SETFD } } },
	{ 0, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_DUPFD_CLOEXEC } } },
	{ GRANT_MEMFD, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_ADD_SEALS } } },
	{ GRANT_MEMFD, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_GET_SEALS } } },
	{ GRANT_FILES, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_SETLK } } },
	{ GRANT_FILES, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_SETLKW } } },
	{ GRANT_FILES, SCMP_SYS(fcntl), 1, { { 1, INT_BITS, F_GETLK } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_TCP }, { 2, ALL_BITS, TCP_NODELAY } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_TCP }, { 2, ALL_BITS, TCP_QUICKACK } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_KEEPALIVE } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_RCVTIMEO } } },
	{ GRANT_SOCKETS_IO | GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_SNDTIMEO } } },
	/* libunbound: answers are never put together from fragments (RFC 9715), an IPv6 socket is none of IPv4, and a
	 * question by TCP may use a port that was used just before. It gives up a socket that does not take them. */
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_IP }, { 2, ALL_BITS, IP_MTU_DISCOVER } } },
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_IP }, { 2, ALL_BITS, IP_BIND_ADDRESS_NO_PORT } } },
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_IPV6 }, { 2, ALL_BITS, IPV6_V6ONLY } } },
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_IPV6 }, { 2, ALL_BITS, IPV6_MTU } } },
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_IPV6 }, { 2, ALL_BITS, IPV6_MTU_DISCOVER } } },
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, IPPROTO_TCP }, { 2, ALL_BITS, TCP_MAXSEG } } },
	{ GRANT_CONNECT, SCMP_SYS(setsockopt), 2,
	    { { 1, ALL_BITS, SOL_SOCKET }, { 2, ALL_BITS, SO_REUSEADDR } } },
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
	if (SANDBOX_SANITIZED)
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

	if (SANDBOX_SANITIZED)
		return SCMP_ACT_ERRNO(EPERM);
	if (!SANDBOX_LOG)
		return SCMP_ACT_KILL_PROCESS;
	sigaction(SIGSYS, &action, NULL);
	return SCMP_ACT_TRAP;
}

int sandbox_filter(unsigned grants)
{
	scmp_filter_ctx ctx = seccomp_init(refusal());
	int result = ctx && fill_filter(ctx, grants) == 0 && seccomp_load(ctx) == 0 ? 0 : -1;

	seccomp_release(ctx);
	return result;
}
