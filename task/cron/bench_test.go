package cron_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task/cron"
)

func BenchmarkNext(b *testing.B) {
	for _, bb := range []struct{ name, text, zone string }{
		{"minutes/UTC", "*/5 * * * *", "UTC"},
		{"minutes/Berlin", "*/5 * * * *", "Europe/Berlin"},
		{"daily/Berlin", "30 2 * * *", "Europe/Berlin"},
		{"weekdays/NewYork", "0 9 * * MON-FRI", "America/New_York"},
		{"monthly/LordHowe", "0 0 1 * *", "Australia/Lord_Howe"},
		{"leap/Berlin", "0 0 29 2 *", "Europe/Berlin"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			e, err := cron.Parse(bb.text, zoneOf(b, bb.zone))
			require.NoError(b, err)
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			end := start.AddDate(10, 0, 0)
			b.ReportAllocs()
			for at := start; b.Loop(); {
				if at, _ = e.Next(at); at.After(end) {
					at = start
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cron.Parse("*/15 9-17 1,15 JAN-JUN MON-FRI", time.UTC); err != nil {
			b.Fatal(err)
		}
	}
}
