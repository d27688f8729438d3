package task

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"
)

// The encoding of a Spec is a version byte and then fields: a tag byte, a
// uvarint length, the bytes. Fields at their zero value are left out, unknown
// tags are skipped, so that an older node can read what a newer one wrote.
// Lists repeat their tag.
const specVersion = 1

const (
	tagKind = iota + 1
	tagName
	tagURL
	tagMethod
	tagHeader
	tagFunction
	tagEndpoint
	tagProcess
	tagHandler
	tagContentType
	tagTimeout
	tagMaxAttempts
	tagMaxAge
	tagMinBackoff
	tagMaxBackoff
	tagFactor
	tagJitter
	tagLabel
	tagGroup
	tagClientID
	tagUniqueKey
	tagRunAt
	tagProfile
	tagVersion
	tagWorkers
	tagLimit
	tagOrderKey
	tagOnDuplicate
	tagDuplicateKey
	tagDependsOn
	tagWhen
	tagOnce
	tagCallback
	tagCallbackOf
	tagSchedule
	tagKeepSucceeded
	tagKeepFailed
	tagKeepCanceled
	tagTrace
)

var errBadSpec = errors.New("damaged task description")

type specWriter struct{ b []byte }

func (w *specWriter) str(tag byte, s string) {
	if s != "" {
		w.b = append(w.b, tag)
		w.b = binary.AppendUvarint(w.b, uint64(len(s)))
		w.b = append(w.b, s...)
	}
}

func (w *specWriter) num(tag byte, v int64) {
	if v != 0 {
		var buf [binary.MaxVarintLen64]byte
		n := binary.PutVarint(buf[:], v)
		w.b = append(w.b, tag, byte(n))
		w.b = append(w.b, buf[:n]...)
	}
}

func (w *specWriter) float(tag byte, v float64) { w.num(tag, int64(math.Float64bits(v))) }

func (w *specWriter) pair(tag byte, name, value string) {
	n := binary.AppendUvarint(nil, uint64(len(name)))
	w.b = append(w.b, tag)
	w.b = binary.AppendUvarint(w.b, uint64(len(n)+len(name)+len(value)))
	w.b = append(w.b, n...)
	w.b = append(w.b, name...)
	w.b = append(w.b, value...)
}

// Encode returns the stored form of s. Equal specs have equal encodings.
func (s *Spec) Encode() []byte {
	w := specWriter{b: append(make([]byte, 0, 64+len(s.URL)+len(s.Name)), specVersion)}
	w.num(tagKind, int64(s.Kind))
	w.str(tagName, s.Name)
	w.str(tagURL, s.URL)
	w.str(tagMethod, s.Method)
	for _, h := range s.Header {
		w.pair(tagHeader, h.Name, h.Value)
	}
	w.str(tagFunction, s.Function)
	w.str(tagEndpoint, s.Endpoint)
	w.str(tagProcess, s.Process)
	w.str(tagWorkers, s.Workers)
	w.str(tagHandler, s.Handler)
	w.str(tagContentType, s.ContentType)
	w.num(tagTimeout, int64(s.Timeout))
	w.num(tagMaxAttempts, int64(s.Retry.MaxAttempts))
	w.num(tagMaxAge, int64(s.Retry.MaxAge))
	w.num(tagMinBackoff, int64(s.Retry.MinBackoff))
	w.num(tagMaxBackoff, int64(s.Retry.MaxBackoff))
	w.float(tagFactor, s.Retry.Factor)
	w.float(tagJitter, s.Retry.Jitter)
	for _, k := range sortedKeys(s.Labels) {
		w.pair(tagLabel, k, s.Labels[k])
	}
	w.str(tagGroup, s.Group)
	w.str(tagClientID, s.ClientID)
	w.str(tagUniqueKey, s.UniqueKey)
	w.num(tagRunAt, s.RunAt)
	w.num(tagProfile, int64(s.Profile))
	w.str(tagVersion, s.Version)
	w.str(tagSchedule, s.Schedule)
	if s.Once {
		w.num(tagOnce, 1)
	}
	w.waits(s)
	for i := range s.Callbacks {
		w.str(tagCallback, string(s.Callbacks[i].Encode()))
	}
	w.str(tagCallbackOf, s.CallbackOf)
	w.num(tagKeepSucceeded, int64(s.Retention.Succeeded))
	w.num(tagKeepFailed, int64(s.Retention.Failed))
	w.num(tagKeepCanceled, int64(s.Retention.Canceled))
	w.str(tagTrace, s.Trace.text())
	return w.b
}

// waits writes what a task waits for.
func (w *specWriter) waits(s *Spec) {
	for _, l := range s.Limits {
		numbers := make([]byte, 0, 32)
		for _, n := range []int64{int64(l.Concurrency), int64(l.Rate.N), int64(l.Rate.Per), int64(l.Burst)} {
			numbers = binary.AppendVarint(numbers, n)
		}
		w.pair(tagLimit, l.Key, string(numbers))
	}
	w.str(tagOrderKey, s.OrderKey)
	w.num(tagOnDuplicate, int64(s.OnDuplicate))
	w.str(tagDuplicateKey, s.DuplicateKey)
	for _, id := range s.DependsOn {
		w.str(tagDependsOn, id)
	}
	w.num(tagWhen, int64(s.When))
}

// DecodeSpec reads what [Spec.Encode] wrote.
func DecodeSpec(b []byte) (*Spec, error) {
	if len(b) == 0 || b[0] != specVersion {
		return nil, errBadSpec
	}
	s := &Spec{}
	if err := eachField(b[1:], s.setField); err != nil {
		return nil, err
	}
	return s, nil
}

// EncodedTarget is what DecodeSpec would find as the target of a task, without the rest of it:
// a function, process, handler or URL; "" = nothing.
func EncodedTarget(b []byte) (target string, url bool) {
	if len(b) == 0 || b[0] != specVersion {
		return "", false
	}
	_ = eachField(b[1:], func(tag byte, v []byte) error { // what was read before a fault stays
		switch tag {
		case tagFunction, tagProcess, tagHandler, tagURL:
			target, url = string(v), tag == tagURL
		}
		return nil
	})
	return target, url
}

// eachField calls set for what a specWriter wrote.
func eachField(b []byte, set func(tag byte, value []byte) error) error {
	for len(b) > 0 {
		tag := b[0]
		size, n := binary.Uvarint(b[1:])
		if n <= 0 || size > uint64(len(b)-1-n) {
			return errBadSpec
		}
		value := b[1+n : 1+n+int(size)]
		b = b[1+n+int(size):]
		if err := set(tag, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) setField(tag byte, v []byte) error {
	if text := s.textField(tag); text != nil {
		*text = string(v)
		return nil
	}
	switch tag {
	case tagHeader, tagLabel, tagLimit:
		return s.setPair(tag, v)
	case tagDependsOn:
		s.DependsOn = append(s.DependsOn, string(v))
		return nil
	case tagCallback:
		c, err := decodeCallback(v)
		s.Callbacks = append(s.Callbacks, c)
		return err
	case tagTrace:
		s.Trace = readTrace(v)
		return nil
	}
	num, n := binary.Varint(v)
	if n <= 0 {
		num = 0 // an unknown tag of a newer version need not be a number
	}
	s.setNumber(tag, num)
	return nil
}

func (s *Spec) textField(tag byte) *string {
	switch tag {
	case tagName:
		return &s.Name
	case tagURL:
		return &s.URL
	case tagMethod:
		return &s.Method
	case tagFunction:
		return &s.Function
	case tagEndpoint:
		return &s.Endpoint
	case tagProcess:
		return &s.Process
	case tagWorkers:
		return &s.Workers
	case tagHandler:
		return &s.Handler
	case tagContentType:
		return &s.ContentType
	case tagGroup:
		return &s.Group
	case tagClientID:
		return &s.ClientID
	case tagUniqueKey:
		return &s.UniqueKey
	case tagVersion:
		return &s.Version
	case tagSchedule:
		return &s.Schedule
	case tagOrderKey:
		return &s.OrderKey
	case tagDuplicateKey:
		return &s.DuplicateKey
	case tagCallbackOf:
		return &s.CallbackOf
	}
	return nil
}

func (s *Spec) setPair(tag byte, v []byte) error {
	size, n := binary.Uvarint(v)
	if n <= 0 || size > uint64(len(v)-n) {
		return errBadSpec
	}
	name, value := string(v[n:n+int(size)]), string(v[n+int(size):])
	switch tag {
	case tagHeader:
		s.Header = append(s.Header, Header{name, value})
		return nil
	case tagLimit:
		return s.addLimit(name, []byte(value))
	}
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	s.Labels[name] = value
	return nil
}

func (s *Spec) addLimit(key string, b []byte) error {
	var v [4]int64
	for i := range v {
		n := 0
		if v[i], n = binary.Varint(b); n <= 0 {
			return errBadSpec
		}
		b = b[n:]
	}
	s.Limits = append(s.Limits, Limit{Key: key, Concurrency: int32(v[0]), Rate: Rate{int32(v[1]), time.Duration(v[2])}, Burst: int32(v[3])})
	return nil
}

func (s *Spec) setNumber(tag byte, v int64) {
	switch tag {
	case tagKind:
		s.Kind = Kind(v)
	case tagTimeout:
		s.Timeout = time.Duration(v)
	case tagMaxAttempts:
		s.Retry.MaxAttempts = int32(v)
	case tagMaxAge:
		s.Retry.MaxAge = time.Duration(v)
	case tagMinBackoff:
		s.Retry.MinBackoff = time.Duration(v)
	case tagMaxBackoff:
		s.Retry.MaxBackoff = time.Duration(v)
	case tagFactor:
		s.Retry.Factor = math.Float64frombits(uint64(v))
	case tagJitter:
		s.Retry.Jitter = math.Float64frombits(uint64(v))
	case tagKeepSucceeded:
		s.Retention.Succeeded = time.Duration(v)
	case tagKeepFailed:
		s.Retention.Failed = time.Duration(v)
	case tagKeepCanceled:
		s.Retention.Canceled = time.Duration(v)
	case tagRunAt:
		s.RunAt = v
	case tagProfile:
		s.Profile = Profile(v)
	case tagOnDuplicate:
		s.OnDuplicate = OnDuplicate(v)
	case tagWhen:
		s.When = When(v)
	case tagOnce:
		s.Once = v != 0
	}
}

// EncodeHeaders returns the stored form of an answer's headers.
func EncodeHeaders(h []Header) []byte {
	w := specWriter{}
	for _, line := range h {
		w.pair(tagHeader, line.Name, line.Value)
	}
	return w.b
}

// DecodeHeaders reads what [EncodeHeaders] wrote.
func DecodeHeaders(b []byte) ([]Header, error) {
	s, err := DecodeSpec(append([]byte{specVersion}, b...))
	if err != nil {
		return nil, err
	}
	return s.Header, nil
}

func sortedKeys(m map[string]string) []string {
	if len(m) == 0 {
		return nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
