/* settings.h: every setting of buzon.conf, as one table.
 *
 * Purpose    The table is the only list: the reader, its checks and defaults, `buzon check --settings`
 *            and the manual page's list are made from it.
 * Not here   listen and tls sections, which repeat (config.c).
 */
#ifndef BUZON_SERVICES_CONFIG_SETTINGS_H
#define BUZON_SERVICES_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_kind {
	SETTING_TEXT,
	SETTING_SIZE,     /* "50M" */
	SETTING_DURATION, /* "5d" */
	SETTING_U32,
	SETTING_U16,
	SETTING_BOOL,
	SETTING_LEVEL,  /* debug, info, warn, alert */
	SETTING_ACTION, /* accept, junk, defer, reject */
};

struct setting {
	const char *section; /* NULL: at the top */
	const char *name;
	enum setting_kind kind;
	size_t offset; /* in struct config */
	uint64_t min, max;
	const char *fallback; /* text as it would stand in the file; NULL: it must be given */
	const char *help;
};

extern const struct setting config_settings[];
extern const size_t config_setting_count;

struct config;
bool setting_is_equal(const struct setting *s, const struct config *a, const struct config *b);

#endif
