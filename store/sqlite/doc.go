// Package sqlite is the embedded floor: one file, one process, every answer
// after an fsync.
//
// One goroutine owns the only writing connection. Settles, claims, inserts and
// everything else that waits are carried out by it in one transaction and share
// its sync (store/pipeline). Readers use connections of their own and see the
// last commit (WAL).
//
// The file runs in WAL mode with synchronous=FULL, is created with mode 0600,
// and is locked: a second process gets store.ErrInUse, by whatever name it comes.
// Nothing is acknowledged into a file that is gone, damaged or could not be
// written: then the store is broken for good.
package sqlite
