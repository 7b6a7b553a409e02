/* banned.h: calls that this project does not use, each with what to use instead.
 *
 * Purpose    Included by the build after the system headers of every translation unit (-include),
 *            it turns a call of a banned function into a compile error that names the replacement.
 */
#ifndef BUZON_BASE_BANNED_H
#define BUZON_BASE_BANNED_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#undef alloca
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef atoi
#undef tolower
#undef toupper
#undef isalpha
#undef isspace
#undef isdigit
#define strcpy(...) banned__use_buf_add()
#define strcat(...) banned__use_buf_add()
#define strncpy(...) banned__use_buf_add()
#define strncat(...) banned__use_buf_add()
#define sprintf(...) banned__use_buf_addf()
#define vsprintf(...) banned__use_buf_addf()
#define strtok(...) banned__use_take_functions()
#define sscanf(...) banned__use_take_functions()
#define atoi(...) banned__use_num_parse()
#define atol(...) banned__use_num_parse()
#define strtol(...) banned__use_num_parse()
#define strtoul(...) banned__use_num_parse()
#define strtoull(...) banned__use_num_parse()
#define tolower(...) banned__use_ascii_lower()
#define toupper(...) banned__use_ascii_upper()
#define isalpha(...) banned__use_ascii_is_alpha()
#define isspace(...) banned__use_str_trim()
#define isdigit(...) banned__use_ascii_is_digit()
#define strcasecmp(...) banned__use_str_ieq()
#define strncasecmp(...) banned__use_str_ieq()
#define localtime(...) banned__use_time_utc()
#define gmtime(...) banned__use_time_utc()
#define ctime(...) banned__use_time_utc()
#define rand(...) banned__use_random_bytes()
#define srand(...) banned__use_random_bytes()
#define alloca(...) banned__use_an_arena()
#define system(...) banned__use_posix_spawn()
#define popen(...) banned__use_posix_spawn()
#define mktemp(...) banned__use_openat_with_O_EXCL()
#define gets(...) banned__use_read()

#endif
