package function

import (
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// effect is what a run says about how many runs at a time its endpoint can take.
type effect int8

const (
	hold   effect = iota // nothing
	grow                 // it can take more
	shrink               // it should get fewer
)

type meaning struct {
	class  task.Class
	effect effect
}

// meanings is the table of statuses. No status at all is read as OK.
var meanings = map[sdkv1.Status]meaning{
	sdkv1.Status_STATUS_UNSPECIFIED:        {task.Success, hold},
	sdkv1.Status_STATUS_OK:                 {task.Success, grow},
	sdkv1.Status_STATUS_TIMEOUT:            {task.Failure, shrink},
	sdkv1.Status_STATUS_THROTTLED:          {task.Throttle, shrink},
	sdkv1.Status_STATUS_INVALID_ARGUMENT:   {task.Reject, grow},
	sdkv1.Status_STATUS_INVALID_RESPONSE:   {task.Reject, grow},
	sdkv1.Status_STATUS_TEMPORARY_ERROR:    {task.Failure, shrink},
	sdkv1.Status_STATUS_PERMANENT_ERROR:    {task.Reject, grow},
	sdkv1.Status_STATUS_INCOMPATIBLE_STATE: {task.Failure, hold},
	sdkv1.Status_STATUS_DNS_ERROR:          {task.Failure, shrink},
	sdkv1.Status_STATUS_TCP_ERROR:          {task.Failure, shrink},
	sdkv1.Status_STATUS_TLS_ERROR:          {task.Failure, shrink},
	sdkv1.Status_STATUS_HTTP_ERROR:         {task.Failure, shrink},
	sdkv1.Status_STATUS_UNAUTHENTICATED:    {task.Reject, grow},
	sdkv1.Status_STATUS_PERMISSION_DENIED:  {task.Reject, grow},
	sdkv1.Status_STATUS_NOT_FOUND:          {task.Reject, hold},
}

// meaningOf reads a status that is newer than this code as a final one.
func meaningOf(s sdkv1.Status) meaning {
	if m, ok := meanings[s]; ok {
		return m
	}
	return meaning{task.Reject, hold}
}
