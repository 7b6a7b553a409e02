/* cmd_status.c: STATUS, RFC 9051 §6.3.11, with the items of RFC 7162 §3.1.2, RFC 7889 §4, RFC 9208
 * §4.1.4 and RECENT of RFC 3501. */
#include "sessions/imap/commands.h"
#include "sessions/imap/status.h"
#include "sessions/imap/sync.h"

static uint64_t messages(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->message_count;
}

static uint64_t recent(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->recent_count;
}

static uint64_t uidnext(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->uidnext;
}

static uint64_t uidvalidity(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->uidvalidity;
}

static uint64_t unseen(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->unseen_count;
}

static uint64_t deleted(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->deleted_count;
}

/* In units of 1024 bytes, like the quota: RFC 9208 §5.1. */
static uint64_t deleted_storage(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->deleted_bytes / 1024;
}

static uint64_t size(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->size_bytes;
}

static uint64_t highestmodseq(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)c;
	return b->highest_modseq;
}

static uint64_t appendlimit(const struct imap_conn *c, const struct store_mailbox *b)
{
	(void)b;
	return c->config->limits.append_bytes;
}

static const struct {
	str name;
	uint64_t (*value)(const struct imap_conn *c, const struct store_mailbox *b);
} items[] = {
	{ STR_INIT("MESSAGES"), messages },
	{ STR_INIT("RECENT"), recent },
	{ STR_INIT("UIDNEXT"), uidnext },
	{ STR_INIT("UIDVALIDITY"), uidvalidity },
	{ STR_INIT("UNSEEN"), unseen },
	{ STR_INIT("DELETED"), deleted },
	{ STR_INIT("DELETED-STORAGE"), deleted_storage },
	{ STR_INIT("SIZE"), size },
	{ STR_INIT("HIGHESTMODSEQ"), highestmodseq },
	{ STR_INIT("APPENDLIMIT"), appendlimit },
};
enum { ITEMS = sizeof(items) / sizeof(items[0]), HIGHESTMODSEQ_BIT = 1 << 8 };

static int take_item(struct imap_lexer *in, unsigned *bits, struct err *err)
{
	str word;

	if (imap_take_atom(in, &word, err) < 0)
		return -1;
	for (unsigned i = 0; i < ITEMS; i++) {
		if (str_ieq(word, items[i].name)) {
			*bits |= 1U << i;
			return 0;
		}
	}
	return err_set(
	    err, ERR_INPUT, "STATUS knows no item '" STR_FMT "'", STR_ARG(str_sub(word, 0, 40)));
}

int imap_take_status_items(struct imap_lexer *in, unsigned *out_items, struct err *err)
{
	unsigned bits = 0;

	if (imap_take_char(in, '(', err) < 0)
		return -1;
	do {
		if (take_item(in, &bits, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	if (imap_take_char(in, ')', err) < 0)
		return -1;
	*out_items = bits;
	return 0;
}

void imap_status_begin(struct imap_conn *c, unsigned bits)
{
	if (bits & HIGHESTMODSEQ_BIT)
		imap_enable_condstore(c);
}

void imap_write_status(struct imap_conn *c, const struct store_mailbox *box, unsigned bits)
{
	const char *gap = "";

	imap_write(c, STR("* STATUS "));
	imap_write_mailbox(c, box->name);
	imap_write(c, STR(" ("));
	for (unsigned i = 0; i < ITEMS; i++) {
		if (!(bits & (1U << i)))
			continue;
		imap_write(c, str_c(gap));
		imap_write(c, items[i].name);
		imap_write(c, STR(" "));
		imap_write_u(c, items[i].value(c, box));
		gap = " ";
	}
	imap_write(c, STR(")\r\n"));
}

struct status {
	str mailbox;
	unsigned items;
};

static int status_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct status *s = arena_one(cmd->arena, struct status);

	cmd->args = s;
	if (imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &s->mailbox, err) < 0 ||
	    imap_take_sp(in, err) < 0)
		return -1;
	return imap_take_status_items(in, &s->items, err);
}

static int status_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct status *s = cmd->args;
	struct store_mailbox box;

	if (imap_find_mailbox(cmd, c, s->mailbox, &box, err) < 0)
		return -1;
	if (!box.selectable)
		return imap_refuse(
		    cmd, err, STR("NONEXISTENT"), "this name has no mailbox, only others below it");
	imap_status_begin(c, s->items);
	imap_write_status(c, &box, s->items);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_status = {
	.name = STR_INIT("STATUS"),
	.capability = STR_INIT("STATUS=SIZE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = status_parse,
	.run = status_run,
};
