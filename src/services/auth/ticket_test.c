/* Tests of tickets: what is made is believed, and nothing else is. */
#include "check.h"

#include "services/auth/ticket.h"
#include "services/frames/frames.h"

static const unsigned char key[TICKET_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const unsigned char other_key[TICKET_KEY_BYTES] = "0123456789abcdef0123456789abcdE";

static void make(struct buf *out)
{
	struct ticket t = { .account = 7,
		.address = STR("ana@example.org"),
		.rights = TICKET_RIGHT(PROTOCOL_IMAP) | TICKET_RIGHT(PROTOCOL_POP3),
		.expires_at = 1000 };

	check_int_eq(ticket_make(key, &t, out, NULL), 0);
}

static void test_round_trip(void **state)
{
	AUTO_BUF b = BUF_INIT(TICKET_MAX);
	struct ticket t;

	(void)state;
	make(&b);
	check_int_eq(ticket_check(key, buf_str(&b), TICKET_RIGHT(PROTOCOL_IMAP), 999, &t, NULL), 0);
	check_int_eq(t.account, 7);
	check_int_eq(t.expires_at, 1000);
	check_str_eq(t.address, STR("ana@example.org"));
}

static void test_refused(void **state)
{
	AUTO_BUF b = BUF_INIT(TICKET_MAX);
	struct ticket t;
	uint32_t imap = TICKET_RIGHT(PROTOCOL_IMAP);

	(void)state;
	make(&b);
	str whole = buf_str(&b);
	check_int_eq(ticket_check(key, whole, imap, 1000, &t, NULL), -1);
	check_int_eq(ticket_check(other_key, whole, imap, 999, &t, NULL), -1);
	check_int_eq(
	    ticket_check(key, whole, imap | TICKET_RIGHT(PROTOCOL_SUBMISSION), 1, &t, NULL), -1);
	for (size_t cut = 0; cut < whole.len; cut++)
		check_int_eq(ticket_check(key, str_sub(whole, 0, cut), imap, 1, &t, NULL), -1);
}

static void test_every_changed_bit(void **state)
{
	AUTO_BUF b = BUF_INIT(TICKET_MAX);
	struct ticket t;

	(void)state;
	make(&b);
	for (size_t i = 0; i < b.len * 8; i++) {
		b.ptr[i / 8] = (char)(b.ptr[i / 8] ^ (1 << (i % 8)));
		check_int_eq(ticket_check(key, buf_str(&b), 0, 1, &t, NULL), -1);
		b.ptr[i / 8] = (char)(b.ptr[i / 8] ^ (1 << (i % 8)));
	}
	check_int_eq(ticket_check(key, buf_str(&b), 0, 1, &t, NULL), 0);
}

static void test_unique(void **state)
{
	AUTO_BUF a = BUF_INIT(TICKET_MAX);
	AUTO_BUF b = BUF_INIT(TICKET_MAX);

	(void)state;
	make(&a);
	make(&b);
	check(!str_eq(buf_str(&a), buf_str(&b)));
}

static void test_address_limit(void **state)
{
	char long_address[TICKET_ADDRESS_MAX + 1];
	AUTO_BUF b = BUF_INIT(TICKET_MAX);
	struct ticket t = { .account = 1, .expires_at = 10 }, back;
	struct err err = { 0 };

	(void)state;
	memset(long_address, 'a', sizeof(long_address));
	t.address = str_new(long_address, TICKET_ADDRESS_MAX);
	check_int_eq(ticket_make(key, &t, &b, &err), 0);
	check_int_eq(ticket_check(key, buf_str(&b), 0, 1, &back, &err), 0);
	check_int_eq(back.address.len, TICKET_ADDRESS_MAX);
	buf_reset(&b);
	t.address.len++;
	check_int_eq(ticket_make(key, &t, &b, &err), -1);
	check_int_eq(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_every_changed_bit),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_address_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
