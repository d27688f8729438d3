package host

import (
	_ "golang.org/x/crypto/x509roots/fallback" // authorities that vouch for apps, where the machine has none, as in an image without files
)
