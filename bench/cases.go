package main

import (
	"context"
	"slices"
	"strings"
)

// benchCase is a thing to measure and who does it.
type benchCase struct {
	Group string // what is measured: burn/postgres
	Who   string // sendoff, or a peer
	N     int    // tasks
	Short int    // tasks with -short
	do    func(context.Context, *run) error

	Beside string // group of the same run that says what a task costs without what this one adds; "" = none
}

func (c benchCase) name() string { return c.Group + "/" + c.Who }

// ours tells our rows from those of peers.
func (c benchCase) ours() bool { return strings.HasPrefix(c.Who, "sendoff") }

func (c benchCase) tasks(short bool) int {
	if short {
		return c.Short
	}
	return c.N
}

func (c benchCase) needs(server string) bool {
	switch server {
	case "postgres":
		return onPostgres(c.Group)
	case "redis":
		return strings.HasSuffix(c.Group, "/redis")
	case "node":
		return needsNPM(c.Who)
	case "python":
		return strings.HasPrefix(c.Group, "pool-") || strings.HasPrefix(c.Group, "graph-")
	case "sendoff":
		return (strings.HasPrefix(c.Group, "pool-") || strings.HasPrefix(c.Group, "graph-")) && c.ours()
	}
	return false
}

// allCases lists every case; those of one group stand together.
func allCases() []benchCase {
	cases := slices.Concat(storeCases(), burnCases(), gateCases(), fairCases(), depsCases(), submitCases(), bulkCases(), doorCases(), waitCases(), pushCases(), latencyCases(), heldCases(), poolCases(),
		functionCases(), stepCases(), gatherCases(), graphCases())
	order := map[string]int{}
	for i, c := range cases {
		if _, known := order[c.Group]; !known {
			order[c.Group] = i
		}
	}
	slices.SortStableFunc(cases, func(a, b benchCase) int { return order[a.Group] - order[b.Group] })
	return cases
}

// aim is what a group should reach, in rate or in a value of the sample.
type aim struct {
	group, who string // who = "": sendoff
	value      string // "" = rate
	want       float64
	atMost     bool
}

var aims = []aim{
	{group: "store/sqlite", want: 45_000},
	{group: "store/postgres", want: 55_000},
	{group: "burn/sqlite", want: 25_000},
	{group: "burn/postgres", want: 25_000},
	{group: "burn/postgres", value: "cpu_us", want: 70, atMost: true},
	{group: "burn/postgres", value: "wal", want: 1_000, atMost: true},
	{group: "submit1/sqlite", want: 30_000},
	{group: "submit1/postgres", want: 15_000},
	{group: "bulk/sqlite", want: 50_000},
	{group: "bulk/postgres", who: "sendoff-copy", want: 80_000},
	{group: "http/sqlite", want: 12_000},
	{group: "http/postgres", want: 8_000},
	{group: "push/sqlite", who: "sendoff-signed", want: 8_000},
	{group: "push/sqlite", who: "sendoff-unsigned", want: 10_000},
	{group: "push/postgres", who: "sendoff-signed", want: 6_000},
	{group: "push/postgres", who: "sendoff-unsigned", want: 8_000},
	{group: "latency/sqlite", value: "p50_ms", want: 1, atMost: true},
	{group: "latency/sqlite", value: "p99_ms", want: 4, atMost: true},
	{group: "latency/postgres", value: "p50_ms", want: 3, atMost: true},
	{group: "latency/postgres", value: "p99_ms", want: 10, atMost: true},
	{group: "heldxmin/postgres", value: "decay", want: 1.3, atMost: true},
	{group: "pool-latency/postgres", value: "p50_ms", want: 1, atMost: true},
	{group: "pool-drain/sqlite", want: 10_000},
	{group: "fn1/sqlite", want: 8_000},
	{group: "fn1/postgres", want: 4_000},
	{group: "fn10/sqlite", want: 1_500},
	{group: "fn10/postgres", want: 600},
	{group: "step100/sqlite", value: "appends", want: 1, atMost: true},
	{group: "step100/postgres", value: "appends", want: 1, atMost: true},
}
