#include "roles/clients.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/table.h"

enum { CLIENTS_MAX = 65536, MINUTE_MS = 60 * 1000 };

struct client {
	uint32_t open, in_minute;
	uint64_t minute; /* which one in_minute counts */
};

struct clients {
	struct table *table;
	uint32_t open;
};

struct client_key {
	unsigned char bytes[16];
};

/* What is no address is a client of its own kind, all zero. */
static struct client_key key_of(str address)
{
	struct client_key key = { { 0 } };
	char text[64];

	if (address.len >= sizeof(text))
		return key;
	memcpy(text, address.ptr ? address.ptr : "", address.len);
	text[address.len] = '\0';
	if (inet_pton(AF_INET, text, key.bytes) == 1)
		key.bytes[15] = 4; /* not to be taken for an IPv6 network */
	else if (inet_pton(AF_INET6, text, key.bytes) == 1)
		memset(key.bytes + 8, 0, 8);
	return key;
}

static str key_str(const struct client_key *k)
{
	return str_new(k, sizeof(*k));
}

struct clients *clients_new(void)
{
	struct clients *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->table = table_new();
	return c;
}

void clients_free(struct clients *c)
{
	size_t at = 0;
	str key;
	void *value;

	if (!c)
		return;
	while (table_next(c->table, &at, &key, &value))
		free(value);
	table_free(c->table);
	free(c);
}

void clients_forget_idle(struct clients *c)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(c->table, &at, &key, &value)) {
		struct client *one = value;
		if (one->open > 0)
			continue;
		table_remove(c->table, key);
		free(one);
	}
}

static struct client *find(struct clients *c, str address)
{
	struct client_key key = key_of(address);
	struct client *one = table_get(c->table, key_str(&key));

	if (one)
		return one;
	if (table_count(c->table) >= CLIENTS_MAX)
		clients_forget_idle(c);
	one = calloc(1, sizeof(*one));
	if (!one)
		abort();
	table_set(c->table, key_str(&key), one);
	return one;
}

static const char *over_limit(
    const struct clients *c, const struct client *one, const struct config_limits *l)
{
	if (c->open >= l->connections_total)
		return "this server has as many connections as it takes; try again in a minute";
	if (one->open >= l->connections_per_client)
		return "too many connections from your address; close some and try again";
	if (one->in_minute >= l->connections_per_minute)
		return "too many new connections from your address; try again in a minute";
	return NULL;
}

const char *clients_take(
    struct clients *c, str address, const struct config_limits *limits, uint64_t now_ms)
{
	struct client *one = find(c, address);
	uint64_t minute = now_ms / MINUTE_MS;

	if (one->minute != minute) {
		one->minute = minute;
		one->in_minute = 0;
	}
	const char *why = limits ? over_limit(c, one, limits) : NULL;
	if (why)
		return why;
	one->open++;
	one->in_minute++;
	c->open++;
	return NULL;
}

void clients_left(struct clients *c, str address)
{
	struct client *one = find(c, address);

	if (one->open > 0)
		one->open--;
	if (c->open > 0)
		c->open--;
}

size_t clients_known(const struct clients *c)
{
	return table_count(c->table);
}

unsigned clients_owner(str address, unsigned processes)
{
	struct client_key key = key_of(address);
	uint32_t hash = 2166136261u; /* FNV-1a: the same in every process, unlike the tables' own */

	for (size_t i = 0; i < sizeof(key.bytes); i++)
		hash = (hash ^ key.bytes[i]) * 16777619u;
	return processes ? (hash ^ hash >> 15) % processes : 0;
}
