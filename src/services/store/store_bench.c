/* store_bench: what the store's operations cost, in time and in the writer's CPU.
 *
 *   store_bench DIRECTORY [ENTRIES]
 *
 * Makes a store in DIRECTORY, which must be empty, and prints one line per operation. Not a test:
 * the figures depend on the machine and its disk. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/num.h"
#include "base/time.h"
#include "services/store/internal.h"
#include "services/store/maintain.h"

enum { DELIVERY_BYTES = 4096, INDEX_BYTES = 1500, DELIVERIES = 4000, LOOKS = 20000 };

struct bench {
	struct store *store;
	struct arena *arena;
	uint64_t account, inbox, archive;
	uint32_t entries;
	char body[DELIVERY_BYTES];
	char index[INDEX_BYTES];
};

static void must(int result, const struct err *err)
{
	if (result == 0)
		return;
	fprintf(stderr, "store_bench: %s\n", err->text);
	exit(1);
}

/* CPU of the writer thread in microseconds, read on it: jobs call it. */
static double thread_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int cpu_job(struct store_txn *t, void *arg, struct err *err)
{
	double *out = arg;

	(void)t;
	(void)err;
	*out = thread_us();
	return 0;
}

static double writer_cpu_us(struct bench *b)
{
	struct err err;
	double us = 0;

	must(store_write(b->store, cpu_job, &us, &err), &err);
	return us;
}

/* ---- making it ---- */

static int account_job(struct store_txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;

	if (txn_domain_add(t, STR("example.org"), err) < 0 ||
	    txn_account_add(t, STR("ana@example.org"), 0, &b->account, err) < 0)
		return -1;
	return 0;
}

struct delivery {
	struct bench *bench;
	struct store_body body;
	struct store_piece piece;
	uint32_t count;
	bool with_story;
	struct pending *pending;
};

static int add_story(struct store_txn *t, struct err *err)
{
	uint64_t id = store_next_id(store_of(t));
	char unique[40];

	snprintf(unique, sizeof(unique), "<%llx@example.org>", (unsigned long long)id);
	str keys[] = { str_c(unique), STR("ana@example.org"), STR("bob@far.example"),
		STR("192.0.2.7") };
	return txn_story_add(t,
	    &(struct store_story_step){ .story = id,
	        .step = 1,
	        .detail = STR("peer=192.0.2.7\nhelo=mx.far.example\n"
	                      "sender=bob@far.example\nresult=accepted\n") },
	    keys, 4, err);
}

static int delivery_job(struct store_txn *t, void *arg, struct err *err)
{
	struct delivery *d = arg;
	struct bench *b = d->bench;
	struct store_message_new m = { .body = &d->body, .index = str_new(b->index, INDEX_BYTES) };
	uint64_t message;

	if (txn_message_add(t, &m, &message, err) < 0)
		return -1;
	for (uint32_t i = 0; i < d->count; i++) {
		struct store_append a = {
			.mailbox = b->inbox, .message = message, .size = DELIVERY_BYTES
		};
		if (txn_append(t, &a, NULL, err) < 0)
			return -1;
	}
	return d->with_story ? add_story(t, err) : 0;
}

static void make_delivery(struct bench *b, struct delivery *d, uint32_t count, bool with_story)
{
	struct err err;

	*d = (struct delivery){ .bench = b, .count = count, .with_story = with_story };
	d->piece = (struct store_piece){ .bytes = str_new(b->body, DELIVERY_BYTES), .fd = -1 };
	d->body = (struct store_body){ .pieces = &d->piece, .piece_count = 1 };
	must(store_body_hash(&d->body, &err), &err);
}

/* ---- deliveries, as many at once as there are senders ---- */

struct pending {
	pthread_mutex_t lock;
	pthread_cond_t woken;
	unsigned left, running;
};

static void delivery_done(void *arg, int result, const struct err *err)
{
	struct delivery *d = arg;
	struct pending *p = d->pending;

	must(result, err);
	pthread_mutex_lock(&p->lock);
	p->running--;
	pthread_cond_signal(&p->woken);
	pthread_mutex_unlock(&p->lock);
}

static void bench_deliver(struct bench *b, unsigned senders, unsigned total)
{
	struct pending p = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER, .left = total
	};
	struct delivery d;
	double cpu = writer_cpu_us(b);
	uint64_t began = time_mono_us();

	make_delivery(b, &d, 1, true);
	d.pending = &p;
	pthread_mutex_lock(&p.lock);
	while (p.left > 0 || p.running > 0) {
		while (p.left > 0 && p.running < senders) {
			p.left--;
			p.running++;
			pthread_mutex_unlock(&p.lock);
			store_submit(b->store, delivery_job, delivery_done, &d);
			pthread_mutex_lock(&p.lock);
		}
		pthread_cond_wait(&p.woken, &p.lock);
	}
	pthread_mutex_unlock(&p.lock);
	uint64_t took = time_mono_us() - began;
	cpu = writer_cpu_us(b) - cpu;
	printf("deliver, %3u at once        %9.0f /s   %7.1f us writer CPU each\n", senders,
	    total * 1e6 / (double)took, cpu / total);
}

/* ---- single operations on many entries ---- */

struct change {
	struct bench *bench;
	int (*run)(struct store_txn *t, struct change *c, struct err *err);
	struct store_range range;
	uint32_t flags;
	enum store_flag_op op;
	double cpu_us;
};

static int change_job(struct store_txn *t, void *arg, struct err *err)
{
	struct change *c = arg;
	double began = thread_us();

	int result = c->run(t, c, err);
	c->cpu_us = thread_us() - began;
	return result;
}

static int run_flags(struct store_txn *t, struct change *c, struct err *err)
{
	struct store_range *failed;
	size_t count;

	return txn_flags(t,
	    &(struct store_flag_change){ .mailbox = c->bench->inbox,
	        .uids = &c->range,
	        .uid_count = 1,
	        .op = c->op,
	        .flags = c->flags,
	        .unchanged_since = UINT64_MAX },
	    c->bench->arena, &failed, &count, err);
}

static int run_copy(struct store_txn *t, struct change *c, struct err *err)
{
	struct store_uid_pairs pairs;

	return txn_copy(
	    t, c->bench->inbox, c->bench->archive, &c->range, 1, c->bench->arena, &pairs, err);
}

static int run_move(struct store_txn *t, struct change *c, struct err *err)
{
	struct store_uid_pairs pairs;

	return txn_move(
	    t, c->bench->inbox, c->bench->archive, &c->range, 1, c->bench->arena, &pairs, err);
}

static int run_expunge(struct store_txn *t, struct change *c, struct err *err)
{
	return txn_expunge(t, c->bench->inbox, NULL, 0, false, NULL, err);
}

static void bench_change(struct bench *b, const char *what, struct change *c)
{
	struct store_view *v = NULL;
	struct err err;

	c->bench = b;
	must(store_view_get(b->store, b->inbox, &v, &err), &err);
	double cpu = writer_cpu_us(b);
	uint64_t began = time_mono_us();
	must(store_write(b->store, change_job, c, &err), &err);
	uint64_t took = time_mono_us() - began;
	cpu = writer_cpu_us(b) - cpu;
	printf("%-27s %9.2f ms  %7.2f ms writer CPU, %.2f of it in the job\n", what,
	    (double)took / 1e3, cpu / 1e3, c->cpu_us / 1e3);
	store_view_unref(v);
}

/* ---- reading ---- */

static void bench_views(struct bench *b)
{
	struct store_view *v;
	struct err err;
	uint64_t began = time_mono_us();

	must(store_view_get(b->store, b->inbox, &v, &err), &err);
	printf(
	    "view, cold, %7u        %9.2f ms\n", v->count, (double)(time_mono_us() - began) / 1e3);
	store_view_unref(v);
	began = time_mono_us();
	for (unsigned i = 0; i < LOOKS; i++) {
		must(store_view_get(b->store, b->inbox, &v, &err), &err);
		store_view_unref(v);
	}
	printf("view, warm                  %9.2f us\n", (double)(time_mono_us() - began) / LOOKS);
}

static void bench_rows(struct bench *b)
{
	struct store_reader *r;
	struct store_view *v;
	struct store_message m;
	struct store_blob blob;
	struct err err;
	uint64_t bytes = 0;

	must(store_view_get(b->store, b->archive, &v, &err), &err);
	must(store_reader_open(b->store, &r, &err), &err);
	double began = thread_us();
	for (uint32_t seq = 1; seq <= v->count; seq++)
		must(store_reader_message(r, store_view_at(v, seq)->message, &m, &err), &err);
	printf("message rows                %9.2f us CPU each (%u)\n",
	    (thread_us() - began) / (v->count ? v->count : 1), v->count);
	began = thread_us();
	for (uint32_t seq = 1; seq <= v->count; seq++) {
		must(store_reader_message(r, store_view_at(v, seq)->message, &m, &err), &err);
		must(store_blob_map(b->store, &m.blob, &blob, &err), &err);
		bytes += (unsigned char)blob.bytes.ptr[blob.bytes.len / 2];
		store_blob_release(&blob);
	}
	printf("message rows and bodies     %9.2f us CPU each (%llu)\n",
	    (thread_us() - began) / (v->count ? v->count : 1), (unsigned long long)bytes % 10);
	store_reader_close(r);
	store_view_unref(v);
}

static void bench_pages(void)
{
	struct store_page *p = page_new(1, STORE_PAGE_ENTRIES), *back;
	AUTO_BUF bytes = BUF_INIT(1 << 20);
	struct err err;
	enum { ROUNDS = 20000 };

	for (uint32_t i = 0; i < STORE_PAGE_ENTRIES; i++)
		p->entries[i] = (struct store_entry){ .message = 100000 + i * 3,
			.modseq = 5000 + i,
			.internal_at = 1760000000 + i * 97 + i % 7 * 11,
			.saved_at = 1760000000 + i * 97 + i % 7 * 11 + i % 2,
			.uid = 1 + i,
			.size = 2000 + i * 7919 % 60000,
			.flags = i % 3 };
	p->count = STORE_PAGE_ENTRIES;
	double began = thread_us();
	for (unsigned i = 0; i < ROUNDS; i++) {
		buf_reset(&bytes);
		page_encode(p, &bytes);
	}
	double middle = thread_us();
	for (unsigned i = 0; i < ROUNDS; i++) {
		must(page_decode(buf_str(&bytes), 1, &back, &err), &err);
		page_unref(back);
	}
	printf("page of 256                 %9zu bytes, encode %.2f us, decode %.2f us\n",
	    bytes.len, (middle - began) / ROUNDS, (thread_us() - middle) / ROUNDS);
	page_unref(p);
}

/* ---- all ---- */

static void begin(struct bench *b, const char *dir)
{
	struct store_mailbox box;
	struct err err;

	must(store_open(&(struct store_options){ .path = dir, .create = true }, &b->store, &err),
	    &err);
	must(store_write(b->store, account_job, b, &err), &err);
	must(store_mailbox_find(b->store, b->account, STR("INBOX"), b->arena, &box, &err), &err);
	b->inbox = box.id;
	must(store_mailbox_find(b->store, b->account, STR("Archive"), b->arena, &box, &err), &err);
	b->archive = box.id;
	memset(b->body, 'x', sizeof(b->body));
	memset(b->index, 'i', sizeof(b->index));
}

static void fill(struct bench *b)
{
	struct delivery d;
	struct err err;

	uint64_t began = time_mono_us();
	for (uint32_t done = 0; done < b->entries; done += 100) {
		make_delivery(b, &d, 100, false);
		must(store_write(b->store, delivery_job, &d, &err), &err);
	}
	printf("filled with %u entries in %.1f s\n", b->entries,
	    (double)(time_mono_us() - began) / 1e6);
}

int main(int argc, char **argv)
{
	struct bench b = { .arena = arena_new(NULL, "bench", 256 << 20), .entries = 100000 };
	static const unsigned senders[] = { 1, 10, 50, 200 };

	if (argc < 2 || (argc > 2 && num_parse_u32(str_c(argv[2]), 10000000, &b.entries) < 0)) {
		fprintf(stderr, "usage: store_bench DIRECTORY [ENTRIES]\n");
		return 2;
	}
	bench_pages();
	begin(&b, argv[1]);
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		bench_deliver(&b, senders[i], DELIVERIES);
	fill(&b);
	bench_views(&b);
	uint32_t last = b.entries + 4 * DELIVERIES;
	bench_change(&b, "flag on 100,000",
	    &(struct change){ .run = run_flags,
	        .range = { 1, last },
	        .flags = STORE_SEEN,
	        .op = STORE_FLAGS_ADD });
	bench_change(&b, "flag off 100,000",
	    &(struct change){ .run = run_flags,
	        .range = { 1, last },
	        .flags = STORE_SEEN,
	        .op = STORE_FLAGS_REMOVE });
	bench_change(&b, "copy 10,000", &(struct change){ .run = run_copy, .range = { 1, 10000 } });
	bench_change(&b, "move 10,000", &(struct change){ .run = run_move, .range = { 1, 10000 } });
	bench_change(&b, "delete 10,000",
	    &(struct change){ .run = run_flags,
	        .range = { 10001, 20000 },
	        .flags = STORE_DELETED,
	        .op = STORE_FLAGS_ADD });
	bench_change(&b, "expunge 10,000", &(struct change){ .run = run_expunge });
	bench_deliver(&b, 50, DELIVERIES);
	bench_rows(&b);
	store_close(b.store);
	arena_free(b.arena);
	return 0;
}
