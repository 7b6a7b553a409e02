/* curl_lib.h: libcurl, loaded by the one role that fetches.
 *
 * Purpose    libcurl brings some thirty other libraries along. Linked into the program they would stand in the
 *            memory of every role; so relay loads it at its start, before the sandbox closes, and nobody else.
 *            What includes this header calls libcurl's functions by their own names.
 * Ownership  curl_lib_load counts, curl_lib_unload gives back; the library stays loaded.
 * Threads    The loop's thread.
 * Errors     ERR_SYSTEM with the loader's reason.
 */
#ifndef BUZON_SERVICES_FETCH_CURL_LIB_H
#define BUZON_SERVICES_FETCH_CURL_LIB_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/err.h"

/* The functions are macros of themselves in curl.h, to count their arguments. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define CURL_FUNCTIONS(F) \
	F(curl_easy_cleanup) \
	F(curl_easy_getinfo) \
	F(curl_easy_init) \
	F(curl_easy_setopt) \
	F(curl_easy_strerror) \
	F(curl_global_cleanup) \
	F(curl_global_init) \
	F(curl_multi_add_handle) \
	F(curl_multi_assign) \
	F(curl_multi_cleanup) \
	F(curl_multi_info_read) \
	F(curl_multi_init) \
	F(curl_multi_remove_handle) \
	F(curl_multi_setopt) \
	F(curl_multi_socket_action) \
	F(curl_slist_append) \
	F(curl_slist_free_all)

struct curl_lib {
#define CURL_MEMBER_(name) __typeof__(name) *name;
	CURL_FUNCTIONS(CURL_MEMBER_)
#undef CURL_MEMBER_
};
extern struct curl_lib curl_lib;

int curl_lib_load(struct err *err);
void curl_lib_unload(void);

#ifndef CURL_LIB_PLAIN_NAMES
#define curl_easy_cleanup curl_lib.curl_easy_cleanup
#define curl_easy_getinfo curl_lib.curl_easy_getinfo
#define curl_easy_init curl_lib.curl_easy_init
#define curl_easy_setopt curl_lib.curl_easy_setopt
#define curl_easy_strerror curl_lib.curl_easy_strerror
#define curl_multi_add_handle curl_lib.curl_multi_add_handle
#define curl_multi_assign curl_lib.curl_multi_assign
#define curl_multi_cleanup curl_lib.curl_multi_cleanup
#define curl_multi_info_read curl_lib.curl_multi_info_read
#define curl_multi_init curl_lib.curl_multi_init
#define curl_multi_remove_handle curl_lib.curl_multi_remove_handle
#define curl_multi_setopt curl_lib.curl_multi_setopt
#define curl_multi_socket_action curl_lib.curl_multi_socket_action
#define curl_slist_append curl_lib.curl_slist_append
#define curl_slist_free_all curl_lib.curl_slist_free_all
#endif

#endif
