/* POP3 sessions in core: a real store, a real loop on its own thread, a pool; the test is the front. */
#include "services/store/fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>

#include "formats/charset.h"
#include "formats/message_index.h"
#include "sessions/pop3/server.h"

enum { TEXT_MAX = 64 << 20 };

static const struct log quiet = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 };

struct world {
	struct fixture f;
	struct config config;
	struct loop *loop;
	struct pool *pool;
	struct pop3_server *server;
	pthread_t thread;
	sem_t done;
	/* for calls on the loop's thread */
	void (*call)(struct world *w);
	struct pop3_session_options start;
	int result;
	size_t sessions;
	struct err err;
};

static void call_here(void *arg)
{
	struct world *w = arg;

	w->call(w);
	sem_post(&w->done);
}

static void on_loop(struct world *w, void (*call)(struct world *w))
{
	w->call = call;
	loop_post(w->loop, call_here, w);
	sem_wait(&w->done);
}

static void *run_loop(void *arg)
{
	struct world *w = arg;

	loop_run(w->loop);
	return NULL;
}

static int deliver_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture_delivery *d = arg;
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	AUTO_BUF index = BUF_INIT(16 << 20);
	struct message_index parsed;
	struct store_piece piece = { .bytes = d->body, .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };

	message_index_build(d->body, a, &parsed);
	message_index_encode(&parsed, &index);
	struct store_message_new m = { .body = &body, .index = buf_str(&index), .sent_at = 1 };
	if (store_body_hash(&body, err) < 0 || txn_message_add(t, &m, &d->out_message, err) < 0)
		return -1;
	return txn_append(t,
	    &(struct store_append){
	        .mailbox = d->mailbox, .message = d->out_message, .size = (uint32_t)d->body.len },
	    &d->out_uid, err);
}

static void deliver(struct world *w, str body)
{
	struct fixture_delivery d = { .mailbox = w->f.inbox, .body = body };

	fixture_must(&w->f, store_write(w->f.store, deliver_job, &d, &w->f.err));
}

static void make_server(struct world *w)
{
	w->server = pop3_server_new(&(struct pop3_server_options){
	    .loop = w->loop,
	    .pool = w->pool,
	    .store = w->f.store,
	    .config = &w->config,
	    .log = &quiet,
	});
}

static struct world *begin(uint32_t idle_s)
{
	struct world *w = calloc(1, sizeof(*w));

	charset_init();
	fixture_begin(&w->f);
	w->config.limits.pop3_idle_s = idle_s;
	w->config.limits.errors_after_sign_in = 20;
	sem_init(&w->done, 0, 0);
	w->loop = loop_new();
	w->pool = pool_new(2);
	make_server(w);
	check_int_eq(pthread_create(&w->thread, NULL, run_loop, w), 0);
	return w;
}

static void stop_loop(struct world *w)
{
	loop_stop(w->loop);
}

static void count_sessions(struct world *w)
{
	w->sessions = pop3_server_sessions(w->server);
}

/* Sessions end a moment after their client is gone. */
static size_t sessions_after_a_while(struct world *w, size_t want)
{
	for (int i = 0; i < 500; i++) {
		on_loop(w, count_sessions);
		if (w->sessions == want)
			break;
		usleep(2000);
	}
	return w->sessions;
}

static void end(struct world *w)
{
	check_int_eq(sessions_after_a_while(w, 0), 0);
	on_loop(w, stop_loop);
	pthread_join(w->thread, NULL);
	pool_free(w->pool);
	pop3_server_free(w->server);
	loop_free(w->loop);
	fixture_check_sound(&w->f, /* deep */ false);
	fixture_end(&w->f);
	sem_destroy(&w->done);
	free(w);
}

static void start_here(struct world *w)
{
	w->result = pop3_session_start(w->server, &w->start, &w->err);
}

/* The client's end, or -1. */
static int attach(struct world *w, bool utf8)
{
	int pair[2];

	check_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fd_set_nonblocking(pair[0]);
	w->start = (struct pop3_session_options){ .fd = pair[0],
		.account = w->f.account,
		.address = FIXTURE_ADDRESS,
		.peer_address = STR("192.0.2.1"),
		.language = STR("en"),
		.utf8 = utf8 };
	on_loop(w, start_here);
	if (w->result == 0)
		return pair[1];
	close(pair[1]);
	return -1;
}

static void say(int fd, str bytes)
{
	check_int_eq(fd_write_all(fd, bytes), 0);
}

/* Reads until the text ends with this, or the end. */
static void hear(int fd, const char *until, struct buf *out)
{
	char block[65536];
	ssize_t n;

	buf_reset(out);
	while (!str_ends(buf_str(out), str_c(until)) && (n = read(fd, block, sizeof(block))) > 0)
		buf_add(out, str_new(block, (size_t)n));
}

static void ask(int fd, const char *command, const char *until, struct buf *out)
{
	say(fd, str_c(command));
	hear(fd, until, out);
}

static uint32_t inbox_count(struct world *w)
{
	struct store_view *v;

	fixture_must(&w->f, store_view_get(w->f.store, w->f.inbox, &v, &w->f.err));
	uint32_t count = v->count;
	store_view_unref(v);
	return count;
}

#define ONE "Subject: one\r\n\r\nHello\r\n"
#define TWO "Subject: two\r\n\r\n.dot\r\n"

static void test_whole_session(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	deliver(w, STR(ONE));
	deliver(w, STR(TWO));
	deliver(w, STR(ONE));
	int fd = attach(w, false);
	ask(fd, "STAT\r\n", "\r\n", &got);
	check_str_eq(buf_str(&got), STR("+OK 3 68\r\n"));
	ask(fd, "RETR 1\r\nRETR 2\r\nTOP 3 0\r\nDELE 1\r\nDELE 3\r\nNOOP\r\n", "+OK ok\r\n", &got);
	check_str_eq(buf_str(&got),
	    STR("+OK 23 octets\r\n" ONE ".\r\n+OK 22 octets\r\nSubject: two\r\n\r\n..dot\r\n.\r\n"
	        "+OK top of message follows\r\nSubject: one\r\n\r\n.\r\n"
	        "+OK deleted\r\n+OK deleted\r\n+OK ok\r\n"));
	check_int_eq(inbox_count(w), 3);
	ask(fd, "QUIT\r\n", "nothing ends so", &got);
	check_str_eq(buf_str(&got), STR("+OK goodbye\r\n"));
	check_int_eq(inbox_count(w), 1);
	close(fd);
	end(w);
}

static uint32_t unseen_count(struct world *w)
{
	struct store_view *v;

	fixture_must(&w->f, store_view_get(w->f.store, w->f.inbox, &v, &w->f.err));
	uint32_t count = v->unseen_count;
	store_view_unref(v);
	return count;
}

/* What RETR has sent is \Seen after QUIT, and a moment after a lost connection; TOP reads nothing. */
static void test_retrieved_is_seen(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	for (int i = 0; i < 5; i++)
		deliver(w, STR(ONE));
	int fd = attach(w, false);
	ask(fd, "RETR 2\r\nTOP 3 5\r\nRETR 4\r\nDELE 4\r\nNOOP\r\n", "+OK ok\r\n", &got);
	check_int_eq(unseen_count(w), 5);
	ask(fd, "RSET\r\nQUIT\r\n", "nothing ends so", &got);
	check_int_eq(inbox_count(w), 5);
	check_int_eq(unseen_count(w), 3);
	close(fd);
	fd = attach(w, false);
	ask(fd, "RETR 1\r\nRETR 4\r\nDELE 1\r\nNOOP\r\n", "+OK ok\r\n", &got);
	close(fd);
	check_int_eq(sessions_after_a_while(w, 0), 0);
	for (int i = 0; i < 500 && unseen_count(w) != 2; i++)
		usleep(2000);
	check_int_eq(unseen_count(w), 2);
	check_int_eq(inbox_count(w), 5);
	end(w);
}

static void test_lock(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	for (int i = 0; i < 50; i++) {
		int fd = attach(w, false);
		check(fd >= 0);
		check_int_eq(attach(w, false), -1);
		check_int_eq(w->err.kind, ERR_DENIED);
		/* Whoever has read the reply to QUIT finds the lock free. */
		ask(fd, "QUIT\r\n", "goodbye\r\n", &got);
		int second = attach(w, false);
		check(second >= 0);
		close(fd);
		ask(second, "NOOP\r\n", "\r\n", &got);
		check_str_eq(buf_str(&got), STR("+OK ok\r\n"));
		close(second);
		check_int_eq(sessions_after_a_while(w, 0), 0);
	}
	end(w);
}

static void test_lost_connection_deletes_nothing(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	deliver(w, STR(ONE));
	int fd = attach(w, false);
	ask(fd, "DELE 1\r\n", "\r\n", &got);
	close(fd);
	check_int_eq(sessions_after_a_while(w, 0), 0);
	check_int_eq(inbox_count(w), 1);
	end(w);
}

/* IMAP beside it: new mail does not show, what IMAP removed can be removed again, the rest stays. */
static void test_view_is_stable(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);
	uint32_t removed;

	(void)state;
	for (int i = 0; i < 4; i++)
		deliver(w, STR(ONE));
	int fd = attach(w, false);
	ask(fd, "STAT\r\n", "\r\n", &got);
	check_str_eq(buf_str(&got), STR("+OK 4 92\r\n"));
	deliver(w, STR(TWO));
	fixture_must(&w->f, fixture_expunge(&w->f, w->f.inbox, 2, 2, true, &removed));
	ask(fd, "STAT\r\nDELE 2\r\nDELE 3\r\nRSET\r\nDELE 1\r\nDELE 2\r\nUIDL 4\r\n", ".4\r\n",
	    &got);
	check(str_starts(buf_str(&got), STR("+OK 4 92\r\n+OK deleted\r\n")));
	ask(fd, "QUIT\r\n", "\r\n", &got);
	check_str_eq(buf_str(&got), STR("+OK goodbye\r\n"));
	/* 3 and 4 are left of the four, and the new one. */
	check_int_eq(inbox_count(w), 3);
	close(fd);
	end(w);
}

/* Long enough to go by reference, with runs of every length; read slowly, so that it pauses. */
static void test_large_bodies_and_slow_reader(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF body = BUF_INIT(TEXT_MAX);
	AUTO_BUF want = BUF_INIT(TEXT_MAX);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	buf_add(&body, STR("Subject: large\r\n\r\n"));
	for (size_t i = 0; i < 60000; i++)
		buf_add(&body, i % 1000 < 3 ? STR(".dots\r\n") : STR("some text on a line\r\n"));
	deliver(w, buf_str(&body));
	int fd = attach(w, false);
	for (int i = 0; i < 6; i++) {
		say(fd, STR("RETR 1\r\n"));
		buf_addf(&want, "+OK %zu octets\r\n", body.len);
		str rest = buf_str(&body), line;
		while (str_split(&rest, '\n', &line) && (line.len || rest.ptr)) {
			if (line.len && line.ptr[0] == '.')
				buf_addc(&want, '.');
			buf_add(&want, line);
			if (rest.ptr)
				buf_addc(&want, '\n');
		}
		buf_add(&want, STR(".\r\n"));
	}
	say(fd, STR("NOOP\r\n"));
	buf_add(&want, STR("+OK ok\r\n"));
	usleep(100000);
	hear(fd, "+OK ok\r\n", &got);
	check_int_eq(got.len, want.len);
	check(str_eq(buf_str(&got), buf_str(&want)));
	close(fd);
	end(w);
}

static void test_goes_away_while_reading(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF body = BUF_INIT(TEXT_MAX);

	(void)state;
	buf_add(&body, STR("Subject: large\r\n\r\n"));
	for (size_t i = 0; i < 100000; i++)
		buf_add(&body, STR("some text on a line\r\n"));
	deliver(w, buf_str(&body));
	for (int i = 0; i < 10; i++) {
		char some[5000];
		int fd = attach(w, false);
		say(fd, STR("RETR 1\r\nRETR 1\r\nRETR 1\r\nRETR 1\r\n"));
		check(read(fd, some, sizeof(some)) > 0);
		usleep((useconds_t)i * 1000);
		close(fd);
		check_int_eq(sessions_after_a_while(w, 0), 0);
	}
	end(w);
}

static void test_surrogate(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	deliver(w, STR("Subject: \xc3\xa9\r\n\r\nx\r\n"));
	int fd = attach(w, /* utf8 */ false);
	ask(fd, "RETR 1\r\n", "\r\n.\r\n", &got);
	check_str_eq(
	    buf_str(&got), STR("+OK 32 octets\r\nSubject: =?UTF-8?B?w6k=?=\r\n\r\nx\r\n.\r\n"));
	ask(fd, "QUIT\r\n", "\r\n", &got);
	close(fd);
	fd = attach(w, /* utf8 */ true);
	ask(fd, "RETR 1\r\n", "\r\n.\r\n", &got);
	check_str_eq(buf_str(&got), STR("+OK 18 octets\r\nSubject: \xc3\xa9\r\n\r\nx\r\n.\r\n"));
	close(fd);
	end(w);
}

/* One by one, forwards, backwards and again: what is read ahead is never another message. */
static void test_any_order(void **state)
{
	static const unsigned order[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 3, 4, 20, 19, 18, 18, 1, 20 };
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	for (unsigned i = 1; i <= 20; i++) {
		AUTO_BUF body = BUF_INIT(100);
		buf_addf(&body, "Subject: %u\r\n\r\n", i);
		deliver(w, buf_str(&body));
	}
	int fd = attach(w, false);
	for (size_t i = 0; i < COUNT(order); i++) {
		AUTO_BUF want = BUF_INIT(100);
		AUTO_BUF command = BUF_INIT(100);
		buf_addf(&command, "RETR %u\r\n", order[i]);
		say(fd, buf_str(&command));
		hear(fd, "\r\n.\r\n", &got);
		buf_addf(&want, "+OK %d octets\r\nSubject: %u\r\n\r\n.\r\n",
		    order[i] < 10 ? 14 : 15, order[i]);
		check_str_eq(buf_str(&got), buf_str(&want));
	}
	close(fd);
	end(w);
}

static void test_idle(void **state)
{
	struct world *w = begin(1);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	deliver(w, STR(ONE));
	int fd = attach(w, false);
	ask(fd, "DELE 1\r\n", "\r\n", &got);
	hear(fd, "nothing ends so", &got);
	check_int_eq(got.len, 0);
	check_int_eq(inbox_count(w), 1);
	close(fd);
	end(w);
}

static void stop_server(struct world *w)
{
	pop3_server_stop(w->server);
}

static void disconnect(struct world *w)
{
	pop3_server_disconnect(w->server, w->f.account);
}

static void test_stop(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	deliver(w, STR(ONE));
	int fd = attach(w, false);
	ask(fd, "DELE 1\r\n", "\r\n", &got);
	on_loop(w, disconnect);
	hear(fd, "nothing ends so", &got);
	check(str_starts(buf_str(&got), STR("-ERR [SYS/TEMP] ")));
	close(fd);
	fd = attach(w, false);
	check(fd >= 0);
	on_loop(w, stop_server);
	hear(fd, "nothing ends so", &got);
	check(str_starts(buf_str(&got), STR("-ERR [SYS/TEMP] ")));
	close(fd);
	check_int_eq(attach(w, false), -1);
	check_int_eq(w->err.kind, ERR_RETRY);
	check_int_eq(inbox_count(w), 1);
	end(w);
}

static void test_account_is_gone(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	w->f.account += 1000;
	int fd = attach(w, false);
	ask(fd, "STAT\r\n", "nothing ends so", &got);
	check(str_starts(buf_str(&got), STR("-ERR [SYS/TEMP] ")));
	close(fd);
	end(w);
}

static void test_half_closed_after_quit(void **state)
{
	struct world *w = begin(600);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	deliver(w, STR(ONE));
	int fd = attach(w, false);
	say(fd, STR("DELE 1\r\nQUIT\r\n"));
	shutdown(fd, SHUT_WR);
	hear(fd, "nothing ends so", &got);
	check_str_eq(buf_str(&got), STR("+OK deleted\r\n+OK goodbye\r\n"));
	check_int_eq(inbox_count(w), 0);
	close(fd);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_session),
		cmocka_unit_test(test_retrieved_is_seen),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_lost_connection_deletes_nothing),
		cmocka_unit_test(test_view_is_stable),
		cmocka_unit_test(test_large_bodies_and_slow_reader),
		cmocka_unit_test(test_goes_away_while_reading),
		cmocka_unit_test(test_surrogate),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_account_is_gone),
		cmocka_unit_test(test_half_closed_after_quit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
