#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/supervisor.h"
#include "services/keys/keys.h"

enum { PEM_MAX = 1 << 20 };

static int read_pem(struct arena *a, str path, const char *what, str *out, struct err *err)
{
	AUTO_FD fd = open(arena_cstr(a, path), O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(
		    err, ERR_SYSTEM, "cannot open the %s '" STR_FMT "': %m", what, STR_ARG(path));
	if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX)
		return err_set(err, ERR_INPUT,
		    "the %s '" STR_FMT "' is not a file of at most 1 MiB", what, STR_ARG(path));
	char *bytes = arena_alloc(a, (size_t)st.st_size + 1);
	if (fd_pread_all(fd, bytes, (size_t)st.st_size, 0) < 0)
		return err_set(
		    err, ERR_SYSTEM, "cannot read the %s '" STR_FMT "': %m", what, STR_ARG(path));
	*out = str_new(bytes, (size_t)st.st_size);
	return 0;
}

static int check(
    const struct start_certificate *list, size_t count, const struct config *c, struct err *err)
{
	struct keys *k = keys_new();
	int result = 0;

	for (size_t i = 0; result == 0 && i < count; i++)
		result = keys_add(k, c->tls[i].certificate, list[i].chain, list[i].key, err);
	keys_free(k);
	return result;
}

int supervisor_certificates(
    const struct config *c, struct buf *out_public, struct buf *out_private, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "certificates", 64 << 20);
	struct start_certificate *list = arena_array(a, struct start_certificate, c->tls_count + 1);
	int result = 0;

	for (size_t i = 0; result == 0 && i < c->tls_count; i++) {
		list[i].server_name = c->tls[i].server_name;
		result =
		    read_pem(a, c->tls[i].certificate, "certificate", &list[i].chain, err) < 0 ||
		            read_pem(a, c->tls[i].key, "key", &list[i].key, err) < 0
		        ? -1
		        : 0;
	}
	if (result == 0)
		result = check(list, c->tls_count, c, err);
	if (result == 0) {
		start_certificates_write(list, c->tls_count, false, out_public);
		start_certificates_write(list, c->tls_count, true, out_private);
	}
	for (size_t i = 0; i < c->tls_count; i++)
		secret_wipe((void *)(uintptr_t)list[i].key.ptr, list[i].key.len);
	return result;
}
