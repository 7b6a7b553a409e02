#include "services/auth/verifier.h"

#include <errno.h>
#include <sodium.h>

#include "base/secret.h"
#include "protocols/sasl/precis.h"

_Static_assert(AUTH_VERIFIER_BYTES >= crypto_pwhash_STRBYTES, "room for any verifier");

static int argon2(str password, char out[AUTH_VERIFIER_BYTES], struct err *err)
{
	memset(out, 0, AUTH_VERIFIER_BYTES);
	if (crypto_pwhash_str_alg(out, password.ptr, password.len, VERIFIER_PASSES, VERIFIER_MEMORY,
	        crypto_pwhash_ALG_ARGON2ID13) != 0)
		return err_set(err, ERR_RETRY, "cannot hash a password: out of memory");
	return 0;
}

int verifier_make(str password, struct auth_credential *out, struct err *err)
{
	AUTO_BUF prepared = BUF_INIT(AUTH_PASSWORD_MAX);
	unsigned char salt[SCRAM_SALT_BYTES];
	int rc;

	if (!buf_space(&prepared, AUTH_PASSWORD_MAX) ||
	    precis_password(password, &prepared, err) < 0)
		return err_wrap(err, "the password cannot be used");
	random_bytes(salt, sizeof(salt));
	rc = argon2(buf_str(&prepared), out->verifier, err);
	if (rc == 0)
		rc = scram_derive(buf_str(&prepared), str_new(salt, sizeof(salt)), SCRAM_ITERATIONS,
		    &out->scram, err);
	secret_wipe(prepared.ptr, prepared.len);
	return rc;
}

int verifier_make_unusable(char out[AUTH_VERIFIER_BYTES], struct err *err)
{
	unsigned char random[32];

	random_bytes(random, sizeof(random));
	return argon2(str_new(random, sizeof(random)), out, err);
}

enum verifier_result verifier_check(const char *verifier, str password)
{
	errno = 0;
	if (crypto_pwhash_str_verify(verifier, password.ptr, password.len) == 0)
		return VERIFIER_RIGHT;
	return errno == ENOMEM ? VERIFIER_UNAVAILABLE : VERIFIER_WRONG;
}
