/* ctl/icmp.h - echo requests to many addresses at once, and when their replies come. */
#ifndef CTL_ICMP_H
#define CTL_ICMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define CTL_ROUNDS_MAX 64u

struct ctl_target {
	struct fl_addr addr; /* IPv4 */
	uint32_t sent;
	uint32_t received;
	double min_ms; /* of what was received; so are these two */
	double max_ms;
	double sum_ms;
	double sent_at[CTL_ROUNDS_MAX]; /* monotonic, seconds; 0: answered, or not sent */
};

/**
 * Send @p rounds requests to each of @p n targets, the rounds @p interval_ms apart, and wait for
 * @p wait_ms after the last one. Targets are sorted by address before.
 * @return 0, -errno: -EPERM without CAP_NET_RAW
 */
int ctl_icmp_run(struct ctl_target *targets, size_t n, uint32_t rounds, uint32_t interval_ms,
		 uint32_t wait_ms);

/** A request, ready to send, of @p len bytes; for tests, too. */
size_t ctl_icmp_request(uint8_t buf[64], uint16_t id, uint16_t seq);
/** @return the round that an IP packet from a raw socket answers, -1 if none of ours */
int ctl_icmp_reply(const uint8_t *packet, size_t len, uint16_t id, uint32_t *src);

#endif
