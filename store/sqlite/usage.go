package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sendoff-dev/sendoff/store/internal/words"
)

// payloadBytesSQL goes along the index of lanes. The length of a large value is known
// without reading it.
var payloadBytesSQL = words.SQL(`select l.value, (
 select sum(case when t.flags & :flag_body = 0 then ifnull(length(t.payload), 0)
  else ifnull((select length(b.bytes) from body b where b.task = t.id and b.part = :part_payload), 0) end)
 from task t where t.lane = l.value) from json_each(?) l`)

// PayloadBytes implements store.Usage.
func (s *Store) PayloadBytes(ctx context.Context, lanes []int32) (map[int32]int64, error) {
	list, err := json.Marshal(lanes)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	_, err = readAll(ctx, s, func(r *sql.Rows) (lane int32, err error) {
		var n sql.NullInt64
		if err = r.Scan(&lane, &n); n.Int64 > 0 {
			out[lane] = n.Int64
		}
		return lane, err
	}, payloadBytesSQL, string(list))
	return out, err
}
