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

static bool is_same(const struct supervisor_socket *a, const struct supervisor_socket *b)
{
	return a->port == b->port && a->is_unix == b->is_unix &&
	       str_eq(str_c(a->host), str_c(b->host));
}

static const struct supervisor_socket *find_address(
    const struct supervisor_sockets *set, const struct supervisor_socket *like)
{
	for (size_t i = 0; set && i < set->count; i++) {
		if (is_same(&set->list[i], like))
			return &set->list[i];
	}
	return NULL;
}

const struct supervisor_socket *supervisor_find_socket(
    const struct supervisor_sockets *set, uint32_t id)
{
	for (size_t i = 0; set && i < set->count; i++) {
		if (set->list[i].id == id)
			return &set->list[i];
	}
	return NULL;
}

/* A path whose socket goes on under another number stays. */
void supervisor_close_sockets(
    const struct supervisor_sockets *old, const struct supervisor_sockets *fresh)
{
	for (size_t i = 0; i < old->count; i++) {
		const struct supervisor_socket *s = &old->list[i];
		if (supervisor_find_socket(fresh, s->id))
			continue;
		close(s->fd);
		if (s->is_unix && !find_address(fresh, s))
			unlink(s->host);
	}
}

static bool holds_port(const struct supervisor_sockets *old, const struct config_address *a)
{
	for (size_t i = 0; old && i < old->count; i++) {
		if (!a->is_unix && !old->list[i].is_unix && old->list[i].port == a->port)
			return true;
	}
	return false;
}

/* The one that is open already, with its number while its service is the same; or a new one. */
static int open_one(const struct config_address *a, const struct supervisor_sockets *old,
    struct supervisor_socket *s, struct err *err)
{
	const struct supervisor_socket *kept = find_address(old, s);

	if (kept && kept->service == s->service) {
		s->fd = kept->fd;
		s->id = kept->id;
		return 0;
	}
	s->fd = kept ? fcntl(kept->fd, F_DUPFD_CLOEXEC, 0) : open_address(a);
	if (s->fd >= 0)
		return 0;
	return err_set(err, ERR_SYSTEM, "cannot listen on " STR_FMT ", port %u, for %s: %m%s",
	    STR_ARG(a->host), a->port, listen_service_name(s->service),
	    errno == EADDRINUSE && holds_port(old, a)
	        ? "; restart needed for: listen (it overlaps with an address in use by this server)"
	        : hint(errno));
}

static int add_address(const struct config_address *a, enum listen_service service,
    const struct supervisor_sockets *old, struct supervisor_sockets *out, struct err *err)
{
	struct supervisor_socket s = { .id = out->last_id + 1,
		.service = service,
		.role = role_of(service),
		.port = a->port,
		.is_unix = a->is_unix };

	if (out->count == SOCKETS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d listening addresses", SOCKETS_MAX);
	if (snprintf(s.host, sizeof(s.host), STR_FMT, STR_ARG(a->host)) >= (int)sizeof(s.host))
		return err_set(
		    err, ERR_INPUT, "the address '" STR_FMT "' is too long", STR_ARG(a->host));
	if (open_one(a, old, &s, err) < 0)
		return -1;
	if (s.id > out->last_id)
		out->last_id = s.id;
	out->list[out->count++] = s;
	return 0;
}

int supervisor_listen(const struct config *c, const struct supervisor_sockets *old,
    struct supervisor_sockets *out, struct err *err)
{
	out->count = 0;
	out->last_id = old ? old->last_id : 0;
	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *l = &c->listens[i];
		for (size_t j = 0; j < l->address_count; j++) {
			if (add_address(&l->addresses[j], l->service, old, out, err) == 0)
				continue;
			supervisor_close_sockets(out, old);
			out->count = 0;
			return -1;
		}
	}
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
