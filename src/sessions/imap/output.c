/* output.c: what commands write, into the session's stream. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/imap/writer.h"
#include "sessions/imap/session.h"

enum { WRITE_MAX = 256 * 1024, KEYWORD_BITS = 64 };

static struct stream *stream_of(const struct imap_conn *c)
{
	return imap_session_of(c)->stream;
}

void imap_write(struct imap_conn *c, str bytes)
{
	stream_write(stream_of(c), bytes);
}

void imap_writef(struct imap_conn *c, const char *fmt, ...)
{
	char small[512], *big = NULL;
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		imap_write(c, str_new(small, (size_t)n));
	} else if (n >= 0 && vasprintf(&big, fmt, again) >= 0) {
		imap_write(c, str_new(big, (size_t)n));
		free(big);
	}
	va_end(again);
}

void imap_write_u(struct imap_conn *c, uint64_t n)
{
	AUTO_BUF text = BUF_INIT(32);

	buf_addu(&text, n);
	imap_write(c, buf_str(&text));
}

void imap_write_string(struct imap_conn *c, str s)
{
	AUTO_BUF text = BUF_INIT(s.len * 2 + 64);

	imap_put_string(&text, s, imap_is_utf8(c));
	imap_write(c, buf_str(&text));
}

void imap_write_mailbox(struct imap_conn *c, str name_utf8)
{
	AUTO_BUF text = BUF_INIT(WRITE_MAX);

	imap_put_mailbox(&text, name_utf8, imap_is_utf8(c));
	imap_write(c, buf_str(&text));
}

void imap_write_flags(
    struct imap_conn *c, uint32_t flags, bool recent, uint64_t keywords, const str *names)
{
	AUTO_BUF text = BUF_INIT(WRITE_MAX);

	imap_put_flags(&text, flags, recent, keywords, names, KEYWORD_BITS);
	imap_write(c, buf_str(&text));
}

void imap_write_ref(struct imap_conn *c, str bytes, void (*release)(void *arg), void *arg)
{
	stream_write_ref(stream_of(c), bytes, release, arg);
}

bool imap_out_is_congested(const struct imap_conn *c)
{
	return stream_is_congested(stream_of(c));
}

void imap_flush(struct imap_conn *c)
{
	stream_flush(stream_of(c));
}

bool imap_is_gone(const struct imap_conn *c)
{
	return stream_is_broken(stream_of(c));
}

void imap_write_reply_text(struct imap_conn *c, str text)
{
	AUTO_BUF out = BUF_INIT(4096);

	imap_put_text(&out, str_sub(text, 0, 1000), imap_is_utf8(c));
	if (out.len > 0)
		out.ptr[0] = ascii_upper(out.ptr[0]);
	buf_addz(&out, "\r\n");
	imap_write(c, buf_str(&out));
}
