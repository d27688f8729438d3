package egress

import "net/netip"

// block is a range that is not called, and what it is.
type block struct {
	prefix netip.Prefix
	what   string
}

// metadata is looked at first, to name the danger rather than the range.
var metadata = blocks(
	"169.254.169.254/32", metadataService,
	"169.254.170.2/32", metadataService,
	"168.63.129.16/32", metadataService,
	"100.100.100.200/32", metadataService,
	"192.0.0.192/32", metadataService,
	"fd00:ec2::254/128", metadataService,
)

// special4 is the IANA IPv4 special-purpose registry, with multicast.
var special4 = blocks(
	"0.0.0.0/8", "this network (RFC 791)",
	"10.0.0.0/8", "private network (RFC 1918)",
	"100.64.0.0/10", "carrier-grade NAT (RFC 6598)",
	"127.0.0.0/8", loopback,
	"169.254.0.0/16", "link-local (RFC 3927)",
	"172.16.0.0/12", "private network (RFC 1918)",
	"192.0.0.0/24", "protocol assignments (RFC 6890)",
	"192.0.2.0/24", "documentation (RFC 5737)",
	"192.31.196.0/24", "AS112 (RFC 7535)",
	"192.52.193.0/24", "AMT (RFC 7450)",
	"192.88.99.0/24", "6to4 relay (RFC 7526)",
	"192.168.0.0/16", "private network (RFC 1918)",
	"192.175.48.0/24", "AS112 (RFC 7534)",
	"198.18.0.0/15", "benchmarking (RFC 2544)",
	"198.51.100.0/24", "documentation (RFC 5737)",
	"203.0.113.0/24", "documentation (RFC 5737)",
	"224.0.0.0/4", "multicast (RFC 5771)",
	"255.255.255.255/32", "broadcast (RFC 919)",
	"240.0.0.0/4", "reserved (RFC 1112)",
)

// special6 is the IANA IPv6 special-purpose registry. What lies outside
// 2000::/3 and is not named here is refused as not global.
var special6 = blocks(
	"::/128", "unspecified address (RFC 4291)",
	"::1/128", loopback,
	"::ffff:0:0/96", "IPv4-mapped (RFC 4291)",
	"::ffff:0:0:0/96", "IPv4-translated (RFC 2765)",
	"::/96", "IPv4-compatible (RFC 4291)",
	"64:ff9b::/96", "NAT64 (RFC 6052)",
	"64:ff9b:1::/48", "local NAT64 (RFC 8215)",
	"100::/64", "discard only (RFC 6666)",
	"100:0:0:1::/64", "dummy prefix (RFC 9780)",
	"2001::/32", "Teredo (RFC 4380)",
	"2001:2::/48", "benchmarking (RFC 5180)",
	"2001:10::/28", "ORCHID (RFC 4843)",
	"2001:20::/28", "ORCHIDv2 (RFC 7343)",
	"2001::/23", "protocol assignments (RFC 2928)",
	"2001:db8::/32", "documentation (RFC 3849)",
	"2002::/16", "6to4 (RFC 3056)",
	"2620:4f:8000::/48", "AS112 (RFC 7534)",
	"3fff::/20", "documentation (RFC 9637)",
	"5f00::/16", "segment routing (RFC 9602)",
	"fc00::/7", "unique local (RFC 4193)",
	"fe80::/10", "link-local (RFC 4291)",
	"fec0::/10", "site-local (RFC 3879)",
	"ff00::/8", "multicast (RFC 4291)",
)

const (
	loopback        = "loopback"
	metadataService = "cloud metadata service"
)

var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// special says what an address is that is not an ordinary public one, and ""
// for one that is. The address is not IPv4-mapped and has no zone.
func special(a netip.Addr) string {
	if what := find(metadata, a); what != "" {
		return what
	}
	if a.Is4() {
		return find(special4, a)
	}
	if what := find(special6, a); what != "" {
		return what
	}
	if !globalUnicast6.Contains(a) {
		return "not a global address (RFC 4291)"
	}
	return ""
}

func find(table []block, a netip.Addr) string {
	for i := range table {
		if table[i].prefix.Contains(a) {
			return table[i].what
		}
	}
	return ""
}

func blocks(pairs ...string) []block {
	table := make([]block, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		table = append(table, block{netip.MustParsePrefix(pairs[i]), pairs[i+1]})
	}
	return table
}
