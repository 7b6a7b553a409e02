/* signin.h: what signin.c needs of a protocol: IMAP and POP3 up to the sign-in look the same to it.
 *
 * Purpose    One table of functions per protocol over its engine (protocols/imap/preauth.h,
 *            protocols/pop3/preauth.h); signin_imap.c and signin_pop3.c only translate.
 * Not here   signin_accept (sessions/front.h).
 */
#ifndef BUZON_SESSIONS_SIGNIN_SIGNIN_H
#define BUZON_SESSIONS_SIGNIN_SIGNIN_H

#include "base/buf.h"
#include "sessions/front.h"

struct signin_options {
	str hostname;
	bool tls_available, tls_active, has_binding, allow_clear;
	uint32_t failed_sign_ins;
};

enum signin_event_kind {
	SIGNIN_STARTTLS,
	SIGNIN_SASL_START,
	SIGNIN_SASL_STEP,
	SIGNIN_SASL_ABORT,
	SIGNIN_OPEN, /* credentials are right */
	SIGNIN_CLOSE,
};

struct signin_event {
	enum signin_event_kind kind;
	str mechanism;
	bool has_initial;
	str initial, response;
};

struct signin_protocol {
	const char *alpn;
	enum frame_protocol frame;
	void *(*open)(const struct signin_options *o);
	void (*free)(void *engine);
	size_t (*feed)(void *engine, str bytes);
	bool (*next)(void *engine, struct signin_event *out);
	void (*answer)(void *engine, enum sasl_outcome outcome, str data, str text);
	/* text: ATTACH_RESULT's */
	void (*signed_in)(void *engine, str text);
	/* code: ATTACH_RESULT's */
	void (*refuse)(void *engine, str code, str text);
	void (*tls_started)(void *engine, bool has_binding);
	void (*stop)(void *engine);
	str (*output)(const void *engine);
	void (*sent)(void *engine, size_t count);
	/* For the attach frame. */
	bool (*is_utf8)(const void *engine);
	str (*language)(const void *engine);
};

extern const struct signin_protocol signin_imap, signin_pop3;

#endif
