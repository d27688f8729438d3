// Package signing keeps the keys that pushes and runs are signed with.
//
// With a secret file they are in the database, sealed under it (internal/seal): the same on
// all nodes, which see a change within seconds, and of no use to who has a copy of the
// database alone. Without one they are in a file of this node. It also seals the webhook
// secrets of queues. It knows neither requests nor queues.
package signing
