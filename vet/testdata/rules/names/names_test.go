package names

import "github.com/sendoff-dev/sendoff"

var fake = sendoff.Func("charge", double)
