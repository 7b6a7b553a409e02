/* start.h: what the supervisor tells a new role, and the certificates it hands out.
 *
 * Purpose    The start block and the certificate bundle as bytes, each with one writer and one reader.
 * Shape      Descriptors of a role at its start: START_FD_CONTROL the link to the supervisor,
 *            START_FD_BLOCK a memfd with the block, then in this order, as far as the block says they
 *            are there: its directory, certificates, one socket for each link.
 * Ownership  Reading borrows from the bytes; texts that must live longer are copied by the reader.
 * Errors     ERR_INPUT for what the writer did not make.
 */
#ifndef BUZON_ROLES_START_H
#define BUZON_ROLES_START_H

#include "roles/role.h"

enum { START_FD_CONTROL = 3, START_FD_BLOCK = 4, START_FD_FIRST = 5, START_LINKS_MAX = 64 };

struct start_block {
	unsigned char ticket_key[32];
	unsigned char tls_ticket_key[80];
	str config_name, config_text;
	bool has_directory, has_certificates;
	size_t link_count;
	struct {
		uint8_t role, index;
	} links[START_LINKS_MAX];
};

void start_block_write(const struct start_block *b, struct buf *out);
int start_block_read(str in, struct start_block *out, struct err *err);

/* For fronts key is empty; for keys it is the private key's PEM. Numbers are places in the list. */
struct start_certificate {
	str server_name, chain, key;
};
void start_certificates_write(
    const struct start_certificate *list, size_t count, bool with_keys, struct buf *out);
int start_certificates_read(
    str in, struct arena *a, struct start_certificate **out, size_t *out_count, struct err *err);

/* A sealed memfd with these bytes. */
int start_memfd(const char *name, str bytes, struct err *err);
/* All of a memfd, into the arena. */
int start_read_fd(int fd, struct arena *a, str *out, struct err *err);

/* Which roles are joined: the fixed graph. */
bool start_are_joined(enum role_id a, enum role_id b);

#endif
