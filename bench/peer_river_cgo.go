//go:build cgo

package main

import _ "github.com/mattn/go-sqlite3" // the faster of the drivers for River

const (
	riverSQLite        = "sqlite3"
	riverSQLiteOptions = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_txlock=immediate"
)
