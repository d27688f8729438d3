package pace

import (
	"runtime"
	"testing"
	"time"
)

// What a push costs more than without: alone, and with a line behind three quarters of
// the slots.
func BenchmarkAPush(b *testing.B) {
	for name, goroutines := range map[string]int{"room": 64, "line": 128} {
		b.Run(name, func(b *testing.B) {
			slots := NewSlots(256)
			book := NewBook[struct{}](func(string) Limits { return Limits{Most: 256, Line: 256, Foresee: true, Slots: slots} })
			b.ReportAllocs()
			b.SetParallelism(goroutines)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					now := time.Now()
					e := book.Get("http://host", "http://host", now)
					e.Use(now)
					e.Circuit.Enter(now)
					t, ok := e.Limiter.Acquire(b.Context(), 250*time.Millisecond)
					if !ok {
						b.Error("put off")
						return
					}
					runtime.Gosched() // the push
					e.Limiter.Release(t, End{Effect: Grow})
					e.Circuit.Open(now, now)
					e.Succeeded()
				}
			})
		})
	}
}
