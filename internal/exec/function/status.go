package function

import (
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/task"
)

type meaning struct {
	class  task.Class
	effect pace.Effect
}

// meanings is the table of statuses. No status at all is read as OK.
var meanings = map[sdkv1.Status]meaning{
	sdkv1.Status_STATUS_UNSPECIFIED:        {task.Success, pace.Hold},
	sdkv1.Status_STATUS_OK:                 {task.Success, pace.Grow},
	sdkv1.Status_STATUS_TIMEOUT:            {task.Failure, pace.Shrink},
	sdkv1.Status_STATUS_THROTTLED:          {task.Throttle, pace.Shrink},
	sdkv1.Status_STATUS_INVALID_ARGUMENT:   {task.Reject, pace.Grow},
	sdkv1.Status_STATUS_INVALID_RESPONSE:   {task.Reject, pace.Grow},
	sdkv1.Status_STATUS_TEMPORARY_ERROR:    {task.Failure, pace.Shrink},
	sdkv1.Status_STATUS_PERMANENT_ERROR:    {task.Reject, pace.Grow},
	sdkv1.Status_STATUS_INCOMPATIBLE_STATE: {task.Failure, pace.Hold},
	sdkv1.Status_STATUS_DNS_ERROR:          {task.Failure, pace.Shrink},
	sdkv1.Status_STATUS_TCP_ERROR:          {task.Failure, pace.Shrink},
	sdkv1.Status_STATUS_TLS_ERROR:          {task.Failure, pace.Shrink},
	sdkv1.Status_STATUS_HTTP_ERROR:         {task.Failure, pace.Shrink},
	sdkv1.Status_STATUS_UNAUTHENTICATED:    {task.Reject, pace.Grow},
	sdkv1.Status_STATUS_PERMISSION_DENIED:  {task.Reject, pace.Grow},
	sdkv1.Status_STATUS_NOT_FOUND:          {task.Reject, pace.Hold},
}

// meaningOf reads a status that is newer than this code as a final one.
func meaningOf(s sdkv1.Status) meaning {
	if m, ok := meanings[s]; ok {
		return m
	}
	return meaning{task.Reject, pace.Hold}
}
