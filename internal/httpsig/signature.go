package httpsig

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/dunglas/httpsfv"
)

// Params are the parameters of a signature (RFC 9421, section 2.3). A zero
// field is left out.
type Params struct {
	Created int64 // seconds since the epoch
	Expires int64 // seconds since the epoch
	Nonce   string
	KeyID   string
	Alg     string
	Tag     string
}

// Signature is one labelled signature of a request, as it was received.
type Signature struct {
	Label   string
	Covered []string // component names, in order
	Params  Params
	Value   []byte
	Text    string // the value of @signature-params
}

// Sign signs the covered components of m and adds Signature-Input and Signature
// under the label to m.Header. sign gets the signature base; it is
// ed25519.Sign or an HMAC with its key. Parameters are written in the order
// created, expires, nonce, keyid, alg, tag.
func Sign(m *Message, label string, covered []string, p Params, sign func(base []byte) []byte) error {
	list := make([]component, len(covered))
	for i, name := range covered {
		list[i].name = name
	}
	input := string(appendParams(nil, list, p))
	base, err := m.Base(covered, input)
	if err != nil {
		return err
	}
	value, err := httpsfv.Marshal(httpsfv.NewItem(sign(base)))
	if err != nil {
		return err
	}
	m.Header.Add("Signature-Input", label+"="+input)
	m.Header.Add("Signature", label+"="+value)
	return nil
}

// appendParams writes the covered components and the parameters (RFC 9421, section 2.3).
func appendParams(b []byte, covered []component, p Params) []byte {
	b = append(b, '(')
	for i, c := range covered {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendString(b, c.name)
	}
	b = append(b, ')')
	if p.Created != 0 {
		b = strconv.AppendInt(append(b, ";created="...), p.Created, 10)
	}
	if p.Expires != 0 {
		b = strconv.AppendInt(append(b, ";expires="...), p.Expires, 10)
	}
	for _, text := range [...]struct{ name, value string }{
		{";nonce=", p.Nonce}, {";keyid=", p.KeyID}, {";alg=", p.Alg}, {";tag=", p.Tag},
	} {
		if text.value != "" {
			b = appendString(append(b, text.name...), text.value)
		}
	}
	return b
}

// appendString writes a structured-field string (RFC 9651, section 4.1.6).
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// maxSignatureBytes bounds what the parser looks at.
const maxSignatureBytes = 16 << 10

// Parse reads the signature with that label. Errors wrap [ErrUnsigned] when
// there is none, and [ErrMalformed] when it cannot be read, is given on more
// than one header line, or uses component parameters.
func Parse(h http.Header, label string) (*Signature, error) {
	input, err := member(h, "Signature-Input", label)
	if err != nil {
		return nil, err
	}
	raw, err := member(h, "Signature", label)
	if err != nil {
		return nil, err
	}
	list, ok := input.(httpsfv.InnerList)
	if !ok {
		return nil, fmt.Errorf("%w: signature-input %s is not a list", ErrMalformed, label)
	}
	s := &Signature{Label: label}
	if s.Value, err = bytesItem(raw); err != nil {
		return nil, err
	}
	if err = s.readCovered(list.Items); err != nil {
		return nil, err
	}
	if err = s.readParams(list.Params); err != nil {
		return nil, err
	}
	if s.Text, err = httpsfv.Marshal(list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return s, nil
}

func member(h http.Header, field, label string) (httpsfv.Member, error) {
	size := 0
	var found httpsfv.Member
	for _, line := range fieldLines(h, field) {
		if size += len(line); size > maxSignatureBytes {
			return nil, fmt.Errorf("%w: %s is too long", ErrMalformed, field)
		}
		dict, err := httpsfv.UnmarshalDictionary([]string{line})
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, field, err)
		}
		m, ok := dict.Get(label)
		switch {
		case ok && found != nil:
			return nil, fmt.Errorf("%w: %s has %q twice", ErrMalformed, field, label)
		case ok:
			found = m
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s has no %q", ErrUnsigned, field, label)
	}
	return found, nil
}

func (s *Signature) readCovered(items []httpsfv.Item) error {
	for _, item := range items {
		name, ok := item.Value.(string)
		if !ok {
			return fmt.Errorf("%w: a covered component is not a string", ErrMalformed)
		}
		if item.Params != nil && len(item.Params.Names()) > 0 {
			return fmt.Errorf("%w: parameters of component %q are not supported", ErrMalformed, name)
		}
		if slices.Contains(s.Covered, name) {
			return fmt.Errorf("%w: component %q is named twice", ErrMalformed, name)
		}
		s.Covered = append(s.Covered, name)
	}
	return nil
}

func (s *Signature) readParams(p *httpsfv.Params) error {
	if p == nil {
		return nil
	}
	for _, name := range p.Names() {
		value, _ := p.Get(name)
		var ok bool
		switch name {
		case "created":
			s.Params.Created, ok = value.(int64)
		case "expires":
			s.Params.Expires, ok = value.(int64)
		case "nonce":
			s.Params.Nonce, ok = value.(string)
		case "keyid":
			s.Params.KeyID, ok = value.(string)
		case "alg":
			s.Params.Alg, ok = value.(string)
		case "tag":
			s.Params.Tag, ok = value.(string)
		default:
			ok = true // signed over with the rest, without a meaning to us
		}
		if !ok {
			return fmt.Errorf("%w: parameter %q has the wrong type", ErrMalformed, name)
		}
	}
	return nil
}

// Covers tells whether all the named components are signed.
func (s *Signature) Covers(names ...string) bool {
	for _, name := range names {
		if !slices.Contains(s.Covered, name) {
			return false
		}
	}
	return true
}

// Check verifies the signature over m. ok gets the signature base and the
// signature, and tells whether they belong together under the key of
// s.Params.KeyID.
func (s *Signature) Check(m *Message, ok func(base, signature []byte) bool) error {
	base, err := m.Base(s.Covered, s.Text)
	if err != nil {
		return err
	}
	if !ok(base, s.Value) {
		return ErrMismatch
	}
	return nil
}
