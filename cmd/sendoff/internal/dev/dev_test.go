package dev

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
)

func TestTheHelpOfRunNamesTheKeysOfTheLiveView(t *testing.T) {
	help := strings.ReplaceAll(Options{}.Help(), "\n", " ")
	for _, key := range strings.Split(calltree.Keys, "  ") {
		name, what, _ := strings.Cut(key, " ")
		require.Contains(t, help, strings.ReplaceAll(name, "/", " and ")+" ", key)
		require.Contains(t, help, what, key)
	}
}
