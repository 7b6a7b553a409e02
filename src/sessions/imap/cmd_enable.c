/* cmd_enable.c: ENABLE, RFC 5161, RFC 9051 §6.3.1. Also taken with a mailbox open, which the RFCs
 * leave to the server: CONDSTORE then says HIGHESTMODSEQ (RFC 7162 §3.1). */
#include "sessions/imap/commands.h"
#include "sessions/imap/sync.h"

enum { WORDS_MAX = 100 };

static const struct {
	str name;
	unsigned sets;
} extensions[] = {
	{ STR_INIT("CONDSTORE"), IMAP_ON_CONDSTORE },
	/* RFC 7162 §3.2.3: with QRESYNC comes CONDSTORE. */
	{ STR_INIT("QRESYNC"), IMAP_ON_QRESYNC | IMAP_ON_CONDSTORE },
	{ STR_INIT("UTF8=ACCEPT"), IMAP_ON_UTF8 },
	{ STR_INIT("IMAP4rev2"), IMAP_ON_REV2 },
};
enum { EXTENSIONS = sizeof(extensions) / sizeof(extensions[0]) };

static int enable_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	bool *asked = arena_array(cmd->arena, bool, EXTENSIONS);
	unsigned words = 0;

	cmd->args = asked;
	if (imap_take_sp(in, err) < 0)
		return -1;
	do {
		str word;
		if (words++ >= WORDS_MAX)
			return err_set(
			    err, ERR_INPUT, "ENABLE takes no more than %d words", WORDS_MAX);
		if (imap_take_atom(in, &word, err) < 0)
			return -1;
		for (size_t i = 0; i < EXTENSIONS; i++)
			asked[i] |= str_ieq(word, extensions[i].name);
	} while (imap_try_char(in, ' '));
	return 0;
}

/* RFC 9051 §6.3.1: only what this command has switched on is named. */
static int enable_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const bool *asked = cmd->args;
	unsigned before = c->enabled;

	(void)err;
	imap_write(c, STR("* ENABLED"));
	for (size_t i = 0; i < EXTENSIONS; i++) {
		if (!asked[i] || (before & extensions[i].sets) == extensions[i].sets)
			continue;
		imap_write(c, STR(" "));
		imap_write(c, extensions[i].name);
	}
	imap_write(c, STR("\r\n"));
	for (size_t i = 0; i < EXTENSIONS; i++) {
		if (!asked[i])
			continue;
		if (extensions[i].sets & IMAP_ON_CONDSTORE)
			imap_enable_condstore(c);
		c->enabled |= extensions[i].sets;
	}
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_enable = {
	.name = STR_INIT("ENABLE"),
	.capability = STR_INIT("ENABLE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = enable_parse,
	.run = enable_run,
};
