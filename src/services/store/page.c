#include "services/store/page.h"

#include <pthread.h>
#include <stdlib.h>

enum { CAP_STEP = 8 };

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ---- full pages, used again ----
 *
 * A change of a large mailbox copies all its pages and then frees as many; without this the memory
 * would go to the kernel and come back page fault by page fault, which costs more than the change.
 * Under the sanitizers nothing is kept, so that they see each use after free. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KEPT_MAX = 0 };
#else
enum { KEPT_MAX = 512 };
#endif

static struct {
	pthread_mutex_t lock;
	struct store_page *first;
	unsigned count;
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct store_page *next_kept(struct store_page *p)
{
	struct store_page *next;

	memcpy(&next, p->entries, sizeof(next));
	return next;
}

static struct store_page *take_kept(void)
{
	pthread_mutex_lock(&kept.lock);
	struct store_page *p = kept.first;
	if (p) {
		kept.first = next_kept(p);
		kept.count--;
	}
	pthread_mutex_unlock(&kept.lock);
	return p;
}

static void keep_or_free(struct store_page *p)
{
	bool is_kept = false;

	if (p->cap == STORE_PAGE_ENTRIES) {
		pthread_mutex_lock(&kept.lock);
		is_kept = kept.count + 1 <= KEPT_MAX;
		if (is_kept) {
			memcpy(p->entries, &kept.first, sizeof(kept.first));
			kept.first = p;
			kept.count++;
		}
		pthread_mutex_unlock(&kept.lock);
	}
	if (!is_kept)
		free(p);
}

struct store_page *page_new(uint32_t start, uint32_t cap)
{
	cap = (cap + CAP_STEP - 1) / CAP_STEP * CAP_STEP;
	struct store_page *p = cap == STORE_PAGE_ENTRIES ? take_kept() : NULL;

	if (!p)
		p = must(malloc(sizeof(*p) + cap * sizeof(struct store_entry)));
	atomic_init(&p->refs, 1);
	p->start = start;
	p->count = 0;
	p->cap = cap;
	p->dirty = false;
	p->job = 0;
	return p;
}

struct store_page *page_copy(const struct store_page *p, uint32_t cap)
{
	struct store_page *copy = page_new(p->start, cap < p->count ? p->count : cap);

	copy->count = p->count;
	memcpy(copy->entries, p->entries, p->count * sizeof(struct store_entry));
	return copy;
}

struct store_page *page_ref(struct store_page *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void page_unref(struct store_page *p)
{
	if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		keep_or_free(p);
}

uint32_t page_seek(const struct store_page *p, uint32_t uid)
{
	uint32_t low = 0, high = p->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (p->entries[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct page_list *page_list_new(size_t cap)
{
	struct page_list *l = must(malloc(sizeof(*l)));

	atomic_init(&l->refs, 1);
	l->count = 0;
	l->cap = cap ? cap : 1;
	l->pages = must(malloc(l->cap * sizeof(struct store_page *)));
	l->first_seq = NULL;
	return l;
}

static void add_all(struct page_list *to, const struct page_list *from)
{
	for (size_t i = 0; i < from->count; i++)
		to->pages[to->count++] = page_ref(from->pages[i]);
}

struct page_list *page_list_copy(const struct page_list *l, size_t more)
{
	struct page_list *copy = page_list_new(l->count + more);

	add_all(copy, l);
	return copy;
}

struct page_list *page_list_join(const struct page_list *head, const struct page_list *tail)
{
	struct page_list *l = page_list_new(head->count + tail->count);

	add_all(l, head);
	add_all(l, tail);
	return l;
}

struct page_list *page_list_ref(struct page_list *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void page_list_unref(struct page_list *l)
{
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < l->count; i++)
		page_unref(l->pages[i]);
	free(l->pages);
	free(l->first_seq);
	free(l);
}

void page_list_push(struct page_list *l, struct store_page *p)
{
	if (l->count == l->cap) {
		l->cap = l->cap * 2 + 4;
		l->pages = must(realloc(l->pages, l->cap * sizeof(struct store_page *)));
	}
	l->pages[l->count++] = p;
}

void page_list_replace(struct page_list *l, size_t i, struct store_page *p)
{
	page_unref(l->pages[i]);
	l->pages[i] = p;
}

void page_list_number(struct page_list *l)
{
	uint32_t seq = 1;

	free(l->first_seq);
	l->first_seq = must(malloc((l->count + 1) * sizeof(uint32_t)));
	for (size_t i = 0; i < l->count; i++) {
		l->first_seq[i] = seq;
		seq += l->pages[i]->count;
	}
	l->first_seq[l->count] = seq;
}

size_t page_list_seek(const struct page_list *l, uint32_t uid)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (l->pages[middle]->start <= uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

size_t page_list_bytes(const struct page_list *l)
{
	size_t bytes = sizeof(*l) + l->count * 16;

	for (size_t i = 0; i < l->count; i++)
		bytes += sizeof(struct store_page) + l->pages[i]->cap * sizeof(struct store_entry);
	return bytes;
}
