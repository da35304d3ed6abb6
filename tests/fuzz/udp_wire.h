/* tests/fuzz/udp_wire.h - packets of udp on their way: what was cut, what was merged. */
#ifndef FUZZ_UDP_WIRE_H
#define FUZZ_UDP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define WIRE_PACKETS 2048u

/** Packets, each in memory of its own, of exactly its size. All zero is empty. */
struct wire {
	uint8_t *packets[WIRE_PACKETS];
	size_t len[WIRE_PACKETS];
	uint32_t count;
};

/** Append a packet of two parts; it must be well-formed, checksums included if it is TCP or UDP. */
void wire_put(struct wire *w, const uint8_t *header, size_t header_len, const uint8_t *payload,
	      size_t len);
/** Append what a merge puts out: if it is to be cut by the kernel, cut it as the kernel would. */
void wire_put_cut(struct wire *w, const struct iovec *iov, int count);
/** Merge all of @p in, TCP and UDP, into @p out, as whole packets, which are not cut. */
void wire_merge(const struct wire *in, struct wire *out);
void wire_reset(struct wire *w);

/** Give an IPv4 packet, if it has room for a header, a length and a checksum that are right. */
void wire_fix_header(uint8_t *bytes, size_t len);
/** Likewise TCP's or UDP's checksum, and UDP's length. The IP header is right. */
void wire_fix_transport(uint8_t *bytes, size_t len);

#endif
