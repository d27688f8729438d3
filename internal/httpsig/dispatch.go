package httpsig

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"time"
)

// SignBase signs a signature base, or any other bytes, with the key that signs. It is
// the sign function that [Sign] asks for. It is safe for concurrent use.
func (k *Keys) SignBase(base []byte) []byte { return ed25519.Sign(k.signing(time.Now()).private, base) }

// PublicKeyPEM is the key that signs, as a PEM block of PKIX: the form in which
// Dispatch's SDKs take it in DISPATCH_VERIFICATION_KEY.
func (k *Keys) PublicKeyPEM() string { return PublicPEM(k.signing(time.Now()).Public) }

// PublicPEM is a public key as a PEM block of PKIX.
func PublicPEM(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // an Ed25519 key can always be written
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
