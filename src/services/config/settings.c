#include "services/config/settings.h"

#include "services/config/config.h"

#define AT(member) offsetof(struct config, member)
#define LIMIT(member) offsetof(struct config, limits.member)
#define AUTH(member) offsetof(struct config, authentication.member)
enum { ANY_U32 = INT32_MAX };
#define ANY_U64 ((uint64_t)1 << 50)
#define YEAR 31536000u

/* clang-format off */
const struct setting config_settings[] = {
	{ NULL, "hostname", SETTING_TEXT, AT(hostname), 1, 253, NULL,
	    "name of this server: greeting, Received fields, Message-ID" },
	{ NULL, "data", SETTING_TEXT, AT(data), 1, 4000, NULL, "data directory; must exist" },
	{ NULL, "store", SETTING_TEXT, AT(store), 1, 1000, "sqlite", "only \"sqlite\" so far" },
	{ NULL, "postmaster", SETTING_TEXT, AT(postmaster), 0, 320, "",
	    "account that postmaster@ of every domain goes to; empty: the first account" },
	{ NULL, "subaddress", SETTING_TEXT, AT(subaddress_separator), 0, 1, "+",
	    "character between user and tag in user+tag@; empty: no sub-addresses" },
	{ NULL, "user", SETTING_TEXT, AT(user), 0, 32, "", "system user to run as when started as root" },
	{ NULL, "language", SETTING_TEXT, AT(language), 2, 16, "en",
	    "language of notifications to senders: \"en\" or \"es\"" },
	{ NULL, "log", SETTING_LEVEL, AT(log_level), 0, 0, "info", "debug, info, warn or alert" },

	{ "dns", "server", SETTING_TEXT, AT(dns_server), 0, 300, "",
	    "resolver as HOST@PORT; empty: full recursion" },
	{ "dns", "trust-anchor", SETTING_TEXT, AT(dns_trust_anchor), 0, 4000,
	    "/usr/share/dns/root.key", "file with the root's DNSSEC keys" },
	{ "relay", "port", SETTING_U16, AT(relay_port), 1, 65535, "25", "port of remote MX hosts" },
	{ "relay", "smart-host", SETTING_TEXT, AT(smart_host), 0, 256, "",
	    "HOST:PORT of a server that takes all mail for others; empty: straight to their MX hosts" },
	{ "relay", "user", SETTING_TEXT, AT(smart_host_user), 0, 256, "",
	    "name to sign in with at the smart host" },
	{ "relay", "password", SETTING_TEXT, AT(smart_host_password), 0, 1024, "",
	    "password to sign in with at the smart host" },
	{ "relay", "clear", SETTING_BOOL, AT(smart_host_clear), 0, 0, "false",
	    "take the smart host's certificate as it is, or no TLS at all" },
	{ "relay", "private-addresses", SETTING_BOOL, AT(relay_private_addresses), 0, 0, "false",
	    "send mail to private, loopback and other special addresses too" },
	{ "relay", "certificate-authorities", SETTING_TEXT, AT(relay_authorities), 0, 4000,
	    "/etc/ssl/certs/ca-certificates.crt",
	    "file with the authorities that certificates of other servers are checked against; empty: none" },

	{ "limits", "message-size", SETTING_SIZE, LIMIT(message_bytes), 65536, ANY_U64, "50M",
	    "largest message, announced as SIZE" },
	{ "limits", "recipients", SETTING_U32, LIMIT(recipients), 100, 100000, "1000",
	    "recipients of one message (RFC 5321 asks for at least 100)" },
	{ "limits", "hops", SETTING_U32, LIMIT(hops), 10, 1000, "50",
	    "Received fields; a message with more is in a loop" },
	{ "limits", "connections-per-client", SETTING_U32, LIMIT(connections_per_client), 1, ANY_U32,
	    "50", "open at once from one address (IPv6: one /64)" },
	{ "limits", "connections-per-minute", SETTING_U32, LIMIT(connections_per_minute), 1, ANY_U32,
	    "300", "new ones from one address (IPv6: one /64)" },
	{ "limits", "connections", SETTING_U32, LIMIT(connections_total), 10, 1000000, "10000",
	    "open at once in one front process" },
	{ "limits", "smtp-idle", SETTING_DURATION, LIMIT(smtp_idle_s), 10, 86400, "5m",
	    "wait for the next command (RFC 5321 asks for at least five minutes)" },
	{ "limits", "sign-in-time", SETTING_DURATION, LIMIT(signin_s), 5, 3600, "60s",
	    "from connecting to being signed in" },
	{ "limits", "imap-idle", SETTING_DURATION, LIMIT(imap_idle_s), 60, 604800, "30m",
	    "silence after which an IMAP session ends (RFC 9051 asks for at least 30 minutes)" },
	{ "limits", "pop3-idle", SETTING_DURATION, LIMIT(pop3_idle_s), 60, 86400, "10m",
	    "silence after which a POP3 session ends (RFC 1939 asks for at least ten minutes)" },
	{ "limits", "errors-before-sign-in", SETTING_U32, LIMIT(errors_before_sign_in), 1, 1000, "10",
	    "bad commands, then the connection is closed" },
	{ "limits", "errors-after-sign-in", SETTING_U32, LIMIT(errors_after_sign_in), 1, 1000, "20",
	    "bad commands, then the connection is closed" },
	{ "limits", "error-delay", SETTING_U32, LIMIT(error_delay_ms), 0, 60000, "1000",
	    "milliseconds that SMTP's answers to a client's mistakes and unknown recipients wait after the fifth, more for each; 0: off" },
	{ "limits", "greeting-delay", SETTING_U32, LIMIT(greeting_delay_ms), 0, 60000, "0",
	    "milliseconds before the greeting on port 25; who talks earlier is refused; 0: off" },
	{ "limits", "submissions-per-hour", SETTING_U32, LIMIT(submit_messages_per_hour), 1, ANY_U32,
	    "500", "messages an account may submit in an hour" },
	{ "limits", "submission-recipients-per-day", SETTING_U32, LIMIT(submit_recipients_per_day), 1,
	    ANY_U32, "5000", "recipients an account may write to in a day" },
	{ "limits", "quota", SETTING_SIZE, LIMIT(quota_bytes), 0, ANY_U64, "0",
	    "mail an account may keep; 0: as much as the disk holds" },
	{ "limits", "append-size", SETTING_SIZE, LIMIT(append_bytes), 65536, ANY_U64, "50M",
	    "largest message that IMAP APPEND takes" },

	{ "queue", "life", SETTING_DURATION, AT(queue_life_s), 3600, YEAR, "5d",
	    "time after which mail that cannot be delivered goes back" },
	{ "queue", "warn", SETTING_DURATION, AT(queue_warn_s), 600, YEAR, "4h",
	    "time after which the sender is told of a delay" },

	{ "processes", "workers", SETTING_U32, AT(workers), 1, 8, "2", "processes that look into messages" },
	{ "processes", "front-mx", SETTING_U32, AT(front_mx), 1, 8, "1", "processes for port 25" },
	{ "processes", "front-user", SETTING_U32, AT(front_user), 1, 8, "1",
	    "processes for submission, IMAP and POP3" },

	{ "users", "front-mx", SETTING_TEXT, AT(users.front_mx), 0, 32, "",
	    "system user of role front-mx when started as root; empty: user" },
	{ "users", "front-user", SETTING_TEXT, AT(users.front_user), 0, 32, "",
	    "system user of role front-user when started as root; empty: user" },
	{ "users", "auth", SETTING_TEXT, AT(users.auth), 0, 32, "",
	    "system user of role auth when started as root; empty: user" },
	{ "users", "keys", SETTING_TEXT, AT(users.keys), 0, 32, "",
	    "system user of role keys when started as root; empty: user" },
	{ "users", "core", SETTING_TEXT, AT(users.core), 0, 32, "",
	    "system user of role core when started as root; empty: user" },
	{ "users", "worker", SETTING_TEXT, AT(users.worker), 0, 32, "",
	    "system user of role worker when started as root; empty: user" },
	{ "users", "relay", SETTING_TEXT, AT(users.relay), 0, 32, "",
	    "system user of role relay when started as root; empty: user" },

	{ "memory", "front", SETTING_SIZE, AT(memory.front), 64 << 20, ANY_U64, "2G",
	    "memory of one front process" },
	{ "memory", "auth", SETTING_SIZE, AT(memory.auth), 128 << 20, ANY_U64, "512M",
	    "memory of role auth; a password that is hashed takes 19M" },
	{ "memory", "keys", SETTING_SIZE, AT(memory.keys), 16 << 20, ANY_U64, "128M",
	    "memory of role keys" },
	{ "memory", "core", SETTING_SIZE, AT(memory.core), 256 << 20, ANY_U64, "4G",
	    "memory of role core" },
	{ "memory", "worker", SETTING_SIZE, AT(memory.worker), 128 << 20, ANY_U64, "1G",
	    "memory of one worker; several times message-size" },
	{ "memory", "relay", SETTING_SIZE, AT(memory.relay), 64 << 20, ANY_U64, "1G",
	    "memory of role relay" },

	{ "authentication", "check", SETTING_BOOL, AUTH(check), 0, 0, "true",
	    "judge who sent what comes in on port 25: iprev, SPF, DKIM, DMARC" },
	{ "authentication", "private-peers", SETTING_BOOL, AUTH(private_peers), 0, 0, "false",
	    "judge mail from loopback and private addresses as well" },
	{ "authentication", "time", SETTING_DURATION, AUTH(time_s), 1, 60, "10s",
	    "time for one message; what is not known then is a temporary error" },
	{ "authentication", "from-several", SETTING_ACTION, AUTH(from_several), 0, 0, "reject",
	    "several From fields: accept, junk, defer or reject" },
	{ "authentication", "from-missing", SETTING_ACTION, AUTH(from_missing), 0, 0, "reject",
	    "no From field" },
	{ "authentication", "from-malformed", SETTING_ACTION, AUTH(from_malformed), 0, 0, "reject",
	    "a From field without a clean address" },
	{ "authentication", "dmarc-reject", SETTING_ACTION, AUTH(dmarc_reject), 0, 0, "reject",
	    "DMARC fails and the domain asks for rejection" },
	{ "authentication", "dmarc-quarantine", SETTING_ACTION, AUTH(dmarc_quarantine), 0, 0, "junk",
	    "DMARC fails and the domain asks for quarantine" },
	{ "authentication", "dmarc-undecided", SETTING_ACTION, AUTH(dmarc_undecided), 0, 0, "defer",
	    "the domain asks for rejection or quarantine, and the DNS did not say whether DMARC passes" },
	{ "authentication", "spf-fail", SETTING_ACTION, AUTH(spf_fail), 0, 0, "accept",
	    "SPF of MAIL FROM fails and DMARC does not pass; forwarded mail does that" },
	{ "authentication", "dns-failure", SETTING_ACTION, AUTH(dns_failure), 0, 0, "accept",
	    "the DNS did not answer, so that nobody knows what the domain asks for" },
	{ "authentication", "reply-language", SETTING_TEXT, AUTH(language), 2, 2, "en",
	    "language of refusals: en or es" },
	{ "authentication", "help", SETTING_TEXT, AUTH(help), 0, 200, "",
	    "address of a page for honest senders, added to refusals" },

	{ "sign-in", "plain-without-tls", SETTING_BOOL, AT(allow_plain_sign_in), 0, 0, "false",
	    "let passwords pass in clear; only for tests and closed networks" },
};
/* clang-format on */

const size_t config_setting_count = sizeof(config_settings) / sizeof(config_settings[0]);

static const size_t widths[] = {
	[SETTING_SIZE] = sizeof(uint64_t),
	[SETTING_DURATION] = sizeof(uint32_t),
	[SETTING_U32] = sizeof(uint32_t),
	[SETTING_U16] = sizeof(uint16_t),
	[SETTING_BOOL] = sizeof(bool),
	[SETTING_LEVEL] = sizeof(enum log_level),
	[SETTING_ACTION] = sizeof(enum config_action),
};

bool setting_is_equal(const struct setting *s, const struct config *a, const struct config *b)
{
	const void *x = (const char *)a + s->offset, *y = (const char *)b + s->offset;

	if (s->kind == SETTING_TEXT)
		return str_eq(*(const str *)x, *(const str *)y);
	return memcmp(x, y, widths[s->kind]) == 0;
}
