/* opaque.h: an index for a message that nobody could look into.
 *
 * Purpose    A message on which the worker died twice is kept and stays readable as it is: one text part
 *            with its header in front. Nothing in it is parsed but the place of the first empty line.
 * Ownership  *out borrows from the arena and from literals.
 */
#ifndef BUZON_SERVICES_INTAKE_OPAQUE_H
#define BUZON_SERVICES_INTAKE_OPAQUE_H

#include "formats/message_index.h"

void opaque_index(str message, struct arena *a, struct message_index *out);

#endif
