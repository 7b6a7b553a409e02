/* date.h: dates of mail headers and of IMAP.
 *
 * Purpose    Read what mailers write, print what the RFCs ask for. RFC 5322 §3.3 and §4.3; RFC 9051
 *            §9 (date, date-time).
 * Threads    No state, usable from any thread; no time zone files.
 * Units      Unix seconds; zones in minutes east of UTC, within a day.
 * Errors     0, or -1 for what is no date: the outs are then untouched.
 */
#ifndef BUZON_FORMATS_DATE_H
#define BUZON_FORMATS_DATE_H

#include "base/buf.h"

enum { DATE_TEXT_MAX = 256 }; /* longer fields are no dates */

/* The value of a Date field, best effort: comments, missing or wrong weekday, two-digit years (RFC
 * 5322 §4.3), missing seconds or zone, obsolete and other zone names, full month names, ISO 8601,
 * ctime order, "GMT+0200", dots or dashes between the parts. out_zone_min may be NULL. */
int date_parse(str text, int64_t *out_at, int *out_zone_min);
/* "Mon, 23 Nov 2026 09:00:00 +0000" */
void date_print(struct buf *out, int64_t at_s, int zone_min);

/* date: "1-Feb-2026" or " 1-Feb-2026", no quotes; *out_day is 00:00 UTC of that day. */
int date_imap_day_parse(str text, int64_t *out_day);
/* date-time without its quotes: " 7-Feb-2026 21:52:25 -0800" */
int date_imap_parse(str text, int64_t *out_at, int *out_zone_min);
void date_imap_day_print(struct buf *out, int64_t at_s);
void date_imap_print(struct buf *out, int64_t at_s, int zone_min);
/* 00:00 UTC of the calendar day that a clock in this zone shows: what SENTON compares (RFC 9051
 * §6.4.4: "disregarding time and timezone"). */
int64_t date_day_of(int64_t at_s, int zone_min);

#endif
