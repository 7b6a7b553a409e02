/* Tests of RCPT in core: who is let in, in which words, and what a limit costs; and of the rates. */
#include "check.h"

#include <fcntl.h>

#include "base/time.h"
#include "services/auth/ticket.h"
#include "services/intake/intake.h"
#include "services/intake/rates.h"
#include "services/store/fixture.h"

static struct fixture f;
static struct intake *intake;
static uint64_t next_tx, small;
static const struct log silent = { .role = "test", .level = LOG_LEVEL_ALERT + 1, .fd = -1 };
static const unsigned char key[TICKET_KEY_BYTES] = "a key of the test";
static const struct config config = {
	.hostname = STR_INIT("mx.example.org"),
	.subaddress_separator = STR_INIT("+"),
	.limits = { .message_bytes = 50 << 20,
	    .recipients = 3,
	    .submit_messages_per_hour = 2,
	    .submit_recipients_per_day = 4 },
};

static int fill(struct store_txn *t, void *arg, struct err *err)
{
	(void)arg;
	return txn_account_add(t, STR("small@example.org"), 1000, &small, err) < 0 ||
	               txn_alias_add(t, STR("team@example.org"),
	                   STR("ana@example.org\nsmall@example.org"), err) < 0
	           ? -1
	           : 0;
}

static int setup(void **state)
{
	(void)state;
	fixture_begin(&f);
	fixture_must(&f, store_write(f.store, fill, NULL, &f.err));
	intake = intake_new(&(struct intake_options){ .store = f.store,
	    .log = &silent,
	    .config = &config,
	    .ticket_key = key,
	    .spool_dir = f.dir });
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	intake_free(intake);
	fixture_end(&f);
	return 0;
}

static struct frame_rcpt_result ask(uint64_t tx, struct frame_rcpt_check frame)
{
	struct frame_rcpt_result out;

	frame.tx = tx;
	intake_rcpt(intake, 1, &frame, &out);
	return out;
}

static void test_strangers(void **state)
{
	static const struct {
		const char *name;
		struct frame_rcpt_check frame;
		unsigned code;
		const char *enhanced, *text;
	} cases[] = {
		{ "local", { .recipient = STR_INIT("ana@example.org") }, 250, "2.1.5", "ok" },
		{ "case", { .recipient = STR_INIT("ANA@Example.ORG") }, 250, "2.1.5", "ok" },
		{ "tag", { .recipient = STR_INIT("ana+list@example.org") }, 250, "2.1.5", "ok" },
		{ "alias", { .recipient = STR_INIT("team@example.org") }, 250, "2.1.5", "ok" },
		{ "unknown", { .recipient = STR_INIT("no@example.org") }, 550, "5.1.1",
		    "check the spelling" },
		{ "elsewhere", { .recipient = STR_INIT("x@remote.example") }, 550, "5.7.1",
		    "sign in on port" },
		{ "too large for ever",
		    { .recipient = STR_INIT("small@example.org"), .size_hint = 1001 }, 552, "5.2.3",
		    "larger than all" },
		{ "just fits", { .recipient = STR_INIT("small@example.org"), .size_hint = 1000 },
		    250, "2.1.5", "ok" },
		{ "submission without a ticket",
		    { .recipient = STR_INIT("ana@example.org"), .protocol = PROTOCOL_SUBMISSION },
		    530, "5.7.0", "sign in again" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t tx = ++next_tx;
		struct frame_rcpt_result r = ask(tx, cases[i].frame);
		check_case(cases[i].name, r.code == cases[i].code);
		check_case(cases[i].name, str_eq(r.enhanced, str_c(cases[i].enhanced)));
		check_case(cases[i].name, str_find(r.text, str_c(cases[i].text)) != STR_NPOS);
		intake_reset(intake, 1, tx);
	}
}

static void test_recipients_of_one_message(void **state)
{
	struct frame_rcpt_check to = { .recipient = STR("ana@example.org") };
	uint64_t tx = ++next_tx;

	(void)state;
	for (int i = 0; i < 3; i++)
		check_int_eq(ask(tx, to).code, 250);
	check_int_eq(ask(tx, to).code, 452);
	/* Another one, and the same again after it was reset, or after its front was lost. */
	check_int_eq(ask(++next_tx, to).code, 250);
	intake_reset(intake, 1, tx);
	check_int_eq(ask(tx, to).code, 250);
	for (int i = 0; i < 2; i++)
		check_int_eq(ask(tx, to).code, 250);
	intake_link_lost(intake, 2);
	check_int_eq(ask(tx, to).code, 452);
	intake_link_lost(intake, 1);
	check_int_eq(ask(tx, to).code, 250);
	intake_link_lost(intake, 1);
}

static str make_ticket(struct buf *out, uint32_t protocol, int64_t life_ms)
{
	struct ticket t = { .account = f.account,
		.address = FIXTURE_ADDRESS,
		.rights = TICKET_RIGHT(protocol),
		.expires_at = (int64_t)time_mono_ms() + life_ms };

	fixture_must(&f, ticket_make(key, &t, out, &f.err));
	return buf_str(out);
}

static void test_signed_in(void **state)
{
	AUTO_BUF good = BUF_INIT(TICKET_MAX);
	AUTO_BUF late = BUF_INIT(TICKET_MAX);
	AUTO_BUF other = BUF_INIT(TICKET_MAX);
	struct frame_rcpt_check to = { .recipient = STR("x@remote.example"),
		.sender = FIXTURE_ADDRESS,
		.protocol = PROTOCOL_SUBMISSION };

	(void)state;
	to.ticket = make_ticket(&late, PROTOCOL_SUBMISSION, 0);
	check_int_eq(ask(++next_tx, to).code, 530);
	to.ticket = make_ticket(&other, PROTOCOL_IMAP, 1000000);
	check_int_eq(ask(++next_tx, to).code, 530);
	to.ticket = make_ticket(&good, PROTOCOL_SUBMISSION, 1000000);
	/* On port 25 it means nothing. */
	to.protocol = PROTOCOL_SMTP;
	check_int_eq(ask(++next_tx, to).code, 550);
	to.protocol = PROTOCOL_SUBMISSION;
	to.sender = STR("small@example.org");
	struct frame_rcpt_result r = ask(++next_tx, to);
	check_int_eq(r.code, 553);
	check(str_find(r.text, STR("ana@example.org")) != STR_NPOS);
	to.sender = STR("");
	check_int_eq(ask(++next_tx, to).code, 553);
	/* As herself, and as an alias that leads to her; four recipients a day. */
	to.sender = STR("team@example.org");
	check_int_eq(ask(++next_tx, to).code, 250);
	to.sender = FIXTURE_ADDRESS;
	for (int i = 0; i < 3; i++)
		check_int_eq(ask(++next_tx, to).code, 250);
	r = ask(++next_tx, to);
	check_int_eq(r.code, 452);
	check(str_find(r.text, STR("4 recipients today")) != STR_NPOS);
	intake_link_lost(intake, 1);
}

static void test_full_mailbox(void **state)
{
	struct frame_rcpt_check to = { .recipient = STR("small@example.org"), .size_hint = 500 };
	struct store_account account;
	char body[600];

	(void)state;
	memset(body, 'x', sizeof(body));
	fixture_must(&f, store_account_get(f.store, small, f.arena, &account, &f.err));
	fixture_must(
	    &f, fixture_deliver(&f, account.inbox_id, str_new(body, sizeof(body)), 0, NULL));
	check_int_eq(ask(++next_tx, to).code, 452);
	to.size_hint = 400;
	check_int_eq(ask(++next_tx, to).code, 250);
	/* One of several addressees of an alias: the others must not lose theirs. */
	to = (struct frame_rcpt_check){ .recipient = STR("team@example.org"), .size_hint = 900 };
	check_int_eq(ask(++next_tx, to).code, 250);
	intake_link_lost(intake, 1);
}

static void test_spool(void **state)
{
	struct frame_spool_result out;
	struct stat st;

	(void)state;
	AUTO_FD fd = intake_spool_open(intake, &out);
	check(fd >= 0 && out.ok);
	check(fstat(fd, &st) == 0 && st.st_nlink == 0 && (st.st_mode & 07777) == 0600);
	check(fd_write_all(fd, STR("body")) == 0);
}

static void test_rates(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		check(rates_message(r, 1, 3599, 3));
	check(!rates_message(r, 1, 3599, 3));
	check(rates_message(r, 2, 3599, 3)); /* everybody has a share */
	check(rates_message(r, 1, 3600, 3)); /* the next hour */
	for (int i = 0; i < 5; i++)
		check(rates_recipient(r, 1, 86399, 5));
	check(!rates_recipient(r, 1, 86399, 5));
	check(rates_message(r, 1, 86399, 1)); /* one does not count for the other */
	check(rates_recipient(r, 1, 86400, 5));
	check(!rates_recipient(r, 3, 86400, 0));
	rates_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_recipients_of_one_message),
		cmocka_unit_test(test_signed_in),
		cmocka_unit_test(test_full_mailbox),
		cmocka_unit_test(test_spool),
		cmocka_unit_test(test_rates),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
