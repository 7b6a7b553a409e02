/* Whole jobs, with servers on loopback that follow scripts and a DNS in memory, all in one loop. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/tls_identity.h"
#include "protocols/dns/dns_zone.h"
#include "sessions/outbound/internal.h"

enum { HOSTS = 4, GIVE_UP_MS = 5 * 1000, SHA256_BYTES = 32 };

/* ---- servers ----
 *
 * A host's script: its answers, divided by '|': the first when the connection stands, one for each command, one for
 * the message. Connections after the first have their own, divided by '/'; the last is for all that follow. "\n"
 * stands for CRLF. What follows '!': tls (start it), drop, broken (bytes that are no TLS). */

struct world {
	struct loop *loop;
	struct outbound *outbound;
	struct tls_context *tls;
	struct tls_client *client;
	struct identity identity;
	uint16_t port;
	struct host {
		struct world *world;
		struct listener *listener;
		const char *script;
		unsigned connections;
	} hosts[HOSTS];
	const char *zone, *tlsa, *policy; /* policy: the file of MTA-STS */
	unsigned questions;
	struct buf got;   /* what the last job came to */
	struct buf wire;  /* what hosts were told */
	struct buf trace; /* of the last job */
	bool is_done;
};

struct visitor {
	struct world *world;
	str script;
	bool is_data, is_broken;
};

static void say_next(struct visitor *v, struct conn *c)
{
	AUTO_BUF out = BUF_INIT(4096);
	str answer, text;

	if (!str_split(&v->script, '|', &answer))
		return;
	(void)str_split(&answer, '!', &text);
	for (size_t i = 0; i < text.len; i++)
		buf_add(&out, text.ptr[i] == '\n' ? STR("\r\n") : str_new(text.ptr + i, 1));
	if (text.len)
		buf_add(&out, STR("\r\n"));
	v->is_data = str_starts(text, STR("354"));
	conn_write(c, buf_str(&out));
	if (str_eq(answer, STR("tls")))
		conn_start_tls(c, v->world->tls);
	else if (str_eq(answer, STR("drop")))
		conn_close(c);
	else if (str_eq(answer, STR("broken")))
		v->is_broken = true;
}

static void on_server_data(void *owner, struct conn *c)
{
	struct visitor *v = owner;

	if (v->is_broken) {
		conn_write(c, STR("this is not TLS, whatever it is that you expect here\r\n"));
		conn_close(c);
		return;
	}
	for (;;) {
		str in = conn_input(c);
		size_t end =
		    v->is_data ? str_find(in, STR("\r\n.\r\n")) : str_find(in, STR("\r\n"));
		if (end == STR_NPOS)
			return;
		buf_add(&v->world->wire, str_sub(in, 0, end));
		buf_addc(&v->world->wire, '|');
		conn_consume(c, end + (v->is_data ? 5 : 2));
		v->is_data = false;
		say_next(v, c);
	}
}

static void on_server_closed(void *owner, struct conn *c, str reason)
{
	(void)c, (void)reason;
	free(owner);
}

static const struct conn_handlers server_handlers = { .on_data = on_server_data,
	.on_closed = on_server_closed };

static void on_accept(void *arg, int fd)
{
	struct host *h = arg;
	struct visitor *v = calloc(1, sizeof(*v));
	str rest = str_c(h->script), script = rest;

	for (unsigned i = 0; i <= h->connections; i++) {
		str next;
		if (str_split(&rest, '/', &next))
			script = next;
	}
	h->connections++;
	*v = (struct visitor){ .world = h->world, .script = script };
	struct conn *c = conn_new(h->world->loop, fd,
	    &(struct conn_options){ .handlers = &server_handlers,
	        .owner = v,
	        .input_max = 1 << 20,
	        .high_water = 1 << 20,
	        .low_water = 1024 });
	say_next(v, c);
}

static void listen_at(struct world *w, size_t i)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(w->port) };
	socklen_t size = sizeof(a);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 16) == 0);
	check(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
	w->port = ntohs(a.sin_port);
	w->hosts[i] = (struct host){ .world = w };
	w->hosts[i].listener = listener_new(w->loop, fd, on_accept, &w->hosts[i]);
}

/* ---- DNS ---- */

struct asked {
	struct world *world;
	struct dns_question question;
	char name[300];
	resolver_fn *fn;
	void *arg;
	struct timer *timer;
};

static struct dns_answer tlsa_answer(struct world *w, struct arena *a)
{
	unsigned char *hash = arena_alloc(a, SHA256_BYTES);
	struct dns_record *r = arena_one(a, struct dns_record);
	unsigned char *spki = NULL;
	const char *kind = w->tlsa;

	if (!kind)
		return (struct dns_answer){ .status = DNS_NXDOMAIN, .is_secure = true };
	if (strcmp(kind, "fails") == 0)
		return (struct dns_answer){ .status = DNS_BOGUS, .reason = STR("no signature") };
	int len = i2d_PUBKEY(w->identity.key, &spki);
	SHA256(spki, (size_t)len, hash);
	OPENSSL_free(spki);
	hash[0] = (unsigned char)(hash[0] ^ (strcmp(kind, "wrong") == 0));
	*r = (struct dns_record){ .usage = strcmp(kind, "unusable") == 0 ? 1 : 3,
		.selector = 1,
		.matching = 1,
		.data = str_new(hash, SHA256_BYTES) };
	return (struct dns_answer){ .status = DNS_OK,
		.is_secure = strcmp(kind, "insecure") != 0,
		.records = r,
		.count = 1 };
}

static void answer_now(void *arg)
{
	AUTO_FREE struct asked *q = arg;
	AUTO_ARENA a = arena_new(NULL, "answer", 1 << 20);
	struct dns_answer answer = q->question.type == DNS_TLSA
	                               ? tlsa_answer(q->world, a)
	                               : dns_zone_answer(a, str_c(q->world->zone), &q->question);

	if (q->question.type != DNS_TLSA)
		answer.is_secure = !dns_name_is_within(q->question.name, STR("insecure.example"));
	timer_free(q->timer);
	q->fn(q->arg, q->question.id, &answer);
}

static void *ask(void *dns, const struct dns_question *question, resolver_fn *fn, void *arg)
{
	struct asked *q = calloc(1, sizeof(*q));

	*q = (struct asked){ .world = dns, .question = *question, .fn = fn, .arg = arg };
	q->world->questions++;
	snprintf(q->name, sizeof(q->name), STR_FMT, STR_ARG(question->name));
	q->question.name = str_c(q->name);
	q->timer = timer_new(q->world->loop, answer_now, q);
	timer_set(q->timer, 0);
	return q;
}

static void cancel(void *dns, void *query)
{
	AUTO_FREE struct asked *q = query;

	(void)dns;
	timer_free(q->timer);
}

/* ---- jobs ---- */

static void on_result(void *arg, const struct frame_deliver_result *result)
{
	static const char *const verdicts[] = { "answered", "slow down", "unreachable" };
	static const char letters[] = "DTPN";
	struct world *w = arg;
	struct outbound_result r;
	str rest = result->results;

	check(!w->is_done);
	buf_reset(&w->got);
	while (rest.len) {
		check(outbound_result_take(&rest, &r, NULL) == 0);
		buf_addf(&w->got, "%c%s %u %u.%u.%u, ", letters[r.outcome], r.is_local ? "*" : "",
		    (unsigned)r.code, r.status[0], r.status[1], r.status[2]);
		check(r.text.len > 0 || r.outcome == OUTBOUND_DELIVERED);
	}
	buf_addz(&w->got, verdicts[result->verdict]);
	if (result->host.len) {
		buf_addz(&w->got, " ");
		buf_add(&w->got, result->host);
	}
	if (result->tls_version.len)
		buf_addz(&w->got, result->tls_why.len ? " TLS" : " verified");
	buf_reset(&w->trace);
	buf_add(&w->trace, result->trace);
	check(result->trace.len > 0 && result->trace.len <= 8000);
	w->is_done = true;
	loop_stop(w->loop);
}

struct job_case {
	const char *title, *zone, *tlsa;
	const char *scripts[HOSTS]; /* of 127.0.0.1, .2, …; NULL: nobody listens */
	enum relay_way way;
	const char *host;
	enum relay_tls tls;
	unsigned flags, recipients;
	const char *want;
	const char *trace; /* is somewhere in the story */
};

static void give_up(void *arg)
{
	fail_msg("the job '%s' did not end", (const char *)arg);
}

static void deliver(struct world *w, const struct job_case *c, int fd)
{
	AUTO_BUF recipients = BUF_INIT(RELAY_LIST_MAX);
	str body = STR("Subject: x\r\n\r\nhello\r\n");
	struct frame_deliver f = { .job = 1,
		.way = c->way,
		.host = str_c(c->host),
		.port = w->port,
		.tls = c->tls,
		.sender = STR("ana@example.org"),
		.flags = c->flags,
		.body_bytes = body.len,
		.body = fd < 0 ? body : STR_NONE };

	for (unsigned i = 0; i < (c->recipients ? c->recipients : 1); i++)
		outbound_recipient_add(&recipients,
		    &(struct outbound_recipient){ .id = 7 + i, .address = STR("carl@d.example") });
	f.recipients = buf_str(&recipients);
	w->zone = c->zone;
	w->tlsa = c->tlsa;
	w->is_done = false;
	struct timer *timer = timer_new(w->loop, give_up, (void *)(uintptr_t)c->title);
	timer_set(timer, GIVE_UP_MS);
	outbound_deliver(w->outbound, &f, &fd, on_result, w);
	if (!w->is_done)
		loop_run(w->loop);
	timer_free(timer);
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

static void world_init(struct world *w, bool is_trusted)
{
	struct err err;
	struct outbound_dns dns = { ask, cancel, w };

	*w = (struct world){ .loop = loop_new() };
	buf_init(&w->got, 1 << 16);
	buf_init(&w->wire, 1 << 20);
	buf_init(&w->trace, 1 << 16);
	make_identity(&w->identity, EVP_EC_gen("P-256"), "mx1.example");
	str pem = str_new(w->identity.pem, w->identity.pem_len);
	w->tls = tls_context_new(
	    &(struct tls_options){ .certificates = &(struct tls_certificate){ STR(""), pem, 0 },
	        .certificate_count = 1,
	        .sign = sign,
	        .sign_owner = w },
	    &err);
	w->client = tls_client_new(is_trusted ? pem : STR_NONE, &err);
	check(w->tls && w->client);
	w->outbound = outbound_new(w->loop, &dns, w->client,
	    &(struct outbound_settings){
	        .hostname = STR("us.example"), .private_addresses = true });
	for (size_t i = 0; i < HOSTS; i++)
		listen_at(w, i);
}

static void open_hosts(struct world *w, const struct job_case *c)
{
	for (size_t i = 0; i < HOSTS; i++) {
		w->hosts[i].script = c->scripts[i];
		w->hosts[i].connections = 0;
		if (c->scripts[i] && !w->hosts[i].listener)
			listen_at(w, i);
		if (!c->scripts[i]) {
			listener_free(w->hosts[i].listener);
			w->hosts[i].listener = NULL;
		}
	}
	buf_reset(&w->wire);
}

static void drain(void *arg)
{
	loop_stop(arg);
}

static void world_fini(struct world *w)
{
	outbound_free(w->outbound);
	struct timer *t = timer_new(w->loop, drain, w->loop);
	timer_set(t, 100);
	loop_run(w->loop);
	timer_free(t);
	for (size_t i = 0; i < HOSTS; i++)
		listener_free(w->hosts[i].listener);
	tls_client_unref(w->client);
	tls_context_unref(w->tls);
	free_identity(&w->identity);
	buf_fini(&w->got);
	buf_fini(&w->wire);
	buf_fini(&w->trace);
	loop_free(w->loop);
}

/* clang-format off */
#define ZONE "d.example MX 1 mx1.example\nd.example MX 2 mx2.example\nmx1.example A 127.0.0.1\nmx2.example A 127.0.0.2\n"
#define GOOD "220 hi|250 mx|250 ok|250 ok|354 go|250 2.0.0 taken|221 bye"
#define TLS_GOOD "220 hi|250-mx\n250 STARTTLS|220 go!tls|250 mx|250 ok|250 ok|354 go|250 2.0.0 taken|221 bye"
#define TLS_BROKEN "220 hi|250-mx\n250 STARTTLS|220 go!broken"
static const struct job_case cases[] = {
	{ "delivered", ZONE, NULL, { GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example", .trace = "mx1.example [127.0.0.1]: connected, in clear" },
	{ "literal", "", NULL, { GOOD }, .host = "[127.0.0.1]", .want = "D 250 2.0.0, answered [127.0.0.1]" },
	{ "a server by name", "h.example A 127.0.0.3\n", NULL, { [2] = GOOD }, RELAY_HOST, "h.example", .want = "D 250 2.0.0, answered h.example" },
	{ "LMTP", "", NULL, { GOOD }, RELAY_LMTP, "127.0.0.1", .want = "D 250 2.0.0, answered 127.0.0.1" },
	{ "a Unix socket", "", NULL, { GOOD }, RELAY_LMTP, "unix:/run/lmtp", .want = "T* 451 4.3.5, unreachable", .trace = "Unix" },
	{ "first is dead", ZONE, NULL, { NULL, GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx2.example", .trace = "mx1.example [127.0.0.1]: Connection refused" },
	{ "all are dead", ZONE, NULL, { NULL }, .host = "d.example", .want = "T* 451 4.4.1, unreachable", .trace = "mx2.example [127.0.0.2]: Connection refused" },
	{ "first wants nobody", ZONE, NULL, { "554 no SMTP here|221 bye", GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx2.example", .trace = "554 5" },
	{ "nobody wants us", ZONE, NULL, { "554 5.7.1 no|221 bye", "521 5.7.1 no|221 bye" }, .host = "d.example", .want = "P 554 5.7.1, answered mx1.example" },
	{ "one wants nobody, one is dead", ZONE, NULL, { "554 5.7.1 no|221 bye" }, .host = "d.example", .want = "T* 451 4.4.1, answered" },
	{ "first is busy", ZONE, NULL, { "421 4.3.2 busy", GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx2.example" },
	{ "first is busy at RCPT", ZONE, NULL, { "220 hi|250 mx|250 ok|421 4.3.2 busy", GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx2.example" },
	{ "first hangs up", ZONE, NULL, { "220 hi|250 mx|!drop", GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx2.example", .trace = "lost" },
	{ "first hangs up behind the message", ZONE, NULL, { "220 hi|250 mx|250 ok|250 ok|354 go|!drop", GOOD }, .host = "d.example", .want = "T* 451 4.4.2, answered mx1.example" },
	{ "greylisted", ZONE, NULL, { "220 hi|250 mx|250 ok|451 4.7.1 come back|221 bye", GOOD }, .host = "d.example", .want = "T 451 4.7.1, answered mx1.example" },
	{ "no such user", ZONE, NULL, { "220 hi|250 mx|250 ok|550 5.1.1 who|221 bye", GOOD }, .host = "d.example", .want = "P 550 5.1.1, answered mx1.example" },
	{ "556", ZONE, NULL, { "220 hi|250 mx|250 ok|556 5.1.10 never|221 bye", GOOD }, .host = "d.example", .want = "P 556 5.1.10, answered mx1.example" },
	{ "one of two", ZONE, NULL, { "220 hi|250 mx|250 ok|250 ok|550 5.1.1 who|354 go|250 2.0.0 taken|221 bye" }, .host = "d.example", .recipients = 2, .want = "D 250 2.0.0, P 550 5.1.1, answered mx1.example", .trace = "1 of 2 recipients" },
	{ "the message is refused", ZONE, NULL, { "220 hi|250 mx|250 ok|250 ok|354 go|554 5.7.1 spam|221 bye", GOOD }, .host = "d.example", .want = "P 554 5.7.1, answered mx1.example" },
	{ "slow down", ZONE, NULL, { "220 hi|250 mx|450 4.2.1 rate limit reached|250 ok|221 bye" }, .host = "d.example", .want = "T 450 4.2.1, slow down mx1.example" },
	{ "too many of us", ZONE, NULL, { "421 4.7.0 too many connections", "421 4.7.0 too many connections" }, .host = "d.example", .want = "T 421 4.7.0, slow down mx1.example" },
	{ "too large for one", ZONE, NULL, { "220 hi|250-mx\n250 SIZE 10|221 bye", GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx2.example" },
	{ "too large for all", ZONE, NULL, { "220 hi|250-mx\n250 SIZE 10|221 bye" }, .host = "d.example", .want = "P* 552 5.3.4, answered mx1.example" },
	{ "UTF-8 for nobody", ZONE, NULL, { GOOD, GOOD }, .host = "d.example", .flags = RELAY_UTF8, .want = "P* 554 5.6.9, answered mx1.example" },
	{ "the host is us", ZONE, NULL, { "220 hi|250 us.example|221 bye", "220 hi|250 US.example|221 bye" }, .host = "d.example", .want = "P* 554 5.4.6, answered", .trace = "has the name of this server" },
	{ "null MX", "d.example MX 0 .\n", NULL, { GOOD }, .host = "d.example", .want = "P* 554 5.1.10, answered", .trace = "null MX" },
	{ "no such domain", "", NULL, { GOOD }, .host = "d.example", .want = "P* 554 5.1.2, answered" },
	{ "DNS trouble", "d.example TEMPORARY\n", NULL, { GOOD }, .host = "d.example", .want = "T* 451 4.4.3, unreachable" },

	{ "TLS", ZONE, NULL, { TLS_GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example TLS", .trace = "TLSv1.3 (not verified: " },
	{ "TLS never", ZONE, NULL, { GOOD }, .host = "d.example", .tls = RELAY_TLS_NEVER, .want = "D 250 2.0.0, answered mx1.example" },
	{ "TLS is broken: in clear", ZONE, NULL, { TLS_BROKEN "/" GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example", .trace = "connected, the TLS handshake: 451 4.7.5" },
	{ "TLS is broken and required", ZONE, NULL, { TLS_BROKEN, TLS_GOOD }, .host = "d.example", .tls = RELAY_TLS_REQUIRED, .want = "D 250 2.0.0, answered mx2.example TLS" },
	{ "TLS is required and not there", ZONE, NULL, { "220 hi|250 mx|221 bye", "220 hi|250 mx|221 bye" }, .host = "d.example", .tls = RELAY_TLS_REQUIRED, .want = "T* 451 4.7.10, answered mx1.example" },
	{ "nobody vouches for it", ZONE, NULL, { TLS_GOOD "/" GOOD, TLS_GOOD }, .host = "d.example", .tls = RELAY_TLS_VERIFIED, .want = "T* 451 4.7.5, answered mx1.example", .trace = "self-signed" },
	{ "DANE", ZONE, "right", { TLS_GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example verified", .trace = "verified by DANE" },
	{ "DANE is enough", ZONE, "right", { TLS_GOOD }, .host = "d.example", .tls = RELAY_TLS_VERIFIED, .want = "D 250 2.0.0, answered mx1.example verified" },
	{ "DANE: another key", ZONE, "wrong", { TLS_GOOD "/" GOOD, TLS_GOOD "/" GOOD }, .host = "d.example", .want = "T* 451 4.7.5, answered mx1.example" },
	{ "DANE: STARTTLS taken away", ZONE, "right", { "220 hi|250 mx|221 bye" }, .host = "d.example", .want = "T* 451 4.7.10, answered mx1.example" },
	{ "DANE: handshake broken", ZONE, "right", { TLS_BROKEN "/" GOOD }, .host = "d.example", .want = "T* 451 4.7.5, answered mx1.example" },
	{ "DANE: records are insecure", ZONE, "insecure", { GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example" },
	{ "DANE: host is insecure", "d.example MX 1 x.insecure.example\nx.insecure.example A 127.0.0.1\n", "wrong", { GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered x.insecure.example" },
	{ "DANE: domain is insecure", "insecure.example MX 1 mx1.example\nmx1.example A 127.0.0.1\n", "wrong", { GOOD }, .host = "insecure.example", .want = "D 250 2.0.0, answered mx1.example" },
	{ "DANE: unusable records", ZONE, "unusable", { TLS_GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example TLS" },
	{ "DANE: unusable records ask for TLS", ZONE, "unusable", { "220 hi|250 mx|221 bye" }, .host = "d.example", .want = "T* 451 4.7.10, answered mx1.example" },
	{ "DANE: nobody knows", ZONE, "fails", { GOOD, GOOD }, .host = "d.example", .want = "T* 451 4.7.5, unreachable", .trace = "whether DANE protects" },
	{ "REQUIRETLS: insecure names", "insecure.example MX 1 mx1.example\nmx1.example A 127.0.0.1\n", NULL, { TLS_GOOD }, .host = "insecure.example", .tls = RELAY_TLS_VERIFIED, .flags = RELAY_REQUIRETLS, .want = "P* 554 5.7.30, answered" },
	{ "REQUIRETLS: not offered", ZONE, "right", { "220 hi|250-mx\n250 STARTTLS|220 go!tls|250 mx|221 bye" }, .host = "d.example", .tls = RELAY_TLS_VERIFIED, .flags = RELAY_REQUIRETLS, .want = "P* 550 5.7.30, answered mx1.example verified" },
	{ "REQUIRETLS", ZONE, "right", { "220 hi|250-mx\n250 STARTTLS|220 go!tls|250-mx\n250 REQUIRETLS|250 ok|250 ok|354 go|250 2.0.0 taken" }, .host = "d.example", .tls = RELAY_TLS_VERIFIED, .flags = RELAY_REQUIRETLS, .want = "D 250 2.0.0, answered mx1.example verified" },
};
/* clang-format on */

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w;
		world_init(&w, false);
		open_hosts(&w, &cases[i]);
		deliver(&w, &cases[i], -1);
		check_case_str(cases[i].title, buf_str(&w.got), str_c(cases[i].want));
		if (cases[i].trace &&
		    str_find(buf_str(&w.trace), str_c(cases[i].trace)) == STR_NPOS) {
			print_error("case %s: the story is\n" STR_FMT, cases[i].title,
			    STR_ARG(buf_str(&w.trace)));
			fail();
		}
		world_fini(&w);
	}
}

static void test_known_authority(void **state)
{
	static const struct job_case
	    named = { "named", ZONE, NULL, { TLS_GOOD }, .host = "d.example",
		    .tls = RELAY_TLS_VERIFIED },
	    other = { "another name", "d.example MX 1 mx9.example\nmx9.example A 127.0.0.1\n", NULL,
		    { TLS_GOOD "/" GOOD }, .host = "d.example", .tls = RELAY_TLS_VERIFIED };
	struct world w;

	(void)state;
	world_init(&w, true);
	open_hosts(&w, &named);
	deliver(&w, &named, -1);
	check_str_eq(buf_str(&w.got), STR("D 250 2.0.0, answered mx1.example verified"));
	world_fini(&w);
	world_init(&w, true);
	open_hosts(&w, &other);
	deliver(&w, &other, -1);
	check_str_eq(buf_str(&w.got), STR("T* 451 4.7.5, answered mx9.example"));
	world_fini(&w);
}

/* ---- policies of MTA-STS ---- */

struct page {
	struct world *world;
	fetch_fn *fn;
	void *arg;
	struct timer *timer;
};

static void answer_page(void *arg)
{
	AUTO_FREE struct page *p = arg;
	const char *file = p->world->policy;

	timer_free(p->timer);
	p->fn(
	    p->arg, &(struct fetch_result){
	                .code = file ? 200 : 404, .type = STR("text/plain"), .body = str_c(file) });
}

static void *get(void *web, const struct fetch_request *r, fetch_fn *fn, void *arg)
{
	struct page *p = calloc(1, sizeof(*p));

	(void)r;
	*p = (struct page){ .world = web, .fn = fn, .arg = arg };
	p->timer = timer_new(p->world->loop, answer_page, p);
	timer_set(p->timer, 0);
	return p;
}

static void cancel_get(void *web, void *transfer)
{
	AUTO_FREE struct page *p = transfer;

	(void)web;
	timer_free(p->timer);
}

static struct sts *add_policies(struct world *w)
{
	struct sts *s = sts_new(&(struct sts_options){ .loop = w->loop,
	    .ask = ask,
	    .cancel = cancel,
	    .dns = w,
	    .get = get,
	    .cancel_get = cancel_get,
	    .web = w });

	sts_allow_special(s, true);
	outbound_configure(
	    w->outbound, &(struct outbound_settings){
	                     .hostname = STR("us.example"), .private_addresses = true, .sts = s });
	return s;
}

#define STS_ZONE ZONE "_mta-sts.d.example TXT v=STSv1; id=1\nmta-sts.d.example A 127.0.0.9\n"
#define STS(mode, mx) "version: STSv1\nmode: " mode "\nmx: " mx "\nmax_age: 60\n"

static void test_policies(void **state)
{
	static const struct {
		struct job_case c;
		const char *policy;
		bool is_trusted;
	} policies[] = {
		/* clang-format off */
		{ { "verified", STS_ZONE, NULL, { TLS_GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example verified", .trace = "mode enforce, id 1" }, STS("enforce", "*.example"), true },
		{ { "not verified", STS_ZONE, NULL, { TLS_GOOD "/" GOOD, TLS_GOOD "/" GOOD }, .host = "d.example", .want = "T* 451 4.7.5, answered mx1.example" }, STS("enforce", "*.example"), false },
		{ { "stripped", STS_ZONE, NULL, { "220 hi|250 mx|221 bye", "220 hi|250 mx|221 bye" }, .host = "d.example", .want = "T* 451 4.7.10, answered mx1.example" }, STS("enforce", "*.example"), true },
		{ { "the second host", STS_ZONE, NULL, { GOOD, "220 hi|250 mx|221 bye" }, .host = "d.example", .want = "T* 451 4.7.5, answered", .trace = "does not name the mail server mx1.example" }, STS("enforce", "mx2.example"), true },
		{ { "no host", STS_ZONE, NULL, { GOOD, GOOD }, .host = "d.example", .want = "T* 451 4.7.5, unreachable" }, STS("enforce", "mx3.example"), true },
		{ { "testing", STS_ZONE, NULL, { GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example", .trace = "there is none" }, STS("testing", "*.example"), true },
		{ { "none", STS_ZONE, NULL, { GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example" }, STS("none", "*.example"), true },
		{ { "no file", STS_ZONE, NULL, { GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example", .trace = "cannot be fetched" }, NULL, true },
		{ { "DANE is enough", STS_ZONE, "right", { TLS_GOOD }, .host = "d.example", .want = "D 250 2.0.0, answered mx1.example verified", .trace = "verified by DANE" }, STS("enforce", "mx3.example"), false },
		{ { "DANE refuses", STS_ZONE, "wrong", { TLS_GOOD, TLS_GOOD }, .host = "d.example", .want = "T* 451 4.7.5, answered mx1.example" }, STS("testing", "*.example"), true },
		{ { "DANE says nothing", STS_ZONE, "unusable", { TLS_GOOD, TLS_GOOD }, .host = "d.example", .want = "T* 451 4.7.5, answered mx1.example" }, STS("enforce", "*.example"), false },
		{ { "TLS never", STS_ZONE, NULL, { GOOD }, .host = "d.example", .tls = RELAY_TLS_NEVER, .want = "D 250 2.0.0, answered mx1.example" }, STS("enforce", "*.example"), true },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		const struct job_case *c = &policies[i].c;
		struct world w;
		world_init(&w, policies[i].is_trusted);
		w.policy = policies[i].policy;
		struct sts *s = add_policies(&w);
		open_hosts(&w, c);
		deliver(&w, c, -1);
		check_case_str(c->title, buf_str(&w.got), str_c(c->want));
		check_case(c->title,
		    !c->trace || str_find(buf_str(&w.trace), str_c(c->trace)) != STR_NPOS);
		outbound_abort(w.outbound);
		outbound_free(w.outbound);
		w.outbound = NULL;
		sts_free(s);
		world_fini(&w);
	}
}

static void on_known(void *arg, const struct sts_answer *answer)
{
	struct world *w = arg;

	check(answer->policy && answer->policy->mode == STS_ENFORCE);
	loop_stop(w->loop);
}

/* A connection in clear waits, and a policy is learnt of meanwhile. */
static void test_policy_ends_reuse(void **state)
{
	static const struct job_case c = { "twice", STS_ZONE, NULL,
		{ "220 hi|250 mx|250 ok|250 ok|354 go|250 2.0.0 one|250 ok/220 hi|250 mx|221 bye",
		    "220 hi|250 mx|221 bye" },
		.host = "d.example" };
	struct world w;

	(void)state;
	world_init(&w, true);
	struct sts *s = add_policies(&w);
	open_hosts(&w, &c);
	deliver(&w, &c, -1);
	check_str_eq(buf_str(&w.got), STR("D 250 2.0.0, answered mx1.example"));
	w.zone = ZONE "_mta-sts.d.example TXT v=STSv1; id=2\nmta-sts.d.example A 127.0.0.9\n";
	w.policy = STS("enforce", "*.example");
	sts_ask(s, STR("d.example"), on_known, &w);
	loop_run(w.loop);
	deliver(&w, &c, -1);
	check_str_eq(buf_str(&w.got), STR("T* 451 4.7.10, answered mx1.example"));
	check_int_eq(w.hosts[0].connections, 2);
	outbound_free(w.outbound);
	w.outbound = NULL;
	sts_free(s);
	world_fini(&w);
}

/* The second job goes over the connection of the first, without a question to the DNS. */
static void test_reuse(void **state)
{
	static const struct job_case c = { "twice", ZONE, NULL,
		{ "220 hi|250 mx|250 ok|250 ok|354 go|250 2.0.0 one|250 ok|250 ok|354 go|250 2.0.0 "
		  "two" },
		.host = "d.example" },
	                             never = { "never", ZONE, NULL, { "" }, .host = "d.example",
		                             .tls = RELAY_TLS_NEVER };
	struct world w;

	(void)state;
	world_init(&w, false);
	open_hosts(&w, &c);
	deliver(&w, &c, -1);
	unsigned questions = w.questions;
	deliver(&w, &c, -1);
	check_str_eq(buf_str(&w.got), STR("D 250 2.0.0, answered mx1.example"));
	check(str_find(buf_str(&w.trace), STR("in use again")) != STR_NPOS);
	check_int_eq(w.hosts[0].connections, 1);
	check_int_eq(w.questions, questions);
	/* Another policy is another connection. */
	w.hosts[0].script = GOOD;
	deliver(&w, &never, -1);
	check_int_eq(w.hosts[0].connections, 2);
	world_fini(&w);
}

/* The host hung up between two jobs, or does so at the second: that job connects again. */
static void test_stale(void **state)
{
	static const struct job_case cases2[] = {
		{ "gone", ZONE, NULL,
		    { "220 hi|250 mx|250 ok|250 ok|354 go|250 2.0.0 one!drop/" GOOD },
		    .host = "d.example" },
		{ "gone at MAIL", ZONE, NULL,
		    { "220 hi|250 mx|250 ok|250 ok|354 go|250 2.0.0 one|!drop/" GOOD },
		    .host = "d.example" },
		{ "421", ZONE, NULL,
		    { "220 hi|250 mx|250 ok|250 ok|354 go|250 2.0.0 one|421 4.7.0 enough/" GOOD },
		    .host = "d.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases2); i++) {
		struct world w;
		world_init(&w, false);
		open_hosts(&w, &cases2[i]);
		deliver(&w, &cases2[i], -1);
		deliver(&w, &cases2[i], -1);
		check_case_str(
		    cases2[i].title, buf_str(&w.got), STR("D 250 2.0.0, answered mx1.example"));
		check_case(cases2[i].title, w.hosts[0].connections == 2);
		world_fini(&w);
	}
}

/* The message in a file; one that is shorter than core said ends the job, not the process. */
static void test_files(void **state)
{
	static const struct job_case c = { "file", ZONE, NULL, { GOOD }, .host = "d.example" };
	str body = STR("Subject: x\r\n\r\nhello\r\n");

	(void)state;
	for (size_t cut = 0; cut < 2; cut++) {
		struct world w;
		int fd = memfd_create("body", MFD_CLOEXEC);
		check(fd_write_all(fd, str_sub(body, 0, body.len - cut)) == 0);
		world_init(&w, false);
		open_hosts(&w, &c);
		deliver(&w, &c, fd);
		check_str_eq(buf_str(&w.got), cut ? STR("T* 451 4.3.0, answered mx1.example")
		                                  : STR("D 250 2.0.0, answered mx1.example"));
		check((str_find(buf_str(&w.wire), STR("hello")) != STR_NPOS) == !cut);
		world_fini(&w);
	}
}

static void test_stop(void **state)
{
	static const struct job_case c = { "stop", ZONE, NULL, { GOOD }, .host = "d.example" };
	struct world w;

	(void)state;
	world_init(&w, false);
	open_hosts(&w, &c);
	outbound_stop(w.outbound);
	deliver(&w, &c, -1);
	check_str_eq(buf_str(&w.got), STR("T* 451 4.3.2, unreachable"));
	check_int_eq(w.hosts[0].connections, 0);
	world_fini(&w);
}

static void abort_all(void *arg)
{
	struct world *w = arg;

	outbound_abort(w->outbound);
}

static void test_abort(void **state)
{
	static const struct job_case silent[] = {
		{ "banner", ZONE, NULL, { "" }, .host = "d.example" },
		{ "at the end", ZONE, NULL, { "220 hi|250 mx|250 ok|250 ok|354 go" },
		    .host = "d.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(silent); i++) {
		struct world w;
		world_init(&w, false);
		open_hosts(&w, &silent[i]);
		struct timer *t = timer_new(w.loop, abort_all, &w);
		timer_set(t, 200);
		deliver(&w, &silent[i], -1);
		timer_free(t);
		check(str_starts(buf_str(&w.got), STR("T* 451 4.3.2, ")));
		check_int_eq(outbound_jobs(w.outbound), 0);
		world_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_known_authority),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_policy_ends_reuse),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_abort),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
