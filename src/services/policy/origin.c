#include "services/policy/origin.h"

enum { LANGUAGES = 2, REPLY_TEXT_MAX = 900, NAME_SHOWN = 80 };

/* Replies are ASCII for clients without SMTPUTF8 (RFC 6531 §3.7.4): the Spanish ones use words without accents.
 * {author}, {policy}, {spf}, {dkim} and {sender} stand for the facts. */
struct rule {
	const char *name;
	bool (*matches)(const struct judgement *j);
	size_t action; /* in struct config: enum config_action */
	const char *enhanced;
	const char *texts[LANGUAGES];
};

static bool has_several_from(const struct judgement *j)
{
	return j->author == AUTHOR_SEVERAL_FIELDS || j->author == AUTHOR_TOO_MANY;
}

static bool has_no_from(const struct judgement *j)
{
	return j->author == AUTHOR_MISSING;
}

static bool has_bad_from(const struct judgement *j)
{
	return j->author == AUTHOR_MALFORMED;
}

static bool is_to_be_rejected(const struct judgement *j)
{
	return j->dmarc == DMARC_FAIL && j->disposition == DMARC_POLICY_REJECT;
}

static bool is_to_be_quarantined(const struct judgement *j)
{
	return j->dmarc == DMARC_FAIL && j->disposition == DMARC_POLICY_QUARANTINE;
}

static bool is_undecided(const struct judgement *j)
{
	return j->dmarc == DMARC_TEMPERROR &&
	       (j->policy == DMARC_POLICY_REJECT || j->policy == DMARC_POLICY_QUARANTINE);
}

static bool has_wrong_sender(const struct judgement *j)
{
	return j->mail_from == SPF_FAIL && j->dmarc != DMARC_PASS;
}

static bool is_unknown(const struct judgement *j)
{
	return j->dmarc == DMARC_TEMPERROR;
}

#define ACTION(member) offsetof(struct config, authentication.member)
#define SIGN_EN \
	"the message says that it is from {author}, and {author} asks that mail be refused which " \
	"it " \
	"neither signed nor allowed (DMARC, RFC 9989; SPF: {spf}, DKIM: {dkim}).\nIf you send it " \
	"through a service or a list, have it sign with d={author} (DKIM), or add its servers to " \
	"the SPF record of {author} and use a sender address of {author}"
#define SIGN_ES \
	"el mensaje dice venir de {author}, y {author} pide rechazar lo que no haya firmado ni " \
	"permitido (DMARC, RFC 9989; SPF: {spf}, DKIM: {dkim}).\nSi lo manda por un servicio o " \
	"una " \
	"lista, haga que firme con d={author} (DKIM), o agregue sus servidores al registro SPF " \
	"de " \
	"{author} y use un remitente de {author}"

static const struct rule rules[] = {
	{ "several From fields", has_several_from, ACTION(from_several), "5.7.1",
	    { "the message has several From fields or authors of many domains, so that nobody can "
	      "tell who wrote it (RFC 5322, 3.6); send it with one From field",
	        "el mensaje tiene varios campos From o autores de muchos dominios, y no se sabe "
	        "quien lo firma (RFC 5322, 3.6); mande uno solo" } },
	{ "no From field", has_no_from, ACTION(from_missing), "5.7.1",
	    { "the message has no From field (RFC 5322, 3.6); add one with the address of "
	      "its author",
	        "el mensaje no tiene campo From (RFC 5322, 3.6); ponga uno con el remitente" } },
	{ "malformed From field", has_bad_from, ACTION(from_malformed), "5.7.1",
	    { "the From field of the message holds no address that everybody would read in the "
	      "same "
	      "way (RFC 5322, 3.4); write it as: Name <user@domain>",
	        "el campo From del mensaje no contiene un remitente que todos lean igual (RFC "
	        "5322, "
	        "3.4); use la forma: Nombre <usuario@dominio>" } },
	{ "DMARC reject", is_to_be_rejected, ACTION(dmarc_reject), "5.7.26", { SIGN_EN, SIGN_ES } },
	{ "DMARC quarantine", is_to_be_quarantined, ACTION(dmarc_quarantine), "5.7.26",
	    { SIGN_EN, SIGN_ES } },
	{ "DMARC undecided", is_undecided, ACTION(dmarc_undecided), "5.7.26",
	    { "the DNS does not say at the moment whether {author} signed or allowed this message "
	      "(SPF: {spf}, DKIM: {dkim}), and {author} asks for refusal when it did not; try "
	      "again "
	      "later, and look at the name servers of {author}",
	        "el DNS no dice por ahora si {author} ha firmado o permitido este mensaje (SPF: "
	        "{spf}, DKIM: {dkim}), y {author} pide rechazarlo si no; intente de nuevo "
	        "y revise los servidores de nombres de {author}" } },
	{ "SPF fail", has_wrong_sender, ACTION(spf_fail), "5.7.23",
	    { "the SPF record of {sender} does not allow your server to send its mail; add the "
	      "server to the record, or rewrite the sender when you forward",
	        "el registro SPF de {sender} no permite que su servidor mande su correo; agregue "
	        "el "
	        "servidor al registro, o cambie el remitente si lo reenvia" } },
	{ "DNS failure", is_unknown, ACTION(dns_failure), "4.4.3",
	    { "the DNS did not answer, so that nobody can tell what {author} asks for; try again "
	      "later",
	        "el DNS no responde, y no se sabe lo que pide {author}; intente de nuevo" } },
};

/* ---- words ---------------------------------------------------------------------------------------- */

static const char *best_signature(const struct judgement *j)
{
	const char *best = j->signature_count ? dkim_status_name(j->signatures[0].status) : "none";

	for (size_t i = 0; i < j->signature_count; i++) {
		if (j->signatures[i].status == DKIM_PASS)
			return j->signatures[i].domain.len ? "pass for another domain" : "pass";
	}
	return best;
}

static const char *spf_word(const struct judgement *j)
{
	enum spf_status status = j->mail_from_domain.len ? j->mail_from : j->helo;

	return status == SPF_PASS ? "pass for another domain" : spf_status_name(status);
}

static str fact(const struct judgement *j, str name)
{
	str author = j->author_domain.len ? j->author_domain : STR("its domain");
	str sender = j->mail_from_domain.len ? j->mail_from_domain : j->helo_domain;

	if (str_eq(name, STR("author")))
		return str_sub(author, 0, NAME_SHOWN);
	if (str_eq(name, STR("sender")))
		return str_sub(sender, 0, NAME_SHOWN);
	return str_c(str_eq(name, STR("spf")) ? spf_word(j) : best_signature(j));
}

static void add_printable(struct buf *out, str text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_addc(out, text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?');
}

static str reply_text(const struct policy_facts *f, const struct rule *r, struct arena *a)
{
	bool is_spanish = str_eq(f->config->authentication.language, STR("es"));
	str text = str_c(r->texts[is_spanish]), plain, name;
	AUTO_BUF out = BUF_INIT(REPLY_TEXT_MAX);

	while (str_split(&text, '{', &plain)) {
		buf_add(&out, plain);
		if (take_until(&text, '}', 16, &name) < 0)
			continue;
		text = str_skip(text, 1);
		add_printable(&out, fact(f->judgement, name));
	}
	if (f->config->authentication.help.len) {
		buf_addz(&out, is_spanish ? "; vea " : "; see ");
		add_printable(&out, f->config->authentication.help);
	}
	return arena_str(a, buf_str(&out));
}

/* ---- decide --------------------------------------------------------------------------------------- */

/* A refusal for now has class 4, one for good class 5: RFC 3463 §2. */
static const char *enhanced_of(const struct rule *r, bool is_final, struct arena *a)
{
	char *enhanced = arena_cstr(a, str_c(r->enhanced));

	enhanced[0] = is_final ? '5' : '4';
	return enhanced;
}

static void apply(const struct policy_facts *f, const struct rule *r, enum config_action action,
    struct arena *a, struct policy_verdict *out)
{
	bool is_final = action == ACTION_REJECT;

	*out = (struct policy_verdict){ .action = POLICY_JUNK, .rule = r->name };
	if (action == ACTION_JUNK)
		return;
	out->action = is_final ? POLICY_REJECT : POLICY_DEFER;
	out->code = is_final ? 550 : 451;
	out->enhanced = enhanced_of(r, is_final, a);
	out->text = reply_text(f, r, a);
}

void origin_decide(const struct policy_facts *f, struct arena *a, struct policy_verdict *out)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		enum config_action action;
		memcpy(&action, (const char *)f->config + rules[i].action, sizeof(action));
		if (action == ACTION_ACCEPT || !rules[i].matches(f->judgement))
			continue;
		apply(f, &rules[i], action, a, out);
		return;
	}
}
