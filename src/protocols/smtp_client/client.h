/* client.h: the sending side of SMTP and LMTP as a state machine.
 *
 * Purpose    Deliver messages to a peer, whatever the peer does, and say for each recipient what became of
 *            it. RFC 5321; PIPELINING (2920), SIZE (1870), 8BITMIME (6152), ENHANCEDSTATUSCODES (2034),
 *            STARTTLS (3207), AUTH (4954), SMTPUTF8 (6531), CHUNKING and BINARYMIME (3030), DSN (3461),
 *            LIMITS (9422), REQUIRETLS (8689), DELIVERBY (2852), MT-PRIORITY (6710), LMTP (2033).
 * Use        smtp_client_new when the connection stands, smtp_client_start with the first transaction,
 *            at once or after SMTP_CLIENT_EVENT_READY. Then, in any order, as things happen:
 *              bytes came           smtp_client_feed until it returns 0 and no event came
 *              events               smtp_client_next until it says false; while events are unread feed
 *                                   takes nothing
 *              output               smtp_client_output to the peer, smtp_client_sent what is gone
 *              smtp_client_wants    that many octets of the message, or fewer, to smtp_client_body
 *              EVENT_STARTTLS       send the output, throw unread input away, shake hands, then
 *                                   smtp_client_tls_started or smtp_client_tls_failed
 *              time                 smtp_client_tick by smtp_client_deadline
 *              the connection ends  smtp_client_lost
 *            EVENT_RESULTS ends each transaction, start or quit may follow; EVENT_CLOSED is the last.
 * Ownership  The client owns its memory. Slices in smtp_client_options must outlive it, those of a
 *            transaction must last until its EVENT_RESULTS. Slices of a reply in an event are good until
 *            the next feed, tick or lost; results until the next start.
 * Threads    One owner at a time. No globals, no clock: time comes in by tick.
 * Units      Bytes and milliseconds.
 * Limits     SMTP_CLIENT_RECIPIENTS in one transaction, more are handed back; the reply limits of
 *            peer_reply.h; SMTP_CLIENT_PIPELINE commands without an answer. Time-outs: client_stages.c.
 * Errors     None: what goes wrong becomes a result for each recipient.
 * Not here   DNS, addresses, connections, TLS itself, when to try again (relay, queue). Converting a
 *            message that the peer cannot take (SMTP_CLIENT_NEEDS_7BIT says that it is needed).
 *
 * A result with is_local was decided here: code, enhanced code and text are ours, in the form of a reply. What is
 * PERMANENT for this peer (SIZE, SMTPUTF8, REQUIRETLS, a banner of 554) need not be for another host of the domain;
 * that is the caller's decision, smtp_client_result_is_of_host and is_local help with it.
 *
 * Promises: each recipient gets exactly one result, in one EVENT_RESULTS for each transaction started. The
 * message is sent only after 354 to DATA, or as the chunks of BDAT, when at least one recipient was taken.
 * Nothing that needs SMTPUTF8, 8BITMIME, BINARYMIME or REQUIRETLS goes to a peer without it. A reply to a
 * command that was not sent yet is believed only when it says no.
 */
#ifndef BUZON_PROTOCOLS_SMTP_CLIENT_CLIENT_H
#define BUZON_PROTOCOLS_SMTP_CLIENT_CLIENT_H

#include "protocols/smtp/smtp.h"
#include "protocols/smtp_client/capabilities.h"
#include "protocols/smtp_client/peer_reply.h"

enum {
	SMTP_CLIENT_RECIPIENTS = 1000,
	SMTP_CLIENT_PIPELINE = 256,
	SMTP_CLIENT_REPLY_TEXT = 1000, /* kept in a result; RFC 3464 needs no more */
	SMTP_CLIENT_BODY_RATE = 4096,  /* bytes a second; a message that goes slower is given up */
};

struct smtp_client;

/* What the client is waiting for, and the command that a reply answers. */
enum smtp_client_stage {
	SMTP_CLIENT_BANNER,
	SMTP_CLIENT_EHLO, /* or LHLO */
	SMTP_CLIENT_HELO,
	SMTP_CLIENT_STARTTLS,
	SMTP_CLIENT_HANDSHAKE,
	SMTP_CLIENT_AUTH,
	SMTP_CLIENT_IDLE, /* between transactions */
	SMTP_CLIENT_MAIL,
	SMTP_CLIENT_RCPT,
	SMTP_CLIENT_DATA,
	SMTP_CLIENT_BODY,    /* the message is on its way */
	SMTP_CLIENT_MESSAGE, /* the final dot */
	SMTP_CLIENT_CHUNK,   /* BDAT, not the last one */
	SMTP_CLIENT_LAST_CHUNK,
	SMTP_CLIENT_RSET,
	SMTP_CLIENT_QUIT,
	SMTP_CLIENT_CLOSED,
	SMTP_CLIENT_STAGES,
};
/* "RCPT", "the final dot": for stories and messages. */
const char *smtp_client_stage_name(enum smtp_client_stage stage);

enum smtp_client_tls_policy {
	SMTP_CLIENT_TLS_OPPORTUNISTIC, /* when the peer offers it */
	SMTP_CLIENT_TLS_NEVER,
	SMTP_CLIENT_TLS_REQUIRED, /* nothing of the message goes out without it */
};

enum smtp_client_chunking {
	SMTP_CLIENT_CHUNKING_NEEDED, /* for BINARYMIME only */
	SMTP_CLIENT_CHUNKING_PREFERRED,
};

struct smtp_client_options {
	str hello_name; /* our name: a domain or an address literal */
	bool lmtp;
	bool helo_only; /* do not try EHLO: the peer hung up on it the last time */
	enum smtp_client_tls_policy tls;
	bool tls_active; /* TLS came before the first byte; give tls_facts as well */
	struct smtp_client_tls {
		bool is_verified; /* by the policy that the caller applies */
		str exporter; /* tls-exporter data (RFC 9266) for SCRAM-SHA-256-PLUS; may be empty */
	} tls_facts;
	enum smtp_client_chunking chunking;
	uint32_t chunk_bytes; /* 0: 1 MiB */
	/* Smart hosts; empty: no AUTH. Without TLS nobody signs in, unless allow_clear. */
	str user, password;
	str auth_nonce; /* random, printable, no comma */
	bool allow_clear;
	/* 0: the default of the stage. */
	uint32_t timeout_ms[SMTP_CLIENT_STAGES];
};

struct smtp_client_recipient {
	str address;     /* local@domain, as mailbox_print makes it */
	unsigned notify; /* enum smtp_notify */
	str orcpt;       /* "rfc822;xtext" or "utf-8;..." as smtp_rcpt has it; empty: none */
};

struct smtp_client_transaction {
	str sender; /* local@domain; empty for <> */
	const struct smtp_client_recipient *recipients;
	size_t count;
	bool is_probe; /* MAIL, RCPT, RSET: nothing is delivered; ACCEPTED means that RCPT was */
	uint64_t size; /* exactly what smtp_client_body will be given */
	enum smtp_body body;
	bool utf8_header; /* the header has UTF-8 in it. RFC 6532 */
	bool requiretls;
	enum smtp_ret ret;
	str envid; /* xtext; empty: none */
	str auth; /* xtext or "<>" (RFC 4954 §5), said to peers that offer AUTH; empty: not said */
	str by;   /* "120;R" (RFC 2852 §4), said to peers that offer DELIVERBY; empty: not said */
	bool has_priority;
	int priority; /* -9..9. RFC 6710 */
};

enum smtp_client_outcome {
	SMTP_CLIENT_UNSETTLED, /* never in a result */
	SMTP_CLIENT_ACCEPTED,
	SMTP_CLIENT_TEMPORARY,
	SMTP_CLIENT_PERMANENT,
	SMTP_CLIENT_NOT_TRIED,  /* the peer takes no more in one transaction: start another one */
	SMTP_CLIENT_UNCERTAIN,  /* all of the message was sent, no answer came: it may be there */
	SMTP_CLIENT_NEEDS_7BIT, /* nothing was sent: convert the message to 7 bit and start again */
};
const char *smtp_client_outcome_name(enum smtp_client_outcome outcome);

struct smtp_client_result {
	enum smtp_client_outcome outcome;
	enum smtp_client_stage stage; /* what the reply answered, or when it happened */
	bool is_local;                /* we said so, not the peer */
	unsigned code;
	struct enhanced_status enhanced; /* a general one where the peer gave none */
	str text;                        /* lines split by '\n'; may be empty */
};
/* "550 5.1.1 no such user": for stories and the Diagnostic-Code of a notification. */
void smtp_client_result_print(const struct smtp_client_result *r, struct buf *out);
/* It was said of the host, not of the message or the recipient: banner, EHLO, STARTTLS, AUTH. Another host of the
 * same domain may take it, also after a permanent one (RFC 5321 §5.1). */
bool smtp_client_result_is_of_host(const struct smtp_client_result *r);

/* What is known of the peer; all of it grows as the conversation goes on. */
struct smtp_client_facts {
	struct smtp_capabilities can;
	str peer_name; /* as it called itself in the answer to EHLO */
	bool is_extended, is_tls, is_verified, is_signed_in;
	bool tls_refused;  /* STARTTLS was offered and then refused */
	uint64_t injected; /* bytes in clear behind the answer to STARTTLS, thrown away */
	unsigned odd;      /* enum peer_reply_flag, of all replies */
	uint32_t messages; /* accepted */
	uint32_t mails;    /* MAIL commands said, for MAILMAX */
};

enum smtp_client_event_type {
	SMTP_CLIENT_EVENT_REPLY, /* reply, for the story: what the peer answered to which command */
	SMTP_CLIENT_EVENT_STARTTLS,
	SMTP_CLIENT_EVENT_INJECTED, /* facts.injected has grown; somebody may be in between */
	SMTP_CLIENT_EVENT_READY,    /* facts are complete; a transaction may start */
	SMTP_CLIENT_EVENT_RESULTS,  /* results: as many as recipients were given, in their order */
	SMTP_CLIENT_EVENT_CLOSED,   /* close the connection once the output is gone; why: failure */
};

struct smtp_client_event {
	enum smtp_client_event_type type;
	union {
		struct {
			enum smtp_client_stage stage;
			size_t recipient; /* RCPT, and LMTP's answers to the message */
			struct peer_reply reply;
		} reply;
		struct {
			const struct smtp_client_result *items;
			size_t count;
			bool is_usable;  /* another transaction may follow on this connection */
			bool dsn_passed; /* the peer has taken over RET, ENVID, NOTIFY, ORCPT */
		} results;
		/* outcome ACCEPTED: it ended as it should. */
		struct smtp_client_result failure;
	};
};

struct smtp_client *smtp_client_new(const struct smtp_client_options *o);
void smtp_client_free(struct smtp_client *c);

/* False while a transaction is at work or waits, while its results are unread, and when the connection takes
 * no more. */
bool smtp_client_start(struct smtp_client *c, const struct smtp_client_transaction *tx);
/* QUIT, after the transaction at hand. */
void smtp_client_quit(struct smtp_client *c);
/* We must go now: results for all, nothing more is said. */
void smtp_client_abort(struct smtp_client *c);

/* Returns how many of the bytes were used. */
size_t smtp_client_feed(struct smtp_client *c, str bytes);
bool smtp_client_next(struct smtp_client *c, struct smtp_client_event *out);

/* How many octets of the message may come now. */
size_t smtp_client_wants(const struct smtp_client *c);
/* Returns how many were used: at most what was wanted. */
size_t smtp_client_body(struct smtp_client *c, str bytes);
/* The message cannot be read to its end. */
void smtp_client_body_failed(struct smtp_client *c);

void smtp_client_tls_started(struct smtp_client *c, const struct smtp_client_tls *facts);
/* why: for the results: "the certificate is for another name". */
void smtp_client_tls_failed(struct smtp_client *c, str why);
/* The peer has closed the connection, or it broke; everything that came has been fed. why may be empty.
 */
void smtp_client_lost(struct smtp_client *c, str why);

/* Bytes waiting for the peer; the slice is good until the next call. */
str smtp_client_output(const struct smtp_client *c);
void smtp_client_sent(struct smtp_client *c, size_t count);

void smtp_client_tick(struct smtp_client *c, uint64_t now_ms);
/* When to tick next at the latest; UINT64_MAX: no need. */
uint64_t smtp_client_deadline(const struct smtp_client *c);

enum smtp_client_stage smtp_client_stage(const struct smtp_client *c);
const struct smtp_client_facts *smtp_client_facts(const struct smtp_client *c);
/* Nothing more will be read; close when the output has been sent. */
bool smtp_client_is_done(const struct smtp_client *c);

#endif
