/* bounce_text.h: a bounce in words for people, in the language of the locale.
 *
 * Purpose    What happened, who must act and what to do, for each reason and each kind of reader.
 * Ownership  Texts are the catalogue's.
 */
#ifndef BUZON_CLI_BOUNCE_TEXT_H
#define BUZON_CLI_BOUNCE_TEXT_H

#include "cli/cli.h"
#include "formats/bounce_reason.h"

enum reader { READER_ADMIN, READER_MARKETER, READER_USER, READER_COUNT };

/* "admin", "marketer", "user"; -1 when it is none of them. */
int reader_find(const char *name, enum reader *out);
const char *bounce_text_what(enum bounce_reason reason);
const char *bounce_text_advice(enum bounce_reason reason, enum reader reader);
const char *bounce_text_who(enum bounce_blame blame, enum reader reader);

#endif
