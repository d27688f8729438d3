package httpsig_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

// The request of RFC 9421, appendix B.2.
const rfcRequest = `POST /foo?param=Value&Pet=dog HTTP/1.1
Host: example.com
Date: Tue, 20 Apr 2021 02:07:55 GMT
Content-Type: application/json
Content-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
Content-Length: 18

{"hello": "world"}`

const rfcSharedSecret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

const rfcEd25519Key = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----`

func parseRequest(t testing.TB, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))))
	require.NoError(t, err)
	return r
}

func rfcKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(rfcEd25519Key))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	return key.(ed25519.PrivateKey)
}

func rfcHMAC(t testing.TB) func([]byte) []byte {
	t.Helper()
	secret, err := base64.StdEncoding.DecodeString(rfcSharedSecret)
	require.NoError(t, err)
	return func(base []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(base)
		return mac.Sum(nil)
	}
}

func TestThePublishedSignaturesOfRFC9421AreMadeAndVerified(t *testing.T) {
	key := rfcKey(t)
	mac := rfcHMAC(t)
	edSign := func(base []byte) []byte { return ed25519.Sign(key, base) }
	edCheck := func(base, sig []byte) bool { return ed25519.Verify(key.Public().(ed25519.PublicKey), base, sig) }

	tests := []struct {
		name, label    string
		request        string
		covered        []string
		params         httpsig.Params
		sign           func([]byte) []byte
		check          func(base, sig []byte) bool
		input, wantSig string
	}{
		{
			name: "B.2.5 hmac-sha256", label: "sig-b25", request: rfcRequest,
			covered: []string{"date", "@authority", "content-type"},
			params:  httpsig.Params{Created: 1618884473, KeyID: "test-shared-secret"},
			sign:    mac, check: func(base, sig []byte) bool { return hmac.Equal(mac(base), sig) },
			input:   `sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
			wantSig: `sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:`,
		},
		{
			name: "B.2.6 ed25519", label: "sig-b26", request: rfcRequest,
			covered: []string{"date", "@method", "@path", "@authority", "content-type", "content-length"},
			params:  httpsig.Params{Created: 1618884473, KeyID: "test-key-ed25519"},
			sign:    edSign, check: edCheck,
			input:   `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
			wantSig: `sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:`,
		},
		{
			name: "B.4 two lines of one field", label: "transform",
			request: "GET /demo?name1=Value1&Name2=value2 HTTP/1.1\nHost: example.org\nDate: Fri, 15 Jul 2022 14:24:55 GMT\nAccept: application/json\nAccept: */*\n\n",
			covered: []string{"@method", "@path", "@authority", "accept"},
			params:  httpsig.Params{Created: 1618884473, KeyID: "test-key-ed25519"},
			sign:    edSign, check: edCheck,
			input:   `transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"`,
			wantSig: `transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := httpsig.MessageOf(parseRequest(t, tt.request))
			require.NoError(t, httpsig.Sign(&m, tt.label, tt.covered, tt.params, tt.sign))
			require.Equal(t, tt.input, m.Header.Get("Signature-Input"))
			require.Equal(t, tt.wantSig, m.Header.Get("Signature"))

			s, err := httpsig.Parse(m.Header, tt.label)
			require.NoError(t, err)
			require.Equal(t, tt.covered, s.Covered)
			require.Equal(t, tt.params, s.Params)
			require.NoError(t, s.Check(&m, tt.check))

			m.Method, m.RequestURI, m.Authority = "PUT", "/other", "example.net"
			require.ErrorIs(t, s.Check(&m, tt.check), httpsig.ErrMismatch)
		})
	}
}

func TestTheSignatureBaseIsThatOfRFC9421(t *testing.T) {
	m := httpsig.MessageOf(parseRequest(t, rfcRequest))
	tests := []struct {
		name, params, want string
		covered            []string
	}{
		{
			name:   "B.2.1 nothing covered",
			params: `();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`,
			want:   `"@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`,
		},
		{
			name:    "B.2.3 full coverage",
			covered: []string{"date", "@method", "@path", "@query", "@authority", "content-type", "content-digest", "content-length"},
			params:  `("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"`,
			want: `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@query": ?param=Value&Pet=dog
"@authority": example.com
"content-type": application/json
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"`,
		},
		{
			name:    "target, scheme and request target (section 2.2)",
			covered: []string{"@target-uri", "@scheme", "@request-target", "host"},
			params:  `()`,
			want: `"@target-uri": http://example.com/foo?param=Value&Pet=dog
"@scheme": http
"@request-target": /foo?param=Value&Pet=dog
"host": example.com
"@signature-params": ()`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, err := m.Base(tt.covered, tt.params)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(base))
		})
	}
}

func TestWhatTheSubsetLacksIsRefused(t *testing.T) {
	m := httpsig.MessageOf(parseRequest(t, rfcRequest))
	for _, name := range []string{"@query-param", "@status", "@unknown", "Date", "", "x-absent"} {
		_, err := m.Base([]string{name}, "()")
		require.Error(t, err, name)
	}
	_, err := m.Base([]string{"date", "date"}, "()")
	require.ErrorIs(t, err, httpsig.ErrMalformed)

	for _, input := range []string{
		`s=("date";sf)`, `s=("date";req)`, `s=("@query-param";name="a")`, `s=("date" "date")`, `s=(date)`, `s=("date");created="now"`,
		`s=("date");keyid=7`, `s="date"`, `s=("date"`, `s`, `s=("date"), s`, `=`, `s=("date");created=1.5`,
	} {
		h := http.Header{"Signature-Input": {input}, "Signature": {`s=:AAAA:`}}
		_, err := httpsig.Parse(h, "s")
		require.ErrorIs(t, err, httpsig.ErrMalformed, input)
	}
	_, err = httpsig.Parse(http.Header{"Signature-Input": {`s=("date")`, `s=("date")`}, "Signature": {`s=:AAAA:`}}, "s")
	require.ErrorIs(t, err, httpsig.ErrMalformed)
	_, err = httpsig.Parse(http.Header{"Signature-Input": {`other=("date")`}, "Signature": {`other=:AAAA:`}}, "s")
	require.ErrorIs(t, err, httpsig.ErrUnsigned)
	_, err = httpsig.Parse(http.Header{"Signature-Input": {strings.Repeat(" ", 20<<10) + `s=("date")`}, "Signature": {`s=:AAAA:`}}, "s")
	require.ErrorIs(t, err, httpsig.ErrMalformed)
}

func TestContentDigestIsThatOfRFC9530(t *testing.T) {
	body := []byte(`{"hello": "world"}`)
	const sha512 = `sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:`
	const sha256 = `sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:`
	require.Equal(t, sha512, httpsig.Digest(body))

	tests := []struct {
		name  string
		lines []string
		want  error
	}{
		{"sha-512", []string{sha512}, nil},
		{"sha-256", []string{sha256}, nil},
		{"both", []string{sha256 + ", " + sha512}, nil},
		{"an unknown one beside", []string{"unixsum=:AAAA:", sha256}, nil},
		{"one of two is wrong", []string{sha512, "sha-256=:AAAA:"}, httpsig.ErrDigest},
		{"wrong", []string{strings.Replace(sha512, "WZD", "WZE", 1)}, httpsig.ErrDigest},
		{"empty", []string{"sha-512=::"}, httpsig.ErrDigest},
		{"unknown only", []string{"md5=:AAAA:"}, httpsig.ErrMalformed},
		{"no bytes", []string{`sha-512="text"`}, httpsig.ErrMalformed},
		{"a list", []string{`sha-512=("a")`}, httpsig.ErrMalformed},
		{"garbage", []string{"\x00"}, httpsig.ErrMalformed},
		{"absent", nil, httpsig.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.ErrorIs(t, httpsig.CheckDigest(tt.lines, body), tt.want)
		})
	}
}
