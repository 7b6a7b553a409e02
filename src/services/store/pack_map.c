/* Packs as readers see them: mapped whole, once, shared.
 *
 * A pack that still grows is mapped at its largest length at once; pages behind the end of the file
 * are never touched, because a body is looked at only when the file is long enough to hold it. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "services/store/pack_private.h"

struct store_pack_map {
	struct store_pack_map *next;
	atomic_uint refs; /* one of them the list's, while listed */
	uint64_t pack;
	int fd;
	char *base;
	uint64_t length; /* mapped */
	uint64_t size;   /* of the file, when last looked at */
};

static void map_unref(struct store_pack_map *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	munmap(m->base, (size_t)m->length);
	fd_close(&m->fd);
	free(m);
}

static int look_at_size(struct store_pack_map *m)
{
	struct stat st;

	if (fstat(m->fd, &st) < 0)
		return -1;
	m->size = (uint64_t)st.st_size;
	return 0;
}

static int map_open(struct packs *p, uint64_t pack, struct store_pack_map **out, struct err *err)
{
	char path[PACK_PATH_MAX];
	struct store_pack_map *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	packs_path(p, pack, path, sizeof(path));
	*m = (struct store_pack_map){ .pack = pack, .base = MAP_FAILED };
	atomic_init(&m->refs, 1);
	m->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0 || look_at_size(m) < 0) {
		err_set(
		    err, errno == ENOENT ? ERR_DENIED : ERR_SYSTEM, "cannot open '%s': %m", path);
		fd_close(&m->fd);
		free(m);
		return -1;
	}
	m->length = m->size > p->limit ? m->size : p->limit;
	m->base = mmap(NULL, (size_t)m->length, PROT_READ, MAP_SHARED, m->fd, 0);
	if (m->base == MAP_FAILED) {
		err_set(err, ERR_SYSTEM, "cannot map '%s': %m", path);
		fd_close(&m->fd);
		free(m);
		return -1;
	}
	*out = m;
	return 0;
}

/* The listed map of this pack, moved to the front. */
static struct store_pack_map *find(struct packs *p, uint64_t pack)
{
	for (struct store_pack_map **at = &p->maps; *at; at = &(*at)->next) {
		struct store_pack_map *m = *at;
		if (m->pack != pack)
			continue;
		*at = m->next;
		m->next = p->maps;
		p->maps = m;
		return m;
	}
	return NULL;
}

/* Unlists the map in *at; those who hold it keep it. */
static void unlist(struct store_pack_map **at)
{
	struct store_pack_map *m = *at;

	*at = m->next;
	map_unref(m);
}

static void drop_oldest_idle(struct packs *p)
{
	unsigned idle = 0;
	struct store_pack_map **at = &p->maps;

	while (*at) {
		bool is_idle = atomic_load_explicit(&(*at)->refs, memory_order_relaxed) == 1;
		if (is_idle && ++idle > PACK_MAPS_IDLE_MAX)
			unlist(at);
		else
			at = &(*at)->next;
	}
}

static int fits(struct store_pack_map *m, uint64_t end)
{
	if (end > m->size && look_at_size(m) < 0)
		return -1;
	return end <= m->size;
}

/* Under the lock. A body above the pack limit makes its pack longer than what was mapped. */
static int map_for(
    struct packs *p, uint64_t pack, uint64_t end, struct store_pack_map **out, struct err *err)
{
	struct store_pack_map *m = find(p, pack);

	if (m && end > m->length) {
		unlist(&p->maps);
		m = NULL;
	}
	if (!m) {
		if (map_open(p, pack, &m, err) < 0)
			return -1;
		m->next = p->maps;
		p->maps = m;
		drop_oldest_idle(p);
	}
	if (fits(m, end) != 1 || end > m->length)
		return err_set(err, ERR_DENIED, "pack %llu ends before the message does",
		    (unsigned long long)pack);
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	*out = m;
	return 0;
}

int packs_map(
    struct packs *p, const struct store_blob_ref *ref, struct store_blob *out, struct err *err)
{
	struct pack_header header;
	struct store_pack_map *m;

	if (ref->offset < PACK_HEADER_BYTES || ref->bytes > INT64_MAX || ref->offset > INT64_MAX)
		return err_set(err, ERR_DENIED, "message has no place in a pack");
	pthread_mutex_lock(&p->lock);
	int result = map_for(p, ref->pack, ref->offset + ref->bytes, &m, err);
	pthread_mutex_unlock(&p->lock);
	if (result < 0)
		return -1;
	str bytes = str_new(m->base + ref->offset - PACK_HEADER_BYTES, PACK_HEADER_BYTES);
	if (!pack_header_decode(bytes, &header) || header.bytes != ref->bytes ||
	    memcmp(header.sha256, ref->sha256, sizeof(header.sha256)) != 0) {
		map_unref(m);
		return err_set(err, ERR_SYSTEM, "pack %llu has something else at %llu",
		    (unsigned long long)ref->pack, (unsigned long long)ref->offset);
	}
	*out = (struct store_blob){ .bytes = str_new(m->base + ref->offset, (size_t)ref->bytes),
		.map_ = m };
	return 0;
}

void packs_map_release(struct store_blob *blob)
{
	map_unref(blob->map_);
	*blob = (struct store_blob){ .map_ = NULL };
}

void packs_forget(struct packs *p, uint64_t pack)
{
	pthread_mutex_lock(&p->lock);
	if (find(p, pack))
		unlist(&p->maps);
	pthread_mutex_unlock(&p->lock);
}

void packs_maps_fini(struct packs *p)
{
	while (p->maps)
		unlist(&p->maps);
}
