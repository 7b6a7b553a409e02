/* commands.h: the commands that need no open mailbox, and what they share.
 *
 * Purpose    Names for the list in commands.c; mailbox look-ups that set the response code; jobs.
 * Threads    The running command's.
 */
#ifndef BUZON_SESSIONS_IMAP_COMMANDS_H
#define BUZON_SESSIONS_IMAP_COMMANDS_H

#include "sessions/imap/imap.h"

enum {
	IMAP_MAILBOXES_MAX = 10000, /* of an account, made by clients; subscriptions likewise */
	IMAP_PATTERNS_MAX = 100,
};

extern const struct imap_command imap_cmd_authenticate, imap_cmd_capability, imap_cmd_check,
    imap_cmd_create, imap_cmd_delete, imap_cmd_enable, imap_cmd_getquota, imap_cmd_getquotaroot,
    imap_cmd_id, imap_cmd_idle, imap_cmd_list, imap_cmd_login, imap_cmd_logout, imap_cmd_lsub,
    imap_cmd_namespace, imap_cmd_noop, imap_cmd_rename, imap_cmd_setquota, imap_cmd_starttls,
    imap_cmd_status, imap_cmd_subscribe, imap_cmd_unsubscribe;

/* One mailbox name as the only argument: cmd->args is a str *. */
int imap_parse_mailbox_only(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err);
/* -1 with [NONEXISTENT] when there is none. */
int imap_find_mailbox(struct imap_cmd *cmd, struct imap_conn *c, str name,
    struct store_mailbox *out, struct err *err);
/* 1 there, 0 not there, -1 another error. */
int imap_mailbox_exists(
    struct imap_conn *c, struct arena *a, str name, struct store_mailbox *out, struct err *err);
/* Sets cmd->code, returns -1. */
int imap_refuse(struct imap_cmd *cmd, struct err *err, str code, const char *text);
/* "* LIST () "/" name ("OLDNAME" (old))", when the client knows IMAP4rev2. RFC 9051 §6.3.9.7 */
void imap_write_old_name(struct imap_conn *c, str name, str old);
/* name lies below above in the hierarchy. */
bool imap_is_below(str name, str above);

#endif
