package task

import "encoding/json"

// Secrets are the webhook secrets of a queue, in their order: by what may be shown of them,
// and sealed. The zero value has none. Secrets can be compared.
type Secrets struct{ text string } // a JSON array of Secret

// Secret is one of them.
type Secret struct {
	Name   string `json:"name,omitempty"`   // what may be shown of it
	Sealed []byte `json:"sealed,omitempty"` // the secret, for who can open it

	// Given is what somebody wants set, and was not sealed yet: a secret, or the name of
	// one that the queue has. It is never stored.
	Given string `json:"given,omitempty"`
}

// MaxSecrets is how many webhook secrets a queue may have: each adds a signature to a push.
const MaxSecrets = 4

// NewSecrets returns a list of secrets.
func NewSecrets(list []Secret) Secrets {
	if len(list) == 0 {
		return Secrets{}
	}
	b, _ := json.Marshal(list) // plain data cannot fail
	return Secrets{string(b)}
}

// GivenSecrets are secrets as somebody wants them set.
func GivenSecrets(given []string) Secrets {
	list := make([]Secret, len(given))
	for i, text := range given {
		list[i].Given = text
	}
	return NewSecrets(list)
}

// List is a copy of the secrets; nil when there are none.
func (s Secrets) List() (list []Secret) {
	if s.text != "" {
		_ = json.Unmarshal([]byte(s.text), &list) // as NewSecrets wrote it
	}
	return list
}

// Names are what may be shown of the secrets.
func (s Secrets) Names() []string {
	var names []string
	for _, one := range s.List() {
		names = append(names, one.Name)
	}
	return names
}

// Given tells whether there is one that was not sealed yet.
func (s Secrets) Given() bool {
	for _, one := range s.List() {
		if one.Given != "" {
			return true
		}
	}
	return false
}

// MarshalJSON implements json.Marshaler: the stored form, without what was not sealed.
func (s Secrets) MarshalJSON() ([]byte, error) {
	list := s.List()
	for i := range list {
		list[i].Given = ""
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Secrets) UnmarshalJSON(b []byte) error {
	var list []Secret
	err := json.Unmarshal(b, &list)
	*s = NewSecrets(list)
	return err
}

func (q *QueueSettings) checkSecrets(bad *Invalid) {
	if n := len(q.Webhooks.List()); n > MaxSecrets {
		bad.Add("webhook_secrets", "are %d: at most %d are allowed, each adds a signature to a push", n, MaxSecrets)
	}
}
