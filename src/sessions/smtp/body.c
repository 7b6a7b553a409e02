#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "sessions/smtp/internal.h"

void smtp_upload_init(struct smtp_upload *b)
{
	*b = (struct smtp_upload){ .inline_bytes = BUF_INIT(INLINE_BODY_MAX), .fd = -1 };
}

void smtp_upload_fini(struct smtp_upload *b)
{
	buf_fini(&b->inline_bytes);
	fd_close(&b->fd);
}

/* An idle connection keeps no buffer. */
void smtp_upload_reset(struct smtp_upload *b)
{
	smtp_upload_fini(b);
	smtp_upload_init(b);
}

static int to_memfd(struct smtp_upload *b)
{
	b->fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd < 0 || fd_write_all(b->fd, buf_str(&b->inline_bytes)) < 0)
		return -1;
	buf_fini(&b->inline_bytes);
	return 0;
}

int smtp_upload_add(struct smtp_upload *b, str bytes)
{
	b->bytes += bytes.len;
	if (b->fd < 0 && b->bytes <= INLINE_BODY_MAX) {
		buf_add(&b->inline_bytes, bytes);
		return buf_ok(&b->inline_bytes) ? 0 : -1;
	}
	if (b->fd < 0 && to_memfd(b) < 0)
		return -1;
	return fd_write_all(b->fd, bytes);
}

bool smtp_upload_wants_spool(const struct smtp_upload *b)
{
	return !b->is_spool && b->bytes > MEMFD_BODY_MAX;
}

int smtp_upload_to_spool(struct smtp_upload *b, int fd)
{
	char block[16384];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(b->fd, block, sizeof(block), at)) > 0) {
		if (fd_write_all(fd, str_new(block, (size_t)n)) < 0)
			break;
		at += n;
	}
	if (n != 0) {
		fd_close(&fd);
		return -1;
	}
	fd_close(&b->fd);
	b->fd = fd;
	b->is_spool = true;
	return 0;
}

int smtp_upload_seal(struct smtp_upload *b)
{
	if (b->fd < 0 || b->is_spool)
		return 0;
	return fcntl(b->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}
