/* Role keys, with fronts that send it anything: it answers, and signs only digests of the right size
 * with keys that it has. */
#include "role_rig.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "roles/start.h"

static str bio_text(BIO *b)
{
	char *bytes = NULL;
	long length = BIO_get_mem_data(b, &bytes);

	return str_new(bytes, (size_t)length);
}

/* A key and a certificate of its own, as the supervisor would hand them over. */
static int make_certificates(void)
{
	AUTO_BUF block = BUF_INIT(1 << 20);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *chain = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());

	X509_set_pubkey(x, key);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_sign(x, key, EVP_sha256());
	PEM_write_bio_X509(chain, x);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	struct start_certificate c = { STR("mx.example.org"), bio_text(chain), bio_text(pem) };
	start_certificates_write(&c, 1, true, &block);
	int fd = role_rig_memory_file(buf_str(&block), true);
	X509_free(x);
	EVP_PKEY_free(key);
	BIO_free(chain);
	BIO_free(pem);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct role_rig rig;
	static bool is_open;

	if (!is_open) {
		rig.role.certificates = make_certificates();
		role_rig_open(&rig, &role_keys, ROLE_KEYS);
		role_rig_join(&rig, ROLE_FRONT_MX);
		role_rig_join(&rig, ROLE_FRONT_USER);
		role_rig_join(&rig, ROLE_CORE);
		is_open = true;
	}
	role_rig_run(&rig, str_new(data, size));
	return 0;
}
