package dispatchapi

import (
	// The types that calls carry are linked in, so that requests in JSON can name them.
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"

	// And what dispatch-py wraps its values in.
	_ "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/python/v1"
)
