/* The evaluators on standard input, for tests/auth: lines "option NAME VALUE" and "zone RECORD", then a line
 * "data" and the message. Words are written as protocols/dns/dns_zone.h says. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "formats/address.h"
#include "formats/base64.h"
#include "formats/header.h"
#include "protocols/authres/authres.h"
#include "protocols/dkim/sign.h"
#include "protocols/dkim/verify.h"
#include "protocols/dns/dns_zone.h"
#include "protocols/spf/spf.h"

enum { INPUT_MAX = 64 << 20 };

struct input {
	struct arena *arena;
	str options, zone, message;
};

static str option(const struct input *in, const char *name)
{
	str lines = in->options, line, word;

	while (str_split(&lines, '\n', &line)) {
		if (take_word(&line, 64, &word) == 0 && str_eq(word, str_c(name))) {
			take_space(&line);
			return dns_zone_unescape(in->arena, line);
		}
	}
	return STR_NONE;
}

static void print(str text)
{
	fwrite(text.ptr, 1, text.len, stdout);
}

static int run_spf(const struct input *in)
{
	struct dns_question q;
	const struct spf_result *r;
	struct spf_options o = {
		.helo = option(in, "helo"),
		.mail_from = option(in, "from"),
		.receiver = option(in, "receiver"),
		.now_s = 1400000000,
	};

	if (ip_parse(option(in, "ip"), &o.ip) < 0)
		return 2;
	struct spf *s = spf_start(in->arena, &o);
	while (!(r = spf_result(s))) {
		if (!spf_next_question(s, &q))
			return 3;
		struct dns_answer answer = dns_zone_answer(in->arena, in->zone, &q);
		spf_answer(s, q.id, &answer);
	}
	printf("result %s\nexplanation " STR_FMT "\nreason " STR_FMT "\nterm " STR_FMT "\n",
	    spf_status_name(r->status), STR_ARG(r->explanation), STR_ARG(r->reason),
	    STR_ARG(r->term));
	for (size_t i = 0; i < r->step_count; i++)
		printf("step %u " STR_FMT "\n", r->steps[i].depth, STR_ARG(r->steps[i].text));
	return 0;
}

/* The body in pieces of a size that divides nothing. */
enum { PIECE = 1021 };

static int64_t number(const struct input *in, const char *name)
{
	uint64_t n = 0;

	num_parse_u64(option(in, name), (uint64_t)1 << 60, &n);
	return (int64_t)n;
}

static int run_dkim_verify(const struct input *in)
{
	str header = header_block(in->message), body = str_skip(in->message, header.len);
	struct dkim_verify_options o = { .now_s = number(in, "now"),
		.accept_partial_body = number(in, "partial") };
	struct dkim_verify *v = dkim_verify_start(in->arena, header, &o);
	struct dns_question q;

	for (; body.len; body = str_skip(body, PIECE))
		dkim_verify_body(v, str_sub(body, 0, PIECE));
	dkim_verify_body_end(v);
	while (dkim_verify_next_question(v, &q)) {
		struct dns_answer answer = dns_zone_answer(in->arena, in->zone, &q);
		printf("question " STR_FMT "\n", STR_ARG(q.name));
		dkim_verify_answer(v, q.id, &answer);
	}
	const struct dkim_results *r = dkim_verify_result(v);
	if (!r)
		return 3;
	for (size_t i = 0; i < r->count; i++) {
		const struct dkim_result *one = &r->items[i];
		printf("result %s d=" STR_FMT " s=" STR_FMT " a=%s bits=%u\nreason %s\n",
		    dkim_status_name(one->status), STR_ARG(one->domain), STR_ARG(one->selector),
		    dkim_algorithm_name(one->algorithm), one->key_bits,
		    dkim_reason_text(one->reason));
	}
	return 0;
}

/* What role keys does. */
static str sign_digest(const struct input *in, const struct dkim_sign_question *q)
{
	unsigned char out[1024];
	size_t len = sizeof(out);
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	const unsigned char *digest = (const unsigned char *)q->digest.ptr;
	int good = 0;

	if (q->algorithm == DKIM_RSA_SHA256) {
		str pem = option(in, "rsa");
		BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		BIO_free(bio);
		ctx = EVP_PKEY_CTX_new(key, NULL);
		good = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
		       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		       EVP_PKEY_sign(ctx, out, &len, digest, q->digest.len) == 1;
	} else {
		AUTO_BUF seed = BUF_INIT(64);
		base64_decode(option(in, "ed25519"), &seed, NULL);
		key = EVP_PKEY_new_raw_private_key(
		    EVP_PKEY_ED25519, NULL, (unsigned char *)seed.ptr, seed.len);
		good = key && EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
		       EVP_DigestSign(md, out, &len, digest, q->digest.len) == 1;
	}
	EVP_MD_CTX_free(md);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return good ? arena_str(in->arena, str_new(out, len)) : STR_NONE;
}

static int run_dkim_sign(const struct input *in)
{
	str header = header_block(in->message), body = str_skip(in->message, header.len);
	struct dkim_sign_key keys[2];
	struct dkim_sign_options o = { .domain = option(in, "domain"),
		.now_s = number(in, "now"),
		.lifetime_s = number(in, "lifetime"),
		.identity = option(in, "identity"),
		.keys = keys };
	struct dkim_sign_question q;
	struct err err;

	if (option(in, "ed25519").len)
		keys[o.key_count++] =
		    (struct dkim_sign_key){ DKIM_ED25519_SHA256, option(in, "ed25519_selector") };
	if (option(in, "rsa").len)
		keys[o.key_count++] =
		    (struct dkim_sign_key){ DKIM_RSA_SHA256, option(in, "rsa_selector") };
	struct dkim_sign *s = dkim_sign_start(in->arena, header, &o, &err);
	if (!s) {
		printf("error %s\n", err.text);
		return 0;
	}
	for (; body.len; body = str_skip(body, PIECE))
		dkim_sign_body(s, str_sub(body, 0, PIECE));
	dkim_sign_body_end(s);
	while (dkim_sign_next_question(s, &q))
		dkim_sign_answer(s, q.id, sign_digest(in, &q));
	print(*dkim_sign_result(s));
	print(in->message);
	return 0;
}

static str author_domain(const struct input *in, str header)
{
	struct header_field field;
	struct address_list list;

	if (!header_find(header, STR("From"), &field))
		return STR_NONE;
	address_list_parse(field.value, in->arena, &list);
	return list.count ? list.items[0].domain : STR_NONE;
}

static const struct dmarc_result *judge_author(const struct input *in, str header,
    const struct spf_result *spf, const struct dkim_results *dkim)
{
	str domains[DKIM_SIGNATURES_MAX];
	struct dmarc_options o = { .author_domain = author_domain(in, header),
		.dkim_domains = domains };
	struct dns_question q;

	if (spf->status == SPF_PASS)
		o.spf_domain = spf->domain;
	for (size_t i = 0; i < dkim->count; i++) {
		if (dkim->items[i].status == DKIM_PASS)
			domains[o.dkim_count++] = dkim->items[i].domain;
	}
	struct dmarc *d = dmarc_start(in->arena, &o);
	while (!dmarc_result(d)) {
		if (!dmarc_next_question(d, &q))
			return NULL;
		struct dns_answer answer = dns_zone_answer(in->arena, in->zone, &q);
		dmarc_answer(d, q.id, &answer);
	}
	return dmarc_result(d);
}

/* All of it, as at delivery; prints the fields. */
static int run_judge(const struct input *in)
{
	str header = header_block(in->message), body = str_skip(in->message, header.len);
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct spf_options so = { .helo = option(in, "helo"), .mail_from = option(in, "from") };
	struct dkim_verify_options vo = { .now_s = number(in, "now") };
	struct dns_question q;

	if (ip_parse(option(in, "ip"), &so.ip) < 0)
		return 2;
	struct spf *s = spf_start(in->arena, &so);
	while (!spf_result(s) && spf_next_question(s, &q)) {
		struct dns_answer answer = dns_zone_answer(in->arena, in->zone, &q);
		spf_answer(s, q.id, &answer);
	}
	struct dkim_verify *v = dkim_verify_start(in->arena, header, &vo);
	dkim_verify_body(v, body);
	dkim_verify_body_end(v);
	while (dkim_verify_next_question(v, &q)) {
		struct dns_answer answer = dns_zone_answer(in->arena, in->zone, &q);
		dkim_verify_answer(v, q.id, &answer);
	}
	struct authres r = { .server = option(in, "server"),
		.ip = so.ip,
		.helo = so.helo,
		.mail_from = so.mail_from,
		.spf_mail_from = spf_result(s),
		.dkim = dkim_verify_result(v) };
	if (!r.spf_mail_from || !r.dkim ||
	    !(r.dmarc = judge_author(in, header, r.spf_mail_from, r.dkim)))
		return 3;
	authres_write(&r, &out);
	authres_write_received_spf(&r, r.spf_mail_from, &out);
	print(buf_str(&out));
	return 0;
}

static void read_input(struct input *in)
{
	AUTO_BUF all = BUF_INIT(INPUT_MAX);
	AUTO_BUF options = BUF_INIT(INPUT_MAX);
	AUTO_BUF zone = BUF_INIT(INPUT_MAX);
	char *room;
	size_t count;

	while ((room = buf_space(&all, 65536)) && (count = fread(room, 1, 65536, stdin)) > 0)
		buf_grow(&all, count);
	str rest = buf_str(&all), line;
	while (str_split(&rest, '\n', &line) && !str_eq(line, STR("data"))) {
		struct buf *to = take_lit(&line, STR("zone ")) == 0 ? &zone : &options;
		take_lit(&line, STR("option "));
		buf_add(to, line);
		buf_addc(to, '\n');
	}
	in->options = arena_str(in->arena, buf_str(&options));
	in->zone = arena_str(in->arena, buf_str(&zone));
	in->message = rest.len ? arena_str(in->arena, rest) : STR_NONE;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct input *in);
	} commands[] = {
		{ "spf", run_spf },
		{ "dkim-verify", run_dkim_verify },
		{ "dkim-sign", run_dkim_sign },
		{ "judge", run_judge },
	};
	AUTO_ARENA arena = arena_new(NULL, "driver", (size_t)1 << 30);
	struct input in = { .arena = arena };

	read_input(&in);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc == 2 && str_eq(str_c(commands[i].name), str_c(argv[1])))
			return commands[i].run(&in);
	}
	print(STR("usage: auth_driver spf | dkim-verify | dkim-sign | judge\n"));
	return 2;
}
