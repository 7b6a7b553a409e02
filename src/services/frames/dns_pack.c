#include "services/frames/dns_pack.h"

enum { IS_SECURE = 1, REASON_MAX = 400, TEXT_MAX = 65535 };

static void add_record(struct buf *out, const struct dns_record *r)
{
	buf_add_u8(out, r->ip.version);
	buf_add(out, str_new(r->ip.bytes, ip_bits(&r->ip) / 8));
	buf_add_counted(out, r->name);
	buf_add_counted(out, r->data);
	buf_add_u16(out, r->priority);
	buf_add_u16(out, r->weight);
	buf_add_u16(out, r->port);
	buf_add_u8(out, r->usage);
	buf_add_u8(out, r->selector);
	buf_add_u8(out, r->matching);
}

static void add_answer(const struct dns_answer *answer, struct buf *out)
{
	buf_add_u8(out, (uint8_t)answer->status);
	buf_add_u8(out, answer->is_secure ? IS_SECURE : 0);
	buf_add_u32(out, answer->ttl_s);
	buf_add_counted(out, answer->canonical);
	buf_add_counted(out, str_sub(answer->reason, 0, REASON_MAX));
	buf_add_varint(out, answer->count);
	for (size_t i = 0; i < answer->count; i++)
		add_record(out, &answer->records[i]);
}

void dns_answer_pack(const struct dns_answer *answer, struct buf *out)
{
	add_answer(answer, out);
	if (buf_ok(out) && out->len <= DNS_PACK_MAX)
		return;
	buf_reset(out);
	add_answer(&(struct dns_answer){ .status = DNS_TEMPORARY,
	               .reason = STR("the answer of the DNS is too large") },
	    out);
}

static int take_ip(str *in, struct ip *out)
{
	struct ip ip = { 0 };

	if (take_u8(in, &ip.version) < 0 ||
	    (ip.version != 0 && ip.version != 4 && ip.version != 6) || in->len < ip_bits(&ip) / 8)
		return -1;
	memcpy(ip.bytes, in->ptr, ip_bits(&ip) / 8);
	*in = str_skip(*in, ip_bits(&ip) / 8);
	*out = ip;
	return 0;
}

static int take_record(str *in, struct dns_record *r)
{
	return take_ip(in, &r->ip) < 0 || take_counted(in, DNS_NAME_MAX, &r->name) < 0 ||
	               take_counted(in, TEXT_MAX, &r->data) < 0 || take_u16(in, &r->priority) < 0 ||
	               take_u16(in, &r->weight) < 0 || take_u16(in, &r->port) < 0 ||
	               take_u8(in, &r->usage) < 0 || take_u8(in, &r->selector) < 0 ||
	               take_u8(in, &r->matching) < 0
	           ? -1
	           : 0;
}

/* DNS_OK has records and nothing else has: what evaluators rely on. */
static int take_records(str *in, struct arena *a, struct dns_answer *out)
{
	uint64_t count;

	if (take_varint(in, &count) < 0 || count > DNS_RECORDS_MAX ||
	    (count > 0) != (out->status == DNS_OK))
		return -1;
	struct dns_record *records = arena_array(a, struct dns_record, count + 1);
	for (size_t i = 0; i < count; i++) {
		if (take_record(in, &records[i]) < 0)
			return -1;
	}
	out->records = records;
	out->count = (size_t)count;
	return in->len ? -1 : 0;
}

int dns_answer_unpack(str in, struct arena *a, struct dns_answer *out, struct err *err)
{
	struct dns_answer answer = { 0 };
	uint8_t status, flags;

	if (take_u8(&in, &status) < 0 || status > DNS_BOGUS || take_u8(&in, &flags) < 0 ||
	    flags > IS_SECURE || take_u32(&in, &answer.ttl_s) < 0 ||
	    take_counted(&in, DNS_NAME_MAX, &answer.canonical) < 0 ||
	    take_counted(&in, REASON_MAX, &answer.reason) < 0)
		return err_set(err, ERR_INPUT, "the packed answer of the DNS is damaged");
	answer.status = (enum dns_status)status;
	answer.is_secure = flags & IS_SECURE;
	if (take_records(&in, a, &answer) < 0)
		return err_set(err, ERR_INPUT, "the packed records of the DNS are damaged");
	*out = answer;
	return 0;
}
