/* The fields of a header as h= counts them. */
#include "protocols/dkim/internal.h"

void dkim_fields_read(struct arena *a, str header, struct dkim_fields *out)
{
	struct header_field field;
	size_t count = 0;
	str rest = header;

	while (header_next(&rest, &field) && count < DKIM_FIELDS_MAX)
		count++;
	*out = (struct dkim_fields){
		.list = arena_array(a, struct header_field, count + 1),
		.is_taken = arena_array(a, bool, count + 1),
	};
	rest = header;
	while (header_next(&rest, &field)) {
		if (out->count == count) {
			out->is_cut = true;
			break;
		}
		out->list[out->count++] = field;
	}
	dkim_fields_reset(out);
}

void dkim_fields_reset(struct dkim_fields *f)
{
	for (size_t i = 0; i < f->count; i++)
		f->is_taken[i] = false;
}

const struct header_field *dkim_fields_take(struct dkim_fields *f, str name)
{
	for (size_t i = f->count; i-- > 0;) {
		if (!f->is_taken[i] && name.len && str_ieq(f->list[i].name, name)) {
			f->is_taken[i] = true;
			return &f->list[i];
		}
	}
	return NULL;
}

bool dkim_fields_left(const struct dkim_fields *f, str name)
{
	for (size_t i = 0; i < f->count; i++) {
		if (!f->is_taken[i] && str_ieq(f->list[i].name, name))
			return true;
	}
	return false;
}
