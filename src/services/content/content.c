#include "services/content/content.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/message_index.h"

int content_map(int fd, uint64_t offset, uint64_t bytes, struct content_body *out, struct err *err)
{
	uint64_t before = offset % (uint64_t)sysconf(_SC_PAGESIZE); /* mappings begin at a page */
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_SYSTEM, "cannot look at the message's descriptor: %m");
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || offset > (uint64_t)st.st_size ||
	    bytes > (uint64_t)st.st_size - offset)
		return err_set(err, ERR_INPUT,
		    "the message's descriptor does not hold %llu bytes at %llu",
		    (unsigned long long)bytes, (unsigned long long)offset);
	if (bytes > CONTENT_BODY_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "the message of %llu bytes is above the limit of %d",
		    (unsigned long long)bytes, CONTENT_BODY_MAX_BYTES);
	void *map = bytes > 0 ? mmap(NULL, before + bytes, PROT_READ, MAP_PRIVATE, fd,
	                            (off_t)(offset - before))
	                      : NULL;
	if (map == MAP_FAILED)
		return err_set(err, ERR_SYSTEM, "cannot map the message: %m");
	*out = (struct content_body){
		.bytes = str_new((char *)map + before, bytes), .map = map, .mapped = before + bytes
	};
	return 0;
}

void content_fini(struct content_body *body)
{
	if (body->map)
		munmap(body->map, body->mapped);
	*body = (struct content_body){ .map = NULL };
}

int content_index(str message, struct arena *a, struct buf *out, struct err *err)
{
	struct message_index index;

	message_index_build(message, a, &index);
	message_index_encode(&index, out);
	arena_reset(a);
	if (!buf_ok(out))
		return err_set(
		    err, ERR_LIMIT, "the message's index is larger than %zu bytes", out->max);
	return 0;
}
