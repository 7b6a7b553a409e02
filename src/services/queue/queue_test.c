/* Tests of the queue on a real store, with a relay that answers as each case says. */
#include "check.h"

#include "base/time.h"
#include "formats/dsn.h"
#include "services/frames/outbound.h"
#include "services/queue/internal.h"
#include "services/store/fixture.h"
#include "services/story/story.h"

static struct fixture f;

/* ---- the world around the queue ---- */

struct world {
	struct loop *loop;
	struct config config;
	struct log log;
	struct queue *queue;
	struct timer *limit;
	/* What relay answers: for each recipient by its first letter, 'd' delivered, 't' temporary, 'p' permanent,
	 * 'n' not tried, anything else: nothing is said. */
	enum relay_verdict verdict;
	bool is_lost, is_away;
	unsigned attempts, recipients_seen, notices;
	bool body_was_right;
	char notice[65536], notice_to[200];
	const char *notice_answer; /* what intake says to a notification */
	unsigned hold;             /* the attempt during which the administrator holds this row */
	uint64_t hold_id;
};

static struct world w;

static bool is_ready(void *owner)
{
	(void)owner;
	return !w.is_away;
}

struct attempt {
	queue_answer_fn *fn;
	void *arg;
	struct buf results;
};

static void answer_now(void *arg)
{
	struct attempt *attempt = arg;
	struct frame_deliver_result r = { .verdict = (uint32_t)w.verdict,
		.results = buf_str(&attempt->results),
		.host = STR("mx.remote.example"),
		.address = STR("192.0.2.1"),
		.trace = STR("mx.remote.example: talked") };

	attempt->fn(attempt->arg, w.is_lost ? NULL : &r);
	buf_fini(&attempt->results);
	free(attempt);
}

static void result_for(const struct outbound_recipient *to, struct buf *results)
{
	struct outbound_result r = {
		.id = to->id, .stage = STR("RCPT"), .text = STR("as it was told")
	};

	switch (to->address.ptr[0]) {
	case 'd':
		r.outcome = OUTBOUND_DELIVERED;
		r.code = 250;
		r.status[0] = 2;
		break;
	case 't':
		r.outcome = OUTBOUND_TEMPORARY;
		r.code = 450;
		r.status[0] = 4;
		break;
	case 'p':
		r.outcome = OUTBOUND_PERMANENT;
		r.code = 550;
		r.status[0] = 5;
		r.status[1] = 1;
		r.status[2] = 1;
		break;
	case 'n':
		r.outcome = OUTBOUND_NOT_TRIED;
		break;
	default:
		return;
	}
	outbound_result_add(results, &r);
}

static bool deliver(
    void *owner, const struct frame_deliver *frame, int fd, queue_answer_fn *fn, void *arg)
{
	struct outbound_recipient to;
	str list = frame->recipients;

	(void)owner;
	check_int_eq(fd, -1);
	w.attempts++;
	struct attempt *attempt = malloc(sizeof(*attempt));
	check(attempt != NULL);
	*attempt = (struct attempt){ fn, arg, BUF_INIT(65536) };
	w.body_was_right = str_starts(frame->body, STR("Subject: x\r\n"));
	while (list.len > 0) {
		check_int_eq(outbound_recipient_take(&list, &to, &f.err), 0);
		w.recipients_seen++;
		result_for(&to, &attempt->results);
	}
	if (w.hold == w.attempts) {
		schedule_hold_later(w.queue->schedule, w.hold_id);
	}
	loop_post(w.loop, answer_now, attempt);
	return true;
}

static void blocking(void *owner, loop_fn *work, loop_fn *done, void *arg)
{
	(void)owner;
	work(arg);
	loop_post(w.loop, done, arg);
}

/* As intake does: the notification and what goes with it, in one transaction, or a refusal and nothing. */
static void send_mail(void *owner, const struct intake_local *mail, intake_reply_fn *fn, void *arg)
{
	AUTO_BUF line = BUF_INIT(1000);
	struct frame_message_result r;

	(void)owner;
	w.notices++;
	check(mail->sender.len == 0 && mail->recipient_count == 1);
	snprintf(w.notice, sizeof(w.notice), STR_FMT, STR_ARG(mail->body));
	snprintf(w.notice_to, sizeof(w.notice_to), STR_FMT, STR_ARG(mail->recipients[0]));
	if (w.notice_answer[0] == '2')
		fixture_must(&f, store_write(f.store, mail->also, mail->also_arg, &f.err));
	buf_add_counted(&line, str_c(w.notice_answer));
	r.results = buf_str(&line);
	fn(arg, &r);
}

static void too_late(void *arg)
{
	(void)arg;
	fail_msg("the queue does not come to rest");
}

static void begin_world(void)
{
	w = (struct world){ .loop = loop_new(), .notice_answer = "250 2.0.0 kept" };
	w.config = (struct config){ .hostname = STR("mx.example.org"),
		.relay_port = 25,
		.language = STR("en"),
		.queue_warn_s = 4 * 3600 };
	w.log = (struct log){ .role = "test", .level = LOG_LEVEL_ALERT + 1, .fd = -1 };
	w.limit = timer_new(w.loop, too_late, NULL);
	timer_set(w.limit, 20000);
}

static int setup(void **state)
{
	(void)state;
	fixture_begin(&f);
	begin_world();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	queue_free(w.queue);
	timer_free(w.limit);
	loop_free(w.loop);
	fixture_check_sound(&f, true);
	fixture_end(&f);
	return 0;
}

static void start(void)
{
	w.queue = queue_new(
	    &(struct queue_options){
	        .store = f.store,
	        .loop = w.loop,
	        .log = &w.log,
	        .config = &w.config,
	        .env = { .is_ready = is_ready,
	            .deliver = deliver,
	            .send = send_mail,
	            .blocking = blocking },
	    },
	    &f.err);
	check(w.queue != NULL);
}

static void stop_when_idle(void *arg)
{
	if (queue_at_work(w.queue) == 0)
		loop_stop(w.loop);
	else
		loop_post(w.loop, stop_when_idle, arg);
}

static void run(void)
{
	loop_post(w.loop, stop_when_idle, NULL);
	loop_run(w.loop);
}

/* ---- mail ---- */

struct mail {
	const char *recipients; /* split by spaces */
	const char *sender;
	uint32_t notify;
	int64_t age_s;
	uint32_t attempts;
};

static void enqueue(const struct mail *m)
{
	struct delivery_target targets[10];
	struct store_piece piece = {
		.bytes = STR("Return-Path: <ana@example.org>\r\nSubject: x\r\n\r\nhello\r\n"),
		.fd = -1
	};
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	str rest = str_c(m->recipients), word;
	size_t n = 0;

	while (str_split(&rest, ' ', &word))
		targets[n++] = (struct delivery_target){
			.address = word, .recipient = word, .notify = m->notify
		};
	struct delivery d = { .id = 77,
		.message = { .body = &body, .index = STR("index") },
		.now = time_wall_s() - m->age_s,
		.sender = str_c(m->sender ? m->sender : "ana@example.org"),
		.received = STR(""),
		.submitter = f.account,
		.expires_at = time_wall_s() - m->age_s + 5 * 86400,
		.targets = targets,
		.target_count = n };
	fixture_must(&f, store_body_hash(&body, &f.err));
	fixture_must(&f, store_write(f.store, deliver_job, &d, &f.err));
	if (w.queue)
		queue_take(w.queue, &d);
}

static size_t rows(struct store_queue_item **out)
{
	size_t n;

	fixture_must(&f, store_queue_list(f.store, 0, 100, f.arena, out, &n, &f.err));
	return n;
}

/* As the administrator's retry does. */
struct by_hand {
	uint64_t id;
	int64_t now;
};

static int by_hand_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct by_hand *h = arg;

	return txn_queue_state(t, h->id, QUEUE_WAITING, h->now, err);
}

static void by_hand(uint64_t id, int64_t now)
{
	struct by_hand h = { id, now };

	fixture_must(&f, store_write(f.store, by_hand_job, &h, &f.err));
	queue_refresh(w.queue, id);
}

/* "sent deferred": the steps of the story after the first ones. */
static void check_story(const char *want)
{
	AUTO_BUF got = BUF_INIT(1000);
	struct store_story_step *steps;
	char id[STORY_ID_BYTES];
	size_t n;

	story_id_print(77, id);
	fixture_must(&f, store_story_find(f.store, str_c(id), 1, f.arena, &steps, &n, &f.err));
	for (size_t i = 0; i < n; i++) {
		if (steps[i].step >= STORY_SENT)
			buf_addf(&got, "%s%s", got.len ? " " : "", story_step_name(steps[i].step));
	}
	check_str_eq(buf_str(&got), str_c(want));
}

static void test_delivered(void **state)
{
	struct store_queue_item *list;

	(void)state;
	start();
	enqueue(
	    &(struct mail){ .recipients = "d1@remote.example d2@remote.example d3@other.example" });
	run();
	check_int_eq(w.attempts, 2); /* one for each destination */
	check_int_eq(w.recipients_seen, 3);
	check(w.body_was_right);
	check_int_eq(rows(&list), 0);
	check_int_eq(w.notices, 0);
	check_story("sent sent sent");
}

static void test_found_at_start(void **state)
{
	struct store_queue_item *list;

	(void)state;
	enqueue(&(struct mail){ .recipients = "d1@remote.example" });
	start();
	queue_refresh(w.queue, 0); /* no such row: only a push */
	run();
	check_int_eq(rows(&list), 0);
}

static void test_temporary(void **state)
{
	struct store_queue_item *list;
	int64_t now = time_wall_s();

	(void)state;
	start();
	enqueue(&(struct mail){ .recipients = "t@remote.example" });
	run();
	check_int_eq(rows(&list), 1);
	check_int_eq(list[0].attempts, 1);
	check(list[0].next_at >= now + 300 && list[0].next_at <= now + 400);
	check_str_eq(list[0].last_error, STR("450 4.0.0 as it was told"));
	check_int_eq(w.notices, 0);
	check_story("deferred");
	by_hand(list[0].id, time_wall_s());
	run();
	check_int_eq(w.attempts, 2);
	check_int_eq(rows(&list), 1);
	check_int_eq(list[0].attempts, 2);
}

static void test_permanent(void **state)
{
	struct store_queue_item *list;

	(void)state;
	start();
	enqueue(
	    &(struct mail){ .recipients = "p1@remote.example p2@remote.example d@remote.example" });
	run();
	check_int_eq(rows(&list), 0);
	check_int_eq(w.notices, 1);
	check_str_eq(str_c(w.notice_to), STR("ana@example.org"));
	check(strstr(w.notice, "p1@remote.example") && strstr(w.notice, "p2@remote.example"));
	check(!strstr(w.notice, "d@remote.example"));
	check(strstr(w.notice, "Status: 5.1.1") && strstr(w.notice, "550 "));
	check(strstr(w.notice, "mx.remote.example"));
	check_story("returned returned sent");
}

static void test_who_is_told(void **state)
{
	static const struct {
		const char *name, *recipients, *sender;
		uint32_t notify;
		unsigned notices;
	} cases[] = {
		{ "failure, nothing asked", "p@r.example", NULL, 0, 1 },
		{ "failure, never", "p@r.example", NULL, DSN_NOTIFY_NEVER, 0 },
		{ "failure, success only", "p@r.example", NULL, DSN_NOTIFY_SUCCESS, 0 },
		{ "failure of a bounce", "p@r.example", "", 0, 0 },
		{ "success, nothing asked", "d@r.example", NULL, 0, 0 },
		{ "success, asked", "d@r.example", NULL, DSN_NOTIFY_SUCCESS, 1 },
	};
	struct store_queue_item *list;

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.notices = 0;
		enqueue(&(struct mail){ .recipients = cases[i].recipients,
		    .sender = cases[i].sender,
		    .notify = cases[i].notify });
		run();
		check_case(cases[i].name, w.notices == cases[i].notices);
		check_case(cases[i].name, rows(&list) == 0);
	}
}

static void test_notice_refused(void **state)
{
	struct store_queue_item *list;

	(void)state;
	start();
	w.notice_answer = "451 4.3.0 not now";
	enqueue(&(struct mail){ .recipients = "p@remote.example" });
	run();
	check_int_eq(rows(&list), 1); /* nothing was lost: it is tried again */
	check_story("");
	w.notice_answer = "550 5.1.1 she is gone";
	by_hand(list[0].id, time_wall_s());
	run();
	check_int_eq(w.notices, 2);
	check_int_eq(rows(&list), 0);
	check_story("returned");
}

/* A notification that cannot be kept holds up nobody else: who has the message does not get it again. */
static void test_notice_refused_beside_others(void **state)
{
	struct store_queue_item *list;

	(void)state;
	start();
	w.notice_answer = "451 4.3.0 not now";
	enqueue(
	    &(struct mail){ .recipients = "d@remote.example p@remote.example t@remote.example" });
	run();
	check_int_eq(w.attempts, 1);
	check_int_eq(w.recipients_seen, 3);
	check_int_eq(rows(&list), 2);
	check_str_eq(list[0].recipient, STR("p@remote.example"));
	check_int_eq(list[0].attempts, 0);
	check_int_eq(list[1].attempts, 1);
	check_story("sent deferred");
	w.notice_answer = "250 2.0.0 kept";
	by_hand(list[0].id, time_wall_s());
	run();
	check_int_eq(w.recipients_seen, 4);
	check_int_eq(w.notices, 2);
	check_int_eq(rows(&list), 1);
}

/* Between the administrator's change and our hearing of it an attempt ended: its row says when the next one is. */
static void test_time_on_disk_counts(void **state)
{
	struct store_queue_item *list;

	(void)state;
	start();
	enqueue(&(struct mail){ .recipients = "t@remote.example" });
	run();
	check_int_eq(rows(&list), 1);
	check(list[0].next_at > time_wall_s() + 200);
	queue_refresh(w.queue, list[0].id);
	run();
	check_int_eq(w.attempts, 1);
	by_hand(list[0].id, time_wall_s());
	run();
	check_int_eq(w.attempts, 2);
}

/* A sweep that comes to nothing leaves the time of the next attempt as it was. */
static void test_sweep_keeps_time(void **state)
{
	struct store_queue_item *list;
	struct schedule_counts n;

	(void)state;
	start();
	enqueue(&(struct mail){ .recipients = "t@remote.example", .age_s = 5 * 3600 });
	run();
	check_int_eq(w.attempts, 1);
	w.notice_answer = "451 4.3.0 not now";
	queue_sweep(w.queue);
	run();
	check_int_eq(w.notices, 1);
	check_int_eq(w.attempts, 1);
	check_int_eq(rows(&list), 1);
	check(!(list[0].flags & QUEUE_WARNED));
	schedule_counts(w.queue->schedule, &n);
	check_int_eq(n.waiting, 1);
	check_int_eq(schedule_due(w.queue->schedule), list[0].next_at);
}

static void test_relay_lost(void **state)
{
	struct store_queue_item *list;
	struct schedule_counts n;

	(void)state;
	start();
	w.is_lost = true;
	enqueue(&(struct mail){ .recipients = "d@remote.example" });
	run();
	check_int_eq(w.attempts, 1);
	check_int_eq(rows(&list), 1);
	check_int_eq(list[0].attempts, 0);
	schedule_counts(w.queue->schedule, &n);
	check_int_eq(n.waiting, 1);
	w.is_lost = false;
	queue_refresh(w.queue, list[0].id);
	run();
	check_int_eq(rows(&list), 0);
}

static void test_relay_away(void **state)
{
	struct schedule_counts n;

	(void)state;
	start();
	w.is_away = true;
	enqueue(&(struct mail){ .recipients = "d@remote.example" });
	run();
	check_int_eq(w.attempts, 0);
	schedule_counts(w.queue->schedule, &n);
	check_int_eq(n.entries, 1);
}

static void test_held_meanwhile(void **state)
{
	struct store_queue_item *list;
	struct schedule_counts n;

	(void)state;
	enqueue(&(struct mail){ .recipients = "t@remote.example" });
	check_int_eq(rows(&list), 1);
	start();
	w.hold = 1;
	w.hold_id = list[0].id;
	queue_refresh(w.queue, list[0].id);
	run();
	schedule_counts(w.queue->schedule, &n);
	check_int_eq(n.held, 1);
}

static void test_old(void **state)
{
	struct store_queue_item *list;

	(void)state;
	w.is_away = true; /* nobody tries: the sweep alone */
	enqueue(&(struct mail){ .recipients = "t@remote.example", .age_s = 5 * 3600 });
	start();
	queue_sweep(w.queue);
	run();
	check_int_eq(w.notices, 0); /* never tried: our own delay is no news for the sender */
	check_int_eq(rows(&list), 1);
	w.is_away = false;
	queue_refresh(w.queue, list[0].id);
	run();
	w.is_away = true;
	queue_sweep(w.queue);
	run();
	check_int_eq(w.notices, 1);
	check(strstr(w.notice, "Action: delayed") != NULL);
	check_int_eq(rows(&list), 1);
	check(list[0].flags & QUEUE_WARNED);
	queue_sweep(w.queue);
	run();
	check_int_eq(w.notices, 1); /* once */
	check_story("deferred delayed");
}

static void test_expired(void **state)
{
	struct store_queue_item *list;

	(void)state;
	w.is_away = true;
	enqueue(&(struct mail){ .recipients = "t@remote.example", .age_s = 6 * 86400 });
	start();
	queue_sweep(w.queue);
	run();
	check_int_eq(rows(&list), 0);
	check_int_eq(w.notices, 1);
	check(strstr(w.notice, "Action: failed") && strstr(w.notice, "5.4.7"));
	check_story("returned");
}

static void test_expired_attempt(void **state)
{
	struct store_queue_item *list;

	(void)state;
	start();
	enqueue(&(struct mail){ .recipients = "t@remote.example", .age_s = 6 * 86400 });
	run();
	check_int_eq(w.attempts, 1); /* one last time */
	check_int_eq(rows(&list), 0);
	check_int_eq(w.notices, 1);
}

static void test_destinations(void **state)
{
	static const struct {
		const char *recipient, *want;
	} cases[] = {
		{ "a@Remote.Example", "remote.example" },
		{ "\"a@b\"@c.example", "c.example" },
		{ "a@[192.0.2.1]", "[192.0.2.1]" },
	};

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case_str(cases[i].recipient,
		    queue_destination(w.queue, str_c(cases[i].recipient), f.arena),
		    str_c(cases[i].want));
	w.config.smart_host = STR("out.example:587");
	check_str_eq(queue_destination(w.queue, STR("a@b.example"), f.arena), STR("smart host"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_delivered),
		TEST(test_found_at_start),
		TEST(test_temporary),
		TEST(test_permanent),
		TEST(test_who_is_told),
		TEST(test_notice_refused),
		TEST(test_notice_refused_beside_others),
		TEST(test_time_on_disk_counts),
		TEST(test_sweep_keeps_time),
		TEST(test_relay_lost),
		TEST(test_relay_away),
		TEST(test_held_meanwhile),
		TEST(test_old),
		TEST(test_expired),
		TEST(test_expired_attempt),
		TEST(test_destinations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
