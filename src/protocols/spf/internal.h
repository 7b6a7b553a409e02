/* internal.h: what the parts of the SPF evaluator share. Included by protocols/spf only. */
#ifndef BUZON_PROTOCOLS_SPF_INTERNAL_H
#define BUZON_PROTOCOLS_SPF_INTERNAL_H

#include "base/err.h"
#include "protocols/spf/spf.h"

enum spf_mechanism {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
};

struct spf_term {
	enum spf_mechanism mechanism;
	enum spf_status match; /* what the qualifier says */
	str text;              /* as published */
	str domain;            /* domain-spec, or empty */
	unsigned uses;         /* of its macros */
	struct ip network;     /* ip4, ip6 */
	unsigned bits4, bits6;
};

struct spf_modifier {
	bool is_given;
	str domain;
	unsigned uses;
};

struct spf_record {
	struct spf_term *terms;
	size_t count;
	bool has_all;
	struct spf_modifier redirect, exp;
};

/* What macros need to know beforehand. */
enum spf_macro_uses { SPF_USES_PTR = 1, SPF_USES_LOCAL = 2 };

/* What macros expand to. */
struct spf_macro_values {
	struct ip ip;
	str sender, local, sender_domain, domain, helo, receiver;
	str validated; /* %{p} */
	int64_t now_s;
};

/* text: behind "v=spf1". RFC 7208 §4.6.1; ERR_INPUT names the term that is wrong. */
int spf_record_parse(str text, struct arena *a, struct spf_record *out, struct err *err);
/* RFC 7208 §4.5: begins with "v=spf1" and a space or the end; *out_terms is the rest. */
bool spf_record_is(str text, str *out_terms);

/* RFC 7208 §7.1: a macro-string, for explanations with spaces and with %{c}, %{r}, %{t}. */
int spf_macro_check(str text, bool is_explanation, unsigned *out_uses);
/* A domain-spec: a macro-string that ends in a macro or a top label. */
int spf_domain_spec_check(str text, unsigned *out_uses);
/* text must have passed the check. */
void spf_macro_expand(str text, const struct spf_macro_values *values, struct buf *out);

/* --- one evaluation --- */

enum { SPF_FRAMES_MAX = SPF_LOOKUPS_MAX + 1 };

struct spf_frame {
	str domain;
	struct spf_record record;
	size_t at;
	bool must_exist; /* by include or redirect: no record is an error */
};

/* A host of an MX or a name of a PTR, its addresses asked for. */
struct spf_host {
	str name;
	enum dns_status status;
	bool is_ours; /* the peer's address is one of them */
};

typedef void spf_answer_fn(struct spf *s, size_t host, const struct dns_answer *answer);
typedef void spf_after_fn(struct spf *s);

struct spf {
	struct arena *arena;
	struct spf_macro_values values;
	struct spf_result result;
	bool is_done;

	struct spf_frame frames[SPF_FRAMES_MAX];
	size_t depth; /* frames in use */

	struct spf_question {
		struct dns_question q;
		bool is_given, is_answered;
	} asked[SPF_HOSTS_MAX];
	size_t asked_count, pending, given;
	uint32_t next_id;
	spf_answer_fn *on_answer;

	struct spf_host hosts[SPF_HOSTS_MAX];
	size_t host_count;

	bool is_validated; /* the names of the peer have been looked for */
	str names[SPF_HOSTS_MAX];
	size_t name_count;
	spf_after_fn *after_names;

	struct spf_step *steps;
	size_t step_cap;
};

/* lookup.c: the trace, questions, names of the peer, target names. */
void spf_note(struct spf *s, enum spf_step_kind kind, str text);
struct spf_frame *spf_top(struct spf *s);
struct spf_term *spf_current_term(struct spf *s);
void spf_finish(struct spf *s, enum spf_status status, str reason);
void spf_finish_dns(struct spf *s, const char *what, str name, const struct dns_answer *answer);
void spf_ask(struct spf *s, enum dns_type type, str name, spf_answer_fn *on_answer);
/* RFC 7208 §4.6.4: the term asks; false when that was one too many, and all is finished. */
bool spf_count_lookup(struct spf *s);
bool spf_count_void(struct spf *s, enum dns_status status);
/* One of the addresses is the peer's, as far as the first bits go. */
bool spf_has_peer(const struct spf *s, const struct dns_answer *answer, unsigned bits);
/* A or AAAA, as the peer's address is. */
enum dns_type spf_address_type(const struct spf *s);
void spf_take_hosts(struct spf *s, const struct dns_answer *answer);
/* Asks for the addresses of all hosts; after is called at once when there are none. */
void spf_ask_hosts(struct spf *s, spf_answer_fn *on_answer, spf_after_fn *after);
/* Looks for the validated names of the peer, once, and goes on with after. */
void spf_find_names(struct spf *s, spf_after_fn *after);
str spf_expand(struct spf *s, str text, size_t max);
/* The target name: false when it cannot be asked for. */
bool spf_expand_name(struct spf *s, str spec, unsigned uses, str *out);

/* mechanisms.c */
void spf_term_start(struct spf *s);

/* spf.c */
void spf_term_done(struct spf *s, bool is_match);
void spf_check_domain(struct spf *s, str domain, bool must_exist);

#endif
