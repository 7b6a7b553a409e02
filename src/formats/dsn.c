#include "formats/dsn.h"

#include "formats/date.h"
#include "formats/downgrade.h"
#include "formats/header.h"
#include "formats/qp.h"
#include "formats/word.h"
#include "formats/xtext.h"

enum { FOLD_AT = 76, WORD_BYTES = 800, LINE_BYTES = 998 }; /* RFC 5322 §2.1.1 */

static const char *const actions[] = { "failed", "delayed", "delivered", "relayed", "expanded" };

const char *dsn_action_name(enum dsn_action action)
{
	return actions[action];
}

enum dsn_language dsn_language_find(str tag)
{
	str primary = str_sub(tag, 0, str_chr(tag, '-') == STR_NPOS ? tag.len : str_chr(tag, '-'));

	return str_ieq(primary, STR("es")) || str_ieq(primary, STR("spa")) ? DSN_SPANISH
	                                                                   : DSN_ENGLISH;
}

/* RFC 3461 §4.1, §5.2: without NOTIFY a failure is told, and a delay may be. */
bool dsn_is_wanted(str sender, unsigned notify, enum dsn_action action)
{
	if (sender.len == 0 || (notify & DSN_NOTIFY_NEVER))
		return false;
	switch (action) {
	case DSN_FAILED:
		return notify == DSN_NOTIFY_NONE || (notify & DSN_NOTIFY_FAILURE);
	case DSN_DELAYED:
		return notify == DSN_NOTIFY_NONE || (notify & DSN_NOTIFY_DELAY);
	default:
		return notify & DSN_NOTIFY_SUCCESS;
	}
}

/* ---- fields ---- */

/* One word of a value; without UTF-8, what is beyond ASCII becomes '?'. */
static void add_clean(struct buf *out, str text, bool utf8)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool is_continued = i > 0 && (c & 0xc0) == 0x80;
		if (c < 0x20 || c == 0x7f)
			buf_addc(out, '?');
		else if (c < 0x80 || utf8)
			buf_addc(out, (char)c);
		else if (!is_continued) /* one for each character */
			buf_addc(out, '?');
	}
}

/* As much of the text as there is room for, cut between characters. */
static str cut(str text, size_t max)
{
	if (text.len <= max)
		return text;
	while (max && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
		max--;
	return str_sub(text, 0, max);
}

/* "Name: " and the words of the value, folded where a line would pass 76 characters. RFC 5322 §2.2.3 */
static void add_field(struct buf *out, const char *name, const char *type, str value, bool utf8)
{
	size_t column = strlen(name) + 2;
	bool is_first = true;

	buf_addf(out, "%s:%s%s", name, *type ? " " : "", type);
	column += strlen(type);
	value = cut(value, DSN_DIAGNOSTIC_MAX);
	while (value.len) {
		size_t end = 0;
		while (end < value.len && !strchr(" \t\r\n", value.ptr[end]) && end < WORD_BYTES)
			end++;
		str word = cut(value, end ? end : 1);
		if (end == 0) { /* white space, NUL */
			value = str_skip(value, 1);
			continue;
		}
		bool folds = !is_first && column + 1 + word.len > FOLD_AT;
		buf_addz(out, folds ? "\r\n " : " ");
		add_clean(out, word, utf8);
		column = folds ? 1 + word.len : column + 1 + word.len;
		is_first = false;
		value = str_skip(value, word.len ? word.len : end);
	}
	buf_addz(out, "\r\n");
}

static void add_date(struct buf *out, const char *name, int64_t at, int zone_min)
{
	if (!at)
		return;
	buf_addf(out, "%s: ", name);
	date_print(out, at, zone_min);
	buf_addz(out, "\r\n");
}

/* RFC 3464 §2.3.2; RFC 6533 §3: "rfc822; address", or "utf-8; ..." for one beyond ASCII. */
static void add_address(struct buf *out, const char *name, str address, bool utf8)
{
	AUTO_BUF text = BUF_INIT(16 * DSN_VALUE_MAX);
	bool is_ascii = str_is_ascii(address);

	address = cut(address, DSN_VALUE_MAX);
	if (is_ascii || utf8 || !str_is_utf8(address))
		buf_add(&text, address);
	else
		xtext_utf8_encode(address, false, &text);
	add_field(out, name, is_ascii || !str_is_utf8(address) ? "rfc822;" : "utf-8;",
	    buf_str(&text), utf8);
}

/* ORCPT says in xtext what the field says plainly. RFC 3464 §2.3.1 */
static void add_original(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
	AUTO_BUF plain = BUF_INIT(DSN_VALUE_MAX);
	str address = cut(r->original, DSN_VALUE_MAX), type;

	if (take_until(&address, ';', 64, &type) < 0)
		return;
	address = str_skip(address, 1);
	bool is_utf8 = str_ieq(type, STR("utf-8"));
	if ((is_utf8 ? xtext_utf8_decode(address, true, &plain, NULL)
	             : xtext_decode(address, &plain, NULL)) == 0)
		add_address(out, "Original-Recipient", buf_str(&plain), utf8);
}

static struct enhanced_status status_of(const struct dsn_recipient *r)
{
	struct enhanced_status s = r->status;

	if (!s.class)
		s.class = r->action == DSN_FAILED ? 5 : r->action == DSN_DELAYED ? 4 : 2;
	return s;
}

static void add_recipient(const struct dsn *d, const struct dsn_recipient *r, struct buf *out)
{
	buf_addz(out, "\r\n");
	add_original(out, r, d->utf8);
	add_address(out, "Final-Recipient", r->address, d->utf8);
	buf_addf(out, "Action: %s\r\nStatus: ", actions[r->action]);
	enhanced_status_print(status_of(r), out);
	buf_addz(out, "\r\n");
	if (r->remote_mta.len)
		add_field(out, "Remote-MTA", "dns;", cut(r->remote_mta, DSN_VALUE_MAX), d->utf8);
	if (r->diagnostic.len)
		add_field(out, "Diagnostic-Code", r->is_local ? "x-buzon;" : "smtp;", r->diagnostic,
		    d->utf8);
	add_date(out, "Last-Attempt-Date", r->last_attempt_at, d->zone_min);
	if (r->action == DSN_DELAYED)
		add_date(out, "Will-Retry-Until", r->retry_until, d->zone_min);
}

static void add_envid(const struct dsn *d, struct buf *out)
{
	AUTO_BUF plain = BUF_INIT(DSN_VALUE_MAX);

	if (d->envid.len && xtext_decode(d->envid, &plain, NULL) == 0 && plain.len)
		add_field(out, "Original-Envelope-Id", "", buf_str(&plain), false);
}

static void write_status(const struct dsn *d, struct buf *out)
{
	add_envid(d, out);
	add_field(out, "Reporting-MTA", "dns;", cut(d->host, DSN_VALUE_MAX), false);
	add_date(out, "Arrival-Date", d->arrived_at, d->zone_min);
	for (size_t i = 0; i < d->count; i++)
		add_recipient(d, &d->recipients[i], out);
}

/* ---- the returned message ---- */

/* CRLF for every kind of line end; no line of it is longer than the transport takes. */
static void add_lines(struct buf *out, str text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool is_crlf = c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
		if (c == '\r' || c == '\n') {
			buf_addz(out, "\r\n");
			column = 0;
			i += is_crlf;
		} else if (c != '\0') {
			if (column == LINE_BYTES) {
				buf_addz(out, "\r\n ");
				column = 1;
			}
			buf_addc(out, c);
			column++;
		}
	}
	if (column)
		buf_addz(out, "\r\n");
}

/* The header without the empty line behind it, up to a whole field. */
static str original_header(const struct dsn *d)
{
	str block = header_block(d->original), rest = block;
	struct header_field f;
	size_t len = 0;

	while (header_next(&rest, &f) && block.len - rest.len <= DSN_HEADER_MAX)
		len = block.len - rest.len;
	return str_sub(block, 0, len);
}

static bool is_full(const struct dsn *d)
{
	return d->is_full_wanted && d->has_body && dsn_gravest(d) == DSN_FAILED &&
	       d->original.len <= DSN_FULL_MAX && str_chr(d->original, '\0') == STR_NPOS;
}

static bool needs_8bit(str text)
{
	return !str_is_ascii(text);
}

static void begin_part(const struct dsn *d, struct buf *out)
{
	buf_addf(out, "\r\n--" STR_FMT "\r\n", STR_ARG(d->boundary));
}

static void write_original(const struct dsn *d, struct buf *out, struct dsn_needs *needs)
{
	str header = original_header(d);
	bool is_global = needs_8bit(header);
	bool may_global = d->utf8 && str_is_utf8(header);
	/* A message with UTF-8 in its header cannot be inside one that has none: its header is told. */
	bool full = is_full(d) && (!is_global || may_global);
	const char *type = full ? is_global ? "message/global" : "message/rfc822"
	                   : is_global && may_global ? "message/global-headers"
	                                             : "text/rfc822-headers";
	AUTO_BUF plain = BUF_INIT(4 * DSN_HEADER_MAX);

	if (!full && is_global && !may_global) {
		downgrade_header(header, &plain);
		header = buf_str(&plain);
	}
	str what = full ? d->original : header;
	bool is_8bit = needs_8bit(what);
	begin_part(d, out);
	buf_addf(out, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", type,
	    is_8bit ? "8bit" : "7bit");
	add_lines(out, what);
	needs->is_8bit |= is_8bit;
	needs->utf8 |= is_global && may_global;
}

/* ---- the whole ---- */

static void write_header(const struct dsn *d, struct buf *out)
{
	struct header_field id;
	bool has_id = header_find(header_block(d->original), STR("Message-ID"), &id);

	buf_addz(out, "From: ");
	word_encode(str_c(dsn_from_name(d->language)), WORD_PHRASE, 6, out);
	buf_addz(out, " <MAILER-DAEMON@");
	add_clean(out, cut(d->host, DSN_VALUE_MAX), false);
	buf_addz(out, ">\r\nTo: <");
	add_clean(out, cut(d->to, DSN_VALUE_MAX), d->utf8);
	buf_addz(out, ">\r\nSubject: ");
	word_encode(str_c(dsn_subject(d)), WORD_TEXT, 9, out);
	buf_addz(out, "\r\n");
	add_date(out, "Date", d->now ? d->now : 1, d->zone_min);
	buf_addf(out, "Message-ID: <" STR_FMT ">\r\n", STR_ARG(d->message_id));
	/* So that mail readers show it beside the message it is about. */
	if (has_id && str_is_printable(str_trim(id.value)) && id.value.len < 900) {
		add_field(out, "In-Reply-To", "", str_trim(id.value), false);
		add_field(out, "References", "", str_trim(id.value), false);
	}
	buf_addf(out,
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; "
	    "report-type=delivery-status;\r\n boundary=\"" STR_FMT "\"\r\n",
	    STR_ARG(d->boundary));
}

static void write_text(const struct dsn *d, struct buf *out)
{
	AUTO_BUF text = BUF_INIT(out->max);

	dsn_write_text(d, &text);
	begin_part(d, out);
	buf_addf(out,
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Language: %s\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
	    d->language == DSN_SPANISH ? "es" : "en");
	qp_encode(buf_str(&text), QP_TEXT, out);
	if (!buf_ok(&text))
		out->failed = true;
}

void dsn_write(const struct dsn *d, struct buf *out, struct dsn_needs *out_needs)
{
	AUTO_BUF status = BUF_INIT(out->max);
	struct dsn_needs needs = { .utf8 = d->utf8 && !str_is_ascii(d->to) };

	write_header(d, out);
	buf_addz(out, "\r\n");
	write_text(d, out);
	write_status(d, &status);
	bool is_global = needs_8bit(buf_str(&status));
	begin_part(d, out);
	buf_addf(out,
	    "Content-Type: message/%sdelivery-status\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    is_global ? "global-" : "", is_global ? "8bit" : "7bit");
	buf_add(out, buf_str(&status));
	needs.utf8 |= is_global;
	write_original(d, out, &needs);
	buf_addf(out, "\r\n--" STR_FMT "--\r\n", STR_ARG(d->boundary));
	needs.is_8bit |= is_global;
	if (!buf_ok(&status))
		out->failed = true;
	*out_needs = needs;
}
