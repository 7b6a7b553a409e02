/* tag_list.h: "v=1; a=rsa-sha256; d=example.org" as DKIM, DMARC and others write it.
 *
 * Purpose    Read tag-lists: RFC 6376 §3.2.
 * Ownership  Slices point into the text.
 * Threads    No state.
 * Limits     TAG_LIST_MAX tags.
 * Errors     tag_list_parse: 0, or -1 with ERR_INPUT or ERR_LIMIT and a sentence; *out is then not to be
 *            used. Tags that nobody knows are no error.
 */
#ifndef BUZON_FORMATS_TAG_LIST_H
#define BUZON_FORMATS_TAG_LIST_H

#include "base/buf.h"
#include "base/err.h"

enum { TAG_LIST_MAX = 64 };

struct tag {
	str name;  /* case matters */
	str value; /* without white space around it; folding inside */
	str raw;   /* everything between the equals sign and the semicolon */
};

struct tag_list {
	struct tag tags[TAG_LIST_MAX];
	size_t count;
};

/* A semicolon at the end and empty tags between semicolons are passed over; a tag that stands twice makes
 * the whole list wrong. Bytes above 0x7f are taken (RFC 8616 §4). */
int tag_list_parse(str text, struct tag_list *out, struct err *err);
/* NULL when it is not there. */
const struct tag *tag_list_find(const struct tag_list *list, str name);
/* Its value; empty when it is not there. */
str tag_list_value(const struct tag_list *list, str name);
/* The next item of a value like "a : b:c": without white space; false at the end. */
bool tag_value_next(str *rest, char separator, str *out);
/* One of the items, in any case. */
bool tag_value_has(str value, char separator, str item);
/* The value without any white space: base64, lists. */
void tag_value_squeeze(str value, struct buf *out);

#endif
