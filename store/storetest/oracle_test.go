package storetest_test

import (
	"testing"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
)

func TestWhatEndsAWait(t *testing.T) {
	storetest.RunWaits(t, func(clock func() int64) store.Store { return storetest.NewOracle(clock) })
}
