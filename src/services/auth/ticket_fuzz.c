/* Nothing that was not made with the key is a ticket, whatever it looks like; and what stands behind
 * a good MAC is read within its bytes. The first byte chooses whether a MAC is put behind the rest. */
#include <assert.h>

#include <sodium.h>

#include "services/auth/ticket.h"

enum { MAC_BYTES = crypto_auth_hmacsha256_BYTES, NOW = 1000 };

static const unsigned char key[TICKET_KEY_BYTES] = "a key that only two roles have";

/* As ticket.c makes it; LLVMFuzzerInitialize finds out when that changes. */
static void add_mac(struct buf *b)
{
	static const unsigned char label[] = "buzon ticket";
	crypto_auth_hmacsha256_state state;
	unsigned char mac[MAC_BYTES];

	crypto_auth_hmacsha256_init(&state, key, sizeof(key));
	crypto_auth_hmacsha256_update(&state, label, sizeof(label));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)b->ptr, b->len);
	crypto_auth_hmacsha256_final(&state, mac);
	buf_add(b, str_new(mac, sizeof(mac)));
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	AUTO_BUF made = BUF_INIT(TICKET_MAX);
	AUTO_BUF again = BUF_INIT(TICKET_MAX);
	struct ticket t = { .account = 1, .rights = 1, .expires_at = 5, .address = STR("a@b") };

	(void)argc, (void)argv;
	ticket_make(key, &t, &made, NULL);
	buf_add(&again, str_sub(buf_str(&made), 0, made.len - MAC_BYTES));
	add_mac(&again);
	assert(str_eq(buf_str(&made), buf_str(&again)));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF bytes = BUF_INIT(2 * TICKET_MAX);
	struct ticket t;
	struct err err;

	if (size < 1 || size > TICKET_MAX + 10)
		return 0;
	buf_add(&bytes, str_new(data + 1, size - 1));
	if (data[0] & 1)
		add_mac(&bytes);
	if (ticket_check(key, buf_str(&bytes), 1, NOW, &t, &err) < 0) {
		assert(err.kind == ERR_DENIED);
		return 0;
	}
	assert(data[0] & 1);
	assert(t.address.len <= TICKET_ADDRESS_MAX && t.expires_at > NOW && t.rights & 1);
	assert(
	    t.address.ptr >= bytes.ptr && t.address.ptr + t.address.len <= bytes.ptr + bytes.len);
	return 0;
}
