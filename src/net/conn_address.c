/* conn_address.c: who is at the ends of a connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/conn_impl.h"

static void set_address(const struct sockaddr_storage *sa, char *out, size_t size, uint16_t *port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->ss_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, out, (socklen_t)size);
		*port = ntohs(v4.sin_port);
	} else if (sa->ss_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		*port = ntohs(v6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, out, (socklen_t)size);
		else
			inet_ntop(AF_INET6, &v6.sin6_addr, out, (socklen_t)size);
	} else {
		snprintf(out, size, "local");
		*port = 0;
	}
}

void conn_read_addresses(struct conn *c)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNIX };
	socklen_t len = sizeof(sa);

	if (getpeername(c->fd, (struct sockaddr *)&sa, &len) < 0)
		sa.ss_family = AF_UNIX;
	set_address(&sa, c->peer_address, sizeof(c->peer_address), &c->peer_port);
	sa.ss_family = AF_UNIX;
	len = sizeof(sa);
	if (getsockname(c->fd, (struct sockaddr *)&sa, &len) < 0)
		sa.ss_family = AF_UNIX;
	set_address(&sa, c->local_address, sizeof(c->local_address), &c->local_port);
	c->is_tcp = sa.ss_family != AF_UNIX;
}

str conn_peer_address(const struct conn *c)
{
	return str_c(c->peer_address);
}

uint16_t conn_peer_port(const struct conn *c)
{
	return c->peer_port;
}

str conn_local_address(const struct conn *c)
{
	return str_c(c->local_address);
}

uint16_t conn_local_port(const struct conn *c)
{
	return c->local_port;
}

int64_t conn_peer_uid(const struct conn *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (c->fd < 0 || c->is_tcp || getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	return (int64_t)peer.uid;
}
