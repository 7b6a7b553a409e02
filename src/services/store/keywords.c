/* Keywords of a mailbox: bit i of an entry is names[i]. Immutable; a new keyword makes a new set. */
#include <stdlib.h>

#include "services/store/internal.h"

static struct keywords *make(size_t bytes)
{
	struct keywords *k = malloc(sizeof(*k) + bytes);

	if (!k)
		abort();
	atomic_init(&k->refs, 1);
	k->count = 0;
	return k;
}

struct keywords *keywords_ref(struct keywords *k)
{
	if (k)
		atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void keywords_unref(struct keywords *k)
{
	if (k && atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) == 1)
		free(k);
}

int keywords_decode(str bytes, struct keywords **out, struct err *err)
{
	struct keywords *k = make(bytes.len);

	if (bytes.len)
		memcpy(k->bytes, bytes.ptr, bytes.len);
	str in = str_new(k->bytes, bytes.len);
	while (in.len > 0) {
		if (k->count == STORE_KEYWORDS_MAX ||
		    take_counted(&in, STORE_NAME_MAX, &k->names[k->count]) < 0) {
			keywords_unref(k);
			return err_set(err, ERR_SYSTEM, "keywords of a mailbox make no sense");
		}
		k->count++;
	}
	*out = k;
	return 0;
}

void keywords_encode(const struct keywords *k, struct buf *out)
{
	for (size_t i = 0; i < k->count; i++)
		buf_add_counted(out, k->names[i]);
}

int keywords_find(const struct keywords *k, str name)
{
	for (size_t i = 0; i < k->count; i++) {
		if (str_ieq(k->names[i], name))
			return (int)i;
	}
	return -1;
}

struct keywords *keywords_with(const struct keywords *k, str name)
{
	AUTO_BUF bytes = BUF_INIT(1 << 20);
	struct keywords *with;

	keywords_encode(k, &bytes);
	buf_add_counted(&bytes, name);
	if (!buf_ok(&bytes) || keywords_decode(buf_str(&bytes), &with, NULL) < 0)
		abort();
	return with;
}
