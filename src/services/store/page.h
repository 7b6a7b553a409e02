/* page.h: the pages of a mailbox, in memory and as bytes.
 *
 * Purpose    Up to 256 entries in UID order; packed to columns with varints and differences for the
 *            database; lists of pages that views and the writer share.
 * Ownership  Pages and lists are reference-counted; a list owns one reference to each of its pages.
 *            Whoever holds the only reference may change it, everybody else copies first.
 * Threads    The counts are atomic; the writer alone makes and changes pages and lists, loaders make
 *            their own.
 * Errors     page_decode is total: ERR_INPUT for anything page_encode did not make.
 */
#ifndef BUZON_SERVICES_STORE_PAGE_H
#define BUZON_SERVICES_STORE_PAGE_H

#include <stdatomic.h>

#include "services/store/store.h"

struct store_page {
	atomic_uint refs;
	uint32_t start; /* its key in the mailbox: the first UID it was born with */
	uint32_t count, cap;
	bool dirty;   /* the database does not have this content yet */
	uint64_t job; /* the job that made this copy and may go on changing it */
	struct store_entry entries[];
};

struct page_list {
	atomic_uint refs;
	size_t count, cap;
	struct store_page **pages;
	uint32_t *first_seq;
};

/* Most bytes of an encoded page; the usual one has some 2,500. */
enum { PAGE_BYTES_MAX = 16 + STORE_PAGE_ENTRIES * 8 * 10 };

void page_encode(const struct store_page *p, struct buf *out);
int page_decode(str bytes, uint32_t start, struct store_page **out, struct err *err);

/* Room for at least cap entries; count 0, one reference. */
struct store_page *page_new(uint32_t start, uint32_t cap);
struct store_page *page_copy(const struct store_page *p, uint32_t cap);
struct store_page *page_ref(struct store_page *p);
void page_unref(struct store_page *p);
/* Position of the first entry whose UID is >= uid; count when there is none. */
uint32_t page_seek(const struct store_page *p, uint32_t uid);

struct page_list *page_list_new(size_t cap);
struct page_list *page_list_copy(const struct page_list *l, size_t more);
/* The pages of head, then those of tail. */
struct page_list *page_list_join(const struct page_list *head, const struct page_list *tail);
struct page_list *page_list_ref(struct page_list *l);
void page_list_unref(struct page_list *l);
/* Takes over the caller's reference to the page. */
void page_list_push(struct page_list *l, struct store_page *p);
void page_list_replace(struct page_list *l, size_t i, struct store_page *p);
/* Fills first_seq; before a view shows the list. */
void page_list_number(struct page_list *l);
/* Index of the last page whose start is <= uid, else 0. */
size_t page_list_seek(const struct page_list *l, uint32_t uid);
size_t page_list_bytes(const struct page_list *l);

#endif
