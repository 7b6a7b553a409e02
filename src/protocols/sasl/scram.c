#include "protocols/sasl/scram.h"

#include <openssl/evp.h>
#include <sodium.h>

#include "protocols/sasl/sasl_internal.h"

void scram_hmac(str key, str text, unsigned char out[SCRAM_KEY_BYTES])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.ptr, key.len);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.ptr, text.len);
	crypto_auth_hmacsha256_final(&state, out);
	secret_wipe(&state, sizeof(state));
}

static str key_str(const unsigned char key[SCRAM_KEY_BYTES])
{
	return str_new(key, SCRAM_KEY_BYTES);
}

static int salted_password(str password, str salt, uint32_t iterations,
    unsigned char out[SCRAM_KEY_BYTES], struct err *err)
{
	if (salt.len < 1 || salt.len > SCRAM_SALT_MAX || iterations < 1 || iterations > 10000000)
		return err_set(err, ERR_INPUT,
		    "cannot make SCRAM keys: salt or iteration count is out of range");
	if (PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const unsigned char *)salt.ptr,
	        (int)salt.len, (int)iterations, EVP_sha256(), SCRAM_KEY_BYTES, out) != 1)
		return err_set(err, ERR_SYSTEM, "cannot make SCRAM keys: PBKDF2 failed");
	return 0;
}

int scram_client_keys(str password, str salt, uint32_t iterations,
    unsigned char out_client[SCRAM_KEY_BYTES], unsigned char out_server[SCRAM_KEY_BYTES])
{
	unsigned char salted[SCRAM_KEY_BYTES];

	if (salted_password(password, salt, iterations, salted, NULL) < 0)
		return -1;
	scram_hmac(key_str(salted), STR("Client Key"), out_client);
	scram_hmac(key_str(salted), STR("Server Key"), out_server);
	secret_wipe(salted, sizeof(salted));
	return 0;
}

int scram_client_key(
    str password, str salt, uint32_t iterations, unsigned char out[SCRAM_KEY_BYTES])
{
	unsigned char server_key[SCRAM_KEY_BYTES];

	return scram_client_keys(password, salt, iterations, out, server_key);
}

/* RFC 5802 §3 */
int scram_derive(
    str password, str salt, uint32_t iterations, struct scram_keys *out, struct err *err)
{
	unsigned char salted[SCRAM_KEY_BYTES], client_key[SCRAM_KEY_BYTES];
	struct scram_keys keys = { .iterations = iterations, .salt_bytes = (uint32_t)salt.len };

	if (salted_password(password, salt, iterations, salted, err) < 0)
		return -1;
	memcpy(keys.salt, salt.ptr, salt.len);
	scram_hmac(key_str(salted), STR("Client Key"), client_key);
	crypto_hash_sha256(keys.stored_key, client_key, sizeof(client_key));
	scram_hmac(key_str(salted), STR("Server Key"), keys.server_key);
	secret_wipe(salted, sizeof(salted));
	secret_wipe(client_key, sizeof(client_key));
	*out = keys;
	return 0;
}

void scram_fake(str secret, str username, struct scram_keys *out)
{
	unsigned char name_key[SCRAM_KEY_BYTES], salt[SCRAM_KEY_BYTES];

	*out =
	    (struct scram_keys){ .iterations = SCRAM_ITERATIONS, .salt_bytes = SCRAM_SALT_BYTES };
	scram_hmac(secret, username, name_key);
	scram_hmac(key_str(name_key), STR("salt"), salt);
	memcpy(out->salt, salt, SCRAM_SALT_BYTES);
	scram_hmac(key_str(name_key), STR("stored"), out->stored_key);
	scram_hmac(key_str(name_key), STR("server"), out->server_key);
	secret_wipe(name_key, sizeof(name_key));
}
