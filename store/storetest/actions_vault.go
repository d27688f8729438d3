package storetest

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var documents = [][]byte{nil, []byte("a"), {0, 0xff}}

// keepSealed replaces a document, and looks at all of them.
func (m *machine) keepSealed(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "B", "ä"}).Draw(t, "document")
	m.setSealed(name, rapid.SampledFrom(documents).Draw(t, "was"), rapid.SampledFrom(documents).Draw(t, "doc"))
	m.compareSealed()
}

func (m *machine) setSealed(name string, was, doc []byte) {
	err := m.real.SetSealed(ctx, name, was, doc)
	m.same("a sealed document", errName(err), errName(m.oracle.SetSealed(ctx, name, was, doc)))
	m.saw("sealed:" + errName(err))
}

func (m *machine) compareSealed() {
	for _, name := range []string{"a", "b", "B", "ä"} {
		got, err := m.real.Sealed(ctx, name)
		require.NoError(m.rt, err)
		want, _ := m.oracle.Sealed(ctx, name)
		m.same("a sealed document", got, want)
	}
}

// aimVault lead to each answer of store.Vault.
var aimVault = map[string]func(*machine){
	"sealed:ok": func(m *machine) {
		had, _ := m.oracle.Sealed(ctx, "b")
		m.setSealed("b", had, nil)
		m.setSealed("b", nil, nil)
		m.setSealed("b", nil, []byte("1"))
		m.setSealed("b", []byte("1"), []byte{0, 1})
		m.compareSealed()
		m.setSealed("b", []byte{0, 1}, nil)
		m.compareSealed()
	},
	"sealed:changed": func(m *machine) {
		had, _ := m.oracle.Sealed(ctx, "b")
		m.setSealed("b", had, []byte("1"))
		for _, was := range [][]byte{nil, []byte("2")} {
			m.setSealed("b", was, nil)
			m.setSealed("b", was, []byte("3"))
		}
		m.compareSealed()
	},
}
