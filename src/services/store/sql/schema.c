#include "services/store/sql/schema.h"

/* clang-format off */

/* Counters that outlive a restart, and the key of the story index. */
#define TABLE_META \
	"CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL, bytes BLOB NOT NULL)" \
	" STRICT, WITHOUT ROWID;"

/* AUTOINCREMENT: an id that was once given out is never given out again. */
#define TABLES_DIRECTORY \
	"CREATE TABLE domain (" \
	" id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE," \
	" catch_all TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;" \
	"CREATE TABLE account (" \
	" id INTEGER PRIMARY KEY AUTOINCREMENT, domain INTEGER NOT NULL," \
	" address TEXT NOT NULL UNIQUE, quota_bytes INTEGER NOT NULL, used_bytes INTEGER NOT NULL," \
	" message_count INTEGER NOT NULL, inbox INTEGER NOT NULL, created_at INTEGER NOT NULL," \
	" language TEXT NOT NULL) STRICT;" \
	"CREATE INDEX account_domain ON account (domain);" \
	"CREATE TABLE alias (" \
	" address TEXT PRIMARY KEY, domain INTEGER NOT NULL, targets TEXT NOT NULL)" \
	" STRICT, WITHOUT ROWID;" \
	"CREATE INDEX alias_domain ON alias (domain);"

/* page.id is the mailbox in the upper and the first UID at birth in the lower 32 bits: a mailbox's
 * pages lie together, in UID order, in a table whose rows may be large. */
#define TABLES_MAILBOX \
	"CREATE TABLE mailbox (" \
	" id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT NOT NULL," \
	" special_use INTEGER NOT NULL, selectable INTEGER NOT NULL, uidvalidity INTEGER NOT NULL," \
	" uidnext INTEGER NOT NULL, message_count INTEGER NOT NULL, unseen_count INTEGER NOT NULL," \
	" deleted_count INTEGER NOT NULL, recent_count INTEGER NOT NULL, recent_uid INTEGER NOT NULL," \
	" size_bytes INTEGER NOT NULL, deleted_bytes INTEGER NOT NULL," \
	" highest_modseq INTEGER NOT NULL, vanished_floor INTEGER NOT NULL," \
	" vanished_rows INTEGER NOT NULL, keywords BLOB NOT NULL) STRICT;" \
	"CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name);" \
	"CREATE TABLE page (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;" \
	"CREATE TABLE vanished (" \
	" mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL, uids BLOB NOT NULL," \
	" PRIMARY KEY (mailbox, modseq)) STRICT, WITHOUT ROWID;" \
	"CREATE TABLE subscription (" \
	" account INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, name))" \
	" STRICT, WITHOUT ROWID;"

/* A message has 1 + extra + the sum of what ref_line says references; only where extra is not 0
 * there is a row. So a message that goes to one mailbox, the usual case, costs nothing here. */
#define TABLES_MESSAGE \
	"CREATE TABLE message (" \
	" id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL," \
	" bytes INTEGER NOT NULL, sha256 BLOB NOT NULL, sent_at INTEGER NOT NULL," \
	" description BLOB NOT NULL) STRICT;" \
	"CREATE TABLE ref_extra (message INTEGER PRIMARY KEY, extra INTEGER NOT NULL) STRICT;" \
	"CREATE TABLE ref_line (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL) STRICT;" \
	"CREATE TABLE pack (" \
	" id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, dead_bytes INTEGER NOT NULL," \
	" emptied_at INTEGER NOT NULL) STRICT;"

#define TABLE_QUEUE \
	"CREATE TABLE queue (" \
	" id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, message INTEGER NOT NULL," \
	" account INTEGER NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, orcpt TEXT NOT NULL," \
	" envid TEXT NOT NULL, notify INTEGER NOT NULL, ret INTEGER NOT NULL, flags INTEGER NOT NULL," \
	" state INTEGER NOT NULL, attempts INTEGER NOT NULL, created_at INTEGER NOT NULL," \
	" next_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT;"

/* Keys lie by day first: what is written stays close together, and pruning drops whole days. */
#define TABLES_STORY \
	"CREATE TABLE story (" \
	" story INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, step INTEGER NOT NULL," \
	" detail TEXT NOT NULL, PRIMARY KEY (story, seq)) STRICT, WITHOUT ROWID;" \
	"CREATE TABLE story_key (" \
	" day INTEGER NOT NULL, hash INTEGER NOT NULL, story INTEGER NOT NULL," \
	" PRIMARY KEY (day, hash, story)) STRICT, WITHOUT ROWID;" \
	"CREATE TABLE story_day (day INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;"

/* Public halves and when each began, or begins, to sign; the private ones are files of role keys. */
#define TABLE_DKIM_KEY \
	"CREATE TABLE dkim_key (" \
	" domain INTEGER NOT NULL, selector TEXT NOT NULL, algorithm TEXT NOT NULL," \
	" public_key TEXT NOT NULL, created_at INTEGER NOT NULL, active_from INTEGER NOT NULL," \
	" PRIMARY KEY (domain, selector)) STRICT, WITHOUT ROWID;"

const char *const schema_sqlite[SCHEMA_VERSION] = {
	TABLE_META TABLES_DIRECTORY TABLES_MAILBOX TABLES_MESSAGE TABLE_QUEUE TABLES_STORY,
	TABLE_DKIM_KEY,
};

/* clang-format on */
