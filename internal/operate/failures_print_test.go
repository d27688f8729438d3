package operate

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestFailuresThatDifferInIDsAloneAreOneGroup(t *testing.T) {
	for want, errors := range map[string][]string{
		"503: mail server is down":        {"503: mail server is down", " 503: mail server is down\nmore 17"},
		"order … of customer … not found": {"order 17 of customer 4 not found", "order 0f8fad5b-d9cb-469f-a165-70867728950e of customer 5d41402abc4b2a76 not found"},
		"dial tcp …: connection refused":  {"dial tcp 10.0.0.7:5432: connection refused", "dial tcp 10.1.2.3:80: connection refused"},
		`no user "…"`:                     {`no user "ada"`, "no user 'bob'", "no user `eve`", "no user “ädä”"},
		"no mail to …, don't ask":         {"no mail to ada@example.com, don't ask", "no mail to https://example.com/x?y=z, don't ask"},
		"worker-… took …":                 {"worker-1 took 1.5s", "worker-22 took 90ms"},
		"id …: gone":                      {"id V1StGXR8_Z5jdHi6B-myT: gone", "id 01HZXK3M9QW8R7T6Y5: gone"},
		"x…: bad certificate":             {"x509: bad certificate"},
		"(…, …)=…":                        {"(1, 2)=3"},
		`say "`:                           {`say "`},
		"":                                {"", "\n\n"},
	} {
		for _, text := range errors {
			require.Equal(t, want, blanked(text, "503"), text)
		}
	}
}

func TestWhatAFailureIsOf(t *testing.T) {
	spec := &task.Spec{Kind: task.HTTP, URL: "http://A.example:80/x/17"}
	same := failureOf("mail", spec, "500", "no 1")
	require.Equal(t, "a.example:80", same.Target)
	require.Equal(t, same, failureOf("mail", &task.Spec{Kind: task.HTTP, URL: "http://a.example:80/x/18"}, "500", "no 2"))
	for _, other := range []struct {
		queue string
		spec  *task.Spec
		code  string
		text  string
	}{
		{"sms", spec, "500", "no 1"}, {"mail", &task.Spec{Kind: task.Function, Function: "f"}, "500", "no 1"},
		{"mail", spec, "501", "no 1"}, {"mail", spec, "500", "yes 1"}, {"mail", nil, "500", "no 1"},
	} {
		require.NotEqual(t, same.Print, failureOf(other.queue, other.spec, other.code, other.text).Print)
	}
}

// FuzzBlanked: whatever an error says, its group can be stored, and is a line.
func FuzzBlanked(f *testing.F) {
	f.Add("503: it's \"x\" at 10.0.0.1:80 'a b' ’ \xff\x00")
	f.Fuzz(func(t *testing.T, text string) {
		g := failureOf("q", nil, "503", text)
		require.True(t, utf8.ValidString(g.Text))
		require.NotContains(t, g.Text, "\n")
		require.NotContains(t, g.Text, "\x00")
	})
}

// TestATargetIsReadFromItsEncodedForm: the same as from the task.
func TestATargetIsReadFromItsEncodedForm(t *testing.T) {
	for want, spec := range map[string]task.Spec{
		"example.com":      {Kind: task.HTTP, URL: "https://Example.com/a:b@c"},
		"example.com:8080": {Kind: task.HTTP, URL: "http://user:secret@example.com:8080?x#y"},
		"[::1]:80":         {Kind: task.HTTP, URL: "http://[::1]:80/"},
		"order":            {Kind: task.Function, Function: "order", Endpoint: "http://app.example"},
		"app.mail.send":    {Kind: task.Process, Process: "app.mail.send"},
		"welcome":          {Kind: task.Local, Handler: "welcome"},
	} {
		require.Equal(t, want, TargetOf(&spec))
		require.Equal(t, want, TargetIn(spec.Encode()))
	}
	require.Empty(t, TargetIn(nil))
	require.Empty(t, TargetOf(nil))
}
