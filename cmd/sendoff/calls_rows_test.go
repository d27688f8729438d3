package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACallOfAnEarlierRunSaysSo(t *testing.T) {
	c := &call{state: "canceled", reason: "requested", earlier: true}
	require.Equal(t, "canceled (requested), of an earlier run", c.status(time.Now()))
}
