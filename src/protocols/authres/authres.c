#include "protocols/authres/authres.h"

#include "formats/auth_results.h"

/* RFC 6008 §3: this many characters of b=, more when two signatures begin alike. */
enum { SIGNATURE_MIN = 8, ARENA_MAX = 4 << 20 };

static str words(const char *text)
{
	return str_c(text);
}

static void add_spf(struct auth_results *out, struct arena *a, const struct authres *r,
    const struct spf_result *spf)
{
	struct auth_method *m;

	if (!spf ||
	    !(m = auth_results_add(out, a, STR("spf"), words(spf_status_name(spf->status)))))
		return;
	m->reason = spf->reason;
	if (spf->is_helo)
		auth_method_add(m, "smtp", "helo", r->helo);
	else
		auth_method_add(m, "smtp", "mailfrom", r->mail_from);
}

/* RFC 8601 §2.7.3 */
static void add_iprev(struct auth_results *out, struct arena *a, const struct authres *r)
{
	AUTO_BUF ip = BUF_INIT(IP_TEXT_MAX);
	struct auth_method *m =
	    auth_results_add(out, a, STR("iprev"), words(iprev_status_name(r->iprev->status)));

	if (!m)
		return;
	ip_print(&r->ip, &ip);
	m->comment = r->iprev->name;
	if (r->iprev->status != IPREV_PASS)
		m->reason = r->iprev->reason;
	auth_method_add(m, "policy", "iprev", arena_str(a, buf_str(&ip)));
}

static size_t signature_length(const struct dkim_results *dkim, size_t which)
{
	str own = dkim->items[which].signature;
	size_t len = SIGNATURE_MIN;

	for (size_t i = 0; i < dkim->count; i++) {
		while (i != which && len < own.len &&
		       str_starts(dkim->items[i].signature, str_sub(own, 0, len)))
			len++;
	}
	return len;
}

static void add_signature(
    struct auth_results *out, struct arena *a, const struct dkim_results *dkim, size_t which)
{
	const struct dkim_result *r = &dkim->items[which];
	struct auth_method *m =
	    auth_results_add(out, a, STR("dkim"), words(dkim_status_name(r->status)));

	if (!m)
		return;
	if (r->key_bits)
		m->comment = arena_strf(
		    a, "%u-bit key%s", r->key_bits, r->is_testing ? ", the domain only tests" : "");
	if (r->status != DKIM_PASS)
		m->reason = words(dkim_reason_text(r->reason));
	auth_method_add(m, "header", "d", r->domain);
	auth_method_add(m, "header", "i", r->identity);
	auth_method_add(m, "header", "s", r->selector);
	if (r->algorithm != DKIM_ALGORITHM_UNKNOWN)
		auth_method_add(m, "header", "a", words(dkim_algorithm_name(r->algorithm)));
	auth_method_add(m, "header", "b", str_sub(r->signature, 0, signature_length(dkim, which)));
}

static void add_dmarc(struct auth_results *out, struct arena *a, const struct dmarc_result *r)
{
	struct auth_method *m =
	    auth_results_add(out, a, STR("dmarc"), words(dmarc_status_name(r->status)));

	if (!m)
		return;
	if (r->record)
		m->comment = arena_strf(a, STR_FMT "=%s, disposition %s", STR_ARG(r->policy_tag),
		    dmarc_policy_name(r->policy), dmarc_policy_name(r->disposition));
	if (r->status != DMARC_PASS)
		m->reason = r->reason;
	auth_method_add(m, "header", "from", r->author_domain);
	if (r->record)
		auth_method_add(m, "policy", "dmarc", words(dmarc_policy_name(r->policy)));
}

void authres_write(const struct authres *r, struct buf *out)
{
	AUTO_ARENA a = arena_new(NULL, "authres", ARENA_MAX);
	struct auth_results results = { .server = r->server };

	if (r->iprev)
		add_iprev(&results, a, r);
	add_spf(&results, a, r, r->spf_helo);
	add_spf(&results, a, r, r->spf_mail_from);
	for (size_t i = 0; r->dkim && i < r->dkim->count; i++)
		add_signature(&results, a, r->dkim, i);
	if (r->dkim && r->dkim->count == 0)
		auth_results_add(&results, a, STR("dkim"), STR("none"));
	if (r->dmarc)
		add_dmarc(&results, a, r->dmarc);
	auth_results_write(&results, out);
}

/* --- Received-SPF: RFC 7208 §9.1 --- */

static void add_pair(struct buf *out, const char *key, str value)
{
	bool is_plain = value.len > 0;

	for (size_t i = 0; i < value.len; i++)
		is_plain = is_plain && (ascii_is_alnum(value.ptr[i]) ||
		                           (value.ptr[i] && strchr("-._", value.ptr[i])));
	buf_addf(out, "\r\n\t%s=", key);
	if (!is_plain)
		buf_addc(out, '"');
	for (size_t i = 0; i < value.len && i < AUTH_VALUE_MAX; i++) {
		char c = value.ptr[i];
		if (c == '"' || c == '\\')
			buf_addc(out, '\\');
		buf_addc(out, (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f ? '?' : c);
	}
	buf_addz(out, is_plain ? ";" : "\";");
}

void authres_write_received_spf(
    const struct authres *r, const struct spf_result *result, struct buf *out)
{
	AUTO_BUF ip = BUF_INIT(IP_TEXT_MAX);

	ip_print(&r->ip, &ip);
	buf_addf(out, "Received-SPF: %s", spf_status_name(result->status));
	add_pair(out, "receiver", r->server);
	add_pair(out, "client-ip", buf_str(&ip));
	add_pair(out, "envelope-from", r->mail_from);
	add_pair(out, "helo", r->helo);
	add_pair(out, "identity", result->is_helo ? STR("helo") : STR("mailfrom"));
	if (result->term.len)
		add_pair(out, "mechanism", result->term);
	if (result->status == SPF_TEMPERROR || result->status == SPF_PERMERROR)
		add_pair(out, "problem", result->reason);
	buf_addz(out, "\r\n");
}
