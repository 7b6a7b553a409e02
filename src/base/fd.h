/* fd.h: descriptors and heap memory as locals that clean up after themselves.
 *
 * Purpose    AUTO_FD and AUTO_FREE locals; TAKE and TAKE_FD hand over ownership, visibly.
 */
#ifndef BUZON_BASE_FD_H
#define BUZON_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

void fd_close(int *fd);
void free_ptr(void *ptr);

#define AUTO_FD __attribute__((cleanup(fd_close))) int
#define AUTO_FREE __attribute__((cleanup(free_ptr)))

#define TAKE_FD(fd) \
	__extension__({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})
#define TAKE(ptr) \
	__extension__({ \
		__typeof__(ptr) taken_ = (ptr); \
		(ptr) = NULL; \
		taken_; \
	})

/* Writes all of it, at the file position or at an offset; 0 or -1 with errno set. */
int fd_write_all(int fd, str bytes);
int fd_pwrite_all(int fd, str bytes, off_t offset);
/* Exactly len bytes at offset; -1 with errno set (EIO when the file ends early). */
int fd_pread_all(int fd, void *out, size_t len, off_t offset);
int fd_set_nonblocking(int fd);

#endif
