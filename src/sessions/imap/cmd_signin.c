/* cmd_signin.c: commands of the time before sign-in. They are known, so that they are answered with
 * what is wrong rather than as unknown; sessions/signin runs them. RFC 9051 §6.2. */
#include "sessions/imap/commands.h"

const struct imap_command imap_cmd_authenticate = { .name = STR_INIT("AUTHENTICATE") };
const struct imap_command imap_cmd_login = { .name = STR_INIT("LOGIN") };
const struct imap_command imap_cmd_starttls = { .name = STR_INIT("STARTTLS") };
