/* dsn_check.h: reads a notification back, for tests and fuzzing: what must hold whatever was in it. */
#ifndef BUZON_FORMATS_DSN_CHECK_H
#define BUZON_FORMATS_DSN_CHECK_H

#include <assert.h>
#include <stdlib.h>

#include "formats/dsn.h"
#include "formats/header.h"
#include "formats/mime.h"

struct dsn_parts {
	str text_header, text, status_header, status, original_header, original;
};

static inline str dsn_slice(str all, uint64_t at, uint64_t bytes)
{
	return str_sub(all, (size_t)at, (size_t)bytes);
}

/* The three parts; their inner parts are skipped. */
static inline void dsn_take_apart(str all, struct arena *a, struct dsn_parts *out)
{
	struct mime_tree tree;
	struct dsn_parts parts = { 0 };
	const struct {
		str *header, *body;
	} places[] = { { &parts.text_header, &parts.text }, { &parts.status_header, &parts.status },
		{ &parts.original_header, &parts.original } };
	uint32_t children = 0;

	mime_parse(all, a, &tree);
	assert(str_eq(tree.parts[0].at.type, STR("multipart/report")));
	assert(!(tree.flags & (INDEX_HAS_NUL | INDEX_HAS_BARE_LF | INDEX_LONG_LINE)));
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct index_part *p = &tree.parts[i].at;
		if (p->parent != 0)
			continue;
		assert(children < 3);
		*places[children].header = dsn_slice(all, p->header_at, p->header_bytes);
		*places[children].body = dsn_slice(all, p->body_at, p->body_bytes);
		children++;
	}
	assert(children == 3);
	*out = parts;
}

/* One group of fields, up to an empty line. False at the end. */
static inline bool dsn_take_group(str *status, str *out)
{
	size_t end = str_find(*status, STR("\r\n\r\n"));

	if (status->len == 0)
		return false;
	*out = str_sub(*status, 0, end == STR_NPOS ? status->len : end + 2);
	*status = str_skip(*status, end == STR_NPOS ? status->len : end + 4);
	return true;
}

/* The value of a field that stands there at most once; empty when it does not. */
static inline str dsn_field(str group, const char *name, struct arena *a)
{
	struct header_field f;
	str found = STR_NONE;

	while (header_next(&group, &f)) {
		if (!str_ieq(f.name, str_c(name)))
			continue;
		assert(!found.ptr);
		found = header_unfold(f.value, a);
	}
	return found;
}

static inline void dsn_check_names(str group, const char *const *names)
{
	struct header_field f;

	while (header_next(&group, &f)) {
		size_t i = 0;
		while (names[i] && !str_eq(f.name, str_c(names[i])))
			i++;
		assert(names[i]);
	}
}

static inline void dsn_check_recipient(const struct dsn_recipient *r, str group, struct arena *a)
{
	static const char *const names[] = { "Original-Recipient", "Final-Recipient", "Action",
		"Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date", "Will-Retry-Until",
		NULL };
	struct enhanced_status status;
	str text = dsn_field(group, "Status", a), final = dsn_field(group, "Final-Recipient", a);

	dsn_check_names(group, names);
	assert(str_eq(dsn_field(group, "Action", a), str_c(dsn_action_name(r->action))));
	assert(take_enhanced_status(&text, &status) == 0 && text.len == 0);
	assert(!r->status.class || enhanced_status_eq(status, r->status));
	assert(str_starts(final, STR("rfc822;")) || str_starts(final, STR("utf-8;")));
	/* An ordinary address comes back as it was. */
	if (str_is_printable(r->address) && str_chr(r->address, ' ') == STR_NPOS &&
	    r->address.len && r->address.len < 700)
		assert(str_eq(str_trim(str_skip(final, 7)), r->address));
	assert(!r->diagnostic.len || dsn_field(group, "Diagnostic-Code", a).len);
}

static inline void dsn_check(const struct dsn *d, str all, struct dsn_needs needs)
{
	static const char *const names[] = { "Original-Envelope-Id", "Reporting-MTA",
		"Arrival-Date", NULL };
	static const char *const outer[] = { "From", "To", "Subject", "Date", "Message-ID",
		"In-Reply-To", "References", "Auto-Submitted", "MIME-Version", "Content-Type",
		NULL };
	AUTO_ARENA a = arena_new(NULL, "dsn check", 256 << 20);
	struct dsn_parts parts;
	str rest, group;

	dsn_take_apart(all, a, &parts);
	dsn_check_names(header_block(all), outer);
	rest = parts.status;
	assert(dsn_take_group(&rest, &group));
	dsn_check_names(group, names);
	assert(str_starts(dsn_field(group, "Reporting-MTA", a), STR("dns;")));
	for (size_t i = 0; i < d->count; i++) {
		assert(dsn_take_group(&rest, &group));
		dsn_check_recipient(&d->recipients[i], group, a);
	}
	assert(rest.len == 0);
	assert(needs.is_8bit || str_is_ascii(all));
	assert(d->utf8 ||
	       (str_is_ascii(parts.status) && str_is_ascii(header_block(all)) && !needs.utf8));
}

#endif
