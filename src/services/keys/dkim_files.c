#include "services/keys/dkim_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/fd.h"
#include "base/secret.h"
#include "formats/base64.h"

#define FILE_END ".pem"

enum { ED25519_BYTES = 32, PUBLIC_MAX = 4096 };

/* ---- making ---- */

/* RFC 6376 §3.6.1: an RSA key as SubjectPublicKeyInfo; RFC 8463 §4: the 32 bytes of an Ed25519 one. */
static int add_public(EVP_PKEY *key, bool is_ed25519, struct buf *out)
{
	unsigned char bytes[PUBLIC_MAX], *at = bytes;
	size_t len = sizeof(bytes);

	if (is_ed25519) {
		if (EVP_PKEY_get_raw_public_key(key, bytes, &len) != 1 || len != ED25519_BYTES)
			return -1;
	} else {
		int n = i2d_PUBKEY(key, NULL);
		if (n <= 0 || n > PUBLIC_MAX || i2d_PUBKEY(key, &at) != n)
			return -1;
		len = (size_t)n;
	}
	base64_encode(str_new(bytes, len), out);
	return buf_ok(out) ? 0 : -1;
}

static int add_pem(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *bytes = NULL;
	int result = -1;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		long length = BIO_get_mem_data(bio, &bytes);
		buf_add(out, str_new(bytes, (size_t)length));
		result = buf_ok(out) ? 0 : -1;
	}
	BIO_free(bio);
	return result;
}

int dkim_key_make(str algorithm, struct buf *out_pem, struct buf *out_public, struct err *err)
{
	bool is_ed25519 = str_eq(algorithm, STR("ed25519"));

	if (!is_ed25519 && !str_eq(algorithm, STR("rsa")))
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is no algorithm for DKIM",
		    STR_ARG(str_sub(algorithm, 0, 40)));
	EVP_PKEY *key =
	    is_ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_RSA_gen(DKIM_RSA_BITS);
	int result =
	    key && add_public(key, is_ed25519, out_public) == 0 && add_pem(key, out_pem) == 0
	        ? 0
	        : err_set(err, ERR_SYSTEM, "OpenSSL could not make a key");
	EVP_PKEY_free(key);
	ERR_clear_error();
	return result;
}

int dkim_key_name(str selector, str domain, char out[DKIM_NAME_BYTES], struct err *err)
{
	int n = snprintf(out, DKIM_NAME_BYTES, STR_FMT "._domainkey." STR_FMT, STR_ARG(selector),
	    STR_ARG(domain));

	/* It becomes the name of a file and one in the DNS. */
	if (n > 0 && n <= 240 && str_chr(str_c(out), '/') == STR_NPOS && out[0] != '.' &&
	    str_is_printable(str_c(out)))
		return 0;
	return err_set(err, ERR_INPUT,
	    "'" STR_FMT "' is no selector: use letters, digits and hyphens, and keep it short",
	    STR_ARG(str_sub(selector, 0, 80)));
}

/* ---- files ---- */

static int open_directory(const char *data, struct stat *out, struct err *err)
{
	AUTO_FD dir = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || fstat(dir, out) < 0)
		return err_set(err, ERR_SYSTEM, "cannot open the data directory '%s': %m", data);
	if (mkdirat(dir, DKIM_DIRECTORY, 0700) == 0) {
		if (geteuid() == 0 &&
		    fchownat(dir, DKIM_DIRECTORY, out->st_uid, out->st_gid, 0) < 0)
			return err_set(
			    err, ERR_SYSTEM, "cannot give away '%s/%s': %m", data, DKIM_DIRECTORY);
		fsync(dir);
	}
	int keys = openat(dir, DKIM_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return keys < 0 ? err_set(err, ERR_SYSTEM, "cannot open '%s/%s': %m", data, DKIM_DIRECTORY)
	                : keys;
}

static void file_name(const char *name, char out[DKIM_NAME_BYTES + 8])
{
	snprintf(out, DKIM_NAME_BYTES + 8, "%s" FILE_END, name);
}

int dkim_file_write(const char *data, const char *name, str pem, struct err *err)
{
	char file[DKIM_NAME_BYTES + 8];
	struct stat owner;
	AUTO_FD dir = open_directory(data, &owner, err);

	if (dir < 0)
		return -1;
	file_name(name, file);
	AUTO_FD fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, errno == EEXIST ? ERR_DENIED : ERR_SYSTEM,
		    "cannot make the key file '%s' in '%s': %m", file, DKIM_DIRECTORY);
	if ((geteuid() == 0 && fchown(fd, owner.st_uid, owner.st_gid) < 0) ||
	    fd_write_all(fd, pem) < 0 || fsync(fd) < 0 || fsync(dir) < 0) {
		err_set(err, ERR_SYSTEM, "cannot write the key file '%s': %m", file);
		unlinkat(dir, file, 0);
		return -1;
	}
	return 0;
}

int dkim_file_remove(const char *data, const char *name, struct err *err)
{
	char file[DKIM_NAME_BYTES + 8];
	struct stat owner;
	AUTO_FD dir = open_directory(data, &owner, err);

	if (dir < 0)
		return -1;
	file_name(name, file);
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return err_set(err, ERR_SYSTEM, "cannot remove the key file '%s': %m", file);
	fsync(dir);
	return 0;
}

/* ---- the block ---- */

static int read_one(int dir, const char *file, str name, struct buf *out, struct err *err)
{
	AUTO_FD fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char bytes[DKIM_FILE_BYTES];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, ERR_SYSTEM, "cannot open the key file '%s': %m", file);
	if (!S_ISREG(st.st_mode) || st.st_size > DKIM_FILE_BYTES)
		return err_set(err, ERR_INPUT, "'%s' is not a file with one key", file);
	if (fd_pread_all(fd, bytes, (size_t)st.st_size, 0) < 0)
		return err_set(err, ERR_SYSTEM, "cannot read the key file '%s': %m", file);
	str pem = str_new(bytes, (size_t)st.st_size);
	struct keys *trial = keys_new();
	int result = keys_add_named(trial, name, pem, err);
	keys_free(trial);
	if (result == 0) {
		buf_add_counted(out, name);
		buf_add_counted(out, pem);
	}
	secret_wipe(bytes, sizeof(bytes));
	return result;
}

int dkim_files_read(int data_dir, const struct log *log, struct buf *out, struct err *err)
{
	int fd = openat(data_dir, DKIM_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *entry;
	size_t count = 0;
	DIR *list;

	if (fd < 0 && errno == ENOENT)
		return 0;
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		err_set(
		    err, ERR_SYSTEM, "cannot read '%s' in the data directory: %m", DKIM_DIRECTORY);
		fd_close(&fd);
		return -1;
	}
	while ((entry = readdir(list)) && count < DKIM_FILES_MAX) {
		str file = str_c(entry->d_name);
		struct err one;
		if (!str_ends(file, STR(FILE_END)) || file.len >= DKIM_NAME_BYTES)
			continue;
		if (read_one(dirfd(list), entry->d_name,
		        str_sub(file, 0, file.len - strlen(FILE_END)), out, &one) < 0)
			log_alert(log, "key for DKIM not usable", F_CSTR("why", one.text));
		else
			count++;
	}
	closedir(list);
	return buf_ok(out) ? 0 : err_set(err, ERR_LIMIT, "the keys for DKIM are too large");
}

int dkim_block_read(str block, struct keys *into, struct err *err)
{
	str name, pem;

	while (block.len) {
		if (take_counted(&block, DKIM_NAME_BYTES, &name) < 0 ||
		    take_counted(&block, DKIM_FILE_BYTES, &pem) < 0)
			return err_set(err, ERR_INPUT, "the keys for DKIM did not arrive whole");
		if (keys_add_named(into, name, pem, err) < 0)
			return -1;
	}
	return 0;
}
