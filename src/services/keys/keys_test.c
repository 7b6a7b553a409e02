/* Private keys: loading, pairing with certificates, signatures that verify and requests that do not
 * fit. */
#include "check.h"

#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "services/keys/keys.h"

struct pair {
	EVP_PKEY *key;
	char *chain, *pem;
	size_t chain_len, pem_len;
};

enum { RSA_ONE, EC_ONE, ED_ONE, RSA_TWO, PAIRS };

static struct pair pairs[PAIRS];

static char *take_bio(BIO *bio, size_t *out_len)
{
	char *data, *copy;
	long len = BIO_get_mem_data(bio, &data);

	copy = malloc((size_t)len);
	memcpy(copy, data, (size_t)len);
	*out_len = (size_t)len;
	BIO_free(bio);
	return copy;
}

static void make_pair(struct pair *p, EVP_PKEY *key)
{
	BIO *chain = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	X509 *x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	check(X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0);
	check(PEM_write_bio_X509(chain, x) == 1);
	check(PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1);
	X509_free(x);
	p->key = key;
	p->chain = take_bio(chain, &p->chain_len);
	p->pem = take_bio(pem, &p->pem_len);
}

static str chain_of(int i)
{
	return str_new(pairs[i].chain, pairs[i].chain_len);
}

static str key_of(int i)
{
	return str_new(pairs[i].pem, pairs[i].pem_len);
}

static int setup(void **state)
{
	(void)state;
	make_pair(&pairs[RSA_ONE], EVP_RSA_gen(2048));
	make_pair(&pairs[EC_ONE], EVP_EC_gen("P-256"));
	make_pair(&pairs[ED_ONE], EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	make_pair(&pairs[RSA_TWO], EVP_RSA_gen(2048));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < PAIRS; i++) {
		EVP_PKEY_free(pairs[i].key);
		free(pairs[i].chain);
		free(pairs[i].pem);
	}
	return 0;
}

static struct keys *load_three(void)
{
	struct keys *k = keys_new();
	struct err err;

	for (int i = RSA_ONE; i <= ED_ONE; i++)
		check(keys_add(k, STR("test"), chain_of(i), key_of(i), &err) == 0);
	check_int_eq(keys_count(k), 3);
	return k;
}

static bool verifies(EVP_PKEY *key, uint16_t scheme, const EVP_MD *md, str digest, str signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool ok = EVP_PKEY_verify_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, md) > 0;

	if (scheme >> 8 == 8)
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_PKEY_verify(ctx, (const unsigned char *)signature.ptr, signature.len,
	               (const unsigned char *)digest.ptr, digest.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static void test_sign(void **state)
{
	static const struct {
		uint16_t scheme;
		size_t digest_len;
		const char *md;
		int key;
	} cases[] = {
		{ 0x0401, 32, "SHA256", RSA_ONE },
		{ 0x0501, 48, "SHA384", RSA_ONE },
		{ 0x0601, 64, "SHA512", RSA_ONE },
		{ 0x0804, 32, "SHA256", RSA_ONE },
		{ 0x0805, 48, "SHA384", RSA_ONE },
		{ 0x0806, 64, "SHA512", RSA_ONE },
		{ 0x0403, 32, "SHA256", EC_ONE },
		{ 0x0503, 48, "SHA384", EC_ONE },
		{ 0x0603, 64, "SHA512", EC_ONE },
	};
	struct keys *k = load_three();
	char digest[65];

	(void)state;
	memset(digest, 'd', sizeof(digest));
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1024);
		str d = str_new(digest, cases[i].digest_len);
		uint32_t key = (uint32_t)cases[i].key;
		check(keys_sign(k, key, cases[i].scheme, d, &out) == 0);
		check(verifies(pairs[key].key, cases[i].scheme, EVP_get_digestbyname(cases[i].md),
		    d, buf_str(&out)));
		/* Not a digest of this hash: one byte less, one more. */
		check(keys_sign(k, key, cases[i].scheme, str_sub(d, 0, d.len - 1), &out) < 0);
		check(keys_sign(k, key, cases[i].scheme, str_new(digest, d.len + 1), &out) < 0);
		/* The scheme of another kind of key. */
		check(
		    keys_sign(k, key == RSA_ONE ? EC_ONE : RSA_ONE, cases[i].scheme, d, &out) < 0);
	}
	keys_free(k);
}

static void test_ed25519(void **state)
{
	struct keys *k = load_three();
	AUTO_BUF out = BUF_INIT(1024);
	str message = STR("a whole message, not a digest");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	(void)state;
	check(keys_sign(k, ED_ONE, 0x0807, message, &out) == 0);
	check(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pairs[ED_ONE].key) > 0);
	check(EVP_DigestVerify(ctx, (unsigned char *)out.ptr, out.len,
	          (const unsigned char *)message.ptr, message.len) == 1);
	EVP_MD_CTX_free(ctx);
	keys_free(k);
}

static void test_refusals(void **state)
{
	struct keys *k = load_three();
	AUTO_BUF out = BUF_INIT(1024);
	str digest = STR("0123456789abcdef0123456789abcdef");
	struct err err;

	(void)state;
	check(keys_sign(k, 3, 0x0804, digest, &out) < 0);
	check(keys_sign(k, UINT32_MAX, 0x0804, digest, &out) < 0);
	check(keys_sign(k, RSA_ONE, 0x0201, digest, &out) < 0); /* SHA-1 */
	check(keys_sign(k, RSA_ONE, 0, digest, &out) < 0);
	AUTO_BUF tiny = BUF_INIT(16);
	check(keys_sign(k, RSA_ONE, 0x0804, digest, &tiny) < 0);

	check(keys_add(k, STR("/etc/x.pem"), chain_of(RSA_ONE), key_of(RSA_TWO), &err) < 0);
	check_str_eq(str_c(err.text),
	    STR("certificate '/etc/x.pem': the key belongs to another certificate"));
	check(keys_add(k, STR("x"), STR("rubbish"), key_of(RSA_ONE), &err) < 0);
	check(keys_add(k, STR("x"), chain_of(RSA_ONE), STR("rubbish"), &err) < 0);
	check(keys_add(k, STR("x"), chain_of(RSA_ONE), STR_NONE, &err) < 0);
	check_int_eq(err.kind, ERR_INPUT);
	check_int_eq(keys_count(k), 3);
	keys_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
