/* sandbox_internal.h: what the files of the sandbox share. */
#ifndef BUZON_ROLES_SANDBOX_INTERNAL_H
#define BUZON_ROLES_SANDBOX_INTERNAL_H

#include "roles/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED true
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED false
#endif

/* ---- sandbox_landlock.c ---- */
/* is_start: a role without files may still read shared tables. */
int sandbox_landlock(const struct sandbox_options *o, bool is_start);

/* ---- sandbox_filter.c ---- */
/* For all threads of the process. grants: enum sandbox_grant. */
int sandbox_filter(unsigned grants);

#endif
