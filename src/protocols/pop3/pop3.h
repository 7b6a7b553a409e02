/* pop3.h: a POP3 session after sign-in, the TRANSACTION state. RFC 1939 §5 and §6.
 *
 * Purpose    STAT LIST RETR DELE NOOP RSET TOP UIDL CAPA LANG QUIT. The engine counts, numbers and
 *            remembers what was deleted; it asks for bodies and for the commit by events.
 * Ownership  new/free; the maildrop that was given must stay as it is until then.
 * Threads    One owner at a time.
 * Units      Message numbers from 1. Sizes in bytes as stored, without byte-stuffing (RFC 6856 §2.1).
 * Limits     Commands of 255 bytes with CRLF (RFC 2449 §4); too many bad ones end the session. The
 *            output is kept near POP3_OUTPUT_HIGH by the caller sending it: see is_congested.
 * Errors     None: whatever the peer sends gets its answer.
 * Not here   Time, the store, the lock (sessions/pop3).
 *
 * The caller's loop: feed (it takes one command at a time and nothing while an event waits), pull
 * events until false, send the output; again while feed takes something.
 * A body goes out as body_start, then body_run and body_bytes in turns, then body_end; see there.
 */
#ifndef BUZON_PROTOCOLS_POP3_POP3_H
#define BUZON_PROTOCOLS_POP3_POP3_H

#include "base/buf.h"

enum {
	POP3_COMMAND_BYTES = 255,
	POP3_OUTPUT_HIGH = 64 * 1024,
	POP3_ALL_LINES = -1,
};

struct pop3_session;

struct pop3_entry {
	uint32_t uid, size;
};

/* The maildrop as it was when the session began. */
struct pop3_maildrop {
	uint32_t count;
	uint32_t uidvalidity;
	uint64_t bytes;
	struct pop3_entry (*entry)(void *arg, uint32_t number);
	void *arg;
};

struct pop3_options {
	struct pop3_maildrop maildrop;
	str language;          /* "en", "es" */
	str mechanisms;        /* for CAPA: the SASL capability stays (RFC 5034 §3); static text */
	bool utf8;             /* UTF8 was given before sign-in */
	uint32_t bad_commands; /* then -ERR and close */
};

enum pop3_event_kind {
	POP3_EVENT_BODY,   /* number, lines: body_start ... body_end, or refuse */
	POP3_EVENT_UPDATE, /* QUIT: remove what is deleted, in one commit, then updated */
	POP3_EVENT_CLOSE,  /* send the output and close */
};

struct pop3_event {
	enum pop3_event_kind kind;
	uint32_t number;
	int64_t lines; /* TOP: of the body; RETR: POP3_ALL_LINES */
};

struct pop3_session *pop3_session_new(const struct pop3_options *o);
void pop3_session_free(struct pop3_session *s);

size_t pop3_session_feed(struct pop3_session *s, str bytes);
bool pop3_session_next(struct pop3_session *s, struct pop3_event *out);
str pop3_session_output(const struct pop3_session *s);
void pop3_session_sent(struct pop3_session *s, size_t count);
/* Gives back the memory of buffers that are empty: an idle session should hold none. */
void pop3_session_trim(struct pop3_session *s);
/* Output waits above POP3_OUTPUT_HIGH: send before going on; a long listing pauses until then. */
bool pop3_session_is_congested(const struct pop3_session *s);
bool pop3_session_is_done(const struct pop3_session *s);

/* ---- answers ---- */
void pop3_session_body_start(struct pop3_session *s, uint64_t octets);
/* How many bytes at the front of rest can go out unchanged, after the output as it is now: a dot
 * that must stand in front of them (RFC 1939 §3, byte-stuffing) has been added to it. At least 1
 * when rest is not empty. */
size_t pop3_session_body_run(struct pop3_session *s, str rest);
/* Adds a run to the output. (A long one the caller may send by itself, by reference, behind the
 * output: body_skipped then.) */
void pop3_session_body_bytes(struct pop3_session *s, str run);
void pop3_session_body_skipped(struct pop3_session *s, str run);
void pop3_session_body_end(struct pop3_session *s);
/* -ERR instead of a body. code "SYS/TEMP", "UTF8" or "". */
void pop3_session_refuse(struct pop3_session *s, str code);
void pop3_session_updated(struct pop3_session *s, bool ok);
/* -ERR and close, without deleting anything. */
void pop3_session_stop(struct pop3_session *s);

/* QUIT is to ask for POP3_EVENT_UPDATE although nothing is deleted. */
void pop3_session_want_update(struct pop3_session *s);
bool pop3_session_is_utf8(const struct pop3_session *s);
uint32_t pop3_session_deleted_count(const struct pop3_session *s);
bool pop3_session_is_deleted(const struct pop3_session *s, uint32_t number);

/* The front of message that TOP shows: header, empty line, and this many lines of the body. */
str pop3_top(str message, int64_t lines);

#endif
