/* fetch.h: how FETCH works through its messages.
 *
 * Purpose    cmd_fetch.c prepares (set, \Seen, VANISHED), fetch_run.c walks, fetch_message.c gets
 *            and prints what needs the message itself.
 * Ownership  struct fetch lives in cmd->arena; fetch_release gives back views, reader, bodies.
 * Threads    The running command's; nothing that belongs to a thread is kept between two runs.
 */
#ifndef BUZON_SESSIONS_IMAP_FETCH_H
#define BUZON_SESSIONS_IMAP_FETCH_H

#include "protocols/imap/fetch_att.h"
#include "protocols/imap/section.h"
#include "sessions/imap/cursor.h"
#include "sessions/imap/print.h"
#include "sessions/imap/selected.h"

struct fetch_args {
	struct imap_set set;
	struct imap_fetch_atts atts;
	struct imap_fetch_modifiers modifiers;
};

struct fetch_value {
	enum section_found found;
	str bytes, more; /* more: what follows bytes, elsewhere in memory */
	struct buf made; /* memory that bytes may point into; used again for each message */
};

struct fetch {
	struct imap_conn *conn;
	const struct fetch_args *args;
	uint32_t simple; /* args->atts.simple and what the session adds */
	const struct store_range *uids;
	size_t uid_count;
	struct store_view *before; /* flags before this FETCH set \Seen; NULL when it did not */
	bool is_prepared;

	/* Where it stands. */
	size_t range;
	uint32_t next_uid;
	bool some_gone, some_unknown_cte;
	struct err failure; /* of the first message that could not be read */
	uint32_t walked;

	/* While it runs. */
	struct cursor known, now, old;
	struct store_reader *reader;
	struct arena *message_arena; /* one message's index; reset for each */
	struct fetch_value *values;  /* one for each section */
	struct buf body;             /* BODY made from BODYSTRUCTURE */
	struct surrogate *surrogate;
	bool is_first_item;
};

/* ---- fetch_surrogate.c: UTF-8 in header fields, for clients that did not enable it ----
 *
 * Such a client gets the surrogate of RFC 6858 (RFC 6855 §3): in ENVELOPE, BODYSTRUCTURE and whatever
 * shows the message's own header, so that BODY[] is BODY[HEADER] and BODY[TEXT] one behind the other. The
 * body goes out as it is, with what stands in the headers of its parts. RFC822.SIZE is that of the stored
 * message (RFC 6858 §3 allows it; anything else would need every message to be read for a size), and
 * [DOWNGRADED] names the messages. SEARCH looks at the stored message. */
void surrogate_init(struct fetch *f, struct imap_cmd *cmd);
void surrogate_fini(struct fetch *f);
/* Whether the message with this index needs one; the functions below are then for it. */
bool surrogate_is_needed(const struct fetch *f, str index);
bool surrogate_needs_body(const struct fetch *f);
/* message: as stored; empty unless surrogate_needs_body. Replaces what it is given. */
void surrogate_make(struct fetch *f, uint32_t uid, str message, str *envelope, str *bodystructure);
/* True when the section shows the message's own header: then it is in *out. */
bool surrogate_section(
    struct fetch *f, const struct imap_section *s, str message, struct fetch_value *out);
/* "DOWNGRADED 5,7"; empty when there were none. */
str surrogate_code(const struct fetch *f);

/* DONE or MORE. */
enum imap_run fetch_walk(struct fetch *f);

enum fetched { FETCHED, FETCH_GONE, FETCH_UNKNOWN_CTE, FETCH_FAILED };

/* The name of an item and a space, with a space before it unless it is the first. */
void fetch_item(struct fetch *f, struct print *p, str name);
/* Prints "ENVELOPE (...) BODY[] {5}...": all or nothing. head prints what stands before it; it is
 * called when all is at hand. */
enum fetched fetch_message(struct fetch *f, struct print *p, const struct store_entry *e,
    void (*head)(struct fetch *f, struct print *p, const struct store_entry *e), struct err *err);
void fetch_message_init(struct fetch *f, struct imap_cmd *cmd);
void fetch_message_fini(struct fetch *f);

#endif
