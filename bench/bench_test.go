package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain lets the test binary be the helper processes, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && helpers[os.Args[1]] != nil {
		exit(helpers[os.Args[1]](os.Args[2:]))
	}
	os.Exit(m.Run())
}

// TestCasesWithoutServers runs every case that needs none, in miniature.
func TestCasesWithoutServers(t *testing.T) {
	if testing.Short() {
		t.Skip("runs other programs")
	}
	for _, c := range allCases() {
		if c.needs("postgres") || c.needs("redis") || c.needs("python") {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			in, err := json.Marshal(order{Case: c.name(), N: 50, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self(), "case")
			cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var s sample
			if err := json.Unmarshal(out, &s); err != nil || s.Err != "" || s.Rate <= 0 || s.N != 50 {
				t.Fatalf("%v: %s", err, out)
			}
		})
	}
}

func TestEveryAimHasACase(t *testing.T) {
	for _, a := range aims {
		who := a.who
		if who == "" {
			who = "sendoff"
		}
		if len(choose(allCases(), a.group+"/"+who)) != 1 {
			t.Errorf("%+v", a)
		}
	}
}

func TestSpread(t *testing.T) {
	var samples []sample
	for _, r := range []float64{5, 1, 3, 9} {
		samples = append(samples, sample{Rate: r})
	}
	if m, low, high := spread(samples, rate); m != 4 || low != 1 || high != 9 {
		t.Error(m, low, high)
	}
}

func TestNumber(t *testing.T) {
	for want, f := range map[string]float64{"0.50": 0.5, "12.3": 12.34, "123": 123, "1,234,568": 1234567.8} {
		if got := number(f); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestReport(t *testing.T) {
	cases := choose(allCases(), "burn/postgres,burn-key/postgres")
	samples := []sample{
		{Group: "burn/postgres", Who: "sendoff", Round: 1, N: 10, Rate: 30_000, Self: 20, Server: 20, Values: map[string]float64{"cpu_us": 60, "wal": 1200}},
		{Group: "burn/postgres", Who: "river", Round: 1, N: 10, Rate: 15_000},
		{Group: "burn-key/postgres", Who: "sendoff", Round: 1, N: 10, Rate: 24_000, Self: 20, Server: 30},
	}
	var b strings.Builder
	report(&b, cases, samples)
	for _, want := range []string{"| 2.0 |", "| CPU 1.25, rate 0.80 of burn/postgres |", "| burn/postgres/sendoff | wal | ≤ 1,000 | 1,200 [1,200–1,200] | **no** |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in:\n%s", want, b.String())
		}
	}
}
