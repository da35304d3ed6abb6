/* core/io/http_tcp.c - how transfers use TCP: dead peers are found, threads are not waited for. */
#include "io/http_tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* The kernel probes a silent peer and gives up on it after about 20 s, without waking us. */
#define KEEPALIVE_IDLE_S     10L
#define KEEPALIVE_INTERVAL_S 3L
#define KEEPALIVE_COUNT	     3
#define USER_TIMEOUT_MS	     19000u

static int on_socket_made(void *data, curl_socket_t fd, curlsocktype purpose)
{
	const int count = KEEPALIVE_COUNT;
	const unsigned int user_timeout_ms = USER_TIMEOUT_MS;

	(void)data;
	(void)purpose;
	/* Unsupported is no fault: the time-out of each exchange stays. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
			 sizeof(user_timeout_ms));
	return CURL_SOCKOPT_OK;
}

CURLcode fl_http_tcp_apply(CURL *easy, uint32_t connect_timeout_ms)
{
	CURLcode r = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);

	r |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	r |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	r |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	r |= curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
	r |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Else curl, to end a transfer, waits for the thread in getaddrinfo(3): as long as the name
	 * servers are silent, and with our loop. */
	r |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	return r;
}
