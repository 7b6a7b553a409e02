/* sandbox.h: the walls of a role.
 *
 * Purpose    Locks the calling process in, in two steps around the role's start: `early` before threads
 *            and files, `late` when everything is open.
 * Order      early: rlimits, no dumps, death with the supervisor, no new privileges, for roles with files
 *            their directory as root and their own user, Landlock. late: for the others an empty root and their
 *            own user, Landlock again with nothing allowed; for all capabilities, then seccomp for all threads.
 * Why twice  Landlock holds for the calling thread and those it starts later, so it must be there before
 *            any thread is; seccomp can be laid over all threads at once, and must come last.
 * Memory     RLIMIT_DATA: private memory that can be written (heap, stacks, anonymous maps). RLIMIT_AS would
 *            also count what core maps of its packs to read, which may be far larger than the machine's memory
 *            and costs none of it.
 * Errors     ERR_SYSTEM: the role must not run. A kernel without Landlock is no error: seccomp, which
 *            refuses the system calls themselves, is the stronger wall; it is logged. Rules for ports need
 *            ABI 4 (Linux 6.7); below it, a role that may connect may connect to any port.
 * Builds     With AddressSanitizer, calls outside the table fail with EPERM instead of killing the process:
 *            the sanitizer makes some of its own, and memory is not bounded. With -Dsandbox_log=true a refused
 *            call is named on standard error before the process ends.
 */
#ifndef BUZON_ROLES_SANDBOX_H
#define BUZON_ROLES_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sandbox_options {
	unsigned grants; /* enum sandbox_grant, roles/role.h */
	/* The role's own, closed by early: a descriptor of a directory leads out of any root. -1: no files at
	 * all after the start. */
	int directory;
	const uint16_t *ports; /* TCP, for GRANT_CONNECT */
	size_t port_count;
	/* Files that the start of a role without a directory may read beside the shared tables; NULL at the end. */
	const char *const *start_files;
	uint64_t memory_bytes; /* 0: no bound */
	const char *user;      /* when started as root; "" or NULL: stay as we are */
	bool die_with_parent;
	/* Filled by early: */
	int empty_dir;     /* the root of a role without files */
	bool has_files;    /* there was a directory */
	bool has_own_root; /* what was the role's directory is "/" now */
};

int sandbox_early(struct sandbox_options *o, struct err *err);
int sandbox_late(const struct sandbox_options *o, struct err *err);
/* 0: the kernel has none. */
int sandbox_landlock_abi(void);

#endif
