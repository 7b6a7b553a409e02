/* Transfers from an HTTPS server on loopback that says what it is told, all in one loop. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/tls_identity.h"
#include "services/fetch/fetch.h"

enum { GIVE_UP_MS = 5000 };

struct world {
	struct loop *loop;
	struct fetch *fetch;
	struct identity identity, other;
	struct tls_context *tls;
	struct listener *listener;
	uint16_t port;
	const char *head; /* of the answer; "silent": nothing */
	size_t body_bytes;
	struct buf got, request;
	bool is_done;
};

/* ---- the server ---- */

static void on_server_data(void *owner, struct conn *c)
{
	struct world *w = owner;
	AUTO_BUF out = BUF_INIT(1 << 20);
	str in = conn_input(c);

	if (str_find(in, STR("\r\n\r\n")) == STR_NPOS)
		return;
	buf_add(&w->request, in);
	conn_consume(c, in.len);
	if (strcmp(w->head, "silent") == 0)
		return;
	buf_addf(&out, "%sContent-Length: %zu\r\n\r\n", w->head, w->body_bytes);
	for (size_t i = 0; i < w->body_bytes; i++)
		buf_addc(&out, 'x');
	conn_write(c, buf_str(&out));
	conn_close(c);
}

static void on_server_closed(void *owner, struct conn *c, str reason)
{
	(void)owner, (void)c, (void)reason;
}

static const struct conn_handlers handlers = { .on_data = on_server_data,
	.on_closed = on_server_closed };

static void on_accept(void *arg, int fd)
{
	struct world *w = arg;
	struct conn *c = conn_new(w->loop, fd,
	    &(struct conn_options){ .handlers = &handlers,
	        .owner = w,
	        .input_max = 65536,
	        .high_water = 1 << 20,
	        .low_water = 1024 });

	conn_start_tls(c, w->tls);
}

static int sign(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out)
{
	struct world *w = owner;
	unsigned char sig[1024];
	size_t len = sizeof(sig);

	(void)key;
	if (sign_digest(w->identity.key, scheme, digest, sig, &len) < 0)
		return -1;
	buf_add(out, str_new(sig, len));
	return 0;
}

static void listen_here(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 16) == 0);
	check(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
	w->port = ntohs(a.sin_port);
	w->listener = listener_new(w->loop, fd, on_accept, w);
}

/* is_trusted: the server's certificate is its own authority; else another one is known. */
static void world_init(struct world *w, bool is_trusted)
{
	struct err err = { 0 };

	*w = (struct world){ .loop = loop_new() };
	buf_init(&w->got, 4096);
	buf_init(&w->request, 65536);
	make_identity(&w->identity, EVP_EC_gen("P-256"), "mta-sts.d.example");
	make_identity(&w->other, EVP_EC_gen("P-256"), "mta-sts.d.example");
	str pem = str_new(w->identity.pem, w->identity.pem_len);
	w->tls = tls_context_new(
	    &(struct tls_options){ .certificates = &(struct tls_certificate){ STR(""), pem, 0 },
	        .certificate_count = 1,
	        .sign = sign,
	        .sign_owner = w },
	    &err);
	w->fetch =
	    fetch_new(w->loop, is_trusted ? pem : str_new(w->other.pem, w->other.pem_len), &err);
	check(w->tls && w->fetch);
	listen_here(w);
}

/* ---- transfers ---- */

static void on_result(void *arg, const struct fetch_result *r)
{
	struct world *w = arg;

	buf_reset(&w->got);
	if (r->code)
		buf_addf(&w->got, "%u " STR_FMT " %zu", r->code, STR_ARG(r->type), r->body.len);
	else
		buf_add(&w->got, r->why);
	check(r->code || r->why.len);
	w->is_done = true;
	loop_stop(w->loop);
}

static void give_up(void *arg)
{
	loop_stop(arg);
}

static struct fetch_transfer *start(struct world *w, const char *host, const char *address)
{
	struct ip ips[2] = { 0 };
	size_t count = 0;

	w->is_done = false;
	buf_reset(&w->request);
	check(ip_parse(str_c(address), &ips[count++]) == 0);
	/* Of several addresses those that refuse are passed over. */
	check(ip_parse(STR("127.0.0.1"), &ips[count++]) == 0);
	return fetch_get(w->fetch,
	    &(struct fetch_request){
	        str_c(host), w->port, STR("/.well-known/mta-sts.txt"), ips, count },
	    on_result, w);
}

static void run_for(struct world *w, uint64_t ms)
{
	struct timer *t = timer_new(w->loop, give_up, w->loop);

	timer_set(t, ms);
	if (!w->is_done)
		loop_run(w->loop);
	timer_free(t);
}

static void world_fini(struct world *w)
{
	fetch_free(w->fetch);
	w->is_done = false;
	run_for(w, 50); /* the server's ends close */
	listener_free(w->listener);
	loop_free(w->loop);
	tls_context_unref(w->tls);
	free_identity(&w->identity);
	free_identity(&w->other);
	buf_fini(&w->got);
	buf_fini(&w->request);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

static void test_table(void **state)
{
	static const struct {
		const char *title, *host, *head;
		size_t body_bytes;
		bool is_trusted;
		const char *want; /* the answer, or a part of the reason */
	} cases[] = {
		/* clang-format off */
		{ "good", "mta-sts.d.example", OK, 10, true, "200 text/plain 10" },
		{ "empty", "mta-sts.d.example", OK, 0, true, "200 text/plain 0" },
		{ "404", "mta-sts.d.example", "HTTP/1.1 404 No\r\nContent-Type: a/b\r\n", 3, true, "404 a/b 3" },
		{ "redirect", "mta-sts.d.example", "HTTP/1.1 302 There\r\nLocation: https://127.0.0.1/\r\n", 0, true, "302  0" },
		{ "at the limit", "mta-sts.d.example", OK, FETCH_BYTES_MAX, true, "200 text/plain 65536" },
		{ "above it", "mta-sts.d.example", OK, FETCH_BYTES_MAX + 1, true, "the answer is longer than 64 KiB" },
		{ "another name", "mta-sts.other.example", OK, 10, true, "SSL: no alternative certificate subject name" },
		{ "another authority", "mta-sts.d.example", OK, 10, false, "SSL certificate problem" },
		{ "no HTTP", "mta-sts.d.example", "hello there\r\n", 10, true, "" },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w;
		world_init(&w, cases[i].is_trusted);
		w.head = cases[i].head;
		w.body_bytes = cases[i].body_bytes;
		start(&w, cases[i].host, "::1");
		check_case(cases[i].title, !w.is_done);
		run_for(&w, GIVE_UP_MS);
		check_case(cases[i].title, w.is_done);
		check_case(
		    cases[i].title, str_find(buf_str(&w.got), str_c(cases[i].want)) != STR_NPOS);
		world_fini(&w);
	}
}

static void test_request(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, true);
	w.head = OK;
	start(&w, "mta-sts.d.example", "127.0.0.1");
	run_for(&w, GIVE_UP_MS);
	str request = buf_str(&w.request);
	check(str_starts(
	    request, STR("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.d.example")));
	check(str_ifind(request, STR("cookie")) == STR_NPOS);
	check(str_ifind(request, STR("authorization")) == STR_NPOS);
	/* What curl was told of the name before is forgotten. */
	start(&w, "mta-sts.d.example", "127.0.0.2");
	run_for(&w, GIVE_UP_MS);
	check(w.is_done);
	world_fini(&w);
}

/* In the middle of it, and at the end of everything. */
static void test_cancel(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, true);
	w.head = "silent";
	struct fetch_transfer *t = start(&w, "mta-sts.d.example", "127.0.0.1");
	run_for(&w, 200);
	check(!w.is_done && w.request.len);
	fetch_cancel(t);
	start(&w, "mta-sts.d.example", "127.0.0.1");
	run_for(&w, 200);
	start(&w, "mta-sts.d.example", "127.0.0.1");
	check(!w.is_done);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
