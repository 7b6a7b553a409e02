/* What the DNS says, compared with what should be there. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "formats/tag_list.h"
#include "protocols/dkim/key.h"
#include "services/publish/internal.h"

enum { THERE_MAX = 4096, KEY_BYTES_MAX = 4096 };

str publish_begin(enum publish_kind kind)
{
	static const str begins[PUBLISH_KINDS] = {
		[PUBLISH_SPF] = STR_INIT("v=spf1"),
		[PUBLISH_SPF_HOST] = STR_INIT("v=spf1"),
		[PUBLISH_DMARC] = STR_INIT("v=DMARC1"),
		[PUBLISH_MTA_STS] = STR_INIT("v=STSv1"),
		[PUBLISH_TLSRPT] = STR_INIT("v=TLSRPTv1"),
	};

	return begins[kind];
}

/* ---- texts ---- */

/* Other hosts may be allowed as well; ours must be. */
static bool spf_is_right(const struct publish_record *r, str text)
{
	static const str ours[] = { STR_INIT("mx"), STR_INIT("+mx"), STR_INIT("a"),
		STR_INIT("+a") };
	size_t first = r->kind == PUBLISH_SPF ? 0 : 2;
	str word;

	if (str_ieq(text, r->text))
		return true;
	while (str_split(&text, ' ', &word)) {
		for (size_t i = first; i < first + 2; i++) {
			if (str_ieq(word, ours[i]))
				return true;
		}
	}
	return false;
}

static bool has_tag(str text, str name)
{
	struct tag_list tags;

	return tag_list_parse(text, &tags, NULL) == 0 && !str_empty(tag_list_value(&tags, name));
}

static bool key_is_right(const struct publish_record *r, str text, struct arena *a)
{
	struct dkim_key there, wanted;

	return dkim_key_parse(text, a, &there) == DKIM_OK &&
	       dkim_key_parse(r->text, a, &wanted) == DKIM_OK &&
	       there.is_ed25519 == wanted.is_ed25519 && there.allows_mail && there.allows_sha256 &&
	       str_eq(there.bytes, wanted.bytes);
}

static bool text_is_right(const struct publish_record *r, str text, struct arena *a)
{
	switch (r->kind) {
	case PUBLISH_SPF:
	case PUBLISH_SPF_HOST:
		return spf_is_right(r, text);
	case PUBLISH_DKIM:
	case PUBLISH_DKIM_RETIRED:
		return key_is_right(r, text, a);
	case PUBLISH_DMARC:
		return has_tag(text, STR("p"));
	case PUBLISH_MTA_STS:
		return has_tag(text, STR("id"));
	case PUBLISH_TLSRPT:
		return has_tag(text, STR("rua"));
	default:
		return false;
	}
}

/* ---- one record of the answer ---- */

static bool concerns(const struct publish_record *r, const struct dns_record *there)
{
	str begin = publish_begin(r->kind);

	if (r->type == DNS_TXT)
		return str_istarts(there->data, begin);
	return true;
}

static bool is_right(
    const struct publish_record *r, const struct dns_record *there, struct arena *a)
{
	switch (r->type) {
	case DNS_TXT:
		return text_is_right(r, there->data, a);
	case DNS_MX:
	case DNS_CNAME:
		return dns_name_eq(there->name, r->target);
	case DNS_SRV:
		return dns_name_eq(there->name, r->target) && there->port == r->port;
	case DNS_TLSA:
		return there->usage == 3 && there->selector == 1 && there->matching == 1 &&
		       str_eq(there->data, r->digest);
	default:
		return false;
	}
}

static void describe(
    const struct publish_record *r, const struct dns_record *there, struct buf *out)
{
	struct publish_record shown = { .type = r->type,
		.text = there->data,
		.target = there->name,
		.priority = there->priority,
		.weight = there->weight,
		.port = there->port };

	if (out->len)
		buf_addz(out, "; ");
	if (r->type != DNS_TLSA) {
		publish_value(&shown, out);
		return;
	}
	buf_addf(out, "%u %u %u ", there->usage, there->selector, there->matching);
	for (size_t i = 0; i < there->data.len; i++)
		buf_addf(out, "%02x", (unsigned char)there->data.ptr[i]);
}

/* ---- the answer ---- */

/* RFC 7208 §4.5, RFC 8461 §3.1 and the like: of two such texts none counts. */
static bool must_be_alone(const struct publish_record *r)
{
	return r->type == DNS_TXT;
}

static str described(
    const struct publish_record *r, const struct dns_answer *answer, struct arena *a)
{
	AUTO_BUF text = BUF_INIT(THERE_MAX);

	for (size_t i = 0; i < answer->count && buf_ok(&text); i++) {
		if (concerns(r, &answer->records[i]))
			describe(r, &answer->records[i], &text);
	}
	return arena_str(a, buf_str(&text));
}

enum publish_verdict publish_judge(const struct publish_record *r, const struct dns_answer *answer,
    struct arena *a, str *out_there)
{
	size_t concerned = 0, right = 0;

	*out_there = STR_NONE;
	if (dns_is_failure(answer->status)) {
		*out_there = arena_str(a, answer->reason);
		return PUBLISH_UNKNOWN;
	}
	for (size_t i = 0; i < answer->count; i++) {
		if (!concerns(r, &answer->records[i]))
			continue;
		concerned++;
		right += is_right(r, &answer->records[i], a);
	}
	if (concerned == 0)
		return PUBLISH_MISSING;
	if (right == 0 || (must_be_alone(r) && concerned > 1)) {
		*out_there = described(r, answer, a);
		return PUBLISH_DIFFERENT;
	}
	return r->type == DNS_TLSA && !answer->is_secure ? PUBLISH_UNSIGNED : PUBLISH_RIGHT;
}

/* ---- the certificate ---- */

int publish_spki(str pem, unsigned char out[PUBLISH_DIGEST_BYTES], struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int result = -1;

	int bytes = leaf ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der) : -1;
	if (bytes > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)bytes, out, NULL) == 1)
		result = 0;
	OPENSSL_free(der);
	X509_free(leaf);
	BIO_free(bio);
	ERR_clear_error();
	return result == 0 ? 0 : err_set(err, ERR_INPUT, "the file holds no PEM certificate");
}
