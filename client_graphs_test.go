package sendoff

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAGraphRunIsWrittenAsItIsRead: a client prints what the server told it, nulls and
// empty lists included.
func TestAGraphRunIsWrittenAsItIsRead(t *testing.T) {
	for _, text := range []string{
		`{"id":"1","state":"failed","created_at":"2026-11-27T08:22:28Z","reached":false,"partial":true,"passes":1,"exit":1,"duration":2,"error":null,"jobs":[
			{"name":"a","deps":[],"state":"succeeded","how":"achieved","color":"darkgreen","attempts":1,"checks":1,"runs":1,"rechecks":1,"duration":1,"error":null,"result":3},
			{"name":"b","deps":["a"],"state":"blocked","how":null,"color":"white","attempts":0,"checks":0,"runs":0,"rechecks":0,"duration":0,"error":null,"result":null}],
			"cleanups":[{"job":"a","attempt":1,"outcome":"pass","message":null},{"job":"a","attempt":2,"outcome":"fail","message":"no"}]}`,
		`{"id":"1","state":"running","created_at":"2026-11-27T08:22:28Z","reached":false,"partial":false,"passes":0,"duration":0,"error":null,"cleanups":[]}`,
	} {
		var run GraphRun
		require.NoError(t, json.Unmarshal([]byte(text), &run))
		again, err := json.Marshal(run)
		require.NoError(t, err)
		require.JSONEq(t, text, string(again))
	}
}
