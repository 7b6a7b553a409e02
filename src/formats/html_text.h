/* html_text.h: the words of an HTML text, for searching and for previews.
 *
 * Purpose    Drop tags, comments, scripts and styles; undo character references. What ends a line or
 *            a cell for the eye becomes a line end. This is not a parser of HTML and nothing to show
 *            to a browser.
 * Threads    No state, usable from any thread.
 * Errors     None but those of the buf.
 */
#ifndef BUZON_FORMATS_HTML_TEXT_H
#define BUZON_FORMATS_HTML_TEXT_H

#include "base/buf.h"

void html_text(str utf8, struct buf *out);

#endif
