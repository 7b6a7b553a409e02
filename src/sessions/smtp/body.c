/* The body of a message on its way to core: in memory, in a memory file, or in core's spool file. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "sessions/smtp/internal.h"

void smtp_upload_init(struct smtp_upload *b)
{
	*b = (struct smtp_upload){ .block = BUF_INIT(INLINE_BODY_MAX), .fd = -1 };
}

void smtp_upload_fini(struct smtp_upload *b)
{
	buf_fini(&b->block);
	fd_close(&b->fd);
}

/* An idle connection keeps no buffer. */
void smtp_upload_reset(struct smtp_upload *b)
{
	smtp_upload_fini(b);
	smtp_upload_init(b);
}

/* A message of many dots comes in many small pieces; they are written together. */
static int write_block(struct smtp_upload *b)
{
	if (b->fd < 0)
		b->fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd < 0 || fd_write_all(b->fd, buf_str(&b->block)) < 0)
		return -1;
	buf_reset(&b->block);
	return 0;
}

int smtp_upload_add(struct smtp_upload *b, str bytes)
{
	b->bytes += bytes.len;
	if (bytes.len > INLINE_BODY_MAX - b->block.len && write_block(b) < 0)
		return -1;
	if (bytes.len > INLINE_BODY_MAX)
		return fd_write_all(b->fd, bytes);
	buf_add(&b->block, bytes);
	return 0;
}

bool smtp_upload_wants_spool(const struct smtp_upload *b)
{
	return !b->is_spool && b->bytes > MEMFD_BODY_MAX;
}

int smtp_upload_to_spool(struct smtp_upload *b, int fd)
{
	AUTO_FD spool = fd;
	char piece[16384];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(b->fd, piece, sizeof(piece), at)) > 0) {
		if (fd_write_all(spool, str_new(piece, (size_t)n)) < 0)
			return -1;
		at += n;
	}
	if (n < 0)
		return -1;
	fd_close(&b->fd);
	b->fd = TAKE_FD(spool);
	b->is_spool = true;
	return 0;
}

int smtp_upload_seal(struct smtp_upload *b)
{
	if (b->fd < 0)
		return 0;
	if (write_block(b) < 0)
		return -1;
	if (b->is_spool)
		return 0;
	return fcntl(b->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}
