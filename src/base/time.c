#include "base/time.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id, int64_t per_second)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * per_second + (int64_t)ts.tv_nsec / (1000000000 / per_second);
}

int64_t time_wall_s(void)
{
	return read_clock(CLOCK_REALTIME, 1);
}

int64_t time_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME, 1000);
}

uint64_t time_mono_ms(void)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC, 1000);
}

uint64_t time_mono_us(void)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC, 1000000);
}

enum { DAYS_PER_ERA = 146097, EPOCH_SHIFT = 719468 };

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; years start in March, so
 * that the leap day is the last day of a year. */
static int64_t days_from_date(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * DAYS_PER_ERA + day_of_era - EPOCH_SHIFT;
}

struct civil time_utc(int64_t at_s)
{
	int64_t days = at_s / 86400, rest = at_s % 86400;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	int64_t z = days + EPOCH_SHIFT;
	int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	int64_t doe = z - era * DAYS_PER_ERA;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	int64_t weekday = (days + 4) % 7;

	return (struct civil){
		.year = (int32_t)(yoe + era * 400 + (month <= 2)),
		.month = (uint8_t)month,
		.day = (uint8_t)(doy - (153 * mp + 2) / 5 + 1),
		.hour = (uint8_t)(rest / 3600),
		.minute = (uint8_t)(rest / 60 % 60),
		.second = (uint8_t)(rest % 60),
		.weekday = (uint8_t)(weekday < 0 ? weekday + 7 : weekday),
	};
}

int64_t time_from_civil(const struct civil *c)
{
	return days_from_date(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
	       c->second;
}

void time_iso(int64_t at_s, char out[TIME_ISO_BYTES])
{
	struct civil c = time_utc(at_s);

	snprintf(out, TIME_ISO_BYTES, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)c.year, c.month, c.day,
	    c.hour, c.minute, c.second);
}
