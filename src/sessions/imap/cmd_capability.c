/* cmd_capability.c: CAPABILITY, RFC 9051 §6.1.1; the list is made from the table of commands. */
#include "sessions/imap/commands.h"
#include "sessions/imap/server.h"

enum { CAPABILITIES_MAX = 2000 };

/* What belongs to no single command. */
static const char general[] = "IMAP4rev1 IMAP4rev2 "
                              "LITERAL+ "    /* RFC 7888; LITERAL- must not stand beside it (§5) */
                              "APPENDLIMIT " /* RFC 7889 §2: STATUS tells the number */
                              "UTF8=ACCEPT"; /* RFC 6855 */

static bool has_word(str words, str word)
{
	str one;

	while (str_split(&words, ' ', &one))
		if (str_ieq(one, word))
			return true;
	return false;
}

static void add_words(struct buf *out, str words)
{
	str one;

	while (str_split(&words, ' ', &one)) {
		if (str_empty(one) || has_word(buf_str(out), one))
			continue;
		if (out->len)
			buf_addc(out, ' ');
		buf_add(out, one);
	}
}

void imap_capabilities(struct buf *out)
{
	AUTO_BUF list = BUF_INIT(CAPABILITIES_MAX);

	add_words(&list, str_c(general));
	for (size_t i = 0; imap_commands[i]; i++)
		add_words(&list, imap_commands[i]->capability);
	buf_add(out, buf_str(&list));
}

static int capability_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	AUTO_BUF list = BUF_INIT(CAPABILITIES_MAX);

	(void)cmd;
	(void)err;
	imap_capabilities(&list);
	imap_write(c, STR("* CAPABILITY "));
	imap_write(c, buf_str(&list));
	imap_write(c, STR("\r\n"));
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_capability = {
	.name = STR_INIT("CAPABILITY"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.run = capability_run,
};
