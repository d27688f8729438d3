package dispatchapi

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	dispatchv1 "github.com/sendoff-dev/sendoff/gen/dispatch/v1"
)

// keyID names the key as signatures do: the SDKs know no other name.
const keyID = "default"

// ListSigningKeys returns the key with which runs are signed.
func (d *door) ListSigningKeys(context.Context, *dispatchv1.ListSigningKeysRequest) (*dispatchv1.ListSigningKeysResponse, error) {
	reply := &dispatchv1.ListSigningKeysResponse{}
	if key := d.key(); key != nil {
		reply.Keys = []*dispatchv1.SigningKey{key}
	}
	return reply, nil
}

// CreateSigningKey returns the key that is in use. A server has one from its
// first start, and replacing it is for who runs the server: the SDKs take a
// single key, so every app has to be told at the same moment.
func (d *door) CreateSigningKey(context.Context, *dispatchv1.CreateSigningKeyRequest) (*dispatchv1.CreateSigningKeyResponse, error) {
	key := d.key()
	if key == nil {
		return nil, connect.NewError(connect.CodeFailedPrecondition, errors.New("this server does not sign: start it with a key file"))
	}
	return &dispatchv1.CreateSigningKeyResponse{Key: key}, nil
}

func (d *door) key() *dispatchv1.SigningKey {
	if d.cfg.PublicKeyPEM == nil {
		return nil
	}
	return &dispatchv1.SigningKey{SigningKeyId: keyID, AsymmetricKey: &dispatchv1.AsymmetricKey{PublicKey: d.cfg.PublicKeyPEM()}}
}
