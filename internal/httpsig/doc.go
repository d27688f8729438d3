// Package httpsig signs the pushes that leave Sendoff and verifies signatures,
// for our own doors and for the apps that receive pushes.
//
// Two schemes travel side by side on every push:
//
//   - HTTP Message Signatures (RFC 9421) with Ed25519 over the method, the whole
//     target URI, the Content-Digest (RFC 9530) of the body, its type, the task
//     and the attempt. The receiver needs only public keys, and what was signed
//     cannot be replayed to another path or query. [Keys.Sign] is the fast way
//     to make one, [Verifier] the way to check one.
//   - Standard Webhooks "v1" (HMAC-SHA256 over id, timestamp and body), for which
//     libraries exist in most languages, and "v1a" (Ed25519 over the same). They bind
//     neither URL nor method.
//
// Beneath both lies a small general signer and parser for RFC 9421
// ([Sign], [Parse], [Message.Base]). Of the standard it covers requests, plain
// fields and the derived components @method, @target-uri, @authority, @scheme,
// @request-target, @path and @query. Component parameters (sf, key, bs, tr, req),
// @query-param and @status are refused, never ignored.
//
// [Keys] are the server's private keys and webhook secret, [Material] what they are
// made from, in a file or sealed in a database. The package reads no request body by itself: callers bound and read it, after
// [Verifier.Head] has accepted the signature over the headers.
package httpsig
