package move

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// column is a column of both databases.
type column struct {
	lite, heavy string // its name in SQLite and in PostgreSQL
	kind        string // in SQLite: integer, text or blob
	of          string // its type in PostgreSQL
	optional    bool   // it may be null in both: where one of them has no null, that is the zero value
	none        bool   // in SQLite alone it may be null, for what is the zero value in PostgreSQL
}

// plain is a value as both databases have it: nil, int64, string or []byte.
func (c *column) plain(v any) (any, error) {
	v, err := flat(v)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.lite, err)
	}
	if v == nil && !c.optional {
		return c.zero(), nil
	}
	switch b := v.(type) {
	case []byte:
		switch {
		case c.kind == "text":
			return string(b), nil
		case c.of == "uuid" && len(b) == 0: // as good as none
			if c.optional {
				return nil, nil
			}
			return c.zero(), nil
		}
	case string:
		if c.of == "text" { // which PostgreSQL wants to be UTF-8 without zeros
			return strings.ReplaceAll(strings.ToValidUTF8(b, "\uFFFD"), "\x00", "\uFFFD"), nil
		}
	}
	return v, nil
}

func (c *column) zero() any {
	switch {
	case c.kind == "integer":
		return int64(0)
	case c.kind == "text":
		return ""
	case c.of == "uuid":
		return make([]byte, 16)
	}
	return []byte{}
}

// light is a plain value as SQLite has it.
func (c *column) light(v any) any {
	if c.none && reflect.DeepEqual(v, c.zero()) {
		return nil
	}
	return v
}

// flat takes apart what the drivers give.
func flat(v any) (any, error) {
	switch v := v.(type) {
	case nil, int64, string, []byte:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case [16]byte:
		return v[:], nil
	case []any: // ids
		all := make([]byte, 0, 16*len(v))
		for _, id := range v {
			b, ok := id.([16]byte)
			if !ok {
				return nil, fmt.Errorf("a list of %T: want ids", id)
			}
			all = append(all, b[:]...)
		}
		return all, nil
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

// typed is a plain value as the driver of PostgreSQL takes it.
func (c *column) typed(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		if c.of == "boolean" {
			return v != 0, nil
		}
	case string:
		if c.of == "bytea" {
			return []byte(v), nil
		}
	case []byte:
		switch {
		case c.of == "uuid" && len(v) == 16:
			return pgtype.UUID{Bytes: [16]byte(v), Valid: true}, nil
		case c.of == "uuid[]" && len(v)%16 == 0:
			ids := make([]pgtype.UUID, 0, len(v)/16)
			for ; len(v) > 0; v = v[16:] {
				ids = append(ids, pgtype.UUID{Bytes: [16]byte(v[:16]), Valid: true})
			}
			return ids, nil
		case c.of != "bytea":
			return nil, fmt.Errorf("column %s has %d bytes where an id is wanted", c.lite, len(v))
		}
	}
	return v, nil
}

// sum is of all rows of a table, whatever their order.
type sum struct {
	rows int64
	of   [4]uint64
}

// add counts a row of plain values in.
func (s *sum) add(row []any) {
	h := sha256.New()
	size := make([]byte, 9)
	for _, v := range row {
		var b []byte
		switch v := v.(type) {
		case nil:
			size[0] = 'n'
		case int64:
			size[0], b = 'i', binary.BigEndian.AppendUint64(nil, uint64(v))
		case string:
			size[0], b = 't', []byte(v)
		case []byte:
			size[0], b = 'b', v
		}
		binary.BigEndian.PutUint64(size[1:], uint64(len(b)))
		h.Write(size)
		h.Write(b)
	}
	digest := h.Sum(nil)
	for i := range s.of {
		s.of[i] += binary.BigEndian.Uint64(digest[8*i:])
	}
	s.rows++
}

func (s *sum) String() string {
	return fmt.Sprintf("%016x%016x%016x%016x", s.of[0], s.of[1], s.of[2], s.of[3])
}
