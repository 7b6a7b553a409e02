/* What is read as a date prints to a date that reads as the same moment, in both formats. */
#include <assert.h>

#include "formats/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size);
	AUTO_BUF header = BUF_INIT(100);
	AUTO_BUF imap = BUF_INIT(100);
	int64_t at, again;
	int zone, zone_again;

	if (date_imap_day_parse(in, &at) == 0) {
		AUTO_BUF day = BUF_INIT(100);
		date_imap_day_print(&day, at);
		assert(at < 0 || (date_imap_day_parse(buf_str(&day), &again) == 0 && again == at));
	}
	if (date_imap_parse(in, &at, &zone) < 0 && date_parse(in, &at, &zone) < 0)
		return 0;
	/* Within a day of the first and the last year the printers give the nearest they can. */
	if (at < -62135596800 + 2 * 86400 || at > 253402300799 - 2 * 86400)
		return 0;
	date_print(&header, at, zone);
	date_imap_print(&imap, at, zone);
	assert(date_parse(buf_str(&header), &again, &zone_again) == 0);
	assert(again == at && zone_again == zone);
	assert(date_imap_parse(buf_str(&imap), &again, &zone_again) == 0);
	assert(again == at && zone_again == zone);
	return 0;
}
