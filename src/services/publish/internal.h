/* internal.h: what the files of services/publish share.
 *
 * Purpose    How the text records are told apart from others at the same name.
 */
#ifndef BUZON_SERVICES_PUBLISH_INTERNAL_H
#define BUZON_SERVICES_PUBLISH_INTERNAL_H

#include "services/publish/publish.h"

/* How a record of the kind begins, in any case; empty: it is no text. */
str publish_begin(enum publish_kind kind);

#endif
