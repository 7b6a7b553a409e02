/* config.h: buzon.conf as a struct.
 *
 * Purpose    Read the one configuration file, check all of it, explain what is wrong with file and
 *            line.
 * Ownership  config_load fills an arena that the config owns; config_free releases it. Every slice
 *            and array in it lives as long. Shared read-only after loading.
 * Threads    Read-only after loading.
 * Units      Bytes and seconds, also where the file says "50M" or "5d". Errors ERR_INPUT with
 *            "file:line: what is wrong; what to write instead".
 * Not here   Whether files named in it exist (the supervisor opens them).
 */
#ifndef BUZON_SERVICES_CONFIG_CONFIG_H
#define BUZON_SERVICES_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

enum listen_service {
	LISTEN_SMTP,
	LISTEN_LMTP,
	LISTEN_SUBMISSION,
	LISTEN_SUBMISSIONS,
	LISTEN_IMAP,
	LISTEN_IMAPS,
	LISTEN_POP3,
	LISTEN_POP3S,
	LISTEN_SERVICE_COUNT,
};

struct config_address {
	str host; /* "*", "127.0.0.1", "::1", or the path of a Unix socket */
	uint16_t port;
	bool is_unix;
};

struct config_listen {
	enum listen_service service;
	struct config_address *addresses;
	size_t address_count;
};

struct config_tls {
	str server_name;      /* empty: the default certificate */
	str certificate, key; /* paths */
};

struct config_limits {
	uint64_t message_bytes;          /* announced as SIZE */
	uint32_t recipients;             /* per message, announced as LIMITS RCPTMAX */
	uint32_t hops;                   /* Received fields; more is a loop */
	uint32_t connections_per_client; /* per /32 or /64 */
	uint32_t connections_per_minute; /* new ones, per client */
	uint32_t connections_total;      /* per front process */
	uint32_t smtp_idle_s, signin_s;  /* before sign-in in all: signin_s */
	uint32_t imap_idle_s, pop3_idle_s;
	uint32_t errors_before_sign_in, errors_after_sign_in;
	uint32_t error_delay_ms;    /* more for each mistake after the fifth; 0 switches it off */
	uint32_t greeting_delay_ms; /* early talkers are refused; 0 switches it off */
	uint32_t submit_messages_per_hour, submit_recipients_per_day; /* per account */
	uint64_t quota_bytes;  /* of a new account; 0: none */
	uint64_t append_bytes; /* APPENDLIMIT */
};

/* System users, when started as root; empty: config.user. */
struct config_users {
	str front_mx, front_user, auth, keys, core, worker, relay;
};

/* Private memory that a process of the role may have: sandbox.h. */
struct config_memory {
	uint64_t front, auth, keys, core, worker, relay;
};

/* What is done with a message that a rule of section authentication matches. */
enum config_action {
	ACTION_ACCEPT, /* no reason for anything: the next rule is asked */
	ACTION_JUNK,
	ACTION_DEFER,
	ACTION_REJECT,
};

struct config_authentication {
	bool check, private_peers;
	uint32_t time_s;
	str language, help; /* of replies; a link in them, or empty */
	enum config_action from_several, from_missing, from_malformed, dmarc_reject,
	    dmarc_quarantine, dmarc_undecided, spf_fail, dns_failure;
};

struct config {
	struct arena *arena;
	str file; /* as given, for messages */
	str hostname;
	str data;
	str store;                /* "sqlite" */
	str postmaster;           /* account that postmaster@ goes to; empty: the first account */
	str subaddress_separator; /* one character, "+", or empty: off */
	struct config_listen *listens;
	size_t listen_count;
	struct config_tls *tls; /* the first is the default */
	size_t tls_count;
	str dns_server, dns_trust_anchor;
	uint16_t relay_port;
	str smart_host; /* HOST:PORT for all mail that leaves; empty: by MX */
	str smart_host_user, smart_host_password;
	bool smart_host_clear; /* TLS is not insisted on */
	str language;          /* of what is written to people: "en", "es" */
	bool relay_private_addresses;
	str relay_authorities; /* path */
	struct config_limits limits;
	uint32_t queue_life_s, queue_warn_s;
	uint32_t workers, front_mx, front_user; /* processes */
	str user; /* system user the roles run as when started as root */
	struct config_users users;
	struct config_memory memory;
	struct config_authentication authentication;
	enum log_level log_level;
	bool allow_plain_sign_in; /* without TLS: only for loopback peers and tests */
};

int config_load(const char *path, struct config **out, struct err *err);
/* text of a file whose name is `name` (for messages). */
int config_parse(const char *name, str text, struct config **out, struct err *err);
void config_free(struct config *c);
const char *listen_service_name(enum listen_service s); /* "smtp" */

#endif
