package postgres

import (
	"encoding/binary"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Object ids of the types that cross the wire, all in binary. Describing a
// statement costs a round trip, so the types of parameters are told here and
// results are read by position.
const (
	oidBool       = 16
	oidBytea      = 17
	oidInt8       = 20
	oidInt2       = 21
	oidInt4       = 23
	oidText       = 25
	oidUUID       = 2950
	oidBoolArray  = 1000
	oidByteaArray = 1001
	oidInt2Array  = 1005
	oidInt4Array  = 1007
	oidTextArray  = 1009
	oidInt8Array  = 1016
	oidUUIDArray  = 2951
)

// stmt is one statement with its parameters and what to do with its rows.
type stmt struct {
	sql    string
	simple bool // there is one way to carry it out: see session.withPins
	values [][]byte
	oids   []uint32
	each   func(*wireRow)
	late   []lateComer // tasks with gates that it makes ready, for which the transaction still has to ask these
}

var binaryFormat = []int16{1}

func query(sql string) *stmt { return &stmt{sql: sql} }

// simple is query of a statement that takes rows from arrays, or finds them by their key.
func simple(sql string) *stmt { return &stmt{sql: sql, simple: true} }

func (q *stmt) rows(each func(*wireRow)) *stmt {
	q.each = each
	return q
}

func (q *stmt) add(oid uint32, v []byte) *stmt {
	q.oids = append(q.oids, oid)
	q.values = append(q.values, v)
	return q
}

func (q *stmt) i8(v int64) *stmt {
	return q.add(oidInt8, binary.BigEndian.AppendUint64(nil, uint64(v)))
}

func (q *stmt) i4(v int32) *stmt {
	return q.add(oidInt4, binary.BigEndian.AppendUint32(nil, uint32(v)))
}

func (q *stmt) i2(v int16) *stmt {
	return q.add(oidInt2, binary.BigEndian.AppendUint16(nil, uint16(v)))
}

func (q *stmt) id(v task.ID) *stmt { return q.add(oidUUID, append([]byte(nil), v[:]...)) }

func (q *stmt) text(v string) *stmt { return q.add(oidText, append([]byte{}, v...)) }

func (q *stmt) bytes(v []byte) *stmt { return q.add(oidBytea, append([]byte{}, v...)) }

func (q *stmt) bool(v bool) *stmt {
	if v {
		return q.add(oidBool, []byte{1})
	}
	return q.add(oidBool, []byte{0})
}

// null8 passes null for a nil pointer.
func (q *stmt) null8(v *int64) *stmt {
	if v == nil {
		return q.add(oidInt8, nil)
	}
	return q.i8(*v)
}

// null passes null for nil.
func (q *stmt) null(v []byte) *stmt {
	if v == nil {
		return q.add(oidBytea, nil)
	}
	return q.bytes(v)
}

// list starts an array parameter of n elements; fill appends each with its
// length in front.
func (q *stmt) list(array, element uint32, n, size int, fill func(b []byte, i int) []byte) *stmt {
	b := make([]byte, 0, 20+n*size)
	if n == 0 {
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint32(b, 0)
		return q.add(array, binary.BigEndian.AppendUint32(b, element))
	}
	b = binary.BigEndian.AppendUint32(b, 1) // dimensions
	b = binary.BigEndian.AppendUint32(b, 1) // it may hold nulls
	b = binary.BigEndian.AppendUint32(b, element)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = binary.BigEndian.AppendUint32(b, 1) // lower bound
	for i := range n {
		b = fill(b, i)
	}
	return q.add(array, b)
}

func (q *stmt) i8s(n int, at func(int) int64) *stmt {
	return q.list(oidInt8Array, oidInt8, n, 12, func(b []byte, i int) []byte { return put8(b, at(i)) })
}

func (q *stmt) i4s(n int, at func(int) int32) *stmt {
	return q.list(oidInt4Array, oidInt4, n, 8, func(b []byte, i int) []byte { return put4(b, at(i)) })
}

func (q *stmt) i2s(n int, at func(int) int16) *stmt {
	return q.list(oidInt2Array, oidInt2, n, 6, func(b []byte, i int) []byte { return put2(b, at(i)) })
}

func (q *stmt) bools(n int, at func(int) bool) *stmt {
	return q.list(oidBoolArray, oidBool, n, 5, func(b []byte, i int) []byte { return putBool(b, at(i)) })
}

func (q *stmt) ids(n int, at func(int) task.ID) *stmt {
	return q.list(oidUUIDArray, oidUUID, n, 20, func(b []byte, i int) []byte { return putID(b, at(i)) })
}

// blobs passes nil as null.
func (q *stmt) blobs(n int, at func(int) []byte) *stmt {
	size := 4
	for i := range n {
		size = max(size, 4+len(at(i)))
	}
	return q.list(oidByteaArray, oidBytea, n, min(size, 512), func(b []byte, i int) []byte { return putBytes(b, at(i)) })
}

// texts passes "" as null.
func (q *stmt) texts(n int, at func(int) string) *stmt {
	return q.list(oidTextArray, oidText, n, 16, func(b []byte, i int) []byte { return putText(b, at(i)) })
}

// rawTexts passes "" as it is.
func (q *stmt) rawTexts(n int, at func(int) string) *stmt {
	return q.list(oidTextArray, oidText, n, 16, func(b []byte, i int) []byte { return putBytes(b, append([]byte{}, at(i)...)) })
}

// nodes passes the zero id as it is.
func (q *stmt) nodes(n int, at func(int) task.ID) *stmt {
	return q.list(oidUUIDArray, oidUUID, n, 20, func(b []byte, i int) []byte {
		id := at(i)
		return append(append(b, 0, 0, 0, 16), id[:]...)
	})
}

func (q *stmt) idList(ids []task.ID) *stmt {
	return q.ids(len(ids), func(i int) task.ID { return ids[i] })
}

func put8(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(v))
}

func put4(b []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(v))
}

func put2(b []byte, v int16) []byte {
	return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(v))
}

func putBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0, 0, 0, 1, 1)
	}
	return append(b, 0, 0, 0, 1, 0)
}

func putNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

// putID stores the zero id as null.
func putID(b []byte, v task.ID) []byte {
	if v.IsZero() {
		return putNull(b)
	}
	return append(append(b, 0, 0, 0, 16), v[:]...)
}

func putBytes(b, v []byte) []byte {
	if v == nil {
		return putNull(b)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

func putText(b []byte, v string) []byte {
	if v == "" {
		return putNull(b)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

// wireRow reads the columns of a result in order. The first column that does not
// have the width asked for spoils the row: that is a bug in a statement.
type wireRow struct {
	values [][]byte
	next   int
	err    error
}

func (r *wireRow) column(width int) []byte {
	if r.next >= len(r.values) {
		r.err = fmt.Errorf("column %d: the result has %d", r.next, len(r.values))
		return nil
	}
	v := r.values[r.next]
	r.next++
	if v != nil && width > 0 && len(v) != width {
		r.err = fmt.Errorf("column %d: %d bytes wide, want %d", r.next-1, len(v), width)
		return nil
	}
	return v
}

func (r *wireRow) i8() int64 {
	if v := r.column(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (r *wireRow) i4() int32 {
	if v := r.column(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (r *wireRow) i2() int16 {
	if v := r.column(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (r *wireRow) bool() bool {
	v := r.column(1)
	return v != nil && v[0] != 0
}

func (r *wireRow) id() (id task.ID) {
	copy(id[:], r.column(16))
	return id
}

func (r *wireRow) hash() (h store.Hash) {
	copy(h[:], r.column(0))
	return h
}

func (r *wireRow) text() string { return string(r.column(0)) }

// bytes returns a copy; nil for null.
func (r *wireRow) bytes() []byte {
	if v := r.column(0); v != nil {
		return append([]byte{}, v...)
	}
	return nil
}

// ids reads an array of uuid without nulls.
func (r *wireRow) ids() []task.ID {
	v := r.column(0)
	if len(v) < 20 {
		return nil
	}
	ids := make([]task.ID, binary.BigEndian.Uint32(v[12:]))
	v = v[20:]
	for i := range ids {
		if len(v) < 20 {
			r.err = fmt.Errorf("column %d: damaged array", r.next-1)
			return nil
		}
		copy(ids[i][:], v[4:20])
		v = v[20:]
	}
	return ids
}
