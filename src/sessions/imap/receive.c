/* receive.c: from input to commands: one step after the other until something is missing. */
#include "base/fd.h"
#include "sessions/imap/session.h"

/* ---- the large literals of a command go to one file, one after the other ---- */

static void close_spool(void *arg)
{
	fd_close(arg);
}

/* The command is answered with the first reason when it is complete; until then its bytes are read
 * and dropped, because the client was told to send them. */
static void spool_failed(struct imap_session *s, const struct err *why)
{
	if (s->spool_err)
		return;
	s->spool_err = arena_one(imap_session_arena(s), struct err);
	*s->spool_err = *why;
}

static void open_spool(struct imap_session *s)
{
	const struct imap_server_options *o = &s->server->o;
	int *fd = arena_one(imap_session_arena(s), int);
	struct err err = { .kind = ERR_NONE };

	s->spool_fd = -1;
	if (s->spool_err)
		return;
	*fd = o->spool_open(o->owner, &err);
	if (*fd < 0) {
		spool_failed(s, &err);
		return;
	}
	arena_defer(s->cmd.arena, close_spool, fd);
	s->spool_fd = *fd;
}

static void spool_piece(struct imap_session *s)
{
	struct err err;

	if (s->event.first && s->spool_fd < 0)
		open_spool(s);
	if (s->event.first)
		imap_framer_set_fd(s->framer, s->event.index, s->spool_fd);
	if (s->spool_fd >= 0 && fd_write_all(s->spool_fd, s->event.data) < 0) {
		err_set(&err, ERR_RETRY, "the message could not be put aside: %m");
		spool_failed(s, &err);
	}
}

/* ---- events ---- */

static bool next_event(struct imap_session *s)
{
	stream_consume(s->stream, s->unconsumed);
	s->unconsumed = 0;
	str in = stream_input(s->stream);
	size_t before = in.len;
	if (before == 0)
		return false;
	s->frame = imap_framer_feed(s->framer, &in, &s->event);
	if (s->frame == IMAP_FRAME_STREAM)
		s->unconsumed = before - in.len;
	else
		stream_consume(s->stream, before - in.len);
	return s->frame != IMAP_FRAME_NONE;
}

/* Between commands, or inside one. */
static void on_frame(struct imap_session *s)
{
	switch (s->frame) {
	case IMAP_FRAME_CONTINUE:
		imap_write(&s->conn, STR("+ OK\r\n"));
		break;
	case IMAP_FRAME_COMMAND:
		s->phase = PHASE_COMMAND;
		break;
	case IMAP_FRAME_STREAM:
		s->phase = PHASE_STREAM;
		break;
	case IMAP_FRAME_REFUSED:
		imap_session_no(s, s->event.text, STR("TOOBIG"), s->event.why);
		imap_session_end_command(s);
		break;
	case IMAP_FRAME_BAD:
		imap_session_bad(s, s->event.text, s->event.why);
		imap_session_end_command(s);
		break;
	case IMAP_FRAME_FATAL:
		imap_session_bye(s, "a literal that is too large", s->event.why);
		break;
	case IMAP_FRAME_NONE:
		break;
	}
}

/* RFC 2177 §3: DONE ends IDLE. Anything else is a mistake of the client, and ends it as well. */
static void on_idle_frame(struct imap_session *s)
{
	if (s->frame == IMAP_FRAME_STREAM)
		return;
	if (s->frame == IMAP_FRAME_COMMAND && str_ieq(s->event.text, STR("DONE"))) {
		s->idle_done = true;
		s->phase = PHASE_RUNNING;
	} else if (s->frame == IMAP_FRAME_FATAL) {
		on_frame(s);
	} else {
		imap_session_bad(s, s->cmd.tag, "IDLE is ended by DONE");
		imap_session_end_command(s);
	}
}

/* ---- steps ---- */

struct budget {
	unsigned commands, reads;
};

/* True: go on. */
static bool step_reading(
    struct imap_session *s, bool may_block, struct budget *b, enum imap_need *need)
{
	bool idle = s->phase == PHASE_WAITING;

	if (atomic_load(&s->stopping)) {
		imap_session_bye(s, "the server stops", "the server is going down; come back soon");
		return true;
	}
	if (idle && s->woken) {
		s->phase = PHASE_RUNNING;
		return true;
	}
	*need = NEED_DRAIN;
	if (stream_is_congested(s->stream))
		return false;
	if (next_event(s)) {
		if (idle)
			on_idle_frame(s);
		else
			on_frame(s);
		return true;
	}
	*need = NEED_INPUT;
	/* A message that is arriving needs no turn of the loop for each piece. */
	return may_block && imap_framer_is_inside(s->framer) && b->reads++ < IMAP_READS_AT_ONCE &&
	       stream_read_now(s->stream);
}

static bool step(struct imap_session *s, bool may_block, struct budget *b, enum imap_need *need)
{
	if (s->phase == PHASE_OVER) {
		*need = NEED_CLOSE;
		return false;
	}
	if (s->phase == PHASE_READING || s->phase == PHASE_WAITING)
		return step_reading(s, may_block, b, need);
	/* A command that has said much goes on when the client has read it; not before, or it would
	 * run back and forth between the loop and the pool. */
	*need = NEED_DRAIN;
	if (s->phase == PHASE_RUNNING && stream_is_congested(s->stream))
		return false;
	*need = NEED_THREAD;
	if (!may_block)
		return false;
	if (s->phase == PHASE_STREAM) {
		spool_piece(s);
		s->phase = PHASE_READING;
		return true;
	}
	if (s->phase == PHASE_RUNNING) {
		s->woken = false;
		imap_session_run_command(s);
		return true;
	}
	/* Others wait for a thread as well. */
	if (b->commands++ >= IMAP_COMMANDS_AT_ONCE)
		return false;
	imap_session_begin_command(s);
	return true;
}

enum imap_need imap_session_advance(struct imap_session *s, bool may_block)
{
	struct budget budget = { 0, 0 };
	enum imap_need need = NEED_INPUT;

	while (!stream_is_broken(s->stream) && step(s, may_block, &budget, &need))
		;
	return need;
}
