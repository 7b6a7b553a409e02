/* Tests of the job behind a 250: mailboxes, queue and story in one transaction, or none of it. */
#include "check.h"

#include "services/deliver/deliver.h"
#include "services/store/fixture.h"
#include "services/story/story.h"

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	fixture_begin(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_check_sound(&f, true);
	fixture_end(&f);
	return 0;
}

static int deliver(struct delivery_target *targets, size_t count, uint64_t id, str message_id)
{
	struct store_piece piece = { .bytes = STR("Subject: x\r\n\r\nhello\r\n"), .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct delivery d = { .id = id,
		.message = { .body = &body, .index = STR("index") },
		.now = 1700000000,
		.sender = STR("x@remote.example"),
		.message_id = message_id,
		.received = STR(""),
		.envid = STR("e1"),
		.ret = 2,
		.submitter = 9,
		.expires_at = 1700432000,
		.targets = targets,
		.target_count = count };

	fixture_must(&f, store_body_hash(&body, &f.err));
	return store_write(f.store, deliver_job, &d, &f.err);
}

static size_t steps_of(str key, struct store_story_step **out)
{
	size_t n = 0;

	fixture_must(&f, store_story_find(f.store, key, 10, f.arena, out, &n, &f.err));
	return n;
}

static size_t queue(struct store_queue_item **out)
{
	size_t n = 0;

	fixture_must(&f, store_queue_list(f.store, 0, 100, f.arena, out, &n, &f.err));
	return n;
}

static uint32_t message_count(void)
{
	struct store_account account;

	fixture_must(&f, store_account_get(f.store, f.account, f.arena, &account, &f.err));
	return (uint32_t)account.message_count;
}

static void test_local_and_remote(void **state)
{
	struct delivery_target targets[] = {
		{ .account = f.account,
		    .mailbox = f.inbox,
		    .address = FIXTURE_ADDRESS,
		    .recipient = STR("Ana+x@example.org") },
		{ .address = STR("y@remote.example"),
		    .recipient = STR("y@remote.example"),
		    .orcpt = STR("rfc822;y@remote.example"),
		    .notify = 4 },
	};
	struct store_queue_item *items;
	struct store_story_step *steps;

	(void)state;
	fixture_must(&f, deliver(targets, COUNT(targets), 77, STR("<1@x>")));
	check_int_eq(targets[0].uid, 1);
	check_int_eq(message_count(), 1);
	check_int_eq(queue(&items), 1);
	check_int_eq(items[0].id, targets[1].queue_id);
	check_int_eq(items[0].batch, 77);
	check_str_eq(items[0].sender, STR("x@remote.example"));
	check_str_eq(items[0].recipient, STR("y@remote.example"));
	check_str_eq(items[0].orcpt, STR("rfc822;y@remote.example"));
	check_str_eq(items[0].envid, STR("e1"));
	check_int_eq(items[0].notify, 4);
	check_int_eq(items[0].ret, 2);
	check_int_eq(items[0].account, 9);
	check_int_eq(items[0].state, QUEUE_WAITING);
	check_int_eq(items[0].next_at, 1700000000);
	check_int_eq(items[0].expires_at, 1700432000);
	/* Found by each of its keys. */
	static const str keys[] = { STR_INIT("<1@x>"), STR_INIT("x@remote.example"),
		STR_INIT("ana@example.org"), STR_INIT("y@remote.example") };
	for (size_t i = 0; i < COUNT(keys); i++)
		check_int_eq(steps_of(keys[i], &steps), 3);
	check_int_eq(steps[0].step, STORY_RECEIVED);
	check_int_eq(steps[1].step, STORY_STORED);
	check_int_eq(steps[2].step, STORY_QUEUED);
}

/* The last target fails: what was added for those before it goes again. */
static void test_all_or_nothing(void **state)
{
	struct delivery_target targets[] = {
		{ .account = f.account, .mailbox = f.inbox, .address = FIXTURE_ADDRESS },
		{ .address = STR("z@remote.example"), .recipient = STR("z@remote.example") },
		{ .account = 4711, .mailbox = 4712, .address = STR("gone@example.org") },
	};
	struct store_queue_item *items;
	struct store_story_step *steps;
	uint32_t messages = message_count();
	size_t queued = queue(&items);

	(void)state;
	check(deliver(targets, COUNT(targets), 78, STR("<2@x>")) < 0);
	check_int_eq(message_count(), messages);
	check_int_eq(queue(&items), queued);
	check_int_eq(steps_of(STR("<2@x>"), &steps), 0);
	/* And works without it. */
	fixture_must(&f, deliver(targets, 2, 78, STR("<2@x>")));
	check_int_eq(message_count(), messages + 1);
	check_int_eq(queue(&items), queued + 1);
}

/* More recipients than a story has keys: all get it, the first ones lead to it. */
static void test_many_targets(void **state)
{
	struct delivery_target targets[60];
	char names[60][40];
	struct store_story_step *steps;
	struct store_queue_item *items;
	size_t queued = queue(&items);

	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		snprintf(names[i], sizeof(names[i]), "many%zu@remote.example", i);
		targets[i] = (struct delivery_target){ .address = str_c(names[i]),
			.recipient = str_c(names[i]) };
	}
	fixture_must(&f, deliver(targets, COUNT(targets), 79, STR_NONE));
	check_int_eq(queue(&items), queued + 60);
	check_int_eq(steps_of(STR("many0@remote.example"), &steps), 61);
	check_int_eq(steps_of(STR("many59@remote.example"), &steps), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_and_remote),
		cmocka_unit_test(test_all_or_nothing),
		cmocka_unit_test(test_many_targets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
