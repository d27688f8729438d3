// Package proto holds the contracts that are spoken with functions: the protocol
// of Dispatch, written from its facts, and what Sendoff adds to it. The code
// made from them is in gen; "make proto" makes it again.
package proto
