#include "roles/start.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"

enum { START_MAGIC = 0x626e7a31, TEXT_MAX = 2 << 20, CERTIFICATES_MAX = 256 };

/* A role that is joined with itself: its processes with each other. */
static const enum role_id graph[][2] = {
	{ ROLE_FRONT_MX, ROLE_FRONT_MX },
	{ ROLE_FRONT_USER, ROLE_FRONT_USER },
	{ ROLE_FRONT_MX, ROLE_CORE },
	{ ROLE_FRONT_USER, ROLE_CORE },
	{ ROLE_FRONT_USER, ROLE_AUTH },
	{ ROLE_FRONT_MX, ROLE_KEYS },
	{ ROLE_FRONT_USER, ROLE_KEYS },
	{ ROLE_CORE, ROLE_AUTH },
	{ ROLE_CORE, ROLE_KEYS },
	{ ROLE_CORE, ROLE_WORKER },
	{ ROLE_CORE, ROLE_RELAY },
	{ ROLE_WORKER, ROLE_RELAY },
};

bool start_are_joined(enum role_id a, enum role_id b)
{
	for (size_t i = 0; i < sizeof(graph) / sizeof(graph[0]); i++) {
		if ((graph[i][0] == a && graph[i][1] == b) ||
		    (graph[i][0] == b && graph[i][1] == a))
			return true;
	}
	return false;
}

void start_block_write(const struct start_block *b, struct buf *out)
{
	buf_add_u32(out, START_MAGIC);
	buf_add(out, str_new(b->ticket_key, sizeof(b->ticket_key)));
	buf_add(out, str_new(b->tls_ticket_key, sizeof(b->tls_ticket_key)));
	buf_add_counted(out, b->config_name);
	buf_add_counted(out, b->config_text);
	buf_add_u8(out, b->has_directory);
	buf_add_u8(out, b->has_certificates);
	buf_add_u8(out, (uint8_t)b->link_count);
	for (size_t i = 0; i < b->link_count; i++) {
		buf_add_u8(out, b->links[i].role);
		buf_add_u8(out, b->links[i].index);
	}
}

static int take_bytes(str *in, unsigned char *out, size_t count)
{
	if (in->len < count)
		return -1;
	memcpy(out, in->ptr, count);
	*in = str_skip(*in, count);
	return 0;
}

static int take_flag(str *in, bool *out)
{
	uint8_t n;

	if (take_u8(in, &n) < 0 || n > 1)
		return -1;
	*out = n;
	return 0;
}

static int take_links(str *in, struct start_block *b)
{
	uint8_t count;

	if (take_u8(in, &count) < 0 || count > START_LINKS_MAX)
		return -1;
	for (b->link_count = 0; b->link_count < count; b->link_count++) {
		uint8_t role, index;
		if (take_u8(in, &role) < 0 || take_u8(in, &index) < 0 || role >= ROLE_COUNT ||
		    index >= ROLE_INSTANCES_MAX)
			return -1;
		b->links[b->link_count].role = role;
		b->links[b->link_count].index = index;
	}
	return 0;
}

int start_block_read(str in, struct start_block *out, struct err *err)
{
	struct start_block b = { 0 };
	uint32_t magic;

	if (take_u32(&in, &magic) < 0 || magic != START_MAGIC ||
	    take_bytes(&in, b.ticket_key, sizeof(b.ticket_key)) < 0 ||
	    take_bytes(&in, b.tls_ticket_key, sizeof(b.tls_ticket_key)) < 0 ||
	    take_counted(&in, TEXT_MAX, &b.config_name) < 0 ||
	    take_counted(&in, TEXT_MAX, &b.config_text) < 0 ||
	    take_flag(&in, &b.has_directory) < 0 || take_flag(&in, &b.has_certificates) < 0 ||
	    take_links(&in, &b) < 0 || in.len)
		return err_set(
		    err, ERR_INPUT, "the start block is not from this program's supervisor");
	*out = b;
	return 0;
}

void start_certificates_write(
    const struct start_certificate *list, size_t count, bool with_keys, struct buf *out)
{
	buf_add_varint(out, count);
	for (size_t i = 0; i < count; i++) {
		buf_add_counted(out, list[i].server_name);
		buf_add_counted(out, list[i].chain);
		buf_add_counted(out, with_keys ? list[i].key : STR_NONE);
	}
}

int start_certificates_read(
    str in, struct arena *a, struct start_certificate **out, size_t *out_count, struct err *err)
{
	uint64_t count;

	if (take_varint(&in, &count) < 0 || count > CERTIFICATES_MAX)
		return err_set(err, ERR_INPUT, "the certificates did not arrive whole");
	struct start_certificate *list = arena_array(a, struct start_certificate, count + 1);
	for (size_t i = 0; i < count; i++) {
		if (take_counted(&in, 256, &list[i].server_name) < 0 ||
		    take_counted(&in, TEXT_MAX, &list[i].chain) < 0 ||
		    take_counted(&in, TEXT_MAX, &list[i].key) < 0)
			return err_set(err, ERR_INPUT, "the certificates did not arrive whole");
	}
	*out = list;
	*out_count = count;
	return 0;
}

int start_memfd(const char *name, str bytes, struct err *err)
{
	AUTO_FD fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, ERR_SYSTEM, "cannot make the memory file '%s': %m", name);
	return TAKE_FD(fd);
}

int start_read_fd(int fd, struct arena *a, str *out, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size > 64 << 20)
		return err_set(err, ERR_SYSTEM, "cannot read what the supervisor sent: %m");
	char *bytes = arena_alloc(a, (size_t)st.st_size + 1);
	if (fd_pread_all(fd, bytes, (size_t)st.st_size, 0) < 0)
		return err_set(err, ERR_SYSTEM, "cannot read what the supervisor sent: %m");
	*out = str_new(bytes, (size_t)st.st_size);
	return 0;
}
