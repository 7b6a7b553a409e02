/* sandbox.h: the walls of a role.
 *
 * Purpose    Locks the calling process in, in two steps around the role's start: `early` before threads
 *            and files, `late` when everything is open.
 * Order      early: rlimits, no dumps, death with the supervisor, no new privileges, own user (for roles
 *            with files), Landlock. late: chroot and own user (for the others), Landlock again with
 *            nothing allowed, capabilities, seccomp for all threads.
 * Why twice  Landlock holds for the calling thread and those it starts later, so it must be there before
 *            any thread is; seccomp can be laid over all threads at once, and must come last.
 * Errors     ERR_SYSTEM: the role must not run. A kernel without Landlock is no error: seccomp, which
 *            refuses the system calls themselves, is the stronger wall; it is logged.
 * Builds     With AddressSanitizer, calls outside the table fail with EPERM instead of killing the process:
 *            the sanitizer makes some of its own. With -Dsandbox_log=true a refused call is named on standard
 *            error before the process ends.
 */
#ifndef BUZON_ROLES_SANDBOX_H
#define BUZON_ROLES_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

struct sandbox_options {
	unsigned grants;                /* enum sandbox_grant, roles/role.h */
	const char *const *write_paths; /* below data_dir; NULL: no files at all after the start */
	int data_dir;
	const char *user; /* when started as root; "" or NULL: stay as we are */
	bool die_with_parent;
	int empty_dir; /* filled by early: the root of a role without files */
};

int sandbox_early(struct sandbox_options *o, struct err *err);
int sandbox_late(const struct sandbox_options *o, struct err *err);
/* 0: the kernel has none. */
int sandbox_landlock_abi(void);

#endif
