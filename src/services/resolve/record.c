/* record.c: the data of one record, as libunbound hands it over: wire format, names not compressed. */
#include "services/resolve/resolve.h"

static int take_be16(str *in, uint16_t *out)
{
	if (in->len < 2)
		return -1;
	*out = (uint16_t)((unsigned char)in->ptr[0] << 8 | (unsigned char)in->ptr[1]);
	*in = str_skip(*in, 2);
	return 0;
}

/* RFC 1035 §3.1. A label with a dot or a byte that no host name has is kept out: nothing that we ask
 * about can be named so. */
static bool take_name(str *in, struct arena *a, str *out)
{
	AUTO_BUF name = BUF_INIT(DNS_NAME_MAX);
	uint8_t len;

	for (;;) {
		if (take_u8(in, &len) < 0 || len > 63 || len > in->len)
			return false;
		if (len == 0)
			break;
		if (name.len)
			buf_addc(&name, '.');
		for (size_t i = 0; i < len; i++) {
			char c = ascii_lower(in->ptr[i]);
			if (c <= ' ' || c >= 0x7f || c == '.' || c == '\\')
				return false;
			buf_addc(&name, c);
		}
		*in = str_skip(*in, len);
	}
	if (!buf_ok(&name))
		return false;
	*out = arena_str(a, buf_str(&name));
	return true;
}

/* RFC 7208 §3.3: strings are joined without anything between. */
static bool take_text(str in, struct arena *a, str *out)
{
	AUTO_BUF text = BUF_INIT(65536);
	uint8_t len;

	while (in.len > 0) {
		if (take_u8(&in, &len) < 0 || len > in.len)
			return false;
		buf_add(&text, str_sub(in, 0, len));
		in = str_skip(in, len);
	}
	*out = arena_str(a, buf_str(&text));
	return true;
}

bool resolve_record(enum dns_type type, str data, struct arena *a, struct dns_record *out)
{
	struct dns_record r = { .priority = 0 };
	bool ok = true;

	switch (type) {
	case DNS_A:
		ok = data.len == 4;
		if (ok)
			r.ip = ip_from_v4((const uint8_t *)data.ptr);
		data = STR_NONE;
		break;
	case DNS_AAAA:
		ok = data.len == 16;
		if (ok)
			r.ip = ip_from_v6((const uint8_t *)data.ptr);
		data = STR_NONE;
		break;
	case DNS_MX:
		ok = take_be16(&data, &r.priority) == 0 && take_name(&data, a, &r.name);
		break;
	case DNS_SRV:
		ok = take_be16(&data, &r.priority) == 0 && take_be16(&data, &r.weight) == 0 &&
		     take_be16(&data, &r.port) == 0 && take_name(&data, a, &r.name);
		break;
	case DNS_NS:
	case DNS_PTR:
	case DNS_CNAME:
		ok = take_name(&data, a, &r.name);
		break;
	case DNS_TXT:
		ok = take_text(data, a, &r.data);
		data = STR_NONE;
		break;
	case DNS_TLSA:
		ok = take_u8(&data, &r.usage) == 0 && take_u8(&data, &r.selector) == 0 &&
		     take_u8(&data, &r.matching) == 0;
		r.data = arena_str(a, data);
		data = STR_NONE;
		break;
	case DNS_SOA:
		ok = take_name(&data, a, &r.name);
		data = STR_NONE;
		break;
	}
	if (!ok || data.len > 0)
		return false;
	*out = r;
	return true;
}
