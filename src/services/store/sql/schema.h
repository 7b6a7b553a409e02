/* schema.h: the tables of the store, as a list of migrations.
 *
 * Purpose    schema_sqlite[i] leads from version i to i + 1; each runs in a transaction of its own.
 *            A migration that was released is never edited: add another.
 */
#ifndef BUZON_SERVICES_STORE_SQL_SCHEMA_H
#define BUZON_SERVICES_STORE_SQL_SCHEMA_H

enum { SCHEMA_VERSION = 2 };

extern const char *const schema_sqlite[SCHEMA_VERSION];

#endif
