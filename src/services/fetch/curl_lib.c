#define CURL_LIB_PLAIN_NAMES
#include "services/fetch/curl_lib.h"

#include <dlfcn.h>
#include <stddef.h>

struct curl_lib curl_lib;

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define CURL_FUNCTION_(name) { #name, offsetof(struct curl_lib, name) },
	CURL_FUNCTIONS(CURL_FUNCTION_)
#undef CURL_FUNCTION_
};

static void *library; /* loaded once, for good */
static unsigned users;

static int find_functions(struct err *err)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(library, functions[i].name);
		if (!function)
			return err_set(err, ERR_SYSTEM, "libcurl has no %s", functions[i].name);
		/* POSIX lets a function be kept as a void pointer; C has no other way to say it. */
		memcpy((char *)&curl_lib + functions[i].at, &function, sizeof(function));
	}
	return 0;
}

int curl_lib_load(struct err *err)
{
	if (!library) {
		library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
		if (!library)
			return err_set(err, ERR_SYSTEM, "libcurl cannot be loaded: %s", dlerror());
		if (find_functions(err) < 0)
			return -1;
	}
	if (users == 0 && curl_lib.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_SYSTEM, "libcurl cannot be started");
	users++;
	return 0;
}

void curl_lib_unload(void)
{
	if (users > 0 && --users == 0)
		curl_lib.curl_global_cleanup();
}
