/* Tests of the schedule: one rule each. The whole is in schedule_sim_test.c. */
#include "check.h"

#include "services/queue/schedule.h"

static const struct schedule_limits limits = { .jobs = 10,
	.connections = 4,
	.recipients = 3,
	.retry_first_s = 100,
	.retry_max_s = 1000,
	.seed = 1 };

static void add(struct schedule *s, uint64_t id, uint64_t batch, uint64_t account, const char *to)
{
	check(schedule_add(s, &(struct schedule_entry){ .id = id,
	                          .batch = batch,
	                          .account = account,
	                          .destination = str_c(to),
	                          .next_at = 10 }));
}

/* "batch:id,id destination" of the next job; "-" for none. */
static struct schedule_job take(struct schedule *s, int64_t now, const char *want)
{
	struct schedule_job job = { 0 };
	AUTO_BUF got = BUF_INIT(1000);

	if (!schedule_take(s, now, &job)) {
		buf_addz(&got, "-");
	} else {
		buf_addf(&got, "%d:", (int)job.batch);
		for (size_t i = 0; i < job.count; i++)
			buf_addf(&got, "%s%d", i ? "," : "", (int)job.ids[i]);
		buf_addf(&got, " " STR_FMT, STR_ARG(job.destination));
	}
	check_str_eq(buf_str(&got), str_c(want));
	return job;
}

static void finish(
    struct schedule *s, const struct schedule_job *job, enum schedule_verdict verdict, int64_t now)
{
	uint64_t ids[10];
	size_t count = job->count;

	memcpy(ids, job->ids, count * sizeof(*ids));
	for (size_t i = 0; i < count; i++)
		check(schedule_remove(s, ids[i]));
	schedule_done(s, job->number, verdict, now);
}

static void test_groups(void **state)
{
	struct schedule *s = schedule_new(&limits);

	(void)state;
	for (uint64_t id = 1; id <= 5; id++)
		add(s, id, 7, 0, "a.example");
	add(s, 6, 8, 0, "a.example");
	add(s, 7, 7, 0, "b.example");
	take(s, 9, "-");
	check_int_eq(schedule_due(s), 10);
	struct schedule_job first = take(s, 10, "7:1,2,3 a.example");
	take(s, 10, "7:7 b.example");
	take(s, 10, "7:4,5 a.example");
	take(s, 10, "-"); /* two connections to a destination nobody knows */
	finish(s, &first, SCHEDULE_WELL, 11);
	take(s, 11, "8:6 a.example");
	schedule_free(s);
}

static void test_senders_take_turns(void **state)
{
	struct schedule *s = schedule_new(&limits);

	(void)state;
	for (uint64_t id = 1; id <= 100; id++)
		add(s, id, id, 1, "a.example");
	add(s, 101, 101, 2, "a.example");
	struct schedule_job job = take(s, 10, "1:1 a.example");
	take(s, 10, "101:101 a.example");
	finish(s, &job, SCHEDULE_WELL, 10);
	take(s, 10, "2:2 a.example");
	schedule_free(s);
}

static void test_window(void **state)
{
	struct schedule *s = schedule_new(&limits);
	struct schedule_destination d;

	(void)state;
	for (uint64_t id = 1; id <= 100; id++)
		add(s, id, id, 0, "a.example");
	for (uint64_t id = 1; id <= 9; id++) {
		struct schedule_job job;
		check(schedule_take(s, 10, &job));
		finish(s, &job, SCHEDULE_WELL, 10);
	}
	check(schedule_destination(s, STR("a.example"), &d));
	check_int_eq(d.window, 4);
	struct schedule_job job;
	check(schedule_take(s, 10, &job));
	finish(s, &job, SCHEDULE_SLOW_DOWN, 10);
	check(schedule_destination(s, STR("a.example"), &d));
	check_int_eq(d.window, 2);
	check_int_eq(d.entries, 90);
	check_int_eq(d.rests_until, 0);
	schedule_free(s);
}

static void test_rest(void **state)
{
	struct schedule *s = schedule_new(&limits);
	struct schedule_destination d;

	(void)state;
	for (uint64_t id = 1; id <= 5; id++)
		add(s, id, id, 0, "dead.example");
	struct schedule_job one = take(s, 10, "1:1 dead.example"),
	                    two = take(s, 10, "2:2 dead.example");
	schedule_done(
	    s, one.number, SCHEDULE_UNREACHABLE, 20); /* nothing said about 1: ready again */
	schedule_retry(s, 2, 500, 1);
	schedule_done(s, two.number, SCHEDULE_UNREACHABLE, 21);
	check(schedule_destination(s, STR("dead.example"), &d));
	check_int_eq(d.rests_until, 81);
	check_int_eq(d.window, 1);
	take(s, 80, "-");
	check_int_eq(schedule_due(s), 81);
	struct schedule_job probe = take(s, 81, "3:3 dead.example");
	take(s, 81, "-");
	schedule_done(s, probe.number, SCHEDULE_UNREACHABLE, 90);
	check(schedule_destination(s, STR("dead.example"), &d));
	check_int_eq(d.rests_until, 210); /* twice as long */
	probe = take(s, 210, "4:4 dead.example");
	schedule_done(s, probe.number, SCHEDULE_WELL, 211);
	take(s, 211, "5:5 dead.example");
	schedule_free(s);
}

static void test_end_of_rest_by_hand(void **state)
{
	struct schedule *s = schedule_new(&limits);

	(void)state;
	for (uint64_t id = 1; id <= 3; id++)
		add(s, id, id, 0, "dead.example");
	struct schedule_job one = take(s, 10, "1:1 dead.example"),
	                    two = take(s, 10, "2:2 dead.example");
	schedule_retry(s, 1, 5000, 1);
	schedule_retry(s, 2, 5000, 1);
	schedule_done(s, one.number, SCHEDULE_UNREACHABLE, 20);
	schedule_done(s, two.number, SCHEDULE_UNREACHABLE, 21);
	take(s, 22, "-");
	schedule_end_rest(s, 99);
	schedule_end_rest(s, 3);
	take(s, 22, "3:3 dead.example");
	take(s, 22, "-"); /* the others wait for their time */
	schedule_free(s);
}

static void test_release(void **state)
{
	struct schedule *s = schedule_new(&limits);

	(void)state;
	add(s, 1, 1, 0, "a.example");
	add(s, 2, 2, 0, "a.example");
	check(schedule_hold(s, 1));
	check(schedule_release(s, 1, 500)); /* waits for its time again */
	take(s, 100, "2:2 a.example");
	check(!schedule_release(s, 2, 100)); /* under way */
	take(s, 499, "-");
	check_int_eq(schedule_due(s), 500);
	check(schedule_release(s, 1, 300));
	take(s, 400, "1:1 a.example");
	schedule_free(s);
}

static void test_hold(void **state)
{
	struct schedule *s = schedule_new(&limits);
	struct schedule_counts n;

	(void)state;
	add(s, 1, 1, 0, "a.example");
	add(s, 2, 2, 0, "a.example");
	check(!schedule_add(s, &(struct schedule_entry){ .id = 2, .destination = STR("x") }));
	check(schedule_hold(s, 1));
	check(schedule_hold(s, 1));
	check(!schedule_hold(s, 3));
	take(s, 10, "2:2 a.example");
	take(s, 10, "-");
	check(!schedule_hold(s, 2)); /* under way */
	check(!schedule_release(s, 2, 10));
	schedule_hold_later(s, 2);
	schedule_hold_later(s, 99);
	schedule_retry(s, 2, 100, 1);
	schedule_done(s, 1, SCHEDULE_WELL, 100);
	take(s, 1000, "-");
	check(schedule_release(s, 2, 1000));
	take(s, 1000, "2:2 a.example");
	schedule_counts(s, &n);
	check_int_eq(n.held, 1);
	check_int_eq(n.working, 1);
	check_int_eq(n.destinations, 1);
	check(schedule_release(s, 1, 10));
	take(s, 1000, "1:1 a.example");
	check(schedule_remove(s, 1));
	check(schedule_remove(s, 2));
	check(!schedule_remove(s, 2));
	schedule_done(s, 1, SCHEDULE_WELL, 10);
	schedule_done(s, 2, SCHEDULE_WELL, 10);
	schedule_done(s, 3, SCHEDULE_WELL, 10);
	schedule_done(s, 4, SCHEDULE_WELL, 10);
	schedule_counts(s, &n);
	check_int_eq(n.entries, 0);
	check_int_eq(n.destinations, 0);
	schedule_free(s);
}

static void test_back_off(void **state)
{
	struct schedule *s = schedule_new(&limits);

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		check_int_eq(schedule_next_at(s, 1, 0) >= 100, 1);
		check_int_eq(schedule_next_at(s, 1, 0) <= 120, 1);
		check_int_eq(schedule_next_at(s, 3, 0) >= 320, 1);
		check_int_eq(schedule_next_at(s, 3, 0) <= 480, 1);
		check_int_eq(schedule_next_at(s, 4000000, 5) <= 1005, 1);
		check_int_eq(schedule_next_at(s, 4000000, 5) >= 805, 1);
	}
	schedule_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_senders_take_turns),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_end_of_rest_by_hand),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_back_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
