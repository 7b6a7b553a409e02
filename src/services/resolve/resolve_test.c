/* Tests of reading records, and of questions that never leave the machine: a DNS server of the test's own, on
 * loopback, that answers as it is told. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/resolve/resolve.h"

/* ---- records ---- */

static const struct {
	const char *name;
	enum dns_type type;
	str data;
	const char *want; /* NULL: malformed */
} records[] = {
	{ "a", DNS_A, STR_INIT("\xc0\0\x02\x01"), "192.0.2.1" },
	{ "a short", DNS_A, STR_INIT("\xc0\0\x02"), NULL },
	{ "a long", DNS_A, STR_INIT("\xc0\0\x02\x01\x01"), NULL },
	{ "aaaa", DNS_AAAA, STR_INIT("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), "2001:db8::1" },
	{ "mx", DNS_MX,
	    STR_INIT("\0\x0a\x02MX\x07"
	             "EXAMPLE\0"),
	    "10 mx.example" },
	{ "null mx", DNS_MX, STR_INIT("\0\0\0"), "0 " },
	{ "mx without name", DNS_MX, STR_INIT("\0\x0a"), NULL },
	{ "mx with more", DNS_MX, STR_INIT("\0\x0a\0x"), NULL },
	{ "mx with a pointer", DNS_MX, STR_INIT("\0\x0a\xc0\x0c"), NULL },
	{ "mx with a dot in a label", DNS_MX,
	    STR_INIT("\0\x0a\x03"
	             "a.b\0"),
	    NULL },
	{ "mx with a space", DNS_MX,
	    STR_INIT("\0\x0a\x03"
	             "a b\0"),
	    NULL },
	{ "mx cut off", DNS_MX,
	    STR_INIT("\0\x0a\x05"
	             "abc"),
	    NULL },
	{ "ptr", DNS_PTR,
	    STR_INIT("\x01"
	             "a\x01"
	             "b\0"),
	    "0 a.b" },
	{ "txt", DNS_TXT,
	    STR_INIT("\x03"
	             "v=s\x02"
	             "pf"),
	    "\"v=spf\"" },
	{ "txt empty", DNS_TXT, STR_INIT(""), "\"\"" },
	{ "txt cut off", DNS_TXT,
	    STR_INIT("\x05"
	             "abc"),
	    NULL },
	{ "tlsa", DNS_TLSA, STR_INIT("\x03\x01\x01xyz"), "3 1 1 \"xyz\"" },
	{ "tlsa cut off", DNS_TLSA, STR_INIT("\x03\x01"), NULL },
	{ "srv", DNS_SRV,
	    STR_INIT("\0\x01\0\x02\0\x19\x01"
	             "h\0"),
	    "1 2 25 h" },
};

static void print_record(enum dns_type type, const struct dns_record *r, struct buf *out)
{
	if (r->ip.version)
		ip_print(&r->ip, out);
	else if (type == DNS_TLSA)
		buf_addf(out, "%u %u %u \"" STR_FMT "\"", r->usage, r->selector, r->matching,
		    STR_ARG(r->data));
	else if (type == DNS_TXT)
		buf_addf(out, "\"" STR_FMT "\"", STR_ARG(r->data));
	else if (type == DNS_SRV)
		buf_addf(
		    out, "%u %u %u " STR_FMT, r->priority, r->weight, r->port, STR_ARG(r->name));
	else
		buf_addf(out, "%u " STR_FMT, r->priority, STR_ARG(r->name));
}

static void test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF got = BUF_INIT(1000);
		struct dns_record r;
		bool ok = resolve_record(records[i].type, records[i].data, a, &r);
		check_case(records[i].name, ok == (records[i].want != NULL));
		if (!ok)
			continue;
		print_record(records[i].type, &r, &got);
		check_case_str(records[i].name, buf_str(&got), str_c(records[i].want));
	}
}

/* RFC 1035 §3.1: 255 bytes on the wire, 253 as text. */
static void test_longest_name(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF name = BUF_INIT(1000), longer = BUF_INIT(1000);
	struct dns_record r;

	(void)state;
	for (size_t i = 0; i < 126; i++)
		buf_add(&name, STR("\x01x"));
	buf_add(&longer, buf_str(&name));
	buf_add(&name, STR("\x01x\0"));
	buf_add(&longer, STR("\x02xx\0"));
	check(resolve_record(DNS_PTR, buf_str(&name), a, &r));
	check_int_eq(r.name.len, DNS_NAME_MAX);
	check(dns_name_is_valid(r.name));
	check(!resolve_record(DNS_PTR, buf_str(&longer), a, &r));
}

/* ---- questions ---- */

struct server {
	int fd;
	struct watch *watch;
	int rcode; /* -1: says nothing */
	unsigned questions;
};

struct ask {
	struct loop *loop;
	unsigned open;
	enum dns_status status;
	char text[1000];
};

static size_t end_of_question(const unsigned char *packet, size_t len)
{
	size_t at = 12;

	while (at < len && packet[at])
		at += packet[at] + 1u;
	return at + 5;
}

/* The question back, with one A record or only a code. */
static void on_question(void *arg, unsigned events)
{
	static const unsigned char answer[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2,
		7 };
	struct server *s = arg;
	unsigned char packet[1500];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(s->fd, packet, 512, 0, (struct sockaddr *)&from, &from_len);

	(void)events;
	if (n < 12 || s->rcode < 0)
		return;
	s->questions++;
	size_t end = end_of_question(packet, (size_t)n);
	bool is_a = s->rcode == 0 && packet[end - 3] == 1;
	packet[2] = 0x81;
	packet[3] = (unsigned char)(0x80 | s->rcode);
	memset(packet + 6, 0, 6);
	packet[7] = is_a;
	if (is_a) {
		memcpy(packet + end, answer, sizeof(answer));
		end += sizeof(answer);
	}
	check(sendto(s->fd, packet, end, 0, (struct sockaddr *)&from, from_len) == (ssize_t)end);
}

static void on_answer(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct ask *ask = arg;
	AUTO_BUF text = BUF_INIT(900);

	check_int_eq(id, 42);
	ask->status = answer->status;
	for (size_t i = 0; i < answer->count; i++)
		print_record(DNS_A, &answer->records[i], &text);
	buf_add(&text, answer->reason);
	snprintf(ask->text, sizeof(ask->text), STR_FMT, STR_ARG(buf_str(&text)));
	if (--ask->open == 0)
		loop_stop(ask->loop);
}

static struct resolver *start(struct loop *loop, struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	struct err err = { ERR_NONE, "" };
	char address[64];

	s->fd = socket(AF_INET, SOCK_DGRAM, 0);
	check(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, len) == 0);
	check(getsockname(s->fd, (struct sockaddr *)&at, &len) == 0);
	s->watch = watch_new(loop, s->fd, WATCH_READ, on_question, s);
	snprintf(address, sizeof(address), "127.0.0.1@%d", ntohs(at.sin_port));
	struct resolver *r = resolver_new(
	    &(struct resolver_options){ .loop = loop, .server = str_c(address) }, &err);
	if (!r)
		print_error("%s\n", err.text);
	check(r != NULL);
	return r;
}

static void finish(struct loop *loop, struct server *s, struct resolver *r)
{
	resolver_free(r);
	watch_free(s->watch);
	close(s->fd);
	loop_free(loop);
}

static void ask_for(struct ask *ask, struct resolver *r, enum dns_type type, const char *name)
{
	ask->open = 1;
	resolver_ask(r, &(struct dns_question){ .id = 42, .type = type, .name = str_c(name) },
	    on_answer, ask);
	check_int_eq(ask->open, 1);
	loop_run(ask->loop);
}

static void test_questions(void **state)
{
	struct loop *loop = loop_new();
	struct server s = { .rcode = 0 };
	struct resolver *r = start(loop, &s);
	struct ask ask = { .loop = loop };

	(void)state;
	ask_for(&ask, r, DNS_A, "host.example");
	check_int_eq(ask.status, DNS_OK);
	check_str_eq(str_c(ask.text), STR("192.0.2.7"));
	unsigned asked = s.questions;
	ask_for(&ask, r, DNS_A, "HOST.example"); /* from the cache */
	check_int_eq(ask.status, DNS_OK);
	check_int_eq(s.questions, asked);
	ask_for(&ask, r, DNS_AAAA, "host.example");
	check_int_eq(ask.status, DNS_NODATA);
	s.rcode = 3;
	ask_for(&ask, r, DNS_A, "nobody.example");
	check_int_eq(ask.status, DNS_NXDOMAIN);
	s.rcode = 2;
	ask_for(&ask, r, DNS_A, "broken.example");
	check_int_eq(ask.status, DNS_TEMPORARY);
	check_str_eq(str_c(ask.text), STR("the DNS servers of the name do not answer properly"));
	ask_for(&ask, r, DNS_A, "not..a.name");
	check_int_eq(ask.status, DNS_TEMPORARY);
	finish(loop, &s, r);
}

static void test_cancel(void **state)
{
	struct loop *loop = loop_new();
	struct server s = { .rcode = -1 };
	struct resolver *r = start(loop, &s);
	struct ask ask = { .loop = loop };

	(void)state;
	resolver_cancel(resolver_ask(r,
	    &(struct dns_question){ .id = 42, .type = DNS_A, .name = STR("a.example") }, on_answer,
	    &ask));
	resolver_ask(r, &(struct dns_question){ .id = 42, .type = DNS_A, .name = STR("b.example") },
	    on_answer, &ask);
	resolver_cancel(NULL);
	finish(loop, &s, r); /* with one open */
	check_int_eq(ask.text[0], 0);
}

static void test_bad_settings(void **state)
{
	struct loop *loop = loop_new();
	struct err err = { ERR_NONE, "" };

	(void)state;
	check(resolver_new(&(struct resolver_options){ .loop = loop, .server = STR("dns.example") },
	          &err) == NULL);
	check_int_eq(err.kind, ERR_INPUT);
	check(resolver_new(&(struct resolver_options){ .loop = loop,
	                       .server = STR("127.0.0.1"),
	                       .trust_anchor = STR("/nowhere/root.key") },
	          &err) == NULL);
	check_int_eq(err.kind, ERR_INPUT);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_bad_settings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
