/* internal.h: what the files of services/sts share.
 *
 * Purpose    sts.c: queries and what is kept; refresh.c: from a name to a policy.
 */
#ifndef BUZON_SERVICES_STS_INTERNAL_H
#define BUZON_SERVICES_STS_INTERNAL_H

#include "base/table.h"
#include "services/sts/sts.h"

enum { STS_FAMILIES = 2, STS_WHY_MAX = 240, STS_ARENA_MAX = 128 * 1024 };

struct sts {
	struct sts_options o;
	struct table *domains; /* name -> struct sts_entry */
	size_t bytes;          /* of policies */
	bool allow_special;
};

/* What is known of one domain. */
struct sts_entry {
	struct sts *sts;
	struct arena *arena; /* of the policy; NULL: none is kept */
	struct sts_policy policy;
	char id[STS_ID_MAX + 1], wanted_id[STS_ID_MAX + 1], failed_id[STS_ID_MAX + 1];
	uint64_t fetched_ms, failed_ms, used_ms;
	char why[STS_WHY_MAX]; /* the last fetch failed */
	struct sts_query *queries;

	/* a fetch on its way */
	bool is_fetching;
	struct sts_address {
		struct sts_entry *entry;
		void *query; /* NULL: not on its way */
	} asked[STS_FAMILIES];
	size_t pending;
	void *transfer;
	struct ip addresses[FETCH_ADDRESSES_MAX];
	size_t address_count;
	const char *special; /* kind of an address that was left out */
	char domain[DNS_NAME_MAX + 1];
};

struct sts_query {
	struct sts *sts;
	struct sts_entry *entry;
	struct sts_query *next, **link;
	void *question; /* NULL: answered */
	bool is_waiting;
	sts_fn *fn;
	void *arg;
};

uint64_t sts_now_ms(const struct sts *s);
/* Leads to sts_entry_fetched. */
void sts_entry_fetch(struct sts_entry *e, str id);
void sts_entry_stop_fetch(struct sts_entry *e);
/* Those that wait for it are answered. */
void sts_entry_fetched(struct sts_entry *e);
void sts_entry_drop_policy(struct sts_entry *e);

#endif
