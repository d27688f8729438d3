package sendoff

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/internal/kit"
)

// init lends the test kit what is shown to nobody else: a package that both import
// cannot know the types of this one.
func init() {
	kit.SDK.Encode, kit.SDK.Replay = encodeResult, replayJournal
	kit.SDK.Decode = func(v *anypb.Any, out any) error { return decodeTo(durable.FromAny(v), out) }
	kit.SDK.Failure = func(function string, e *sdkv1.Error) error { return decodeCallError(function, e) }
}

func encodeResult(v any, err error) (*sdkv1.CallResult, error) {
	if err != nil {
		return &sdkv1.CallResult{Error: wireError(err)}, nil
	}
	value, err := encode(v)
	if err != nil {
		return &sdkv1.CallResult{Error: wireError(err)}, err
	}
	return &sdkv1.CallResult{Output: value.Any()}, nil
}

func replayJournal(function any, journal []byte) error {
	f := function.(AnyFunction)
	h := &durable.Host{SDK: sdkVersion, Site: callSite}
	h.Open()
	defer h.Close()
	err := h.Replay(context.Background(), f.Name(), journal, f.run)
	if misfit, ok := errors.AsType[*durable.MismatchError](err); ok {
		return errors.New(misfit.Text)
	}
	return err
}
