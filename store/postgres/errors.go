package postgres

import (
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
)

// translate names the errors of the database that callers can tell apart.
func translate(err error) error {
	if isDataError(err) {
		return fmt.Errorf("%w: %w", store.ErrBadValue, err)
	}
	return err
}
