/* search.h: how SEARCH finds its messages.
 *
 * Purpose    search_run.c combines keys over bit masks, the cheap ones first; search_match.c
 *            answers for one message: from its entry, its index, or its bytes.
 * Shape      A mask has one bit for each message number of the known view. Keys of one AND narrow
 *            the mask from one to the next, so that bodies are read only where all else matches.
 * Ownership  struct search lives in the caller's frame; search_fini releases what it opened.
 * Threads    The running command's.
 */
#ifndef BUZON_SESSIONS_IMAP_SEARCH_H
#define BUZON_SESSIONS_IMAP_SEARCH_H

#include "formats/message_index.h"
#include "protocols/imap/search_key.h"
#include "sessions/imap/selected.h"

struct mask {
	uint64_t *words;
	size_t count; /* words */
};

static inline bool mask_has(const struct mask *m, uint32_t bit)
{
	return m->words[bit / 64] >> (bit % 64) & 1;
}

static inline void mask_set(struct mask *m, uint32_t bit)
{
	m->words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* What has been read of the message at hand; filled as far as it is needed. */
struct search_message {
	const struct store_entry *entry;
	bool has_row, has_body;
	struct store_message row;
	struct message_index index;
	struct store_blob body;
};

struct search {
	struct imap_conn *conn;
	struct arena *arena;         /* the command's */
	struct arena *message_arena; /* one message's */
	struct store_reader *reader;
	struct buf folded; /* scratch */
	int64_t now;
	bool some_gone; /* messages that others expunged were passed over */
};

enum search_cost { COST_ENTRY, COST_ROW, COST_HEADER, COST_BODY };

void search_init(struct search *s, struct imap_conn *c, struct imap_cmd *cmd);
void search_fini(struct search *s);
/* out: the bits of the messages that match, and only of those that still exist. */
int search_find(struct search *s, struct imap_search_key *key, struct mask *out, struct err *err);

enum search_cost search_cost_of(const struct imap_search_key *key);
/* Folds the texts of the tree, once. */
void search_prepare(struct search *s, struct imap_search_key *key);
/* For keys whose cost is COST_ENTRY. */
bool search_match_entry(
    const struct search *s, const struct imap_search_key *key, const struct store_entry *e);
/* For the others: 1 or 0; -1 with *err, of kind ERR_DENIED when the message is gone. */
int search_match_message(
    struct search *s, const struct imap_search_key *key, struct search_message *m, struct err *err);
void search_message_done(struct search_message *m);

#endif
