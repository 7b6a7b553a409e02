#include "services/content/submission.h"

#include "base/buf.h"
#include "formats/date.h"

enum { PREFIX_MAX_BYTES = 2048 };

/* ---- who it is from ---- */

/* Flags that make it unclear whom a message is from, or to whom it would show its Bcc. A reader of
 * the message could see another sender than we do, so the client has to write it more clearly. */
static const struct {
	uint32_t flag;
	const char *why;
} refusals[] = {
	{ INDEX_MANY_FROM, "the message has more than one From field" },
	{ INDEX_BAD_FROM,
	    "the From or Sender field is not a correct list of addresses; write them as Name "
	    "<user@domain>, and quote names that hold commas or other special characters" },
	{ INDEX_MANY_BCC, "the message has Bcc fields in too many places" },
};

static bool may_send_as(const struct submission_facts *f, str address)
{
	return f->may_send_as(f->may_send_as_arg, address);
}

static int refuse_address(const char *field, str address, struct err *err)
{
	return err_set(err, ERR_DENIED,
	    "the %s address '" STR_FMT
	    "' is not one of yours; ask the administrator for an alias to "
	    "send with it",
	    field, STR_ARG(str_sub(address, 0, 100)));
}

/* Sender, when there is one, must be the account's. Without it every From address must be, with it
 * at least one: others may have written it together with this account (RFC 5322 §3.6.2). */
static int check_senders(
    const struct message_index *index, const struct submission_facts *f, struct err *err)
{
	str rest = index->from, address, foreign = STR_NONE;
	bool any_own = false;

	while (str_split(&rest, '\n', &address)) {
		if (may_send_as(f, address))
			any_own = true;
		else if (foreign.len == 0)
			foreign = address;
	}
	if (foreign.len > 0 && (!any_own || index->sender.len == 0))
		return refuse_address("From", foreign, err);
	rest = index->sender;
	while (str_split(&rest, '\n', &address)) {
		if (!str_empty(address) && !may_send_as(f, address))
			return refuse_address("Sender", address, err);
	}
	return 0;
}

static int check_flags(const struct message_index *index, struct err *err)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (index->flags & refusals[i].flag)
			return err_set(err, ERR_INPUT, "%s", refusals[i].why);
	}
	if (index->from.len == 0)
		return err_set(err, ERR_INPUT, "the message has no From field with an address");
	return 0;
}

/* ---- what is added ---- */

/* RFC 6409 §8.2 and §8.3. */
static str missing_fields(
    const struct message_index *index, const struct submission_facts *f, struct arena *a)
{
	AUTO_BUF prefix = BUF_INIT(PREFIX_MAX_BYTES);

	if (!(index->flags & INDEX_HAS_DATE)) {
		buf_add(&prefix, STR("Date: "));
		date_print(&prefix, f->now, 0);
		buf_add(&prefix, STR("\r\n"));
	}
	if (!(index->flags & INDEX_HAS_MESSAGE_ID))
		buf_addf(&prefix, "Message-ID: <" STR_FMT ".%lld@" STR_FMT ">\r\n", STR_ARG(f->id),
		    (long long)f->now, STR_ARG(f->hostname));
	return prefix.len > 0 ? arena_str(a, buf_str(&prefix)) : STR_NONE;
}

int submission_check(const struct message_index *index, const struct submission_facts *f,
    struct arena *a, struct submission_changes *out, struct err *err)
{
	if (check_flags(index, err) < 0 || check_senders(index, f, err) < 0)
		return -1;
	*out = (struct submission_changes){ .prefix = missing_fields(index, f, a),
		.cut_count = index->bcc_count };
	memcpy(out->cuts, index->bcc, sizeof(out->cuts));
	return 0;
}
