package journal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what follows from the vectors anew")

// vectors are what every SDK is tested against: what goes into a journal, and its
// bytes. Of an entry, "entry" is given; the rest follows, and -update writes it.
type vectors struct {
	Journals []journalVector `json:"journals"`
	Refused  []refusedVector `json:"refused"`
	Places   []placeVector   `json:"places"`
}

type journalVector struct {
	Name     string          `json:"name"`
	Segments []segmentVector `json:"segments"`
}

type segmentVector struct {
	Entries []entryVector `json:"entries"`
	Bytes   string        `json:"bytes"` // in hex
}

// entryVector is an entry, what a reader adds to it, and how a trace shows it.
type entryVector struct {
	Entry   fields `json:"entry"`
	Ordinal uint64 `json:"ordinal"`
	Child   uint64 `json:"child"`
	End     int64  `json:"end"`
	Text    string `json:"text"`
}

type fields struct {
	Kind       Kind   `json:"kind"`
	Version    uint64 `json:"version,omitempty"`
	SDK        string `json:"sdk,omitempty"`
	Seed       uint64 `json:"seed,omitempty"`
	Epoch      uint64 `json:"epoch,omitempty"`
	Expires    int64  `json:"expires,omitempty"`
	Dispatch   string `json:"dispatch,omitempty"`
	Generation uint64 `json:"generation,omitempty"`
	Op         Op     `json:"op,omitempty"`
	Branch     uint64 `json:"branch,omitempty"`
	Name       string `json:"name,omitempty"`
	Site       string `json:"site,omitempty"`
	Digest     uint64 `json:"digest,omitempty"`
	Count      uint64 `json:"count,omitempty"` // 0 = 1
	Ordinal    uint64 `json:"ordinal,omitempty"`
	At         int64  `json:"at,omitempty"`
	N          uint64 `json:"n,omitempty"`
	URL        string `json:"url,omitempty"`
	Data       []byte `json:"data,omitempty"`
	Fail       []byte `json:"fail,omitempty"`
}

func (f *fields) entry() Entry {
	return Entry{
		Kind: f.Kind, Version: f.Version, SDK: f.SDK, Seed: f.Seed, Epoch: f.Epoch, Expires: f.Expires, Dispatch: f.Dispatch,
		Generation: f.Generation, Op: f.Op, Branch: f.Branch, Name: f.Name, Site: f.Site, Digest: f.Digest, Count: max(f.Count, 1),
		Ordinal: f.Ordinal, At: f.At, N: f.N, Value: Value{f.URL, f.Data}, Fail: f.Fail,
	}
}

type refusedVector struct {
	Name  string `json:"name"`
	Bytes string `json:"bytes"`
	Error string `json:"error"`
}

type placeVector struct {
	Generation uint64 `json:"generation"`
	Path       string `json:"path"`
	Place      string `json:"place"`
}

var vectorFile = filepath.Join("testdata", "vectors.json")

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

// follow writes what follows from what is given, as this package has it.
func (v *vectors) follow(t *testing.T) {
	t.Helper()
	for i := range v.Journals {
		v.Journals[i].follow(t)
	}
	for i := range v.Refused {
		_, _, err := Decode(unhex(t, v.Refused[i].Bytes))
		require.Error(t, err, v.Refused[i].Name)
		v.Refused[i].Error = err.Error()
	}
	for i := range v.Places {
		v.Places[i].Place = Place(v.Places[i].Generation, v.Places[i].Path)
	}
}

func (v *journalVector) follow(t *testing.T) {
	t.Helper()
	var w Writer
	var whole []byte
	for i := range v.Segments {
		s := &v.Segments[i]
		for j := range s.Entries {
			e := s.Entries[j].Entry.entry()
			w.Add(&e)
		}
		segment := w.Take(w.Pending())
		whole = append(whole, segment...)
		s.Bytes = hex.EncodeToString(segment)
	}
	entries, _, err := Decode(whole)
	require.NoError(t, err, v.Name)
	for i := range v.Segments {
		for j := range v.Segments[i].Entries {
			to, from := &v.Segments[i].Entries[j], &entries[0]
			to.Ordinal, to.Child, to.End, to.Text = from.Ordinal, from.Child, from.End, from.String()
			entries = entries[1:]
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return b
}

// The file holds for the SDKs of all languages, and for journals that are on disk:
// what it has already must not change.
func TestJournalsAreTheBytesThatEverySDKKnows(t *testing.T) {
	got := readVectors(t)
	got.follow(t)
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(got))
		require.NoError(t, os.WriteFile(vectorFile, b.Bytes(), 0o644))
	}
	require.Equal(t, readVectors(t), got)
}

// Whoever reads the first segments writes the others as their author did.
func TestAJournalGoesOnWhereItsSegmentsEnd(t *testing.T) {
	for _, v := range readVectors(t).Journals {
		var whole []byte
		for i, s := range v.Segments {
			if i > 0 {
				_, w, err := Decode(whole)
				require.NoError(t, err, v.Name)
				for j := range s.Entries {
					e := s.Entries[j].Entry.entry()
					w.Add(&e)
				}
				require.Equal(t, s.Bytes, hex.EncodeToString(w.Take(w.Pending())), v.Name)
			}
			whole = append(whole, unhex(t, s.Bytes)...)
		}
	}
}

// What is read is what was written.
func TestTheEntriesOfVectorsAreReadAsTheyWereWritten(t *testing.T) {
	for _, v := range readVectors(t).Journals {
		var whole []byte
		var want []Entry
		for _, s := range v.Segments {
			whole = append(whole, unhex(t, s.Bytes)...)
			for _, given := range s.Entries {
				e := given.Entry.entry()
				e.Ordinal, e.Child, e.End, e.Index = given.Ordinal, given.Child, given.End, len(want)
				want = append(want, e)
			}
		}
		got, _, err := Decode(whole)
		require.NoError(t, err, v.Name)
		require.Equal(t, want, got, v.Name)
	}
}
