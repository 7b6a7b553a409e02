/* How many bounces are read and judged in a second on one core, and how many answers classified.
 * bounce_speed FILE...: one message a file. Prints two lines of "what number".
 * bounce_speed --without OPERATOR FILE: the reasons of its recipients, judged without the rules of that operator. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "formats/bounce_reason.h"
#include "formats/charset.h"

enum { FILES_MAX = 1000, FILE_BYTES_MAX = 16 << 20, RUN_S = 2 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void load(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	buf_init(out, FILE_BYTES_MAX);
	do {
		char *room = fd < 0 ? NULL : buf_space(out, 64 * 1024);
		n = room ? read(fd, room, 64 * 1024) : 0;
		buf_grow(out, n > 0 ? (size_t)n : 0);
	} while (n > 0);
	if (fd >= 0)
		close(fd);
}

static int judge_without(const char *operator, const char * path)
{
	AUTO_ARENA a = arena_new(NULL, "one", 64 << 20);
	AUTO_BUF file = BUF_INIT(0);
	struct bounce b;
	int op = OPERATOR_COUNT - 1;

	while (op > OPERATOR_NONE &&
	       strcmp(bounce_operator_name((enum bounce_operator)op), operator) != 0)
		op--;
	if (op == OPERATOR_NONE)
		return 2;
	load(path, &file);
	bounce_parse(buf_str(&file), a, &b);
	const struct bounce_classifier *c = bounce_classifier_new(a, (enum bounce_operator)op);
	for (size_t i = 0; i < b.count; i++)
		puts(bounce_reason_name(bounce_judge(c, &b, &b.recipients[i]).reason));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--without") == 0)
		return judge_without(argv[2], argv[3]);

	static struct buf files[FILES_MAX];
	static struct bounce_answer answers[FILES_MAX * 4];
	struct arena *keep = arena_new(NULL, "keep", 1u << 30);
	const struct bounce_classifier *c = bounce_classifier_new(keep, OPERATOR_NONE);
	size_t count = 0, answer_count = 0, done = 0, sum = 0;

	charset_init();
	for (int i = 1; i < argc && count < FILES_MAX; i++) {
		struct bounce b;
		load(argv[i], &files[count]);
		bounce_parse(buf_str(&files[count++]), keep, &b);
		for (size_t r = 0; r < b.count && answer_count < FILES_MAX * 4; r++) {
			const struct bounce_recipient *to = &b.recipients[r];
			answers[answer_count++] = (struct bounce_answer){ to->code, to->status,
				to->diagnostic, to->remote_mta };
		}
	}
	if (!count || !answer_count)
		return 2;

	double started = now(), spent;
	do {
		for (size_t i = 0; i < count; i++, done++) {
			AUTO_ARENA a = arena_new(NULL, "one", 64 << 20);
			struct bounce b;
			bounce_parse(buf_str(&files[i]), a, &b);
			for (size_t r = 0; r < b.count; r++)
				sum += bounce_judge(c, &b, &b.recipients[r]).reason;
		}
		spent = now() - started;
	} while (spent < RUN_S);
	printf("bounces %.0f\n", (double)done / spent);

	done = 0;
	started = now();
	do {
		for (size_t i = 0; i < answer_count; i++, done++)
			sum += bounce_classify(c, &answers[i]).reason;
		spent = now() - started;
	} while (spent < RUN_S);
	printf("answers %.0f\n", (double)done / spent);
	arena_free(keep);
	return sum == 0;
}
