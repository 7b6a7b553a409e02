/* peer_reply.h: the replies of an SMTP or LMTP server, as they are met in the field.
 *
 * Purpose    Cut the bytes of a peer into replies (RFC 5321 §4.2) with code, enhanced status (RFC 2034,
 *            RFC 3463) and text. Taken as well, and marked: lines ended by LF alone or by CR CR LF, no
 *            text, no space before the text, codes that change from line to line, lines without a code
 *            inside a reply, control characters, what is not UTF-8, lines that are too long.
 * Ownership  The reader owns its memory; the text of a reply is good until the next call.
 * Threads    One owner at a time.
 * Limits     PEER_REPLY_LINE bytes of a line are kept and PEER_REPLY_TEXT of all its lines; the rest is
 *            passed over and the reply marked. PEER_REPLY_LINES lines and PEER_REPLY_BYTES bytes of one
 *            reply are a flood. RFC 5321 §4.5.3.1.5 allows lines of 512 bytes, many send longer ones.
 * Errors     PEER_REPLY_MALFORMED and PEER_REPLY_FLOOD: the conversation makes no sense any more. The
 *            reader stays usable and goes on behind what it took.
 * Not here   What a reply means (client.h).
 */
#ifndef BUZON_PROTOCOLS_SMTP_CLIENT_PEER_REPLY_H
#define BUZON_PROTOCOLS_SMTP_CLIENT_PEER_REPLY_H

#include "base/buf.h"
#include "formats/enhanced_status.h"

enum {
	PEER_REPLY_LINE = 2048,
	PEER_REPLY_TEXT = 16 * 1024,
	PEER_REPLY_LINES = 256,
	PEER_REPLY_BYTES = 128 * 1024,
	PEER_REPLY_JUNK_LINES = 20, /* passed over before the first reply */
};

enum peer_reply_flag {
	PEER_REPLY_BARE_LF = 1,       /* a line ended by LF alone */
	PEER_REPLY_MIXED = 2,         /* lines with different codes; the most careful one counts */
	PEER_REPLY_CUT = 4,           /* some text was dropped */
	PEER_REPLY_CLEANED = 8,       /* bytes that are not text became '?' */
	PEER_REPLY_JUNK = 16,         /* lines without a code came before it or stand in it */
	PEER_REPLY_NO_SPACE = 32,     /* "250ok" */
	PEER_REPLY_UNFINISHED = 64,   /* the connection ended inside it */
	PEER_REPLY_WRONG_CLASS = 128, /* "550 4.7.1": the class of the code counts */
};

struct peer_reply {
	unsigned code;                   /* 200..599 */
	struct enhanced_status enhanced; /* class 0: none was given */
	str text; /* UTF-8 without control characters; '\n' between lines, without codes */
	unsigned flags;
};

struct peer_reply_reader {
	struct buf line, text;
	struct peer_reply reply;
	uint32_t lines, junk_lines;
	uint32_t bytes;
	bool skip_junk; /* set it before the first reply: banners of proxies and shells */
	bool is_line_cut, has_code;
	bool is_handed_out; /* its text lives until the next call */
};

enum peer_reply_result {
	PEER_REPLY_MORE, /* all of it was used */
	PEER_REPLY_READY,
	PEER_REPLY_MALFORMED,
	PEER_REPLY_FLOOD,
};

void peer_reply_init(struct peer_reply_reader *r);
void peer_reply_fini(struct peer_reply_reader *r);
/* Takes bytes up to the end of one reply. */
enum peer_reply_result peer_reply_next(
    struct peer_reply_reader *r, str *in, struct peer_reply *out);
/* The connection has ended: what came of a last reply without its end, if it says anything. */
enum peer_reply_result peer_reply_end(struct peer_reply_reader *r, struct peer_reply *out);
/* Forgets what was begun. */
void peer_reply_reset(struct peer_reply_reader *r);

#endif
