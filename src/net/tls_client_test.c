/* Tests of the client side of TLS, against our own server side in the same loop. */
#include "check.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"
#include "net/tls_client.h"
#include "net/tls_identity.h"

struct end {
	struct conn *conn;
	struct loop *loop;
	char got[64], reason[400];
	size_t got_len;
	bool is_up;
	enum tls_verdict verdict;
	const char *why;
	char alpn[32];
	int *open;
};

static struct identity identity;
static struct tls_context *server_context;

static int sign(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out)
{
	unsigned char sig[1024];
	size_t len = sizeof(sig);

	(void)owner;
	(void)key;
	if (sign_digest(identity.key, scheme, digest, sig, &len) < 0)
		return -1;
	buf_add(out, str_new(sig, len));
	return 0;
}

static int group_setup(void **state)
{
	struct err err = { ERR_NONE, "" };

	(void)state;
	make_identity(&identity, EVP_EC_gen("P-256"), "mx.example.org");
	struct tls_certificate certificate = { STR(""), str_new(identity.pem, identity.pem_len),
		0 };
	server_context = tls_context_new(
	    &(struct tls_options){
	        .certificates = &certificate, .certificate_count = 1, .sign = sign },
	    &err);
	check(server_context != NULL);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	tls_context_unref(server_context);
	free_identity(&identity);
	return 0;
}

static void on_data(void *owner, struct conn *c)
{
	struct end *e = owner;
	str in = conn_input(c);
	size_t n = in.len < sizeof(e->got) - e->got_len ? in.len : sizeof(e->got) - e->got_len;

	memcpy(e->got + e->got_len, in.ptr, n);
	e->got_len += n;
	conn_consume(c, in.len);
}

static void on_server_data(void *owner, struct conn *c)
{
	on_data(owner, c);
	conn_write(c, STR("pong"));
}

static void on_client_data(void *owner, struct conn *c)
{
	on_data(owner, c);
	conn_close(c);
}

static void on_client_tls(void *owner, struct conn *c)
{
	struct end *e = owner;
	struct conn_tls_info info;

	e->is_up = true;
	e->verdict = conn_tls_verdict(c, &e->why);
	conn_tls_info(c, &info);
	snprintf(e->alpn, sizeof(e->alpn), "%s", info.alpn);
	conn_write(c, STR("ping"));
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct end *e = owner;

	(void)c;
	snprintf(e->reason, sizeof(e->reason), STR_FMT, STR_ARG(reason));
	if (--*e->open == 0)
		loop_stop(e->loop);
}

static const struct conn_handlers server_handlers = { .on_data = on_server_data,
	.on_closed = on_closed };
static const struct conn_handlers client_handlers = {
	.on_data = on_client_data, .on_tls = on_client_tls, .on_closed = on_closed
};

static struct conn *wrap(struct end *e, int fd, const struct conn_handlers *h)
{
	return conn_new(e->loop, fd,
	    &(struct conn_options){ .handlers = h,
	        .owner = e,
	        .input_max = 65536,
	        .high_water = 65536,
	        .low_water = 1024 });
}

static void talk(struct end *client, const struct tls_peer *peer, str roots)
{
	struct loop *loop = loop_new();
	struct err err = { ERR_NONE, "" };
	int fds[2], open = 2;
	struct end server = { .loop = loop, .open = &open };

	*client = (struct end){ .loop = loop, .open = &open };
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	server.conn = wrap(&server, fds[0], &server_handlers);
	client->conn = wrap(client, fds[1], &client_handlers);
	conn_set_alpn(server.conn, "smtp");
	conn_start_tls(server.conn, server_context);
	struct tls_client *t = tls_client_new(roots, &err);
	check(t != NULL);
	check_int_eq(conn_start_tls_client(client->conn, t, peer, &err), 0);
	tls_client_unref(t);
	loop_run(loop);
	loop_free(loop);
	if (client->is_up) {
		check_str_eq(str_new(server.got, server.got_len), STR("ping"));
		check_str_eq(str_new(client->got, client->got_len), STR("pong"));
	}
}

static str own_root(void)
{
	return str_new(identity.pem, identity.pem_len);
}

static void key_digest(unsigned char out[32])
{
	unsigned len = 32;

	unsigned char *der = NULL;
	int der_len = i2d_PUBKEY(identity.key, &der);
	check(der_len > 0);
	check(EVP_Digest(der, (size_t)der_len, out, &len, EVP_sha256(), NULL) == 1);
	OPENSSL_free(der);
}

static void test_any(void **state)
{
	struct end e;

	(void)state;
	talk(&e, &(struct tls_peer){ .name = STR("other.example"), .alpn = "smtp" }, STR_NONE);
	check(e.is_up);
	check_int_eq(e.verdict, TLS_UNVERIFIED);
	check(e.why != NULL && strlen(e.why) > 0);
	check_str_eq(str_c(e.alpn), STR("smtp"));
	talk(&e, &(struct tls_peer){ .name = STR("mx.example.org") }, own_root());
	check(e.is_up);
	check_int_eq(e.verdict, TLS_VERIFIED_NAME);
	talk(&e, &(struct tls_peer){ .name = STR_NONE }, STR_NONE);
	check(e.is_up);
	check_int_eq(e.verdict, TLS_UNVERIFIED);
}

static void test_named(void **state)
{
	struct end e;

	(void)state;
	talk(&e, &(struct tls_peer){ .name = STR("mx.example.org"), .trust = TLS_NAMED },
	    own_root());
	check(e.is_up);
	check_int_eq(e.verdict, TLS_VERIFIED_NAME);
	talk(&e, &(struct tls_peer){ .name = STR("mx.example.org"), .trust = TLS_NAMED }, STR_NONE);
	check(!e.is_up);
	check_str_eq(
	    str_c(e.reason), STR("TLS handshake refused: the certificate of mx.example.org is "
	                         "not good: self-signed certificate"));
	talk(&e, &(struct tls_peer){ .name = STR("mx.other.example"), .trust = TLS_NAMED },
	    own_root());
	check(!e.is_up);
	check_str_eq(
	    str_c(e.reason), STR("TLS handshake refused: the certificate of mx.other.example is "
	                         "not good: hostname mismatch"));
	talk(&e,
	    &(struct tls_peer){ .name = STR("mx.other.example"),
	        .also = STR("mx.example.org"),
	        .trust = TLS_NAMED },
	    own_root());
	check(e.is_up);
}

static void test_dane(void **state)
{
	unsigned char digest[32];
	struct tls_tlsa record = { 3, 1, 1, STR_NONE };
	struct tls_peer peer = {
		.name = STR("whatever.example"), .trust = TLS_DANE, .tlsa = &record, .tlsa_count = 1
	};
	struct end e;

	(void)state;
	key_digest(digest);
	record.data = str_new(digest, sizeof(digest));
	talk(&e, &peer, STR_NONE);
	check(e.is_up);
	check_int_eq(e.verdict, TLS_VERIFIED_DANE);
	digest[0] ^= 1;
	talk(&e, &peer, own_root());
	check(!e.is_up);
	check_str_eq(
	    str_c(e.reason), STR("TLS handshake refused: the certificate of whatever.example is "
	                         "not good: no matching DANE TLSA records"));
	record.usage = 1; /* not for SMTP: as if it was not there */
	talk(&e, &peer, STR_NONE);
	check(e.is_up);
	check_int_eq(e.verdict, TLS_UNVERIFIED);
}

static void test_bad_names(void **state)
{
	struct loop *loop = loop_new();
	struct err err = { ERR_NONE, "" };
	int fds[2], open = 1;
	struct end e = { .loop = loop, .open = &open };
	struct tls_client *t = tls_client_new(STR_NONE, &err);

	(void)state;
	check(tls_client_new(STR("no certificate"), &err) == NULL);
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	e.conn = wrap(&e, fds[0], &client_handlers);
	check_int_eq(
	    conn_start_tls_client(e.conn, t, &(struct tls_peer){ .name = STR("a\0b") }, &err), -1);
	conn_abort(e.conn, "done");
	loop_run(loop);
	loop_free(loop);
	close(fds[1]);
	tls_client_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_dane),
		cmocka_unit_test(test_bad_names),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
