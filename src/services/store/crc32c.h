/* crc32c.h: the checksum of pack headers and mailbox pages.
 *
 * Purpose    CRC-32C (Castagnoli), with the processor's instruction where there is one.
 * Threads    No state.
 */
#ifndef BUZON_SERVICES_STORE_CRC32C_H
#define BUZON_SERVICES_STORE_CRC32C_H

#include "base/str.h"

uint32_t crc32c(str bytes);

#endif
