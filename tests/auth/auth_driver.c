/* The evaluators on standard input, for tests/auth: lines "option NAME VALUE" and "zone RECORD", then a line
 * "data" and the message. Words are written as protocols/dns/dns_zone.h says. */
#include "protocols/dns/dns_zone.h"
#include "protocols/spf/spf.h"

enum { INPUT_MAX = 64 << 20 };

struct input {
	struct arena *arena;
	str options, zone, message;
};

static str option(const struct input *in, const char *name)
{
	str lines = in->options, line, word;

	while (str_split(&lines, '\n', &line)) {
		if (take_word(&line, 64, &word) == 0 && str_eq(word, str_c(name))) {
			take_space(&line);
			return dns_zone_unescape(in->arena, line);
		}
	}
	return STR_NONE;
}

static void print(str text)
{
	fwrite(text.ptr, 1, text.len, stdout);
}

static int run_spf(const struct input *in)
{
	struct dns_question q;
	const struct spf_result *r;
	struct spf_options o = {
		.helo = option(in, "helo"),
		.mail_from = option(in, "from"),
		.receiver = option(in, "receiver"),
		.now_s = 1400000000,
	};

	if (ip_parse(option(in, "ip"), &o.ip) < 0)
		return 2;
	struct spf *s = spf_start(in->arena, &o);
	while (!(r = spf_result(s))) {
		if (!spf_next_question(s, &q))
			return 3;
		struct dns_answer answer = dns_zone_answer(in->arena, in->zone, &q);
		spf_answer(s, q.id, &answer);
	}
	printf("result %s\nexplanation " STR_FMT "\nreason " STR_FMT "\nterm " STR_FMT "\n",
	    spf_status_name(r->status), STR_ARG(r->explanation), STR_ARG(r->reason),
	    STR_ARG(r->term));
	for (size_t i = 0; i < r->step_count; i++)
		printf("step %u " STR_FMT "\n", r->steps[i].depth, STR_ARG(r->steps[i].text));
	return 0;
}

static void read_input(struct input *in)
{
	AUTO_BUF all = BUF_INIT(INPUT_MAX);
	AUTO_BUF options = BUF_INIT(INPUT_MAX);
	AUTO_BUF zone = BUF_INIT(INPUT_MAX);
	char *room;
	size_t count;

	while ((room = buf_space(&all, 65536)) && (count = fread(room, 1, 65536, stdin)) > 0)
		buf_grow(&all, count);
	str rest = buf_str(&all), line;
	while (str_split(&rest, '\n', &line) && !str_eq(line, STR("data"))) {
		struct buf *to = take_lit(&line, STR("zone ")) == 0 ? &zone : &options;
		take_lit(&line, STR("option "));
		buf_add(to, line);
		buf_addc(to, '\n');
	}
	in->options = arena_str(in->arena, buf_str(&options));
	in->zone = arena_str(in->arena, buf_str(&zone));
	in->message = rest.len ? arena_str(in->arena, rest) : STR_NONE;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct input *in);
	} commands[] = {
		{ "spf", run_spf },
	};
	AUTO_ARENA arena = arena_new(NULL, "driver", (size_t)1 << 30);
	struct input in = { .arena = arena };

	read_input(&in);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc == 2 && str_eq(str_c(commands[i].name), str_c(argv[1])))
			return commands[i].run(&in);
	}
	print(STR("usage: auth_driver spf\n"));
	return 2;
}
