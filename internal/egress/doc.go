// Package egress is the one way out: every connection that Sendoff opens to a
// place somebody else named - a push, a function call, a callback, the button
// that tests an endpoint - is dialled here.
//
// The guard looks at the address that is about to be connected, after the name
// was resolved and directly before the connect, so neither an odd spelling, nor
// a name that resolves to a private address, nor one that resolves differently
// the second time gets past it. What is refused is every block of the IANA
// special-purpose registries (RFC 6890 and its successors), IPv6 outside the
// global unicast range, the ways to write an IPv4 address inside an IPv6 one,
// and the metadata services of clouds that live on public addresses.
//
// Loopback is opened as a whole by one switch; everything else by an allow list
// that only the operator can set.
package egress
