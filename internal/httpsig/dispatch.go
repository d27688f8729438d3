package httpsig

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
)

// SignBase signs a signature base, or any other bytes, with the first key. It is
// the sign function that [Sign] asks for. It is safe for concurrent use.
func (k *Keys) SignBase(base []byte) []byte { return ed25519.Sign(k.private, base) }

// PublicKeyPEM is the key that signs, as a PEM block of PKIX: the form in which
// Dispatch's SDKs take it in DISPATCH_VERIFICATION_KEY.
func (k *Keys) PublicKeyPEM() string {
	der, err := x509.MarshalPKIXPublicKey(k.public[0].key)
	if err != nil {
		panic(err) // an Ed25519 key can always be written
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
