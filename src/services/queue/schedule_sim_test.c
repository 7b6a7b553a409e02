/* A simulation of the schedule: virtual clock, destinations with moods, from one seed each.
 *
 * Every entry ends delivered or bounced; none is in two jobs; none is tried before its time; nobody who could be
 * served waits. SEEDS=10000 runs the long form. */
#include "check.h"

#include <stdlib.h>

#include "base/num.h"
#include "services/queue/schedule.h"

enum {
	ENTRIES = 300,
	DESTINATIONS = 12,
	EVENTS_MAX = 200000,
	LIFE_S = 5 * 86400,
	REST_MAX_S = 3600,
};

enum mood { GOOD, SHY, DEAD, FLAKY, REFUSING, MOODS };

struct peer {
	char name[24];
	enum mood mood;
	int64_t alive_from; /* DEAD until then */
	uint32_t connections;
};

struct mail {
	struct peer *peer;
	int64_t born, next_at, ready_since;
	uint32_t attempts;
	enum { MAIL_UNBORN, MAIL_QUEUED, MAIL_IN_JOB, MAIL_DELIVERED, MAIL_BOUNCED } state;
};

struct flight {
	struct schedule_job job;
	uint64_t ids[10];
	struct peer *peer;
	int64_t ends_at;
	bool is_used;
};

struct sim {
	struct schedule *s;
	struct schedule_limits limits;
	uint64_t random;
	int64_t now;
	struct peer peers[DESTINATIONS];
	struct mail mails[ENTRIES + 1]; /* by id */
	struct flight flights[16];
	size_t in_flight, done;
	int64_t longest_wait;
};

static uint64_t roll(struct sim *m, uint64_t sides)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return (m->random >> 33) % sides;
}

static void begin(struct sim *m, uint64_t seed)
{
	*m = (struct sim){ .random = seed * 2 + 1, .now = 1000 };
	m->limits = (struct schedule_limits){ .jobs = 1 + (uint32_t)roll(m, 16),
		.connections = 1 + (uint32_t)roll(m, 6),
		.recipients = 1 + (uint32_t)roll(m, 10),
		.retry_first_s = 60 + (uint32_t)roll(m, 600),
		.retry_max_s = 4000 + (uint32_t)roll(m, 10000),
		.seed = seed };
	m->s = schedule_new(&m->limits);
	for (size_t i = 0; i < DESTINATIONS; i++) {
		struct peer *p = &m->peers[i];
		snprintf(p->name, sizeof(p->name), "d%zu.example", i);
		p->mood = (enum mood)roll(m, MOODS);
		p->alive_from = (int64_t)roll(m, LIFE_S * 2);
	}
	for (uint64_t id = 1; id <= ENTRIES; id++)
		m->mails[id].born = m->now + (int64_t)roll(m, 20000);
}

static void arrive(struct sim *m)
{
	for (uint64_t id = 1; id <= ENTRIES; id++) {
		struct mail *mail = &m->mails[id];
		if (mail->state != MAIL_UNBORN || mail->born > m->now)
			continue;
		mail->peer = &m->peers[roll(m, DESTINATIONS)];
		mail->state = MAIL_QUEUED;
		mail->next_at = mail->born;
		mail->ready_since = mail->born;
		check(schedule_add(m->s, &(struct schedule_entry){ .id = id,
		                             .batch = id / 4,
		                             .account = roll(m, 3),
		                             .destination = str_c(mail->peer->name),
		                             .next_at = mail->born }));
	}
}

static struct flight *free_flight(struct sim *m)
{
	for (size_t i = 0; i < 16; i++)
		if (!m->flights[i].is_used)
			return &m->flights[i];
	return NULL;
}

static void start_jobs(struct sim *m)
{
	struct schedule_job job;

	while (schedule_take(m->s, m->now, &job)) {
		struct flight *f = free_flight(m);
		check(f != NULL);
		check(job.count >= 1 && job.count <= m->limits.recipients);
		*f = (struct flight){ .job = job, .is_used = true };
		f->ends_at = m->now + 1 + (int64_t)roll(m, 30);
		for (size_t i = 0; i < job.count; i++) {
			struct mail *mail = &m->mails[job.ids[i]];
			check(mail->state == MAIL_QUEUED);
			check(mail->next_at <= m->now);
			check_str_eq(str_c(mail->peer->name), job.destination);
			check_int_eq(job.ids[i] / 4, job.batch);
			mail->state = MAIL_IN_JOB;
			f->ids[i] = job.ids[i];
			f->peer = mail->peer;
			if (mail->peer->mood != DEAD &&
			    m->now - mail->ready_since > m->longest_wait)
				m->longest_wait = m->now - mail->ready_since;
		}
		m->in_flight++;
		f->peer->connections++;
		check(m->in_flight <= m->limits.jobs);
		check(f->peer->connections <= m->limits.connections);
	}
}

/* Nobody waits who could be served: with room for a job, whoever is ready has a destination that rests or
 * is busy enough. */
static void check_nobody_waits(struct sim *m)
{
	struct schedule_destination d;

	if (m->in_flight == m->limits.jobs)
		return;
	for (uint64_t id = 1; id <= ENTRIES; id++) {
		struct mail *mail = &m->mails[id];
		if (mail->state != MAIL_QUEUED || mail->next_at > m->now)
			continue;
		check(schedule_destination(m->s, str_c(mail->peer->name), &d));
		check(d.rests_until > m->now || d.jobs >= d.window);
		check(d.rests_until <= m->now + REST_MAX_S);
	}
}

static void fail_once(struct sim *m, uint64_t id)
{
	struct mail *mail = &m->mails[id];

	mail->attempts++;
	if (m->now - mail->born > LIFE_S) {
		mail->state = MAIL_BOUNCED;
		m->done++;
		check(schedule_remove(m->s, id));
		return;
	}
	mail->state = MAIL_QUEUED;
	mail->next_at = schedule_next_at(m->s, mail->attempts, m->now);
	mail->ready_since = mail->next_at;
	check(mail->next_at >= m->now + (int64_t)m->limits.retry_first_s);
	check(mail->next_at <= m->now + (int64_t)m->limits.retry_max_s);
	schedule_retry(m->s, id, mail->next_at, mail->attempts);
}

static void settle(struct sim *m, uint64_t id, bool is_bounce)
{
	m->mails[id].state = is_bounce ? MAIL_BOUNCED : MAIL_DELIVERED;
	m->done++;
	check(schedule_remove(m->s, id));
}

static enum schedule_verdict answer(struct sim *m, struct flight *f)
{
	struct peer *p = f->peer;

	if (p->mood == DEAD && m->now < p->alive_from) {
		for (size_t i = 0; i < f->job.count; i++)
			fail_once(m, f->ids[i]);
		return SCHEDULE_UNREACHABLE;
	}
	for (size_t i = 0; i < f->job.count; i++) {
		if ((p->mood == FLAKY && roll(m, 3)) || (p->mood == SHY && p->connections > 1))
			fail_once(m, f->ids[i]);
		else if (p->mood == FLAKY && !roll(m, 4))
			m->mails[f->ids[i]].state = MAIL_QUEUED; /* said nothing: ready again */
		else
			settle(m, f->ids[i], p->mood == REFUSING);
	}
	return p->mood == SHY && p->connections > 1 ? SCHEDULE_SLOW_DOWN : SCHEDULE_WELL;
}

static void end_jobs(struct sim *m)
{
	for (size_t i = 0; i < 16; i++) {
		struct flight *f = &m->flights[i];
		if (!f->is_used || f->ends_at > m->now)
			continue;
		uint64_t number = f->job.number;
		enum schedule_verdict verdict = answer(m, f);
		f->peer->connections--;
		f->is_used = false;
		m->in_flight--;
		schedule_done(m->s, number, verdict, m->now);
	}
}

static void check_counts(struct sim *m)
{
	struct schedule_counts n;
	size_t queued = 0, working = 0;

	for (uint64_t id = 1; id <= ENTRIES; id++) {
		queued += m->mails[id].state == MAIL_QUEUED;
		working += m->mails[id].state == MAIL_IN_JOB;
	}
	schedule_counts(m->s, &n);
	check_int_eq(n.waiting + n.ready, queued);
	check_int_eq(n.working, working);
	check_int_eq(n.entries, queued + working);
	check_int_eq(n.jobs, m->in_flight);
}

/* The clock jumps to the next thing that happens. */
static bool step_clock(struct sim *m)
{
	int64_t next = schedule_due(m->s);

	for (size_t i = 0; i < 16; i++)
		if (m->flights[i].is_used && m->flights[i].ends_at < next)
			next = m->flights[i].ends_at;
	for (uint64_t id = 1; id <= ENTRIES; id++)
		if (m->mails[id].state == MAIL_UNBORN && m->mails[id].born < next)
			next = m->mails[id].born;
	if (next == INT64_MAX)
		return false;
	check(next >= m->now);
	m->now = next > m->now ? next : m->now + 1;
	return true;
}

static void run(uint64_t seed)
{
	static struct sim m;
	unsigned events = 0;

	begin(&m, seed);
	while (m.done < ENTRIES) {
		check(++events < EVENTS_MAX);
		if (!step_clock(&m)) {
			print_error(
			    "seed %d: stuck with %zu of %d done\n", (int)seed, m.done, ENTRIES);
			fail_msg("nothing will ever happen again");
		}
		arrive(&m);
		end_jobs(&m);
		start_jobs(&m);
		check_nobody_waits(&m);
		if (events % 64 == 0)
			check_counts(&m);
	}
	check_counts(&m);
	/* Whoever is alive answers within two rounds of the longest pause. */
	check(m.longest_wait <= 2 * LIFE_S);
	schedule_free(m.s);
}

static void test_seeds(void **state)
{
	uint32_t seeds = 100;
	const char *asked = getenv("SEEDS");

	(void)state;
	if (asked && num_parse_u32(str_c(asked), 1000000000, &seeds) < 0)
		fail_msg("SEEDS is a number");
	for (uint64_t seed = 1; seed <= seeds; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_seeds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
