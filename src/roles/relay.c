/* Role relay: the outside world. It has its place, its links and its sandbox, and answers nothing yet:
 * DNS, delivery to other servers, fetches and probes come with the issue "Mail out". */
#include "roles/role.h"

static int relay_start(struct role *r, struct err *err)
{
	(void)r, (void)err;
	return 0;
}

static int relay_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	(void)r, (void)from, (void)index, (void)link, (void)in;
	return -1;
}

static void relay_stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms;
	role_exit(r, 0);
}

const struct role_kind role_relay = {
	.name = "relay",
	.grants = GRANT_CONNECT,
	.start = relay_start,
	.frame = relay_frame,
	.stop = relay_stop,
};
