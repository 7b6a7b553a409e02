/* dns.h: questions to the DNS and their answers, as values.
 *
 * Purpose    What evaluators (SPF, DKIM, DMARC) and routing ask, and what a resolver tells them. The
 *            evaluators do no I/O; all of them are driven in the same way:
 *
 *                x = x_start(arena, &options);
 *                while (!(result = x_result(x))) {
 *                        while (x_next_question(x, &question))
 *                                ask(question);          in any order, all at once when wanted
 *                        x_answer(x, id, &answer);       when one comes in
 *                }
 *
 *            x_next_question gives each question once; false means: none now, some may follow when
 *            those on their way are answered. Every question must be answered, a time-out by
 *            DNS_TEMPORARY, and each once; answers to ids that are not waiting are passed over.
 * Ownership  A question's name lives in the evaluator's arena. An answer belongs to the caller and
 *            is looked at only during x_answer.
 * Threads    No state.
 * Limits     DNS_RECORDS_MAX records of an answer are looked at.
 * Not here   Asking, caching, validating (services, role relay). Wire format.
 */
#ifndef BUZON_PROTOCOLS_DNS_DNS_H
#define BUZON_PROTOCOLS_DNS_DNS_H

#include "base/arena.h"
#include "base/buf.h"
#include "formats/ip.h"

enum { DNS_RECORDS_MAX = 1000, DNS_NAME_MAX = 253 };

/* The numbers are those of the wire (RFC 1035 §3.2.2 and later). */
enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52,
};

struct dns_question {
	uint32_t id; /* of the evaluator that asks; goes back with the answer */
	enum dns_type type;
	str name; /* A-labels, ASCII in lower case, no dot at the end; "" is the root. Dots part labels;
	             any other byte but NUL stands for itself, blanks and backslashes as well, since macros of
	             SPF can make them: whoever hands the name to a library escapes it */
};

enum dns_status {
	DNS_OK,        /* at least one record of the type */
	DNS_NODATA,    /* the name is there, the type is not */
	DNS_NXDOMAIN,  /* no such name */
	DNS_TEMPORARY, /* no usable answer for now: time-out, SERVFAIL, REFUSED, network */
	DNS_BOGUS, /* DNSSEC validation failed: whoever must not be fooled treats it as DNS_TEMPORARY */
};

struct dns_record {
	struct ip ip; /* A, AAAA */
	str name; /* target of MX, PTR, CNAME, NS, SRV; spelt as in a question's name; "" is "." */
	str data; /* TXT: its strings joined without anything between (RFC 7208 §3.3); TLSA: data */
	uint16_t priority;                 /* MX, SRV */
	uint16_t weight, port;             /* SRV */
	uint8_t usage, selector, matching; /* TLSA */
};

/* Records of the type asked for, aliases (CNAME) followed, in the order they came. */
struct dns_answer {
	enum dns_status status;
	bool is_secure; /* validated by DNSSEC; holds for negative answers as well */
	uint32_t ttl_s; /* how long it may be kept */
	str canonical;  /* the name behind the last CNAME; empty without one */
	str reason;     /* for DNS_TEMPORARY and DNS_BOGUS: a sentence for people, or empty */
	const struct dns_record *records;
	size_t count; /* 0 unless DNS_OK */
};

/* "A", "TXT"; "TYPE99" has no name here: NULL. */
const char *dns_type_name(enum dns_type type);
/* False for an unknown one. */
bool dns_type_parse(str name, enum dns_type *out);
/* "ok", "no data", "no such name", "temporary failure", "bogus" */
const char *dns_status_name(enum dns_status status);
/* Neither records nor a reliable "there are none". */
bool dns_is_failure(enum dns_status status);

/* Can stand in a question: labels of 1 to 63 bytes, DNS_NAME_MAX together, a dot at the end allowed. */
bool dns_name_is_valid(str name);
/* The spelling of dns_question.name, in the arena. name must be valid. */
str dns_name_copy(struct arena *a, str name);
/* Same name, whatever the case and a dot at the end. */
bool dns_name_eq(str a, str b);
/* name is below parent, or the same. */
bool dns_name_is_within(str name, str parent);
/* How many labels: "example.org" has two, "" none. */
size_t dns_name_labels(str name);
/* The last count labels: 2 of "a.example.org" is "example.org". All of it when there are fewer. */
str dns_name_last(str name, size_t count);

#endif
