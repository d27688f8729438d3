//go:build !cgo

package main

import _ "modernc.org/sqlite"

const (
	riverSQLite        = "sqlite"
	riverSQLiteOptions = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_txlock=immediate"
)
