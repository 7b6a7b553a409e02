/* log.h: events with fields, one line each, escaped.
 *
 * Purpose    One event per decision, on standard error: time, level, role, event, key=value.
 * Threads    log_event may be called from any thread; a line goes out with one write.
 * Limits     4 KiB a line; longer values are cut and marked with "...".
 * Not here   Anything in base, formats or protocols: those layers never log.
 */
#ifndef BUZON_BASE_LOG_H
#define BUZON_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ALERT };

struct log {
	const char *role;
	enum log_level level; /* what is below it is dropped */
	int fd;
};

struct log_field {
	const char *name;
	enum { LOG_STR, LOG_INT } type;
	str text;
	int64_t number;
};

#define F_STR(name_, s) ((struct log_field){ .name = (name_), .type = LOG_STR, .text = (s) })
#define F_CSTR(name_, s) ((struct log_field){ .name = (name_), .type = LOG_STR, .text = str_c(s) })
#define F_INT(name_, n) \
	((struct log_field){ .name = (name_), .type = LOG_INT, .number = (int64_t)(n) })

void log_write(const struct log *log, enum log_level level, const char *event,
    const struct log_field *fields, size_t count);

#define LOG_AT(log, level, event, ...) \
	log_write((log), (level), (event), \
	    (const struct log_field[]){ { .name = NULL }, ##__VA_ARGS__ } + 1, \
	    sizeof((const struct log_field[]){ { .name = NULL }, ##__VA_ARGS__ }) / \
	            sizeof(struct log_field) - \
	        1)
#define log_debug(log, ...) LOG_AT(log, LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_event(log, ...) LOG_AT(log, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(log, ...) LOG_AT(log, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_alert(log, ...) LOG_AT(log, LOG_LEVEL_ALERT, __VA_ARGS__)

#endif
