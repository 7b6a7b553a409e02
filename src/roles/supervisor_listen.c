#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "roles/supervisor.h"

enum { BACKLOG = 1024 };

static enum role_id role_of(enum listen_service s)
{
	return s == LISTEN_SMTP || s == LISTEN_LMTP ? ROLE_FRONT_MX : ROLE_FRONT_USER;
}

static int open_socket(int family, const struct sockaddr *address, socklen_t size, bool both)
{
	const int yes = 1, v6only = !both;
	AUTO_FD fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return TAKE_FD(fd);
}

static int open_v4(const char *host, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	return open_socket(AF_INET, (struct sockaddr *)&a, sizeof(a), false);
}

static int open_v6(const char *host, uint16_t port, bool both)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET6, host, &a.sin6_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	return open_socket(AF_INET6, (struct sockaddr *)&a, sizeof(a), both);
}

static int open_unix(const char *path, mode_t mode)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) >= (int)sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	unlink(path);
	mode_t before = umask(0777 & ~mode);
	int fd = open_socket(AF_UNIX, (struct sockaddr *)&a, sizeof(a), false);
	umask(before);
	return fd;
}

/* "*": both families through one socket; IPv4 alone where the machine has no IPv6. */
static int open_address(const struct config_address *a)
{
	char host[128];

	snprintf(host, sizeof(host), STR_FMT, STR_ARG(a->host));
	if (a->is_unix)
		return open_unix(host, 0660);
	if (strcmp(host, "*") == 0) {
		int fd = open_v6("::", a->port, true);
		return fd >= 0 || errno == EADDRINUSE || errno == EACCES
		           ? fd
		           : open_v4("0.0.0.0", a->port);
	}
	if (strcmp(host, "localhost") == 0)
		return open_v4("127.0.0.1", a->port);
	return str_chr(a->host, ':') != STR_NPOS ? open_v6(host, a->port, false)
	                                         : open_v4(host, a->port);
}

static const char *hint(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "; another program listens there: stop it, or choose another port";
	case EACCES:
		return "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
	case EINVAL:
		return "; write an IP address, or *";
	case EADDRNOTAVAIL:
		return "; this machine does not have that address";
	default:
		return "";
	}
}

int supervisor_listen(const struct config *c, struct supervisor_socket out[SOCKETS_MAX],
    size_t *out_count, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *l = &c->listens[i];
		for (size_t j = 0; j < l->address_count; j++) {
			const struct config_address *a = &l->addresses[j];
			if (n == SOCKETS_MAX)
				return err_set(err, ERR_LIMIT, "more than %d listening addresses",
				    SOCKETS_MAX);
			int fd = open_address(a);
			if (fd < 0)
				return err_set(err, ERR_SYSTEM,
				    "cannot listen on " STR_FMT ", port %u, for %s: %m%s",
				    STR_ARG(a->host), a->port, listen_service_name(l->service),
				    hint(errno));
			out[n++] =
			    (struct supervisor_socket){ fd, l->service, role_of(l->service) };
		}
	}
	*out_count = n;
	return 0;
}

int supervisor_listen_control(int data_dir, int *out_fd, struct err *err)
{
	char path[64];

	/* Through the descriptor: a path of any length fits a socket address this way. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/control", data_dir);
	unlinkat(data_dir, "control", 0);
	*out_fd = open_unix(path, 0600);
	return *out_fd < 0 ? err_set(err, ERR_SYSTEM, "cannot make the control socket: %m") : 0;
}
