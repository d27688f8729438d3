package proto

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

var update = flag.Bool("update", false, "write the descriptors of the Python package anew")

// TestThePythonPackageHasTheseContracts holds the file that the Python package makes its
// messages from against the contracts here. After a change of them run
//
//	go test ./proto -update
func TestThePythonPackageHasTheseContracts(t *testing.T) {
	const file = "../python/src/sendoff/functions/_format/protocol.binpb"
	set := &descriptorpb.FileDescriptorSet{}
	seen := make(map[string]bool)
	for _, f := range []protoreflect.FileDescriptor{
		sdkv1.File_dispatch_sdk_v1_function_proto, emptypb.File_google_protobuf_empty_proto,
		structpb.File_google_protobuf_struct_proto, wrapperspb.File_google_protobuf_wrappers_proto,
	} {
		add(set, seen, f)
	}
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(file, want, 0o600))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, string(want) == string(got), "the Python package has other messages: go test ./proto -update")
}

// add puts a file behind all that it imports.
func add(set *descriptorpb.FileDescriptorSet, seen map[string]bool, f protoreflect.FileDescriptor) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		add(set, seen, f.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
}
