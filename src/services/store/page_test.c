/* Tests of pages: what is packed comes back, what is not a page is refused. */
#include "check.h"

#include "base/secret.h"
#include "base/time.h"
#include "services/store/crc32c.h"
#include "services/store/page.h"

static void fill(struct store_page *p, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		p->entries[i] = (struct store_entry){ .message = 5000 + i * 2,
			.modseq = 100 + i,
			.internal_at = 1700000000 + i * 61,
			.saved_at = 1700000000 + i * 61 + 1,
			.uid = 10 + i,
			.size = 4000 + (i * 37) % 1000 };
	}
	p->count = count;
}

static void check_same(const struct store_page *a, const struct store_page *b)
{
	check_int_eq(a->count, b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct store_entry *x = &a->entries[i], *y = &b->entries[i];
		check(x->message == y->message && x->modseq == y->modseq);
		check(x->keywords == y->keywords && x->internal_at == y->internal_at);
		check(x->saved_at == y->saved_at && x->uid == y->uid);
		check(x->size == y->size && x->flags == y->flags);
	}
}

static size_t round_trip(const struct store_page *p)
{
	AUTO_BUF bytes = BUF_INIT(PAGE_BYTES_MAX * 2);
	struct store_page *back = NULL;
	struct err err;

	page_encode(p, &bytes);
	check(buf_ok(&bytes));
	check_int_eq(page_decode(buf_str(&bytes), p->start, &back, &err), 0);
	check_same(p, back);
	page_unref(back);
	return bytes.len;
}

static void test_counts(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 3, 255, 256 };
	(void)state;

	for (size_t i = 0; i < COUNT(counts); i++) {
		struct store_page *p = page_new(10, STORE_PAGE_ENTRIES);
		fill(p, counts[i]);
		check(round_trip(p) <= 3000);
		page_unref(p);
	}
}

static void test_extremes(void **state)
{
	struct store_page *p = page_new(1, STORE_PAGE_ENTRIES);
	(void)state;

	fill(p, 4);
	p->entries[0] = (struct store_entry){ .uid = 1, .internal_at = 0, .saved_at = UINT32_MAX };
	p->entries[1] = (struct store_entry){ .uid = 2,
		.message = UINT64_MAX,
		.modseq = INT64_MAX,
		.keywords = UINT64_MAX,
		.internal_at = INT64_MAX,
		.saved_at = 0,
		.size = UINT32_MAX,
		.flags = 31 };
	p->entries[2] = (struct store_entry){ .uid = UINT32_MAX - 2, .internal_at = INT64_MIN };
	p->entries[3] = (struct store_entry){ .uid = UINT32_MAX - 1, .message = 1, .modseq = 1 };
	round_trip(p);
	page_unref(p);
}

/* Every byte changed, and every length cut, is noticed. */
static void test_damage(void **state)
{
	AUTO_BUF bytes = BUF_INIT(PAGE_BYTES_MAX * 2);
	struct store_page *p = page_new(10, 20), *back;
	struct err err;
	(void)state;

	fill(p, 20);
	page_encode(p, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.ptr[i] ^= 0x20;
		check_int_eq(page_decode(buf_str(&bytes), 10, &back, &err), -1);
		bytes.ptr[i] ^= 0x20;
		check_int_eq(page_decode(str_sub(buf_str(&bytes), 0, i), 10, &back, &err), -1);
	}
	page_unref(p);
}

static void test_lists(void **state)
{
	struct page_list *l = page_list_new(0);
	(void)state;

	for (uint32_t i = 0; i < 5; i++) {
		struct store_page *p = page_new(1 + i * 100, 10);
		fill(p, 10);
		page_list_push(l, p);
	}
	page_list_number(l);
	check_int_eq(l->first_seq[4], 41);
	check_int_eq(page_list_seek(l, 1), 0);
	check_int_eq(page_list_seek(l, 100), 0);
	check_int_eq(page_list_seek(l, 101), 1);
	check_int_eq(page_list_seek(l, 4000), 4);
	struct page_list *copy = page_list_copy(l, 1), *both = page_list_join(l, copy);
	check_int_eq(both->count, 10);
	check_int_eq(page_seek(l->pages[0], 15), 5);
	check_int_eq(page_seek(l->pages[0], 99), 10);
	page_list_unref(l);
	page_list_unref(copy);
	page_list_unref(both);
}

static void test_crc(void **state)
{
	(void)state;
	check(crc32c(STR("123456789")) == 0xe3069283u);
	check(crc32c(STR("")) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_crc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
