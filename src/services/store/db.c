#include "services/store/db.h"

#include "services/store/sql/schema.h"

int db_number(
    struct db *db, enum db_statement id, const struct db_args *args, int64_t *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, id, args, &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found == 1)
		*out = db_int(&rows, 0);
	return found;
}

int db_schema_open(struct db *db, bool may_change, struct err *err)
{
	return db->engine->schema(db, schema_sqlite, SCHEMA_VERSION, may_change, err);
}
