#include "services/auth/ticket.h"

#include <sodium.h>

#include "base/secret.h"
#include "services/frames/frames.h"

enum { VERSION = 1, MAC_BYTES = crypto_auth_hmacsha256_BYTES };

_Static_assert(
    1 + 8 + 4 + 8 + TICKET_NONCE_BYTES + 2 + TICKET_ADDRESS_MAX + MAC_BYTES <= TICKET_MAX,
    "the longest ticket fits its frame field");

/* The label keeps a MAC made here from being good for anything else under the same key. */
static void ticket_mac(
    const unsigned char key[TICKET_KEY_BYTES], str body, unsigned char out[MAC_BYTES])
{
	static const unsigned char label[] = "buzon ticket";
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, TICKET_KEY_BYTES);
	crypto_auth_hmacsha256_update(&state, label, sizeof(label));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)body.ptr, body.len);
	crypto_auth_hmacsha256_final(&state, out);
	secret_wipe(&state, sizeof(state));
}

int ticket_make(const unsigned char key[TICKET_KEY_BYTES], const struct ticket *t, struct buf *out,
    struct err *err)
{
	AUTO_BUF body = BUF_INIT(TICKET_MAX);
	unsigned char nonce[TICKET_NONCE_BYTES], mac[MAC_BYTES];

	if (t->address.len > TICKET_ADDRESS_MAX)
		return err_set(err, ERR_LIMIT,
		    "cannot make a ticket: the account's address is longer than %d bytes",
		    TICKET_ADDRESS_MAX);
	random_bytes(nonce, sizeof(nonce));
	buf_add_u8(&body, VERSION);
	buf_add_u64(&body, t->account);
	buf_add_u32(&body, t->rights);
	buf_add_u64(&body, (uint64_t)t->expires_at);
	buf_add(&body, str_new(nonce, sizeof(nonce)));
	buf_add_counted(&body, t->address);
	ticket_mac(key, buf_str(&body), mac);
	buf_add(out, buf_str(&body));
	buf_add(out, str_new(mac, sizeof(mac)));
	if (!buf_ok(out))
		return err_set(err, ERR_LIMIT, "cannot make a ticket: no room for it");
	return 0;
}

static int ticket_decode(str body, struct ticket *out)
{
	struct ticket t = { 0 };
	uint8_t version;
	uint64_t expires_at;

	if (take_u8(&body, &version) < 0 || version != VERSION || take_u64(&body, &t.account) < 0 ||
	    take_u32(&body, &t.rights) < 0 || take_u64(&body, &expires_at) < 0 ||
	    body.len < TICKET_NONCE_BYTES)
		return -1;
	t.expires_at = (int64_t)expires_at;
	memcpy(t.nonce, body.ptr, TICKET_NONCE_BYTES);
	body = str_skip(body, TICKET_NONCE_BYTES);
	if (take_counted(&body, TICKET_ADDRESS_MAX, &t.address) < 0 || body.len > 0)
		return -1;
	*out = t;
	return 0;
}

int ticket_check(const unsigned char key[TICKET_KEY_BYTES], str bytes, uint32_t rights, int64_t now,
    struct ticket *out, struct err *err)
{
	unsigned char mac[MAC_BYTES];
	struct ticket t;

	if (bytes.len <= MAC_BYTES || bytes.len > TICKET_MAX)
		return err_set(err, ERR_DENIED, "the sign-in ticket is not valid");
	str body = str_sub(bytes, 0, bytes.len - MAC_BYTES);
	ticket_mac(key, body, mac);
	if (!secret_eq(str_new(mac, sizeof(mac)), str_skip(bytes, body.len)) ||
	    ticket_decode(body, &t) < 0)
		return err_set(err, ERR_DENIED, "the sign-in ticket is not valid");
	if (now >= t.expires_at || (t.rights & rights) != rights)
		return err_set(err, ERR_DENIED, "the sign-in ticket is not valid");
	*out = t;
	return 0;
}

int64_t ticket_lifetime_s(uint32_t protocol)
{
	return protocol == PROTOCOL_SUBMISSION ? TICKET_SUBMISSION_S : TICKET_ATTACH_S;
}
