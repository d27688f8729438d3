package host

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAMachineWithoutAuthoritiesHasThoseOfTheProgram looks for them in a process that finds none.
func TestAMachineWithoutAuthoritiesHasThoseOfTheProgram(t *testing.T) {
	if os.Getenv("SENDOFF_TEST_ROOTS") != "" {
		pool, err := x509.SystemCertPool()
		require.NoError(t, err)
		require.False(t, pool.Equal(x509.NewCertPool()), "there are none")
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SENDOFF_TEST_ROOTS=1", "SSL_CERT_FILE="+os.DevNull, "SSL_CERT_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
