package store

import (
	"context"
	"encoding/json"

	"github.com/sendoff-dev/sendoff/task"
)

// Reports keeps how far attempts are, as who carries them out tells it: the last word of each task.
type Reports interface {
	// Report notes how far an attempt is that runs with a token, in a node's hands or without
	// one, in place of what was noted before. ErrLeaseLost.
	Report(ctx context.Context, h Held, p Progress) error

	// Progress is what was noted last of a task, whatever has become of it; false when nothing was.
	Progress(ctx context.Context, id task.ID) (Progress, bool, error)
}

// MaxProgressText is how long the text of a progress may be, in bytes.
const MaxProgressText = 500

// Progress is how far an attempt is.
type Progress struct {
	Token int64  `json:"k"` // of the attempt
	At    int64  `json:"a"` // when it was told
	Done  int64  `json:"d"` // of Total
	Total int64  `json:"t"` // 0 = it is not known
	Text  string `json:"x"` // for people
}

// Encode returns the stored form. The names are never changed.
func (p *Progress) Encode() []byte {
	b, _ := json.Marshal(p) // plain data cannot fail
	return b
}

// DecodeProgress reads what Encode wrote.
func DecodeProgress(b []byte) (p Progress, err error) {
	err = json.Unmarshal(b, &p)
	return p, err
}
