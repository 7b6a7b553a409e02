/* time.h: clocks and calendar, in UTC.
 *
 * Purpose    Wall clock for what people read, monotonic clock for timers; calendar conversion that
 *            is right for years 1 to 9999 and needs no time zone files.
 * Threads    No state, usable from any thread.
 * Units      As named: _s seconds since 1970, _ms milliseconds.
 * Not here   Date header fields and IMAP dates (formats/date).
 */
#ifndef BUZON_BASE_TIME_H
#define BUZON_BASE_TIME_H

#include <stdint.h>

int64_t time_wall_s(void);
int64_t time_wall_ms(void);
uint64_t time_mono_ms(void);
uint64_t time_mono_us(void);

struct civil {
	int32_t year;
	uint8_t month; /* 1..12 */
	uint8_t day;   /* 1..31 */
	uint8_t hour, minute, second;
	uint8_t weekday; /* 0 is Sunday */
};

struct civil time_utc(int64_t at_s);
int64_t time_from_civil(const struct civil *c);
/* "2026-11-23T09:00:00Z" */
enum { TIME_ISO_BYTES = 32 };
void time_iso(int64_t at_s, char out[TIME_ISO_BYTES]);

#endif
