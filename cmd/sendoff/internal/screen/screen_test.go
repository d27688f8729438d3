package screen

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyWhatDiffersIsDrawn(t *testing.T) {
	var out bytes.Buffer
	writePicture(&out, nil, []string{"a", "b"})
	require.Equal(t, "\x1b[2J\x1b[1;1Ha\x1b[0m\x1b[K\x1b[2;1Hb\x1b[0m\x1b[K", out.String())
	out.Reset()
	writePicture(&out, []string{"a", "b"}, []string{"a", "c"})
	require.Equal(t, "\x1b[2;1Hc\x1b[0m\x1b[K", out.String())
}

func TestKeysAreRead(t *testing.T) {
	require.Equal(t, []Key{KeyUp, KeyDown, KeyEnter, KeyTab, KeyEscape}, parseKeys("\x1b[A\x1bOB\r\t\x1b"))
	require.Equal(t, []Key{"q", KeyInterrupt, "世", KeyPageDown}, parseKeys("q\x03世\x1b[6~"))
	require.Empty(t, parseKeys("\x1b[38;5;1M\x1b["), "keys that have no meaning here")
	require.Equal(t, []Key{KeyEscape, "q"}, parseKeys("\x1bq"))
}
