/* The tables of bounce_rules.c, indexed by the first word of each rule, and the order in which they are asked. */
#include "formats/bounce_reason.h"

#include "base/num.h"
#include "formats/bounce_rules.h"

enum { BUCKETS = 1024, NO_ENTRY = 0xffff };

struct entry {
	const struct bounce_rule *rule;
	str words;
	enum bounce_certainty tier;
	enum bounce_operator sign; /* instead of a rule: these words name an operator */
	uint8_t class;             /* 0: any */
	uint16_t subject, detail_low, detail_high;
	uint16_t next; /* of the same bucket, or with a status alone */
};

struct bounce_classifier {
	struct entry *entries;
	size_t count, cap;
	uint16_t buckets[BUCKETS];
	uint16_t by_status; /* rules without words */
};

/* ---- what reasons mean ---- */

/* clang-format off */
static const struct {
	const char *name;
	enum bounce_blame blame;
	enum bounce_todo todo;
	unsigned suppress_after;
	const char *check;
} reasons[BOUNCE_REASONS] = {
	[BOUNCE_UNKNOWN]          = { "unknown", BLAME_NONE, TODO_ASK, 0, "" },
	[BOUNCE_DELIVERED]        = { "delivered", BLAME_NONE, TODO_NOTHING, 0, "" },
	[BOUNCE_USER_UNKNOWN]     = { "user_unknown", BLAME_RECIPIENT, TODO_SUPPRESS, 1, "verify" },
	[BOUNCE_MAILBOX_DISABLED] = { "mailbox_disabled", BLAME_RECIPIENT, TODO_SUPPRESS, 2, "verify" },
	[BOUNCE_MAILBOX_FULL]     = { "mailbox_full", BLAME_RECIPIENT, TODO_RETRY, 3, "" },
	[BOUNCE_MOVED]            = { "moved", BLAME_RECIPIENT, TODO_SUPPRESS, 1, "" },
	[BOUNCE_DOMAIN_UNKNOWN]   = { "domain_unknown", BLAME_DOMAIN, TODO_SUPPRESS, 1, "dns.nx" },
	[BOUNCE_NULL_MX]          = { "null_mx", BLAME_DOMAIN, TODO_SUPPRESS, 1, "mx.null" },
	[BOUNCE_HOST_UNREACHABLE] = { "host_unreachable", BLAME_NETWORK, TODO_RETRY, 0, "mx.unreachable" },
	[BOUNCE_EXPIRED]          = { "expired", BLAME_NETWORK, TODO_RETRY, 0, "mx.unreachable" },
	[BOUNCE_GREYLISTED]       = { "greylisted", BLAME_NONE, TODO_RETRY, 0, "" },
	[BOUNCE_RATE_LIMITED]     = { "rate_limited", BLAME_SENDER, TODO_SLOW_DOWN, 0, "rate.too_fast" },
	[BOUNCE_IP_REPUTATION]    = { "ip_reputation", BLAME_SENDER, TODO_REPAIR, 0, "rbl.ip" },
	[BOUNCE_DNSBL]            = { "dnsbl", BLAME_SENDER, TODO_REPAIR, 0, "rbl.ip" },
	[BOUNCE_PTR_HELO]         = { "ptr_helo", BLAME_SENDER, TODO_REPAIR, 0, "rdns.ptr" },
	[BOUNCE_AUTH_SPF]         = { "auth_spf", BLAME_SENDER, TODO_REPAIR, 0, "spf.not_authorised" },
	[BOUNCE_AUTH_DKIM]        = { "auth_dkim", BLAME_SENDER, TODO_REPAIR, 0, "dkim.sig_fail" },
	[BOUNCE_AUTH_DMARC]       = { "auth_dmarc", BLAME_SENDER, TODO_REPAIR, 0, "dmarc.alignment_spf" },
	[BOUNCE_AUTH_MISSING]     = { "auth_missing", BLAME_SENDER, TODO_REPAIR, 0, "bulk.requirements" },
	[BOUNCE_SENDER_REFUSED]   = { "sender_refused", BLAME_SENDER, TODO_REPAIR, 0, "dns.nx" },
	[BOUNCE_TLS_REQUIRED]     = { "tls_required", BLAME_SENDER, TODO_REPAIR, 0, "tls.starttls_missing" },
	[BOUNCE_TLS_FAILED]       = { "tls_failed", BLAME_DOMAIN, TODO_RETRY, 0, "tls.cert_chain" },
	[BOUNCE_RELAY_DENIED]     = { "relay_denied", BLAME_DOMAIN, TODO_ASK, 0, "mx.not_handled" },
	[BOUNCE_AUTH_REQUIRED]    = { "auth_required", BLAME_SENDER, TODO_REPAIR, 0, "auth.not_attempted" },
	[BOUNCE_SPAM_CONTENT]     = { "spam_content", BLAME_SENDER, TODO_REPAIR, 0, "spam.explain" },
	[BOUNCE_VIRUS]            = { "virus", BLAME_SENDER, TODO_REPAIR, 0, "body.bad_attachment" },
	[BOUNCE_BAD_ATTACHMENT]   = { "bad_attachment", BLAME_SENDER, TODO_REPAIR, 0, "body.bad_attachment" },
	[BOUNCE_POLICY_LOCAL]     = { "policy_local", BLAME_DOMAIN, TODO_ASK, 0, "" },
	[BOUNCE_TOO_BIG]          = { "too_big", BLAME_SENDER, TODO_REPAIR, 0, "body.big" },
	[BOUNCE_MALFORMED]        = { "malformed", BLAME_SENDER, TODO_REPAIR, 0, "hdr.missing" },
	[BOUNCE_LOOP]             = { "loop", BLAME_DOMAIN, TODO_ASK, 0, "" },
	[BOUNCE_RECEIVER_FAULT]   = { "receiver_fault", BLAME_DOMAIN, TODO_RETRY, 0, "" },
};
/* clang-format on */

static const char *const blame_names[BLAME_COUNT] = { "none", "recipient", "domain", "sender",
	"network" };
static const char *const todo_names[TODO_COUNT] = { "nothing", "retry", "slow_down", "suppress",
	"repair", "ask" };
static const char *const operator_names[OPERATOR_COUNT] = { "", "gmail", "microsoft", "yahoo",
	"apple", "amazon", "proofpoint", "mimecast", "barracuda", "cisco", "broadcom", "sophos",
	"cloudmark", "gmx", "telekom", "orange", "free", "mailru", "yandex", "tencent", "netease",
	"comcast", "zoho", "exchange" };

const char *bounce_reason_name(enum bounce_reason reason)
{
	return reasons[reason].name;
}

const char *bounce_blame_name(enum bounce_blame blame)
{
	return blame_names[blame];
}

const char *bounce_todo_name(enum bounce_todo todo)
{
	return todo_names[todo];
}

const char *bounce_operator_name(enum bounce_operator op)
{
	return operator_names[op];
}

/* ---- the text as words ---- */

struct words {
	char text[BOUNCE_MATCH_MAX + 1]; /* single spaces between */
	uint16_t at[BOUNCE_MATCH_MAX / 2 + 1];
	size_t len, count;
};

static bool is_letter(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || c == '_';
}

/* The length of what is no word of a sentence at the front: an address, a code, a status. */
static size_t skip_at(str s)
{
	size_t len = 0, dots = 0;
	bool has_at = false, is_url = false, is_number = true;

	while (len < s.len && len < 320 && !strchr(" \t\r\n<>()[]\"", s.ptr[len])) {
		char c = s.ptr[len++];
		has_at = has_at || c == '@';
		is_url = is_url || (c == '/' && len < s.len && s.ptr[len] == '/');
		dots += c == '.';
		is_number = is_number && (ascii_is_digit(c) || c == '.');
	}
	if (has_at && !is_url)
		return len;
	if (is_number && dots == 2)
		return len;
	if (s.len > 3 && s.ptr[0] >= '2' && s.ptr[0] <= '5' && ascii_is_digit(s.ptr[1]) &&
	    ascii_is_digit(s.ptr[2]) && (s.ptr[3] == '-' || s.ptr[3] == ' '))
		return 4;
	return 0;
}

static void split_words(str text, struct words *w)
{
	bool inside = false, fresh = true; /* fresh: behind white space or a bracket */

	text = str_sub(text, 0, BOUNCE_MATCH_MAX);
	w->len = w->count = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool apostrophe =
		    c == '\'' && inside && i + 1 < text.len && ascii_is_alpha(text.ptr[i + 1]);
		if (fresh && is_letter(c)) {
			size_t skipped = skip_at(str_skip(text, i));
			if (skipped) {
				i += skipped - 1;
				continue;
			}
		}
		fresh = strchr(" \t\r\n<>()[]\"'-", c) != NULL && !apostrophe;
		if (!is_letter(c) && !apostrophe) {
			inside = false;
			continue;
		}
		if (!inside) {
			if (w->len)
				w->text[w->len++] = ' ';
			w->at[w->count++] = (uint16_t)w->len;
		}
		inside = true;
		w->text[w->len++] = ascii_lower(c);
	}
}

/* ---- matching ---- */

/* Words at a place in the text, ending where a word ends; the length, or 0. */
static size_t match_at(const struct words *w, size_t at, str words)
{
	if (w->len - at < words.len || memcmp(w->text + at, words.ptr, words.len) != 0)
		return 0;
	return at + words.len == w->len || w->text[at + words.len] == ' ' ? words.len : 0;
}

/* All of a rule's words from the i-th word on; each gap takes the nearest place. */
static bool matches(const struct words *w, size_t i, str words)
{
	for (;;) {
		size_t gap = str_find(words, STR(" * "));
		str piece = gap == STR_NPOS ? words : str_sub(words, 0, gap);
		size_t len = match_at(w, w->at[i], piece);
		if (!len)
			return false;
		if (gap == STR_NPOS)
			return true;
		words = str_skip(words, gap + 3);
		gap = str_find(words, STR(" * "));
		piece = gap == STR_NPOS ? words : str_sub(words, 0, gap);
		size_t end = w->at[i] + len, last = i + BOUNCE_GAP_MAX + 8;
		for (i++;
		     i < w->count && i < last && (w->at[i] < end || !match_at(w, w->at[i], piece));
		     i++)
			;
		if (i == w->count || i == last)
			return false;
	}
}

static size_t bucket_of(const char *text, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len && text[i] != ' '; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash % BUCKETS;
}

struct best {
	const struct entry *entry;
	size_t weight;
};

static bool status_fits(const struct entry *e, struct enhanced_status s)
{
	if (!e->rule->status)
		return true;
	return s.class && (!e->class || e->class == s.class) && e->subject == s.subject &&
	       e->detail_low <= s.detail && s.detail <= e->detail_high;
}

static void consider(
    struct best *best, const struct entry *e, struct enhanced_status s, enum bounce_operator op)
{
	/* That time ran out is what became of another reason; a virus is never the lesser one. */
	size_t bonus = e->rule->reason == BOUNCE_EXPIRED ? 0
	               : e->rule->reason == BOUNCE_VIRUS ? 700
	                                                 : 500;
	size_t weight = (size_t)e->tier * 1000 + bonus + e->words.len + (e->rule->status ? 1 : 0);

	if (e->rule->operator!= OPERATOR_NONE && e->rule->operator!= op)
		return;
	if (weight > best->weight && status_fits(e, s))
		*best = (struct best){ e, weight };
}

/* ---- who speaks ---- */

static enum bounce_operator operator_of(
    const struct bounce_classifier *c, const struct words *w, str host)
{
	if (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	for (size_t i = 0; i < bounce_operator_sign_count && host.len; i++) {
		const struct bounce_operator_sign *s = &bounce_operator_signs[i];
		if (s->host.len && str_iends(host, s->host))
			return s->operator;
	}
	for (size_t i = 0; i < w->count; i++) {
		const char *at = w->text + w->at[i];
		for (uint16_t e = c->buckets[bucket_of(at, w->len - w->at[i])]; e != NO_ENTRY;
		     e = c->entries[e].next)
			if (c->entries[e].sign && matches(w, i, c->entries[e].words))
				return c->entries[e].sign;
	}
	return OPERATOR_NONE;
}

/* ---- codes ---- */

static enum bounce_reason reason_of_code(uint16_t code, struct enhanced_status s)
{
	static const enum bounce_reason subjects[] = { [1] = BOUNCE_USER_UNKNOWN,
		[3] = BOUNCE_RECEIVER_FAULT,
		[4] = BOUNCE_HOST_UNREACHABLE,
		[6] = BOUNCE_MALFORMED,
		[7] = BOUNCE_POLICY_LOCAL };

	if (s.class && s.subject < sizeof(subjects) / sizeof(subjects[0]) && subjects[s.subject])
		return subjects[s.subject];
	for (size_t i = 0; i < bounce_code_rule_count; i++)
		if (bounce_code_rules[i].code == code)
			return bounce_code_rules[i].reason;
	return BOUNCE_UNKNOWN;
}

static enum bounce_todo todo_of(enum bounce_reason reason, bool permanent)
{
	enum bounce_todo todo = reasons[reason].todo;

	if (!permanent && (todo == TODO_SUPPRESS || todo == TODO_ASK))
		return TODO_RETRY;
	if (permanent && reason == BOUNCE_RECEIVER_FAULT)
		return TODO_ASK;
	return todo;
}

static struct bounce_verdict verdict(
    enum bounce_reason reason, enum bounce_certainty certainty, const struct bounce_answer *a)
{
	unsigned class = a->code ? a->code / 100u : a->status.class;

	return (struct bounce_verdict){ .reason = reason,
		.blame = reasons[reason].blame,
		.todo = todo_of(reason, class != 4),
		.is_permanent = class != 4 && reason != BOUNCE_DELIVERED,
		.suppress_after = class == 4 && reason != BOUNCE_MAILBOX_FULL
		                      ? 0
		                      : reasons[reason].suppress_after,
		.certainty = certainty,
		.rule = "",
		.check = reasons[reason].check };
}

struct bounce_verdict bounce_classify(
    const struct bounce_classifier *c, const struct bounce_answer *answer)
{
	struct best best = { 0 };
	struct words w;

	if (answer->code / 100 == 2 || (!answer->code && answer->status.class == 2))
		return verdict(BOUNCE_DELIVERED, CERTAIN_CODE, answer);
	split_words(answer->text, &w);
	enum bounce_operator op = operator_of(c, &w, answer->host);
	for (size_t i = 0; i < w.count; i++) {
		const char *at = w.text + w.at[i];
		for (uint16_t e = c->buckets[bucket_of(at, w.len - w.at[i])]; e != NO_ENTRY;
		     e = c->entries[e].next)
			if (c->entries[e].rule && matches(&w, i, c->entries[e].words))
				consider(&best, &c->entries[e], answer->status, op);
	}
	for (uint16_t e = c->by_status; e != NO_ENTRY; e = c->entries[e].next)
		consider(&best, &c->entries[e], answer->status, op);

	enum bounce_reason reason = best.entry ? best.entry->rule->reason : BOUNCE_UNKNOWN;
	struct bounce_verdict v =
	    verdict(reason, best.entry ? best.entry->tier : CERTAIN_NOTHING, answer);
	if (best.entry)
		v.rule =
		    best.entry->rule->words ? best.entry->rule->words : best.entry->rule->status;
	else if ((reason = reason_of_code(answer->code, answer->status)) != BOUNCE_UNKNOWN)
		v = verdict(reason, CERTAIN_CODE, answer);
	v.operator= op;
	return v;
}

struct bounce_verdict bounce_judge(
    const struct bounce_classifier *c, const struct bounce *b, const struct bounce_recipient *to)
{
	struct bounce_answer answer = { to->code, to->status, to->diagnostic, to->remote_mta };
	struct bounce_verdict v = bounce_classify(c, &answer);

	if (to->action == DSN_DELIVERED || to->action == DSN_RELAYED || to->action == DSN_EXPANDED)
		return verdict(BOUNCE_DELIVERED, CERTAIN_CODE, &answer);
	if (b->count != 1)
		answer.text = STR_NONE; /* the text speaks of several */
	else if (v.certainty < CERTAIN_STATUS ||
	         (v.certainty == CERTAIN_STATUS && !to->diagnostic.len)) {
		answer.text = b->context;
		struct bounce_verdict from_text = bounce_classify(c, &answer);
		if (from_text.certainty >= CERTAIN_STATUS && from_text.certainty > v.certainty)
			v = from_text;
	}
	if (to->action == DSN_DELAYED) {
		v.is_permanent = false;
		v.todo = todo_of(v.reason, false);
	}
	return v;
}

/* ---- the index ---- */

/* "x.7.26", "5.7.606-649" */
static void read_status(struct entry *e, const char *status)
{
	str s = str_c(status);
	uint32_t n = 0;

	e->class = s.ptr[0] == 'x' ? 0 : (uint8_t)(s.ptr[0] - '0');
	s = str_skip(s, 2);
	if (num_take_u32(&s, 999, &n) == 0)
		e->subject = (uint16_t)n;
	s = str_skip(s, 1);
	if (num_take_u32(&s, 999, &n) == 0)
		e->detail_low = e->detail_high = (uint16_t)n;
	if (take_char(&s, '-') == 0 && num_take_u32(&s, 999, &n) == 0)
		e->detail_high = (uint16_t)n;
}

static void add_entry(struct arena *a, struct bounce_classifier *c, struct entry e)
{
	uint16_t *head =
	    e.words.len ? &c->buckets[bucket_of(e.words.ptr, e.words.len)] : &c->by_status;
	struct entry *at = arena_push(a, (void *)&c->entries, &c->count, &c->cap, sizeof(e));

	e.next = *head;
	*head = (uint16_t)(c->count - 1);
	*at = e;
}

static void add_rules(struct arena *a, struct bounce_classifier *c, const struct bounce_rule *rules,
    size_t count, enum bounce_certainty tier, enum bounce_operator without)
{
	for (size_t i = 0; i < count; i++) {
		struct entry e = {
			.rule = &rules[i], .words = str_c(rules[i].words), .tier = tier
		};
		if (without != OPERATOR_NONE && rules[i].operator== without)
			continue;
		if (rules[i].status)
			read_status(&e, rules[i].status);
		add_entry(a, c, e);
	}
}

struct bounce_classifier *bounce_classifier_new(struct arena *a, enum bounce_operator without)
{
	struct bounce_classifier *c = arena_one(a, struct bounce_classifier);

	*c = (struct bounce_classifier){ .by_status = NO_ENTRY };
	for (size_t i = 0; i < BUCKETS; i++)
		c->buckets[i] = NO_ENTRY;
	add_rules(a, c, bounce_status_rules, bounce_status_rule_count, CERTAIN_STATUS, without);
	add_rules(a, c, bounce_hint_rules, bounce_hint_rule_count, CERTAIN_HINT, without);
	add_rules(a, c, bounce_word_rules, bounce_word_rule_count, CERTAIN_WORDS, without);
	add_rules(
	    a, c, bounce_operator_rules, bounce_operator_rule_count, CERTAIN_OPERATOR, without);
	for (size_t i = 0; i < bounce_operator_sign_count; i++) {
		const struct bounce_operator_sign *s = &bounce_operator_signs[i];
		if (s->words && s->operator!= without)
			add_entry(a, c, (struct entry){ .words = str_c(s->words), .sign = s->operator });
	}
	return c;
}
