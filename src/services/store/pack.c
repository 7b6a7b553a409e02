#include "services/store/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "services/store/crc32c.h"
#include "services/store/io.h"
#include "services/store/pack_private.h"

enum {
	BUFFER_BYTES = 1 << 20,
	FILL_BYTES = 1 << 20,
	FILL_BELOW = 256 << 10, /* groups larger than this need no help */
};
#define PACK_MAGIC 0x314b5042u /* "BPK1" */

/* ---- headers and names ---- */

static void put_le(unsigned char *at, uint64_t n, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)(n >> (8 * i));
}

void pack_header_encode(const struct pack_header *h, unsigned char out[PACK_HEADER_BYTES])
{
	memset(out, 0, PACK_HEADER_BYTES);
	put_le(out, PACK_MAGIC, 4);
	put_le(out + 8, h->message, 8);
	put_le(out + 16, h->bytes, 8);
	memcpy(out + 24, h->sha256, 32);
	put_le(out + 60, crc32c(str_new(out, 60)), 4);
}

int pack_header_decode(str bytes, struct pack_header *out)
{
	uint32_t magic, reserved, sum;
	str in = str_sub(bytes, 0, PACK_HEADER_BYTES), tail = str_skip(in, 60);
	struct pack_header h;

	if (in.len < PACK_HEADER_BYTES || take_u32(&tail, &sum) < 0 ||
	    sum != crc32c(str_sub(in, 0, 60)))
		return 0;
	if (take_u32(&in, &magic) < 0 || magic != PACK_MAGIC || take_u32(&in, &reserved) < 0 ||
	    take_u64(&in, &h.message) < 0 || take_u64(&in, &h.bytes) < 0)
		return 0;
	memcpy(h.sha256, in.ptr, sizeof(h.sha256));
	*out = h;
	return 1;
}

void packs_path(const struct packs *p, uint64_t pack, char *out, size_t size)
{
	snprintf(out, size, "%s/%08llu.pack", p->dir, (unsigned long long)pack);
}

int pack_number(const char *name, uint64_t *out)
{
	str rest = str_c(name);

	if (!str_ends(rest, STR(".pack")))
		return -1;
	rest.len -= 5;
	return num_parse_u64(rest, INT64_MAX, out);
}

/* ---- the pack that grows ---- */

static int failed(struct err *err, const char *doing, struct packs *p)
{
	p->failures++;
	return err_set(err, errno == ENOSPC || errno == EDQUOT ? ERR_RETRY : ERR_SYSTEM,
	    "cannot %s '%s/%08llu.pack': %m", doing, p->dir, (unsigned long long)p->current);
}

static void close_current(struct packs *p)
{
	io_close(&p->file);
	p->current = 0;
	p->end = p->flushed = p->longest = 0;
	p->sync_failed = false;
	buf_reset(&p->buffer);
}

static int open_current(struct packs *p, uint64_t pack, int flags, struct err *err)
{
	char path[PACK_PATH_MAX];

	packs_path(p, pack, path, sizeof(path));
	close_current(p);
	p->current = pack;
	if (io_open(&p->file, path, O_RDWR | flags) < 0) {
		failed(err, flags & O_CREAT ? "create" : "open", p);
		p->current = 0;
		return -1;
	}
	return 0;
}

/* An empty file that a crash or a failed open left behind is used; one with bytes is not. */
static int begin_pack(struct packs *p, struct err *err)
{
	uint64_t next = p->newest + 1;

	p->newest = next;
	if (open_current(p, next, O_CREAT, err) < 0)
		return -1;
	off_t length = lseek(p->file.fd, 0, SEEK_END);
	if (length != 0) {
		close_current(p);
		return err_set(
		    err, ERR_SYSTEM, "pack %llu is already there", (unsigned long long)next);
	}
	p->is_new = true;
	return 0;
}

void packs_above(struct packs *p, uint64_t pack)
{
	if (pack > p->newest)
		p->newest = pack;
}

int packs_resume(struct packs *p, uint64_t pack, uint64_t length, struct err *err)
{
	packs_above(p, pack);
	if (length >= p->limit)
		return 0;
	/* One that has only been begun may have no file in a backup. */
	if (open_current(p, pack, length == 0 ? O_CREAT : 0, err) < 0)
		return -1;
	p->is_new = length == 0;
	off_t size = lseek(p->file.fd, 0, SEEK_END);
	if (size < 0 || (uint64_t)size < length) {
		close_current(p);
		return err_set(
		    err, ERR_SYSTEM, "pack %llu is shorter than it was", (unsigned long long)pack);
	}
	if ((uint64_t)size > length && (io_truncate(&p->file, length) < 0 || io_sync(&p->file) < 0))
		return failed(err, "cut", p);
	p->end = p->flushed = p->longest = length;
	return 0;
}

static void note_written(struct packs *p, uint64_t bytes)
{
	p->flushed += bytes;
	if (p->flushed > p->longest)
		p->longest = p->flushed;
}

/* A sync of bytes that lie inside the file is about twice as fast as one that also has to record a
 * new length, so zeros are written ahead of small groups. Failing to is no failure. */
static void fill_ahead(struct packs *p, size_t group)
{
	if (group > FILL_BELOW || p->flushed < p->longest ||
	    p->limit < p->flushed + 2 * (uint64_t)FILL_BYTES)
		return;
	if (io_write_at(&p->file, str_new(p->zeros, FILL_BYTES), p->flushed) == 0)
		p->longest = p->flushed + FILL_BYTES;
}

static int flush(struct packs *p, struct err *err)
{
	if (p->buffer.len == 0)
		return 0;
	if (io_write_at(&p->file, buf_str(&p->buffer), p->flushed) < 0)
		return failed(err, "write to", p);
	note_written(p, p->buffer.len);
	fill_ahead(p, p->buffer.len);
	buf_reset(&p->buffer);
	return 0;
}

static int add_bytes(struct packs *p, str bytes, struct err *err)
{
	if (bytes.len > BUFFER_BYTES - p->buffer.len && flush(p, err) < 0)
		return -1;
	if (bytes.len <= BUFFER_BYTES) {
		buf_add(&p->buffer, bytes);
	} else {
		if (io_write_at(&p->file, bytes, p->flushed) < 0)
			return failed(err, "write to", p);
		note_written(p, bytes.len);
	}
	p->end += bytes.len;
	return 0;
}

static int add_file(struct packs *p, const struct store_piece *piece, struct err *err)
{
	uint64_t left = piece->length, at = piece->offset;

	while (left > 0) {
		size_t step = left < BUFFER_BYTES / 4 ? (size_t)left : BUFFER_BYTES / 4;
		if (step > BUFFER_BYTES - p->buffer.len && flush(p, err) < 0)
			return -1;
		char *to = buf_space(&p->buffer, step);
		if (fd_pread_all(piece->fd, to, step, (off_t)at) < 0)
			return err_set(err, ERR_SYSTEM, "cannot read the message body: %m");
		buf_grow(&p->buffer, step);
		p->end += step;
		at += step;
		left -= step;
	}
	return 0;
}

int packs_sync(struct packs *p, struct err *err)
{
	if (!p->current || (p->end == p->synced && p->synced_pack == p->current))
		return 0;
	if (flush(p, err) < 0)
		return -1;
	if (io_sync(&p->file) < 0 || (p->is_new && io_sync_dir(p->dir) < 0)) {
		p->sync_failed = true;
		return failed(err, "sync", p);
	}
	p->is_new = false;
	p->synced = p->end;
	p->synced_pack = p->current;
	return 0;
}

/* A pack is synced before it is left, for the group that filled it; what was undone behind its end
 * is cut off, so that it is records from the first to the last byte. */
int packs_next(struct packs *p, struct err *err)
{
	if (p->current) {
		if (flush(p, err) < 0)
			return -1;
		if (p->longest > p->end && io_truncate(&p->file, p->end) < 0)
			return failed(err, "cut", p);
		p->longest = p->end;
		p->synced_pack = 0;
		if (packs_sync(p, err) < 0)
			return -1;
	}
	return begin_pack(p, err);
}

static int make_room(struct packs *p, uint64_t bytes, struct err *err)
{
	bool fits = p->current && (p->end == 0 || bytes <= p->limit - p->end);

	if (p->current && p->end >= p->limit)
		fits = false;
	return fits ? 0 : packs_next(p, err);
}

struct pack_mark packs_mark(const struct packs *p)
{
	return (struct pack_mark){ p->current, p->end };
}

struct pack_mark packs_current(const struct packs *p)
{
	return packs_mark(p);
}

uint64_t packs_file_bytes(const struct packs *p, uint64_t pack)
{
	char path[PACK_PATH_MAX];
	struct stat st;

	if (pack == p->current)
		return p->end;
	packs_path(p, pack, path, sizeof(path));
	return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* What was undone is written over by the next body; when a new pack was begun meanwhile, the old
 * one keeps it as dead space. */
void packs_rewind(struct packs *p, struct pack_mark mark)
{
	uint64_t end = mark.pack == p->current ? mark.end : 0;

	if (!p->current)
		return;
	p->end = end;
	if (end >= p->flushed) {
		buf_truncate(&p->buffer, (size_t)(end - p->flushed));
	} else {
		buf_reset(&p->buffer);
		p->flushed = end;
	}
}

static int add_body(struct packs *p, const struct store_body *body, struct err *err)
{
	for (size_t i = 0; i < body->piece_count; i++) {
		const struct store_piece *piece = &body->pieces[i];
		if ((piece->fd < 0 ? add_bytes(p, piece->bytes, err) : add_file(p, piece, err)) < 0)
			return -1;
	}
	return 0;
}

int packs_append(struct packs *p, uint64_t message, const struct store_body *body,
    struct store_blob_ref *out, struct err *err)
{
	struct pack_header header = { .message = message, .bytes = body->bytes };
	unsigned char bytes[PACK_HEADER_BYTES];
	uint64_t sum = 0;

	for (size_t i = 0; i < body->piece_count; i++)
		sum += body->pieces[i].fd < 0 ? body->pieces[i].bytes.len : body->pieces[i].length;
	if (sum != body->bytes)
		return err_set(err, ERR_INPUT, "message body has %llu bytes instead of %llu",
		    (unsigned long long)sum, (unsigned long long)body->bytes);
	if (make_room(p, sum + PACK_HEADER_BYTES, err) < 0)
		return -1;
	struct pack_mark start = packs_mark(p);
	memcpy(header.sha256, body->sha256, sizeof(header.sha256));
	pack_header_encode(&header, bytes);
	if (add_bytes(p, str_new(bytes, sizeof(bytes)), err) < 0 || add_body(p, body, err) < 0) {
		packs_rewind(p, start);
		return -1;
	}
	*out = (struct store_blob_ref){
		.pack = start.pack, .offset = start.end + PACK_HEADER_BYTES, .bytes = body->bytes
	};
	memcpy(out->sha256, body->sha256, sizeof(out->sha256));
	return 0;
}

/* What was filled ahead is given back; the records stay. */
static void leave(struct packs *p)
{
	if (p->current && p->longest > p->end)
		io_truncate(&p->file, p->end);
	close_current(p);
}

void packs_give_up(struct packs *p, struct pack_mark group, bool commit_tried)
{
	if (commit_tried || p->sync_failed)
		leave(p);
	else
		packs_rewind(p, group);
}

uint64_t packs_failures(const struct packs *p)
{
	return p->failures;
}

struct packs *packs_open(const char *dir, uint64_t limit)
{
	struct packs *p = calloc(1, sizeof(*p));

	if (!p || !(p->dir = strdup(dir)))
		abort();
	p->limit = limit;
	p->zeros = calloc(1, FILL_BYTES); /* never written to: it takes no memory */
	if (!p->zeros)
		abort();
	p->file.fd = -1;
	buf_init(&p->buffer, BUFFER_BYTES);
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void packs_close(struct packs *p)
{
	if (!p)
		return;
	leave(p);
	packs_maps_fini(p);
	buf_fini(&p->buffer);
	pthread_mutex_destroy(&p->lock);
	free(p->zeros);
	free(p->dir);
	free(p);
}
