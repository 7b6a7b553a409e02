#include "sessions/imap/special_use.h"

static const str names[] = {
	[SPECIAL_NONE] = STR_INIT(""),
	[SPECIAL_ALL] = STR_INIT("All"),
	[SPECIAL_ARCHIVE] = STR_INIT("Archive"),
	[SPECIAL_DRAFTS] = STR_INIT("Drafts"),
	[SPECIAL_FLAGGED] = STR_INIT("Flagged"),
	[SPECIAL_JUNK] = STR_INIT("Junk"),
	[SPECIAL_SENT] = STR_INIT("Sent"),
	[SPECIAL_TRASH] = STR_INIT("Trash"),
};
enum { COUNT = sizeof(names) / sizeof(names[0]) };

str special_use_name(enum store_special_use use)
{
	return (unsigned)use < COUNT ? names[use] : names[SPECIAL_NONE];
}

enum store_special_use special_use_of(str name)
{
	for (unsigned i = SPECIAL_NONE + 1; i < COUNT; i++)
		if (str_ieq(names[i], name))
			return (enum store_special_use)i;
	return SPECIAL_NONE;
}
