/* tests/fuzz/nftables.c - nf_tables messages, as the kernel should never send them. The first byte
 * is the type's; the header's length is made to fit; all behind is the input's. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "peer_filter_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	uint8_t type = fuzz_byte(&in);
	struct nlmsghdr *nlh = calloc(1, sizeof(*nlh) + in.left);
	struct fl_peer_filter_count count;

	FUZZ_CHECK(nlh);
	nlh->nlmsg_len = (uint32_t)(sizeof(*nlh) + in.left);
	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	memcpy(nlh + 1, in.at, in.left);
	(void)fl_peer_filter_is_ours(nlh);
	(void)fl_peer_filter_parse_count(nlh, &count);
	free(nlh);
	return 0;
}
