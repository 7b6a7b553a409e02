#include "protocols/smtp_client/internal.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

/* What may be waited for, how long, and what each class of answer means. RFC 5321 §4.5.3.2 has the times; where
 * it says nothing, they are ours: a peer that needs more than five minutes for STARTTLS is broken, and nobody
 * waits long for the answer to QUIT. A deadline is for the whole answer; dripping bytes does not move it. */
/* clang-format off */
const struct smtpc_stage smtpc_stages[SMTP_CLIENT_STAGES] = {
	/*                            name              timeout       2xx               3xx                 4xx                        5xx */
	[SMTP_CLIENT_BANNER]     = { "the connection",  5 * MINUTE,  smtpc_on_banner,   NULL,               smtpc_on_refused,          smtpc_on_refused },
	[SMTP_CLIENT_EHLO]       = { "EHLO",            5 * MINUTE,  smtpc_on_ehlo,     NULL,               smtpc_on_refused,          smtpc_on_ehlo_refused },
	[SMTP_CLIENT_HELO]       = { "HELO",            5 * MINUTE,  smtpc_on_helo,     NULL,               smtpc_on_refused,          smtpc_on_refused },
	[SMTP_CLIENT_STARTTLS]   = { "STARTTLS",        5 * MINUTE,  smtpc_on_starttls, NULL,               smtpc_on_starttls_refused, smtpc_on_starttls_refused },
	[SMTP_CLIENT_HANDSHAKE]  = { "the TLS handshake", 2 * MINUTE, NULL,             NULL,               NULL,                      NULL },
	[SMTP_CLIENT_AUTH]       = { "AUTH",            3 * MINUTE,  smtpc_on_auth,     smtpc_on_auth_more, smtpc_on_auth_refused,     smtpc_on_auth_refused },
	[SMTP_CLIENT_IDLE]       = { "nothing",         1 * MINUTE,  NULL,              NULL,               NULL,                      NULL },
	[SMTP_CLIENT_MAIL]       = { "MAIL",            5 * MINUTE,  smtpc_on_mail,     NULL,               smtpc_on_mail_refused,     smtpc_on_mail_refused },
	[SMTP_CLIENT_RCPT]       = { "RCPT",            5 * MINUTE,  smtpc_on_rcpt,     NULL,               smtpc_on_rcpt_refused,     smtpc_on_rcpt_refused },
	[SMTP_CLIENT_DATA]       = { "DATA",            2 * MINUTE,  NULL,              smtpc_on_data,      smtpc_on_data_refused,     smtpc_on_data_refused },
	[SMTP_CLIENT_BODY]       = { "the message",     3 * MINUTE,  NULL,              NULL,               NULL,                      NULL },
	[SMTP_CLIENT_MESSAGE]    = { "the final dot",  10 * MINUTE,  smtpc_on_message,  NULL,               smtpc_on_message_refused,  smtpc_on_message_refused },
	[SMTP_CLIENT_CHUNK]      = { "BDAT",            3 * MINUTE,  smtpc_on_chunk,    NULL,               smtpc_on_chunk_refused,    smtpc_on_chunk_refused },
	[SMTP_CLIENT_LAST_CHUNK] = { "BDAT LAST",      10 * MINUTE,  smtpc_on_message,  NULL,               smtpc_on_message_refused,  smtpc_on_message_refused },
	[SMTP_CLIENT_RSET]       = { "RSET",            1 * MINUTE,  smtpc_on_rset,     NULL,               NULL,                      NULL },
	[SMTP_CLIENT_QUIT]       = { "QUIT",           10 * SECOND,  NULL,              NULL,               NULL,                      NULL },
	[SMTP_CLIENT_CLOSED]     = { "nothing: it is closed", 0,     NULL,              NULL,               NULL,                      NULL },
};
/* clang-format on */

const char *smtp_client_stage_name(enum smtp_client_stage stage)
{
	return smtpc_stages[stage].name;
}

const char *smtp_client_outcome_name(enum smtp_client_outcome outcome)
{
	static const char *const names[] = { "unsettled", "accepted", "temporary", "permanent",
		"not tried", "uncertain", "needs 7bit" };

	return names[outcome];
}
