package store

import (
	"context"
)

// Store is everything a database does for Sendoff. All methods are safe for
// concurrent use. A method that fails with an error of the connection may be
// called again with the same arguments: what was done is not done twice.
type Store interface {
	Catalog
	Inserter
	Claimer
	Settler
	Acks
	Reports
	Sweeper
	Members
	Reader
	Waits
	Operator
	Actions
	Gates
	Functions
	Todos
	Deps
	Views
	SavedViews
	Quotas
	Graphs
	Schedules
	Firer
	Gauges
	Audits
	Failures
	Rollups
	Access
	Vault
	Usage

	// Ping writes nothing and tells whether the database answers.
	Ping(ctx context.Context) error

	// Now is the database's clock as this process knows it, microseconds UTC.
	Now() int64

	// Close waits for calls under way and releases the database.
	Close() error
}

// Notifier is implemented by stores that several processes share: it carries
// hints between them. Hints may be lost; polling finds what they missed.
type Notifier interface {
	// Notify sends a hint to the other nodes.
	Notify(ctx context.Context, h Hint) error

	// Listen calls fn for each hint until ctx ends, and reconnects by itself.
	// It returns at once when listening is not possible with this database URL.
	Listen(ctx context.Context, fn func(Hint)) error
}
