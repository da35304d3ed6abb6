/* core/io/curl_mem.h - memory for libcurl: where a small piece is refused, it comes out of a
 * reserve.
 *
 * libcurl 7.88 does not survive that everywhere: a transfer that cannot be noted at its socket
 * takes the socket's table along, and the next look into it divides by zero (singlesocket() of
 * lib/multi.c).
 */
#ifndef FL_IO_CURL_MEM_H
#define FL_IO_CURL_MEM_H

#include <curl/curl.h>

/** curl_global_init() with it; curl_global_cleanup() as always. */
CURLcode fl_curl_mem_init(long flags);

#endif
