/* frames.h: every frame that goes between two roles, from one list.
 *
 * Purpose    The list below is the only description: structs, field tables and definitions are made
 *            from it (frames.c), and the fuzzers walk it.
 * Shape      FRAME(NAME, name, descriptors, fields...). Fields: BOOL U32 U64 I64 STR(name, max
 *            bytes).
 * Adding     One entry here; its type number is its place in the list, so roles of one build agree.
 *            Roles never outlive a build: the supervisor starts all of them from one binary.
 */
#ifndef BUZON_SERVICES_FRAMES_H
#define BUZON_SERVICES_FRAMES_H

#include "net/frame.h"

enum {
	ADDRESS_MAX = 1024, /* RFC 5321 §4.5.3.1.3 asks for 256; UTF-8 and quoting need more */
	REPLY_MAX = 2048,
	INLINE_BODY_MAX =
	    48 * 1024, /* bodies up to this travel inside the frame; above it by descriptor */
	RELAY_RECIPIENTS_MAX = 100,
	RELAY_LIST_MAX =
	    40 * 1024, /* their list; the body goes inline when both fit into INLINE_BODY_MAX */
	RELAY_RESULTS_MAX = 48 * 1024,
};

/* clang-format off */
#define FRAME_LIST(FRAME, BOOL, U32, U64, I64, STR) \
	/* ---- supervisor <-> every role ---- */ \
	FRAME(ROLE_READY, role_ready, 0, U32(version)) \
	FRAME(ROLE_PING, role_ping, 0, U64(sequence)) \
	FRAME(ROLE_PONG, role_pong, 0, U64(sequence)) \
	FRAME(ROLE_STOP, role_stop, 0, U32(grace_ms)) \
	/* The other end of a link whose peer was restarted. fd 0: the socket. */ \
	FRAME(ROLE_LINK, role_link, 1, U32(peer_role) U32(peer_index)) \
	/* New configuration (fd 0: sealed memfd with its text) and, for front and keys, certificates (fd 1). */ \
	FRAME(ROLE_RELOAD, role_reload, 2, U64(generation)) \
	FRAME(ROLE_RELOADED, role_reloaded, 0, U64(generation) BOOL(ok) STR(why, 240)) \
	/* front: a new key for TLS session tickets; the one before it stays good for reading. */ \
	FRAME(ROLE_TICKET_KEY, role_ticket_key, 0, STR(key, 80)) \
	/* ---- front -> core: incoming and submitted mail ---- */ \
	/* One transaction is (link, tx); the first RCPT_CHECK of a tx opens it. */ \
	FRAME(RCPT_CHECK, rcpt_check, 0, \
		U64(tx) STR(sender, ADDRESS_MAX) STR(recipient, ADDRESS_MAX) STR(orcpt, 512) \
		U32(notify) BOOL(utf8) U64(size_hint) \
		STR(ticket, 512) STR(peer_address, 64) STR(helo, 256) U32(protocol)) \
	FRAME(RCPT_RESULT, rcpt_result, 0, U32(code) STR(enhanced, 16) STR(text, 512)) \
	FRAME(TX_RESET, tx_reset, 0, U64(tx)) \
	/* A descriptor to write a body above 256 KiB to: an unlinked file. fd 0 of the reply. */ \
	FRAME(SPOOL_OPEN, spool_open, 0, U64(tx)) \
	FRAME(SPOOL_RESULT, spool_result, 1, BOOL(ok) U32(code) STR(enhanced, 16) STR(text, 512)) \
	/* The whole message; the reply comes after the commit. Body inline, or fd 0. helo_only: the \
	 * client said HELO, not EHLO. */ \
	FRAME(MESSAGE, message, 1, \
		U64(tx) STR(sender, ADDRESS_MAX) STR(ticket, 512) STR(peer_address, 64) U32(peer_port) \
		STR(helo, 256) BOOL(helo_only) STR(tls_version, 32) STR(tls_cipher, 64) U32(protocol) \
		STR(envid, 256) U32(ret) U32(body_type) BOOL(utf8) BOOL(requiretls) \
		U64(body_bytes) STR(body, INLINE_BODY_MAX)) \
	/* results: one byte-counted reply line "code SP enhanced SP text" per accepted recipient for LMTP, \
	 * exactly one for SMTP. */ \
	FRAME(MESSAGE_RESULT, message_result, 0, STR(results, 60000)) \
	/* What was refused before a transaction existed; for the story. No reply. */ \
	FRAME(STORY_NOTE, story_note, 0, \
		STR(peer_address, 64) STR(helo, 256) STR(sender, ADDRESS_MAX) STR(recipient, ADDRESS_MAX) \
		U32(code) STR(text, 512) U32(protocol)) \
	/* ---- front-user -> core: sessions of signed-in users. fd 0: one end of a stream pair ---- */ \
	FRAME(ATTACH, attach, 1, \
		STR(ticket, 512) U32(protocol) STR(peer_address, 64) U32(peer_port) \
		STR(tls_version, 32) STR(tls_cipher, 64) STR(language, 16) BOOL(utf8)) \
	FRAME(ATTACH_RESULT, attach_result, 0, BOOL(ok) STR(code, 32) STR(text, 512)) \
	/* ---- front-user -> auth ---- */ \
	FRAME(SASL_START, sasl_start, 0, \
		U64(session) STR(mechanism, 32) BOOL(has_initial) STR(initial, 12288) \
		STR(peer_address, 64) U32(protocol) BOOL(tls) \
		STR(cb_exporter, 64) STR(cb_end_point, 64)) \
	FRAME(SASL_STEP, sasl_step, 0, U64(session) STR(response, 12288)) \
	FRAME(SASL_ABORT, sasl_abort, 0, U64(session)) \
	/* outcome: enum sasl_outcome. data: challenge, or additional data with success. */ \
	FRAME(SASL_RESULT, sasl_result, 0, \
		U32(outcome) STR(data, 12288) STR(account, ADDRESS_MAX) STR(ticket, 512) STR(text, 512)) \
	/* ---- core -> auth: credentials of accounts ---- */ \
	FRAME(CREDENTIAL_SET, credential_set, 0, STR(account, ADDRESS_MAX) U64(account_id) STR(password, 1024)) \
	FRAME(CREDENTIAL_REMOVE, credential_remove, 0, STR(account, ADDRESS_MAX)) \
	FRAME(CREDENTIAL_RESULT, credential_result, 0, BOOL(ok) STR(why, 240)) \
	/* ---- front -> keys ---- key: number of the certificate; scheme: RFC 8446 §4.2.3 code point; digest: \
	 * the hash that goes with it (the whole message for Ed25519). */ \
	FRAME(KEY_SIGN, key_sign, 0, U32(key) U32(scheme) STR(digest, 8192)) \
	FRAME(KEY_SIGNATURE, key_signature, 0, BOOL(ok) STR(signature, 1024)) \
	/* ---- core -> keys ---- name: SELECTOR._domainkey.DOMAIN; answered by KEY_SIGNATURE. */ \
	FRAME(DKIM_SIGN, dkim_sign, 0, STR(name, 256) U32(scheme) STR(digest, 64)) \
	/* ---- supervisor -> keys ---- fd 0: sealed memfd with all keys for DKIM (services/keys/dkim_files.h). */ \
	FRAME(DKIM_KEYS, dkim_keys, 1, U32(version)) \
	/* ---- core -> supervisor: their files changed; the reply comes when keys has the new ones ---- */ \
	FRAME(DKIM_CHANGED, dkim_changed, 0, U32(version)) \
	FRAME(DKIM_TAKEN, dkim_taken, 0, BOOL(ok) STR(why, 240)) \
	/* ---- core -> worker ---- body inline, or in fd 0 from body_at on */ \
	FRAME(CONTENT_INDEX, content_index, 1, U64(job) U64(body_at) U64(body_bytes) STR(body, INLINE_BODY_MAX)) \
	/* index inline, or fd 0 (sealed memfd) when it is above INLINE_BODY_MAX. formats/message_index.h */ \
	FRAME(CONTENT_RESULT, content_result, 1, BOOL(ok) U64(index_bytes) STR(index, INLINE_BODY_MAX) STR(why, 240)) \
	/* ---- core -> worker: who really sent it? services/judge/judge.h ---- only_clean: only look for fields that \
	 * claim to be ours. Body as above. */ \
	FRAME(CONTENT_JUDGE, content_judge, 1, \
		U64(job) STR(peer_address, 64) STR(helo, 256) STR(sender, ADDRESS_MAX) U32(time_ms) BOOL(only_clean) \
		U64(body_at) U64(body_bytes) STR(body, INLINE_BODY_MAX)) \
	/* judgement: services/judge/judgement.h */ \
	FRAME(CONTENT_JUDGED, content_judged, 0, BOOL(ok) STR(judgement, 60000) STR(why, 240)) \
	/* ---- worker -> relay: a question to the DNS ---- kind: enum dns_type; answer: dns_pack.h */ \
	FRAME(DNS_ASK, dns_ask, 0, U32(kind) STR(name, 256)) \
	FRAME(DNS_ANSWER, dns_answer, 0, STR(answer, 60000)) \
	/* ---- core -> relay: one attempt at recipients of one message that share a destination ---- \
	 * way: enum relay_way; recipients: outbound.h; body inline, or fd 0 (sealed memfd). */ \
	FRAME(DELIVER, deliver, 1, \
		U64(job) U32(way) STR(host, 256) U32(port) U32(tls) STR(user, 256) STR(password, 1024) \
		STR(sender, ADDRESS_MAX) STR(envid, 256) U32(ret) U32(flags) \
		STR(recipients, RELAY_LIST_MAX) U64(body_bytes) STR(body, INLINE_BODY_MAX)) \
	/* verdict: enum relay_verdict; results: outbound.h. host … tls_why: of the connection that gave the results; \
	 * empty when there was none. trace: a line for each thing that was tried. */ \
	FRAME(DELIVER_RESULT, deliver_result, 0, \
		U32(verdict) STR(results, RELAY_RESULTS_MAX) STR(host, 256) STR(address, 64) \
		STR(tls_version, 32) STR(tls_cipher, 64) STR(tls_why, 240) STR(trace, 8000)) \
	/* ---- supervisor -> core: fd 0: the listening control socket; core accepts `buzon` commands itself ---- */ \
	FRAME(CONTROL_SOCKET, control_socket, 1, U32(version)) \
	/* ---- supervisor -> front: fd 0: a listening socket. listener: enum listen_service (services/config) ---- */ \
	FRAME(LISTEN_SOCKET, listen_socket, 1, U32(id) U32(listener)) \
	/* The one with this id is no longer wanted. */ \
	FRAME(LISTEN_CLOSE, listen_close, 0, U32(id)) \
	/* ---- front -> front of the same role ---- fd 0: an accepted connection of a client whom the other counts */ \
	FRAME(CLIENT_SOCKET, client_socket, 1, U32(listener))
/* clang-format on */

/* enum frame_type: FRAME_ROLE_READY = 1, ... */
#define FRAME_ENUM_(NAME, name, fds, ...) FRAME_##NAME,
#define FRAME_IGNORE_1_(a)
#define FRAME_IGNORE_2_(a, b)
enum frame_type {
	FRAME_NONE,
	FRAME_LIST(FRAME_ENUM_, FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_1_,
	    FRAME_IGNORE_2_) FRAME_TYPE_COUNT
};

/* struct frame_rcpt_check { uint64_t tx; str sender; ... } */
#define FRAME_STRUCT_(NAME, name_, fds, ...) \
	struct frame_##name_ { \
		__VA_ARGS__ \
	};
#define FRAME_MEMBER_BOOL_(m) bool m;
#define FRAME_MEMBER_U32_(m) uint32_t m;
#define FRAME_MEMBER_U64_(m) uint64_t m;
#define FRAME_MEMBER_I64_(m) int64_t m;
#define FRAME_MEMBER_STR_(m, max) str m;
FRAME_LIST(FRAME_STRUCT_, FRAME_MEMBER_BOOL_, FRAME_MEMBER_U32_, FRAME_MEMBER_U64_,
    FRAME_MEMBER_I64_, FRAME_MEMBER_STR_)

/* extern const struct frame_def frame_def_rcpt_check; */
#define FRAME_DECLARE_(NAME, name_, fds, ...) extern const struct frame_def frame_def_##name_;
FRAME_LIST(FRAME_DECLARE_, FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_1_, FRAME_IGNORE_1_,
    FRAME_IGNORE_2_)

/* By type; NULL for an unknown one. */
const struct frame_def *frame_def_of(uint16_t type);

enum frame_protocol {
	PROTOCOL_SMTP,
	PROTOCOL_LMTP,
	PROTOCOL_SUBMISSION,
	PROTOCOL_IMAP,
	PROTOCOL_POP3,
};

enum relay_way {
	RELAY_MX,   /* host is a domain or an address literal: RFC 5321 §5.1 */
	RELAY_HOST, /* host is a server: a smart host */
	RELAY_LMTP, /* host is a server, or unix:PATH */
};

enum relay_tls {
	RELAY_TLS_OPPORTUNISTIC,
	RELAY_TLS_REQUIRED, /* under TLS, whoever answers */
	RELAY_TLS_VERIFIED, /* and its certificate is good for the name of the host */
	RELAY_TLS_NEVER,
};

enum relay_flag { /* bits; as struct store_queue_item.flags */
	RELAY_UTF8 = 1,
	RELAY_REQUIRETLS = 2,
	RELAY_8BIT = 4,
	RELAY_BINARY = 8,
};

/* How the destination as a whole behaved. */
enum relay_verdict {
	RELAY_ANSWERED,
	RELAY_SLOW_DOWN,   /* it asked for fewer connections or messages */
	RELAY_UNREACHABLE, /* nobody spoke with us */
};

enum sasl_outcome {
	SASL_CONTINUE,  /* data is the challenge */
	SASL_OK,        /* account, ticket, perhaps data */
	SASL_FAILED,    /* wrong credentials; text says nothing more */
	SASL_MALFORMED, /* the client's response is not of the mechanism */
	SASL_UNKNOWN_MECHANISM,
	SASL_NEEDS_TLS,
	SASL_UNAVAILABLE, /* our side: try again later */
};

#endif
