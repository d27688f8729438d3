package task

import (
	"encoding/hex"
	"errors"
	"strconv"
	"time"
)

// ID identifies a task. It is a UUIDv7 (RFC 9562): its first 48 bits are the
// millisecond of acceptance, so that byte order is age order. The accepting
// node makes it before the row is written.
type ID [16]byte

// ErrBadID says that a text is no task id.
var ErrBadID = errors.New("not a task id: want a UUID such as 019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00")

// ParseID reads the 36 character form of an ID, in either letter case.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, ErrBadID
	}
	var digits [32]byte
	n := copy(digits[:], s[0:8])
	n += copy(digits[n:], s[9:13])
	n += copy(digits[n:], s[14:18])
	n += copy(digits[n:], s[19:23])
	copy(digits[n:], s[24:36])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return ID{}, ErrBadID
	}
	return id, nil
}

// String returns the 36 character form in lower case.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// IsZero tells whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// Time returns the moment the id was made, to the millisecond.
func (id ID) Time() time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// FloorID returns the smallest id that could have been made at t. Listings use
// it to turn a creation time into a bound on the primary key.
func FloorID(t time.Time) ID {
	var id ID
	ms := max(t.UnixMilli(), 0)
	for i := 5; i >= 0; i-- {
		id[i] = byte(ms)
		ms >>= 8
	}
	return id
}

const numberEpoch = 1577836800000 // 2020-01-01T00:00:00Z, in milliseconds

// Number is a positive integer of 53 bits derived from the id, exact in every
// JSON reader: the milliseconds since 2020 (in 39 bits) and 14 bits of its
// random tail. Dispatchr's clients get it as "job".
func (id ID) Number() int64 {
	ms := (id.Time().UnixMilli() - numberEpoch) & (1<<39 - 1)
	return ms<<14 | int64(id[14]&0x3f)<<8 | int64(id[15])
}

// ParseNumber reads a number as [ID.Number] makes it: decimal digits without a
// sign or leading zeros. ok is false for everything else.
func ParseNumber(text string) (number int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n >= 1<<53 || strconv.FormatInt(n, 10) != text {
		return 0, false
	}
	return n, true
}

// firstNumber is the smallest number of a task from 2026 on; there are none that
// are older.
const firstNumber = (1767225600000 - numberEpoch) << 14

// NamesAnother tells whether an id that a client chooses may be the name of a
// task that has or gets it from the server: number says that it is a number
// which tasks have, and uuid is the id that it spells, zero when it spells none
// of the server's kind.
func NamesAnother(id string) (uuid ID, number bool) {
	if n, ok := ParseNumber(id); ok {
		return ID{}, n >= firstNumber
	}
	if uuid, err := ParseID(id); err == nil && uuid[6]>>4 == 7 {
		return uuid, false
	}
	return ID{}, false
}

// NumberRange returns the bounds [from, before) of the ids that can have a
// number.
func NumberRange(number int64) (from, before ID) {
	at := time.UnixMilli(number>>14 + numberEpoch)
	return FloorID(at), FloorID(at.Add(time.Millisecond))
}
