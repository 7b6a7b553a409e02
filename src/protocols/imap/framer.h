/* framer.h: from the bytes of a client to complete IMAP commands.
 *
 * Purpose    Collects CRLF lines and the literals in them, asks for continuation, puts large
 *            APPEND literals aside. RFC 9051 §4.3, RFC 7888 (LITERAL+).
 * Shape      imap_framer_feed takes bytes until something is to be done and says what. Cutting the
 *            input anywhere changes nothing but where the pieces of streamed literals end.
 * Ownership  What an event points to is good until the next feed. A command's text stays until then
 *            even while bytes go on arriving elsewhere; imap_framer_release gives its memory back.
 * Threads    No state outside the object.
 * Errors     As events: BAD, REFUSED, FATAL. After BAD and REFUSED the framer is at the next
 *            command; after FATAL it takes nothing any more.
 * Not here   What commands mean (lexer.h, sessions/imap).
 */
#ifndef BUZON_PROTOCOLS_IMAP_FRAMER_H
#define BUZON_PROTOCOLS_IMAP_FRAMER_H

#include "base/buf.h"
#include "protocols/imap/lexer.h"

struct imap_limits {
	uint32_t line_bytes;    /* one line without its literals */
	uint32_t command_bytes; /* lines and literals that are kept in memory */
	uint32_t inline_bytes;  /* an APPEND literal above this is streamed aside */
	uint64_t append_bytes;  /* a streamed literal: APPENDLIMIT */
	uint32_t append_count;  /* streamed literals of one command (MULTIAPPEND) */
	uint64_t append_total;  /* their bytes */
	uint64_t swallow_bytes; /* refused "{n+}" literals up to this are read and thrown away */
};

/* append_bytes: config limits.append_bytes. */
struct imap_limits imap_limits_default(uint64_t append_bytes);

enum imap_frame {
	IMAP_FRAME_NONE,     /* all bytes taken, nothing to do */
	IMAP_FRAME_CONTINUE, /* say "+ OK" */
	IMAP_FRAME_COMMAND,  /* text, streamed */
	IMAP_FRAME_STREAM,  /* data of streamed literal number index; first and last piece marked */
	IMAP_FRAME_REFUSED, /* answer "text NO [TOOBIG] why": text is the tag, or empty */
	IMAP_FRAME_BAD,     /* answer "text BAD why": text is the tag, or empty */
	IMAP_FRAME_FATAL,   /* answer BYE [TOOBIG] why, and close */
};

struct imap_frame_event {
	str text; /* COMMAND: as lexer.h takes it; REFUSED, BAD: the tag when there is one */
	const struct imap_streamed *streamed; /* COMMAND */
	size_t streamed_count;
	size_t index; /* STREAM: which literal of this command */
	str data;     /* STREAM */
	bool first, last;
	const char *why; /* REFUSED, BAD, FATAL: a sentence for the client */
};

struct imap_framer;

struct imap_framer *imap_framer_new(const struct imap_limits *limits);
void imap_framer_free(struct imap_framer *f);
/* Takes bytes from the front of *in up to the next event. */
enum imap_frame imap_framer_feed(struct imap_framer *f, str *in, struct imap_frame_event *out);
/* Where the bytes of literal index went, so that the command carries it; -1 when they could not be
 * kept. The framer does not own fd. */
void imap_framer_set_fd(struct imap_framer *f, size_t index, int fd);
/* The command has been dealt with: gives all memory back, so that an idle session costs little. */
void imap_framer_release(struct imap_framer *f);
/* A command or literal has begun and is not complete. */
bool imap_framer_is_inside(const struct imap_framer *f);

#endif
