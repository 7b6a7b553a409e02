/* What any client may say after sign-in, on a real store in a directory: nothing crashes, nothing
 * leaks, the session comes to rest, and what it says consists of lines. The first byte says how the
 * input is cut and what is enabled. */
#include <assert.h>

#include "imap_rig.h"

enum { RUNS_PER_ACCOUNT = 64 }; /* making one costs more than a session */

static struct rig rig;
static struct rig_session *owner;
static unsigned runs;

/* A session of the account at hand. */
static struct rig_session set_up(void)
{
	if (runs == 0)
		rig_open(&rig);
	if (runs % RUNS_PER_ACCOUNT == 0) {
		if (owner)
			rig_session_close(owner);
		owner = rig_session_open(&rig);
	}
	runs++;
	return *owner;
}

static void tear_down(struct rig_session *s)
{
	fd_close(&s->fd);
	rig_settle(s, NULL, true);
	assert(rig.server->session_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const str starts[] = {
		STR_INIT("a CREATE one/two\r\n"),
		STR_INIT("a ENABLE IMAP4rev2 QRESYNC\r\na SELECT INBOX\r\n"),
		STR_INIT("a APPEND INBOX (\\Seen) {26+}\r\nFrom: a@b\r\nSubject: c\r\n\r\nd\r\n"
		         "a SELECT INBOX\r\n"),
		STR_INIT("a ENABLE UTF8=ACCEPT\r\na EXAMINE Sent\r\n"),
	};
	AUTO_BUF out = BUF_INIT(64 << 20);

	if (size < 2 || size > 16384)
		return 0;
	struct rig_session s = set_up();
	str input = str_new(data + 1, size - 1);
	size_t step = data[0] & 0x80 ? 1 + (data[0] & 0x1f) * 7 : size;
	rig_feed(&s, starts[(data[0] >> 5) & 3], &out);
	for (size_t at = 0; at < input.len; at += step)
		rig_feed(&s, str_sub(input, at, step), &out);
	assert(out.len == 0 || str_ends(buf_str(&out), STR("\r\n")));
	tear_down(&s);
	return 0;
}
