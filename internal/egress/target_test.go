package egress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
)

func TestATargetIsReadAsItIsSent(t *testing.T) {
	for text, want := range map[string]string{
		"http://Example.COM:80/A b?C d":      "http://example.com/A%20b?C%20d",
		"HTTPS://example.com:443?x=%7b%zz%4": "https://example.com?x=%7b%25zz%254",
		"http://[FE80::1]:8080/?a[]=\u00fc|": "http://[fe80::1]:8080/?a[]=%C3%BC%7C",
		"http://h/?a='b'&c=~!$()*+,;:@/?":    "http://h/?a='b'&c=~!$()*+,;:@/?",
		"http://h/p#f":                       "http://h/p",
		"bridge://Abc":                       "bridge://Abc",
	} {
		u, err := egress.ParseTarget(text)
		require.NoError(t, err, text)
		require.Equal(t, want, u.String())
	}
	_, err := egress.ParseTarget("http://h/%zz")
	require.Error(t, err)
}
