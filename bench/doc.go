// Command bench measures Sendoff side by side with other job systems, on one
// machine and durable everywhere: synchronous=FULL on SQLite, fsync on in
// PostgreSQL, appendfsync always in Redis.
//
//	go run .                                  # everything, three rounds
//	go run . -short -cases 'burn/*,store/*'   # a first look
//	go run . -cases burn/postgres -profile /tmp/profiles
//
// A case is what is measured (burn/postgres) and who does it (sendoff, river).
// In each round every chosen case runs once, ours and the peers in turn, so that
// what else happens on the machine hits all of them. Each run is a process of its
// own over a new database; it reports the rate, the processor time of itself, of
// the database server and of the helpers it started, and for PostgreSQL the bytes
// of write-ahead log. The tables show medians and ranges over the rounds.
//
// ceiling is what the processors could do if nothing waited; it is computed from
// the processor times, and travels better than the rate. The SQLite floor has one
// writer, so there it is an upper bound only.
//
// foreign is how many processor cores other programs used meanwhile. With more
// than a few tenths the rates are too low, and only ratios and processor times
// are worth something; -quiet waits for a better moment.
//
// The pool cases measure services that run tasks in Python on two warm workers: sendoff
// dispatcherd and serve, the real dispatcherd, and Celery. Their Python packages
// (python/requirements.txt) are installed in an environment in the cache, once.
//
// PostgreSQL and Redis are started by the program and end with it; a case whose
// server is not installed is left out, and said so. Peers that run on Node are
// installed by npm ci --prefix npm.
package main
