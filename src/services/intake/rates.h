/* rates.h: how much an account may submit.
 *
 * Purpose    Messages in an hour and recipients in a day per account, in fixed windows.
 * Threads    The loop's thread.
 * Limits     Kept in memory only: a restart of core starts the windows anew.
 */
#ifndef BUZON_SERVICES_INTAKE_RATES_H
#define BUZON_SERVICES_INTAKE_RATES_H

#include <stdbool.h>
#include <stdint.h>

struct rates;

struct rates *rates_new(void);
void rates_free(struct rates *r);
/* Counts one recipient; false (and not counted) when the account has had its share for today. */
bool rates_recipient(struct rates *r, uint64_t account, int64_t now, uint32_t per_day);
bool rates_message(struct rates *r, uint64_t account, int64_t now, uint32_t per_hour);

#endif
