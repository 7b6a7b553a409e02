/* internal.h: what the files of services/intake share.
 *
 * Purpose    The transaction as RCPT fills it and MESSAGE takes it.
 * Threads    The loop's thread.
 */
#ifndef BUZON_SERVICES_INTAKE_INTERNAL_H
#define BUZON_SERVICES_INTAKE_INTERNAL_H

#include "base/table.h"
#include "services/deliver/deliver.h"
#include "services/intake/intake.h"
#include "services/intake/rates.h"
#include "services/route/route.h"

/* One accepted RCPT; a span of the transaction's targets. LMTP answers one line for each. */
struct intake_rcpt_line {
	str recipient;
	size_t first_target, target_count;
};

struct intake_tx {
	uint64_t link, id;
	struct arena *arena;
	str sender;
	uint64_t account; /* who is signed in; 0: nobody */
	str address;      /* her address */
	bool is_trusted;  /* a program of this machine: any sender, any recipient */
	uint32_t protocol;
	struct intake_rcpt_line *lines;
	size_t line_count, line_cap;
	struct delivery_target *targets;
	size_t target_count, target_cap;
};

struct intake {
	struct store *store;
	struct loop *loop;
	const struct log *log;
	const struct config *config;
	unsigned char ticket_key[32];
	struct intake_env env;
	char spool_dir[4096]; /* the store's directory; does not change with a reload */
	struct directory *directory;
	struct table *txs; /* (link, tx) -> struct intake_tx */
	struct rates *rates;
	struct arena *scratch; /* of the call at hand */
	size_t at_work_bytes, at_work_count;
	uint32_t notes_this_second; /* refusals told */
	int64_t notes_second;
};

/* The directory, loaded anew when the store's has changed. NULL: it cannot be read now. */
const struct directory *intake_directory(struct intake *in);
struct intake_tx *intake_tx_find(struct intake *in, uint64_t link, uint64_t tx);
/* Takes it out of the table: the caller frees its arena. */
struct intake_tx *intake_tx_take(struct intake *in, uint64_t link, uint64_t tx);

/* As intake_note; judged: the step about who sent it, before the refusal; empty: none. */
void intake_refusal(struct intake *in, const struct frame_story_note *f, str judged);

/* Opens a transaction for mail of this machine; -1 with the reply line in *out_refusal. */
int intake_local_tx(struct intake *in, const struct intake_local *local, struct intake_tx **out,
    struct frame_rcpt_result *out_refusal);

#endif
