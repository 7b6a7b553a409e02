/* dns_zone.h: a DNS in memory for tests of the evaluators.
 *
 * Purpose    Answers questions from lines of text, so that tables of cases and fuzz targets can feed
 *            evaluators without a resolver. Included by tests, fuzz targets and tests/auth only.
 * Shape      One record a line: NAME TYPE VALUE. TXT takes the rest of the line, "\xHH" stands for a
 *            byte; MX is "10 host"; TYPE may also be TEMPORARY or BOGUS (every type that has no record above
 *            it) or NAME (the name exists, without records). CNAME is followed.
 */
#ifndef BUZON_PROTOCOLS_DNS_DNS_ZONE_H
#define BUZON_PROTOCOLS_DNS_DNS_ZONE_H

#include "base/num.h"
#include "protocols/dns/dns.h"

enum { DNS_ZONE_ANSWER_MAX = 64, DNS_ZONE_ALIASES_MAX = 8 };

static inline str dns_zone_unescape(struct arena *a, str text)
{
	AUTO_BUF out = BUF_INIT(1 << 20);

	for (size_t i = 0; i < text.len; i++) {
		if (i + 3 < text.len && text.ptr[i] == '\\' && text.ptr[i + 1] == 'x') {
			int high = ascii_hex_value(text.ptr[i + 2]),
			    low = ascii_hex_value(text.ptr[i + 3]);
			buf_addc(&out, (char)(high * 16 + low));
			i += 3;
		} else {
			buf_addc(&out, text.ptr[i]);
		}
	}
	return arena_str(a, buf_str(&out));
}

static inline void dns_zone_record(
    struct arena *a, enum dns_type type, str value, struct dns_record *r)
{
	str word;
	uint32_t number = 0;

	*r = (struct dns_record){ 0 };
	if (type == DNS_A || type == DNS_AAAA) {
		ip_parse(value, &r->ip);
	} else if (type == DNS_TXT) {
		r->data = dns_zone_unescape(a, value);
	} else {
		if (type == DNS_MX && take_word(&value, 8, &word) == 0 &&
		    num_parse_u32(word, 65535, &number) == 0)
			value = str_trim(value);
		r->priority = (uint16_t)number;
		r->name = dns_name_copy(a, dns_zone_unescape(a, value));
	}
}

/* One pass over the zone for one name; false when the name is an alias, which *name then is. */
static inline bool dns_zone_look(struct arena *a, str zone, enum dns_type type, str *name,
    struct dns_record *records, struct dns_answer *out)
{
	str line, owner, kind;
	enum dns_type line_type;

	out->status = DNS_NXDOMAIN;
	out->count = 0;
	while (str_split(&zone, '\n', &line)) {
		if (take_word(&line, 4096, &owner) < 0 || take_space(&line) < 0 ||
		    take_word(&line, 16, &kind) < 0)
			continue;
		take_space(&line);
		if (!dns_name_eq(dns_zone_unescape(a, owner), *name))
			continue;
		if (str_eq(kind, STR("TEMPORARY")) || str_eq(kind, STR("BOGUS"))) {
			if (out->count == 0)
				out->status =
				    str_eq(kind, STR("BOGUS")) ? DNS_BOGUS : DNS_TEMPORARY;
			return true;
		}
		if (out->status == DNS_NXDOMAIN)
			out->status = DNS_NODATA;
		if (str_eq(kind, STR("CNAME")) && type != DNS_CNAME) {
			*name = dns_name_copy(a, line);
			return false;
		}
		if (dns_type_parse(kind, &line_type) && line_type == type &&
		    out->count < DNS_ZONE_ANSWER_MAX)
			dns_zone_record(a, type, line, &records[out->count++]);
		if (out->count)
			out->status = DNS_OK;
	}
	return true;
}

static inline struct dns_answer dns_zone_answer(
    struct arena *a, str zone, const struct dns_question *q)
{
	struct dns_record *records = arena_array(a, struct dns_record, DNS_ZONE_ANSWER_MAX);
	struct dns_answer answer = { .records = records, .ttl_s = 300 };
	str name = q->name;

	for (size_t i = 0; i < DNS_ZONE_ALIASES_MAX; i++) {
		if (dns_zone_look(a, zone, q->type, &name, records, &answer)) {
			answer.canonical = i ? name : STR_NONE;
			return answer;
		}
	}
	return (struct dns_answer){ .status = DNS_TEMPORARY };
}

#endif
