package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store/internal/words"
)

// payloadBytesSQL goes along the index of lanes. The length of a large value is known
// without reading it.
var payloadBytesSQL = words.SQL(`
select l.lane, coalesce((select sum(case when t.flags & :flag_body = 0 then coalesce(octet_length(t.payload), 0)
  else coalesce((select octet_length(b.bytes) from sendoff.body b where b.task = t.id and b.part = :part_payload), 0) end)
 from sendoff.task t where t.lane = l.lane), 0)::int8 from unnest($1) as l(lane)`)

// PayloadBytes sums up payloads; see store.Usage.
func (s *Store) PayloadBytes(ctx context.Context, lanes []int32) (map[int32]int64, error) {
	out := map[int32]int64{}
	err := s.read(ctx, query(pins), query(payloadBytesSQL).i4s(len(lanes), func(i int) int32 { return lanes[i] }).rows(func(r *wireRow) {
		if lane, n := r.i4(), r.i8(); n > 0 {
			out[lane] = n
		}
	}))
	if err != nil {
		return nil, fmt.Errorf("count the bytes of payloads: %w", translate(err))
	}
	return out, nil
}
