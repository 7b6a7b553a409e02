#include "services/fetch/fetch.h"

#include <stdlib.h>

#include "base/buf.h"
#include "services/fetch/curl_lib.h"

enum { URL_MAX = 2048 };

struct fetch {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;
	char *roots;
	size_t roots_bytes;
	struct fetch_transfer *transfers;
};

struct fetch_transfer {
	struct fetch *fetch;
	struct fetch_transfer *next, **link;
	CURL *easy;
	struct curl_slist *addresses;
	struct buf body;
	fetch_fn *fn;
	void *arg;
	char why[CURL_ERROR_SIZE];
};

/* A socket that curl waits for. */
struct wait {
	struct fetch *fetch;
	curl_socket_t fd;
	struct watch *watch;
};

/* ---- a transfer ---- */

static void free_transfer(struct fetch_transfer *t)
{
	if (t->link)
		*t->link = t->next;
	if (t->link && t->next)
		t->next->link = t->link;
	curl_multi_remove_handle(t->fetch->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->addresses);
	buf_fini(&t->body);
	free(t);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct fetch_transfer *t = arg;

	buf_add(&t->body, str_new(data, size * count));
	return buf_ok(&t->body) ? size * count : 0;
}

static str reason_of(const struct fetch_transfer *t, CURLcode code)
{
	if (!buf_ok(&t->body))
		return STR("the answer is longer than 64 KiB");
	if (code == CURLE_OPERATION_TIMEDOUT)
		return STR("there was no whole answer in time");
	return str_c(t->why[0] ? t->why : curl_easy_strerror(code));
}

static void finish(struct fetch_transfer *t, CURLcode code)
{
	struct fetch_result result = { 0 };
	char *type = NULL;
	long status = 0;

	if (code == CURLE_OK) {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
		result.code = (unsigned)status;
		result.type = str_c(type);
		result.body = buf_str(&t->body);
	}
	if (!result.code)
		result.why = reason_of(t, code);
	t->fn(t->arg, &result);
	free_transfer(t);
}

static void finish_those_done(struct fetch *f)
{
	const CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct fetch_transfer *t = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(t, code);
	}
}

/* ---- between curl and the loop ---- */

static void on_ready(void *arg, unsigned events)
{
	struct wait *w = arg;
	struct fetch *f = w->fetch;
	int mask = 0, running;

	if (events & WATCH_READ)
		mask |= CURL_CSELECT_IN;
	if (events & WATCH_WRITE)
		mask |= CURL_CSELECT_OUT;
	curl_multi_socket_action(f->multi, w->fd, mask, &running);
	finish_those_done(f);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct fetch *f = arg;
	struct wait *w = known;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		watch_free(w ? w->watch : NULL);
		free(w);
		curl_multi_assign(f->multi, fd, NULL);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= WATCH_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= WATCH_WRITE;
	if (w) {
		watch_set(w->watch, events);
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	*w = (struct wait){ .fetch = f, .fd = fd };
	w->watch = watch_new(f->loop, fd, events, on_ready, w);
	curl_multi_assign(f->multi, fd, w);
	return 0;
}

static void on_time(void *arg)
{
	struct fetch *f = arg;
	int running;

	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_those_done(f);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch *f = arg;

	(void)multi;
	if (timeout_ms < 0)
		timer_stop(f->timer);
	else
		timer_set(f->timer, (uint64_t)timeout_ms);
	return 0;
}

/* ---- start ---- */

/* curl asks no resolver for a name that it was told: "+name:port:address,address" (the sign lets it forget). */
static struct curl_slist *make_addresses(const struct fetch_request *r)
{
	AUTO_BUF line = BUF_INIT(URL_MAX);

	buf_addc(&line, '+');
	buf_add(&line, r->host);
	buf_addf(&line, ":%u:", (unsigned)r->port);
	for (size_t i = 0; i < r->address_count && i < FETCH_ADDRESSES_MAX; i++) {
		bool is_v6 = r->addresses[i].version == 6;
		buf_addz(&line, i ? "," : "");
		buf_addz(&line, is_v6 ? "[" : "");
		ip_print(&r->addresses[i], &line);
		buf_addz(&line, is_v6 ? "]" : "");
	}
	buf_addc(&line, '\0');
	return curl_slist_append(NULL, line.ptr);
}

static void set_url(CURL *easy, const struct fetch_request *r)
{
	AUTO_BUF url = BUF_INIT(URL_MAX);

	buf_addz(&url, "https://");
	buf_add(&url, r->host);
	if (r->port != 443)
		buf_addf(&url, ":%u", (unsigned)r->port);
	buf_add(&url, r->path);
	buf_addc(&url, '\0');
	curl_easy_setopt(easy, CURLOPT_URL, url.ptr);
}

static void set_trust(CURL *easy, const struct fetch *f)
{
	struct curl_blob roots = { f->roots, f->roots_bytes, CURL_BLOB_NOCOPY };

	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &roots);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

static void set_manners(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FETCH_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCH_TIMEOUT_MS / 2);
}

struct fetch_transfer *fetch_get(
    struct fetch *f, const struct fetch_request *request, fetch_fn *fn, void *arg)
{
	struct fetch_transfer *t = calloc(1, sizeof(*t));
	CURL *easy = curl_easy_init();

	if (!t || !easy)
		abort();
	*t = (struct fetch_transfer){ .fetch = f,
		.next = f->transfers,
		.link = &f->transfers,
		.easy = easy,
		.addresses = make_addresses(request),
		.fn = fn,
		.arg = arg };
	if (t->next)
		t->next->link = &t->next;
	f->transfers = t;
	buf_init(&t->body, FETCH_BYTES_MAX);
	set_url(easy, request);
	set_trust(easy, f);
	set_manners(easy);
	curl_easy_setopt(easy, CURLOPT_RESOLVE, t->addresses);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
	if (curl_multi_add_handle(f->multi, easy) != CURLM_OK)
		abort();
	return t;
}

void fetch_cancel(struct fetch_transfer *t)
{
	if (t)
		free_transfer(t);
}

struct fetch *fetch_new(struct loop *l, str roots, struct err *err)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	if (curl_lib_load(err) < 0) {
		free(f);
		return NULL;
	}
	f->multi = curl_multi_init();
	if (!f->multi)
		abort();
	f->loop = l;
	f->timer = timer_new(l, on_time, f);
	f->roots = malloc(roots.len + 1);
	if (!f->roots)
		abort();
	memcpy(f->roots, roots.ptr ? roots.ptr : "", roots.len);
	f->roots_bytes = roots.len;
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return f;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	while (f->transfers)
		free_transfer(f->transfers);
	curl_multi_cleanup(f->multi);
	timer_free(f->timer);
	free(f->roots);
	free(f);
	curl_lib_unload();
}
