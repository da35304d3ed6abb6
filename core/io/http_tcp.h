/* core/io/http_tcp.h - how transfers use TCP: dead peers are found, threads are not waited for. */
#ifndef FL_IO_HTTP_TCP_H
#define FL_IO_HTTP_TCP_H

#include <curl/curl.h>
#include <stdint.h>

/** @param connect_timeout_ms  name, TCP and TLS together. @return CURLE_OK, or the options that
 * failed, ored */
CURLcode fl_http_tcp_apply(CURL *easy, uint32_t connect_timeout_ms);

#endif
