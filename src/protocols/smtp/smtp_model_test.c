/* All pairs and all triples of SMTP events, with a small model beside the engine that says which class
 * of reply is right and what the transaction must look like. The model knows nothing of the engine; the
 * symbols come from the engine's table, so a new verb without a symbol fails the test. */
#include "check.h"

#include "protocols/smtp/internal.h"
#include "protocols/smtp/smtp_driver.h"

/* ---- the model ---- */

enum model_tx { TX_NONE, TX_MAIL, TX_TRIED, TX_RCPT, TX_CHUNKS, TX_FAILED };

struct model {
	enum smtp_role role;
	bool hello, extended, tls, signed_in, dead;
	enum model_tx tx;
	unsigned recipients, messages;
};

/* The codes a step must be answered with, in order; 0 ends. LMTP repeats are added by the step. */
struct answer {
	unsigned codes[8];
};

static struct answer say(unsigned code)
{
	return (struct answer){ { code } };
}

static bool is_lmtp(const struct model *m)
{
	return m->role == SMTP_ROLE_LMTP;
}

static void forget(struct model *m)
{
	m->tx = TX_NONE;
	m->recipients = 0;
}

/* One reply, or one per recipient; then the transaction is over. */
static struct answer end_message(struct model *m, unsigned first, unsigned code)
{
	struct answer a = { 0 };
	unsigned n = 0, count = is_lmtp(m) ? m->recipients : 1;

	if (first)
		a.codes[n++] = first;
	for (unsigned i = 0; i < count && n < 7; i++)
		a.codes[n++] = code;
	forget(m);
	return a;
}

static struct answer m_hello(struct model *m, bool extended, bool is_lhlo)
{
	if (is_lhlo != is_lmtp(m))
		return say(500);
	forget(m);
	m->hello = true;
	m->extended = extended;
	return say(250);
}

static struct answer m_ehlo(struct model *m)
{
	return m_hello(m, true, false);
}
static struct answer m_helo(struct model *m)
{
	return m_hello(m, false, false);
}
static struct answer m_lhlo(struct model *m)
{
	return m_hello(m, true, true);
}

static bool is_between(const struct model *m)
{
	return m->hello && m->tx == TX_NONE;
}

static struct answer m_starttls(struct model *m)
{
	if (!is_between(m) || m->tls)
		return say(503);
	m->tls = true;
	m->hello = m->extended = false;
	return say(220);
}

static struct answer m_auth(struct model *m, bool ok)
{
	if (m->role != SMTP_ROLE_SUBMISSION)
		return say(502);
	if (!is_between(m) || m->signed_in || !m->extended)
		return say(503);
	if (!m->tls)
		return say(538);
	m->signed_in = ok;
	return say(ok ? 235 : 535);
}
static struct answer m_auth_ok(struct model *m)
{
	return m_auth(m, true);
}
static struct answer m_auth_no(struct model *m)
{
	return m_auth(m, false);
}

static struct answer m_mail(struct model *m, unsigned code)
{
	if (!is_between(m))
		return say(503);
	if (m->role == SMTP_ROLE_SUBMISSION && !m->signed_in)
		return say(530);
	if (code == 250)
		m->tx = TX_MAIL;
	return say(code);
}
static struct answer m_mail_ok(struct model *m)
{
	return m_mail(m, 250);
}
static struct answer m_mail_no(struct model *m)
{
	return m_mail(m, 550);
}
static struct answer m_mail_bad(struct model *m)
{
	return m_mail(m, 501);
}

static struct answer m_rcpt(struct model *m, unsigned code)
{
	if (m->tx == TX_NONE || m->tx >= TX_CHUNKS)
		return say(503);
	if (code == 250) {
		m->tx = TX_RCPT;
		m->recipients++;
	} else if (m->tx == TX_MAIL) {
		m->tx = TX_TRIED;
	}
	return say(code);
}
static struct answer m_rcpt_ok(struct model *m)
{
	return m_rcpt(m, 250);
}
static struct answer m_rcpt_no(struct model *m)
{
	return m_rcpt(m, 550);
}

static unsigned nobody(const struct model *m)
{
	return m->tx == TX_TRIED && !is_lmtp(m) ? 554 : 503;
}

static struct answer m_data(struct model *m, unsigned begin, unsigned end)
{
	if (m->tx != TX_RCPT)
		return say(nobody(m));
	if (begin != 354) {
		forget(m);
		return say(begin);
	}
	m->messages += end == 250 || end == 551;
	return end_message(m, 354, end);
}
static struct answer m_data_ok(struct model *m)
{
	return m_data(m, 354, 250);
}
static struct answer m_data_no(struct model *m)
{
	return m_data(m, 452, 0);
}
static struct answer m_data_refused(struct model *m)
{
	return m_data(m, 354, 551);
}
static struct answer m_data_long(struct model *m)
{
	return m_data(m, 354, 552);
}
static struct answer m_data_smuggle(struct model *m)
{
	m->dead = m->tx == TX_RCPT;
	return m_data(m, 354, 550);
}

static struct answer m_bdat(struct model *m, unsigned code, bool last)
{
	bool is_open = m->tx == TX_RCPT || m->tx == TX_CHUNKS;

	if (!is_open)
		return say(nobody(m));
	if (!last) {
		m->tx = code == 250 ? TX_CHUNKS : TX_FAILED;
		m->recipients = code == 250 ? m->recipients : 0;
		return say(code);
	}
	m->messages += code == 250;
	return end_message(m, 0, code);
}
static struct answer m_bdat_more(struct model *m)
{
	return m_bdat(m, 250, false);
}
static struct answer m_bdat_last(struct model *m)
{
	return m_bdat(m, 250, true);
}
static struct answer m_bdat_bare(struct model *m)
{
	return m_bdat(m, 550, false);
}

static struct answer m_rset(struct model *m)
{
	forget(m);
	return say(250);
}
static struct answer m_250(struct model *m)
{
	(void)m;
	return say(250);
}
static struct answer m_252(struct model *m)
{
	(void)m;
	return say(252);
}
static struct answer m_214(struct model *m)
{
	(void)m;
	return say(214);
}
static struct answer m_500(struct model *m)
{
	(void)m;
	return say(500);
}
static struct answer m_502(struct model *m)
{
	(void)m;
	return say(502);
}
static struct answer m_quit(struct model *m)
{
	m->dead = true;
	forget(m);
	return say(221);
}
static struct answer m_web(struct model *m)
{
	m->dead = true;
	forget(m);
	return say(554);
}

/* ---- the symbols ---- */

/* DATA and its text are two pieces: the text goes only where 354 was said, as a client does. */
static const struct symbol {
	const char *name; /* first word: the verb it stands for */
	str bytes, text;
	const char *answer; /* queued for the driver, NULL: yes */
	struct answer (*model)(struct model *m);
} symbols[] = {
	{ "EHLO", STR_INIT("EHLO c\r\n"), { 0 }, NULL, m_ehlo },
	{ "HELO", STR_INIT("HELO c\r\n"), { 0 }, NULL, m_helo },
	{ "LHLO", STR_INIT("LHLO c\r\n"), { 0 }, NULL, m_lhlo },
	{ "STARTTLS", STR_INIT("STARTTLS\r\n"), { 0 }, NULL, m_starttls },
	{ "AUTH", STR_INIT("AUTH PLAIN AGEAYg==\r\n"), { 0 }, NULL, m_auth_ok },
	{ "AUTH wrong", STR_INIT("AUTH PLAIN AGEAYg==\r\n"), { 0 }, "auth failed", m_auth_no },
	{ "MAIL", STR_INIT("MAIL FROM:<a@b.c>\r\n"), { 0 }, NULL, m_mail_ok },
	{ "MAIL refused", STR_INIT("MAIL FROM:<no@b.c>\r\n"), { 0 }, "mail 550 5.7.1 no",
	    m_mail_no },
	{ "MAIL malformed", STR_INIT("MAIL FROM:<a\r\n"), { 0 }, NULL, m_mail_bad },
	{ "RCPT", STR_INIT("RCPT TO:<x@y.z>\r\n"), { 0 }, NULL, m_rcpt_ok },
	{ "RCPT refused", STR_INIT("RCPT TO:<n@y.z>\r\n"), { 0 }, "rcpt 550 5.1.1 no", m_rcpt_no },
	{ "DATA", STR_INIT("DATA\r\n"), STR_INIT("..hi\r\n.\r\n"), NULL, m_data_ok },
	{ "DATA refused", STR_INIT("DATA\r\n"), STR_INIT("hi\r\n.\r\n"), "data 452 4.3.1 no",
	    m_data_no },
	{ "DATA junk", STR_INIT("DATA\r\n"), STR_INIT("hi\r\n.\r\n"), "message 551 5.7.1 no",
	    m_data_refused },
	{ "DATA too-long", STR_INIT("DATA\r\n"), STR_INIT("12345678901234567890123\r\n.\r\n"), NULL,
	    m_data_long },
	{ "DATA smuggled", STR_INIT("DATA\r\n"), STR_INIT("a\n.\r\nMAIL FROM:<e@v.il>\r\n.\r\n"),
	    NULL, m_data_smuggle },
	{ "BDAT", STR_INIT("BDAT 3\r\nab\r"), { 0 }, NULL, m_bdat_more },
	{ "BDAT last", STR_INIT("BDAT 3 LAST\r\n\nab"), { 0 }, NULL, m_bdat_last },
	{ "BDAT bare", STR_INIT("BDAT 4\r\n\na\nb"), { 0 }, NULL, m_bdat_bare },
	{ "RSET", STR_INIT("RSET\r\n"), { 0 }, NULL, m_rset },
	{ "NOOP", STR_INIT("NOOP\r\n"), { 0 }, NULL, m_250 },
	{ "VRFY", STR_INIT("VRFY x\r\n"), { 0 }, NULL, m_252 },
	{ "EXPN", STR_INIT("EXPN x\r\n"), { 0 }, NULL, m_502 },
	{ "HELP", STR_INIT("HELP\r\n"), { 0 }, NULL, m_214 },
	{ "QUIT", STR_INIT("QUIT\r\n"), { 0 }, NULL, m_quit },
	{ "GET", STR_INIT("GET / HTTP/1.1\r\n"), { 0 }, NULL, m_web },
	{ "(unknown)", STR_INIT("FROB\r\n"), { 0 }, NULL, m_500 },
	{ "(bare LF)", STR_INIT("NOOP\n"), { 0 }, NULL, m_500 },
};
enum { SYMBOLS = COUNT(symbols) };

/* ---- playing one ---- */

struct run {
	struct driver d;
	struct model m;
	struct buf out;
	const char *path[8];
	size_t depth;
	bool cr_open; /* a chunk ended in CR: the next one begins with LF, or else */
};

static void complain(const struct run *r, const char *what)
{
	for (size_t i = 0; i < r->depth; i++)
		print_error("%s, ", r->path[i]);
	print_error(
	    "role %d: %s; got \"" STR_FMT "\"\n", (int)r->m.role, what, STR_ARG(buf_str(&r->out)));
	_fail(__FILE__, __LINE__);
}

/* The final lines of the replies, compared with the codes that the model wants. */
static void compare_codes(struct run *r, const struct answer *want)
{
	str rest = buf_str(&r->out), line;
	size_t n = 0;

	while (str_split(&rest, '\n', &line)) {
		if (line.len < 4 || line.ptr[3] == '-')
			continue;
		uint32_t code = 0;
		if (num_parse_u32(str_sub(line, 0, 3), 999, &code) < 0 || code != want->codes[n++])
			complain(r, "wrong code");
	}
	if (want->codes[n])
		complain(r, "a reply is missing");
	buf_reset(&r->out);
}

static void compare_state(struct run *r)
{
	const struct model *m = &r->m;

	if (smtp_session_is_done(r->d.s) != m->dead)
		complain(r, "open or closed");
	if (r->d.open != (m->tx != TX_NONE && m->tx != TX_FAILED))
		complain(r, "transaction leaks");
	if (r->d.recipients != (r->d.open ? m->recipients : 0))
		complain(r, "recipients leak");
	if (r->d.messages != m->messages)
		complain(r, "messages");
	if (r->d.body.len != 0 && m->tx != TX_CHUNKS)
		complain(r, "body leaks");
}

static bool is_bdat(const struct symbol *s)
{
	return str_starts(s->bytes, STR("BDAT"));
}

/* The chunks of the symbols fit together as "ab CR" ("LF ab CR")* "LF ab". A first chunk must not begin
 * with LF, and MORE after MORE must. */
static str chunk_bytes(const struct run *r, const struct symbol *s)
{
	if (r->m.tx == TX_CHUNKS)
		return str_eq(s->bytes, STR("BDAT 3\r\nab\r")) ? STR("BDAT 3\r\n\na\r") : s->bytes;
	if (str_starts(s->bytes, STR("BDAT 3 LAST")))
		return STR("BDAT 3 LAST\r\nabc");
	return s->bytes;
}

static void step(struct run *r, const struct symbol *s)
{
	r->path[r->depth++] = s->name;
	if (r->m.dead)
		return;
	str bytes = is_bdat(s) ? chunk_bytes(r, s) : s->bytes;
	r->d.answer_count = 0;
	for (int i = 0; s->answer && i < 8; i++) /* LMTP asks once for each recipient */
		driver_queue(&r->d, str_c(s->answer));
	struct answer want = s->model(&r->m);
	driver_feed(&r->d, bytes, &r->out);
	if (s->text.len && want.codes[0] == 354)
		driver_feed(&r->d, s->text, &r->out);
	compare_codes(r, &want);
	if (r->d.waiting_tls)
		driver_start_tls(&r->d, &r->out);
	compare_state(r);
}

static void run_open(struct run *r, enum smtp_role role)
{
	*r = (struct run){ .m = { .role = role } };
	driver_init(&r->d);
	buf_init(&r->out, 65536);
	r->d.options.role = role;
	r->d.options.tls_offered = true;
	r->d.options.limits.message_bytes = 20;
	r->d.options.limits.bad_commands = r->d.options.limits.bad_commands_signed_in = 50;
	driver_open(&r->d, &r->out);
	buf_reset(&r->out);
}

static void run_close(struct run *r)
{
	driver_fini(&r->d);
	buf_fini(&r->out);
}

/* Ways to where the interesting states are. */
static const char *const prefixes[][6] = {
	{ NULL },
	{ "EHLO", NULL },
	{ "EHLO", "STARTTLS", "EHLO", "AUTH", NULL },
	{ "EHLO", "MAIL", "RCPT", NULL },
	{ "EHLO", "MAIL", "RCPT", "BDAT", NULL },
};

static const struct symbol *symbol_named(const char *name, enum smtp_role role)
{
	if (role == SMTP_ROLE_LMTP && strcmp(name, "EHLO") == 0)
		name = "LHLO";
	for (size_t i = 0; i < SYMBOLS; i++)
		if (strcmp(symbols[i].name, name) == 0)
			return &symbols[i];
	abort();
}

static void play(enum smtp_role role, size_t prefix, const size_t *which, size_t count)
{
	struct run r;

	run_open(&r, role);
	for (size_t i = 0; prefixes[prefix][i]; i++)
		step(&r, symbol_named(prefixes[prefix][i], role));
	r.depth = 0;
	for (size_t i = 0; i < count; i++)
		step(&r, &symbols[which[i]]);
	run_close(&r);
}

static void test_every_verb_has_a_symbol(void **state)
{
	(void)state;
	for (size_t i = 0; i < smtp_verb_count; i++) {
		/* Those that share a function are one event. */
		bool is_there = false;
		for (size_t k = 0; k < SYMBOLS; k++) {
			str name = str_c(symbols[k].name);
			name.len = str_chr(name, ' ') == STR_NPOS ? name.len : str_chr(name, ' ');
			for (size_t v = 0; v < smtp_verb_count; v++)
				is_there |= str_eq(smtp_verbs[v].name, name) &&
				            smtp_verbs[v].run == smtp_verbs[i].run;
		}
		check_case(smtp_verbs[i].name.ptr, is_there);
	}
}

static void test_pairs(void **state)
{
	(void)state;
	for (int role = 0; role < 3; role++)
		for (size_t prefix = 0; prefix < COUNT(prefixes); prefix++)
			for (size_t a = 0; a < SYMBOLS; a++)
				for (size_t b = 0; b < SYMBOLS; b++)
					play((enum smtp_role)role, prefix, (size_t[]){ a, b }, 2);
}

static void test_triples(void **state)
{
	(void)state;
	for (int role = 0; role < 3; role++)
		for (size_t a = 0; a < SYMBOLS; a++)
			for (size_t b = 0; b < SYMBOLS; b++)
				for (size_t c = 0; c < SYMBOLS; c++) {
					/* Submission is only interesting once signed in. */
					size_t prefix = role == SMTP_ROLE_SUBMISSION ? 2 : 1;
					play(
					    (enum smtp_role)role, prefix, (size_t[]){ a, b, c }, 3);
				}
}

static void test_walks(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct run r;
		run_open(&r, (enum smtp_role)(round % 3));
		r.d.options.limits.idle_commands = 1u << 30;
		for (int i = 0; i < 200 && !r.m.dead && r.d.messages + r.d.resets < 9; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			const struct symbol *s = &symbols[seed % SYMBOLS];
			/* Ends come late, or no walk gets far. */
			if (s->model == m_quit || s->model == m_web || s->model == m_data_smuggle)
				continue;
			r.depth = 0;
			r.d.s->bad = 0; /* limits have their own transcripts */
			r.d.s->idle = 0;
			r.d.s->refused_recipients = 0;
			r.d.s->tx.over = 0;
			step(&r, s);
			if (r.m.recipients > 5)
				step(&r, symbol_named("RSET", r.m.role));
		}
		run_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_has_a_symbol),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_triples),
		cmocka_unit_test(test_walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
