package egress_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
)

func newDialer(t testing.TB, c egress.Config) *egress.Dialer {
	t.Helper()
	d, err := egress.New(c)
	require.NoError(t, err)
	return d
}

func get(d *egress.Dialer, target string) error {
	transport := d.Transport()
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("GET", target, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// trap listens on an address and counts who came.
func trap(t testing.TB, network, address string) (port string, connects *atomic.Int64) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("cannot listen on %s: %v", address, err)
	}
	connects = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connects.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	_, port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port, connects
}

// The blocks that are refused, by their first and last address.
var refusedBlocks = [][2]string{
	{"0.0.0.0", "0.255.255.255"}, {"10.0.0.0", "10.255.255.255"}, {"100.64.0.0", "100.127.255.255"},
	{"127.0.0.0", "127.255.255.255"}, {"169.254.0.0", "169.254.255.255"}, {"172.16.0.0", "172.31.255.255"},
	{"192.0.0.0", "192.0.0.255"}, {"192.0.2.0", "192.0.2.255"}, {"192.31.196.0", "192.31.196.255"},
	{"192.52.193.0", "192.52.193.255"}, {"192.88.99.0", "192.88.99.255"}, {"192.168.0.0", "192.168.255.255"},
	{"192.175.48.0", "192.175.48.255"}, {"198.18.0.0", "198.19.255.255"}, {"198.51.100.0", "198.51.100.255"},
	{"203.0.113.0", "203.0.113.255"}, {"224.0.0.0", "239.255.255.255"}, {"240.0.0.0", "255.255.255.255"},
	{"::", "::1"}, {"::2", "::ffff:ffff"}, {"::ffff:0:0:0", "::ffff:0:ffff:ffff"},
	{"64:ff9b::", "64:ff9b::ffff:ffff"}, {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},
	{"100::", "100::ffff:ffff:ffff:ffff"}, {"100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"},
	{"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"}, {"2001:1::1", "2001:1::3"}, {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"},
	{"2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff"}, {"2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff"},
	{"2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"}, {"2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff"}, {"2001:100::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}, {"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"}, {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"169.254.169.254", "169.254.169.254"}, {"169.254.170.2", "169.254.170.2"}, {"168.63.129.16", "168.63.129.16"},
	{"100.100.100.200", "100.100.100.200"}, {"192.0.0.192", "192.0.0.192"}, {"fd00:ec2::254", "fd00:ec2::254"},
}

// Neighbours of the blocks and a few well-known hosts.
var publicAddresses = []string{
	"1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
	"192.0.1.0", "192.0.3.0", "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0",
	"192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
	"203.0.112.255", "203.0.114.0", "223.255.255.255",
	"2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2606:4700:4700::1111", "2620:4f:7fff::1", "2620:4f:8001::1",
	"2a00:1450:4001::1", "3ffe::1", "3fff:1000::1",
}

// hostForms are the spellings of an IPv4 address that some parser or resolver
// somewhere reads as it.
func hostForms(a netip.Addr) []string {
	b := a.As4()
	n := binary.BigEndian.Uint32(b[:])
	return []string{
		fmt.Sprintf("%d", n), fmt.Sprintf("0x%x", n), fmt.Sprintf("0X%X", n), fmt.Sprintf("0%o", n),
		fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("%d.%d", b[0], n&0xffffff), fmt.Sprintf("%d.%d.%d", b[0], b[1], n&0xffff),
		fmt.Sprintf("%d.%d.%d.0x%x", b[0], b[1], b[2], b[3]), fmt.Sprintf("%03d.%03d.%03d.%03d", b[0], b[1], b[2], b[3]),
		a.String() + ".", fmt.Sprintf("%d.", n),
		"[::ffff:" + a.String() + "]", fmt.Sprintf("[::ffff:%x:%x]", n>>16, n&0xffff), "[::" + a.String() + "]",
		"[64:ff9b::" + a.String() + "]", "[64:ff9b:1::" + a.String() + "]", fmt.Sprintf("[2002:%x:%x::]", n>>16, n&0xffff),
		fmt.Sprintf("[2001:0:%x:%x::1]", n>>16, n&0xffff), "[::ffff:0:" + a.String() + "]",
		"user:pass@" + a.String(), "example.com@" + a.String(), "example.com%40x@" + a.String(),
	}
}

func refusedHosts() []string {
	var hosts []string
	for _, block := range refusedBlocks {
		for _, text := range block {
			if strings.Contains(text, ":") {
				text = "[" + text + "]"
			}
			hosts = append(hosts, text)
		}
	}
	for _, text := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1", "172.16.0.1"} {
		hosts = append(hosts, hostForms(netip.MustParseAddr(text))...)
	}
	return append(hosts, "[fe80::1%25lo]", "[::1%25lo]", "[fe80::1%25eth0]", "[0:0:0:0:0:0:0:1]", "[0000::0001]",
		"127.1", "127.0.1", "0", "0x0", "00", "0177.1", "0x7f.1", "127.0.0.1.", "4294967295", "256.256.256.256", "1.2.3.4.5", "a.0x1")
}

// S1: the address a task names is checked, in any spelling.
func TestNoSpecialAddressIsCalledInAnySpelling(t *testing.T) {
	port4, connects4 := trap(t, "tcp4", "0.0.0.0:0")
	port6, connects6 := trap(t, "tcp6", "[::]:0")
	d := newDialer(t, egress.Config{Timeout: time.Second, Resolver: dnsServer(t, func(string) []netip.Addr { return nil })})
	tried := 0
	for _, host := range refusedHosts() {
		for _, port := range []string{port4, port6} {
			target := "http://" + host + ":" + port + "/x"
			tried++
			u, err := url.Parse(target)
			if err == nil {
				require.Error(t, d.CheckURL(u), "submitting %s", target)
			}
			require.Error(t, get(d, target), "dialling %s", target)
		}
	}
	require.GreaterOrEqual(t, tried, 250)
	require.Zero(t, connects4.Load()+connects6.Load(), "of %d URLs", tried)
}

func TestPublicAddressesMayBeNamed(t *testing.T) {
	d := newDialer(t, egress.Config{})
	for _, text := range publicAddresses {
		host := text
		if strings.Contains(text, ":") {
			host = "[" + text + "]"
		}
		require.NoError(t, d.CheckURL(&url.URL{Scheme: "https", Host: host, Path: "/"}), text)
		require.NoError(t, d.CheckURL(&url.URL{Scheme: "http", Host: host + ":8080"}), text)
	}
}

func TestARefusalNamesTheAddressTheReasonAndTheFlag(t *testing.T) {
	d := newDialer(t, egress.Config{})
	tests := []struct{ url, want string }{
		{"http://10.1.2.3/", "refused to connect to 10.1.2.3:80: private network (RFC 1918); start the server with --allow-egress 10.1.2.3 to permit it"},
		{"https://[::ffff:169.254.169.254]/", "refused to connect to 169.254.169.254:443: cloud metadata service; start the server with --allow-egress 169.254.169.254 to permit it"},
		{"http://[::1]:9/", "refused to connect to [::1]:9: loopback; start the server with --allow-egress ::1 to permit it"},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		require.NoError(t, err)
		require.EqualError(t, d.CheckURL(u), tt.want)
		err = get(d, tt.url)
		require.ErrorIs(t, err, egress.ErrRefused)
		require.ErrorContains(t, err, tt.want)
	}
}

func TestWhatIsNoHTTPURLCannotBeSubmitted(t *testing.T) {
	d := newDialer(t, egress.Config{AllowLoopback: true})
	for _, target := range []string{
		"ftp://example.com/", "file:///etc/passwd", "gopher://example.com", "mailto:a@b", "/relative", "example.com", "http:", "http://", "http:///x", "http:example.com",
		"http://example.com:0/", "http://example.com:65536/", "http://example.com:/", "http://a..b/", "http://.a/", "http://a b/", "http://ex_ample.com\x7f/",
		"http://bücher.example/", "http://１２７.0.0.1/", "http://①②⑦.0.0.1/", "http://127。0。0。1/", "http://" + strings.Repeat("a", 64) + ".example/",
		"http://" + strings.Repeat("a.", 127) + "aa/", "http://exa$mple/", "http://-/%00", "http://[1.2.3.4]/", "http://[::g]/", "unix:///run/x.sock",
	} {
		u, err := url.Parse(target)
		if err != nil || target == "http://-/%00" {
			continue
		}
		require.Error(t, d.CheckURL(u), target)
	}
	for _, target := range []string{
		"http://localhost:8000/hook", "https://example.com", "http://EXAMPLE.com./a", "http://my_service:80", "https://xn--bcher-kva.example/?q#f",
		"http://user:pass@example.com/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://1e100.net", "http://3com.example", "http://0x.example",
	} {
		u, err := url.Parse(target)
		require.NoError(t, err)
		require.NoError(t, d.CheckURL(u), target)
	}
}

func TestLoopbackIsOpenedAloneAndAsAWhole(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	require.ErrorIs(t, get(newDialer(t, egress.Config{}), server.URL), egress.ErrRefused)
	d := newDialer(t, egress.Config{AllowLoopback: true})
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		require.NoError(t, get(d, "http://"+host+port), host)
	}
	for _, host := range []string{"0.0.0.0", "[::]", "10.0.0.1", "169.254.169.254"} {
		require.ErrorIs(t, get(d, "http://"+host+port), egress.ErrRefused, host)
	}
}

func TestTheAllowListOpensWhatItNames(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	resolver := dnsServer(t, func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })

	tests := []struct {
		allow, host string
		ok          bool
	}{
		{"127.0.0.0/8", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1:" + port, "127.0.0.1", true},
		{"127.0.0.0/8:" + port, "app.internal", true},
		{"127.0.0.0/8:1", "127.0.0.1", false},
		{"127.0.0.2", "127.0.0.1", false},
		{"10.0.0.0/8", "127.0.0.1", false},
		{"::1", "127.0.0.1", false},
		{"[::1]:80", "127.0.0.1", false},
		{"app.internal", "app.internal", true},
		{"App.Internal.", "APP.internal.", true},
		{"app.internal:" + port, "app.internal", true},
		{"app.internal:1", "app.internal", false},
		{"app.internal", "other.internal", false},
		{"app.internal", "x.app.internal", false},
		{"internal", "app.internal", false},
		{"app.internal", "127.0.0.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.allow+" "+tt.host, func(t *testing.T) {
			err := get(newDialer(t, egress.Config{Allow: []string{tt.allow}, Resolver: resolver}), "http://"+tt.host+":"+port)
			if tt.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, egress.ErrRefused)
		})
	}
}

func TestAMetadataServiceIsNotOpenedByTheNetworkAroundIt(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: "169.254.169.254"}
	for _, allow := range []string{"169.254.0.0/16", "0.0.0.0/0"} {
		require.ErrorIs(t, newDialer(t, egress.Config{Allow: []string{allow}}).CheckURL(u), egress.ErrRefused)
	}
	require.NoError(t, newDialer(t, egress.Config{Allow: []string{"169.254.169.254"}}).CheckURL(u))
}

func TestAnAllowListThatCannotBeReadIsRefused(t *testing.T) {
	for _, entry := range []string{"", "10.0.0.0/33", "10.0.0.0/", "*.internal", "app.internal:0", "app.internal:x", "[::1", "[::1]x", "fe80::1%eth0", "http://x", "::ffff:10.0.0.0/104", "a b"} {
		_, err := egress.New(egress.Config{Allow: []string{entry}})
		require.ErrorContains(t, err, "--allow-egress", entry)
	}
	for _, entry := range []string{"fd00::/8", "[fd00::/8]:443", "10.0.0.0/8:80", "::/0", " 10.0.0.1 "} {
		newDialer(t, egress.Config{Allow: []string{entry}})
	}
}

// S2: the name answers differently each time; whoever checks before the dial loses.
func TestANameThatChangesItsAddressNeverReachesThePrivateOne(t *testing.T) {
	private, privateHits := trap(t, "tcp4", "127.0.0.1:0")
	l, err := net.Listen("tcp4", "127.0.0.2:"+private)
	if err != nil {
		t.Skip("no second loopback address")
	}
	public := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	public.Listener.Close()
	public.Listener = l
	public.Start()
	defer public.Close()

	bad, good := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	var asked atomic.Int64
	resolver := dnsServer(t, func(name string) []netip.Addr {
		switch {
		case strings.HasPrefix(name, "mixed"):
			return []netip.Addr{bad, good}
		case strings.HasPrefix(name, "private"):
			return []netip.Addr{bad}
		case asked.Add(1)%2 == 0:
			return []netip.Addr{good}
		}
		return []netip.Addr{bad}
	})
	// 127.0.0.2 plays the public address.
	d := newDialer(t, egress.Config{Allow: []string{"127.0.0.2"}, Resolver: resolver})
	transport := d.Transport()
	transport.DisableKeepAlives = true
	client := &http.Client{Transport: transport}

	reached, refused := 0, 0
	for range 1000 {
		response, err := client.Get("http://rebind.test:" + private)
		if err != nil {
			require.ErrorIs(t, err, egress.ErrRefused)
			refused++
			continue
		}
		response.Body.Close()
		reached++
	}
	require.Equal(t, 500, reached)
	require.Equal(t, 500, refused)

	response, err := client.Get("http://mixed.test:" + private)
	require.NoError(t, err, "of a mixed answer the public address is used")
	response.Body.Close()
	for _, name := range []string{"private.test", "private.cname.test"} {
		_, err = client.Get("http://" + name + ":" + private)
		require.ErrorIs(t, err, egress.ErrRefused, name)
	}
	require.Zero(t, privateHits.Load())
}

// S3: whoever follows a redirect meets the same guard.
func TestARedirectIsNotFollowedByTheTransportAndNotDialledByAClient(t *testing.T) {
	port, connects := trap(t, "tcp4", "127.0.0.1:0")
	server := httptest.NewServer(nil)
	defer server.Close()
	server.Config.Handler = http.RedirectHandler("http://127.0.0.1:"+port+"/", http.StatusTemporaryRedirect)
	d := newDialer(t, egress.Config{Allow: []string{server.Listener.Addr().String()}})
	require.NoError(t, get(d, server.URL), "the 307 is the answer")
	_, err := (&http.Client{Transport: d.Transport()}).Get(server.URL)
	require.ErrorIs(t, err, egress.ErrRefused)
	require.Zero(t, connects.Load())
}

func TestNoProxyIsTakenFromTheEnvironment(t *testing.T) {
	port, connects := trap(t, "tcp4", "127.0.0.1:0")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+port)
	t.Setenv("ALL_PROXY", "http://127.0.0.1:"+port)
	d := newDialer(t, egress.Config{AllowLoopback: true, Timeout: 100 * time.Millisecond})
	require.Nil(t, d.Transport().Proxy)
	require.Error(t, get(d, "http://10.0.0.1/"))
	require.Zero(t, connects.Load())
}

func TestOnlyTCPIsDialled(t *testing.T) {
	d := newDialer(t, egress.Config{AllowLoopback: true})
	_, err := d.DialContext(t.Context(), "udp", "127.0.0.1:53")
	require.ErrorIs(t, err, egress.ErrRefused)
	_, err = d.DialContext(t.Context(), "unix", "/run/x.sock")
	require.Error(t, err)
}

func TestTooManyResponseHeadersAreCutOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 70<<10))
	}))
	defer server.Close()
	require.ErrorContains(t, get(newDialer(t, egress.Config{AllowLoopback: true}), server.URL), "headers exceeded")
}

// dnsServer is a name server with a lifetime of zero on all answers, behind a
// CNAME for names with "cname" in them.
func dnsServer(t testing.TB, answer func(name string) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := dnsReply(buf[:n], answer); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func dnsReply(query []byte, answer func(string) []netip.Addr) []byte {
	if len(query) < 17 {
		return nil
	}
	var labels []string
	at := 12
	for query[at] != 0 {
		size := int(query[at])
		labels = append(labels, string(query[at+1:at+1+size]))
		at += 1 + size
	}
	question := query[12 : at+5]
	name := strings.ToLower(strings.Join(labels, "."))
	kind := binary.BigEndian.Uint16(query[at+1:])

	var records []byte
	count := 0
	record := func(owner []byte, kind uint16, data []byte) {
		records = append(records, owner...)
		records = binary.BigEndian.AppendUint16(records, kind)
		records = append(records, 0, 1, 0, 0, 0, 0) // class IN, lifetime 0
		records = binary.BigEndian.AppendUint16(records, uint16(len(data)))
		records = append(records, data...)
		count++
	}
	owner := []byte{0xc0, 12}
	if strings.Contains(name, "cname") {
		alias := []byte("\x05alias\x04test\x00")
		record(owner, 5, alias)
		owner = alias
	}
	var addrs []netip.Addr
	if kind == 1 {
		addrs = answer(name)
	}
	for _, a := range addrs {
		record(owner, 1, a.AsSlice())
	}
	flags := uint16(0x8580)
	if kind == 1 && len(addrs) == 0 {
		flags |= 3 // no such name
	}
	reply := append([]byte{}, query[:2]...)
	reply = binary.BigEndian.AppendUint16(reply, flags)
	reply = append(reply, 0, 1, 0, byte(count), 0, 0, 0, 0)
	return append(append(reply, question...), records...)
}

func FuzzCheckURL(f *testing.F) {
	for _, host := range refusedHosts() {
		f.Add("http://" + host + "/")
	}
	d, err := egress.New(egress.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.Parse(target)
		if err != nil || d.CheckURL(u) != nil {
			return
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.Is4In6() && addr.Unmap().IsPrivate()) {
			t.Fatalf("%q names %s", target, addr)
		}
	})
}

func BenchmarkCheckURL(b *testing.B) {
	d := newDialer(b, egress.Config{AllowLoopback: true})
	u, _ := url.Parse("http://127.0.0.1:8000/hook")
	b.ReportAllocs()
	for b.Loop() {
		if err := d.CheckURL(u); err != nil {
			b.Fatal(err)
		}
	}
}
